//! Tokens as byte strings, and what each does to the lexer.

mod effects;
mod trie;

pub use effects::{Branch, Class, ClassTable, EffectId, EffectList, Effects};
pub use trie::{NodeId, TokenId, Vocabulary};
