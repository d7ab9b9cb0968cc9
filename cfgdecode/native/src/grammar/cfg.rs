//! From rules as written to the tables that the charts read.
//!
//! Terms. The rules are a [`network`] of automata, one for each nonterminal that is kept. A *symbol* is a terminal, a kept nonterminal, or a state of an
//! automaton. In the left chart a state stands for the *prefixes* that lead to it from the automaton's start, in the right chart for the *suffixes* that lead from it to an
//! end. So there are two binary grammars of one language, and each chart has that in which the lists that it
//! reads begin where it does: from the left `q -> p y`, from the right `p -> y q`, for an arc of `y` from `p` to `q`. Where the two charts meet, a
//! prefix and a suffix of one state make what the automaton spells.
//! The start symbol is wrapped as
//! `S' -> ⊢ S ⊣`, so that "nothing left of here" and "nothing right of here" are ordinary symbols.
//!
//! Invariants: only generating and reachable symbols have rules (a rule that can never finish leads
//! nowhere); no rule is empty (what may be empty may be passed over, in the automata); unit rules are not
//! stored but closed over (`up`).
//! Cost: O(rules · symbols / 64) words. Source: the trimming is
//! textbook (Hopcroft & Ullman 1979, §4.4).

use super::Bits;
use super::network::{Machine, network};

pub type Symbol = u32;

/// From which end a chart grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Left = 0,
    Right = 1,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CfgError {
    /// The binary grammar would have more symbols than `limit`.
    TooLarge { limit: usize, given: usize },
    /// A rule names a symbol that does not exist.
    BadSymbol { rule: usize },
}

/// Which two symbols stand side by side: what waits in a chart and what was completed beside it, or what waits in the two charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    In(Side),
    Between,
}

/// Rules by the symbol that *waits* for the other. In a chart that is a prefix (from the right: a suffix), for what comes next; between
/// the charts it is the prefix.
#[derive(Debug, Default)]
pub struct JointTables {
    /// Completed symbol -> (waiting sibling, parent).
    pub combine: Vec<Box<[(Symbol, Symbol)]>>,
    /// Waiting symbol -> (completed sibling, parent).
    pub continue_: Vec<Box<[(Symbol, Symbol)]>>,
}

/// What a chart on one side needs to know.
#[derive(Debug, Default)]
pub struct SideTables {
    pub joint: JointTables,
    /// Symbols that can wait.
    pub waits: Bits,
    /// Waiting symbol -> all symbols that may come next to it first (corner closure).
    pub expects: Vec<Box<[Symbol]>>,
    /// Symbol -> itself and all that derive it by unit rules.
    pub up: Vec<Box<[Symbol]>>,
    /// The same without those that are no part of any binary rule, but for the goal.
    pub useful_up: Vec<Box<[Symbol]>>,
}

#[derive(Debug)]
pub struct Cfg {
    pub n_terminals: u32,
    pub n_symbols: u32,
    /// The start marker ⊢, the end marker ⊣ and the wrapped start S'.
    pub begin: Symbol,
    pub end: Symbol,
    pub goal: Symbol,
    pub names: Vec<String>,
    pub is_empty: bool,
    sides: [SideTables; 2],
    between: JointTables,
}

/// Head and body.
pub(super) type Rule = (Symbol, Vec<Symbol>);

/// A body symbol as the front end writes it: `s >= 0` nonterminal `s`, else terminal `-s-1`.
pub type BodySymbol = i32;

impl Cfg {
    pub const MAX_SYMBOLS: usize = 4_000_000;

    pub fn new(terminal_names: &[String], nonterminal_names: &[String], rules: &[(u32, Vec<BodySymbol>)], start: u32) -> Result<Cfg, CfgError> {
        let n_terminals = terminal_names.len() as u32;
        let n_nonterminals = nonterminal_names.len() as u32;
        let mut written = Vec::with_capacity(rules.len());
        for (i, (head, body)) in rules.iter().enumerate() {
            let known = |s: &i32| if *s >= 0 { (*s as u32) < n_nonterminals } else { ((-*s - 1) as u32) < n_terminals };
            if *head >= n_nonterminals || start >= n_nonterminals || !body.iter().all(known) {
                return Err(CfgError::BadSymbol { rule: i });
            }
            let body: Vec<Symbol> = body.iter().map(|&s| if s >= 0 { n_terminals + s as u32 } else { (-s - 1) as u32 }).collect();
            written.push((n_terminals + head, body));
        }
        let start = n_terminals + start;
        let n_written = (n_terminals + n_nonterminals) as usize;
        let written = trim(n_written, n_terminals, start, written);
        let is_empty = !written.iter().any(|(head, _)| *head == start);

        let [begin, end, goal] = [0, 1, 2].map(|k| n_written as Symbol + k);
        let mut nullable = nullable(n_written, &written);
        nullable.resize(n_written + 3, false);
        let mut written = written;
        if !is_empty {
            written.push((goal, vec![begin, start, end]));
        }
        let names = terminal_names.iter().chain(nonterminal_names).map(String::as_str).chain(["⊢", "⊣", "(text)"]);
        let machines = network(n_written + 3, goal, &nullable, &written);
        let rules = StateRules::new(n_terminals, [begin, end, goal], names.collect(), &machines);
        match rules.names.len() {
            given if given > Cfg::MAX_SYMBOLS => Err(CfgError::TooLarge { limit: Cfg::MAX_SYMBOLS, given }),
            _ => Ok(rules.finish(is_empty)),
        }
    }

    pub fn side(&self, side: Side) -> &SideTables {
        &self.sides[side as usize]
    }

    pub fn joint(&self, joint: Joint) -> &JointTables {
        match joint {
            Joint::In(side) => &self.side(side).joint,
            Joint::Between => &self.between,
        }
    }

    /// Binary rules, as they are read from the left.
    pub fn n_rules(&self) -> usize {
        self.sides[Side::Left as usize].joint.continue_.iter().map(|found| found.len()).sum()
    }

    pub fn memory_bytes(&self) -> usize {
        let expects: usize = self.sides.iter().flat_map(|s| &s.expects).map(|e| e.len() * 4 + 16).sum();
        expects + self.n_rules() * 60 + self.names.iter().map(|n| n.len() + 24).sum::<usize>()
    }
}

/// Keeps the rules whose symbols are all generating and reachable from `start`.
fn trim(n: usize, n_terminals: u32, start: Symbol, rules: Vec<(Symbol, Vec<Symbol>)>) -> Vec<(Symbol, Vec<Symbol>)> {
    let mut generating: Vec<bool> = (0..n).map(|s| (s as u32) < n_terminals).collect();
    let mut missing: Vec<usize> = rules.iter().map(|(_, body)| body.len()).collect();
    let mut uses: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (i, (_, body)) in rules.iter().enumerate() {
        for &s in body {
            uses[s as usize].push(i);
        }
    }
    let mut agenda: Vec<Symbol> = (0..n_terminals).collect();
    let finish = |i: usize, generating: &mut Vec<bool>, agenda: &mut Vec<Symbol>| {
        let head = rules[i].0;
        if !std::mem::replace(&mut generating[head as usize], true) {
            agenda.push(head);
        }
    };
    for (i, (_, body)) in rules.iter().enumerate() {
        if body.is_empty() {
            finish(i, &mut generating, &mut agenda);
        }
    }
    while let Some(s) = agenda.pop() {
        for &i in &uses[s as usize] {
            missing[i] -= 1;
            if missing[i] == 0 {
                finish(i, &mut generating, &mut agenda);
            }
        }
    }
    let useful: Vec<(Symbol, Vec<Symbol>)> = rules.into_iter().filter(|(_, body)| body.iter().all(|&s| generating[s as usize])).collect();
    let mut of_head: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (i, (head, _)) in useful.iter().enumerate() {
        of_head[*head as usize].push(i);
    }
    let mut reachable = vec![false; n];
    reachable[start as usize] = true;
    let mut agenda = vec![start];
    while let Some(head) = agenda.pop() {
        for &i in &of_head[head as usize] {
            for &s in &useful[i].1 {
                if !std::mem::replace(&mut reachable[s as usize], true) {
                    agenda.push(s);
                }
            }
        }
    }
    useful.into_iter().filter(|(head, _)| reachable[*head as usize]).collect()
}

fn nullable(n: usize, rules: &[(Symbol, Vec<Symbol>)]) -> Vec<bool> {
    let mut nullable = vec![false; n];
    loop {
        let mut grown = false;
        for (head, body) in rules {
            if !nullable[*head as usize] && body.iter().all(|&s| nullable[s as usize]) {
                nullable[*head as usize] = true;
                grown = true;
            }
        }
        if !grown {
            return nullable;
        }
    }
}

/// The symbols and rules of machines.
struct StateRules {
    n_terminals: u32,
    begin: Symbol,
    end: Symbol,
    goal: Symbol,
    names: Vec<String>,
    /// By side: parent, what waits, what comes next.
    binary: [Vec<Binary>; 2],
    /// By side: parent, child.
    unit: [Vec<(Symbol, Symbol)>; 2],
    /// Nonterminal, state of its automaton.
    between: Vec<(Symbol, Symbol)>,
}

type Binary = (Symbol, Symbol, Symbol);

impl StateRules {
    fn new(n_terminals: u32, [begin, end, goal]: [Symbol; 3], written: Vec<&str>, machines: &[(Symbol, Machine)]) -> StateRules {
        let mut used: Vec<Symbol> = (0..n_terminals).chain([begin, end, goal]).chain(machines.iter().map(|machine| machine.0)).collect();
        used.sort_unstable();
        used.dedup();
        let mut number = vec![Symbol::MAX; written.len()];
        (0..).zip(&used).for_each(|(new, &old)| number[old as usize] = new);
        let [begin, end, goal] = [begin, end, goal].map(|s| number[s as usize]);
        let names = used.iter().map(|&s| written[s as usize].to_string()).collect();
        let mut rules =
            StateRules { n_terminals, begin, end, goal, names, binary: Default::default(), unit: Default::default(), between: Vec::new() };
        machines.iter().for_each(|(head, machine)| rules.add(number[*head as usize], machine, &number));
        rules
    }

    fn symbol(&mut self, name: String) -> Symbol {
        self.names.push(name);
        self.names.len() as Symbol - 1
    }

    fn add(&mut self, head: Symbol, machine: &Machine, number: &[Symbol]) {
        const LEFT: usize = Side::Left as usize;
        const RIGHT: usize = Side::Right as usize;
        let mut is_entered = vec![false; machine.arcs.len()];
        machine.arcs.iter().flatten().for_each(|arc| is_entered[arc.1 as usize] = true);
        let name = self.names[head as usize].clone();
        // A prefix behind which nothing can come is a whole one, and so is a suffix in front of which nothing can be.
        let mut part = vec![head; machine.arcs.len()];
        for state in (0..machine.arcs.len()).filter(|&s| is_entered[s] && !machine.arcs[s].is_empty()) {
            part[state] = self.symbol(format!("{name} {state}"));
            self.between.push((head, part[state]));
        }
        let is_part = |state: usize| part[state] != head;
        if is_part(0) {
            self.unit[RIGHT].push((head, part[0]));
        }
        for (state, arcs) in machine.arcs.iter().enumerate() {
            if is_part(state) && machine.ends[state] {
                self.unit[LEFT].push((head, part[state]));
            }
            for &(symbol, next) in arcs {
                let (y, next) = (number[symbol as usize], next as usize);
                if state == 0 {
                    self.unit[LEFT].push((part[next], y));
                }
                if is_part(state) {
                    self.binary[LEFT].push((part[next], part[state], y));
                }
                if machine.ends[next] {
                    self.unit[RIGHT].push((part[state], y));
                }
                if is_part(next) {
                    self.binary[RIGHT].push((part[state], part[next], y));
                }
            }
        }
    }

    fn finish(self, is_empty: bool) -> Cfg {
        let n = self.names.len();
        let side = |side: Side| side_tables(n, self.goal, &self.binary[side as usize], &self.unit[side as usize]);
        let sides = [side(Side::Left), side(Side::Right)];
        let between: Vec<Binary> = self.between.iter().map(|&(head, state)| (head, state, state)).collect();
        let between = joint_tables(n, &between);
        let StateRules { n_terminals, begin, end, goal, names, .. } = self;
        Cfg { n_terminals, n_symbols: n as u32, begin, end, goal, names, is_empty, sides, between }
    }
}

/// For each symbol, itself and every symbol that derives it by unit rules alone, in a fixed order.
fn close_units(n: usize, unit: &[(Symbol, Symbol)]) -> Vec<Box<[Symbol]>> {
    let mut heads: Vec<Vec<Symbol>> = vec![Vec::new(); n];
    for &(head, body) in unit {
        heads[body as usize].push(head);
    }
    let mut seen = vec![u32::MAX; n];
    (0..n as u32)
        .map(|s| {
            let mut found = vec![s];
            seen[s as usize] = s;
            let mut at = 0;
            while at < found.len() {
                for &head in &heads[found[at] as usize] {
                    if std::mem::replace(&mut seen[head as usize], s) != s {
                        found.push(head);
                    }
                }
                at += 1;
            }
            found.into_boxed_slice()
        })
        .collect()
}

fn joint_tables(n: usize, binary: &[Binary]) -> JointTables {
    let mut combine = vec![Vec::new(); n];
    let mut continue_ = vec![Vec::new(); n];
    for &(parent, waiting, completed) in binary {
        combine[completed as usize].push((waiting, parent));
        continue_[waiting as usize].push((completed, parent));
    }
    let boxed = |lists: Vec<Vec<(Symbol, Symbol)>>| lists.into_iter().map(Vec::into_boxed_slice).collect();
    JointTables { combine: boxed(combine), continue_: boxed(continue_) }
}

fn side_tables(n: usize, goal: Symbol, binary: &[Binary], unit: &[(Symbol, Symbol)]) -> SideTables {
    let joint = joint_tables(n, binary);
    let mut waits = Bits::new(n);
    let mut is_useful = Bits::new(n);
    is_useful.insert(goal);
    let mut corner_of: Vec<Vec<Symbol>> = vec![Vec::new(); n];
    for &(parent, waiting, completed) in binary {
        waits.insert(waiting);
        is_useful.insert(waiting);
        is_useful.insert(completed);
        corner_of[parent as usize].push(waiting);
    }
    for &(head, body) in unit {
        corner_of[head as usize].push(body);
    }
    let expects = close_corners(n, &waits, &joint.continue_, &corner_of);
    let up = close_units(n, unit);
    let useful_up = up.iter().map(|ys| ys.iter().copied().filter(|&y| is_useful.has(y)).collect()).collect();
    SideTables { joint, waits, expects, up, useful_up }
}

/// For each waiting symbol, everything that may come first after it: its possible siblings and, over
/// and over, what they may begin (on the right: end) with. Depth-first search per waiting symbol.
fn close_corners(n: usize, waits: &Bits, continue_: &[Box<[(Symbol, Symbol)]>], corner_of: &[Vec<Symbol>]) -> Vec<Box<[Symbol]>> {
    let mut seen = vec![u32::MAX; n];
    let mut expects = vec![Vec::new().into_boxed_slice(); n];
    for w in waits.iter() {
        let mut found: Vec<Symbol> = Vec::new();
        let mut add = |s: Symbol, found: &mut Vec<Symbol>| {
            if std::mem::replace(&mut seen[s as usize], w) != w {
                found.push(s);
            }
        };
        for &(completed, _) in continue_[w as usize].iter() {
            add(completed, &mut found);
        }
        let mut at = 0;
        while at < found.len() {
            for &c in &corner_of[found[at] as usize] {
                add(c, &mut found);
            }
            at += 1;
        }
        found.sort_unstable();
        expects[w as usize] = found.into_boxed_slice();
    }
    expects
}
