"""Rules for arrays.

Explicit elements up to max(prefix, minItems), then a loop, or a bounded tail of logarithmically many rules. `contains`
counts matches in the state. uniqueItems: few possible values, a state per set of those already there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfgdecode.json_schema import number_sets as numbers
from cfgdecode.json_schema import string_sets as strings
from cfgdecode.json_schema.kinds import FALSE, Array, Conjunction, Kinds, join

if TYPE_CHECKING:
    from cfgdecode.json_schema.emit import Emitter

Body = tuple[int, ...]


class ArrayRules:
    """Writes the rules of one `Array` at a time."""

    def __init__(self, emitter: Emitter) -> None:
        self._e = emitter
        self._powers: dict[tuple[Body, int], int] = {}
        self._bounded: dict[tuple[Body, int], int] = {}

    def write(self, symbol: int, array: Array, name: str, conjunction: Conjunction) -> None:
        if array.unique:
            self._unique_rules(symbol, array, name, conjunction)
            return
        if array.contains:
            self._containing_rules(symbol, array, name)
            return
        if array.least == 0:
            self._e.rule(symbol, (self._e.empty("[]", "EMPTY_ARRAY"),))
        if array.most == 0:
            return
        opening, comma, closing = (
            self._e.mark("[", "LBRACKET"),
            self._e.mark(",", "COMMA"),
            self._e.mark("]", "RBRACKET"),
        )
        n = max(len(array.prefix), 1)
        most = array.most
        items = self._e.value(array.items) if most is None or most > len(array.prefix) else None
        tail: Body = ()
        if items is not None:
            pair: Body = (comma, items)
            low = max(array.least - n, 0)
            tail = self.times(pair, low, None if most is None else most - n, name)
        for i in reversed(range(n)):
            element = self._e.value(array.element(i))
            if most is not None and i >= most:
                continue
            if element is None:
                tail = ()
                if i < array.least:
                    return
                continue
            lead = comma if i else opening
            if i == 0:
                self._e.rule(symbol, (opening, element, *tail, closing))
            elif i < array.least:
                tail = (lead, element, *tail)
            else:
                optional = self._e.nonterminal(name + "_tail")
                self._e.rule(optional, ())
                self._e.rule(optional, (lead, element, *tail))
                tail = (optional,)

    def times(self, body: Body, least: int, most: int | None, name: str) -> Body:
        """`body` from `least` to `most` times, one derivation for each number."""
        exact = self._exactly(body, least, name)
        if most is None:
            loop = self._e.nonterminal(name + "_more")
            self._e.rule(loop, ())
            self._e.rule(loop, (*body, loop))
            return (*exact, loop)
        return (*exact, *self._up_to(body, most - least, name))

    def _exactly(self, body: Body, n: int, name: str) -> Body:
        if n <= 4:
            return body * n
        half = self._powers.get((body, n // 2))
        if half is None:
            half = self._powers[body, n // 2] = self._e.nonterminal(name + "_half")
            self._e.rule(half, self._exactly(body, n // 2, name))
        return (half, half, *(body if n % 2 else ()))

    def _up_to(self, body: Body, n: int, name: str) -> Body:
        """0 to n times, one derivation for each count."""
        if n <= 0:
            return ()
        if (body, n) in self._bounded:
            return (self._bounded[body, n],)
        symbol = self._bounded[body, n] = self._e.nonterminal(name + "_upto")
        if n <= 8:
            self._e.rule(symbol, ())
            self._e.rule(symbol, (*body, *self._up_to(body, n - 1, name)))
            return (symbol,)
        half = (n + 1) // 2
        self._e.rule(symbol, self._up_to(body, half - 1, name))
        self._e.rule(symbol, (*self._exactly(body, half, name), *self._up_to(body, n - half, name)))
        return (symbol,)

    def _containing_rules(self, symbol: int, array: Array, name: str) -> None:
        """States (elements, matches per `contains`); an element may match where it need not, unless capped."""
        counts = array.contains
        floor = max(array.least, len(array.prefix))
        cap = array.most if array.most is not None else floor
        caps = tuple(low if high is None else high for _, low, high in counts)
        memo: dict[tuple[int, tuple[int, ...]], int] = {}
        opening, comma, closing = (
            self._e.mark("[", "LBRACKET"),
            self._e.mark(",", "COMMA"),
            self._e.mark("]", "RBRACKET"),
        )

        def done(i: int, seen: tuple[int, ...]) -> bool:
            return i >= array.least and all(s >= low for s, (_, low, _) in zip(seen, counts, strict=True))

        def steps(i: int, seen: tuple[int, ...]) -> list[tuple[int, tuple[int, tuple[int, ...]]]]:
            if array.most is not None and i >= array.most:
                return []
            out = []
            for choice in range(1 << len(counts)):
                element, nxt = array.element(i), list(seen)
                for k, (what, _, high) in enumerate(counts):
                    if choice >> k & 1:
                        element, nxt[k] = join(element, what), nxt[k] + 1
                        if high is not None and nxt[k] > high:
                            element = FALSE
                        nxt[k] = min(nxt[k], caps[k])
                    elif high is not None:
                        element = join(element, tuple((not w, n) for w, n in what) if len(what) == 1 else FALSE)
                value = self._e.value(element)
                useful = tuple(nxt) != seen or choice == 0 or any(h is not None for _, _, h in counts)
                if value is not None and useful:
                    out.append((value, (min(i + 1, cap) if array.most is None else i + 1, tuple(nxt))))
            return out

        def state(key: tuple[int, tuple[int, ...]]) -> int:
            if key not in memo:
                memo[key] = self._e.nonterminal(name + "_elements")
                self._e.later(lambda: fill(key))
            return memo[key]

        def fill(key: tuple[int, tuple[int, ...]]) -> None:
            if done(*key):
                self._e.rule(memo[key], ())
            for value, nxt in steps(*key):
                self._e.rule(memo[key], (comma, value, state(nxt)))

        zero = (0,) * len(counts)
        if done(0, zero):
            self._e.rule(symbol, (self._e.empty("[]", "EMPTY_ARRAY"),))
        for value, nxt in steps(0, zero):
            self._e.rule(symbol, (opening, value, state(nxt), closing))

    def _unique_rules(self, symbol: int, array: Array, name: str, conjunction: Conjunction) -> None:
        """Elements out of few values, each at most once: a state is the set of values already there."""
        if array.most is not None and array.most <= 1 and not array.contains:
            self.write(symbol, Array(array.prefix, array.items, array.least, array.most), name, conjunction)
            return
        values = self._finite(array)
        if values is None or array.contains:
            reason = f"uniqueItems over more than {self._e.limits.unique_values} possible values is not context-free"
            self._e.normalizer.refuse_at(self._e.pointer(conjunction), "uniqueItems", reason)
            self.write(
                symbol, Array(array.prefix, array.items, array.least, array.most, array.contains), name, conjunction
            )
            return
        opening, comma, closing = (
            self._e.mark("[", "LBRACKET"),
            self._e.mark(",", "COMMA"),
            self._e.mark("]", "RBRACKET"),
        )
        memo: dict[frozenset[int], int] = {}

        def state(used: frozenset[int]) -> int:
            if used not in memo:
                memo[used] = self._e.nonterminal(name + "_unique")
                if len(used) >= array.least:
                    self._e.rule(memo[used], ())
                for i, value in enumerate(values):
                    if i not in used and (array.most is None or len(used) < array.most):
                        self._e.rule(memo[used], (comma, value, state(used | {i})))
            return memo[used]

        if array.least == 0:
            self._e.rule(symbol, (self._e.empty("[]", "EMPTY_ARRAY"),))
        for i, value in enumerate(values):
            self._e.rule(symbol, (opening, value, state(frozenset({i})), closing))

    def _finite(self, array: Array) -> list[int] | None:
        """A terminal for each possible element value, if they are few scalars."""
        kinds = self._e.normalizer.kinds(array.items)
        points = kinds.numbers[1] if kinds.numbers[0] == "points" else ()
        known = kinds.strings[1] if kinds.strings[0] == "texts" else ()
        if array.prefix or not kinds.is_scalar() or (kinds.numbers != numbers.NONE and not points):
            return None
        if kinds.strings != strings.NONE and not known:
            return None
        single = [Kinds(null=True)] if kinds.null else []
        single += [Kinds(booleans=frozenset({b})) for b in sorted(kinds.booleans)]
        single += [Kinds(numbers=("points", (p,))) for p in points] + [Kinds(strings=("texts", (t,))) for t in known]
        if len(single) > self._e.limits.unique_values:
            return None
        return [s for s in (self._e.scalar_rules.terminal(kind, array.items) for kind in single) if s is not None]
