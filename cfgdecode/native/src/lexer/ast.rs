//! Terminals as syntax trees, and the few facts about a tree that compilation needs.
//!
//! A [`Node`] has the meaning that Python's `re` gives the same construct: alternatives and
//! repetitions are ordered, the first way through that succeeds is the match. Characters are Unicode
//! scalar values; flags were resolved into sets by whoever built the tree.
//!
//! Terms: *nullable* = may match without consuming a character (look-arounds count as such);
//! *width* = number of characters consumed; a look-behind is *local* when enough characters of its own
//! lexeme are sure to lie before it, so that it never sees text before the lexeme.
//! Cost: every function is one walk over the tree. Trees deeper than [`MAX_DEPTH`] are refused before
//! any other walk, so that recursion is bounded.

use super::TerminalId;

/// Deepest nesting of nodes that is compiled.
pub(super) const MAX_DEPTH: usize = 400;

/// A terminal's pattern, with the meaning of Python's `re`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// The text, literally.
    Lit(String),
    /// One character whose code point lies in one of the inclusive ranges; no range matches nothing.
    Set(Vec<(u32, u32)>),
    /// All nodes, one after the other.
    Cat(Vec<Node>),
    /// The first node that leads to a match.
    Alt(Vec<Node>),
    /// `min` to `max` times the node, as many (greedy) or as few as possible.
    Rep { min: u32, max: Option<u32>, greedy: bool, node: Box<Node> },
    /// A look-ahead or look-behind; consumes nothing.
    Look { ahead: bool, negate: bool, node: Box<Node> },
    /// Holds at the first position of the whole text.
    Start,
    /// Holds at the last position of the whole text.
    End,
}

/// One terminal of the grammar.
#[derive(Clone, Debug)]
pub struct TerminalSpec {
    pub name: String,
    pub node: Node,
}

/// How lexemes are chosen; the names are Lark's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One ordered alternation of all terminals; its preferred match is the lexeme.
    Basic,
    /// Every terminal by itself; its preferred match is its lexeme.
    Dynamic,
    /// Every terminal by itself; the preferred matches in all prefixes of its lexeme are lexemes too.
    DynamicComplete,
}

/// What the lexer is built from.
#[derive(Clone, Debug)]
pub struct LexerSpec {
    pub mode: Mode,
    pub terminals: Vec<TerminalSpec>,
    /// Terminals of `%ignore`. In [`Mode::DynamicComplete`] these are read up to their preferred match only; one
    /// that rules use as well must be given twice.
    pub ignore: Vec<TerminalId>,
    /// [`Mode::Basic`]: the alternation, in order.
    pub scanner: Vec<TerminalId>,
    /// [`Mode::Basic`]: terminals whose lexeme becomes the first of these terminals that matches all of it.
    pub keywords: Vec<(TerminalId, Vec<TerminalId>)>,
}

impl Node {
    /// Whether some path from the root is longer than `limit`.
    pub(super) fn is_deeper_than(&self, limit: usize) -> bool {
        if limit == 0 {
            return true;
        }
        match self {
            Node::Lit(_) | Node::Set(_) | Node::Start | Node::End => false,
            Node::Cat(nodes) | Node::Alt(nodes) => nodes.iter().any(|n| n.is_deeper_than(limit - 1)),
            Node::Rep { node, .. } | Node::Look { node, .. } => node.is_deeper_than(limit - 1),
        }
    }

    pub(super) fn is_nullable(&self) -> bool {
        match self {
            Node::Lit(text) => text.is_empty(),
            Node::Set(_) => false,
            Node::Cat(nodes) => nodes.iter().all(Node::is_nullable),
            Node::Alt(nodes) => nodes.iter().any(Node::is_nullable),
            Node::Rep { min, node, .. } => *min == 0 || node.is_nullable(),
            Node::Look { .. } | Node::Start | Node::End => true,
        }
    }

    pub(super) fn min_width(&self) -> u64 {
        match self {
            Node::Lit(text) => text.chars().count() as u64,
            Node::Set(_) => 1,
            Node::Cat(nodes) => nodes.iter().fold(0, |sum, n| n.min_width().saturating_add(sum)),
            Node::Alt(nodes) => nodes.iter().map(Node::min_width).min().unwrap_or(0),
            Node::Rep { min, node, .. } => node.min_width().saturating_mul(u64::from(*min)),
            Node::Look { .. } | Node::Start | Node::End => 0,
        }
    }

    /// Characters that the node may consume at most; `u64::MAX` if unbounded or tied to the text's start.
    pub(super) fn reach(&self) -> u64 {
        match self {
            Node::Lit(text) => text.chars().count() as u64,
            Node::Set(_) => 1,
            Node::Cat(nodes) => nodes.iter().fold(0, |sum, n| n.reach().saturating_add(sum)),
            Node::Alt(nodes) => nodes.iter().map(Node::reach).max().unwrap_or(0),
            Node::Rep { max, node, .. } => match (max, node.reach()) {
                (_, 0) | (Some(0), _) => 0,
                (None, _) => u64::MAX,
                (Some(max), width) => width.saturating_mul(u64::from(*max)),
            },
            Node::Look { .. } | Node::End => 0,
            Node::Start => u64::MAX,
        }
    }

    fn has_assertion(&self) -> bool {
        match self {
            Node::Lit(_) | Node::Set(_) => false,
            Node::Cat(nodes) | Node::Alt(nodes) => nodes.iter().any(Node::has_assertion),
            Node::Rep { node, .. } => node.has_assertion(),
            Node::Look { .. } | Node::Start | Node::End => true,
        }
    }

    /// Whether the match may depend on text outside of the lexeme, of which `before` characters lie before this node.
    pub(super) fn sees_outside(&self, before: u64) -> bool {
        match self {
            Node::Lit(_) | Node::Set(_) => false,
            Node::Cat(nodes) => {
                let mut before = before;
                nodes.iter().any(|node| {
                    let sees = node.sees_outside(before);
                    before = before.saturating_add(node.min_width());
                    sees
                })
            }
            Node::Alt(nodes) => nodes.iter().any(|n| n.sees_outside(before)),
            Node::Rep { node, .. } => node.sees_outside(before),
            Node::Look { ahead: false, node, .. } => node.reach() > before || node.sees_outside(0),
            Node::Look { ahead: true, .. } | Node::Start | Node::End => true,
        }
    }

    /// Calls `found(look-behind body)` for each look-behind that may see text before the lexeme,
    /// `before` characters of which are sure to lie before this node.
    pub(super) fn each_wide_look_behind(&self, before: u64, found: &mut impl FnMut(&Node)) {
        match self {
            Node::Lit(_) | Node::Set(_) | Node::Start | Node::End => {}
            Node::Cat(nodes) => {
                let mut before = before;
                for node in nodes {
                    node.each_wide_look_behind(before, found);
                    before = before.saturating_add(node.min_width());
                }
            }
            Node::Alt(nodes) => nodes.iter().for_each(|n| n.each_wide_look_behind(before, found)),
            Node::Rep { node, .. } | Node::Look { ahead: true, node, .. } => node.each_wide_look_behind(before, found),
            Node::Look { ahead: false, node, .. } => {
                if node.reach() > before || node.has_assertion() {
                    found(node);
                }
                // What is nested in a look-behind is asked for at positions before this one.
                node.each_wide_look_behind(0, found);
            }
        }
    }
}
