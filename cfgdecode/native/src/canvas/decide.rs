//! How a verdict is found, cheapest question first.
//!
//! The latest witness can be repaired in a window of gaps around the change; what is near the change fits no text; a sketch of
//! the whole canvas has a filling; the canvas with gaps of any length has none; the exact view decides. Windows and sketches
//! only ever say yes, and put a witness behind it; what looks at gaps of any length only ever says no.
//!
//! Invariant: a repair that fails leaves the latest witness as it was, so that a change that is taken back costs nothing.
//! Cost: a window costs its rows; see `sketch.rs` for what the levels of detail cost.

use super::allowed::{self, Opening};
use super::clock::Stage;
use super::context::Context;
use super::filling::{Step, plain_row, read_off, walk_left};
use super::session::{Answer, Concrete, Session, SlotTokens, Witness, only};
use super::sketch::{self, Detail};
use super::slots::Slot;
use super::view::{Choice, LeftRow, View};
use crate::lexer::ConfigId;
use crate::vocabulary::TokenId;
use std::ops::Range;

/// What a repair may rewrite: gaps around the change, on its right one more after the other until there is a filling, since the rows
/// on their left stay.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// Gaps on the left of the change.
    left: usize,
    /// The most gaps on its right.
    right: usize,
    detail: Detail,
    /// Before the window grows: places further away as well (`chase.rs`).
    apart: bool,
    /// Of several changes it is that around the first: the others are among the places.
    is_first: bool,
}

const fn near(left: usize, right: usize, detail: Detail) -> Window {
    Window { left, right, detail, apart: false, is_first: false }
}

const fn apart(left: usize, right: usize, detail: Detail) -> Window {
    Window { apart: true, ..near(left, right, detail) }
}

const fn across(n_gaps: usize, detail: Detail) -> Window {
    Window { is_first: true, ..apart(n_gaps, n_gaps, detail) }
}

/// Cells of a long gap at a window's end, or of a place further away, that are opened.
pub(super) const REACH: usize = 32;
/// Gaps on the right of a change with which a window is tried.
const WIDTHS: [usize; 10] = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24];

impl Window {
    fn widths(&self) -> impl Iterator<Item = usize> {
        let (least, most) = (self.right.min(1), self.right);
        WIDTHS.into_iter().filter(move |n| (least..=most).contains(n))
    }
}

/// Windows, tried in turn: those that find most for their cost first.
struct Windows {
    /// Before it is asked whether the canvas is dead.
    near: &'static [Window],
    /// Before the first sketch.
    far: &'static [Window],
    /// Before the second.
    furthest: &'static [Window],
    /// Before all others where several changes are one.
    across: &'static [Window],
}

/// Those of a grammar with many words, without which windows cost a fraction.
const WORDY: Windows = Windows {
    near: &[near(0, 0, Detail::Lean), apart(1, 1, Detail::Plain), apart(1, 1, Detail::Lean), near(2, 8, Detail::Lean)],
    far: &[near(1, 1, Detail::Closing), near(1, 2, Detail::Edges), near(4, 3, Detail::Plain), near(8, 24, Detail::Lean)],
    furthest: &[near(3, 3, Detail::Edges), near(2, 1, Detail::Fine), near(8, 6, Detail::Edges)],
    across: &[near(0, 0, Detail::Lean), across(0, Detail::Plain), across(1, Detail::Plain), across(1, Detail::Lean)],
};
/// Those of any other: what is plain there costs as much as what is lean, and windows of edge tokens cost little.
const TERSE: Windows = Windows {
    near: &[near(0, 0, Detail::Lean), near(1, 3, Detail::Lean), near(2, 8, Detail::Lean), near(2, 2, Detail::Edges)],
    far: &[near(8, 24, Detail::Lean), near(3, 3, Detail::Edges), apart(1, 1, Detail::Lean)],
    furthest: &[near(2, 1, Detail::Fine), near(8, 6, Detail::Edges)],
    across: &[near(0, 0, Detail::Lean), across(0, Detail::Lean), across(1, Detail::Lean)],
};

impl Windows {
    fn of(ctx: &Context<'_>) -> &'static Windows {
        if ctx.has_words() { &WORDY } else { &TERSE }
    }
}

/// Gaps on either side of a change that are looked at to show that the canvas is dead.
const DEAD_NEARBY: usize = 3;
/// Decided cells in front of all gaps, or behind them, up to which they are looked at as well.
const MAX_DECIDED: usize = 512;
/// What part of `Limits.items` the exact view may take to find a witness beside one that is no longer right, where there are more gaps or
/// more open cells.
const EXACT_SHARE: usize = 10;
const FEW_GAPS: usize = 4;
const FEW_CELLS: usize = 100;
/// What is to be rewritten of the latest witness, and where its text ends then.
struct Damage {
    /// None: nothing, what was changed has been changed back.
    slots: Option<Range<usize>>,
    end: usize,
}

impl Session {
    pub(super) fn decide(&mut self) -> Answer {
        if self.has_intervals() {
            let found = self.with(Stage::Dead, |ctx, session| {
                if session.last_changed.is_some() {
                    session.make_relaxed();
                    if session.is_dead_nearby(ctx) || session.is_surely_dead(ctx) {
                        return false;
                    }
                }
                session.clock.enter(Stage::Exact);
                find_end(ctx, &mut session.exact).is_some()
            });
            return answer_of(found);
        }
        self.prepare();
        if !self.is_small() {
            match self.with(Stage::Repair, Session::find_quickly) {
                Ok(Some(answer)) => return answer,
                Ok(None) => {}
                Err(limit) => return Answer::Undecided(limit),
            }
        }
        // Between many gaps or cells where all else failed beside a known witness, the exact view rarely helps: it gets a share of the limit.
        let has_past = self.concrete.is_some() && !self.is_small() && (self.n_gaps() > FEW_GAPS || self.n_open() > FEW_CELLS);
        let share = if has_past { EXACT_SHARE } else { 1 };
        let most = self.constraint.limits.items / share;
        let found = self.with(Stage::Exact, |ctx, session| {
            let Some(found) = ctx.within(most, |ctx| find_witness(ctx, &mut session.exact)) else {
                session.exact.forget();
                return None;
            };
            let found = found.and_then(|(end, witness)| session.with_tail(end, witness).map(|w| (end, w)));
            Some(found.map(|(end, witness)| session.keep(end, witness)).is_some())
        });
        answer_of(found.and_then(|found| found.ok_or("items")))
    }

    /// What changes near the latest change can tell.
    pub(super) fn find_nearby(&mut self, ctx: &mut Context<'_>) -> Option<Answer> {
        self.clock.enter(Stage::Repair);
        let has_several = self.concrete.as_ref().is_some_and(|concrete| concrete.changed.len() > 1);
        let windows = Windows::of(ctx);
        if has_several && self.repair(ctx, windows.across) || self.repair(ctx, windows.near) {
            return Some(Answer::Completable);
        }
        self.clock.enter(Stage::Dead);
        self.is_dead_nearby(ctx).then_some(Answer::Dead)
    }

    /// The ways to an answer that do not look at all tokens; `None` if they do not decide.
    fn find_quickly(ctx: &mut Context<'_>, session: &mut Session) -> Option<Answer> {
        if session.writes_on(ctx) {
            return Some(Answer::Completable);
        }
        let near = session.find_nearby(ctx);
        if near.is_some() {
            return near;
        }
        let windows = Windows::of(ctx);
        for k in 0..session.sketches.len() {
            session.clock.enter(Stage::Repair);
            if k == 0 && session.repair(ctx, windows.far) || k == 1 && session.repair(ctx, windows.furthest) {
                return Some(Answer::Completable);
            }
            session.clock.enter(Stage::Dead);
            if k == 2 && session.is_dead_counted(ctx) {
                return Some(Answer::Dead);
            }
            session.clock.enter(Stage::Sketch);
            if let Some((end, witness)) = ctx.with_few(|ctx| find_witness(ctx, &mut session.sketches[k])) {
                let witness = session.with_tail(end, witness)?;
                session.keep(end, witness);
                return Some(Answer::Completable);
            }
            if ctx.stop() {
                return None;
            }
        }
        session.clock.enter(Stage::Dead);
        if session.is_surely_dead(ctx) {
            return Some(Answer::Dead);
        }
        session.clock.enter(Stage::Allowed);
        session.decide_as_allowed(ctx).then_some(Answer::Completable)
    }

    /// Looks for a witness the way allowed sets are worked out: around the changed cell as if it were still open. What such
    /// a set allows is found to be completable at the latest here.
    fn decide_as_allowed(&mut self, ctx: &mut Context<'_>) -> bool {
        let Some([i]) = self.concrete.as_ref().map(|c| &c.changed[..]) else { return false };
        let i = *i;
        let Slot::Token(token) = self.slots[i] else { return false };
        self.slots[i] = Slot::Open;
        let found = self.find_around(ctx, i, token);
        self.slots[i] = Slot::Token(token);
        self.second = None; // it was that of the open cell
        let witness = found.and_then(|(end, witness)| self.with_tail(end, witness).map(|w| (end, w)));
        witness.map(|(end, witness)| self.keep(end, witness)).is_some()
    }

    /// A witness with this token in open cell i.
    fn find_around(&mut self, ctx: &mut Context<'_>, i: usize, token: TokenId) -> Option<(usize, Witness)> {
        let stays = |ctx: &mut Context<'_>, found: &Option<(usize, Witness)>| found.is_none() && !ctx.stop();
        let mut found = self.find_near(ctx, i, token, allowed::near_open());
        if stays(ctx, &found) {
            found = self.find_full(ctx, i, token);
        }
        for sketch in allowed::whole_open() {
            if stays(ctx, &found) {
                found = self.find_whole(ctx, sketch, i, token);
            }
        }
        if stays(ctx, &found) {
            found = self.with_second(ctx, i, |ctx, session| session.find_near(ctx, i, token, allowed::near_second())).flatten();
        }
        found
    }

    fn find_near(&mut self, ctx: &mut Context<'_>, i: usize, token: TokenId, openings: impl Iterator<Item = Opening>) -> Option<(usize, Witness)> {
        for opening in openings {
            let found = self.while_open(i..i + 1, opening, |_, view| {
                view.set_choice(i, Choice::One(token));
                find_witness(ctx, view)
            });
            let found = found.flatten();
            if found.is_some() || ctx.stop() {
                return found;
            }
        }
        None
    }

    /// The same with all tokens in the cells around, as long as that does not take too much.
    fn find_full(&mut self, ctx: &mut Context<'_>, i: usize, token: TokenId) -> Option<(usize, Witness)> {
        for opening in allowed::near_full() {
            let mut view = self.opened(i..i + 1, opening)?;
            view.set_choice(i, Choice::One(token));
            let found = ctx.within(allowed::FULL_ITEMS_FOUND, |ctx| find_witness(ctx, &mut view)).flatten();
            if found.is_some() || ctx.stop() {
                return found;
            }
        }
        None
    }

    /// What is near the latest change fits no text, whatever stands further away.
    fn is_dead_nearby(&mut self, ctx: &mut Context<'_>) -> bool {
        let Some(i) = self.last_changed else { return false };
        let Some((mut view, first)) = self.loose_nearby(i) else { return false };
        let is_dead = ctx.with_loose(|ctx| find_end(ctx, &mut view).is_none());
        self.loose = is_dead.map(|_| (view, first));
        is_dead.unwrap_or(false)
    }

    /// The same with what is left of the change's own gap counted, where that is little.
    fn is_dead_counted(&mut self, ctx: &mut Context<'_>) -> bool {
        let Some(i) = self.last_changed else { return false };
        let counted = self.counted_beside(i, allowed::COUNTED);
        if counted.is_empty() {
            return false;
        }
        let Some((mut view, first)) = self.loose_nearby(i) else { return false };
        counted.into_iter().for_each(|j| view.set_choice((j as isize - first) as usize, Choice::All));
        let within = |ctx: &mut Context<'_>| ctx.within(allowed::LOOSE_ITEMS, |ctx| find_end(ctx, &mut view).is_none());
        ctx.with_loose(within).flatten().unwrap_or(false)
    }

    /// The slots near slot i: some gaps on either side and what is between them. Where there are no more gaps on a side, what is decided
    /// there belongs to them. None if the text may end in front of them.
    pub(super) fn slots_nearby(&self, i: usize) -> Option<Range<usize>> {
        let n = self.slots.len();
        let (mut a, mut b) = self.window(i, i + 1, DEAD_NEARBY, n);
        if a <= MAX_DECIDED && self.slots[..a].iter().all(Slot::is_decided) {
            a = 0;
        }
        if n - b <= MAX_DECIDED && self.slots[b..].iter().all(Slot::is_decided) {
            b = n;
        }
        (!self.exact.ends()[..a].contains(&true)).then_some(a..b)
    }

    /// What is near slot i with gaps of any length, in any text; and the first slot of the canvas that slot 0 of the view would be.
    pub(super) fn loose_nearby(&mut self, i: usize) -> Option<(View, isize)> {
        let n = self.slots.len();
        let Range { start: a, end: b } = self.slots_nearby(i)?;
        let (before, behind) = (usize::from(a > 0), usize::from(b < n));
        let pad = |n: usize| std::iter::repeat_n(Choice::Pool, n);
        let choices: Vec<Choice> = pad(before).chain(self.slots[a..b].iter().map(sketch::loose)).chain(pad(behind)).collect();
        let mut ends = vec![false; before];
        ends.extend_from_slice(&self.exact.ends()[a..=b]);
        ends.resize(choices.len() + 1, true);
        let first = a as isize - before as isize;
        let view = match self.loose.take() {
            Some((mut view, known)) if known == first && view.len() == choices.len() => {
                view.set_choices(0, choices);
                view.set_ends(ends);
                view
            }
            _ => View::new(self.constraint.start, choices, ends),
        };
        Some((view, first))
    }

    /// The canvas has no filling even if every gap may have any length.
    fn is_surely_dead(&mut self, ctx: &mut Context<'_>) -> bool {
        // Where the text cannot end in front of it, every text passes the boundary behind the latest change.
        let fits = ctx.with_loose(|ctx| match self.last_changed {
            Some(i) if !self.exact.ends()[..=i].contains(&true) => fits_at(ctx, &mut self.relaxed, i + 1),
            _ => find_end(ctx, &mut self.relaxed).is_some(),
        });
        fits == Some(false)
    }

    /// Whether one cheap repair for all that changed shows that the canvas can be completed; if not, that says nothing.
    pub fn repair_at_once(&mut self) -> bool {
        if self.settle().is_err() {
            return false;
        }
        if self.concrete.is_none() || self.is_small() || self.has_intervals() {
            return self.verdict() == Answer::Completable;
        }
        if self.verdict.is_none() && self.with(Stage::Repair, |ctx, session| session.repair(ctx, Windows::of(ctx).across)) == Ok(true) {
            self.verdict = Some(Answer::Completable);
        }
        self.verdict == Some(Answer::Completable)
    }

    /// Looks for a new witness that differs from the latest one only in one of these windows.
    fn repair(&mut self, ctx: &mut Context<'_>, windows: &[Window]) -> bool {
        let Some(mut concrete) = self.concrete.take() else { return false };
        let damage = self.damage(&mut concrete);
        let found = damage.and_then(|damage| windows.iter().find_map(|window| self.rewritten(ctx, &mut concrete, &damage, window)));
        self.concrete = Some(concrete);
        let Some((end, witness)) = found else { return false };
        self.keep(end, witness);
        true
    }

    /// Whether a repair in several places would find a witness with this token in open cell i.
    pub(super) fn fits_apart(&mut self, ctx: &mut Context<'_>, i: usize, token: TokenId) -> bool {
        let Some(mut concrete) = self.concrete.take() else { return false };
        let slot = std::mem::replace(&mut self.slots[i], Slot::Token(token));
        concrete.changed.push(i);
        let windows = Windows::of(ctx);
        let mut windows = windows.near.iter().chain(windows.far).filter(|window| window.apart);
        let damage = self.damage(&mut concrete);
        let fits = damage.is_some_and(|damage| windows.any(|window| self.rewritten(ctx, &mut concrete, &damage, window).is_some()));
        self.slots[i] = slot;
        concrete.changed.clear();
        self.close_window(&mut concrete, 0..self.slots.len());
        concrete.view.set_ends(only(concrete.end, self.slots.len()));
        self.concrete = Some(concrete);
        fits
    }

    /// Puts what changed into the latest witness's view; what the change asks to be rewritten. None if the text cannot end any more.
    fn damage(&self, concrete: &mut Concrete) -> Option<Damage> {
        let mut end = concrete.end;
        let torn = concrete.torn.clone();
        for i in concrete.changed.iter().copied().chain(torn.iter().flat_map(Range::clone)) {
            let token = if let Slot::Token(t) = self.slots[i] { t } else { concrete.tokens[i] };
            concrete.view.set_choice(i, Choice::One(token));
            if self.constraint.vocabulary.is_eos(token) && i < end {
                end = i;
            }
        }
        concrete.changed.retain(|&i| matches!(self.slots[i], Slot::Token(t) if t != concrete.tokens[i]));
        if concrete.changed.is_empty() && concrete.torn.is_none() && self.exact.ends_at(end) {
            return Some(Damage { slots: None, end });
        }
        let is_text = |i: &usize| matches!(self.slots[*i], Slot::Token(t) if !self.constraint.vocabulary.is_special(t));
        let last_text = concrete.changed.iter().copied().chain(torn.iter().flat_map(Range::clone)).filter(is_text).max();
        if let Some(last) = last_text.filter(|&i| i >= end) {
            end = (last + 1..=self.slots.len()).find(|&e| self.exact.ends_at(e))?;
        }
        if !self.exact.ends_at(end) {
            return None;
        }
        let first = concrete.changed.iter().copied().chain(torn.iter().map(|t| t.start)).min()?;
        let behind = concrete.changed.iter().map(|i| i + 1).chain(torn.iter().map(|t| t.end)).max()?;
        let hi = behind.max(if end == concrete.end { 0 } else { end.max(concrete.end) });
        concrete.view.set_ends(only(end, self.slots.len()));
        Some(Damage { slots: Some(first.min(end).min(concrete.end)..hi), end })
    }

    /// A witness that differs from the latest one in this window around the damage.
    fn rewritten(&self, ctx: &mut Context<'_>, concrete: &mut Concrete, damage: &Damage, window: &Window) -> Option<(usize, Witness)> {
        match window.detail {
            Detail::Plain => ctx.with_plain(|ctx| self.rewritten_in(ctx, concrete, damage, window)),
            _ => self.rewritten_in(ctx, concrete, damage, window),
        }
    }

    fn rewritten_in(&self, ctx: &mut Context<'_>, concrete: &mut Concrete, damage: &Damage, window: &Window) -> Option<(usize, Witness)> {
        let end = damage.end;
        let Some(slots) = &damage.slots else {
            return self.spelled_out(&concrete.view, end).map(|witness| (end, witness));
        };
        let last = if window.is_first { slots.start + 1 } else { slots.end };
        let first = self.gaps_before(slots.start, window.left);
        let opens = window.left > 0 || end > concrete.end || concrete.torn.is_some();
        let mut open = first..first;
        for (k, n_gaps) in window.widths().enumerate() {
            let behind = self.cells_behind(last, n_gaps, end);
            if first > behind || k > 0 && behind == open.end || ctx.stop() {
                break;
            }
            if opens {
                self.open_window(&mut concrete.view, open.end..behind, window.detail);
            }
            open.end = behind;
            let filled = !window.is_first && self.fill(ctx, concrete, open.clone());
            let filled = filled || k == 0 && window.apart && self.fill_apart(ctx, concrete, open.clone(), (slots.end, end), window.detail);
            if filled {
                return self.spelled_out(&concrete.view, end).map(|witness| (end, witness));
            }
        }
        self.close_window(concrete, open);
        None
    }

    /// Puts tokens into these open slots that fit what lies on either side of them; false if there are none.
    pub(super) fn fill(&self, ctx: &mut Context<'_>, concrete: &mut Concrete, open: Range<usize>) -> bool {
        let Some(tokens) = read_off(ctx, &mut concrete.view, open.clone(), &concrete.tokens) else { return false };
        open.zip(tokens).for_each(|(i, token)| concrete.view.set_choice(i, Choice::One(token)));
        true
    }

    /// The witness that a view of one token in each slot is, up to the end of its text and behind it.
    pub(super) fn spelled_out(&self, view: &View, end: usize) -> Option<Witness> {
        let mut witness: Witness = (0..end).map(|i| one_token(view.choice(i))).collect();
        witness.resize(self.slots.len(), SlotTokens::new());
        self.with_tail(end, witness)
    }

    /// Lets the open slots of a window hold what a sketch of this detail offers.
    pub(super) fn open_window(&self, view: &mut View, slots: Range<usize>, detail: Detail) {
        let choices = self.sketched(slots.clone(), detail);
        for (i, choice) in slots.zip(choices).filter(|(i, _)| self.slots[*i] == Slot::Open) {
            view.set_choice(i, choice);
        }
    }

    /// Gives them the tokens of the latest witness again.
    pub(super) fn close_window(&self, concrete: &mut Concrete, slots: Range<usize>) {
        for i in slots.filter(|&i| self.slots[i] == Slot::Open) {
            concrete.view.set_choice(i, Choice::One(concrete.tokens[i]));
        }
    }

    /// From `lo..hi` on, the next `n_gaps` gaps on either side, before `end`.
    pub(super) fn window(&self, lo: usize, hi: usize, n_gaps: usize, end: usize) -> (usize, usize) {
        (self.gaps_before(lo, n_gaps), self.gaps_behind(hi, n_gaps, end))
    }

    /// The first slot of so many gaps in front of slot `lo`, as far as there are so many.
    fn gaps_before(&self, lo: usize, n_gaps: usize) -> usize {
        let decided = |i: &usize| self.slots[*i].is_decided();
        (0..n_gaps).fold(lo, |a, _| (0..a).rev().skip_while(decided).take_while(|i| !decided(i)).last().unwrap_or(a))
    }

    /// The boundary behind so many gaps from slot `hi` on, before `end`.
    fn gaps_behind(&self, hi: usize, n_gaps: usize, end: usize) -> usize {
        let decided = |i: &usize| self.slots[*i].is_decided();
        (0..n_gaps).fold(hi.min(end), |b, _| (b..end).find(|i| !decided(i)).map_or(b, |i| (i..end).find(decided).unwrap_or(end)))
    }

    /// The same, but of a long gap at the end only its first cells: what the others hold mostly stays.
    fn cells_behind(&self, hi: usize, n_gaps: usize, end: usize) -> usize {
        let all = self.gaps_behind(hi, n_gaps, end);
        let nearer = self.gaps_behind(hi, n_gaps.saturating_sub(1), end);
        let first = (nearer..all).find(|&i| !self.slots[i].is_decided());
        first.map_or(all, |first| all.min(first + REACH))
    }
}

/// The last boundary at which the text of a view can end.
fn find_end(ctx: &mut Context<'_>, view: &mut View) -> Option<usize> {
    (0..=view.len()).rev().find(|&end| view.ends_at(end) && view.fits_end(ctx, end))
}

/// Whether something passes this boundary.
pub(super) fn fits_at(ctx: &mut Context<'_>, view: &mut View, boundary: usize) -> bool {
    let boundary = view.narrow(boundary);
    let row = view.left_row(ctx, boundary).clone();
    fits_row(ctx, view, boundary, &row)
}

/// The same of this left row.
pub(super) fn fits_row(ctx: &mut Context<'_>, view: &mut View, boundary: usize, row: &LeftRow) -> bool {
    let configs: Vec<ConfigId> = row.iter().map(|r| r.0).collect();
    view.need_right(ctx, boundary, &configs);
    row.iter().any(|&(c, l)| {
        let right = view.right_set(ctx, boundary, c);
        ctx.charts.fits(ctx.symbols, l, right)
    })
}

/// Left rows to the right, then a filling put together from the right end.
pub(super) fn find_witness(ctx: &mut Context<'_>, view: &mut View) -> Option<(usize, Witness)> {
    let end = find_end(ctx, view)?;
    if (0..end).all(|i| matches!(view.choice(i), Choice::One(_))) {
        return Some((end, (0..view.len()).map(|i| if i < end { one_token(view.choice(i)) } else { SlotTokens::new() }).collect()));
    }
    let row = plain_row(ctx, view, end);
    let step = row.iter().find_map(|&(config, l)| {
        let right = ctx.end_set(config);
        ctx.charts.fits(ctx.symbols, l, right).then_some(Step { config, right, token: None })
    })?;
    let mut witness: Witness = vec![SlotTokens::new(); view.len()];
    for (i, token) in walk_left(ctx, view, 0, end, step, &[])?.into_iter().enumerate() {
        witness[i].push(token);
    }
    Some((end, witness))
}

fn answer_of(found: Result<bool, &'static str>) -> Answer {
    match found {
        Ok(true) => Answer::Completable,
        Ok(false) => Answer::Dead,
        Err(limit) => Answer::Undecided(limit),
    }
}

fn one_token(choice: &Choice) -> SlotTokens {
    match choice {
        Choice::One(t) => SlotTokens::from_elem(*t, 1),
        _ => SlotTokens::new(),
    }
}
