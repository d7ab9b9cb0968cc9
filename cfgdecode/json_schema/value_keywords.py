"""Keywords of scalars and whole values: type, enum, const, the bounds of numbers, and those of strings."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from cfgdecode.errors import SchemaError
from cfgdecode.json_schema import number_sets as numbers
from cfgdecode.json_schema import string_sets as strings
from cfgdecode.json_schema.document import Place
from cfgdecode.json_schema.formats import STANDARD, format_set
from cfgdecode.json_schema.kinds import BOTH, FALSE, TOP, TRUE, Array, Kinds, Object
from cfgdecode.json_schema.part import Inexpressible, Part, count, flip, fraction, of_strings, only, pattern_set
from cfgdecode.json_schema.string_sets import StringSet

if TYPE_CHECKING:
    from cfgdecode.json_schema.normalize import Normalizer

TYPES = ("null", "boolean", "number", "integer", "string", "array", "object")


class ValueKeywords:
    """The parts of a schema that speak of scalars and of whole values."""

    def __init__(self, normalizer: Normalizer) -> None:
        self._n = normalizer

    def parts(self, place: Place, schema: dict[str, Any]) -> Iterator[Part]:
        """(keyword, its values, the other values) for each."""
        yield from self._value_parts(place, schema)
        yield from self._string_parts(place, schema)

    def _value_parts(self, place: Place, schema: dict[str, Any]) -> Iterator[Part]:
        if "type" in schema:
            names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            for name in names:
                if name not in TYPES:
                    raise SchemaError(
                        f"unknown type {name!r}; expected one of {', '.join(TYPES)}", pointer=f"{place.pointer}/type"
                    )
            yield "type", lambda: self._of_types(names), lambda: self._not_types(names)
        for keyword in ("enum", "const"):
            if keyword in schema:
                values = schema["enum"] if keyword == "enum" else [schema["const"]]
                if not isinstance(values, list):
                    raise SchemaError("enum must be a list", pointer=f"{place.pointer}/enum")
                yield (
                    keyword,
                    lambda values=values: self._values(values, place),  # type: ignore[misc]
                    lambda values=values: self._other_values(values, place),  # type: ignore[misc]
                )
        allowed = self._number_set(place, schema)
        if allowed is not None:
            yield "minimum", lambda: only(numbers=allowed), lambda: Kinds(numbers=numbers.negation(allowed))

    def _integer(self) -> numbers.NumberSet:
        return ("integer", self._n.document.dialect == 4)

    def _of_types(self, names: list[str]) -> Kinds:
        return Kinds(
            "null" in names,
            BOTH if "boolean" in names else frozenset(),
            numbers.ALL if "number" in names else self._integer() if "integer" in names else numbers.NONE,
            strings.ALL if "string" in names else strings.NONE,
            TOP.arrays if "array" in names else (),
            TOP.objects if "object" in names else (),
        )

    def _not_types(self, names: list[str]) -> Kinds:
        held = self._of_types(names)
        return Kinds(
            not held.null,
            BOTH - held.booleans,
            numbers.negation(held.numbers),
            strings.negation(held.strings),
            () if held.arrays else TOP.arrays,
            () if held.objects else TOP.objects,
        )

    def _number_set(self, place: Place, schema: dict[str, Any]) -> numbers.NumberSet | None:
        bounds: dict[str, Fraction | None] = {}
        for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
            if keyword in schema and not isinstance(schema[keyword], bool):
                bounds[keyword] = fraction(schema[keyword], f"{place.pointer}/{keyword}")
            elif keyword in schema and keyword[:9] != "exclusive":
                raise SchemaError(f"{keyword} must be a number", pointer=f"{place.pointer}/{keyword}")
        low_open, high_open = schema.get("exclusiveMinimum") is True, schema.get("exclusiveMaximum") is True
        if not bounds:
            return None
        out = numbers.interval(bounds.get("minimum"), low_open, bounds.get("maximum"), high_open)
        out = numbers.both(out, numbers.interval(bounds.get("exclusiveMinimum"), True, None, False))
        out = numbers.both(out, numbers.interval(None, False, bounds.get("exclusiveMaximum"), True))
        unit = bounds.get("multipleOf")
        if unit is not None:
            if unit <= 0:
                raise SchemaError("multipleOf must be greater than zero", pointer=f"{place.pointer}/multipleOf")
            out = numbers.both(out, ("multiple", unit))
        return out

    def _values(self, values: list[Any], place: Place) -> Kinds:
        arrays, objects = [], []
        for value in values:
            if isinstance(value, list):
                parts = tuple(self._n.constant(v, place) for v in value)
                arrays.append(Array(parts, FALSE, len(value), len(value)))
            elif isinstance(value, dict):
                members = tuple((k, self._n.constant(v, place)) for k, v in value.items())
                objects.append(Object(members, (), tuple(value), shuffled=True))
        points = tuple(
            dict.fromkeys(
                fraction(v, place.pointer)
                for v in values
                if isinstance(v, int | float | Decimal) and not isinstance(v, bool)
            )
        )
        return Kinds(
            any(v is None for v in values),
            frozenset(v for v in values if isinstance(v, bool)),
            ("points", points) if points else numbers.NONE,
            strings.texts(tuple(v for v in values if isinstance(v, str))),
            tuple(dict.fromkeys(arrays)),
            tuple(dict.fromkeys(objects)),
        )

    def _other_values(self, values: list[Any], place: Place) -> Kinds:
        held = self._values(values, place)
        out = Kinds(
            not held.null, BOTH - held.booleans, numbers.negation(held.numbers), strings.negation(held.strings),
            TOP.arrays, TOP.objects,
        )  # fmt: skip
        for value in values:
            if isinstance(value, list):
                out = self._n.meet(out, self._not_this_array(value, place))
            elif isinstance(value, dict):
                out = self._n.meet(out, self._not_this_object(value, place))
        return out

    def _not_this_array(self, value: list[Any], place: Place) -> Kinds:
        n = len(value)
        arrays = [Array(least=n + 1)] + ([Array(most=n - 1)] if n else [])
        for i, element in enumerate(value):
            arrays.append(Array((TRUE,) * i + (flip(self._n.constant(element, place)),), TRUE, i + 1))
        return only(arrays=tuple(arrays))

    def _not_this_object(self, value: dict[str, Any], place: Place) -> Kinds:
        objects = [Object(some=((strings.negation(strings.texts(tuple(value))), TRUE),))]
        for key, element in value.items():
            objects.append(Object(((key, FALSE),)))
            objects.append(Object(((key, flip(self._n.constant(element, place))),), required=(key,)))
        return only(objects=tuple(objects))

    def _string_parts(self, place: Place, schema: dict[str, Any]) -> Iterator[Part]:
        if "minLength" in schema or "maxLength" in schema:
            least, most = count(place, schema, "minLength") or 0, count(place, schema, "maxLength")
            yield of_strings("maxLength", lambda: strings.length(least, most))
        if "pattern" in schema:
            yield of_strings("pattern", lambda: pattern_set(schema["pattern"]))
        if "format" in schema:
            name = schema["format"]
            types = schema.get("type", ())
            typed = "string" in (types if isinstance(types, list) else (types,))
            if name not in STANDARD:
                self._n.warn(f"{place.pointer}/format", "format", f"unknown format {name!r}, an annotation")
            elif self._n.formats == "never" or (self._n.formats == "typed" and not typed):
                self._n.warn(f"{place.pointer}/format", "format", f"format {name!r} taken as an annotation")
            else:
                yield of_strings("format", lambda: format_language(name))


def format_language(name: str) -> StringSet:
    found = format_set(name)
    if found is None:
        raise Inexpressible(f"format {name!r} is not a regular language")
    return found
