//! One pass: which undecided tokens a view allows in place of a cell.
//!
//! Comments and strings come first, which take in most of a vocabulary at once; if that decides little, the classes of tokens at the fresh configurations
//! in front of the cell, where there are few of those; then what is still undecided, at each configuration that may be behind its first byte, from
//! the union of the sets in front of that.
//!
//! Invariant: a token is moved only if the view allows it; what is left over is not allowed by the view. Only a pass that rules out
//! takes tokens out that are not allowed: those that have no place behind the left row.
//! Cost: the configurations behind each first byte, times the classes or tokens that are undecided there; a look-up for each of a
//! class's effects that was asked before.

use super::allowed::Sorted;
use super::context::{Context, push_new};
use super::view::{Choice, LeftRow, View};
use crate::grammar::Bits;
use crate::intersect::{Chart, SetId, Sources};
use crate::lexer::ConfigId;
use crate::vocabulary::{Branch, Class, EffectId, Leads, Row, TokenId, TokenSet, Vocabulary};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;
use std::ops::Range;

/// What share of the vocabulary must be undecided for all that a configuration reads to be looked at, class by class.
pub(super) const MOST_TOKENS: usize = 16;
/// Fresh configurations in front of a cell up to which the tokens are looked at from each of them.
const FEW_FRESH: usize = 2;
/// Undecided tokens with one first byte up to which they are looked at one by one, and what share of all tokens with that byte.
const FEW_TOKENS: usize = 128;
const FEW_OF: usize = 16;
/// Origins of a left set up to which what may follow is gone through.
const FEW_WAITING: usize = 4;

pub(super) struct Pass<'p, 'c> {
    ctx: &'p mut Context<'c>,
    view: &'p mut View,
    cells: Range<usize>,
    sorted: &'p mut Sorted,
    /// Token sets of which nothing is undecided any more, kept alive.
    settled: FxHashSet<*const TokenId>,
    kept: Vec<TokenSet>,
    memo: FxHashMap<(EffectId, SetId), Fit>,
    /// Tokens for which there is a place behind what is in front of the cell, if that is asked.
    possible: Option<Bits>,
    /// Whether the slot behind the cells is decided, so that little may follow.
    is_decided_behind: bool,
    alive: FxHashMap<EffectId, bool>,
}

/// Whether what a token reads fits what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    No,
    /// There may be a place for it behind what is on the left.
    OnLeft,
    Yes,
}

impl<'p, 'c> Pass<'p, 'c> {
    /// A pass over a view with what stands in place of `cells` left open.
    pub(super) fn new(ctx: &'p mut Context<'c>, view: &'p mut View, cells: Range<usize>, sorted: &'p mut Sorted) -> Pass<'p, 'c> {
        let is_decided_behind = cells.end < view.len() && matches!(view.choice(cells.end), Choice::One(_));
        let (settled, kept, memo, alive) = Default::default();
        Pass { ctx, view, cells, sorted, settled, kept, memo, possible: None, is_decided_behind, alive }
    }

    /// Takes out as well what has no place behind what is in front of the cell: right if all of that is decided.
    pub(super) fn ruling_out(mut self) -> Self {
        self.is_decided_behind = false; // what has a place on the left is asked from there
        let mut others = self.sorted.undecided.clone();
        others.subtract(self.ctx.constraint.vocabulary.texts());
        self.possible = Some(others);
        self
    }

    /// Moves the undecided tokens that the view allows.
    pub(super) fn run(mut self) {
        let mut row = self.take_in_most();
        let fresh = self.ctx.left_fresh(&row);
        if fresh.len() <= FEW_FRESH && self.is_mostly_undecided() {
            fresh.into_iter().for_each(|(config, set)| self.by_classes(config, set));
        } else {
            row.extend(fresh); // behind a token's first byte most of them are one
        }
        self.by_bytes(&row);
        self.ctx.n_asked += self.memo.len();
        if let Some(possible) = self.possible.take()
            && !self.ctx.stop()
        {
            self.sorted.undecided.intersect(&possible);
        }
    }

    /// What comments and strings take in that may go on behind a token of plain text, one of each kind. Returns the row in front of the cells.
    fn take_in_most(&mut self) -> LeftRow {
        let row = LeftRow::clone(self.view.left_row(self.ctx, self.cells.start));
        if !self.is_mostly_undecided() {
            return row;
        }
        let configs: Vec<ConfigId> = row.iter().map(|point| point.0).collect();
        let mut kinds: FxHashSet<(ConfigId, SetId)> = FxHashSet::default();
        for &(at, behind) in self.ctx.effects.opaque_among(&configs).iter() {
            let (config, set) = row[at as usize];
            if kinds.insert((behind, set)) && self.fits_behind(behind, set) {
                self.by_lexeme(config, set);
                if !self.is_mostly_undecided() {
                    break;
                }
            }
        }
        row
    }

    /// Whether comments and strings take in most of what is undecided.
    pub(super) fn takes_in_most(&mut self) -> bool {
        self.take_in_most();
        !self.is_mostly_undecided()
    }

    fn is_mostly_undecided(&self) -> bool {
        self.sorted.undecided.has_many(self.ctx.constraint.vocabulary.len() / MOST_TOKENS)
    }

    /// The classes of tokens that configuration `c` reads itself, from left set `set`.
    fn by_classes(&mut self, c: ConfigId, set: SetId) {
        if self.sorted.undecided.is_empty() || self.ctx.stop() {
            return;
        }
        let vocabulary = self.ctx.constraint.vocabulary.clone();
        let classes = self.ctx.effects.classes_on(&vocabulary, c);
        let ends = self.ctx.effects.going_on(&vocabulary, c, None).ends;
        self.view.need_right(self.ctx, self.cells.end, &ends);
        self.move_classes(&classes, set);
    }

    /// The tokens that configuration `c` reads without ending its lexeme: nearly all of them in a comment or a string.
    fn by_lexeme(&mut self, c: ConfigId, set: SetId) {
        let vocabulary = self.ctx.constraint.vocabulary.clone();
        let classes = self.ctx.effects.classes_within(&vocabulary, c);
        let mut ends = Vec::with_capacity(classes.len());
        classes.iter().for_each(|class| self.ctx.effects.ends_of(class.effect, &mut ends));
        self.view.need_right(self.ctx, self.cells.end, &ends);
        self.move_classes(&classes, set);
    }

    fn move_classes(&mut self, classes: &[Class], set: SetId) {
        for class in classes {
            if self.settled.contains(&class.tokens.list.as_ptr()) {
                continue;
            }
            if !class.tokens.meets(&self.sorted.undecided) || self.sort_class(class, set) {
                self.settle(&class.tokens);
            }
        }
    }

    fn settle(&mut self, tokens: &TokenSet) {
        self.settled.insert(tokens.list.as_ptr());
        self.kept.push(tokens.clone());
    }

    /// Undecided tokens that these entries read. Entries that are in one configuration behind a token's first byte are asked as one,
    /// from the union of their sets.
    fn by_bytes(&mut self, row: &[(ConfigId, SetId)]) {
        let vocabulary = self.ctx.constraint.vocabulary.clone();
        let (configs, sets): (Vec<ConfigId>, Vec<SetId>) = row.iter().copied().unzip();
        let row = self.ctx.effects.row(&configs);
        let class_of = *self.ctx.effects.lexer.byte_classes();
        let mut of_class: FxHashMap<u8, Points> = FxHashMap::default();
        // By first byte, if something reads that.
        let mut of_byte: Vec<Option<Vec<TokenId>>> = vec![None; 256];
        let mut is_known = [false; 256];
        for t in self.sorted.undecided.iter() {
            let Some(first) = vocabulary.first_byte(t).map(usize::from) else { continue };
            if !std::mem::replace(&mut is_known[first], true) {
                let points = of_class.entry(class_of[first]).or_insert_with(|| Points::new(self.ctx, &row, first as u8));
                of_byte[first] = (!points.leads.is_empty()).then(Vec::new);
            }
            if let Some(tokens) = &mut of_byte[first] {
                tokens.push(t);
            }
        }
        for (byte, child) in vocabulary.children(Vocabulary::ROOT) {
            let Some(mut tokens) = of_byte[usize::from(byte)].take() else { continue };
            if self.ctx.stop() {
                return;
            }
            let few = FEW_TOKENS.max(vocabulary.n_below(child) / FEW_OF);
            let Some(points) = of_class.get_mut(&class_of[usize::from(byte)]) else { continue };
            for k in 0..points.leads.len() {
                tokens.retain(|&t| self.sorted.undecided.has(t));
                if tokens.is_empty() {
                    break;
                }
                let (d, set) = points.get(self.ctx, &sets, k);
                if set == Chart::DEAD {
                    continue;
                }
                if tokens.len() > few {
                    for class in self.ctx.effects.classes_below(&vocabulary, d, child).iter() {
                        if class.tokens.meets(&self.sorted.undecided) {
                            self.sort_class(class, set);
                        }
                    }
                    continue;
                }
                for &t in &tokens {
                    let effect = self.ctx.effects.behind_first(&vocabulary, d, t);
                    match self.fit(effect, set) {
                        Fit::Yes => {
                            self.sorted.undecided.remove(t);
                            self.sorted.allowed.insert(t);
                        }
                        Fit::OnLeft => _ = self.possible.as_mut().map(|possible| possible.insert(t)),
                        Fit::No => {}
                    }
                }
            }
        }
    }

    /// Moves a class of tokens if it fits behind left set `set`; says whether it does.
    fn sort_class(&mut self, class: &Class, set: SetId) -> bool {
        let fit = self.fit(class.effect, set);
        match (fit, &mut self.possible) {
            (Fit::Yes, _) => class.tokens.move_over(&mut self.sorted.undecided, &mut self.sorted.allowed),
            (Fit::OnLeft, Some(possible)) => class.tokens.list.iter().for_each(|&t| _ = possible.insert(t)),
            _ => {}
        }
        fit == Fit::Yes
    }

    /// Whether a token of this effect at the slot, read from left set `l`, leads to a completable canvas.
    fn fit(&mut self, effect: EffectId, l: SetId) -> Fit {
        if let Some(&known) = self.memo.get(&(effect, l)) {
            return known;
        }
        let branches: SmallVec<[Branch; 4]> = SmallVec::from_slice(self.ctx.effects.branches(effect));
        let mut best = Fit::No;
        for branch in branches {
            best = best.max(match branch {
                Branch::End(c) => self.fit_end(c, l),
                Branch::Skip(rest) => self.fit(rest, l),
                Branch::Emit(t, _) if !self.ctx.charts.left.expects(self.ctx.symbols, l, t) => Fit::No,
                Branch::Emit(_, rest) if self.is_decided_behind && !self.is_alive(rest) => Fit::No,
                Branch::Emit(t, rest) => match self.ctx.left_behind(Some(t), l) {
                    Chart::DEAD => Fit::No,
                    next => self.fit(rest, next),
                },
            });
            if best == Fit::Yes {
                break;
            }
        }
        self.memo.insert((effect, l), best);
        best
    }

    /// Whether something may follow what a token reads.
    fn is_alive(&mut self, effect: EffectId) -> bool {
        if let Some(&known) = self.alive.get(&effect) {
            return known;
        }
        let branches: SmallVec<[Branch; 4]> = SmallVec::from_slice(self.ctx.effects.branches(effect));
        let is_alive = branches.into_iter().any(|branch| match branch {
            Branch::End(c) => self.view.right_set(self.ctx, self.cells.end, c) != Chart::DEAD,
            Branch::Skip(rest) | Branch::Emit(_, rest) => self.is_alive(rest),
        });
        self.alive.insert(effect, is_alive);
        is_alive
    }

    /// The same where the token ends in configuration `c`.
    fn fit_end(&mut self, c: ConfigId, l: SetId) -> Fit {
        if self.fits_behind(c, l) {
            Fit::Yes
        } else if self.possible.is_some() && self.ctx.is_unexpected(c, l) {
            Fit::No
        } else {
            Fit::OnLeft
        }
    }
}

impl Pass<'_, '_> {
    /// Whether what may follow configuration `c` fits left set `l`. Where few things wait there, it is quicker to go through what may come next
    /// than to make one set of it.
    fn fits_behind(&mut self, c: ConfigId, l: SetId) -> bool {
        let Pass { ctx, view, cells, .. } = self;
        let is_narrow = ctx.charts.left.n_waiting(ctx.symbols, l) <= FEW_WAITING;
        let Some(sources) = is_narrow.then(|| view.unmade_right(ctx, cells.end, c)).flatten() else {
            let r = view.right_set(ctx, cells.end, c);
            return ctx.charts.fits(ctx.symbols, l, r);
        };
        let mut arcs = sources.arcs.into_iter();
        sources.eps.into_iter().any(|r| ctx.charts.fits(ctx.symbols, l, r))
            || arcs.any(|(t, r)| {
                let behind = if ctx.charts.left.expects(ctx.symbols, l, t) { ctx.left_behind(Some(t), l) } else { Chart::DEAD };
                ctx.charts.fits(ctx.symbols, behind, r)
            })
    }
}

/// The configurations behind a byte, with what is in front of them: sets are made when they are asked for.
struct Points {
    leads: Leads<u32>,
    sets: Vec<Option<SetId>>,
}

impl Points {
    fn new(ctx: &mut Context<'_>, row: &Row<'_>, byte: u8) -> Points {
        let leads = ctx.effects.behind_byte(row, byte);
        Points { sets: vec![None; leads.len()], leads }
    }

    fn get(&mut self, ctx: &mut Context<'_>, sets: &[SetId], k: usize) -> (ConfigId, SetId) {
        let (d, from) = &self.leads[k];
        let set = *self.sets[k].get_or_insert_with(|| {
            let mut sources = Sources::default();
            from.iter().for_each(|&at| push_new(&mut sources.eps, sets[at as usize]));
            ctx.charts.left.build(ctx.symbols, &mut sources)
        });
        (*d, set)
    }
}
