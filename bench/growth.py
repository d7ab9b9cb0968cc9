"""Growth with the length of the canvas, the number of gaps and the size of the grammar.

    python bench/growth.py [--series blocks,random,gaps,grammar] [--most 1024] [--seconds 20]

`blocks` and `random`: a C++ text of small functions, as many tokens as fit and EOS behind them, 64 to 1,024 cells,
revealed in blocks of 32 (at random inside a block) or in a random order. `last/first`: the median of the last block
of 32 commits over that of the first. `gaps`: 1 to 200 open runs of two cells spread over 1,024 cells. `grammar`:
64 cells of a language of n kinds of statement (three rules each), random order. Times are CPU milliseconds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from record import Table, arguments, limits_of, quantiles, timed, token_ids, vocabulary_of

import cfgdecode as cd

COLUMNS = (
    "series",
    "size",
    "cells",
    "steps",
    "first",
    "p50",
    "p90",
    "p99",
    "max",
    "mean",
    "last/first",
    "undecided",
    "dead",
    "limit",
    "items",
    "table MB",
)
FUNCTION = """int f{i}(int a, int b) {{
    int s = {i};
    for (int j = 0; j < b; j++) {{ s += a * j; }}
    return s;
}}
"""
Case = tuple[str, int, cd.Constraint, list[int], list[int]]


def cut(vocabulary: cd.Vocabulary, text: str) -> list[int]:
    """Token ids of `text`: words with the blank before them, as BPE vocabularies have them, then greedily."""
    pieces = text.replace(" ", "\0 ").replace("\n", "\0\n").split("\0")
    return token_ids(vocabulary, [piece.encode() for piece in pieces if piece])


def cpp_ids(vocabulary: cd.Vocabulary, cells: int) -> list[int]:
    """Whole functions while they fit with one EOS behind them; EOS in the rest."""
    ids: list[int] = []
    for i in range(cells):
        more = cut(vocabulary, FUNCTION.format(i=i))
        if len(ids) + len(more) >= cells:
            break
        ids += more
    return ids + [vocabulary.eos[0]] * (cells - len(ids))


def statements(n: int) -> str:
    """A grammar with three rules for each of n kinds of statement."""
    kinds = range(n)
    lines = ["start: statement+", "statement: " + " | ".join(f"s{i}" for i in kinds)]
    lines += [f's{i}: "k{i}" "(" a{i} ")" ";" | "k{i}" "[" statement* "]"\na{i}: NAME | a{i} "," NAME' for i in kinds]
    return "\n".join([*lines, "NAME: /[a-z]+[0-9]*/", "WS: /[ \\n]+/", "%ignore WS", ""])


def cases(series: Sequence[str], vocabulary: cd.Vocabulary, least: int, most: int, seconds: float) -> Iterator[Case]:
    """Name, size, constraint, tokens and the order in which cells are revealed; the others are given."""
    draw = random.Random(0)
    cpp = cd.compile(cd.Grammar.builtin("cpp"), vocabulary, limits=limits_of(seconds))
    for cells in (n for n in (64, 128, 256, 512, 1024, 2048, 4096) if least <= n <= most):
        ids = cpp_ids(vocabulary, cells)
        blocks = [draw.sample(range(b, min(b + 32, cells)), min(32, cells - b)) for b in range(0, cells, 32)]
        if "blocks" in series:
            yield "blocks", cells, cpp, ids, [p for block in blocks for p in block]
        if "random" in series:
            yield "random", cells, cpp, ids, draw.sample(range(cells), cells)
    ids = cpp_ids(vocabulary, min(most, 1024))
    for gaps in (1, 10, 50, 200) if "gaps" in series else ():
        starts = [i * (len(ids) - 2) // gaps for i in range(gaps)]
        yield "gaps", gaps, cpp, ids, draw.sample([p for s in starts for p in (s, s + 1)], 2 * gaps)
    for rules in (20, 60, 200, 600, 1000) if "grammar" in series else ():
        n = max(1, rules // 3)
        constraint = cd.compile(cd.Grammar.from_lark(statements(n)), vocabulary, limits=limits_of(seconds))
        text = "".join(f"k{i % n}[k{(i * 7) % n}(a,bc);]\n" for i in range(64))
        lines = [cut(vocabulary, line + "\n") for line in text.splitlines()]
        ids = []
        for line in lines:
            ids += line if len(ids) + len(line) < 64 else []
        ids += [vocabulary.eos[0]] * (64 - len(ids))
        yield "grammar", rules, constraint, ids, draw.sample(range(64), 64)


def run(case: Case, seconds: float) -> dict[str, Any]:
    """One row."""
    name, size, constraint, ids, order = case
    begin, times = time.monotonic(), list[float]()
    opened = set(order)
    canvas = constraint.canvas(ids, [i in opened for i in range(len(ids))])
    verdict, first = timed(canvas.verdict)
    verdicts, limit = [verdict], canvas.limit

    def step(position: int) -> cd.Verdict:
        canvas._put(position, ids[position], cd.COMMITTED)
        return canvas.verdict()

    for position in order:
        if time.monotonic() - begin > seconds:
            break
        verdict, took = timed(lambda position=position: step(position))  # type: ignore[misc]
        times.append(took)
        verdicts.append(verdict)
        limit = limit or canvas.limit
    ratio = float(np.median(times[-32:]) / np.median(times[:32])) if len(times) >= 64 else None
    row = {"series": name, "size": size, "cells": len(ids), "steps": f"{len(times)}/{len(order)}", "first": first}
    row |= {"undecided": verdicts.count(cd.Verdict.UNDECIDED), "dead": verdicts.count(cd.Verdict.DEAD), "limit": limit}
    row |= {"items": canvas.stats.items, "table MB": constraint.memory_bytes() / 2**20, "last/first": ratio}
    return row | quantiles(times)


def main() -> None:
    more: tuple[tuple[str, dict[str, Any]], ...] = (
        ("--series", {"default": "blocks,random,gaps,grammar"}),
        ("--least", {"type": int, "default": 64, "help": "shortest canvas of blocks and random"}),
        ("--most", {"type": int, "default": 1024, "help": "longest canvas; up to 4096"}),
    )
    given = arguments(__doc__ or "", *more)
    vocabulary = vocabulary_of(given.vocabulary)
    table = Table("growth", COLUMNS, given)
    for case in cases(given.series.split(","), vocabulary, given.least, given.most, given.seconds):
        table.add(run(case, given.seconds))


if __name__ == "__main__":
    main()
