"""Schema keywords -> `Kinds`: every keyword as a set of values, and its complement, per JSON type.

`Normalizer.kinds(conjunction)` meets the expansions of its conditions. A schema object is the meet of its keywords; its
negation is the union of their complements (De Morgan), so each keyword below comes as a pair (positive, negative). A
keyword that limits one type leaves the other types alone, and its complement has only that type.

anyOf is a union; oneOf the union of "this one and none of the others", where the others that are provably disjoint
from it are left out; if/then/else is (if and then) or (not if and else); dependencies are "absent, or present and ...".
Unions of objects multiply when they meet: `SchemaLimits.branches` bounds them.

What cannot be expressed goes through `_refuse`: `SchemaError` with the JSON pointer, or (lenient) a warning, and the
keyword then allows everything. Memo: by conjunction, so that recursion closes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from cfgdecode.errors import LimitExceeded, SchemaError
from cfgdecode.json_schema import ecma_regex
from cfgdecode.json_schema import number_sets as numbers
from cfgdecode.json_schema import string_sets as strings
from cfgdecode.json_schema.document import Document, Place
from cfgdecode.json_schema.formats import STANDARD, format_set
from cfgdecode.json_schema.kinds import (
    BOTH,
    BOTTOM,
    FALSE,
    TOP,
    TRUE,
    Array,
    Condition,
    Conjunction,
    Kinds,
    Object,
    join,
)
from cfgdecode.json_schema.string_sets import StringSet


@dataclass(frozen=True)
class SchemaWarning:
    """A keyword that is not honoured, or only as an annotation: where, which, why."""

    pointer: str
    keyword: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} (at {self.pointer or '#'})"


@dataclass(frozen=True)
class SchemaLimits:
    """Bounds on the compilation; hitting one raises `LimitExceeded` with its name.

    branches: alternatives of arrays or objects in one union; schemas: distinct merged schemas; rules: grammar rules;
    any_order_required: required keys of one object under key_order="any" (needs a state per subset);
    any_order_exact: up to this many keys in all, key_order="any" also refuses a repeated optional key;
    spelled_characters: up to this many characters of literal keys and strings may be written in every escaped form,
    beyond it printable ASCII ones not as `\\uXXXX`; unique_values: distinct values of an array with uniqueItems;
    shuffled_keys: objects out of `enum` or `const` with up to this many keys may always have them in any order.
    """

    branches: int = 512
    schemas: int = 20_000
    rules: int = 200_000
    any_order_required: int = 10
    any_order_exact: int = 4
    spelled_characters: int = 4_000
    unique_values: int = 6
    shuffled_keys: int = 5


TYPES = ("null", "boolean", "number", "integer", "string", "array", "object")
ANNOTATIONS = frozenset(
    """$schema $id id $anchor $dynamicAnchor $recursiveAnchor $comment $defs definitions $vocabulary title description
    default deprecated readOnly writeOnly examples example contentEncoding contentMediaType contentSchema""".split()
)
ASSERTIONS = frozenset(
    """type enum const minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength pattern format
    items prefixItems additionalItems minItems maxItems contains minContains maxContains uniqueItems properties
    patternProperties additionalProperties propertyNames required minProperties maxProperties dependencies
    dependentRequired dependentSchemas allOf anyOf oneOf not if then else $ref $dynamicRef $recursiveRef
    unevaluatedProperties unevaluatedItems""".split()
)
SINCE = {  # keyword -> the first dialect that has it
    "const": 6, "contains": 6, "propertyNames": 6, "if": 7, "then": 7, "else": 7, "minContains": 2019,
    "maxContains": 2019, "dependentRequired": 2019, "dependentSchemas": 2019, "unevaluatedProperties": 2019,
    "unevaluatedItems": 2019, "prefixItems": 2020, "$dynamicRef": 2020, "$recursiveRef": 2019,
}  # fmt: skip
UNTIL = {"dependencies": 7, "additionalItems": 2019}  # keyword -> the last dialect that has it

Part = tuple[str, Callable[[], Kinds], Callable[[], Kinds]]


class _Inexpressible(Exception):
    """This keyword, or its complement, has no place in `Kinds`; the text says why."""


class Normalizer:
    """Expands the conditions of one document; see the head of the file."""

    def __init__(
        self, document: Document, limits: SchemaLimits, *, lenient: bool = False, formats: str = "typed"
    ) -> None:
        self.document = document
        self.limits = limits
        self.warnings: list[SchemaWarning] = []
        self._lenient, self._formats = lenient, formats
        self._memo: dict[Conjunction, Kinds] = {}
        self._expanded: dict[Condition, Kinds] = {}
        self._open: set[Condition] = set()
        self._judging: set[Conjunction] = set()
        self._warned: set[tuple[str, str]] = set()
        self._constants: dict[str, Any] = {}

    # --- conjunctions -------------------------------------------------------------------------------------------

    def kinds(self, conjunction: Conjunction) -> Kinds:
        """The values that satisfy every condition."""
        found = self._memo.get(conjunction)
        if found is None:
            if len(self._memo) >= self.limits.schemas:
                raise LimitExceeded("the schema needs too many merged sub-schemas", limit="schemas", given=len(self._memo))
            found = TOP
            for condition in conjunction:
                found = self.meet(found, self._expand(condition))
            self._memo[conjunction] = found
        return found

    def _expand(self, condition: Condition) -> Kinds:
        found = self._expanded.get(condition)
        if found is not None:
            return found
        wanted, node = condition
        place = self.document.places[node]
        if isinstance(place.schema, bool):
            return TOP if place.schema == wanted else BOTTOM
        if not isinstance(place.schema, dict):
            raise SchemaError(f"a schema must be an object or a boolean, not {place.schema!r}", pointer=place.pointer)
        if condition in self._open:
            raise SchemaError("a reference leads back to itself without entering a value", pointer=place.pointer)
        self._open.add(condition)
        try:
            found = self._all_parts(place) if wanted else self._no_part(place)
        finally:
            self._open.discard(condition)
        self._expanded[condition] = found
        return found

    def _all_parts(self, place: Place) -> Kinds:
        out = TOP
        for keyword, positive, _ in self._parts(place):
            try:
                out = self.meet(out, positive())
            except _Inexpressible as reason:
                self._refuse(place, keyword, str(reason))
        return out

    def _no_part(self, place: Place) -> Kinds:
        out = BOTTOM
        for keyword, _, negative in self._parts(place):
            try:
                out = self._unite(out, negative())
            except _Inexpressible as reason:
                self._refuse(place, keyword, f"the complement of {keyword} is needed here: {reason}")
                return TOP
        return out

    def _refuse(self, place: Place, keyword: str, reason: str) -> None:
        self.refuse_at(place.pointer, keyword, reason)

    def refuse_at(self, pointer: str, keyword: str, reason: str) -> None:
        """Raise `SchemaError`, or warn if lenient."""
        pointer = f"{pointer}/{keyword}"
        if not self._lenient:
            raise SchemaError(reason, pointer=pointer)
        self._warn(pointer, keyword, reason)

    def _warn(self, pointer: str, keyword: str, message: str) -> None:
        if (pointer, message) not in self._warned:
            self._warned.add((pointer, message))
            self.warnings.append(SchemaWarning(pointer, keyword, message))

    # --- set operations -----------------------------------------------------------------------------------------

    def meet(self, a: Kinds, b: Kinds) -> Kinds:
        """Values in both."""
        if a is TOP:
            return b
        if b is TOP:
            return a
        arrays = [x.meet(y) for x in a.arrays for y in b.arrays]
        objects = [x.meet(y) for x in a.objects for y in b.objects]
        kept = tuple(dict.fromkeys(o for o in objects if o is not None and not self._hopeless(o)))
        return self._bounded(
            Kinds(
                a.null and b.null,
                a.booleans & b.booleans,
                numbers.both(a.numbers, b.numbers),
                strings.both(a.strings, b.strings),
                tuple(dict.fromkeys(x for x in arrays if x is not None)),
                kept,
            )
        )

    def _hopeless(self, candidate: Object) -> bool:
        return any(len(value := candidate.member(key)) > 1 and self.is_empty(value) for key in candidate.required)

    def _unite(self, a: Kinds, b: Kinds) -> Kinds:
        return self._bounded(a.union(b))

    def _bounded(self, kinds: Kinds) -> Kinds:
        n = max(len(kinds.arrays), len(kinds.objects))
        if n > self.limits.branches:
            raise LimitExceeded(
                f"alternatives of the schema multiply to {n}; the limit is {self.limits.branches}",
                limit="branches",
                given=n,
            )
        return kinds

    def is_empty(self, conjunction: Conjunction) -> bool:
        """Does provably no value satisfy the conjunction?"""
        if not conjunction or conjunction == FALSE:
            return conjunction == FALSE
        if conjunction in self._judging or len(self._judging) > 40:
            return False
        self._judging.add(conjunction)
        try:
            return self.nothing(self.kinds(conjunction))
        except SchemaError:
            return False
        finally:
            self._judging.discard(conjunction)

    def nothing(self, kinds: Kinds) -> bool:
        """Is the set provably empty?"""
        return (
            not kinds.null
            and not kinds.booleans
            and all(self._no_array(array) for array in kinds.arrays)
            and all(self._no_object(o) for o in kinds.objects)
            and numbers.is_empty(kinds.numbers)
            and strings.is_empty(kinds.strings)
        )

    def _no_array(self, array: Array) -> bool:
        if array.least and any(self.is_empty(array.element(i)) for i in range(min(array.least, len(array.prefix) + 1))):
            return True
        return any(least > 0 and self.is_empty(what) for what, least, _ in array.contains)

    def _no_object(self, candidate: Object) -> bool:
        if any(self.is_empty(candidate.member(key)) for key in candidate.required):
            return True
        return any(self._nobody(candidate, names, value) for names, value in candidate.some)

    def _nobody(self, candidate: Object, names: StringSet, value: Conjunction) -> bool:
        """Can no member have one of `names` and `value`?"""
        if any(strings.contains(names, k) and not self.is_empty(join(v, value)) for k, v in candidate.named):
            return False
        known = strings.negation(strings.texts(tuple(k for k, _ in candidate.named)))
        free = strings.both(names, known)
        return all(
            strings.is_empty(strings.both(region, free)) or self.is_empty(join(v, value)) for region, v in candidate.rest
        )

    # --- keywords -----------------------------------------------------------------------------------------------

    def _parts(self, place: Place) -> Iterator[Part]:
        """(keyword, its values, the other values) for each keyword at `place`."""
        schema = self._visible(place)
        yield from self._value_parts(place, schema)
        yield from self._string_parts(place, schema)
        yield from self._array_parts(place, schema)
        yield from self._object_parts(place, schema)
        yield from self._applicator_parts(place, schema)

    def _visible(self, place: Place) -> dict[str, Any]:
        """The keywords that this dialect knows; warns of the others."""
        schema, dialect = place.schema, self.document.dialect
        if "$ref" in schema and isinstance(schema["$ref"], str) and dialect != 2019 and dialect != 2020:
            hidden = sorted(((ASSERTIONS | {"$id"}) - {"$ref"}) & schema.keys())
            if hidden and dialect is not None:
                self._warn(place.pointer, "$ref", f"$ref hides its siblings {', '.join(hidden)} in this draft")
            elif hidden:
                self._ambiguous(place, hidden)
            if hidden and dialect is not None:
                return {"$ref": schema["$ref"]}
        out = {}
        for keyword, value in schema.items():
            if keyword in ASSERTIONS:
                if dialect is not None and not SINCE.get(keyword, 0) <= (dialect if dialect != 7 else 7) <= UNTIL.get(keyword, 9999):
                    self._warn(f"{place.pointer}/{keyword}", keyword, f"{keyword} is not a keyword of this draft")
                else:
                    out[keyword] = value
            elif keyword not in ANNOTATIONS:
                self._warn(f"{place.pointer}/{keyword}", keyword, f"unknown keyword {keyword!r}, an annotation")
        return out

    def _ambiguous(self, place: Place, hidden: list[str]) -> None:
        reason = (
            f"$ref beside {', '.join(hidden)}: draft 7 ignores the siblings, 2020-12 does not; add $schema, or move "
            "the reference into allOf"
        )
        self._refuse(place, "$ref", reason)

    def _value_parts(self, place: Place, schema: dict[str, Any]) -> Iterator[Part]:
        if "type" in schema:
            names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            for name in names:
                if name not in TYPES:
                    raise SchemaError(f"unknown type {name!r}; expected one of {', '.join(TYPES)}", pointer=f"{place.pointer}/type")
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
            yield "minimum", lambda: _only(numbers=allowed), lambda: Kinds(numbers=numbers.negation(allowed))

    def _integer(self) -> numbers.NumberSet:
        return ("integer", self.document.dialect == 4)

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
                bounds[keyword] = _fraction(schema[keyword], f"{place.pointer}/{keyword}")
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
                parts = tuple(self._constant(v, place) for v in value)
                arrays.append(Array(parts, FALSE, len(value), len(value)))
            elif isinstance(value, dict):
                members = tuple((k, self._constant(v, place)) for k, v in value.items())
                objects.append(Object(members, (), tuple(value), shuffled=True))
        points = tuple(
            dict.fromkeys(_fraction(v, place.pointer) for v in values if isinstance(v, int | float | Decimal) and not isinstance(v, bool))
        )
        return Kinds(
            any(v is None for v in values),
            frozenset(v for v in values if isinstance(v, bool)),
            ("points", points) if points else numbers.NONE,
            strings.texts(tuple(v for v in values if isinstance(v, str))),
            tuple(dict.fromkeys(arrays)),
            tuple(dict.fromkeys(objects)),
        )

    def _constant(self, value: Any, place: Place) -> Conjunction:
        key = json.dumps(value, sort_keys=True, default=str)
        schema = self._constants.setdefault(key, {"const": value})
        return ((True, self.document.node(schema, "", place.pointer)),)

    def _other_values(self, values: list[Any], place: Place) -> Kinds:
        held = self._values(values, place)
        out = Kinds(
            not held.null, BOTH - held.booleans, numbers.negation(held.numbers), strings.negation(held.strings),
            TOP.arrays, TOP.objects,
        )  # fmt: skip
        for value in values:
            if isinstance(value, list):
                out = self.meet(out, self._not_this_array(value, place))
            elif isinstance(value, dict):
                out = self.meet(out, self._not_this_object(value, place))
        return out

    def _not_this_array(self, value: list[Any], place: Place) -> Kinds:
        n = len(value)
        arrays = [Array(least=n + 1)] + ([Array(most=n - 1)] if n else [])
        for i, element in enumerate(value):
            arrays.append(Array((TRUE,) * i + (_flip(self._constant(element, place)),), TRUE, i + 1))
        return _only(arrays=tuple(arrays))

    def _not_this_object(self, value: dict[str, Any], place: Place) -> Kinds:
        objects = [Object(some=((strings.negation(strings.texts(tuple(value))), TRUE),))]
        for key, element in value.items():
            objects.append(Object(((key, FALSE),)))
            objects.append(Object(((key, _flip(self._constant(element, place))),), required=(key,)))
        return _only(objects=tuple(objects))

    # --- strings ------------------------------------------------------------------------------------------------

    def _string_parts(self, place: Place, schema: dict[str, Any]) -> Iterator[Part]:
        if "minLength" in schema or "maxLength" in schema:
            least, most = _count(place, schema, "minLength") or 0, _count(place, schema, "maxLength")
            yield _of_strings("maxLength", lambda: strings.length(least, most))
        if "pattern" in schema:
            yield _of_strings("pattern", lambda: _pattern(schema["pattern"]))
        if "format" in schema:
            name = schema["format"]
            types = schema.get("type", ())
            typed = "string" in (types if isinstance(types, list) else (types,))
            if name not in STANDARD:
                self._warn(f"{place.pointer}/format", "format", f"unknown format {name!r}, an annotation")
            elif self._formats == "never" or (self._formats == "typed" and not typed):
                self._warn(f"{place.pointer}/format", "format", f"format {name!r} taken as an annotation")
            else:
                yield _of_strings("format", lambda: _format(name))

    # --- arrays -------------------------------------------------------------------------------------------------

    def _array_parts(self, place: Place, schema: dict[str, Any]) -> Iterator[Part]:
        prefix, items = self._elements(place, schema)
        if prefix or items != TRUE:
            yield "items", lambda: _arrays(Array().meet(Array(prefix, items))), lambda: self._other_elements(prefix, items)
        least, most = _count(place, schema, "minItems") or 0, _count(place, schema, "maxItems")
        if least or most is not None:
            yield "minItems", lambda: _arrays(Array().meet(Array(least=least, most=most))), lambda: _other_lengths(least, most)
        if schema.get("uniqueItems") is True:
            yield "uniqueItems", lambda: _arrays(Array(unique=True)), _inexpressible("arrays with repeated elements")
        if "contains" in schema:
            what: Conjunction = self._child(place, "contains")
            low, high = _count(place, schema, "minContains"), _count(place, schema, "maxContains")
            low = 1 if low is None else low
            yield "contains", lambda: self._containing(what, low, high), lambda: self._not_containing(what, low, high)
        if "unevaluatedItems" in schema and schema["unevaluatedItems"] is not True:
            yield (
                "unevaluatedItems",
                lambda: self._unevaluated_items(place, schema),
                _inexpressible("unevaluatedItems inside a negation"),
            )

    def _child(self, place: Place, *path: str | int) -> Conjunction:
        node = self.document.child(place, *path)
        schema = self.document.places[node].schema
        return TRUE if node == 0 else FALSE if schema is False else ((True, node),)

    def _elements(self, place: Place, schema: dict[str, Any]) -> tuple[tuple[Conjunction, ...], Conjunction]:
        items = schema.get("items", True)
        if isinstance(items, list):
            if self.document.dialect == 2020:
                raise SchemaError("items must be a schema; use prefixItems for a list", pointer=f"{place.pointer}/items")
            prefix = tuple(self._child(place, "items", i) for i in range(len(items)))
            return prefix, self._child(place, "additionalItems") if "additionalItems" in schema else TRUE
        prefix = tuple(self._child(place, "prefixItems", i) for i in range(len(schema.get("prefixItems", ()))))
        return prefix, self._child(place, "items") if "items" in schema else TRUE

    def _other_elements(self, prefix: tuple[Conjunction, ...], items: Conjunction) -> Kinds:
        out: list[Array] = []
        for i, element in enumerate(prefix):
            if element != TRUE:
                out.append(Array((TRUE,) * i + (self._negated(element),), TRUE, i + 1))
        if items == FALSE:
            out.append(Array(least=len(prefix) + 1))
        elif items != TRUE:
            if prefix:
                raise _Inexpressible("items behind prefixItems, negated")
            out.append(Array(contains=((self._negated(items), 1, None),)))
        return Kinds(arrays=tuple(out))

    def _negated(self, conjunction: Conjunction) -> Conjunction:
        if conjunction in (TRUE, FALSE):
            return FALSE if conjunction == TRUE else TRUE
        if len(conjunction) != 1:
            raise _Inexpressible("the negation of several schemas at once")
        return _flip(conjunction)

    def _containing(self, what: Conjunction, low: int, high: int | None) -> Kinds:
        if what == TRUE:
            return _arrays(Array().meet(Array(least=low, most=high)))
        if low == 0 and high is None:
            return TOP
        if what == FALSE:
            return _arrays(None if low else Array())
        return _arrays(Array(contains=((what, low, high),)))

    def _not_containing(self, what: Conjunction, low: int, high: int | None) -> Kinds:
        out = []
        if low == 1:
            out.append(Array(items=self._negated(what)))
        elif low > 1:
            out.append(Array(contains=((what, 0, low - 1),)))
        if high is not None:
            out.append(Array(contains=((what, high + 1, None),)))
        return Kinds(arrays=tuple(out))

    def _unevaluated_items(self, place: Place, schema: dict[str, Any]) -> Kinds:
        n, every = 0, False
        for at, keywords in self._in_place(place, schema, "items", "prefixItems", "additionalItems", "contains", "unevaluatedItems"):
            if at is not place and "unevaluatedItems" in keywords:
                every = True
            if "contains" in keywords and self.document.dialect != 2019:
                raise _Inexpressible("unevaluatedItems beside contains")
            prefix, _ = self._elements(at, keywords)
            n = max(n, len(prefix))
            every = every or ("items" in keywords and not isinstance(keywords["items"], list)) or "additionalItems" in keywords
        value = self._child(place, "unevaluatedItems")
        return TOP if every else _arrays(Array().meet(Array((TRUE,) * n, value)))

    def _in_place(self, place: Place, schema: dict[str, Any], *evaluating: str) -> Iterator[tuple[Place, dict[str, Any]]]:
        """`place` and the schemas that allOf and $ref apply to the same value; other applicators are refused if they evaluate."""
        todo, seen = [(place, schema)], {id(place.schema)}
        while todo:
            at, keywords = todo.pop()
            yield at, keywords
            nodes = [self.document.child(at, "allOf", i) for i in range(len(keywords.get("allOf", ())))]
            nodes += [self.document.resolve(at, keywords[k]) for k in ("$ref", "$dynamicRef") if k in keywords]
            for keyword in ("anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "not"):
                if keyword in keywords and self._mentions(keywords[keyword], evaluating):
                    raise _Inexpressible(f"unevaluated elements or properties that depend on {keyword}")
            for node in nodes:
                inner = self.document.places[node]
                if isinstance(inner.schema, dict) and id(inner.schema) not in seen:
                    seen.add(id(inner.schema))
                    todo.append((inner, self._visible(inner)))

    def _mentions(self, schema: Any, keywords: tuple[str, ...]) -> bool:
        if isinstance(schema, dict):
            return any(k in keywords or k in ("$ref", "$dynamicRef") or self._mentions(v, keywords) for k, v in schema.items())
        return isinstance(schema, list) and any(self._mentions(v, keywords) for v in schema)

    # --- objects ------------------------------------------------------------------------------------------------

    def _object_parts(self, place: Place, schema: dict[str, Any]) -> Iterator[Part]:
        if schema.keys() & {"properties", "patternProperties", "additionalProperties"}:
            yield "properties", lambda: self._members(place, schema), lambda: self._other_members(place, schema)
        if "required" in schema and schema["required"] != []:
            keys = schema["required"]
            if not isinstance(keys, list) or not all(isinstance(k, str) for k in keys):
                raise SchemaError("required must be a list of strings", pointer=f"{place.pointer}/required")
            yield (
                "required",
                lambda: _only(objects=(Object(required=tuple(dict.fromkeys(keys))),)),
                lambda: Kinds(objects=tuple(Object(((key, FALSE),)) for key in dict.fromkeys(keys))),
            )
        least, most = _count(place, schema, "minProperties") or 0, _count(place, schema, "maxProperties")
        if least or most is not None:
            yield "minProperties", lambda: _only(objects=_sized(least, most)), lambda: _other_sizes(least, most)
        if "propertyNames" in schema and schema["propertyNames"] is not True:
            yield "propertyNames", lambda: self._names(place), lambda: self._other_names(place)
        for keyword in ("dependencies", "dependentRequired", "dependentSchemas"):
            for key in schema.get(keyword, ()):
                yield self._dependency(place, keyword, key)
        if "unevaluatedProperties" in schema and schema["unevaluatedProperties"] is not True:
            yield (
                "unevaluatedProperties",
                lambda: self._unevaluated_properties(place, schema),
                _inexpressible("unevaluatedProperties inside a negation"),
            )

    def _members(self, place: Place, schema: dict[str, Any]) -> Kinds:
        other = self._child(place, "additionalProperties") if "additionalProperties" in schema else TRUE
        return _only(objects=(self._object(place, schema, other),))

    def _object(self, place: Place, schema: dict[str, Any], other: Conjunction) -> Object:
        regions: list[tuple[StringSet, Conjunction]] = [(strings.ALL, TRUE)]
        for source in schema.get("patternProperties", ()):
            matching = _pattern(source)
            value = self._child(place, "patternProperties", source)
            regions = [
                (part, join(old, new))
                for region, old in regions
                for part, new in ((strings.both(region, matching), value), (strings.both(region, strings.negation(matching)), TRUE))
                if not strings.is_empty(part)
            ]
            if len(regions) > 64:
                raise _Inexpressible("more than 64 combinations of patternProperties")
        named = []
        for key in schema.get("properties", ()):
            value = self._child(place, "properties", key)
            for source in schema.get("patternProperties", ()):
                if strings.contains(_pattern(source), key):
                    value = join(value, self._child(place, "patternProperties", source))
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
            nothing = strings.both(nothing, strings.negation(_pattern(source)))
        return [(region, join(value, other) if region == nothing else value) for region, value in regions]

    def _other_members(self, place: Place, schema: dict[str, Any]) -> Kinds:
        """Some property fails, or some member of a pattern, or some additional member."""
        out = []
        for key in schema.get("properties", ()):
            value = self._child(place, "properties", key)
            if value != TRUE:
                out.append(Object(((key, self._negated(value)),), required=(key,)))
        others = strings.negation(strings.texts(tuple(schema.get("properties", ()))))
        for source in schema.get("patternProperties", ()):
            value = self._child(place, "patternProperties", source)
            others = strings.both(others, strings.negation(_pattern(source)))
            if value != TRUE:
                out.append(Object(some=((_pattern(source), self._negated(value)),)))
        value = self._child(place, "additionalProperties") if "additionalProperties" in schema else TRUE
        if value != TRUE and not strings.is_empty(others):
            out.append(Object(some=((others, self._negated(value)),)))
        return Kinds(objects=tuple(out))

    def _names(self, place: Place) -> Kinds:
        held = self.kinds(self._child(place, "propertyNames")).strings
        return _only(objects=(Object(rest=() if held == strings.NONE else ((held, TRUE),)),))

    def _other_names(self, place: Place) -> Kinds:
        held = self.kinds(self._child(place, "propertyNames")).strings
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
                lambda: _only(objects=(absent, Object(required=present)) if len(present) > 1 else TOP.objects),
                lambda: Kinds(objects=lacking),
            )
        node = self.document.child(place, keyword, key)
        there = Kinds(objects=(Object(required=(key,)),))

        def positive() -> Kinds:
            held = self.meet(self._expand((True, node)), there)
            return _only(objects=(absent, *held.objects))

        return keyword, positive, lambda: self.meet(self._expand((False, node)), there)

    def _unevaluated_properties(self, place: Place, schema: dict[str, Any]) -> Kinds:
        named: dict[str, Conjunction] = {}
        seen: StringSet = strings.NONE
        for at, keywords in self._in_place(
            place, schema, "properties", "patternProperties", "additionalProperties", "unevaluatedProperties"
        ):
            if "additionalProperties" in keywords or (at is not place and "unevaluatedProperties" in keywords):
                return TOP
            named.update((key, TRUE) for key in keywords.get("properties", ()))
            for source in keywords.get("patternProperties", ()):
                seen = strings.either(seen, _pattern(source))
        named = {key: TRUE for key in named}
        regions: list[tuple[StringSet, Conjunction]] = [(seen, TRUE)] if seen != strings.NONE else []
        regions.append((strings.negation(seen), self._child(place, "unevaluatedProperties")))
        return _only(objects=(Object(tuple(named.items()), tuple((r, v) for r, v in regions if v != FALSE and r != strings.NONE)),))

    # --- applicators --------------------------------------------------------------------------------------------

    def _applicator_parts(self, place: Place, schema: dict[str, Any]) -> Iterator[Part]:
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            if keyword in schema:
                node = self.document.resolve(place, schema[keyword], dynamic=keyword != "$ref")
                yield keyword, lambda n=node: self._expand((True, n)), lambda n=node: self._expand((False, n))  # type: ignore[misc]
        for keyword in ("allOf", "anyOf", "oneOf"):
            if keyword in schema:
                if not isinstance(schema[keyword], list):
                    raise SchemaError(f"{keyword} must be a list of schemas", pointer=f"{place.pointer}/{keyword}")
                nodes = [self.document.child(place, keyword, i) for i in range(len(schema[keyword]))]
                yield self._combination(keyword, nodes)
        if "not" in schema:
            node = self.document.child(place, "not")
            yield "not", lambda: self._expand((False, node)), lambda: self._expand((True, node))
        if "if" in schema and ("then" in schema or "else" in schema):
            test = self.document.child(place, "if")
            then = self.document.child(place, "then") if "then" in schema else 0
            other = self.document.child(place, "else") if "else" in schema else 0
            yield "if", lambda: self._conditional(test, then, other, True), lambda: self._conditional(test, then, other, False)

    def _combination(self, keyword: str, nodes: list[int]) -> Part:
        if keyword == "allOf":
            return keyword, lambda: self._meet_all(nodes, True), lambda: self._unite_all(nodes, False)
        if keyword == "anyOf":
            return keyword, lambda: self._unite_all(nodes, True), lambda: self._meet_all(nodes, False)
        return keyword, lambda: self._exactly_one(nodes), lambda: self._none_or_two(nodes)

    def _meet_all(self, nodes: list[int], wanted: bool) -> Kinds:
        out = TOP
        for node in nodes:
            out = self.meet(out, self._expand((wanted, node)))
        return out

    def _unite_all(self, nodes: list[int], wanted: bool) -> Kinds:
        out = BOTTOM
        for node in nodes:
            out = self._unite(out, self._expand((wanted, node)))
        return out

    def _exactly_one(self, nodes: list[int]) -> Kinds:
        out = BOTTOM
        for i, node in enumerate(nodes):
            held = self._expand((True, node))
            for j, other in enumerate(nodes):
                if j != i and not self.nothing(self.meet(held, self._expand((True, other)))):
                    held = self.meet(held, self._expand((False, other)))
            out = self._unite(out, held)
        return out

    def _none_or_two(self, nodes: list[int]) -> Kinds:
        out = self._meet_all(nodes, False)
        for i, node in enumerate(nodes):
            for other in nodes[i + 1 :]:
                out = self._unite(out, self._meet_all([node, other], True))
        return out

    def _conditional(self, test: int, then: int, other: int, wanted: bool) -> Kinds:
        held = self.meet(self._expand((True, test)), self._expand((wanted, then)))
        if wanted and other == 0 and self.nothing(self._expand((True, test))):
            return TOP
        failed = self.meet(self._expand((False, test)), self._expand((wanted, other)))
        return self._unite(held, failed)


def _only(
    *,
    numbers: numbers.NumberSet | None = None,
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


def _arrays(array: Array | None) -> Kinds:
    return _only(arrays=() if array is None else (array,))


def _of_strings(keyword: str, make: Callable[[], StringSet]) -> Part:
    return keyword, lambda: _only(strings=make()), lambda: Kinds(strings=strings.negation(make()))


def _inexpressible(what: str) -> Callable[[], Kinds]:
    def fail() -> Kinds:
        raise _Inexpressible(f"{what}: not expressible")

    return fail


def _pattern(source: Any) -> StringSet:
    if not isinstance(source, str):
        raise _Inexpressible(f"a pattern must be a string, not {source!r}")
    try:
        return strings.pattern(ecma_regex.parse(source))
    except ecma_regex.Unsupported as reason:
        raise _Inexpressible(str(reason)) from None


def _format(name: str) -> StringSet:
    found = format_set(name)
    if found is None:
        raise _Inexpressible(f"format {name!r} is not a regular language")
    return found


def _flip(conjunction: Conjunction) -> Conjunction:
    ((wanted, node),) = conjunction
    return ((not wanted, node),)


def _sized(least: int, most: int | None) -> tuple[Object, ...]:
    return () if most is not None and most < least else (Object(least=least, most=most),)


def _other_sizes(least: int, most: int | None) -> Kinds:
    out = [Object(most=least - 1)] if least else []
    return Kinds(objects=tuple(out + ([Object(least=most + 1)] if most is not None else [])))


def _other_lengths(least: int, most: int | None) -> Kinds:
    out = [Array(most=least - 1)] if least else []
    return Kinds(arrays=tuple(out + ([Array(least=most + 1)] if most is not None else [])))


def _count(place: Place, schema: dict[str, Any], keyword: str) -> int | None:
    if keyword not in schema:
        return None
    value = schema[keyword]
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or value != int(value) or value < 0:
        raise SchemaError(f"{keyword} must be a whole number, not {value!r}", pointer=f"{place.pointer}/{keyword}")
    return int(value)


def _fraction(value: Any, pointer: str) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise SchemaError(f"expected a number, not {value!r}", pointer=pointer)
    if isinstance(value, int):
        return Fraction(value)
    decimal = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not decimal.is_finite() or abs(decimal.adjusted()) > 1000:
        raise SchemaError(f"number {value!r} is out of range", pointer=pointer)
    return Fraction(decimal)
