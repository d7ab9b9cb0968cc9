//! A few tokens that stand for the whole vocabulary where a witness is looked for.
//!
//! A canvas that can be completed with these tokens can be completed; the converse need not hold, so
//! they decide only "yes". `edge` tokens serve cells next to decided text: one token for each terminal,
//! with and without ignorable text in front, all single ASCII bytes, and the most frequent tokens of
//! several lexemes, of those that begin what may not end yet (a comment), and of those that end it and go on. `plain` tokens are the
//! few of them with which most gaps can be filled as a program would fill them, `closing` tokens end several brackets in a few cells. Cells deep inside a gap are served by the pool (`pool.rs`).
//!
//! Frequency is read off the token id (merge order), as byte-pair vocabularies have it.

use super::constraint::Constraint;
use super::pool::{Pool, is_word};
use crate::lexer::{ConfigId, DEAD};
use crate::vocabulary::{Branch, EffectId, Effects, TokenId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// Tokens of several lexemes that are kept among edge tokens, for gaps of one cell, among lean ones and among plain ones.
const N_COMPOUND: usize = 96;
const N_COMPOUND_WIDE: usize = 800;
const N_COMPOUND_LEAN: usize = 40;
const N_COMPOUND_PLAIN: usize = 12;
/// Tokens that close brackets.
const N_BRACKETS: usize = 256;
/// Tokens of spelled lexemes that are kept.
const N_SPELLING: usize = 400;
/// Tokens that begin or end inside a character and are no single byte.
const N_REST: usize = 4_000;
/// Tokens that begin a lexeme that may not end yet.
const N_OPENING: usize = 24;
/// Long lexemes whose closing tokens are kept for gaps of one cell, the bytes that such a token has at most, and the tokens that
/// are looked at.
const N_LONG: usize = 8;
const MAX_CLOSING: usize = 4;
const N_SHORT: usize = 2_000;
/// Of the closing tokens of each long lexeme, those that are kept for all gaps, and among lean ones.
const N_CLOSING: usize = 32;
const N_CLOSING_LEAN: usize = 4;

#[derive(Clone, Debug)]
pub struct Representatives {
    pub edge: Arc<[TokenId]>,
    /// Fewer of these: hardly any that are several lexemes.
    pub lean: Arc<[TokenId]>,
    /// Few tokens for most of what programs consist of: no words (keywords), nothing that begins a comment or a string.
    pub plain: Arc<[TokenId]>,
    /// Tokens that close brackets, several at once, and a few more to put between them.
    pub closing: Arc<[TokenId]>,
    /// `edge` with more tokens of several lexemes.
    pub wide: Arc<[TokenId]>,
    /// What characters of several bytes are made of.
    pub rest: Arc<[TokenId]>,
    /// `edge` and `rest`.
    pub bytes: Arc<[TokenId]>,
}

/// Classes at the start of the text up to which nothing is left out.
const FEW_CLASSES: usize = 1000;

impl Representatives {
    pub(super) fn new(constraint: &Constraint, effects: &mut Effects, pool: &Pool) -> Representatives {
        let vocabulary = &constraint.vocabulary;
        let start = effects.classes(vocabulary, constraint.start);
        let all_at_once = vocabulary.len() <= 4096 || start.len() <= FEW_CLASSES;
        let mut best: FxHashMap<(u32, bool, bool), TokenId> = FxHashMap::default();
        let mut compound: Vec<(TokenId, EffectId)> = Vec::new();
        let mut opening: Vec<TokenId> = Vec::new();
        for class in start.iter() {
            let token = class.tokens.list[0];
            match shape(effects, class.effect) {
                Shape::One { config, spaced } => {
                    let cuts: Vec<(u32, ConfigId)> = effects.lexer.cuts(config).to_vec();
                    if cuts.is_empty() {
                        opening.push(token);
                    }
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
        let n_bytes = edge.len();
        edge.extend(keyed.into_iter().map(|k| k.1));
        // Where terminals are few and long: the tokens that they are spelled with.
        edge.extend(pool.tokens.iter().take(if all_at_once { N_SPELLING } else { 0 }));
        let mut plain: Vec<TokenId> = edge[n_bytes..].to_vec();
        plain.extend(compound.iter().take(N_COMPOUND_PLAIN).map(|c| c.0));
        plain.retain(|&t| is_plain(constraint, effects, t));
        let mut lean = edge.clone();
        lean.extend(compound.iter().take(N_COMPOUND_LEAN).map(|c| c.0));
        edge.extend(compound.iter().take(N_COMPOUND).map(|c| c.0));
        let brackets = (0..vocabulary.len() as u32).filter(|&t| closes_brackets(vocabulary.text(t))).take(N_BRACKETS);
        let mut closers: Vec<TokenId> = plain.iter().copied().filter(|&t| vocabulary.text(t).len() == 1).chain(brackets).collect();
        let closing = closing_tokens(constraint, effects, pool);
        opening.sort_unstable();
        opening.truncate(N_OPENING);
        lean.extend_from_slice(&opening);
        edge.extend(opening);
        lean.extend(closing.iter().flat_map(|tokens| tokens.iter().take(N_CLOSING_LEAN)));
        edge.extend(closing.iter().flat_map(|tokens| tokens.iter().take(N_CLOSING)));
        let mut wide = edge.clone();
        wide.extend(compound.iter().take(N_COMPOUND_WIDE).map(|c| c.0).chain(closing.into_iter().flatten()));
        let mut rest: Vec<TokenId> = (128..256).filter_map(|b| vocabulary.byte_tokens[b]).collect();
        rest.extend(vocabulary.fragments().iter().take(N_REST));
        let mut bytes = [&edge[..], &rest[..]].concat();
        for tokens in [&mut edge, &mut lean, &mut plain, &mut closers, &mut wide, &mut rest, &mut bytes] {
            tokens.sort_unstable();
            tokens.dedup();
        }
        Representatives {
            edge: edge.into(),
            lean: lean.into(),
            plain: plain.into(),
            closing: closers.into(),
            wide: wide.into(),
            rest: rest.into(),
            bytes: bytes.into(),
        }
    }
}

/// Nothing but what ends a string, a bracket or what is between them, and space.
fn closes_brackets(text: &[u8]) -> bool {
    let is_bracket = |byte: &u8| b")]}".contains(byte);
    text.iter().any(is_bracket) && text.iter().all(|byte| is_bracket(byte) || b"\"';,".contains(byte) || byte.is_ascii_whitespace())
}

/// Neither a word nor the beginning of a lexeme that takes in whatever comes next.
fn is_plain(constraint: &Constraint, effects: &mut Effects, token: TokenId) -> bool {
    if is_word(constraint.vocabulary.text(token)) {
        return false;
    }
    let effect = effects.of_token(&constraint.vocabulary, constraint.start, token);
    let mut ends = Vec::new();
    effects.ends_of(effect, &mut ends);
    !ends.is_empty() && !ends.into_iter().any(|c| effects.lexer.is_opaque(c))
}

/// For lexemes that may go on for long (a string, a comment), the tokens that end them and go on behind them, the most
/// frequent of each class first.
fn closing_tokens(constraint: &Constraint, effects: &mut Effects, pool: &Pool) -> Vec<Vec<TokenId>> {
    let vocabulary = &constraint.vocabulary;
    let mut long: Vec<ConfigId> = Vec::new();
    for part in &pool.parts {
        let c = effects.lexer.step(part.last(constraint.start), b'a');
        if c != DEAD && effects.lexer.step(c, b'a') == c && !long.contains(&c) {
            long.push(c);
        }
        if long.len() == N_LONG {
            break;
        }
    }
    let is_short = |text: &[u8]| (2..=MAX_CLOSING).contains(&text.len()) && text[0].is_ascii_punctuation();
    let short: Vec<TokenId> = (0..vocabulary.len() as u32).filter(|&t| is_short(vocabulary.text(t))).take(N_SHORT).collect();
    let mut found: Vec<Vec<TokenId>> = Vec::new();
    for c in long {
        let mut seen: FxHashSet<EffectId> = FxHashSet::default();
        let mut closing: Vec<TokenId> = Vec::new();
        for &t in &short {
            if vocabulary.text(t).iter().fold(c, |c, &byte| effects.lexer.step(c, byte)) != DEAD {
                continue; // the lexeme goes on
            }
            let effect = effects.of_token(vocabulary, c, t);
            let branches = effects.branches(effect);
            if !branches.is_empty() && !branches.iter().any(|b| matches!(b, Branch::End(_))) && seen.insert(effect) {
                closing.push(t);
            }
        }
        if !closing.is_empty() && !found.contains(&closing) {
            found.push(closing);
        }
    }
    found
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
