"""A polynomial reference for canvases that are too large for brute force.

What: the canvas becomes a graph whose nodes are (cell, bytes left of its token, lexer configuration); the arcs
between the nodes where no lexeme is open are labelled by terminals; `Language.derives` decides on that graph.
How: a lexer state is an ordered list of *threads*, each what is left of a pattern (a continuation), cut behind the
first that has matched: leftmost-first, as Python's `re`. A lexeme may end wherever its state has matched; where Lark
takes only the preferred match, its state goes on as an *obligation*: it must not match again.
Not handled: look-arounds and anchors (`can_do`), and interval gaps.
Cost: nodes * arcs, some thousands of nodes; a second or so for thirty cells.
Why it can be trusted: `test_layers.py` compares it with brute force.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from cfgdecode.grammar.ir import GrammarIR
from cfgdecode.reference import matches

from .brute import Language
from .cases import Case

Thread = tuple[Any, ...]  # (ranges, continuation) or ("match", terminal)
State = tuple[Thread, ...]
LONGEST_KEYWORD = 8


def can_do(ir: GrammarIR) -> bool:
    """Has no terminal a look-around or an anchor?"""

    def plain(node: Any) -> bool:
        if node[0] in ("cat", "alt"):
            return all(map(plain, node[1]))
        return plain(node[4]) if node[0] == "rep" else node[0] in ("lit", "set")

    return all(plain(terminal.pattern) for terminal in ir.terminals)


def _threads(continuation: Any) -> Iterator[Thread]:
    """The threads of a continuation `(node, rest)` in the order in which Python tries them."""
    head, rest = continuation
    kind = head[0]
    if kind == "match":
        yield head
    elif kind == "lit" and head[1]:
        first = ord(head[1][0])
        yield ((first, first),), (("lit", head[1][1:]), rest)
    elif kind == "lit":
        yield from _threads(rest)
    elif kind == "set":
        yield head[1], rest
    elif kind == "cat":
        for part in reversed(head[1]):
            rest = (part, rest)
        yield from _threads(rest)
    elif kind == "alt":
        for branch in head[1]:
            yield from _threads((branch, rest))
    elif kind == "rep":
        yield from _threads((("loop", head, 0, False), rest))
    elif kind == "loop":
        _, node, count, idle = head
        _, low, high, greedy, body = node
        must = count < low
        may = not must and (high is None or count < high) and not idle
        again = ("loop", node, count + 1 if high is not None else min(low, count + 1), not must)
        if not must and not (may and greedy):
            yield from _threads(rest)
        if must or may:
            yield from _threads((body, (again, rest)))
        if may and greedy:
            yield from _threads(rest)


def _moved(continuation: Any) -> Any:
    """The continuation after a character: no round of a loop is idle any more."""
    head, rest = continuation
    if head[0] == "match":
        return continuation
    return (("loop", head[1], head[2], False) if head[0] == "loop" else head, _moved(rest))


def _cut(threads: Iterator[Thread]) -> State:
    state: list[Thread] = []
    for thread in threads:
        if thread not in state:
            state.append(thread)
        if thread[0] == "match":
            break
    return tuple(state)


@lru_cache(maxsize=100_000)
def _step(state: State, char: str) -> State:
    code = ord(char)
    alive = (t for t in state if t[0] != "match" and any(low <= code <= high for low, high in t[0]))
    return _cut(thread for t in alive for thread in _threads(_moved(t[1])))


def _matched(state: State) -> int | None:
    return state[-1][1] if state and state[-1][0] == "match" else None


Config = tuple[State | None, str, frozenset[State]]  # (open lexeme or None, its text, obligations)


class Layers:
    """Canvases of one grammar."""

    def __init__(self, ir: GrammarIR) -> None:
        assert can_do(ir)
        self.ir, self.language = ir, Language(ir)
        self.keywords = {t: [(k, ir.terminals[k].pattern) for k in words] for t, words in ir.keywords}
        used = sorted({-s - 1 for _, body in ir.rules for s in body if s < 0} | set(ir.ignore))
        groups = [list(ir.scanner)] if ir.lexer == "basic" else [[t] for t in used]
        ends = {t: (("match", t), ()) for t in range(len(ir.terminals))}
        self.starts = [
            _cut(thread for t in group for thread in _threads((ir.terminals[t].pattern, ends[t]))) for group in groups
        ]
        self.used = {-s - 1 for _, body in ir.rules for s in body if s < 0}

    def is_completable(self, case: Case, cells: Sequence[int | None] | None = None) -> bool:
        """Has the canvas (the case's, or these cells with its vocabulary) a completion?"""
        cells = case.cells if cells is None else cells
        n = len(cells)
        text = {i: piece for i, piece in enumerate(case.tokens) if piece is not None and i not in case.eos}
        after = {"eos_to_end": {*case.eos, case.pad}, "pad": {case.pad}, "cut": {None, *range(n)}, "none": set()}
        rest_ok = [all(self._after(case, cell, after[case.policy]) for cell in cells[i:]) for i in range(n + 1)]
        may_stop = [i == n or (self._may_be_eos(case, cells[i]) and rest_ok[i + 1]) for i in range(n + 1)]

        first = (0, b"", b"", (None, "", frozenset()))
        arcs: list[tuple[Any, int | None, Any]] = []
        finals, agenda, seen = [], [first], {first}
        while agenda:
            fresh = agenda.pop()
            for node, terminal in self._lexemes(fresh, cells, text, may_stop, finals):
                arcs.append((fresh, terminal, node))
                if node not in seen:
                    seen.add(node)
                    agenda.append(node)
        order = sorted(seen, key=lambda node: (node[0], -len(node[1])))
        number = {node: i for i, node in enumerate(order)}
        n = len(order)
        lexemes: list[list[tuple[int, int]]] = [[] for _ in range(n + 1)]
        after = [1 << p for p in range(n + 1)]  # where ignored text leads
        ignored = [(number[p], number[q]) for p, t, q in arcs if t is None] + [(number[p], n) for p in finals]
        for p, q in sorted(set(ignored), reverse=True):
            after[p] |= after[q]
        for p, terminal, q in dict.fromkeys(arcs):
            if terminal is not None:
                lexemes[number[p]].append((terminal, number[q]))
        return self.language.derives(lexemes, after, n)

    def allowed(self, case: Case, position: int) -> set[int]:
        """By definition: each token in turn (one of those with equal bytes)."""
        choices = {i: piece for i, piece in enumerate(case.tokens) if i != case.mask}
        verdicts: dict[Any, bool] = {}
        for token, piece in choices.items():
            kind = (piece, token in case.eos, token == case.pad)
            if kind not in verdicts:
                cells = [*case.cells[:position], token, *case.cells[position + 1 :]]
                verdicts[kind] = self.is_completable(case, cells)
        return {t for t, piece in choices.items() if verdicts[piece, t in case.eos, t == case.pad]}

    def _after(self, case: Case, cell: int | None, after: set[Any]) -> bool:
        return case.policy == "cut" or (bool(after - {None}) if cell is None else cell in after)

    def _may_be_eos(self, case: Case, cell: int | None) -> bool:
        return case.policy != "none" and (bool(case.eos) if cell is None else cell in case.eos)

    def _lexemes(
        self, fresh: Any, cells: Sequence[int | None], text: dict[int, bytes], may_stop: list[bool], finals: list[Any]
    ) -> Iterator[tuple[Any, int | None]]:
        """All nodes where a lexeme that begins at `fresh` may end, and its terminal (None: ignored)."""
        agenda, seen = [fresh], {fresh}
        while agenda:
            node = agenda.pop()
            cell, left, partial, config = node
            state, lexeme, obligations = config
            if state is not None and partial == b"" and (terminal := _matched(state)) is not None:
                for label, bound in self._labels(terminal, lexeme):
                    kept = state[:-1]
                    yield (cell, left, b"", (None, "", obligations | {kept} if bound and kept else obligations)), label
            following: list[Any] = []
            if left:
                following = self._byte(cell, left, partial, config)
            else:
                if partial == b"" and state is None and may_stop[cell]:
                    finals.append(node)
                if cell < len(cells):
                    pieces = set(text.values()) if cells[cell] is None else {text.get(cells[cell])}
                    following = [(cell + 1, piece, partial, config) for piece in pieces if piece]
            for new in following:
                if new not in seen:
                    seen.add(new)
                    agenda.append(new)

    def _byte(self, cell: int, left: bytes, partial: bytes, config: Config) -> list[Any]:
        partial += left[:1]
        try:
            char = partial.decode("utf-8")
        except UnicodeDecodeError as error:
            alive = error.reason == "unexpected end of data" and len(partial) < 4
            return [(cell, left[1:], partial, config)] if alive else []
        return [(cell, left[1:], b"", new) for new in self._configs(config, char)]

    def _configs(self, config: Config, char: str) -> Iterator[Config]:
        state, lexeme, obligations = config
        stepped = {_step(obligation, char) for obligation in obligations}
        if any(_matched(obligation) is not None for obligation in stepped):
            return
        kept = frozenset(stepped - {()})
        longer = (lexeme + char)[: LONGEST_KEYWORD + 1]
        for begin in self.starts if state is None else [state]:
            new = _step(begin, char)
            if new:
                yield new, longer if self.keywords else "", kept

    def _labels(self, terminal: int, lexeme: str) -> Iterator[tuple[int | None, bool]]:
        """What a lexeme that may end here is, and whether it must not be able to go on."""
        if self.ir.lexer == "basic":
            fits = (k for k, pattern in self.keywords.get(terminal, ()) if len(lexeme) in matches(pattern, lexeme, 0))
            retyped = next(fits, terminal)
            yield (None if terminal in self.ir.ignore else retyped), True
            return
        if terminal in self.ir.ignore:
            yield None, True
        if terminal in self.used:
            yield terminal, self.ir.lexer == "dynamic"
