//! One side's sets of items, built from what reaches a point of the canvas graph.
//!
//! Terms. *Source* of a point: another point's set, reached over an arc without label (`eps`) or over
//! an arc with a terminal (`arcs`). *Item* `(w, origin)`: symbol `w` was completed between `origin` and
//! here and waits for its sibling. *Predicted*: symbols that may begin here, by all that waits.
//!
//! A set built on top of another (an arc without label leads from one to the other) has all its items
//! and more. Such sets form *chains*; an item whose origin is lower in the same chain than that of an
//! equal item adds nothing and is left out. That is what keeps long gaps cheap: however many cells a
//! symbol may have begun in, only the latest is kept.
//!
//! Where many gaps lie between, even so a symbol may have an origin in each of them, and the charts grow with the square of their
//! number. A chart with a bound on [`Origins`] does not; it then errs on a side that is known.
//!
//! Invariants: a set is immutable once built, except inside [`Chart::build_group`]; sets built from
//! equal sources are the same set; `DEAD` has no items, `NONE` lies beyond the end of the
//! text and predicts everything, `ROOT`
//! holds only the end marker (⊢ on the left, ⊣ on the right).
//! Cost of one set: completed (symbol, origin) pairs times the rules they take part in.

use super::family::Families;
use crate::grammar::{Bits, Cfg, Side, Symbol};
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use smallvec::SmallVec;
use std::cell::{Cell, OnceCell};
use std::hash::{Hash, Hasher};

pub type SetId = u32;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sources {
    pub eps: SmallVec<[SetId; 2]>,
    pub arcs: SmallVec<[(Symbol, SetId); 2]>,
}

impl Sources {
    pub fn add(&mut self, more: &Sources) {
        self.eps.extend_from_slice(&more.eps);
        self.arcs.extend_from_slice(&more.arcs);
    }
}

/// The arcs inside a group of points that may reach one another (a gap of unbounded length).
#[derive(Clone, Debug, Default)]
pub struct GroupArcs {
    /// (from, to): no label.
    pub eps: Vec<(u32, u32)>,
    /// (from, terminal, to).
    pub arcs: Vec<(u32, Symbol, u32)>,
}

/// What part of the origins that a symbol may have are the oldest: without them the outermost brackets could not be closed.
const OLD_SHARE: usize = 4;
/// Marks a set as a chain of its own.
const OWN_CHAIN: u32 = 1 << 31;

/// How many origins one symbol may have in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Any number: the chart is exact.
    All,
    /// If there are more, those between the oldest and the latest sets are left out: what the chart says can be is so.
    Few(usize),
    /// If there are more, `Chart::ANYWHERE` stands for them: what the chart says cannot be is so.
    Widened(usize),
}

impl Origins {
    pub(super) fn most(self) -> usize {
        match self {
            Origins::All => usize::MAX,
            Origins::Few(most) | Origins::Widened(most) => most,
        }
    }
}

#[derive(Debug)]
pub(super) enum Predicted {
    Few(Box<[Symbol]>),
    Many(Bits),
    All,
}

impl Predicted {
    #[inline]
    fn has(&self, s: Symbol) -> bool {
        match self {
            Predicted::Few(list) => list.binary_search(&s).is_ok(),
            Predicted::Many(bits) => bits.has(s),
            Predicted::All => true,
        }
    }
}

#[derive(Debug)]
pub(super) struct Set {
    pub(super) items: Items,
    pub(super) predicted: Predicted,
    /// Sets of one chain contain one another in order of rank.
    pub(super) chain: u32,
    pub(super) rank: u32,
}

/// Sorted by symbol, then origin.
#[derive(Debug)]
pub(super) enum Items {
    Listed(Box<[(Symbol, SetId)]>),
    /// A layer of a family, listed at first use.
    Member {
        family: u32,
        listed: OnceCell<Box<[(Symbol, SetId)]>>,
    },
}

#[derive(Debug)]
pub struct Chart {
    pub(super) side: Side,
    pub origins: Origins,
    pub(super) sets: Vec<Set>,
    pub(super) families: Families,
    memo: FxHashMap<Sources, SetId>,
    /// Hash of items -> sets with those items: different sources often come to the same.
    by_items: FxHashMap<u64, SmallVec<[SetId; 1]>>,
    /// The latest set built for a place of the same kind, see [`Chart::build_at`].
    latest: FxHashMap<u64, SetId>,
    /// The largest set of each chain.
    pub(super) heads: Vec<SetId>,
    /// What the set being built may continue.
    below: Option<SetId>,
    n_items: usize,
    /// Items listed for members of families.
    pub(super) n_listed: Cell<usize>,
    /// Items after which sets come out empty and `overflowed` says so.
    pub max_items: usize,
    pub overflowed: bool,
    /// Completions looked at so far, and how many may be: building a set can cost much more than the items it has in the end.
    pub visits: usize,
    pub max_visits: usize,
    /// Scratch, kept to avoid allocation.
    agenda: Vec<(Symbol, SetId)>,
    /// (symbol, chain of its origin) -> highest rank seen.
    best: FxHashMap<(Symbol, u32), u32>,
    kept: Vec<(Symbol, SetId)>,
}

impl Chart {
    pub const DEAD: SetId = 0;
    pub const NONE: SetId = 1;
    pub const ROOT: SetId = 2;
    /// Everything waits here, from here: any context. In widened charts only.
    pub const ANYWHERE: SetId = 3;

    pub fn new(cfg: &Cfg, side: Side, origins: Origins) -> Chart {
        let mut chart = Chart {
            side,
            origins,
            sets: Vec::new(),
            families: Families::default(),
            memo: FxHashMap::default(),
            by_items: FxHashMap::default(),
            latest: FxHashMap::default(),
            heads: Vec::new(),
            below: None,
            n_items: 0,
            n_listed: Cell::new(0),
            max_items: usize::MAX,
            overflowed: false,
            visits: 0,
            max_visits: usize::MAX,
            agenda: Vec::new(),
            best: FxHashMap::default(),
            kept: Vec::new(),
        };
        chart.push(cfg, Vec::new(), &[]);
        chart.push(cfg, Vec::new(), &[]);
        chart.sets[Self::NONE as usize].predicted = Predicted::All;
        let marker = if side == Side::Left { cfg.begin } else { cfg.end };
        let tables = cfg.side(side);
        let mut root: Vec<(Symbol, SetId)> = tables.up[marker as usize].iter().filter(|&&y| tables.waits.has(y)).map(|&y| (y, Self::NONE)).collect();
        root.sort_unstable();
        chart.push(cfg, root, &[]);
        if let Origins::Widened(_) = origins {
            chart.push(cfg, tables.waits.iter().map(|w| (w, Self::ANYWHERE)).collect(), &[]);
            chart.sets[Self::ANYWHERE as usize].predicted = Predicted::All;
        }
        chart
    }

    pub fn n_sets(&self) -> usize {
        self.sets.len()
    }

    pub fn n_items(&self) -> usize {
        self.n_items + self.n_listed.get()
    }

    #[inline]
    pub fn items(&self, set: SetId) -> &[(Symbol, SetId)] {
        match &self.sets[set as usize].items {
            Items::Listed(items) => items,
            Items::Member { family, listed } => listed.get_or_init(|| self.list_member(*family, set)),
        }
    }

    /// The chain of a set, and its rank in it: the sets above it have all its items. A set of which that is not sure is a chain of its own.
    pub(super) fn place(&self, id: SetId) -> (u32, u32) {
        let set = &self.sets[id as usize];
        match &set.items {
            Items::Member { family, .. } if !self.is_family_growing(*family, id) => (OWN_CHAIN | id, 0),
            _ => (set.chain, set.rank),
        }
    }

    /// Sets that were begun later have a larger one.
    pub(super) fn age(&self, id: SetId) -> u64 {
        u64::from(self.sets[id as usize].chain)
    }

    /// Origins from which `symbol` waits at `set`.
    #[inline]
    pub fn waiting(&self, set: SetId, symbol: Symbol) -> &[(Symbol, SetId)] {
        of_symbol(self.items(set), symbol)
    }

    #[inline]
    pub fn predicts(&self, set: SetId, symbol: Symbol) -> bool {
        self.sets[set as usize].predicted.has(symbol)
    }

    fn push(&mut self, cfg: &Cfg, items: Vec<(Symbol, SetId)>, contains: &[SetId]) -> SetId {
        let predicted = self.predict(cfg, &items);
        self.n_items += items.len();
        let new = self.sets.len() as SetId;
        let below = contains.iter().find(|&&s| s > Self::ROOT && self.heads[self.sets[s as usize].chain as usize] == s);
        let (chain, rank) = match below {
            Some(&s) => (self.sets[s as usize].chain, self.sets[s as usize].rank + 1),
            None => (self.heads.len() as u32, 0),
        };
        if rank == 0 {
            self.heads.push(new);
        } else {
            self.heads[chain as usize] = new;
        }
        self.sets.push(Set { items: Items::Listed(items.into_boxed_slice()), predicted, chain, rank });
        new
    }

    fn predict(&self, cfg: &Cfg, items: &[(Symbol, SetId)]) -> Predicted {
        let expects = &cfg.side(self.side).expects;
        let mut symbols: SmallVec<[Symbol; 16]> = items.iter().map(|i| i.0).collect();
        symbols.dedup();
        let total: usize = symbols.iter().map(|&w| expects[w as usize].len()).sum();
        if total <= 32 {
            let mut all: Vec<Symbol> = symbols.iter().flat_map(|&w| expects[w as usize].iter().copied()).collect();
            all.sort_unstable();
            all.dedup();
            return Predicted::Few(all.into_boxed_slice());
        }
        let mut bits = Bits::new(cfg.n_symbols as usize);
        for w in symbols {
            for &s in &expects[w as usize] {
                bits.insert(s);
            }
        }
        Predicted::Many(bits)
    }

    /// The set of a point with these sources; `DEAD` if nothing useful reaches it.
    pub fn build(&mut self, cfg: &Cfg, sources: &mut Sources) -> SetId {
        sources.eps.retain(|s| *s != Self::DEAD);
        sources.arcs.retain(|(t, s)| *s != Self::DEAD && self.sets[*s as usize].predicted.has(*t));
        sources.eps.sort_unstable();
        sources.eps.dedup();
        match (sources.eps.len(), sources.arcs.len()) {
            (0, 0) => return Self::DEAD,
            (1, 0) => return sources.eps[0],
            _ => {}
        }
        sources.arcs.sort_unstable();
        sources.arcs.dedup();
        let below = self.below.take();
        self.merge_origins(cfg, sources);
        self.below = below;
        if let Some(&known) = self.memo.get(sources) {
            return known;
        }
        if self.n_items() > self.max_items {
            self.overflowed = true;
            return Self::DEAD;
        }
        let set = self.saturate(cfg, sources);
        if self.overflowed {
            return Self::DEAD;
        }
        self.memo.insert(sources.clone(), set);
        set
    }

    /// Like [`Chart::build`], for a place of some `kind` (a lexer configuration, an effect). If the set
    /// has everything that the latest set of that kind had, it continues that set's chain.
    pub fn build_at(&mut self, cfg: &Cfg, sources: &mut Sources, kind: u64) -> SetId {
        self.below = self.latest.get(&kind).copied();
        let set = self.build(cfg, sources);
        self.below = None;
        if set != Self::DEAD {
            self.latest.insert(kind, set);
        }
        set
    }

    /// Whether every item of `set` is in `best`, or one from higher in its origin's chain.
    fn covers(&self, best: &FxHashMap<(Symbol, u32), u32>, set: SetId) -> bool {
        self.items(set).iter().all(|&(w, origin)| {
            let from = &self.sets[origin as usize];
            best.get(&(w, from.chain)).is_some_and(|&rank| rank >= from.rank)
        })
    }

    /// One origin per terminal: reading `t` from either of two points is reading it from their union.
    fn merge_origins(&mut self, cfg: &Cfg, sources: &mut Sources) {
        if !sources.arcs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return;
        }
        let arcs = std::mem::take(&mut sources.arcs);
        for run in arcs.chunk_by(|a, b| a.0 == b.0) {
            let origin = if run.len() == 1 {
                run[0].1
            } else {
                let mut union = Sources { eps: run.iter().map(|arc| arc.1).collect(), arcs: SmallVec::new() };
                self.build(cfg, &mut union)
            };
            sources.arcs.push((run[0].0, origin));
        }
    }

    /// Completes upward from the terminals that end here, filtered by what the origins predicted.
    fn saturate(&mut self, cfg: &Cfg, sources: &Sources) -> SetId {
        let tables = cfg.side(self.side);
        let mut agenda = std::mem::take(&mut self.agenda);
        let mut best = std::mem::take(&mut self.best);
        let mut kept = std::mem::take(&mut self.kept);
        agenda.extend_from_slice(&sources.arcs);
        while let Some((x, origin)) = agenda.pop() {
            self.visits += 1;
            if best.len() > self.max_items || self.visits > self.max_visits {
                self.overflowed = true;
                agenda.clear();
                break;
            }
            let from = &self.sets[origin as usize];
            for &y in tables.up[x as usize].iter() {
                if !from.predicted.has(y) || !raise(&mut best, (y, from.chain), from.rank) {
                    continue;
                }
                if tables.waits.has(y) {
                    kept.push((y, origin));
                }
                for &(waiting, parent) in tables.combine[y as usize].iter() {
                    for &(_, further) in self.waiting(origin, waiting) {
                        agenda.push((parent, further));
                    }
                }
            }
        }
        for &e in &sources.eps {
            for &(y, origin) in self.items(e) {
                let from = &self.sets[origin as usize];
                if raise(&mut best, (y, from.chain), from.rank) {
                    kept.push((y, origin));
                }
            }
        }
        kept.retain(|&(y, origin)| {
            let from = &self.sets[origin as usize];
            best.get(&(y, from.chain)) == Some(&from.rank)
        });
        kept.sort_unstable();
        self.bound(&mut kept, &mut best);
        let mut contains = sources.eps.clone();
        if let Some(below) = self.below.filter(|&b| self.covers(&best, b)) {
            contains.insert(0, below);
        }
        let set = if kept.is_empty() { Self::DEAD } else { self.share(cfg, &kept, &contains) };
        kept.clear();
        best.clear();
        (self.agenda, self.best, self.kept) = (agenda, best, kept);
        set
    }

    /// Leaves no symbol more origins than it may have.
    fn bound(&self, kept: &mut Vec<(Symbol, SetId)>, best: &mut FxHashMap<(Symbol, u32), u32>) {
        let most = self.origins.most();
        if most == usize::MAX || !kept.chunk_by(|a, b| a.0 == b.0).any(|run| run.len() > most) {
            return;
        }
        let mut bounded = Vec::with_capacity(kept.len());
        for run in kept.chunk_by(|a, b| a.0 == b.0) {
            match self.origins {
                Origins::Widened(_) if run.len() > most || run[0].1 == Self::ANYWHERE => {
                    bounded.push((run[0].0, Self::ANYWHERE));
                    best.insert((run[0].0, self.sets[Self::ANYWHERE as usize].chain), 0);
                }
                _ if run.len() > most => {
                    let n_old = most / OLD_SHARE;
                    bounded.extend_from_slice(&run[..n_old]);
                    bounded.extend_from_slice(&run[run.len() - (most - n_old)..]);
                }
                _ => bounded.extend_from_slice(run),
            }
        }
        *kept = bounded;
    }

    /// The set with these items, new or known.
    pub(super) fn share(&mut self, cfg: &Cfg, items: &[(Symbol, SetId)], contains: &[SetId]) -> SetId {
        let mut hasher = FxHasher::default();
        items.hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(known) = self.by_items.get(&hash).into_iter().flatten().find(|&&s| *self.items(s) == *items) {
            return *known;
        }
        let new = self.push(cfg, items.to_vec(), contains);
        self.by_items.entry(hash).or_default().push(new);
        new
    }

    /// The sets of `outer.len()` points that may reach one another by `inner`, each with its outer
    /// sources. Items are propagated until nothing changes; inside the group the top-down filter is
    /// left out (it is a filter only).
    pub fn build_group(&mut self, cfg: &Cfg, outer: &[Sources], inner: &GroupArcs) -> Vec<SetId> {
        Group::new(self, cfg, outer, inner).saturate()
    }
}

/// Notes a symbol with an origin of this rank; answers whether none as high was known.
#[inline]
pub(super) fn raise(best: &mut FxHashMap<(Symbol, u32), u32>, key: (Symbol, u32), rank: u32) -> bool {
    match best.entry(key) {
        std::collections::hash_map::Entry::Occupied(mut known) => {
            let higher = rank > *known.get();
            if higher {
                known.insert(rank);
            }
            higher
        }
        std::collections::hash_map::Entry::Vacant(entry) => {
            entry.insert(rank);
            true
        }
    }
}

#[inline]
fn of_symbol(items: &[(Symbol, SetId)], symbol: Symbol) -> &[(Symbol, SetId)] {
    let start = items.partition_point(|i| i.0 < symbol);
    let len = items[start..].iter().take_while(|i| i.0 == symbol).count();
    &items[start..start + len]
}

/// Work in progress of [`Chart::build_group`]. Points of the group are named `base + index` as origins.
struct Group<'a> {
    chart: &'a mut Chart,
    cfg: &'a Cfg,
    base: SetId,
    outer: &'a [Sources],
    inner: &'a GroupArcs,
    items: Vec<FxHashMap<Symbol, Vec<SetId>>>,
    /// At an inner origin: what was completed from it, and where.
    completed_from: Vec<FxHashMap<Symbol, Vec<u32>>>,
    eps_from: Vec<Vec<u32>>,
    agenda: Vec<Event>,
    done: FxHashSet<(Symbol, SetId, u32)>,
}

enum Event {
    /// Symbol completed from the origin to this point.
    Completed(Symbol, SetId, u32),
    /// Symbol from the origin waits at this point.
    Waits(Symbol, SetId, u32),
}

impl<'a> Group<'a> {
    fn new(chart: &'a mut Chart, cfg: &'a Cfg, outer: &'a [Sources], inner: &'a GroupArcs) -> Group<'a> {
        let n = outer.len();
        let mut eps_from = vec![Vec::new(); n];
        for &(from, to) in &inner.eps {
            eps_from[from as usize].push(to);
        }
        Group {
            base: chart.sets.len() as SetId,
            chart,
            cfg,
            outer,
            inner,
            items: vec![FxHashMap::default(); n],
            completed_from: vec![FxHashMap::default(); n],
            eps_from,
            agenda: Vec::new(),
            done: FxHashSet::default(),
        }
    }

    fn saturate(mut self) -> Vec<SetId> {
        for (point, sources) in self.outer.iter().enumerate() {
            for &e in &sources.eps {
                for &(w, origin) in self.chart.items(e) {
                    self.agenda.push(Event::Waits(w, origin, point as u32));
                }
            }
            for &(t, origin) in &sources.arcs {
                if origin != Chart::DEAD {
                    self.agenda.push(Event::Completed(t, origin, point as u32));
                }
            }
        }
        for &(from, t, to) in &self.inner.arcs {
            self.agenda.push(Event::Completed(t, self.base + from, to));
        }
        while let Some(event) = self.agenda.pop() {
            if self.done.len() > self.chart.max_items {
                self.chart.overflowed = true;
                break;
            }
            match event {
                Event::Completed(x, origin, point) => self.completed(x, origin, point),
                Event::Waits(w, origin, point) => self.waits(w, origin, point),
            }
        }
        self.finish()
    }

    fn completed(&mut self, x: Symbol, origin: SetId, point: u32) {
        let tables = self.cfg.side(self.chart.side);
        for &y in tables.up[x as usize].iter() {
            let inner = origin >= self.base;
            if !inner && !self.chart.predicts(origin, y) || !self.done.insert((y, origin, point)) {
                continue;
            }
            if tables.waits.has(y) {
                self.agenda.push(Event::Waits(y, origin, point));
            }
            if inner {
                let o = (origin - self.base) as usize;
                self.completed_from[o].entry(y).or_default().push(point);
                for &(waiting, parent) in tables.combine[y as usize].iter() {
                    for &further in self.items[o].get(&waiting).into_iter().flatten() {
                        self.agenda.push(Event::Completed(parent, further, point));
                    }
                }
            } else {
                for &(waiting, parent) in tables.combine[y as usize].iter() {
                    for &(_, further) in self.chart.waiting(origin, waiting) {
                        self.agenda.push(Event::Completed(parent, further, point));
                    }
                }
            }
        }
    }

    fn waits(&mut self, w: Symbol, origin: SetId, point: u32) {
        let origins = self.items[point as usize].entry(w).or_default();
        if origins.contains(&origin) {
            return;
        }
        origins.push(origin);
        for &to in &self.eps_from[point as usize] {
            self.agenda.push(Event::Waits(w, origin, to));
        }
        let tables = self.cfg.side(self.chart.side);
        for &(completed, parent) in tables.continue_[w as usize].iter() {
            for &to in self.completed_from[point as usize].get(&completed).into_iter().flatten() {
                self.agenda.push(Event::Completed(parent, origin, to));
            }
        }
    }

    fn finish(self) -> Vec<SetId> {
        let Group { chart, cfg, base, items, .. } = self;
        let n = items.len();
        for (point, by_symbol) in items.into_iter().enumerate() {
            let mut list: Vec<(Symbol, SetId)> = Vec::new();
            #[allow(clippy::iter_over_hash_type)] // sorted below
            for (w, origins) in by_symbol {
                list.extend(origins.into_iter().map(|o| (w, o)));
            }
            list.sort_unstable();
            let set = chart.push(cfg, list, &[]);
            debug_assert_eq!(set, base + point as u32);
        }
        (0..n as u32)
            .map(|point| {
                let set = base + point;
                if chart.items(set).is_empty() { Chart::DEAD } else { set }
            })
            .collect()
    }
}
