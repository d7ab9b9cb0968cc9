//! Rules as a recursive transition network: a finite automaton for each of a few nonterminals, over terminals and those nonterminals.
//!
//! Terms. A nonterminal is *kept* if it stays a symbol on the automata's arcs; every other one is *inlined*: its automaton stands wherever it is
//! used. Rules that call one another only at the end of their bodies (or only at the beginning) are one automaton; so is what a kept
//! nonterminal does with itself there. What is left, such as brackets, needs nonterminals that are kept: as few as a greedy choice finds.
//! So lists, operators of many precedences, and all of a grammar without brackets come to loops of an automaton, in which nothing has
//! to be remembered but its state.
//!
//! Invariants: a kept nonterminal derives what its automaton spells, but for the empty text (arcs may be skipped where a kept nonterminal may be empty);
//! no automaton has arcs without a symbol, or states that lie on no way from its start to an end; states with the same arcs out, or the same arcs in,
//! are one.
//! Cost: the states of all automata before they are merged, times their arcs. Source: Woods 1970 for networks; Mohri & Nederhof 2001 for
//! rules that are linear on one side.

use super::cfg::{Rule, Symbol};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Arcs that inlining an automaton wherever it is used may add to the network: much, and little.
const MUCH: usize = 512;
const LITTLE: usize = 8;
/// States of a network from which on it is made once more, with little inlined: a state costs a bit in each set of symbols.
const MANY_STATES: usize = 256;
/// States up to which an automaton is inlined.
const LARGE: usize = 128;
/// Rounds in which states are told apart; what is left then is merely not merged.
const MAX_ROUNDS: usize = 64;
/// Nonterminals of a component that are tried as the next to keep, those used most; fewer where that would be more than so many rules.
const CANDIDATES: usize = 16;
const RULES_TRIED: usize = 16_000;

/// A finite automaton without arcs that have no symbol; it starts in state 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    /// By state: symbol and next state, in order.
    pub(super) arcs: Vec<Vec<(Symbol, u32)>>,
    /// Whether the text may end in a state.
    pub(super) ends: Vec<bool>,
}

/// The machines of the kept nonterminals, the goal's among them; all `rules` can be reached from the goal.
pub(super) fn network(n: usize, goal: Symbol, nullable: &[bool], rules: &[Rule]) -> Vec<(Symbol, Machine)> {
    let mut of_head: Vec<Vec<&[Symbol]>> = vec![Vec::new(); n];
    rules.iter().for_each(|(head, body)| of_head[*head as usize].push(body));
    let kept = keep(goal, &of_head);
    let inliner = |most_added| Inliner { of_head: &of_head, nullable, kept: kept.clone(), most_added, inlined: FxHashMap::default() };
    let machines = inliner(MUCH).machines(MANY_STATES);
    machines.or_else(|| inliner(LITTLE).machines(usize::MAX)).unwrap_or_default()
}

/// Whether each symbol is kept so that without them all rules are linear: of nonterminals where some are not, the one of which least is left.
fn keep(goal: Symbol, of_head: &[Vec<&[Symbol]>]) -> Vec<bool> {
    let mut kept = vec![false; of_head.len()];
    kept[goal as usize] = true;
    let mut agenda = nonlinear(of_head, &kept);
    while let Some(component) = agenda.pop() {
        let mut uses: FxHashMap<Symbol, usize> = component.iter().map(|&s| (s, 0)).collect();
        let called = component.iter().flat_map(|&head| &of_head[head as usize]).flat_map(|body| body.iter());
        called.for_each(|s| _ = uses.get_mut(s).map(|n| *n += 1));
        let mut candidates: Vec<(usize, Symbol)> = component.iter().map(|&s| (uses[&s], s)).collect();
        candidates.sort_unstable_by_key(|&(n_uses, s)| (Reverse(n_uses), s));
        let mut others = vec![true; of_head.len()];
        component.iter().for_each(|&s| others[s as usize] = false);
        let mut rest = |s: Symbol| {
            others[s as usize] = true;
            let rest = nonlinear(of_head, &others);
            others[s as usize] = false;
            rest
        };
        let n_rules: usize = component.iter().map(|&head| of_head[head as usize].len()).sum();
        let tried = candidates.iter().take((RULES_TRIED / n_rules).clamp(1, CANDIDATES)).map(|&(n_uses, s)| (n_uses, s, rest(s)));
        let best = tried.min_by_key(|(n_uses, s, rest)| (rest.iter().map(Vec::len).sum::<usize>(), Reverse(*n_uses), *s));
        if let Some((_, s, rest)) = best {
            kept[s as usize] = true;
            agenda.extend(rest);
        }
    }
    kept
}

/// The components that are linear on neither side.
fn nonlinear(of_head: &[Vec<&[Symbol]>], kept: &[bool]) -> Vec<Vec<Symbol>> {
    let mut components = components(of_head, kept);
    components.retain(|component| linearity(of_head, component) == Linear::Neither);
    components
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Linear {
    Left,
    Right,
    Neither,
}

/// On which side the rules of a component call the component.
fn linearity(of_head: &[Vec<&[Symbol]>], component: &[Symbol]) -> Linear {
    let (mut left, mut right) = (true, true);
    for body in component.iter().flat_map(|&head| &of_head[head as usize]) {
        let calls = |x: &&Symbol| component.contains(x);
        right &= !body.iter().take(body.len().saturating_sub(1)).any(|x| calls(&x));
        left &= !body.iter().skip(1).any(|x| calls(&x));
    }
    match (left, right) {
        (_, true) => Linear::Right,
        (true, false) => Linear::Left,
        _ => Linear::Neither,
    }
}

/// Nonterminals that call one another without the kept ones; what is called comes first (Tarjan 1972).
fn components(of_head: &[Vec<&[Symbol]>], kept: &[bool]) -> Vec<Vec<Symbol>> {
    const NEW: u32 = u32::MAX;
    let n = of_head.len();
    let calls = |s: usize| -> Vec<u32> {
        let mut calls: Vec<u32> = of_head[s].iter().flat_map(|body| body.iter().copied()).filter(|&x| is_inner(of_head, kept, x)).collect();
        calls.sort_unstable();
        calls.dedup();
        calls
    };
    let (mut index, mut low, mut on_stack) = (vec![NEW; n], vec![0u32; n], vec![false; n]);
    let (mut stack, mut found, mut next) = (Vec::new(), Vec::new(), 0);
    for root in (0..n as u32).filter(|&s| is_inner(of_head, kept, s)) {
        if index[root as usize] != NEW {
            continue;
        }
        let mut path: Vec<(u32, Vec<u32>)> = Vec::new();
        let mut enter = |s: u32, path: &mut Vec<(u32, Vec<u32>)>, stack: &mut Vec<u32>, index: &mut [u32], low: &mut [u32], on_stack: &mut [bool]| {
            (index[s as usize], low[s as usize], on_stack[s as usize]) = (next, next, true);
            next += 1;
            stack.push(s);
            path.push((s, calls(s as usize)));
        };
        enter(root, &mut path, &mut stack, &mut index, &mut low, &mut on_stack);
        while let Some((s, rest)) = path.last_mut() {
            let s = *s as usize;
            match rest.pop() {
                Some(called) if index[called as usize] == NEW => enter(called, &mut path, &mut stack, &mut index, &mut low, &mut on_stack),
                Some(called) if on_stack[called as usize] => low[s] = low[s].min(index[called as usize]),
                Some(_) => {}
                None => {
                    path.pop();
                    if let Some(&(caller, _)) = path.last() {
                        low[caller as usize] = low[caller as usize].min(low[s]);
                    }
                    if low[s] == index[s] {
                        let at = stack.iter().rposition(|&x| x as usize == s).unwrap_or(0);
                        let component = stack.split_off(at);
                        component.iter().for_each(|&x| on_stack[x as usize] = false);
                        found.push(component);
                    }
                }
            }
        }
    }
    found
}

fn is_inner(of_head: &[Vec<&[Symbol]>], kept: &[bool], s: Symbol) -> bool {
    !of_head[s as usize].is_empty() && !kept[s as usize]
}

/// Nonterminals that call one another, and those of them that others call, with how often.
type Component = (Vec<Symbol>, Vec<(Symbol, usize)>);

struct Inliner<'a> {
    of_head: &'a [Vec<&'a [Symbol]>],
    nullable: &'a [bool],
    kept: Vec<bool>,
    most_added: usize,
    inlined: FxHashMap<Symbol, Machine>,
}

impl Inliner<'_> {
    /// None if they have more than `most_states`.
    fn machines(mut self, most_states: usize) -> Option<Vec<(Symbol, Machine)>> {
        let mut machines: Vec<(Symbol, Machine)> = Vec::new();
        let mut n_states = 0;
        for (component, entries) in self.components() {
            for &(head, n_uses) in &entries {
                let machine = self.machine(&component, head);
                let n_arcs: usize = machine.arcs.iter().map(Vec::len).sum();
                if n_arcs * (n_uses - 1) > self.most_added || machine.arcs.len() > LARGE {
                    self.kept[head as usize] = true;
                    n_states += machine.arcs.len();
                    machines.push((head, machine));
                } else {
                    self.inlined.insert(head, machine);
                }
            }
            if n_states > most_states {
                return None;
            }
        }
        let mut is_made = vec![false; self.of_head.len()];
        machines.iter().for_each(|(head, _)| is_made[*head as usize] = true);
        let missing = (0..self.of_head.len() as Symbol).filter(|&s| self.kept[s as usize] && !is_made[s as usize]);
        machines.extend(missing.map(|head| (head, self.machine(&[head], head))));
        let n_states: usize = machines.iter().map(|(_, machine)| machine.arcs.len()).sum();
        (n_states <= most_states).then_some(machines)
    }

    /// The components without the kept nonterminals, what is called first; and of each the nonterminals that others call, with how often.
    /// Where a component would be copied for many of those, they are kept.
    fn components(&mut self) -> Vec<Component> {
        loop {
            let found = components(self.of_head, &self.kept);
            let mut component_of = vec![usize::MAX; self.of_head.len()];
            found.iter().enumerate().for_each(|(k, component)| component.iter().for_each(|&s| component_of[s as usize] = k));
            let mut n_uses = vec![0; self.of_head.len()];
            for (head, bodies) in self.of_head.iter().enumerate() {
                let called = bodies.iter().flat_map(|body| body.iter()).map(|&s| s as usize);
                called.filter(|&s| component_of[s] != component_of[head]).for_each(|s| n_uses[s] += 1);
            }
            let length = |component: &[Symbol]| component.iter().flat_map(|&s| &self.of_head[s as usize]).map(|body| body.len()).sum::<usize>();
            let is_dear =
                |component: &[Symbol], entries: &[(Symbol, usize)]| entries.len() > 1 && length(component) * (entries.len() - 1) > self.most_added;
            let with_entries = |component: Vec<Symbol>| {
                let entries = component.iter().map(|&s| (s, n_uses[s as usize])).filter(|entry| entry.1 > 0).collect();
                (component, entries)
            };
            let found: Vec<Component> = found.into_iter().map(with_entries).collect();
            let dear: Vec<Symbol> = found
                .iter()
                .filter(|(component, entries)| is_dear(component, entries))
                .flat_map(|(_, entries)| entries.iter().map(|e| e.0))
                .collect();
            if dear.is_empty() {
                return found;
            }
            dear.into_iter().for_each(|s| self.kept[s as usize] = true);
        }
    }

    /// The automaton of `head`, in a component that is linear on one side, or kept: then bodies that begin or end with itself are loops.
    fn machine(&self, component: &[Symbol], head: Symbol) -> Machine {
        let mut draft = Draft::default();
        let (start, end) = (draft.state(), draft.state());
        let linear = linearity(self.of_head, component);
        if linear == Linear::Neither || component.len() == 1 {
            // L = a* c b*, by rules X: a X | X b | c.
            let (before, behind) = (draft.state(), draft.state());
            draft.arcs.extend([(start, None, before), (behind, None, end)]);
            for &body in &self.of_head[head as usize] {
                match *body {
                    [first, ref rest @ ..] if first == head => self.chain(&mut draft, rest, behind, behind),
                    [ref rest @ .., last] if last == head => self.chain(&mut draft, rest, before, before),
                    _ => self.chain(&mut draft, body, before, behind),
                }
            }
            return draft.finish(start, end);
        }
        let states: Vec<u32> = component.iter().map(|_| draft.state()).collect();
        let state_of = |s: &Symbol| component.iter().position(|c| c == s).map(|at| states[at]);
        for (&caller, &state) in component.iter().zip(&states) {
            for &body in &self.of_head[caller as usize] {
                let called = if linear == Linear::Right { body.split_last() } else { body.split_first() };
                let called = called.and_then(|(called, rest)| Some((state_of(called)?, rest)));
                match (linear, called) {
                    (Linear::Right, Some((next, rest))) => self.chain(&mut draft, rest, state, next),
                    (Linear::Right, None) => self.chain(&mut draft, body, state, end),
                    (_, Some((before, rest))) => self.chain(&mut draft, rest, before, state),
                    (_, None) => self.chain(&mut draft, body, start, state),
                }
            }
        }
        let own = state_of(&head).unwrap_or(start);
        match linear {
            Linear::Right => draft.finish(own, end),
            _ => draft.finish(start, own),
        }
    }

    /// Ways from one state to another that spell these symbols.
    fn chain(&self, draft: &mut Draft, body: &[Symbol], from: u32, to: u32) {
        let mut at = from;
        for &s in body {
            let next = draft.state();
            match self.inlined.get(&s) {
                Some(machine) => draft.copy(machine, at, next),
                None => {
                    draft.arcs.push((at, Some(s), next));
                    if self.nullable[s as usize] {
                        draft.arcs.push((at, None, next));
                    }
                }
            }
            at = next;
        }
        draft.arcs.push((at, None, to));
    }
}

/// An automaton in the making; arcs without a symbol cost nothing to pass.
#[derive(Default)]
struct Draft {
    n: u32,
    arcs: Vec<(u32, Option<Symbol>, u32)>,
}

impl Draft {
    fn state(&mut self) -> u32 {
        self.n += 1;
        self.n - 1
    }

    fn copy(&mut self, machine: &Machine, from: u32, to: u32) {
        let base = self.n;
        self.n += machine.arcs.len() as u32;
        self.arcs.push((from, None, base));
        for (state, (arcs, &ends)) in (base..).zip(machine.arcs.iter().zip(&machine.ends)) {
            self.arcs.extend(arcs.iter().map(|&(s, next)| (state, Some(s), base + next)));
            if ends {
                self.arcs.push((state, None, to));
            }
        }
    }

    fn finish(self, start: u32, end: u32) -> Machine {
        let n = self.n as usize;
        let (mut free, mut spelled) = (vec![Vec::new(); n], vec![Vec::new(); n]);
        for (from, symbol, to) in self.arcs {
            match symbol {
                Some(s) => spelled[from as usize].push((s, to)),
                None => free[from as usize].push(to),
            }
        }
        let mut machine = Machine { arcs: Vec::new(), ends: Vec::new() };
        let mut number = vec![u32::MAX; n];
        number[start as usize] = 0;
        let mut order = vec![start];
        let mut seen = vec![u32::MAX; n];
        let mut at = 0;
        while at < order.len() {
            let mut passed = vec![order[at]];
            seen[order[at] as usize] = at as u32;
            let mut arcs: Vec<(Symbol, u32)> = Vec::new();
            let mut k = 0;
            while k < passed.len() {
                let state = passed[k] as usize;
                arcs.extend_from_slice(&spelled[state]);
                for &next in &free[state] {
                    if std::mem::replace(&mut seen[next as usize], at as u32) != at as u32 {
                        passed.push(next);
                    }
                }
                k += 1;
            }
            for arc in &mut arcs {
                if number[arc.1 as usize] == u32::MAX {
                    number[arc.1 as usize] = order.len() as u32;
                    order.push(arc.1);
                }
                arc.1 = number[arc.1 as usize];
            }
            machine.arcs.push(arcs);
            machine.ends.push(passed.contains(&end));
            at += 1;
        }
        machine.without_dead_ends().merged()
    }
}

impl Machine {
    /// Without states from which no end can be reached; the start stays.
    fn without_dead_ends(mut self) -> Machine {
        let n = self.arcs.len();
        let mut before = vec![Vec::new(); n];
        for (state, arcs) in (0u32..).zip(&self.arcs) {
            arcs.iter().for_each(|arc| before[arc.1 as usize].push(state));
        }
        let mut alive = self.ends.clone();
        let mut agenda: Vec<u32> = (0..n as u32).filter(|&s| alive[s as usize]).collect();
        while let Some(s) = agenda.pop() {
            agenda.extend(before[s as usize].iter().copied().filter(|&b| !std::mem::replace(&mut alive[b as usize], true)));
        }
        alive[0] = true;
        let number: Vec<u32> = alive.iter().scan(0, |k, &a| Some(std::mem::replace(k, *k + u32::from(a)))).collect();
        for arcs in &mut self.arcs {
            arcs.retain(|arc| alive[arc.1 as usize]);
            arcs.iter_mut().for_each(|arc| arc.1 = number[arc.1 as usize]);
        }
        let mut is_alive = alive.iter();
        self.arcs.retain(|_| is_alive.next() == Some(&true));
        let mut is_alive = alive.iter();
        self.ends.retain(|_| is_alive.next() == Some(&true));
        self
    }

    /// States with the same ways out are one, and so are those with the same ways in.
    fn merged(mut self) -> Machine {
        loop {
            let n = self.arcs.len();
            let ends = (0..n).filter(|&state| self.ends[state]).collect();
            self = self.merged_by(&self.arcs, ends);
            self = self.merged_by(&self.ways_in(), vec![0]);
            if self.arcs.len() == n {
                return self;
            }
        }
    }

    /// By state, the arcs into it, with the states that they come from.
    fn ways_in(&self) -> Vec<Vec<(Symbol, u32)>> {
        let mut into = vec![Vec::new(); self.arcs.len()];
        for (state, arcs) in (0u32..).zip(&self.arcs) {
            arcs.iter().for_each(|&(symbol, next)| into[next as usize].push((symbol, state)));
        }
        into
    }

    /// One state for those that are both marked or both not, and have ways by the same symbols to the same states.
    fn merged_by(&self, ways: &[Vec<(Symbol, u32)>], marked: Vec<usize>) -> Machine {
        let Some((class, n_classes)) = coarsest(ways, marked) else { return self.clone() };
        // Classes are numbered by their first states, so that of the start is 0.
        let mut merged = Machine { arcs: vec![Vec::new(); n_classes], ends: vec![false; n_classes] };
        for (state, arcs) in self.arcs.iter().enumerate() {
            let c = class[state] as usize;
            merged.arcs[c].extend(arcs.iter().map(|&(symbol, next)| (symbol, class[next as usize])));
            merged.ends[c] |= self.ends[state];
        }
        for arcs in &mut merged.arcs {
            arcs.sort_unstable();
            arcs.dedup();
        }
        merged
    }
}

/// The fewest classes of states such that those of one class are as far from a marked state and have ways by the same symbols to the same
/// classes; and how many there are. None if that takes too many rounds.
fn coarsest(ways: &[Vec<(Symbol, u32)>], marked: Vec<usize>) -> Option<(Vec<u32>, usize)> {
    let mut class = distances(ways, marked);
    let mut n_classes = class.iter().collect::<BTreeSet<_>>().len();
    for _ in 0..MAX_ROUNDS {
        let mut known: FxHashMap<(u32, Vec<(Symbol, u32)>), u32> = FxHashMap::default();
        let mut class_of = |state: usize| {
            let mut signature: Vec<(Symbol, u32)> = ways[state].iter().map(|&(symbol, other)| (symbol, class[other as usize])).collect();
            signature.sort_unstable();
            signature.dedup();
            let fresh = known.len() as u32;
            *known.entry((class[state], signature)).or_insert(fresh)
        };
        class = (0..ways.len()).map(&mut class_of).collect();
        if known.len() == n_classes {
            return Some((class, n_classes));
        }
        n_classes = known.len();
    }
    None
}

/// How many steps each state is away from the nearest marked one.
fn distances(ways: &[Vec<(Symbol, u32)>], marked: Vec<usize>) -> Vec<u32> {
    let mut from = vec![Vec::new(); ways.len()];
    for (state, ways) in ways.iter().enumerate() {
        ways.iter().for_each(|way| from[way.1 as usize].push(state));
    }
    let mut distance = vec![u32::MAX; ways.len()];
    marked.iter().for_each(|&state| distance[state] = 0);
    let mut order = marked;
    let mut at = 0;
    while at < order.len() {
        for &state in &from[order[at]] {
            if distance[state] == u32::MAX {
                distance[state] = distance[order[at]] + 1;
                order.push(state);
            }
        }
        at += 1;
    }
    distance
}
