//! What stands at each place of a canvas, and where the text may end.

use crate::vocabulary::{TokenId, Vocabulary};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A decided token.
    Token(TokenId),
    /// Exactly one token.
    Open,
    /// One token or none (the part of an interval above its lower bound).
    Optional,
    /// Any bytes (an interval without upper bound).
    Anything,
}

impl Slot {
    pub fn is_decided(&self) -> bool {
        matches!(self, Slot::Token(_))
    }
}

/// What may stand behind the first EOS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EosPolicy {
    /// There is no EOS: every cell holds text.
    Never,
    /// EOS or pad to the end.
    ToEnd,
    /// Anything.
    Cut,
    /// Pad to the end.
    Pad,
}

impl EosPolicy {
    /// Whether `slot` may stand behind the first EOS.
    pub fn tail_allows(self, vocabulary: &Vocabulary, slot: Slot) -> bool {
        match (self, slot) {
            (EosPolicy::Never, _) => false,
            (EosPolicy::Cut, _) => true,
            (EosPolicy::ToEnd, Slot::Token(t)) => vocabulary.is_eos(t) || vocabulary.pad == Some(t),
            (EosPolicy::Pad, Slot::Token(t)) => vocabulary.pad == Some(t),
            (_, Slot::Optional | Slot::Anything) => true,
            (EosPolicy::ToEnd, Slot::Open) => !vocabulary.eos.is_empty(),
            (EosPolicy::Pad, Slot::Open) => vocabulary.pad.is_some(),
        }
    }

    /// The tokens that may fill an open cell behind the first EOS; `None` means every id.
    pub fn tail_tokens(self, vocabulary: &Vocabulary) -> Option<Vec<TokenId>> {
        match self {
            EosPolicy::Never => Some(Vec::new()),
            EosPolicy::Cut => None,
            EosPolicy::ToEnd => Some(vocabulary.eos.iter().copied().chain(vocabulary.pad).collect()),
            EosPolicy::Pad => Some(vocabulary.pad.into_iter().collect()),
        }
    }

    /// Whether the text may end in front of `slot`, seen from that slot alone.
    pub fn may_end_at(self, vocabulary: &Vocabulary, slot: Slot) -> bool {
        match slot {
            _ if self == EosPolicy::Never => false,
            Slot::Token(t) => vocabulary.is_eos(t),
            Slot::Open | Slot::Optional | Slot::Anything => !vocabulary.eos.is_empty(),
        }
    }
}

/// For every boundary `0..=n`: whether a text that ends here leaves a legal rest.
pub fn text_ends(policy: EosPolicy, vocabulary: &Vocabulary, slots: &[Slot]) -> Vec<bool> {
    let n = slots.len();
    let mut ends = vec![false; n + 1];
    let is_text_before = |i: usize| !matches!(i.checked_sub(1).map(|j| slots[j]), Some(Slot::Token(t)) if vocabulary.is_special(t));
    ends[n] = is_text_before(n);
    let mut tail = true; // slots behind i may all stand behind an EOS
    for i in (0..n).rev() {
        ends[i] = tail && policy.may_end_at(vocabulary, slots[i]) && is_text_before(i);
        tail &= policy.tail_allows(vocabulary, slots[i]);
    }
    ends
}
