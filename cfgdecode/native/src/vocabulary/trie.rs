//! The vocabulary as a prefix trie.
//!
//! Nodes are numbered in depth-first order with children by byte, so the tokens below a node are one
//! run of `order`. Invariants: special tokens (no bytes) and empty tokens are not in the trie; several
//! tokens may have the same bytes and then share a node.

use crate::grammar::Bits;

pub type TokenId = u32;
pub type NodeId = u32;

const NO_BYTE: u16 = 256;
/// Bytes that no text has: texts are UTF-8.
const NEVER: [u8; 13] = [0xC0, 0xC1, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF];

#[derive(Debug)]
pub struct Vocabulary {
    /// Concatenated bytes, and where each token's begin (`n + 1` offsets).
    bytes: Vec<u8>,
    offsets: Vec<u32>,
    special: Vec<bool>,
    nodes: Vec<Node>,
    /// Token ids in trie order.
    order: Vec<TokenId>,
    pub eos: Vec<TokenId>,
    pub pad: Option<TokenId>,
    /// The mask id; never allowed anywhere.
    pub mask: Option<TokenId>,
    /// Width of the logits; ids from `len()` on are never allowed.
    pub n_logits: u32,
    texts: Bits,
    cut: Cut,
    /// By token: its first byte, or [`NO_BYTE`].
    firsts: Vec<u16>,
    /// Those that begin or end inside a character.
    fragments: Bits,
    /// A one-byte token for each byte value, if there is one.
    pub byte_tokens: Vec<Option<TokenId>>,
}

/// Tokens whose characters are cut.
#[derive(Debug)]
pub struct Cut {
    /// They begin inside a character.
    pub begun: Bits,
    /// They end inside a character that begins in them.
    pub ended: Bits,
    /// They may end inside a character, be it one that begins further left.
    pub may_end: Bits,
}

impl Cut {
    fn new(n: usize) -> Cut {
        Cut { begun: Bits::new(n), ended: Bits::new(n), may_end: Bits::new(n) }
    }

    fn insert(&mut self, token: TokenId, text: &[u8]) {
        let (before, behind) = missing(text);
        let has_lead = text.iter().any(|byte| !(0x80..0xC0).contains(byte));
        for (tokens, is_one) in [(&mut self.begun, before > 0), (&mut self.ended, behind > 0 && has_lead), (&mut self.may_end, behind > 0)] {
            if is_one {
                tokens.insert(token);
            }
        }
    }
}

/// How many bytes of characters that it shares a text may lack at most, in front and behind.
fn missing(text: &[u8]) -> (usize, usize) {
    let is_rest = |b: &&u8| (0x80..0xC0).contains(*b);
    let first = text.iter().take_while(is_rest).count();
    let last = text.iter().rev().take_while(is_rest).count();
    let behind = match text.len().checked_sub(last + 1).map(|lead| text[lead]) {
        Some(0xC0..0xE0) => 1_usize,
        Some(0xE0..0xF0) => 2,
        Some(0xF0..) => 3,
        Some(_) => 0,
        None => 3,
    };
    (if first == 0 { 0 } else { 4_usize.saturating_sub(first) }, behind.saturating_sub(last))
}

#[derive(Debug, Clone, Copy)]
struct Node {
    byte: u8,
    /// First node behind this node's subtree.
    end: NodeId,
    /// Tokens that end here: `order[first..first + here]`.
    first: u32,
    here: u32,
}

impl Vocabulary {
    pub const ROOT: NodeId = 0;

    pub fn new(
        bytes: Vec<u8>,
        offsets: Vec<u32>,
        special: Vec<bool>,
        eos: Vec<TokenId>,
        pad: Option<TokenId>,
        mask: Option<TokenId>,
        n_logits: u32,
    ) -> Vocabulary {
        let n = special.len();
        let text = |t: u32| &bytes[offsets[t as usize] as usize..offsets[t as usize + 1] as usize];
        let mut order: Vec<TokenId> = (0..n as u32).filter(|&t| !special[t as usize] && !text(t).is_empty()).collect();
        order.sort_by(|&a, &b| text(a).cmp(text(b)).then(a.cmp(&b)));
        let mut nodes = vec![Node { byte: 0, end: 0, first: 0, here: 0 }];
        let mut path: Vec<(NodeId, u8)> = Vec::new();
        let mut at = 0;
        while at < order.len() {
            let word = text(order[at]);
            let same = order[at..].iter().take_while(|&&t| text(t) == word).count();
            let common = path.iter().zip(word).take_while(|((_, b), w)| b == *w).count();
            for (node, _) in path.drain(common..) {
                nodes[node as usize].end = nodes.len() as NodeId;
            }
            for &byte in &word[common..] {
                path.push((nodes.len() as NodeId, byte));
                nodes.push(Node { byte, end: 0, first: at as u32, here: 0 });
            }
            if let Some(&(leaf, _)) = path.last() {
                nodes[leaf as usize].first = at as u32;
                nodes[leaf as usize].here = same as u32;
            }
            at += same;
        }
        let n_nodes = nodes.len() as NodeId;
        for (node, _) in path {
            nodes[node as usize].end = n_nodes;
        }
        nodes[0].end = n_nodes;
        let mut byte_tokens = vec![None; 256];
        for &t in order.iter().rev() {
            if let [byte] = text(t) {
                byte_tokens[*byte as usize] = Some(t);
            }
        }
        let mut texts = Bits::new(n_logits as usize);
        order.iter().filter(|&&t| !text(t).iter().any(|byte| NEVER.contains(byte))).for_each(|&t| _ = texts.insert(t));
        let mut fragments = Bits::new(n_logits as usize);
        order.iter().filter(|&&t| std::str::from_utf8(text(t)).is_err()).for_each(|&t| _ = fragments.insert(t));
        let mut cut = Cut::new(n_logits as usize);
        fragments.iter().for_each(|t| cut.insert(t, text(t)));
        let mut firsts = vec![NO_BYTE; special.len()];
        order.iter().for_each(|&t| firsts[t as usize] = u16::from(text(t)[0]));
        Vocabulary { bytes, offsets, special, nodes, order, texts, cut, firsts, fragments, eos, pad, mask, n_logits, byte_tokens }
    }

    /// All tokens that have bytes, such as a text can have.
    pub fn texts(&self) -> &Bits {
        &self.texts
    }

    /// The first byte of a token that has bytes.
    #[inline]
    pub fn first_byte(&self, token: TokenId) -> Option<u8> {
        self.firsts.get(token as usize).and_then(|&byte| u8::try_from(byte).ok())
    }

    /// The tokens whose bytes are no whole characters.
    pub fn fragments(&self) -> &Bits {
        &self.fragments
    }

    /// How many bytes of characters that it shares a token may lack at most, in front and behind.
    pub fn missing(&self, token: TokenId) -> (usize, usize) {
        if !self.fragments.has(token) {
            return (0, 0);
        }
        missing(self.text(token))
    }

    /// The tokens whose characters are cut.
    pub fn cut(&self) -> &Cut {
        &self.cut
    }

    pub fn len(&self) -> usize {
        self.special.len()
    }

    pub fn is_empty(&self) -> bool {
        self.special.is_empty()
    }

    /// The bytes of a token; empty for special tokens.
    pub fn text(&self, token: TokenId) -> &[u8] {
        if self.is_special(token) {
            return &[];
        }
        &self.bytes[self.offsets[token as usize] as usize..self.offsets[token as usize + 1] as usize]
    }

    pub fn is_special(&self, token: TokenId) -> bool {
        self.special.get(token as usize).copied().unwrap_or(true)
    }

    pub fn is_eos(&self, token: TokenId) -> bool {
        self.eos.contains(&token)
    }

    pub fn children(&self, node: NodeId) -> impl Iterator<Item = (u8, NodeId)> + '_ {
        let end = self.nodes[node as usize].end;
        let mut next = node + 1;
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let child = next;
            next = self.nodes[child as usize].end;
            Some((self.nodes[child as usize].byte, child))
        })
    }

    /// How many tokens end at this node or below.
    pub fn n_below(&self, node: NodeId) -> usize {
        let end = self.nodes[node as usize].end as usize;
        let last = self.nodes.get(end).map_or(self.order.len(), |next| next.first as usize);
        last - self.nodes[node as usize].first as usize
    }

    /// The byte that leads to a node, and the first node behind its subtree: those between are below it, each behind the nodes above it.
    #[inline]
    pub fn byte_and_end(&self, node: NodeId) -> (u8, NodeId) {
        let node = &self.nodes[node as usize];
        (node.byte, node.end)
    }

    /// Tokens whose bytes end at this node.
    pub fn tokens_at(&self, node: NodeId) -> &[TokenId] {
        let n = self.nodes[node as usize];
        &self.order[n.first as usize..(n.first + n.here) as usize]
    }

    /// The text as the fewest tokens, if that takes no more than `limit`.
    pub fn spell(&self, text: &[u8], limit: usize) -> Option<Vec<TokenId>> {
        // Behind each byte: the fewest tokens that end there, the last of them, and where it begins.
        let mut best: Vec<Option<(usize, TokenId, usize)>> = vec![None; text.len() + 1];
        for at in 0..text.len() {
            let so_far = match best[at] {
                Some((n, ..)) => n,
                None if at == 0 => 0,
                None => continue,
            };
            let mut node = Self::ROOT;
            for (i, &byte) in text[at..].iter().enumerate() {
                let Some((_, child)) = self.children(node).find(|c| c.0 == byte) else { break };
                node = child;
                if let Some(&token) = self.tokens_at(node).first() {
                    let end = &mut best[at + i + 1];
                    if so_far < limit && end.is_none_or(|(n, ..)| n > so_far + 1) {
                        *end = Some((so_far + 1, token, at));
                    }
                }
            }
        }
        let mut tokens = Vec::new();
        let mut at = text.len();
        while at > 0 {
            let (_, token, from) = best[at]?;
            tokens.push(token);
            at = from;
        }
        tokens.reverse();
        Some(tokens)
    }

    pub fn n_nodes(&self) -> usize {
        self.nodes.len()
    }

    pub fn memory_bytes(&self) -> usize {
        self.bytes.len() + self.offsets.len() * 4 + self.special.len() * 3 + self.nodes.len() * 16 + self.order.len() * 4
    }
}
