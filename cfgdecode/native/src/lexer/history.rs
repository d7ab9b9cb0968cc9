//! What look-behinds and "start of text" need to know about the text so far.
//!
//! A history is the state of one automaton that reads the whole text: for each look-behind, the threads of
//! its matches that may end here or later; and the set of look-behinds that hold here (bit i + 1; bit 0
//! is "start of text"). Any regular look-behind works, fixed width or not.
//!
//! Invariants: history [`UNTOUCHED`] is that of a text of which nothing relevant is known, and the only one
//! if there are no look-behinds and no "start of text". Look-behinds nested in another have lower numbers.
//! Cost: one step per (history, byte class), lazily; `LexerLimits::dfa_states` bounds the histories.

use rustc_hash::FxHashMap;

use super::intern::Interner;
use super::nfa::Program;
use super::scanner::{ALWAYS, HoldsId, Scanner, Thread};

pub(super) type HistoryId = u32;
pub(super) const UNTOUCHED: HistoryId = 0;
/// Stands between the threads of one look-behind and those of the next.
const SEPARATOR: Thread = Thread { pc: 0, sub: 0, cond: ALWAYS };

#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) states: Interner<Thread>,
    holds: Vec<HoldsId>,
    steps: FxHashMap<(HistoryId, u8), HistoryId>,
    forgotten: FxHashMap<HistoryId, HistoryId>,
    /// History at position 0.
    pub(super) at_start: HistoryId,
    is_trivial: bool,
}

impl History {
    pub(super) fn new(program: &Program) -> History {
        History {
            states: Interner::new(),
            holds: Vec::new(),
            steps: FxHashMap::default(),
            forgotten: FxHashMap::default(),
            at_start: UNTOUCHED,
            is_trivial: program.behinds.is_empty() && !program.uses_start,
        }
    }

    pub(super) fn holds(&self, history: HistoryId) -> HoldsId {
        self.holds[history as usize]
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.states.memory_bytes() + self.holds.capacity() * 4 + (self.steps.capacity() + self.forgotten.capacity()) * 16
    }
}

impl Scanner {
    pub(super) fn begin_history(&mut self) {
        self.history_of(&[], None, false);
        if self.program.uses_start {
            self.history.at_start = self.history_of(&[], None, true);
        }
    }

    pub(super) fn step_history(&mut self, history: HistoryId, class: u8) -> HistoryId {
        if self.history.is_trivial {
            return UNTOUCHED;
        }
        if let Some(&next) = self.history.steps.get(&(history, class)) {
            return next;
        }
        let threads = self.history.states.get(history).to_vec();
        let byte = self.bytes[usize::from(class)];
        let next = self.history_of(&threads, Some(byte), false);
        self.history.steps.insert((history, class), next);
        next
    }

    /// The history without what only look-behinds inside the lexeme just ended wanted to know.
    pub(super) fn forget_local(&mut self, history: HistoryId) -> HistoryId {
        if self.history.is_trivial || history == self.history.at_start {
            return history;
        }
        if let Some(&next) = self.history.forgotten.get(&history) {
            return next;
        }
        let blank = self.history.states.get(UNTOUCHED);
        let full = self.history.states.get(history);
        let parts = full.split(|t| *t == SEPARATOR).zip(blank.split(|t| *t == SEPARATOR));
        let mut kept = Vec::new();
        for (behind, (mine, untouched)) in self.program.behinds.iter().zip(parts) {
            kept.extend_from_slice(if behind.is_local { untouched } else { mine });
            kept.push(SEPARATOR);
        }
        let next = self.number_history(&kept, false);
        self.history.forgotten.insert(history, next);
        next
    }

    /// The history after `threads` read `byte` (or that of no text, if there is no byte).
    fn history_of(&mut self, threads: &[Thread], byte: Option<u8>, is_start: bool) -> HistoryId {
        let starts: Vec<u32> = self.program.behinds.iter().map(|behind| behind.start).collect();
        let mut parts = threads.split(|t| *t == SEPARATOR);
        let mut words = vec![0u64; starts.len() / 64 + 1];
        words[0] = u64::from(is_start);
        let mut all = Vec::new();
        for (i, &start) in starts.iter().enumerate() {
            // The look-behinds nested in this one are known by now.
            let holds = self.intern_holds(&words);
            let mut mine = Vec::new();
            if let Some(byte) = byte {
                for &thread in parts.next().unwrap_or(&[]) {
                    self.step_plain(thread, byte, holds, &mut mine);
                }
            }
            self.close_plain(start, holds, &mut mine);
            mine.sort_unstable();
            mine.dedup();
            if mine.iter().any(|&t| self.is_match(t).is_some()) {
                words[(i + 1) / 64] |= 1 << ((i + 1) % 64);
            }
            all.append(&mut mine);
            all.push(SEPARATOR);
        }
        self.number_history(&all, is_start)
    }

    /// The history with these threads. A match among the threads says that its look-behind holds.
    fn number_history(&mut self, threads: &[Thread], is_start: bool) -> HistoryId {
        let mut words = vec![0u64; self.program.behinds.len() / 64 + 1];
        for &thread in threads {
            if let Some(index) = self.is_match(thread) {
                let bit = index as usize + 1;
                words[bit / 64] |= 1 << (bit % 64);
            }
        }
        words[0] |= u64::from(is_start);
        let mut key = threads.to_vec();
        if is_start {
            key.push(SEPARATOR);
        }
        let id = self.history.states.intern(&key);
        if id as usize == self.history.holds.len() {
            let holds = self.intern_holds(&words);
            self.history.holds.push(holds);
            self.check_limits();
        }
        id
    }
}
