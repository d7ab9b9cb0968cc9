//! Lexemes that are preferred matches in prefixes of the preferred lexeme (Lark's `complete_lex`).
//!
//! Lark matches a terminal at a position, then again in every proper prefix of the lexeme found, cut off
//! from the text around it; the ends of all these matches are ends of lexemes. Without assertions that is every accept
//! up to the lexeme's end. With assertions the match in the prefix is another one than that in the text: a second
//! group of threads runs beside the terminal's own, with the history of the lexeme alone. Where it
//! accepts, we guess that some prefix, which ends here or later, has its match here, and that the lexeme
//! is longer than the prefix. That guess is one more kind of thread in a look.
//!
//! Invariants: the threads of prefixes come behind all others in a list; a prefix ends between characters.

use super::history::HistoryId;
use super::scanner::{ALWAYS, Accept, CondId, EMPTY, Holds, HoldsId, ListId, NEVER, PREFIX, Scanner, Thread};

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

impl Scanner {
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
            // A longer prefix would only ask for a longer lexeme.
            return self.ends_later(prefix.list, found);
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

    pub(super) fn step_prefix(&mut self, prefix: u32, class: u8, text: HoldsId, found: &mut Vec<Thread>) {
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
}
