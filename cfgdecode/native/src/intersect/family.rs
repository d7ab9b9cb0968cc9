//! The sets of a gap of many cells, as one family instead of one set per cell.
//!
//! Inside a gap every cell offers the same few lexemes, each for a number of tokens, and what could be
//! read in fewer tokens can be read in more (ignorable text fills the rest). So an item that a gap's
//! inside holds is known by the fewest tokens it takes. A *family* keeps that number for each item;
//! its *member* of layer j is the set behind j tokens of the gap: the items that take at most j. Items that
//! begin inside the gap depend on the grammar and the vocabulary alone: symbol `w`, which takes
//! `costs[w]` tokens, was begun at layer `j - costs[w]` at the latest.
//!
//! That a longer gap always holds what a shorter one does is an assumption. Who uses a family must check
//! what comes of it, as the walk that reads a witness off does.
//!
//! Invariants: the members of a family are consecutive sets of one chain, their rank is their layer.
//! Cost: one shortest-path search over (symbol, origin) pairs from outside the gap per family, whatever
//! the length of the gap; a member is listed at first use. Source: Knuth 1977 (a generalisation of
//! Dijkstra's algorithm) over Earley items.

use super::chart::{Chart, Items, Predicted, Set, raise};
use super::SetId;
use crate::grammar::{Cfg, Symbol};
use rustc_hash::FxHashMap;
use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

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
}

impl Family {
    pub const DEAD: Family = Family { base: Chart::DEAD, least: u32::MAX, n_layers: 0 };

    /// The set behind `layer` tokens, or `DEAD` if nothing takes so few.
    pub fn member(&self, layer: u32) -> SetId {
        if layer < self.least { Chart::DEAD } else { self.base + layer }
    }
}

#[derive(Debug, Default)]
pub(super) struct Families {
    all: Vec<Inside>,
    /// By where the costs are, and what enters.
    known: FxHashMap<(usize, Vec<(Entry, u32)>), Family>,
}

#[derive(Debug)]
struct Inside {
    handle: Family,
    /// (symbol, origin outside the gap, fewest tokens), sorted.
    context: Vec<(Symbol, SetId, u32)>,
    /// Symbol -> fewest tokens that derive it; `u32::MAX`: cannot be derived.
    costs: Arc<[u32]>,
    /// Waiting symbols that can be derived inside, sorted.
    inner: Arc<[Symbol]>,
}

impl Chart {
    /// The family of a gap of up to `n_cells` cells with these entries, each for its number of tokens. `inner` are the
    /// waiting symbols of finite cost, sorted.
    pub fn family(&mut self, cfg: &Cfg, mut entries: Vec<(Entry, u32)>, costs: &Arc<[u32]>, inner: &Arc<[Symbol]>, n_cells: u32) -> Family {
        entries.retain(|(entry, cost)| *cost <= n_cells && !matches!(entry, Entry::Set(Self::DEAD) | Entry::Arc(_, Self::DEAD)));
        entries.sort_unstable();
        entries.dedup_by(|later, first| later.0 == first.0);
        if entries.is_empty() {
            return Family::DEAD;
        }
        let key = (costs.as_ptr() as usize, entries);
        let entries = &key.1;
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
        let context = self.close(cfg, entries, costs, n_layers);
        let Some(least) = context.iter().map(|c| c.2).min() else {
            self.families.known.insert(key, Family { n_layers, ..Family::DEAD });
            return Family::DEAD;
        };
        let handle = Family { base: self.sets.len() as SetId, least, n_layers };
        let (family, chain) = (self.families.all.len() as u32, self.heads.len() as u32);
        self.heads.push(SetId::MAX);
        for rank in 0..n_layers {
            self.sets.push(Set { items: Items::Member { family, listed: OnceCell::new() }, predicted: Predicted::All, chain, rank });
        }
        self.n_listed.set(self.n_listed.get() + context.len() + n_layers as usize);
        self.families.all.push(Inside { handle, context, costs: costs.clone(), inner: inner.clone() });
        self.families.known.insert(key, handle);
        handle
    }

    pub(super) fn list_member(&self, family: u32, set: SetId) -> Box<[(Symbol, SetId)]> {
        let inside = &self.families.all[family as usize];
        let handle = inside.handle;
        let layer = set - handle.base;
        let begun = |w: Symbol| {
            let cost = inside.costs[w as usize];
            layer.checked_sub(cost).filter(|&from| from >= handle.least).map(|from| (w, handle.base + from))
        };
        let mut items: Vec<(Symbol, SetId)> = inside.context.iter().filter(|c| c.2 <= layer).map(|&(w, origin, _)| (w, origin)).collect();
        items.extend(inside.inner.iter().filter_map(|&w| begun(w)));
        items.sort_unstable();
        self.n_listed.set(self.n_listed.get() + items.len());
        items.into_boxed_slice()
    }

    /// All items with an origin outside, each for the fewest tokens, by rising cost.
    fn close(&self, cfg: &Cfg, entries: &[(Entry, u32)], costs: &[u32], n_layers: u32) -> Vec<(Symbol, SetId, u32)> {
        let tables = cfg.side(self.side);
        let mut context = Vec::new();
        let mut waiting_best: FxHashMap<(Symbol, u32), u32> = FxHashMap::default();
        let mut done_best: FxHashMap<(Symbol, u32), u32> = FxHashMap::default();
        let mut agenda: BinaryHeap<Reverse<(u32, bool, Symbol, SetId)>> = BinaryHeap::new();
        for &(entry, cost) in entries {
            match entry {
                Entry::Set(s) => agenda.extend(self.items(s).iter().map(|&(w, origin)| Reverse((cost, true, w, origin)))),
                Entry::Arc(t, s) => agenda.push(Reverse((cost, false, t, s))),
            }
        }
        while let Some(Reverse((cost, waits, x, origin))) = agenda.pop() {
            let (chain, rank) = (self.sets[origin as usize].chain, self.sets[origin as usize].rank);
            if waits {
                if !raise(&mut waiting_best, (x, chain), rank) {
                    continue;
                }
                context.push((x, origin, cost));
                for &(completed, parent) in tables.continue_[x as usize].iter() {
                    let total = cost.saturating_add(costs[completed as usize]);
                    if total < n_layers {
                        agenda.push(Reverse((total, false, parent, origin)));
                    }
                }
                continue;
            }
            for &y in tables.up[x as usize].iter() {
                if !self.predicts(origin, y) || !raise(&mut done_best, (y, chain), rank) {
                    continue;
                }
                if tables.waits.has(y) {
                    agenda.push(Reverse((cost, true, y, origin)));
                }
                for &(waiting, parent) in tables.combine[y as usize].iter() {
                    for &(_, further) in self.waiting(origin, waiting) {
                        agenda.push(Reverse((cost, false, parent, further)));
                    }
                }
            }
        }
        context.sort_unstable();
        context
    }
}
