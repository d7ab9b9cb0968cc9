//! Several effects as one: where their tokens end, and what may stand behind the lexemes that they end.
//!
//! What several tokens do in the same place mostly meets the same sets. A row asks each group once, not each of its effects.
//!
//! Invariants: groups of equal effects are one as long as they are remembered; the groups within a group have smaller numbers;
//! numbers are never used twice.
//! Cost: the effects and their parts, once.

use super::effects::{Branch, EffectId, Effects};
use crate::lexer::{ConfigId, TerminalId};
use rustc_hash::FxHashMap;
use std::sync::Arc;

#[derive(Debug)]
pub struct Group {
    pub id: u32,
    /// The first of its effects.
    pub first: EffectId,
    /// Where a token may end without ending a lexeme that counts; sorted.
    pub ends: Box<[ConfigId]>,
    /// The lexemes that may end first, and what may follow them; sorted by terminal.
    pub emits: Box<[(TerminalId, Arc<Group>)]>,
}

#[derive(Debug, Default)]
pub(super) struct Groups {
    known: FxHashMap<Box<[EffectId]>, Arc<Group>>,
    /// Those of one effect, by effect.
    of_one: Vec<Option<Arc<Group>>>,
    n: u32,
    bytes: usize,
}

impl Groups {
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes + self.of_one.len() * 8
    }

    pub(super) fn clear(&mut self) {
        *self = Groups { n: self.n, ..Groups::default() };
    }
}

impl Effects {
    /// The group of one effect.
    #[inline]
    pub fn group_of_one(&mut self, effect: EffectId) -> Arc<Group> {
        if let Some(Some(known)) = self.groups.of_one.get(effect as usize) {
            return known.clone();
        }
        let group = self.group_of(&[effect]);
        if self.groups.of_one.len() <= effect as usize {
            self.groups.of_one.resize(effect as usize + 1, None);
        }
        self.groups.of_one[effect as usize] = Some(group.clone());
        group
    }

    /// The group of these effects, sorted and different.
    pub fn group_of(&mut self, effects: &[EffectId]) -> Arc<Group> {
        if let Some(known) = self.groups.known.get(effects) {
            return known.clone();
        }
        let mut ends: Vec<ConfigId> = Vec::new();
        let mut emits: Vec<(TerminalId, EffectId)> = Vec::new();
        let mut stack: Vec<EffectId> = effects.to_vec();
        while let Some(effect) = stack.pop() {
            for &branch in self.branches(effect) {
                match branch {
                    Branch::End(c) => ends.push(c),
                    Branch::Skip(rest) => stack.push(rest),
                    Branch::Emit(t, rest) => emits.push((t, rest)),
                }
            }
        }
        ends.sort_unstable();
        ends.dedup();
        emits.sort_unstable();
        emits.dedup();
        let mut behind: Vec<(TerminalId, Arc<Group>)> = Vec::new();
        for run in emits.chunk_by(|a, b| a.0 == b.0) {
            let rests: Vec<EffectId> = run.iter().map(|emit| emit.1).collect();
            behind.push((run[0].0, self.group_of(&rests)));
        }
        self.groups.n += 1;
        self.groups.bytes += effects.len() * 4 + ends.len() * 4 + behind.len() * 16 + 96;
        let first = effects.first().copied().unwrap_or(Self::DEAD);
        let group = Arc::new(Group { id: self.groups.n, first, ends: ends.into(), emits: behind.into() });
        self.groups.known.insert(effects.into(), group.clone());
        group
    }
}
