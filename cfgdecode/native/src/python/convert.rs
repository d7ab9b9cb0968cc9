//! Python values to values of the core, and back.

use super::{POLICIES, errors};
use crate::canvas::{Allowed, EosPolicy, Slot};
use crate::grammar::Bits;
use crate::lexer::{LexerSpec, Mode, Node, TerminalSpec};
use crate::vocabulary::Vocabulary;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Longest token in bytes.
const MAX_TOKEN_BYTES: usize = 4096;
/// Deepest nesting of a pattern.
const MAX_NODE_DEPTH: usize = 500;

pub(super) fn vocabulary(
    data: Vec<u8>,
    offsets: Vec<u32>,
    mut special: Vec<bool>,
    eos: Vec<u32>,
    pad: Option<u32>,
    mask: Option<u32>,
    n_logits: u32,
) -> PyResult<Vocabulary> {
    let n = special.len();
    if offsets.len() != n + 1 || offsets.windows(2).any(|w| w[0] > w[1]) || offsets.last().is_none_or(|&o| o as usize != data.len()) {
        return Err(errors::vocabulary("the token offsets do not fit the token bytes".into()));
    }
    if let Some(i) = offsets.windows(2).position(|w| (w[1] - w[0]) as usize > MAX_TOKEN_BYTES) {
        return Err(errors::vocabulary(format!("token {i} has more than {MAX_TOKEN_BYTES} bytes; mark it as special (None)")));
    }
    if (n_logits as usize) < n {
        return Err(errors::vocabulary(format!("n_logits is {n_logits} but there are {n} tokens; give a width of at least {n}")));
    }
    for &id in eos.iter().chain(&pad).chain(&mask) {
        let Some(entry) = special.get_mut(id as usize) else {
            return Err(errors::vocabulary(format!("EOS, pad or mask id {id} is outside the vocabulary of {n} tokens")));
        };
        *entry = true;
    }
    Ok(Vocabulary::new(data, offsets, special, eos, pad, mask, n_logits))
}

pub(super) fn lexer_spec(
    mode: &str,
    terminals: &[(String, Bound<'_, PyAny>, String)],
    ignore: Vec<u32>,
    scanner: Vec<u32>,
    keywords: Vec<(u32, Vec<u32>)>,
) -> PyResult<LexerSpec> {
    let mode = match mode {
        "basic" => Mode::Basic,
        "dynamic" => Mode::Dynamic,
        "dynamic_complete" => Mode::DynamicComplete,
        other => return Err(errors::grammar(format!("unknown lexer {other:?}; choose basic, dynamic or dynamic_complete"))),
    };
    let terminals =
        terminals.iter().map(|(name, pattern, _)| Ok(TerminalSpec { name: name.clone(), node: node(pattern, 0)? })).collect::<PyResult<Vec<_>>>()?;
    Ok(LexerSpec { mode, terminals, ignore, scanner, keywords })
}

fn node(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Node> {
    if depth > MAX_NODE_DEPTH {
        return Err(errors::unsupported(format!("a pattern is nested deeper than {MAX_NODE_DEPTH} levels; split it into terminals")));
    }
    let tuple = value.cast::<PyTuple>().map_err(|_| errors::grammar("a pattern node must be a tuple".into()))?;
    let kind: String = tuple.get_item(0)?.extract()?;
    let nodes = |at: usize| -> PyResult<Vec<Node>> { tuple.get_item(at)?.try_iter()?.map(|item| node(&item?, depth + 1)).collect() };
    Ok(match kind.as_str() {
        "lit" => Node::Lit(tuple.get_item(1)?.extract()?),
        "set" => Node::Set(tuple.get_item(1)?.extract()?),
        "cat" => Node::Cat(nodes(1)?),
        "alt" => Node::Alt(nodes(1)?),
        "rep" => Node::Rep {
            min: tuple.get_item(1)?.extract()?,
            max: tuple.get_item(2)?.extract()?,
            greedy: tuple.get_item(3)?.extract()?,
            node: Box::new(node(&tuple.get_item(4)?, depth + 1)?),
        },
        "look" => Node::Look {
            ahead: tuple.get_item(1)?.extract()?,
            negate: tuple.get_item(2)?.extract()?,
            node: Box::new(node(&tuple.get_item(3)?, depth + 1)?),
        },
        "start" => Node::Start,
        "end" => Node::End,
        other => return Err(errors::grammar(format!("unknown pattern node {other:?}"))),
    })
}

pub(super) fn policy(code: u8) -> PyResult<EosPolicy> {
    POLICIES.get(code as usize).copied().ok_or_else(|| errors::canvas(format!("unknown EOS policy {code}")))
}

pub(super) fn slot(code: i64, n_logits: u32) -> PyResult<Slot> {
    Ok(match code {
        -1 => Slot::Open,
        -2 => Slot::Optional,
        -3 => Slot::Anything,
        t if t >= 0 && t < i64::from(n_logits) => Slot::Token(t as u32),
        t => return Err(errors::canvas(format!("token id {t} is outside 0..{n_logits}"))),
    })
}

pub(super) fn slots(codes: &[i64], n_logits: u32) -> PyResult<Vec<Slot>> {
    codes.iter().map(|&c| slot(c, n_logits)).collect()
}

pub(super) fn code(slot: &Slot) -> i64 {
    match slot {
        Slot::Open => -1,
        Slot::Optional => -2,
        Slot::Anything => -3,
        Slot::Token(t) => i64::from(*t),
    }
}

pub(super) fn bitmask(ids: &Bits, width: u32) -> Vec<u8> {
    let mut mask = ids.to_bytes();
    mask.truncate((width as usize).div_ceil(32) * 4);
    mask
}

/// Slots, the row of each, whether each is exact, and the distinct rows one behind the other.
pub(super) fn table(all: &[(usize, Allowed)], width: u32) -> (Vec<usize>, Vec<u32>, Vec<bool>, Vec<u8>) {
    let mut rows: Vec<Vec<u8>> = Vec::new();
    let mut known: FxHashMap<*const Bits, u32> = FxHashMap::default();
    let (mut slots, mut row_of, mut exact) = (Vec::new(), Vec::new(), Vec::new());
    for (slot, (allowed, is_exact)) in all {
        let row = *known.entry(Arc::as_ptr(allowed)).or_insert_with(|| {
            let row = bitmask(allowed, width);
            rows.iter().position(|r| *r == row).unwrap_or_else(|| {
                rows.push(row);
                rows.len() - 1
            }) as u32
        });
        slots.push(*slot);
        row_of.push(row);
        exact.push(*is_exact);
    }
    (slots, row_of, exact, rows.concat())
}
