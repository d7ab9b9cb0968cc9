"""The algebra that a schema is brought into: which values of each JSON type it allows.

Terms: a *condition* is (wanted, node): the schema numbered `node` must hold, or must fail. A *conjunction* is a
tuple of conditions that all hold; `()` is "anything" and `FALSE` is "nothing". `Kinds` is the union over the types;
its arrays and objects are unions of `Array`s and `Object`s. Elements and members carry conjunctions, not `Kinds`:
they are looked at only when the grammar needs them, which is what makes recursive schemas finite.

Invariants: `Object.rest` regions are disjoint; a key that is neither in `named` nor in a region is not allowed; a
region speaks of the keys that are not in `named`.
"""

from __future__ import annotations

from dataclasses import dataclass

from cfgdecode.json_schema import number_sets as numbers
from cfgdecode.json_schema import string_sets as strings
from cfgdecode.json_schema.number_sets import NumberSet
from cfgdecode.json_schema.string_sets import StringSet

Condition = tuple[bool, int]
Conjunction = tuple[Condition, ...]
TRUE: Conjunction = ()
FALSE: Conjunction = ((False, 0),)


def join(a: Conjunction, b: Conjunction) -> Conjunction:
    """Both conjunctions."""
    if a == b or not b:
        return a
    if FALSE in (a, b) or any((not wanted, node) in b for wanted, node in a):
        return FALSE
    return a + tuple(c for c in b if c not in a)


@dataclass(frozen=True)
class Array:
    """Arrays: `prefix` for the first elements, `items` for the others; `contains` = (conjunction, least, most)."""

    prefix: tuple[Conjunction, ...] = ()
    items: Conjunction = TRUE
    least: int = 0
    most: int | None = None
    contains: tuple[tuple[Conjunction, int, int | None], ...] = ()
    unique: bool = False

    def element(self, i: int) -> Conjunction:
        """What element `i` must satisfy."""
        return self.prefix[i] if i < len(self.prefix) else self.items

    def meet(self, other: Array) -> Array | None:
        """Arrays in both; None if there is none by the lengths alone."""
        n = max(len(self.prefix), len(other.prefix))
        least, most = max(self.least, other.least), least_bound(self.most, other.most)
        for conjunction, low, _ in (*self.contains, *other.contains):
            if low > 0 and conjunction == FALSE:
                return None
        prefix = tuple(join(self.element(i), other.element(i)) for i in range(n))
        for i, element in enumerate(prefix):
            if element == FALSE:
                prefix, most = prefix[:i], least_bound(most, i)
                break
        items = join(self.items, other.items)
        if items == FALSE:
            most = least_bound(most, len(prefix))
        if most is not None and most < least:
            return None
        contains = tuple(dict.fromkeys((*self.contains, *other.contains)))
        return Array(prefix, items, least, most, contains, self.unique or other.unique)


@dataclass(frozen=True)
class Object:
    """Objects: conjunctions of members by name, then by region of names; see the invariants above.

    `some` = (names, conjunction): at least one member has such a name and such a value. `shuffled`: the schema gives no
    order of the keys (they come from an `enum` or `const`).
    """

    named: tuple[tuple[str, Conjunction], ...] = ()
    rest: tuple[tuple[StringSet, Conjunction], ...] = ((strings.ALL, TRUE),)
    required: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None
    some: tuple[tuple[StringSet, Conjunction], ...] = ()
    shuffled: bool = False

    def member(self, key: str) -> Conjunction:
        """What the member `key` must satisfy (FALSE: it must not be there)."""
        for name, conjunction in self.named:
            if name == key:
                return conjunction
        for region, conjunction in self.rest:
            if strings.contains(region, key):
                return conjunction
        return FALSE

    def meet(self, other: Object) -> Object | None:
        """Objects in both; None if there is none by names and counts alone."""
        if other == ANY_OBJECT:
            return self
        if self == ANY_OBJECT:
            return other
        mine, theirs = dict(self.named), dict(other.named)
        named = tuple(
            (
                key,
                join(
                    mine[key] if key in mine else self.member(key), theirs[key] if key in theirs else other.member(key)
                ),
            )
            for key in (*mine, *(k for k in theirs if k not in mine))
        )
        rest = _meet_regions(self.rest, other.rest)
        required = tuple(dict.fromkeys((*self.required, *other.required)))
        least, most = max(self.least, other.least), least_bound(self.most, other.most)
        if most is not None and max(least, len(required)) > most:
            return None
        some = tuple(dict.fromkeys((*self.some, *other.some)))
        out = Object(named, rest, required, least, most, some, self.shuffled or other.shuffled)
        return None if any(out.member(key) == FALSE for key in required) else out


def _meet_regions(
    a: tuple[tuple[StringSet, Conjunction], ...], b: tuple[tuple[StringSet, Conjunction], ...]
) -> tuple[tuple[StringSet, Conjunction], ...]:
    out = []
    for region_a, value_a in a:
        for region_b, value_b in b:
            value = join(value_a, value_b)
            region = strings.both(region_a, region_b)
            trivial = strings.ALL in (region_a, region_b) or region_a == region_b
            if value != FALSE and region != strings.NONE and (trivial or not strings.is_empty(region)):
                out.append((region, value))
    return tuple(out)


def least_bound(a: int | None, b: int | None) -> int | None:
    """The smaller of two upper bounds, None being no bound."""
    return b if a is None else a if b is None else min(a, b)


ANY_OBJECT = Object()
ANY_ARRAY = Array()


@dataclass(frozen=True)
class Kinds:
    """The values a schema allows, type by type."""

    null: bool = False
    booleans: frozenset[bool] = frozenset()
    numbers: NumberSet = numbers.NONE
    strings: StringSet = strings.NONE
    arrays: tuple[Array, ...] = ()
    objects: tuple[Object, ...] = ()

    def union(self, other: Kinds) -> Kinds:
        """Values in either."""
        return Kinds(
            self.null or other.null,
            self.booleans | other.booleans,
            numbers.either(self.numbers, other.numbers),
            strings.either(self.strings, other.strings),
            _unite(self.arrays, other.arrays, ANY_ARRAY),
            _unite(self.objects, other.objects, ANY_OBJECT),
        )

    def is_scalar(self) -> bool:
        """No arrays and no objects."""
        return not self.arrays and not self.objects


def _unite(a: tuple, b: tuple, everything: object) -> tuple:  # type: ignore[type-arg]
    if everything in a or everything in b:
        return (everything,)
    return tuple(dict.fromkeys(a + b))


BOTH = frozenset({True, False})
TOP = Kinds(True, BOTH, numbers.ALL, strings.ALL, (ANY_ARRAY,), (ANY_OBJECT,))
BOTTOM = Kinds()
