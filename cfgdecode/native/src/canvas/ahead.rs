//! Writing from left to right: the long gap behind the latest commit stays open, and the next token is asked no more than whether it
//! fits what may follow.
//!
//! A witness would be read off the gap at each step, for most of it to be given up at the next. Instead there is the left row behind
//! what is written, and a view of what may follow: the latest witness behind the gap, and in front of it plain tokens for any number of
//! cells from a power of two on. So what may follow is the same from step to step, until half of the gap is written.
//!
//! Invariant: with the slots as they were at the latest verdict there is a filling: `settle` reads it off when somebody asks for a witness,
//! and before anything else changes.
//! Cost: one left row of one token a step, and a meeting of it with sets that mostly have met before.

use super::clock::Stage;
use super::context::Context;
use super::decide::fits_row;
use super::filling::read_off;
use super::session::{Answer, Session, only};
use super::sketch::gap_of;
use super::slots::Slot;
use super::view::{Choice, LeftRow, View};
use crate::vocabulary::TokenId;
use std::ops::Range;

/// Commits in a row, each right behind the one before, from which on the next one is expected there as well.
const STEADY: usize = 2;
/// Cells that the gap must have.
const LONG: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct Ahead {
    /// What was written since the latest witness, and from which slot on.
    written: Vec<TokenId>,
    first: usize,
    /// The left row behind it; none if the charts were emptied.
    row: Option<LeftRow>,
    /// What may follow, if it has no fewer than so many cells in front of the witness's rest.
    follows: View,
    n_cells: usize,
    /// Where the gap and the text end.
    gap_end: usize,
    end: usize,
    /// Slots that were changed since the latest verdict.
    n_changed: usize,
}

impl Ahead {
    pub(super) fn forget(&mut self) {
        self.row = None;
        self.follows.forget();
    }

    fn gap(&self) -> Range<usize> {
        self.first + self.written.len()..self.gap_end
    }

    /// Writes tokens if something may follow them.
    fn write(&mut self, ctx: &mut Context<'_>, tokens: &[TokenId]) -> bool {
        let Some(mut row) = self.row.clone() else { return false };
        let left = self.gap().len().checked_sub(tokens.len()).filter(|&left| left >= LONG);
        let Some(left) = left else { return false };
        while self.n_cells > left {
            self.n_cells /= 2;
            let n = self.follows.len() - self.n_cells;
            self.follows.splice(0..self.n_cells, Vec::new(), only(n, n));
        }
        for &token in tokens {
            row = ctx.advance_row(&row, &Choice::One(token), &[]);
        }
        if !ctx.with_plain(|ctx| fits_row(ctx, &mut self.follows, 0, &row)) {
            return false;
        }
        self.written.extend_from_slice(tokens);
        self.row = Some(row);
        self.n_changed = 0;
        true
    }
}

impl Session {
    /// Notes that slot `i` was replaced.
    pub(super) fn count_step(&mut self, i: usize) {
        let is_next = i > 0 && self.last_changed == Some(i - 1) && self.slots[i].is_decided();
        self.n_in_a_row = if is_next { self.n_in_a_row + 1 } else { 0 };
        if let Some(ahead) = &mut self.ahead {
            ahead.n_changed += 1;
        }
    }

    /// Whether all that was changed since the latest verdict is at the front of the gap, and something may follow it.
    pub(super) fn writes_on(&mut self, ctx: &mut Context<'_>) -> bool {
        if let Some(mut ahead) = self.ahead.take() {
            let start = ahead.gap().start;
            let tokens: Option<Vec<TokenId>> = (start..start + ahead.n_changed).map(|i| self.text_at(i)).collect();
            let is_next = self.last_changed == (start + ahead.n_changed).checked_sub(1);
            if tokens.is_some_and(|tokens| is_next && ahead.write(ctx, &tokens)) {
                self.ahead = Some(ahead);
                return true;
            }
            self.read_ahead(ctx, &ahead);
        }
        self.ahead = self.looks_ahead(ctx);
        self.ahead.is_some()
    }

    /// What may follow the latest commit in the gap behind it, if anything may.
    fn looks_ahead(&mut self, ctx: &mut Context<'_>) -> Option<Ahead> {
        let i = self.last_changed.filter(|_| self.n_in_a_row >= STEADY)?;
        let token = self.text_at(i).filter(|_| self.slots.get(i + 1) == Some(&Slot::Open))?;
        let concrete = self.concrete.as_mut().filter(|c| c.changed == [i] && c.torn.is_none())?;
        let end = concrete.end;
        let gap = i + 1..gap_of(&self.slots, i + 1).end.min(end);
        if gap.len() < LONG {
            return None;
        }
        let row = concrete.view.left_row(ctx, i).to_vec();
        let n_cells = gap.len().next_power_of_two() / 2;
        let rest = concrete.tokens[gap.end..end].iter().map(|&t| Choice::One(t));
        let choices: Vec<Choice> = std::iter::repeat_n(Choice::Pool, n_cells).chain(rest).collect();
        let ends = only(choices.len(), choices.len());
        let mut follows = View::new(self.constraint.start, choices, ends);
        follows.set_steady(true, true);
        let mut ahead = Ahead { written: Vec::new(), first: i, row: Some(row), follows, n_cells, gap_end: gap.end, end, n_changed: 0 };
        ahead.write(ctx, &[token]).then_some(ahead)
    }

    /// The token of a slot that is decided and part of the text.
    fn text_at(&self, i: usize) -> Option<TokenId> {
        match self.slots.get(i) {
            Some(&Slot::Token(t)) if !self.constraint.vocabulary.is_special(t) => Some(t),
            _ => None,
        }
    }

    /// Makes the witness that was left open; an error if a limit ends that.
    pub(super) fn settle(&mut self) -> Result<(), &'static str> {
        let Some(ahead) = self.ahead.take() else { return Ok(()) };
        if let Err(limit) = self.with(Stage::Repair, |ctx, session| session.read_ahead(ctx, &ahead)) {
            self.ahead = Some(ahead);
            return Err(limit);
        }
        if self.witness.is_none() && self.verdict == Some(Answer::Completable) {
            (self.verdict, self.n_in_a_row) = (None, 0);
            if let Answer::Undecided(limit) = self.verdict() {
                return Err(limit);
            }
        }
        Ok(())
    }

    /// The witness of the latest verdict, and what has changed since.
    fn read_ahead(&mut self, ctx: &mut Context<'_>, ahead: &Ahead) {
        let Some(concrete) = &self.concrete else { return };
        let mut view = concrete.view.clone();
        view.set_choices(ahead.first, ahead.written.iter().map(|&t| Choice::One(t)).collect());
        ahead.gap().for_each(|i| view.set_choice(i, Choice::Pool));
        let Some(tokens) = ctx.with_plain(|ctx| read_off(ctx, &mut view, ahead.gap(), &concrete.tokens)) else { return };
        ahead.gap().zip(tokens).for_each(|(i, token)| view.set_choice(i, Choice::One(token)));
        let Some(witness) = self.spelled_out(&view, ahead.end) else { return };
        self.keep(ahead.end, witness);
        let Some(concrete) = &mut self.concrete else { return };
        let is_changed = |&i: &usize| matches!(self.slots[i], Slot::Token(t) if t != concrete.tokens[i]);
        concrete.changed = (0..self.slots.len()).filter(is_changed).collect();
        if !concrete.changed.is_empty() {
            self.witness = None;
        }
    }
}
