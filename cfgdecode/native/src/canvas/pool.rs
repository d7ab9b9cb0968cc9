//! What the inside of a gap may hold, in few words: for each terminal one lexeme, spelled in as few tokens as it takes.
//!
//! Terms. The *filler* is a token of ignorable text that may stand between any two lexemes and any number of times;
//! grammars without ignorable text have none. A *spelling* is a byte string cut into tokens. A lexeme of the pool begins with the
//! filler's first byte (or at once, if there is no filler), so that what stands in front of it has ended. A
//! *part* is a lexer configuration that a spelling passes at the end of a token, for the fewest tokens. A *completion* of a configuration is
//! the shortest text that ends its lexeme as a given terminal, with one more lexeme behind it where the first may not end before just any.
//!
//! The pool leaves tokens out, so it shows that a gap can be filled, never that it cannot.
//!
//! Cost: one breadth-first search over lexer configurations per constraint (`MAX_SEARCH` of them), a small one for each
//! configuration asked about; all are remembered.

use super::constraint::Constraint;
use crate::grammar::{Bits, Cfg, Side, SideTables, Symbol};
use crate::intersect::{Costs, SideCosts};
use crate::lexer::{ConfigId, DEAD, TerminalId};
use crate::vocabulary::{Branch, EffectId, Effects, TokenId, Vocabulary};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Configurations that the search for lexemes may visit, from the start of a lexeme and from inside one.
const MAX_SEARCH: usize = 20_000;
const MAX_COMPLETION: usize = 4_000;
/// Configurations of a lexer up to which there is a loose pool.
const MAX_LOOSE: usize = 6_000;
/// Tokens that a spelling may have.
const MAX_TOKENS: usize = 64;
/// Configurations inside lexemes up to which the pool keeps them all.
const MAX_PARTS: usize = 2_000;
/// Configurations inside characters that the pool keeps.
const MAX_BROKEN: usize = 400;
/// Lexemes that may end one that may not end in front of just any.
const MAX_IN_TWO: usize = 32;
/// Tokens from which on a lexeme is spelled in another way if that takes fewer.
const MANY_TOKENS: u32 = 3;
/// Tokens whose ways out of a gap are remembered.
const MAX_EXITS: usize = 20_000;
/// Cost of what cannot be had.
pub(super) const NEVER: u32 = u32::MAX;

/// A byte string cut into tokens, and the configuration behind each of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Spelling {
    pub(super) tokens: Vec<TokenId>,
    pub(super) configs: Vec<ConfigId>,
}

impl Spelling {
    pub(super) fn cost(&self) -> u32 {
        self.tokens.len() as u32
    }

    /// The configuration behind the last token.
    pub(super) fn last(&self, from: ConfigId) -> ConfigId {
        self.configs.last().copied().unwrap_or(from)
    }
}

/// How a lexeme ends: as `terminal` (none: it is ignored) behind the spelling. Where it may not end in front of just any lexeme of
/// the pool, the spelling has one more lexeme, and that is `terminal`.
#[derive(Clone, Debug, Default)]
pub(super) struct Completion {
    /// What the pending lexeme ends as, if there is one more.
    pub(super) before: Option<TerminalId>,
    pub(super) terminal: Option<TerminalId>,
    pub(super) spelling: Spelling,
    /// Ways to the configurations inside the lexeme, the last one included if the lexeme may end there.
    pub(super) inside: Vec<Spelling>,
    /// The way to the last lexeme's end behind `before`, if it may go on there.
    beyond: Option<Spelling>,
    /// How a lexeme of the pool takes more tokens, if it can.
    pub(super) stretch: Option<Stretch>,
}

/// A lexeme that takes any number of tokens from `cost` on: one token in the middle is repeated.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub(super) head: Spelling,
    pub(super) repeated: TokenId,
    pub(super) tail: Spelling,
}

impl Stretch {
    pub(super) fn cost(&self) -> u32 {
        self.head.cost() + self.tail.cost()
    }
}

/// What a token does behind a part of the pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exit {
    pub(super) branch: Branch,
    /// The tokens that the part takes, and its configuration.
    pub(super) cost: u32,
    pub(super) config: ConfigId,
}

/// A part of the pool (or the filler) that the gap may end in; of two that take as many tokens, comments and strings come second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Front {
    cost: u32,
    is_opaque: bool,
    config: ConfigId,
}

#[derive(Debug)]
struct Fronts {
    configs: Vec<ConfigId>,
    of_config: Vec<Front>,
    /// Fresh configurations, the terminals that end in front of each, and how.
    ended: Vec<(ConfigId, Vec<(TerminalId, Front)>)>,
}

impl Completion {
    pub(super) fn cost(&self) -> u32 {
        self.spelling.cost()
    }

    /// Ways to configurations inside a lexeme, with what ends on the way.
    pub(super) fn ways(&self) -> impl Iterator<Item = (Option<TerminalId>, &Spelling)> {
        self.inside.iter().map(|way| (None, way)).chain(self.beyond.iter().map(|way| (self.before, way)))
    }
}

#[derive(Debug)]
pub(super) struct Pool {
    /// The filler and the configuration behind it.
    pub(super) filler: Option<(TokenId, ConfigId)>,
    /// The filler's byte.
    space: Option<u8>,
    /// The configuration from which lexemes of the pool are read: that behind the filler, or the start of the text.
    pub(super) begin: ConfigId,
    /// The start of the text: lexemes are read from here as well, in the same way. (Filler may be the beginning of a lexeme; one that
    /// goes on with it is none of the pool.)
    start: ConfigId,
    /// By rising cost.
    pub(super) lexemes: Arc<[Completion]>,
    /// Ways to configurations inside lexemes, each configuration once, by rising cost.
    pub(super) parts: Vec<Arc<Spelling>>,
    /// The configurations behind them, sorted, and the tokens that they take.
    pub(super) part_ends: Vec<(ConfigId, u32)>,
    /// Configuration -> its part.
    pub(super) part_of: FxHashMap<ConfigId, Arc<Spelling>>,
    /// Symbol -> fewest tokens that derive it from whole lexemes.
    pub(super) costs: Arc<Costs>,
    /// The tokens of all lexemes and of their ends, sorted.
    pub(super) tokens: Vec<TokenId>,
    /// Everything may stand inside, for nothing.
    is_loose: bool,
    completions: FxHashMap<ConfigId, Arc<[Completion]>>,
    /// Token -> what it does behind the parts and the filler, with the tokens that these take.
    exits: FxHashMap<TokenId, Arc<[Exit]>>,
    fronts: Option<Arc<Fronts>>,
    /// Configuration -> a token that leaves it as it is.
    loops: FxHashMap<ConfigId, Option<TokenId>>,
}

impl Pool {
    /// A pool that offers nothing, for canvases that need none.
    pub(super) fn none(constraint: &Constraint) -> Pool {
        Pool {
            filler: None,
            space: None,
            begin: constraint.start,
            start: constraint.start,
            lexemes: Arc::default(),
            parts: Vec::new(),
            part_ends: Vec::new(),
            part_of: FxHashMap::default(),
            costs: Arc::default(),
            tokens: Vec::new(),
            is_loose: false,
            completions: FxHashMap::default(),
            exits: FxHashMap::default(),
            fronts: None,
            loops: FxHashMap::default(),
        }
    }

    pub(super) fn new(constraint: &Constraint, effects: &mut Effects) -> Pool {
        let vocabulary = &constraint.vocabulary;
        let mut pool = Pool::none(constraint);
        if let Some((token, behind)) = find_filler(vocabulary, effects, constraint.start) {
            (pool.filler, pool.begin) = (Some((token, behind)), behind);
            pool.space = vocabulary.first_byte(token);
        }
        pool.spell_lexemes(constraint, effects);
        pool.weigh(&constraint.cfg);
        pool
    }

    /// The same without words (keywords): what most gaps of a program can be filled with, in a fraction of the items.
    pub(super) fn plain(&self, constraint: &Constraint) -> Pool {
        let spelled = |l: &Completion| l.spelling.tokens.iter().flat_map(|&t| constraint.vocabulary.text(t)).copied().collect::<Vec<u8>>();
        let mut plain = Pool {
            filler: self.filler,
            space: self.space,
            begin: self.begin,
            lexemes: self.lexemes.iter().filter(|l| !is_word(&spelled(l))).cloned().collect(),
            parts: self.parts.clone(),
            part_ends: self.part_ends.clone(),
            part_of: self.part_of.clone(),
            ..Pool::none(constraint)
        };
        plain.weigh(&constraint.cfg);
        plain
    }

    /// Whether so much of what it offers are words that `plain`, which is the same without them, costs a good deal less.
    pub(super) fn is_wordy(&self, plain: &Pool) -> bool {
        self.lexemes.len() > 2 * plain.lexemes.len()
    }

    /// The pool of a gap that may hold any text whatever its length: with it a canvas can only be shown to be dead. None if there
    /// are too many configurations.
    pub(super) fn loose(constraint: &Constraint, effects: &mut Effects) -> Option<Pool> {
        let bytes = byte_choices(effects);
        let mut all: Vec<ConfigId> = vec![constraint.start];
        let mut seen: FxHashSet<ConfigId> = all.iter().copied().collect();
        let mut terminals: FxHashSet<TerminalId> = FxHashSet::default();
        let mut at = 0;
        while at < all.len() {
            let here = all[at];
            at += 1;
            let cuts: SmallVec<[(TerminalId, ConfigId); 4]> = SmallVec::from_slice(effects.lexer.cuts(here));
            let steps = bytes.iter().map(|&b| effects.lexer.step(here, b));
            let mut next: Vec<ConfigId> = steps.collect();
            for (t, fresh) in cuts {
                next.push(fresh);
                if !effects.is_ignored(t) {
                    terminals.insert(t);
                }
            }
            all.extend(next.into_iter().filter(|&c| c != DEAD && seen.insert(c)));
            if all.len() > MAX_LOOSE || effects.lexer.overflowed().is_some() {
                return None;
            }
        }
        let mut terminals: Vec<TerminalId> = terminals.into_iter().collect();
        terminals.sort_unstable();
        let free = |config: ConfigId| Arc::new(Spelling { tokens: Vec::new(), configs: vec![config] });
        let mut pool = Pool::none(constraint);
        let free_lexeme = |&t: &TerminalId| Completion { terminal: Some(t), ..Completion::default() };
        pool.lexemes = terminals.iter().map(free_lexeme).collect();
        pool.set_parts(all.into_iter().filter(|&c| !effects.lexer.is_fresh(c)).map(free).collect());
        pool.is_loose = true;
        pool.weigh(&constraint.cfg);
        Some(pool)
    }

    /// Every way in which the lexeme of a configuration may go on.
    fn loose_completions(&self, effects: &mut Effects, c: ConfigId) -> Vec<Completion> {
        let bytes = byte_choices(effects);
        let mut all: Vec<ConfigId> = vec![c];
        let mut seen: FxHashSet<ConfigId> = all.iter().copied().collect();
        let mut terminals: FxHashSet<Option<TerminalId>> = FxHashSet::default();
        let mut at = 0;
        while at < all.len() {
            let here = all[at];
            at += 1;
            for &(t, _) in effects.lexer.cuts(here).to_vec().iter() {
                terminals.insert((!effects.is_ignored(t)).then_some(t));
            }
            all.extend(bytes.iter().map(|&b| effects.lexer.step(here, b)).filter(|&d| d != DEAD && seen.insert(d)));
        }
        let mut terminals: Vec<Option<TerminalId>> = terminals.into_iter().collect();
        terminals.sort_unstable();
        let mut found: Vec<Completion> = terminals.into_iter().map(|terminal| Completion { terminal, ..Completion::default() }).collect();
        if let Some(first) = found.first_mut() {
            first.inside = all.into_iter().skip(1).map(|c| Spelling { tokens: Vec::new(), configs: vec![c] }).collect();
        }
        found
    }

    /// How the lexeme of a configuration may end, by rising cost; nothing is spelled where it may end at once.
    pub(super) fn completions(&mut self, vocabulary: &Vocabulary, effects: &mut Effects, c: ConfigId) -> Arc<[Completion]> {
        if let Some(known) = self.completions.get(&c) {
            return known.clone();
        }
        if self.is_loose && !effects.lexer.is_fresh(c) {
            let found: Arc<[Completion]> = self.loose_completions(effects, c).into();
            self.completions.insert(c, found.clone());
            return found;
        }
        let mut found: Vec<Completion> = Vec::new();
        let may_end = !effects.lexer.cuts(c).is_empty();
        let limit = if may_end { MAX_COMPLETION / 64 } else { MAX_COMPLETION };
        if effects.lexer.is_fresh(c) || self.is_space(effects, c) {
            found.push(Completion::default());
        } else {
            let mut has_ignored = false;
            for (terminal, text) in endings(self, effects, c, limit, usize::MAX).found {
                let terminal = (!effects.is_ignored(terminal)).then_some(terminal);
                if terminal.is_none() && std::mem::replace(&mut has_ignored, true) {
                    continue;
                }
                if let Some(completion) = spell_on(self, vocabulary, effects, c, &text, terminal) {
                    found.push(completion);
                }
            }
            if found.is_empty() {
                found = self.in_two(vocabulary, effects, c);
            }
        }
        found.sort_by_key(Completion::cost);
        let found: Arc<[Completion]> = found.into();
        self.completions.insert(c, found.clone());
        found
    }

    /// What a token does directly behind the inside of a gap, by branch, then by the tokens that the part in front of it takes.
    pub(super) fn exits(&mut self, vocabulary: &Vocabulary, effects: &mut Effects, token: TokenId) -> Arc<[Exit]> {
        if let Some(known) = self.exits.get(&token) {
            return known.clone();
        }
        let mut found: Vec<(Branch, Front)> = Vec::new();
        if let Some(first) = vocabulary.first_byte(token) {
            let fronts = self.fronts(effects);
            let row = effects.row(&fronts.configs);
            for (c, from) in effects.behind_byte(&row, first).iter() {
                let effect = effects.behind_first(vocabulary, *c, token);
                for &branch in effects.branches(effect) {
                    found.extend(from.iter().map(|&at| (branch, fronts.of_config[at as usize])));
                }
            }
            for (fresh, ended) in &fronts.ended {
                let begun = effects.lexer.step(*fresh, first);
                let rest = effects.behind_first(vocabulary, begun, token);
                found.extend(ended.iter().filter_map(|&(terminal, front)| Some((effects.wrap(terminal, rest)?, front))));
            }
        }
        found.sort_unstable();
        found.dedup_by_key(|(branch, front)| (*branch, front.cost));
        let found = found.into_iter().map(|(branch, front)| Exit { branch, cost: front.cost, config: front.config });
        if self.exits.len() > MAX_EXITS {
            self.exits.clear();
        }
        let found: Arc<[Exit]> = found.collect();
        self.exits.insert(token, found.clone());
        found
    }

    /// What may stand in front of the cell behind a gap.
    fn fronts(&mut self, effects: &mut Effects) -> Arc<Fronts> {
        if let Some(known) = &self.fronts {
            return known.clone();
        }
        let filler = self.filler.map(|(_, behind)| (behind, 1));
        let front = |(config, cost)| Front { cost, is_opaque: effects.lexer.is_opaque(config), config };
        let of_config: Vec<Front> = self.part_ends.iter().copied().chain(filler).map(front).collect();
        let configs: Vec<ConfigId> = of_config.iter().map(|front| front.config).collect();
        let mut ended = Vec::new();
        for (fresh, from) in effects.fresh_behind(&configs).iter() {
            let mut from: Vec<(TerminalId, Front)> = from.iter().map(|&(terminal, at)| (terminal, of_config[at as usize])).collect();
            from.sort_unstable();
            from.dedup_by_key(|(terminal, front)| (*terminal, front.cost));
            ended.push((*fresh, from));
        }
        self.fronts.insert(Arc::new(Fronts { configs, of_config, ended })).clone()
    }

    /// For a lexeme that may end, but not in front of just any lexeme of the pool: its end and one of those behind it.
    fn in_two(&self, vocabulary: &Vocabulary, effects: &mut Effects, c: ConfigId) -> Vec<Completion> {
        let mut found: Vec<Completion> = Vec::new();
        let mut has: FxHashSet<TerminalId> = FxHashSet::default();
        let agenda = reachable(effects, c, MAX_COMPLETION, |_, _, _| false);
        for at in 0..agenda.len() {
            for (before, _) in effects.lexer.cuts(agenda[at].0).to_vec() {
                if !has.insert(before) {
                    continue;
                }
                let before = (!effects.is_ignored(before)).then_some(before);
                let Some(head) = vocabulary.spell(&text_to(&agenda, at), MAX_TOKENS) else { continue };
                for lexeme in self.lexemes.iter().take(MAX_IN_TWO) {
                    let tokens = [&head[..], &lexeme.spelling.tokens[..]].concat();
                    found.extend(complete_with(self, vocabulary, effects, c, tokens, before, lexeme.terminal));
                }
            }
        }
        found
    }

    /// Whether nothing but ignorable text is pending, and filler goes on with it.
    fn is_space(&self, effects: &mut Effects, c: ConfigId) -> bool {
        self.space.is_some_and(|space| effects.lexer.step(c, space) == self.begin)
    }

    /// Whether what comes next in the pool may come next behind a lexeme that ended in this fresh configuration: it must
    /// not matter which lexeme that was.
    fn is_hub(&self, effects: &mut Effects, fresh: ConfigId) -> bool {
        match self.space {
            Some(space) => effects.lexer.step(fresh, space) == self.begin,
            None => fresh == self.begin,
        }
    }

    /// Whether the lexeme may end in configuration `c` as `terminal` (none: as an ignored one) before the hub.
    fn may_close(&self, effects: &mut Effects, c: ConfigId, terminal: Option<TerminalId>) -> bool {
        let cuts: SmallVec<[(TerminalId, ConfigId); 4]> = SmallVec::from_slice(effects.lexer.cuts(c));
        cuts.into_iter().any(|(t, fresh)| terminal.map_or_else(|| effects.is_ignored(t), |want| want == t) && self.is_hub(effects, fresh))
    }

    /// Whether what is in front of a lexeme, or behind it, can take one token more.
    pub(super) fn has_filler(&self) -> bool {
        self.filler.is_some() || self.is_loose
    }

    /// A token that leaves the configuration as it is.
    pub(super) fn loop_token(&mut self, vocabulary: &Vocabulary, effects: &mut Effects, c: ConfigId) -> Option<TokenId> {
        if self.is_loose {
            return Some(0);
        }
        if let Some(&known) = self.loops.get(&c) {
            return known;
        }
        let found = (0..256).rev().filter_map(|b| vocabulary.byte_tokens[b]).find(|&token| {
            let effect = effects.of_token(vocabulary, c, token);
            effects.branches(effect).contains(&Branch::End(c))
        });
        self.loops.insert(c, found);
        found
    }

    fn spell_lexemes(&mut self, constraint: &Constraint, effects: &mut Effects) {
        let vocabulary = &constraint.vocabulary;
        let (fresh, space): (ConfigId, Vec<u8>) = match self.filler {
            Some((token, behind)) => {
                let cuts: Vec<_> = effects.lexer.cuts(behind).to_vec();
                let fresh = cuts.into_iter().find(|(t, _)| effects.is_ignored(*t)).map_or(constraint.start, |cut| cut.1);
                (fresh, vocabulary.text(token).to_vec())
            }
            None => (constraint.start, Vec::new()),
        };
        let n_terminals = constraint.cfg.n_terminals as usize;
        let (mut lexemes, mut ignored): (Vec<Completion>, Vec<Completion>) = (Vec::new(), Vec::new());
        let endings = endings(self, effects, fresh, MAX_SEARCH, n_terminals);
        let mut others: Vec<Spelling> = Vec::new();
        for at in (1..endings.agenda.len()).take(if endings.agenda.len() <= MAX_PARTS { MAX_PARTS } else { 0 }) {
            let text = [&space[..], &text_to(&endings.agenda, at)[..]].concat();
            let Some(tokens) = vocabulary.spell(&text, MAX_TOKENS) else { continue };
            if let Some((_, configs)) = follow(self, vocabulary, effects, self.begin, &tokens) {
                others.push(Spelling { tokens, configs });
            }
        }
        for (terminal, text) in endings.found {
            let text = [&space[..], &text[..]].concat();
            if effects.is_ignored(terminal) {
                ignored.extend(spell_on(self, vocabulary, effects, self.begin, &text, None));
            } else if text.len() > space.len() {
                for n in 1..text.len().min(MAX_TOKENS) {
                    self.tokens.extend(vocabulary.spell(&text[n..], MAX_TOKENS).into_iter().flatten());
                }
                if let Some(mut lexeme) = spell_on(self, vocabulary, effects, self.begin, &text, Some(terminal)) {
                    if lexeme.cost() >= MANY_TOKENS {
                        shorten(self, vocabulary, effects, &mut lexeme);
                    }
                    if self.filler.is_none() {
                        lexeme.stretch = stretch(self, vocabulary, effects, &text, terminal);
                    }
                    lexemes.push(lexeme);
                }
            }
        }
        lexemes.sort_by_key(|l| (l.cost(), l.terminal));
        self.tokens.extend(lexemes.iter().flat_map(|l| &l.inside).chain(lexemes.iter().map(|l| &l.spelling)).flat_map(|s| s.tokens.iter().copied()));
        self.tokens.sort_unstable();
        self.tokens.dedup();
        let mut seen: FxHashSet<ConfigId> = std::iter::once(self.begin).collect();
        let broken = self.broken_characters(vocabulary, effects, lexemes.iter().chain(&ignored).flat_map(|l| &l.inside).chain(&others));
        let mut parts: Vec<&Spelling> = lexemes.iter().chain(&ignored).flat_map(|l| &l.inside).chain(&others).chain(&broken).collect();
        parts.sort_by_key(|p| p.cost());
        parts.retain(|p| seen.insert(p.last(self.begin)));
        self.set_parts(parts.into_iter().cloned().map(Arc::new).collect());
        self.part_of = self.parts.iter().map(|p| (p.last(self.begin), p.clone())).collect();
        self.lexemes = lexemes.into();
    }

    fn set_parts(&mut self, parts: Vec<Arc<Spelling>>) {
        self.part_ends = parts.iter().map(|part| (part.last(self.begin), part.cost())).collect();
        self.part_ends.sort_unstable();
        self.parts = parts;
    }

    /// Ways to configurations inside a character of more than one byte, in lexemes that may hold any.
    fn broken_characters<'a>(&self, vocabulary: &Vocabulary, effects: &mut Effects, whole: impl Iterator<Item = &'a Spelling>) -> Vec<Spelling> {
        let classes = *effects.lexer.byte_classes();
        let mut seen_class = [false; 256];
        let high: Vec<u8> = (0x80..=0xFF).filter(|&b| !std::mem::replace(&mut seen_class[classes[b as usize] as usize], true)).collect();
        let mut ways: Vec<Spelling> = whole.cloned().collect();
        let mut seen: FxHashSet<ConfigId> = ways.iter().map(|w| w.last(self.begin)).collect();
        let (mut at, n_whole) = (0, ways.len());
        while at < ways.len() && ways.len() < n_whole + MAX_BROKEN {
            let here = ways[at].last(self.begin);
            for &byte in &high {
                let next = effects.lexer.step(here, byte);
                let class = classes[byte as usize];
                let token = (0x80..=0xFF).filter(|&b| classes[b as usize] == class).find_map(|b| vocabulary.byte_tokens[b as usize]);
                if let Some(token) = token.filter(|_| next != DEAD && seen.insert(next)) {
                    let mut way = ways[at].clone();
                    way.tokens.push(token);
                    way.configs.push(next);
                    ways.push(way);
                }
            }
            at += 1;
        }
        ways.split_off(n_whole)
    }

    /// What derivations from lexemes of the pool take.
    fn weigh(&mut self, cfg: &Cfg) {
        self.costs = Arc::new(Costs::new([Side::Left, Side::Right].map(|side| self.side_costs(cfg.side(side), cfg.n_symbols as usize))));
    }

    fn side_costs(&self, tables: &SideTables, n: usize) -> SideCosts {
        let known: Vec<(u32, Symbol)> = self.lexemes.iter().filter_map(|l| Some((l.cost(), l.terminal?))).collect();
        let least = cheapest(tables, known, &vec![NEVER; n], false);
        let inner = tables.waits.iter().filter(|&w| least[w as usize] != NEVER).collect();
        let mut pumps = Bits::new(n);
        for w in tables.waits.iter() {
            let one_more = |&(completed, parent): &(Symbol, Symbol)| least[completed as usize] == 1 && tables.up[parent as usize].contains(&w);
            if tables.joint.continue_[w as usize].iter().any(one_more) {
                pumps.insert(w);
            }
        }
        let elastic = if self.has_filler() {
            least.clone()
        } else {
            let stretched = self.lexemes.iter().filter_map(|l| Some((l.stretch.as_ref()?.cost(), l.terminal?)));
            let pumped = pumps.iter().filter(|&w| least[w as usize] != NEVER).map(|w| (least[w as usize], w));
            cheapest(tables, stretched.chain(pumped).collect(), &least, true)
        };
        SideCosts { least: least.into(), elastic: elastic.into(), inner, pumps }
    }
}

/// Letters with or without space around them, as keywords are.
pub(super) fn is_word(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.len() > 1 && text.iter().all(u8::is_ascii_alphabetic)
}

/// The least cost of each symbol from the costs of some, by rising cost (Knuth 1977). With `one`, only one child of a rule
/// is of the kind looked for, the other's cost is in `others`.
fn cheapest(tables: &SideTables, known: Vec<(u32, Symbol)>, others: &[u32], one: bool) -> Vec<u32> {
    let mut costs = vec![NEVER; others.len()];
    let mut agenda: BinaryHeap<Reverse<(u32, Symbol)>> = known.into_iter().map(Reverse).collect();
    while let Some(Reverse((cost, x))) = agenda.pop() {
        for &y in tables.up[x as usize].iter() {
            if costs[y as usize] <= cost {
                continue;
            }
            costs[y as usize] = cost;
            let pairs = tables.joint.combine[y as usize].iter().chain(tables.joint.continue_[y as usize].iter());
            for &(sibling, parent) in pairs {
                let more = if one { others[sibling as usize] } else { costs[sibling as usize] };
                let total = cost.saturating_add(more);
                if total < costs[parent as usize] {
                    agenda.push(Reverse((total, parent)));
                }
            }
        }
    }
    costs
}

/// How a lexeme takes more tokens: at a place where one token leaves the lexer as it is, with a space around it if need be.
fn stretch(pool: &mut Pool, vocabulary: &Vocabulary, effects: &mut Effects, text: &[u8], terminal: TerminalId) -> Option<Stretch> {
    let begin = pool.begin;
    let texts = [text.to_vec(), [b" ", text].concat(), [text, b" "].concat()];
    let mut best: Option<Stretch> = None;
    for text in texts {
        for n in 1..=text.len().min(MAX_TOKENS) {
            let found = (|| {
                let tokens = vocabulary.spell(&text[..n], MAX_TOKENS)?;
                let (middle, configs) = follow(pool, vocabulary, effects, begin, &tokens)?;
                let repeated = pool.loop_token(vocabulary, effects, middle)?;
                let head = Spelling { tokens, configs };
                let tokens = vocabulary.spell(&text[n..], MAX_TOKENS)?;
                let (end, configs) = follow(pool, vocabulary, effects, middle, &tokens)?;
                pool.may_close(effects, end, Some(terminal)).then_some(Stretch { head, repeated, tail: Spelling { tokens, configs } })
            })();
            if let Some(found) = found.filter(|f| best.as_ref().is_none_or(|b| f.cost() < b.cost())) {
                best = Some(found);
            }
        }
    }
    best
}

/// A token of ignorable text that may be repeated, and the configuration behind it.
fn find_filler(vocabulary: &Vocabulary, effects: &mut Effects, start: ConfigId) -> Option<(TokenId, ConfigId)> {
    [b' ', b'\n', b'\t', b','].into_iter().find_map(|byte| {
        let token = vocabulary.byte_tokens[byte as usize]?;
        let ends = ends_of(effects, vocabulary, start, token, &[]);
        let behind = ends.iter().map(|end| end.0).find(|&c| may_end_as(effects, c, None))?;
        let again = ends_of(effects, vocabulary, behind, token, &[]);
        again.contains(&(behind, 0)).then_some((token, behind))
    })
}

/// Where a token may end if it finishes some of these terminals, in order, and none else but ignored ones; with how many it did.
fn ends_of(
    effects: &mut Effects,
    vocabulary: &Vocabulary,
    c: ConfigId,
    token: TokenId,
    terminals: &[TerminalId],
) -> SmallVec<[(ConfigId, usize); 2]> {
    let mut ends = SmallVec::new();
    let mut stack: SmallVec<[(EffectId, usize); 4]> = SmallVec::from_slice(&[(effects.of_token(vocabulary, c, token), 0)]);
    while let Some((effect, done)) = stack.pop() {
        for &branch in effects.branches(effect) {
            match branch {
                Branch::End(d) => ends.push((d, done)),
                Branch::Skip(rest) => stack.push((rest, done)),
                Branch::Emit(t, rest) if terminals.get(done) == Some(&t) => stack.push((rest, done + 1)),
                Branch::Emit(..) => {}
            }
        }
    }
    ends.sort_unstable();
    ends
}

/// The configurations behind each of these tokens on a way that finishes some of these terminals, in order, and whose last
/// configuration is right (`fits`, asked with the terminals that are left). Where lexemes of the pool begin, a way has to be one
/// whether or not filler stands in front.
fn thread(
    pool: &Pool,
    vocabulary: &Vocabulary,
    effects: &mut Effects,
    c: ConfigId,
    tokens: &[TokenId],
    terminals: &[TerminalId],
    fits: Fits<'_>,
) -> Option<Vec<ConfigId>> {
    let Some((&token, rest)) = tokens.split_first() else { return fits(effects, c, terminals).then(Vec::new) };
    let mut ends = ends_of(effects, vocabulary, c, token, terminals);
    if c == pool.begin && pool.start != c {
        let as_well = ends_of(effects, vocabulary, pool.start, token, terminals);
        ends.retain(|end| as_well.contains(end));
    }
    ends.into_iter().find_map(|end| thread_on(vocabulary, effects, end, rest, terminals, fits))
}

/// The same behind a first token that ended so.
fn thread_on(
    vocabulary: &Vocabulary,
    effects: &mut Effects,
    (c, done): (ConfigId, usize),
    tokens: &[TokenId],
    terminals: &[TerminalId],
    fits: Fits<'_>,
) -> Option<Vec<ConfigId>> {
    let terminals = &terminals[done..];
    let Some((&token, rest)) = tokens.split_first() else { return fits(effects, c, terminals).then(|| vec![c]) };
    let ends = ends_of(effects, vocabulary, c, token, terminals);
    let mut configs = ends.into_iter().find_map(|end| thread_on(vocabulary, effects, end, rest, terminals, fits))?;
    configs.insert(0, c);
    Some(configs)
}

type Fits<'a> = &'a dyn Fn(&mut Effects, ConfigId, &[TerminalId]) -> bool;

/// A shortest text for each terminal that the lexeme of `c` may end as (or, if `c` is fresh, for each terminal), until `enough`
/// terminals are found. Where filler cannot end the lexeme, another byte of ignorable text is part of the text.
fn endings(pool: &Pool, effects: &mut Effects, c: ConfigId, limit: usize, enough: usize) -> Endings {
    let mut found: Vec<(TerminalId, Vec<u8>)> = Vec::new();
    let mut has: FxHashSet<TerminalId> = FxHashSet::default();
    let agenda = reachable(effects, c, limit, |effects, agenda, at| {
        let cuts: SmallVec<[(TerminalId, ConfigId); 4]> = SmallVec::from_slice(effects.lexer.cuts(agenda[at].0));
        for (t, fresh) in cuts {
            if has.contains(&t) {
                continue;
            }
            let more: Option<&[u8]> = if pool.is_hub(effects, fresh) {
                Some(b"")
            } else if pool.space.is_some() && effects.lexer.step(fresh, b'\n') == pool.begin {
                Some(b"\n")
            } else {
                None
            };
            if let Some(more) = more {
                has.insert(t);
                found.push((t, [&text_to(agenda, at)[..], more].concat()));
            }
        }
        found.len() >= enough
    });
    Endings { found, agenda }
}

struct Endings {
    found: Vec<(TerminalId, Vec<u8>)>,
    agenda: Agenda,
}

/// Configurations in the order in which they were found: each with where it was found from, by which byte.
type Agenda = Vec<(ConfigId, usize, u8)>;

/// What bytes lead to from `c`, breadth first, no more than about `limit`; `visit` sees each entry and may end the search.
fn reachable(effects: &mut Effects, c: ConfigId, limit: usize, mut visit: impl FnMut(&mut Effects, &Agenda, usize) -> bool) -> Agenda {
    let bytes = byte_choices(effects);
    let mut agenda: Agenda = vec![(c, usize::MAX, 0)];
    let mut seen: FxHashSet<ConfigId> = std::iter::once(c).collect();
    let mut at = 0;
    while at < agenda.len() && agenda.len() < limit && !visit(effects, &agenda, at) {
        let here = agenda[at].0;
        for &byte in &bytes {
            let next = effects.lexer.step(here, byte);
            if next != DEAD && seen.insert(next) {
                agenda.push((next, at, byte));
            }
        }
        at += 1;
    }
    agenda
}

/// The bytes that lead to an entry of the agenda.
fn text_to(agenda: &[(ConfigId, usize, u8)], mut at: usize) -> Vec<u8> {
    let mut text = Vec::new();
    while agenda[at].1 != usize::MAX {
        text.push(agenda[at].2);
        at = agenda[at].1;
    }
    text.reverse();
    text
}

/// One byte for each class of bytes, letters first.
fn byte_choices(effects: &Effects) -> Vec<u8> {
    let classes = *effects.lexer.byte_classes();
    let mut seen = [false; 256];
    let order = (b'a'..=b'z').chain(b'A'..=b'Z').chain(b'0'..=b'9').chain(b' '..=b'~').chain(0..=255);
    order.filter(|&b| !std::mem::replace(&mut seen[classes[b as usize] as usize], true)).collect()
}

/// Spells `text` in the fewest tokens, as a lexeme of `terminal` from `c` on, and the ways into it.
fn spell_on(
    pool: &Pool,
    vocabulary: &Vocabulary,
    effects: &mut Effects,
    c: ConfigId,
    text: &[u8],
    terminal: Option<TerminalId>,
) -> Option<Completion> {
    let tokens = vocabulary.spell(text, MAX_TOKENS)?;
    let mut completion = complete_with(pool, vocabulary, effects, c, tokens, None, terminal)?;
    for n in 1..=text.len().saturating_sub(1).min(MAX_TOKENS) {
        let Some(tokens) = vocabulary.spell(&text[..n], MAX_TOKENS) else { continue };
        if let Some((_, configs)) = follow(pool, vocabulary, effects, c, &tokens) {
            completion.inside.push(Spelling { tokens, configs });
        }
    }
    Some(completion)
}

/// Follows the lexer from `c` through a lexeme of `terminal` (none: ignored), maybe behind another, that may end behind the last
/// token, or has ended before ignorable text at the end of the last token.
fn complete_with(
    pool: &Pool,
    vocabulary: &Vocabulary,
    effects: &mut Effects,
    c: ConfigId,
    tokens: Vec<TokenId>,
    before: Option<TerminalId>,
    terminal: Option<TerminalId>,
) -> Option<Completion> {
    let terminals: SmallVec<[TerminalId; 2]> = before.into_iter().chain(terminal).collect();
    let fits = |effects: &mut Effects, end: ConfigId, left: &[TerminalId]| match left {
        [] if end == pool.begin => true,
        [] => terminal.is_none() && pool.may_close(effects, end, None),
        [last] if terminal.is_some() => pool.may_close(effects, end, Some(*last)),
        _ => false,
    };
    let configs = thread(pool, vocabulary, effects, c, &tokens, &terminals, &fits)?;
    let spelling = Spelling { tokens, configs };
    let mut inside: Vec<Spelling> = Vec::new();
    let last = spelling.last(c);
    if !spelling.tokens.is_empty()
        && let Some(configs) = thread(pool, vocabulary, effects, c, &spelling.tokens, &[], &|_, end, _| end == last)
    {
        inside.push(Spelling { configs, ..spelling.clone() });
    }
    let beyond = before.and_then(|before| {
        let configs = thread(pool, vocabulary, effects, c, &spelling.tokens, &[before], &|_, end, left| left.is_empty() && end == last)?;
        Some(Spelling { configs, ..spelling.clone() })
    });
    Some(Completion { before, terminal, spelling, inside, beyond, stretch: None })
}

/// The same lexeme in fewer tokens, if from a configuration on its way one other token ends it.
fn shorten(pool: &Pool, vocabulary: &Vocabulary, effects: &mut Effects, lexeme: &mut Completion) {
    let mut ways = lexeme.inside.clone();
    ways.sort_by_key(Spelling::cost);
    for way in ways {
        if way.cost() + 1 >= lexeme.cost() {
            return;
        }
        if effects.lexer.is_opaque(way.last(pool.begin)) {
            continue; // all tokens would have to be looked at, and what ends such a lexeme is short
        }
        for class in effects.classes(vocabulary, way.last(pool.begin)).iter() {
            if !may_end_with(pool, effects, class.effect, lexeme.terminal) {
                continue;
            }
            let tokens = [&way.tokens[..], &class.tokens.list[..1]].concat();
            if let Some(shorter) = complete_with(pool, vocabulary, effects, pool.begin, tokens, None, lexeme.terminal) {
                lexeme.spelling = shorter.spelling;
                lexeme.inside.extend(shorter.inside);
                return;
            }
        }
    }
}

/// Whether a token of this effect can be the last one of a lexeme of `terminal`.
fn may_end_with(pool: &Pool, effects: &mut Effects, effect: EffectId, terminal: Option<TerminalId>) -> bool {
    let branches: SmallVec<[Branch; 4]> = SmallVec::from_slice(effects.branches(effect));
    branches.into_iter().any(|branch| match branch {
        Branch::End(c) => pool.may_close(effects, c, terminal),
        Branch::Emit(t, _) => terminal == Some(t),
        Branch::Skip(_) => terminal.is_none(),
    })
}

/// The configurations behind each of these tokens if no terminal ends in them, and the last one.
fn follow(pool: &Pool, vocabulary: &Vocabulary, effects: &mut Effects, c: ConfigId, tokens: &[TokenId]) -> Option<(ConfigId, Vec<ConfigId>)> {
    let configs = thread(pool, vocabulary, effects, c, tokens, &[], &|_, _, _| true)?;
    Some((configs.last().copied().unwrap_or(c), configs))
}

fn may_end_as(effects: &mut Effects, c: ConfigId, terminal: Option<TerminalId>) -> bool {
    let cuts: SmallVec<[(TerminalId, ConfigId); 4]> = SmallVec::from_slice(effects.lexer.cuts(c));
    cuts.iter().any(|(t, _)| terminal.map_or_else(|| effects.is_ignored(*t), |want| want == *t))
}
