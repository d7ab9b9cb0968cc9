"""From a grammar to the first answer: time and memory of each step.

    python bench/compile.py [--cells 64] [--grammars cpp,json] [--vocabulary llama3]

`read`: text to grammar. `compile`: grammar and vocabulary to constraint (the trie of the vocabulary is made once per
vocabulary: first row). `first verdict`: a canvas of `--cells` open cells. `first set`: `allowed(0)` of that canvas.
`to first answer` is the sum of compile and first verdict. `held MB` is `Constraint.memory_bytes()`, `grown MB` what the
process grew by from before `read` to after the verdict; the allocator keeps memory, so small growth may hide.
"""

from __future__ import annotations

from typing import Any

from record import Table, arguments, jsonl, limits_of, resident_mb, timed, vocabulary_of

import cfgdecode as cd
from cfgdecode.constraint import native_vocabulary

COLUMNS = (
    "grammar",
    "|V|",
    "rules",
    "terminals",
    "read",
    "compile",
    "first verdict",
    "verdict",
    "to first answer",
    "first set",
    "held MB",
    "grown MB",
)


def measure(read: Any, vocabulary: cd.Vocabulary, cells: int, seconds: float) -> dict[str, Any]:
    """One row."""
    before = resident_mb()
    grammar, reading = timed(read)
    constraint, compiling = timed(lambda: cd.compile(grammar, vocabulary, limits=limits_of(seconds)))
    canvas = constraint.canvas([0] * cells, [True] * cells)
    verdict, first = timed(canvas.verdict)
    grown, held = resident_mb() - before, constraint.memory_bytes() / 2**20
    try:
        _, first_set = timed(lambda: canvas.allowed(0))
    except cd.LimitExceeded:
        first_set = None
    row: dict[str, Any] = {"rules": len(grammar.ir.rules), "terminals": len(grammar.ir.terminals), "read": reading}
    row |= {"compile": compiling, "first verdict": first, "verdict": verdict.name.lower(), "first set": first_set}
    return row | {"to first answer": compiling + first, "held MB": held, "grown MB": grown}


def main() -> None:
    more: tuple[tuple[str, dict[str, Any]], ...] = (
        ("--cells", {"type": int, "default": 64}),
        ("--grammars", {"default": "", "help": "built-in grammars; default: all of them, and the traces' schemas"}),
    )
    given = arguments(__doc__ or "", *more)
    vocabulary = vocabulary_of(given.vocabulary)
    table = Table("compile", COLUMNS, given)
    before = resident_mb()
    trie, took = timed(lambda: native_vocabulary(vocabulary))
    row = {"compile": took, "held MB": trie.memory_bytes() / 2**20, "grown MB": resident_mb() - before}
    table.add({"grammar": f"(the vocabulary {given.vocabulary})", "|V|": vocabulary.n_logits, **row})
    sources: dict[str, Any] = {
        name: lambda name=name: cd.Grammar.builtin(name)
        for name in (given.grammars.split(",") if given.grammars else cd.Grammar.builtins())
    }
    for document in jsonl("traces.jsonl") if not given.grammars else ():
        if document["kind"] == "json":
            sources[document["id"]] = lambda schema=document["schema"]: cd.Grammar.from_json_schema(schema)
    for name, read in sources.items():
        row = measure(read, vocabulary, given.cells, given.seconds)
        table.add({"grammar": name, "|V|": vocabulary.n_logits, **row})


if __name__ == "__main__":
    main()
