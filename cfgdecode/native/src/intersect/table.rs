//! Hash tables for what is looked up millions of times: what is compared lies beside what is found, so that a look-up in a table that
//! does not fit the cache waits for memory once, where a general hash map waits twice.
//!
//! Both use open addressing with linear probing, and double when they are half full. Nothing is ever taken out.

const LEAST: usize = 1 << 6;

/// Whether a table of `n_slots` with `n` entries has no room for one more.
fn is_full(n: usize, n_slots: usize) -> bool {
    2 * (n + 1) > n_slots
}

/// From pairs of numbers, the first of which is never `u32::MAX`, to values.
#[derive(Debug)]
pub(super) struct PairMap<V> {
    slots: Vec<(u32, u32, V)>,
    n: usize,
}

impl<V: Copy + Default> Default for PairMap<V> {
    fn default() -> PairMap<V> {
        PairMap { slots: vec![(u32::MAX, 0, V::default()); LEAST], n: 0 }
    }
}

impl<V: Copy + Default> PairMap<V> {
    pub(super) fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<(u32, u32, V)>()
    }

    #[inline]
    pub(super) fn get(&self, key: (u32, u32)) -> Option<V> {
        let (first, _, value) = self.slots[self.place(key)];
        (first != u32::MAX).then_some(value)
    }

    pub(super) fn insert(&mut self, key: (u32, u32), value: V) {
        if is_full(self.n, self.slots.len()) {
            let doubled = vec![(u32::MAX, 0, V::default()); 2 * self.slots.len()];
            for slot in std::mem::replace(&mut self.slots, doubled).into_iter().filter(|slot| slot.0 != u32::MAX) {
                let at = self.place((slot.0, slot.1));
                self.slots[at] = slot;
            }
        }
        let at = self.place(key);
        self.n += usize::from(self.slots[at].0 == u32::MAX);
        self.slots[at] = (key.0, key.1, value);
    }

    /// Where the key is, or would be.
    #[inline]
    fn place(&self, key: (u32, u32)) -> usize {
        let hash = mixed(u64::from(key.0) << 32 | u64::from(key.1));
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at].0 != u32::MAX && (self.slots[at].0, self.slots[at].1) != key {
            at = (at + 1) & mask;
        }
        at
    }
}

/// All bits of a product, each half of which depends on all of `x`: numbers of a regular pattern do not crowd, as linear probing needs it.
#[inline]
fn mixed(x: u64) -> u64 {
    let product = u128::from(x ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    product as u64 ^ (product >> 64) as u64
}

/// Numbers of things that are kept elsewhere, by hash.
#[derive(Debug)]
pub(super) struct Index {
    /// Half of the hash, and the number; `u32::MAX`: nothing.
    slots: Vec<(u32, u32)>,
    n: usize,
}

impl Default for Index {
    fn default() -> Index {
        Index { slots: vec![(0, u32::MAX); LEAST], n: 0 }
    }
}

impl Index {
    pub(super) fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<(u32, u32)>()
    }

    /// The number of the thing with this hash that `is_same`.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_same: impl Fn(u32) -> bool) -> Option<u32> {
        let (half, mask) = (half_of(hash), self.slots.len() - 1);
        let mut at = hash as usize & mask;
        loop {
            let (other, known) = self.slots[at];
            if known == u32::MAX {
                return None;
            }
            if other == half && is_same(known) {
                return Some(known);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a thing that is not in the table; `hash_of` says the hash of the others if they have to move.
    pub(super) fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        if is_full(self.n, self.slots.len()) {
            let doubled = vec![(0, u32::MAX); 2 * self.slots.len()];
            for (_, known) in std::mem::replace(&mut self.slots, doubled).into_iter().filter(|slot| slot.1 != u32::MAX) {
                self.put(hash_of(known), known);
            }
        }
        self.put(hash, number);
        self.n += 1;
    }

    fn put(&mut self, hash: u64, number: u32) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at].1 != u32::MAX {
            at = (at + 1) & mask;
        }
        self.slots[at] = (half_of(hash), number);
    }
}

fn half_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_found_and_nothing_else() {
        let mut map: PairMap<u64> = PairMap::default();
        let mut index = Index::default();
        let key = |k: u32| (k % 97, k / 97);
        let hash = |k: u32| u64::from(k % 50) * 0x0100_0001_0000_0001; // many alike
        for k in 0..5_000 {
            assert_eq!(map.get(key(k)), None);
            map.insert(key(k), u64::from(k));
            assert_eq!(index.find(hash(k), |known| known == k), None);
            index.insert(hash(k), k, hash);
        }
        map.insert(key(7), 70);
        for k in 0..5_000 {
            assert_eq!(map.get(key(k)), Some(if k == 7 { 70 } else { u64::from(k) }));
            assert_eq!(index.find(hash(k), |known| known == k), Some(k));
        }
        assert_eq!((map.n, index.n), (5_000, 5_000));
    }
}
