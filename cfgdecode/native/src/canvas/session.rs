//! One canvas under decoding: the mutable object behind the Python `Canvas`.
//!
//! Terms. The *witness* is a concrete filling that makes the text complete; while a decision agrees with
//! it nothing has to be asked. Three views of the same slots: the *exact* view gives open slots all
//! tokens; the *sketch* gives them representatives; the *concrete* view gives them the witness's tokens
//! and is opened only around a change.
//!
//! How a verdict is found, cheapest first: the witness agrees; the witness can be repaired in a window
//! around the change; the sketch has a filling; the relaxed canvas (gaps of any length) has none, so the
//! canvas is dead; the exact view decides. Where few classes of tokens exist the exact view comes first.
//! The first two and the sketch only ever say yes, the relaxed canvas only ever says no.
//!
//! Invariants: `witness`, if there is one, fits the slots cell by cell and its text is in the language;
//! an answer that ran into a limit is `Undecided` and leaves no trace in the views.

use super::allowed::Allowed;
use super::constraint::Constraint;
use super::pool::Pool;
use super::representatives::Representatives;
use super::shortest::Layers;
use super::sketch::{self, DETAILS, Detail, gap_of, general};
use super::slots::{EosPolicy, Slot, text_ends};
use super::view::{Charts, Choice, Context, Step, View};
use crate::lexer::ConfigId;
use crate::vocabulary::TokenId;
use rustc_hash::FxHashMap;
use std::ops::Range;
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
    pub(super) exact: View,
    sketches: Vec<View>,
    /// Gaps of any length, to show that the canvas is dead.
    pub(super) relaxed: View,
    concrete: Option<Concrete>,
    last_changed: Option<usize>,
    /// None until a sketch is needed; then `sketches` and `relaxed` are made too.
    representatives: Option<Representatives>,
    /// Shared with forks, which may empty them.
    charts: Arc<Mutex<Charts>>,
    generation: u64,
    witness: Option<Witness>,
    verdict: Option<Answer>,
    pub(super) allowed_known: FxHashMap<usize, Allowed>,
    stats: Stats,
}

/// Per slot its tokens: one, or any number where the slot stands for an interval. Behind the text's end
/// they are tail tokens.
pub(super) type Witness = Vec<Vec<TokenId>>;

/// The latest witness as a view, and the slots that changed since it was found.
#[derive(Clone, Debug)]
struct Concrete {
    view: View,
    tokens: Vec<TokenId>,
    end: usize,
    changed: Vec<usize>,
}

/// Gaps on either side of a change that a repair may rewrite, tried in turn, and from which tokens.
const WINDOWS: [(usize, Detail); 11] = [
    (0, Detail::Coarse),
    (1, Detail::Coarse),
    (2, Detail::Coarse),
    (1, Detail::Edges),
    (4, Detail::Coarse),
    (2, Detail::Edges),
    (8, Detail::Coarse),
    (2, Detail::Fine),
    (4, Detail::Edges),
    (16, Detail::Coarse),
    (8, Detail::Edges),
];
/// Gaps on either side of a change that are looked at to show that the canvas is dead.
const DEAD_NEARBY: usize = 3;
/// Windows that are tried before the canvas is looked at as a whole.
const N_NEAR: usize = 3;
/// Tokens up to which the exact view is asked before the sketches, if few cells are open.
const SMALL_VOCABULARY: usize = 4096;
impl Session {
    pub fn new(constraint: Arc<Constraint>, slots: Vec<Slot>, policy: EosPolicy) -> Session {
        let charts = Arc::new(Mutex::new(new_charts(&constraint)));
        let ends = text_ends(policy, &constraint.vocabulary, &slots);
        let exact = View::new(constraint.start, slots.iter().map(general).collect(), ends.clone());
        let relaxed = View::new(constraint.start, Vec::new(), vec![false]);
        Session {
            constraint,
            slots,
            policy,
            exact,
            sketches: Vec::new(),
            relaxed,
            concrete: None,
            last_changed: None,
            representatives: None,
            charts,
            generation: 0,
            witness: None,
            verdict: None,
            allowed_known: FxHashMap::default(),
            stats: Stats::default(),
        }
    }

    pub fn fork(&self) -> Session {
        Session {
            constraint: self.constraint.clone(),
            slots: self.slots.clone(),
            policy: self.policy,
            exact: self.exact.clone(),
            sketches: self.sketches.clone(),
            relaxed: self.relaxed.clone(),
            concrete: self.concrete.clone(),
            last_changed: self.last_changed,
            representatives: self.representatives.clone(),
            charts: self.charts.clone(),
            generation: self.generation,
            witness: self.witness.clone(),
            verdict: self.verdict,
            allowed_known: self.allowed_known.clone(),
            stats: self.stats,
        }
    }

    pub fn constraint(&self) -> &Arc<Constraint> {
        &self.constraint
    }

    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(super) fn policy(&self) -> EosPolicy {
        self.policy
    }

    /// What `slots` may hold in a sketch.
    pub(super) fn sketched(&self, range: Range<usize>, detail: Detail) -> Vec<Choice> {
        match &self.representatives {
            Some(representatives) => sketch::choices(representatives, &self.slots, range, detail),
            None => self.slots[range].iter().map(general).collect(),
        }
    }

    /// Makes what is needed where the exact view is not asked first.
    pub(super) fn prepare(&mut self) {
        if self.representatives.is_some() || self.is_small() || self.has_intervals() {
            return;
        }
        self.representatives = Some(self.constraint.representatives());
        let n = self.slots.len();
        let ends = self.exact.ends().to_vec();
        let view = |detail| View::new(self.constraint.start, self.sketched(0..n, detail), ends.clone());
        self.sketches = DETAILS.into_iter().map(view).collect();
        self.relaxed = View::new(self.constraint.start, self.slots.iter().map(sketch::loose).collect(), ends);
    }

    pub(super) fn concrete_mut(&mut self) -> Option<&mut View> {
        self.concrete.as_mut().map(|c| &mut c.view)
    }

    /// The witness's token at a slot, and where the witness's text ends.
    pub(super) fn concrete_token(&self, i: usize) -> Option<TokenId> {
        self.concrete.as_ref().map(|c| c.tokens[i])
    }

    pub(super) fn concrete_end(&self) -> usize {
        self.concrete.as_ref().map_or(0, |c| c.end)
    }

    pub(super) fn witness_token(&self, i: usize) -> Option<TokenId> {
        self.witness.as_ref().and_then(|w| w[i].first().copied())
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
        let refined = self.slots[i] == Slot::Open && matches!(slot, Slot::Token(_));
        self.slots[i] = slot;
        self.allowed_known.clear();
        let ends = text_ends(self.policy, &self.constraint.vocabulary, &self.slots);
        self.exact.set_choice(i, general(&slot));
        self.exact.set_ends(ends.clone());
        if self.representatives.is_some() {
            self.relaxed.set_choice(i, sketch::loose(&slot));
            self.relaxed.set_ends(ends.clone());
            let near = self.near(i);
            for (k, detail) in DETAILS.into_iter().enumerate() {
                let choices = self.sketched(near.clone(), detail);
                let view = &mut self.sketches[k];
                near.clone().zip(choices).for_each(|(j, choice)| view.set_choice(j, choice));
                view.set_ends(ends.clone());
            }
        }
        self.last_changed = Some(i);
        if let Some(concrete) = self.concrete.as_mut().filter(|c| !agrees && !c.changed.contains(&i)) {
            concrete.changed.push(i);
        }
        if !agrees {
            self.witness = None;
        }
        self.verdict = match self.verdict {
            Some(Answer::Completable) if agrees => Some(Answer::Completable),
            Some(Answer::Dead) if refined => Some(Answer::Dead),
            _ => None,
        };
    }

    /// The slots whose place in a gap may change with slot i: itself and the gaps beside it.
    fn near(&self, i: usize) -> Range<usize> {
        let is_open = |j: usize| self.slots.get(j) == Some(&Slot::Open);
        let first = if i > 0 && is_open(i - 1) { gap_of(&self.slots, i - 1).start } else { i };
        let end = if is_open(i + 1) { gap_of(&self.slots, i + 1).end } else { i + 1 };
        first..end
    }

    /// Replaces all slots (insertions and deletions); the charts keep what still applies.
    pub fn replace(&mut self, slots: Vec<Slot>) {
        let ends = text_ends(self.policy, &self.constraint.vocabulary, &slots);
        self.exact = View::new(self.constraint.start, slots.iter().map(general).collect(), ends.clone());
        self.representatives = None;
        self.concrete = None;
        self.last_changed = None;
        self.allowed_known.clear();
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
            let found = self.with(|ctx, session| find_end(ctx, &mut session.exact).is_some());
            return answer_of(found);
        }
        self.prepare();
        if !self.is_small() {
            match self.with(Session::find_quickly) {
                Ok(Some(answer)) => return answer,
                Ok(None) => {}
                Err(limit) => return Answer::Undecided(limit),
            }
        }
        let found = self.with(|ctx, session| {
            let found = find_witness(ctx, &mut session.exact);
            let found = found.and_then(|(end, witness)| session.with_tail(end, witness).map(|w| (end, w)));
            found.map(|(end, witness)| session.keep(end, witness)).is_some()
        });
        answer_of(found)
    }

    /// So few tokens or open cells that the exact view costs little.
    pub(super) fn is_small(&self) -> bool {
        let most = self.constraint.limits.exact_cells;
        self.n_open() <= if self.has_small_vocabulary() { most } else { most.min(1) }
    }

    /// So few tokens that the exact view has the last word on allowed sets.
    pub(super) fn has_small_vocabulary(&self) -> bool {
        self.constraint.vocabulary.len() <= SMALL_VOCABULARY
    }

    pub(super) fn n_open(&self) -> usize {
        self.slots.iter().filter(|s| **s == Slot::Open).count()
    }

    /// The ways to an answer that do not look at all tokens; `None` if they do not decide.
    fn find_quickly(ctx: &mut Context<'_>, session: &mut Session) -> Option<Answer> {
        let (near, far) = WINDOWS.split_at(N_NEAR);
        if session.repair(ctx, near) {
            return Some(Answer::Completable);
        }
        if session.is_dead_nearby(ctx) {
            return Some(Answer::Dead);
        }
        if session.repair(ctx, far) {
            return Some(Answer::Completable);
        }
        for k in 0..session.sketches.len() {
            if let Some((end, witness)) = find_witness(ctx, &mut session.sketches[k]) {
                let witness = session.with_tail(end, witness)?;
                session.keep(end, witness);
                return Some(Answer::Completable);
            }
            if ctx.stop() {
                return None;
            }
        }
        session.is_surely_dead(ctx).then_some(Answer::Dead)
    }

    /// What is near the latest change fits no text, whatever stands further away.
    fn is_dead_nearby(&mut self, ctx: &mut Context<'_>) -> bool {
        let n = self.slots.len();
        let Some(i) = self.last_changed else { return false };
        let (a, b) = self.window(i, i + 1, DEAD_NEARBY, n);
        let (before, behind) = (usize::from(a > 0), usize::from(b < n));
        let pad = |n: usize| std::iter::repeat_n(Choice::Pool, n);
        let choices: Vec<Choice> = pad(before).chain(self.slots[a..b].iter().map(sketch::loose)).chain(pad(behind)).collect();
        let mut ends = vec![false; before];
        ends.extend_from_slice(&self.exact.ends()[a..=b]);
        ends.resize(choices.len() + 1, true);
        let mut view = View::new(self.constraint.start, choices, ends);
        !self.with_loose_pool(ctx, |ctx, _| find_end(ctx, &mut view).is_some())
    }

    /// The canvas has no filling even if every gap may have any length.
    fn is_surely_dead(&mut self, ctx: &mut Context<'_>) -> bool {
        // Where the text cannot end in front of it, every text passes the boundary behind the latest change.
        !self.with_loose_pool(ctx, |ctx, session| match session.last_changed {
            Some(i) if !session.exact.ends()[..=i].contains(&true) => fits_at(ctx, &mut session.relaxed, i + 1),
            _ => find_end(ctx, &mut session.relaxed).is_some(),
        })
    }

    /// Asks `f` with gaps of any length; true if that cannot be asked, or a limit was reached.
    fn with_loose_pool(&mut self, ctx: &mut Context<'_>, f: impl FnOnce(&mut Context<'_>, &mut Session) -> bool) -> bool {
        let Some(loose) = ctx.loose.take() else { return true };
        let pool = std::mem::replace(&mut ctx.pool, loose);
        let answer = f(ctx, self);
        ctx.loose = Some(std::mem::replace(&mut ctx.pool, pool));
        answer || ctx.stop()
    }

    fn keep(&mut self, end: usize, witness: Witness) {
        if !self.has_intervals() {
            let tokens: Vec<TokenId> = witness.iter().map(|t| t[0]).collect();
            let choices: Vec<Choice> = tokens.iter().map(|&t| Choice::One(t)).collect();
            match &mut self.concrete {
                Some(concrete) => {
                    for (i, choice) in choices.into_iter().enumerate() {
                        concrete.view.set_choice(i, choice);
                    }
                    concrete.view.set_ends(only(end, self.slots.len()));
                    concrete.tokens = tokens;
                    concrete.end = end;
                    concrete.changed.clear();
                }
                None => {
                    let view = View::new(self.constraint.start, choices, only(end, self.slots.len()));
                    self.concrete = Some(Concrete { view, tokens, end, changed: Vec::new() });
                }
            }
        }
        self.witness = Some(witness);
    }

    /// Looks for a new witness that differs from the latest one only near what changed since.
    fn repair(&mut self, ctx: &mut Context<'_>, windows: &[(usize, Detail)]) -> bool {
        let Some(mut concrete) = self.concrete.take() else { return false };
        let found = self.repaired(ctx, &mut concrete, windows);
        self.concrete = Some(concrete);
        if let Some((end, witness)) = found {
            self.keep(end, witness);
            return true;
        }
        false
    }

    fn repaired(&self, ctx: &mut Context<'_>, concrete: &mut Concrete, windows: &[(usize, Detail)]) -> Option<(usize, Witness)> {
        let n = self.slots.len();
        let mut end = concrete.end;
        for &i in &concrete.changed {
            let token = if let Slot::Token(t) = self.slots[i] { t } else { concrete.tokens[i] };
            concrete.view.set_choice(i, Choice::One(token));
            if self.constraint.vocabulary.is_eos(token) && i < end {
                end = i;
            }
        }
        concrete.changed.retain(|&i| matches!(self.slots[i], Slot::Token(t) if t != concrete.tokens[i]));
        if concrete.changed.is_empty() && self.exact.ends_at(end) {
            // What was changed has been changed back.
            let mut witness: Witness = concrete.tokens[..end].iter().map(|&t| vec![t]).collect();
            witness.resize(n, Vec::new());
            return self.with_tail(end, witness).map(|w| (end, w));
        }
        let last_text =
            concrete.changed.iter().copied().filter(|&i| matches!(self.slots[i], Slot::Token(t) if !self.constraint.vocabulary.is_special(t))).max();
        if let Some(last) = last_text.filter(|&i| i >= end) {
            end = (last + 1..=n).find(|&e| self.exact.ends_at(e))?;
        }
        if !self.exact.ends_at(end) {
            return None;
        }
        let lo = concrete.changed.iter().copied().min()?.min(end).min(concrete.end);
        let hi = (concrete.changed.iter().copied().max()? + 1).max(if end == concrete.end { 0 } else { end.max(concrete.end) });
        concrete.view.set_ends(only(end, n));
        for &(n_gaps, detail) in windows {
            let (a, b) = self.window(lo, hi, n_gaps, end);
            if a > b {
                return None;
            }
            if n_gaps > 0 || end > concrete.end {
                let choices = self.sketched(a..b, detail);
                for (i, choice) in (a..b).zip(choices).filter(|(i, _)| self.slots[*i] == Slot::Open) {
                    concrete.view.set_choice(i, choice);
                }
            }
            if let Some(tokens) = read_off(ctx, &mut concrete.view, a, b) {
                for (i, token) in (a..b).zip(tokens) {
                    concrete.view.set_choice(i, Choice::One(token));
                }
                let mut witness: Witness = (0..end).map(|i| one_token(concrete.view.choice(i))).collect();
                witness.resize(n, Vec::new());
                return self.with_tail(end, witness).map(|w| (end, w));
            }
            for i in (a..b).filter(|&i| self.slots[i] == Slot::Open) {
                concrete.view.set_choice(i, Choice::One(concrete.tokens[i]));
            }
            if ctx.stop() {
                return None;
            }
        }
        None
    }

    /// From `lo..hi` on, the next `n_gaps` gaps on either side, before `end`.
    pub(super) fn window(&self, lo: usize, hi: usize, n_gaps: usize, end: usize) -> (usize, usize) {
        let (mut a, mut b) = (lo, hi.min(end));
        for _ in 0..n_gaps {
            a = (0..a).rev().find(|&i| self.slots[i] == Slot::Open).map_or(a, |i| gap_of(&self.slots, i).start);
            b = (b..end).find(|&i| self.slots[i] == Slot::Open).map_or(b, |i| gap_of(&self.slots, i).end.min(end));
        }
        (a, b)
    }

    pub(super) fn has_intervals(&self) -> bool {
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

    /// All rows are void: the charts they point into were emptied.
    fn forget(&mut self) {
        self.exact.forget();
        self.sketches.iter_mut().for_each(View::forget);
        self.relaxed.forget();
        if let Some(concrete) = &mut self.concrete {
            concrete.view.forget();
        }
    }

    /// Runs `f` with the lexical tables and charts locked; a limit that was hit voids its result. What
    /// earlier calls left in the charts is dropped when it takes up too much of the limit.
    pub(super) fn with<T>(&mut self, f: impl FnOnce(&mut Context<'_>, &mut Session) -> T) -> Result<T, &'static str> {
        let began = Instant::now();
        let constraint = self.constraint.clone();
        let charts = self.charts.clone();
        let mut tables = constraint.tables();
        let mut charts = charts.lock().unwrap_or_else(PoisonError::into_inner);
        if charts.n_items() > constraint.limits.items / 2 || charts.meeting.n_states > constraint.limits.states / 2 {
            empty(&mut charts, &constraint);
        }
        if self.generation != charts.generation {
            self.generation = charts.generation;
            self.forget();
        }
        let limit = constraint.limits.time_us;
        let tables = &mut *tables;
        let mut none = Pool::none(&constraint);
        let (pool, loose) = match self.representatives.is_some() {
            true => {
                let pool = tables.pool.get_or_insert_with(|| Pool::new(&constraint, &mut tables.effects));
                (pool, tables.loose.get_or_insert_with(|| Pool::loose(&constraint, &mut tables.effects)).as_mut())
            }
            false => (&mut none, None),
        };
        let mut ctx = Context {
            constraint: &constraint,
            effects: &mut tables.effects,
            pool,
            loose,
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
            empty(ctx.charts, &constraint);
            self.generation = ctx.charts.generation;
            self.forget();
            return Err(limit);
        }
        Ok(result)
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
}

/// The last boundary at which the text of a view can end.
fn find_end(ctx: &mut Context<'_>, view: &mut View) -> Option<usize> {
    (0..=view.len()).rev().find(|&end| view.ends_at(end) && view.fits_end(ctx, end))
}

/// Whether something passes this boundary.
fn fits_at(ctx: &mut Context<'_>, view: &mut View, boundary: usize) -> bool {
    let row = view.left_row(ctx, boundary).clone();
    let configs: Vec<ConfigId> = row.iter().map(|r| r.0).collect();
    view.need_right(ctx, boundary, &configs);
    row.into_iter().any(|(c, l)| {
        let right = view.right_set(ctx, boundary, c);
        ctx.charts.fits(&ctx.constraint.cfg, l, right)
    })
}

/// Left rows to the right, then a filling put together from the right end.
fn find_witness(ctx: &mut Context<'_>, view: &mut View) -> Option<(usize, Witness)> {
    let end = find_end(ctx, view)?;
    if (0..end).all(|i| matches!(view.choice(i), Choice::One(_))) {
        return Some((end, (0..view.len()).map(|i| if i < end { one_token(view.choice(i)) } else { Vec::new() }).collect()));
    }
    let row = view.left_row(ctx, end).clone();
    let step = row.iter().find_map(|&(config, l)| {
        let right = ctx.end_set(config);
        ctx.charts.fits(&ctx.constraint.cfg, l, right).then_some(Step { config, right, token: None })
    })?;
    let mut witness: Witness = vec![Vec::new(); view.len()];
    for (i, token) in walk_left(ctx, view, 0, end, step)?.into_iter().enumerate() {
        witness[i].push(token);
    }
    Some((end, witness))
}

/// Tokens for slots `a..b` of a view that fit what lies left of a and right of b.
fn read_off(ctx: &mut Context<'_>, view: &mut View, a: usize, b: usize) -> Option<Vec<TokenId>> {
    let row = view.left_row(ctx, b).clone();
    let step = row.iter().find_map(|&(config, l)| {
        let right = view.right_set(ctx, b, config);
        ctx.charts.fits(&ctx.constraint.cfg, l, right).then_some(Step { config, right, token: None })
    })?;
    walk_left(ctx, view, a, b, step)
}

fn walk_left(ctx: &mut Context<'_>, view: &mut View, a: usize, b: usize, mut step: Step) -> Option<Vec<TokenId>> {
    let mut tokens = Vec::with_capacity(b - a);
    let mut at = b;
    while at > a {
        let i = at - 1;
        at = i;
        if *view.choice(i) == Choice::Pool {
            let (gap, first) = view.gap_left(ctx, i);
            let (filling, before) = gap.walk(ctx, (i + 1 - first) as u32, &step)?;
            tokens.extend(filling);
            (step, at) = (before, first);
            continue;
        }
        let row = view.left_row(ctx, i).clone();
        step = ctx.step_left(&row, view.choice(i), &step)?;
        tokens.extend(step.token);
    }
    tokens.reverse();
    Some(tokens)
}

fn answer_of(found: Result<bool, &'static str>) -> Answer {
    match found {
        Ok(true) => Answer::Completable,
        Ok(false) => Answer::Dead,
        Err(limit) => Answer::Undecided(limit),
    }
}

pub(super) fn only(end: usize, n: usize) -> Vec<bool> {
    (0..=n).map(|i| i == end).collect()
}

fn one_token(choice: &Choice) -> Vec<TokenId> {
    match choice {
        Choice::One(t) => vec![*t],
        _ => Vec::new(),
    }
}

fn new_charts(constraint: &Constraint) -> Charts {
    let mut charts = Charts::new(&constraint.cfg);
    charts.left.max_items = constraint.limits.items;
    charts.right.max_items = constraint.limits.items;
    charts.meeting.max_states = constraint.limits.states;
    charts
}

fn empty(charts: &mut Charts, constraint: &Constraint) {
    let generation = charts.generation + 1;
    *charts = Charts { generation, ..new_charts(constraint) };
}
