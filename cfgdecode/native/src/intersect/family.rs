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
//! Cost: one shortest-path search over (symbol, origin, elastic) triples from outside the gap per family, whatever
//! the length of the gap; a member is listed at first use. Source: Knuth 1977 (a generalisation of
//! Dijkstra's algorithm) over Earley items.

use super::SetId;
use super::chart::{Chart, Items, Origins, Predicted, Set, raise};
use crate::grammar::{Bits, Cfg, Symbol};
use rustc_hash::FxHashMap;
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

/// What derivations inside a gap take, by symbol.
#[derive(Debug, Default)]
pub struct Costs {
    /// Fewest tokens; `u32::MAX`: cannot be derived.
    pub least: Box<[u32]>,
    /// The same for elastic derivations.
    pub elastic: Box<[u32]>,
    /// By side: waiting symbols that can be derived, sorted.
    pub inner: [Box<[Symbol]>; 2],
    /// By side: waiting symbols that one more token can leave as they are.
    pub pumps: [Bits; 2],
}

#[derive(Debug)]
struct Inside {
    handle: Family,
    /// Items with an origin outside the gap, sorted.
    context: Vec<Item>,
    /// By what they take: the sets of the rigid ones, from which what is elastic goes on to any later layer.
    rigid: Vec<(u32, SetId)>,
    costs: Arc<Costs>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    symbol: Symbol,
    origin: SetId,
    cost: u32,
    is_elastic: bool,
}

impl Item {
    fn takes(&self, layer: u32) -> bool {
        self.cost == layer || self.is_elastic && self.cost < layer
    }
}

/// By rising cost; of equal cost, what is elastic first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    cost: u32,
    is_rigid: bool,
    /// The symbol waits here, else it was completed here.
    waits: bool,
    symbol: Symbol,
    origin: SetId,
}

/// Events by rising cost. Those that cost nothing come first in any order: with gaps of any length they are all.
#[derive(Default)]
struct Agenda {
    free: Vec<Event>,
    others: BinaryHeap<Reverse<Event>>,
}

impl Agenda {
    fn push(&mut self, event: Event) {
        if event.cost == 0 && !event.is_rigid {
            self.free.push(event);
        } else {
            self.others.push(Reverse(event));
        }
    }

    fn pop(&mut self) -> Option<Event> {
        self.free.pop().or_else(|| Some(self.others.pop()?.0))
    }
}

impl Chart {
    /// The family of a gap of up to `n_cells` cells with these entries.
    pub fn family(&mut self, cfg: &Cfg, mut entries: Vec<Entered>, costs: &Arc<Costs>, n_cells: u32) -> Family {
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
        let Some(context) = self.close(cfg, &key.1, costs, n_layers) else {
            self.overflowed = true;
            return Family::DEAD;
        };
        let Some(least) = context.iter().map(|c| c.cost).min() else {
            self.families.known.insert(key, Family { n_layers, ..Family::DEAD });
            return Family::DEAD;
        };
        let is_elastic = costs.least == costs.elastic && context.iter().all(|c| c.is_elastic);
        let rigid = self.rigid_sets(cfg, &context);
        let handle = Family { base: self.sets.len() as SetId, least, n_layers, is_elastic };
        let family = self.families.all.len() as u32;
        for _ in 0..if is_elastic { 1 } else { 2 } {
            let chain = self.heads.len() as u32;
            self.heads.push(SetId::MAX);
            for rank in 0..n_layers {
                self.sets.push(Set { items: Items::Member { family, listed: OnceCell::new() }, predicted: Predicted::All, chain, rank });
            }
        }
        self.n_listed.set(self.n_listed.get() + context.len() + 2 * n_layers as usize);
        self.families.all.push(Inside { handle, context, rigid, costs: costs.clone() });
        self.families.known.insert(key, handle);
        handle
    }

    /// By rising cost, the sets of the rigid items of each cost.
    fn rigid_sets(&mut self, cfg: &Cfg, context: &[Item]) -> Vec<(u32, SetId)> {
        let mut rigid: Vec<&Item> = context.iter().filter(|item| !item.is_elastic).collect();
        rigid.sort_by_key(|item| item.cost); // stable: by symbol, then origin
        let of_cost = rigid.chunk_by(|a, b| a.cost == b.cost).take(MAX_RIGID);
        of_cost
            .map(|run| {
                let items: Vec<(Symbol, SetId)> = run.iter().map(|item| (item.symbol, item.origin)).collect();
                (run[0].cost, self.share(cfg, &items, &[]))
            })
            .collect()
    }

    /// Whether the members above this one have all its items.
    pub(super) fn is_family_growing(&self, family: u32, set: SetId) -> bool {
        let handle = self.families.all[family as usize].handle;
        handle.is_elastic || set >= handle.base + handle.n_layers
    }

    pub(super) fn list_member(&self, family: u32, set: SetId) -> Box<[(Symbol, SetId)]> {
        let inside = &self.families.all[family as usize];
        let handle = inside.handle;
        let layer = (set - handle.base) % handle.n_layers;
        let is_steady = set >= handle.base + handle.n_layers;
        let from = |cost: u32| layer.checked_sub(cost).filter(|&from| from >= handle.least);
        let context = inside.context.iter().filter(|c| c.takes(layer) && (c.is_elastic || !is_steady));
        let mut items: Vec<(Symbol, SetId)> = context.map(|c| (c.symbol, c.origin)).collect();
        for &w in inside.costs.inner[self.side as usize].iter() {
            let (least, elastic) = (inside.costs.least[w as usize], inside.costs.elastic[w as usize]);
            let origin = |from: u32| if is_steady { handle.steady_member(from) } else { handle.member(from) };
            if elastic != least || is_steady {
                items.extend(from(elastic).map(|from| (w, handle.member(from))));
            }
            items.extend(from(least).map(|from| (w, origin(from))));
            if elastic != u32::MAX {
                let is_before = |r: u32| if is_steady { r + elastic <= layer } else { r + elastic < layer };
                items.extend(inside.rigid.iter().filter(|(r, _)| is_before(*r)).map(|&(_, set)| (w, set)));
            }
        }
        items.sort();
        items.dedup();
        self.n_listed.set(self.n_listed.get() + items.len());
        items.into_boxed_slice()
    }

    /// The origin for one more item of a symbol that has had `n` of them, by rising cost; none if it may have no more.
    fn bounded(&self, n: &mut usize, origin: SetId) -> Option<SetId> {
        *n += 1;
        match self.origins {
            Origins::Widened(most) if *n > most => Some(Self::ANYWHERE),
            Origins::Few(most) if *n > most => None,
            _ => Some(origin),
        }
    }

    /// All items with an origin outside, by rising cost; none if that takes too many completions.
    fn close(&mut self, cfg: &Cfg, entries: &[Entered], costs: &Costs, n_layers: u32) -> Option<Vec<Item>> {
        let tables = cfg.side(self.side);
        let pumps = &costs.pumps[self.side as usize];
        let mut context: Vec<Item> = Vec::new();
        let mut waiting_best: [FxHashMap<(Symbol, u32), u32>; 2] = Default::default();
        let mut done_best: [FxHashMap<(Symbol, u32), u32>; 2] = Default::default();
        let mut n_origins: FxHashMap<(Symbol, bool), usize> = FxHashMap::default();
        let mut agenda = Agenda::default();
        for &(entry, cost, is_elastic) in entries {
            let event = |waits, symbol, origin| Event { cost, is_rigid: !is_elastic, waits, symbol, origin };
            match entry {
                Entry::Set(s) => self.items(s).iter().for_each(|&(w, origin)| agenda.push(event(true, w, origin))),
                Entry::Arc(t, s) => agenda.push(event(false, t, s)),
            }
        }
        while let Some(event) = agenda.pop() {
            self.visits += 1;
            if self.visits > self.max_visits {
                return None;
            }
            let (chain, rank) = (self.sets[event.origin as usize].chain, self.sets[event.origin as usize].rank);
            let x = event.symbol;
            if event.waits {
                let is_rigid = event.is_rigid && !pumps.has(x);
                // What an elastic item has done before, a rigid one of no lower cost need not do again.
                let is_new = raise(&mut waiting_best[usize::from(is_rigid)], (x, chain), rank);
                if !is_new || is_rigid && waiting_best[0].get(&(x, chain)).is_some_and(|&r| r >= rank) {
                    continue;
                }
                let Some(origin) = self.bounded(n_origins.entry((x, true)).or_default(), event.origin) else { continue };
                if origin != event.origin && !raise(&mut waiting_best[usize::from(is_rigid)], (x, self.sets[origin as usize].chain), 0) {
                    continue;
                }
                let event = Event { origin, ..event };
                context.push(Item { symbol: x, origin: event.origin, cost: event.cost, is_elastic: !is_rigid });
                for &(completed, parent) in tables.continue_[x as usize].iter() {
                    let (least, elastic) = (costs.least[completed as usize], costs.elastic[completed as usize]);
                    let mut push = |more: u32, is_rigid: bool| {
                        let cost = event.cost.saturating_add(more);
                        if cost < n_layers {
                            agenda.push(Event { cost, is_rigid, waits: false, symbol: parent, origin: event.origin });
                        }
                    };
                    push(least, is_rigid && elastic > least);
                    if is_rigid && elastic > least {
                        push(elastic, false);
                    }
                }
                continue;
            }
            for &y in tables.up[x as usize].iter() {
                let is_new = self.predicts(event.origin, y) && raise(&mut done_best[usize::from(event.is_rigid)], (y, chain), rank);
                if !is_new || event.is_rigid && done_best[0].get(&(y, chain)).is_some_and(|&r| r >= rank) {
                    continue;
                }
                let Some(origin) = self.bounded(n_origins.entry((y, false)).or_default(), event.origin) else { continue };
                if origin != event.origin && !raise(&mut done_best[usize::from(event.is_rigid)], (y, self.sets[origin as usize].chain), 0) {
                    continue;
                }
                let event = Event { origin, ..event };
                if tables.waits.has(y) {
                    agenda.push(Event { waits: true, symbol: y, ..event });
                }
                for &(waiting, parent) in tables.combine[y as usize].iter() {
                    for &(_, further) in self.waiting(event.origin, waiting) {
                        agenda.push(Event { symbol: parent, origin: further, ..event });
                    }
                }
            }
        }
        context.sort_unstable();
        Some(context)
    }
}
