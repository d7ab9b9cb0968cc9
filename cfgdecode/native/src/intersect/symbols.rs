//! Sets of symbols, each known by a number, and what is made of them.
//!
//! What begins at one point and ends at another is rarely one symbol: an identifier is a name, a type and an expression at once, and
//! between two points of a gap there may be any of many. Charts treat all of these as one. The same sets come up again and again, in all
//! canvases of a grammar, so what two of them make together is worked out once and looked up from then on: a chart set with a hundred symbols
//! from ten origins costs ten look-ups, not a hundred.
//!
//! Invariants: sets with equal symbols have one number (but for those with a fixed one); `EMPTY` is 0; a number keeps its meaning for a
//! *generation*, which ends when the sets are forgotten to save memory.
//! Cost: a look-up a step; the first time, the rules that the symbols take part in.

use super::family::{Costs, SideCosts};
use super::table::{Index, PairMap};
use crate::grammar::{Cfg, Joint, Side, Symbol, is_within, ones};
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::Hasher;
use std::sync::Arc;

/// The number of a set of symbols.
pub type Symbols = u32;

/// What symbols completed inside a gap make of symbols that wait: the tokens it takes, whether it is rigid, and the parents.
pub(super) type Continued = Arc<[(u32, bool, Symbols)]>;

/// Symbols that wait inside a gap, by the tokens that it takes to derive them; see [`Costs`].
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) least: Box<[(u32, Symbols)]>,
    pub(super) elastic: Box<[(u32, Symbols)]>,
    /// Those whose elastic derivations take more tokens.
    pub(super) later: Box<[(u32, Symbols)]>,
    /// Those that one more token can leave as they are.
    pumps: Symbols,
}

#[derive(Debug)]
pub struct SymbolSets {
    pub(super) cfg: Arc<Cfg>,
    /// Goes up when all is forgotten.
    pub generation: u64,
    /// Words of a set.
    n_words: usize,
    /// Set by set.
    words: Vec<u64>,
    /// By joint: what the symbols of a set that wait may be completed with, and where that is, for sets that were asked.
    siblings: [Vec<u64>; N_JOINTS],
    siblings_at: [Vec<u32>; N_JOINTS],
    /// By side: the symbols of a set that can wait, once that was asked; and those that something can wait for.
    waiting: [Vec<Symbols>; 2],
    awaited: Vec<Symbols>,
    by_words: Index,
    /// By side: symbol -> itself and what it is by unit rules, once that was asked.
    units: [Vec<Symbols>; 2],
    /// By joint: what two sets make together, where that is more than [`FEW`] symbols.
    parents: [PairMap<Symbols>; N_JOINTS],
    /// By side: few symbols -> all that they are.
    unions: [FxHashMap<[Symbol; FEW], Symbols>; 2],
    /// By side: what may come next where the symbols of a set wait, once that was asked.
    expected: [Vec<Symbols>; 2],
    /// Scratch: what may come next by what was gone through.
    expected_words: Vec<u64>,
    /// By costs, side, whether what waits is rigid, that, and what its origin expects.
    continued: FxHashMap<(usize, Side, bool, Symbols, Symbols), Continued>,
    inner: FxHashMap<(usize, Side), Arc<Inner>>,
    /// Kept alive, so that the address of costs stays theirs.
    costs: Vec<Arc<Costs>>,
    /// Of keys and values of varying length.
    bytes: usize,
    scratch: Vec<u64>,
}

const UNKNOWN: Symbols = Symbols::MAX;
/// Symbols of which it is quicker to say what they are together than to look that up for the two sets that they come from.
const FEW: usize = 4;
const NO_SYMBOL: Symbol = Symbol::MAX;

const N_JOINTS: usize = 3;

impl Joint {
    fn index(self) -> usize {
        match self {
            Joint::In(side) => side as usize,
            Joint::Between => N_JOINTS - 1,
        }
    }

    /// The side whose unit rules hold for what is made.
    fn side(self) -> Side {
        match self {
            Joint::In(side) => side,
            Joint::Between => Side::Left,
        }
    }
}

impl SymbolSets {
    pub const EMPTY: Symbols = 0;
    /// Every symbol; only as what may come next.
    pub const ALL: Symbols = 1;
    /// By side: what waits at the root of a chart, what may come next there, and all that can wait.
    pub(super) const ROOT: [Symbols; 2] = [2, 3];
    pub(super) const BEHIND_ROOT: [Symbols; 2] = [4, 5];
    pub(super) const WAITS: [Symbols; 2] = [6, 7];
    /// All that something can wait for.
    const AWAITED: Symbols = 8;

    pub fn new(cfg: Arc<Cfg>, generation: u64) -> SymbolSets {
        let n_words = (cfg.n_symbols as usize).div_ceil(64);
        let mut sets = SymbolSets {
            cfg: cfg.clone(),
            generation,
            n_words,
            words: Vec::new(),
            siblings: Default::default(),
            siblings_at: Default::default(),
            waiting: Default::default(),
            awaited: Vec::new(),
            by_words: Index::default(),
            units: [vec![UNKNOWN; cfg.n_symbols as usize], vec![UNKNOWN; cfg.n_symbols as usize]],
            parents: Default::default(),
            unions: Default::default(),
            expected: Default::default(),
            expected_words: Vec::new(),
            continued: FxHashMap::default(),
            inner: FxHashMap::default(),
            costs: Vec::new(),
            bytes: 0,
            scratch: vec![0; n_words],
        };
        let sides = [(Side::Left, cfg.begin), (Side::Right, cfg.end)];
        let root = |(side, marker): (Side, Symbol)| -> Vec<Symbol> {
            cfg.side(side).up[marker as usize].iter().copied().filter(|&y| cfg.side(side).waits.has(y)).collect()
        };
        let behind = |from: (Side, Symbol)| root(from).iter().flat_map(|&w| cfg.side(from.0).expects[w as usize].iter().copied()).collect();
        let waits = |(side, _): (Side, Symbol)| cfg.side(side).waits.iter().collect();
        let awaited = (0..cfg.n_symbols).filter(|&s| sides.iter().any(|from| !cfg.side(from.0).joint.combine[s as usize].is_empty())).collect();
        let fixed = [Vec::new(), (0..cfg.n_symbols).collect()]
            .into_iter()
            .chain(sides.map(root))
            .chain(sides.map(behind))
            .chain(sides.map(waits))
            .chain([awaited]);
        for list in fixed {
            let mut words = vec![0; n_words];
            list.into_iter().for_each(|symbol| insert(&mut words, symbol));
            sets.push(&words);
        }
        sets
    }

    pub fn memory_bytes(&self) -> usize {
        let n_words = self.words.capacity() + self.siblings.iter().map(Vec::capacity).sum::<usize>();
        n_words * 8
            + self.waiting[0].capacity() * 24
            + self.by_words.memory_bytes()
            + self.parents.iter().map(PairMap::memory_bytes).sum::<usize>()
            + self.unions.iter().map(|unions| unions.capacity() * 21).sum::<usize>()
            + self.bytes
    }

    /// The words of a set, one bit a symbol.
    #[inline]
    pub(super) fn words(&self, set: Symbols) -> &[u64] {
        &self.words[set as usize * self.n_words..][..self.n_words]
    }

    pub(super) fn n_words(&self) -> usize {
        self.n_words
    }

    #[inline]
    pub fn has(&self, set: Symbols, symbol: Symbol) -> bool {
        self.words[set as usize * self.n_words + (symbol >> 6) as usize] >> (symbol & 63) & 1 != 0
    }

    pub(super) fn iter(&self, set: Symbols) -> impl Iterator<Item = Symbol> + '_ {
        ones(self.words(set))
    }

    fn push(&mut self, words: &[u64]) -> Symbols {
        let new = self.waiting[0].len() as Symbols;
        self.words.extend_from_slice(words);
        for known in self.waiting.iter_mut().chain([&mut self.awaited]).chain(&mut self.siblings_at).chain(&mut self.expected) {
            known.push(UNKNOWN);
        }
        new
    }

    /// The number of the set with these words.
    #[inline]
    pub(super) fn intern(&mut self, words: &[u64]) -> Symbols {
        if is_empty(words) {
            return Self::EMPTY;
        }
        let hash = hash_of(words);
        if let Some(known) = self.by_words.find(hash, |known| self.words(known) == words) {
            return known;
        }
        let new = self.push(words);
        let (all, n) = (&self.words, self.n_words);
        self.by_words.insert(hash, new, |set| hash_of(&all[set as usize * n..][..n]));
        new
    }

    /// The set of the symbols of `set` for which this holds.
    pub(super) fn filtered(&mut self, set: Symbols, mut holds: impl FnMut(Symbol) -> bool) -> Symbols {
        self.collected(|sets, words| sets.iter(set).filter(|&s| holds(s)).for_each(|s| insert(words, s)))
    }

    /// The set of all that `collect` inserts into the words of an empty one.
    fn collected(&mut self, collect: impl FnOnce(&SymbolSets, &mut [u64])) -> Symbols {
        let mut words = std::mem::take(&mut self.scratch);
        words.fill(0);
        collect(self, &mut words);
        let set = self.intern(&words);
        self.scratch = words;
        set
    }

    /// A symbol and all that it is by unit rules.
    pub(super) fn unit(&mut self, side: Side, symbol: Symbol) -> Symbols {
        let known = self.units[side as usize][symbol as usize];
        if known != UNKNOWN {
            return known;
        }
        let set = self.collected(|sets, words| sets.cfg.side(side).useful_up[symbol as usize].iter().for_each(|&y| insert(words, y)));
        self.units[side as usize][symbol as usize] = set;
        set
    }

    /// Whether all of `a` are in `b`.
    #[inline]
    pub(super) fn is_within(&self, a: Symbols, b: Symbols) -> bool {
        a == b || is_within(self.words(a), self.words(b))
    }

    #[inline]
    pub(super) fn union(&mut self, a: Symbols, b: Symbols) -> Symbols {
        match () {
            () if self.is_within(b, a) => a,
            () if self.is_within(a, b) => b,
            () => self.collected(|sets, words| {
                add(words, sets.words(a));
                add(words, sets.words(b));
            }),
        }
    }

    /// Those of `a` that are not in `b`.
    pub(super) fn minus(&mut self, a: Symbols, b: Symbols) -> Symbols {
        self.collected(|sets, words| {
            add(words, sets.words(a));
            words.iter_mut().zip(sets.words(b)).for_each(|(a, b)| *a &= !b);
        })
    }

    /// Those of `a` that are in `b`.
    #[inline]
    pub(super) fn common(&mut self, a: Symbols, b: Symbols) -> Symbols {
        if self.is_within(a, b) {
            return a;
        }
        self.collected(|sets, words| {
            add(words, sets.words(a));
            words.iter_mut().zip(sets.words(b)).for_each(|(a, b)| *a &= b);
        })
    }

    /// In how many of these each symbol is.
    pub(super) fn counts(&self, sets: &[Symbols]) -> Vec<u32> {
        let mut counts = vec![0; self.n_words * 64];
        sets.iter().flat_map(|&set| self.iter(set)).for_each(|s| counts[s as usize] += 1);
        counts
    }

    /// The symbols that are in more than `most` of these.
    pub(super) fn in_more_than(&mut self, sets: &[Symbols], most: usize) -> Symbols {
        let counts = self.counts(sets);
        self.collected(|_, words| (0..).zip(counts).filter(|c| c.1 as usize > most).for_each(|c| insert(words, c.0)))
    }

    /// These sets, each symbol only in the first and the last that have it, so many of them.
    pub(super) fn without_between(&mut self, sets: &[Symbols], n_first: usize, n_last: usize) -> Vec<Symbols> {
        let counts = self.counts(sets);
        let mut seen = vec![0; counts.len()];
        let mut rest = |set: Symbols| {
            self.collected(|sets, words| {
                for s in sets.iter(set) {
                    seen[s as usize] += 1;
                    let (nth, count) = (seen[s as usize] as usize, counts[s as usize] as usize);
                    if nth <= n_first || nth + n_last > count {
                        insert(words, s);
                    }
                }
            })
        };
        sets.iter().map(|&set| rest(set)).collect()
    }

    /// What waiting symbols and completed ones make together in a chart, of what is expected.
    #[inline]
    pub(super) fn combined_within(&mut self, side: Side, waiting: Symbols, completed: Symbols, expected: impl FnOnce() -> Symbols) -> Symbols {
        match self.combined(Joint::In(side), waiting, completed) {
            Self::EMPTY => Self::EMPTY,
            parents => self.common(parents, expected()),
        }
    }

    /// What some prefix of `left` and the suffix behind it, of `right`, make together.
    #[inline]
    pub(super) fn parents(&mut self, left: Symbols, right: Symbols) -> Symbols {
        self.combined(Joint::Between, left, right)
    }

    /// What waiting symbols and completed ones behind them (on the right: in front of them) make together.
    #[inline]
    pub(super) fn combined(&mut self, joint: Joint, waiting: Symbols, completed: Symbols) -> Symbols {
        if self.siblings_at[joint.index()][waiting as usize] == UNKNOWN {
            self.find_siblings(joint, waiting);
        }
        let mut few = [NO_SYMBOL; FEW];
        if self.few_parents(joint, waiting, completed, &mut few) {
            return match few {
                [NO_SYMBOL, ..] => Self::EMPTY,
                [one, NO_SYMBOL, ..] => self.unit(joint.side(), one),
                _ => self.union_of_few(joint.side(), few),
            };
        }
        if let Some(known) = self.parents[joint.index()].get((waiting, completed)) {
            return known;
        }
        let set = self.combined_anew(joint, waiting, completed);
        self.parents[joint.index()].insert((waiting, completed), set);
        set
    }

    /// The parents of waiting symbols and completed ones, in order, if there are [`FEW`] at most.
    #[inline]
    fn few_parents(&self, joint: Joint, waiting: Symbols, completed: Symbols, few: &mut [Symbol; FEW]) -> bool {
        let siblings = self.siblings_of(joint, waiting).iter().zip(self.words(completed));
        if siblings.fold(0, |all, (a, b)| all | a & b) == 0 {
            return true;
        }
        let beside = &self.cfg.joint(joint).combine;
        let waiting_words = self.words(waiting);
        let mut n = 0;
        for (i, (a, b)) in self.siblings_of(joint, waiting).iter().zip(self.words(completed)).enumerate() {
            let mut both = a & b;
            while both != 0 {
                let y = i * 64 + both.trailing_zeros() as usize;
                both &= both - 1;
                for &(x, parent) in beside[y].iter() {
                    if waiting_words[(x >> 6) as usize] >> (x & 63) & 1 == 0 || few[..n].contains(&parent) {
                        continue;
                    }
                    if n == FEW {
                        return false;
                    }
                    few[n] = parent;
                    n += 1;
                }
            }
        }
        few[..n].sort_unstable();
        true
    }

    /// All that these symbols are.
    fn union_of_few(&mut self, side: Side, few: [Symbol; FEW]) -> Symbols {
        if let Some(&known) = self.unions[side as usize].get(&few) {
            return known;
        }
        let units: Vec<Symbols> = few.iter().filter(|&&s| s != NO_SYMBOL).map(|&s| self.unit(side, s)).collect();
        let set = self.collected(|sets, words| units.iter().for_each(|&unit| add(words, sets.words(unit))));
        self.unions[side as usize].insert(few, set);
        set
    }

    #[cold]
    fn combined_anew(&mut self, joint: Joint, waiting: Symbols, completed: Symbols) -> Symbols {
        let cfg = self.cfg.clone();
        let tables = cfg.joint(joint);
        let siblings = self.siblings_of(joint, waiting);
        let completed: Vec<u64> = siblings.iter().zip(self.words(completed)).map(|(a, b)| a & b).collect();
        let n = |words: &[u64]| words.iter().map(|word| word.count_ones()).sum::<u32>();
        let mut parents = vec![0; self.n_words];
        let mut find = |rules: &[Box<[(Symbol, Symbol)]>], from: &[u64], beside: &[u64]| {
            for x in ones(from) {
                for &(y, parent) in rules[x as usize].iter() {
                    if beside[(y >> 6) as usize] >> (y & 63) & 1 != 0 {
                        insert(&mut parents, parent);
                    }
                }
            }
        };
        match n(&completed) <= n(self.words(waiting)) {
            true => find(&tables.combine, &completed, self.words(waiting)),
            false => find(&tables.continue_, self.words(waiting), &completed),
        }
        let units: Vec<Symbols> = ones(&parents).map(|parent| self.unit(joint.side(), parent)).collect();
        self.collected(|sets, words| units.iter().for_each(|&unit| add(words, sets.words(unit))))
    }

    #[cold]
    fn find_siblings(&mut self, joint: Joint, waiting: Symbols) {
        let mut words = vec![0; self.n_words];
        for w in self.iter(waiting) {
            self.cfg.joint(joint).continue_[w as usize].iter().for_each(|&(c, _)| insert(&mut words, c));
        }
        let siblings = &mut self.siblings[joint.index()];
        self.siblings_at[joint.index()][waiting as usize] = (siblings.len() / self.n_words) as u32;
        siblings.extend_from_slice(&words);
    }

    #[inline]
    fn siblings_of(&self, joint: Joint, waiting: Symbols) -> &[u64] {
        let at = self.siblings_at[joint.index()][waiting as usize] as usize * self.n_words;
        &self.siblings[joint.index()][at..at + self.n_words]
    }

    /// Those that can wait for a sibling.
    #[inline]
    pub(super) fn waiting(&mut self, side: Side, set: Symbols) -> Symbols {
        let known = self.waiting[side as usize][set as usize];
        if known != UNKNOWN {
            return known;
        }
        let found = self.common(set, Self::WAITS[side as usize]);
        self.waiting[side as usize][set as usize] = found;
        found
    }

    /// Those that something can wait for: of what was completed, all that is left are states.
    #[inline]
    pub(super) fn awaited(&mut self, set: Symbols) -> Symbols {
        let known = self.awaited[set as usize];
        if known != UNKNOWN {
            return known;
        }
        let found = self.common(set, Self::AWAITED);
        self.awaited[set as usize] = found;
        found
    }

    /// What may come next where all of these wait.
    pub(super) fn expected(&mut self, side: Side, waiting: impl Iterator<Item = Symbols>) -> Symbols {
        let mut all = std::mem::take(&mut self.expected_words);
        all.clear();
        all.resize(self.n_words, 0);
        let mut last = Self::EMPTY;
        for set in waiting {
            if set != last {
                last = set;
                let expected = self.expected_of(side, set);
                add(&mut all, self.words(expected));
            }
        }
        let set = self.intern(&all);
        self.expected_words = all;
        set
    }

    /// What may come next where these wait.
    fn expected_of(&mut self, side: Side, waiting: Symbols) -> Symbols {
        let known = self.expected[side as usize][waiting as usize];
        if known != UNKNOWN {
            return known;
        }
        let set = self.collected(|sets, words| {
            let expects = &sets.cfg.side(side).expects;
            sets.iter(waiting).for_each(|w| expects[w as usize].iter().for_each(|&s| insert(words, s)));
        });
        self.expected[side as usize][waiting as usize] = set;
        set
    }

    fn key(&mut self, costs: &Arc<Costs>) -> usize {
        if !self.costs.iter().any(|known| Arc::ptr_eq(known, costs)) {
            self.costs.push(costs.clone());
        }
        Arc::as_ptr(costs) as usize
    }

    /// What waiting symbols become inside a gap, as far as their origin expects it, by rising cost.
    pub(super) fn continued(&mut self, costs: &Arc<Costs>, side: Side, is_rigid: bool, waiting: Symbols, expected: Symbols) -> Continued {
        let key = (self.key(costs), side, is_rigid, waiting, expected);
        if let Some(known) = self.continued.get(&key) {
            return known.clone();
        }
        let (cfg, SideCosts { least, elastic, .. }) = (self.cfg.clone(), &costs.sides[side as usize]);
        let mut all: Vec<(u32, bool, Symbol)> = Vec::new();
        for w in self.iter(waiting) {
            for &(c, parent) in cfg.side(side).joint.continue_[w as usize].iter() {
                let (least, elastic) = (least[c as usize], elastic[c as usize]);
                let stays_rigid = is_rigid && elastic > least;
                all.push((least, stays_rigid, parent));
                if stays_rigid {
                    all.push((elastic, false, parent));
                }
            }
        }
        all.retain(|a| a.0 != u32::MAX);
        all.sort_unstable();
        let mut found = Vec::new();
        for run in all.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let parents = self.collected(|_, words| run.iter().flat_map(|a| &cfg.side(side).useful_up[a.2 as usize]).for_each(|&y| insert(words, y)));
            let parents = self.common(parents, expected);
            found.extend((parents != SymbolSets::EMPTY).then_some((run[0].0, run[0].1, parents)));
        }
        let found: Continued = found.into();
        self.bytes += 64 + found.len() * 12;
        self.continued.insert(key, found.clone());
        found
    }

    /// Of symbols that wait, those that one more token of a gap leaves as they are, and the others.
    pub(super) fn pumped(&mut self, costs: &Arc<Costs>, side: Side, waiting: Symbols) -> (Symbols, Symbols) {
        let inner = self.inner(costs, side);
        let pumped = self.common(waiting, inner.pumps);
        (pumped, self.minus(waiting, pumped))
    }

    /// What waits inside a gap whatever stands around it.
    pub(super) fn inner(&mut self, costs: &Arc<Costs>, side: Side) -> Arc<Inner> {
        let key = (self.key(costs), side);
        if let Some(known) = self.inner.get(&key) {
            return known.clone();
        }
        let costs = &costs.sides[side as usize];
        let mut by_cost = |cost: &dyn Fn(Symbol) -> u32| -> Box<[(u32, Symbols)]> {
            let mut all: Vec<(u32, Symbol)> = costs.inner.iter().map(|&w| (cost(w), w)).filter(|a| a.0 != u32::MAX).collect();
            all.sort_unstable();
            let mut of_cost = |run: &[(u32, Symbol)]| (run[0].0, self.collected(|_, words| run.iter().for_each(|a| insert(words, a.1))));
            all.chunk_by(|a, b| a.0 == b.0).map(&mut of_cost).collect()
        };
        let (least, elastic) = (|w: Symbol| costs.least[w as usize], |w: Symbol| costs.elastic[w as usize]);
        let later = |w: Symbol| if elastic(w) == least(w) { u32::MAX } else { elastic(w) };
        let (least, elastic, later) = (by_cost(&least), by_cost(&elastic), by_cost(&later));
        let pumps = self.collected(|_, words| costs.pumps.iter().for_each(|w| insert(words, w)));
        let inner = Arc::new(Inner { least, elastic, later, pumps });
        self.inner.insert(key, inner.clone());
        inner
    }
}

#[inline]
fn insert(words: &mut [u64], symbol: Symbol) {
    words[(symbol >> 6) as usize] |= 1 << (symbol & 63);
}

#[inline]
pub(super) fn add(words: &mut [u64], more: &[u64]) {
    words.iter_mut().zip(more).for_each(|(a, b)| *a |= b);
}

#[inline]
fn hash_of(words: &[u64]) -> u64 {
    let mut hasher = FxHasher::default();
    words.iter().for_each(|word| hasher.write_u64(*word));
    hasher.finish()
}

#[inline]
fn is_empty(words: &[u64]) -> bool {
    words.iter().all(|&word| word == 0)
}
