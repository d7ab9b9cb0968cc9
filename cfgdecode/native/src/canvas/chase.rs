//! A repair in two places: what a change needs may stand far away, such as the other bracket.
//!
//! With a window around the change open, the left rows run on over the witness's tokens up to the slot behind which they are empty:
//! no text begins like this. The gaps there are opened as well, and so on until something fits behind them. If that finds
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

/// Places that are opened on one side of a change.
const MAX_PLACES: usize = 4;
const DETAIL: Detail = Detail::Coarse;

impl Session {
    /// Opens places of a witness's view, in which slots `open` are open already, until something fits. Returns the slots from the first
    /// open one to the last.
    pub(super) fn chase(
        &self,
        ctx: &mut Context<'_>,
        concrete: &mut Concrete,
        open: Range<usize>,
        end: usize,
        beside: usize,
    ) -> Option<Range<usize>> {
        let mut opened: Vec<Range<usize>> = Vec::new();
        if let Some(last) = self.chase_right(ctx, &mut concrete.view, open.end, end, beside, &mut opened) {
            return Some(open.start..last);
        }
        opened.drain(..).for_each(|place| self.close_window(concrete, place));
        if let Some(first) = self.chase_left(ctx, &mut concrete.view, open.start, end, beside, &mut opened) {
            return Some(first..open.end);
        }
        opened.drain(..).for_each(|place| self.close_window(concrete, place));
        None
    }

    /// Places behind boundary `b`; the boundary behind the last of them, at which something fits.
    fn chase_right(
        &self,
        ctx: &mut Context<'_>,
        view: &mut View,
        mut b: usize,
        end: usize,
        beside: usize,
        opened: &mut Vec<Range<usize>>,
    ) -> Option<usize> {
        for _ in 0..MAX_PLACES {
            let dead = (b..=end).find(|&k| view.left_row(ctx, k).is_empty()).map_or(end, |k| k - 1);
            let i = (b..=dead.min(end.checked_sub(1)?)).rev().find(|&i| self.slots[i] == Slot::Open)?;
            let place = self.open_place(view, i, b..end, beside, opened);
            b = place.end;
            if ctx.stop() {
                return None;
            }
            if fits_at(ctx, view, b) {
                return Some(b);
            }
        }
        None
    }

    /// Places in front of boundary `a`; the boundary in front of the first of them, at which something fits.
    fn chase_left(
        &self,
        ctx: &mut Context<'_>,
        view: &mut View,
        mut a: usize,
        end: usize,
        beside: usize,
        opened: &mut Vec<Range<usize>>,
    ) -> Option<usize> {
        for _ in 0..MAX_PLACES {
            let dead = (0..=a).rev().find(|&k| !is_alive_right(ctx, view, k)).unwrap_or(0);
            let i = (dead..a).find(|&i| self.slots[i] == Slot::Open)?;
            let place = self.open_place(view, i, 0..a.min(end), beside, opened);
            a = place.start;
            if ctx.stop() {
                return None;
            }
            if fits_at(ctx, view, a) {
                return Some(a);
            }
        }
        None
    }

    /// Opens the gap of slot `i` and some beside it, as far as they are within these slots.
    fn open_place(&self, view: &mut View, i: usize, within: Range<usize>, beside: usize, opened: &mut Vec<Range<usize>>) -> Range<usize> {
        let gap = gap_of(&self.slots, i);
        let (a, b) = self.window(gap.start.max(within.start), gap.end.min(within.end), beside, within.end);
        let place = a.max(within.start)..b;
        self.open_window(view, place.clone(), DETAIL);
        opened.push(place.clone());
        place
    }
}

/// Whether what lies right of this boundary ends some text, read from one of the configurations on its left.
fn is_alive_right(ctx: &mut Context<'_>, view: &mut View, boundary: usize) -> bool {
    let configs: Vec<ConfigId> = view.left_row(ctx, boundary).iter().map(|r| r.0).collect();
    view.need_right(ctx, boundary, &configs);
    configs.into_iter().any(|c| view.right_set(ctx, boundary, c) != Chart::DEAD)
}
