"""The whole theory again, slow and obvious: the oracle of the native engine.

What: `matches` says where a terminal's pattern may end, `Reference.accepts` whether a text is in the
language, `completions` / `allowed` / `shortest` what a canvas may become, by trying every filling.
Terms: a *lexeme* is a matched piece of text, a *lexing* the arcs (start, terminal, end) between text
positions; an item (p, A, q) says that symbol A derives the lexemes between p and q (Bar-Hillel).
Invariants: shares no code with the native engine; every answer is read off the definition, nothing is
cached but the verdict on a text; an unpaired byte (invalid UTF-8) is in no language.
Cost: `accepts` is O(rules * n^3) with large constants; `completions` is O(V^open cells). Small cases only.
Source: the meaning of patterns is CPython's `_sre`; of lexing, `lark/lexer.py` (class BasicLexer) and
`lark/parsers/xearley.py` (scan); ignored text there is an arc that carries no symbol.
See it: `print(*Reference(ir).lexing("text"), sep="\\n")`.

>>> from cfgdecode.grammar.ir import GrammarIR, Terminal
>>> a = Terminal("A", ("lit", "a"), '"a"')
>>> ir = GrammarIR("basic", (a,), ("start",), ((0, (-1,)), (0, (-1, 0))), 0, (), (0,), ())
>>> Reference(ir).accepts(b"aaa"), Reference(ir).accepts(b"ab")
(True, False)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from cfgdecode.grammar.ir import GrammarIR

EosPolicy = Literal["none", "eos_to_end", "cut", "pad"]
Cell = int | None | tuple[int, int]
"""A token id (decided), None (open: one token), or (lo, hi): a gap that stands for lo..hi tokens."""
Filling = tuple[tuple[int, ...], ...]
"""For each cell of a canvas the token ids that it stands for."""
Arc = tuple[int, int | None, int]
"""(start, terminal, end): a lexeme of the text; terminal None is ignored text."""


class Tokens(Protocol):
    """What is needed of a vocabulary; `cfgdecode.Vocabulary` has it."""

    @property
    def tokens(self) -> Sequence[bytes | None]: ...
    @property
    def eos(self) -> Sequence[int]: ...
    @property
    def pad(self) -> int | None: ...
    @property
    def mask(self) -> int | None: ...


# --- patterns: Python's `re`, as a backtracking matcher over Node -----------------------------------


def matches(node: Any, text: str, pos: int) -> Iterator[int]:
    """Every end of a match of `node` that starts at `pos`, the one that Python prefers first."""
    kind = node[0]
    if kind == "lit" and text.startswith(node[1], pos):
        yield pos + len(node[1])
    elif kind == "set" and pos < len(text) and any(low <= ord(text[pos]) <= high for low, high in node[1]):
        yield pos + 1
    elif kind == "cat":
        yield from _sequence(node[1], text, pos)
    elif kind == "alt":
        for branch in node[1]:
            yield from matches(branch, text, pos)
    elif kind == "rep":
        yield from _repeat(node, text, pos)
    elif kind == "look":
        _, ahead, negate, inner = node
        if ahead:
            found = next(matches(inner, text, pos), None) is not None
        else:
            found = any(pos in matches(inner, text, begin) for begin in range(pos + 1))
        if found != negate:
            yield pos
    elif (kind == "start" and pos == 0) or (kind == "end" and pos == len(text)):
        yield pos
    elif kind not in ("lit", "set", "start", "end"):
        raise ValueError(f"unknown pattern node {kind!r}")


def _sequence(nodes: Sequence[Any], text: str, pos: int) -> Iterator[int]:
    if not nodes:
        yield pos
        return
    seen: set[int] = set()
    for middle in matches(nodes[0], text, pos):
        if middle not in seen:
            seen.add(middle)
            yield from _sequence(nodes[1:], text, middle)


def _repeat(node: Any, text: str, begin: int) -> Iterator[int]:
    """A round is (where, how many before, where the last optional one began): Python starts no further round there."""
    _, low, high, greedy, body = node

    def after(pos: int, count: int, last: int | None) -> Iterator[int | tuple[int, int, int | None]]:
        must = count < low
        may = not must and (high is None or count < high) and pos != last
        if not must and not (may and greedy):
            yield pos
        if must or may:
            for middle in matches(body, text, pos):
                yield middle, count + 1, last if must else pos
        if may and greedy:
            yield pos

    stack, seen = [after(begin, 0, None)], set()
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
        elif isinstance(step, int):
            yield step
        else:
            pos, count, last = step
            state = (pos, count if high is not None else min(count, low), pos == last)
            if state not in seen:  # else its ends have been given already
                seen.add(state)
                stack.append(after(*step))


def preferred(node: Any, text: str, pos: int) -> int | None:
    """The end that `re.compile(...).match(text, pos).end()` gives, None if there is no match."""
    return next(matches(node, text, pos), None)


# --- texts: lexings and derivations ------------------------------------------------------------------


class Reference:
    """The language of a grammar; remembers its verdict on each text."""

    def __init__(self, ir: GrammarIR) -> None:
        self.ir = ir
        self._keywords = dict(ir.keywords)
        self._used = sorted({-symbol - 1 for _, body in ir.rules for symbol in body if symbol < 0})
        self._accepted: dict[bytes, bool] = {}

    def accepts(self, text: str | bytes) -> bool:
        """Is the text in the language?"""
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        if data not in self._accepted:
            self._accepted[data] = self._decide(data)
        return self._accepted[data]

    def _decide(self, data: bytes) -> bool:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return False
        arcs = self.lexing(text)
        return arcs is not None and derives(self.ir, arcs, len(text))

    def lexing(self, text: str) -> tuple[Arc, ...] | None:
        """All lexemes on some way through the text; None if Lark's lexer stops with an error."""
        return self._lex_basic(text) if self.ir.lexer == "basic" else self._lex_dynamic(text)

    def _lex_basic(self, text: str) -> tuple[Arc, ...] | None:
        """One lexeme after the other: the first terminal of the scanner that matches, as it prefers to.

        Whether a lexeme is ignored is decided before a keyword takes its place, as Lark does.
        """
        arcs: list[Arc] = []
        pos = 0
        while pos < len(text):
            matched = ((t, preferred(self.ir.terminals[t].pattern, text, pos)) for t in self.ir.scanner)
            terminal, end = next(((t, end) for t, end in matched if end is not None), (-1, pos))
            if end == pos:
                return None
            arcs.append((pos, None if terminal in self.ir.ignore else self._retyped(terminal, text[pos:end]), end))
            pos = end
        return tuple(arcs)

    def _retyped(self, terminal: int, lexeme: str) -> int:
        for keyword in self._keywords.get(terminal, ()):
            if len(lexeme) in matches(self.ir.terminals[keyword].pattern, lexeme, 0):
                return keyword
        return terminal

    def _lex_dynamic(self, text: str) -> tuple[Arc, ...] | None:
        """Wherever a lexeme may begin, each terminal's lexemes (`_ends`) and the preferred ignored text."""
        arcs: list[Arc] = []
        agenda, seen = [0], {0}
        while agenda:
            pos = agenda.pop()
            ignored = [preferred(self.ir.terminals[i].pattern, text, pos) for i in self.ir.ignore]
            found: list[Arc] = [(pos, None, end) for end in ignored if end is not None]
            found += [(pos, terminal, end) for terminal in self._used for end in self._ends(terminal, text, pos)]
            arcs += found
            fresh = {end for _, _, end in found} - seen
            seen |= fresh
            agenda += sorted(fresh)
        return tuple(arcs) if len(text) in seen else None

    def _ends(self, terminal: int, text: str, pos: int) -> list[int]:
        """Lark's `dynamic`: the preferred match. `dynamic_complete`: also the preferred match of every
        shorter piece of that match, each taken for itself: nothing is seen left or right of it."""
        pattern = self.ir.terminals[terminal].pattern
        end = preferred(pattern, text, pos)
        if end is None:
            return []
        if self.ir.lexer == "dynamic":
            return [end]
        shorter = [preferred(pattern, text[pos:stop], 0) for stop in range(pos + 1, end)]
        return sorted({end} | {pos + width for width in shorter if width is not None})


def derives(ir: GrammarIR, arcs: Sequence[Arc], n: int) -> bool:
    """Does the start symbol derive some path of arcs from 0 to n (arcs lead to the right)?

    `chart[p][A]` is {q : the item (p, A, q) holds}; a symbol may be preceded by ignored text, and only
    the end of the text is followed by it. Charts right of p are finished before p is begun.
    """
    after_ignored: dict[int, set[int]] = {}
    chart: dict[int, dict[int, set[int]]] = {}
    for p in range(n, -1, -1):
        after_ignored[p] = {p}.union(*(after_ignored[end] for start, t, end in arcs if start == p and t is None))
        here: dict[int, set[int]] = {}
        chart[p] = here
        for start, terminal, end in arcs:
            if terminal is not None and start in after_ignored[p]:
                here.setdefault(-terminal - 1, set()).add(end)
        grown = True
        while grown:
            grown = False
            for head, body in ir.rules:
                ends = {p}
                for symbol in body:
                    ends = {q for middle in ends for q in chart[middle].get(symbol, ())}
                if not ends <= here.setdefault(head, set()):
                    here[head] |= ends
                    grown = True
    return any(n in after_ignored[end] for end in chart[0].get(ir.start, ()))


# --- canvases: every filling -------------------------------------------------------------------------


def text_of(ids: Sequence[int], vocabulary: Tokens, policy: EosPolicy = "eos_to_end") -> bytes | None:
    """The bytes before the first EOS; None if these ids are no sequence that the policy allows."""
    first = next((i for i, token in enumerate(ids) if token in vocabulary.eos), len(ids))
    rest = ids[first + 1 :]
    if policy == "none" and first < len(ids):
        return None
    if policy == "eos_to_end" and any(token not in vocabulary.eos and token != vocabulary.pad for token in rest):
        return None
    if policy == "pad" and any(token != vocabulary.pad for token in rest):
        return None
    pieces = [vocabulary.tokens[token] if token < len(vocabulary.tokens) else None for token in ids[:first]]
    known = [piece for piece in pieces if piece is not None]
    return b"".join(known) if len(known) == len(pieces) else None


def completions(
    reference: Reference, vocabulary: Tokens, canvas: Sequence[Cell], policy: EosPolicy = "eos_to_end"
) -> Iterator[Filling]:
    """Every filling of the canvas whose text is in the language.

    An open cell may become any token, but never the mask; a decided cell stays as it is, whatever it is.
    `text_of` says what may stand where: before the EOS only tokens that have bytes, after a cut anything.
    """
    ids = {*range(len(vocabulary.tokens)), *vocabulary.eos, vocabulary.pad} - {vocabulary.mask, None}
    choices = sorted(token for token in ids if token is not None)
    for filling in product(*(_cell_fillings(cell, choices) for cell in canvas)):
        text = text_of([token for part in filling for token in part], vocabulary, policy)
        if text is not None and reference.accepts(text):
            yield filling


def _cell_fillings(cell: Cell, choices: Sequence[int]) -> list[tuple[int, ...]]:
    if isinstance(cell, int):
        return [(cell,)]
    low, high = (1, 1) if cell is None else cell
    return [part for length in range(low, high + 1) for part in product(choices, repeat=length)]


def is_completable(
    reference: Reference, vocabulary: Tokens, canvas: Sequence[Cell], policy: EosPolicy = "eos_to_end"
) -> bool:
    """Has the canvas a completion?"""
    return next(completions(reference, vocabulary, canvas, policy), None) is not None


def allowed(
    reference: Reference, vocabulary: Tokens, canvas: Sequence[Cell], position: int, policy: EosPolicy = "eos_to_end"
) -> set[int]:
    """The tokens t such that the canvas with t at `position` is completable; of a gap: what it may begin with."""
    found = completions(reference, vocabulary, canvas, policy)
    return {filling[position][0] for filling in found if filling[position]}


def shortest(
    reference: Reference, vocabulary: Tokens, canvas: Sequence[Cell], policy: EosPolicy = "eos_to_end"
) -> tuple[int, ...] | None:
    """The completion with the fewest tokens, then the fewest bytes of text, then the smallest ids."""
    found = [sum(filling, ()) for filling in completions(reference, vocabulary, canvas, policy)]
    return min(found, key=lambda ids: (len(ids), len(text_of(ids, vocabulary, policy) or b""), ids), default=None)
