//! The allowed tokens of a cell.
//!
//! A token is allowed if a view that leaves nothing out says so. With few tokens or few open cells that is the exact
//! view. Otherwise the answer is closed in on from both sides: what a sketch around the cell can
//! complete is allowed, what does not even fit gaps of any length is not. What is left is looked at in more detail, further
//! away, in sketches of the whole canvas, and in the exact view for as long as that does not take too much. If
//! something is left after all of them, the set is not known to be complete and says so.
//!
//! A look may count what is open beside the cell as gaps of their own. That is how a commit sees it, so what is found with
//! the cell as if decided, a commit finds too; for what is found with the cell as if open, see `decide.rs`.
//!
//! What does not fit is looked for near the cell, where it costs little whatever the length of the canvas, before it is in all of it.
//!
//! The sets of cells deep inside a gap are mostly one set, worked out once for the gap.
//!
//! Cost: looks, each one a pass (`pass.rs`) over a view.

use super::clock::Stage;
use super::context::Context;
use super::decide::find_witness;
use super::pass::Pass;
use super::session::{Answer, Concrete, Session, Witness, only};
use super::sketch::{DETAILS, Detail, gap_of};
use super::slots::Slot;
use super::view::{Choice, View};
use crate::grammar::Bits;
use crate::vocabulary::{EffectId, TokenId};
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What is opened around a cell: its own gap and some on either side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    n_gaps: usize,
    detail: Detail,
    /// What is open beside the cell counts as gaps of their own, as if the cell were decided: shorter ones, which a sketch has more
    /// tokens for.
    splits: bool,
}

const fn around(n_gaps: usize, detail: Detail) -> Opening {
    Opening { n_gaps, detail, splits: false }
}

const fn beside(n_gaps: usize, detail: Detail) -> Opening {
    Opening { n_gaps, detail, splits: true }
}

/// Where a pass looks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    /// Near the cell; what is further away is as in the witness.
    Near(Opening),
    /// The same for tokens that begin or end inside a character: the cells beside the cell hold the rest.
    Character(Opening),
    /// Near the cell and where that leads to (`chase.rs`), one token of each kind.
    Apart,
    /// Like `Near`, within a bound.
    Full(Opening),
    /// Like `Near`, with the second witness.
    Second(Opening),
    /// A sketch of the whole canvas; with `splits` as above.
    Whole { sketch: usize, splits: bool },
    /// The exact view, if that does not take too much.
    Exact,
}

/// The passes for one cell, the cheaper ones first.
const LOOKS: [Look; 32] = [
    Look::Near(NEAREST),
    Look::Character(beside(0, Detail::Plain)),
    Look::Near(around(2, Detail::Coarse)),
    Look::Near(around(0, Detail::Edges)),
    Look::Near(beside(0, Detail::Edges)),
    Look::Character(beside(0, Detail::Coarse)),
    Look::Character(beside(2, Detail::Coarse)),
    Look::Near(around(1, Detail::Edges)),
    Look::Near(around(4, Detail::Coarse)),
    Look::Character(beside(1, Detail::Edges)),
    Look::Character(beside(4, Detail::Coarse)),
    Look::Character(beside(2, Detail::Fine)),
    Look::Character(beside(8, Detail::Coarse)),
    Look::Apart,
    Look::Whole { sketch: 0, splits: false },
    Look::Near(beside(2, Detail::Edges)),
    Look::Near(beside(1, Detail::Fine)),
    Look::Full(beside(0, Detail::Full)),
    Look::Full(beside(1, Detail::Full)),
    Look::Near(around(8, Detail::Coarse)),
    Look::Whole { sketch: 1, splits: false },
    Look::Near(around(16, Detail::Coarse)),
    Look::Second(around(0, Detail::Coarse)),
    Look::Second(around(2, Detail::Coarse)),
    Look::Second(beside(0, Detail::Edges)),
    Look::Second(around(8, Detail::Coarse)),
    Look::Second(beside(2, Detail::Edges)),
    Look::Whole { sketch: 2, splits: false },
    Look::Whole { sketch: 2, splits: true },
    Look::Whole { sketch: 3, splits: false },
    Look::Whole { sketch: 3, splits: true },
    Look::Exact,
];
/// The last look for which tokens that begin or end inside a character are reason enough.
const WORTH_FRAGMENTS: usize = 14;
/// Undecided tokens from which on a second witness is looked around: a whole kind of lexemes, not some long combination.
const WORTH_SECOND: usize = 64;
/// Items that a look with all tokens in the cell's own gap may take.
const FULL_ITEMS: usize = 80_000;
/// Kinds of undecided tokens up to which one of each is looked at in several places.
const MAX_APART: usize = 32;
/// What is opened for the first pass.
pub(super) const NEAREST: Opening = around(0, Detail::Coarse);
/// The passes for the cells deep inside a gap.
pub(super) const INSIDE: [Look; 8] = [
    Look::Near(NEAREST),
    Look::Character(beside(0, Detail::Plain)),
    Look::Near(around(2, Detail::Coarse)),
    Look::Near(around(6, Detail::Coarse)),
    Look::Near(around(16, Detail::Coarse)),
    Look::Near(beside(0, Detail::Edges)),
    Look::Near(beside(2, Detail::Edges)),
    Look::Character(beside(2, Detail::Coarse)),
];

/// What is opened where the cell counts as open; once it is decided, other ways to a verdict have the rest. The widest of these
/// have what `INSIDE` opens.
pub(super) fn near_open() -> impl Iterator<Item = Opening> {
    let near = LOOKS.into_iter().filter_map(|look| if let Look::Near(opening) = look { Some(opening) } else { None });
    near.filter(|opening| !opening.splits)
}

/// The same for sketches of the whole canvas.
pub(super) fn whole_open() -> impl Iterator<Item = usize> {
    LOOKS.into_iter().filter_map(|look| if let Look::Whole { sketch, splits: false } = look { Some(sketch) } else { None })
}

/// What is opened with all tokens, and the items that a commit may take for that: its left rows go further.
pub(super) fn near_full() -> impl Iterator<Item = Opening> {
    LOOKS.into_iter().filter_map(|look| if let Look::Full(opening) = look { Some(opening) } else { None })
}
pub(super) const FULL_ITEMS_FOUND: usize = 3 * FULL_ITEMS;

/// What is opened where the second witness is looked around.
pub(super) fn near_second() -> impl Iterator<Item = Opening> {
    LOOKS.into_iter().filter_map(|look| if let Look::Second(opening) = look { Some(opening) } else { None })
}

/// Items and states that a sketch of the whole canvas may take for one cell, by sketch.
const WHOLE_ITEMS: [usize; 4] = [300_000, 200_000, 100_000, 60_000];
/// The same for the second witness, once for all cells.
const SECOND_ITEMS: usize = 600_000;
/// The same for the exact view, and for a view of gaps of any length.
const EXACT_ITEMS: usize = 200_000;
pub(super) const LOOSE_ITEMS: usize = 250_000;
/// What part of `Limits.items` the exact view may take where it has the last word; where that is not enough, it is asked again
/// when no more than this share of the open cells is still open.
const EXACT_SHARE: usize = 10;
const EXACT_AGAIN: (usize, usize) = (3, 4);
/// Cells of its own gap on one side of a cell up to which a look at what is impossible near it counts them; with few tokens.
pub(super) const COUNTED: usize = 1;
const COUNTED_FAR: usize = 6;
const COUNTED_SMALL: usize = 16;
/// Gaps on either side that a later one counts as well, if they have no more cells than that.
const COUNTED_GAPS: usize = 2;
const COUNTED_LONG: usize = 3;
/// Open cells up to which the exact view decides what sketches leave undecided, also with a large vocabulary.
const FEW_OPEN: usize = 2;

/// Whether so few cells are open that the exact view may be enough now, where it was not with `before` of them.
fn is_worth_again(n_open: usize, before: usize) -> bool {
    n_open * EXACT_AGAIN.1 <= before.saturating_mul(EXACT_AGAIN.0)
}

/// The exact view, where it is cheap, says in one pass what the looks close in on in dozens. Whether it is cheap is not known before
/// it is tried: it may take as much as the looks have taken so far, more each time that this was not enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExactSoon {
    /// Items that it may take.
    items: usize,
    /// Effects of tokens that the looks have asked about when it is tried; 0: it was enough the last time.
    at: usize,
    /// Open cells when it was not enough.
    n_open: usize,
}

/// What it may take at first, how many times as much each further time, and at most; and how many items for one effect that was asked about.
const SOON_ITEMS: usize = 25_000;
const SOON_MORE: usize = 4;
const SOON_MOST: usize = 400_000;
const ITEMS_OF_EFFECT: usize = 4;
/// The look behind which it is tried for the first time: most cells have nothing undecided then.
const SOON: usize = 2;

impl Default for ExactSoon {
    fn default() -> ExactSoon {
        ExactSoon { items: SOON_ITEMS, at: SOON_ITEMS / ITEMS_OF_EFFECT, n_open: 0 }
    }
}

/// The allowed tokens of a cell, and whether they are surely all.
pub type Allowed = (Arc<Bits>, bool);

/// What a look sees: its kind, the slots from which and up to which gaps are open, and how.
pub(super) type Seen = (u8, (usize, usize), Detail, bool);

/// What is known of a cell's tokens.
#[derive(Clone, Debug)]
pub(super) struct Sorted {
    pub(super) allowed: Bits,
    /// Neither shown to be allowed nor to be not.
    pub(super) undecided: Bits,
}

impl Sorted {
    /// Notes these as allowed.
    pub(super) fn allow(&mut self, tokens: &Bits) {
        self.allowed.union(tokens);
        self.undecided.subtract(tokens);
    }
}

impl Session {
    /// The allowed tokens of an open slot, and whether they are all of them. If not, each has been shown to be
    /// allowed, but some may be missing; a limit ends the search for them.
    pub fn allowed(&mut self, i: usize) -> Result<Allowed, &'static str> {
        self.allowed_within(i).map(|(allowed, _)| allowed)
    }

    /// The allowed tokens of an open slot, all of them: the exact view is asked for what nothing else decides, for as long as the
    /// limits let it.
    pub fn allowed_exactly(&mut self, i: usize) -> Result<Allowed, &'static str> {
        let known = self.allowed_within(i)?.0;
        if known.1 {
            return Ok(known);
        }
        let most = self.constraint().limits.items;
        match self.find_allowed(i, most)? {
            (all @ (_, true), _) => {
                self.allowed_known.insert(i, all.clone());
                Ok(all)
            }
            (_, limit) => Err(limit.unwrap_or("items")),
        }
    }

    /// The same as `allowed`, and the limit that ended the search, if one did.
    fn allowed_within(&mut self, i: usize) -> Result<(Allowed, Option<&'static str>), &'static str> {
        if let Some(known) = self.allowed_known.get(&i) {
            return Ok((known.clone(), None));
        }
        let (answer, limit) = self.find_allowed(i, self.items_for_exact())?;
        if limit.is_none() {
            self.allowed_known.insert(i, answer.clone());
        }
        Ok((answer, limit))
    }

    /// Items that the exact view may take for what nothing else decides, without being asked for an exact set: none where there are
    /// many tokens and open cells; and what took too long is not asked again before a good share of the open cells is decided.
    fn items_for_exact(&self) -> usize {
        let n_open = self.n_open();
        let is_few = self.has_small_vocabulary() || n_open <= FEW_OPEN;
        if is_few && is_worth_again(n_open, self.exact_too_dear_at) { self.constraint().limits.items / EXACT_SHARE } else { 0 }
    }

    /// The allowed tokens of an open slot of many; a limit that ends one search ends all.
    fn allowed_of_many(&mut self, i: usize) -> Result<Allowed, &'static str> {
        match self.allowed_within(i)? {
            (allowed, None) => Ok(allowed),
            (_, Some(limit)) => Err(limit),
        }
    }

    /// The allowed tokens of all open slots; cells deep inside a gap share one set.
    pub fn allowed_all(&mut self) -> Result<Vec<(usize, Allowed)>, &'static str> {
        let n = self.slots().len();
        let mut all = Vec::new();
        let mut i = 0;
        while i < n {
            match self.slots()[i] {
                Slot::Open => {}
                Slot::Optional => {
                    all.push((i, self.allowed_of_many(i)?));
                    i += 1;
                    continue;
                }
                Slot::Token(_) | Slot::Anything => {
                    i += 1;
                    continue;
                }
            }
            let gap = gap_of(self.slots(), i);
            let mut is_shared = false;
            for j in gap.clone() {
                if !is_shared && self.exact_soon.at > 0 {
                    is_shared = true;
                    self.share_inside(gap.clone())?;
                }
                all.push((j, self.allowed_of_many(j)?));
            }
            i = gap.end;
        }
        Ok(all)
    }

    /// The tokens, whether they are all, and the limit that ended the search; the exact view may take `most` items for what is left.
    fn find_allowed(&mut self, i: usize, most: usize) -> Result<(Allowed, Option<&'static str>), &'static str> {
        if self.is_small() || self.has_intervals() {
            let allowed = self.with(Stage::Allowed, |ctx, session| {
                let mut sorted = session.all_undecided(i);
                session.pass(ctx, &mut |session| &mut session.exact, i..i + 1, &mut sorted);
                sorted.allowed
            })?;
            return Ok(((allowed.into(), true), None));
        }
        match self.verdict() {
            Answer::Dead => return Ok(((self.no_tokens().into(), true), None)),
            Answer::Undecided(limit) => return Err(limit),
            Answer::Completable => {}
        }
        self.settle()?;
        self.prepare();
        let (mut sorted, is_shared) = self.begin_sorted(i);
        self.drop_cut(i, &mut sorted.undecided);
        if let Some(token) = self.witness_token(i) {
            sorted.allowed.insert(token);
            sorted.undecided.remove(token);
        }
        // What was found before a limit is allowed.
        let limit = self.with(Stage::Allowed, |ctx, session| session.sort_tokens(ctx, i, is_shared, &mut sorted)).err();
        if limit.is_none() && !sorted.undecided.is_empty() && most > 0 {
            let asked = self.with(Stage::Allowed, |ctx, session| session.pass_exact(ctx, most, i, &mut sorted));
            self.exact_too_dear_at = if asked == Ok(true) { usize::MAX } else { self.n_open() };
        }
        Ok(((sorted.allowed.into(), sorted.undecided.is_empty()), limit))
    }

    /// What is known of an open cell from the others of its gap; whether what fits nowhere in the gap is part of that.
    fn begin_sorted(&self, i: usize) -> (Sorted, bool) {
        match self.shared.as_ref().filter(|shared| shared.has(i)) {
            Some(shared) => (shared.sorted_at(i), !shared.is_at_end(i)),
            None => (self.all_undecided(i), false),
        }
    }

    pub(super) fn no_tokens(&self) -> Bits {
        Bits::new(self.constraint().vocabulary.n_logits as usize)
    }

    /// All that may stand somewhere up to slot `last`.
    pub(super) fn all_undecided(&self, last: usize) -> Sorted {
        let vocabulary = &self.constraint().vocabulary;
        let mut undecided = vocabulary.texts().clone();
        if self.exact.ends()[..=last].contains(&true) {
            let tail = self.policy().tail_tokens(vocabulary).unwrap_or_else(|| (0..vocabulary.len() as u32).collect());
            vocabulary.eos.iter().copied().chain(tail).for_each(|t| _ = undecided.insert(t));
        }
        vocabulary.mask.into_iter().for_each(|t| undecided.remove(t));
        Sorted { allowed: self.no_tokens(), undecided }
    }

    /// `is_shared`: what fits in no gap of any length is known.
    fn sort_tokens(&mut self, ctx: &mut Context<'_>, i: usize, is_shared: bool, sorted: &mut Sorted) {
        let mut seen: FxHashSet<Seen> = FxHashSet::default();
        if self.exact_soon.at == 0 && !sorted.undecided.is_empty() && self.ask_exact_soon(ctx, i, sorted) {
            return;
        }
        let is_done = self.shared.as_ref().is_some_and(|shared| shared.has(i) && shared.was_looked_at(i));
        for (rank, look) in LOOKS.into_iter().enumerate() {
            if self.is_new(look, i, &mut seen) && !(rank == 0 && is_done) {
                self.look(ctx, look, i..i + 1, sorted);
            }
            if self.is_sorted(ctx, i, rank, is_shared, sorted) || rank >= SOON && self.ask_exact_soon(ctx, i, sorted) {
                break;
            }
        }
    }

    /// Asks the exact view for what is undecided, if the looks have taken enough for that; whether it said all.
    fn ask_exact_soon(&mut self, ctx: &mut Context<'_>, i: usize, sorted: &mut Sorted) -> bool {
        let n_open = self.n_open();
        if is_worth_again(n_open, self.exact_soon.n_open) {
            self.exact_soon = ExactSoon { at: ctx.n_asked, ..ExactSoon::default() };
        }
        if ctx.n_asked < self.exact_soon.at {
            return false;
        }
        let is_enough = self.pass_exact(ctx, self.exact_soon.items, i, sorted);
        self.exact_soon = if is_enough {
            let items = (self.exact_soon.items / SOON_MORE).max(SOON_ITEMS);
            ExactSoon { items, at: 0, n_open: 0 }
        } else {
            let items = self.exact_soon.items * SOON_MORE;
            let at = if items > SOON_MOST { usize::MAX } else { ctx.n_asked + items / ITEMS_OF_EFFECT };
            ExactSoon { items, at, n_open }
        };
        is_enough
    }

    /// Whether a look at cell i sees other slots than those before: where there are no more gaps, a wider one does not.
    pub(super) fn is_new(&self, look: Look, i: usize, seen: &mut FxHashSet<Seen>) -> bool {
        let mut sees = |kind: u8, opening: Opening| seen.insert((kind, self.reach(i, opening), opening.detail, opening.splits));
        match look {
            Look::Near(opening) => sees(0, opening),
            Look::Character(opening) => sees(1, opening),
            Look::Full(opening) => sees(2, opening),
            Look::Second(opening) => sees(3, opening),
            Look::Whole { sketch, splits } if self.n_gaps() == 1 => {
                let detail = DETAILS[sketch].max(Detail::Coarse);
                sees(0, Opening { n_gaps: 0, detail, splits })
            }
            Look::Whole { .. } | Look::Apart | Look::Exact => true,
        }
    }

    /// One look at these cells of a gap.
    pub(super) fn look(&mut self, ctx: &mut Context<'_>, look: Look, cells: Range<usize>, sorted: &mut Sorted) {
        let i = cells.start;
        match look {
            Look::Near(opening) => self.pass_near(ctx, opening, cells, (0, 0), sorted),
            Look::Character(opening) => self.pass_character(ctx, opening, cells, sorted),
            Look::Full(opening) => self.pass_full(ctx, opening, cells, sorted),
            Look::Apart => self.pass_apart(ctx, i, sorted),
            Look::Second(_) if !sorted.undecided.has_many(WORTH_SECOND) => {}
            Look::Second(opening) => _ = self.with_second(ctx, i, |ctx, session| session.pass_near(ctx, opening, cells, (0, 0), sorted)),
            Look::Whole { sketch, .. } if sketch >= self.too_dear => {}
            Look::Whole { sketch, splits: false } => self.pass_whole(ctx, sketch, i, sorted),
            Look::Whole { sketch, splits: true } => {
                let gap = gap_of(self.slots(), i);
                let choices = self.sketched_beside(gap.clone(), DETAILS[sketch], &cells);
                self.with_choices(sketch, gap.start, choices, |session| session.pass_whole(ctx, sketch, i, sorted));
            }
            Look::Exact if self.too_dear <= DETAILS.len() => {}
            Look::Exact => {
                if !self.pass_exact(ctx, EXACT_ITEMS, i, sorted) {
                    self.too_dear = DETAILS.len();
                }
            }
        }
    }

    /// A pass around these cells, with as many bytes missing beside them; of several cells, for what is allowed at each.
    fn pass_near(&mut self, ctx: &mut Context<'_>, opening: Opening, cells: Range<usize>, missing: (usize, usize), sorted: &mut Sorted) {
        self.while_open(cells.clone(), opening, |session, view| {
            session.open_character(view, &cells, missing, opening.detail);
            let is_steady = cells.len() > 1;
            view.set_steady(is_steady, is_steady);
            let rules_out = cells.len() == 1 && session.slots()[..cells.start].iter().all(Slot::is_decided);
            session.pass_in(ctx, view, cells, rules_out, sorted);
            view.set_steady(false, false);
        });
    }

    /// The same for the undecided tokens that are no whole characters, those of equal lacks together.
    fn pass_character(&mut self, ctx: &mut Context<'_>, opening: Opening, cells: Range<usize>, sorted: &mut Sorted) {
        let vocabulary = ctx.constraint.vocabulary.clone();
        let mut by_missing: BTreeMap<(usize, usize), Bits> = BTreeMap::new();
        for token in vocabulary.fragments().iter().filter(|&t| sorted.undecided.has(t)) {
            let (before, behind) = vocabulary.missing(token);
            for missing in [(before, behind), (before, 0)] {
                // the middle of a character, or its end
                by_missing.entry(missing).or_insert_with(|| self.no_tokens()).insert(token);
            }
        }
        for (missing, mut undecided) in by_missing {
            undecided.intersect(&sorted.undecided);
            if undecided.is_empty() {
                continue;
            }
            let mut part = Sorted { allowed: self.no_tokens(), undecided };
            self.pass_near(ctx, opening, cells.clone(), missing, &mut part);
            sorted.allow(&part.allowed);
        }
    }

    /// A pass around these cells for no more than so many items, and not for as many full cells as were too much before.
    fn pass_full(&mut self, ctx: &mut Context<'_>, opening: Opening, cells: Range<usize>, sorted: &mut Sorted) {
        let Some(mut view) = self.opened(cells.clone(), opening) else { return };
        let n_full = (0..view.len()).filter(|&j| *view.choice(j) == Choice::All).count();
        if n_full < self.full_too_dear && ctx.within(FULL_ITEMS, |ctx| self.pass_in(ctx, &mut view, cells, false, sorted)).is_none() {
            self.full_too_dear = n_full;
        }
    }

    /// The concrete view with what is around these cells of a gap opened, as one of its own.
    pub(super) fn opened(&mut self, cells: Range<usize>, opening: Opening) -> Option<View> {
        let before = self.concrete_mut().map(|view| view.clone())?;
        self.open_around(cells, opening);
        self.concrete_mut().map(|view| std::mem::replace(view, before))
    }

    /// Asks for the undecided tokens what a commit would ask: those that all configurations read alike together.
    fn pass_apart(&mut self, ctx: &mut Context<'_>, i: usize, sorted: &mut Sorted) {
        let vocabulary = ctx.constraint.vocabulary.clone();
        let relaxed = &mut self.relaxed;
        let Some(row) = ctx.with_loose(|ctx| relaxed.left_row(ctx, i).clone()) else { return };
        let mut kinds: BTreeMap<Vec<EffectId>, Vec<TokenId>> = BTreeMap::new();
        for token in sorted.undecided.iter().filter(|&t| !vocabulary.is_special(t) && !vocabulary.fragments().has(t)) {
            let effects = row.iter().map(|&(c, _)| ctx.effects.of_token(&vocabulary, c, token)).collect();
            kinds.entry(effects).or_default().push(token);
            if kinds.len() > MAX_APART {
                return;
            }
        }
        let mut kinds: Vec<Vec<TokenId>> = kinds.into_values().collect();
        kinds.sort_unstable();
        for tokens in kinds {
            if !ctx.stop() && self.fits_apart(ctx, i, tokens[0]) {
                for token in tokens {
                    sorted.allowed.insert(token);
                    sorted.undecided.remove(token);
                }
            }
        }
    }

    /// Cells beside these of a gap that a character cut there would reach hold its bytes; the ones next to them nothing else.
    pub(super) fn open_character(&self, view: &mut View, cells: &Range<usize>, (before, behind): (usize, usize), detail: Detail) {
        let Some(representatives) = &self.representatives else { return };
        let gap = gap_of(self.slots(), cells.start);
        let left = (1..=before).filter_map(|k| cells.start.checked_sub(k).map(|j| (j, k)));
        let right = (1..=behind).map(|k| (cells.end + k - 1, k));
        for (j, k) in left.chain(right).filter(|(j, _)| gap.contains(j)) {
            view.set_choice(
                j,
                Choice::Some(if k == 1 || detail == Detail::Plain { representatives.rest.clone() } else { representatives.bytes.clone() }),
            );
        }
    }

    /// Runs `f` with the second witness in place of the latest one, if there is one. The latest witness has come about commit
    /// by commit, and may read far more of the text as one thing than any text needs to.
    pub(super) fn with_second<T>(&mut self, ctx: &mut Context<'_>, i: usize, f: impl FnOnce(&mut Context<'_>, &mut Session) -> T) -> Option<T> {
        let second = match self.second.take() {
            Some(known) => known,
            None => self.find_second(ctx, i),
        };
        let Some(second) = second else {
            self.second = Some(None);
            return None;
        };
        let latest = self.concrete.replace(second);
        let answer = f(ctx, self);
        self.second = Some(std::mem::replace(&mut self.concrete, latest));
        Some(answer)
    }

    /// A witness of the cheapest sketch of the whole canvas, with open cell i as open in it.
    fn find_second(&mut self, ctx: &mut Context<'_>, i: usize) -> Option<Concrete> {
        let gap = gap_of(&self.slots, i);
        let choices = self.sketched(gap.clone(), DETAILS[0]);
        let ask = |ctx: &mut Context<'_>, session: &mut Session| find_witness(ctx, &mut session.sketches[0]);
        let found = self.with_choices(0, gap.start, choices, |session| session.ask_sketch(ctx, 0, SECOND_ITEMS, ask)).flatten();
        let (end, witness) = found.and_then(|(end, witness)| Some((end, self.with_tail(end, witness)?)))?;
        let second = self.concrete_of(end, &witness);
        self.concrete.as_ref().is_some_and(|latest| latest.tokens != second.tokens).then_some(second)
    }

    fn pass_whole(&mut self, ctx: &mut Context<'_>, sketch: usize, i: usize, sorted: &mut Sorted) {
        let pass = |ctx: &mut Context<'_>, session: &mut Session| session.pass(ctx, &mut |s| &mut s.sketches[sketch], i..i + 1, sorted);
        if self.ask_sketch(ctx, sketch, WHOLE_ITEMS[sketch], pass).is_none() {
            self.too_dear = sketch;
        }
    }

    /// Asks `f`, about a sketch of the whole canvas, for no more than so many items. None if that is not enough.
    fn ask_sketch<T>(&mut self, ctx: &mut Context<'_>, sketch: usize, most: usize, f: impl FnOnce(&mut Context<'_>, &mut Session) -> T) -> Option<T> {
        let answer = ctx.with_few(|ctx| ctx.within(most, |ctx| f(ctx, self)));
        if answer.is_none() {
            self.sketches[sketch].forget();
        }
        answer
    }

    /// A witness of a sketch of the whole canvas with this token in open cell i, for what an allowed set may take.
    pub(super) fn find_whole(&mut self, ctx: &mut Context<'_>, sketch: usize, i: usize, token: TokenId) -> Option<(usize, Witness)> {
        let gap = gap_of(&self.slots, i);
        let mut choices = self.sketched(gap.clone(), DETAILS[sketch]);
        choices[i - gap.start] = Choice::One(token);
        let ask = |ctx: &mut Context<'_>, session: &mut Session| find_witness(ctx, &mut session.sketches[sketch]);
        self.with_choices(sketch, gap.start, choices, |session| session.ask_sketch(ctx, sketch, WHOLE_ITEMS[sketch], ask)).flatten()
    }

    /// Runs `f` with other choices from slot `first` of a sketch on.
    fn with_choices<T>(&mut self, sketch: usize, first: usize, choices: Vec<Choice>, f: impl FnOnce(&mut Session) -> T) -> T {
        let before = self.sketches[sketch].set_choices(first, choices);
        let answer = f(self);
        self.sketches[sketch].set_choices(first, before);
        answer
    }

    /// Decides what is left, unless that takes more than so many items.
    fn pass_exact(&mut self, ctx: &mut Context<'_>, most: usize, i: usize, sorted: &mut Sorted) -> bool {
        let pass = |ctx: &mut Context<'_>| self.pass(ctx, &mut |session| &mut session.exact, i..i + 1, sorted);
        let asked = ctx.within(most, pass).is_some();
        if !asked {
            self.exact.forget();
        } else if !ctx.stop() {
            sorted.undecided = self.no_tokens();
        }
        asked
    }

    /// Whether nothing is left to do after a pass for one cell; some are followed by looks at what cannot be at all.
    fn is_sorted(&mut self, ctx: &mut Context<'_>, i: usize, rank: usize, is_shared: bool, sorted: &mut Sorted) -> bool {
        if rank == 0 && !sorted.undecided.is_empty() {
            let counted = self.counted_beside(i, COUNTED);
            if !is_shared || !counted.is_empty() {
                self.drop_dead_nearby(ctx, i, &counted, sorted);
            }
            self.settle_end(ctx, i, sorted);
        }
        if rank == WORTH_FRAGMENTS && !sorted.undecided.is_empty() {
            self.drop_dead(ctx, i, sorted);
            let counted = [self.counted_beside(i, COUNTED_FAR), self.counted_near(i)].concat();
            self.drop_dead_nearby(ctx, i, &counted, sorted);
        }
        let is_minor = rank >= WORTH_FRAGMENTS && !self.has_small_vocabulary() && sorted.undecided.is_within(ctx.constraint.vocabulary.fragments());
        sorted.undecided.is_empty() || is_minor || ctx.stop()
    }

    /// Decides the end of the text at the cell as a verdict would in its first steps: no look opens all that is behind it.
    fn settle_end(&mut self, ctx: &mut Context<'_>, i: usize, sorted: &mut Sorted) {
        let vocabulary = self.constraint().vocabulary.clone();
        for &token in &vocabulary.eos {
            if !sorted.undecided.has(token) {
                continue;
            }
            let mut ended = self.fork();
            ended.set(i, Slot::Token(token));
            if let Some(answer) = ended.find_nearby(ctx) {
                sorted.undecided.remove(token);
                if answer == Answer::Completable {
                    sorted.allowed.insert(token);
                }
            }
        }
    }

    /// Takes out the undecided tokens that do not fit even if gaps may have any length.
    pub(super) fn drop_dead(&mut self, ctx: &mut Context<'_>, i: usize, sorted: &mut Sorted) {
        if self.slots_nearby(i) == Some(0..self.slots().len()) {
            return; // all of it was near
        }
        let nothing = self.no_view();
        let mut relaxed = std::mem::replace(&mut self.relaxed, nothing);
        if !self.drop_dead_in(ctx, &mut relaxed, i, sorted) {
            relaxed.forget();
        }
        self.relaxed = relaxed;
    }

    /// The same with what is near the cell in any text, these cells counted.
    pub(super) fn drop_dead_nearby(&mut self, ctx: &mut Context<'_>, i: usize, counted: &[usize], sorted: &mut Sorted) {
        let Some((mut view, first)) = self.loose_nearby(i) else { return };
        let there = |j: usize| (j as isize - first) as usize;
        for j in counted.iter().map(|&j| there(j)) {
            view.set_choice(j, Choice::All);
        }
        if self.drop_dead_in(ctx, &mut view, there(i), sorted) {
            self.loose = Some((view, first));
        }
    }

    /// Takes out what this view of gaps of any length does not allow at its slot i; false if that takes too much.
    fn drop_dead_in(&mut self, ctx: &mut Context<'_>, view: &mut View, i: usize, sorted: &mut Sorted) -> bool {
        if sorted.undecided.is_empty() || ctx.stop() {
            return true;
        }
        let mut possible = Sorted { allowed: self.no_tokens(), undecided: sorted.undecided.clone() };
        let within = |ctx: &mut Context<'_>| ctx.within(LOOSE_ITEMS, |ctx| self.pass_in(ctx, view, i..i + 1, false, &mut possible));
        let asked = ctx.with_loose(within).flatten().is_some();
        if asked {
            sorted.undecided.intersect(&possible.allowed);
        }
        asked
    }

    /// What is open on either side of a cell, where that is little.
    pub(super) fn counted_beside(&self, i: usize, most: usize) -> Vec<usize> {
        let is_closed = |j: &usize| self.slots()[*j] != Slot::Open;
        let first = (0..i).rev().find(is_closed).map_or(0, |j| j + 1);
        let end = (i + 1..self.slots().len()).find(is_closed).unwrap_or(self.slots().len());
        let most = if self.has_small_vocabulary() { COUNTED_SMALL } else { most };
        [first..i, i + 1..end].into_iter().filter(|side| side.len() <= most).flatten().collect()
    }

    /// The short gaps near a cell.
    fn counted_near(&self, i: usize) -> Vec<usize> {
        let own = gap_of(&self.slots, i);
        let (a, b) = self.window(own.start, own.end, COUNTED_GAPS, self.slots().len());
        let beside = (a..own.start).chain(own.end..b);
        beside.filter(|&j| self.slots()[j] == Slot::Open && gap_of(&self.slots, j).len() <= COUNTED_LONG).collect()
    }

    fn no_view(&self) -> View {
        View::new(self.constraint().start, Vec::new(), vec![false])
    }

    /// Moves the undecided tokens that a view allows in place of these cells (of one cell: at that cell).
    fn pass(&mut self, ctx: &mut Context<'_>, view: &mut dyn FnMut(&mut Session) -> &mut View, cells: Range<usize>, sorted: &mut Sorted) {
        let nothing = self.no_view();
        let mut taken = std::mem::replace(view(self), nothing);
        self.pass_in(ctx, &mut taken, cells, false, sorted);
        *view(self) = taken;
    }

    /// The same of a view that has been taken; `rules_out`: all that is in front of the cell is decided.
    pub(super) fn pass_in(&self, ctx: &mut Context<'_>, view: &mut View, cells: Range<usize>, rules_out: bool, sorted: &mut Sorted) {
        let i = cells.start;
        let pass = Pass::new(ctx, view, cells, sorted);
        if rules_out {
            pass.ruling_out().run()
        } else {
            pass.run()
        };
        self.add_end_tokens(ctx, view, i, sorted);
    }

    /// EOS at slot i, and whatever may stand there behind an EOS further left.
    fn add_end_tokens(&self, ctx: &mut Context<'_>, view: &mut View, i: usize, sorted: &mut Sorted) {
        let vocabulary = ctx.constraint.vocabulary.clone();
        let mut add = |t: TokenId| {
            sorted.undecided.remove(t);
            sorted.allowed.insert(t);
        };
        if view.ends_at(i) && view.fits_end(ctx, i) {
            vocabulary.eos.iter().for_each(|&t| add(t));
        }
        // In the tail: an EOS at j < i whose tail admits slot i.
        if (0..i).any(|j| view.ends_at(j) && view.fits_end(ctx, j)) {
            match self.policy().tail_tokens(&vocabulary) {
                Some(tokens) => tokens.into_iter().for_each(add),
                None => (0..vocabulary.len() as u32).filter(|&t| vocabulary.mask != Some(t)).for_each(add),
            }
        }
    }

    /// Runs `f` on the concrete view with what is around these cells of a gap opened. None if there is no such view.
    pub(super) fn while_open<T>(&mut self, cells: Range<usize>, opening: Opening, f: impl FnOnce(&mut Session, &mut View) -> T) -> Option<T> {
        let first = cells.start;
        self.open_around(cells, opening);
        let nothing = self.no_view();
        let mut view = std::mem::replace(self.concrete_mut()?, nothing);
        let answer = f(self, &mut view);
        *self.concrete_mut()? = view;
        self.close_again(first, opening);
        Some(answer)
    }

    /// Opens what is around these cells of a gap in the concrete view.
    fn open_around(&mut self, cells: Range<usize>, opening: Opening) {
        let (a, b) = self.reach(cells.start, opening);
        let choices = self.sketched_beside(a..b, opening.detail, if opening.splits { &cells } else { &(0..0) });
        let open: Vec<bool> = (a..b).map(|j| self.slots()[j] == Slot::Open).collect();
        let mut ends = self.exact.ends().to_vec();
        let Some(Concrete { view, end, .. }) = &mut self.concrete else { return };
        for (j, choice) in (a..b).zip(choices).filter(|(j, _)| open[j - a]) {
            view.set_choice(j, choice);
        }
        // Further right the text ends where it does, so that what is known there stays.
        (b + 1..ends.len()).for_each(|j| ends[j] = j == *end);
        view.set_ends(ends);
    }

    fn close_again(&mut self, i: usize, opening: Opening) {
        let (a, b) = self.reach(i, opening);
        let Some(mut concrete) = self.concrete.take() else { return };
        self.close_window(&mut concrete, a..b);
        concrete.view.set_ends(only(concrete.end, self.slots().len()));
        self.concrete = Some(concrete);
    }

    fn reach(&self, i: usize, opening: Opening) -> (usize, usize) {
        let gap = gap_of(self.slots(), i);
        self.window(gap.start, gap.end, opening.n_gaps, self.slots().len())
    }
}
