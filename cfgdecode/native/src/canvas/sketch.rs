//! Sketches: what open slots may hold where a filling is looked for, from few tokens to more.
//!
//! A canvas that can be completed as a sketch says can be completed; the converse need not hold. `Coarse` costs
//! the same whatever the length of its gaps; the finer ones also find fillings of gaps in which every token must
//! do the work of several. Whatever the detail, slots beside a token that ends inside a character may hold the rest of it.

use super::representatives::Representatives;
use super::slots::Slot;
use super::view::Choice;
use crate::vocabulary::Vocabulary;
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Detail {
    /// All gaps from the pool.
    Pool,
    /// Gaps from the pool, short ones from plain tokens.
    Plain,
    /// Gaps from the pool, those of a few cells from tokens that close what is open.
    Closing,
    /// Gaps from the pool, short ones from few of the edge tokens.
    Lean,
    /// Gaps from the pool, short ones from edge tokens.
    Coarse,
    /// Edge tokens at both ends of a gap, more of them in gaps of one cell.
    Edges,
    /// Edge tokens throughout gaps of a few cells, more of them at the ends of the shortest, all tokens in gaps of one cell.
    Fine,
    /// All tokens in gaps of a few cells.
    Full,
}

pub(super) const DETAILS: [Detail; 4] = [Detail::Pool, Detail::Coarse, Detail::Edges, Detail::Fine];

/// Cells from which on a gap has room for the pool.
const LONG: usize = 3;
/// Cells up to which a fine sketch has edge tokens throughout, and a closing one closing tokens.
const SHORT: usize = 6;
/// Cells up to which a full sketch has all tokens throughout.
const FULL: usize = 10;

/// The run of open slots around open slot `i`.
pub(super) fn gap_of(slots: &[Slot], i: usize) -> Range<usize> {
    let first = (0..i).rev().take_while(|&j| slots[j] == Slot::Open).last().unwrap_or(i);
    let end = (i..slots.len()).find(|&j| slots[j] != Slot::Open).unwrap_or(slots.len());
    first..end
}

/// What slots `range` may hold; where it begins or ends inside a gap, what the whole gap's slots may hold. The slots of `decided`
/// count as decided: what is open beside them is a gap of its own.
pub(super) fn choices(
    representatives: &Representatives,
    vocabulary: &Vocabulary,
    slots: &[Slot],
    range: Range<usize>,
    detail: Detail,
    decided: &Range<usize>,
) -> Vec<Choice> {
    let missing = |j: Option<usize>| match j.and_then(|j| slots.get(j)) {
        Some(Slot::Token(t)) => vocabulary.missing(*t),
        _ => (0, 0),
    };
    let mut all = Vec::with_capacity(range.len());
    let mut i = range.start;
    while i < range.end {
        if slots[i] != Slot::Open || decided.contains(&i) {
            all.push(general(&slots[i]));
            i += 1;
            continue;
        }
        let mut gap = gap_of(slots, i);
        if decided.start > i {
            gap.end = gap.end.min(decided.start);
        } else if !decided.is_empty() {
            gap.start = gap.start.max(decided.end);
        }
        let (begun, ended) = (missing(gap.start.checked_sub(1)).1, missing(Some(gap.end)).0);
        while i < gap.end.min(range.end) {
            let in_character = i < gap.start + begun || i + ended >= gap.end;
            all.push(open_choice(representatives, gap.len(), i - gap.start, detail, in_character));
            i += 1;
        }
    }
    all
}

fn open_choice(representatives: &Representatives, n_cells: usize, at: usize, detail: Detail, in_character: bool) -> Choice {
    let edge = || Choice::Some(representatives.edge.clone());
    let is_end = at == 0 || at + 1 == n_cells;
    match detail {
        Detail::Fine if n_cells == 1 => Choice::All,
        Detail::Full if n_cells <= FULL => Choice::All,
        _ if in_character => Choice::Some(representatives.bytes.clone()),
        Detail::Pool => Choice::Pool,
        Detail::Closing if n_cells <= SHORT => Choice::Some(representatives.closing.clone()),
        Detail::Plain | Detail::Lean | Detail::Coarse if n_cells >= LONG => Choice::Pool,
        Detail::Plain => Choice::Some(representatives.plain.clone()),
        Detail::Lean => Choice::Some(representatives.lean.clone()),
        Detail::Coarse => edge(),
        Detail::Edges if n_cells == 1 => Choice::Some(representatives.wide.clone()),
        _ if n_cells == 1 => Choice::All,
        Detail::Fine if n_cells == 2 || n_cells == LONG && is_end => Choice::Some(representatives.wide.clone()),
        _ if is_end || n_cells <= LONG => edge(),
        Detail::Fine if n_cells <= SHORT => edge(),
        _ => Choice::Pool,
    }
}

/// What a slot may hold if nothing is left out.
pub(super) fn general(slot: &Slot) -> Choice {
    match slot {
        Slot::Token(t) => Choice::One(*t),
        Slot::Open => Choice::All,
        Slot::Optional => Choice::Optional(Box::new(Choice::All)),
        Slot::Anything => Choice::Anything,
    }
}

/// What a slot may hold if gaps may have any length.
pub(super) fn loose(slot: &Slot) -> Choice {
    match slot {
        Slot::Token(t) => Choice::One(*t),
        _ => Choice::Pool,
    }
}
