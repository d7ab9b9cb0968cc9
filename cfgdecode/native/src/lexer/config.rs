//! The lexer's configurations: all that the text read so far leaves to be remembered.
//!
//! A configuration is (list of the present lexeme, or none: *fresh*; keywords that still match it;
//! condition on the text that follows; history). [`Lexer::step`] reads a byte of the present lexeme,
//! [`Lexer::cuts`] ends it. Python matches greedily and commits; we read left to right and guess where
//! the lexeme ends, and the guess puts on the following bytes the condition that no match which
//! Python would have preferred comes true (see `scanner.rs`). A condition proved wrong makes the
//! configuration [`DEAD`]; so a text has a path of steps and cuts exactly if Lark lexes it that way.
//!
//! Invariants: configuration 0 is dead, 1 is the start of the text; equal configurations have equal
//! numbers; numbers depend only on the order of the calls.
//! Cost: a warm step is one table look-up; a row has one entry per byte class and is made at the first
//! step out of a configuration. `LexerLimits::configs` bounds configurations; see `scanner.rs` for the rest.
//! See it: [`Lexer::describe`].

use rustc_hash::{FxHashMap, FxHashSet};

use super::ast::{LexerSpec, Mode};
use super::futures::Future;
use super::history::{HistoryId, UNTOUCHED};
use super::keywords::{self, Keywords, KeywordsId};
use super::nfa::{FAIL, Inst, Pc, Program};
use super::scanner::{ALWAYS, CondId, EMPTY, Holds, ListId, NEVER, Scanner};
use super::{ConfigId, LexerError, LexerLimits, TerminalId, charset};

/// The configuration without a future.
pub const DEAD: ConfigId = ConfigId(0);
const START: ConfigId = ConfigId(1);
/// Bytes of kinds so different that a lexeme which takes in any of them takes in nearly everything.
const TELLING: [u8; 5] = *b"a(;} ";
const UNKNOWN: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Config {
    pub(super) list: ListId,
    pub(super) keywords: KeywordsId,
    pub(super) cond: CondId,
    pub(super) history: HistoryId,
    /// History of the lexeme by itself; only kept where prefixes of lexemes are matched.
    pub(super) own_history: HistoryId,
}

/// What was computed about a configuration; [`UNKNOWN`] where nothing was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    row: u32,
    cuts: (u32, u32),
    pub(super) future: Future,
}

#[derive(Clone, Debug)]
pub struct Lexer {
    mode: Mode,
    pub(super) scanner: Scanner,
    keywords: Keywords,
    starts: Vec<Pc>,
    start_lists: FxHashMap<Holds, ListId>,
    names: Vec<String>,
    /// Terminals that end at every accept.
    ends_anywhere: Vec<bool>,
    has_prefixes: bool,
    limits: LexerLimits,
    pub(super) configs: Vec<Config>,
    pub(super) known: Vec<Known>,
    ids: FxHashMap<Config, u32>,
    rows: Vec<u32>,
    cuts: Vec<(TerminalId, ConfigId)>,
    pub(super) overflowed: Option<&'static str>,
}

impl Lexer {
    pub fn new(spec: LexerSpec, limits: LexerLimits) -> Result<Lexer, LexerError> {
        check_ids(&spec)?;
        let mut program = Program::new();
        let order: Vec<TerminalId> = match spec.mode {
            Mode::Basic => spec.scanner.clone(),
            Mode::Dynamic | Mode::DynamicComplete => (0..spec.terminals.len() as TerminalId).collect(),
        };
        let mut starts = Vec::with_capacity(order.len());
        for &id in &order {
            starts.push(program.add(id, &spec.terminals[id as usize], id, false, limits.nfa_states)?);
        }
        let mut ends_anywhere = vec![spec.mode == Mode::DynamicComplete; spec.terminals.len()];
        for &id in &spec.ignore {
            ends_anywhere[id as usize] = false;
        }
        // What looks around itself must be matched in the lexeme's prefixes as well, after all lexemes.
        let n_terminals = spec.terminals.len() as TerminalId;
        let mut has_prefixes = false;
        for (id, terminal) in spec.terminals.iter().enumerate() {
            if ends_anywhere[id] && terminal.node.sees_outside(0) {
                (ends_anywhere[id], has_prefixes) = (false, true);
                let id = id as TerminalId;
                starts.push(program.add(id, terminal, n_terminals + id, false, limits.nfa_states)?);
            }
        }
        let mut keyword_starts = Vec::new();
        let mut of_terminal: FxHashMap<TerminalId, Vec<TerminalId>> = FxHashMap::default();
        if spec.mode == Mode::Basic {
            let mut compiled = FxHashSet::default();
            for (terminal, keywords) in &spec.keywords {
                for &id in keywords.iter().filter(|&&id| compiled.insert(id)) {
                    keyword_starts.push(program.add(id, &spec.terminals[id as usize], id, true, limits.nfa_states)?);
                }
                of_terminal.entry(*terminal).or_default().extend_from_slice(keywords);
            }
        }
        program.finish();
        let classes = byte_classes(&program);
        let one_group = spec.mode == Mode::Basic;
        let mut scanner = Scanner::new(program, one_group, n_terminals, classes, limits.dfa_states);
        let at_start = scanner.history.at_start;
        let holds = scanner.history.holds(at_start);
        let keywords = Keywords::new(&mut scanner, &keyword_starts, of_terminal, holds);
        let mut lexer = Lexer {
            mode: spec.mode,
            scanner,
            keywords,
            starts: starts.into_iter().filter(|&pc| pc != FAIL).collect(),
            start_lists: FxHashMap::default(),
            names: spec.terminals.into_iter().map(|terminal| terminal.name).collect(),
            ends_anywhere,
            has_prefixes,
            limits,
            configs: Vec::new(),
            known: Vec::new(),
            ids: FxHashMap::default(),
            rows: Vec::new(),
            cuts: Vec::new(),
            overflowed: None,
        };
        lexer.push(fresh(NEVER, at_start));
        lexer.push(fresh(ALWAYS, at_start));
        Ok(lexer)
    }

    /// The configuration at the start of the text; it is fresh.
    pub fn start(&self) -> ConfigId {
        START
    }

    /// Reads a byte: of the present lexeme, or the first of a new one. [`DEAD`] if that cannot be.
    pub fn step(&mut self, config: ConfigId, byte: u8) -> ConfigId {
        let class = self.scanner.class_of[usize::from(byte)];
        if let Some(known) = self.known.get(config.0 as usize)
            && let Some(&next) = self.rows.get(known.row as usize + usize::from(class))
            && next != UNKNOWN
        {
            return ConfigId(next);
        }
        self.first_step(config, class)
    }

    /// Where the lexeme may end here: terminals and the fresh configurations behind them.
    pub fn cuts(&mut self, config: ConfigId) -> &[(TerminalId, ConfigId)] {
        let Some(known) = self.known.get(config.0 as usize) else { return &[] };
        if known.cuts.0 == UNKNOWN {
            self.first_cuts(config);
        }
        let (begin, end) = self.known[config.0 as usize].cuts;
        &self.cuts[begin as usize..end as usize]
    }

    /// Whether no lexeme has begun.
    pub fn is_fresh(&self, config: ConfigId) -> bool {
        config != DEAD && self.configs.get(config.0 as usize).is_some_and(|c| c.list == EMPTY)
    }

    /// Whether the text may end here.
    pub fn can_end(&mut self, config: ConfigId) -> bool {
        self.is_fresh(config) && self.scanner.holds_at_end(self.configs[config.0 as usize].cond)
    }

    /// Whether the pending lexeme takes in whatever comes next: a comment, a string, a line for the preprocessor.
    pub fn is_opaque(&mut self, config: ConfigId) -> bool {
        !self.is_fresh(config) && TELLING.iter().all(|&byte| self.step(config, byte) != DEAD)
    }

    /// The limit that was hit, if any; from then on `step` may answer [`DEAD`] wrongly.
    pub fn overflowed(&self) -> Option<&'static str> {
        self.overflowed
    }

    pub fn n_configs(&self) -> usize {
        self.configs.len()
    }

    pub fn memory_bytes(&self) -> usize {
        let configs = self.configs.capacity() * (size_of::<Config>() + size_of::<Known>()) + self.ids.capacity() * 24;
        let tables = self.rows.capacity() * 4 + self.cuts.capacity() * 8;
        self.scanner.memory_bytes() + self.keywords.memory_bytes() + configs + tables
    }

    /// Bytes of one class behave alike in every configuration.
    pub fn byte_classes(&self) -> &[u8; 256] {
        &self.scanner.class_of
    }

    pub fn byte_class_count(&self) -> usize {
        self.scanner.bytes.len()
    }

    /// The configuration in words, for people.
    pub fn describe(&self, config: ConfigId) -> String {
        let Some(&Config { list, keywords, cond, history, .. }) = self.configs.get(config.0 as usize) else {
            return "no such configuration".to_owned();
        };
        if config == DEAD {
            return "dead".to_owned();
        }
        let mut text = if list == EMPTY { "fresh".to_owned() } else { "in a lexeme:".to_owned() };
        for &thread in self.scanner.lists.get(list) {
            let owner = self.scanner.program.owners[thread.pc as usize];
            let name = self.names.get(owner as usize % self.names.len()).map_or("?", |name| name);
            text += &format!(" {name}@{}", self.scanner.show_thread(thread));
        }
        if keywords != keywords::NONE {
            text += &format!(", keywords {keywords}");
        }
        if cond != ALWAYS {
            text += &format!(", next: {}", self.scanner.show_cond(cond));
        }
        if history != UNTOUCHED {
            text += &format!(", history {history}");
        }
        text
    }

    pub(super) fn push(&mut self, config: Config) -> ConfigId {
        let id = self.configs.len() as u32;
        self.configs.push(config);
        self.known.push(Known { row: UNKNOWN, cuts: (UNKNOWN, UNKNOWN), future: Future::Unknown });
        self.ids.insert(config, id);
        ConfigId(id)
    }

    pub(super) fn intern(&mut self, config: Config) -> ConfigId {
        if let Some(&id) = self.ids.get(&config) {
            return ConfigId(id);
        }
        if self.configs.len() >= self.limits.configs.saturating_add(2) || self.rows.len() >= UNKNOWN as usize - 512 {
            self.overflowed = self.overflowed.or(Some("configs"));
        }
        if self.scanner.is_full || self.keywords.n_states() > self.limits.dfa_states.saturating_add(2) {
            self.overflowed = self.overflowed.or(Some("dfa_states"));
        }
        if self.overflowed.is_some() {
            return DEAD;
        }
        self.push(config)
    }

    pub(super) fn first_step(&mut self, id: ConfigId, class: u8) -> ConfigId {
        let Some(&config) = self.configs.get(id.0 as usize) else { return DEAD };
        if id == DEAD {
            return DEAD;
        }
        let next = self.next(config, class);
        let next = if self.has_future(next) { next } else { DEAD };
        if self.overflowed.is_some() {
            return next;
        }
        let n_classes = self.scanner.bytes.len();
        let known = &mut self.known[id.0 as usize];
        if known.row == UNKNOWN {
            known.row = self.rows.len() as u32;
            self.rows.resize(self.rows.len() + n_classes, UNKNOWN);
        }
        self.rows[known.row as usize + usize::from(class)] = next.0;
        next
    }

    pub(super) fn next(&mut self, config: Config, class: u8) -> ConfigId {
        let history = self.scanner.step_history(config.history, class);
        let cond = self.scanner.step_cond(config.cond, class, self.scanner.history.holds(history));
        if cond == NEVER {
            return DEAD;
        }
        let (list, keywords, own_history) = if config.list == EMPTY {
            (self.start_list(config.history), self.keywords.start, self.scanner.history.at_start)
        } else {
            (config.list, config.keywords, config.own_history)
        };
        let own_history = if self.has_prefixes { self.scanner.step_history(own_history, class) } else { UNTOUCHED };
        let holds = self.holds(history, own_history);
        let list = self.scanner.step_list(list, class, holds);
        if list == EMPTY {
            return DEAD;
        }
        let keywords = self.keywords.step(&mut self.scanner, keywords, class);
        self.intern(Config { list, keywords, cond, history, own_history })
    }

    pub(super) fn holds(&self, history: HistoryId, own_history: HistoryId) -> Holds {
        Holds { text: self.scanner.history.holds(history), lexeme: self.scanner.history.holds(own_history) }
    }

    pub(super) fn start_list(&mut self, history: HistoryId) -> ListId {
        let holds = self.holds(history, self.scanner.history.at_start);
        if let Some(&list) = self.start_lists.get(&holds) {
            return list;
        }
        let list = self.scanner.start_list(&self.starts, holds);
        self.start_lists.insert(holds, list);
        list
    }

    pub(super) fn first_cuts(&mut self, id: ConfigId) {
        let mut cuts = self.ends(self.configs[id.0 as usize]);
        cuts.retain(|&(_, fresh)| self.has_future(fresh));
        let begin = self.cuts.len() as u32;
        self.cuts.append(&mut cuts);
        self.known[id.0 as usize].cuts = (begin, self.cuts.len() as u32);
    }

    /// Where the lexeme may end, whether or not there is a future.
    pub(super) fn ends(&mut self, config: Config) -> Vec<(TerminalId, ConfigId)> {
        let mut cuts: Vec<(TerminalId, ConfigId)> = Vec::new();
        for accept in self.scanner.accepts(config.list) {
            let anywhere = self.ends_anywhere[accept.terminal as usize];
            let cond = match accept.is_prefix {
                true => self.scanner.in_some_prefix(config.list, accept, config.own_history),
                false if anywhere => accept.own_cond,
                false => accept.cond,
            };
            let cond = self.scanner.both(config.cond, cond);
            if cond == NEVER {
                continue;
            }
            let history = match cond {
                ALWAYS => self.scanner.forget_local(config.history),
                _ => config.history,
            };
            let fresh = self.intern(fresh(cond, history));
            let terminal = match self.mode {
                Mode::Basic => self.keywords.retype(&self.scanner, config.keywords, accept.terminal),
                Mode::Dynamic | Mode::DynamicComplete => accept.terminal,
            };
            if fresh != DEAD && !cuts.contains(&(terminal, fresh)) {
                cuts.push((terminal, fresh));
            }
        }
        cuts
    }
}

fn fresh(cond: CondId, history: HistoryId) -> Config {
    Config { list: EMPTY, keywords: keywords::NONE, cond, history, own_history: UNTOUCHED }
}

fn check_ids(spec: &LexerSpec) -> Result<(), LexerError> {
    let keywords = spec.keywords.iter().flat_map(|(terminal, keywords)| keywords.iter().chain([terminal]));
    let mut ids = spec.ignore.iter().chain(&spec.scanner).chain(keywords);
    match ids.find(|&&id| id as usize >= spec.terminals.len()) {
        Some(&id) => Err(LexerError::NoSuchTerminal { id, n_terminals: spec.terminals.len() }),
        None => Ok(()),
    }
}

/// The coarsest classes of bytes that every instruction treats alike, and a byte of each.
fn byte_classes(program: &Program) -> ([u8; 256], Vec<u8>) {
    let mut class_of = [0u16; 256];
    let mut n_classes = 1;
    let mut refine = |target_of: &dyn Fn(u8) -> u32| {
        let mut seen: FxHashMap<(u16, u32), u16> = FxHashMap::default();
        let mut refined = [0u16; 256];
        for byte in 0..=255u8 {
            let n = seen.len() as u16;
            refined[usize::from(byte)] = *seen.entry((class_of[usize::from(byte)], target_of(byte))).or_insert(n);
        }
        if seen.len() > n_classes {
            (class_of, n_classes) = (refined, seen.len());
        }
    };
    for state in 0..program.sets.n_states() as u32 {
        if state != charset::ANY_BYTE {
            refine(&|byte| program.sets.step(state, byte));
        }
    }
    let mut in_literals = [false; 256];
    for &byte in &program.bytes {
        in_literals[usize::from(byte)] = true;
    }
    refine(&|byte| if in_literals[usize::from(byte)] { u32::from(byte) + 1 } else { 0 });
    debug_assert!(program.insts.iter().all(|inst| !matches!(inst, Inst::Lit { len: 0, .. })));
    let class_of = class_of.map(|class| class as u8);
    let bytes = (0..n_classes).map(|class| (0..=255u8).find(|&b| usize::from(class_of[usize::from(b)]) == class).unwrap_or(0));
    (class_of, bytes.collect())
}
