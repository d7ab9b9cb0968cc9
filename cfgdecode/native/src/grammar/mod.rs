//! Context-free grammars in the form that the charts use: rules as automata, and these as binary rules without empty bodies for either side.

mod bits;
mod cfg;
mod network;
#[cfg(test)]
mod tests;

pub use bits::{Bits, is_within, ones};
pub use cfg::{Cfg, CfgError, Joint, Side, SideTables, Symbol};
