"""Canvases filled by chance: one commit at a time, any open cell, any token of its allowed set. Every text must parse.

    python bench/attack.py [--grammars json,smiles,cpp] [--cells 16,64] [--runs 50] [--vocabulary bytes] [--seconds 60]

`valid`: runs whose text the grammar accepts, read anew; `stuck`: runs in which an allowed token made
the canvas anything but completable, or a set was empty (must be 0); `limit`: runs ended by a limit or by the time for
the row. `set` and `commit`: CPU milliseconds of an allowed set and of a commit, p50 and p99.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from record import Table, arguments, limits_of, quantiles, timed, vocabulary_of

import cfgdecode as cd

COLUMNS = (
    "grammar",
    "|V|",
    "cells",
    "runs",
    "valid",
    "stuck",
    "limit",
    "set p50",
    "set p99",
    "commit p50",
    "commit p99",
)


class Stuck(Exception):
    """An allowed token did not keep the canvas completable, or nothing was allowed."""


def run(constraint: cd.Constraint, n: int, rng: Any, sets: list[float], commits: list[float]) -> bool:
    """One canvas from all open to full; whether its text is in the language."""
    canvas = constraint.canvas([0] * n, [True] * n)
    if canvas.verdict() is not cd.Verdict.COMPLETABLE:
        raise Stuck(f"{n} open cells: {canvas.verdict()}")
    while canvas.open_positions:
        position = int(rng.choice(canvas.open_positions))
        allowed, took = timed(lambda: canvas.allowed(position).ids())  # noqa: B023
        sets.append(took)
        if not len(allowed):
            raise Stuck(f"cell {position} allows nothing")
        token = int(rng.choice(allowed))
        put, took = timed(lambda: canvas.commit_one(position, token))  # noqa: B023
        commits.append(took)
        if not put:
            raise Stuck(f"cell {position} refused allowed token {token}: {canvas.limit}")
    return constraint.grammar.accepts(canvas.text())


def main() -> None:
    given = arguments(
        __doc__ or "",
        ("--grammars", {"default": "json,smiles,arithmetic,sql,cpp"}),
        ("--cells", {"default": "16,64"}),
        ("--runs", {"type": int, "default": 50}),
        ("--seed", {"type": int, "default": 0}),
    )
    vocabulary = cd.Vocabulary.bytes() if given.vocabulary == "bytes" else vocabulary_of(given.vocabulary)
    policy: Any = "eos_to_end" if vocabulary.eos else "none"
    table = Table("attack", COLUMNS, given)
    for name in given.grammars.split(","):
        constraint = cd.compile(
            cd.Grammar.builtin(name), vocabulary, limits=limits_of(given.seconds), eos_policy=policy
        )
        for n in map(int, given.cells.split(",")):
            rng, began = np.random.default_rng(given.seed), time.monotonic()
            sets, commits = list[float](), list[float]()
            counts = {"valid": 0, "stuck": 0, "limit": 0}
            ended = 0
            while ended < given.runs and time.monotonic() - began < given.seconds:
                ended += 1
                try:
                    counts["valid"] += run(constraint, n, rng, sets, commits)
                except Stuck as error:
                    counts["stuck"] += 1
                    print(f"{name}: {error}")
                except cd.LimitExceeded:
                    counts["limit"] += 1
            row = {"grammar": name, "|V|": len(vocabulary), "cells": n, "runs": ended, **counts}
            for what, times in (("set", sets), ("commit", commits)):
                found = quantiles(times)
                row |= {f"{what} p50": found["p50"], f"{what} p99": found["p99"]}
            table.add(row)


if __name__ == "__main__":
    main()
