//! A right row: what lies right of a boundary, by lexer configuration.
//!
//! Many configurations of a row are built from the same sources: they are one *point*, and its set is made when it is asked for.
//!
//! Invariant: a row belongs to the choices of one view from its boundary on; who changes those puts another in its place.
//! Cost: a list where entries are few, as behind one token, else hash maps.

use crate::intersect::{Family, SetId, Sources};
use crate::lexer::ConfigId;
use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;
use std::hash::{Hash, Hasher};

#[derive(Clone, Debug, Default)]
pub(super) struct RightRow {
    /// By configuration: which of `points` it is.
    pub(super) of_config: SmallMap<ConfigId, u32>,
    pub(super) points: SmallVec<[RightPoint; 1]>,
    /// Points by the hash of their sources, where there are [`FEW`] or more.
    by_sources: FxHashMap<u64, SmallVec<[u32; 1]>>,
    /// Groups of effects of the slot that begins at this boundary.
    pub(super) of_effects: SmallMap<u32, SetId>,
    /// Fresh configurations in front of the slot that begins at this boundary.
    pub(super) of_fresh: SmallMap<ConfigId, SetId>,
    /// The hub of the pool gap that ends at this boundary, for gaps of so many cells and with this pool.
    pub(super) hub: Option<(u32, usize, Family)>,
}

/// What a set is built from: kept apart from the set, because most are only ever parts of a union. Many configurations share one.
#[derive(Clone, Debug)]
pub(super) struct RightPoint {
    pub(super) sources: Sources,
    pub(super) set: Option<SetId>,
}

impl RightRow {
    pub(super) fn insert(&mut self, c: ConfigId, sources: Sources) {
        let id = match self.known_point(&sources) {
            Some(id) => id,
            None => {
                self.points.push(RightPoint { sources, set: None });
                self.points.len() as u32 - 1
            }
        };
        self.of_config.insert(c, id);
    }

    /// The point with these sources; if there is none, the next one is noted as that.
    fn known_point(&mut self, sources: &Sources) -> Option<u32> {
        let same = |point: &RightPoint| point.sources == *sources;
        if self.points.len() < FEW {
            return self.points.iter().position(same).map(|at| at as u32);
        }
        if self.by_sources.is_empty() {
            (0..).zip(&self.points).for_each(|(id, point)| self.by_sources.entry(hash_of(&point.sources)).or_default().push(id));
        }
        let alike = self.by_sources.entry(hash_of(sources)).or_default();
        let known = alike.iter().copied().find(|&id| same(&self.points[id as usize]));
        if known.is_none() {
            alike.push(self.points.len() as u32);
        }
        known
    }

    pub(super) fn sources(&self, c: ConfigId) -> Option<&Sources> {
        self.of_config.get(c).map(|id| &self.points[id as usize].sources)
    }
}

/// Entries up to which they are a list.
const FEW: usize = 8;

/// A map that mostly has few entries: behind one token a row has one or two configurations.
#[derive(Clone, Debug)]
pub(super) struct SmallMap<K, V> {
    few: SmallVec<[(K, V); 2]>,
    /// All of them, where there are more than [`FEW`].
    many: FxHashMap<K, V>,
}

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> SmallMap<K, V> {
        SmallMap { few: SmallVec::new(), many: FxHashMap::default() }
    }
}

impl<K: Copy + Eq + Hash, V: Copy> SmallMap<K, V> {
    #[inline]
    pub(super) fn get(&self, key: K) -> Option<V> {
        match self.many.is_empty() {
            true => self.few.iter().find(|entry| entry.0 == key).map(|entry| entry.1),
            false => self.many.get(&key).copied(),
        }
    }

    pub(super) fn has(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if let Some(entry) = self.few.iter_mut().find(|entry| entry.0 == key) {
            entry.1 = value;
            return;
        }
        if self.many.is_empty() && self.few.len() < FEW {
            self.few.push((key, value));
            return;
        }
        self.many.extend(self.few.drain(..));
        self.many.insert(key, value);
    }
}

fn hash_of(sources: &Sources) -> u64 {
    let mut hasher = FxHasher::default();
    sources.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_with_equal_sources_are_one_point_however_many_there_are() {
        let mut row = RightRow::default();
        let sources = |n: u32| Sources { eps: SmallVec::from_slice(&[n]), arcs: SmallVec::from_slice(&[(n, n + 1)]) };
        for c in 0..100 {
            row.insert(ConfigId(c), sources(c % 25));
            row.insert(ConfigId(c), sources(c % 25));
        }
        assert_eq!(row.points.len(), 25);
        for c in 0..100 {
            assert_eq!(row.sources(ConfigId(c)), Some(&sources(c % 25)));
        }
        assert!(row.sources(ConfigId(100)).is_none() && !row.of_config.has(ConfigId(100)));
    }

    #[test]
    fn a_small_map_keeps_the_latest_value() {
        for n in [1, FEW as u32, FEW as u32 + 1, 50] {
            let mut map: SmallMap<u32, u32> = SmallMap::default();
            (0..n).for_each(|k| map.insert(k, k));
            (0..n).for_each(|k| map.insert(k, k + 1));
            assert!((0..n).all(|k| map.get(k) == Some(k + 1)) && !map.has(n));
        }
    }
}
