//! Does a left set fit a right set?
//!
//! A derivation that passes a point is a chain of automata (`grammar/network.rs`) that are somewhere between their start and an end
//! there. In the innermost the prefix in front of the point is that to which the suffix behind it belongs; each further one has read
//! the one inside it, from a prefix in the left chart, and goes on with a suffix in the right chart. So the question is reachability
//! from what the innermost ones make to the goal over states `(symbols, left origin, right origin)`. The search takes states with
//! old origins first: they are the furthest out; of one chain, with the highest, and no symbols below those that it has seen.
//! What was found unreachable is remembered, and so is the chain that reached the goal.
//!
//! Cost: the states visited; on real programs a few dozen.

use super::chart::{Chart, SetId};
use super::symbols::{SymbolSets, Symbols, add};
use super::table::PairMap;
use crate::grammar::{Side, is_within};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// These symbols (one of them, where they lead to the goal) span the point from the left origin to the right one.
type State = (Symbols, SetId, SetId);

#[derive(Debug)]
pub struct Meeting {
    /// Origins -> symbols between them that lead nowhere.
    dead: FxHashMap<(SetId, SetId), Symbols>,
    alive: FxHashSet<State>,
    pairs: PairMap<bool>,
    /// By right set: all that waits there.
    waiting: Vec<Option<Symbols>>,
    search: Search,
    pub n_states: usize,
    /// States after which searches give up and `overflowed` says so.
    pub max_states: usize,
    pub overflowed: bool,
}

impl Default for Meeting {
    fn default() -> Meeting {
        Meeting {
            dead: FxHashMap::default(),
            alive: FxHashSet::default(),
            pairs: PairMap::default(),
            waiting: Vec::new(),
            search: Search::default(),
            n_states: 0,
            max_states: usize::MAX,
            overflowed: false,
        }
    }
}

/// What a search has found, kept to avoid allocation.
#[derive(Debug, Default)]
struct Search {
    /// States, with the index of the state that led here.
    found: Vec<(State, u32)>,
    /// States to go on from: by age, then by rank.
    agenda: BinaryHeap<Reverse<(u64, Reverse<u64>, u32)>>,
    widest: Widest,
    links: Vec<State>,
}

/// Pairs of chains up to which their table is kept: emptying a large one takes longer than a small search.
const MAX_KEPT: usize = 256;

impl Search {
    fn clear(&mut self) {
        if self.widest.capacity() > MAX_KEPT {
            self.widest = Widest::default();
        }
        self.found.clear();
        self.agenda.clear();
        self.widest.clear();
        self.links.clear();
    }
}

const NO_PARENT: u32 = u32::MAX;

/// What a search has seen between the sets of two chains: ranks, and symbols.
type Widest = FxHashMap<(u32, u32), SmallVec<[(u32, u32, Symbols); 2]>>;

impl Meeting {
    /// Whether some derivation reads the text on the left of the point and that on its right.
    pub fn fits(&mut self, symbols: &mut SymbolSets, left: &Chart, right: &Chart, l: SetId, r: SetId) -> bool {
        if l == Chart::DEAD || r == Chart::DEAD {
            return false;
        }
        if let Some(answer) = self.pairs.get((l, r)) {
            return answer;
        }
        let answer = self.search(symbols, left, right, l, r);
        if !self.overflowed {
            self.pairs.insert((l, r), answer);
        }
        answer
    }

    fn search(&mut self, symbols: &mut SymbolSets, left: &Chart, right: &Chart, l: SetId, r: SetId) -> bool {
        let mut search = std::mem::take(&mut self.search);
        search.clear();
        let answer = self.reach(symbols, left, right, l, r, &mut search);
        if !answer && !self.overflowed {
            for &((spanning, p, q), _) in &search.found {
                let dead = self.dead.entry((p, q)).or_default();
                *dead = symbols.union(*dead, spanning);
            }
        }
        self.n_states += search.found.len();
        self.search = search;
        answer
    }

    fn reach(&mut self, symbols: &mut SymbolSets, left: &Chart, right: &Chart, l: SetId, r: SetId, search: &mut Search) -> bool {
        let Search { found, agenda, widest, links } = search;
        let goal = symbols.cfg.goal;
        let mut known: SmallVec<[u64; 16]> = SmallVec::from_elem(0, symbols.n_words());
        self.lowest_links(symbols, left, right, (l, r), links);
        let mut parent = NO_PARENT;
        loop {
            for (spanning, p, q) in links.drain(..) {
                if self.alive.contains(&(spanning, p, q)) || symbols.has(spanning, goal) {
                    self.alive.insert((spanning, p, q));
                    self.remember(found, parent);
                    return true;
                }
                let ((chain_l, rank_l), (chain_r, rank_r)) = (left.place(p), right.place(q));
                let seen = widest.entry((chain_l, chain_r)).or_default();
                known.fill(0);
                self.dead.get(&(p, q)).into_iter().for_each(|&dead| add(&mut known, symbols.words(dead)));
                let is_above = |s: &&(u32, u32, Symbols)| s.0 >= rank_l && s.1 >= rank_r;
                seen.iter().filter(is_above).for_each(|s| add(&mut known, symbols.words(s.2)));
                if is_within(symbols.words(spanning), &known) {
                    continue;
                }
                seen.push((rank_l, rank_r, spanning));
                let age = left.age(p) + right.age(q);
                agenda.push(Reverse((age, Reverse(u64::from(rank_l) + u64::from(rank_r)), found.len() as u32)));
                found.push(((spanning, p, q), parent));
            }
            if self.n_states + found.len() > self.max_states {
                self.overflowed = true;
                return false;
            }
            let Some(Reverse((_, _, next))) = agenda.pop() else { return false };
            parent = next;
            let (spanning, p, q) = found[next as usize].0;
            for &(origin, waiting) in left.items(symbols, p) {
                let parents = symbols.combined_within(Side::Left, waiting, spanning, || left.expected(origin));
                if parents != SymbolSets::EMPTY {
                    links.push((parents, origin, q));
                }
            }
            for &(end, waiting) in right.items(symbols, q) {
                let parents = symbols.parents(spanning, waiting);
                if parents != SymbolSets::EMPTY {
                    links.push((parents, p, end));
                }
            }
        }
    }

    fn remember(&mut self, found: &[(State, u32)], mut at: u32) {
        while at != NO_PARENT {
            let (state, parent) = found[at as usize];
            self.alive.insert(state);
            at = parent;
        }
    }

    /// What the symbols that wait on either side make together.
    fn lowest_links(&mut self, symbols: &mut SymbolSets, left: &Chart, right: &Chart, (l, r): (SetId, SetId), links: &mut Vec<State>) {
        let (on_left, on_right) = (left.items(symbols, l), right.items(symbols, r));
        let all = self.waiting_at(symbols, right, r);
        for &(origin, before) in on_left {
            if symbols.parents(before, all) == SymbolSets::EMPTY {
                continue;
            }
            for &(end, behind) in on_right {
                let spanning = symbols.parents(before, behind);
                if spanning != SymbolSets::EMPTY {
                    links.push((spanning, origin, end));
                }
            }
        }
    }

    /// All that waits at a right set, whatever the origin.
    fn waiting_at(&mut self, symbols: &mut SymbolSets, right: &Chart, r: SetId) -> Symbols {
        if self.waiting.len() <= r as usize {
            self.waiting.resize(right.n_sets(), None);
        }
        let known = self.waiting[r as usize];
        let all = known.unwrap_or_else(|| right.items(symbols, r).iter().fold(SymbolSets::EMPTY, |all, item| symbols.union(all, item.1)));
        self.waiting[r as usize] = Some(all);
        all
    }
}
