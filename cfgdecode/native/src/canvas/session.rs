//! One canvas under decoding: the mutable object behind the Python `Canvas`.
//!
//! Terms. The *general view* gives every open slot all tokens; its left rows and right rows answer
//! everything exactly. The *witness* is a concrete filling that makes the text complete; while a
//! decision agrees with it nothing has to be asked.
//!
//! Invariants: `witness`, if there is one, fits the slots cell by cell and its text is in the language;
//! an answer that ran into a limit is `Undecided` and leaves no trace in the views.

use super::constraint::Constraint;
use super::slots::{EosPolicy, Slot, text_ends};
use super::shortest::Layers;
use super::view::{Charts, Choice, Context, Step, View};
use crate::intersect::{Chart, SetId, Sources};
use crate::vocabulary::{Branch, EffectId, TokenId};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Completable,
    Dead,
    Undecided(&'static str),
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    pub left_sets: usize,
    pub right_sets: usize,
    pub items: usize,
    pub states: usize,
    pub effects: usize,
    pub configs: usize,
    pub trie_nodes: usize,
    pub table_bytes: usize,
    pub calls: u64,
    pub us: u64,
}

#[derive(Debug)]
pub struct Session {
    constraint: Arc<Constraint>,
    slots: Vec<Slot>,
    policy: EosPolicy,
    view: View,
    charts: Arc<Mutex<Charts>>,
    witness: Option<Witness>,
    verdict: Option<Answer>,
    stats: Stats,
}

/// Per slot its tokens: one, or any number where the slot stands for an interval. Behind the text's end
/// they are tail tokens.
pub(super) type Witness = Vec<Vec<TokenId>>;

impl Session {
    pub fn new(constraint: Arc<Constraint>, slots: Vec<Slot>, policy: EosPolicy) -> Session {
        let charts = Arc::new(Mutex::new(new_charts(&constraint)));
        let ends = text_ends(policy, &constraint.vocabulary, &slots);
        let view = View::new(constraint.start, slots.iter().map(general).collect(), ends);
        Session { constraint, slots, policy, view, charts, witness: None, verdict: None, stats: Stats::default() }
    }

    pub fn fork(&self) -> Session {
        Session {
            constraint: self.constraint.clone(),
            slots: self.slots.clone(),
            policy: self.policy,
            view: self.view.clone(),
            charts: self.charts.clone(),
            witness: self.witness.clone(),
            verdict: self.verdict,
            stats: self.stats,
        }
    }

    pub fn constraint(&self) -> &Arc<Constraint> {
        &self.constraint
    }

    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Replaces one slot. The witness survives if it agrees.
    pub fn set(&mut self, i: usize, slot: Slot) {
        if self.slots[i] == slot {
            return;
        }
        let agrees = match (slot, &self.witness) {
            (Slot::Token(t), Some(w)) => w[i].as_slice() == [t],
            (Slot::Open, Some(w)) => w[i].len() == 1,
            _ => false,
        };
        let widened = matches!(slot, Slot::Open) && matches!(self.slots[i], Slot::Token(_));
        self.slots[i] = slot;
        self.view.set_choice(i, general(&slot));
        self.view.set_ends(text_ends(self.policy, &self.constraint.vocabulary, &self.slots));
        if !agrees {
            self.witness = None;
        }
        self.verdict = match self.verdict {
            Some(Answer::Completable) if agrees => Some(Answer::Completable),
            Some(Answer::Dead) if !widened => Some(Answer::Dead),
            _ => None,
        };
    }

    /// Replaces all slots (insertions and deletions); the charts keep what still applies.
    pub fn replace(&mut self, slots: Vec<Slot>) {
        let ends = text_ends(self.policy, &self.constraint.vocabulary, &slots);
        self.view = View::new(self.constraint.start, slots.iter().map(general).collect(), ends);
        self.slots = slots;
        self.witness = None;
        self.verdict = None;
    }

    pub fn verdict(&mut self) -> Answer {
        if let Some(known) = self.verdict {
            return known;
        }
        let answer = self.decide();
        if !matches!(answer, Answer::Undecided(_)) {
            self.verdict = Some(answer);
        }
        answer
    }

    fn decide(&mut self) -> Answer {
        if self.has_intervals() {
            let found = self.with(|ctx, session| session.find_end(ctx).is_some());
            return match found {
                Ok(true) => Answer::Completable,
                Ok(false) => Answer::Dead,
                Err(limit) => Answer::Undecided(limit),
            };
        }
        match self.with(|ctx, session| session.find_witness(ctx)) {
            Ok(Some(witness)) => {
                self.witness = Some(witness);
                Answer::Completable
            }
            Ok(None) => Answer::Dead,
            Err(limit) => Answer::Undecided(limit),
        }
    }

    fn has_intervals(&self) -> bool {
        self.slots.iter().any(|s| matches!(s, Slot::Optional | Slot::Anything))
    }

    /// A concrete filling with the fewest tokens, if the canvas is completable: per slot its tokens.
    pub fn witness(&mut self) -> Result<Option<&Witness>, &'static str> {
        match self.verdict() {
            Answer::Undecided(limit) => return Err(limit),
            Answer::Dead => return Ok(None),
            Answer::Completable => {}
        }
        if self.witness.is_none() {
            let ends = text_ends(self.policy, &self.constraint.vocabulary, &self.slots);
            let start = self.constraint.start;
            let slots = self.slots.clone();
            let solved = self.with(|ctx, _| Layers::solve(ctx, start, &slots, &ends))?;
            self.witness = solved.and_then(|(end, witness)| self.with_tail(end, witness));
        }
        Ok(self.witness.as_ref())
    }

    /// The allowed tokens of an open slot, sorted, and whether EOS-tail tokens are among them is
    /// already worked in.
    pub fn allowed(&mut self, i: usize) -> Result<Vec<TokenId>, &'static str> {
        self.with(|ctx, session| session.find_allowed(ctx, i))
    }

    /// Runs `f` with the lexical tables and charts locked; a limit that was hit voids its result.
    fn with<T>(&mut self, f: impl FnOnce(&mut Context<'_>, &mut Session) -> T) -> Result<T, &'static str> {
        let began = Instant::now();
        let constraint = self.constraint.clone();
        let charts = self.charts.clone();
        let mut tables = constraint.tables();
        let mut charts = charts.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = constraint.limits.time_us;
        let mut ctx = Context {
            constraint: &constraint,
            effects: &mut tables.effects,
            charts: &mut charts,
            deadline: (limit > 0).then(|| began + Duration::from_micros(limit)),
            stopped: None,
        };
        let result = f(&mut ctx, self);
        ctx.stop();
        let stopped = ctx.stopped;
        self.stats = Stats {
            left_sets: ctx.charts.left.n_sets(),
            right_sets: ctx.charts.right.n_sets(),
            items: ctx.charts.n_items(),
            states: ctx.charts.meeting.n_states,
            effects: ctx.effects.n_effects(),
            configs: ctx.effects.lexer.n_configs(),
            trie_nodes: ctx.effects.trie_nodes,
            table_bytes: ctx.effects.memory_bytes(),
            calls: self.stats.calls + 1,
            us: self.stats.us + began.elapsed().as_micros() as u64,
        };
        if let Some(limit) = stopped {
            *ctx.charts = new_charts(&constraint);
            self.view.forget();
            return Err(limit);
        }
        Ok(result)
    }

    /// The last boundary at which the text can end.
    fn find_end(&mut self, ctx: &mut Context<'_>) -> Option<usize> {
        (0..=self.slots.len()).rev().find(|&end| self.view.ends_at(end) && self.view.fits_end(ctx, end))
    }

    /// Left rows to the right, then a filling put together from the right end.
    fn find_witness(&mut self, ctx: &mut Context<'_>) -> Option<Witness> {
        let end = self.find_end(ctx)?;
        let row = self.view.left_row(ctx, end).clone();
        let mut step = row.iter().find_map(|&(config, l)| {
            let right = ctx.end_set(config);
            ctx.charts.fits(&ctx.constraint.cfg, l, right).then_some(Step { config, right, token: None })
        })?;
        let mut witness: Witness = vec![Vec::new(); self.slots.len()];
        for i in (0..end).rev() {
            let row = self.view.left_row(ctx, i).clone();
            step = ctx.step_left(&row, self.view.choice(i), &step)?;
            witness[i].extend(step.token);
        }
        self.with_tail(end, witness)
    }

    /// Adds the tokens behind the end of the text.
    fn with_tail(&self, end: usize, mut witness: Witness) -> Option<Witness> {
        for (i, tokens) in witness.iter_mut().enumerate().skip(end) {
            if i == end || !matches!(self.slots[i], Slot::Optional | Slot::Anything) {
                tokens.push(self.tail_token(i, i == end)?);
            }
        }
        Some(witness)
    }

    /// A token behind the end of the text: what is there, or EOS, or pad.
    fn tail_token(&self, i: usize, first: bool) -> Option<TokenId> {
        let v = &self.constraint.vocabulary;
        match self.slots[i] {
            Slot::Token(t) => Some(t),
            _ if first => v.eos.first().copied(),
            _ if self.policy == EosPolicy::Pad => v.pad,
            _ => v.eos.first().copied().or(v.pad),
        }
    }

    fn find_allowed(&mut self, ctx: &mut Context<'_>, i: usize) -> Vec<TokenId> {
        let row = self.view.left_row(ctx, i).clone();
        let mut memo: FxHashMap<(EffectId, SetId), bool> = FxHashMap::default();
        let mut allowed: Vec<TokenId> = Vec::new();
        for (c, l) in row {
            for class in ctx.class_table(c).iter() {
                if self.effect_fits(ctx, i, class.effect, l, &mut memo) {
                    allowed.extend_from_slice(&class.tokens);
                }
            }
        }
        self.add_end_tokens(ctx, i, &mut allowed);
        allowed.sort_unstable();
        allowed.dedup();
        allowed
    }

    /// EOS at slot i, and whatever may stand there behind an EOS further left.
    fn add_end_tokens(&mut self, ctx: &mut Context<'_>, i: usize, allowed: &mut Vec<TokenId>) {
        let vocabulary = ctx.constraint.vocabulary.clone();
        if self.view.ends_at(i) && self.view.fits_end(ctx, i) {
            allowed.extend_from_slice(&vocabulary.eos);
        }
        // In the tail: an EOS at j < i whose tail admits slot i.
        if (0..i).any(|j| self.view.ends_at(j) && self.view.fits_end(ctx, j)) {
            match self.policy.tail_tokens(&vocabulary) {
                Some(tokens) => allowed.extend(tokens),
                None => allowed.extend((0..vocabulary.len() as u32).filter(|&t| vocabulary.mask != Some(t))),
            }
        }
    }

    /// Whether a token of this effect at slot i, read from left set `l`, leads to a completable canvas.
    fn effect_fits(&mut self, ctx: &mut Context<'_>, i: usize, effect: EffectId, l: SetId, memo: &mut FxHashMap<(EffectId, SetId), bool>) -> bool {
        if let Some(&known) = memo.get(&(effect, l)) {
            return known;
        }
        let branches: SmallVec<[Branch; 4]> = SmallVec::from_slice(ctx.effects.branches(effect));
        let fits = branches.into_iter().any(|branch| match branch {
            Branch::End(c) => {
                let r = self.view.right_set(ctx, i + 1, c);
                ctx.charts.fits(&ctx.constraint.cfg, l, r)
            }
            Branch::Skip(rest) => self.effect_fits(ctx, i, rest, l, memo),
            Branch::Emit(t, rest) => {
                if !ctx.charts.left.predicts(l, t) {
                    return false;
                }
                let mut sources = Sources::default();
                sources.arcs.push((t, l));
                let next = ctx.charts.left.build(&ctx.constraint.cfg, &mut sources);
                next != Chart::DEAD && self.effect_fits(ctx, i, rest, next, memo)
            }
        });
        memo.insert((effect, l), fits);
        fits
    }
}

fn new_charts(constraint: &Constraint) -> Charts {
    let mut charts = Charts::new(&constraint.cfg);
    charts.left.max_items = constraint.limits.items;
    charts.right.max_items = constraint.limits.items;
    charts
}

fn general(slot: &Slot) -> Choice {
    match slot {
        Slot::Token(t) => Choice::One(*t),
        Slot::Open => Choice::All,
        Slot::Optional => Choice::Optional(Box::new(Choice::All)),
        Slot::Anything => Choice::Anything,
    }
}
