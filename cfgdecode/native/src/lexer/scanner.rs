//! The lazily determinised machine: lists of threads, what they still wait for, and their steps by a byte.
//!
//! Three kinds of state, each a number for a slice:
//! - a *list* is the ordered threads of the present lexeme, as in RE2's and regex-automata's lazy DFA; in the
//!   dynamic modes the threads of one terminal form a group, and groups do not interact;
//! - a *look* is a set of threads and means "some thread matches a prefix of the text that follows";
//! - a *condition* is a promise about the text that follows: one look that must not hold and any number
//!   that must. Look-aheads give threads their conditions; ending a lexeme at an accept gives the rest of
//!   the text the condition that no thread before the accept ever matches.
//!
//! Together they are an alternating automaton (Brzozowski & Leiss 1980). This file has threads and lists;
//! `looks.rs` and `conditions.rs` the other two, `prefixes.rs` what `dynamic_complete` needs besides.
//!
//! A list also keeps matches that ended earlier and still wait for their condition (`PAST`): were the condition
//! to hold, that match would have been preferred to all behind it.
//!
//! Invariants: a list's group ends with its first unconditional match; a list holds a thread that
//! consumes or a match just reached in each group; looks are sorted; look 0 = false, look 1 = true;
//! condition 0 = true, [`NEVER`] = false. Consuming threads always reach a match (see `nfa.rs`).
//! Cost: a step is linear in the threads plus what they pass, once per (state, byte class, assertions).
//! `LexerLimits::dfa_states` bounds the number of slices, and their total length at [`CELLS_PER_STATE`] each.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::TerminalId;
use super::charset::{self, CharState};
use super::history::History;
use super::intern::Interner;
use super::nfa::{FAIL, Inst, Pc, Program};

pub(super) type ListId = u32;
pub(super) type LookId = u32;
pub(super) type CondId = u32;
/// Which look-behinds hold at a position, and whether it is the text's start (bit 0).
pub(super) type HoldsId = u32;

pub(super) const EMPTY: ListId = 0;
pub(super) const LOOK_FALSE: LookId = 0;
pub(super) const LOOK_TRUE: LookId = 1;
pub(super) const ALWAYS: CondId = 0;
pub(super) const NEVER: CondId = u32::MAX;
/// In looks all `Match`es are alike.
pub(super) const MATCHED: Pc = u32::MAX;
/// In looks: a prefix (see `prefixes.rs`), whose number is `sub`.
pub(super) const PREFIX: Pc = u32::MAX - 1;
/// `sub` of a match that was reached before the present position.
const PAST: u32 = 1;
const CELLS_PER_STATE: usize = 32;

/// A place in the program: instruction, how far inside of it, and the condition picked up on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Thread {
    pub(super) pc: Pc,
    /// `Lit`: bytes read; `Set`: state of the set's automaton; `Match`: 0 just now, [`PAST`] before.
    pub(super) sub: u32,
    pub(super) cond: CondId,
}

/// Both kinds of assertions: in the whole text, and in the lexeme by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Holds {
    pub(super) text: HoldsId,
    pub(super) lexeme: HoldsId,
}

/// One way in which the lexeme may end here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accept {
    pub(super) terminal: TerminalId,
    pub(super) cond: CondId,
    /// The same without "no longer match is preferred".
    pub(super) own_cond: CondId,
    /// The match is one in a prefix of the lexeme.
    pub(super) is_prefix: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Scanner {
    pub(super) program: Program,
    pub(super) history: History,
    /// In [`super::Mode::Basic`] all terminals are one group.
    pub(super) one_group: bool,
    /// What stands for an instruction in threads.
    places: Vec<Pc>,
    /// What stands for it in looks.
    pub(super) alike: Vec<Pc>,
    /// Instructions that a match follows, whatever comes next.
    pub(super) is_sure: Vec<bool>,
    /// Instructions behind which nothing is asserted.
    pub(super) free: Vec<bool>,
    /// Owners from here on match prefixes for the terminal that is this much less.
    pub(super) first_prefix: u32,
    pub(super) class_of: [u8; 256],
    /// A byte of each class.
    pub(super) bytes: Vec<u8>,
    pub(super) lists: Interner<Thread>,
    pub(super) prefixes: Interner<u32>,
    pub(super) looks: Interner<Thread>,
    /// `[negative look, positive looks...]`.
    pub(super) conds: Interner<u32>,
    /// Bit sets, as words.
    holds: Interner<u64>,
    pub(super) list_steps: FxHashMap<(ListId, u8, Holds), ListId>,
    pub(super) look_steps: FxHashMap<(LookId, u8, HoldsId), LookId>,
    pub(super) cond_steps: FxHashMap<(CondId, u8, HoldsId), CondId>,
    pub(super) look_starts: FxHashMap<(Pc, HoldsId), LookId>,
    pub(super) inclusions: FxHashMap<(CharState, CharState), bool>,
    dfa_states: usize,
    pub(super) is_full: bool,
}

/// The threads found so far in one step.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    pub(super) threads: Vec<Thread>,
    visited: FxHashSet<(Pc, u64, CondId)>,
    conds_at: FxHashMap<(Pc, u32), SmallVec<[CondId; 2]>>,
    /// An unconditional match ends the (group of the) list.
    is_ordered: bool,
}

pub(super) enum Advance {
    Dies,
    Stays(u32),
    Passes(Pc),
}

impl Scanner {
    pub(super) fn new(program: Program, one_group: bool, first_prefix: u32, (class_of, bytes): ([u8; 256], Vec<u8>), dfa_states: usize) -> Scanner {
        let (alike, is_sure) = program.alike();
        let mut scanner = Scanner {
            history: History::new(&program),
            places: program.places(),
            alike,
            is_sure,
            free: program.free(),
            program,
            one_group,
            first_prefix,
            class_of,
            bytes,
            prefixes: Interner::new(),
            lists: Interner::new(),
            looks: Interner::new(),
            conds: Interner::new(),
            holds: Interner::new(),
            list_steps: FxHashMap::default(),
            look_steps: FxHashMap::default(),
            cond_steps: FxHashMap::default(),
            look_starts: FxHashMap::default(),
            inclusions: FxHashMap::default(),
            dfa_states,
            is_full: false,
        };
        scanner.lists.intern(&[]);
        scanner.looks.intern(&[]);
        scanner.looks.intern(&[Thread { pc: MATCHED, sub: 0, cond: ALWAYS }]);
        scanner.conds.intern(&[LOOK_FALSE]);
        scanner.begin_history();
        scanner
    }

    pub(super) fn intern_holds(&mut self, words: &[u64]) -> HoldsId {
        self.holds.intern(words)
    }

    pub(super) fn holds(&self, holds: HoldsId, bit: u32) -> bool {
        self.holds.get(holds).get(bit as usize / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Remembers that a limit was hit; whatever is computed from then on may be wrong.
    pub(super) fn check_limits(&mut self) {
        let n = self.lists.len() + self.looks.len() + self.conds.len() + self.prefixes.len() + self.history.states.len();
        let cells = self.lists.n_cells() + self.looks.n_cells() + self.conds.n_cells() / 3;
        if n > self.dfa_states.saturating_add(8) || cells > self.dfa_states.saturating_mul(CELLS_PER_STATE).saturating_add(1 << 20) {
            self.is_full = true;
        }
    }

    pub(super) fn group_of(&self, pc: Pc) -> u32 {
        if self.one_group { 0 } else { self.program.owners[pc as usize] }
    }

    pub(super) fn is_prefix_group(&self, group: u32) -> bool {
        !self.one_group && group >= self.first_prefix
    }

    pub(super) fn is_match(&self, thread: Thread) -> Option<TerminalId> {
        match self.program.insts[thread.pc as usize] {
            Inst::Match { terminal } => Some(terminal),
            _ => None,
        }
    }

    pub(super) fn advance(&self, thread: Thread, byte: u8) -> Advance {
        match self.program.insts[thread.pc as usize] {
            Inst::Lit { at, len, next } => {
                if self.program.bytes[(at + thread.sub) as usize] != byte {
                    Advance::Dies
                } else if thread.sub + 1 == len {
                    Advance::Passes(next)
                } else {
                    Advance::Stays(thread.sub + 1)
                }
            }
            Inst::Set { next, .. } => match self.program.sets.step(thread.sub, byte) {
                charset::NOTHING => Advance::Dies,
                charset::ACCEPT => Advance::Passes(next),
                state => Advance::Stays(state),
            },
            _ => Advance::Dies,
        }
    }

    /// Adds a thread unless one with the same future and a weaker condition is there already.
    pub(super) fn emit(&mut self, frontier: &mut Frontier, thread: Thread) {
        let earlier = frontier.conds_at.entry((thread.pc, thread.sub)).or_default();
        if earlier.iter().any(|&cond| self.implies(thread.cond, cond)) {
            return;
        }
        earlier.push(thread.cond);
        frontier.threads.push(thread);
    }

    /// Adds the threads that `pc` leads to without reading. True if the group ends here.
    pub(super) fn close(&mut self, pc: Pc, cond: CondId, holds: HoldsId, frontier: &mut Frontier) -> bool {
        let mut stack: SmallVec<[(Pc, u64, CondId); 8]> = SmallVec::new();
        stack.push((pc, 0, cond));
        while let Some((pc, flags, cond)) = stack.pop() {
            let inst = self.program.insts[pc as usize];
            let sub = match inst {
                Inst::Lit { .. } | Inst::Match { .. } => Some(0),
                Inst::Set { root, .. } => Some(root),
                _ => None,
            };
            if let Some(sub) = sub {
                self.emit(frontier, Thread { pc: self.places[pc as usize], sub, cond });
                if frontier.is_ordered && cond == ALWAYS && matches!(inst, Inst::Match { .. }) {
                    return true;
                }
                continue;
            }
            if !frontier.visited.insert((pc, flags, cond)) {
                continue;
            }
            match inst {
                Inst::Split { first, second } => {
                    stack.push((second, flags, cond));
                    stack.push((first, flags, cond));
                }
                Inst::Until { depth, greedy, body, exit } => {
                    let bit = 1 << depth;
                    let leave = (exit, flags & !bit, cond);
                    let again = (body, flags | bit, cond);
                    if flags & bit != 0 {
                        stack.push(leave);
                    } else if greedy {
                        stack.push(leave);
                        stack.push(again);
                    } else {
                        stack.push(again);
                        stack.push(leave);
                    }
                }
                Inst::Look { negate, start, next } => {
                    let look = self.look_start(start, holds);
                    let cond = self.with_look(cond, look, negate);
                    if cond != NEVER {
                        stack.push((next, flags, cond));
                    }
                }
                Inst::Behind { index, negate, next } => {
                    if self.holds(holds, index + 1) != negate {
                        stack.push((next, flags, cond));
                    }
                }
                Inst::Start { next } => {
                    if self.holds(holds, 0) {
                        stack.push((next, flags, cond));
                    }
                }
                Inst::Fail | Inst::Lit { .. } | Inst::Set { .. } | Inst::Match { .. } => {}
            }
        }
        false
    }

    /// The list before the first byte of a lexeme. A match of length zero is no match.
    pub(super) fn start_list(&mut self, starts: &[Pc], holds: Holds) -> ListId {
        // Not ordered: a match of length zero must not end the group.
        let mut frontier = Frontier::default();
        for &pc in starts {
            if pc != FAIL {
                let is_prefix = self.is_prefix_group(self.group_of(pc));
                self.close(pc, ALWAYS, if is_prefix { holds.lexeme } else { holds.text }, &mut frontier);
            }
        }
        frontier.threads.retain(|t| !matches!(self.program.insts[t.pc as usize], Inst::Match { .. }));
        self.check_limits();
        self.lists.intern(&frontier.threads)
    }

    /// The list after one more byte; `holds` is about the position behind it.
    pub(super) fn step_list(&mut self, list: ListId, class: u8, holds: Holds) -> ListId {
        if let Some(&next) = self.list_steps.get(&(list, class, holds)) {
            return next;
        }
        let byte = self.bytes[usize::from(class)];
        let mut frontier = Frontier { is_ordered: true, ..Frontier::default() };
        let mut ended = None;
        for i in 0..self.lists.get(list).len() {
            let thread = self.lists.get(list)[i];
            let group = self.group_of(thread.pc);
            if ended == Some(group) {
                continue;
            }
            let is_match = self.is_match(thread).is_some();
            if is_match && thread.cond == ALWAYS {
                continue;
            }
            let advance = if is_match { Advance::Stays(PAST) } else { self.advance(thread, byte) };
            if matches!(advance, Advance::Dies) {
                continue;
            }
            let holds = if self.is_prefix_group(group) { holds.lexeme } else { holds.text };
            let cond = self.step_cond(thread.cond, class, holds);
            if cond == NEVER {
                continue;
            }
            if is_match && cond == ALWAYS {
                ended = Some(group);
                continue;
            }
            let ends = match advance {
                Advance::Dies => false,
                Advance::Stays(sub) => {
                    self.emit(&mut frontier, Thread { pc: thread.pc, sub, cond });
                    false
                }
                Advance::Passes(next) => self.close(next, cond, holds, &mut frontier),
            };
            if ends {
                ended = Some(group);
            }
        }
        self.drop_idle(&mut frontier.threads);
        self.drop_idle_prefixes(&mut frontier.threads);
        let next = self.lists.intern(&frontier.threads);
        self.list_steps.insert((list, class, holds), next);
        self.check_limits();
        next
    }

    /// Whether no thread has, or ever gets, a condition.
    pub(super) fn is_free(&self, list: ListId) -> bool {
        self.lists.get(list).iter().all(|t| t.cond == ALWAYS && self.free[t.pc as usize])
    }

    /// Drops past matches that no thread of their group comes after.
    pub(super) fn drop_idle(&self, threads: &mut Vec<Thread>) {
        if !threads.iter().any(|&t| t.sub == PAST && self.is_match(t).is_some()) {
            return;
        }
        let mut kept = Vec::with_capacity(threads.len());
        let mut alive = None;
        for &thread in threads.iter().rev() {
            let group = self.group_of(thread.pc);
            if self.is_match(thread).is_none() || thread.sub != PAST {
                alive = Some(group);
            }
            if alive == Some(group) {
                kept.push(thread);
            }
        }
        kept.reverse();
        *threads = kept;
    }

    /// Drops the matches in prefixes of lexemes that cannot be any more.
    pub(super) fn drop_idle_prefixes(&self, threads: &mut Vec<Thread>) {
        // Groups are in order, those of prefixes last.
        let groups: Vec<u32> = threads.iter().map(|t| self.group_of(t.pc)).collect();
        let first = groups.partition_point(|&group| !self.is_prefix_group(group));
        if groups.last().is_some_and(|&group| self.is_prefix_group(group)) {
            let mut i = 0;
            threads.retain(|_| {
                i += 1;
                let group = groups[i - 1];
                !self.is_prefix_group(group) || groups[..first].binary_search(&(group - self.first_prefix)).is_ok()
            });
        }
    }

    /// The ways in which the lexeme may end in this list's position, in the order of the list.
    pub(super) fn accepts(&mut self, list: ListId) -> Vec<Accept> {
        let mut accepts = Vec::new();
        let mut group = None;
        let mut before: Vec<Thread> = Vec::new();
        for i in 0..self.lists.get(list).len() {
            let thread = self.lists.get(list)[i];
            if group != Some(self.group_of(thread.pc)) {
                group = Some(self.group_of(thread.pc));
                before.clear();
            }
            if let (Some(terminal), 0) = (self.is_match(thread), thread.sub) {
                // Another condition for the same end and terminal is no rival.
                let rivals = before.iter().filter(|t| t.sub != 0 || self.is_match(**t) != Some(terminal));
                let rivals: Vec<Thread> = rivals.copied().collect();
                let look = self.look(rivals);
                let cond = self.with_look(thread.cond, look, true);
                if cond != NEVER {
                    let is_prefix = group.is_some_and(|group| self.is_prefix_group(group));
                    accepts.push(Accept { terminal, cond, own_cond: thread.cond, is_prefix });
                }
            }
            before.push(thread);
        }
        accepts
    }

    /// Adds what `pc` leads to; conditions cannot arise in these programs.
    pub(super) fn close_plain(&mut self, pc: Pc, holds: HoldsId, threads: &mut Vec<Thread>) {
        let mut frontier = Frontier::default();
        self.close(pc, ALWAYS, holds, &mut frontier);
        threads.append(&mut frontier.threads);
    }

    /// Adds what the thread becomes by the byte.
    pub(super) fn step_plain(&mut self, thread: Thread, byte: u8, holds: HoldsId, threads: &mut Vec<Thread>) {
        match self.advance(thread, byte) {
            Advance::Dies => {}
            Advance::Stays(sub) => threads.push(Thread { sub, ..thread }),
            Advance::Passes(next) => self.close_plain(next, holds, threads),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let states = self.history.memory_bytes() + self.prefixes.memory_bytes();
        let memo = (self.list_steps.capacity() + self.look_steps.capacity() + self.cond_steps.capacity()) * 20;
        let states = states + self.lists.memory_bytes() + self.looks.memory_bytes() + self.conds.memory_bytes();
        self.program.memory_bytes() + memo + states + self.holds.memory_bytes()
    }

    pub(super) fn show_cond(&self, cond: CondId) -> String {
        match cond {
            ALWAYS => "nothing".to_owned(),
            NEVER => "the impossible".to_owned(),
            _ => {
                let looks = self.conds.get(cond);
                let not = (looks[0] != LOOK_FALSE).then(|| format!("not {}", self.show_look(looks[0])));
                let musts = looks[1..].iter().map(|&look| self.show_look(look));
                not.into_iter().chain(musts).collect::<Vec<_>>().join(" and ")
            }
        }
    }

    pub(super) fn show_look(&self, look: LookId) -> String {
        let shown: Vec<String> = self.looks.get(look).iter().map(|&t| self.show_thread(t)).collect();
        format!("{{{}}}", shown.join(" "))
    }

    pub(super) fn show_thread(&self, thread: Thread) -> String {
        let place = match thread.pc {
            MATCHED => "match".to_owned(),
            PREFIX => format!("prefix {}", thread.sub),
            pc => format!("{pc}.{}", thread.sub),
        };
        match thread.cond {
            ALWAYS => place,
            cond => format!("{place} if ({})", self.show_cond(cond)),
        }
    }
}
