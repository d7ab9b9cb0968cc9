//! The border to Python: thin, typed, and the only place that knows PyO3.
//!
//! Long work runs without the GIL. Every error kind of the core becomes one Python class (`errors`).

mod convert;
mod errors;

use crate::canvas::{Answer, Candidates, Constraint, EosPolicy, Limits, Session, Slot};
use crate::grammar::Cfg;
use crate::vocabulary::Vocabulary;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::{Arc, Mutex, PoisonError};

#[pymodule]
fn _native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add_class::<PyVocabulary>()?;
    m.add_class::<PyConstraint>()?;
    m.add_class::<PySession>()?;
    Ok(())
}

#[pyclass(name = "Vocabulary", frozen)]
struct PyVocabulary {
    inner: Arc<Vocabulary>,
}

#[pymethods]
impl PyVocabulary {
    #[new]
    #[pyo3(signature = (data, offsets, special, eos, pad, mask, n_logits))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        data: Vec<u8>,
        offsets: Vec<u32>,
        special: Vec<bool>,
        eos: Vec<u32>,
        pad: Option<u32>,
        mask: Option<u32>,
        n_logits: u32,
    ) -> PyResult<PyVocabulary> {
        let vocabulary = convert::vocabulary(data, offsets, special, eos, pad, mask, n_logits)?;
        Ok(PyVocabulary { inner: Arc::new(vocabulary) })
    }

    fn memory_bytes(&self) -> usize {
        self.inner.memory_bytes()
    }

    fn n_nodes(&self) -> usize {
        self.inner.n_nodes()
    }
}

#[pyclass(name = "Constraint", frozen)]
struct PyConstraint {
    inner: Arc<Constraint>,
}

#[pymethods]
impl PyConstraint {
    /// Compiles a grammar IR (docs/IR.md) together with a vocabulary.
    #[new]
    #[pyo3(signature = (lexer, terminals, nonterminals, rules, start, ignore, scanner, keywords, vocabulary, limits))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        lexer: &str,
        terminals: Vec<(String, Bound<'_, PyAny>, String)>,
        nonterminals: Vec<String>,
        rules: Vec<(u32, Vec<i32>)>,
        start: u32,
        ignore: Vec<u32>,
        scanner: Vec<u32>,
        keywords: Vec<(u32, Vec<u32>)>,
        vocabulary: &PyVocabulary,
        limits: (usize, usize, usize, u64, usize, usize),
    ) -> PyResult<PyConstraint> {
        let spec = convert::lexer_spec(lexer, &terminals, ignore, scanner, keywords)?;
        let names: Vec<String> = terminals.into_iter().map(|t| t.0).collect();
        let vocabulary = vocabulary.inner.clone();
        let (items, states, table_bytes, time_us, exact_cells, origins) = limits;
        let limits = Limits { items, states, table_bytes, time_us, exact_cells, origins: origins.max(1) };
        let inner = py.detach(|| {
            let cfg = Cfg::new(&names, &nonterminals, &rules, start).map_err(errors::cfg)?;
            Constraint::new(cfg, spec, vocabulary, limits).map_err(errors::constraint)
        })?;
        Ok(PyConstraint { inner: Arc::new(inner) })
    }

    /// The language has no text at all.
    fn is_empty(&self) -> bool {
        self.inner.cfg.is_empty
    }

    fn n_symbols(&self) -> u32 {
        self.inner.cfg.n_symbols
    }

    fn n_rules(&self) -> usize {
        self.inner.cfg.n_rules()
    }

    fn memory_bytes(&self) -> usize {
        self.inner.cfg.memory_bytes() + self.inner.table_bytes()
    }

    /// Canvas with one code per slot: a token id, -1 open, -2 optional, -3 anything.
    fn session(&self, codes: Vec<i64>, policy: u8, lane: usize) -> PyResult<PySession> {
        let slots = convert::slots(&codes, self.inner.vocabulary.n_logits)?;
        let session = Session::new(self.inner.clone(), lane, slots, convert::policy(policy)?);
        Ok(PySession { inner: Mutex::new(session) })
    }
}

#[pyclass(name = "Session", frozen)]
struct PySession {
    inner: Mutex<Session>,
}

impl PySession {
    fn run<T: Send>(&self, py: Python<'_>, f: impl FnOnce(&mut Session) -> T + Send) -> T {
        py.detach(|| f(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// See [`PySession::allowed_all`].
type PyTable<'py> = (Vec<usize>, Vec<u32>, Vec<bool>, Bound<'py, PyBytes>);

/// (0 dead | 1 completable | 2 undecided, limit that was reached)
type PyAnswer = (u8, Option<&'static str>);

fn answer(a: Answer) -> PyAnswer {
    match a {
        Answer::Dead => (0, None),
        Answer::Completable => (1, None),
        Answer::Undecided(limit) => (2, Some(limit)),
    }
}

#[pymethods]
impl PySession {
    fn set(&self, py: Python<'_>, i: usize, code: i64) -> PyResult<()> {
        self.run(py, |s| {
            let slot = convert::slot(code, s.constraint().vocabulary.n_logits)?;
            if i >= s.slots().len() {
                return Err(errors::canvas(format!("position {i} is outside the canvas of {} slots", s.slots().len())));
            }
            s.set(i, slot);
            Ok(())
        })
    }

    fn replace(&self, py: Python<'_>, codes: Vec<i64>) -> PyResult<()> {
        self.run(py, |s| {
            s.replace(convert::slots(&codes, s.constraint().vocabulary.n_logits)?);
            Ok(())
        })
    }

    fn codes(&self, py: Python<'_>) -> Vec<i64> {
        self.run(py, |s| s.slots().iter().map(convert::code).collect())
    }

    fn fork(&self, py: Python<'_>) -> PySession {
        PySession { inner: Mutex::new(self.run(py, |s| s.fork())) }
    }

    fn verdict(&self, py: Python<'_>) -> PyAnswer {
        answer(self.run(py, Session::verdict))
    }

    /// Whether one cheap repair shows that all that changed fits; if not, that says nothing.
    fn repair_at_once(&self, py: Python<'_>) -> bool {
        self.run(py, Session::repair_at_once)
    }

    /// The best filling found from these tokens and scores (for each open slot in order, the best first): its tokens, the sum of
    /// its scores, and what no filling from them has more than. None if the search does not reach one.
    fn best_filling(&self, py: Python<'_>, candidates: Vec<Candidates>, width: usize) -> PyResult<Option<(Vec<u32>, f64, f64)>> {
        let n_logits = self.run(py, |s| s.constraint().vocabulary.n_logits);
        if candidates.iter().flatten().any(|c| c.0 >= n_logits || c.1.is_nan()) {
            return Err(errors::canvas(format!("candidates need ids below {n_logits} and scores that are numbers")));
        }
        self.run(py, |s| s.best_filling(&candidates, width)).map_err(errors::limit)
    }

    /// Per slot its tokens in some valid filling; None if dead.
    fn witness(&self, py: Python<'_>) -> PyResult<Option<Vec<Vec<u32>>>> {
        self.run(py, |s| s.witness().map(|w| w.map(|w| w.iter().map(|tokens| tokens.to_vec()).collect()))).map_err(errors::limit)
    }

    /// Allowed token ids of an open slot as a little-endian bit mask of 32-bit words, and whether they are
    /// surely all; with `exact` they are, or a limit is reached.
    fn allowed<'py>(&self, py: Python<'py>, i: usize, exact: bool) -> PyResult<(Bound<'py, PyBytes>, bool)> {
        let (mask, exact) = self.run(py, |s| {
            if !matches!(s.slots().get(i), Some(Slot::Open | Slot::Optional)) {
                return Err(errors::canvas(format!("position {i} is not an open cell")));
            }
            let width = s.constraint().vocabulary.n_logits;
            let allowed = if exact { s.allowed_exactly(i) } else { s.allowed(i) };
            allowed.map(|(ids, exact)| (convert::bitmask(&ids, width), exact)).map_err(errors::limit)
        })?;
        Ok((PyBytes::new(py, &mask), exact))
    }

    /// Open slots, the row of each in a table of bit masks, whether each set is surely complete, and the table.
    fn allowed_all<'py>(&self, py: Python<'py>) -> PyResult<PyTable<'py>> {
        let (slots, row_of, exact, table) = self.run(py, |s| {
            let width = s.constraint().vocabulary.n_logits;
            s.allowed_all().map(|all| convert::table(&all, width)).map_err(errors::limit)
        })?;
        Ok((slots, row_of, exact, PyBytes::new(py, &table)))
    }

    /// left sets, right sets, items, states, effects, configs, trie nodes, table bytes, calls, µs, and µs by stage
    fn stats(&self, py: Python<'_>) -> Vec<u64> {
        let s = self.run(py, |s| s.stats());
        let counts = [
            s.left_sets as u64,
            s.right_sets as u64,
            s.items as u64,
            s.states as u64,
            s.effects as u64,
            s.configs as u64,
            s.trie_nodes as u64,
            s.table_bytes as u64,
            s.calls,
            s.us,
        ];
        counts.into_iter().chain(s.us_by_stage).collect()
    }
}

/// Kept so that the border names every policy once.
const POLICIES: [EosPolicy; 4] = [EosPolicy::Never, EosPolicy::ToEnd, EosPolicy::Cut, EosPolicy::Pad];
