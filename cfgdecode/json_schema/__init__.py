"""JSON Schema (drafts 4, 6, 7, 2019-09, 2020-12) compiled to a grammar over JSON text.

    grammar, warnings = compile_schema({"type": "object", "properties": {"a": {"type": "integer"}}})

The stages, in order: `document` (dialect, references), `normalize` with one file per group of keywords
(`value_keywords`, `array_keywords`, `object_keywords`, `applicators`, `unevaluated`; keywords to sets of values,
`kinds`), `emit` (sets to rules: `scalar_rules`, `array_rules`, `object_rules`, `key_order`). Sets of strings and
numbers are regular languages: `string_sets`, `number_sets`, `formats`, `ecma_regex`, `spelling`, `automaton`,
`longest_first`.

What the language is, where JSON Schema leaves a choice:
- Keys: in schema order (others last, in any order), or in any order; see `key_order`. An object from `enum` or
  `const` of up to five keys has them in any order. A key outside the schema, and an optional one under any order,
  may repeat.
- White space: RFC 8259's everywhere, or none but one optional space behind each comma and colon; see
  `compile_schema`.
- Strings: by their decoded characters; every spelling, but for `\\u00XX` of printable ASCII under pattern and
  format (`escapes="all"` takes it there too). Lengths count code points.
- Numbers: by value; see `number_sets` for the exponent forms of bounded numbers.
- `pattern` is an ECMA-262 search; see `ecma_regex`. `format` asserts beside a `type` that names "string".
- Without `$schema` the keywords of all drafts hold; where drafts disagree about a schema, it is refused.

Refused, with the JSON pointer, or listed as warnings with lenient=True: uniqueItems (but for few possible values or
maxItems 1), formats and patterns that are not regular, references out of the document, dynamic references with
several targets, complements of uniqueItems and unevaluated keywords. Unknown keywords and formats are annotations,
and listed. An unsatisfiable schema gives a grammar without rules.
"""

from cfgdecode.json_schema.compile import compile_schema, load_schema
from cfgdecode.json_schema.limits import SchemaLimits, SchemaWarning

__all__ = ["SchemaLimits", "SchemaWarning", "compile_schema", "load_schema"]
