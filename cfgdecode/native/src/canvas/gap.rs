//! The rows inside a gap whose cells hold what the pool offers, and the walk that reads its tokens off.
//!
//! Terms. *Pool gap*: a maximal run of slots with [`Choice::Pool`]. Inside it, at a boundary between two tokens, a lexeme
//! is *pending*: it may end there or go on. The *hub* is the point behind a pending lexeme that ends, where the next token begins
//! a lexeme of the pool; hub j is member j of a [`Family`]. A row inside a gap has an entry for each part of
//! the pool, and for each configuration in front of the gap whose lexeme goes on into it.
//!
//! Invariants: the walk uses the true effects of tokens and sets on its right, so what it reads off is a filling
//! if it fits the row in front of the gap.
//! Cost: a row costs one entry a part; families cost what `Chart::family` says, once for each side of a gap.

use super::context::Context;
use super::filling::{After, Step};
use super::pool::{Completion, Spelling};
use super::view::{Choice, LeftRow, View};
use crate::intersect::{Chart, Entered, Entry, Family, SetId, Sources};
use crate::lexer::{ConfigId, TerminalId};
use crate::vocabulary::{Branch, TokenId};
use std::sync::Arc;

/// A pool gap seen from its left end.
#[derive(Clone, Debug)]
pub(super) struct GapLeft {
    pub(super) n_cells: u32,
    hub: Family,
    /// Lexemes that are pending in front of the gap.
    pending: Vec<Pending>,
}

#[derive(Clone, Debug)]
struct Pending {
    config: ConfigId,
    set: SetId,
    /// A token that leaves `config` as it is.
    loop_token: Option<TokenId>,
    completions: Arc<[Completion]>,
}

/// Between two tokens in the walk: `token` comes next, from the hub; it leads to `config`, and `right` is behind it.
#[derive(Clone, Copy, Debug)]
struct Next {
    token: TokenId,
    config: ConfigId,
    right: SetId,
}

impl GapLeft {
    pub(super) fn new(ctx: &mut Context<'_>, row: &[(ConfigId, SetId)], n_cells: u32) -> GapLeft {
        let mut entries: Vec<Entered> = Vec::new();
        let mut pending = Vec::with_capacity(row.len());
        for &(config, set) in row {
            let completions = ctx.completions(config);
            let loop_token = ctx.loop_token(config);
            let is_elastic = ctx.pool.has_filler() || loop_token.is_some();
            for c in completions.iter() {
                let from = ctx.left_behind(c.before, set);
                entries.push((entry(c.terminal, from), c.cost(), is_elastic));
            }
            pending.push(Pending { config, set, loop_token, completions });
        }
        let costs = ctx.pool.costs.clone();
        // The walk takes the first that fits.
        pending.sort_by_key(|p: &Pending| p.completions.first().map_or(u32::MAX, Completion::cost));
        let hub = ctx.charts.left.family(ctx.symbols, entries, &costs, n_cells);
        GapLeft { n_cells, hub, pending }
    }

    /// The row behind `m` tokens of the gap; if `steady`, only what is behind any larger number of tokens too.
    pub(super) fn row(&self, ctx: &mut Context<'_>, m: u32, steady: bool) -> LeftRow {
        let hub = |layer: u32| self.hub_at(layer, steady);
        let parts = ctx.pool.part_ends.iter().filter(|part| part.1 <= m);
        let mut ends: Vec<(ConfigId, SetId)> = parts.map(|&(config, cost)| (config, hub(m - cost))).collect();
        if ctx.pool.filler.is_some() {
            ends.push((ctx.pool.begin, hub(m - 1)));
        }
        ends.extend(self.pending_ends(ctx, m, steady));
        ends.retain(|e| e.1 != Chart::DEAD);
        ctx.build_left_row(ends.into())
    }

    /// The row behind `m` tokens of the gap and this token.
    pub(super) fn row_behind(&self, ctx: &mut Context<'_>, m: u32, steady: bool, token: TokenId) -> LeftRow {
        let vocabulary = &ctx.constraint.vocabulary;
        let exits = ctx.pool.exits(vocabulary, ctx.effects, token);
        let mut from: Vec<(Branch, SetId)> = Vec::new();
        for same in exits.chunk_by(|a, b| a.branch == b.branch) {
            // What is elastic is behind more tokens of the gap as well.
            let n = if self.hub.is_elastic() { 1 } else { same.len() };
            from.extend(same.iter().take(n).filter_map(|exit| Some((exit.branch, self.hub_at(m.checked_sub(exit.cost)?, steady)))));
        }
        for (c, set) in self.pending_ends(ctx, m, steady) {
            from.extend(ctx.effects.branches_of(vocabulary, c, token).into_iter().map(|branch| (branch, set)));
        }
        from.retain(|f| f.1 != Chart::DEAD);
        ctx.advance_branches(from.into_iter())
    }

    /// Whether steady rows have all that the others have, from so many tokens on.
    pub(super) fn is_elastic(&self, m: u32) -> bool {
        let mut rigid = self.pending.iter().filter(|p| p.loop_token.is_none()).flat_map(|p| p.completions.iter().flat_map(Completion::ways));
        self.hub.is_elastic() && rigid.all(|(_, way)| way.cost() < m)
    }

    fn hub_at(&self, layer: u32, steady: bool) -> SetId {
        if steady { self.hub.steady_member(layer) } else { self.hub.member(layer) }
    }

    /// How this token is reached behind `m` tokens of the gap, given what follows it.
    pub(super) fn step_behind(&self, ctx: &mut Context<'_>, m: u32, steady: bool, token: TokenId, after: &mut After) -> Option<Step> {
        let exits = ctx.pool.exits(&ctx.constraint.vocabulary, ctx.effects, token);
        let mut opaque: Option<Step> = None;
        for exit in exits.iter() {
            let Some(layer) = m.checked_sub(exit.cost) else { continue };
            let right = ctx.right_of_branch(exit.branch, after);
            if right == Chart::DEAD || !ctx.charts.fits(ctx.symbols, self.hub_at(layer, steady), right) {
                continue;
            }
            let step = Step { config: exit.config, right, token: Some(token) };
            if !ctx.effects.lexer.is_opaque(exit.config) {
                return Some(step);
            }
            opaque.get_or_insert(step);
        }
        let pending = self.pending_ends(ctx, m, steady);
        let pending = ctx.plain_first(&pending);
        ctx.step_left(&pending, &Choice::One(token), after).or(opaque)
    }

    /// Where the lexemes that are pending in front of the gap are behind `m` tokens of it.
    fn pending_ends(&self, ctx: &mut Context<'_>, m: u32, steady: bool) -> Vec<(ConfigId, SetId)> {
        let mut ends = Vec::new();
        for p in &self.pending {
            let loops = p.loop_token.is_some();
            if loops {
                ends.push((p.config, p.set));
            }
            for (ended, way) in p.completions.iter().flat_map(Completion::ways) {
                if way.cost() == m && !steady || loops && way.cost() <= m {
                    ends.push((way.last(p.config), ctx.left_behind(ended, p.set)));
                }
            }
        }
        ends
    }

    /// Tokens for the first `m` cells of the gap such that what follows (`after`) fits; and what then follows the row in
    /// front of the gap. Segment by segment from the right: filler while there is time, else a whole lexeme.
    pub(super) fn walk(&self, ctx: &mut Context<'_>, m: u32, after: &Step) -> Option<(Vec<TokenId>, Step)> {
        let mut tokens: Vec<TokenId> = Vec::new();
        let (mut next, mut m) = match self.arrive(ctx, m, after, &mut tokens)? {
            Arrived::Front(step) => return Some((tokens, step)),
            Arrived::Hub(next, m) => (next, m),
        };
        loop {
            if let Some(step) = self.leave(ctx, m, next, &mut tokens) {
                return Some((tokens, step));
            }
            if m == 0 || ctx.stop() {
                return None;
            }
            (next, m) = self.step(ctx, m, next, &mut tokens)?;
        }
    }

    /// From the configuration in which the walk begins back to the hub, or to the front of the gap.
    fn arrive(&self, ctx: &mut Context<'_>, m: u32, after: &Step, tokens: &mut Vec<TokenId>) -> Option<Arrived> {
        let (config, right) = (after.config, after.right);
        for p in &self.pending {
            if p.config == config && (p.loop_token.is_some() || m == 0) && ctx.charts.fits(ctx.symbols, p.set, right) {
                tokens.extend(p.loop_token.into_iter().cycle().take(m as usize));
                return Some(Arrived::Front(Step { config, right, token: None }));
            }
            for (_, way) in p.completions.iter().flat_map(Completion::ways) {
                if way.last(p.config) != config {
                    continue;
                }
                let Some(spare) = m.checked_sub(way.cost()).filter(|&s| s == 0 || p.loop_token.is_some()) else { continue };
                let Some(right) = ctx.back(p.config, &way.tokens, &way.configs, right) else { continue };
                if ctx.charts.fits(ctx.symbols, p.set, right) {
                    tokens.extend(way.tokens.iter().rev());
                    tokens.extend(p.loop_token.into_iter().cycle().take(spare as usize));
                    return Some(Arrived::Front(Step { config: p.config, right, token: None }));
                }
            }
        }
        if let Some((token, _)) = ctx.pool.filler.filter(|f| f.1 == config)
            && m > 0
            && ctx.charts.fits(ctx.symbols, self.hub.member(m - 1), right)
        {
            tokens.push(token);
            return Some(Arrived::Hub(Next { token, config, right }, m - 1));
        }
        let part = ctx.pool.part_of.get(&config).filter(|p| p.cost() <= m)?.clone();
        let next = self.spell_back(ctx, m, &part, right, tokens)?;
        Some(Arrived::Hub(next, m - part.cost()))
    }

    /// Whether a lexeme of this terminal may stand behind so many tokens.
    fn expects(&self, ctx: &Context<'_>, m: u32, terminal: Option<TerminalId>) -> bool {
        terminal.is_none_or(|terminal| ctx.charts.left.expects(ctx.symbols, self.hub.member(m), terminal))
    }

    /// The tokens from the hub to a configuration with `right` behind it, if that fits the hub in front.
    fn spell_back(&self, ctx: &mut Context<'_>, m: u32, way: &Spelling, right: SetId, tokens: &mut Vec<TokenId>) -> Option<Next> {
        let (config, token) = (way.configs[0], way.tokens[0]);
        let right = ctx.back(config, &way.tokens[1..], &way.configs[1..], right)?;
        let next = Next { token, config, right };
        let at_hub = ctx.right_before(ctx.pool.begin, next)?;
        if !ctx.charts.fits(ctx.symbols, self.hub.member(m - way.cost()), at_hub) {
            return None;
        }
        tokens.extend(way.tokens.iter().rev());
        Some(next)
    }

    /// If what is pending in front of the gap can be completed in the `m` tokens that are left: the whole way.
    fn leave(&self, ctx: &mut Context<'_>, m: u32, next: Next, tokens: &mut Vec<TokenId>) -> Option<Step> {
        for p in &self.pending {
            for c in p.completions.iter() {
                let Some(spare) = m.checked_sub(c.cost()).filter(|&s| s == 0 || p.loop_token.is_some()) else { continue };
                if spare > 0 && ctx.pool.filler.is_some() {
                    continue; // filler behind the lexeme takes up the time
                }
                let Some(right) = ctx.right_before(c.spelling.last(p.config), next) else { continue };
                let Some(right) = ctx.back(p.config, &c.spelling.tokens, &c.spelling.configs, right) else { continue };
                if ctx.charts.fits(ctx.symbols, p.set, right) {
                    tokens.extend(c.spelling.tokens.iter().rev());
                    tokens.extend(p.loop_token.into_iter().cycle().take(spare as usize));
                    return Some(Step { config: p.config, right, token: None });
                }
            }
        }
        None
    }

    /// One segment further to the left, m > 0: filler, or a lexeme of the pool.
    fn step(&self, ctx: &mut Context<'_>, m: u32, next: Next, tokens: &mut Vec<TokenId>) -> Option<(Next, u32)> {
        if let Some((token, config)) = ctx.pool.filler
            && let Some(right) = ctx.right_before(config, next)
            && ctx.charts.fits(ctx.symbols, self.hub.member(m - 1), right)
        {
            let next = Next { token, config, right };
            let left = self.fewest(ctx, m - 1, next);
            tokens.extend(std::iter::repeat_n(token, (m - left) as usize));
            return Some((next, left));
        }
        for lexeme in ctx.pool.lexemes.clone().iter() {
            let (cost, terminal) = (lexeme.cost(), lexeme.terminal);
            if cost > m {
                break;
            }
            if !self.expects(ctx, m - cost, terminal) {
                continue;
            }
            let Some(right) = ctx.right_before(lexeme.spelling.last(ctx.pool.begin), next) else { continue };
            if let Some(next) = self.spell_back(ctx, m, &lexeme.spelling, right, tokens) {
                return Some((next, m - cost));
            }
        }
        self.stretch(ctx, m, next, tokens)
    }

    /// The fewest of `m` tokens that must be left for what is in front of filler, if filler takes up the others.
    fn fewest(&self, ctx: &mut Context<'_>, m: u32, filler: Next) -> u32 {
        let is_filled = |ctx: &mut Context<'_>, m: u32| ctx.charts.fits(ctx.symbols, self.hub.steady_member(m), filler.right);
        if ctx.right_before(filler.config, filler) != Some(filler.right) || !is_filled(ctx, m) {
            return m;
        }
        let (mut too_few, mut enough) = (self.hub.least(), m);
        while too_few < enough {
            let middle = too_few + (enough - too_few) / 2;
            if is_filled(ctx, middle) {
                enough = middle;
            } else {
                too_few = middle + 1;
            }
        }
        enough
    }

    /// A lexeme that takes more tokens than it must.
    fn stretch(&self, ctx: &mut Context<'_>, m: u32, next: Next, tokens: &mut Vec<TokenId>) -> Option<(Next, u32)> {
        for lexeme in ctx.pool.lexemes.clone().iter() {
            let Some(stretch) = lexeme.stretch.as_ref().filter(|s| s.cost() < m) else { continue };
            let terminal = lexeme.terminal;
            let middle = stretch.head.last(ctx.pool.begin);
            let Some(right) = ctx.right_before(stretch.tail.last(middle), next) else { continue };
            let Some(right) = ctx.back(middle, &stretch.tail.tokens, &stretch.tail.configs, right) else { continue };
            for more in 1..=m - stretch.cost() {
                let left = m - stretch.tail.cost() - more;
                if !self.expects(ctx, left - stretch.head.cost(), terminal) {
                    continue;
                }
                let mut longer = stretch.tail.tokens.clone();
                longer.reverse();
                longer.extend(std::iter::repeat_n(stretch.repeated, more as usize));
                if let Some(next) = self.spell_back(ctx, left, &stretch.head, right, &mut longer) {
                    tokens.append(&mut longer);
                    return Some((next, left - stretch.head.cost()));
                }
            }
        }
        None
    }
}

enum Arrived {
    Front(Step),
    Hub(Next, u32),
}

fn entry(terminal: Option<u32>, set: SetId) -> Entry {
    terminal.map_or(Entry::Set(set), |t| Entry::Arc(t, set))
}

impl Context<'_> {
    /// The right set in configuration `c` before these tokens, which lead to `configs` in turn; `right` is behind them.
    fn back(&mut self, c: ConfigId, tokens: &[TokenId], configs: &[ConfigId], right: SetId) -> Option<SetId> {
        let mut right = right;
        for i in (0..tokens.len()).rev() {
            let from = if i == 0 { c } else { configs[i - 1] };
            right = self.right_before(from, Next { token: tokens[i], config: configs[i], right })?;
        }
        Some(right)
    }

    /// The right set in configuration `c` before a token.
    fn right_before(&mut self, c: ConfigId, next: Next) -> Option<SetId> {
        let effect = self.effects.of_token(&self.constraint.vocabulary, c, next.token);
        let set = self.right_of_effect(effect, &mut After::new(next.config, next.right));
        (set != Chart::DEAD).then_some(set)
    }

    fn completions(&mut self, c: ConfigId) -> Arc<[Completion]> {
        self.pool.completions(&self.constraint.vocabulary, self.effects, c)
    }

    fn loop_token(&mut self, c: ConfigId) -> Option<TokenId> {
        self.pool.loop_token(&self.constraint.vocabulary, self.effects, c)
    }

    /// The configurations at the right end of a pool gap that matter for its hub.
    pub(super) fn hub_exits(&self, out: &mut Vec<ConfigId>) {
        out.push(self.pool.begin);
        out.extend(self.pool.part_ends.iter().map(|part| part.0));
    }

    /// Those that matter for what is pending inside it in these.
    pub(super) fn gap_exits(&mut self, configs: &[ConfigId], out: &mut Vec<ConfigId>) {
        for &c in configs {
            if self.loop_token(c).is_some() {
                out.push(c);
            }
            out.extend(self.completions(c).iter().flat_map(Completion::ways).map(|(_, way)| way.last(c)));
        }
    }
}

impl View {
    /// The first slot of the pool gap that slot `i` belongs to.
    pub(super) fn gap_start(&self, i: usize) -> usize {
        (0..i).rev().take_while(|&j| *self.choice(j) == Choice::Pool).last().unwrap_or(i)
    }

    /// The boundary behind the pool gap that slot `i` belongs to.
    pub(super) fn gap_end(&self, i: usize) -> usize {
        (i..self.len()).find(|&j| *self.choice(j) != Choice::Pool).unwrap_or(self.len())
    }

    /// The hub of a pool gap seen from its right end, boundary `b`; `ends`: the text may end inside.
    pub(super) fn right_hub(&mut self, ctx: &mut Context<'_>, b: usize, n_cells: u32, ends: bool) -> Family {
        let mut entries: Vec<Entered> = Vec::new();
        let mut add = |sources: Option<&Sources>, cost: u32, is_elastic: bool| {
            if let Some(sources) = sources {
                entries.extend(sources.eps.iter().map(|&s| (Entry::Set(s), cost, is_elastic)));
                entries.extend(sources.arcs.iter().map(|&(t, s)| (Entry::Arc(t, s), cost, is_elastic)));
            }
        };
        let parts = ctx.pool.part_ends.clone();
        for &(config, cost) in &parts {
            let is_elastic = ctx.pool.has_filler() || ctx.loop_token(config).is_some();
            add(self.right_sources(b, config), cost, is_elastic);
        }
        if ctx.pool.filler.is_some() {
            add(self.right_sources(b, ctx.pool.begin), 1, true);
        }
        if ends {
            // The text ends with this lexeme; at least one cell is left for EOS.
            let at_hub = ctx.pool.filler.map(|f| (f.1, 1));
            for (config, cost) in parts.into_iter().chain(at_hub) {
                let mut sources = Sources::default();
                ctx.end_sources(config, &mut sources);
                entries.extend(sources.eps.iter().map(|&s| (Entry::Set(s), cost + 1, true)));
                entries.extend(sources.arcs.iter().map(|&(t, s)| (Entry::Arc(t, s), cost + 1, true)));
            }
        }
        let costs = ctx.pool.costs.clone();
        ctx.charts.right.family(ctx.symbols, entries, &costs, n_cells)
    }

    /// Adds what may follow configuration `c` inside a pool gap with `r` cells left before boundary `b`.
    pub(super) fn gap_sources(&mut self, ctx: &mut Context<'_>, b: usize, r: u32, c: ConfigId, hub: Family, sources: &mut Sources) {
        let loops = ctx.loop_token(c).is_some();
        let steady = self.steady_right;
        if loops && let Some(more) = self.right_sources(b, c) {
            sources.add(more);
        }
        for completion in ctx.completions(c).iter() {
            if let Some(left) = r.checked_sub(completion.cost()) {
                let behind = if steady { hub.steady_member(left) } else { hub.member(left) };
                match (completion.before, completion.terminal) {
                    (None, None) => sources.eps.push(behind),
                    (Some(t), None) | (None, Some(t)) => sources.arcs.push((t, behind)),
                    (Some(before), Some(t)) => sources.arcs.push((before, ctx.right_arc(t, behind))),
                }
            }
            for (ended, way) in completion.ways() {
                let mut behind = Sources::default();
                if way.cost() < r && self.ends_at(b - 1) {
                    ctx.end_sources(way.last(c), &mut behind);
                }
                if (way.cost() == r && !steady || loops && way.cost() <= r)
                    && let Some(more) = self.right_sources(b, way.last(c))
                {
                    behind.add(more);
                }
                match ended {
                    None => sources.add(&behind),
                    Some(t) => sources.arcs.push((t, ctx.charts.right.build(ctx.symbols, &mut behind))),
                }
            }
        }
    }
}
