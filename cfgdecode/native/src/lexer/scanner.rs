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
//! This is an alternating automaton kept in a normal form (Brzozowski & Leiss 1980): `not A and not B` is
//! `not (A or B)`, so one negative look is enough, and a positive look loses the threads that the negative
//! one forbids. Thereby nearly every promise shrinks to "nothing" after a byte or two.
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

use super::history::{History, HistoryId};
use super::intern::Interner;
use super::nfa::{FAIL, Inst, Pc, Program};
use super::{TerminalId, charset};

pub(super) type ListId = u32;
pub(super) type LookId = u32;
pub(super) type CondId = u32;
/// Which look-behinds hold at a position, and whether it is the text's start (bit 0).
pub(super) type HoldsId = u32;

pub(super) const EMPTY: ListId = 0;
const LOOK_FALSE: LookId = 0;
const LOOK_TRUE: LookId = 1;
pub(super) const ALWAYS: CondId = 0;
pub(super) const NEVER: CondId = u32::MAX;
/// In looks all `Match`es are alike.
const MATCHED: Pc = u32::MAX;
/// In looks: a [`Prefix`], whose number is `sub`.
const PREFIX: Pc = u32::MAX - 1;
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

/// "Some prefix of the lexeme, no shorter than what was read, has its match where we have guessed, and the
/// lexeme is longer": what `dynamic_complete` asks if a terminal looks around itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Prefix {
    /// To hold where the prefix ends.
    cond: CondId,
    /// The lexeme's own list.
    list: ListId,
    /// The prefix is matched without the text before it.
    history: HistoryId,
    /// Bytes until the present character ends; a prefix consists of whole characters.
    n_tails: u32,
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
    one_group: bool,
    /// What stands for an instruction in looks.
    alike: Vec<Pc>,
    /// Owners from here on match prefixes for the terminal that is this much less.
    first_prefix: u32,
    pub(super) class_of: [u8; 256],
    /// A byte of each class.
    pub(super) bytes: Vec<u8>,
    pub(super) lists: Interner<Thread>,
    prefixes: Interner<u32>,
    looks: Interner<Thread>,
    /// `[negative look, positive looks...]`.
    conds: Interner<u32>,
    /// Bit sets, as words.
    holds: Interner<u64>,
    list_steps: FxHashMap<(ListId, u8, Holds), ListId>,
    look_steps: FxHashMap<(LookId, u8, HoldsId), LookId>,
    cond_steps: FxHashMap<(CondId, u8, HoldsId), CondId>,
    look_starts: FxHashMap<(Pc, HoldsId), LookId>,
    dfa_states: usize,
    pub(super) is_full: bool,
}

/// The threads found so far in one step.
#[derive(Debug, Default)]
struct Frontier {
    threads: Vec<Thread>,
    visited: FxHashSet<(Pc, u64, CondId)>,
    conds_at: FxHashMap<(Pc, u32), SmallVec<[CondId; 2]>>,
    /// An unconditional match ends the (group of the) list.
    is_ordered: bool,
}

enum Advance {
    Dies,
    Stays(u32),
    Passes(Pc),
}

impl Scanner {
    pub(super) fn new(
        program: Program,
        one_group: bool,
        first_prefix: u32,
        (class_of, bytes): ([u8; 256], Vec<u8>),
        dfa_states: usize,
    ) -> Scanner {
        let mut scanner = Scanner {
            history: History::new(&program),
            alike: program.alike(),
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

    fn holds(&self, holds: HoldsId, bit: u32) -> bool {
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

    fn group_of(&self, pc: Pc) -> u32 {
        if self.one_group { 0 } else { self.program.owners[pc as usize] }
    }

    fn is_prefix_group(&self, group: u32) -> bool {
        !self.one_group && group >= self.first_prefix
    }

    pub(super) fn is_match(&self, thread: Thread) -> Option<TerminalId> {
        match self.program.insts[thread.pc as usize] {
            Inst::Match { terminal } => Some(terminal),
            _ => None,
        }
    }

    // --- threads -----------------------------------------------------------------------------------

    fn advance(&self, thread: Thread, byte: u8) -> Advance {
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
    fn emit(&mut self, frontier: &mut Frontier, thread: Thread) {
        let earlier = frontier.conds_at.entry((thread.pc, thread.sub)).or_default();
        if earlier.iter().any(|&cond| self.implies(thread.cond, cond)) {
            return;
        }
        earlier.push(thread.cond);
        frontier.threads.push(thread);
    }

    /// Adds the threads that `pc` leads to without reading. True if the group ends here.
    fn close(&mut self, pc: Pc, cond: CondId, holds: HoldsId, frontier: &mut Frontier) -> bool {
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
                self.emit(frontier, Thread { pc, sub, cond });
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

    // --- lists -------------------------------------------------------------------------------------

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

    /// Whether no thread has a condition.
    pub(super) fn is_free(&self, list: ListId) -> bool {
        self.lists.get(list).iter().all(|t| t.cond == ALWAYS)
    }

    /// Drops past matches that no thread of their group comes after.
    fn drop_idle(&self, threads: &mut Vec<Thread>) {
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
    fn drop_idle_prefixes(&self, threads: &mut Vec<Thread>) {
        let groups: Vec<u32> = threads.iter().map(|t| self.group_of(t.pc)).collect();
        if groups.last().is_some_and(|&group| self.is_prefix_group(group)) {
            let mut i = 0;
            threads.retain(|_| {
                i += 1;
                let group = groups[i - 1];
                !self.is_prefix_group(group) || groups.contains(&(group - self.first_prefix))
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

    // --- prefixes of lexemes ----------------------------------------------------------------------------

    /// The condition that a match in a prefix, which ends here if `cond` holds where the prefix ends, is that
    /// of some prefix of the lexeme. `history` is that of the lexeme by itself.
    pub(super) fn in_some_prefix(&mut self, list: ListId, accept: Accept, history: HistoryId) -> CondId {
        let mine = |t: &&Thread| self.group_of(t.pc) == accept.terminal;
        let threads: Vec<Thread> = self.lists.get(list).iter().filter(mine).copied().collect();
        let list = self.lists.intern(&threads);
        let mut found = Vec::new();
        self.end_prefix_or_go_on(Prefix { cond: accept.cond, list, history, n_tails: 0 }, &mut found);
        let look = self.look(found);
        self.with_look(ALWAYS, look, false)
    }

    fn end_prefix_or_go_on(&mut self, prefix: Prefix, found: &mut Vec<Thread>) {
        if prefix.n_tails == 0 && self.holds_at_end(prefix.cond) {
            self.ends_later(prefix.list, found);
            if prefix.cond == ALWAYS {
                // A longer prefix would only ask for a longer lexeme.
                return;
            }
        }
        let sub = self.prefixes.intern(&[prefix.cond, prefix.list, prefix.history, prefix.n_tails]);
        found.push(Thread { pc: PREFIX, sub, cond: ALWAYS });
    }

    /// Threads that say "the preferred match of the list ends, but not here".
    fn ends_later(&mut self, list: ListId, found: &mut Vec<Thread>) {
        let mut rivals = Vec::new();
        for i in 0..self.lists.get(list).len() {
            let thread = self.lists.get(list)[i];
            if self.is_match(thread).is_some() {
                rivals.push(thread);
                continue;
            }
            let look = self.look(rivals.clone());
            let cond = self.with_look(thread.cond, look, true);
            if cond != NEVER {
                found.push(Thread { cond, ..thread });
            }
        }
    }

    fn step_prefix(&mut self, prefix: u32, class: u8, text: HoldsId, found: &mut Vec<Thread>) {
        let &[cond, list, history, n_tails] = self.prefixes.get(prefix) else { return };
        let history = self.step_history(history, class);
        let lexeme = self.history.holds(history);
        let cond = self.step_cond(cond, class, lexeme);
        let list = self.step_list(list, class, Holds { text, lexeme });
        if cond == NEVER || list == EMPTY {
            return;
        }
        // The list lives, so the byte is part of an encoding; bytes of a class begin equally long ones.
        let n_tails = match self.bytes[usize::from(class)] {
            0..0x80 => 0,
            0x80..0xC0 => n_tails.saturating_sub(1),
            0xC0..0xE0 => 1,
            0xE0..0xF0 => 2,
            0xF0..=0xFF => 3,
        };
        self.end_prefix_or_go_on(Prefix { cond, list, history, n_tails }, found);
    }

    // --- looks -------------------------------------------------------------------------------------

    fn look_start(&mut self, start: Pc, holds: HoldsId) -> LookId {
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
    fn look(&mut self, mut threads: Vec<Thread>) -> LookId {
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
        let first = threads.partition_point(|t| t.pc < MATCHED);
        let matched: SmallVec<[CondId; 4]> = threads[first..].iter().map(|t| t.cond).collect();
        if !matched.is_empty() {
            // Whatever needs more than a match needs is of no use beside it.
            threads.retain(|t| !matched.iter().any(|&c| (t.pc != MATCHED || t.cond != c) && self.implies(t.cond, c)));
        }
        self.check_limits();
        self.looks.intern(&threads)
    }

    fn union(&mut self, a: LookId, b: LookId) -> LookId {
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
    fn minus(&mut self, look: LookId, other: LookId) -> LookId {
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

    fn is_subset(&self, a: LookId, b: LookId) -> bool {
        if a == b || a == LOOK_FALSE || b == LOOK_TRUE {
            return true;
        }
        let others = self.looks.get(b);
        self.looks.get(a).iter().all(|t| others.binary_search(t).is_ok())
    }

    fn step_look(&mut self, look: LookId, class: u8, holds: HoldsId) -> LookId {
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

    fn look_holds_at_end(&self, look: LookId) -> bool {
        let threads = self.looks.get(look);
        threads.iter().any(|t| t.pc == MATCHED && self.holds_at_end(t.cond))
    }

    // --- conditions --------------------------------------------------------------------------------

    fn parts(&self, cond: CondId) -> (LookId, SmallVec<[LookId; 4]>) {
        let looks = self.conds.get(cond);
        (looks[0], SmallVec::from_slice(&looks[1..]))
    }

    /// The normal form of "not `negative`, and all of `positive`".
    fn cond(&mut self, mut negative: LookId, mut positive: SmallVec<[LookId; 4]>) -> CondId {
        loop {
            negative = self.given(negative, negative, &positive, None);
            for i in 0..positive.len() {
                positive[i] = self.given(positive[i], negative, &positive, Some(i));
            }
            if negative == LOOK_TRUE || positive.contains(&LOOK_FALSE) {
                return NEVER;
            }
            if negative == LOOK_FALSE && positive.is_empty() {
                return ALWAYS;
            }
            if let Some((i, cond)) = self.waiting_match(negative) {
                // not (A) = A negated; not (not A) = A.
                let (inner_negative, inner_positive) = self.parts(cond);
                let mut threads = self.looks.get(negative).to_vec();
                threads.remove(i);
                negative = self.look(threads);
                negative = inner_positive.first().map_or(negative, |&look| self.union(negative, look));
                if inner_negative != LOOK_FALSE {
                    positive.push(inner_negative);
                }
                continue;
            }
            let single = positive.iter().position(|&look| {
                let threads = self.looks.get(look);
                look != LOOK_TRUE && threads.len() == 1 && threads[0].pc == MATCHED
            });
            if let Some(i) = single {
                let cond = self.looks.get(positive.remove(i))[0].cond;
                let (inner_negative, inner_positive) = self.parts(cond);
                negative = self.union(negative, inner_negative);
                positive.extend(inner_positive);
                continue;
            }
            let before = positive.clone();
            for look in &mut positive {
                *look = self.minus(*look, negative);
            }
            if positive == before {
                break;
            }
        }
        positive.retain(|look| *look != LOOK_TRUE);
        positive.sort_unstable();
        positive.dedup();
        let all = positive.clone();
        positive.retain(|look| !all.iter().any(|other| other != look && self.is_subset(*other, *look)));
        let mut looks: SmallVec<[u32; 5]> = SmallVec::new();
        looks.push(negative);
        looks.extend(positive);
        self.check_limits();
        self.conds.intern(&looks)
    }

    /// The look, where it is known that `negative` does not hold and `positive` hold (but for the one at `except`).
    fn given(&mut self, look: LookId, negative: LookId, positive: &[LookId], except: Option<usize>) -> LookId {
        if self.looks.get(look).iter().all(|t| t.cond == ALWAYS) {
            return look;
        }
        let mut threads = self.looks.get(look).to_vec();
        let mut changed = false;
        for thread in &mut threads {
            if thread.cond == ALWAYS {
                continue;
            }
            let (inner_negative, inner_positive) = self.parts(thread.cond);
            let known = |i: usize| Some(i) != except;
            let is_true = |look: LookId| positive.iter().enumerate().any(|(i, &p)| known(i) && self.is_subset(p, look));
            if is_true(inner_negative) || inner_positive.iter().any(|&look| self.is_subset(look, negative)) {
                (thread.cond, changed) = (NEVER, true);
                continue;
            }
            let rest = if self.is_subset(inner_negative, negative) { LOOK_FALSE } else { inner_negative };
            let asked: SmallVec<[LookId; 4]> = inner_positive.iter().copied().filter(|&look| !is_true(look)).collect();
            if rest != inner_negative || asked.len() < inner_positive.len() {
                (thread.cond, changed) = (self.cond(rest, asked), true);
            }
        }
        if changed { self.look(threads) } else { look }
    }

    /// A match in a look whose condition is one look only.
    fn waiting_match(&self, look: LookId) -> Option<(usize, CondId)> {
        let threads = self.looks.get(look);
        let first = threads.partition_point(|t| t.pc < MATCHED);
        let found = threads[first..].iter().position(|t| {
            let looks = self.conds.get(t.cond);
            usize::from(looks[0] != LOOK_FALSE) + looks.len() - 1 == 1
        });
        found.map(|i| (first + i, threads[first + i].cond))
    }

    pub(super) fn both(&mut self, a: CondId, b: CondId) -> CondId {
        match (a, b) {
            (NEVER, _) | (_, NEVER) => NEVER,
            (ALWAYS, other) | (other, ALWAYS) => other,
            (a, b) if a == b => a,
            (a, b) => {
                let (negative, mut positive) = self.parts(a);
                let (other, more) = self.parts(b);
                positive.extend(more);
                let negative = self.union(negative, other);
                self.cond(negative, positive)
            }
        }
    }

    fn with_look(&mut self, cond: CondId, look: LookId, negate: bool) -> CondId {
        if cond == NEVER {
            return NEVER;
        }
        match (look, negate) {
            (LOOK_FALSE, true) | (LOOK_TRUE, false) => return cond,
            (LOOK_FALSE, false) | (LOOK_TRUE, true) => return NEVER,
            _ => {}
        }
        let (mut negative, mut positive) = self.parts(cond);
        if negate {
            negative = self.union(negative, look);
        } else {
            positive.push(look);
        }
        self.cond(negative, positive)
    }

    /// Whether condition `a` surely implies `b` (some implications are not seen).
    fn implies(&self, a: CondId, b: CondId) -> bool {
        if a == b || b == ALWAYS || a == NEVER {
            return true;
        }
        if b == NEVER || a == ALWAYS {
            return false;
        }
        let (a, b) = (self.conds.get(a), self.conds.get(b));
        self.is_subset(b[0], a[0]) && b[1..].iter().all(|&weak| a[1..].iter().any(|&strong| self.is_subset(strong, weak)))
    }

    pub(super) fn step_cond(&mut self, cond: CondId, class: u8, holds: HoldsId) -> CondId {
        if cond == ALWAYS || cond == NEVER {
            return cond;
        }
        if let Some(&next) = self.cond_steps.get(&(cond, class, holds)) {
            return next;
        }
        let (negative, positive) = self.parts(cond);
        let negative = self.step_look(negative, class, holds);
        let positive = positive.iter().map(|&look| self.step_look(look, class, holds)).collect();
        let next = self.cond(negative, positive);
        self.cond_steps.insert((cond, class, holds), next);
        next
    }

    /// Whether the condition holds if the text ends here.
    pub(super) fn holds_at_end(&self, cond: CondId) -> bool {
        if cond == ALWAYS || cond == NEVER {
            return cond == ALWAYS;
        }
        let looks = self.conds.get(cond);
        !self.look_holds_at_end(looks[0]) && looks[1..].iter().all(|&look| self.look_holds_at_end(look))
    }

    // --- sets of threads without conditions (keywords, look-behinds) ---------------------------------

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

    // --- reports -----------------------------------------------------------------------------------

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

    fn show_look(&self, look: LookId) -> String {
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
