"""Brute force, made fast enough for a million canvases: every filling of every canvas is tried.

What: `Language.accepts` decides like `cfgdecode.reference.Reference`, but lexes with compiled `re` patterns and
keeps ends in integers; `solve` enumerates the fillings of a canvas and says what each open cell may be.
Why it is exact: (1) Python's `re` *is* the definition of the patterns; (2) verdicts are remembered per text and per
lexing, both of which decide alone; (3) tokens with equal bytes are interchangeable; (4) what follows the first EOS is
a product of independent choices, so that it need not be enumerated; (5) a prefix that is no prefix of UTF-8 text
stays so. Nothing else is pruned. `test_exactness.py` compares with the reference on thousands of texts and canvases.
Cost: about a microsecond per filling and ten per new text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from cfgdecode.grammar.ir import GrammarIR


def regex_of(node: Any) -> str:
    """The Node as Python `re` source."""
    match node:
        case ("lit", text):
            return re.escape(text)
        case ("set", ranges):
            inside = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges)
            return f"[{inside}]" if ranges else "(?!)"
        case ("cat", parts):
            return "".join(f"(?:{regex_of(part)})" for part in parts)
        case ("alt", branches):
            return "|".join(map(regex_of, branches)) if branches else "(?!)"
        case ("rep", low, high, greedy, body):
            return f"(?:{regex_of(body)}){{{low},{'' if high is None else high}}}{'' if greedy else '?'}"
        case ("look", ahead, negate, body):
            return f"(?{'' if ahead else '<'}{'!' if negate else '='}{regex_of(body)})"
        case ("start",):
            return r"\A"
        case ("end",):
            return r"\Z"
    raise ValueError(f"unknown node {node!r}")


class Language:
    """The texts of a grammar, decided one at a time."""

    def __init__(self, ir: GrammarIR) -> None:
        self.ir = ir
        self._accepted: dict[bytes, bool] = {}
        self._derived: dict[Any, bool] = {}
        self._retyped: dict[tuple[int, str], int] = {}
        self._keywords = dict(ir.keywords)
        self._rules = [(head, body) for head, body in ir.rules if body]
        self._nullable = _nullable(ir)
        self._compiled = [re.compile(regex_of(t.pattern)) for t in ir.terminals]
        used = {-symbol - 1 for _, body in ir.rules for symbol in body if symbol < 0}
        self._matchers = [(t, self._compiled[t].match) for t in sorted(used)]
        self._ignorers = [self._compiled[t].match for t in ir.ignore]
        if ir.lexer == "basic":
            order = [f"(?P<t{t}>{regex_of(ir.terminals[t].pattern)})" for t in ir.scanner]
            self._scan = re.compile("|".join(order) or "(?!)").match

    def accepts(self, text: bytes) -> bool:
        verdict = self._accepted.get(text)
        if verdict is None:
            verdict = self._accepted[text] = self._decide(text)
        return verdict

    def _decide(self, data: bytes) -> bool:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return False
        if self.ir.lexer == "basic":
            lexemes = self._lex(text)
            if lexemes is None:
                return False
            if lexemes not in self._derived:
                arcs = [[(terminal, i + 1)] for i, terminal in enumerate(lexemes)]
                self._derived[lexemes] = self.derives(arcs, [1 << i for i in range(len(lexemes) + 1)], len(lexemes))
            return self._derived[lexemes]
        return self._decide_dynamic(text)

    def _lex(self, text: str) -> tuple[int, ...] | None:
        lexemes, pos, ignore = [], 0, self.ir.ignore
        while pos < len(text):
            found = self._scan(text, pos)
            if found is None:
                return None
            terminal = int(found.lastgroup[1:])
            if terminal not in ignore:
                lexemes.append(self._retype(terminal, found.group()) if terminal in self._keywords else terminal)
            pos = found.end()
        return tuple(lexemes)

    def _retype(self, terminal: int, lexeme: str) -> int:
        key = terminal, lexeme
        if key not in self._retyped:
            fits = (word for word in self._keywords[terminal] if self._compiled[word].fullmatch(lexeme))
            self._retyped[key] = next(fits, terminal)
        return self._retyped[key]

    def _decide_dynamic(self, text: str) -> bool:
        n, complete = len(text), self.ir.lexer == "dynamic_complete"
        arcs: list[list[tuple[int, int]]] = [[] for _ in range(n + 1)]
        ignored: list[list[int]] = [[] for _ in range(n + 1)]
        reached = 1
        for pos in range(n):
            if not reached >> pos & 1:
                continue
            for ignore in self._ignorers:
                if (found := ignore(text, pos)) is not None:
                    ignored[pos].append(found.end())
                    reached |= 1 << found.end()
            for terminal, match in self._matchers:
                if (found := match(text, pos)) is None:
                    continue
                end = found.end()
                ends = {end}
                if complete:
                    shorter = (match(text[pos:stop]) for stop in range(pos + 1, end))
                    ends |= {pos + piece.end() for piece in shorter if piece is not None}
                arcs[pos] += [(terminal, q) for q in ends]
                for q in ends:
                    reached |= 1 << q
        if not reached >> n & 1:
            return False
        after = [1 << p for p in range(n + 1)]
        for pos in range(n, -1, -1):
            for q in ignored[pos]:
                after[pos] |= after[q]
        return self.derives(arcs, after, n)

    def derives(self, arcs: Sequence[Sequence[tuple[int, int]]], after: Sequence[int], n: int) -> bool:
        """As `reference.derives`, with a set of text positions as the bits of an integer."""
        chart: list[dict[int, int]] = [{} for _ in range(n + 1)]
        for p in range(n, -1, -1):
            here = chart[p]
            for symbol in self._nullable:
                here[symbol] = 1 << p
            for start in _bits(after[p]):
                for terminal, end in arcs[start] if start < len(arcs) else ():
                    here[-terminal - 1] = here.get(-terminal - 1, 0) | 1 << end
            grown = len(here) > 0
            while grown:
                grown = False
                for head, body in self._rules:
                    ends = here.get(body[0], 0)
                    for symbol in body[1:]:
                        if not ends:
                            break
                        rest, ends = ends, 0
                        while rest:
                            low = rest & -rest
                            ends |= chart[low.bit_length() - 1].get(symbol, 0)
                            rest ^= low
                    if ends & ~here.get(head, 0):
                        here[head] = here.get(head, 0) | ends
                        grown = True
        return any(after[q] >> n & 1 for q in _bits(chart[0].get(self.ir.start, 0)))


def _bits(bits: int) -> list[int]:
    return [i for i in range(bits.bit_length()) if bits >> i & 1]


def _nullable(ir: GrammarIR) -> set[int]:
    found: set[int] = set()
    while True:
        more = {head for head, body in ir.rules if all(symbol in found for symbol in body)}
        if more <= found:
            return found
        found |= more


@dataclass
class Solution:
    """What brute force finds. `allowed`: for each open cell, and for an interval gap the tokens it may begin with."""

    completable: bool
    allowed: dict[int, set[int]]
    shortest_text: int | None  # the fewest bytes of a completion's text
    fewest_tokens: int | None  # the fewest tokens that fill the canvas (they differ where there are intervals)
    n_fillings: int


def solve(
    language: Language,
    tokens: Sequence[bytes | None],
    eos: Sequence[int],
    pad: int | None,
    cells: Sequence[int | tuple[int, int] | None],
    policy: str,
    mask: int | None = None,
) -> Solution:
    """Try every filling. Cells are as in `cfgdecode.reference`: an id, None, or an interval."""
    enders = set(eos) if policy != "none" else set()
    by_bytes: dict[bytes, list[int]] = {}
    for token, piece in enumerate(tokens):
        if piece is not None and token not in eos:
            by_bytes.setdefault(piece, []).append(token)
    anything = {*range(len(tokens)), *eos, pad} - {mask, None}
    after = {"eos_to_end": set(eos) | ({pad} - {None}), "pad": {pad} - {None}, "cut": anything, "none": set()}[policy]
    allowed: dict[int, set[int]] = {
        i: set() for i, cell in enumerate(cells) if cell is None or (isinstance(cell, tuple) and cell[1] > 0)
    }
    solution = Solution(False, allowed, None, None, 0)

    ranges = [range(cell[0], cell[1] + 1) for cell in cells if isinstance(cell, tuple)]
    for lengths in product(*ranges):
        length = iter(lengths)
        flat: list[tuple[int | None, int]] = []  # (decided token, canvas position)
        for position, cell in enumerate(cells):
            if isinstance(cell, tuple):
                n = next(length)
                flat += [(None, position)][:n] + [(None, -1)] * (n - 1)
            else:
                flat.append((cell, position))
        _solve_exact(language, tokens, enders, set(eos), by_bytes, after, policy, flat, solution)
    return solution


def _solve_exact(
    language: Language,
    tokens: Sequence[bytes | None],
    enders: set[int],
    eos: set[int],
    by_bytes: dict[bytes, list[int]],
    after: set[int],
    policy: str,
    flat: list[tuple[int | None, int]],
    solution: Solution,
) -> None:
    n = len(flat)
    may_end = [True] * (n + 1)  # may_end[i]: cells i.. may be what follows an EOS
    for i in range(n - 1, -1, -1):
        decided = flat[i][0]
        fits = bool(after) if decided is None else policy == "cut" or decided in after
        may_end[i] = may_end[i + 1] and fits
    allowed = solution.allowed
    chosen: list[list[int]] = [[] for _ in range(n)]

    def found(text: bytes, used: int, ended: bool) -> None:
        solution.n_fillings += 1
        if not language.accepts(text):
            return
        solution.completable = True
        for (decided, position), group in zip(flat[: used + ended], chosen, strict=False):
            if decided is None and position >= 0:
                allowed[position].update(group)
        if ended:
            for decided, position in flat[used + 1 :]:
                if decided is None and position >= 0:
                    allowed[position] |= after
        if solution.shortest_text is None or len(text) < solution.shortest_text:
            solution.shortest_text = len(text)
        if solution.fewest_tokens is None or n < solution.fewest_tokens:
            solution.fewest_tokens = n

    def walk(i: int, text: bytes) -> None:
        if i == n:
            found(text, n, False)
            return
        decided = flat[i][0]
        if decided is None:
            if enders and may_end[i + 1]:
                chosen[i] = sorted(enders)
                found(text, i, True)
            for piece, group in by_bytes.items():
                if _is_prefix(text, piece):
                    chosen[i] = group
                    walk(i + 1, text + piece)
        elif decided in eos:
            if decided in enders and may_end[i + 1]:
                found(text, i, True)
        else:
            piece_ = tokens[decided] if decided < len(tokens) else None
            if piece_ is not None:
                walk(i + 1, text + piece_)

    walk(0, b"")


def _is_prefix(text: bytes, piece: bytes) -> bool:
    """Can text + piece begin valid UTF-8? Cheap and one-sided: False only where it certainly cannot."""
    return piece[:1] < b"\x80" or text[-1:] >= b"\x80" or piece[0] >= 0xC2
