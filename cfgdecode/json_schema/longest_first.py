"""A DFA as a node whose longer matches come first.

Needed for terminals without a closing character: Python's `re` takes the first alternative that matches, not the
longest. Cost: the node is a tree, exponential at worst, bounded by `max_size`.
"""

from __future__ import annotations

import functools

from cfgdecode.json_schema.automaton import NOTHING, Dfa, Node, Ranges, TooLarge, alt, cat, optional, star


class LongestFirst:
    """A DFA as a node that tries longer matches first.

    From a state: as many returns to it as possible, then an arc (their first characters are disjoint), and to stop
    only if none leads to a match. As the automaton is deterministic, a later return or arc never is on a shorter
    match. States already on the way are barred, so the node is a tree; `TooLarge` when it outgrows `max_size`.
    """

    def __init__(self, dfa: Dfa, max_size: int = 3_000) -> None:
        self._dfa, self._left = dfa, max_size
        self._reached: dict[int, frozenset[int]] = {}
        self._tails: dict[tuple[int, frozenset[int]], tuple[Node, int]] = {}

    def node(self) -> Node:
        """The whole language."""
        return NOTHING if self._dfa.is_empty() else self._tail(0, frozenset())

    def _pay(self, price: int) -> None:
        self._left -= price
        if self._left < 0:
            raise TooLarge

    def _tail(self, state: int, barred: frozenset[int]) -> Node:
        """From `state` to an accepting state, around `barred`."""
        key = (state, barred & self._reach(state))
        if key in self._tails:
            node, price = self._tails[key]
            self._pay(price)
            return node
        before = self._left
        loop = star(self._back(state, state, barred))
        barred |= {state}
        arcs = [(ranges, t) for ranges, t in self._dfa.arcs[state] if t not in barred]
        self._pay(len(arcs) + 1)
        rest = alt(*(cat(_character(ranges), self._tail(t, barred)) for ranges, t in arcs))
        last = optional(rest) if self._dfa.final[state] else rest
        out = NOTHING if last == NOTHING else cat(loop, last)
        self._tails[key] = (out, before - self._left)
        return out

    def _back(self, state: int, goal: int, barred: frozenset[int]) -> Node:
        """From `state` by one arc or more to `goal`, around `barred`, past `goal` only at the end."""
        out = []
        for ranges, t in self._dfa.arcs[state]:
            self._pay(1)
            if t == goal:
                out.append(_character(ranges))
            elif t not in barred and goal in self._reach(t):
                inner = barred | {goal, state}
                loop = star(self._back(t, t, inner))
                out.append(cat(_character(ranges), loop, self._back(t, goal, barred | {t})))
        return alt(*out)

    def _reach(self, state: int) -> frozenset[int]:
        if state in self._reached:
            return self._reached[state]
        seen, todo = {state}, [state]
        while todo:
            for _, t in self._dfa.arcs[todo.pop()]:
                if t not in seen:
                    seen.add(t)
                    todo.append(t)
        self._reached[state] = frozenset(seen)
        return self._reached[state]


@functools.lru_cache(maxsize=1024)
def _character(ranges: Ranges) -> Node:
    single = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
    return ("lit", chr(ranges[0][0])) if single else ("set", ranges)
