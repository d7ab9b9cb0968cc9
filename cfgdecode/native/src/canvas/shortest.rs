//! A shortest filling: left rows layered by the number of tokens used in open cells.
//!
//! Layer u holds, for every boundary, what can be read up to it with exactly u tokens in open cells,
//! optional cells and unbounded gaps together. Layers are made one after the other, so the first layer
//! in which the text can end gives the minimum; the filling is then read off from the right end.
//!
//! Cost: (minimum + 1) × boundaries rows. Exact for any number of gaps.

use super::context::Context;
use super::filling::Step;
use super::session::{SlotTokens, Witness};
use super::slots::Slot;
use super::view::{Choice, LeftRow};
use crate::intersect::{Chart, SetId};
use crate::lexer::ConfigId;

pub(super) struct Layers<'a> {
    slots: &'a [Slot],
    /// `rows[u][boundary]`.
    rows: Vec<Vec<LeftRow>>,
}

impl<'a> Layers<'a> {
    /// The fewest tokens, for a canvas that is known to be completable; `None` if a limit ended the search.
    pub(super) fn solve(ctx: &mut Context<'_>, start: ConfigId, slots: &'a [Slot], ends: &[bool]) -> Option<(usize, Witness)> {
        let mut layers = Layers { slots, rows: Vec::new() };
        loop {
            let layer = layers.next_layer(ctx, start);
            layers.rows.push(layer);
            if ctx.stop() {
                return None;
            }
            let total = layers.rows.len() - 1;
            for end in (0..=slots.len()).rev().filter(|&end| ends[end]) {
                let Some(u) = total.checked_sub(layers.tail_cost(end)) else { continue };
                if let Some(witness) = layers.read_off(ctx, u, end) {
                    return Some((end, witness));
                }
            }
        }
    }

    /// Tokens behind a text that ends at this boundary: its EOS, and one for each open cell.
    fn tail_cost(&self, end: usize) -> usize {
        let tail = &self.slots[end..];
        let open = tail.iter().filter(|s| **s == Slot::Open).count();
        open + usize::from(matches!(tail.first(), Some(Slot::Optional | Slot::Anything)))
    }

    fn next_layer(&self, ctx: &mut Context<'_>, start: ConfigId) -> Vec<LeftRow> {
        let u = self.rows.len();
        let mut layer: Vec<LeftRow> = vec![if u == 0 { vec![(start, Chart::ROOT)] } else { LeftRow::new() }];
        for (i, slot) in self.slots.iter().enumerate() {
            if ctx.stop() {
                break;
            }
            let same = layer[i].clone();
            let fewer = |at: usize| u.checked_sub(1).map_or(&[][..], |v| &self.rows[v][at][..]);
            let row = match slot {
                Slot::Token(t) => ctx.advance_row(&same, &Choice::One(*t), &[]),
                Slot::Open => ctx.advance_row(fewer(i), &Choice::All, &[]),
                Slot::Optional => ctx.advance_row(fewer(i), &Choice::All, &same),
                Slot::Anything => ctx.advance_row(fewer(i + 1), &Choice::All, &same),
            };
            layer.push(row);
        }
        layer
    }

    fn read_off(&self, ctx: &mut Context<'_>, u: usize, end: usize) -> Option<Witness> {
        let mut step = self.rows[u][end].iter().find_map(|&(config, l)| {
            let right = ctx.end_set(config);
            ctx.charts.fits(ctx.symbols, l, right).then_some(Step { config, right, token: None })
        })?;
        let mut witness: Witness = vec![SlotTokens::new(); self.slots.len()];
        let mut u = u;
        for i in (0..end).rev() {
            loop {
                let stays = matches!(self.slots[i], Slot::Optional | Slot::Anything);
                if stays && ctx.row_fits(&self.rows[u][i], step.config, step.right) {
                    break;
                }
                let (row, choice) = match self.slots[i] {
                    Slot::Token(t) => (&self.rows[u][i], Choice::One(t)),
                    Slot::Anything => (&self.rows[u.checked_sub(1)?][i + 1], Choice::All),
                    _ => (&self.rows[u.checked_sub(1)?][i], Choice::All),
                };
                let row = ctx.plain_first(row);
                step = ctx.step_left(&row, &choice, &mut step.after())?;
                witness[i].extend(step.token);
                if !matches!(self.slots[i], Slot::Token(_)) {
                    u -= 1;
                }
                if self.slots[i] != Slot::Anything {
                    break;
                }
            }
            witness[i].reverse();
        }
        Some(witness)
    }
}

impl Context<'_> {
    fn row_fits(&mut self, row: &[(ConfigId, SetId)], config: ConfigId, right: SetId) -> bool {
        row.iter().filter(|r| r.0 == config).any(|&(_, l)| self.charts.fits(self.symbols, l, right))
    }
}
