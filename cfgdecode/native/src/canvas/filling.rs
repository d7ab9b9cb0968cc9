//! A filling, read off from the right: left rows say what may stand in front of what has been read so far.
//!
//! Terms. A *step* is what has been read up to a boundary: a configuration there, and the right set of all that follows it.
//! One token behind a slot of several, or behind a gap, is read together with that: between the two there are many configurations,
//! and their row need not be made.
//!
//! Invariant: right sets are those of the tokens read, so what is read off is a filling.
//! Cost: for each slot, the effects of its tokens in the configurations of the row in front until one fits.

use super::context::Context;
use super::view::{Choice, LeftRow, View};
use crate::intersect::{Chart, SetId, Sources};
use crate::lexer::{ConfigId, DEAD};
use crate::vocabulary::{Branch, EffectId, Effects, TokenId};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::Arc;

/// What follows a token where a filling is read off: one configuration with a right set behind it, in front of which there may be a token more.
#[derive(Debug)]
pub(super) struct After {
    config: ConfigId,
    right: SetId,
    token: Option<(TokenId, Box<After>)>,
    /// Right sets before effects.
    memo: FxHashMap<EffectId, SetId>,
}

impl After {
    pub(super) fn new(config: ConfigId, right: SetId) -> After {
        After { config, right, token: None, memo: FxHashMap::default() }
    }

    /// The same with this token in front.
    pub(super) fn behind(self, token: TokenId) -> After {
        After { token: Some((token, Box::new(self))), ..After::new(DEAD, Chart::DEAD) }
    }
}

/// A choice made while a filling is read off from the right: what then precedes the slot.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) config: ConfigId,
    pub(super) right: SetId,
    pub(super) token: Option<TokenId>,
}

impl Step {
    /// As what follows the token in front of it.
    pub(super) fn after(&self) -> After {
        After::new(self.config, self.right)
    }
}

/// Tokens for these slots of a view that fit what lies on either side of them; those of the latest witness where they can stay.
pub(super) fn read_off(ctx: &mut Context<'_>, view: &mut View, slots: Range<usize>, latest: &[TokenId]) -> Option<Vec<TokenId>> {
    let b = view.narrow(slots.end);
    let row = plain_row(ctx, view, b);
    let step = row.iter().find_map(|&(config, l)| {
        let right = view.right_set(ctx, b, config);
        ctx.charts.fits(ctx.symbols, l, right).then_some(Step { config, right, token: None })
    })?;
    let mut tokens = walk_left(ctx, view, slots.start, b, step, latest)?;
    tokens.truncate(slots.len());
    Some(tokens)
}

/// The tokens of slots `a..b` from the right end, where `step` is; a slot that may keep its token of `latest` does.
pub(super) fn walk_left(ctx: &mut Context<'_>, view: &mut View, a: usize, b: usize, mut step: Step, latest: &[TokenId]) -> Option<Vec<TokenId>> {
    let mut tokens = Vec::with_capacity(b - a);
    let mut at = b;
    while at > a {
        let i = at - 1;
        let front = if i > a { view.choice(i - 1) } else { &Choice::Anything };
        match (view.choice(i), front) {
            (Choice::Pool, _) => {
                let (gap, first) = view.gap_left(ctx, i);
                let (filling, before) = gap.walk(ctx, (i + 1 - first) as u32, &step)?;
                tokens.extend(filling);
                (step, at) = (before, first);
            }
            (&Choice::One(token), Choice::Pool) => {
                let (gap, first) = view.gap_left(ctx, i - 1);
                step = gap.step_behind(ctx, (i - first) as u32, view.steady_left, token, &mut step.after())?;
                tokens.push(token);
                at = i;
            }
            (&Choice::One(token), Choice::Some(_)) => {
                tokens.push(token);
                step = read_cell(ctx, view, i - 1, &mut step.after().behind(token), latest)?;
                tokens.extend(step.token);
                at = i - 1;
            }
            _ => {
                step = read_cell(ctx, view, i, &mut step.after(), latest)?;
                tokens.extend(step.token);
                at = i;
            }
        }
    }
    tokens.reverse();
    Some(tokens)
}

/// A token for slot `i`, given what follows it; that of `latest` if it may stay.
fn read_cell(ctx: &mut Context<'_>, view: &mut View, i: usize, after: &mut After, latest: &[TokenId]) -> Option<Step> {
    let row = plain_row(ctx, view, i);
    let choice = view.choice(i);
    let stays = match (choice, latest.get(i)) {
        (Choice::One(_), _) | (_, None) => None,
        (_, Some(&token)) => ctx.step_left(&row, &Choice::One(token), after),
    };
    stays.or_else(|| ctx.step_left(&row, choice, after))
}

/// The left row of a boundary in the order in which a filling is looked for.
pub(super) fn plain_row(ctx: &mut Context<'_>, view: &mut View, boundary: usize) -> LeftRow {
    let row = view.left_row(ctx, boundary).clone();
    ctx.plain_first(&row)
}

impl Context<'_> {
    /// A token of `choice` such that some entry of the left row fits it and the (concrete) right side: first by tokens
    /// behind lexemes that end in front of it, each fresh configuration once, then by tokens with which a lexeme goes on. What stands
    /// first in the row is taken if it fits.
    pub(super) fn step_left(&mut self, row: &[(ConfigId, SetId)], choice: &Choice, after: &mut After) -> Option<Step> {
        let fresh_points = if matches!(choice, Choice::One(_)) { LeftRow::new() } else { self.left_fresh(row) };
        for (fresh, l) in fresh_points {
            for &(effect, token) in self.candidates(fresh, choice).iter() {
                let right = self.right_of_effect(effect, after);
                if right == Chart::DEAD || !self.charts.fits(self.symbols, l, right) {
                    continue;
                }
                for &(config, l) in row {
                    for &(t, f) in self.effects.lexer.cuts(config).to_vec().iter().filter(|cut| cut.1 == fresh) {
                        debug_assert_eq!(f, fresh);
                        let right = if self.effects.is_ignored(t) { right } else { self.right_arc(t, right) };
                        if self.charts.fits(self.symbols, l, right) {
                            return Some(Step { config, right, token: Some(token) });
                        }
                    }
                }
            }
        }
        for &(config, l) in row {
            for &(effect, token) in self.candidates(config, choice).iter() {
                let right = self.right_of_effect(effect, after);
                if right != Chart::DEAD && self.charts.fits(self.symbols, l, right) {
                    return Some(Step { config, right, token: Some(token) });
                }
            }
        }
        None
    }

    /// A row, last the lexemes that take in whatever comes next: a filling that hides decided text in a comment is soon at odds with
    /// what is decided next.
    pub(super) fn plain_first(&mut self, row: &[(ConfigId, SetId)]) -> LeftRow {
        let (mut plain, opaque): (LeftRow, LeftRow) = row.iter().partition(|entry| !self.effects.lexer.is_opaque(entry.0));
        plain.extend(opaque);
        plain
    }

    /// Tokens of a choice, one for each effect, whose first byte `c` reads itself.
    fn candidates(&mut self, c: ConfigId, choice: &Choice) -> Arc<[(EffectId, TokenId)]> {
        let vocabulary = &self.constraint.vocabulary;
        match choice {
            Choice::One(t) => {
                let effect = self.effects.of_token(vocabulary, c, *t);
                (effect != Effects::DEAD).then_some((effect, *t)).into_iter().collect()
            }
            Choice::Some(tokens) => self.effects.going_on(vocabulary, c, Some(tokens)).first,
            Choice::Optional(inner) => self.candidates(c, inner),
            _ => self.effects.first_tokens(vocabulary, c).into(),
        }
    }

    /// The right set before an effect, by what follows it.
    pub(super) fn right_of_effect(&mut self, effect: EffectId, after: &mut After) -> SetId {
        if let Some(&known) = after.memo.get(&effect) {
            return known;
        }
        let branches: SmallVec<[Branch; 4]> = SmallVec::from_slice(self.effects.branches(effect));
        let mut sources = Sources::default();
        branches.into_iter().for_each(|branch| self.add_before(branch, after, &mut sources));
        let set = self.charts.right.build(self.symbols, &mut sources);
        after.memo.insert(effect, set);
        set
    }

    /// The right set before one branch of an effect.
    pub(super) fn right_of_branch(&mut self, branch: Branch, after: &mut After) -> SetId {
        let mut sources = Sources::default();
        self.add_before(branch, after, &mut sources);
        self.charts.right.build(self.symbols, &mut sources)
    }

    fn add_before(&mut self, branch: Branch, after: &mut After, sources: &mut Sources) {
        match branch {
            Branch::End(c) => sources.eps.push(self.right_at(c, after)),
            Branch::Skip(rest) => sources.eps.push(self.right_of_effect(rest, after)),
            Branch::Emit(t, rest) => sources.arcs.push((t, self.right_of_effect(rest, after))),
        }
    }

    fn right_at(&mut self, c: ConfigId, after: &mut After) -> SetId {
        match &mut after.token {
            Some((token, behind)) => {
                let effect = self.effects.of_token(&self.constraint.vocabulary, c, *token);
                self.right_of_effect(effect, behind)
            }
            None if c == after.config => after.right,
            None => Chart::DEAD,
        }
    }
}
