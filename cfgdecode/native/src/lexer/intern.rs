//! Numbers for slices: equal slices get equal numbers, in the order of first sight.
//!
//! Invariants: numbers count up from 0 and never change; slices lie behind one another in one arena.
//! Cost: one hash of the slice per look-up; no iteration over the hash table, so numbers are deterministic.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;

#[derive(Clone, Debug)]
pub(super) struct Interner<T> {
    cells: Vec<T>,
    ends: Vec<usize>,
    by_hash: FxHashMap<u64, SmallVec<[u32; 1]>>,
}

impl<T: Copy + Eq + Hash> Interner<T> {
    pub(super) fn new() -> Interner<T> {
        Interner { cells: Vec::new(), ends: Vec::new(), by_hash: FxHashMap::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn n_cells(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn get(&self, id: u32) -> &[T] {
        let i = id as usize;
        let begin = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.cells[begin..self.ends[i]]
    }

    pub(super) fn intern(&mut self, slice: &[T]) -> u32 {
        let mut hasher = FxHasher::default();
        slice.hash(&mut hasher);
        let hash = hasher.finish();
        let known = self.by_hash.get(&hash).and_then(|ids| ids.iter().find(|&&id| self.get(id) == slice));
        if let Some(&id) = known {
            return id;
        }
        let id = self.ends.len() as u32;
        self.cells.extend_from_slice(slice);
        self.ends.push(self.cells.len());
        self.by_hash.entry(hash).or_default().push(id);
        id
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<T>() + self.ends.capacity() * size_of::<usize>() + self.by_hash.capacity() * 40
    }
}
