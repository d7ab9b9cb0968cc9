"""Instructions of the engine on fixed work: what a change costs, on a machine whose clock cannot be trusted.

    python bench/instructions.py [--only json] [--against results/instructions.jsonl]

Each row runs in a process of its own under valgrind's callgrind, which counts what happens inside of calls of the
native `Session` (no Python, no start-up). Two runs of one build differ by about 0.2 %. Needs `valgrind`. The work: a
text of single bytes revealed cell by cell with a verdict after each; "sets": all allowed sets too, after every eighth
cell. `before` is the latest row of that name in `--against`.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from record import ROOT, Table, arguments

import cfgdecode as cd

TEXTS = {
    "json": '{"a": [1, 2.5, {"b": null}], "c": "text", "d": [true, false]}',
    "smiles": "CC(=O)Oc1ccccc1C(=O)OCC2CC(N)CC2",
    "cpp": "int sum(const int* v, int n) { int s = 0; for (int i = 0; i < n; ++i) s += v[i]; return s; }",
    "xml": '<a id="1"><b>x &amp; y</b><c/></a>',
}
WORK = ("random", "blocks", "ltr", "sets")
COLUMNS = ("grammar", "work", "cells", "Minstr", "before", "change", "sets", "items")


def work(grammar: str, kind: str) -> dict[str, Any]:
    """What is counted; answers the deterministic counts of the engine itself."""
    text = TEXTS[grammar].encode()
    constraint = cd.compile(cd.Grammar.builtin(grammar), cd.Vocabulary.bytes())
    canvas = constraint.canvas(list(text), [True] * len(text))
    order = list(range(len(text)))
    if kind != "ltr":
        width = 16 if kind == "blocks" else len(text)
        chunks = [order[k : k + width] for k in range(0, len(order), width)]
        order = [p for chunk in chunks for p in random.Random(0).sample(chunk, len(chunk))]
    for k, position in enumerate(order):
        if kind == "sets" and k % 8 == 0:
            canvas.allowed_all()
        if not canvas.commit_one(position, text[position]):
            raise SystemExit(f"{grammar}: byte {position} of the text was refused")
    stats = canvas.stats
    return {"cells": len(text), "sets": stats.left_sets + stats.right_sets, "items": stats.items}


def counted(grammar: str, kind: str) -> dict[str, Any]:
    """The same in a process under callgrind."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        only = ["--collect-atstart=no", "--toggle-collect=*PySession*"]
        child = [sys.executable, __file__, "--child", f"{grammar},{kind}"]
        done = subprocess.run([*tool, *only, *child], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        total = re.search(r"^summary: (\d+)", out.read_text(), re.MULTILINE)
        counts: dict[str, Any] = json.loads(done.stdout)
        return counts | {"Minstr": int(total.group(1)) / 1e6 if total else None}


def main() -> None:
    given = arguments(
        __doc__ or "",
        ("--only", {"default": "", "help": "part of '<grammar> <work>'"}),
        ("--against", {"default": str(ROOT / "bench/results/instructions.jsonl")}),
        ("--child", {"default": "", "help": "for the counted process itself"}),
    )
    if given.child:
        print(json.dumps(work(*given.child.split(","))))
        return
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is not installed; its callgrind counts the instructions")
    path = Path(given.against)
    earlier = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    before = {(row["grammar"], row["work"]): row["Minstr"] for row in earlier}
    table = Table("instructions", COLUMNS, given)
    for grammar in TEXTS:
        for kind in WORK:
            if given.only not in f"{grammar} {kind}":
                continue
            row = counted(grammar, kind)
            last = before.get((grammar, kind))
            change = f"{row['Minstr'] / last - 1:+.1%}" if last else None
            table.add({"grammar": grammar, "work": kind, **row, "before": last, "change": change})


if __name__ == "__main__":
    main()
