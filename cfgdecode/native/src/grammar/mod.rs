//! Context-free grammars in the form that the charts use: ε-free, binary, unit chains folded.

mod alike;
mod bits;
mod cfg;
#[cfg(test)]
mod tests;

pub use bits::{Bits, is_within, ones};
pub use cfg::{Cfg, CfgError, Side, SideTables, Symbol};
