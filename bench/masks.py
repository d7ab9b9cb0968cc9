"""Allowed sets and joint commits: CPU time per cell, cold and warm, and whether the sets are exact.

    python bench/masks.py [--only cpp60] [--vocabulary llama3] [--every 8] [--seconds 20]

Replays the traces in blocks of 32 and at random; after every `--every` commits it asks for the sets of up to eight open
cells. `cold`: the first answer at that canvas; `warm`: the same question again. `held`: the set had the trace's own
token (it must: the trace is valid). `exact`: `AllowedTokens.is_exact`. The rest is asked once per trace, with fresh
tables: `all`: `allowed_all()` on 32 open cells in the middle, the rest given; `commit 8`: `commit` of the tokens of the
trace at eight of them; `complete 64`: `complete(scores)` of 64 open cells, 64 tokens scored at each, the trace's first.
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
    "complete 64",
    "stopped by",
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
    """Joint calls on one block of open cells in the middle of a text that is given."""

    def canvas(cells: int) -> cd.Canvas:
        start = max(0, (len(ids) - cells) // 2)
        return constraint.canvas(ids, [start <= i < start + cells for i in range(len(ids))])

    row: dict[str, Any] = {}
    try:
        asked, random_64 = canvas(32), canvas(min(64, len(ids)))
        table, row["all cold"] = timed(asked.allowed_all)
        _, row["all warm"] = timed(asked.allowed_all)
        row["all rows"] = len(table.table)
        chosen = asked.open_positions[::4]
        _, row["commit 8"] = timed(lambda: asked.commit([(p, ids[p], 0.0) for p in chosen]))
        cells, draw = random_64.open_positions, np.random.default_rng(0)
        best = draw.integers(0, constraint.vocabulary.n_logits, (len(cells), 64))
        best[:, 0] = [ids[p] for p in cells]
        scores = best, -np.sort(draw.exponential(size=best.shape), axis=1)
        _, row["complete 64"] = timed(lambda: random_64.complete(scores))
    except (cd.LimitExceeded, cd.DeadCanvasError) as error:
        row["stopped by"] = type(error).__name__
    return row


def main() -> None:
    more: tuple[tuple[str, dict[str, Any]], ...] = (
        ("--only", {"default": "", "help": "part of a trace's name"}),
        ("--orders", {"default": "block32,random0"}),
        ("--every", {"type": int, "default": 8}),
    )
    given = arguments(__doc__ or "", *more)
    vocabulary, orders = vocabulary_of(given.vocabulary), given.orders.split(",")
    table = Table("masks", COLUMNS, given)
    for document in jsonl("traces.jsonl"):
        if given.only not in document["id"]:
            continue
        constraint = cd.compile(grammar_of(document), vocabulary, limits=limits_of(given.seconds))
        ids = token_ids(vocabulary, [token.encode() for token in document["tokens"]])
        if len(ids) != len(document["tokens"]):
            raise SystemExit(f"{given.vocabulary} does not cut the traces as they are cut; use qwen")
        ids.append(vocabulary.eos[0])
        for order in orders:
            row = sets_along(constraint, ids, document["orders"][order], given.every, given.seconds)
            if order == orders[0]:  # a constraint of its own: its tables are cold
                fresh = cd.compile(grammar_of(document), vocabulary, limits=limits_of(given.seconds))
                row |= block(fresh, ids)
            table.add({"trace": document["id"], "order": order, "|V|": vocabulary.n_logits, **row})


if __name__ == "__main__":
    main()
