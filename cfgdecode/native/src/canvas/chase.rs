//! A repair in several places: what a change needs may stand far away, such as the other bracket.
//!
//! With a window around the change open, the left rows run on over the witness's tokens up to the slot behind which they are empty:
//! no text begins like this. The gap there is opened as well, and so on until something fits behind it.
//!
//! Invariant: every slot that is neither in the window nor in a place opened here keeps its token; what is opened in vain is closed.
//! Cost: a row per slot between the places, of few items since each holds one token, and a window per place.

use super::context::Context;
use super::decide::{REACH, fits_at};
use super::session::{Concrete, Session};
use super::sketch::{Detail, gap_of};
use super::slots::Slot;
use super::view::View;
use std::ops::Range;

/// Places that are opened behind a change; as many more where several changes are followed as one.
const MAX_PLACES: usize = 4;
/// Slots between two places.
const MAX_RUN: usize = 1024;
/// Cells from which on a gap behind the change is opened without asking whether its tokens could stay.
const LONG: usize = 16;

/// The places of one repair.
struct Chase<'a> {
    session: &'a Session,
    detail: Detail,
    /// Where the text ends.
    end: usize,
    /// The boundary behind all that changed.
    behind: usize,
    opened: Vec<Range<usize>>,
}

impl Session {
    /// Opens places of a witness's view behind the slots that are open already, until something fits behind all that changed; puts
    /// tokens into all of them. If that cannot be, nothing is open but what was.
    pub(super) fn fill_apart(
        &self,
        ctx: &mut Context<'_>,
        concrete: &mut Concrete,
        open: Range<usize>,
        (behind, end): (usize, usize),
        detail: Detail,
    ) -> bool {
        let mut chase = Chase { session: self, detail, end, behind, opened: Vec::new() };
        let last = chase.follow(ctx, &mut concrete.view, open.end);
        let is_filled = last.is_some_and(|last| self.fill(ctx, concrete, open.start..last));
        if !is_filled {
            chase.opened.into_iter().for_each(|place| self.close_window(concrete, place));
        }
        is_filled
    }
}

impl Chase<'_> {
    /// Opens places behind boundary `b`; the boundary behind the last of them, at which something fits.
    fn follow(&mut self, ctx: &mut Context<'_>, view: &mut View, mut b: usize) -> Option<usize> {
        let n_places = if self.behind <= b { MAX_PLACES } else { 2 * MAX_PLACES };
        for _ in 0..n_places {
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
            b = self.open(view, i, b..self.end);
            if ctx.stop() {
                return None;
            }
            if b >= self.behind {
                if fits_at(ctx, view, b) {
                    return Some(b);
                }
                if self.is_open(b) {
                    return None; // more of a long gap would rarely help
                }
            }
        }
        None
    }

    fn is_open(&self, i: usize) -> bool {
        i < self.end && self.session.slots[i] == Slot::Open
    }

    /// Opens the gap of slot `i`, of a long one the first cells, as far as it is within these slots; the boundary behind them.
    fn open(&mut self, view: &mut View, i: usize, within: Range<usize>) -> usize {
        let gap = gap_of(&self.session.slots, i);
        let first = gap.start.max(within.start);
        let place = first..gap.end.min(within.end).min(first + REACH);
        self.session.open_window(view, place.clone(), self.detail);
        self.opened.push(place.clone());
        place.end
    }
}
