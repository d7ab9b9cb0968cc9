//! The best filling under scores: prefixes from left to right, those with equal contexts as one (Viterbi), the best of them kept.
//!
//! A prefix is known by its left row. Chart sets are shared, so prefixes behind which the same can follow mostly have one row, and only the
//! best of them matters. Of the others the best `width` go on to the next cell. Whatever reaches the right end and fits what is decided there is a
//! filling; it is the best one if no prefix that was given up could have led to more.
//!
//! Cost: a row of one token for each prefix and token that is looked at, about `width` of them a cell.
//! Source: Viterbi 1967; the bound is that of A* (Hart, Nilsson & Raphael 1968).

use super::clock::Stage;
use super::context::Context;
use super::decide::fits_row;
use super::session::{Answer, Session};
use super::slots::Slot;
use super::view::{Choice, LeftRow};
use crate::vocabulary::TokenId;
use rustc_hash::FxHashMap;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Tokens and their scores, the best first.
pub type Candidates = Vec<(TokenId, f64)>;

/// The tokens of the open cells, in order, the sum of their scores, and what no other filling from the candidates has more than.
pub type Best = (Vec<TokenId>, f64, f64);

#[derive(Debug)]
struct Prefix {
    row: LeftRow,
    score: f64,
    /// The prefix one open cell shorter, and the token in that cell.
    before: Option<(usize, TokenId)>,
}

/// The next token of a prefix, `nth` among the candidates.
#[derive(Debug, PartialEq)]
struct Next {
    score: f64,
    prefix: usize,
    nth: usize,
}

impl Eq for Next {}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Next) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Next {
    fn cmp(&self, other: &Next) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| (other.prefix, other.nth).cmp(&(self.prefix, self.nth)))
    }
}

struct Search<'a> {
    candidates: &'a [Candidates],
    width: usize,
    all: Vec<Prefix>,
    /// Those that reach the present boundary.
    front: Vec<usize>,
    /// The most that a prefix which was given up could have led to.
    given_up: f64,
}

impl Session {
    /// The best filling that is found from these tokens (for each open cell in order), keeping `width` prefixes. None if none of those reaches the
    /// end, or if the text ends among the open cells.
    pub fn best_filling(&mut self, candidates: &[Candidates], width: usize) -> Result<Option<Best>, &'static str> {
        if self.has_intervals() || self.is_small() || self.verdict() != Answer::Completable || candidates.len() != self.n_open() {
            return Ok(None);
        }
        self.settle()?;
        self.with(Stage::Sketch, |ctx, session| session.search_best(ctx, candidates, width))
    }

    fn search_best(&mut self, ctx: &mut Context<'_>, candidates: &[Candidates], width: usize) -> Option<Best> {
        let is_open = |slot: &Slot| *slot == Slot::Open;
        let first = self.slots.iter().position(is_open)?;
        let behind = self.slots.iter().rposition(is_open)? + 1;
        let view = &mut self.concrete.as_mut().filter(|concrete| behind <= concrete.end)?.view;
        let begin = Prefix { row: view.left_row(ctx, first).to_vec(), score: 0.0, before: None };
        let mut search = Search { candidates, width, all: vec![begin], front: vec![0], given_up: f64::NEG_INFINITY };
        let mut cell = 0;
        for slot in &self.slots[first..behind] {
            match *slot {
                Slot::Token(token) => search.read(ctx, token),
                _ => {
                    search.decide(ctx, cell);
                    cell += 1;
                }
            }
            if ctx.stop() {
                return None;
            }
        }
        let mut found = search.front.clone();
        found.sort_by(|&a, &b| search.all[b].score.total_cmp(&search.all[a].score));
        let best = found.into_iter().find(|&at| fits_row(ctx, view, behind, &search.all[at].row))?;
        Some((search.tokens(best), search.all[best].score, search.given_up.max(search.all[best].score)))
    }
}

impl Search<'_> {
    /// A decided cell.
    fn read(&mut self, ctx: &mut Context<'_>, token: TokenId) {
        let mut by_row: FxHashMap<LeftRow, usize> = FxHashMap::default();
        for at in std::mem::take(&mut self.front) {
            let row = ctx.advance_row(&self.all[at].row, &Choice::One(token), &[]);
            self.all[at].row = row;
            self.keep(&mut by_row, at);
        }
    }

    /// An open cell: the best tokens behind the best prefixes, until there are enough.
    fn decide(&mut self, ctx: &mut Context<'_>, cell: usize) {
        let candidates = self.candidates;
        let tokens = &candidates[cell];
        let rest: f64 = candidates[cell + 1..].iter().map(|c| c.first().map_or(0.0, |best| best.1)).sum();
        let next = |all: &[Prefix], prefix: usize, nth: usize| tokens.get(nth).map(|t| Next { score: all[prefix].score + t.1, prefix, nth });
        let mut agenda: BinaryHeap<Next> = std::mem::take(&mut self.front).into_iter().filter_map(|at| next(&self.all, at, 0)).collect();
        let mut by_row: FxHashMap<LeftRow, usize> = FxHashMap::default();
        let mut n_looks = 0;
        while let Some(Next { score, prefix, nth }) = agenda.pop() {
            if self.front.len() >= self.width || n_looks >= LOOKS * self.width || ctx.stop() {
                self.given_up = self.given_up.max(score + rest);
                break;
            }
            n_looks += 1;
            agenda.extend(next(&self.all, prefix, nth + 1));
            let token = tokens[nth].0;
            if ctx.constraint.vocabulary.is_eos(token) {
                self.given_up = self.given_up.max(score + rest); // the text may end here
                continue;
            }
            let row = ctx.advance_row(&self.all[prefix].row, &Choice::One(token), &[]);
            self.all.push(Prefix { row, score, before: Some((prefix, token)) });
            self.keep(&mut by_row, self.all.len() - 1);
        }
    }

    /// Keeps a prefix behind which something can follow, if none with the same context is better.
    fn keep(&mut self, by_row: &mut FxHashMap<LeftRow, usize>, at: usize) {
        if self.all[at].row.is_empty() {
            return;
        }
        match by_row.get(&self.all[at].row) {
            None => {
                by_row.insert(self.all[at].row.clone(), self.front.len());
                self.front.push(at);
            }
            Some(&place) if self.all[self.front[place]].score < self.all[at].score => self.front[place] = at,
            Some(_) => {}
        }
    }

    fn tokens(&self, mut at: usize) -> Vec<TokenId> {
        let mut tokens = Vec::new();
        while let Some((before, token)) = self.all[at].before {
            tokens.push(token);
            at = before;
        }
        tokens.reverse();
        tokens
    }
}

/// Tokens that are looked at for each prefix that may be kept.
const LOOKS: usize = 8;
