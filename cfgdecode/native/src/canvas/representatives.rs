//! A few tokens that stand for the whole vocabulary where a witness is looked for.
//!
//! A canvas that can be completed with these tokens can be completed; the converse need not hold, so
//! they decide only "yes". `edge` tokens serve cells next to decided text: one token for each terminal,
//! with and without ignorable text in front, all single ASCII bytes, and the most frequent tokens of
//! several lexemes. Cells deep inside a gap are served by the pool (`pool.rs`).
//!
//! Frequency is read off the token id (merge order), as byte-pair vocabularies have it.

use super::constraint::Constraint;
use super::pool::Pool;
use crate::lexer::ConfigId;
use crate::vocabulary::{Branch, EffectId, Effects, TokenId};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Tokens of several lexemes that are kept.
const N_COMPOUND: usize = 96;
/// Tokens of spelled lexemes that are kept.
const N_SPELLING: usize = 400;
/// The same for gaps of one cell.
const N_COMPOUND_WIDE: usize = 800;

#[derive(Clone, Debug)]
pub struct Representatives {
    pub edge: Arc<[TokenId]>,
    /// The same with more tokens of several lexemes.
    pub wide: Arc<[TokenId]>,
    /// Those of `edge` that begin with ignorable text.
    pub spaced: Arc<[TokenId]>,
    /// All tokens are to be tried at once: there are few classes.
    pub all_at_once: bool,
}

/// Classes at the start of the text up to which nothing is left out.
const FEW_CLASSES: usize = 1000;

impl Representatives {
    pub fn new(constraint: &Constraint, effects: &mut Effects) -> Representatives {
        let vocabulary = &constraint.vocabulary;
        let start = effects.classes(vocabulary, constraint.start);
        let all_at_once = vocabulary.len() <= 4096 || start.len() <= FEW_CLASSES;
        let mut best: FxHashMap<(u32, bool, bool), TokenId> = FxHashMap::default();
        let mut compound: Vec<(TokenId, EffectId)> = Vec::new();
        for class in start.iter() {
            let token = class.tokens.list[0];
            match shape(effects, class.effect) {
                Shape::One { config, spaced } => {
                    let cuts: Vec<(u32, ConfigId)> = effects.lexer.cuts(config).to_vec();
                    for (terminal, _) in cuts {
                        let ignored = effects.is_ignored(terminal);
                        let slot = best.entry((terminal, spaced, ignored)).or_insert(token);
                        *slot = (*slot).min(token);
                    }
                }
                Shape::Several => compound.push((token, class.effect)),
                Shape::Other => {}
            }
        }
        compound.sort_unstable();
        let mut edge: Vec<TokenId> = (0..128).filter_map(|b| vocabulary.byte_tokens[b]).collect();
        let mut keyed: Vec<_> = best.into_iter().collect();
        keyed.sort_unstable();
        edge.extend(keyed.into_iter().map(|k| k.1));
        if all_at_once {
            // Few terminals, and long ones: the tokens that they are spelled with.
            let pool = Pool::new(constraint, effects);
            edge.extend(pool.tokens.iter().take(N_SPELLING));
        }
        let mut with = |n: usize| {
            edge.extend(compound.iter().take(n).map(|c| c.0));
            edge.sort_unstable();
            edge.dedup();
            edge.clone()
        };
        let (edge, wide) = (with(N_COMPOUND), with(N_COMPOUND_WIDE));
        let spaced: Vec<TokenId> = edge.iter().copied().filter(|&t| matches!(vocabulary.text(t).first(), Some(b' ' | b'\n'))).collect();
        Representatives { edge: edge.into(), wide: wide.into(), spaced: spaced.into(), all_at_once }
    }
}

enum Shape {
    /// One lexeme, maybe behind ignored text, that may end where the token ends.
    One {
        config: ConfigId,
        spaced: bool,
    },
    Several,
    Other,
}

fn shape(effects: &Effects, effect: EffectId) -> Shape {
    match effects.branches(effect) {
        [Branch::End(config)] => Shape::One { config: *config, spaced: false },
        [Branch::Skip(rest)] => match effects.branches(*rest) {
            [Branch::End(config)] => Shape::One { config: *config, spaced: true },
            [Branch::Emit(..)] => Shape::Several,
            _ => Shape::Other,
        },
        [Branch::Emit(..)] => Shape::Several,
        _ => Shape::Other,
    }
}
