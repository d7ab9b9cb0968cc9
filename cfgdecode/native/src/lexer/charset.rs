//! Sets of characters as small automata over the bytes of their UTF-8 encodings.
//!
//! A state stands for the encodings' possible rests; a character is read when [`ACCEPT`] is reached.
//! States are shared by all sets and equal rests are one state, so every automaton is minimal and a set
//! costs one instruction in the program, however many ranges it has.
//!
//! Invariants: every state but [`NOTHING`] reaches [`ACCEPT`]; the arcs of a state are sorted, disjoint.
//! Surrogates have no encoding and are left out.
//! Cost: O(states · 64 · ranges) once per distinct set; a step is a binary search in the state's arcs.
//! Source: the construction by prefix is that of Thompson's `utf8` compiler in RE2, with tails interned.

use rustc_hash::FxHashMap;

pub(super) type CharState = u32;
pub(super) const NOTHING: CharState = 0;
pub(super) const ACCEPT: CharState = 1;
/// Reads any one byte: what must not follow the end of the text.
pub(super) const ANY_BYTE: CharState = 2;

type Ranges = Vec<(u32, u32)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Arc {
    low: u8,
    high: u8,
    to: CharState,
}

#[derive(Clone, Debug)]
pub(super) struct CharSets {
    states: Vec<Vec<Arc>>,
    /// (continuation bytes left, their values) -> state.
    tails: FxHashMap<(u32, Ranges), CharState>,
    roots: FxHashMap<Ranges, CharState>,
}

impl CharSets {
    pub(super) fn new() -> CharSets {
        let any = vec![Arc { low: 0, high: 255, to: ACCEPT }];
        CharSets { states: vec![vec![], vec![], any], tails: FxHashMap::default(), roots: FxHashMap::default() }
    }

    pub(super) fn step(&self, state: CharState, byte: u8) -> CharState {
        let arcs = &self.states[state as usize];
        let i = arcs.partition_point(|arc| arc.high < byte);
        match arcs.get(i) {
            Some(arc) if arc.low <= byte => arc.to,
            _ => NOTHING,
        }
    }

    /// Whether every rest that leads from `small` to [`ACCEPT`] does so from `large`.
    pub(super) fn is_included(&self, small: CharState, large: CharState) -> bool {
        if small == large || small == NOTHING {
            return true;
        }
        if small == ACCEPT || large == ACCEPT || large == NOTHING {
            return false;
        }
        self.states[small as usize].iter().all(|arc| {
            let mut byte = arc.low;
            loop {
                let others = &self.states[large as usize];
                let i = others.partition_point(|other| other.high < byte);
                match others.get(i) {
                    Some(other) if other.low <= byte && self.is_included(arc.to, other.to) => {
                        if other.high >= arc.high {
                            return true;
                        }
                        byte = other.high + 1;
                    }
                    _ => return false,
                }
            }
        })
    }

    pub(super) fn n_states(&self) -> usize {
        self.states.len()
    }

    /// The initial state of the set's automaton; [`NOTHING`] if the set is empty.
    pub(super) fn root(&mut self, ranges: &[(u32, u32)]) -> CharState {
        let ranges = normalized(ranges);
        if let Some(&root) = self.roots.get(&ranges) {
            return root;
        }
        let mut arcs = Vec::new();
        for &(low, high) in clipped(&ranges, 0, 0x7F).iter() {
            arcs.push(Arc { low: low as u8, high: high as u8, to: ACCEPT });
        }
        for (n_tails, first, last, lead) in [(1, 0x80, 0x7FF, 0xC0), (2, 0x800, 0xFFFF, 0xE0), (3, 0x1_0000, 0x10_FFFF, 0xF0)] {
            let part = clipped(&ranges, first, last);
            self.split(&part, n_tails, lead, &mut arcs);
        }
        let root = if arcs.is_empty() { NOTHING } else { self.push(arcs) };
        self.roots.insert(ranges, root);
        root
    }

    /// Appends the arcs by the next byte, whose value is `base` plus the bits above `n_tails` continuations.
    fn split(&mut self, ranges: &[(u32, u32)], n_tails: u32, base: u8, arcs: &mut Vec<Arc>) {
        let unit = 1u32 << (6 * n_tails);
        // (first value, last value, rest): either one value or the whole rest.
        let mut pieces: Vec<(u32, u32, (u32, u32))> = Vec::new();
        for &(low, high) in ranges {
            let (mut first, mut last) = (low / unit, high / unit);
            if first == last {
                pieces.push((first, last, (low % unit, high % unit)));
                continue;
            }
            if low % unit != 0 {
                pieces.push((first, first, (low % unit, unit - 1)));
                first += 1;
            }
            let is_cut = high % unit != unit - 1;
            last -= u32::from(is_cut);
            if first <= last {
                pieces.push((first, last, (0, unit - 1)));
            }
            if is_cut {
                pieces.push((last + 1, last + 1, (0, high % unit)));
            }
        }
        for same_value in pieces.chunk_by(|a, b| a.0 == a.1 && (a.0, a.1) == (b.0, b.1)) {
            let (first, last, _) = same_value[0];
            let to = self.tail(n_tails, same_value.iter().map(|piece| piece.2).collect());
            push_arc(arcs, base + first as u8, base + last as u8, to);
        }
    }

    fn tail(&mut self, n_tails: u32, ranges: Ranges) -> CharState {
        if n_tails == 0 {
            return ACCEPT;
        }
        let key = (n_tails, ranges);
        if let Some(&state) = self.tails.get(&key) {
            return state;
        }
        let mut arcs = Vec::new();
        self.split(&key.1, n_tails - 1, 0x80, &mut arcs);
        let state = self.push(arcs);
        self.tails.insert(key, state);
        state
    }

    fn push(&mut self, arcs: Vec<Arc>) -> CharState {
        self.states.push(arcs);
        (self.states.len() - 1) as CharState
    }
}

/// Sorted, disjoint, not adjacent, within the scalar values.
fn normalized(ranges: &[(u32, u32)]) -> Ranges {
    let mut parts: Ranges = Vec::with_capacity(ranges.len());
    for &(low, high) in ranges {
        for (first, last) in [(0, 0xD7FF), (0xE000, 0x10_FFFF)] {
            if low.max(first) <= high.min(last) {
                parts.push((low.max(first), high.min(last)));
            }
        }
    }
    parts.sort_unstable();
    let mut merged: Ranges = Vec::with_capacity(parts.len());
    for (low, high) in parts {
        match merged.last_mut() {
            Some(last) if low <= last.1 + 1 => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
}

/// Appends an arc, or widens the last one if it is the same arc for the byte before.
fn push_arc(arcs: &mut Vec<Arc>, low: u8, high: u8, to: CharState) {
    match arcs.last_mut() {
        Some(last) if last.to == to && u16::from(last.high) + 1 == u16::from(low) => last.high = high,
        _ => arcs.push(Arc { low, high, to }),
    }
}

fn clipped(ranges: &[(u32, u32)], first: u32, last: u32) -> Ranges {
    let within = ranges.iter().filter(|&&(low, high)| low <= last && high >= first);
    within.map(|&(low, high)| (low.max(first), high.min(last))).collect()
}
