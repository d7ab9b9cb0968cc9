//! What a token does to the lexer: which lexemes it finishes and where it leaves the lexer.
//!
//! Terms. An *effect* is a small tree: `End(c)`, the token ends inside a lexeme, in configuration `c`;
//! `Emit(t, e)`, the present lexeme ends as terminal `t` and the rest of the token has effect `e`;
//! `Skip(e)`, the same for an ignored terminal. A branching effect means several lexings. Effects are
//! hash-consed: tokens that behave alike have the same effect, and the tokens of one effect in one
//! configuration are a *class*. (GreatGramma, arXiv 2502.05111, calls the rows of this table realizable
//! terminal sequences.)
//!
//! A lexeme that may end exactly at the end of a token is cut when the next token begins, so `End`
//! configurations are never fresh.
//!
//! Invariants: `EffectId` 0 is dead; an effect's parts have smaller ids than the effect; class tables
//! are complete and never change.
//! Cost: one class table = one walk of the live part of the trie, with the part below each first byte
//! remembered per configuration; [`Effects::memory_bytes`] counts it and `max_bytes` bounds it (the
//! tables are dropped and made again when it is exceeded).

use super::groups::{Group, Groups};
use super::rows::{Leads, Row, Rows};
use super::{NodeId, TokenId, Vocabulary};
use crate::grammar::Bits;
use crate::lexer::{ConfigId, Lexer, TerminalId};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

pub type EffectId = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Branch {
    End(ConfigId),
    Emit(TerminalId, EffectId),
    Skip(EffectId),
}

type Branches = SmallVec<[Branch; 2]>;

#[derive(Clone, Debug)]
pub struct Class {
    pub effect: EffectId,
    pub tokens: TokenSet,
}

/// A set of tokens; equal sets are stored once.
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// Sorted by id.
    pub list: Arc<[TokenId]>,
    /// The same as bits, if there are many.
    bits: Option<Arc<Bits>>,
}

/// Effects of single tokens that are remembered.
const MAX_REMEMBERED: usize = 4_000_000;
/// Tokens from which on a set is kept as bits too.
const MANY_TOKENS: usize = 1024;

impl TokenSet {
    fn new(vocabulary: &Vocabulary, tokens: Vec<TokenId>) -> TokenSet {
        let bits = (tokens.len() >= MANY_TOKENS).then(|| {
            let mut bits = Bits::new(vocabulary.n_logits as usize);
            tokens.iter().for_each(|&t| _ = bits.insert(t));
            Arc::new(bits)
        });
        TokenSet { list: tokens.into(), bits }
    }

    /// The set of these tokens, in any order.
    fn of_any(vocabulary: &Vocabulary, mut tokens: Vec<TokenId>) -> TokenSet {
        if tokens.len() < MANY_TOKENS {
            tokens.sort_unstable();
            return TokenSet::new(vocabulary, tokens);
        }
        let mut bits = Bits::new(vocabulary.n_logits as usize);
        tokens.iter().for_each(|&t| _ = bits.insert(t));
        TokenSet { list: bits.iter().collect(), bits: Some(Arc::new(bits)) }
    }

    fn memory_bytes(&self) -> usize {
        self.list.len() * 4 + 48 + self.bits.as_ref().map_or(0, |b| b.memory_bytes())
    }

    /// Moves those of its tokens that are in `from` to `to`.
    pub fn move_over(&self, from: &mut Bits, to: &mut Bits) {
        if let Some(bits) = &self.bits {
            let mut moved = (**bits).clone();
            moved.intersect(from);
            from.subtract(&moved);
            to.union(&moved);
            return;
        }
        for &t in self.list.iter().filter(|&&t| from.has(t)).collect::<SmallVec<[&TokenId; 16]>>() {
            from.remove(t);
            to.insert(t);
        }
    }

    pub fn meets(&self, other: &Bits) -> bool {
        match &self.bits {
            Some(bits) => bits.meets(other),
            None => self.list.iter().any(|&t| other.has(t)),
        }
    }
}

pub type ClassTable = Arc<[Class]>;

type Pairs = Vec<(TokenId, EffectId)>;

/// The live effects of many tokens, and all configurations they end in, sorted.
#[derive(Clone, Debug)]
pub struct EffectList {
    pub group: Arc<Group>,
    pub ends: Arc<[ConfigId]>,
    /// The effects of a list of tokens, each with the first token that has it; in the order of these.
    pub first: Arc<[(EffectId, TokenId)]>,
}

/// A list of tokens, and what is in it by first byte.
#[derive(Debug)]
struct TokenList {
    _kept: Arc<[TokenId]>,
    by_byte: Vec<(u8, Vec<TokenId>)>,
}

impl TokenList {
    fn new(vocabulary: &Vocabulary, tokens: &Arc<[TokenId]>) -> TokenList {
        let mut of_byte: BTreeMap<u8, Vec<TokenId>> = BTreeMap::new();
        for &t in tokens.iter() {
            vocabulary.first_byte(t).into_iter().for_each(|byte| of_byte.entry(byte).or_default().push(t));
        }
        TokenList { _kept: tokens.clone(), by_byte: of_byte.into_iter().collect() }
    }
}

/// A configuration, and the address and length of a shared list of tokens (0: the whole vocabulary).
type ListKey = (ConfigId, usize, usize);

#[derive(Debug)]
pub struct Effects {
    pub lexer: Lexer,
    ignored: Vec<bool>,
    effects: Vec<Branches>,
    ids: FxHashMap<Branches, EffectId>,
    /// By configuration: the effect of ending in it, dead if nobody has asked.
    ends: Vec<EffectId>,
    of_token: FxHashMap<(ConfigId, TokenId), EffectId>,
    /// The same of what follows a token's first byte.
    of_rest: FxHashMap<(ConfigId, TokenId), EffectId>,
    lists: FxHashMap<ListKey, EffectList>,
    /// Token lists in use, by address; kept alive so that it stays their own.
    token_lists: FxHashMap<usize, Arc<TokenList>>,
    /// (configuration behind a byte, trie node of that byte) -> tokens below and their effects.
    below: FxHashMap<(ConfigId, NodeId), Arc<Pairs>>,
    classes: FxHashMap<ConfigId, ClassTable>,
    /// Classes of tokens whose first byte the configuration reads itself.
    classes_on: FxHashMap<ConfigId, ClassTable>,
    /// Classes of tokens that do not end the configuration's lexeme.
    classes_within: FxHashMap<ConfigId, ClassTable>,
    classes_below: FxHashMap<(ConfigId, NodeId), ClassTable>,
    token_sets: FxHashMap<u64, SmallVec<[TokenSet; 1]>>,
    rows: Rows,
    pub(super) groups: Groups,
    bytes: usize,
    pub max_bytes: usize,
    pub trie_nodes: usize,
}

impl Effects {
    pub const DEAD: EffectId = 0;

    pub fn new(lexer: Lexer, ignore: &[TerminalId], n_terminals: usize, max_bytes: usize) -> Effects {
        let mut ignored = vec![false; n_terminals];
        for &t in ignore {
            ignored[t as usize] = true;
        }
        let mut effects = Effects {
            lexer,
            ignored,
            effects: Vec::new(),
            ids: FxHashMap::default(),
            ends: Vec::new(),
            of_token: FxHashMap::default(),
            of_rest: FxHashMap::default(),
            lists: FxHashMap::default(),
            token_lists: FxHashMap::default(),
            below: FxHashMap::default(),
            classes: FxHashMap::default(),
            classes_on: FxHashMap::default(),
            classes_within: FxHashMap::default(),
            classes_below: FxHashMap::default(),
            token_sets: FxHashMap::default(),
            rows: Rows::default(),
            groups: Groups::default(),
            bytes: 0,
            max_bytes,
            trie_nodes: 0,
        };
        effects.intern(Branches::new());
        effects
    }

    pub fn is_ignored(&self, terminal: TerminalId) -> bool {
        self.ignored[terminal as usize]
    }

    #[inline]
    pub fn branches(&self, effect: EffectId) -> &[Branch] {
        &self.effects[effect as usize]
    }

    pub fn n_effects(&self) -> usize {
        self.effects.len()
    }

    pub fn memory_bytes(&self) -> usize {
        self.bytes
            + self.groups.memory_bytes()
            + self.rows.memory_bytes()
            + self.effects.len() * 60
            + (self.of_token.len() + self.of_rest.len()) * 16
            + self.lexer.memory_bytes()
    }

    fn intern(&mut self, mut branches: Branches) -> EffectId {
        branches.sort_unstable();
        branches.dedup();
        if let Some(&id) = self.ids.get(&branches) {
            return id;
        }
        let id = self.effects.len() as EffectId;
        self.effects.push(branches.clone());
        self.ids.insert(branches, id);
        id
    }

    /// The branch of ending a lexeme of this terminal in front of what has this effect.
    pub fn wrap(&self, terminal: TerminalId, rest: EffectId) -> Option<Branch> {
        if rest == Self::DEAD {
            return None;
        }
        Some(if self.ignored[terminal as usize] { Branch::Skip(rest) } else { Branch::Emit(terminal, rest) })
    }

    /// The effect of one token in configuration `c`.
    pub fn of_token(&mut self, vocabulary: &Vocabulary, c: ConfigId, token: TokenId) -> EffectId {
        if let Some(&known) = self.of_token.get(&(c, token)) {
            return known;
        }
        let text = vocabulary.text(token);
        let effect = if text.is_empty() { Self::DEAD } else { self.of_bytes(c, text) };
        if self.of_token.len() > MAX_REMEMBERED {
            self.of_token.clear();
        }
        self.of_token.insert((c, token), effect);
        effect
    }

    /// What tokens (none: all of them) do whose first byte is read by configuration `c` itself: the lexeme goes on, or, if
    /// `c` is fresh, begins. With what they do behind a lexeme that ends ([`Lexer::cuts`]) these are all effects in `c`.
    pub fn going_on(&mut self, vocabulary: &Vocabulary, c: ConfigId, tokens: Option<&Arc<[TokenId]>>) -> EffectList {
        let key = (c, tokens.map_or(0, |t| t.as_ptr() as usize), tokens.map_or(0, |t| t.len()));
        if let Some(known) = self.lists.get(&key) {
            return known.clone();
        }
        self.make_room();
        let mut all: Vec<EffectId> = Vec::new();
        let mut first: Vec<(EffectId, TokenId)> = Vec::new();
        match tokens {
            None => {
                for (byte, child) in vocabulary.children(Vocabulary::ROOT) {
                    let d = self.lexer.step(c, byte);
                    if d != ConfigId(0) {
                        all.extend(self.remembered(vocabulary, d, child).iter().map(|p| p.1));
                        all.sort_unstable();
                        all.dedup();
                    }
                }
            }
            Some(tokens) => {
                let list = self.token_lists.entry(key.1).or_insert_with(|| Arc::new(TokenList::new(vocabulary, tokens))).clone();
                for (byte, tokens) in &list.by_byte {
                    let d = self.lexer.step(c, *byte);
                    if d != ConfigId(0) {
                        first.extend(tokens.iter().map(|&t| (self.behind_first(vocabulary, d, t), t)).filter(|pair| pair.0 != Self::DEAD));
                    }
                }
                first.sort_unstable();
                first.dedup_by_key(|pair| pair.0);
                all.extend(first.iter().map(|pair| pair.0));
                first.sort_unstable_by_key(|pair| pair.1);
            }
        }
        all.retain(|&e| e != Self::DEAD);
        let mut ends: Vec<ConfigId> = Vec::new();
        for &e in &all {
            self.ends_of(e, &mut ends);
        }
        ends.sort_unstable();
        ends.dedup();
        self.bytes += ends.len() * 4 + first.len() * 8 + 112;
        let list = EffectList { group: self.group_of(&all), ends: ends.into(), first: first.into() };
        self.lists.insert(key, list.clone());
        list
    }

    /// One token for each effect of tokens whose first byte is read by configuration `c` itself.
    pub fn first_tokens(&mut self, vocabulary: &Vocabulary, c: ConfigId) -> Vec<(EffectId, TokenId)> {
        let mut seen: FxHashMap<EffectId, TokenId> = FxHashMap::default();
        for (byte, child) in vocabulary.children(Vocabulary::ROOT) {
            let d = self.lexer.step(c, byte);
            if d != ConfigId(0) {
                for &(token, effect) in self.remembered(vocabulary, d, child).iter() {
                    let known = seen.entry(effect).or_insert(token);
                    *known = (*known).min(token);
                }
            }
        }
        let mut found: Vec<(EffectId, TokenId)> = seen.into_iter().collect();
        found.sort_unstable_by_key(|f| f.1);
        found
    }

    /// The effect of what follows a token's first byte, in configuration `d`.
    pub fn behind_first(&mut self, vocabulary: &Vocabulary, d: ConfigId, token: TokenId) -> EffectId {
        let Some((_, rest)) = vocabulary.text(token).split_first() else { return Self::DEAD };
        match (d, rest.is_empty()) {
            (ConfigId(0), _) => Self::DEAD,
            (_, true) => self.end(d),
            (_, false) => {
                if let Some(&known) = self.of_rest.get(&(d, token)) {
                    return known;
                }
                let effect = self.of_bytes(d, rest);
                if self.of_rest.len() > MAX_REMEMBERED {
                    self.of_rest.clear();
                }
                self.of_rest.insert((d, token), effect);
                effect
            }
        }
    }

    /// The branches of a token's effect in configuration `c`, not remembered as a whole: behind the token's first byte most configurations
    /// are dead, or one.
    pub fn branches_of(&mut self, vocabulary: &Vocabulary, c: ConfigId, token: TokenId) -> SmallVec<[Branch; 4]> {
        let mut branches = SmallVec::new();
        let Some(first) = vocabulary.first_byte(token) else { return branches };
        let d = self.lexer.step(c, first);
        if d != ConfigId(0) {
            let on = self.behind_first(vocabulary, d, token);
            branches.extend_from_slice(self.branches(on));
        }
        for at in 0..self.lexer.cuts(c).len() {
            let (terminal, fresh) = self.lexer.cuts(c)[at];
            let begun = self.lexer.step(fresh, first);
            if begun != ConfigId(0) {
                let rest = self.behind_first(vocabulary, begun, token);
                branches.extend(self.wrap(terminal, rest));
            }
        }
        branches
    }

    /// All configurations in which an effect may end.
    pub fn ends_of(&self, effect: EffectId, out: &mut Vec<ConfigId>) {
        let mut stack: SmallVec<[EffectId; 8]> = SmallVec::from_slice(&[effect]);
        let mut seen: SmallVec<[EffectId; 8]> = SmallVec::new();
        while let Some(e) = stack.pop() {
            for &branch in self.branches(e) {
                match branch {
                    Branch::End(c) => out.push(c),
                    Branch::Emit(_, rest) | Branch::Skip(rest) => {
                        if !seen.contains(&rest) {
                            seen.push(rest);
                            stack.push(rest);
                        }
                    }
                }
            }
        }
    }

    /// The effect of a byte string in configuration `c`. Worked out from the back, one row of
    /// configurations per byte, so that text of any length needs no deep recursion.
    pub fn of_bytes(&mut self, mut c: ConfigId, mut text: &[u8]) -> EffectId {
        // As long as no lexeme may end, there is one way.
        while let Some((&byte, rest)) = text.split_first() {
            match self.only_way(c, byte) {
                Some(ConfigId(0)) => return Self::DEAD,
                Some(on) => (c, text) = (on, rest),
                None => break,
            }
        }
        if text.is_empty() {
            return self.end(c);
        }
        // Configurations that are live before each byte.
        let mut live: Vec<Vec<ConfigId>> = vec![vec![c]];
        for &byte in text {
            let mut next: Vec<ConfigId> = Vec::new();
            for d in live.last().cloned().unwrap_or_default() {
                self.successors(d, byte, |_, d2| next.push(d2));
            }
            next.sort_unstable();
            next.dedup();
            live.push(next);
        }
        let mut after: FxHashMap<ConfigId, EffectId> = FxHashMap::default();
        for d in live.pop().unwrap_or_default() {
            let end = self.end(d);
            after.insert(d, end);
        }
        for (at, configs) in live.into_iter().enumerate().rev() {
            let mut before: FxHashMap<ConfigId, EffectId> = FxHashMap::default();
            for d in configs {
                let mut branches = Branches::new();
                let mut parts: SmallVec<[(Option<TerminalId>, EffectId); 2]> = SmallVec::new();
                self.successors(d, text[at], |t, d2| {
                    parts.push((t, after.get(&d2).copied().unwrap_or(Self::DEAD)));
                });
                for (t, effect) in parts {
                    match t {
                        None => branches.extend_from_slice(&self.effects[effect as usize].clone()),
                        Some(t) => branches.extend(self.wrap(t, effect)),
                    }
                }
                let effect = self.intern(branches);
                before.insert(d, effect);
            }
            after = before;
        }
        after.get(&c).copied().unwrap_or(Self::DEAD)
    }

    /// The effect of a token that ends in configuration `c`.
    fn end(&mut self, c: ConfigId) -> EffectId {
        let at = c.0 as usize;
        if self.ends.len() <= at {
            self.ends.resize(at + 1, Self::DEAD);
        }
        if self.ends[at] == Self::DEAD {
            self.ends[at] = self.intern(SmallVec::from_slice(&[Branch::End(c)]));
        }
        self.ends[at]
    }

    /// Where `d` goes on with a byte, dead or not, if no lexeme may end in front of it.
    #[inline]
    fn only_way(&mut self, d: ConfigId, byte: u8) -> Option<ConfigId> {
        for at in 0..self.lexer.cuts(d).len() {
            let fresh = self.lexer.cuts(d)[at].1;
            if self.lexer.step(fresh, byte) != ConfigId(0) {
                return None;
            }
        }
        Some(self.lexer.step(d, byte))
    }

    /// The ways to read one more byte in `d`: the lexeme goes on (`None`), or it ends here as a
    /// terminal and the byte begins the next one.
    #[inline]
    fn successors(&mut self, d: ConfigId, byte: u8, mut found: impl FnMut(Option<TerminalId>, ConfigId)) {
        let on = self.lexer.step(d, byte);
        if on != ConfigId(0) {
            found(None, on);
        }
        let cuts: SmallVec<[(TerminalId, ConfigId); 4]> = SmallVec::from_slice(self.lexer.cuts(d));
        for (t, fresh) in cuts {
            let begun = self.lexer.step(fresh, byte);
            if begun != ConfigId(0) {
                found(Some(t), begun);
            }
        }
    }

    /// All live tokens in configuration `c`, grouped by effect; classes in order of effect id.
    pub fn classes(&mut self, vocabulary: &Vocabulary, c: ConfigId) -> ClassTable {
        if let Some(known) = self.classes.get(&c) {
            return known.clone();
        }
        self.make_room();
        let mut pairs: Pairs = Vec::new();
        for (byte, child) in vocabulary.children(Vocabulary::ROOT) {
            let mut ways: SmallVec<[(Option<TerminalId>, ConfigId); 2]> = SmallVec::new();
            self.successors(c, byte, |t, d| ways.push((t, d)));
            let parts: SmallVec<[(Option<TerminalId>, Arc<Pairs>); 2]> =
                ways.into_iter().map(|(t, d)| (t, self.remembered(vocabulary, d, child))).collect();
            self.join(&parts, &mut pairs);
        }
        let table = self.group(vocabulary, pairs);
        self.classes.insert(c, table.clone());
        table
    }

    /// The tokens whose first byte is read by configuration `c` itself, grouped by effect.
    pub fn classes_on(&mut self, vocabulary: &Vocabulary, c: ConfigId) -> ClassTable {
        if let Some(known) = self.classes_on.get(&c) {
            return known.clone();
        }
        self.make_room();
        let mut pairs: Pairs = Vec::new();
        for (byte, child) in vocabulary.children(Vocabulary::ROOT) {
            let d = self.lexer.step(c, byte);
            if d != ConfigId(0) {
                pairs.extend_from_slice(&self.remembered(vocabulary, d, child));
            }
        }
        let table = self.group(vocabulary, pairs);
        self.classes_on.insert(c, table.clone());
        table
    }

    /// The tokens that configuration `c` reads from their first byte to their last without ending its lexeme, grouped by where that
    /// leads. They may be read in other ways as well.
    pub fn classes_within(&mut self, vocabulary: &Vocabulary, c: ConfigId) -> ClassTable {
        if let Some(known) = self.classes_within.get(&c) {
            return known.clone();
        }
        self.make_room();
        let (_, n_nodes) = vocabulary.byte_and_end(Vocabulary::ROOT);
        let mut by_end: Vec<(ConfigId, Vec<TokenId>)> = Vec::new();
        let mut latest = 0;
        let mut path: Vec<(NodeId, ConfigId)> = vec![(n_nodes, c)];
        let mut node = Vocabulary::ROOT + 1;
        while node < n_nodes {
            self.trie_nodes += 1;
            let (byte, end) = vocabulary.byte_and_end(node);
            let on = self.lexer.step(above(&mut path, node), byte);
            if on == ConfigId(0) {
                node = end;
                continue;
            }
            let here = vocabulary.tokens_at(node);
            if !here.is_empty() {
                if by_end.get(latest).is_none_or(|run| run.0 != on) {
                    latest = by_end.iter().position(|run| run.0 == on).unwrap_or(by_end.len());
                }
                if latest == by_end.len() {
                    by_end.push((on, Vec::new()));
                }
                by_end[latest].1.extend_from_slice(here);
            }
            path.push((end, on));
            node += 1;
        }
        let table = self.classes_of(vocabulary, by_end);
        self.bytes += table.iter().map(|class| class.tokens.memory_bytes() + 24).sum::<usize>();
        self.classes_within.insert(c, table.clone());
        table
    }

    /// Classes by the configuration behind their tokens.
    fn classes_of(&mut self, vocabulary: &Vocabulary, mut by_end: Vec<(ConfigId, Vec<TokenId>)>) -> ClassTable {
        by_end.sort_unstable_by_key(|run| run.0);
        let class = |(end, tokens): (ConfigId, Vec<TokenId>)| Class { effect: self.end(end), tokens: TokenSet::of_any(vocabulary, tokens) };
        by_end.into_iter().map(class).collect()
    }

    /// The configurations behind a byte, each with the positions of a row from which it leads there.
    pub fn behind_byte(&mut self, row: &Row<'_>, byte: u8) -> Leads<u32> {
        self.rows.behind(&mut self.lexer, row.id, row.configs, byte)
    }

    /// A row that will be asked about several bytes.
    pub fn row<'a>(&mut self, configs: &'a [ConfigId]) -> Row<'a> {
        Row { id: self.rows.id_of(configs), configs }
    }

    /// The positions of comments and strings in a row, those first that take in more, each with where plain text leads from there.
    pub fn opaque_among(&mut self, configs: &[ConfigId]) -> Arc<[(u32, ConfigId)]> {
        self.rows.opaque(&mut self.lexer, configs)
    }

    /// The fresh configurations behind the lexemes that may end at a row, each with these and their positions.
    pub fn fresh_behind(&mut self, configs: &[ConfigId]) -> Leads<(TerminalId, u32)> {
        self.rows.fresh(&mut self.lexer, configs)
    }

    /// Drops the tables when they take up too much.
    pub(super) fn make_room(&mut self) {
        if self.bytes + self.groups.memory_bytes() > self.max_bytes {
            self.groups.clear();
            self.below.clear();
            self.lists.clear();
            self.classes.clear();
            self.classes_on.clear();
            self.classes_within.clear();
            self.classes_below.clear();
            self.token_sets.clear();
            self.bytes = 0;
        }
    }

    /// The tokens at and below a trie node, grouped by effect, from configuration `d` behind the node's byte.
    pub fn classes_below(&mut self, vocabulary: &Vocabulary, d: ConfigId, node: NodeId) -> ClassTable {
        if let Some(known) = self.classes_below.get(&(d, node)) {
            return known.clone();
        }
        self.make_room();
        let pairs = self.remembered(vocabulary, d, node);
        let table = self.group(vocabulary, pairs.to_vec());
        self.classes_below.insert((d, node), table.clone());
        table
    }

    fn remembered(&mut self, vocabulary: &Vocabulary, d: ConfigId, node: NodeId) -> Arc<Pairs> {
        if let Some(known) = self.below.get(&(d, node)) {
            return known.clone();
        }
        let mut pairs = Pairs::new();
        self.walk(vocabulary, d, node, &mut pairs);
        let pairs = Arc::new(pairs);
        self.bytes += pairs.len() * 8 + 64;
        self.below.insert((d, node), pairs.clone());
        pairs
    }

    /// Tokens at and below `node`, read from `d` on, in trie order.
    fn walk(&mut self, vocabulary: &Vocabulary, d: ConfigId, node: NodeId, out: &mut Pairs) {
        let (_, last) = vocabulary.byte_and_end(node);
        self.add_here(vocabulary, d, node, out);
        let mut path: Vec<(NodeId, ConfigId)> = vec![(last, d)];
        let mut node = node + 1;
        while node < last {
            let (byte, end) = vocabulary.byte_and_end(node);
            let d = above(&mut path, node);
            match self.only_way(d, byte) {
                Some(ConfigId(0)) => node = end,
                Some(on) => {
                    self.add_here(vocabulary, on, node, out);
                    path.push((end, on));
                    node += 1;
                }
                None => {
                    // Several readings of the same bytes: remembered, or their number would double with each byte.
                    let mut ways: SmallVec<[(Option<TerminalId>, ConfigId); 2]> = SmallVec::new();
                    self.successors(d, byte, |t, d2| ways.push((t, d2)));
                    let parts: SmallVec<[(Option<TerminalId>, Arc<Pairs>); 2]> =
                        ways.iter().map(|&(t, d2)| (t, self.remembered(vocabulary, d2, node))).collect();
                    self.join(&parts, out);
                    node = end;
                }
            }
        }
    }

    /// The tokens that end at a node, in configuration `d`.
    fn add_here(&mut self, vocabulary: &Vocabulary, d: ConfigId, node: NodeId, out: &mut Pairs) {
        self.trie_nodes += 1;
        let here = vocabulary.tokens_at(node);
        if !here.is_empty() {
            let end = self.end(d);
            out.extend(here.iter().map(|&t| (t, end)));
        }
    }

    /// Merges several readings of the same tokens: a token's branches are those of all its readings.
    fn join(&mut self, parts: &[(Option<TerminalId>, Arc<Pairs>)], out: &mut Pairs) {
        let mut wrapped: FxHashMap<(TerminalId, EffectId), EffectId> = FxHashMap::default();
        if let [(t, part)] = parts {
            let Some(t) = *t else {
                out.extend_from_slice(part);
                return;
            };
            for &(token, effect) in part.iter() {
                let whole = match wrapped.get(&(t, effect)) {
                    Some(&known) => known,
                    None => {
                        let branch = self.wrap(t, effect);
                        let whole = self.intern(branch.into_iter().collect());
                        wrapped.insert((t, effect), whole);
                        whole
                    }
                };
                out.push((token, whole));
            }
            return;
        }
        let mut branches_of: FxHashMap<TokenId, Branches> = FxHashMap::default();
        let mut order: Vec<TokenId> = Vec::new();
        for (t, part) in parts {
            for &(token, effect) in part.iter() {
                let entry = branches_of.entry(token).or_insert_with(|| {
                    order.push(token);
                    Branches::new()
                });
                match t {
                    None => entry.extend_from_slice(&self.effects[effect as usize]),
                    Some(t) if self.ignored[*t as usize] => entry.push(Branch::Skip(effect)),
                    Some(t) => entry.push(Branch::Emit(*t, effect)),
                }
            }
        }
        for token in order {
            if let Some(branches) = branches_of.remove(&token) {
                let effect = self.intern(branches);
                out.push((token, effect));
            }
        }
    }

    fn group(&mut self, vocabulary: &Vocabulary, mut pairs: Pairs) -> ClassTable {
        pairs.sort_unstable_by_key(|&(token, effect)| (effect, token));
        let mut table = Vec::new();
        let mut at = 0;
        while at < pairs.len() {
            let effect = pairs[at].1;
            let end = at + pairs[at..].iter().take_while(|p| p.1 == effect).count();
            if effect != Self::DEAD {
                let tokens: Vec<TokenId> = pairs[at..end].iter().map(|p| p.0).collect();
                table.push(Class { effect, tokens: self.share(vocabulary, tokens) });
            }
            at = end;
        }
        self.bytes += table.len() * 24;
        table.into()
    }

    /// Equal token sets are stored once.
    fn share(&mut self, vocabulary: &Vocabulary, tokens: Vec<TokenId>) -> TokenSet {
        use std::hash::{Hash, Hasher};
        let mut hasher = rustc_hash::FxHasher::default();
        tokens.hash(&mut hasher);
        let bucket = self.token_sets.entry(hasher.finish()).or_default();
        if let Some(known) = bucket.iter().find(|k| *k.list == *tokens) {
            return known.clone();
        }
        let shared = TokenSet::new(vocabulary, tokens);
        self.bytes += shared.memory_bytes();
        bucket.push(shared.clone());
        shared
    }
}

/// The configuration in front of a node's byte, on a path of subtrees' ends and configurations in them.
#[inline]
fn above(path: &mut Vec<(NodeId, ConfigId)>, node: NodeId) -> ConfigId {
    while path.len() > 1 && path[path.len() - 1].0 <= node {
        path.pop();
    }
    path[path.len() - 1].1
}
