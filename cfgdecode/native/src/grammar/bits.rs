//! A fixed-size set of small integers, one bit each.

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Bits {
    words: Box<[u64]>,
}

impl Bits {
    pub fn new(n: usize) -> Bits {
        Bits { words: vec![0; n.div_ceil(64)].into_boxed_slice() }
    }

    #[inline]
    pub fn has(&self, i: u32) -> bool {
        self.words[(i >> 6) as usize] >> (i & 63) & 1 != 0
    }

    /// Adds `i`; answers whether it was new.
    #[inline]
    pub fn insert(&mut self, i: u32) -> bool {
        let word = &mut self.words[(i >> 6) as usize];
        let bit = 1u64 << (i & 63);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Adds all of `other`; answers whether anything was new.
    #[inline]
    pub fn union(&mut self, other: &Bits) -> bool {
        let mut grown = 0;
        for (a, b) in self.words.iter_mut().zip(other.words.iter()) {
            grown |= b & !*a;
            *a |= b;
        }
        grown != 0
    }

    #[inline]
    pub fn remove(&mut self, i: u32) {
        self.words[(i >> 6) as usize] &= !(1u64 << (i & 63));
    }

    /// Takes out all of `other`.
    pub fn subtract(&mut self, other: &Bits) {
        for (a, b) in self.words.iter_mut().zip(other.words.iter()) {
            *a &= !b;
        }
    }

    /// Keeps what is in `other` too.
    pub fn intersect(&mut self, other: &Bits) {
        for (a, b) in self.words.iter_mut().zip(other.words.iter()) {
            *a &= b;
        }
    }

    pub fn meets(&self, other: &Bits) -> bool {
        self.words.iter().zip(other.words.iter()).any(|(a, b)| a & b != 0)
    }

    /// Is there nothing that `other` lacks.
    pub fn is_within(&self, other: &Bits) -> bool {
        is_within(&self.words, &other.words)
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&w| w == 0)
    }

    /// Whether there are as many.
    pub fn has_many(&self, n: usize) -> bool {
        let mut left = n;
        self.words.iter().any(|w| {
            left = left.saturating_sub(w.count_ones() as usize);
            left == 0
        })
    }

    pub fn count(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// An empty one of the same size.
    pub fn emptied(&self) -> Bits {
        Bits { words: vec![0; self.words.len()].into_boxed_slice() }
    }

    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        ones(&self.words)
    }

    /// The bits as little-endian bytes, 64 to a word.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    pub fn memory_bytes(&self) -> usize {
        self.words.len() * 8
    }
}

/// Whether all bits of `a` are in `b`.
#[inline]
pub fn is_within(a: &[u64], b: &[u64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a & !b == 0)
}

/// The bits of these words, in rising order.
pub fn ones(words: &[u64]) -> impl Iterator<Item = u32> + '_ {
    words.iter().enumerate().flat_map(|(at, &word)| {
        let mut rest = word;
        std::iter::from_fn(move || {
            let bit = (rest != 0).then(|| rest.trailing_zeros())?;
            rest &= rest - 1;
            Some(at as u32 * 64 + bit)
        })
    })
}
