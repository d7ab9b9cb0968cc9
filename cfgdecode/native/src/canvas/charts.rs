//! The charts that the views of a canvas share, by what they leave out.
//!
//! Invariants: what is in the rows of a view belongs to one of the three; a row of an older generation is void.

use super::constraint::Constraint;
use crate::grammar::Side;
use crate::intersect::{Chart, Meeting, Origins, SetId, SymbolSets};

/// The charts that views of one canvas (and its forks) share: what is in the rows of a view belongs to one of the three.
#[derive(Debug)]
pub struct AllCharts {
    /// Goes up when the charts are emptied; rows of an older generation are void.
    pub generation: u64,
    /// The generation of symbol sets that they are made of.
    pub symbols: u64,
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
        AllCharts { generation: 0, symbols: 0, exact: charts(Origins::All), few: charts(Origins::Few(most)), wide: charts(Origins::Widened(most)) }
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
        let chart = |side| Chart::new(side, origins);
        let mut charts = Charts { left: chart(Side::Left), right: chart(Side::Right), meeting: Meeting::default() };
        charts.set_limits((constraint.limits.items, constraint.limits.states));
        charts
    }

    /// Items of either chart, and states, after which sets come out empty and `overflowed` says so.
    pub(super) fn limits(&self) -> (usize, usize) {
        (self.left.max_items, self.meeting.max_states)
    }

    pub(super) fn set_limits(&mut self, (items, states): (usize, usize)) {
        (self.left.max_items, self.right.max_items, self.meeting.max_states) = (items, items, states);
    }

    /// Bounds the completions that may be looked at from now on.
    pub(super) fn bound_visits(&mut self, most: usize) {
        for chart in [&mut self.left, &mut self.right] {
            chart.max_visits = chart.visits.saturating_add(most);
        }
    }

    /// Bounds the sets that are built from now on.
    pub(super) fn bound(&mut self, origins: Origins) {
        (self.left.origins, self.right.origins) = (origins, origins);
    }

    pub(super) fn overflowed(&self) -> Option<&'static str> {
        match () {
            () if self.left.overflowed || self.right.overflowed => Some("items"),
            () if self.meeting.overflowed => Some("states"),
            () => None,
        }
    }

    /// Whether something overflowed; forgets it.
    pub(super) fn take_overflow(&mut self) -> bool {
        let did = self.overflowed().is_some();
        (self.left.overflowed, self.right.overflowed, self.meeting.overflowed) = (false, false, false);
        did
    }

    pub fn n_items(&self) -> usize {
        self.left.n_items() + self.right.n_items()
    }

    pub fn fits(&mut self, symbols: &mut SymbolSets, l: SetId, r: SetId) -> bool {
        self.meeting.fits(symbols, &self.left, &self.right, l, r)
    }
}
