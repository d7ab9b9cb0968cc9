"""Why a token is not allowed, or why a canvas is dead: the smallest span of cells that conflicts.

Terms: a *span* [a, b) conflicts if no text has these cells, whatever stands in the others; *found* is what stands
where reading fails, *expected* the terminals that could stand there instead.
How: three views, the first that sees the conflict answers. (1) Lexemes: what is surely one lexeme after the other (a
decided text under the basic lexer, or the part of it before the first gap) is a sequence of terminals; its shortest
dead window is found by bisection on the prefix and factor grammars (lexemes.py). (2) Bytes: everything outside
[a, b), and every gap, is opened to a gap of any length. (3) Counts: the text could be completed, but not with so many
tokens; gaps are given more cells or fewer until it can.
Invariants: a span is only reported after a verdict Dead on it; a legal canvas never raises; after `SECONDS` the
smallest span known so far is reported.
Cost: O(log n) questions for the span, one per terminal for what was expected.
See it: `cfgdecode explain GRAMMAR TEXT`.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

from .canvas import COMMITTED, OPEN, Canvas, Explanation, Verdict
from .constraint import Constraint, Limits, compile
from .errors import CfgDecodeError
from .lexemes import Lexeme, certain_lexemes, lexeme_grammar, scanner, shortest_lexeme
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from .text import Grammar

SECONDS = 2.0
"""Limit on the search for a smaller span and for what was expected."""
_SHOWN = 10
_CHECK = Limits(time_us=500_000)


def explain(canvas: Canvas, position: int | None = None, token: int | None = None) -> Explanation:
    """See `Canvas.explain`."""
    present = canvas.verdict()
    if position is None or present is not Verdict.COMPLETABLE:
        return _of_verdict(canvas, present)
    if token is None:
        return _of_cell(canvas, position)
    trial, vocabulary = canvas.fork(), canvas.constraint.vocabulary
    shown = vocabulary.show(token)
    if token == vocabulary.mask:
        return Explanation(f"token {token} {shown} marks an open cell; it stands in no text", (position, position + 1))
    trial._put(position, token, COMMITTED)
    verdict = trial.verdict()
    if verdict is Verdict.COMPLETABLE:
        return Explanation(f"token {token} {shown} is allowed at cell {position}", (position, position + 1), shown)
    why = _of_verdict(trial, verdict)
    return Explanation(f"token {token} {shown} at cell {position}: {why}", why.span, why.found, why.expected)


def first_failure(canvas: Canvas) -> tuple[Explanation, int | None]:
    """For a dead canvas without open cells: where reading it from the left fails first, also as a byte offset."""
    search = _Search(canvas, first=True)
    try:
        return search.run(), search.at
    except CfgDecodeError as error:
        return Explanation(f"refused; why could not be found out: {error}", (0, len(canvas))), None


def _of_verdict(canvas: Canvas, verdict: Verdict) -> Explanation:
    if verdict is Verdict.COMPLETABLE:
        return Explanation("the canvas is completable")
    if verdict is Verdict.UNDECIDED:
        return Explanation(f"undecided: the limit {canvas.limit} was reached; raise Limits.{canvas.limit}")
    if canvas.constraint.is_empty:
        return Explanation("the language of the grammar is empty: no text belongs to it")
    try:
        return _Search(canvas).run()
    except CfgDecodeError as error:
        return Explanation(f"the canvas is dead; why could not be found out: {error}", (0, len(canvas)))


def _of_cell(canvas: Canvas, position: int) -> Explanation:
    canvas._check_position(position)
    if canvas._status[position] != OPEN:
        return Explanation(f"cell {position} is decided, and the canvas is completable", (position, position + 1))
    try:
        allowed = canvas.allowed(position)
    except CfgDecodeError as error:
        return Explanation(str(error), (position, position + 1))
    shown = [canvas.constraint.vocabulary.show(t) for t in allowed.ids()[:_SHOWN].tolist()]
    more = f" and {len(allowed) - _SHOWN} more" if len(allowed) > _SHOWN else ""
    return Explanation(f"cell {position} may hold {', '.join(shown)}{more}", (position, position + 1))


class _Search:
    """One dead canvas, its cells as bytes (None: open), and the time left."""

    def __init__(self, canvas: Canvas, first: bool = False) -> None:
        self.canvas, self.grammar, self.first = canvas, canvas.constraint.grammar, first
        self.at: int | None = None
        self.until = time.monotonic() + SECONDS
        self.cells: list[bytes | None] = []

    def run(self) -> Explanation:
        return self._read_cells() or self._by_lexemes() or self._by_bytes() or self._by_counts() or self._plain()

    def _in_time(self) -> bool:
        return time.monotonic() < self.until

    def _read_cells(self) -> Explanation | None:
        """Fill `cells`; an explanation if a token can stand in no text."""
        canvas, vocabulary = self.canvas, self.canvas.constraint.vocabulary
        policy = canvas.constraint.eos_policy
        for i, token in enumerate(canvas.ids):
            if token is None:
                self.cells.append(None)
            elif token in vocabulary.eos and policy != "none":
                return self._tail_problem(i + 1)
            else:
                piece = vocabulary.token_bytes(token)
                if piece is None:
                    found = vocabulary.show(token)
                    return Explanation(f"cell {i}: {found} has no bytes and stands in no text", (i, i + 1), found)
                self.cells.append(piece)
        return None

    def _tail_problem(self, start: int) -> Explanation | None:
        """What may not stand behind an EOS."""
        vocabulary, policy = self.canvas.constraint.vocabulary, self.canvas.constraint.eos_policy
        legal = {vocabulary.pad} | (set(vocabulary.eos) if policy == "eos_to_end" else set())
        for i, token in enumerate(self.canvas.ids[start:], start):
            if policy != "cut" and token is not None and token not in legal:
                found = vocabulary.show(token)
                return Explanation(f"cell {i}: found {found} behind the end of the text", (start - 1, i + 1), found)
        return None

    # ---------------------------------------------------------------- lexemes

    def _by_lexemes(self) -> Explanation | None:
        if self.grammar.lexer != "basic":
            return None
        first_gap = self.cells.index(None) if None in self.cells else len(self.cells)
        data = b"".join(cell or b"" for cell in self.cells[:first_gap])
        text, broken = _decoded(data)
        whole = first_gap == len(self.cells) and broken is None
        lexemes, stop = scanner(self.grammar).scan(text)
        if not whole:
            lexemes, stop = certain_lexemes(self.grammar, text, lexemes), None
        used = [lexeme for lexeme in lexemes if not lexeme.ignored]
        terminals = [lexeme.terminal for lexeme in used]
        parts = lexeme_grammar(self.grammar, _CHECK)
        n = _first(len(terminals), lambda k: self._in_time() and parts.is_part(terminals[:k], "prefix") is False)
        if n is not None:
            everywhere = whole and stop is None and not self.first
            return self._lexeme_conflict(text, used, *self._shortest_window(terminals, n, everywhere))
        if not self._in_time():
            return None
        if stop is not None:
            return self._end_conflict(text, used, stop, repr(text[stop]))
        if whole:
            return self._end_conflict(text, used, len(text), "the end of the text")
        return None

    def _shortest_window(self, terminals: list[int], end: int, everywhere: bool) -> tuple[int, int]:
        """The shortest dead window of terminals; by default the one that ends at `end`."""
        parts = lexeme_grammar(self.grammar, _CHECK)

        def dead(start: int, end: int) -> bool:
            return parts.is_part(terminals[start:end], "factor" if start else "prefix") is False

        best = _last(end, lambda start: dead(start, end)), end
        for start in range(len(terminals) if everywhere else 0):
            width = best[1] - best[0] - 1
            if not self._in_time() or width < 1:
                break
            if start + width <= len(terminals) and dead(start, start + width):
                shorter = _first(width, lambda k, start=start: dead(start, start + k))  # type: ignore[misc]
                best = start, start + (shorter or width)
        return best

    def _lexeme_conflict(self, text: str, used: list[Lexeme], start: int, end: int) -> Explanation:
        terminals = [lexeme.terminal for lexeme in used]
        parts, at = lexeme_grammar(self.grammar, _CHECK), used[end - 1]
        before = terminals[: end - 1]
        expected = parts.after(before) if parts.is_part(before, "prefix") else []
        expected = expected or parts.after(terminals[start : end - 1], "factor")
        found, span = text[at.start : at.end], (used[start].start, at.end)
        shown = sorted(map(self._show, expected), key=_literals_first)
        return self._explanation(text, span, at.start, repr(found), shown, help=self._repair(terminals, end - 1))

    def _repair(self, terminals: list[int], at: int) -> str:
        """The one lexeme that would make a decided text valid if put in, left out or replaced."""
        if None in self.cells or not self._in_time():
            return ""
        parts = lexeme_grammar(self.grammar, _CHECK)
        before, after = terminals[:at], terminals[at + 1 :]
        if parts.is_part([*before, *after], "whole"):
            return "the text is valid without it"
        for words, rest in (("in front of it", terminals[at:]), ("in its place", after)):
            fits = sorted(map(self._show, parts.between(before, rest)), key=_literals_first)
            if fits:
                return f"the text is valid with {_listed(fits, 3)} {words}"
        return ""

    def _end_conflict(self, text: str, used: list[Lexeme], at: int, found: str) -> Explanation:
        """The lexemes are a prefix, but the text stops there, or what follows is no lexeme."""
        terminals = [lexeme.terminal for lexeme in used]
        parts = lexeme_grammar(self.grammar, _CHECK)
        expected = sorted((self._show(t) for t in parts.after(terminals)), key=_literals_first)
        start = used[-1].start if used else 0
        if at == len(text):
            window = _last(len(used), lambda k: parts.is_part(terminals[k:], "suffix" if k else "whole") is False)
            start = used[window].start if window < len(used) else at
        elif parts.is_part(terminals, "whole"):
            expected.append("the end of the text")
        return self._explanation(text, (start, min(at + 1, len(text))), at, found, expected)

    def _show(self, terminal: int) -> str:
        return show_terminal(self.grammar, terminal)

    # ---------------------------------------------------------------- bytes

    def _by_bytes(self) -> Explanation | None:
        n = len(self.cells)
        if not self._dead(0, n, True):
            return None
        end = _first(n, lambda b: self._dead(0, b, False))
        at_end = end is None
        stop = n if end is None else end
        start = _last(stop, lambda a: self._dead(a, stop, at_end))
        if at_end:
            return self._byte_explanation(start, n, b"", "the end of the text")
        cell = self.cells[stop - 1] or b""
        within = _first(len(cell), lambda k: self._dead_with(stop - 1, cell[:k])) or len(cell)
        return self._byte_explanation(start, stop, cell[: within - 1], "")

    def _byte_explanation(self, start: int, stop: int, kept: bytes, found: str) -> Explanation:
        """Reading fails inside cell `stop - 1` behind the bytes `kept`, or behind the last cell."""
        last = stop - 1 if not found else stop
        before = b"".join(cell or b"" for cell in self.cells[self._run_start(last) : last]) + kept
        cut = _word_start(before)
        quote = max(before.rfind(b'"'), before.rfind(b"'"))
        expected = self._fitting(last, before[:cut])
        if not expected and quote >= 0:
            cut = quote
            expected = self._fitting(last, before[:cut])
        if not expected:
            cut = len(before)
        back = len(before) - cut
        text = self._shown_cells()
        offsets = self._offsets(text_of_cell=_shown_cell)
        at = offsets[last] + len(kept.decode("utf-8", "replace")) - back
        if not found:
            found = repr(before[cut:].decode("utf-8", "replace") + _shown_cell(self.cells[last])[len(kept) :])
        return self._explanation(text, (offsets[start], offsets[stop]), at, found, expected, (start, stop))

    def _run_start(self, i: int) -> int:
        """The first cell of the decided run that ends before cell i."""
        while i and self.cells[i - 1] is not None:
            i -= 1
        return i

    def _fitting(self, last: int, before: bytes) -> list[str]:
        """The terminals whose shortest lexeme may follow `before`, the end of the decided run left of cell `last`."""
        start, fitting = self._run_start(last), []
        for terminal in sorted({-s - 1 for _, body in self.grammar.ir.rules for s in body if s < 0}):
            if not self._in_time():
                break
            lexeme = shortest_lexeme(self.grammar.ir.terminals[terminal].pattern).encode()
            if lexeme and not self._dead_with(start, before + lexeme):
                fitting.append(self._show(terminal))
        return sorted(fitting, key=_literals_first)

    def _dead(self, a: int, b: int, ends: bool) -> bool:
        """Whether cells [a, b) conflict; `ends`: and the text ends behind them."""
        return self._dead_parts([None] * (a > 0) + self.cells[a:b] + [None] * (not ends))

    def _dead_with(self, b: int, more: bytes) -> bool:
        return self._dead_parts([*self.cells[:b], more, None])

    def _dead_parts(self, parts: Sequence[bytes | None]) -> bool:
        if not self._in_time():
            return False
        ids: list[int] = []
        gaps: dict[int, tuple[int, int | None]] = {}
        for part in parts:
            if part is not None:
                ids += part
            elif len(ids) - 1 not in gaps:
                gaps[len(ids)] = (0, None)
                ids.append(0)
        canvas = _byte_constraint(self.grammar).canvas(ids, [i in gaps for i in range(len(ids))], gaps=gaps)
        return canvas.verdict() is Verdict.DEAD

    # ---------------------------------------------------------------- counts

    def _by_counts(self) -> Explanation | None:
        """Some gap has too few or too many cells."""
        gaps = _runs(self.canvas)
        for tried in [*([gap] for gap in gaps), gaps]:
            for word, bounds in (("few", _at_least), ("many", _at_most)):
                if not self._in_time():
                    return None
                filling = self._loosened({start: bounds(end - start) for start, end in tried})
                if filling is not None:
                    return self._wrong_count(tried, word, sum(map(len, filling)))
        if not gaps or not self._in_time():
            return None
        if self._loosened({start: (0, None) for start, _ in gaps}) is None:
            message = "the text could be completed, but not by tokens of this vocabulary"
        else:
            message = "the gaps need other numbers of tokens, one more and another fewer"
        return Explanation(message, (gaps[0][0], gaps[-1][1]))

    def _loosened(self, bounds: dict[int, tuple[int, int | None]]) -> list[list[int]] | None:
        """A filling of the canvas if these gaps may hold other numbers of tokens."""
        canvas = self.canvas
        kept = {p: v for p, v in canvas._intervals.items() if p not in bounds}
        is_open = [s == OPEN for s in canvas._status]
        trial = canvas.constraint.canvas([t or 0 for t in canvas._ids], is_open, gaps=kept | bounds)
        return trial._native.witness() if trial.is_completable() else None

    def _wrong_count(self, gaps: Sequence[tuple[int, int]], word: str, n_tokens: int) -> Explanation:
        start, end = gaps[0]
        if len(gaps) > 1:
            n = sum(b - a for a, b in gaps)
            return Explanation(f"the {n} open cells are too {word}", (start, gaps[-1][1]))
        n = n_tokens - (len(self.canvas) - (end - start))
        cells = "1 open cell is" if end - start == 1 else f"{end - start} open cells are"
        hint = "another number" if self.canvas._intervals else str(n)
        return Explanation(f"{_places((start, end))}: {cells} too {word}; {hint} would do", (start, end))

    def _plain(self) -> Explanation:
        return Explanation("the decided cells conflict; no smaller span was found in time", (0, len(self.canvas)))

    # ---------------------------------------------------------------- saying it

    def _shown_cells(self) -> str:
        return "".join(map(_shown_cell, self.cells))

    def _offsets(self, text_of_cell: Callable[[bytes | None], str | bytes]) -> list[int]:
        return [0, *accumulate(len(text_of_cell(cell)) for cell in self.cells)]

    def _explanation(
        self,
        text: str,
        span: tuple[int, int],
        at: int,
        found: str,
        expected: Sequence[str],
        cells: tuple[int, int] | None = None,
        help: str = "",
    ) -> Explanation:
        """`span` and `at` are places in `text`; `cells` the same span in cells, if known."""
        if cells is None:
            offsets = self._offsets(lambda cell: cell or b"")
            low, high = (len(text[:i].encode()) for i in span)
            first = max(bisect_right(offsets, low) - 1, 0)
            cells = min(first, max(len(self.cells) - 1, 0)), max(bisect_right(offsets, high - 1), first + 1)
            cells = cells[0], min(cells[1], len(self.cells))
        self.at = len(text[:at].encode())
        line, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
        head = f"line {line}, column {column}: found {found}" + _expected(expected)
        conflict = " ".join(text[span[0] : span[1]].split())
        verb = {(True, True): "is", (True, False): "begins with", (False, True): "ends with"}
        what = verb.get((cells[0] == 0, at >= len(text)), "has")
        lines = [head, *_excerpt(text, at), f"{_places(cells)}: no text {what} {_shortened(conflict)!r}"]
        lines += [f"help: {help}"] if help else []
        return Explanation("\n".join(lines), cells, found, tuple(expected))


def show_terminal(grammar: Grammar, terminal: int) -> str:
    """A terminal in words of the grammar: its literal, or its name."""
    entry = grammar.ir.terminals[terminal]
    if entry.source.startswith(('"', "'")) or entry.name.startswith("__"):
        return entry.source
    return entry.name


@lru_cache(maxsize=8)
def _byte_constraint(grammar: Grammar) -> Constraint:
    return compile(grammar, Vocabulary.bytes(), limits=_CHECK, eos_policy="none")


def _first(n: int, holds: Callable[[int], bool]) -> int | None:
    """The least k in 1..n where a monotone property holds, None if nowhere; small k are tried first."""
    low, high = 0, min(n, 16)
    while high < n and not holds(high):
        low, high = high, min(n, 2 * high)
    if n < 1 or (high == n and not holds(n)):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _last(n: int, holds: Callable[[int], bool]) -> int:
    """The greatest k in 0..n-1 where a falling property holds; it is taken to hold at 0."""
    low, high = 0, max(n, 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _runs(canvas: Canvas) -> list[tuple[int, int]]:
    """Maximal runs of open cells, as (first, last + 1)."""
    runs: list[tuple[int, int]] = []
    for i in canvas.open_positions:
        if runs and runs[-1][1] == i:
            runs[-1] = runs[-1][0], i + 1
        else:
            runs.append((i, i + 1))
    return runs


def _at_least(n: int) -> tuple[int, int | None]:
    return n, None


def _at_most(n: int) -> tuple[int, int | None]:
    return 0, n


def _decoded(data: bytes) -> tuple[str, int | None]:
    """The text up to the first byte that is not UTF-8, and where that is."""
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError as error:
        return data[: error.start].decode("utf-8"), error.start


def _shown_cell(cell: bytes | None) -> str:
    return "\N{WHITE SQUARE}" if cell is None else cell.decode("utf-8", "replace")


def _word_start(data: bytes) -> int:
    """Where the word that `data` ends with begins."""
    i = len(data)
    while i and (data[i - 1 : i].isalnum() or data[i - 1] in b"_"):
        i -= 1
    return len(data) if data[i : i + 1].isdigit() else i


def _expected(expected: Sequence[str]) -> str:
    return f", expected {_listed(expected, _SHOWN)}" if expected else ""


def _listed(names: Sequence[str], most: int) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > most else ""
    return ("one of " if len(names) > 1 else "") + ", ".join(names[:most]) + more


def _literals_first(name: str) -> tuple[bool, str]:
    return not name.startswith(('"', "'")), name


def _excerpt(text: str, at: int) -> list[str]:
    """The line around `at`, cut to a readable width, and a caret below."""
    start = max(text.rfind("\n", 0, at) + 1, at - 60)
    end = text.find("\n", at)
    end = min(len(text) if end < 0 else end, start + 100)
    line = text[start:end].replace("\t", " ").replace("\r", " ")
    return ["  " + line, "  " + " " * (at - start) + "^"]


def _shortened(text: str, width: int = 60) -> str:
    return text if len(text) <= width else f"{text[: width // 2]} ... {text[-width // 2 :]}"


def _places(cells: tuple[int, int]) -> str:
    return f"cell {cells[0]}" if cells[1] - cells[0] <= 1 else f"cells {cells[0]}..{cells[1] - 1}"
