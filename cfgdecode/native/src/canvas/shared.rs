//! What the cells of a gap have in common.
//!
//! Terms. *Room* `(l, r)` of a cell: the cells of its gap on its left, and on its right. What is allowed with some room by what is elastic on
//! both sides is allowed wherever there is as much room, or more. What a token needs, such as the brackets that what is decided around the gap
//! asks for, mostly has place on one side alone: so a cell near an end of the gap is looked at with little room there and half of the gap
//! on the other side, which holds for all cells further in; a token that needs more is looked at again with a little more room.
//!
//! What does not fit gaps of any length is allowed in none of the cells.
//!
//! Cost: for either end of the gap one pass over all tokens, and a few over what is left; whatever the number of cells.

use super::allowed::{Allowed, INSIDE, Look, NEAREST, Seen, Sorted};
use super::clock::Stage;
use super::context::Context;
use super::pass::{MOST_TOKENS, Pass};
use super::session::{Answer, Session};
use super::sketch::Detail;
use super::view::{Choice, View};
use crate::grammar::Bits;
use crate::vocabulary::Cut;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;
use std::ops::Range;

/// Cells of a gap on either side of a cell.
type Room = (usize, usize);

/// Cells from which on a gap's cells have something in common.
const LEAST: usize = 6;
/// The rooms on the nearer side that are looked at.
const NEARER: [usize; 5] = [1, 2, 4, 8, FURTHER];
/// The most room that is asked for on the further side: half of the gap, but no more than this.
const FURTHER: usize = 16;
/// The rooms on both sides for the looks that count what is beside a cell as gaps of their own: fewer cells have nothing elastic between
/// edge tokens.
const DEEP: [usize; 3] = [4, 8, FURTHER];

/// What the cells of a gap have in common.
#[derive(Debug)]
pub(super) struct Shared {
    gap: Range<usize>,
    /// What fits in a gap of some length.
    possible: Bits,
    /// What is allowed with as much room as that.
    by_room: Vec<(Room, Bits)>,
    /// What is allowed at one cell.
    by_cell: Vec<(usize, Bits)>,
    /// Whether all that is on the left of those cells is elastic.
    is_elastic: bool,
}

impl Shared {
    pub(super) fn has(&self, i: usize) -> bool {
        self.gap.contains(&i)
    }

    /// Whether a cell has no room on one side.
    pub(super) fn is_at_end(&self, i: usize) -> bool {
        i == self.gap.start || i + 1 == self.gap.end
    }

    /// Whether a look at the cell with its own gap opened is done.
    pub(super) fn was_looked_at(&self, i: usize) -> bool {
        self.is_elastic && self.by_cell.iter().any(|known| known.0 == i)
    }

    /// Which of the rooms a cell has.
    fn rooms_of(&self, i: usize) -> Vec<usize> {
        let (left, right) = (i - self.gap.start, self.gap.end - 1 - i);
        (0..self.by_room.len()).filter(|&k| self.by_room[k].0.0 <= left && self.by_room[k].0.1 <= right).collect()
    }

    /// What is known of the tokens of a cell.
    pub(super) fn sorted_at(&self, i: usize) -> Sorted {
        let mut sorted = Sorted { undecided: self.possible.clone(), allowed: self.possible.emptied() };
        for k in self.rooms_of(i) {
            sorted.allow(&self.by_room[k].1);
        }
        self.by_cell.iter().filter(|known| known.0 == i).for_each(|known| sorted.allow(&known.1));
        sorted
    }
}

/// The room that is asked for on the further side of a cell.
fn further(gap: &Range<usize>) -> usize {
    (gap.len() / 2).min(FURTHER)
}

/// The cells of a gap that have as much room.
fn inside(gap: &Range<usize>, (left, right): Room) -> Range<usize> {
    gap.start + left..(gap.end - right.min(gap.len())).max(gap.start + left)
}

impl Session {
    /// Finds what cells of a gap have in common. Where that decides all tokens of a cell, it is the cell's set; elsewhere it is what its set
    /// begins with.
    pub(super) fn share_inside(&mut self, gap: Range<usize>) -> Result<(), &'static str> {
        let unknown: Vec<usize> = gap.clone().filter(|j| !self.allowed_known.contains_key(j)).collect();
        if self.is_small() || self.has_intervals() || unknown.len() < LEAST || self.verdict() != Answer::Completable {
            return Ok(());
        }
        self.settle()?;
        self.prepare();
        let shared = self.with(Stage::Allowed, |ctx, session| session.sort_inside(ctx, gap.clone()))?;
        let mut known: FxHashMap<(Vec<usize>, Option<usize>), Allowed> = FxHashMap::default();
        for j in unknown {
            let own = shared.by_cell.iter().any(|known| known.0 == j).then_some(j);
            let (allowed, is_exact) = known.entry((shared.rooms_of(j), own)).or_insert_with(|| {
                let Sorted { allowed, undecided } = shared.sorted_at(j);
                (allowed.into(), undecided.is_empty())
            });
            // With few tokens, near the ends of the gap, or where the witness is not found, they come out better one by one.
            let is_inside = inside(&gap, (FURTHER, FURTHER)).contains(&j) && !self.has_small_vocabulary();
            let lacks_witness = self.witness_token(j).is_some_and(|t| !allowed.has(t));
            if *is_exact || is_inside && !lacks_witness {
                self.allowed_known.insert(j, (allowed.clone(), *is_exact));
            }
        }
        self.shared = Some(shared.into());
        Ok(())
    }

    fn sort_inside(&mut self, ctx: &mut Context<'_>, gap: Range<usize>) -> Shared {
        let possible = self.all_undecided(gap.end - 1).undecided;
        let mut shared = Shared { gap, possible, by_room: Vec::new(), by_cell: Vec::new(), is_elastic: false };
        self.while_open(shared.gap.clone(), NEAREST, |session, view| session.sort_ends(ctx, view, &mut shared));
        self.sort_deep(ctx, &mut shared);
        shared
    }

    /// Notes what is allowed with the gap opened, and what is impossible.
    fn sort_ends(&mut self, ctx: &mut Context<'_>, view: &mut View, shared: &mut Shared) {
        let further = further(&shared.gap);
        view.set_steady(true, true);
        let from_left = NEARER.into_iter().filter(|&n| n <= further).map(|n| (n, further));
        let mut nowhere = self.sort_end(ctx, view, from_left, shared);
        let from_right = NEARER.into_iter().filter(|&n| n < further).map(|n| (further, n));
        let n_known = shared.by_room.len();
        nowhere.intersect(&self.sort_end(ctx, view, from_right, shared));
        self.drop_impossible(ctx, nowhere, shared);
        view.set_steady(true, false);
        if shared.by_room.len() > n_known {
            self.sort_from_left(ctx, view, shared);
        }
        view.set_steady(false, false);
    }

    /// Notes what is allowed in more and more room at one end of a gap; what is still undecided then.
    fn sort_end(&mut self, ctx: &mut Context<'_>, view: &mut View, rooms: impl Iterator<Item = Room>, shared: &mut Shared) -> Bits {
        let mut sorted = self.all_undecided(shared.gap.end - 1);
        let mut takes_in_most = false;
        for room in rooms {
            let cells = inside(&shared.gap, room);
            if sorted.undecided.is_empty() || cells.is_empty() || ctx.stop() {
                break;
            }
            // In little room comments and strings may not come to their end; without them most tokens fit nowhere, or hardly anywhere.
            takes_in_most = takes_in_most || Pass::new(ctx, view, cells.clone(), &mut sorted).takes_in_most();
            if takes_in_most {
                self.pass_in(ctx, view, cells, false, &mut sorted);
                shared.by_room.push((room, sorted.allowed.clone()));
            }
        }
        sorted.undecided
    }

    /// Notes what is allowed at each of the last cells of the right half, with the same sets on the left of them.
    fn sort_from_left(&mut self, ctx: &mut Context<'_>, view: &mut View, shared: &mut Shared) {
        let first = shared.gap.start + further(&shared.gap);
        shared.is_elastic = view.gap_left(ctx, shared.gap.start).0.is_elastic(further(&shared.gap) as u32);
        for i in first.max(shared.gap.end.saturating_sub(FURTHER))..shared.gap.end {
            let mut sorted = shared.sorted_at(i);
            self.drop_cut(i, &mut sorted.undecided);
            if !sorted.undecided.is_empty() && !ctx.stop() {
                self.pass_in(ctx, view, first..i + 1, false, &mut sorted);
                self.sort_ended(ctx, view, first..i + 1, &shared.gap, &mut sorted);
                shared.by_cell.push((i, sorted.allowed));
            }
        }
    }

    /// The same of the tokens that end inside a character, those that lack as many bytes together: the cells behind hold the rest.
    fn sort_ended(&mut self, ctx: &mut Context<'_>, view: &mut View, cells: Range<usize>, gap: &Range<usize>, sorted: &mut Sorted) {
        let vocabulary = self.constraint().vocabulary.clone();
        let Cut { begun, ended, .. } = vocabulary.cut();
        let mut by_lack: BTreeMap<usize, Bits> = BTreeMap::new();
        for token in ended.iter().filter(|&t| sorted.undecided.has(t) && !begun.has(t)) {
            by_lack.entry(vocabulary.missing(token).1).or_insert_with(|| self.no_tokens()).insert(token);
        }
        for (lack, undecided) in by_lack {
            let mut part = Sorted { allowed: self.no_tokens(), undecided };
            self.open_character(view, &(cells.end - 1..cells.end), (0, lack), Detail::Plain);
            self.pass_in(ctx, view, cells.clone(), false, &mut part);
            (cells.end..gap.end.min(cells.end + lack)).for_each(|j| view.set_choice(j, Choice::Pool));
            sorted.allow(&part.allowed);
        }
    }

    /// Takes out what fits no gap of any length: that is the same for all cells; those at its ends have less room.
    fn drop_impossible(&mut self, ctx: &mut Context<'_>, undecided: Bits, shared: &mut Shared) {
        if undecided.is_empty() {
            return;
        }
        let middle = (shared.gap.start + shared.gap.end) / 2;
        let mut sorted = Sorted { allowed: self.no_tokens(), undecided: undecided.clone() };
        self.drop_dead_nearby(ctx, middle, &[], &mut sorted);
        self.drop_dead(ctx, middle, &mut sorted);
        let mut impossible = undecided;
        impossible.subtract(&sorted.undecided);
        shared.possible.subtract(&impossible);
    }

    /// Looks for what is left in the same room on either side, further away in the most of it.
    fn sort_deep(&mut self, ctx: &mut Context<'_>, shared: &mut Shared) {
        let has_ends = !shared.by_room.is_empty();
        let rooms: Vec<Room> = DEEP.into_iter().map(|n| (n, n)).filter(|&room| inside(&shared.gap, room).len() >= 2).collect();
        for (k, &room) in rooms.iter().enumerate() {
            // The first look was at as much room on one side, and more on the other.
            let n_done = usize::from(has_ends && room.0 < further(&shared.gap));
            let n_looks = if k + 1 < rooms.len() { 1 } else { INSIDE.len() };
            self.sort_room(ctx, room, &INSIDE[n_done..n_looks], shared);
        }
    }

    /// Notes what these looks allow in this room.
    fn sort_room(&mut self, ctx: &mut Context<'_>, room: Room, looks: &[Look], shared: &mut Shared) {
        let cells = inside(&shared.gap, room);
        let mut undecided = shared.sorted_at(cells.start).undecided;
        undecided.union(&shared.sorted_at(cells.end - 1).undecided);
        if looks.is_empty() || room.0 < FURTHER && undecided.has_many(ctx.constraint.vocabulary.len() / MOST_TOKENS) {
            return; // cell by cell there is more to go by
        }
        let mut sorted = Sorted { allowed: self.no_tokens(), undecided };
        let mut seen: FxHashSet<Seen> = FxHashSet::default();
        for &look in looks {
            if sorted.undecided.is_empty() || ctx.stop() {
                break;
            }
            if self.is_new(look, cells.start, &mut seen) {
                self.look(ctx, look, cells.clone(), &mut sorted);
            }
        }
        shared.by_room.push((room, sorted.allowed));
    }
}
