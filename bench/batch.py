"""Canvases of one batch side by side: the same work by one thread and by several, and with lanes of their own.

    python bench/batch.py [--grammars json,cpp] [--rows 8] [--cells 64] [--threads 2]

Each row is a fully open canvas in which tokens of its own witness and of its allowed sets are committed at random; wall
milliseconds of the whole batch, tables warm. One lane: canvases wait for one another, whatever the threads.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from record import Table, arguments, limits_of, vocabulary_of

import cfgdecode as cd

COLUMNS = ("grammar", "rows", "cells", "threads", "lanes", "wall ms", "speed-up")


def work(canvas: cd.Canvas, seed: int) -> None:
    """Fill the canvas, one cell at a time."""
    draw = np.random.default_rng(seed)
    for position in draw.permutation(len(canvas)).tolist():
        canvas.commit_one(position, int(draw.choice(canvas.allowed(position).ids())))


def main() -> None:
    given: Any = arguments(
        __doc__ or "",
        ("--grammars", {"default": "json,cpp"}),
        ("--rows", {"type": int, "default": 8}),
        ("--cells", {"type": int, "default": 24}),
        ("--threads", {"type": int, "default": 2}),
    )
    vocabulary, table = vocabulary_of(given.vocabulary), Table("batch", COLUMNS, given)
    for name in given.grammars.split(","):
        constraint = cd.compile(cd.Grammar.builtin(name), vocabulary, limits=limits_of(given.seconds))
        alone = None
        for threads, lanes in ((1, 1), (given.threads, 1), (given.threads, given.threads)):
            for _ in range(2):  # the first fills the tables
                canvases = [
                    constraint.canvas([0] * given.cells, [True] * given.cells, lane=k % lanes)
                    for k in range(given.rows)
                ]
                began = time.perf_counter()
                with ThreadPoolExecutor(threads) as pool:
                    list(pool.map(work, canvases, range(given.rows)))
                took = (time.perf_counter() - began) * 1e3
            alone = alone or took
            row = {"grammar": name, "rows": given.rows, "cells": given.cells, "threads": threads, "lanes": lanes}
            table.add(row | {"wall ms": took, "speed-up": alone / took})


if __name__ == "__main__":
    main()
