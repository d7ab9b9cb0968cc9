//! Symbols that the rules do not tell apart become one.
//!
//! Two symbols are *used alike* if each is in the same places of the same rules, such as what stands in front of the right operand of `+`
//! and of `-`. Where one of them may stand the other may, so one symbol that derives what either derives leaves the language as it is.
//! Once two are one, symbols in their rules may come to be used alike, so this goes on in rounds. (Charts hold sets of
//! symbols: the fewer there are, the fewer sets.)
//!
//! Invariants: what derives a symbol derives the one that stands for it; symbols that may not be merged stay as they are.
//! Cost: rules times rounds, [`MAX_ROUNDS`] at most: what is left then is merely not merged.

use super::cfg::Symbol;
use rustc_hash::{FxHashMap, FxHashSet};
use std::hash::Hash;

const MAX_ROUNDS: usize = 32;

/// Parent, left child, right child.
pub(super) type Binary = (Symbol, Symbol, Symbol);
/// Parent, child.
pub(super) type Unit = (Symbol, Symbol);

/// A place in a rule: its other symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Left { parent: Symbol, right: Symbol },
    Right { parent: Symbol, left: Symbol },
    Only { parent: Symbol },
}

/// Merges those of the `n` symbols that may be and are used alike: the first of them stands for all.
pub(super) fn merge(n: usize, may_merge: impl Fn(Symbol) -> bool, binary: &mut Vec<Binary>, unit: &mut Vec<Unit>) {
    without_repetition(binary);
    without_repetition(unit);
    for _ in 0..MAX_ROUNDS {
        let Some(first_alike) = used_alike(n, &may_merge, binary, unit) else { return };
        let merged = |s: &mut Symbol| *s = first_alike[*s as usize];
        binary.iter_mut().flat_map(|(a, b, c)| [a, b, c]).for_each(merged);
        unit.iter_mut().flat_map(|(a, b)| [a, b]).for_each(merged);
        unit.retain(|(a, b)| a != b);
        without_repetition(binary);
        without_repetition(unit);
    }
}

/// For each symbol the first that is used as it is; None if no two are alike.
fn used_alike(n: usize, may_merge: &impl Fn(Symbol) -> bool, binary: &[Binary], unit: &[Unit]) -> Option<Vec<Symbol>> {
    let mut places: Vec<Vec<Place>> = vec![Vec::new(); n];
    for &(parent, left, right) in binary {
        places[left as usize].push(Place::Left { parent, right });
        places[right as usize].push(Place::Right { parent, left });
    }
    for &(parent, only) in unit {
        places[only as usize].push(Place::Only { parent });
    }
    let mut first: FxHashMap<Vec<Place>, Symbol> = FxHashMap::default();
    let mut first_alike: Vec<Symbol> = (0..n as Symbol).collect();
    for (s, mut places) in (0..).zip(places).filter(|(s, places)| may_merge(*s) && !places.is_empty()) {
        places.sort_unstable();
        first_alike[s as usize] = *first.entry(places).or_insert(s);
    }
    (0..).zip(&first_alike).any(|(s, &first)| s != first).then_some(first_alike)
}

fn without_repetition<T: Copy + Eq + Hash>(rules: &mut Vec<T>) {
    let mut seen: FxHashSet<T> = FxHashSet::default();
    rules.retain(|&rule| seen.insert(rule));
}
