"""JSON Schema (drafts 4, 6, 7, 2019-09, 2020-12) compiled to a grammar.

The stages, in order: `document` (dialect, references), `normalize` (keywords to sets of values, `kinds`), `emit`
(sets to rules over JSON text). Sets of strings and numbers are regular languages: `string_sets`, `number_sets`,
`formats`, `ecma_regex`, `spelling` (characters to their JSON escapes), `automaton`.
"""

from cfgdecode.json_schema.compile import compile_schema, load_schema
from cfgdecode.json_schema.limits import SchemaLimits, SchemaWarning

__all__ = ["SchemaLimits", "SchemaWarning", "compile_schema", "load_schema"]
