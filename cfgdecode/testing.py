"""Hypothesis strategies: texts of a grammar, texts just outside of it, and canvases of a constraint.

What: `texts(grammar)` draws sentences, `near_misses(grammar)` texts one edit away that are not in the language,
`canvases(constraint)` sentences cut into tokens at random, with some cells opened.
How: a text is a derivation of the grammar that goes through one rule or terminal drawn beforehand (so that every one
of them comes up, however rare), and takes the smallest rules once it has grown to `size` lexemes. Each lexeme is drawn
from its terminal's pattern. `grammar.accepts` judges the result; where lexemes would merge, ignorable text goes
between them.
Invariants: texts are accepted, near misses are not, canvases are completable unless `completable=None` is given.
All of them shrink: to the smallest derivation, the first characters of a class, fewer open cells.
Cost: one `accepts` per text, a few where lexemes merge.

>>> from hypothesis import given
>>> @given(texts(cd.Grammar.builtin("json")))                                # doctest: +SKIP
... def test_my_parser(text): my_parser(text)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cfgdecode import reference

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from cfgdecode import Canvas, Constraint, Grammar
    from cfgdecode.grammar import GrammarIR

_TRIES = 6
_FAVOURITES = "a0 bz19_AZ\"'\\.,;:()[]{}<>+-*/=!?&|%#@^~$`\n\t"


def texts(grammar: Grammar, *, size: int = 12) -> SearchStrategy[str]:
    """Sentences of the language.

    Args:
        grammar: any grammar whose language is not empty.
        size: from how many lexemes on a derivation takes the shortest way to its end.

    Raises:
        ValueError: the language is empty.
        ImportError: Hypothesis is not installed.
    """
    st = _hypothesis()
    plan = _Plan(grammar.ir)
    lexemes = _Lexemes(grammar.ir)
    separators = [lexemes.of(terminal) for terminal in grammar.ir.ignore]

    def sentence(draw: Callable[..., Any]) -> str:
        for _ in range(_TRIES):
            pieces = [draw(lexemes.of(terminal)) for terminal in plan.derivation(draw, st, size)]
            gaps = [""] * (len(pieces) + 1)
            if separators and draw(st.booleans()):
                gaps = [draw(st.just("") | st.one_of(separators)) for _ in gaps]
            text = _joined(pieces, gaps)
            if grammar.accepts(text):
                return text
            if separators:
                between = draw(st.one_of(separators))
                text = _joined(pieces, [gap or between for gap in gaps])
                if grammar.accepts(text):
                    return text
        return shortest

    shortest = _shortest_text(grammar)
    strategy: SearchStrategy[str] = st.composite(sentence)()
    return strategy


def near_misses(grammar: Grammar, *, size: int = 12) -> SearchStrategy[str]:
    """Texts that one edit (a character left out, put in, replaced, doubled or swapped) took out of the language.

    A language that has every text has no near misses: Hypothesis reports that as unsatisfiable.
    """
    st = _hypothesis()
    from hypothesis import assume

    lexemes = _Lexemes(grammar.ir)
    used = [t for t in range(len(grammar.ir.terminals)) if grammar.ir.terminals[t].pattern != ("set", ())]
    pieces = st.one_of([st.sampled_from(_FAVOURITES), *(lexemes.of(terminal) for terminal in used)])

    def near_miss(draw: Callable[..., Any]) -> str:
        text = draw(texts(grammar, size=size))
        for _ in range(_TRIES):
            place = draw(st.integers(0, len(text)))
            head, here, tail = text[:place], text[place : place + 1], text[place + 1 :]
            edit = draw(st.sampled_from(("leave out", "put in", "replace", "double", "swap")))
            if edit == "put in":
                edited = head + draw(pieces) + here + tail
            elif edit == "replace":
                edited = head + draw(pieces) + tail
            else:
                edited = (
                    head + {"leave out": tail, "double": here + here + tail, "swap": tail[:1] + here + tail[1:]}[edit]
                )
            if not grammar.accepts(edited):
                return str(edited)
        assume(False)
        raise AssertionError("unreachable: assume(False) raises")

    strategy: SearchStrategy[str] = st.composite(near_miss)()
    return strategy


def canvases(constraint: Constraint, *, size: int = 8, completable: bool | None = True) -> SearchStrategy[Canvas]:
    """Canvases: a text of the language in tokens drawn at random, some runs of cells open.

    Args:
        constraint: what `cfgdecode.compile` gave.
        size: as for `texts`.
        completable: True: every canvas is completable, for a text fits it. None: some are damaged (a cell more or
            less, another token), and may be dead.
    """
    st = _hypothesis()
    from hypothesis import assume

    vocabulary = constraint.vocabulary
    cutter = _Cutter(vocabulary)

    def canvas(draw: Callable[..., Any]) -> Canvas:
        ids = cutter.cut(draw, st, draw(texts(constraint.grammar, size=size)).encode())
        assume(ids is not None)
        assert ids is not None
        if constraint.eos_policy != "none" and vocabulary.eos and draw(st.booleans()):
            ids += [draw(st.sampled_from(list(vocabulary.eos)))]
            filler = vocabulary.eos[0] if constraint.eos_policy == "eos_to_end" else vocabulary.pad
            if filler is not None:
                ids += [filler] * draw(st.integers(0, 3))
        is_open = [False] * len(ids)
        for _ in range(draw(st.integers(0, 3)) if ids else 0):
            begin = draw(st.integers(0, len(ids) - 1))
            for i in range(begin, min(len(ids), begin + draw(st.integers(1, 5)))):
                is_open[i] = True
        if completable is None and ids and draw(st.booleans()):
            place = draw(st.integers(0, len(ids) - 1))
            damage = draw(st.sampled_from(("less", "more", "other")))
            if damage == "less":
                del ids[place], is_open[place]
            elif damage == "more":
                ids.insert(place, ids[place])
                is_open.insert(place, draw(st.booleans()))
            else:
                ids[place] = draw(st.sampled_from(cutter.ids))
        return constraint.canvas(ids, open=is_open)

    strategy: SearchStrategy[Canvas] = st.composite(canvas)()
    return strategy


def _hypothesis() -> Any:
    try:
        from hypothesis import strategies
    except ImportError as error:
        raise ImportError("cfgdecode.testing needs Hypothesis: pip install 'cfgdecode[testing]'") from error
    return strategies


def _joined(pieces: Sequence[str], gaps: Sequence[str]) -> str:
    """gap piece gap piece ... gap"""
    return "".join(gap + piece for gap, piece in zip(gaps, [*pieces, ""], strict=True))


def _shortest_text(grammar: Grammar) -> str:
    from cfgdecode import GAP

    text: str | None = grammar.complete([GAP])
    if text is None:
        raise ValueError("the language of this grammar is empty: there is no text to draw")
    return text


class _Lexemes:
    """A strategy for each terminal: what its pattern matches as a whole when nothing follows."""

    def __init__(self, ir: GrammarIR) -> None:
        self.ir = ir
        self._strategies: dict[int, Any] = {}

    def of(self, terminal: int) -> Any:
        if terminal not in self._strategies:
            pattern = self.ir.terminals[terminal].pattern
            drawn = self._pattern(pattern)
            if pattern[0] not in ("lit", "set"):
                drawn = drawn.filter(lambda text: reference.preferred(pattern, text, 0) == len(text) > 0)
            self._strategies[terminal] = drawn
        return self._strategies[terminal]

    def _pattern(self, node: Any) -> Any:
        st = _hypothesis()
        match node:
            case ("lit", text):
                return st.just(text)
            case ("set", ranges):
                return self._character(ranges)
            case ("cat", parts):
                return st.tuples(*map(self._pattern, parts)).map("".join)
            case ("alt", branches):
                return st.one_of([self._pattern(branch) for branch in branches])
            case ("rep", low, high, _, body):
                most = low + 4 if high is None else min(high, low + 4)
                return st.lists(self._pattern(body), min_size=low, max_size=most).map("".join)
        return st.just("")

    def _character(self, ranges: Sequence[tuple[int, int]]) -> Any:
        st = _hypothesis()
        likely = [c for c in _FAVOURITES if any(low <= ord(c) <= high for low, high in ranges)]
        anything = st.one_of([st.integers(low, high).map(chr) for low, high in ranges[:64]])
        return st.one_of(st.sampled_from(likely), anything) if likely else anything


class _Plan:
    """How derivations are drawn: the size of the smallest one of each symbol, and the way to each goal."""

    def __init__(self, ir: GrammarIR) -> None:
        self.ir = ir
        self.rules: list[list[int]] = [[] for _ in ir.nonterminals]
        self.least: dict[int, int] = {}
        self._find_least_sizes()
        for number, (head, body) in enumerate(ir.rules):
            if all(symbol < 0 or symbol in self.least for symbol in body):
                self.rules[head].append(number)
        for numbers in self.rules:
            numbers.sort(key=lambda number: (self._size(ir.rules[number][1]), number))
        self.way, self.goals = self._ways()

    def _size(self, body: Sequence[int]) -> int:
        return sum(1 if symbol < 0 else self.least[symbol] + 1 for symbol in body)

    def _find_least_sizes(self) -> None:
        """The smallest derivation of each nonterminal that has one: lexemes and rules below it."""
        changed = True
        while changed:
            changed = False
            for head, body in self.ir.rules:
                if all(symbol < 0 or symbol in self.least for symbol in body):
                    size = self._size(body)
                    if size < self.least.get(head, size + 1):
                        self.least[head] = size
                        changed = True

    def _ways(self) -> tuple[dict[int, tuple[int, int]], list[int]]:
        """For each nonterminal but the start the rule and the place by which it is reached first; all rules reached."""
        way: dict[int, tuple[int, int]] = {}
        goals: list[int] = []
        queue, seen = deque([self.ir.start]), {self.ir.start}
        while queue:
            nonterminal = queue.popleft()
            for number in self.rules[nonterminal]:
                goals.append(number)
                for place, symbol in enumerate(self.ir.rules[number][1]):
                    if symbol >= 0 and symbol not in seen:
                        seen.add(symbol)
                        way[symbol] = (number, place)
                        queue.append(symbol)
        return way, goals

    def derivation(self, draw: Callable[..., Any], st: Any, size: int) -> list[int]:
        """Terminals of a derivation through a rule drawn beforehand."""
        if not self.goals:
            return []
        path = self._path(draw(st.sampled_from(self.goals)))
        terminals: list[int] = []
        stack: list[tuple[int, int]] = [(self.ir.start, 0)]  # (symbol, how far along the path, -1 = off it)
        while stack:
            symbol, along = stack.pop()
            if symbol < 0:
                terminals.append(-symbol - 1)
                continue
            if 0 <= along < len(path):
                number, place = path[along]
            else:
                pending = sum(1 if s < 0 else self.least[s] + 1 for s, _ in stack)
                number, place = self._rule(draw, st, symbol, size - len(terminals) - pending), -1
            body = self.ir.rules[number][1]
            marked = [(s, along + 1 if i == place else -1) for i, s in enumerate(body)]
            stack.extend(reversed(marked))
        return terminals

    def _rule(self, draw: Callable[..., Any], st: Any, nonterminal: int, room: int) -> int:
        numbers = self.rules[nonterminal]
        fitting = [number for number in numbers if self._size(self.ir.rules[number][1]) <= room]
        number: int = draw(st.sampled_from(fitting)) if fitting else numbers[0]
        return number

    def _path(self, goal: int) -> list[tuple[int, int]]:
        """(rule, place of the next one in its body) from the start to the goal."""
        path = [(goal, -1)]
        while (head := self.ir.rules[path[0][0]][0]) != self.ir.start:
            path.insert(0, self.way[head])
        return path


class _Cutter:
    """Cuts bytes into tokens at random."""

    def __init__(self, vocabulary: Any) -> None:
        self.by_bytes: dict[bytes, list[int]] = {}
        for token, piece in enumerate(vocabulary.tokens):
            if piece and token not in vocabulary.eos:
                self.by_bytes.setdefault(piece, []).append(token)
        self.ids = [token for group in self.by_bytes.values() for token in group]
        self.longest = max(map(len, self.by_bytes), default=0)

    def cut(self, draw: Callable[..., Any], st: Any, text: bytes) -> list[int] | None:
        """Token ids that spell the text; None if there are none."""
        ways: list[list[bytes]] = [[] for _ in text]
        for pos in range(len(text) - 1, -1, -1):
            for stop in range(min(len(text), pos + self.longest), pos, -1):
                if text[pos:stop] in self.by_bytes and (stop == len(text) or ways[stop]):
                    ways[pos].append(text[pos:stop])
        if text and not ways[0]:
            return None
        ids, pos = [], 0
        while pos < len(text):
            piece = draw(st.sampled_from(ways[pos]))
            ids.append(draw(st.sampled_from(self.by_bytes[piece])))
            pos += len(piece)
        return ids
