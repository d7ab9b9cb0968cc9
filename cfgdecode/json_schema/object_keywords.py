"""Keywords of objects: properties and their relatives, required, names, counts, dependencies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cfgdecode.errors import SchemaError
from cfgdecode.json_schema import string_sets as strings
from cfgdecode.json_schema.document import Place
from cfgdecode.json_schema.kinds import FALSE, TOP, TRUE, Conjunction, Kinds, Object, join
from cfgdecode.json_schema.part import Inexpressible, Part, count, inexpressible, only, pattern_set
from cfgdecode.json_schema.string_sets import StringSet
from cfgdecode.json_schema.unevaluated import unevaluated_properties

if TYPE_CHECKING:
    from cfgdecode.json_schema.normalize import Normalizer


class ObjectKeywords:
    """The parts of a schema that speak of objects."""

    def __init__(self, normalizer: Normalizer) -> None:
        self._n = normalizer

    def parts(self, place: Place, schema: dict[str, Any]) -> Iterator[Part]:
        if schema.keys() & {"properties", "patternProperties", "additionalProperties"}:
            yield "properties", lambda: self._members(place, schema), lambda: self._other_members(place, schema)
        if "required" in schema and schema["required"] != []:
            keys = schema["required"]
            if not isinstance(keys, list) or not all(isinstance(k, str) for k in keys):
                raise SchemaError("required must be a list of strings", pointer=f"{place.pointer}/required")
            yield (
                "required",
                lambda: only(objects=(Object(required=tuple(dict.fromkeys(keys))),)),
                lambda: Kinds(objects=tuple(Object(((key, FALSE),)) for key in dict.fromkeys(keys))),
            )
        least, most = count(place, schema, "minProperties") or 0, count(place, schema, "maxProperties")
        if least or most is not None:
            yield "minProperties", lambda: only(objects=_sized(least, most)), lambda: _other_sizes(least, most)
        if "propertyNames" in schema and schema["propertyNames"] is not True:
            yield "propertyNames", lambda: self._names(place), lambda: self._other_names(place)
        for keyword in ("dependencies", "dependentRequired", "dependentSchemas"):
            for key in schema.get(keyword, ()):
                yield self._dependency(place, keyword, key)
        if "unevaluatedProperties" in schema and schema["unevaluatedProperties"] is not True:
            yield (
                "unevaluatedProperties",
                lambda: unevaluated_properties(self._n, place, schema),
                inexpressible("unevaluatedProperties inside a negation"),
            )

    def _members(self, place: Place, schema: dict[str, Any]) -> Kinds:
        other = self._n.child(place, "additionalProperties") if "additionalProperties" in schema else TRUE
        return only(objects=(self._object(place, schema, other),))

    def _object(self, place: Place, schema: dict[str, Any], other: Conjunction) -> Object:
        regions: list[tuple[StringSet, Conjunction]] = [(strings.ALL, TRUE)]
        for source in schema.get("patternProperties", ()):
            matching = pattern_set(source)
            value = self._n.child(place, "patternProperties", source)
            regions = [
                (part, join(old, new))
                for region, old in regions
                for part, new in (
                    (strings.both(region, matching), value),
                    (strings.both(region, strings.negation(matching)), TRUE),
                )
                if not strings.is_empty(part)
            ]
            if len(regions) > 64:
                raise Inexpressible("more than 64 combinations of patternProperties")
        named = []
        for key in schema.get("properties", ()):
            value = self._n.child(place, "properties", key)
            for source in schema.get("patternProperties", ()):
                if strings.contains(pattern_set(source), key):
                    value = join(value, self._n.child(place, "patternProperties", source))
            named.append((key, value))
        if other != TRUE:
            regions = self._with_other(regions, schema, other)
        return Object(tuple(named), tuple((r, v) for r, v in regions if v != FALSE))

    def _with_other(
        self, regions: list[tuple[StringSet, Conjunction]], schema: dict[str, Any], other: Conjunction
    ) -> list[tuple[StringSet, Conjunction]]:
        """The region that no pattern matches is the last one built; it takes `other`."""
        nothing = strings.ALL
        for source in schema.get("patternProperties", ()):
            nothing = strings.both(nothing, strings.negation(pattern_set(source)))
        return [(region, join(value, other) if region == nothing else value) for region, value in regions]

    def _other_members(self, place: Place, schema: dict[str, Any]) -> Kinds:
        """Some property fails, or some member of a pattern, or some additional member."""
        out = []
        for key in schema.get("properties", ()):
            value = self._n.child(place, "properties", key)
            if value != TRUE:
                out.append(Object(((key, self._n.negated(value)),), required=(key,)))
        others = strings.negation(strings.texts(tuple(schema.get("properties", ()))))
        for source in schema.get("patternProperties", ()):
            value = self._n.child(place, "patternProperties", source)
            others = strings.both(others, strings.negation(pattern_set(source)))
            if value != TRUE:
                out.append(Object(some=((pattern_set(source), self._n.negated(value)),)))
        value = self._n.child(place, "additionalProperties") if "additionalProperties" in schema else TRUE
        if value != TRUE and not strings.is_empty(others):
            out.append(Object(some=((others, self._n.negated(value)),)))
        return Kinds(objects=tuple(out))

    def _names(self, place: Place) -> Kinds:
        held = self._n.kinds(self._n.child(place, "propertyNames")).strings
        return only(objects=(Object(rest=() if held == strings.NONE else ((held, TRUE),)),))

    def _other_names(self, place: Place) -> Kinds:
        held = self._n.kinds(self._n.child(place, "propertyNames")).strings
        return Kinds(objects=(Object(some=((strings.negation(held), TRUE),)),))

    def _dependency(self, place: Place, keyword: str, key: str) -> Part:
        needs = place.schema[keyword][key]
        absent = Object(((key, FALSE),))
        if isinstance(needs, str):
            needs = [needs]
        if isinstance(needs, list):
            present = tuple(dict.fromkeys((key, *needs)))
            lacking = tuple(Object(((other, FALSE),), required=(key,)) for other in needs if other != key)
            return (
                keyword,
                lambda: only(objects=(absent, Object(required=present)) if len(present) > 1 else TOP.objects),
                lambda: Kinds(objects=lacking),
            )
        node = self._n.document.child(place, keyword, key)
        there = Kinds(objects=(Object(required=(key,)),))

        def positive() -> Kinds:
            held = self._n.meet(self._n.expand((True, node)), there)
            return only(objects=(absent, *held.objects))

        return keyword, positive, lambda: self._n.meet(self._n.expand((False, node)), there)


def _sized(least: int, most: int | None) -> tuple[Object, ...]:
    return () if most is not None and most < least else (Object(least=least, most=most),)


def _other_sizes(least: int, most: int | None) -> Kinds:
    out = [Object(most=least - 1)] if least else []
    return Kinds(objects=tuple(out + ([Object(least=most + 1)] if most is not None else [])))
