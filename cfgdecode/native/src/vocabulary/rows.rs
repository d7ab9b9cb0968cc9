//! What long rows of configurations have behind the next byte, or behind the lexemes that end there, and which are comments and strings.
//!
//! Inside gaps the same configurations stand at every boundary, only with other sets: who leads where is worked out once.
//!
//! Invariants: positions count along the configurations given; numbers of rows are never used twice.
//! Cost: memory of one position for each configuration and byte class asked for; all is dropped beyond [`MAX_CELLS`] and worked out anew.

use crate::lexer::{ConfigId, DEAD, Lexer, TerminalId};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Configurations, each with what leads there.
pub type Leads<T> = Arc<[(ConfigId, Box<[T]>)]>;

/// A row that is known by its number.
#[derive(Debug)]
pub struct Row<'a> {
    pub(super) id: u32,
    pub(super) configs: &'a [ConfigId],
}

/// Words of memory from which on everything is dropped.
const MAX_CELLS: usize = 4 << 20;
/// Words that an entry takes beside its positions.
const ENTRY: usize = 16;
/// Text of a token by which comments and strings are told apart.
const PLAIN: [u8; 2] = *b"zz";

#[derive(Debug, Default)]
pub(super) struct Rows {
    ids: FxHashMap<Box<[ConfigId]>, u32>,
    n_rows: u32,
    behind: FxHashMap<(u32, u8), Leads<u32>>,
    fresh: FxHashMap<u32, Leads<(TerminalId, u32)>>,
    opaque: FxHashMap<u32, Arc<[(u32, ConfigId)]>>,
    n_cells: usize,
}

impl Rows {
    /// The number of a row, by which it need not be compared again.
    pub(super) fn id_of(&mut self, configs: &[ConfigId]) -> u32 {
        if let Some(&known) = self.ids.get(configs) {
            return known;
        }
        if self.n_cells > MAX_CELLS {
            *self = Rows { n_rows: self.n_rows, ..Rows::default() };
        }
        self.n_rows += 1;
        self.n_cells += configs.len() + ENTRY;
        self.ids.insert(configs.into(), self.n_rows);
        self.n_rows
    }

    /// The positions that lead to each configuration behind a byte, comments and strings first.
    pub(super) fn behind(&mut self, lexer: &mut Lexer, id: u32, configs: &[ConfigId], byte: u8) -> Leads<u32> {
        let key = (id, lexer.byte_classes()[usize::from(byte)]);
        if let Some(known) = self.behind.get(&key) {
            return known.clone();
        }
        let mut leads: BTreeMap<ConfigId, Vec<u32>> = BTreeMap::new();
        for (at, &config) in configs.iter().enumerate() {
            let d = lexer.step(config, byte);
            if d != DEAD {
                leads.entry(d).or_default().push(at as u32);
            }
        }
        let mut leads = boxed(leads);
        leads.sort_by_cached_key(|lead| !lexer.is_opaque(lead.0));
        let leads: Leads<u32> = leads.into();
        self.n_cells += ENTRY + leads.iter().map(|lead| lead.1.len() + ENTRY).sum::<usize>();
        self.behind.insert(key, leads.clone());
        leads
    }

    /// The terminals that may end at each position, by the fresh configuration behind them.
    pub(super) fn fresh(&mut self, lexer: &mut Lexer, configs: &[ConfigId]) -> Leads<(TerminalId, u32)> {
        let id = self.id_of(configs);
        if let Some(known) = self.fresh.get(&id) {
            return known.clone();
        }
        let mut leads: BTreeMap<ConfigId, Vec<(TerminalId, u32)>> = BTreeMap::new();
        for (at, &config) in configs.iter().enumerate() {
            for &(terminal, fresh) in lexer.cuts(config) {
                leads.entry(fresh).or_default().push((terminal, at as u32));
            }
        }
        let leads: Leads<(TerminalId, u32)> = boxed(leads).into();
        self.n_cells += ENTRY + leads.iter().map(|lead| 2 * lead.1.len() + ENTRY).sum::<usize>();
        self.fresh.insert(id, leads.clone());
        leads
    }

    /// The positions of comments and strings, those first that take in more, each with where plain text leads from there.
    pub(super) fn opaque(&mut self, lexer: &mut Lexer, configs: &[ConfigId]) -> Arc<[(u32, ConfigId)]> {
        let id = self.id_of(configs);
        if let Some(known) = self.opaque.get(&id) {
            return known.clone();
        }
        let mut found: Vec<(usize, u32, ConfigId)> = Vec::new();
        for (at, &config) in configs.iter().enumerate() {
            if lexer.is_opaque(config) {
                let n_unread = (0..128).filter(|&byte| lexer.step(config, byte) == DEAD).count();
                let behind = PLAIN.iter().fold(config, |c, &byte| lexer.step(c, byte));
                found.push((n_unread, at as u32, behind));
            }
        }
        found.sort_unstable();
        let found: Arc<[(u32, ConfigId)]> = found.into_iter().map(|(_, at, behind)| (at, behind)).collect();
        self.n_cells += 2 * (ENTRY + found.len());
        self.opaque.insert(id, found.clone());
        found
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.n_cells * 4
    }
}

fn boxed<T>(leads: BTreeMap<ConfigId, Vec<T>>) -> Vec<(ConfigId, Box<[T]>)> {
    leads.into_iter().map(|(config, from)| (config, from.into_boxed_slice())).collect()
}
