//! One kind of core error, one Python class (cfgdecode/errors.py).

use crate::canvas::ConstraintError;
use crate::grammar::CfgError;
use crate::lexer::LexerError;
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::types::PyDict;

import_exception!(cfgdecode.errors, CanvasError);
import_exception!(cfgdecode.errors, GrammarError);
import_exception!(cfgdecode.errors, LimitExceeded);
import_exception!(cfgdecode.errors, UnsupportedGrammarError);
import_exception!(cfgdecode.errors, VocabularyError);

pub(super) fn canvas(message: String) -> PyErr {
    CanvasError::new_err(message)
}

pub(super) fn grammar(message: String) -> PyErr {
    GrammarError::new_err(message)
}

pub(super) fn unsupported(message: String) -> PyErr {
    UnsupportedGrammarError::new_err(message)
}

pub(super) fn vocabulary(message: String) -> PyErr {
    VocabularyError::new_err(message)
}

pub(super) fn limit(name: &'static str) -> PyErr {
    exceeded(format!("the limit {name} was reached before the answer was known; raise Limits.{name}"), name, None)
}

fn exceeded(message: String, limit: &str, given: Option<usize>) -> PyErr {
    Python::attach(|py| {
        let build = || -> PyResult<PyErr> {
            let kwargs = PyDict::new(py);
            kwargs.set_item("limit", limit)?;
            kwargs.set_item("given", given)?;
            let class = py.get_type::<LimitExceeded>();
            Ok(PyErr::from_value(class.call((message,), Some(&kwargs))?))
        };
        build().unwrap_or_else(|error| error)
    })
}

pub(super) fn cfg(error: CfgError) -> PyErr {
    match error {
        CfgError::TooLarge { limit, given } => {
            exceeded(format!("the grammar needs {given} symbols, more than {limit}; split it"), "symbols", Some(given))
        }
        CfgError::BadSymbol { rule } => grammar(format!("rule {rule} names a symbol that does not exist")),
    }
}

pub(super) fn constraint(error: ConstraintError) -> PyErr {
    match error {
        ConstraintError::Cfg(error) => cfg(error),
        ConstraintError::Lexer(LexerError::TooLarge { limit, given }) => {
            exceeded(format!("the terminals need {given} {limit}, more than allowed; use smaller repetition bounds"), limit, Some(given))
        }
        ConstraintError::Lexer(LexerError::Unsupported { terminal, construct }) => {
            unsupported(format!("terminal {terminal} uses {construct}, which is not supported; write it without"))
        }
        ConstraintError::Lexer(error) => grammar(error.to_string()),
    }
}
