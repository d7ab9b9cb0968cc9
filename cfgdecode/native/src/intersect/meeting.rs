//! Does a left set fit a right set?
//!
//! A derivation that passes a point is a chain of symbols that span it. Its lowest link is a rule
//! `A -> P C` with `P` ending and `C` beginning at the point; every further link has a left sibling in
//! the left chart or a right sibling in the right chart. So the question is reachability from the
//! lowest links to the goal over states `(symbol, left origin, right origin)`. The search takes states with
//! old origins first: they are the furthest out; of one chain, with the highest, and none below one that it has seen.
//! What was found unreachable is remembered, and so is the chain that reached the goal.
//!
//! Cost: the states visited; on real programs a few dozen.

use super::chart::{Chart, SetId};
use crate::grammar::{Cfg, Side, Symbol};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::hash_map::Entry;

type State = (Symbol, SetId, SetId);

#[derive(Debug)]
pub struct Meeting {
    known: FxHashMap<State, bool>,
    pairs: FxHashMap<(SetId, SetId), bool>,
    /// Scratch: states found in this search, with the index of the state that led here.
    found: Vec<(State, u32)>,
    pub n_states: usize,
    /// States after which searches give up and `overflowed` says so.
    pub max_states: usize,
    pub overflowed: bool,
}

impl Default for Meeting {
    fn default() -> Meeting {
        Meeting {
            known: FxHashMap::default(),
            pairs: FxHashMap::default(),
            found: Vec::new(),
            n_states: 0,
            max_states: usize::MAX,
            overflowed: false,
        }
    }
}

const NO_PARENT: u32 = u32::MAX;

impl Meeting {
    /// Whether some derivation reads the text on the left of the point and that on its right.
    pub fn fits(&mut self, cfg: &Cfg, left: &Chart, right: &Chart, l: SetId, r: SetId) -> bool {
        if l == Chart::DEAD || r == Chart::DEAD {
            return false;
        }
        if let Some(&answer) = self.pairs.get(&(l, r)) {
            return answer;
        }
        let answer = self.search(cfg, left, right, l, r);
        if !self.overflowed {
            self.pairs.insert((l, r), answer);
        }
        answer
    }

    fn search(&mut self, cfg: &Cfg, left: &Chart, right: &Chart, l: SetId, r: SetId) -> bool {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        let answer = self.reach(cfg, left, right, l, r, &mut found);
        if !answer && !self.overflowed {
            for (state, _) in &found {
                self.known.insert(*state, false);
            }
        }
        self.n_states += found.len();
        self.found = found;
        answer
    }

    fn reach(&mut self, cfg: &Cfg, left: &Chart, right: &Chart, l: SetId, r: SetId, found: &mut Vec<(State, u32)>) -> bool {
        let mut agenda: BinaryHeap<Reverse<(u64, Reverse<u64>, u32)>> = BinaryHeap::new();
        let mut widest: FxHashMap<(Symbol, u32, u32), (u32, u32)> = FxHashMap::default();
        let mut beside: FxHashSet<State> = FxHashSet::default();
        // The lowest links, looked up from the side with fewer items.
        let mut links: Vec<State> = Vec::new();
        if left.items(l).len() <= right.items(r).len() {
            for &(p, origin) in left.items(l) {
                for &(c, a) in cfg.side(Side::Left).continue_[p as usize].iter() {
                    links.extend(right.waiting(r, c).iter().map(|&(_, end)| (a, origin, end)));
                }
            }
        } else {
            for &(c, end) in right.items(r) {
                for &(p, a) in cfg.side(Side::Right).continue_[c as usize].iter() {
                    links.extend(left.waiting(l, p).iter().map(|&(_, origin)| (a, origin, end)));
                }
            }
        }
        let mut parent = NO_PARENT;
        loop {
            for state in links.drain(..) {
                match self.known.get(&state) {
                    Some(true) => {
                        self.remember(found, parent);
                        return true;
                    }
                    Some(false) => continue,
                    None => {}
                }
                if state.0 == cfg.goal {
                    self.known.insert(state, true);
                    self.remember(found, parent);
                    return true;
                }
                let ((chain_l, rank_l), (chain_r, rank_r)) = (left.place(state.1), right.place(state.2));
                let is_new = match raise(&mut widest, (state.0, chain_l, chain_r), (rank_l, rank_r)) {
                    Some(is_new) => is_new,
                    None => beside.insert(state),
                };
                if is_new {
                    let age = left.age(state.1) + right.age(state.2);
                    agenda.push(Reverse((age, Reverse(u64::from(rank_l) + u64::from(rank_r)), found.len() as u32)));
                    found.push((state, parent));
                }
            }
            if self.n_states + found.len() > self.max_states {
                self.overflowed = true;
                return false;
            }
            let Some(Reverse((_, _, next))) = agenda.pop() else { return false };
            parent = next;
            let (x, p, q) = found[next as usize].0;
            for &y in cfg.up[x as usize].iter() {
                for &(waiting, a) in cfg.side(Side::Left).combine[y as usize].iter() {
                    links.extend(left.waiting(p, waiting).iter().map(|&(_, origin)| (a, origin, q)));
                }
                for &(waiting, a) in cfg.side(Side::Right).combine[y as usize].iter() {
                    links.extend(right.waiting(q, waiting).iter().map(|&(_, end)| (a, p, end)));
                }
            }
        }
    }

    fn remember(&mut self, found: &[(State, u32)], mut at: u32) {
        while at != NO_PARENT {
            let (state, parent) = found[at as usize];
            self.known.insert(state, true);
            at = parent;
        }
    }
}

/// Notes the ranks of a state's origins. False if some state with the same symbol had both as high: its origins have all that these have.
/// None if each of the two has one that is higher.
fn raise(widest: &mut FxHashMap<(Symbol, u32, u32), (u32, u32)>, key: (Symbol, u32, u32), ranks: (u32, u32)) -> Option<bool> {
    match widest.entry(key) {
        Entry::Occupied(known) if ranks.0 <= known.get().0 && ranks.1 <= known.get().1 => Some(false),
        Entry::Occupied(known) if ranks.0 < known.get().0 || ranks.1 < known.get().1 => None,
        Entry::Occupied(mut known) => {
            known.insert(ranks);
            Some(true)
        }
        Entry::Vacant(entry) => {
            entry.insert(ranks);
            Some(true)
        }
    }
}
