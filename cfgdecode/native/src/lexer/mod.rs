//! From bytes to terminals: the lexer that Lark's `basic`, `dynamic` and `dynamic_complete` lexers define.
//!
//! The engine asks, of a text it knows only in parts, which terminals its bytes may be read as. So the
//! lexer is an automaton over bytes: [`Lexer::step`] reads one byte of a lexeme, [`Lexer::cuts`] ends the
//! lexeme. A path of steps and cuts over a whole text, from [`Lexer::start`] to a configuration that
//! [`Lexer::can_end`], is one way in which Lark lexes that text, and each way has a path (or several).
//!
//! Terms: a *terminal* is a class of lexemes, a *lexeme* a piece of text read as one terminal.
//! Reading order: `ast` (patterns), `charset` (characters as bytes), `nfa` (patterns as a program),
//! `intern`, `scanner` (lists of threads), `looks` and `conditions` (what is asked of the text that follows),
//! `history` (of the text that came before), `prefixes`, `keywords`, `config` (the lexer), `futures` (dead ends).
//!
//! Which lexeme Lark reads: `BasicLexer` (lark/lexer.py) matches one alternation of all terminals with
//! `re.match(text, pos)`, so look-behinds see the text before `pos`, then retypes by whole-lexeme
//! matches of strings. The Earley parser (lark/parsers/xearley.py) matches each expected terminal alone; with
//! `complete_lex` it also matches the terminal in every proper prefix of its lexeme, cut off from the rest of
//! the text, but ignored terminals are read one way only. A lexeme is never empty: Lark refuses terminals that
//! can be, and here a match of length zero counts as none.

mod ast;
mod charset;
mod conditions;
mod config;
mod futures;
mod history;
mod intern;
mod keywords;
mod looks;
mod nfa;
mod prefixes;
mod scanner;
#[cfg(test)]
mod tests;

pub use ast::{LexerSpec, Mode, Node, TerminalSpec};
pub use config::{DEAD, Lexer};

/// Number of a terminal in [`LexerSpec::terminals`].
pub type TerminalId = u32;

/// Number of a lexer configuration; 0 is [`DEAD`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConfigId(pub u32);

/// Bounds on what the lexer may build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexerLimits {
    /// Instructions of the compiled terminals; checked by [`Lexer::new`].
    pub nfa_states: usize,
    /// Lists, looks and conditions of threads; checked while lexing.
    pub dfa_states: usize,
    /// Configurations; checked while lexing.
    pub configs: usize,
}

impl Default for LexerLimits {
    fn default() -> LexerLimits {
        LexerLimits { nfa_states: 2_000_000, dfa_states: 500_000, configs: 2_000_000 }
    }
}

/// Why a lexer cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LexerError {
    /// The terminal uses a construct that is not implemented in this place.
    Unsupported { terminal: String, construct: &'static str },
    /// The terminals need more than a limit allows.
    TooLarge { limit: &'static str, given: usize },
    /// The specification names a terminal that it does not have.
    NoSuchTerminal { id: TerminalId, n_terminals: usize },
}

impl std::fmt::Display for LexerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LexerError::Unsupported { terminal, construct } => {
                write!(f, "terminal {terminal}: {construct} is not supported")
            }
            LexerError::TooLarge { limit, given } => write!(f, "the terminals are too large: {limit} reached {given}"),
            LexerError::NoSuchTerminal { id, n_terminals } => write!(f, "no terminal {id}, there are {n_terminals}"),
        }
    }
}

impl std::error::Error for LexerError {}
