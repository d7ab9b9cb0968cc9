"""The chart of a decided text, in Python, for pictures: which symbol derives which part.

Terms: an *item* (p, A, q) says that symbol A derives the lexemes between the places p and q of the text; it is
*useful* if it takes part in a derivation of the whole text.
Cost: O(rules * n^3) in the worst case; `MAX_LEXEMES` bounds n. The native charts hold the same facts in another form.
Source: bottom-up items as in Shieber, Schabes & Pereira 1995; useful ones by one pass from the top.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from cfgdecode.errors import LimitExceeded
from cfgdecode.grammar.ir import GrammarIR

Item: TypeAlias = tuple[int, int, int]
"""(start, symbol, end)"""
MAX_LEXEMES = 300


def chart(ir: GrammarIR, arcs: Sequence[Item], n: int) -> list[Item]:
    """All items over the arcs (start, terminal as a body symbol, end) between the places 0..n."""
    if n > MAX_LEXEMES:
        raise LimitExceeded(f"the text has {n} lexemes; charts are shown for {MAX_LEXEMES} at most", limit="lexemes")
    ends: list[dict[int, set[int]]] = [{} for _ in range(n + 1)]
    for start, symbol, end in arcs:
        ends[start].setdefault(symbol, set()).add(end)
    for p in range(n, -1, -1):
        here, grown = ends[p], True
        while grown:
            grown = False
            for head, body in ir.rules:
                reached = _ends_of(ends, body, p) - here.get(head, set())
                if reached:
                    here.setdefault(head, set()).update(reached)
                    grown = True
    return [(p, symbol, q) for p in range(n + 1) for symbol in sorted(ends[p]) for q in sorted(ends[p][symbol])]


def useful(ir: GrammarIR, items: Sequence[Item], n: int) -> list[Item]:
    """The items that take part in a derivation of the whole text."""
    ends: list[dict[int, set[int]]] = [{} for _ in range(n + 1)]
    for p, symbol, q in items:
        ends[p].setdefault(symbol, set()).add(q)
    rules: dict[int, list[tuple[int, ...]]] = {}
    for head, body in ir.rules:
        rules.setdefault(head, []).append(body)
    agenda = [(0, ir.start, n)] if n in ends[0].get(ir.start, ()) else []
    found = set(agenda)
    while agenda:
        p, symbol, q = agenda.pop()
        for body in rules.get(symbol, ()) if symbol >= 0 else ():
            for part in _parts(ends, body, p, q) - found:
                found.add(part)
                agenda.append(part)
    return [item for item in items if item in found]


def _ends_of(ends: Sequence[dict[int, set[int]]], body: Sequence[int], p: int) -> set[int]:
    reached = {p}
    for symbol in body:
        reached = {q for middle in reached for q in ends[middle].get(symbol, ())}
    return reached


def _parts(ends: Sequence[dict[int, set[int]]], body: Sequence[int], p: int, q: int) -> set[Item]:
    """The items into which a body may split the text between p and q."""
    forward = [{p}]
    for symbol in body:
        forward.append({end for middle in forward[-1] for end in ends[middle].get(symbol, ())})
    parts: set[Item] = set()
    backward = {q} & forward[-1]
    for symbol, starts in zip(reversed(body), reversed(forward[:-1]), strict=True):
        steps = {(a, symbol, b) for a in starts for b in ends[a].get(symbol, ()) if b in backward}
        parts |= steps
        backward = {a for a, _, _ in steps}
    return parts
