//! A repair in several places: what a change needs may stand far away, such as the other bracket.
//!
//! With a window around the change open, the left rows run on over the witness's tokens up to the slot behind which they are empty:
//! no text begins like this. The gap there is opened as well, and so on until something fits behind it. If that finds
//! nothing, the same is done from the right.
//!
//! Invariant: every slot that is neither in the window nor in a place opened here keeps its token; what is opened in vain is closed.
//! Cost: a row per slot between the places, of few items since each holds one token, and a window per place.

use super::context::Context;
use super::decide::fits_at;
use super::session::{Concrete, Session};
use super::sketch::{Detail, gap_of};
use super::slots::Slot;
use super::view::View;
use crate::intersect::Chart;
use crate::lexer::ConfigId;
use std::ops::Range;

/// Places that are opened on one side of a change; as many more where several changes are followed as one.
const MAX_PLACES: usize = 4;
/// Slots between two places.
const MAX_RUN: usize = 1024;
/// Cells from which on a gap behind the change is opened without asking whether its tokens could stay.
const LONG: usize = 16;

/// The places of one repair.
struct Chase<'a> {
    session: &'a Session,
    /// What the slots of a place may hold, and the gaps beside it that belong to it.
    detail: Detail,
    beside: usize,
    /// Where the text ends.
    end: usize,
    /// The boundary behind all that changed.
    behind: usize,
    most: usize,
    opened: Vec<Range<usize>>,
}

impl Session {
    /// Opens places of a witness's view, in which slots `open` are open already, until something fits behind all that changed. Returns
    /// the slots from the first open one to the last.
    pub(super) fn chase(
        &self,
        ctx: &mut Context<'_>,
        concrete: &mut Concrete,
        open: Range<usize>,
        (behind, end): (usize, usize),
        (detail, beside): (Detail, usize),
    ) -> Option<Range<usize>> {
        let is_one = behind <= open.end;
        let most = if is_one { MAX_PLACES } else { 2 * MAX_PLACES };
        let mut chase = Chase { session: self, detail, beside, end, behind, most, opened: Vec::new() };
        if let Some(last) = chase.right(ctx, &mut concrete.view, open.end) {
            return Some(open.start..last);
        }
        chase.close(concrete);
        if !is_one {
            return None;
        }
        if let Some(first) = chase.left(ctx, &mut concrete.view, open.start) {
            return Some(first..open.end);
        }
        chase.close(concrete);
        None
    }
}

impl Chase<'_> {
    /// Places behind boundary `b`; the boundary behind the last of them, at which something fits.
    fn right(&mut self, ctx: &mut Context<'_>, view: &mut View, mut b: usize) -> Option<usize> {
        for _ in 0..self.most {
            let dead = match self.is_open(b) && gap_of(&self.session.slots, b).end > b + LONG {
                true => b,
                false => match (b..=self.end.min(b + MAX_RUN)).find(|&k| view.left_row(ctx, k).is_empty()) {
                    Some(k) => k - 1,
                    None if self.end > b + MAX_RUN => return None,
                    None => self.end,
                },
            };
            if b < self.behind && dead >= self.behind && fits_at(ctx, view, self.behind) {
                return Some(self.behind);
            }
            let i = (b..=dead.min(self.end.checked_sub(1)?)).rev().find(|&i| self.is_open(i))?;
            b = self.open(view, i, b..self.end).end;
            if ctx.stop() {
                return None;
            }
            if b >= self.behind && fits_at(ctx, view, b) {
                return Some(b);
            }
        }
        None
    }

    /// Places in front of boundary `a`; the boundary in front of the first of them, at which something fits.
    fn left(&mut self, ctx: &mut Context<'_>, view: &mut View, mut a: usize) -> Option<usize> {
        for _ in 0..MAX_PLACES {
            let dead = match (a.saturating_sub(MAX_RUN)..=a).rev().find(|&k| !is_alive_right(ctx, view, k)) {
                None if a > MAX_RUN => return None,
                dead => dead.unwrap_or(0),
            };
            let i = (dead..a).find(|&i| self.is_open(i))?;
            a = self.open(view, i, 0..a.min(self.end)).start;
            if ctx.stop() {
                return None;
            }
            if fits_at(ctx, view, a) {
                return Some(a);
            }
        }
        None
    }

    fn is_open(&self, i: usize) -> bool {
        i < self.end && self.session.slots[i] == Slot::Open
    }

    /// Opens the gap of slot `i` and those beside it, as far as they are within these slots.
    fn open(&mut self, view: &mut View, i: usize, within: Range<usize>) -> Range<usize> {
        let gap = gap_of(&self.session.slots, i);
        let (a, b) = self.session.window(gap.start.max(within.start), gap.end.min(within.end), self.beside, within.end);
        let place = a.max(within.start)..b;
        self.session.open_window(view, place.clone(), self.detail);
        self.opened.push(place.clone());
        place
    }

    fn close(&mut self, concrete: &mut Concrete) {
        self.opened.drain(..).for_each(|place| self.session.close_window(concrete, place));
    }
}

/// Whether what lies right of this boundary ends some text, read from one of the configurations on its left.
fn is_alive_right(ctx: &mut Context<'_>, view: &mut View, boundary: usize) -> bool {
    let configs: Vec<ConfigId> = view.left_row(ctx, boundary).iter().map(|r| r.0).collect();
    view.need_right(ctx, boundary, &configs);
    configs.into_iter().any(|c| view.right_set(ctx, boundary, c) != Chart::DEAD)
}
