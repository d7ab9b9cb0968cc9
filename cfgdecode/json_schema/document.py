"""A JSON Schema document: its dialect, its sub-schemas, and what a `$ref` in it points to.

Terms: a *resource* is a (sub-)schema with its own absolute URI (`$id`, draft 4 `id`, or the document itself with
the URI ""); an *anchor* is a name inside a resource. A *node* is a schema at a place: (schema, base URI, JSON
pointer); nodes are numbered, and node 0 is the schema `true`.

Dialects: 4 (also 3, 6 are read like their neighbours), 7, 2019, 2020, or None where `$schema` does not tell.
Without `$schema` the keywords of all drafts are honoured; where drafts disagree (siblings of `$ref`), that is an
error. References into other documents are not fetched.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cfgdecode.errors import SchemaError

Schema = Any
ONE_SCHEMA = (
    "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
    "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
MANY_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
DIALECTS = (
    ("", None), ("draft-03/", 4), ("draft-04/", 4), ("draft-06/", 7), ("draft-07/", 7), ("draft/2019-09/", 2019),
    ("draft/2020-12/", 2020),
)  # fmt: skip
NAMED_SCHEMAS = ("$defs", "definitions", "dependentSchemas", "dependencies", "patternProperties", "properties")


@dataclass(frozen=True)
class Place:
    """A schema, the base URI there, and its JSON pointer in the document."""

    schema: Schema
    base: str
    pointer: str


def escape(key: str) -> str:
    """One reference token of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def dialect_of(schema: Schema) -> int | None:
    """4, 7, 2019 or 2020 by `$schema`; None where there is none, or the one that means the latest draft."""
    uri = schema.get("$schema") if isinstance(schema, dict) else None
    if not isinstance(uri, str):
        return None
    for mark, dialect in DIALECTS:
        if uri.rstrip("#").removeprefix("https").removeprefix("http") == f"://json-schema.org/{mark}schema":
            return dialect
    raise SchemaError(f"unknown $schema {uri!r}; known are drafts 4, 6, 7, 2019-09 and 2020-12", pointer="/$schema")


class Document:
    """Numbers the schemas of one document and resolves its references."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        self.dialect = dialect_of(root)
        self.places: list[Place] = [Place(True, "", "")]
        self._number: dict[tuple[int, str], int] = {}
        # Both: (schema, its JSON pointer, the base URI outside it).
        self._resources: dict[str, tuple[Schema, str, str]] = {"": (root, "", "")}
        self._anchors: dict[tuple[str, str], tuple[Schema, str, str]] = {}
        self._n_dynamic: dict[str, int] = {}
        self._index(root)

    @property
    def old_refs(self) -> bool:
        """Does `$ref` hide its siblings (draft 7 and before)?"""
        return self.dialect is not None and self.dialect <= 7

    def _own_base(self, schema: Schema, base: str) -> str:
        identifier = self._identifier(schema)
        return _join(base, identifier).partition("#")[0] if identifier is not None else base

    def _identifier(self, schema: Schema) -> str | None:
        if not isinstance(schema, dict) or (self.old_refs and "$ref" in schema):
            return None
        found = schema.get("id" if self.dialect == 4 else "$id")
        if found is None and self.dialect is None and ("$ref" not in schema):
            found = schema.get("id") if str(schema.get("id", "")).startswith(("http://", "https://", "#")) else None
        return found if isinstance(found, str) else None

    def _index(self, root: Schema) -> None:
        todo: list[tuple[Schema, str, str]] = [(root, "", "")]
        while todo:
            schema, outer, pointer = todo.pop()
            if not isinstance(schema, dict):
                continue
            base, found = self._own_base(schema, outer), (schema, pointer, outer)
            identifier = self._identifier(schema)
            if identifier is not None and identifier.startswith("#"):
                self._anchors.setdefault((base, identifier[1:]), found)
            elif identifier is not None:
                self._resources.setdefault(base, found)
            for keyword in ("$anchor", "$dynamicAnchor"):
                name = schema.get(keyword)
                if isinstance(name, str):
                    self._anchors.setdefault((base, name), found)
                    if keyword == "$dynamicAnchor":
                        self._n_dynamic[name] = self._n_dynamic.get(name, 0) + 1
            todo += [(sub, base, f"{pointer}/{path}") for path, sub in sub_schemas(schema)]

    def root_node(self) -> int:
        """The number of the whole schema."""
        return self.node(self.root, "", "")

    def node(self, schema: Schema, base: str, pointer: str) -> int:
        """The number of a schema at a place; `base` is the URI outside it."""
        if schema is True or schema == {}:
            return 0
        base = self._own_base(schema, base)
        key = (id(schema), base)
        number = self._number.get(key)
        if number is None:
            number = self._number[key] = len(self.places)
            self.places.append(Place(schema, base, pointer))
        return number

    def child(self, place: Place, *path: str | int) -> int:
        """The number of the sub-schema at `path` below `place`."""
        schema, pointer = place.schema, place.pointer
        for step in path:
            schema = schema[step]
            pointer += "/" + escape(str(step))
        return self.node(schema, place.base, pointer)

    def resolve(self, place: Place, reference: str, *, dynamic: bool = False) -> int:
        """The number of what `reference` at `place` points to."""
        if not isinstance(reference, str):
            raise SchemaError(f"a reference must be a string, not {reference!r}", pointer=place.pointer)
        uri, _, fragment = _join(place.base, reference).partition("#")
        fragment = urllib.parse.unquote(fragment)
        if dynamic and self._n_dynamic.get(fragment, 0) > 1:
            raise SchemaError(f"$dynamicRef {reference!r} with several anchors of that name", pointer=place.pointer)
        if (uri, fragment) in self._anchors:
            schema, pointer, base = self._anchors[uri, fragment]
            return self.node(schema, base, pointer)
        if uri not in self._resources:
            raise SchemaError(f"reference {reference!r} leads out of this document", pointer=place.pointer)
        schema, pointer, base = self._resources[uri]
        if fragment and not fragment.startswith("/"):
            raise SchemaError(f"no anchor {fragment!r} for reference {reference!r}", pointer=place.pointer)
        for token in fragment.split("/")[1:]:
            token = token.replace("~1", "/").replace("~0", "~")
            base = self._own_base(schema, base)
            schema = _step(schema, token)
            if schema is None:
                raise SchemaError(f"reference {reference!r} points to nothing", pointer=place.pointer)
            pointer += "/" + escape(token)
        if not isinstance(schema, dict | bool):
            raise SchemaError(f"reference {reference!r} points to {type(schema).__name__}", pointer=place.pointer)
        return self.node(schema, base, pointer)


def _step(value: Any, token: str) -> Any:
    if isinstance(value, dict):
        return value.get(token)
    if isinstance(value, list) and token.isdigit() and int(token) < len(value):
        return value[int(token)]
    return None


def _join(base: str, reference: str) -> str:
    """RFC 3986 resolution; `urljoin` gives up on schemes that it does not know, such as urn."""
    if reference.startswith("#"):
        return base.partition("#")[0] + reference
    return urllib.parse.urljoin(base, reference) if base else reference


def sub_schemas(schema: dict[str, Any]) -> Iterator[tuple[str, Schema]]:
    """(JSON pointer below it, schema) for every direct sub-schema."""
    for keyword, value in schema.items():
        if keyword in ONE_SCHEMA and isinstance(value, dict | bool):
            yield escape(keyword), value
        elif keyword in MANY_SCHEMAS and isinstance(value, list):
            for i, sub in enumerate(value):
                yield f"{escape(keyword)}/{i}", sub
        elif keyword in NAMED_SCHEMAS and isinstance(value, dict):
            for name, sub in value.items():
                yield f"{escape(keyword)}/{escape(name)}", sub
