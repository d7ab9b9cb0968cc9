"""JSON Schema -> grammar: reads the schema, normalises it, emits rules."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Literal

from cfgdecode.errors import LimitExceeded, SchemaError
from cfgdecode.grammar.ir import GrammarIR
from cfgdecode.json_schema.document import Document
from cfgdecode.json_schema.emit import Emitter
from cfgdecode.json_schema.limits import SchemaLimits, SchemaWarning
from cfgdecode.json_schema.normalize import Normalizer
from cfgdecode.json_schema.spelling import Speller

KeyOrder = Literal["schema", "any"]
Whitespace = Literal["flexible", "compact"]
Formats = Literal["typed", "always", "never"]
Escapes = Literal["literals", "all", "writers"]


def compile_schema(
    schema: Any,
    *,
    key_order: KeyOrder = "schema",
    whitespace: Whitespace = "flexible",
    lenient: bool = False,
    limits: SchemaLimits | None = None,
    formats: Formats = "typed",
    escapes: Escapes = "literals",
) -> tuple[GrammarIR, list[SchemaWarning]]:
    r"""The grammar (lexer "dynamic_complete") of the JSON texts that `schema` allows, and what was not honoured.

    Args:
        schema: a dict or bool, a JSON text, or a pydantic model class.
        key_order: "schema": declared keys in their order, then others; "any": every order (see `emit.py`).
        whitespace: "flexible": RFC 8259 white space between tokens and around the text; "compact": none, but for one
            optional space behind each comma and colon.
        lenient: keywords that cannot be expressed allow everything, with a warning, instead of raising `SchemaError`.
        escapes: where a printable ASCII character may also be written `\u00XX`: "literals": in keys, enum, const and
            free strings; "all": also in strings under pattern or format; "writers": in free strings only.
        formats: "typed": `format` is an assertion beside a `type` that names "string", an annotation elsewhere.

    Raises:
        SchemaError: a keyword cannot be honoured, or the schema is malformed; `.pointer` says where.
        LimitExceeded: a bound of `limits` was hit.
    """
    _check(key_order, ("schema", "any"), "key_order")
    _check(whitespace, ("flexible", "compact"), "whitespace")
    _check(formats, ("typed", "always", "never"), "formats")
    _check(escapes, ("literals", "all", "writers"), "escapes")
    limits = limits or SchemaLimits()
    try:
        document = Document(load_schema(schema))
        normalizer = Normalizer(document, limits, lenient=lenient, formats=formats)
        few = _literal_characters(document.root) <= limits.spelled_characters
        speller = Speller(literals=escapes != "writers" and few, patterns=escapes == "all")
        emitter = Emitter(normalizer, limits, speller, key_order=key_order, whitespace=whitespace)
        node = document.root_node()
        return emitter.grammar(((True, node),) if node else ()), normalizer.warnings
    except RecursionError:
        raise LimitExceeded("the schema is nested too deeply for Python's stack", limit="nesting") from None


def load_schema(schema: Any) -> Any:
    """A schema as plain data."""
    if isinstance(schema, str | bytes):
        try:
            schema = json.loads(schema, parse_float=Decimal)
        except ValueError as error:
            raise SchemaError(f"the schema is not JSON: {error}") from None
    elif isinstance(schema, type) and hasattr(schema, "model_json_schema"):
        schema = schema.model_json_schema()
    if not isinstance(schema, dict | bool):
        raise SchemaError(f"a schema is a JSON object or a boolean, not {type(schema).__name__}")
    return schema


def _check(value: str, known: tuple[str, ...], name: str) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")


def _literal_characters(schema: Any) -> int:
    """Characters of keys and of enum / const strings, roughly: what literal terminals are made of."""
    total, todo = 0, [schema]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo += [v for v in value if isinstance(v, dict | list)]
        elif isinstance(value, dict):
            for keyword, inner in value.items():
                if keyword in ("enum", "const"):
                    total += len(json.dumps(inner, default=str))
                elif keyword == "properties" and isinstance(inner, dict):
                    total += sum(map(len, inner))
                if isinstance(inner, dict | list):
                    todo.append(inner)
    return total
