"""unevaluatedProperties and unevaluatedItems.

What a schema evaluates depends on which of its in-place applicators (allOf, anyOf, $ref, if, ...) hold. A *case* is
(conditions, evaluated): where the conditions hold, at least that much is evaluated. The keyword becomes the union, over
the cases, of "the conditions hold, and what is not evaluated satisfies the schema". That union is exact although a case
does not say which applicators fail: when more of them hold, more is evaluated and less is left to satisfy, and the
case that names all that hold is among them. `not` evaluates nothing.

Cost: a case per set of branches of anyOf that evaluate anything; `MAX_CASES` bounds their product.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from cfgdecode.json_schema import string_sets as strings
from cfgdecode.json_schema.document import Place
from cfgdecode.json_schema.kinds import BOTTOM, FALSE, TRUE, Array, Conjunction, Kinds, Object, join
from cfgdecode.json_schema.part import Inexpressible, arrays_only, only, pattern_set
from cfgdecode.json_schema.string_sets import StringSet

if TYPE_CHECKING:
    from cfgdecode.json_schema.normalize import Normalizer

MAX_CASES = 64


@dataclass(frozen=True)
class Evaluated:
    """Names (or a number of first elements) that are evaluated; `every`: all; `matching`: elements by `contains`."""

    names: StringSet = strings.NONE
    first: int = 0
    every: bool = False
    matching: tuple[int, ...] = ()

    def __or__(self, other: Evaluated) -> Evaluated:
        return Evaluated(
            strings.either(self.names, other.names),
            max(self.first, other.first),
            self.every or other.every,
            tuple(dict.fromkeys(self.matching + other.matching)),
        )


NOTHING = Evaluated()
Case = tuple[Conjunction, Evaluated]


def unevaluated_properties(normalizer: Normalizer, place: Place, schema: dict[str, Any]) -> Kinds:
    """The values that unevaluatedProperties at `place` allows."""
    value = normalizer.child(place, "unevaluatedProperties")
    out = BOTTOM
    for conditions, evaluated in _Cases(normalizer, objects=True).of(place, schema, top=True):
        kinds = normalizer.kinds(conditions)
        if not evaluated.every:
            free = strings.negation(evaluated.names)
            regions = ((evaluated.names, TRUE), (free, value))
            rest = tuple((names, v) for names, v in regions if names != strings.NONE and v != FALSE)
            kinds = normalizer.meet(kinds, only(objects=(Object(rest=rest),)))
        out = normalizer.unite(out, kinds)
    return out


def unevaluated_items(normalizer: Normalizer, place: Place, schema: dict[str, Any]) -> Kinds:
    """The values that unevaluatedItems at `place` allows."""
    value = normalizer.child(place, "unevaluatedItems")
    out = BOTTOM
    for conditions, evaluated in _Cases(normalizer, objects=False).of(place, schema, top=True):
        kinds = normalizer.kinds(conditions)
        if not evaluated.every:
            item = value
            if evaluated.matching:
                item = normalizer.any_of([*evaluated.matching, normalizer.document.child(place, "unevaluatedItems")])
            array = Array().meet(Array((TRUE,) * evaluated.first, item))
            kinds = normalizer.meet(kinds, arrays_only(array))
        out = normalizer.unite(out, kinds)
    return out


class _Cases:
    """Collects the cases of one value; `objects` tells members from elements."""

    def __init__(self, normalizer: Normalizer, *, objects: bool) -> None:
        self._n, self._objects = normalizer, objects
        self._open: set[int] = set()

    def of(self, place: Place, schema: dict[str, Any], *, top: bool = False) -> list[Case]:
        """The cases of the schema at `place`; at the `top`, the keyword that asks does not count itself."""
        cases: list[Case] = [((), self._own(place, schema, top))]
        document = self._n.document
        for i in range(len(schema.get("allOf", ()))):
            cases = _product(cases, self._below(document.child(place, "allOf", i)))
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            if keyword in schema:
                node = document.resolve(place, schema[keyword], dynamic=keyword != "$ref")
                cases = _product(cases, self._below(node))
        for keyword in ("anyOf", "oneOf"):
            nodes = [document.child(place, keyword, i) for i in range(len(schema.get(keyword, ())))]
            if nodes:
                cases = _product(cases, self._some_of(nodes, 1 if keyword == "oneOf" else len(nodes)))
        if "if" in schema:
            cases = _product(cases, self._conditional(place, schema))
        for key in schema.get("dependentSchemas", ()):
            node = document.child(place, "dependentSchemas", key)
            present = self._n.constant_schema({"type": "object", "required": [key]}, place)
            cases = _product(cases, [((), NOTHING), *_under(present, self._below(node))])
        return cases

    def _own(self, place: Place, schema: dict[str, Any], top: bool) -> Evaluated:
        if self._objects:
            if "additionalProperties" in schema or ("unevaluatedProperties" in schema and not top):
                return Evaluated(every=True)
            names = strings.texts(tuple(schema.get("properties", ())))
            for source in schema.get("patternProperties", ()):
                names = strings.either(names, pattern_set(source))
            return Evaluated(names)
        items = schema.get("items")
        every = "additionalItems" in schema or (items is not None and not isinstance(items, list))
        if every or ("unevaluatedItems" in schema and not top):
            return Evaluated(every=True)
        matching: tuple[int, ...] = ()
        if "contains" in schema and self._n.document.dialect != 2019:
            matching = (self._n.document.child(place, "contains"),)
        first = len(items) if isinstance(items, list) else len(schema.get("prefixItems", ()))
        return Evaluated(first=first, matching=matching)

    def _below(self, node: int) -> list[Case]:
        place = self._n.document.places[node]
        if not isinstance(place.schema, dict):
            return [((), NOTHING)]
        if node in self._open:
            raise Inexpressible("unevaluated keywords beside a recursive reference to the same value")
        self._open.add(node)
        cases = self.of(place, self._n.visible(place))
        self._open.discard(node)
        return cases

    def _some_of(self, nodes: list[int], most: int) -> list[Case]:
        below_of = [(((True, node),), self._below(node)) for node in nodes]
        telling = [(condition, cases) for condition, cases in below_of if any(e != NOTHING for _, e in cases)]
        if len(telling) > 6:
            raise Inexpressible("unevaluated keywords beside an anyOf of more than 6 branches that evaluate")
        out: list[Case] = []
        for n in range(min(len(telling), most) + 1):
            for chosen in combinations(telling, n):
                cases: list[Case] = [((), NOTHING)]
                for condition, below in chosen:
                    cases = _product(cases, _under(condition, below))
                out += cases
        return out

    def _conditional(self, place: Place, schema: dict[str, Any]) -> list[Case]:
        document = self._n.document
        test = document.child(place, "if")
        then = self._below(document.child(place, "then")) if "then" in schema else [((), NOTHING)]
        other = self._below(document.child(place, "else")) if "else" in schema else [((), NOTHING)]
        held = _under(((True, test),), _product(self._below(test), then))
        if all(evaluated == NOTHING for _, evaluated in other):
            return [*held, ((), NOTHING)]
        return [*held, ((), NOTHING), *_under(((False, test),), other)]


def _under(condition: Conjunction, cases: Iterable[Case]) -> list[Case]:
    return [(join(condition, conditions), evaluated) for conditions, evaluated in cases]


def _product(a: Sequence[Case], b: Sequence[Case]) -> list[Case]:
    out = list(dict.fromkeys((join(c, d), e | f) for c, e in a for d, f in b if join(c, d) != FALSE))
    if len(out) > MAX_CASES:
        raise Inexpressible(f"unevaluated keywords with more than {MAX_CASES} combinations of applicators")
    return out
