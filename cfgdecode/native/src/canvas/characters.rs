//! Tokens that begin or end inside a character, in cells beside which its other bytes cannot be.
//!
//! Cost: a look at the cells beside.

use super::session::Session;
use super::slots::Slot;
use crate::grammar::Bits;
use crate::vocabulary::{Cut, TokenId};

impl Session {
    /// Takes out the tokens of cell i whose characters are cut where the cell beside has no rest of one: one that is decided, or whose
    /// allowed set is known.
    pub(super) fn drop_cut(&self, i: usize, undecided: &mut Bits) {
        let vocabulary = &self.constraint().vocabulary;
        if self.policy().tail_tokens(vocabulary).is_none() && self.exact.ends()[..=i].contains(&true) {
            return; // behind the end of the text anything may stand
        }
        let Cut { begun, ended, may_end } = vocabulary.cut();
        if i == 0 || self.is_whole(i - 1, may_end) {
            undecided.subtract(begun);
        }
        if i + 1 == self.slots().len() || self.is_whole(i + 1, begun) {
            undecided.subtract(ended);
        }
    }

    /// Whether a cell has none of these tokens, but text or the end of the text.
    fn is_whole(&self, j: usize, cut: &Bits) -> bool {
        let vocabulary = &self.constraint().vocabulary;
        let is_text = |t: TokenId| vocabulary.texts().has(t) || vocabulary.is_eos(t);
        match self.slots()[j] {
            Slot::Token(t) => is_text(t) && !cut.has(t),
            Slot::Open => self.allowed_known.get(&j).is_some_and(|(allowed, is_exact)| *is_exact && !allowed.meets(cut)),
            Slot::Optional | Slot::Anything => false,
        }
    }
}
