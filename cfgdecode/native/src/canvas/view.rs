//! The rows of chart sets at the boundaries of a canvas, kept valid from both ends.
//!
//! Terms. *Boundary* i lies before slot i. A *row* maps lexer configurations at a boundary to chart
//! sets: the left row says what lies left of (boundary, configuration), the right row what lies right.
//! A view gives each slot a [`Choice`] of tokens; different views of one canvas share their charts.
//!
//! Invariants: left rows up to `left_valid` and right rows from `right_valid` on are those of the
//! present choices; changing slot i keeps left rows `0..=i` and right rows `i+1..`.
//! Cost: one row costs (configurations × classes of the slot) look-ups plus the chart sets built.

use super::anything;
use super::constraint::Constraint;
use super::gap::GapLeft;
use super::pool::Pool;
use crate::grammar::{Cfg, Side};
use crate::intersect::{Chart, Family, Meeting, Origins, SetId, Sources};
use crate::lexer::ConfigId;
use crate::vocabulary::{Branch, EffectId, Effects, TokenId};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

/// The tokens that a slot may hold in a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    One(TokenId),
    Some(Arc<[TokenId]>),
    All,
    /// Like the inner choice, or nothing at all.
    Optional(Box<Choice>),
    /// Any bytes.
    Anything,
    /// A cell of a long gap that holds what the pool offers.
    Pool,
}

impl Choice {
    /// The tokens of a slot with a choice of several; `Some(None)`: the whole vocabulary.
    pub(super) fn tokens(&self) -> Option<Option<&Arc<[TokenId]>>> {
        match self {
            Choice::All => Some(None),
            Choice::Some(tokens) => Some(Some(tokens)),
            Choice::Optional(inner) => inner.tokens(),
            Choice::One(_) | Choice::Anything | Choice::Pool => None,
        }
    }
}

pub type LeftRow = Vec<(ConfigId, SetId)>;

#[derive(Clone, Debug, Default)]
struct RightRow {
    /// What a configuration's set is built from: kept apart from the set, because most configurations
    /// are only ever parts of a union.
    of_config: FxHashMap<ConfigId, Sources>,
    /// Effects of the slot that begins at this boundary, and unions of several.
    of_effects: FxHashMap<SmallVec<[EffectId; 2]>, SetId>,
    /// Fresh configurations in front of the slot that begins at this boundary.
    of_fresh: FxHashMap<ConfigId, SetId>,
    /// The hub of the pool gap that ends at this boundary, for gaps of so many cells.
    hub: Option<(u32, Family)>,
}

#[derive(Clone, Debug)]
pub struct View {
    choices: Vec<Choice>,
    /// Whether the text may end at each boundary.
    ends: Vec<bool>,
    /// Rows inside a pool gap are empty until they are asked for.
    left: Vec<LeftRow>,
    /// By first slot: the pool gap that begins there.
    gaps: FxHashMap<usize, Arc<GapLeft>>,
    /// Inside pool gaps, leave out what only fits at one place.
    pub(super) steady: bool,
    left_valid: usize,
    right: Vec<RightRow>,
    right_valid: usize,
}

/// Sources without repetition; without it they would multiply from cell to cell.
fn tidy(sources: &mut Sources) {
    sources.eps.retain(|s| *s != Chart::DEAD);
    sources.eps.sort_unstable();
    sources.eps.dedup();
    sources.arcs.sort_unstable();
    sources.arcs.dedup();
}

/// Kinds of places for [`Chart::build_at`]: configurations below, effects above.
fn kind_of_effect(effect: EffectId) -> u64 {
    1 << 32 | u64::from(effect)
}

fn kind_of_fresh(fresh: ConfigId) -> u64 {
    1 << 33 | u64::from(fresh.0)
}

/// Arcs from which on a configuration's sources are built into a set before they join others.
const WIDE_SOURCES: usize = 4;

fn extend(sources: &mut Sources, more: &Sources) {
    sources.eps.extend_from_slice(&more.eps);
    sources.arcs.extend_from_slice(&more.arcs);
}

/// The charts that views of one canvas (and its forks) share: what is in the rows of a view belongs to one of the three.
#[derive(Debug)]
pub struct AllCharts {
    /// Goes up when the charts are emptied; rows of an older generation are void.
    pub generation: u64,
    pub exact: Charts,
    /// With few origins, for views that say what can be.
    pub few: Charts,
    /// Widened, for views that say what cannot be.
    pub wide: Charts,
}

impl AllCharts {
    pub fn new(constraint: &Constraint) -> AllCharts {
        let charts = |origins| Charts::new(constraint, origins);
        let most = constraint.limits.origins;
        AllCharts { generation: 0, exact: charts(Origins::All), few: charts(Origins::Few(most)), wide: charts(Origins::Widened(most)) }
    }

    pub fn each(&self) -> [&Charts; 3] {
        [&self.exact, &self.few, &self.wide]
    }

    pub fn n_items(&self) -> usize {
        self.each().into_iter().map(Charts::n_items).sum()
    }

    pub fn n_states(&self) -> usize {
        self.each().into_iter().map(|c| c.meeting.n_states).sum()
    }
}

#[derive(Debug)]
pub struct Charts {
    pub left: Chart,
    pub right: Chart,
    pub meeting: Meeting,
}

impl Charts {
    fn new(constraint: &Constraint, origins: Origins) -> Charts {
        let chart = |side| Chart::new(&constraint.cfg, side, origins);
        let mut charts = Charts { left: chart(Side::Left), right: chart(Side::Right), meeting: Meeting::default() };
        charts.left.max_items = constraint.limits.items;
        charts.right.max_items = constraint.limits.items;
        charts.meeting.max_states = constraint.limits.states;
        charts
    }

    pub fn n_items(&self) -> usize {
        self.left.n_items() + self.right.n_items()
    }

    pub fn fits(&mut self, cfg: &Cfg, l: SetId, r: SetId) -> bool {
        self.meeting.fits(cfg, &self.left, &self.right, l, r)
    }
}

/// The points inside a slot's tokens, each with the sources found so far. Parts of an effect have smaller
/// ids, so a point is complete when it has the largest id left.
#[derive(Default)]
struct Inner {
    sources: FxHashMap<EffectId, Sources>,
    queue: BinaryHeap<EffectId>,
}

impl Inner {
    fn at(&mut self, effect: EffectId) -> &mut Sources {
        self.sources.entry(effect).or_insert_with(|| {
            self.queue.push(effect);
            Sources::default()
        })
    }

    fn pop(&mut self) -> Option<(EffectId, Sources)> {
        let effect = self.queue.pop()?;
        self.sources.remove(&effect).map(|sources| (effect, sources))
    }
}

/// What every step needs: the constraint, its lexical tables (locked) and the charts.
#[derive(Debug)]
pub struct Context<'a> {
    pub constraint: &'a Constraint,
    pub effects: &'a mut Effects,
    pub(super) pool: &'a mut Pool,
    /// The pool of gaps of any length, if there is one.
    pub(super) loose: Option<&'a mut Pool>,
    /// Those in use.
    pub charts: &'a mut Charts,
    pub(super) few: &'a mut Charts,
    pub(super) wide: &'a mut Charts,
    pub deadline: Option<Instant>,
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
            self.stopped = if all.iter().any(|c| c.left.overflowed || c.right.overflowed) {
                Some("items")
            } else if all.iter().any(|c| c.meeting.overflowed) {
                Some("states")
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

    /// Follows an effect's branches from the left set in front of it.
    fn follow_left(&self, effect: EffectId, set: SetId, inner: &mut Inner, ends: &mut Vec<(ConfigId, SetId)>) {
        for &branch in self.effects.branches(effect) {
            match branch {
                Branch::End(c) => ends.push((c, set)),
                Branch::Skip(rest) => inner.at(rest).eps.push(set),
                Branch::Emit(t, rest) => {
                    if self.charts.left.predicts(set, t) {
                        inner.at(rest).arcs.push((t, set));
                    }
                }
            }
        }
    }

    /// The left row behind a slot with this choice; `also` joins it as it is. The lexemes that end in front of the slot end
    /// together: each fresh configuration is one point, whatever the configurations in front of it.
    pub(super) fn advance_row(&mut self, row: &[(ConfigId, SetId)], choice: &Choice, also: &[(ConfigId, SetId)]) -> LeftRow {
        let vocabulary = &self.constraint.vocabulary;
        let mut from: Vec<(EffectId, SetId)> = Vec::new();
        if let Choice::One(t) = choice {
            from.extend(row.iter().map(|&(c, set)| (self.effects.of_token(vocabulary, c, *t), set)));
            return self.advance_effects(from, also);
        }
        let Some(tokens) = choice.tokens() else { return LeftRow::new() };
        for &(c, set) in row {
            from.extend(self.effects.going_on(vocabulary, c, tokens).effects.iter().map(|&e| (e, set)));
        }
        for (fresh, set) in self.left_fresh(row) {
            from.extend(self.effects.going_on(vocabulary, fresh, tokens).effects.iter().map(|&e| (e, set)));
        }
        self.advance_effects(from, also)
    }

    /// The points behind the lexemes that end at a boundary: fresh configurations and their left sets.
    pub(super) fn left_fresh(&mut self, row: &[(ConfigId, SetId)]) -> LeftRow {
        let mut at: FxHashMap<ConfigId, Sources> = FxHashMap::default();
        for &(c, set) in row {
            for &(t, fresh) in self.effects.lexer.cuts(c).to_vec().iter() {
                if self.effects.is_ignored(t) {
                    at.entry(fresh).or_default().eps.push(set);
                } else if self.charts.left.predicts(set, t) {
                    at.entry(fresh).or_default().arcs.push((t, set));
                }
            }
        }
        let mut at: Vec<(ConfigId, Sources)> = at.into_iter().collect();
        at.sort_unstable_by_key(|a| a.0);
        let mut points = LeftRow::new();
        for (fresh, mut sources) in at {
            let set = self.charts.left.build_at(&self.constraint.cfg, &mut sources, kind_of_fresh(fresh));
            if set != Chart::DEAD {
                points.push((fresh, set));
            }
        }
        points
    }

    /// The left row behind a slot whose effects are given with the sets in front of it; `also` joins it.
    pub(super) fn advance_effects(&mut self, mut from: Vec<(EffectId, SetId)>, also: &[(ConfigId, SetId)]) -> LeftRow {
        let mut inner = Inner::default();
        let mut ends: Vec<(ConfigId, SetId)> = also.to_vec();
        from.sort_unstable();
        from.dedup();
        for (effect, set) in from {
            self.follow_left(effect, set, &mut inner, &mut ends);
        }
        while let Some((effect, mut sources)) = inner.pop() {
            let set = self.charts.left.build_at(&self.constraint.cfg, &mut sources, kind_of_effect(effect));
            if set != Chart::DEAD {
                self.follow_left(effect, set, &mut inner, &mut ends);
            }
            if self.stop() {
                return LeftRow::new();
            }
        }
        self.build_left_row(ends)
    }

    pub(super) fn build_left_row(&mut self, mut ends: Vec<(ConfigId, SetId)>) -> LeftRow {
        ends.sort_unstable();
        ends.dedup();
        let mut row = LeftRow::new();
        for run in ends.chunk_by(|a, b| a.0 == b.0) {
            let mut sources = Sources { eps: run.iter().map(|e| e.1).collect(), arcs: SmallVec::new() };
            let set = self.charts.left.build_at(&self.constraint.cfg, &mut sources, u64::from(run[0].0.0));
            if set != Chart::DEAD {
                row.push((run[0].0, set));
            }
        }
        row
    }
}

impl View {
    pub fn new(start: ConfigId, choices: Vec<Choice>, ends: Vec<bool>) -> View {
        let n = choices.len();
        View {
            choices,
            ends,
            left: std::iter::once(vec![(start, Chart::ROOT)]).chain((0..n).map(|_| Vec::new())).collect(),
            gaps: FxHashMap::default(),
            steady: false,
            left_valid: 0,
            right: vec![RightRow::default(); n + 1],
            right_valid: n + 1,
        }
    }

    pub fn len(&self) -> usize {
        self.choices.len()
    }

    pub fn is_empty(&self) -> bool {
        self.choices.is_empty()
    }

    pub fn choice(&self, i: usize) -> &Choice {
        &self.choices[i]
    }

    pub fn set_choice(&mut self, i: usize, choice: Choice) {
        if self.choices[i] != choice {
            self.choices[i] = choice;
            self.left_valid = self.left_valid.min(i);
            self.right_valid = self.right_valid.max(i + 1);
        }
    }

    pub fn set_ends(&mut self, ends: Vec<bool>) {
        if let Some(last) = (0..ends.len()).rev().find(|&i| ends[i] != self.ends[i]) {
            self.right_valid = self.right_valid.max(last + 1);
            self.ends = ends;
        }
    }

    /// Forgets all sets (the charts were replaced).
    pub fn forget(&mut self) {
        self.gaps.clear();
        self.left_valid = 0;
        self.right_valid = self.len() + 1;
    }

    pub(super) fn ends(&self) -> &[bool] {
        &self.ends
    }

    pub fn ends_at(&self, boundary: usize) -> bool {
        self.ends[boundary]
    }

    /// The left row at a boundary.
    pub fn left_row(&mut self, ctx: &mut Context<'_>, boundary: usize) -> &LeftRow {
        while self.left_valid < boundary {
            let i = self.left_valid;
            self.left[i + 1] = if ctx.stop() { LeftRow::new() } else { self.advance(ctx, i) };
            self.left_valid += 1;
        }
        if boundary > 0 && self.choices[boundary - 1] == Choice::Pool && self.left[boundary].is_empty() {
            let (gap, first) = self.gap_left(ctx, boundary - 1);
            self.left[boundary] = gap.row(ctx, (boundary - first) as u32, self.steady);
        }
        &self.left[boundary]
    }

    /// The pool gap of slot `i`, seen from its left end, and its first slot.
    pub(super) fn gap_left(&mut self, ctx: &mut Context<'_>, i: usize) -> (Arc<GapLeft>, usize) {
        let first = self.gap_start(i);
        let n_cells = (self.gap_end(i) - first) as u32;
        if let Some(known) = self.gaps.get(&first).filter(|g| g.n_cells >= n_cells) {
            return (known.clone(), first);
        }
        let row = self.left_row(ctx, first).clone();
        let gap = Arc::new(GapLeft::new(ctx, &row, n_cells));
        self.gaps.insert(first, gap.clone());
        (gap, first)
    }

    fn advance(&mut self, ctx: &mut Context<'_>, i: usize) -> LeftRow {
        if self.choices[i] == Choice::Pool {
            if i == 0 || self.choices[i - 1] != Choice::Pool {
                self.gaps.remove(&i);
            }
            return LeftRow::new(); // made when asked for
        }
        if i > 0 && self.choices[i - 1] == Choice::Pool {
            self.left_row(ctx, i);
        }
        let row = &self.left[i];
        if self.choices[i] == Choice::Anything {
            return anything::advance(ctx, row);
        }
        let also: &[(ConfigId, SetId)] = if matches!(self.choices[i], Choice::Optional(_)) { row } else { &[] };
        ctx.advance_row(row, &self.choices[i], also)
    }

    /// The right set at (boundary, configuration).
    pub fn right_set(&mut self, ctx: &mut Context<'_>, boundary: usize, c: ConfigId) -> SetId {
        self.need_right(ctx, boundary, &[c]);
        self.known_right_set(ctx, boundary, c)
    }

    fn known_right_set(&self, ctx: &mut Context<'_>, boundary: usize, c: ConfigId) -> SetId {
        match self.right[boundary].of_config.get(&c) {
            Some(sources) => ctx.charts.right.build(&ctx.constraint.cfg, &mut sources.clone()),
            None => Chart::DEAD,
        }
    }

    /// Makes the right sets of these configurations: walks right over what is missing, then back.
    pub fn need_right(&mut self, ctx: &mut Context<'_>, boundary: usize, configs: &[ConfigId]) {
        let n = self.len();
        while self.right_valid > boundary {
            self.right_valid -= 1;
            self.right[self.right_valid] = RightRow::default();
        }
        let mut missing: Vec<(usize, Vec<ConfigId>)> = Vec::new();
        let mut wanted: Vec<ConfigId> = configs.to_vec();
        let mut j = boundary;
        loop {
            wanted.retain(|c| !self.right[j].of_config.contains_key(c));
            wanted.sort_unstable();
            wanted.dedup();
            if wanted.is_empty() || ctx.stop() {
                break;
            }
            let mut next = Vec::new();
            if j < n {
                self.reach(ctx, j, &wanted, &mut next);
            }
            missing.push((j, std::mem::replace(&mut wanted, next)));
            if j == n {
                break;
            }
            j = if self.choices[j] == Choice::Pool { self.gap_end(j) } else { j + 1 };
        }
        for (boundary, configs) in missing.into_iter().rev() {
            self.make_right(ctx, boundary, &configs);
        }
    }

    /// Configurations at boundary j+1 that `configs` at boundary j lead to.
    fn reach(&self, ctx: &mut Context<'_>, j: usize, configs: &[ConfigId], out: &mut Vec<ConfigId>) {
        if self.choices[j] == Choice::Anything {
            out.extend(anything::close_configs(ctx, configs));
            return;
        }
        if self.choices[j] == Choice::Pool {
            ctx.gap_exits(configs, out);
            return;
        }
        if matches!(self.choices[j], Choice::Optional(_)) {
            out.extend_from_slice(configs);
        }
        let vocabulary = &ctx.constraint.vocabulary;
        if let Choice::One(t) = self.choices[j] {
            let mut effects: Vec<EffectId> = configs.iter().map(|&c| ctx.effects.of_token(vocabulary, c, t)).collect();
            effects.sort_unstable();
            effects.dedup();
            effects.into_iter().for_each(|e| ctx.effects.ends_of(e, out));
            return;
        }
        let Some(tokens) = self.choices[j].tokens() else { return };
        let mut fresh: Vec<ConfigId> = Vec::new();
        for &c in configs {
            out.extend_from_slice(&ctx.effects.going_on(vocabulary, c, tokens).ends);
            fresh.extend(ctx.effects.lexer.cuts(c).iter().map(|cut| cut.1));
        }
        fresh.sort_unstable();
        fresh.dedup();
        for f in fresh {
            out.extend_from_slice(&ctx.effects.going_on(vocabulary, f, tokens).ends);
        }
    }

    fn make_right(&mut self, ctx: &mut Context<'_>, j: usize, configs: &[ConfigId]) {
        if j < self.len() && self.choices[j] == Choice::Anything {
            let all = anything::close_configs(ctx, configs);
            let exits = all.iter().map(|&c| self.known_right_set(ctx, j + 1, c)).collect();
            let sets = anything::retreat(ctx, &all, exits, self.ends[j]);
            let sources = sets.into_iter().map(|s| Sources { eps: SmallVec::from_slice(&[s]), arcs: SmallVec::new() });
            self.right[j].of_config.extend(all.into_iter().zip(sources));
            return;
        }
        if j < self.len() && self.choices[j] == Choice::Pool {
            self.make_right_in_gap(ctx, j, configs);
            return;
        }
        for &c in configs {
            if ctx.stop() {
                return;
            }
            let mut sources = Sources::default();
            if self.ends[j] {
                ctx.end_sources(c, &mut sources);
            }
            if j < self.len() {
                self.gather_slot(ctx, j, c, &mut sources);
                if matches!(self.choices[j], Choice::Optional(_))
                    && let Some(skipped) = self.right[j + 1].of_config.get(&c)
                {
                    extend(&mut sources, skipped);
                }
            }
            tidy(&mut sources);
            self.right[j].of_config.insert(c, sources);
        }
    }

    /// Adds what may follow configuration `c` in front of slot j.
    fn gather_slot(&mut self, ctx: &mut Context<'_>, j: usize, c: ConfigId, sources: &mut Sources) {
        let vocabulary = ctx.constraint.vocabulary.clone();
        if let Choice::One(t) = self.choices[j] {
            let effect = ctx.effects.of_token(&vocabulary, c, t);
            self.gather_right(ctx, j, &[effect], sources);
            return;
        }
        let Some(tokens) = self.choices[j].tokens().map(|t| t.cloned()) else { return };
        let on = ctx.effects.going_on(&vocabulary, c, tokens.as_ref());
        self.gather_right(ctx, j, &on.effects, sources);
        for &(t, fresh) in ctx.effects.lexer.cuts(c).to_vec().iter() {
            let set = self.right_fresh(ctx, j, fresh, tokens.as_ref());
            if ctx.effects.is_ignored(t) {
                sources.eps.push(set);
            } else {
                sources.arcs.push((t, set));
            }
        }
    }

    /// The right set of a fresh configuration in front of slot j.
    pub(super) fn right_fresh(&mut self, ctx: &mut Context<'_>, j: usize, fresh: ConfigId, tokens: Option<&Arc<[TokenId]>>) -> SetId {
        if let Some(&known) = self.right[j].of_fresh.get(&fresh) {
            return known;
        }
        let on = ctx.effects.going_on(&ctx.constraint.vocabulary, fresh, tokens);
        let mut sources = Sources::default();
        self.gather_right(ctx, j, &on.effects, &mut sources);
        let set = ctx.charts.right.build_at(&ctx.constraint.cfg, &mut sources, kind_of_fresh(fresh));
        self.right[j].of_fresh.insert(fresh, set);
        set
    }

    fn make_right_in_gap(&mut self, ctx: &mut Context<'_>, j: usize, configs: &[ConfigId]) {
        let b = self.gap_end(j);
        let r = (b - j) as u32;
        let hub = match self.right[b].hub {
            Some((n_cells, hub)) if n_cells >= r => hub,
            _ => {
                let n_cells = (b - self.gap_start(j)) as u32;
                let hub = self.right_hub(ctx, b, n_cells, self.ends[b - 1]);
                self.right[b].hub = Some((n_cells, hub));
                hub
            }
        };
        for &c in configs {
            let mut sources = Sources::default();
            if self.ends[j] {
                ctx.end_sources(c, &mut sources);
            }
            self.gap_sources(ctx, b, r, c, hub, &mut sources);
            tidy(&mut sources);
            self.right[j].of_config.insert(c, sources);
        }
    }

    /// What configuration `c` at a boundary is built from, if that is known.
    pub(super) fn right_sources(&self, boundary: usize, c: ConfigId) -> Option<&Sources> {
        self.right[boundary].of_config.get(&c)
    }

    /// Adds the sources of several effects of slot j. All that may follow one terminal is one point.
    pub(super) fn gather_right(&mut self, ctx: &mut Context<'_>, j: usize, effects: &[EffectId], sources: &mut Sources) {
        let mut emits: Vec<(u32, EffectId)> = Vec::new();
        let mut stack: SmallVec<[EffectId; 16]> = SmallVec::from_slice(effects);
        while let Some(effect) = stack.pop() {
            let branches: SmallVec<[Branch; 4]> = SmallVec::from_slice(ctx.effects.branches(effect));
            for branch in branches {
                match branch {
                    Branch::End(c) => {
                        let Some(more) = self.right[j + 1].of_config.get(&c) else { continue };
                        if more.arcs.len() < WIDE_SOURCES {
                            extend(sources, more);
                        } else {
                            // Kept as one set: a set on top of it continues its chain.
                            let set = ctx.charts.right.build_at(&ctx.constraint.cfg, &mut more.clone(), u64::from(c.0));
                            sources.eps.push(set);
                        }
                    }
                    Branch::Skip(rest) => stack.push(rest),
                    Branch::Emit(t, rest) => emits.push((t, rest)),
                }
            }
        }
        tidy(sources);
        emits.sort_unstable();
        emits.dedup();
        for run in emits.chunk_by(|a, b| a.0 == b.0) {
            let rests: SmallVec<[EffectId; 2]> = run.iter().map(|e| e.1).collect();
            let set = self.right_effects(ctx, j, rests);
            sources.arcs.push((run[0].0, set));
        }
    }

    /// The right set before any of these effects of slot j, given the right row at boundary j+1.
    fn right_effects(&mut self, ctx: &mut Context<'_>, j: usize, effects: SmallVec<[EffectId; 2]>) -> SetId {
        if let Some(&known) = self.right[j].of_effects.get(&effects) {
            return known;
        }
        let mut sources = Sources::default();
        self.gather_right(ctx, j, &effects, &mut sources);
        let kind = kind_of_effect(effects[0]);
        let set = ctx.charts.right.build_at(&ctx.constraint.cfg, &mut sources, kind);
        self.right[j].of_effects.insert(effects, set);
        set
    }

    /// Whether the text may end exactly at this boundary.
    pub fn fits_end(&mut self, ctx: &mut Context<'_>, boundary: usize) -> bool {
        if !self.ends[boundary] {
            return false;
        }
        let row = self.left_row(ctx, boundary).clone();
        row.iter().any(|&(c, l)| {
            let mut sources = Sources::default();
            ctx.end_sources(c, &mut sources);
            let r = ctx.charts.right.build(&ctx.constraint.cfg, &mut sources);
            ctx.charts.fits(&ctx.constraint.cfg, l, r)
        })
    }
}

impl Context<'_> {
    /// The right set of "the text ends here" in configuration `c`.
    pub fn end_set(&mut self, c: ConfigId) -> SetId {
        let mut sources = Sources::default();
        self.end_sources(c, &mut sources);
        self.charts.right.build(&self.constraint.cfg, &mut sources)
    }

    /// The right set before an effect when the only continuation is configuration `config` with set
    /// `right`.
    pub fn right_of_effect_ending(&mut self, effect: EffectId, config: ConfigId, right: SetId, memo: &mut FxHashMap<EffectId, SetId>) -> SetId {
        if let Some(&known) = memo.get(&effect) {
            return known;
        }
        let branches: SmallVec<[Branch; 4]> = SmallVec::from_slice(self.effects.branches(effect));
        let mut sources = Sources::default();
        for branch in branches {
            match branch {
                Branch::End(c) if c == config => sources.eps.push(right),
                Branch::End(_) => {}
                Branch::Skip(rest) => sources.eps.push(self.right_of_effect_ending(rest, config, right, memo)),
                Branch::Emit(t, rest) => sources.arcs.push((t, self.right_of_effect_ending(rest, config, right, memo))),
            }
        }
        let set = self.charts.right.build(&self.constraint.cfg, &mut sources);
        memo.insert(effect, set);
        set
    }
}

/// A choice made while a filling is read off from the right: what then precedes the slot.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) config: ConfigId,
    pub(super) right: SetId,
    pub(super) token: Option<TokenId>,
}

impl Context<'_> {
    /// A token of `choice` such that some entry of the left row fits it and the (concrete) right side: first by tokens
    /// behind lexemes that end in front of it, each fresh configuration once, then by tokens with which a lexeme goes on.
    pub(super) fn step_left(&mut self, row: &[(ConfigId, SetId)], choice: &Choice, after: &Step) -> Option<Step> {
        let mut memo = FxHashMap::default();
        let fresh_points = if matches!(choice, Choice::One(_)) { LeftRow::new() } else { self.left_fresh(row) };
        for (fresh, l) in fresh_points {
            for (effect, token) in self.candidates(fresh, choice) {
                let right = self.right_of_effect_ending(effect, after.config, after.right, &mut memo);
                if right == Chart::DEAD || !self.charts.fits(&self.constraint.cfg, l, right) {
                    continue;
                }
                for &(config, l) in row {
                    for &(t, f) in self.effects.lexer.cuts(config).to_vec().iter().filter(|cut| cut.1 == fresh) {
                        debug_assert_eq!(f, fresh);
                        let right = if self.effects.is_ignored(t) { right } else { self.right_arc(t, right) };
                        if self.charts.fits(&self.constraint.cfg, l, right) {
                            return Some(Step { config, right, token: Some(token) });
                        }
                    }
                }
            }
        }
        for &(config, l) in row {
            for (effect, token) in self.candidates(config, choice) {
                let right = self.right_of_effect_ending(effect, after.config, after.right, &mut memo);
                if right != Chart::DEAD && self.charts.fits(&self.constraint.cfg, l, right) {
                    return Some(Step { config, right, token: Some(token) });
                }
            }
        }
        None
    }

    /// Tokens of a choice, one for each effect, whose first byte `c` reads itself.
    fn candidates(&mut self, c: ConfigId, choice: &Choice) -> Vec<(EffectId, TokenId)> {
        let vocabulary = self.constraint.vocabulary.clone();
        let mut found: Vec<(EffectId, TokenId)> = match choice {
            Choice::One(t) => vec![(self.effects.of_token(&vocabulary, c, *t), *t)],
            Choice::Some(tokens) => tokens.iter().map(|&t| (self.effects.going_on_with(&vocabulary, c, t), t)).collect(),
            Choice::Optional(inner) => return self.candidates(c, inner),
            _ => self.effects.first_tokens(&vocabulary, c),
        };
        found.retain(|f| f.0 != Effects::DEAD);
        found
    }

    fn right_arc(&mut self, terminal: u32, right: SetId) -> SetId {
        let mut sources = Sources::default();
        sources.arcs.push((terminal, right));
        self.charts.right.build(&self.constraint.cfg, &mut sources)
    }
}
