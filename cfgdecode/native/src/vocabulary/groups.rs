//! Several effects as one: where their tokens end, and what may stand behind the lexemes that they end.
//!
//! What several tokens do in the same place mostly meets the same sets. A row asks each group once, not each of its effects. With one
//! token behind all of them most of what they do comes to the same ([`Effects::group_behind`]): a row skips what is between.
//!
//! Invariants: equal groups are one as long as they are remembered; the groups within a group have smaller numbers;
//! numbers are never used twice.
//! Cost: the effects and their parts, once.

use super::effects::{Branch, EffectId, Effects};
use super::{TokenId, Vocabulary};
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

type Emits = Vec<(TerminalId, Arc<Group>)>;

impl Group {
    fn is_dead(&self) -> bool {
        self.ends.is_empty() && self.emits.is_empty()
    }
}

#[derive(Debug, Default)]
pub(super) struct Groups {
    of_effects: FxHashMap<Box<[EffectId]>, Arc<Group>>,
    /// Those of one effect, by effect.
    of_one: Vec<Option<Arc<Group>>>,
    /// By group, and a token behind it.
    behind: FxHashMap<(u32, TokenId), Arc<Group>>,
    /// By where tokens end; and the lexemes that may end first, with the numbers of what may follow them.
    known: FxHashMap<Parts, Arc<Group>>,
    n: u32,
    bytes: usize,
}

type Parts = (Box<[ConfigId]>, Box<[(TerminalId, u32)]>);

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
        if let Some(known) = self.groups.of_effects.get(effects) {
            return known.clone();
        }
        let mut ends: Vec<ConfigId> = Vec::new();
        let mut rests: Vec<(TerminalId, EffectId)> = Vec::new();
        let mut stack: Vec<EffectId> = effects.to_vec();
        while let Some(effect) = stack.pop() {
            for &branch in self.branches(effect) {
                match branch {
                    Branch::End(c) => ends.push(c),
                    Branch::Skip(rest) => stack.push(rest),
                    Branch::Emit(t, rest) => rests.push((t, rest)),
                }
            }
        }
        rests.sort_unstable();
        rests.dedup();
        let mut emits = Emits::new();
        for run in rests.chunk_by(|a, b| a.0 == b.0) {
            let rests: Vec<EffectId> = run.iter().map(|rest| rest.1).collect();
            emits.push((run[0].0, self.group_of(&rests)));
        }
        let first = effects.first().copied().unwrap_or(Self::DEAD);
        let group = self.groups.share(first, ends, emits);
        self.groups.bytes += effects.len() * 4 + 48;
        self.groups.of_effects.insert(effects.into(), group.clone());
        group
    }

    /// What the tokens of a group do with this token behind them. None if it cannot stand there.
    pub fn group_behind(&mut self, vocabulary: &Vocabulary, group: &Arc<Group>, token: TokenId) -> Option<Arc<Group>> {
        let behind = match self.groups.behind.get(&(group.id, token)) {
            Some(known) => known.clone(),
            None => self.group_behind_anew(vocabulary, group, token),
        };
        (!behind.is_dead()).then_some(behind)
    }

    fn group_behind_anew(&mut self, vocabulary: &Vocabulary, group: &Arc<Group>, token: TokenId) -> Arc<Group> {
        self.make_room();
        let mut effects: Vec<EffectId> = group.ends.iter().map(|&c| self.of_token(vocabulary, c, token)).filter(|&e| e != Self::DEAD).collect();
        effects.sort_unstable();
        effects.dedup();
        let at_ends = self.group_of(&effects);
        let mut emits: Emits = at_ends.emits.to_vec();
        for (terminal, rest) in &group.emits {
            emits.extend(self.group_behind(vocabulary, rest, token).map(|behind| (*terminal, behind)));
        }
        let behind = self.groups.share(at_ends.first, at_ends.ends.to_vec(), emits);
        self.groups.bytes += 40;
        self.groups.behind.insert((group.id, token), behind.clone());
        behind
    }
}

impl Groups {
    /// The group with these parts, in any order.
    fn share(&mut self, first: EffectId, mut ends: Vec<ConfigId>, mut emits: Emits) -> Arc<Group> {
        ends.sort_unstable();
        ends.dedup();
        emits.sort_unstable_by_key(|(terminal, group)| (*terminal, group.id));
        emits.dedup_by_key(|(terminal, group)| (*terminal, group.id));
        let mut joined = Emits::with_capacity(emits.len());
        for run in emits.chunk_by(|a, b| a.0 == b.0) {
            joined.push((run[0].0, if run.len() == 1 { run[0].1.clone() } else { self.union(run) }));
        }
        let parts: Parts = (ends.into(), joined.iter().map(|(terminal, group)| (*terminal, group.id)).collect());
        if let Some(known) = self.known.get(&parts) {
            return known.clone();
        }
        self.n += 1;
        self.bytes += parts.0.len() * 8 + parts.1.len() * 24 + 160;
        let group = Arc::new(Group { id: self.n, first, ends: parts.0.clone(), emits: joined.into() });
        self.known.insert(parts, group.clone());
        group
    }

    fn union(&mut self, groups: &[(TerminalId, Arc<Group>)]) -> Arc<Group> {
        let ends = groups.iter().flat_map(|(_, group)| group.ends.iter().copied()).collect();
        let emits = groups.iter().flat_map(|(_, group)| group.emits.iter().cloned()).collect();
        self.share(groups[0].1.first, ends, emits)
    }
}
