//! From rules as written to the tables that the charts read.
//!
//! Terms. A *symbol* is a terminal, a nonterminal, or a *prefix*: the first k symbols of one or more
//! rule bodies (a dotted rule; rules that begin alike share it). Every rule becomes binary,
//! `A -> P C`, where `P` is a prefix and `C` the next symbol. The start symbol is wrapped as
//! `S' -> ⊢ S ⊣`, so that "nothing left of here" and "nothing right of here" are ordinary symbols. Symbols that are used alike are one
//! (`alike.rs`).
//!
//! Invariants: only generating and reachable symbols have rules (a rule that can never finish leads
//! nowhere); no rule is empty (nullable symbols are folded into their neighbours); unit rules are not
//! stored but closed over (`up`). Two [`SideTables`] describe the same rules for charts that grow from
//! the left and from the right.
//! Cost: O(rules · symbols / 64) words. Source: Lang & Leermakers style binarisation; the trimming is
//! textbook (Hopcroft & Ullman 1979, §4.4).

use super::{Bits, alike};
use rustc_hash::FxHashMap;

pub type Symbol = u32;

/// From which end a chart grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Left = 0,
    Right = 1,
}

impl Side {
    pub fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CfgError {
    /// The binary grammar would have more symbols than `limit`.
    TooLarge { limit: usize, given: usize },
    /// A rule names a symbol that does not exist.
    BadSymbol { rule: usize },
}

/// The rules as a chart on one side needs them. On the left a *waiting* symbol is a left child whose
/// right sibling is still to come; on the right it is a right child whose left sibling is to come.
#[derive(Debug, Default)]
pub struct SideTables {
    /// Completed symbol -> (waiting sibling, parent).
    pub combine: Vec<Box<[(Symbol, Symbol)]>>,
    /// Waiting symbol -> (completed sibling, parent).
    pub continue_: Vec<Box<[(Symbol, Symbol)]>>,
    /// Symbols that can wait.
    pub waits: Bits,
    /// Waiting symbol -> all symbols that may come next to it first (corner closure).
    pub expects: Vec<Box<[Symbol]>>,
}

#[derive(Debug)]
pub struct Cfg {
    pub n_terminals: u32,
    pub n_symbols: u32,
    /// The start marker ⊢, the end marker ⊣ and the wrapped start S'.
    pub begin: Symbol,
    pub end: Symbol,
    pub goal: Symbol,
    pub rules: Vec<(Symbol, Symbol, Symbol)>,
    /// Symbol -> itself and all that derive it by unit rules.
    pub up: Vec<Box<[Symbol]>>,
    /// The same without those that are no part of any binary rule, but for the goal.
    pub useful_up: Vec<Box<[Symbol]>>,
    pub names: Vec<String>,
    pub is_empty: bool,
    sides: [SideTables; 2],
}

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

        let mut builder = Builder {
            names: terminal_names.iter().chain(nonterminal_names).cloned().collect(),
            prefixes: FxHashMap::default(),
            binary: Vec::new(),
            unit: Vec::new(),
        };
        let nullable = nullable(n_written, &written);
        let begin = builder.symbol("⊢".into());
        let end = builder.symbol("⊣".into());
        let goal = builder.symbol("(text)".into());
        for (head, body) in &written {
            builder.rule(*head, body, &nullable)?;
        }
        if !is_empty {
            let mut starts_empty = nullable.clone();
            starts_empty.resize(builder.names.len(), false);
            builder.rule(goal, &[begin, start, end], &starts_empty)?;
        }
        Ok(builder.finish(n_terminals, [begin, end, goal], is_empty))
    }

    pub fn side(&self, side: Side) -> &SideTables {
        &self.sides[side as usize]
    }

    pub fn memory_bytes(&self) -> usize {
        let expects: usize = self.sides.iter().flat_map(|s| &s.expects).map(|e| e.len() * 4 + 16).sum();
        expects + self.rules.len() * 60 + self.names.iter().map(|n| n.len() + 24).sum::<usize>()
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

struct Builder {
    names: Vec<String>,
    /// (prefix or first symbol, next symbol) -> longer prefix, for prefixes that are not whole bodies.
    prefixes: FxHashMap<(Symbol, Symbol), Symbol>,
    binary: Vec<(Symbol, Symbol, Symbol)>,
    unit: Vec<(Symbol, Symbol)>,
}

impl Builder {
    fn symbol(&mut self, name: String) -> Symbol {
        self.names.push(name);
        self.names.len() as Symbol - 1
    }

    /// Adds `head -> body` in binary form. For every way to drop nullable symbols the same prefixes
    /// serve: a prefix followed by a nullable symbol also derives what the shorter prefix derives.
    fn rule(&mut self, head: Symbol, body: &[Symbol], nullable: &[bool]) -> Result<(), CfgError> {
        let empty = |s: Symbol| nullable.get(s as usize).copied().unwrap_or(false);
        let Some((&first, rest)) = body.split_first() else { return Ok(()) };
        // `prefix_empty`: everything read so far may be empty.
        let mut prefix = first;
        let mut prefix_empty = empty(first);
        for (i, &next) in rest.iter().enumerate() {
            let parent = if i + 1 == rest.len() { head } else { self.prefix(prefix, next, empty(next), prefix_empty) };
            if i + 1 == rest.len() {
                self.binary.push((parent, prefix, next));
                if empty(next) {
                    self.unit.push((parent, prefix));
                }
                if prefix_empty {
                    self.unit.push((parent, next));
                }
            }
            prefix = parent;
            prefix_empty &= empty(next);
        }
        if rest.is_empty() {
            self.unit.push((head, first));
        }
        if self.names.len() > Cfg::MAX_SYMBOLS {
            return Err(CfgError::TooLarge { limit: Cfg::MAX_SYMBOLS, given: self.names.len() });
        }
        Ok(())
    }

    fn prefix(&mut self, left: Symbol, next: Symbol, next_empty: bool, left_empty: bool) -> Symbol {
        if let Some(&known) = self.prefixes.get(&(left, next)) {
            return known;
        }
        let name = format!("{} {}", self.names[left as usize], self.names[next as usize]);
        let new = self.symbol(name);
        self.prefixes.insert((left, next), new);
        self.binary.push((new, left, next));
        if next_empty {
            self.unit.push((new, left));
        }
        if left_empty {
            self.unit.push((new, next));
        }
        new
    }

    fn finish(mut self, n_terminals: u32, markers: [Symbol; 3], is_empty: bool) -> Cfg {
        let may_merge = |s: Symbol| s >= n_terminals && !markers.contains(&s);
        alike::merge(self.names.len(), may_merge, &mut self.binary, &mut self.unit);
        let number = self.renumber(n_terminals, markers);
        let [begin, end, goal] = markers.map(|marker| number[marker as usize]);
        let n = self.names.len();
        let up = close_units(n, &self.unit);
        let sides = [side_tables(n, &self.binary, &self.unit, false), side_tables(n, &self.binary, &self.unit, true)];
        let is_useful = |y: Symbol| y == goal || sides.iter().any(|side| side.waits.has(y));
        let useful_up = up.iter().map(|ys| ys.iter().copied().filter(|&y| is_useful(y)).collect()).collect();
        Cfg { n_terminals, n_symbols: n as u32, begin, end, goal, rules: self.binary, up, useful_up, names: self.names, is_empty, sides }
    }

    /// Leaves out the symbols that are in no rule, but for terminals and markers. Returns the new number of each.
    fn renumber(&mut self, n_terminals: u32, markers: [Symbol; 3]) -> Vec<Symbol> {
        let mut is_used: Vec<bool> = (0..self.names.len() as u32).map(|s| s < n_terminals || markers.contains(&s)).collect();
        self.binary.iter().flat_map(|&(a, b, c)| [a, b, c]).for_each(|s| is_used[s as usize] = true);
        self.unit.iter().flat_map(|&(a, b)| [a, b]).for_each(|s| is_used[s as usize] = true);
        let number: Vec<Symbol> = is_used.iter().scan(0, |n, &used| Some(std::mem::replace(n, *n + u32::from(used)))).collect();
        let new = |s: &mut Symbol| *s = number[*s as usize];
        self.binary.iter_mut().flat_map(|(a, b, c)| [a, b, c]).for_each(new);
        self.unit.iter_mut().flat_map(|(a, b)| [a, b]).for_each(new);
        let mut used = is_used.into_iter();
        self.names.retain(|_| used.next() == Some(true));
        number
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

fn side_tables(n: usize, binary: &[(Symbol, Symbol, Symbol)], unit: &[(Symbol, Symbol)], mirrored: bool) -> SideTables {
    let oriented = |&(a, b, c): &(Symbol, Symbol, Symbol)| if mirrored { (a, c, b) } else { (a, b, c) };
    let mut combine = vec![Vec::new(); n];
    let mut continue_ = vec![Vec::new(); n];
    let mut waits = Bits::new(n);
    let mut corner_of: Vec<Vec<Symbol>> = vec![Vec::new(); n];
    for rule in binary {
        let (parent, waiting, completed) = oriented(rule);
        combine[completed as usize].push((waiting, parent));
        continue_[waiting as usize].push((completed, parent));
        waits.insert(waiting);
        corner_of[parent as usize].push(waiting);
    }
    for &(head, body) in unit {
        corner_of[head as usize].push(body);
    }
    let expects = close_corners(n, &waits, &continue_, &corner_of);
    SideTables {
        combine: combine.into_iter().map(Vec::into_boxed_slice).collect(),
        continue_: continue_.into_iter().map(Vec::into_boxed_slice).collect(),
        waits,
        expects,
    }
}

/// For each waiting symbol, everything that may come first after it: its possible siblings and, over
/// and over, what they may begin (on the right: end) with. Depth-first search per waiting symbol.
fn close_corners(n: usize, waits: &Bits, continue_: &[Vec<(Symbol, Symbol)>], corner_of: &[Vec<Symbol>]) -> Vec<Box<[Symbol]>> {
    let mut seen = vec![u32::MAX; n];
    let mut expects = vec![Vec::new().into_boxed_slice(); n];
    for w in waits.iter() {
        let mut found: Vec<Symbol> = Vec::new();
        let mut add = |s: Symbol, found: &mut Vec<Symbol>| {
            if std::mem::replace(&mut seen[s as usize], w) != w {
                found.push(s);
            }
        };
        for &(completed, _) in &continue_[w as usize] {
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
