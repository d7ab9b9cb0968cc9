"""One keyword as a pair of value sets, and the small constructors that the keyword files share.

A `Part` is (keyword, its values, the other values), the sets made on demand. `Inexpressible` is raised by a set
that has no place in `Kinds`; the normalizer turns it into `SchemaError` or a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from cfgdecode.errors import SchemaError
from cfgdecode.json_schema import ecma_regex
from cfgdecode.json_schema import string_sets as strings
from cfgdecode.json_schema.document import Place
from cfgdecode.json_schema.kinds import BOTH, TOP, Array, Conjunction, Kinds, Object
from cfgdecode.json_schema.number_sets import NumberSet
from cfgdecode.json_schema.string_sets import StringSet

Part = tuple[str, Callable[[], Kinds], Callable[[], Kinds]]


class Inexpressible(Exception):
    """This keyword, or its complement, has no place in `Kinds`; the text says why."""


def only(
    *,
    numbers: NumberSet | None = None,
    strings: StringSet | None = None,
    arrays: tuple[Array, ...] | None = None,
    objects: tuple[Object, ...] | None = None,
) -> Kinds:
    """Everything, but for the type given."""
    return Kinds(
        True,
        BOTH,
        TOP.numbers if numbers is None else numbers,
        TOP.strings if strings is None else strings,
        TOP.arrays if arrays is None else arrays,
        TOP.objects if objects is None else objects,
    )


def arrays_only(array: Array | None) -> Kinds:
    """Everything, but of arrays only those of `array`."""
    return only(arrays=() if array is None else (array,))


def of_strings(keyword: str, make: Callable[[], StringSet]) -> Part:
    """A keyword that limits strings."""
    return keyword, lambda: only(strings=make()), lambda: Kinds(strings=strings.negation(make()))


def inexpressible(what: str) -> Callable[[], Kinds]:
    """A set that is not there."""

    def fail() -> Kinds:
        raise Inexpressible(f"{what}: not expressible")

    return fail


def pattern_set(source: Any) -> StringSet:
    """The strings in which an ECMA pattern is found."""
    if not isinstance(source, str):
        raise Inexpressible(f"a pattern must be a string, not {source!r}")
    try:
        return strings.pattern(ecma_regex.parse(source))
    except ecma_regex.Unsupported as reason:
        raise Inexpressible(str(reason)) from None


def flip(conjunction: Conjunction) -> Conjunction:
    """The negation of a single condition."""
    ((wanted, node),) = conjunction
    return ((not wanted, node),)


def count(place: Place, schema: dict[str, Any], keyword: str) -> int | None:
    """A keyword whose value is a whole number; None where it is absent."""
    if keyword not in schema:
        return None
    value = schema[keyword]
    number = not isinstance(value, bool) and isinstance(value, int | float | Decimal)
    if not number or not 0 <= value < 10**18 or value != int(value):
        raise SchemaError(f"{keyword} must be a whole number, not {value!r}", pointer=f"{place.pointer}/{keyword}")
    return int(value)


def fraction(value: Any, pointer: str) -> Fraction:
    """A JSON number, exactly."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise SchemaError(f"expected a number, not {value!r}", pointer=pointer)
    decimal = value if isinstance(value, Decimal) else Decimal(value if isinstance(value, int) else repr(value))
    if not decimal.is_finite() or abs(decimal.adjusted()) > 400:
        raise SchemaError(f"number {value!r} is out of range", pointer=pointer)
    return Fraction(decimal)
