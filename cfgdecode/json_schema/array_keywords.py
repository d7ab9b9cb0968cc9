"""Keywords of arrays: items, prefixItems, contains, lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cfgdecode.errors import SchemaError
from cfgdecode.json_schema.document import Place
from cfgdecode.json_schema.kinds import FALSE, TOP, TRUE, Array, Conjunction, Kinds
from cfgdecode.json_schema.part import Inexpressible, Part, arrays_only, count, inexpressible
from cfgdecode.json_schema.unevaluated import unevaluated_items

if TYPE_CHECKING:
    from cfgdecode.json_schema.normalize import Normalizer


class ArrayKeywords:
    """The parts of a schema that speak of arrays."""

    def __init__(self, normalizer: Normalizer) -> None:
        self._n = normalizer

    def parts(self, place: Place, schema: dict[str, Any]) -> Iterator[Part]:
        prefix, items = self._elements(place, schema)
        if prefix or items != TRUE:
            yield (
                "items",
                lambda: arrays_only(Array().meet(Array(prefix, items))),
                lambda: self._other_elements(prefix, items),
            )
        least, most = count(place, schema, "minItems") or 0, count(place, schema, "maxItems")
        if least or most is not None:
            yield (
                "minItems",
                lambda: arrays_only(Array().meet(Array(least=least, most=most))),
                lambda: _other_lengths(least, most),
            )
        if schema.get("uniqueItems") is True:
            yield "uniqueItems", lambda: arrays_only(Array(unique=True)), inexpressible("arrays with repeated elements")
        if "contains" in schema:
            what: Conjunction = self._n.child(place, "contains")
            low, high = count(place, schema, "minContains"), count(place, schema, "maxContains")
            low = 1 if low is None else low
            yield "contains", lambda: self._containing(what, low, high), lambda: self._not_containing(what, low, high)
        if "unevaluatedItems" in schema and schema["unevaluatedItems"] is not True:
            yield (
                "unevaluatedItems",
                lambda: unevaluated_items(self._n, place, schema),
                inexpressible("unevaluatedItems inside a negation"),
            )

    def _elements(self, place: Place, schema: dict[str, Any]) -> tuple[tuple[Conjunction, ...], Conjunction]:
        items = schema.get("items", True)
        if isinstance(items, list):
            if self._n.document.dialect == 2020:
                raise SchemaError(
                    "items must be a schema; use prefixItems for a list", pointer=f"{place.pointer}/items"
                )
            prefix = tuple(self._n.child(place, "items", i) for i in range(len(items)))
            return prefix, self._n.child(place, "additionalItems") if "additionalItems" in schema else TRUE
        prefix = tuple(self._n.child(place, "prefixItems", i) for i in range(len(schema.get("prefixItems", ()))))
        return prefix, self._n.child(place, "items") if "items" in schema else TRUE

    def _other_elements(self, prefix: tuple[Conjunction, ...], items: Conjunction) -> Kinds:
        out: list[Array] = []
        for i, element in enumerate(prefix):
            if element != TRUE:
                out.append(Array((TRUE,) * i + (self._n.negated(element),), TRUE, i + 1))
        if items == FALSE:
            out.append(Array(least=len(prefix) + 1))
        elif items != TRUE:
            if prefix:
                raise Inexpressible("items behind prefixItems, negated")
            out.append(Array(contains=((self._n.negated(items), 1, None),)))
        return Kinds(arrays=tuple(out))

    def _containing(self, what: Conjunction, low: int, high: int | None) -> Kinds:
        if what == TRUE:
            return arrays_only(Array().meet(Array(least=low, most=high)))
        if low == 0 and high is None:
            return TOP
        if what == FALSE:
            return arrays_only(None if low else Array())
        return arrays_only(Array(contains=((what, low, high),)))

    def _not_containing(self, what: Conjunction, low: int, high: int | None) -> Kinds:
        out = []
        if low == 1:
            out.append(Array(items=self._n.negated(what)))
        elif low > 1:
            out.append(Array(contains=((what, 0, low - 1),)))
        if high is not None:
            out.append(Array(contains=((what, high + 1, None),)))
        return Kinds(arrays=tuple(out))


def _other_lengths(least: int, most: int | None) -> Kinds:
    out = [Array(most=least - 1)] if least else []
    return Kinds(arrays=tuple(out + ([Array(least=most + 1)] if most is not None else [])))
