//! Native core of cfgdecode: can a canvas still become a text of a grammar, and by which tokens?
//!
//! The folders are the pipeline, in reading order; imports point one way. Only `python/` knows Python.

pub mod canvas;
pub mod grammar;
pub mod intersect;
pub mod lexer;
pub mod vocabulary;

#[cfg(feature = "python")]
mod python;
