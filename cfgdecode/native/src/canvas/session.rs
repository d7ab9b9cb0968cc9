//! One canvas under decoding: the mutable object behind the Python `Canvas`.
//!
//! Terms. The *witness* is a concrete filling that makes the text complete; while a decision agrees with
//! it nothing has to be asked. Views of the same slots: the *exact* view gives open slots all tokens; the
//! *sketches* give them few; the *relaxed* view lets gaps have any length; the *concrete* view has the latest
//! witness's tokens and is opened only around a change. `decide.rs` says how they make a verdict, `allowed.rs` how they
//! make an allowed set.
//!
//! Invariants: `witness`, if there is one, fits the slots cell by cell and its text is in the language;
//! an answer that ran into a limit is `Undecided` and leaves no trace in the views.

use super::ahead::Ahead;
use super::allowed::{Allowed, ExactSoon};
use super::charts::AllCharts;
use super::clock::{Clock, N_STAGES, Stage};
use super::constraint::Constraint;
use super::context::Context;
use super::pool::Pool;
use super::representatives::Representatives;
use super::shared::Shared;
use super::shortest::Layers;
use super::sketch::{self, DETAILS, Detail, gap_of, general};
use super::slots::{EosPolicy, Slot, text_ends};
use super::view::{Choice, View};
use crate::intersect::{Origins, SymbolSets};
use crate::vocabulary::TokenId;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
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
    pub us_by_stage: [u64; N_STAGES],
}

#[derive(Debug)]
pub struct Session {
    pub(super) constraint: Arc<Constraint>,
    /// Whose tables it uses.
    lane: usize,
    pub(super) slots: Vec<Slot>,
    policy: EosPolicy,
    pub(super) exact: View,
    pub(super) sketches: Vec<View>,
    /// Gaps of any length, to show that the canvas is dead.
    pub(super) relaxed: View,
    /// The latest of the views that `loose_nearby` makes, and where it begins.
    pub(super) loose: Option<(View, isize)>,
    pub(super) concrete: Option<Concrete>,
    /// A witness found without the latest one, for the slots as they are now: none until it is looked for, `Some(None)` if that
    /// found nothing new for what it may take.
    pub(super) second: Option<Option<Concrete>>,
    pub(super) last_changed: Option<usize>,
    /// Commits up to the latest one, each right behind the one before.
    pub(super) n_in_a_row: usize,
    /// In place of a witness while the text is written from left to right.
    pub(super) ahead: Option<Ahead>,
    /// None until a sketch is needed; then `sketches` and `relaxed` are made too.
    pub(super) representatives: Option<Representatives>,
    /// Shared with forks, which may empty them.
    charts: Arc<Mutex<AllCharts>>,
    generation: u64,
    pub(super) witness: Option<Witness>,
    pub(super) verdict: Option<Answer>,
    pub(super) allowed_known: FxHashMap<usize, Allowed>,
    /// What is known of all cells of the gap that was looked at last.
    pub(super) shared: Option<Arc<Shared>>,
    /// The first sketch (behind them: the exact view) that took too much for an allowed set of the canvas as it is.
    pub(super) too_dear: usize,
    /// Cells with all tokens that were too many for a look around a cell.
    pub(super) full_too_dear: usize,
    /// Open cells when the exact view took too long for an allowed set.
    pub(super) exact_too_dear_at: usize,
    /// Effects of tokens that passes for allowed sets have asked about so far.
    n_asked: usize,
    /// When the exact view is asked before the other looks have come to an end.
    pub(super) exact_soon: ExactSoon,
    stats: Stats,
    pub(super) clock: Clock,
}

/// Per slot its tokens: one, or any number where the slot stands for an interval. Behind the text's end
/// they are tail tokens.
pub(super) type Witness = Vec<SlotTokens>;
pub(super) type SlotTokens = SmallVec<[TokenId; 1]>;

/// The latest witness as a view, and the slots that changed since it was found.
#[derive(Clone, Debug)]
pub(super) struct Concrete {
    pub(super) view: View,
    pub(super) tokens: Vec<TokenId>,
    pub(super) end: usize,
    pub(super) changed: Vec<usize>,
    /// What was inserted and where something was deleted since: its tokens do not count.
    pub(super) torn: Option<Range<usize>>,
}

impl Concrete {
    /// With these tokens in place of the slots `old`, which are the slots `new` then.
    fn spliced(mut self, old: Range<usize>, new: Range<usize>, tokens: Vec<TokenId>) -> Concrete {
        let moved = |i: usize| if i < old.end { i.min(new.end) } else { i - old.end + new.end };
        self.end = moved(self.end);
        self.changed.retain(|i| !old.contains(i));
        self.changed.iter_mut().for_each(|i| *i = moved(*i));
        let torn = self.torn.map_or(new.clone(), |t| new.start.min(t.start)..new.end.max(moved(t.end)));
        self.torn = Some(torn);
        let choices = tokens.iter().map(|&t| Choice::One(t)).collect();
        self.tokens.splice(old.clone(), tokens);
        self.view.splice(old, choices, only(self.end, self.tokens.len()));
        self
    }
}

/// Tokens up to which the exact view is asked before the sketches, if few cells are open.
const SMALL_VOCABULARY: usize = 4096;
/// Gaps from which on a symbol has no more origins than `Limits.origins`, and how many times as many it has where there are few.
const MANY_GAPS: usize = 64;
const MORE_ORIGINS: usize = 16;
impl Session {
    pub fn new(constraint: Arc<Constraint>, lane: usize, slots: Vec<Slot>, policy: EosPolicy) -> Session {
        let charts = Arc::new(Mutex::new(AllCharts::new(&constraint)));
        let ends = text_ends(policy, &constraint.vocabulary, &slots);
        let exact = View::new(constraint.start, slots.iter().map(general).collect(), ends.clone());
        let relaxed = View::new(constraint.start, Vec::new(), vec![true]);
        Session {
            constraint,
            lane,
            slots,
            policy,
            exact,
            sketches: Vec::new(),
            relaxed,
            concrete: None,
            second: None,
            loose: None,
            last_changed: None,
            n_in_a_row: 0,
            ahead: None,
            representatives: None,
            charts,
            generation: 0,
            witness: None,
            verdict: None,
            allowed_known: FxHashMap::default(),
            shared: None,
            too_dear: usize::MAX,
            full_too_dear: usize::MAX,
            exact_too_dear_at: usize::MAX,
            n_asked: 0,
            exact_soon: ExactSoon::default(),
            stats: Stats::default(),
            clock: Clock::new(),
        }
    }

    pub fn fork(&self) -> Session {
        Session {
            constraint: self.constraint.clone(),
            lane: self.lane,
            slots: self.slots.clone(),
            policy: self.policy,
            exact: self.exact.clone(),
            sketches: self.sketches.clone(),
            relaxed: self.relaxed.clone(),
            concrete: self.concrete.clone(),
            second: self.second.clone(),
            loose: None,
            last_changed: self.last_changed,
            n_in_a_row: self.n_in_a_row,
            ahead: self.ahead.clone(),
            representatives: self.representatives.clone(),
            charts: self.charts.clone(),
            generation: self.generation,
            witness: self.witness.clone(),
            verdict: self.verdict,
            allowed_known: self.allowed_known.clone(),
            shared: self.shared.clone(),
            too_dear: self.too_dear,
            full_too_dear: self.full_too_dear,
            exact_too_dear_at: self.exact_too_dear_at,
            n_asked: self.n_asked,
            exact_soon: self.exact_soon,
            stats: self.stats,
            clock: self.clock,
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
        self.sketched_beside(range, detail, &(0..0))
    }

    /// The same as if the slots of `decided` were.
    pub(super) fn sketched_beside(&self, range: Range<usize>, detail: Detail, decided: &Range<usize>) -> Vec<Choice> {
        match &self.representatives {
            Some(representatives) => sketch::choices(representatives, &self.constraint.vocabulary, &self.slots, range, detail, decided),
            None => self.slots[range].iter().map(general).collect(),
        }
    }

    /// Makes what is needed where the exact view is not asked first.
    pub(super) fn prepare(&mut self) {
        if self.representatives.is_some() || self.is_small() || self.has_intervals() {
            return;
        }
        self.representatives = Some(self.constraint.representatives(self.lane));
        let n = self.slots.len();
        let ends = self.exact.ends().to_vec();
        let view = |detail| View::new(self.constraint.start, self.sketched(0..n, detail), ends.clone());
        self.sketches = DETAILS.into_iter().map(view).collect();
        self.make_relaxed();
    }

    pub(super) fn make_relaxed(&mut self) {
        if !self.has_relaxed() {
            let ends = self.exact.ends().to_vec();
            self.relaxed = View::new(self.constraint.start, self.slots.iter().map(sketch::loose).collect(), ends);
        }
    }

    /// Whether the relaxed view is that of the slots: it is kept so from when it is first made.
    fn has_relaxed(&self) -> bool {
        self.relaxed.len() == self.slots.len()
    }

    pub(super) fn concrete_mut(&mut self) -> Option<&mut View> {
        self.concrete.as_mut().map(|c| &mut c.view)
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
            (Slot::Open, Some(w)) => w[i].len() == 1 && self.constraint.vocabulary.mask != Some(w[i][0]),
            _ => false,
        };
        let refined = self.slots[i] == Slot::Open && matches!(slot, Slot::Token(_));
        self.slots[i] = slot;
        self.second = None;
        self.allowed_known.clear();
        self.shared = None;
        self.too_dear = usize::MAX;
        self.full_too_dear = usize::MAX;
        let ends = text_ends(self.policy, &self.constraint.vocabulary, &self.slots);
        self.exact.set_choice(i, general(&slot));
        self.exact.set_ends(ends.clone());
        if self.has_relaxed() {
            self.relaxed.set_choice(i, sketch::loose(&slot));
            self.relaxed.set_ends(ends.clone());
        }
        if self.representatives.is_some() {
            let near = self.near(i);
            for (k, detail) in DETAILS.into_iter().enumerate() {
                let choices = self.sketched(near.clone(), detail);
                let view = &mut self.sketches[k];
                near.clone().zip(choices).for_each(|(j, choice)| view.set_choice(j, choice));
                view.set_ends(ends.clone());
            }
        }
        self.count_step(i);
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

    /// Replaces all slots (insertions and deletions). On either side of what differs, rows and witness stay.
    pub fn replace(&mut self, slots: Vec<Slot>) {
        if self.slots == slots {
            return;
        }
        let _ = self.settle();
        self.ahead = None; // where that failed, what changed is still known
        let first = self.slots.iter().zip(&slots).take_while(|(a, b)| a == b).count();
        let most = self.slots.len().min(slots.len()) - first;
        let n_behind = self.slots.iter().rev().zip(slots.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
        let old = first..self.slots.len() - n_behind;
        let new = first..slots.len() - n_behind;
        let ends = text_ends(self.policy, &self.constraint.vocabulary, &slots);
        let has_relaxed = self.has_relaxed();
        self.slots = slots;
        self.exact.splice(old.clone(), self.slots[new.clone()].iter().map(general).collect(), ends.clone());
        if has_relaxed {
            self.relaxed.splice(old.clone(), self.slots[new.clone()].iter().map(sketch::loose).collect(), ends.clone());
        }
        if self.has_intervals() || self.representatives.is_none() {
            (self.representatives, self.concrete) = (None, None);
        } else {
            self.splice_prepared(old, new.clone(), &ends);
        }
        self.second = None;
        self.last_changed = (!self.slots.is_empty()).then(|| first.min(self.slots.len() - 1));
        self.allowed_known.clear();
        self.shared = None;
        self.too_dear = usize::MAX;
        self.full_too_dear = usize::MAX;
        self.witness = None;
        self.verdict = None;
    }

    /// `replace` in the other views. Where the latest witness ends among what is replaced, nothing is left of it.
    fn splice_prepared(&mut self, old: Range<usize>, new: Range<usize>, ends: &[bool]) {
        let near = self.near(new.start).start..self.near(new.end).end.min(self.slots.len());
        for (k, detail) in DETAILS.into_iter().enumerate() {
            let choices = self.sketched(new.clone(), detail);
            self.sketches[k].splice(old.clone(), choices, ends.to_vec());
            let choices = self.sketched(near.clone(), detail);
            self.sketches[k].set_choices(near.start, choices);
        }
        let Some(concrete) = self.concrete.take() else { return };
        let filler = self.representatives.as_ref().and_then(|r| r.plain.first().copied());
        let is_within = concrete.end > old.start && concrete.end < old.end;
        if let Some(filler) = filler.filter(|_| !is_within) {
            let tokens = self.slots[new.clone()].iter().map(|s| if let Slot::Token(t) = s { *t } else { filler }).collect();
            self.concrete = Some(concrete.spliced(old, new, tokens));
        }
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

    pub(super) fn n_gaps(&self) -> usize {
        self.slots.chunk_by(|a, b| (*a == Slot::Open) == (*b == Slot::Open)).filter(|run| run[0] == Slot::Open).count()
    }

    pub(super) fn keep(&mut self, end: usize, witness: Witness) {
        if !self.has_intervals() {
            match &mut self.concrete {
                Some(concrete) => {
                    let tokens: Vec<TokenId> = witness.iter().map(|t| t[0]).collect();
                    for (i, &token) in tokens.iter().enumerate() {
                        concrete.view.set_choice(i, Choice::One(token));
                    }
                    concrete.view.set_ends(only(end, self.slots.len()));
                    concrete.tokens = tokens;
                    concrete.end = end;
                    concrete.changed.clear();
                    concrete.torn = None;
                }
                None => self.concrete = Some(self.concrete_of(end, &witness)),
            }
        }
        self.witness = Some(witness);
        self.ahead = None;
    }

    pub(super) fn concrete_of(&self, end: usize, witness: &Witness) -> Concrete {
        let tokens: Vec<TokenId> = witness.iter().map(|t| t[0]).collect();
        let choices = tokens.iter().map(|&t| Choice::One(t)).collect();
        let view = View::new(self.constraint.start, choices, only(end, self.slots.len()));
        Concrete { view, tokens, end, changed: Vec::new(), torn: None }
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
        self.settle()?;
        if self.witness.is_none() {
            let ends = text_ends(self.policy, &self.constraint.vocabulary, &self.slots);
            let start = self.constraint.start;
            let slots = self.slots.clone();
            let solved = self.with(Stage::Shortest, |ctx, _| Layers::solve(ctx, start, &slots, &ends))?;
            self.witness = solved.and_then(|(end, witness)| self.with_tail(end, witness));
        }
        Ok(self.witness.as_ref())
    }

    /// All rows are void: the charts they point into were emptied.
    fn forget(&mut self) {
        self.exact.forget();
        self.sketches.iter_mut().for_each(View::forget);
        self.relaxed.forget();
        self.loose = None;
        self.ahead.iter_mut().for_each(Ahead::forget);
        for concrete in self.concrete.iter_mut().chain(self.second.iter_mut().flatten()) {
            concrete.view.forget();
        }
    }

    /// Runs `f` with the lexical tables and charts locked; a limit that was hit voids its result. What
    /// earlier calls left in the charts is dropped when it takes up too much of the limit. `f` may enter other stages.
    pub(super) fn with<T>(&mut self, stage: Stage, f: impl FnOnce(&mut Context<'_>, &mut Session) -> T) -> Result<T, &'static str> {
        let began = Instant::now();
        self.clock.enter(stage);
        let constraint = self.constraint.clone();
        let charts = self.charts.clone();
        let mut tables = constraint.tables(self.lane);
        let mut charts = charts.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.symbols.memory_bytes() > constraint.limits.table_bytes {
            tables.symbols = SymbolSets::new(constraint.cfg.clone(), tables.symbols.generation + 1);
        }
        if charts.symbols != tables.symbols.generation {
            empty(&mut charts, &constraint);
            charts.symbols = tables.symbols.generation;
        }
        if charts.n_items() > constraint.limits.items / 2 || charts.n_states() > constraint.limits.states / 2 {
            empty(&mut charts, &constraint);
        }
        if self.generation != charts.generation {
            self.generation = charts.generation;
            self.forget();
        }
        let most = constraint.limits.origins * (MANY_GAPS / self.n_gaps().max(1)).clamp(1, MORE_ORIGINS);
        charts.few.bound(Origins::Few(most));
        charts.wide.bound(Origins::Widened(most));
        let limit = constraint.limits.time_us;
        let (tables, charts) = (&mut *tables, &mut *charts);
        let mut none = Pool::none(&constraint);
        let (has_pool, is_changed) = (self.representatives.is_some(), self.has_intervals() && self.last_changed.is_some());
        let pool = match has_pool {
            true => tables.pool.get_or_insert_with(|| Pool::new(&constraint, &mut tables.effects)),
            false => &mut none,
        };
        let mut no_plain = Pool::none(&constraint);
        let plain = match has_pool {
            true => tables.plain.get_or_insert_with(|| pool.plain(&constraint)),
            false => &mut no_plain,
        };
        let loose = match has_pool || is_changed {
            true => tables.loose.get_or_insert_with(|| Pool::loose(&constraint, &mut tables.effects)).as_mut(),
            false => None,
        };
        let mut ctx = Context {
            constraint: &constraint,
            effects: &mut tables.effects,
            symbols: &mut tables.symbols,
            loops: &mut tables.loops,
            pool,
            plain,
            loose,
            charts: &mut charts.exact,
            few: &mut charts.few,
            wide: &mut charts.wide,
            deadline: (limit > 0).then(|| began + Duration::from_micros(limit)),
            n_asked: self.n_asked,
            stopped: None,
        };
        let result = f(&mut ctx, self);
        self.n_asked = ctx.n_asked;
        ctx.stop();
        let stopped = ctx.stopped;
        self.clock.enter(Stage::Idle);
        self.stats = Stats {
            left_sets: charts.each().into_iter().map(|c| c.left.n_sets()).sum(),
            right_sets: charts.each().into_iter().map(|c| c.right.n_sets()).sum(),
            items: charts.n_items(),
            states: charts.n_states(),
            effects: tables.effects.n_effects(),
            configs: tables.effects.lexer.n_configs(),
            trie_nodes: tables.effects.trie_nodes,
            table_bytes: tables.effects.memory_bytes() + tables.symbols.memory_bytes(),
            calls: self.stats.calls + 1,
            us: self.stats.us + began.elapsed().as_micros() as u64,
            us_by_stage: self.clock.us(),
        };
        if let Some(limit) = stopped {
            empty(charts, &constraint);
            self.generation = charts.generation;
            self.forget();
            return Err(limit);
        }
        Ok(result)
    }

    /// Adds the tokens behind the end of the text.
    pub(super) fn with_tail(&self, end: usize, mut witness: Witness) -> Option<Witness> {
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

pub(super) fn only(end: usize, n: usize) -> Vec<bool> {
    (0..=n).map(|i| i == end).collect()
}

fn empty(charts: &mut AllCharts, constraint: &Constraint) {
    *charts = AllCharts { generation: charts.generation + 1, symbols: charts.symbols, ..AllCharts::new(constraint) };
}
