"""Keywords that combine schemas: references, allOf, anyOf, oneOf, not, if / then / else.

oneOf is the union of "this one and none of the others", where the others that are provably disjoint from it are left
out. if / then / else is (if and then) or (not if and else).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cfgdecode.errors import SchemaError
from cfgdecode.json_schema.document import Place
from cfgdecode.json_schema.kinds import BOTTOM, TOP, Kinds
from cfgdecode.json_schema.part import Part

if TYPE_CHECKING:
    from cfgdecode.json_schema.normalize import Normalizer


class Applicators:
    """The parts of a schema that combine other schemas."""

    def __init__(self, normalizer: Normalizer) -> None:
        self._n = normalizer

    def parts(self, place: Place, schema: dict[str, Any]) -> Iterator[Part]:
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            if keyword in schema:
                node = self._n.document.resolve(place, schema[keyword], dynamic=keyword != "$ref")
                yield keyword, lambda n=node: self._n.expand((True, n)), lambda n=node: self._n.expand((False, n))  # type: ignore[misc]
        for keyword in ("allOf", "anyOf", "oneOf"):
            if keyword in schema:
                if not schema[keyword]:
                    raise SchemaError(f"{keyword} must not be empty", pointer=f"{place.pointer}/{keyword}")
                nodes = [self._n.document.child(place, keyword, i) for i in range(len(schema[keyword]))]
                yield self._combination(keyword, nodes)
        if "not" in schema:
            node = self._n.document.child(place, "not")
            yield "not", lambda: self._n.expand((False, node)), lambda: self._n.expand((True, node))
        if "if" in schema and ("then" in schema or "else" in schema):
            test = self._n.document.child(place, "if")
            then = self._n.document.child(place, "then") if "then" in schema else 0
            other = self._n.document.child(place, "else") if "else" in schema else 0
            yield (
                "if",
                lambda: self._conditional(test, then, other, True),
                lambda: self._conditional(test, then, other, False),
            )

    def _combination(self, keyword: str, nodes: list[int]) -> Part:
        if keyword == "allOf":
            return keyword, lambda: self._meet_all(nodes, True), lambda: self._unite_all(nodes, False)
        if keyword == "anyOf":
            return keyword, lambda: self._unite_all(nodes, True), lambda: self._meet_all(nodes, False)
        return keyword, lambda: self._exactly_one(nodes), lambda: self._none_or_two(nodes)

    def _meet_all(self, nodes: list[int], wanted: bool) -> Kinds:
        out = TOP
        for node in nodes:
            out = self._n.meet(out, self._n.expand((wanted, node)))
        return out

    def _unite_all(self, nodes: list[int], wanted: bool) -> Kinds:
        out = BOTTOM
        for node in nodes:
            out = self._n.unite(out, self._n.expand((wanted, node)))
        return out

    def _exactly_one(self, nodes: list[int]) -> Kinds:
        out = BOTTOM
        alone = self._scalars_apart(nodes)
        for i, node in enumerate(nodes):
            held = self._n.expand((True, node))
            for j, other in enumerate(nodes if not alone[i] else ()):
                if j != i and not self._n.nothing(self._n.meet(held, self._n.expand((True, other)))):
                    held = self._n.meet(held, self._n.expand((False, other)))
            out = self._n.unite(out, held)
        return out

    def _scalars_apart(self, nodes: list[int]) -> list[bool]:
        """For each node: does it allow scalars only, none of which another node allows? (Spares the pairs.)"""
        plain = [replace(self._n.expand((True, node)), arrays=(), objects=()) for node in nodes]
        before, after = [BOTTOM], [BOTTOM]
        for kinds in plain[:-1]:
            before.append(before[-1].union(kinds))
        for kinds in reversed(plain[1:]):
            after.append(after[-1].union(kinds))
        after.reverse()
        return [
            self._n.expand((True, node)).is_scalar()
            and self._n.nothing(self._n.meet(kinds, left))
            and self._n.nothing(self._n.meet(kinds, right))
            for node, kinds, left, right in zip(nodes, plain, before, after, strict=True)
        ]

    def _none_or_two(self, nodes: list[int]) -> Kinds:
        out = self._meet_all(nodes, False)
        for i, node in enumerate(nodes):
            for other in nodes[i + 1 :]:
                out = self._n.unite(out, self._meet_all([node, other], True))
        return out

    def _conditional(self, test: int, then: int, other: int, wanted: bool) -> Kinds:
        held = self._n.meet(self._n.expand((True, test)), self._n.expand((wanted, then)))
        if wanted and other == 0 and self._n.nothing(self._n.expand((True, test))):
            return TOP
        failed = self._n.meet(self._n.expand((False, test)), self._n.expand((wanted, other)))
        return self._n.unite(held, failed)
