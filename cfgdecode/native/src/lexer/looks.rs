//! Looks: sets of threads that ask whether some of them matches a prefix of the text that follows.
//!
//! A look is put into a normal form, since every look that is pending makes a configuration of its own:
//! matches are one instruction; instructions that read the same and then surely match are one
//! (`Program::alike`); a thread is dropped if another one matches whenever it does, as far as that is easily
//! seen (*covered*): same place and weaker condition, or a character set or text that includes what it reads next.
//!
//! Invariants: threads are sorted; `LOOK_TRUE` is the only look with an unconditional match, `LOOK_FALSE` the
//! only one without threads.
//! Cost: O(threads · log) to build, and at most [`MAX_COVERING`] threads are tried as covers of the others.

use smallvec::SmallVec;

use super::charset;
use super::nfa::{Inst, Pc};
use super::scanner::{ALWAYS, Advance, CondId, Frontier, HoldsId, LOOK_FALSE, LOOK_TRUE, LookId, MATCHED, NEVER, PREFIX, Scanner, Thread};

const MAX_COVERING: usize = 8;

impl Scanner {
    pub(super) fn look_start(&mut self, start: Pc, holds: HoldsId) -> LookId {
        if let Some(&look) = self.look_starts.get(&(start, holds)) {
            return look;
        }
        let mut frontier = Frontier::default();
        self.close(start, ALWAYS, holds, &mut frontier);
        let look = self.look(frontier.threads);
        self.look_starts.insert((start, holds), look);
        look
    }

    /// The look that holds iff one of the threads matches.
    pub(super) fn look(&mut self, mut threads: Vec<Thread>) -> LookId {
        for thread in &mut threads {
            if thread.pc >= PREFIX {
                continue;
            }
            if self.is_match(*thread).is_some() {
                (thread.pc, thread.sub) = (MATCHED, 0);
            } else {
                thread.pc = self.alike[thread.pc as usize];
            }
        }
        // Within one place the weakest condition, ALWAYS, comes first.
        threads.sort_unstable();
        threads.dedup();
        let mut free = None;
        threads.retain(|t| {
            let place = (t.pc, t.sub);
            if t.cond == ALWAYS {
                free = Some(place);
                return true;
            }
            t.cond != NEVER && free != Some(place)
        });
        if threads.last().is_some_and(|t| t.pc == MATCHED && t.cond == ALWAYS) {
            return LOOK_TRUE;
        }
        self.drop_covered(&mut threads);
        let first = threads.partition_point(|t| t.pc < MATCHED);
        let matched: SmallVec<[CondId; 4]> = threads[first..].iter().map(|t| t.cond).collect();
        if !matched.is_empty() {
            // Whatever needs more than a match needs is of no use beside it.
            threads.retain(|t| !matched.iter().any(|&c| (t.pc != MATCHED || t.cond != c) && self.implies(t.cond, c)));
        }
        self.check_limits();
        self.looks.intern(&threads)
    }

    /// Drops threads that cannot match unless one does that matches after its next character for sure.
    pub(super) fn drop_covered(&mut self, threads: &mut Vec<Thread>) {
        if threads.len() < 2 {
            return;
        }
        let is_sure = |t: &&Thread| t.pc < PREFIX && self.is_sure[t.pc as usize];
        let sure: SmallVec<[Thread; 8]> = threads.iter().filter(is_sure).take(MAX_COVERING).copied().collect();
        for by in sure {
            // Two may cover each other; the one that was dropped no longer counts.
            if !threads.contains(&by) {
                continue;
            }
            let mut i = 0;
            while i < threads.len() {
                let thread = threads[i];
                if thread != by && self.implies(thread.cond, by.cond) && self.is_covered(thread, by) {
                    threads.remove(i);
                } else {
                    i += 1;
                }
            }
        }
    }

    /// Whether what `thread` reads next begins with something that `by` reads to the end of its instruction.
    pub(super) fn is_covered(&mut self, thread: Thread, by: Thread) -> bool {
        if thread.pc >= PREFIX {
            return false;
        }
        let rest = |at: u32, len: u32, t: Thread| &self.program.bytes[(at + t.sub) as usize..(at + len) as usize];
        match (self.program.insts[thread.pc as usize], self.program.insts[by.pc as usize]) {
            (Inst::Set { .. }, Inst::Set { .. }) => {
                let sets = &self.program.sets;
                let included = self.inclusions.entry((thread.sub, by.sub));
                *included.or_insert_with(|| sets.is_included(thread.sub, by.sub))
            }
            (Inst::Lit { at, len, .. }, Inst::Set { .. }) => {
                let mut state = by.sub;
                for &byte in rest(at, len, thread) {
                    state = self.program.sets.step(state, byte);
                    if state <= charset::ACCEPT {
                        break;
                    }
                }
                state == charset::ACCEPT
            }
            (Inst::Lit { at, len, .. }, Inst::Lit { at: by_at, len: by_len, .. }) => rest(at, len, thread).starts_with(rest(by_at, by_len, by)),
            _ => false,
        }
    }

    pub(super) fn union(&mut self, a: LookId, b: LookId) -> LookId {
        match (a, b) {
            (LOOK_FALSE, other) | (other, LOOK_FALSE) => other,
            (LOOK_TRUE, _) | (_, LOOK_TRUE) => LOOK_TRUE,
            (a, b) if a == b => a,
            (a, b) => {
                let mut threads = self.looks.get(a).to_vec();
                threads.extend_from_slice(self.looks.get(b));
                self.look(threads)
            }
        }
    }

    /// The look without the threads that another one has.
    pub(super) fn minus(&mut self, look: LookId, other: LookId) -> LookId {
        if look <= LOOK_TRUE || other == LOOK_FALSE {
            return look;
        }
        let others = self.looks.get(other);
        let threads = self.looks.get(look);
        if !threads.iter().any(|t| others.binary_search(t).is_ok()) {
            return look;
        }
        let rest = threads.iter().filter(|t| others.binary_search(t).is_err()).copied().collect();
        self.look(rest)
    }

    pub(super) fn is_subset(&self, a: LookId, b: LookId) -> bool {
        if a == b || a == LOOK_FALSE || b == LOOK_TRUE {
            return true;
        }
        let others = self.looks.get(b);
        self.looks.get(a).iter().all(|t| others.binary_search(t).is_ok())
    }

    pub(super) fn step_look(&mut self, look: LookId, class: u8, holds: HoldsId) -> LookId {
        if look <= LOOK_TRUE {
            return look;
        }
        if let Some(&next) = self.look_steps.get(&(look, class, holds)) {
            return next;
        }
        let byte = self.bytes[usize::from(class)];
        let mut frontier = Frontier::default();
        for i in 0..self.looks.get(look).len() {
            let thread = self.looks.get(look)[i];
            if thread.pc == PREFIX {
                self.step_prefix(thread.sub, class, holds, &mut frontier.threads);
                continue;
            }
            let advance = if thread.pc == MATCHED { Advance::Stays(0) } else { self.advance(thread, byte) };
            if matches!(advance, Advance::Dies) {
                continue;
            }
            let cond = self.step_cond(thread.cond, class, holds);
            if cond == NEVER {
                continue;
            }
            match advance {
                Advance::Dies => {}
                Advance::Stays(sub) => frontier.threads.push(Thread { pc: thread.pc, sub, cond }),
                Advance::Passes(next) => {
                    self.close(next, cond, holds, &mut frontier);
                }
            }
        }
        let next = self.look(frontier.threads);
        self.look_steps.insert((look, class, holds), next);
        next
    }

    pub(super) fn look_holds_at_end(&self, look: LookId) -> bool {
        let threads = self.looks.get(look);
        threads.iter().any(|t| t.pc == MATCHED && self.holds_at_end(t.cond))
    }
}
