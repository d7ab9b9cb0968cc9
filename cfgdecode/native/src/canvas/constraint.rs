//! A grammar compiled together with a vocabulary: immutable for users, with lazily filled tables inside.

use super::anything::LoopGraphs;
use super::pool::Pool;
use super::representatives::Representatives;
use crate::grammar::{Cfg, CfgError};
use crate::intersect::SymbolSets;
use crate::lexer::{ConfigId, Lexer, LexerError, LexerLimits, LexerSpec};
use crate::vocabulary::{Effects, Vocabulary};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Items in the charts of one canvas before an answer is *undecided*.
    pub items: usize,
    /// States visited while two charts are joined.
    pub states: usize,
    /// Bytes of lexical tables before they are made anew.
    pub table_bytes: usize,
    /// Microseconds for one call; 0 = none.
    pub time_us: u64,
    /// Open cells up to which a canvas with a small vocabulary is decided by the exact view at once.
    pub exact_cells: usize,
    /// Origins of one symbol that sketches keep; as many where views say no.
    pub origins: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { items: 20_000_000, states: 20_000_000, table_bytes: 256 << 20, time_us: 0, exact_cells: 8, origins: 16 }
    }
}

#[derive(Debug)]
pub enum ConstraintError {
    Cfg(CfgError),
    Lexer(LexerError),
}

/// Lexical tables, filled on demand and shared by all canvases of one lane.
#[derive(Debug)]
pub struct Tables {
    pub effects: Effects,
    pub symbols: SymbolSets,
    pub(super) loops: LoopGraphs,
    pub representatives: Option<Representatives>,
    pub(super) pool: Option<Pool>,
    pub(super) plain: Option<Pool>,
    /// None: not made yet; Some(None): cannot be made.
    pub(super) loose: Option<Option<Pool>>,
}

impl Tables {
    pub fn memory_bytes(&self) -> usize {
        self.effects.memory_bytes() + self.symbols.memory_bytes()
    }
}

#[derive(Debug)]
pub struct Constraint {
    pub cfg: Arc<Cfg>,
    pub vocabulary: Arc<Vocabulary>,
    pub limits: Limits,
    pub start: ConfigId,
    spec: LexerSpec,
    /// Canvases of one lane share their tables, and wait for one another; those of different lanes do neither.
    lanes: [OnceLock<Mutex<Tables>>; N_LANES],
}

/// Lanes of a constraint; higher numbers begin again at the first.
const N_LANES: usize = 16;

impl Constraint {
    pub fn new(cfg: Cfg, spec: LexerSpec, vocabulary: Arc<Vocabulary>, limits: Limits) -> Result<Constraint, ConstraintError> {
        let lexer = Lexer::new(spec.clone(), LexerLimits::default()).map_err(ConstraintError::Lexer)?;
        let start = lexer.start();
        let constraint = Constraint { cfg: Arc::new(cfg), vocabulary, limits, start, spec, lanes: Default::default() };
        constraint.lanes[0].get_or_init(|| Mutex::new(constraint.new_tables(lexer)));
        Ok(constraint)
    }

    fn new_tables(&self, lexer: Lexer) -> Tables {
        let effects = Effects::new(lexer, &self.spec.ignore, self.spec.terminals.len(), self.limits.table_bytes);
        let symbols = SymbolSets::new(self.cfg.clone(), 0);
        Tables { effects, symbols, loops: LoopGraphs::default(), representatives: None, pool: None, plain: None, loose: None }
    }

    /// The tokens that stand for the vocabulary in searches, worked out at first use.
    pub fn representatives(&self, lane: usize) -> Representatives {
        let mut tables = self.tables(lane);
        let tables = &mut *tables;
        let pool = tables.pool.get_or_insert_with(|| Pool::new(self, &mut tables.effects));
        tables.representatives.get_or_insert_with(|| Representatives::new(self, &mut tables.effects, pool)).clone()
    }

    pub fn tables(&self, lane: usize) -> MutexGuard<'_, Tables> {
        let tables = self.lanes[lane % N_LANES].get_or_init(|| {
            // The same lexer once more: it was made from this before.
            let lexer = Lexer::new(self.spec.clone(), LexerLimits::default()).expect("made before");
            Mutex::new(self.new_tables(lexer))
        });
        // A poisoned lock means a bug was reported as a panic elsewhere; the tables hold no broken
        // invariants then, since entries are inserted whole.
        tables.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Bytes of the tables of all lanes in use.
    pub fn table_bytes(&self) -> usize {
        (0..N_LANES).filter(|&lane| self.lanes[lane].get().is_some()).map(|lane| self.tables(lane).memory_bytes()).sum()
    }
}
