//! One side's sets of items, built from what reaches a point of the canvas graph.
//!
//! Terms. *Source* of a point: another point's set, reached over an arc without label (`eps`) or over
//! an arc with a terminal (`arcs`). *Item* `(origin, W)`: each symbol of the set `W` was completed between `origin` and
//! here and waits for its sibling. *Expected*: symbols that may begin here, by all that waits.
//!
//! A set built on top of another (an arc without label leads from one to the other) has all its items
//! and more. Such sets form *chains*; a symbol whose origin is lower in the same chain than another that it waits from
//! adds nothing and is left out. That is what keeps long gaps cheap: however many cells a
//! symbol may have begun in, only the latest is kept.
//!
//! Where many gaps lie between, even so there may be an origin in each of them, and the charts grow with the square of their
//! number. A chart with a bound on [`Origins`] does not; it then errs on a side that is known.
//!
//! Invariants: a set is immutable once built; sets built from
//! equal sources are the same set; `DEAD` has no items, `NONE` lies beyond the end of the
//! text and expects everything, `ROOT`
//! holds only the end marker (⊢ on the left, ⊣ on the right); the items of a set have different origins, in rising order.
//! Cost of one set: the origins that are completed, times the items of each (`symbols.rs`).

use super::family::Families;
use super::symbols::{SymbolSets, Symbols, add};
use super::table::PairMap;
use crate::grammar::{Side, Symbol, is_within};
use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;
use std::cell::{Cell, OnceCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
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

/// What part of the origins that a symbol may have are the oldest: without them the outermost brackets could not be closed.
const OLD_SHARE: usize = 4;
/// Marks a set as a chain of its own.
const OWN_CHAIN: u32 = 1 << 31;

/// How many origins one symbol may have in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Any number: the chart is exact.
    All,
    /// If there are more, those between the oldest and the latest are left out: what the chart says can be is so.
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

/// Symbols that wait, and where they began.
pub(super) type Item = (SetId, Symbols);

#[derive(Debug)]
pub(super) struct Set {
    pub(super) items: Items,
    /// What may come next.
    pub(super) expected: Symbols,
    /// Sets of one chain contain one another in order of rank.
    pub(super) chain: u32,
    pub(super) rank: u32,
}

#[derive(Debug)]
pub(super) enum Items {
    Listed(Box<[Item]>),
    /// A layer of a family, listed at first use.
    Member {
        family: u32,
        listed: OnceCell<Box<[Item]>>,
    },
}

#[derive(Debug)]
pub struct Chart {
    pub(super) side: Side,
    pub origins: Origins,
    pub(super) sets: Vec<Set>,
    pub(super) families: Families,
    memo: FxHashMap<Sources, SetId>,
    /// Symbols completed from a set -> what they make with what waits there, by origin: a range of `made`.
    steps: PairMap<(u32, u32)>,
    made: Vec<Item>,
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
    work: Work,
}

/// A set of symbols that grows: a known one as long as that is enough, then words.
#[derive(Clone, Copy, Debug)]
enum Gathered {
    Known(Symbols),
    Words(u32),
}

/// Scratch of a set being built, kept to avoid allocation.
#[derive(Debug, Default)]
struct Work {
    /// By origin: the latest set that was completed from it, and its place in `all`.
    places: Vec<(u32, u32)>,
    /// What was completed from each origin up to here, and whether it is on the agenda.
    all: Vec<(Gathered, bool)>,
    agenda: BinaryHeap<SetId>,
    /// By chain: the latest pass that saw it, the lowest rank of it, and what was seen from there or higher.
    above: Vec<(u32, u32, Gathered)>,
    /// The words of what is gathered.
    words: Vec<u64>,
    /// What waits, as far as it is known, each origin once; by origin: the latest set in which it was, and its place.
    kept: Vec<(SetId, Gathered)>,
    kept_at: Vec<(u32, u32)>,
    /// Counts sets, and passes over chains.
    n_sets: u32,
    n_passes: u32,
}

impl Chart {
    pub const DEAD: SetId = 0;
    pub const NONE: SetId = 1;
    pub const ROOT: SetId = 2;
    /// Everything waits here, from here: any context. In widened charts only.
    pub const ANYWHERE: SetId = 3;

    pub fn new(side: Side, origins: Origins) -> Chart {
        let mut chart = Chart {
            side,
            origins,
            sets: Vec::new(),
            families: Families::default(),
            memo: FxHashMap::default(),
            steps: PairMap::default(),
            made: Vec::new(),
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
            work: Work::default(),
        };
        let root = SymbolSets::ROOT[side as usize];
        chart.push(Vec::new(), SymbolSets::EMPTY, &[]);
        chart.push(Vec::new(), SymbolSets::ALL, &[]);
        chart.push(vec![(Self::NONE, root)], SymbolSets::BEHIND_ROOT[side as usize], &[]);
        if let Origins::Widened(_) = origins {
            chart.push(vec![(Self::ANYWHERE, SymbolSets::WAITS[side as usize])], SymbolSets::ALL, &[]);
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
    pub(super) fn items(&self, symbols: &mut SymbolSets, set: SetId) -> &[Item] {
        match &self.sets[set as usize].items {
            Items::Listed(items) => items,
            Items::Member { family, listed } => listed.get_or_init(|| self.list_member(symbols, *family, set)),
        }
    }

    /// The origins from which something waits at a set.
    pub fn n_waiting(&self, symbols: &mut SymbolSets, set: SetId) -> usize {
        self.items(symbols, set).len()
    }

    /// The chain of a set, and its rank in it: the sets above it have all its items. A set of which that is not sure is a chain of its own.
    pub(super) fn place(&self, id: SetId) -> (u32, u32) {
        let set = &self.sets[id as usize];
        match &set.items {
            Items::Member { family, .. } if !self.is_family_growing(*family, id) => (OWN_CHAIN | id, 0),
            _ => self.rank_in_chain(id),
        }
    }

    /// The chain that a set is listed in, and its rank there.
    #[inline]
    pub(super) fn rank_in_chain(&self, id: SetId) -> (u32, u32) {
        let set = &self.sets[id as usize];
        (set.chain, set.rank)
    }

    /// Sets that were begun later have a larger one.
    pub(super) fn age(&self, id: SetId) -> u64 {
        u64::from(self.sets[id as usize].chain)
    }

    #[inline]
    pub(super) fn expected(&self, set: SetId) -> Symbols {
        self.sets[set as usize].expected
    }

    /// Whether a symbol may come next.
    #[inline]
    pub fn expects(&self, symbols: &SymbolSets, set: SetId, symbol: Symbol) -> bool {
        symbols.has(self.expected(set), symbol)
    }

    fn push(&mut self, items: Vec<Item>, expected: Symbols, contains: &[SetId]) -> SetId {
        self.n_items += items.len();
        let new = self.sets.len() as SetId;
        let below = contains.iter().find(|&&s| s > Self::ROOT && self.heads[self.sets[s as usize].chain as usize] == s);
        let (chain, rank) = match below {
            Some(&s) => {
                let (chain, rank) = self.rank_in_chain(s);
                (chain, rank + 1)
            }
            None => (self.heads.len() as u32, 0),
        };
        if rank == 0 {
            self.heads.push(new);
        } else {
            self.heads[chain as usize] = new;
        }
        self.sets.push(Set { items: Items::Listed(items.into_boxed_slice()), expected, chain, rank });
        new
    }

    /// What may come next where these wait.
    fn expected_by(&self, symbols: &mut SymbolSets, items: &[Item]) -> Symbols {
        symbols.expected(self.side, items.iter().map(|item| item.1))
    }

    /// The set of a point with these sources; `DEAD` if nothing useful reaches it.
    pub fn build(&mut self, symbols: &mut SymbolSets, sources: &mut Sources) -> SetId {
        sources.eps.retain(|s| *s != Self::DEAD);
        sources.arcs.retain(|(t, s)| *s != Self::DEAD && symbols.has(self.sets[*s as usize].expected, *t));
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
        self.merge_origins(symbols, sources);
        self.below = below;
        if let Some(&known) = self.memo.get(sources) {
            return known;
        }
        if self.n_items() > self.max_items {
            self.overflowed = true;
            return Self::DEAD;
        }
        let set = self.saturate(symbols, sources);
        if self.overflowed {
            return Self::DEAD;
        }
        self.memo.insert(sources.clone(), set);
        set
    }

    /// Like [`Chart::build`], for a place of some `kind` (a lexer configuration, an effect). If the set
    /// has everything that the latest set of that kind had, it continues that set's chain.
    pub fn build_at(&mut self, symbols: &mut SymbolSets, sources: &mut Sources, kind: u64) -> SetId {
        self.below = self.latest.get(&kind).copied();
        let set = self.build(symbols, sources);
        self.below = None;
        if set != Self::DEAD {
            self.latest.insert(kind, set);
        }
        set
    }

    /// One origin per terminal: reading `t` from either of two points is reading it from their union.
    fn merge_origins(&mut self, symbols: &mut SymbolSets, sources: &mut Sources) {
        if !sources.arcs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return;
        }
        let arcs = std::mem::take(&mut sources.arcs);
        for run in arcs.chunk_by(|a, b| a.0 == b.0) {
            let origin = if run.len() == 1 {
                run[0].1
            } else {
                let mut union = Sources { eps: run.iter().map(|arc| arc.1).collect(), arcs: SmallVec::new() };
                self.build(symbols, &mut union)
            };
            sources.arcs.push((run[0].0, origin));
        }
    }

    fn saturate(&mut self, symbols: &mut SymbolSets, sources: &Sources) -> SetId {
        let mut work = std::mem::take(&mut self.work);
        work.n_sets += 1;
        work.places.resize(self.sets.len(), (0, 0));
        work.kept_at.resize(self.sets.len(), (0, 0));
        work.begin_pass(self.heads.len());
        self.complete(symbols, sources, &mut work);
        for &e in &sources.eps {
            for &(origin, waiting) in self.items(symbols, e) {
                work.keep(symbols, origin, waiting);
            }
        }
        let mut kept = self.highest(symbols, &mut work);
        self.bound(symbols, &mut kept);
        let mut contains = sources.eps.clone();
        if let Some(below) = self.below.filter(|&b| !contains.contains(&b) && self.covers(symbols, &kept, b)) {
            contains.insert(0, below);
        }
        let set = if kept.is_empty() { Self::DEAD } else { self.share(symbols, kept, &contains) };
        work.all.clear();
        work.words.clear();
        self.work = work;
        set
    }

    /// Completes upward from the terminals that end here, as far as the origins expect it; the latest origins first.
    fn complete(&mut self, symbols: &mut SymbolSets, sources: &Sources, work: &mut Work) {
        for &(terminal, origin) in &sources.arcs {
            let unit = symbols.unit(self.side, terminal);
            let completed = symbols.common(unit, self.expected(origin));
            work.add(symbols, origin, completed);
        }
        while let Some(origin) = work.agenda.pop() {
            let new = work.take(symbols, origin);
            if !work.is_highest(symbols, self.rank_in_chain(origin), new) {
                continue;
            }
            let waiting = symbols.waiting(self.side, new);
            if waiting != SymbolSets::EMPTY {
                work.keep(symbols, origin, waiting);
            }
            self.visits += 1;
            if work.all.len() > self.max_items || self.visits > self.max_visits {
                self.overflowed = true;
                work.agenda.clear();
                return;
            }
            let step = self.step(symbols, origin, new);
            for &(further, parents) in self.made(step) {
                work.add(symbols, further, parents);
            }
        }
    }

    /// What symbols completed from a set make with what waits there, as far as the origins expect it: see [`Chart::made`].
    pub(super) fn step(&mut self, symbols: &mut SymbolSets, origin: SetId, completed: Symbols) -> (u32, u32) {
        let completed = symbols.awaited(completed);
        if completed == SymbolSets::EMPTY {
            return (0, 0);
        }
        if let Some(known) = self.steps.get((origin, completed)) {
            return known;
        }
        let mut made = std::mem::take(&mut self.made);
        let from = made.len();
        let items = self.items(symbols, origin);
        for &(further, waiting) in items {
            let parents = symbols.combined_within(self.side, waiting, completed, || self.expected(further));
            if parents != SymbolSets::EMPTY {
                made.push((further, parents));
            }
        }
        let step = (from as u32, made.len() as u32);
        self.visits += items.len();
        self.made = made;
        self.steps.insert((origin, completed), step);
        step
    }

    pub(super) fn made(&self, (from, to): (u32, u32)) -> &[Item] {
        &self.made[from as usize..to as usize]
    }

    /// What waits, without what waits from higher in the same chain as well; by origin.
    fn highest(&self, symbols: &mut SymbolSets, work: &mut Work) -> Vec<Item> {
        let mut kept = std::mem::take(&mut work.kept);
        kept.sort_unstable_by_key(|item| Reverse(item.0));
        work.begin_pass(self.heads.len());
        let mut highest: Vec<Item> = Vec::with_capacity(kept.len());
        for &(origin, all) in &kept {
            let all = work.set_of(symbols, all);
            if work.is_highest(symbols, self.rank_in_chain(origin), all) {
                highest.push((origin, all));
            }
        }
        highest.reverse();
        kept.clear();
        work.kept = kept;
        highest
    }

    /// Whether every symbol that waits at `set` waits among `items`, from there or from higher in the chain.
    fn covers(&self, symbols: &mut SymbolSets, items: &[Item], set: SetId) -> bool {
        let below = self.items(symbols, set);
        let mut rest = Vec::new();
        below.iter().all(|&(origin, waiting)| {
            let same = items.binary_search_by_key(&origin, |item| item.0).map_or(SymbolSets::EMPTY, |at| items[at].1);
            if symbols.is_within(waiting, same) {
                return true;
            }
            let (chain, rank) = self.rank_in_chain(origin);
            let is_above = |item: &&Item| self.sets[item.0 as usize].chain == chain && self.sets[item.0 as usize].rank >= rank;
            rest.clear();
            rest.resize(symbols.n_words(), 0);
            items.iter().filter(is_above).for_each(|item| add(&mut rest, symbols.words(item.1)));
            is_within(symbols.words(waiting), &rest)
        })
    }

    /// Leaves no symbol more origins than it may have.
    fn bound(&self, symbols: &mut SymbolSets, kept: &mut Vec<Item>) {
        let most = self.origins.most();
        let anywhere =
            kept.iter().take(Self::ANYWHERE as usize).position(|item| item.0 == Self::ANYWHERE && matches!(self.origins, Origins::Widened(_)));
        if kept.len() <= most && anywhere.is_none() {
            return;
        }
        let anywhere = anywhere.map_or(SymbolSets::EMPTY, |at| kept.remove(at).1);
        let sets: Vec<Symbols> = kept.iter().map(|item| item.1).collect();
        match self.origins {
            Origins::All => {}
            Origins::Few(_) => {
                let n_old = most / OLD_SHARE;
                let bounded = symbols.without_between(&sets, n_old, most - n_old);
                kept.iter_mut().zip(bounded).for_each(|(item, rest)| item.1 = rest);
            }
            Origins::Widened(_) => {
                let many = symbols.in_more_than(&sets, most);
                let anywhere = symbols.union(many, anywhere);
                kept.iter_mut().for_each(|item| item.1 = symbols.minus(item.1, anywhere));
                if anywhere != SymbolSets::EMPTY {
                    kept.insert(kept.partition_point(|item| item.0 < Self::ANYWHERE), (Self::ANYWHERE, anywhere));
                }
            }
        }
        kept.retain(|item| item.1 != SymbolSets::EMPTY);
    }

    /// The set with these items, new or known.
    pub(super) fn share(&mut self, symbols: &mut SymbolSets, items: Vec<Item>, contains: &[SetId]) -> SetId {
        let mut hasher = FxHasher::default();
        items.hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(known) = self.by_items.get(&hash).into_iter().flatten().find(|&&s| *self.items(symbols, s) == *items) {
            return *known;
        }
        let expected = self.expected_by(symbols, &items);
        let new = self.push(items, expected, contains);
        self.by_items.entry(hash).or_default().push(new);
        new
    }

    /// A set that is not shared.
    pub(super) fn push_own(&mut self, symbols: &mut SymbolSets, items: Vec<Item>) -> SetId {
        let expected = self.expected_by(symbols, &items);
        self.push(items, expected, &[])
    }
}

impl Work {
    fn begin_pass(&mut self, n_chains: usize) {
        self.n_passes += 1;
        self.above.resize(n_chains, (0, 0, Gathered::Known(SymbolSets::EMPTY)));
    }

    /// Adds symbols to what is gathered; whether some are new.
    #[inline]
    fn gather(words: &mut Vec<u64>, symbols: &SymbolSets, gathered: &mut Gathered, more: Symbols) -> bool {
        let n = symbols.n_words();
        let at = match *gathered {
            Gathered::Known(known) if symbols.is_within(more, known) => return false,
            Gathered::Known(known) if symbols.is_within(known, more) => {
                *gathered = Gathered::Known(more);
                return true;
            }
            Gathered::Known(known) => {
                let at = words.len();
                words.extend_from_slice(symbols.words(known));
                *gathered = Gathered::Words(at as u32);
                at
            }
            Gathered::Words(at) => at as usize,
        };
        let mut new = 0;
        for (word, more) in words[at..at + n].iter_mut().zip(symbols.words(more)) {
            new |= more & !*word;
            *word |= more;
        }
        new != 0
    }

    fn set_of(&self, symbols: &mut SymbolSets, gathered: Gathered) -> Symbols {
        match gathered {
            Gathered::Known(known) => known,
            Gathered::Words(at) => symbols.intern(&self.words[at as usize..][..symbols.n_words()]),
        }
    }

    /// Notes what waits from an origin.
    #[inline]
    fn keep(&mut self, symbols: &SymbolSets, origin: SetId, waiting: Symbols) {
        let place = &mut self.kept_at[origin as usize];
        if place.0 == self.n_sets {
            Work::gather(&mut self.words, symbols, &mut self.kept[place.1 as usize].1, waiting);
        } else {
            *place = (self.n_sets, self.kept.len() as u32);
            self.kept.push((origin, Gathered::Known(waiting)));
        }
    }

    /// Whether some of these symbols were not seen in this pass from this rank of the chain or a higher one; notes them.
    #[inline]
    fn is_highest(&mut self, symbols: &SymbolSets, (chain, rank): (u32, u32), new: Symbols) -> bool {
        let above = &mut self.above[chain as usize];
        if above.0 != self.n_passes {
            *above = (self.n_passes, rank, Gathered::Known(new));
            return true;
        }
        let is_above = rank > above.1;
        above.1 = rank.min(above.1);
        Work::gather(&mut self.words, symbols, &mut above.2, new) || is_above
    }

    /// Notes symbols as completed from an origin.
    #[inline]
    fn add(&mut self, symbols: &SymbolSets, origin: SetId, completed: Symbols) {
        if completed == SymbolSets::EMPTY {
            return;
        }
        let place = &mut self.places[origin as usize];
        if place.0 != self.n_sets {
            *place = (self.n_sets, self.all.len() as u32);
            self.all.push((Gathered::Known(completed), true));
            self.agenda.push(origin);
            return;
        }
        let (all, is_waiting) = &mut self.all[place.1 as usize];
        if Work::gather(&mut self.words, symbols, all, completed) && !std::mem::replace(is_waiting, true) {
            self.agenda.push(origin);
        }
    }

    /// All that was completed from an origin.
    fn take(&mut self, symbols: &mut SymbolSets, origin: SetId) -> Symbols {
        let (all, is_waiting) = &mut self.all[self.places[origin as usize].1 as usize];
        *is_waiting = false;
        let all = *all;
        self.set_of(symbols, all)
    }
}
