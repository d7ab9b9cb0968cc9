//! One step over a slot, or over one of several tokens and the one token behind it: from the left row in front to the one behind.
//!
//! Terms. A token's *effect* on a lexer configuration is a tree of lexemes that it ends; the points inside it are
//! points of the canvas graph like any other.
//! Cost: one look-up per (configuration, effect), and the chart sets built.

use super::anything::LoopGraphs;
use super::charts::Charts;
use super::constraint::Constraint;
use super::pool::Pool;
use super::view::{Choice, LeftRow};
use crate::intersect::{Chart, SetId, Sources, SymbolSets};
use crate::lexer::ConfigId;
use crate::vocabulary::{Branch, EffectId, Effects, Group, TokenId};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

/// Configurations in front of a token up to which each is asked for the token's effect.
const FEW_CONFIGS: usize = 8;
/// Completions that may be looked at for each item that may be made.
const VISITS: usize = 10;

/// Kinds of places for [`Chart::build_at`]: configurations below, effects above.
pub(super) fn kind_of_effect(effect: EffectId) -> u64 {
    1 << 32 | u64::from(effect)
}

pub(super) fn kind_of_fresh(fresh: ConfigId) -> u64 {
    1 << 33 | u64::from(fresh.0)
}

/// Where tokens end, and the left sets there.
pub(super) type Ends = SmallVec<[(ConfigId, SetId); 4]>;
/// What tokens do, and the left sets in front of them.
type Starts = SmallVec<[(Arc<Group>, SetId); 4]>;

/// Adds a set that is not the latest one added.
pub(super) fn push_new(sets: &mut SmallVec<[SetId; 2]>, set: SetId) {
    if sets.last() != Some(&set) {
        sets.push(set);
    }
}

/// The points inside a slot's tokens, each with the sources found so far. Groups within a group have smaller
/// ids, so a point is complete when it has the largest id left.
#[derive(Default)]
struct Inner {
    points: FxHashMap<u32, (Arc<Group>, Sources)>,
    queue: BinaryHeap<u32>,
}

impl Inner {
    fn at(&mut self, group: &Arc<Group>) -> &mut Sources {
        let point = self.points.entry(group.id).or_insert_with(|| {
            self.queue.push(group.id);
            (group.clone(), Sources::default())
        });
        &mut point.1
    }

    fn pop(&mut self) -> Option<(Arc<Group>, Sources)> {
        let id = self.queue.pop()?;
        self.points.remove(&id)
    }
}

/// What every step needs: the constraint, its lexical tables (locked) and the charts.
#[derive(Debug)]
pub struct Context<'a> {
    pub constraint: &'a Constraint,
    pub effects: &'a mut Effects,
    pub(super) symbols: &'a mut SymbolSets,
    pub(super) loops: &'a mut LoopGraphs,
    pub(super) pool: &'a mut Pool,
    pub(super) plain: &'a mut Pool,
    /// The pool of gaps of any length, if there is one.
    pub(super) loose: Option<&'a mut Pool>,
    /// Those in use.
    pub charts: &'a mut Charts,
    pub(super) few: &'a mut Charts,
    pub(super) wide: &'a mut Charts,
    pub deadline: Option<Instant>,
    /// Effects of tokens that passes for allowed sets have asked about.
    pub(super) n_asked: usize,
    /// The name of the limit that ended this call; what was computed after it is void.
    pub stopped: Option<&'static str>,
}

impl Context<'_> {
    /// Asks `f` with few origins per symbol: whatever it finds can be.
    pub(super) fn with_few<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        std::mem::swap(&mut self.charts, &mut self.few);
        let answer = f(self);
        std::mem::swap(&mut self.charts, &mut self.few);
        answer
    }

    /// Whether plain windows are worth their cost.
    pub(super) fn has_words(&self) -> bool {
        self.pool.is_wordy(self.plain)
    }

    /// Asks `f` with the plain pool.
    pub(super) fn with_plain<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        std::mem::swap(&mut self.pool, &mut self.plain);
        let answer = f(self);
        std::mem::swap(&mut self.pool, &mut self.plain);
        answer
    }

    /// Asks `f` for no more than so many new items and states, and [`VISITS`] times as many completions. None if that is not
    /// enough; rows that `f` filled are void then.
    pub(super) fn within<T>(&mut self, most: usize, f: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let limits = self.charts.limits();
        self.charts.set_limits((limits.0.min(self.charts.n_items() + most), limits.1.min(self.charts.meeting.n_states + most)));
        self.charts.bound_visits(most.saturating_mul(VISITS));
        let answer = f(self);
        self.charts.bound_visits(usize::MAX);
        self.charts.set_limits(limits);
        if !self.charts.take_overflow() {
            return Some(answer);
        }
        self.stopped.take_if(|limit| matches!(*limit, "items" | "states"));
        None
    }

    /// Asks `f` with gaps of any length in any context: what it does not find cannot be. None if that cannot be asked, or a
    /// limit was reached.
    pub(super) fn with_loose<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let loose = self.loose.take()?;
        let pool = std::mem::replace(&mut self.pool, loose);
        std::mem::swap(&mut self.charts, &mut self.wide);
        let answer = f(self);
        std::mem::swap(&mut self.charts, &mut self.wide);
        self.loose = Some(std::mem::replace(&mut self.pool, pool));
        (!self.stop()).then_some(answer)
    }

    /// Whether a limit has been reached; asked once per row.
    pub fn stop(&mut self) -> bool {
        if self.stopped.is_none() {
            let all = [&*self.charts, &*self.few, &*self.wide];
            self.stopped = if let Some(limit) = all.iter().find_map(|c| c.overflowed()) {
                Some(limit)
            } else if self.deadline.is_some_and(|d| Instant::now() > d) {
                Some("time_us")
            } else {
                self.effects.lexer.overflowed()
            };
        }
        self.stopped.is_some()
    }

    /// The right sources of "the text ends in configuration `c`".
    pub(super) fn end_sources(&mut self, c: ConfigId, sources: &mut Sources) {
        let lexer = &mut self.effects.lexer;
        if lexer.is_fresh(c) {
            if lexer.can_end(c) {
                sources.eps.push(Chart::ROOT);
            }
            return;
        }
        let cuts: SmallVec<[(u32, ConfigId); 4]> = SmallVec::from_slice(lexer.cuts(c));
        for (t, fresh) in cuts {
            if self.effects.lexer.can_end(fresh) {
                if self.effects.is_ignored(t) {
                    sources.eps.push(Chart::ROOT);
                } else {
                    sources.arcs.push((t, Chart::ROOT));
                }
            }
        }
    }

    /// Follows effects from the left set in front of them.
    fn follow_left(&self, group: &Group, set: SetId, inner: &mut Inner, ends: &mut Ends) {
        ends.extend(group.ends.iter().map(|&c| (c, set)));
        for (t, rests) in &group.emits {
            if self.charts.left.expects(self.symbols, set, *t) {
                inner.at(rests).arcs.push((*t, set));
            }
        }
    }

    fn follow_branch(&mut self, branch: Branch, set: SetId, inner: &mut Inner, ends: &mut Ends) {
        match branch {
            Branch::End(c) => ends.push((c, set)),
            Branch::Skip(rest) => {
                let group = self.effects.group_of_one(rest);
                self.follow_left(&group, set, inner, ends);
            }
            Branch::Emit(t, rest) => {
                if self.charts.left.expects(self.symbols, set, t) {
                    let group = self.effects.group_of_one(rest);
                    inner.at(&group).arcs.push((t, set));
                }
            }
        }
    }

    /// The left row behind what these branches lead to, each from the left set in front of it.
    pub(super) fn advance_branches(&mut self, from: impl Iterator<Item = (Branch, SetId)>) -> LeftRow {
        let mut inner = Inner::default();
        let mut ends = Ends::new();
        from.for_each(|(branch, set)| self.follow_branch(branch, set, &mut inner, &mut ends));
        self.finish_row(inner, ends)
    }

    /// The left row behind a slot with this choice; `also` joins it as it is. The lexemes that end in front of the slot end
    /// together: each fresh configuration is one point, whatever the configurations in front of it.
    pub(super) fn advance_row(&mut self, row: &[(ConfigId, SetId)], choice: &Choice, also: &[(ConfigId, SetId)]) -> LeftRow {
        let vocabulary = &self.constraint.vocabulary;
        let mut from = Starts::new();
        if let Choice::One(t) = choice {
            if row.len() > FEW_CONFIGS {
                return self.advance_token(row, *t);
            }
            for &(c, set) in row {
                let effect = self.effects.of_token(vocabulary, c, *t);
                from.push((self.effects.group_of_one(effect), set));
            }
            return self.advance_groups(from, also);
        }
        let Some(tokens) = choice.tokens() else { return LeftRow::new() };
        for &(c, set) in row {
            from.push((self.effects.going_on(vocabulary, c, tokens).group, set));
        }
        for (fresh, set) in self.left_fresh(row) {
            from.push((self.effects.going_on(vocabulary, fresh, tokens).group, set));
        }
        self.advance_groups(from, also)
    }

    /// The left row behind a slot of several tokens and one token more. What is between them are many points that come to few behind it, so
    /// they are not made.
    pub(super) fn advance_two(&mut self, row: &[(ConfigId, SetId)], tokens: &Arc<[TokenId]>, token: TokenId) -> LeftRow {
        let vocabulary = &self.constraint.vocabulary;
        let mut points = row.to_vec();
        points.extend(self.left_fresh(row));
        let mut from = Starts::with_capacity(points.len());
        for (c, set) in points {
            let group = self.effects.going_on(vocabulary, c, Some(tokens)).group;
            from.extend(self.effects.group_behind(vocabulary, &group, token).map(|group| (group, set)));
        }
        self.advance_groups(from, &[])
    }

    /// The points behind the lexemes that end at a boundary: fresh configurations and their left sets.
    pub(super) fn left_fresh(&mut self, row: &[(ConfigId, SetId)]) -> LeftRow {
        let configs: SmallVec<[ConfigId; 32]> = row.iter().map(|point| point.0).collect();
        let mut points = LeftRow::new();
        for (fresh, ended) in self.effects.fresh_behind(&configs).iter() {
            let mut sources = Sources::default();
            for &(t, at) in ended {
                let set = row[at as usize].1;
                if self.effects.is_ignored(t) {
                    push_new(&mut sources.eps, set);
                } else if sources.arcs.last() != Some(&(t, set)) && self.charts.left.expects(self.symbols, set, t) {
                    sources.arcs.push((t, set));
                }
            }
            let set = self.charts.left.build_at(self.symbols, &mut sources, kind_of_fresh(*fresh));
            if set != Chart::DEAD {
                points.push((*fresh, set));
            }
        }
        points
    }

    /// The left row behind a slot whose effects are given with the sets in front of them; `also` joins it.
    fn advance_groups(&mut self, mut from: Starts, also: &[(ConfigId, SetId)]) -> LeftRow {
        let mut inner = Inner::default();
        let mut ends = Ends::from_slice(also);
        from.sort_unstable_by_key(|(group, set)| (group.id, *set));
        from.dedup_by_key(|(group, set)| (group.id, *set));
        for (group, set) in from {
            self.follow_left(&group, set, &mut inner, &mut ends);
        }
        self.finish_row(inner, ends)
    }

    /// The left row behind a token and many configurations.
    fn advance_token(&mut self, row: &[(ConfigId, SetId)], token: TokenId) -> LeftRow {
        let vocabulary = &self.constraint.vocabulary;
        let mut from: Vec<(Branch, SetId)> = Vec::new();
        for &(c, set) in row {
            from.extend(self.effects.branches_of(vocabulary, c, token).into_iter().map(|branch| (branch, set)));
        }
        self.advance_branches(from.into_iter())
    }

    /// The left row, given the points inside the slot's tokens and what ends behind it.
    fn finish_row(&mut self, mut inner: Inner, mut ends: Ends) -> LeftRow {
        while let Some((group, mut sources)) = inner.pop() {
            let set = self.charts.left.build_at(self.symbols, &mut sources, kind_of_effect(group.first));
            if set != Chart::DEAD {
                self.follow_left(&group, set, &mut inner, &mut ends);
            }
            if self.stop() {
                return LeftRow::new();
            }
        }
        self.build_left_row(ends)
    }

    pub(super) fn build_left_row(&mut self, mut ends: Ends) -> LeftRow {
        ends.sort(); // mostly they are nearly sorted
        ends.dedup();
        let mut row = LeftRow::with_capacity(ends.len());
        for run in ends.chunk_by(|a, b| a.0 == b.0) {
            if let [only] = run {
                row.push(*only);
                continue;
            }
            let mut sources = Sources { eps: run.iter().map(|e| e.1).collect(), arcs: SmallVec::new() };
            let set = self.charts.left.build_at(self.symbols, &mut sources, u64::from(run[0].0.0));
            if set != Chart::DEAD {
                row.push((run[0].0, set));
            }
        }
        row
    }
}

impl Context<'_> {
    /// The right set of "the text ends here" in configuration `c`.
    pub fn end_set(&mut self, c: ConfigId) -> SetId {
        let mut sources = Sources::default();
        self.end_sources(c, &mut sources);
        self.charts.right.build(self.symbols, &mut sources)
    }

    /// The left set behind a set, or behind this terminal read from it.
    pub(super) fn left_behind(&mut self, terminal: Option<u32>, left: SetId) -> SetId {
        let Some(terminal) = terminal else { return left };
        let mut sources = Sources::default();
        sources.arcs.push((terminal, left));
        self.charts.left.build(self.symbols, &mut sources)
    }

    /// Whether the pending lexeme of configuration `c` can end as nothing that this left set expects.
    pub(super) fn is_unexpected(&mut self, c: ConfigId, left: SetId) -> bool {
        if self.effects.lexer.is_fresh(c) {
            return false;
        }
        let Some(loose) = self.loose.as_mut() else { return false };
        let ends = loose.completions(&self.constraint.vocabulary, self.effects, c);
        let charts = &self.charts;
        !ends.iter().any(|end| end.terminal.is_none_or(|t| charts.left.expects(self.symbols, left, t)))
    }

    pub(super) fn right_arc(&mut self, terminal: u32, right: SetId) -> SetId {
        let mut sources = Sources::default();
        sources.arcs.push((terminal, right));
        self.charts.right.build(self.symbols, &mut sources)
    }
}
