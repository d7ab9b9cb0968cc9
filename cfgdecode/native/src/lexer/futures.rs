//! Dead ends: configurations from which no text leads to an end.
//!
//! Threads always reach a match, so only conditions and assertions can make a dead end: "no digit next" when
//! all that may come is a digit. A breadth-first search over bytes and cuts looks for a configuration
//! that surely has a future; if all that can be reached is exhausted, all of it is dead.
//!
//! Invariants: `Future::None` is exact; `Future::Some` may be wrong after [`MAX_SEARCH`] configurations.
//! Cost: most configurations are answered at once; a search tries every byte class in every configuration.

use rustc_hash::FxHashSet;

use super::ConfigId;
use super::config::{DEAD, Lexer};
use super::scanner::{ALWAYS, EMPTY};

/// Configurations whose successors are tried before one counts as having a future.
const MAX_SEARCH: usize = 1_000;

/// Whether some text leads from a configuration to an end. A search that is too long answers yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Future {
    Unknown,
    Some,
    None,
}

impl Lexer {
    /// Whether some text leads from here to an end. Only conditions can forbid it (threads always reach a match).
    pub(super) fn has_future(&mut self, id: ConfigId) -> bool {
        if id == DEAD {
            return false;
        }
        if self.known[id.0 as usize].future == Future::Unknown {
            self.search_future(id);
        }
        self.known[id.0 as usize].future == Future::Some
    }

    fn search_future(&mut self, id: ConfigId) {
        // Each with the place in the agenda that it was found from.
        let mut agenda = vec![(id, 0)];
        let mut seen: FxHashSet<ConfigId> = FxHashSet::default();
        seen.insert(id);
        let mut i = 0;
        let mut good = self.surely_has_future(id).then_some(0);
        while good.is_none() && i < agenda.len() {
            if i >= MAX_SEARCH || self.overflowed.is_some() {
                good = Some(i);
                break;
            }
            let config = self.configs[agenda[i].0.0 as usize];
            let mut next: Vec<ConfigId> = self.ends(config).into_iter().map(|(_, fresh)| fresh).collect();
            next.extend((0..self.scanner.bytes.len()).map(|class| self.next(config, class as u8)));
            for next in next {
                if next == DEAD || self.known[next.0 as usize].future == Future::None || !seen.insert(next) {
                    continue;
                }
                agenda.push((next, i));
                if self.surely_has_future(next) {
                    good = Some(agenda.len() - 1);
                    break;
                }
            }
            i += 1;
        }
        let Some(mut good) = good else {
            for (dead, _) in agenda {
                self.known[dead.0 as usize].future = Future::None;
            }
            return;
        };
        loop {
            let (config, from) = agenda[good];
            self.known[config.0 as usize].future = Future::Some;
            if good == 0 {
                break;
            }
            good = from;
        }
    }

    fn surely_has_future(&mut self, id: ConfigId) -> bool {
        let config = self.configs[id.0 as usize];
        let known = self.known[id.0 as usize].future;
        let is_free = config.cond == ALWAYS && config.list != EMPTY && self.scanner.is_free(config.list);
        if known == Future::Some || is_free || self.can_end(id) {
            self.known[id.0 as usize].future = Future::Some;
            return true;
        }
        false
    }
}
