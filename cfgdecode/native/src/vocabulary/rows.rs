//! What long rows of configurations have behind the next byte, or behind the lexemes that end there.
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

/// Words of memory from which on everything is dropped.
const MAX_CELLS: usize = 4 << 20;
/// Words that an entry takes beside its positions.
const ENTRY: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Rows {
    ids: FxHashMap<Box<[ConfigId]>, u32>,
    n_rows: u32,
    behind: FxHashMap<(u32, u8), Leads<u32>>,
    fresh: FxHashMap<u32, Leads<(TerminalId, u32)>>,
    n_cells: usize,
}

impl Rows {
    fn id_of(&mut self, configs: &[ConfigId]) -> u32 {
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

    /// The positions that lead to each configuration behind a byte.
    pub(super) fn behind(&mut self, lexer: &mut Lexer, configs: &[ConfigId], byte: u8) -> Leads<u32> {
        let key = (self.id_of(configs), lexer.byte_classes()[usize::from(byte)]);
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
        let leads = shared(leads, |config| !lexer.is_opaque(config));
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
        let leads = shared(leads, |_| true);
        self.n_cells += ENTRY + leads.iter().map(|lead| 2 * lead.1.len() + ENTRY).sum::<usize>();
        self.fresh.insert(id, leads.clone());
        leads
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.n_cells * 4
    }
}

fn shared<T>(leads: BTreeMap<ConfigId, Vec<T>>, is_last: impl FnMut(ConfigId) -> bool) -> Leads<T> {
    let mut is_last = is_last;
    let mut leads: Vec<(ConfigId, Box<[T]>)> = leads.into_iter().map(|(config, from)| (config, from.into_boxed_slice())).collect();
    leads.sort_by_cached_key(|lead| is_last(lead.0));
    leads.into()
}
