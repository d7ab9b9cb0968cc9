"""Regular languages over code points: products of small automata, minimal DFAs, and the way back to a pattern node.

Terms: an *atom* is one automaton (a regular expression, a length bound, a number comparison); an *expression*
combines atoms with and / or / not; a *class* is a set of code points that no atom tells apart; a `Dfa` is the
minimal deterministic automaton of an expression, dead states cut off.

Invariants: surrogates (U+D800..U+DFFF) are in no class; a `Dfa` has state 0 as start, and from each of its states
an accepting one can be reached (an empty language is a `Dfa` without states).

Cost: states of the product (bounded by `max_states`, else `TooLarge`) times classes; minimisation is Moore's,
O(states * classes) per round; `to_node` is state elimination (Brzozowski & McCluskey 1963), whose result can grow
exponentially and is therefore bounded by `max_size`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

Ranges = tuple[tuple[int, int], ...]
Node = tuple[Any, ...]

MAX_CODE_POINT = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)
EMPTY: Node = ("cat", ())
NOTHING: Node = ("set", ())


class TooLarge(Exception):
    """An automaton or a node grew over its limit; the caller chooses another form or refuses."""


class Atom(Protocol):
    """One automaton: `step` answers None for a state that accepts nothing any more."""

    def edges(self) -> Iterable[int]:
        """Code points at which a new class may begin."""

    def kind(self, code_point: int) -> Hashable:
        """Equal for code points that this atom does not tell apart."""

    def start(self) -> Hashable: ...

    def step(self, state: Any, code_point: int) -> Hashable | None: ...

    def accepts(self, state: Any) -> bool: ...


def complement(ranges: Ranges) -> Ranges:
    """All scalar values outside `ranges` (sorted, disjoint)."""
    out: list[tuple[int, int]] = []
    at = 0
    for lo, hi in (*normal((*ranges, SURROGATES)), (MAX_CODE_POINT + 1, MAX_CODE_POINT + 1)):
        if at < lo:
            out.append((at, lo - 1))
        at = max(at, hi + 1)
    return tuple(out)


def normal(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sorted, joined where they touch."""
    out: list[tuple[int, int]] = []
    for lo, hi in sorted(ranges):
        if out and lo <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], hi))
        else:
            out.append((lo, hi))
    return tuple(out)


def without_surrogates(ranges: Ranges) -> Ranges:
    """`ranges` less U+D800..U+DFFF."""
    lo_s, hi_s = SURROGATES
    if not any(lo <= hi_s and hi >= lo_s for lo, hi in ranges):
        return ranges
    cut = [(lo, min(hi, lo_s - 1)) for lo, hi in ranges if lo < lo_s]
    cut += [(max(lo, hi_s + 1), hi) for lo, hi in ranges if hi > hi_s]
    return normal(cut)


def member(ranges: Ranges, code_point: int) -> bool:
    """Is `code_point` in `ranges`?"""
    lo, hi = 0, len(ranges)
    while lo < hi:
        mid = (lo + hi) // 2
        if ranges[mid][1] < code_point:
            lo = mid + 1
        else:
            hi = mid
    return lo < len(ranges) and ranges[lo][0] <= code_point


ANY: Ranges = complement(())


class RegexAtom:
    """The texts that a node matches as a whole, or (search=True) somewhere; nodes may hold start and end anchors."""

    def __init__(self, node: Node, *, search: bool = False, max_states: int = 20_000) -> None:
        self._max_states = max_states
        self._epsilon: list[list[tuple[int, int]]] = []  # (0 plain | 1 only at the start | 2 only at the end, target)
        self._arc: list[tuple[int, int] | None] = []  # (index into _sets, target)
        self._sets: list[Ranges] = []
        self._set_index: dict[Ranges, int] = {}
        first, last = self._state(), self._state()
        if search:
            before, after = self._state(), self._state()
            self._join(first, before)
            self._set_arc(before, ANY, before)
            self._join(after, last)
            self._set_arc(after, ANY, after)
            self._build(node, before, after)
        else:
            self._build(node, first, last)
        self._last = last
        self._start = self._close({first}, at_start=True)
        self._memo: dict[tuple[frozenset[int], int], frozenset[int] | None] = {}
        self._kinds: dict[int, tuple[bool, ...]] = {}

    def _state(self) -> int:
        if len(self._arc) >= self._max_states:
            raise TooLarge
        self._epsilon.append([])
        self._arc.append(None)
        return len(self._arc) - 1

    def _join(self, source: int, target: int, when: int = 0) -> None:
        self._epsilon[source].append((when, target))

    def _set_arc(self, source: int, ranges: Ranges, target: int) -> None:
        middle = source
        if self._arc[source] is not None:
            middle = self._state()
            self._join(source, middle)
        self._arc[middle] = (self._set_index.setdefault(ranges, len(self._sets)), target)
        if len(self._set_index) > len(self._sets):
            self._sets.append(ranges)

    def _build(self, node: Node, source: int, target: int) -> None:
        tag = node[0]
        if tag == "lit":
            for char in node[1]:
                inner = self._state()
                self._set_arc(source, ((ord(char), ord(char)),), inner)
                source = inner
            self._join(source, target)
        elif tag == "set":
            if node[1]:
                self._set_arc(source, node[1], target)
        elif tag == "cat":
            for part in node[1]:
                inner = self._state()
                self._build(part, source, inner)
                source = inner
            self._join(source, target)
        elif tag == "alt":
            for part in node[1]:
                inner = self._state()
                self._join(source, inner)
                self._build(part, inner, target)
        elif tag == "rep":
            self._repeat(node, source, target)
        elif tag == "start":
            self._join(source, target, 1)
        elif tag == "end":
            self._join(source, target, 2)
        else:
            raise TooLarge

    def _repeat(self, node: Node, source: int, target: int) -> None:
        _, least, most, _, part = node
        for _ in range(least):
            inner = self._state()
            self._build(part, source, inner)
            source = inner
        if most is None:
            hub, back = self._state(), self._state()
            self._join(source, hub)
            self._build(part, hub, back)
            self._join(back, hub)
            self._join(hub, target)
            return
        for _ in range(most - least):
            inner, fork = self._state(), self._state()
            self._join(source, target)
            self._join(source, fork)
            self._build(part, fork, inner)
            source = inner
        self._join(source, target)

    def _close(self, states: set[int], *, at_start: bool = False, at_end: bool = False) -> frozenset[int]:
        todo, seen = list(states), set(states)
        while todo:
            for when, target in self._epsilon[todo.pop()]:
                allowed = when == 0 or (when == 1 and at_start) or (when == 2 and at_end)
                if allowed and target not in seen:
                    seen.add(target)
                    todo.append(target)
        if at_end:
            return frozenset(seen)
        return frozenset(
            s for s in seen if self._arc[s] is not None or s == self._last or any(w == 2 for w, _ in self._epsilon[s])
        )

    def edges(self) -> Iterable[int]:
        return (edge for ranges in self._sets for lo, hi in ranges for edge in (lo, hi + 1))

    def kind(self, code_point: int) -> Hashable:
        found = self._kinds.get(code_point)
        if found is None:
            found = self._kinds[code_point] = tuple(member(ranges, code_point) for ranges in self._sets)
        return found

    def start(self) -> frozenset[int]:
        return self._start

    def step(self, state: frozenset[int], code_point: int) -> frozenset[int] | None:
        key = (state, code_point)
        if key not in self._memo:
            inside = self.kind(code_point)
            arcs = (self._arc[s] for s in state)
            targets = {arc[1] for arc in arcs if arc is not None and inside[arc[0]]}  # type: ignore[index]
            self._memo[key] = self._close(targets) if targets else None
        return self._memo[key]

    def accepts(self, state: frozenset[int]) -> bool:
        return self._last in state or self._last in self._close(set(state), at_end=True, at_start=state is self._start)

    def matches(self, text: str) -> bool:
        """Does the whole `text` belong to the language?"""
        state = self._start
        for char in text:
            nxt = self.step(state, ord(char))
            if nxt is None:
                return False
            state = nxt
        return self.accepts(state)


class LengthAtom:
    """Texts of `least` to `most` code points."""

    def __init__(self, least: int, most: int | None) -> None:
        self._least, self._most = least, most
        self._cap = least if most is None else most

    def edges(self) -> Iterable[int]:
        return ()

    def kind(self, code_point: int) -> Hashable:
        return 0

    def start(self) -> int:
        return 0

    def step(self, state: int, code_point: int) -> int | None:
        if state < self._cap:
            return state + 1
        return state if self._most is None else None

    def accepts(self, state: int) -> bool:
        return state >= self._least


class LiteralsAtom:
    """A finite set of texts; a state is the set of suffixes still to come, by position in a trie."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._children: list[dict[int, int]] = [{}]
        self._final: list[bool] = [False]
        for text in texts:
            at = 0
            for char in text:
                nxt = self._children[at].get(ord(char))
                if nxt is None:
                    nxt = self._children[at][ord(char)] = len(self._children)
                    self._children.append({})
                    self._final.append(False)
                at = nxt
            self._final[at] = True
        self._alphabet = {c for children in self._children for c in children}

    def edges(self) -> Iterable[int]:
        return (edge for c in self._alphabet for edge in (c, c + 1))

    def kind(self, code_point: int) -> Hashable:
        return code_point if code_point in self._alphabet else None

    def start(self) -> int:
        return 0

    def step(self, state: int, code_point: int) -> int | None:
        return self._children[state].get(code_point)

    def accepts(self, state: int) -> bool:
        return self._final[state]


@dataclass(frozen=True)
class Dfa:
    """Minimal, trimmed; `arcs[state]` = ((ranges, target), ...)."""

    arcs: tuple[tuple[tuple[Ranges, int], ...], ...]
    final: tuple[bool, ...]

    def is_empty(self) -> bool:
        return not self.final


def determinize(
    atoms: Sequence[Atom], accepts: Callable[[Sequence[bool]], bool], *, n_must: int = 0, max_states: int = 4_000
) -> Dfa:
    """The minimal DFA of the texts for which `accepts`([atom 0 accepts, atom 1 accepts, ...]) holds.

    The first `n_must` atoms are known to be necessary: when one of them dies, the text is refused at once.
    """
    dead = (None,) * len(atoms)
    classes = _classes(atoms)
    start = tuple(atom.start() for atom in atoms)
    number: dict[tuple[Hashable | None, ...], int] = {start: 0}
    order: list[tuple[Hashable | None, ...]] = [start]
    table: list[list[int]] = []
    for state in order:
        row = []
        for _, witness in classes:
            nxt = _step(atoms, state, witness, n_must) or dead
            if nxt not in number:
                if len(order) >= max_states:
                    raise TooLarge
                number[nxt] = len(order)
                order.append(nxt)
            row.append(number[nxt])
        table.append(row)
    final = [
        accepts([part is not None and atom.accepts(part) for atom, part in zip(atoms, state, strict=True)])
        for state in order
    ]
    return _minimal(table, final, [ranges for ranges, _ in classes])


def _step(
    atoms: Sequence[Atom], state: tuple[Hashable | None, ...], code_point: int, n_must: int
) -> tuple[Hashable | None, ...] | None:
    out: list[Hashable | None] = []
    for atom, part in zip(atoms, state, strict=True):
        nxt = None if part is None else atom.step(part, code_point)
        if nxt is None and len(out) < n_must:
            return None
        out.append(nxt)
    return tuple(out)


def _classes(atoms: Sequence[Atom]) -> list[tuple[Ranges, int]]:
    lo_s, hi_s = SURROGATES
    edges = {0, lo_s, hi_s + 1, *(e for atom in atoms for e in atom.edges() if e <= MAX_CODE_POINT)}
    edges = {e for e in edges if not lo_s < e <= hi_s}
    cuts = [*sorted(edges), MAX_CODE_POINT + 1]
    groups: dict[tuple[Hashable, ...], list[tuple[int, int]]] = {}
    for lo, nxt in pairwise(cuts):
        if lo != lo_s:
            groups.setdefault(tuple(atom.kind(lo) for atom in atoms), []).append((lo, nxt - 1))
    return [(normal(ranges), ranges[0][0]) for ranges in groups.values()]


def _minimal(table: list[list[int]], final: list[bool], classes: list[Ranges]) -> Dfa:
    block = [int(f) for f in final]
    n_blocks = len(set(block))
    while True:
        number: dict[tuple[int, ...], int] = {}
        block = [number.setdefault((block[s], *(block[t] for t in row)), len(number)) for s, row in enumerate(table)]
        if len(number) == n_blocks:
            break
        n_blocks = len(number)
    return _trimmed(table, final, classes, block)


def _trimmed(table: list[list[int]], final: list[bool], classes: list[Ranges], block: list[int]) -> Dfa:
    first_of: dict[int, int] = {}
    for state, b in enumerate(block):
        first_of.setdefault(b, state)
    rows = {b: [block[t] for t in table[s]] for b, s in first_of.items()}
    sources: dict[int, set[int]] = {}
    for b, row in rows.items():
        for t in row:
            sources.setdefault(t, set()).add(b)
    useful = {b for b, s in first_of.items() if final[s]}
    todo = sorted(useful)
    while todo:
        for b in sorted(sources.get(todo.pop(), ())):
            if b not in useful:
                useful.add(b)
                todo.append(b)
    if block[0] not in useful:
        return Dfa((), ())
    names: dict[int, int] = {block[0]: 0}
    order = [block[0]]
    arcs = []
    for b in order:
        joined: dict[int, list[tuple[int, int]]] = {}
        for ranges, t in zip(classes, rows[b], strict=True):
            if t in useful:
                joined.setdefault(t, []).extend(ranges)
        for t in joined:
            if t not in names:
                names[t] = len(order)
                order.append(t)
        arcs.append(tuple((normal(ranges), names[t]) for t, ranges in joined.items()))
    return Dfa(tuple(arcs), tuple(final[first_of[b]] for b in order))


def cat(*parts: Node) -> Node:
    """Concatenation, flattened, literals joined."""
    out: list[Node] = []
    for part in parts:
        for piece in part[1] if part[0] == "cat" else (part,):
            if piece == NOTHING:
                return NOTHING
            if piece[0] == "lit" and out and out[-1][0] == "lit":
                out[-1] = ("lit", out[-1][1] + piece[1])
            else:
                out.append(piece)
    return out[0] if len(out) == 1 else ("cat", tuple(out))


def alt(*parts: Node) -> Node:
    """Choice, flattened; parts that match nothing and repetitions of a part are left out."""
    flat = (piece for part in parts for piece in (part[1] if part[0] == "alt" else (part,)) if piece != NOTHING)
    out = tuple(dict.fromkeys(flat))
    if not out:
        return NOTHING
    return out[0] if len(out) == 1 else ("alt", out)


def star(part: Node) -> Node:
    """Any number of times."""
    return EMPTY if part in (EMPTY, NOTHING) else ("rep", 0, None, True, part)


def optional(part: Node) -> Node:
    """Once or not at all; `x(x(x)?)?` becomes `x{0,3}`."""
    if part[0] == "cat" and len(part[1]) == 2 and part[1][1][:2] == ("rep", 0):
        _, _, most, _, inner = part[1][1]
        if inner == part[1][0] and most is not None:
            return ("rep", 0, most + 1, True, inner)
    return EMPTY if part in (EMPTY, NOTHING) else ("rep", 0, 1, True, part)


def to_node(dfa: Dfa, spell: Callable[[Ranges], Node], *, max_size: int = 20_000) -> Node:
    """A node for the language of `dfa`; `spell` gives the node of one code point out of ranges."""
    if dfa.is_empty():
        return NOTHING
    n = len(dfa.final)
    first, last = n, n + 1
    out: list[dict[int, tuple[Node, int]]] = [{} for _ in range(n + 2)]
    into: list[set[int]] = [set() for _ in range(n + 2)]

    def add(p: int, q: int, node: Node, size: int) -> None:
        if size > max_size:
            raise TooLarge
        old = out[p].get(q)
        if old is None:
            out[p][q] = (node, size)
        elif EMPTY in (old[0], node):
            out[p][q] = (optional(old[0] if node == EMPTY else node), old[1] + size)
        else:
            out[p][q] = (alt(old[0], node), old[1] + size)
        into[q].add(p)

    for p, arcs in enumerate(dfa.arcs):
        for ranges, q in arcs:
            add(p, q, spell(ranges), 1)
        if dfa.final[p]:
            add(p, last, EMPTY, 0)
    add(first, 0, EMPTY, 0)
    price = {s: (_price(s, out, into), s) for s in range(n)}
    while price:
        state = min(price.values())[1]
        del price[state]
        touched = (into[state] | out[state].keys()) & price.keys()
        loop = out[state].pop(state, None)
        into[state].discard(state)
        for p in sorted(into[state]):
            left = out[p].pop(state)
            for q, right in sorted(out[state].items(), key=lambda item: item[0]):
                middle = star(loop[0]) if loop else EMPTY
                add(p, q, cat(left[0], middle, right[0]), left[1] + right[1] + (loop[1] if loop else 0))
        for q in out[state]:
            into[q].discard(state)
        out[state].clear()
        price.update((s, (_price(s, out, into), s)) for s in touched)
    return out[first][last][0] if last in out[first] else NOTHING


def _price(state: int, out: list[dict[int, tuple[Node, int]]], into: list[set[int]]) -> int:
    n_in = len(into[state] - {state})
    n_out = sum(1 for q in out[state] if q != state)
    grown = sum(out[p][state][1] for p in into[state] if p != state) * max(0, n_out - 1)
    grown += sum(size for q, (_, size) in out[state].items() if q != state) * max(0, n_in - 1)
    loop = out[state].get(state)
    return grown + (loop[1] * (n_in * n_out - 1) if loop else 0)
