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
from collections.abc import Iterator
from typing import Any

from cfgdecode.errors import LimitExceeded, SchemaError
from cfgdecode.json_schema import number_sets as numbers
from cfgdecode.json_schema import string_sets as strings
from cfgdecode.json_schema.applicators import Applicators
from cfgdecode.json_schema.array_keywords import ArrayKeywords
from cfgdecode.json_schema.document import Document, Place, escape
from cfgdecode.json_schema.kinds import BOTTOM, FALSE, TOP, TRUE, Array, Condition, Conjunction, Kinds, Object, join
from cfgdecode.json_schema.limits import SchemaLimits, SchemaWarning
from cfgdecode.json_schema.object_keywords import ObjectKeywords
from cfgdecode.json_schema.part import Inexpressible, Part, flip
from cfgdecode.json_schema.string_sets import StringSet
from cfgdecode.json_schema.value_keywords import ValueKeywords

ANNOTATIONS = frozenset({
    "$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$comment", "$defs", "definitions",
    "$vocabulary", "title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples",
    "example", "contentEncoding", "contentMediaType", "contentSchema",
})  # fmt: skip
ASSERTIONS = frozenset({
    "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "pattern", "format", "items", "prefixItems", "additionalItems", "minItems",
    "maxItems", "contains", "minContains", "maxContains", "uniqueItems", "properties", "patternProperties",
    "additionalProperties", "propertyNames", "required", "minProperties", "maxProperties", "dependencies",
    "dependentRequired", "dependentSchemas", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref",
    "$dynamicRef", "$recursiveRef", "unevaluatedProperties", "unevaluatedItems",
})  # fmt: skip
SINCE = {  # keyword -> the first dialect that has it
    "const": 6, "contains": 6, "propertyNames": 6, "if": 7, "then": 7, "else": 7, "minContains": 2019,
    "maxContains": 2019, "dependentRequired": 2019, "dependentSchemas": 2019, "unevaluatedProperties": 2019,
    "unevaluatedItems": 2019, "prefixItems": 2020, "$dynamicRef": 2020, "$recursiveRef": 2019,
}  # fmt: skip
UNTIL = {"dependencies": 7, "additionalItems": 2019}  # keyword -> the last dialect that has it


_SCHEMA, _SCHEMAS, _BY_NAME = "a schema", "a list of schemas", "an object of schemas"
SHAPES = {
    "additionalItems": _SCHEMA, "additionalProperties": _SCHEMA, "contains": _SCHEMA, "else": _SCHEMA, "if": _SCHEMA,
    "not": _SCHEMA, "propertyNames": _SCHEMA, "then": _SCHEMA, "unevaluatedItems": _SCHEMA,
    "unevaluatedProperties": _SCHEMA, "allOf": _SCHEMAS, "anyOf": _SCHEMAS, "oneOf": _SCHEMAS, "prefixItems": _SCHEMAS,
    "items": "a schema or a list of schemas", "properties": _BY_NAME, "patternProperties": _BY_NAME,
    "dependentSchemas": _BY_NAME, "dependentRequired": "an object of lists of strings",
    "dependencies": "an object of schemas or lists of strings", "pattern": "a string", "format": "a string",
    "$ref": "a string", "$dynamicRef": "a string", "$recursiveRef": "a string", "uniqueItems": "true or false",
}  # fmt: skip


def _fits(value: Any, expected: str) -> bool:
    if expected.startswith("an object of "):
        inner = expected.removeprefix("an object of ")
        kind = {"schemas": _SCHEMA, "lists of strings": "a list of strings"}.get(inner, inner)
        return isinstance(value, dict) and all(_fits(v, kind) for v in value.values())
    if expected in ("a list of schemas", "a list of strings"):
        element = _SCHEMA if expected == _SCHEMAS else "a string"
        return isinstance(value, list) and all(_fits(v, element) for v in value)
    if expected == "schemas or lists of strings":
        return isinstance(value, dict | bool | str) or _fits(value, "a list of strings")
    if expected == "a schema or a list of schemas":
        return isinstance(value, dict | bool) or _fits(value, _SCHEMAS)
    return isinstance(value, {"a string": str, "true or false": bool}.get(expected, (dict, bool)))


class Normalizer:
    """Expands the conditions of one document; see the head of the file."""

    def __init__(
        self, document: Document, limits: SchemaLimits, *, lenient: bool = False, formats: str = "typed"
    ) -> None:
        self.document = document
        self.limits = limits
        self.warnings: list[SchemaWarning] = []
        self._lenient, self.formats = lenient, formats
        self._memo: dict[Conjunction, Kinds] = {}
        self._expanded: dict[Condition, Kinds] = {}
        self._open: set[Condition] = set()
        self._judging: set[Conjunction] = set()
        self._warned: set[tuple[str, str]] = set()
        self._constants: dict[str, Any] = {}
        self._groups = (ValueKeywords(self), ArrayKeywords(self), ObjectKeywords(self), Applicators(self))

    # --- conjunctions -------------------------------------------------------------------------------------------

    def kinds(self, conjunction: Conjunction) -> Kinds:
        """The values that satisfy every condition."""
        found = self._memo.get(conjunction)
        if found is None:
            if len(self._memo) >= self.limits.schemas:
                raise LimitExceeded(
                    "the schema needs too many merged sub-schemas", limit="schemas", given=len(self._memo)
                )
            found = TOP
            for condition in conjunction:
                found = self.meet(found, self.expand(condition))
            self._memo[conjunction] = found
        return found

    def expand(self, condition: Condition) -> Kinds:
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
            except Inexpressible as reason:
                self._refuse(place, keyword, str(reason))
        return out

    def _no_part(self, place: Place) -> Kinds:
        out = BOTTOM
        for keyword, _, negative in self._parts(place):
            try:
                out = self.unite(out, negative())
            except Inexpressible as reason:
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
        self.warn(pointer, keyword, reason)

    def warn(self, pointer: str, keyword: str, message: str) -> None:
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

    def unite(self, a: Kinds, b: Kinds) -> Kinds:
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
            strings.is_empty(strings.both(region, free)) or self.is_empty(join(v, value))
            for region, v in candidate.rest
        )

    # --- keywords -----------------------------------------------------------------------------------------------

    def _parts(self, place: Place) -> Iterator[Part]:
        """(keyword, its values, the other values) for each keyword at `place`."""
        schema = self.visible(place)
        for group in self._groups:
            yield from group.parts(place, schema)

    def visible(self, place: Place) -> dict[str, Any]:
        """The keywords that this dialect knows; warns of the others."""
        schema, dialect = place.schema, self.document.dialect
        if "$ref" in schema and isinstance(schema["$ref"], str) and dialect != 2019 and dialect != 2020:
            hidden = sorted(((ASSERTIONS | {"$id"}) - {"$ref"}) & schema.keys())
            if hidden and dialect is not None:
                self.warn(place.pointer, "$ref", f"$ref hides its siblings {', '.join(hidden)} in this draft")
            elif hidden:
                self._ambiguous(place, hidden)
            if hidden and dialect is not None:
                return {"$ref": schema["$ref"]}
        out = {}
        for keyword, value in schema.items():
            expected = SHAPES.get(keyword)
            if expected is not None and not _fits(value, expected):
                raise SchemaError(f"{keyword} must be {expected}", pointer=f"{place.pointer}/{escape(keyword)}")
            if keyword in ASSERTIONS:
                if dialect is not None and not SINCE.get(keyword, 0) <= (dialect if dialect != 7 else 7) <= UNTIL.get(
                    keyword, 9999
                ):
                    self.warn(f"{place.pointer}/{keyword}", keyword, f"{keyword} is not a keyword of this draft")
                else:
                    out[keyword] = value
            elif keyword not in ANNOTATIONS:
                self.warn(f"{place.pointer}/{keyword}", keyword, f"unknown keyword {keyword!r}, an annotation")
        return out

    def _ambiguous(self, place: Place, hidden: list[str]) -> None:
        reason = (
            f"$ref beside {', '.join(hidden)}: draft 7 ignores the siblings, 2020-12 does not; add $schema, or move "
            "the reference into allOf"
        )
        self._refuse(place, "$ref", reason)

    def constant(self, value: Any, place: Place) -> Conjunction:
        """The one value `value`."""
        return self.constant_schema({"const": value}, place)

    def constant_schema(self, schema: dict[str, Any], place: Place) -> Conjunction:
        """A schema of our own making, made once."""
        key = json.dumps(schema, sort_keys=True, default=str)
        return ((True, self.document.node(self._constants.setdefault(key, schema), "", place.pointer)),)

    def any_of(self, nodes: list[int]) -> Conjunction:
        """Values that satisfy one of `nodes`."""
        key = f"anyOf {nodes}"
        if key not in self._constants:
            self._constants[key] = {"anyOf": [self.document.places[node].schema for node in nodes]}
            number = self.document.node(self._constants[key], "", "")
            found = BOTTOM
            for node in nodes:
                found = self.unite(found, self.expand((True, node)))
            self._expanded[True, number] = found
        return ((True, self.document.node(self._constants[key], "", "")),)

    def child(self, place: Place, *path: str | int) -> Conjunction:
        node = self.document.child(place, *path)
        schema = self.document.places[node].schema
        return TRUE if node == 0 else FALSE if schema is False else ((True, node),)

    def negated(self, conjunction: Conjunction) -> Conjunction:
        if conjunction in (TRUE, FALSE):
            return FALSE if conjunction == TRUE else TRUE
        if len(conjunction) != 1:
            raise Inexpressible("the negation of several schemas at once")
        return flip(conjunction)
