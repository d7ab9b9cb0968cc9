//! Terminals compiled to one program of a backtracking machine, read here by lists of threads.
//!
//! Terms: as in Pike's VM (Cox, "Regular Expression Matching: the Virtual Machine Approach", 2009) an
//! instruction that consumes (`Lit`, `Set`) or ends (`Match`) holds a thread; the others (`Split`, `Until`,
//! `Look`, `Behind`, `Start`) are passed at once, first choice first, so a list of threads in the order of
//! discovery is the order of Python's backtracking.
//!
//! `Until` stands where an iteration of a loop ends whose body may be empty. Python stops such a loop when
//! the iteration consumed nothing and goes on behind the loop; bit `depth` of a thread's flags says
//! "the present iteration began at this very position". Loops at one depth are never active together.
//!
//! Equal instructions with equal successors are one, and so are loops of equal bodies with one successor: a terminal that
//! repeats its rest in many alternatives (any key but these) has it once, and what has read one of them is in one place.
//!
//! Invariants: every instruction but `FAIL` reaches a `Match` (dead ends become `FAIL` while compiling,
//! which goes from the end to the start), so a thread that consumes can always end some day, its
//! conditions aside. End of text is "no byte follows": a negative look-ahead.
//! Cost: one instruction per set, literal or choice, times the copies of counted repetitions;
//! `LexerLimits::nfa_states` bounds their number and is checked at each instruction.

use rustc_hash::FxHashMap;

use super::ast::{MAX_DEPTH, Node, TerminalSpec};
use super::charset::{ANY_BYTE, CharSets, CharState, NOTHING};
use super::{LexerError, TerminalId};

pub(super) type Pc = u32;
/// The instruction that matches nothing.
pub(super) const FAIL: Pc = 0;
/// Loops with nullable bodies may be nested this deep.
const MAX_LOOP_DEPTH: u8 = 63;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Inst {
    Fail,
    /// Reads `bytes[at..at + len]`, `len > 0`.
    Lit {
        at: u32,
        len: u32,
        next: Pc,
    },
    Set {
        root: CharState,
        next: Pc,
    },
    Split {
        first: Pc,
        second: Pc,
    },
    Until {
        depth: u8,
        greedy: bool,
        body: Pc,
        exit: Pc,
    },
    Look {
        negate: bool,
        start: Pc,
        next: Pc,
    },
    Behind {
        index: u32,
        negate: bool,
        next: Pc,
    },
    Start {
        next: Pc,
    },
    Match {
        terminal: TerminalId,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) insts: Vec<Inst>,
    /// Which terminal (or look-behind) an instruction belongs to.
    pub(super) owners: Vec<u32>,
    pub(super) bytes: Vec<u8>,
    pub(super) sets: CharSets,
    pub(super) behinds: Vec<Behind>,
    pub(super) uses_start: bool,
    compiled: Compiled,
}

/// What was compiled to what; nobody asks once all terminals are.
#[derive(Clone, Debug, Default)]
struct Compiled {
    literals: FxHashMap<String, u32>,
    /// Instructions by what they are and whose; loops by what they repeat and what follows.
    ids: FxHashMap<(Inst, u32), Pc>,
    loops: FxHashMap<Loop, Pc>,
    behind_ids: FxHashMap<Node, u32>,
}

/// A look-behind: holds where a match of its program, begun anywhere before, ends.
#[derive(Clone, Debug)]
pub(super) struct Behind {
    pub(super) start: Pc,
    /// It never sees text before the lexeme it is used in.
    pub(super) is_local: bool,
}

/// A loop without an upper bound, up to what it is compiled to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Loop {
    node: Node,
    greedy: bool,
    depth: u8,
    next: Pc,
    owner: u32,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Lexeme,
    Ahead,
    Behind,
    Keyword,
}

struct Compiler<'a> {
    program: &'a mut Program,
    terminal: &'a TerminalSpec,
    owner: u32,
    place: Place,
    limit: usize,
}

impl Program {
    pub(super) fn new() -> Program {
        Program {
            insts: vec![Inst::Fail],
            owners: vec![0],
            bytes: Vec::new(),
            sets: CharSets::new(),
            behinds: Vec::new(),
            uses_start: false,
            compiled: Compiled::default(),
        }
    }

    /// Compiles a terminal and returns its entry.
    pub(super) fn add(&mut self, id: TerminalId, terminal: &TerminalSpec, owner: u32, is_keyword: bool, limit: usize) -> Result<Pc, LexerError> {
        if terminal.node.is_deeper_than(MAX_DEPTH) {
            return Err(LexerError::TooLarge { limit: "node_depth", given: MAX_DEPTH + 1 });
        }
        let place = if is_keyword { Place::Keyword } else { Place::Lexeme };
        let mut compiler = Compiler { program: self, terminal, owner, place, limit };
        let end = compiler.push(Inst::Match { terminal: id })?;
        let entry = compiler.node(&terminal.node, end, 0)?;
        let behind_ids = &self.compiled.behind_ids;
        let behinds = &mut self.behinds;
        terminal.node.each_wide_look_behind(0, &mut |node| {
            if let Some(&i) = behind_ids.get(node) {
                behinds[i as usize].is_local = false;
            }
        });
        Ok(entry)
    }

    /// Drops what only compiling needs.
    pub(super) fn finish(&mut self) {
        self.compiled = Compiled::default();
    }

    /// For each instruction one that reads the same and then matches just as surely, the first of its kind;
    /// itself if a match behind it is not sure; and whether it is. For the question whether some prefix matches.
    pub(super) fn alike(&self) -> (Vec<Pc>, Vec<bool>) {
        let n = self.insts.len();
        let (mut alike, mut matches): (Vec<Pc>, Vec<bool>) = (Vec::with_capacity(n), Vec::with_capacity(n));
        let mut is_sure: Vec<bool> = Vec::with_capacity(n);
        let mut first_set = None;
        let mut first_lit: FxHashMap<(u32, u32), Pc> = FxHashMap::default();
        for (pc, inst) in self.insts.iter().enumerate() {
            // Targets further on are bodies of loops, which lead back here before they lead to a match.
            let surely = |pc: Pc| matches.get(pc as usize).copied().unwrap_or(false);
            let pc = pc as Pc;
            alike.push(match *inst {
                // How much of a set is read says the thread itself.
                Inst::Set { next, .. } if surely(next) => *first_set.get_or_insert(pc),
                Inst::Lit { at, len, next } if surely(next) => *first_lit.entry((at, len)).or_insert(pc),
                _ => pc,
            });
            is_sure.push(match *inst {
                Inst::Set { next, .. } | Inst::Lit { next, .. } => surely(next),
                _ => false,
            });
            matches.push(match *inst {
                Inst::Match { .. } => true,
                Inst::Split { first, second } => surely(first) || surely(second),
                Inst::Until { body, exit, .. } => surely(body) || surely(exit),
                _ => false,
            });
        }
        (alike, is_sure)
    }

    /// For each instruction the first one that leads to the same: how much of a set is read says the thread itself, whatever the set.
    pub(super) fn places(&self) -> Vec<Pc> {
        let mut first: FxHashMap<Pc, Pc> = FxHashMap::default();
        let place = |(pc, inst): (usize, &Inst)| match *inst {
            Inst::Set { next, .. } => *first.entry(next).or_insert(pc as Pc),
            _ => pc as Pc,
        };
        self.insts.iter().enumerate().map(place).collect()
    }

    /// Whether no assertion lies on any way from an instruction: nothing can keep a thread there from a match.
    pub(super) fn free(&self) -> Vec<bool> {
        let mut free = vec![true; self.insts.len()];
        let mut is_changed = true;
        // Instructions lead to earlier ones, but for bodies of loops: one more round for each level of loops.
        while is_changed {
            is_changed = false;
            for (pc, inst) in self.insts.iter().enumerate() {
                let now = match *inst {
                    Inst::Fail | Inst::Match { .. } => true,
                    Inst::Lit { next, .. } | Inst::Set { next, .. } => free[next as usize],
                    Inst::Split { first, second } => free[first as usize] && free[second as usize],
                    Inst::Until { body, exit, .. } => free[body as usize] && free[exit as usize],
                    Inst::Look { .. } | Inst::Behind { .. } | Inst::Start { .. } => false,
                };
                is_changed |= free[pc] && !now;
                free[pc] &= now;
            }
        }
        free
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.insts.len() * (size_of::<Inst>() + 4) + self.bytes.len() + self.sets.n_states() * 64
    }
}

impl Compiler<'_> {
    /// The instruction; one that is there already if it can be.
    fn push(&mut self, inst: Inst) -> Result<Pc, LexerError> {
        if let Some(&known) = self.program.compiled.ids.get(&(inst, self.owner)) {
            return Ok(known);
        }
        let pc = self.push_new(inst)?;
        self.program.compiled.ids.insert((inst, self.owner), pc);
        Ok(pc)
    }

    /// An instruction that may be changed later.
    fn push_new(&mut self, inst: Inst) -> Result<Pc, LexerError> {
        let given = self.program.insts.len();
        if given > self.limit || given >= u32::MAX as usize / 2 {
            return Err(LexerError::TooLarge { limit: "nfa_states", given });
        }
        self.program.insts.push(inst);
        self.program.owners.push(self.owner);
        Ok(given as Pc)
    }

    fn unsupported<T>(&self, construct: &'static str) -> Result<T, LexerError> {
        Err(LexerError::Unsupported { terminal: self.terminal.name.clone(), construct })
    }

    /// Code for the node followed by `next`; returns its entry. `depth` counts the nullable loops around.
    fn node(&mut self, node: &Node, next: Pc, depth: u8) -> Result<Pc, LexerError> {
        if next == FAIL {
            return Ok(FAIL);
        }
        match node {
            Node::Lit(text) => self.literal(text, next),
            Node::Set(ranges) => match self.program.sets.root(ranges) {
                NOTHING => Ok(FAIL),
                root => self.push(Inst::Set { root, next }),
            },
            Node::Cat(nodes) => nodes.iter().rev().try_fold(next, |next, n| self.node(n, next, depth)),
            Node::Alt(nodes) => {
                let mut entry = FAIL;
                for n in nodes.iter().rev() {
                    let first = self.node(n, next, depth)?;
                    entry = self.split(first, entry)?;
                }
                Ok(entry)
            }
            Node::Rep { min, max, greedy, node } => self.repeat(node, *min, *max, *greedy, next, depth),
            Node::Look { ahead: true, negate, node } => self.look_ahead(node, *negate, next),
            Node::Look { ahead: false, negate, node } => self.look_behind(node, *negate, next),
            Node::Start => {
                if self.place == Place::Keyword {
                    return self.unsupported("start of text in a keyword");
                }
                self.program.uses_start = true;
                self.push(Inst::Start { next })
            }
            Node::End => match self.place {
                Place::Behind => self.unsupported("end of text in a look-behind"),
                Place::Keyword => self.unsupported("end of text in a keyword"),
                Place::Lexeme | Place::Ahead => {
                    let end = self.push(Inst::Match { terminal: 0 })?;
                    let start = self.push(Inst::Set { root: ANY_BYTE, next: end })?;
                    self.push(Inst::Look { negate: true, start, next })
                }
            },
        }
    }

    fn literal(&mut self, text: &str, next: Pc) -> Result<Pc, LexerError> {
        if text.is_empty() {
            return Ok(next);
        }
        let at = match self.program.compiled.literals.get(text) {
            Some(&at) => at,
            None => {
                let at = self.program.bytes.len() as u32;
                self.program.bytes.extend_from_slice(text.as_bytes());
                self.program.compiled.literals.insert(text.to_owned(), at);
                at
            }
        };
        self.push(Inst::Lit { at, len: text.len() as u32, next })
    }

    fn split(&mut self, first: Pc, second: Pc) -> Result<Pc, LexerError> {
        match (first, second) {
            (FAIL, only) | (only, FAIL) => Ok(only),
            (first, second) if first == second => Ok(first),
            (first, second) => self.push(Inst::Split { first, second }),
        }
    }

    fn repeat(&mut self, node: &Node, min: u32, max: Option<u32>, greedy: bool, next: Pc, depth: u8) -> Result<Pc, LexerError> {
        if max.is_some_and(|max| max < min) {
            return Ok(FAIL);
        }
        let n_optional = max.map(|max| max - min);
        let is_loop = n_optional.is_none_or(|n| n > 1) && node.is_nullable();
        if is_loop && depth >= MAX_LOOP_DEPTH {
            return Err(LexerError::TooLarge { limit: "loop_depth", given: usize::from(depth) + 1 });
        }
        let mut entry = match n_optional {
            None => self.unbounded(node, is_loop, greedy, next, depth)?,
            Some(n) if is_loop => self.until_times(node, n, greedy, next, depth)?,
            Some(n) => {
                let mut entry = next;
                for _ in 0..n {
                    let body = self.node(node, entry, depth)?;
                    if body == FAIL || body == entry {
                        break;
                    }
                    entry = if greedy { self.split(body, next)? } else { self.split(next, body)? };
                }
                entry
            }
        };
        for _ in 0..min {
            let body = self.node(node, entry, depth)?;
            if body == entry {
                break;
            }
            entry = body;
            if entry == FAIL {
                break;
            }
        }
        Ok(entry)
    }

    fn unbounded(&mut self, node: &Node, is_loop: bool, greedy: bool, next: Pc, depth: u8) -> Result<Pc, LexerError> {
        let key = Loop { node: node.clone(), greedy, depth, next, owner: self.owner, place: self.place };
        if let Some(&known) = self.program.compiled.loops.get(&key) {
            return Ok(known);
        }
        let entry = match is_loop {
            true => self.until_star(node, greedy, next, depth)?,
            false => self.star(node, greedy, next, depth)?,
        };
        self.program.compiled.loops.insert(key, entry);
        Ok(entry)
    }

    fn star(&mut self, node: &Node, greedy: bool, next: Pc, depth: u8) -> Result<Pc, LexerError> {
        // Filled in below; it is not FAIL, so the body is compiled as if it led somewhere, which it does.
        let at = self.push_new(Inst::Split { first: next, second: next })?;
        let body = self.node(node, at, depth)?;
        if body == FAIL {
            return Ok(next);
        }
        self.program.insts[at as usize] = if greedy { Inst::Split { first: body, second: next } } else { Inst::Split { first: next, second: body } };
        Ok(at)
    }

    fn until_star(&mut self, node: &Node, greedy: bool, next: Pc, depth: u8) -> Result<Pc, LexerError> {
        let at = self.push_new(Inst::Until { depth, greedy, body: FAIL, exit: next })?;
        let body = self.node(node, at, depth + 1)?;
        if body == FAIL || body == at {
            return Ok(next);
        }
        self.program.insts[at as usize] = Inst::Until { depth, greedy, body, exit: next };
        Ok(at)
    }

    /// At most `n` iterations of a nullable body; the ends of iterations 0..=n are `Until`s.
    fn until_times(&mut self, node: &Node, n: u32, greedy: bool, next: Pc, depth: u8) -> Result<Pc, LexerError> {
        let mut entry = self.push(Inst::Until { depth, greedy, body: FAIL, exit: next })?;
        for _ in 0..n {
            let body = self.node(node, entry, depth + 1)?;
            if body == FAIL || body == entry {
                return Ok(next);
            }
            entry = self.push(Inst::Until { depth, greedy, body, exit: next })?;
        }
        Ok(entry)
    }

    fn look_ahead(&mut self, node: &Node, negate: bool, next: Pc) -> Result<Pc, LexerError> {
        match self.place {
            Place::Behind => return self.unsupported("look-ahead in a look-behind"),
            Place::Keyword => return self.unsupported("look-ahead in a keyword"),
            Place::Lexeme | Place::Ahead => {}
        }
        let outer = std::mem::replace(&mut self.place, Place::Ahead);
        let end = self.push(Inst::Match { terminal: 0 })?;
        let start = self.node(node, end, 0)?;
        self.place = outer;
        match (start, negate) {
            (FAIL, false) => Ok(FAIL),
            (FAIL, true) => Ok(next),
            (start, negate) => self.push(Inst::Look { negate, start, next }),
        }
    }

    fn look_behind(&mut self, node: &Node, negate: bool, next: Pc) -> Result<Pc, LexerError> {
        if self.place == Place::Keyword {
            return self.unsupported("look-behind in a keyword");
        }
        let known = self.program.compiled.behind_ids.get(node).copied();
        let index = match known {
            Some(index) => index,
            None => self.new_look_behind(node)?,
        };
        self.push(Inst::Behind { index, negate, next })
    }

    /// Look-behinds inside this one get lower numbers, so that they are known before it at each position.
    fn new_look_behind(&mut self, node: &Node) -> Result<u32, LexerError> {
        let outer = (std::mem::replace(&mut self.place, Place::Behind), self.owner);
        let end = self.push_new(Inst::Match { terminal: 0 })?;
        let start = self.node(node, end, 0)?;
        (self.place, self.owner) = outer;
        let index = self.program.behinds.len() as u32;
        self.program.insts[end as usize] = Inst::Match { terminal: index };
        self.program.behinds.push(Behind { start, is_local: true });
        self.program.compiled.behind_ids.insert(node.clone(), index);
        Ok(index)
    }
}
