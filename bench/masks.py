"""Allowed sets and joint commits: CPU time per cell, cold and warm, and whether the sets are exact.

    python bench/masks.py [--only cpp60] [--vocabulary llama3] [--every 8] [--seconds 20]

Replays the traces in blocks of 32 and at random; after every `--every` commits it asks for the sets of up to eight open
cells. `cold`: the first answer at that canvas; `warm`: the same question again. `held`: the set had the trace's own
token (it must: the trace is valid). `exact`: `AllowedTokens.is_exact`. `all`: `allowed_all()` on the first block's
32 open cells, everything else decided. `commit 8`: `commit` of the trace's tokens at eight open cells.
"""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
from record import Table, arguments, grammar_of, jsonl, limits_of, quantiles, timed, token_ids, vocabulary_of

import cfgdecode as cd

COLUMNS = (
    "trace",
    "order",
    "|V|",
    "sets",
    "cold p50",
    "cold p99",
    "cold max",
    "warm p50",
    "median size",
    "exact",
    "held",
    "refused",
    "all cold",
    "all warm",
    "all rows",
    "commit 8",
)


def sets_along(
    constraint: cd.Constraint, ids: list[int], order: list[int], every: int, seconds: float
) -> dict[str, Any]:
    """Allowed sets at canvases along a trace."""
    begin, draw = time.monotonic(), random.Random(0)
    canvas = constraint.canvas(ids, [True] * len(ids))
    cold: list[float] = []
    warm: list[float] = []
    sizes: list[int] = []
    exact = held = refused = 0
    for step, position in enumerate(order):
        if step % every == 0:
            cells = canvas.open_positions
            for cell in draw.sample(cells, min(8, len(cells))):
                if time.monotonic() - begin > seconds:
                    break
                try:
                    allowed, took = timed(lambda cell=cell: canvas.allowed(cell))  # type: ignore[misc]
                    _, again = timed(lambda cell=cell: canvas.allowed(cell))  # type: ignore[misc]
                except cd.LimitExceeded:
                    refused += 1
                    continue
                cold, warm, sizes = [*cold, took], [*warm, again], [*sizes, len(allowed)]
                exact, held = exact + allowed.is_exact, held + (ids[cell] in allowed)
        if time.monotonic() - begin > seconds:
            break
        canvas._put(position, ids[position], cd.COMMITTED)
    row: dict[str, Any] = {f"cold {k}": v for k, v in quantiles(cold).items()} | {"warm p50": quantiles(warm)["p50"]}
    row |= {"median size": int(np.median(sizes)) if sizes else None, "refused": refused, "sets": len(sizes)}
    return row | {"exact": f"{exact}/{len(sizes)}", "held": f"{held}/{len(sizes)}"}


def block(constraint: cd.Constraint, ids: list[int]) -> dict[str, Any]:
    """allowed_all() on one block of 32 open cells in the middle, and a commit of eight of them."""
    start = max(0, (len(ids) - 32) // 2)
    canvas = constraint.canvas(ids, [start <= i < start + 32 for i in range(len(ids))])
    try:
        canvas.verdict()
        table, cold = timed(canvas.allowed_all)
        _, warm = timed(canvas.allowed_all)
        chosen = canvas.open_positions[::4]
        _, commit = timed(lambda: canvas.commit([(p, ids[p], 0.0) for p in chosen]))
    except (cd.LimitExceeded, cd.DeadCanvasError) as error:
        return {"all rows": type(error).__name__}
    return {"all cold": cold, "all warm": warm, "all rows": len(table.table), "commit 8": commit}


def main() -> None:
    more: tuple[tuple[str, dict[str, Any]], ...] = (
        ("--only", {"default": "", "help": "part of a trace's name"}),
        ("--orders", {"default": "block32,random0"}),
        ("--every", {"type": int, "default": 8}),
    )
    given = arguments(__doc__ or "", *more)
    vocabulary = vocabulary_of(given.vocabulary)
    table = Table("masks", COLUMNS, given)
    for document in jsonl("traces.jsonl"):
        if given.only not in document["id"]:
            continue
        constraint = cd.compile(grammar_of(document), vocabulary, limits=limits_of(given.seconds))
        ids = token_ids(vocabulary, [token.encode() for token in document["tokens"]])
        if len(ids) != len(document["tokens"]):
            raise SystemExit(f"{given.vocabulary} does not cut the traces as they are cut; use qwen")
        ids.append(vocabulary.eos[0])
        for order in given.orders.split(","):
            row = sets_along(constraint, ids, document["orders"][order], given.every, given.seconds)
            row |= block(constraint, ids)
            table.add({"trace": document["id"], "order": order, "|V|": vocabulary.n_logits, **row})


if __name__ == "__main__":
    main()
