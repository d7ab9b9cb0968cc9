//! Which keywords match the whole of the present lexeme (Lark's `UnlessCallback`).
//!
//! A state is the set of threads of all keywords after the bytes of the lexeme; keywords are strings, so
//! threads have no conditions and their order does not matter. State [`NONE`] is that of no keyword.
//! Cost: one step per (state, byte class), lazily; linear in the keywords that begin like the lexeme.

use rustc_hash::FxHashMap;

use super::TerminalId;
use super::intern::Interner;
use super::nfa::{FAIL, Pc};
use super::scanner::{HoldsId, Scanner, Thread};

pub(super) type KeywordsId = u32;
pub(super) const NONE: KeywordsId = 0;

#[derive(Clone, Debug)]
pub(super) struct Keywords {
    sets: Interner<Thread>,
    steps: FxHashMap<(KeywordsId, u8), KeywordsId>,
    pub(super) start: KeywordsId,
    /// Terminal -> the keywords that its lexeme may be, in order of preference.
    of_terminal: FxHashMap<TerminalId, Vec<TerminalId>>,
    /// Keywords assert nothing about their surroundings; any will do.
    holds: HoldsId,
}

impl Keywords {
    pub(super) fn new(scanner: &mut Scanner, starts: &[Pc], of_terminal: FxHashMap<TerminalId, Vec<TerminalId>>, holds: HoldsId) -> Keywords {
        let mut threads = Vec::new();
        for &pc in starts.iter().filter(|&&pc| pc != FAIL) {
            scanner.close_plain(pc, holds, &mut threads);
        }
        let mut sets = Interner::new();
        sets.intern(&[]);
        let start = sets.intern(&canonical(threads));
        Keywords { sets, steps: FxHashMap::default(), start, of_terminal, holds }
    }

    pub(super) fn step(&mut self, scanner: &mut Scanner, set: KeywordsId, class: u8) -> KeywordsId {
        if set == NONE {
            return NONE;
        }
        if let Some(&next) = self.steps.get(&(set, class)) {
            return next;
        }
        let byte = scanner.bytes[usize::from(class)];
        let mut threads = Vec::new();
        for &thread in self.sets.get(set) {
            scanner.step_plain(thread, byte, self.holds, &mut threads);
        }
        let next = self.sets.intern(&canonical(threads));
        self.steps.insert((set, class), next);
        next
    }

    /// The terminal that a lexeme of `terminal` becomes.
    pub(super) fn retype(&self, scanner: &Scanner, set: KeywordsId, terminal: TerminalId) -> TerminalId {
        if set == NONE {
            return terminal;
        }
        let Some(keywords) = self.of_terminal.get(&terminal) else { return terminal };
        let matched: Vec<TerminalId> = self.sets.get(set).iter().filter_map(|&t| scanner.is_match(t)).collect();
        keywords.iter().copied().find(|keyword| matched.contains(keyword)).unwrap_or(terminal)
    }

    pub(super) fn n_states(&self) -> usize {
        self.sets.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.sets.memory_bytes() + self.steps.capacity() * 16
    }
}

fn canonical(mut threads: Vec<Thread>) -> Vec<Thread> {
    threads.sort_unstable();
    threads.dedup();
    threads
}
