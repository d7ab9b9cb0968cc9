"""The order of an object's keys, as grammar states.

Schema order: a state is (next key to decide on, members printed, capped); a run of required keys is one rule body;
optional keys give two rules per state, so the grammar is linear in the number of keys. Keys that are required but
declared nowhere come next (up to four of them in any order), then keys by pattern or additional ones, in any order.

Any order: a state is (set of required keys already printed, members printed, capped): 2**required states. Optional keys
stay available in every state, so a text may repeat one (every occurrence must satisfy its schema, so the object is
valid whichever of them a parser keeps), unless the object has at most `any_order_exact` keys in all.

Members are counted as printed: a repeated key counts twice towards minProperties and maxProperties.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from cfgdecode.errors import LimitExceeded
from cfgdecode.json_schema.kinds import Conjunction

if TYPE_CHECKING:
    from cfgdecode.json_schema.emit import Emitter

Body = tuple[int, ...]
Member = tuple[list[tuple[int, int]], bool]  # (key terminal, value symbol), one or several to choose from; required


class KeyOrder:
    """What both key orders share: symbols, counting, and the three places of punctuation."""

    def __init__(
        self,
        emitter: Emitter,
        name: str,
        frame: tuple[int, int, int],
        rest: list[tuple[int, int]],
        counts: tuple[int, int | None],
    ) -> None:
        self._e, self._name, self._rest = emitter, name, rest
        self._opening, self._comma, self._closing = frame
        self._least, self._most = counts
        self._cap = max(self._least, 1) if self._most is None else self._most
        if self._cap > emitter.limits.counted_properties:
            raise LimitExceeded(
                f"minProperties or maxProperties of {self._cap}", limit="counted_properties", given=self._cap
            )

    def build(self, symbol: int) -> None:
        raise NotImplementedError

    def _next(self, count: int) -> int | None:
        """Members printed after one more; None if that is too many."""
        if self._most is not None and count >= self._most:
            return None
        return min(count + 1, self._cap)

    def _lead(self, count: int) -> Body:
        return (self._comma,) if count else ()


class SchemaOrder(KeyOrder):
    def __init__(
        self,
        emitter: Emitter,
        name: str,
        frame: tuple[int, int, int],
        declared: list[Member],
        late: list[Member],
        rest: list[tuple[int, int]],
        counts: tuple[int, int | None],
    ) -> None:
        super().__init__(emitter, name, frame, rest, counts)
        self._permuted = late if 0 < len(late) <= 4 else []
        self._keys = declared if self._permuted else declared + late
        self._memo: dict[tuple[int, int], Body] = {}
        self._tails: dict[tuple[frozenset[int], int], Body] = {}
        self._count_matters = self._least > 1 or self._most is not None

    def build(self, symbol: int) -> None:
        # Far suffixes and large counts first, so that the recursion below stays shallow.
        n = len(self._permuted)
        for count in reversed(range(self._cap + 1)):
            for size in range(n + 1):
                for missing in combinations(range(n), size):
                    self._tail(frozenset(missing), count)
        for i in reversed(range(len(self._keys))):
            for count in range(min(i, self._cap) + 1) if self._count_matters else (0, 1):
                self._from(i, count)
        body = self._from(0, 0)
        if body is not None:
            self._e.rule(symbol, (self._opening, *body, self._closing))

    def _from(self, i: int, count: int) -> Body | None:
        """What may follow when keys before `i` are decided and `count` members are printed; None: nothing."""
        if i == len(self._keys):
            return self._tail(frozenset(range(len(self._permuted))), count)
        if (i, count) in self._memo:
            return self._memo[i, count]
        pairs, required = self._keys[i]
        nxt = self._next(count)
        taken = None if nxt is None else self._from(i + 1, nxt)
        member = None if taken is None else (*self._lead(count), *self._e.one_of(pairs, self._name), *taken)
        if required:
            out = member if member is None or len(member) < 60 else self._wrapped(member)
        else:
            skipped = self._from(i + 1, count)
            out = self._choice([member, skipped])
        self._memo[i, count] = out  # type: ignore[assignment]
        return out

    def _wrapped(self, body: Body) -> Body:
        symbol = self._e.nonterminal(self._name + "_members")
        self._e.rule(symbol, body)
        return (symbol,)

    def _choice(self, bodies: list[Body | None]) -> Body | None:
        kept = [body for body in bodies if body is not None]
        if len(kept) < 2:
            return kept[0] if kept else None
        symbol = self._e.nonterminal(self._name + "_members")
        for body in kept:
            self._e.rule(symbol, body)
        return (symbol,)

    def _tail(self, missing: frozenset[int], count: int) -> Body | None:
        """Required keys without a declaration, in any order, then the other keys."""
        done = not missing and count >= max(self._least, 1)
        if not missing and (not self._rest or self._next(count) is None):
            return () if done else None
        key = (missing, count)
        if key not in self._tails:
            symbol = self._e.nonterminal(self._name + "_rest")
            self._tails[key] = (symbol,)
            if done:
                self._e.rule(symbol, ())
            nxt = self._next(count)
            if nxt is not None:
                for k in sorted(missing):
                    pair = self._e.one_of(self._permuted[k][0], self._name)
                    self._more(symbol, count, pair, self._tail(missing - {k}, nxt))
                for member in self._rest:
                    self._more(symbol, count, member, self._tail(missing, nxt))
        return self._tails[key]

    def _more(self, symbol: int, count: int, member: Body, tail: Body | None) -> None:
        if tail is not None:
            self._e.rule(symbol, (*self._lead(count), *member, *tail))


class AnyOrder(KeyOrder):
    def __init__(
        self,
        emitter: Emitter,
        name: str,
        frame: tuple[int, int, int],
        keys: list[Member],
        rest: list[tuple[int, int]],
        counts: tuple[int, int | None],
        conjunction: Conjunction,
    ) -> None:
        super().__init__(emitter, name, frame, rest, counts)
        exact = len(keys) <= emitter.limits.any_order_exact
        self._once = [m for m in keys if m[1] or exact]
        self._often = [pair for pairs, required in keys if not required and not exact for pair in pairs] + rest
        limit = emitter.limits.any_order_required
        if len(self._once) > limit:
            raise LimitExceeded(
                f"an object with {len(self._once)} required keys in any order needs a state per subset of them; use "
                f'key_order="schema" or raise any_order_required (at {emitter.pointer(conjunction) or "#"})',
                limit="any_order_required",
                given=len(self._once),
            )
        self._must = sum(1 << k for k, m in enumerate(self._once) if m[1])
        self._memo: dict[tuple[int, int], int] = {}

    def build(self, symbol: int) -> None:
        for body in self._steps(0, 0):
            self._e.rule(symbol, (self._opening, *body, self._closing))

    def _steps(self, used: int, count: int) -> list[Body]:
        nxt = self._next(count)
        if nxt is None:
            return []
        out: list[Body] = []
        for k, (pairs, _) in enumerate(self._once):
            if not used >> k & 1:
                pair = self._e.one_of(pairs, self._name)
                out.append((*self._lead(count), *pair, *self._state(used | 1 << k, nxt)))
        if self._often:
            out.append((*self._lead(count), *self._e.one_of(self._often, self._name), *self._state(used, nxt)))
        return out

    def _state(self, used: int, count: int) -> Body:
        if (used, count) not in self._memo:
            self._memo[used, count] = self._e.nonterminal(self._name + "_members")
            self._e.later(lambda: self._fill(used, count))
        return (self._memo[used, count],)

    def _fill(self, used: int, count: int) -> None:
        symbol = self._memo[used, count]
        if used & self._must == self._must and count >= self._least:
            self._e.rule(symbol, ())
        for body in self._steps(used, count):
            self._e.rule(symbol, body)
