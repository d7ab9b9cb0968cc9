"""A text as lexemes, and the grammar over lexemes alone: what messages and pictures are made from.

Terms: a *lexeme* is a piece of text read as one terminal; the *lexeme grammar* has one token per terminal, so a text
of n lexemes is a canvas of n cells. Its *prefixes*, *suffixes* and *factors* (what may stand at the start, at the end,
anywhere in a text) are context-free too, with three copies of each symbol, so "can this stand somewhere" needs no gap.

Invariants: `scan` reads a text as Lark's basic lexer does (leftmost-first alternation in scanner order, then
keywords); under the dynamic lexers lexemes are not determined by the text alone, and `scan` is not offered.
Cost: `scan` is linear; a question about n lexemes costs what a canvas of n decided cells costs.
Source: closure of context-free languages under factors, e.g. Hopcroft & Ullman 1979, section 6.2.
See it: `cfgdecode show lexer GRAMMAR`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from .constraint import Constraint, Limits, compile
from .grammar.ir import GrammarIR, Node, Rule, Terminal, reachable, show_node
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from .text import Grammar

Part: TypeAlias = Literal["whole", "prefix", "suffix", "factor"]
_PARTS: tuple[Part, ...] = ("whole", "prefix", "suffix", "factor")
_FIRST_CODE_POINT = 0xF0000  # a plane without assigned characters: 65,534 terminals fit


@dataclass(frozen=True, slots=True)
class Lexeme:
    """`text[start:end]` read as `terminal`; ignored ones (white space, comments) take no part in rules."""

    terminal: int
    start: int
    end: int
    ignored: bool


class Scanner:
    """Lark's basic lexer for one grammar, in Python."""

    def __init__(self, ir: GrammarIR) -> None:
        self._order = ir.scanner
        self._ignored = frozenset(ir.ignore)
        shown = [show_node(ir.terminals[t].pattern) for t in ir.scanner]
        self._pattern = re.compile("|".join(f"({source})" for source in shown) or "(?!)")
        self._keywords = {
            terminal: [(word, re.compile(show_node(ir.terminals[word].pattern))) for word in words]
            for terminal, words in ir.keywords
        }

    def scan(self, text: str) -> tuple[list[Lexeme], int | None]:
        """The lexemes, and where no terminal matches (None if the text ends first)."""
        lexemes: list[Lexeme] = []
        at = 0
        while at < len(text):
            match = self._pattern.match(text, at)
            if match is None or match.lastindex is None or match.end() == at:
                return lexemes, at
            terminal = self._order[match.lastindex - 1]
            ignored = terminal in self._ignored
            if not ignored and terminal in self._keywords:
                lexeme = match.group()
                words = (word for word, pattern in self._keywords[terminal] if pattern.fullmatch(lexeme))
                terminal = next(words, terminal)
            lexemes.append(Lexeme(terminal, at, match.end(), ignored))
            at = match.end()
        return lexemes, None


class LexemeGrammar:
    """Questions about sequences of terminals."""

    def __init__(self, ir: GrammarIR, limits: Limits | None = None) -> None:
        self.ir, self.limits = ir, limits or Limits()
        tokens = [chr(_FIRST_CODE_POINT + i).encode() for i in range(len(ir.terminals))]
        self._vocabulary = Vocabulary.from_tokens(tokens)
        self._constraints: dict[Part, Constraint] = {}

    def is_part(self, terminals: Sequence[int], part: Part) -> bool | None:
        """Whether some text has these lexemes in that place; None if a limit was reached."""
        canvas = self._constraint(part).canvas(list(terminals), [False] * len(terminals))
        return None if canvas.verdict().name == "UNDECIDED" else canvas.is_completable()

    def longest_prefix(self, terminals: Sequence[int]) -> int:
        """How many of these lexemes, from the left, begin a text. One canvas is made longer and shorter: linear time.

        Raises:
            LimitExceeded: a limit was reached before the answer was known.
        """
        canvas = self._constraint("prefix").canvas([], [])

        def begins_a_text(n: int) -> bool:
            canvas.set(list(terminals[:n]), [False] * n)
            return canvas.is_completable()

        low, high = 0, min(1024, len(terminals))
        while begins_a_text(high):
            if high == len(terminals):
                return high
            low, high = high, min(2 * high, len(terminals))
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if begins_a_text(middle) else (low, middle)
        return low

    def after(self, terminals: Sequence[int], part: Part = "prefix") -> list[int]:
        """The terminals that may follow these within such a part of a text."""
        canvas = self._constraint(part).canvas([*terminals, 0], [False] * len(terminals) + [True])
        return [int(t) for t in canvas.allowed(len(terminals)).ids()]

    def between(self, before: Sequence[int], after: Sequence[int]) -> list[int]:
        """The terminals t for which `before t after` is a whole text."""
        ids = [*before, 0, *after]
        canvas = self._constraint("whole").canvas(ids, [i == len(before) for i in range(len(ids))])
        return [int(t) for t in canvas.allowed(len(before)).ids()]

    def _constraint(self, part: Part) -> Constraint:
        from .text import Grammar

        if part not in self._constraints:
            grammar = Grammar.from_ir(lexeme_ir(self.ir, part))
            self._constraints[part] = compile(grammar, self._vocabulary, limits=self.limits, eos_policy="none")
        return self._constraints[part]


@lru_cache(maxsize=8)
def scanner(grammar: Grammar) -> Scanner:
    """The scanner of a grammar with the basic lexer."""
    return Scanner(grammar.ir)


@lru_cache(maxsize=8)
def lexeme_grammar(grammar: Grammar, limits: Limits | None = None) -> LexemeGrammar:
    """The lexeme grammar of a grammar."""
    return LexemeGrammar(grammar.ir, limits)


def certain_lexemes(grammar: Grammar, text: str, lexemes: Sequence[Lexeme]) -> list[Lexeme]:
    """Those lexemes at the start of `text` that stay the same whatever follows the text."""
    may_go_on = _open_ended(grammar)
    for i, lexeme in enumerate(lexemes):
        if may_go_on.fullmatch(text, lexeme.start):
            return list(lexemes[:i])
    return list(lexemes)


@lru_cache(maxsize=8)
def _open_ended(grammar: Grammar) -> re.Pattern[str]:
    """What may be the beginning of a longer lexeme."""
    terminals = grammar.ir.terminals
    prefixes = (show_node(prefix_pattern(terminals[t].pattern)) for t in grammar.ir.scanner)
    return re.compile("|".join(f"(?:{prefix})" for prefix in prefixes) or "(?!)")


def prefix_pattern(node: Node) -> Node:
    """A pattern that matches every prefix of what `node` matches (looks are taken to hold)."""
    match node:
        case ("lit", text):
            return ("alt", (*(("lit", text[:i]) for i in range(len(text), 0, -1)), ("cat", ())))
        case ("set", _):
            return ("rep", 0, 1, True, node)
        case ("cat", parts):
            if not parts:
                return node
            first, rest = parts[0], ("cat", tuple(parts[1:]))
            return ("alt", (("cat", (first, prefix_pattern(rest))), prefix_pattern(first)))
        case ("alt", branches):
            return ("alt", (*map(prefix_pattern, branches), ("cat", ())))
        case ("rep", _, high, _, body):
            return ("cat", (("rep", 0, high, True, body), prefix_pattern(body)))
    return ("cat", ())


def shortest_lexeme(node: Node) -> str:
    """A shortest text that `node` matches if its looks hold; "" if it matches none."""
    match node:
        case ("lit", text):
            return str(text)
        case ("set", ranges):
            pretty = (c for c in "a0 \n" if any(low <= ord(c) <= high for low, high in ranges))
            return next(pretty, chr(ranges[0][0]) if ranges else "")
        case ("cat", parts):
            return "".join(map(shortest_lexeme, parts))
        case ("alt", branches):
            return min(map(shortest_lexeme, branches), key=len, default="")
        case ("rep", low, _, _, body):
            return shortest_lexeme(body) * int(low)
    return ""


def lexeme_ir(ir: GrammarIR, part: Part = "whole") -> GrammarIR:
    """The grammar over terminals, each one character, whose texts are that part of the texts of `ir`."""
    terminals = tuple(
        Terminal(t.name, ("lit", chr(_FIRST_CODE_POINT + i)), t.source) for i, t in enumerate(ir.terminals)
    )
    whole = replace(ir, lexer="dynamic_complete", terminals=terminals, ignore=(), scanner=(), keywords=())
    if part == "whole" or not ir.rules:
        return whole
    names, rules = _binary(ir)
    n = len(names)
    optional = {-t - 1: 4 * n + t for t in range(len(ir.terminals))}
    copies = [f"{name}.{each}" for each in _PARTS[1:] for name in names]
    names = [*names, *copies, *(f"{t.name}?" for t in ir.terminals)]
    rules += [rule for head, body in list(rules) for rule in _partial(head, body, n, optional)]
    for terminal, symbol in optional.items():
        rules += [(symbol, ()), (symbol, (terminal,))]
    start = ir.start + n * _PARTS.index(part)
    large = replace(whole, nonterminals=tuple(names), rules=tuple(dict.fromkeys(rules)), start=start)
    return _reachable_only(large)


def _binary(ir: GrammarIR) -> tuple[list[str], list[Rule]]:
    """Nonterminals and rules with at most two symbols in a body."""
    names = list(ir.nonterminals)
    rules: list[Rule] = []
    for head, body in ir.rules:
        while len(body) > 2:
            names.append(f"{ir.nonterminals[head] if head < len(ir.nonterminals) else names[head]}'")
            rest = len(names) - 1
            rules.append((head, (body[0], rest)))
            head, body = rest, body[1:]
        rules.append((head, tuple(body)))
    return names, rules


def _reachable_only(ir: GrammarIR) -> GrammarIR:
    """Without the rules that the start never reaches; terminals and numbers stay."""
    found = reachable(ir.rules, ir.start)
    return replace(ir, rules=tuple(rule for rule in ir.rules if rule[0] in found))


def _partial(head: int, body: tuple[int, ...], n: int, optional: dict[int, int]) -> list[Rule]:
    """Rules for the prefixes, suffixes and factors of what a body derives."""

    def part(symbol: int, which: int) -> int:
        return optional[symbol] if symbol < 0 else symbol + which * n

    prefix, suffix, factor = (head + which * n for which in (1, 2, 3))
    if len(body) < 2:
        return [(head + which * n, tuple(part(s, which) for s in body)) for which in (1, 2, 3)]
    left, right = body
    return [
        (prefix, (part(left, 1),)),
        (prefix, (left, part(right, 1))),
        (suffix, (part(right, 2),)),
        (suffix, (part(left, 2), right)),
        (factor, (part(left, 3),)),
        (factor, (part(right, 3),)),
        (factor, (part(left, 2), part(right, 1))),
    ]
