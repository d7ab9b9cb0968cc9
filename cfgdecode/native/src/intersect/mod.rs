//! Emptiness of `L(grammar) ∩ L(canvas)`, from both ends.
//!
//! A canvas is a graph whose arcs carry terminals or nothing. A *chart* says, for a point of that
//! graph, what lies on one side of it: the left chart holds the items `(origin, P)`, "each prefix of `P`
//! was read from `origin` up to here, and what it waits for comes next"; the right chart is its mirror
//! image. Whether a left set and a right set fit together is the [`Meeting`].
//!
//! Points of the graph are not stored: a set of items is identified by what it was built from, so
//! equal contexts are one set (hash-consing), unchanged parts of an edited canvas cost one look-up, and
//! a copy of a canvas shares everything.
//!
//! Source: Earley 1970 for the top-down filter; Lang 1974 and Bar-Hillel, Perles & Shamir 1961 for
//! graphs instead of strings; Pasti et al. 2023 (arXiv 2209.06809) for arcs without a label.

mod chart;
mod family;
mod group;
mod meeting;
mod symbols;
mod table;
#[cfg(test)]
mod tests;

pub use chart::{Chart, Origins, SetId, Sources};
pub use family::{Costs, Entered, Entry, Family, SideCosts};
pub use group::GroupArcs;
pub use meeting::Meeting;
pub use symbols::SymbolSets;
