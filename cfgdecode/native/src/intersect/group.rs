//! The sets of points that may reach one another (a gap of unbounded length), all at once.
//!
//! Items are propagated until nothing changes. Inside the group the filter by what is expected is left out (it is a filter only).
//! Points of the group are named `base + index` as origins; what begins there is completed as often as more comes to wait there.
//!
//! Cost: symbols times pairs of an origin and a point, in sets of symbols.

use super::chart::{Chart, Item, SetId, Sources};
use super::symbols::{SymbolSets, Symbols};
use crate::grammar::{Joint, Symbol};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// The arcs inside a group of points.
#[derive(Clone, Debug, Default)]
pub struct GroupArcs {
    /// (from, to): no label.
    pub eps: Vec<(u32, u32)>,
    /// (from, terminal, to).
    pub arcs: Vec<(u32, Symbol, u32)>,
}

/// Work in progress of [`Chart::build_group`].
struct Group<'a> {
    chart: &'a mut Chart,
    symbols: &'a mut SymbolSets,
    base: SetId,
    outer: &'a [Sources],
    inner: &'a GroupArcs,
    items: Vec<BTreeMap<SetId, Symbols>>,
    /// At an inner origin: what was completed from it, and where.
    completed_from: Vec<BTreeMap<u32, Symbols>>,
    eps_from: Vec<Vec<u32>>,
    agenda: Vec<Event>,
    done: FxHashMap<(SetId, u32), Symbols>,
}

enum Event {
    /// Symbols completed from the origin to this point.
    Completed(Symbols, SetId, u32),
    /// Symbols from the origin wait at this point.
    Waits(Symbols, SetId, u32),
}

impl Chart {
    /// The sets of `outer.len()` points that may reach one another by `inner`, each with its outer sources.
    pub fn build_group(&mut self, symbols: &mut SymbolSets, outer: &[Sources], inner: &GroupArcs) -> Vec<SetId> {
        Group::new(self, symbols, outer, inner).saturate()
    }
}

impl<'a> Group<'a> {
    fn new(chart: &'a mut Chart, symbols: &'a mut SymbolSets, outer: &'a [Sources], inner: &'a GroupArcs) -> Group<'a> {
        let n = outer.len();
        let mut eps_from = vec![Vec::new(); n];
        for &(from, to) in &inner.eps {
            eps_from[from as usize].push(to);
        }
        Group {
            base: chart.sets.len() as SetId,
            chart,
            symbols,
            outer,
            inner,
            items: vec![BTreeMap::default(); n],
            completed_from: vec![BTreeMap::default(); n],
            eps_from,
            agenda: Vec::new(),
            done: FxHashMap::default(),
        }
    }

    fn saturate(mut self) -> Vec<SetId> {
        for (point, sources) in self.outer.iter().enumerate() {
            for &e in &sources.eps {
                let items = self.chart.items(self.symbols, e);
                self.agenda.extend(items.iter().map(|&(origin, waiting)| Event::Waits(waiting, origin, point as u32)));
            }
            for &(t, origin) in &sources.arcs {
                if origin != Chart::DEAD {
                    self.agenda.push(Event::Completed(self.symbols.unit(self.chart.side, t), origin, point as u32));
                }
            }
        }
        for &(from, t, to) in &self.inner.arcs {
            self.agenda.push(Event::Completed(self.symbols.unit(self.chart.side, t), self.base + from, to));
        }
        while let Some(event) = self.agenda.pop() {
            if self.done.len() > self.chart.max_items {
                self.chart.overflowed = true;
                break;
            }
            match event {
                Event::Completed(completed, origin, point) => self.completed(completed, origin, point),
                Event::Waits(waiting, origin, point) => self.waits(waiting, origin, point),
            }
        }
        self.finish()
    }

    fn completed(&mut self, completed: Symbols, origin: SetId, point: u32) {
        let is_inner = origin >= self.base;
        let completed = if is_inner { completed } else { self.symbols.common(completed, self.chart.expected(origin)) };
        let done = self.done.entry((origin, point)).or_default();
        let new = self.symbols.minus(completed, *done);
        if new == SymbolSets::EMPTY {
            return;
        }
        *done = self.symbols.union(*done, new);
        let side = self.chart.side;
        let waiting = self.symbols.waiting(side, new);
        if waiting != SymbolSets::EMPTY {
            self.agenda.push(Event::Waits(waiting, origin, point));
        }
        let mut combine = |symbols: &mut SymbolSets, (further, waiting): Item| {
            let parents = symbols.combined(Joint::In(side), waiting, new);
            if parents != SymbolSets::EMPTY {
                self.agenda.push(Event::Completed(parents, further, point));
            }
        };
        if is_inner {
            let o = (origin - self.base) as usize;
            let from = self.completed_from[o].entry(point).or_default();
            *from = self.symbols.union(*from, new);
            self.items[o].iter().for_each(|(&further, &waiting)| combine(self.symbols, (further, waiting)));
        } else {
            self.chart.items(self.symbols, origin).iter().for_each(|&item| combine(self.symbols, item));
        }
    }

    fn waits(&mut self, waiting: Symbols, origin: SetId, point: u32) {
        let known = self.items[point as usize].entry(origin).or_default();
        let new = self.symbols.minus(waiting, *known);
        if new == SymbolSets::EMPTY {
            return;
        }
        *known = self.symbols.union(*known, new);
        for &to in &self.eps_from[point as usize] {
            self.agenda.push(Event::Waits(new, origin, to));
        }
        for (&to, &completed) in &self.completed_from[point as usize] {
            let parents = self.symbols.combined(Joint::In(self.chart.side), new, completed);
            if parents != SymbolSets::EMPTY {
                self.agenda.push(Event::Completed(parents, origin, to));
            }
        }
    }

    fn finish(self) -> Vec<SetId> {
        let Group { chart, symbols, base, items, .. } = self;
        let n = items.len() as u32;
        for (point, items) in items.into_iter().enumerate() {
            let set = chart.push_own(symbols, items.into_iter().collect());
            debug_assert_eq!(set, base + point as u32);
        }
        (base..base + n).map(|set| if chart.items(symbols, set).is_empty() { Chart::DEAD } else { set }).collect()
    }
}
