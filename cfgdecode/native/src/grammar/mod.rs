//! Context-free grammars in the form that the charts use: ε-free, binary, unit chains folded.

mod bits;
mod cfg;
mod network;
#[cfg(test)]
mod tests;

pub use bits::{Bits, is_within, ones};
pub use cfg::{Cfg, CfgError, Joint, Side, SideTables, Symbol};
