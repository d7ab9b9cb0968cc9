//! The sets of a gap of many cells, as one family instead of one set per cell.
//!
//! Inside a gap every cell offers the same few lexemes, each for a number of tokens. So an item that a gap's inside holds is
//! known by the number of tokens it takes: the fewest, and whether it is *elastic*, so that it takes any larger number as
//! well (ignorable text fills the rest, or a lexeme that can be stretched, or a list of one-token
//! elements). A *family* keeps that for each item; its *member* of layer j is the set behind j tokens of the gap:
//! the items that may take exactly j. Items that begin inside the gap depend on the grammar and the vocabulary alone.
//!
//! Of an item that is not elastic (a *rigid* one) only the fewest tokens are known: members may lack items, they never have too many.
//! What is elastic and begins behind a rigid item may end in any later layer, so the rigid items of a layer are kept as a set of
//! their own, which is an origin of elastic items in the layers behind it.
//!
//! Invariants: the members of a family are consecutive sets of one chain, their rank is their layer; steady members follow them.
//! Cost: one shortest-path search over (origin, elastic) pairs from outside the gap per family, each with a set of symbols, whatever
//! the length of the gap; a member is listed at first use. Source: Knuth 1977 (a generalisation of
//! Dijkstra's algorithm) over Earley items.

use super::SetId;
use super::chart::{Chart, Item, Items, Origins, Set};
use super::symbols::{SymbolSets, Symbols, add};
use crate::grammar::{Bits, Symbol, is_within};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Costs of rigid items for which a family keeps a set.
const MAX_RIGID: usize = 8;

/// What enters a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entry {
    /// Everything that waits at this set.
    Set(SetId),
    /// This terminal, read from this set.
    Arc(Symbol, SetId),
}

/// A handle on the members of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    base: SetId,
    /// Fewest tokens of anything in it.
    least: u32,
    n_layers: u32,
    /// Nothing in it is rigid.
    is_elastic: bool,
}

impl Family {
    pub const DEAD: Family = Family { base: Chart::DEAD, least: u32::MAX, n_layers: 0, is_elastic: true };

    /// Whether what a layer holds, all larger ones hold too.
    pub fn is_elastic(&self) -> bool {
        self.is_elastic
    }

    pub fn least(&self) -> u32 {
        self.least
    }

    /// The set behind `layer` tokens, or `DEAD` if nothing takes so few.
    pub fn member(&self, layer: u32) -> SetId {
        if layer < self.least { Chart::DEAD } else { self.base + layer }
    }

    /// What of that set is behind any larger number of tokens too.
    pub fn steady_member(&self, layer: u32) -> SetId {
        match layer {
            _ if layer < self.least => Chart::DEAD,
            _ if self.is_elastic => self.base + layer,
            _ => self.base + self.n_layers + layer,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Families {
    all: Vec<Inside>,
    /// By where the costs are, and what enters.
    known: FxHashMap<(usize, Vec<Entered>), Family>,
}

/// An entry, the tokens it takes, and whether it may take more.
pub type Entered = (Entry, u32, bool);

/// What derivations inside a gap take, by symbol and side: a state of an automaton is a prefix on the left and a suffix on the right.
#[derive(Debug)]
pub struct Costs {
    pub sides: [SideCosts; 2],
    /// The elastic derivations take no more than others.
    pub is_elastic: bool,
}

#[derive(Debug, Default)]
pub struct SideCosts {
    /// Fewest tokens; `u32::MAX`: cannot be derived.
    pub least: Box<[u32]>,
    /// The same for elastic derivations.
    pub elastic: Box<[u32]>,
    /// Waiting symbols that can be derived, sorted.
    pub inner: Box<[Symbol]>,
    /// Waiting symbols that one more token can leave as they are.
    pub pumps: Bits,
}

impl Default for Costs {
    fn default() -> Costs {
        Costs::new(Default::default())
    }
}

impl Costs {
    pub fn new(sides: [SideCosts; 2]) -> Costs {
        Costs { is_elastic: sides.iter().all(|side| side.least == side.elastic), sides }
    }
}

#[derive(Debug)]
struct Inside {
    handle: Family,
    /// What waits from outside the gap, by origin.
    context: Vec<Taking>,
    /// By what they take: the sets of the rigid items, from which what is elastic goes on to any later layer.
    rigid: Vec<(u32, SetId)>,
    costs: Arc<Costs>,
}

/// Symbols that wait from an origin outside the gap, and the tokens of the gap that they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Taking {
    origin: SetId,
    cost: u32,
    is_elastic: bool,
    waiting: Symbols,
}

impl Taking {
    fn takes(&self, layer: u32) -> bool {
        self.cost == layer || self.is_elastic && self.cost < layer
    }
}

/// By rising cost; of equal cost, what is elastic first, then what began last.
type Event = (u32, bool, Reverse<SetId>);

/// What is still to be looked at.
#[derive(Default)]
struct Agenda {
    /// Of equal events, symbols completed and symbols that wait.
    found: FxHashMap<Event, (Symbols, Symbols)>,
    order: BinaryHeap<Reverse<Event>>,
}

impl Agenda {
    fn at(&mut self, event: Event) -> &mut (Symbols, Symbols) {
        self.found.entry(event).or_insert_with(|| {
            self.order.push(Reverse(event));
            (SymbolSets::EMPTY, SymbolSets::EMPTY)
        })
    }

    fn complete(&mut self, symbols: &mut SymbolSets, event: Event, completed: Symbols) {
        let at = self.at(event);
        at.0 = symbols.union(at.0, completed);
    }

    fn wait(&mut self, symbols: &mut SymbolSets, event: Event, waiting: Symbols) {
        let at = self.at(event);
        at.1 = symbols.union(at.1, waiting);
    }

    fn pop(&mut self) -> Option<(Event, (Symbols, Symbols))> {
        let Reverse(event) = self.order.pop()?;
        self.found.remove(&event).map(|found| (event, found))
    }
}

/// What was seen from the sets of a chain.
#[derive(Default)]
struct Seen(FxHashMap<u32, SmallVec<[(u32, Symbols); 2]>>);

impl Seen {
    fn insert(&mut self, symbols: &mut SymbolSets, (chain, rank): (u32, u32), new: Symbols) {
        let seen = self.0.entry(chain).or_default();
        match seen.iter_mut().find(|s| s.0 == rank) {
            Some(known) => known.1 = symbols.union(known.1, new),
            None => seen.push((rank, new)),
        }
    }
}

impl Chart {
    /// The family of a gap of up to `n_cells` cells with these entries.
    pub fn family(&mut self, symbols: &mut SymbolSets, mut entries: Vec<Entered>, costs: &Arc<Costs>, n_cells: u32) -> Family {
        entries.retain(|(entry, cost, _)| *cost <= n_cells && !matches!(entry, Entry::Set(Self::DEAD) | Entry::Arc(_, Self::DEAD)));
        entries.sort_unstable();
        entries.dedup();
        if entries.is_empty() {
            return Family::DEAD;
        }
        let key = (Arc::as_ptr(costs) as usize, entries);
        if let Some(&known) = self.families.known.get(&key)
            && known.n_layers > n_cells
        {
            return known;
        }
        if self.n_items() > self.max_items {
            self.overflowed = true;
            return Family::DEAD;
        }
        let n_layers = (n_cells + 1).next_power_of_two();
        let Some(context) = Closing::new(self, symbols, costs, n_layers).close(&key.1) else {
            self.overflowed = true;
            return Family::DEAD;
        };
        let Some(least) = context.iter().map(|c| c.cost).min() else {
            self.families.known.insert(key, Family { n_layers, ..Family::DEAD });
            return Family::DEAD;
        };
        let is_elastic = costs.is_elastic && context.iter().all(|c| c.is_elastic);
        let rigid = self.rigid_sets(symbols, &context);
        let handle = Family { base: self.sets.len() as SetId, least, n_layers, is_elastic };
        let family = self.families.all.len() as u32;
        for _ in 0..if is_elastic { 1 } else { 2 } {
            let chain = self.heads.len() as u32;
            self.heads.push(SetId::MAX);
            for rank in 0..n_layers {
                self.sets.push(Set { items: Items::Member { family, listed: OnceCell::new() }, expected: SymbolSets::ALL, chain, rank });
            }
        }
        self.n_listed.set(self.n_listed.get() + context.len() + 2 * n_layers as usize);
        self.families.all.push(Inside { handle, context, rigid, costs: costs.clone() });
        self.families.known.insert(key, handle);
        handle
    }

    /// By rising cost, the sets of the rigid items of each cost.
    fn rigid_sets(&mut self, symbols: &mut SymbolSets, context: &[Taking]) -> Vec<(u32, SetId)> {
        let mut rigid: Vec<&Taking> = context.iter().filter(|item| !item.is_elastic).collect();
        rigid.sort_by_key(|item| item.cost); // stable: by origin
        let of_cost = rigid.chunk_by(|a, b| a.cost == b.cost).take(MAX_RIGID);
        of_cost
            .map(|run| {
                let items = by_origin(symbols, run.iter().map(|item| (item.origin, item.waiting)).collect());
                (run[0].cost, self.share(symbols, items, &[]))
            })
            .collect()
    }

    /// Whether the members above this one have all its items.
    pub(super) fn is_family_growing(&self, family: u32, set: SetId) -> bool {
        let handle = self.families.all[family as usize].handle;
        handle.is_elastic || set >= handle.base + handle.n_layers
    }

    pub(super) fn list_member(&self, symbols: &mut SymbolSets, family: u32, set: SetId) -> Box<[Item]> {
        let inside = &self.families.all[family as usize];
        let handle = inside.handle;
        let layer = (set - handle.base) % handle.n_layers;
        let is_steady = set >= handle.base + handle.n_layers;
        let from = |cost: u32| layer.checked_sub(cost).filter(|&from| from >= handle.least);
        let context = inside.context.iter().filter(|c| c.takes(layer) && (c.is_elastic || !is_steady));
        let mut items: Vec<Item> = context.map(|c| (c.origin, c.waiting)).collect();
        let inner = symbols.inner(&inside.costs, self.side);
        let origin = |from: u32| if is_steady { handle.steady_member(from) } else { handle.member(from) };
        items.extend(inner.least.iter().filter_map(|&(cost, waiting)| Some((origin(from(cost)?), waiting))));
        let elastic = if is_steady { &inner.elastic } else { &inner.later };
        items.extend(elastic.iter().filter_map(|&(cost, waiting)| Some((handle.member(from(cost)?), waiting))));
        for &(rigid, set) in &inside.rigid {
            let is_before = |cost: u32| if is_steady { rigid + cost <= layer } else { rigid + cost < layer };
            items.extend(inner.elastic.iter().filter(|e| is_before(e.0)).map(|e| (set, e.1)));
        }
        let items = by_origin(symbols, items);
        self.n_listed.set(self.n_listed.get() + items.len());
        items.into_boxed_slice()
    }
}

/// One item for each origin, in rising order.
fn by_origin(symbols: &mut SymbolSets, mut items: Vec<Item>) -> Vec<Item> {
    items.sort_unstable();
    let mut merged: Vec<Item> = Vec::with_capacity(items.len());
    for (origin, waiting) in items {
        match merged.last_mut().filter(|last| last.0 == origin) {
            Some(last) => last.1 = symbols.union(last.1, waiting),
            None => merged.push((origin, waiting)),
        }
    }
    merged
}

/// The search for all that waits from outside a gap, by rising cost.
struct Closing<'a> {
    chart: &'a mut Chart,
    symbols: &'a mut SymbolSets,
    costs: &'a Arc<Costs>,
    n_layers: u32,
    agenda: Agenda,
    context: Vec<Taking>,
    /// What was completed, and what waits, from each chain: elastic, and rigid.
    completed: [Seen; 2],
    waiting: [Seen; 2],
    /// What was completed, and what waits, from one origin each, and how many origins each symbol had as soon as that can be too many.
    of_origin: [(Vec<Symbols>, Vec<u32>); 2],
}

impl<'a> Closing<'a> {
    fn new(chart: &'a mut Chart, symbols: &'a mut SymbolSets, costs: &'a Arc<Costs>, n_layers: u32) -> Closing<'a> {
        let (completed, waiting) = Default::default();
        let of_origin = Default::default();
        Closing { chart, symbols, costs, n_layers, agenda: Agenda::default(), context: Vec::new(), completed, waiting, of_origin }
    }

    /// None if that takes too many completions.
    fn close(mut self, entries: &[Entered]) -> Option<Vec<Taking>> {
        let side = self.chart.side;
        for &(entry, cost, is_elastic) in entries {
            match entry {
                Entry::Set(set) => {
                    for &(origin, waiting) in self.chart.items(self.symbols, set) {
                        self.agenda.wait(self.symbols, (cost, !is_elastic, Reverse(origin)), waiting);
                    }
                }
                Entry::Arc(terminal, set) => {
                    let unit = self.symbols.unit(self.chart.side, terminal);
                    let completed = self.symbols.common(unit, self.chart.expected(set));
                    self.add(cost, !is_elastic, set, completed);
                }
            }
        }
        while let Some(((cost, is_rigid, Reverse(origin)), (completed, waits))) = self.agenda.pop() {
            let place = self.chart.rank_in_chain(origin);
            let mut waiting = waits;
            self.chart.visits += 1;
            if is_new(&self.completed, self.symbols, is_rigid, place, completed) {
                self.completed[usize::from(is_rigid)].insert(self.symbols, place, completed);
                let (completed, surplus) = self.bounded(0, origin, completed);
                if surplus != SymbolSets::EMPTY {
                    self.agenda.complete(self.symbols, (cost, is_rigid, Reverse(Chart::ANYWHERE)), surplus);
                }
                let more = self.symbols.waiting(side, completed);
                waiting = self.symbols.union(waiting, more);
                self.combine(cost, is_rigid, origin, completed);
            }
            self.wait(cost, is_rigid, origin, waiting);
            if self.chart.visits > self.chart.max_visits {
                return None;
            }
        }
        self.context.sort_unstable();
        Some(self.context)
    }

    /// Notes symbols as completed from an origin outside.
    fn add(&mut self, cost: u32, is_rigid: bool, origin: SetId, completed: Symbols) {
        if cost >= self.n_layers {
            return;
        }
        if !is_new(&self.completed, self.symbols, is_rigid, self.chart.rank_in_chain(origin), completed) {
            return;
        }
        self.agenda.complete(self.symbols, (cost, is_rigid, Reverse(origin)), completed);
    }

    /// What these make with what waits at their origin.
    fn combine(&mut self, cost: u32, is_rigid: bool, origin: SetId, completed: Symbols) {
        let step = self.chart.step(self.symbols, origin, completed);
        for &(further, parents) in self.chart.made(step) {
            if is_new(&self.completed, self.symbols, is_rigid, self.chart.rank_in_chain(further), parents) {
                self.agenda.complete(self.symbols, (cost, is_rigid, Reverse(further)), parents);
            }
        }
    }

    /// Notes symbols as waiting, and what the gap makes of them. Those that one more token leaves as they are become elastic.
    fn wait(&mut self, cost: u32, is_rigid: bool, origin: SetId, waiting: Symbols) {
        if !is_rigid {
            return self.wait_as(cost, false, origin, waiting);
        }
        let (pumped, rigid) = self.symbols.pumped(self.costs, self.chart.side, waiting);
        self.wait_as(cost, false, origin, pumped);
        self.wait_as(cost, true, origin, rigid);
    }

    /// Of these symbols, those that may have one origin more, by rising cost, and those that begin anywhere instead.
    fn bounded(&mut self, kind: usize, origin: SetId, all: Symbols) -> (Symbols, Symbols) {
        let most = self.chart.origins.most();
        if self.chart.origins == Origins::All || origin == Chart::ANYWHERE && matches!(self.chart.origins, Origins::Widened(_)) {
            return (all, SymbolSets::EMPTY);
        }
        let (known, n_origins) = &mut self.of_origin[kind];
        known.push(all);
        if known.len() <= most {
            return (all, SymbolSets::EMPTY);
        }
        if n_origins.is_empty() {
            known.pop();
            *n_origins = self.symbols.counts(known);
        }
        let few = self.symbols.filtered(all, |s| {
            n_origins[s as usize] += 1;
            n_origins[s as usize] as usize <= most
        });
        let surplus = match self.chart.origins {
            Origins::Widened(_) => self.symbols.minus(all, few),
            _ => SymbolSets::EMPTY,
        };
        (few, surplus)
    }

    fn wait_as(&mut self, cost: u32, is_rigid: bool, origin: SetId, waiting: Symbols) {
        let place = self.chart.rank_in_chain(origin);
        // What an elastic item has done before, a rigid one of no lower cost need not do again.
        if !is_new(&self.waiting, self.symbols, is_rigid, place, waiting) {
            return;
        }
        self.waiting[usize::from(is_rigid)].insert(self.symbols, place, waiting);
        let (waiting, surplus) = self.bounded(1, origin, waiting);
        if surplus != SymbolSets::EMPTY {
            self.agenda.wait(self.symbols, (cost, is_rigid, Reverse(Chart::ANYWHERE)), surplus);
        }
        if waiting == SymbolSets::EMPTY {
            return;
        }
        self.context.push(Taking { origin, cost, is_elastic: !is_rigid, waiting });
        let expected = self.chart.expected(origin);
        let continued = self.symbols.continued(self.costs, self.chart.side, is_rigid, waiting, expected);
        for &(more, stays_rigid, parents) in continued.iter() {
            self.add(cost.saturating_add(more), stays_rigid, origin, parents);
        }
    }
}

/// Whether some of these were not seen as elastic, and if they are rigid, not as rigid either.
fn is_new(seen: &[Seen; 2], symbols: &SymbolSets, is_rigid: bool, (chain, rank): (u32, u32), all: Symbols) -> bool {
    let seen = seen[..=usize::from(is_rigid)].iter().filter_map(|seen| seen.0.get(&chain)).flatten();
    let mut seen = seen.filter(|s| s.0 >= rank).map(|s| s.1);
    if all == SymbolSets::EMPTY {
        return false;
    }
    let Some(first) = seen.next() else { return true };
    if symbols.is_within(all, first) {
        return false;
    }
    let mut words = symbols.words(first).to_vec();
    seen.for_each(|set| add(&mut words, symbols.words(set)));
    !is_within(symbols.words(all), &words)
}
