"""What the compilation of a schema may cost, and what it reports besides the grammar."""

from __future__ import annotations

from dataclasses import dataclass


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
    counted_properties: int = 2_000
