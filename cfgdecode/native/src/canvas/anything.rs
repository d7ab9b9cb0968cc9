//! Gaps of unbounded length: a graph with cycles instead of a row of slots.
//!
//! Points are the lexer configurations that the gap can pass, and the points inside a token where a
//! lexeme ends. Points that are reached by the same terminal sequences are one (partition refinement on
//! the incoming arcs, Hopcroft-style but by whole rounds): with an ignorable terminal nearly all of a
//! programming language's lexer collapses to a handful. What is left is a group for
//! [`Chart::build_group`].
//!
//! Cost: rounds × arcs of the graph / 64 words, then a chart group of as many sets as classes of points. The graph is made once
//! for gaps that begin in the same configurations.

use super::context::Context;
use super::view::LeftRow;
use crate::grammar::Bits;
use crate::intersect::{Chart, GroupArcs, SetId, Sources};
use crate::lexer::ConfigId;
use crate::vocabulary::{Branch, EffectId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// The left row behind an unbounded gap.
pub(super) fn advance(ctx: &mut Context<'_>, row: &LeftRow) -> LeftRow {
    let configs: Vec<ConfigId> = row.iter().map(|r| r.0).collect();
    let graph = ctx.loop_graph(&configs);
    let mut outer: Vec<Sources> = vec![Sources::default(); graph.n_points];
    for &(c, set) in row {
        outer[graph.point_of(c)].eps.push(set);
    }
    let points = Quotient::new(outer, &graph.eps, &graph.arcs);
    let sets = ctx.charts.left.build_group(ctx.symbols, &points.outer, &points.arcs);
    let row = graph.configs.iter().enumerate().map(|(i, &c)| (c, sets[points.class_of[i] as usize]));
    row.filter(|&(_, s)| s != Chart::DEAD).collect()
}

/// The right sets before an unbounded gap: `exits` are those behind it, by configuration of the graph.
pub(super) fn retreat(ctx: &mut Context<'_>, graph: &LoopGraph, exits: Vec<SetId>, ends: bool) -> Vec<SetId> {
    let mut outer: Vec<Sources> = vec![Sources::default(); graph.n_points];
    for (i, exit) in exits.into_iter().enumerate() {
        outer[i].eps.push(exit);
        if ends {
            ctx.end_sources(graph.configs[i], &mut outer[i]);
        }
    }
    let eps: Vec<(u32, u32)> = graph.eps.iter().map(|&(a, b)| (b, a)).collect();
    let arcs: Vec<(u32, u32, u32)> = graph.arcs.iter().map(|&(a, t, b)| (b, t, a)).collect();
    let points = Quotient::new(outer, &eps, &arcs);
    let sets = ctx.charts.right.build_group(ctx.symbols, &points.outer, &points.arcs);
    (0..graph.configs.len()).map(|i| sets[points.class_of[i] as usize]).collect()
}

/// All configurations that an unbounded gap leads to, sorted; the given ones are among them.
fn close_configs(ctx: &mut Context<'_>, configs: &[ConfigId]) -> Vec<ConfigId> {
    let mut all: Vec<ConfigId> = configs.to_vec();
    let mut seen: FxHashSet<ConfigId> = all.iter().copied().collect();
    let mut at = 0;
    while at < all.len() && !ctx.stop() {
        let c = all[at];
        at += 1;
        let mut ends = Vec::new();
        for effect in ctx.loop_effects(c) {
            ctx.effects.ends_of(effect, &mut ends);
        }
        all.extend(ends.into_iter().filter(|d| seen.insert(*d)));
    }
    all.sort_unstable();
    all
}

/// The graphs of gaps that begin in these configurations.
pub(super) type LoopGraphs = FxHashMap<Vec<ConfigId>, Arc<LoopGraph>>;

/// Graphs that are kept.
const MAX_GRAPHS: usize = 64;

impl Context<'_> {
    /// The graph of a gap that begins in these configurations.
    pub(super) fn loop_graph(&mut self, configs: &[ConfigId]) -> Arc<LoopGraph> {
        let mut key = configs.to_vec();
        key.sort_unstable();
        key.dedup();
        if let Some(known) = self.loops.get(&key) {
            return known.clone();
        }
        let all = close_configs(self, &key);
        let graph = Arc::new(LoopGraph::new(self, all));
        if self.loops.len() >= MAX_GRAPHS {
            self.loops.clear();
        }
        if !self.stop() {
            self.loops.insert(key, graph.clone());
        }
        graph
    }

    /// The effects of one step inside an unbounded gap: single bytes where the vocabulary has them all
    /// (then any bytes are some tokens), else all tokens.
    fn loop_effects(&mut self, c: ConfigId) -> Vec<EffectId> {
        let vocabulary = &self.constraint.vocabulary;
        if vocabulary.byte_tokens.iter().any(Option::is_none) {
            return self.effects.classes(vocabulary, c).iter().map(|k| k.effect).collect();
        }
        let byte_classes = *self.effects.lexer.byte_classes();
        let mut seen = [false; 256];
        let mut effects: Vec<EffectId> = (0..=255u8)
            .filter(|&b| !std::mem::replace(&mut seen[byte_classes[b as usize] as usize], true))
            .map(|b| self.effects.of_bytes(c, &[b]))
            .collect();
        effects.sort_unstable();
        effects.dedup();
        effects
    }
}

/// The arcs of an unbounded gap between configurations (points `0..configs.len()`, in the order given)
/// and the points inside a token.
#[derive(Debug)]
pub(super) struct LoopGraph {
    /// All that the gap leads to, sorted.
    pub(super) configs: Vec<ConfigId>,
    n_points: usize,
    /// (from, to)
    eps: Vec<(u32, u32)>,
    /// (from, terminal, to)
    arcs: Vec<(u32, u32, u32)>,
}

impl LoopGraph {
    fn new(ctx: &mut Context<'_>, configs: Vec<ConfigId>) -> LoopGraph {
        let mut graph = LoopGraph { n_points: configs.len(), configs, eps: Vec::new(), arcs: Vec::new() };
        let mut inner: FxHashMap<EffectId, u32> = FxHashMap::default();
        for from in 0..graph.configs.len() {
            for effect in ctx.loop_effects(graph.configs[from]) {
                graph.add(ctx, from as u32, effect, &mut inner);
            }
        }
        graph.eps.sort_unstable();
        graph.eps.dedup();
        graph.arcs.sort_unstable();
        graph.arcs.dedup();
        graph
    }

    fn point_of(&self, c: ConfigId) -> usize {
        self.configs.partition_point(|&d| d < c)
    }

    fn add(&mut self, ctx: &Context<'_>, from: u32, effect: EffectId, inner: &mut FxHashMap<EffectId, u32>) {
        for &branch in ctx.effects.branches(effect) {
            match branch {
                // A limit may have cut the closure short; then the answer is void anyway.
                Branch::End(c) if self.configs.get(self.point_of(c)) != Some(&c) => {}
                Branch::End(c) => self.eps.push((from, self.point_of(c) as u32)),
                Branch::Skip(rest) => {
                    let to = self.point(ctx, rest, inner);
                    self.eps.push((from, to));
                }
                Branch::Emit(t, rest) => {
                    let to = self.point(ctx, rest, inner);
                    self.arcs.push((from, t, to));
                }
            }
        }
    }

    fn point(&mut self, ctx: &Context<'_>, effect: EffectId, inner: &mut FxHashMap<EffectId, u32>) -> u32 {
        if let Some(&known) = inner.get(&effect) {
            return known;
        }
        let point = self.n_points as u32;
        self.n_points += 1;
        inner.insert(effect, point);
        self.add(ctx, point, effect, inner);
        point
    }
}

/// Points merged into classes with the same incoming terminal sequences; arcs without label are gone.
struct Quotient {
    class_of: Vec<u32>,
    outer: Vec<Sources>,
    arcs: GroupArcs,
}

impl Quotient {
    fn new(outer: Vec<Sources>, eps: &[(u32, u32)], arcs: &[(u32, u32, u32)]) -> Quotient {
        let n = outer.len();
        let mut class_of = vec![0u32; n];
        let mut n_classes = 1;
        loop {
            let (labels, marks) = Self::incoming(&outer, eps, arcs, &class_of);
            let mut ids: FxHashMap<&Bits, u32> = FxHashMap::default();
            let mut first: Vec<usize> = Vec::new();
            let next: Vec<u32> = marks
                .iter()
                .enumerate()
                .map(|(point, mark)| {
                    *ids.entry(mark).or_insert_with(|| {
                        first.push(point);
                        first.len() as u32 - 1
                    })
                })
                .collect();
            let stable = first.len() == n_classes;
            n_classes = first.len();
            class_of = next;
            if stable {
                // One more reading of the labels with the final classes gives the arcs.
                let (labels, marks) = Self::incoming(&outer, eps, arcs, &class_of);
                return Self::assemble(class_of, &first, &labels, &marks);
            }
            drop(labels);
        }
    }

    /// For each point the labels that reach it, over arcs without label too. A label is a source from
    /// outside or (terminal, class it comes from).
    fn incoming(outer: &[Sources], eps: &[(u32, u32)], arcs: &[(u32, u32, u32)], class_of: &[u32]) -> (Vec<Label>, Vec<Bits>) {
        let mut labels: Vec<Label> = Vec::new();
        let mut ids: FxHashMap<Label, u32> = FxHashMap::default();
        let mut own: Vec<(u32, u32)> = Vec::new();
        let mut id = |label: Label| {
            *ids.entry(label).or_insert_with(|| {
                labels.push(label);
                labels.len() as u32 - 1
            })
        };
        for (point, sources) in outer.iter().enumerate() {
            own.extend(sources.eps.iter().filter(|s| **s != Chart::DEAD).map(|&s| (point as u32, id(Label::Set(s)))));
            own.extend(sources.arcs.iter().filter(|a| a.1 != Chart::DEAD).map(|&(t, s)| (point as u32, id(Label::Arc(t, s)))));
        }
        own.extend(arcs.iter().map(|&(from, t, to)| (to, id(Label::Inner(t, class_of[from as usize])))));
        let mut marks = vec![Bits::new(labels.len()); outer.len()];
        for (point, label) in own {
            marks[point as usize].insert(label);
        }
        loop {
            let mut grown = false;
            for &(from, to) in eps.iter().filter(|(from, to)| from != to) {
                let source = std::mem::take(&mut marks[from as usize]);
                grown |= marks[to as usize].union(&source);
                marks[from as usize] = source;
            }
            if !grown {
                return (labels, marks);
            }
        }
    }

    fn assemble(class_of: Vec<u32>, first: &[usize], labels: &[Label], marks: &[Bits]) -> Quotient {
        let mut outer = vec![Sources::default(); first.len()];
        let mut arcs = GroupArcs::default();
        for (class, &point) in first.iter().enumerate() {
            for label in marks[point].iter() {
                match labels[label as usize] {
                    Label::Set(s) => outer[class].eps.push(s),
                    Label::Arc(t, s) => outer[class].arcs.push((t, s)),
                    Label::Inner(t, from) => arcs.arcs.push((from, t, class as u32)),
                }
            }
        }
        Quotient { class_of, outer, arcs }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Label {
    Set(SetId),
    Arc(u32, SetId),
    Inner(u32, u32),
}
