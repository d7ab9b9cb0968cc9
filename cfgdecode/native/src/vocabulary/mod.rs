//! Tokens as byte strings, and what each does to the lexer.

mod effects;
mod groups;
mod rows;
#[cfg(test)]
mod tests;
mod trie;

pub use effects::{Branch, Class, ClassTable, EffectId, EffectList, Effects, TokenSet};
pub use groups::Group;
pub use rows::{Leads, Row};
pub use trie::{Cut, NodeId, TokenId, Vocabulary};
