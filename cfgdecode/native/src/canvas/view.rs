//! The rows of chart sets at the boundaries of a canvas, kept valid from both ends.
//!
//! Terms. *Boundary* i lies before slot i. A *row* maps lexer configurations at a boundary to chart
//! sets: the left row says what lies left of (boundary, configuration), the right row what lies right.
//! A view gives each slot a [`Choice`] of tokens; different views of one canvas share their charts (`charts.rs`). How a row
//! follows from its neighbour is in `context.rs`.
//!
//! Invariants: left rows up to `left_valid` and right rows from `right_valid` on are those of the
//! present choices; changing slot i keeps left rows `0..=i` and right rows `i+1..`.
//! Cost: one row costs (configurations × classes of the slot) look-ups plus the chart sets built.

use super::anything;
use super::context::{Context, kind_of_effect, kind_of_fresh};
use super::gap::GapLeft;
use super::right_row::RightRow;
use crate::intersect::{Chart, Family, SetId, Sources};
use crate::lexer::ConfigId;
use crate::vocabulary::{EffectId, Group, TokenId};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::Arc;

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

#[derive(Clone, Debug)]
pub struct View {
    choices: Vec<Choice>,
    /// Whether the text may end at each boundary.
    ends: Vec<bool>,
    /// Rows inside a pool gap, and between a slot of several tokens and one of one, are made when they are asked for.
    left: Vec<Option<Arc<LeftRow>>>,
    /// By first slot: the pool gap that begins there.
    gaps: FxHashMap<usize, Arc<GapLeft>>,
    /// Inside pool gaps, leave out what only fits at one place: in left rows, in right rows.
    pub(super) steady_left: bool,
    pub(super) steady_right: bool,
    left_valid: usize,
    right: Vec<Arc<RightRow>>,
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

fn pool_of(ctx: &Context<'_>) -> usize {
    Arc::as_ptr(&ctx.pool.costs) as usize
}

/// Arcs from which on a configuration's sources are built into a set before they join others.
const WIDE_SOURCES: usize = 4;

impl View {
    pub fn new(start: ConfigId, choices: Vec<Choice>, ends: Vec<bool>) -> View {
        let n = choices.len();
        View {
            choices,
            ends,
            left: std::iter::once(Some(Arc::new(vec![(start, Chart::ROOT)]))).chain((0..n).map(|_| None)).collect(),
            gaps: FxHashMap::default(),
            steady_left: false,
            steady_right: false,
            left_valid: 0,
            right: vec![Arc::default(); n + 1],
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

    /// Puts other slots in place of `range`; rows on either side of it are kept. `ends` are those of all boundaries after.
    pub(super) fn splice(&mut self, range: Range<usize>, choices: Vec<Choice>, ends: Vec<bool>) {
        let (old, new) = (self.ends.len(), ends.len());
        let moved = |boundary: usize| boundary + new - old;
        let last = (0..old - range.end).find(|&k| ends[new - 1 - k] != self.ends[old - 1 - k]).map(|k| new - k);
        self.right_valid = moved(self.right_valid.max(range.end)).max(last.unwrap_or(0));
        self.left_valid = self.left_valid.min(range.start);
        self.gaps.retain(|&first, _| first <= range.start);
        self.left.splice(range.start + 1..=range.end, choices.iter().map(|_| None));
        self.right.splice(range.clone(), choices.iter().map(|_| Arc::default()));
        self.choices.splice(range, choices);
        self.ends = ends;
    }

    /// Replaces the choices from slot `first` on; returns those before.
    pub(super) fn set_choices(&mut self, first: usize, choices: Vec<Choice>) -> Vec<Choice> {
        let before = self.choices[first..first + choices.len()].to_vec();
        choices.into_iter().enumerate().for_each(|(k, choice)| self.set_choice(first + k, choice));
        before
    }

    /// What is in left rows, and in right rows, inside pool gaps from now on.
    pub(super) fn set_steady(&mut self, left: bool, right: bool) {
        let is_pool = |choice: &Choice| *choice == Choice::Pool;
        if let Some(first) = self.choices.iter().position(is_pool).filter(|_| left != self.steady_left) {
            // What enters the gap there stays.
            self.left_valid = self.left_valid.min(first + 1);
            self.left[first + 1] = None;
        }
        if let Some(last) = self.choices.iter().rposition(is_pool).filter(|_| right != self.steady_right) {
            self.right_valid = self.right_valid.max(last + 1);
        }
        (self.steady_left, self.steady_right) = (left, right);
    }

    /// Forgets all sets (the charts were replaced).
    pub fn forget(&mut self) {
        self.gaps.clear();
        self.left_valid = 0;
        self.right_valid = self.len() + 1;
    }

    /// A row to write to; forks keep theirs.
    fn right_row(&mut self, boundary: usize) -> &mut RightRow {
        Arc::make_mut(&mut self.right[boundary])
    }

    pub(super) fn ends(&self) -> &[bool] {
        &self.ends
    }

    pub fn ends_at(&self, boundary: usize) -> bool {
        self.ends[boundary]
    }

    /// Behind cells of several tokens there are many configurations, and few behind one token more: what passes a boundary passes the
    /// one behind that token as well.
    pub(super) fn narrow(&self, boundary: usize) -> usize {
        let is_one = |i: usize| matches!(self.choices[i], Choice::One(_));
        let is_wide = boundary > 0 && !is_one(boundary - 1);
        boundary + usize::from(is_wide && boundary < self.len() && is_one(boundary) && !self.ends[boundary])
    }

    /// The left row at a boundary.
    pub fn left_row(&mut self, ctx: &mut Context<'_>, boundary: usize) -> &Arc<LeftRow> {
        while self.left_valid < boundary {
            let i = self.left_valid;
            let behind = self.next_made(i, boundary);
            self.left[i + 1..=behind].fill(None);
            if self.choices[i] == Choice::Pool {
                if i == 0 || self.choices[i - 1] != Choice::Pool {
                    self.gaps.remove(&i);
                }
            } else {
                self.left[behind] = Some(self.advance(ctx, i, behind));
            }
            self.left_valid = behind;
        }
        if self.left[boundary].is_none() {
            self.left[boundary] = Some(self.advance(ctx, boundary - 1, boundary));
        }
        self.left[boundary].get_or_insert_default()
    }

    /// The boundary of the next left row that is made before it is asked for, up to this boundary.
    fn next_made(&self, i: usize, boundary: usize) -> usize {
        let skips = i + 1 < boundary && matches!(self.choices[i], Choice::Some(_)) && matches!(self.choices[i + 1], Choice::One(_));
        i + 1 + usize::from(skips)
    }

    /// The left row at a boundary from that in front of slot `i`.
    fn advance(&mut self, ctx: &mut Context<'_>, i: usize, boundary: usize) -> Arc<LeftRow> {
        if ctx.stop() {
            return Arc::default();
        }
        if self.choices[i] == Choice::Pool {
            let (gap, first) = self.gap_left(ctx, i);
            return Arc::new(gap.row(ctx, (boundary - first) as u32, self.steady_left));
        }
        if i > 0
            && self.choices[i - 1] == Choice::Pool
            && let Choice::One(token) = self.choices[i]
        {
            let (gap, first) = self.gap_left(ctx, i - 1);
            return Arc::new(gap.row_behind(ctx, (i - first) as u32, self.steady_left, token));
        }
        let row = self.left_row(ctx, i).clone();
        let behind = match (&self.choices[i], self.choices[i + 1..boundary].first()) {
            (Choice::Some(tokens), Some(&Choice::One(token))) => ctx.advance_two(&row, tokens, token),
            (Choice::Anything, _) => anything::advance(ctx, &row),
            (choice @ Choice::Optional(_), _) => ctx.advance_row(&row, choice, &row),
            (choice, _) => ctx.advance_row(&row, choice, &[]),
        };
        Arc::new(behind)
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

    /// The right set at (boundary, configuration).
    pub fn right_set(&mut self, ctx: &mut Context<'_>, boundary: usize, c: ConfigId) -> SetId {
        self.need_right_of(ctx, boundary, c);
        self.known_right_set(ctx, boundary, c)
    }

    /// Makes what the right set of one configuration is built from, if it is not known.
    fn need_right_of(&mut self, ctx: &mut Context<'_>, boundary: usize, c: ConfigId) {
        if self.right_valid > boundary || !self.right[boundary].of_config.has(c) {
            self.need_right(ctx, boundary, &[c]);
        }
    }

    /// What the right set at (boundary, configuration) is made of, if it is not made yet.
    pub(super) fn unmade_right(&mut self, ctx: &mut Context<'_>, boundary: usize, c: ConfigId) -> Option<Sources> {
        self.need_right_of(ctx, boundary, c);
        let id = self.right[boundary].of_config.get(c)?;
        let point = &self.right[boundary].points[id as usize];
        point.set.is_none().then(|| point.sources.clone())
    }

    fn known_right_set(&mut self, ctx: &mut Context<'_>, boundary: usize, c: ConfigId) -> SetId {
        let Some(id) = self.right[boundary].of_config.get(c) else { return Chart::DEAD };
        let point = &self.right[boundary].points[id as usize];
        if let Some(set) = point.set {
            return set;
        }
        let set = ctx.charts.right.build(ctx.symbols, &mut point.sources.clone());
        self.right_row(boundary).points[id as usize].set = Some(set);
        set
    }

    /// Makes the right sets of these configurations: walks right over what is missing, then back.
    pub fn need_right(&mut self, ctx: &mut Context<'_>, boundary: usize, configs: &[ConfigId]) {
        let n = self.len();
        while self.right_valid > boundary {
            self.right_valid -= 1;
            self.right[self.right_valid] = Arc::default();
        }
        let mut all: Vec<ConfigId> = Vec::new();
        let mut missing: Vec<(usize, Range<usize>)> = Vec::new();
        let mut wanted: Vec<ConfigId> = configs.to_vec();
        let mut j = boundary;
        loop {
            wanted.retain(|c| !self.right[j].of_config.has(*c));
            wanted.sort_unstable();
            wanted.dedup();
            if wanted.is_empty() || ctx.stop() {
                break;
            }
            let from = all.len();
            all.append(&mut wanted);
            missing.push((j, from..all.len()));
            if j == n {
                break;
            }
            self.reach(ctx, j, &all[from..], &mut wanted);
            j = if self.choices[j] == Choice::Pool { self.gap_end(j) } else { j + 1 };
        }
        for (boundary, configs) in missing.into_iter().rev() {
            self.make_right(ctx, boundary, &all[configs]);
        }
    }

    /// Configurations at boundary j+1 that `configs` at boundary j lead to.
    fn reach(&self, ctx: &mut Context<'_>, j: usize, configs: &[ConfigId], out: &mut Vec<ConfigId>) {
        if self.choices[j] == Choice::Anything {
            out.extend_from_slice(&ctx.loop_graph(configs).configs);
            return;
        }
        if self.choices[j] == Choice::Pool {
            if self.known_hub(ctx, self.gap_end(j)).is_none() {
                ctx.hub_exits(out);
            }
            ctx.gap_exits(configs, out);
            return;
        }
        if matches!(self.choices[j], Choice::Optional(_)) {
            out.extend_from_slice(configs);
        }
        let vocabulary = &ctx.constraint.vocabulary;
        if let Choice::One(t) = self.choices[j] {
            let mut effects: SmallVec<[EffectId; 8]> = configs.iter().map(|&c| ctx.effects.of_token(vocabulary, c, t)).collect();
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
            let graph = ctx.loop_graph(configs);
            let exits = graph.configs.iter().map(|&c| self.known_right_set(ctx, j + 1, c)).collect();
            let sets = anything::retreat(ctx, &graph, exits, self.ends[j]);
            let sources = sets.into_iter().map(|s| Sources { eps: SmallVec::from_slice(&[s]), arcs: SmallVec::new() });
            let row = self.right_row(j);
            graph.configs.iter().zip(sources).for_each(|(&c, sources)| row.insert(c, sources));
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
                    && let Some(skipped) = self.right[j + 1].sources(c)
                {
                    sources.add(skipped);
                }
            }
            tidy(&mut sources);
            self.right_row(j).insert(c, sources);
        }
    }

    /// Adds what may follow configuration `c` in front of slot j.
    fn gather_slot(&mut self, ctx: &mut Context<'_>, j: usize, c: ConfigId, sources: &mut Sources) {
        let vocabulary = ctx.constraint.vocabulary.clone();
        if let Choice::One(t) = self.choices[j] {
            let effect = ctx.effects.of_token(&vocabulary, c, t);
            let group = ctx.effects.group_of_one(effect);
            self.gather_right(ctx, j, &group, sources);
            return;
        }
        let Some(tokens) = self.choices[j].tokens().map(|t| t.cloned()) else { return };
        let on = ctx.effects.going_on(&vocabulary, c, tokens.as_ref());
        self.gather_right(ctx, j, &on.group, sources);
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
        if let Some(known) = self.right[j].of_fresh.get(fresh) {
            return known;
        }
        let on = ctx.effects.going_on(&ctx.constraint.vocabulary, fresh, tokens);
        let mut sources = Sources::default();
        self.gather_right(ctx, j, &on.group, &mut sources);
        let set = ctx.charts.right.build_at(ctx.symbols, &mut sources, kind_of_fresh(fresh));
        self.right_row(j).of_fresh.insert(fresh, set);
        set
    }

    fn make_right_in_gap(&mut self, ctx: &mut Context<'_>, j: usize, configs: &[ConfigId]) {
        let b = self.gap_end(j);
        let r = (b - j) as u32;
        let hub = match self.known_hub(ctx, b) {
            Some((n_cells, hub)) if n_cells >= r => hub,
            _ => {
                let n_cells = (b - self.gap_start(j)) as u32;
                let hub = self.right_hub(ctx, b, n_cells, self.ends[b - 1]);
                self.right_row(b).hub = Some((n_cells, pool_of(ctx), hub));
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
            self.right_row(j).insert(c, sources);
        }
    }

    /// The hub of the pool gap that ends at this boundary, for gaps of so many cells, if it is known for this pool.
    fn known_hub(&self, ctx: &Context<'_>, boundary: usize) -> Option<(u32, Family)> {
        self.right[boundary].hub.filter(|hub| hub.1 == pool_of(ctx)).map(|hub| (hub.0, hub.2))
    }

    /// What configuration `c` at a boundary is built from, if that is known.
    pub(super) fn right_sources(&self, boundary: usize, c: ConfigId) -> Option<&Sources> {
        self.right[boundary].sources(c)
    }

    /// Adds the sources of several effects of slot j. All that may follow one terminal is one point.
    fn gather_right(&mut self, ctx: &mut Context<'_>, j: usize, group: &Group, sources: &mut Sources) {
        let row = &self.right[j + 1];
        let mut seen: SmallVec<[bool; 64]> = SmallVec::from_elem(false, row.points.len());
        for &c in &group.ends {
            let Some(id) = row.of_config.get(c) else { continue };
            if std::mem::replace(&mut seen[id as usize], true) {
                continue;
            }
            let more = &row.points[id as usize].sources;
            if more.arcs.len() < WIDE_SOURCES {
                sources.add(more);
            } else {
                // Kept as one set: a set on top of it continues its chain.
                sources.eps.push(ctx.charts.right.build_at(ctx.symbols, &mut more.clone(), u64::from(c.0)));
            }
        }
        tidy(sources);
        for (t, rests) in &group.emits {
            let set = self.right_group(ctx, j, rests);
            sources.arcs.push((*t, set));
        }
    }

    /// The right set before any of these effects of slot j, given the right row at boundary j+1.
    fn right_group(&mut self, ctx: &mut Context<'_>, j: usize, group: &Group) -> SetId {
        if let Some(known) = self.right[j].of_effects.get(group.id) {
            return known;
        }
        let mut sources = Sources::default();
        self.gather_right(ctx, j, group, &mut sources);
        let set = ctx.charts.right.build_at(ctx.symbols, &mut sources, kind_of_effect(group.first));
        self.right_row(j).of_effects.insert(group.id, set);
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
            let r = ctx.charts.right.build(ctx.symbols, &mut sources);
            ctx.charts.fits(ctx.symbols, l, r)
        })
    }
}
