"""Recorded canvas traces: CPU time per commit and verdict, beside the published systems.

    python bench/traces.py [--only cpp60] [--orders random0,block32,ltr] [--seconds 20]

A trace reveals the cells of a canvas in some order. Timed: putting the token and asking for the verdict, which must be
COMPLETABLE each time. `first` is the first verdict of the canvas, with the tables of the constraint cold if the
row is the first of its grammar. `published` and `EPIC` are p50 of published_times.jsonl over ours: 100 means we are
a hundred times faster. They were measured on another day and machine, over as many checks as stand there:
where those are fewer than our steps, the two medians are of different sets of canvases. `≤`: some of our answers are
undecided or the trace was not finished, so our times are cut off and the true ratio is smaller. A median also hides
the few steps in which most of the time goes: look at `mean`. `share of time`: by stage of a decision
(`Canvas.stats.us_by_stage`), first answer included.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from record import Table, arguments, grammar_of, jsonl, limits_of, quantiles, timed, token_ids, vocabulary_of

import cfgdecode as cd

COLUMNS = (
    "trace",
    "order",
    "cells",
    "steps",
    "first",
    "p50",
    "p90",
    "p99",
    "max",
    "mean",
    "undecided",
    "dead",
    "limit",
    "share of time",
    "published p50 (checks)",
    "published",
    "EPIC p50 (checks)",
    "EPIC",
)


def replay(
    constraint: cd.Constraint, ids: list[int], order: list[int], given: int, seconds: float, offered: int
) -> dict[str, Any]:
    """Reveal the cells of `ids` from `given` on in `order`; stop after `seconds`."""
    begin = time.monotonic()
    canvas = constraint.canvas(ids, [i >= given for i in range(len(ids))])
    verdict, first = timed(canvas.verdict)
    times: list[float] = []
    refused = {cd.Verdict.DEAD: 0, cd.Verdict.UNDECIDED: 0, cd.Verdict.COMPLETABLE: 0}
    limit = canvas.limit

    def step(position: int) -> cd.Verdict:
        canvas._put(position, ids[position], cd.COMMITTED)
        return canvas.verdict()

    refused[verdict] += 1
    for position in order:
        if time.monotonic() - begin > seconds:
            break
        if position >= given:
            verdict, took = timed(lambda position=position: step(position))  # type: ignore[misc]
            times.append(took)
            refused[verdict] += 1
            limit = limit or canvas.limit
    counts = {"undecided": refused[cd.Verdict.UNDECIDED], "dead": refused[cd.Verdict.DEAD], "limit": limit}
    counts |= {"steps": f"{len(times)}/{offered}", "all_ms": np.round(times, 3).tolist()}
    stages = canvas.stats.us_by_stage
    whole = max(1, sum(stages.values()))
    counts["share of time"] = " ".join(f"{stage} {us / whole:.0%}" for stage, us in stages.items() if us > whole / 100)
    return {"first": first, **quantiles(times), **counts}


def rivals(published: list[dict[str, Any]], trace: str, order: str, ours: float | None, is_cut: bool) -> dict[str, Any]:
    """Their medians, and how many times ours they are."""
    row: dict[str, Any] = {}
    for variant, name in (("plain", "published"), ("epic", "EPIC")):
        theirs = [r for r in published if (r["id"], r["order"], r["variant"]) == (trace, order, variant)]
        if theirs and ours:
            median = theirs[0]["median_ms"]
            row |= {
                f"{name} p50 (checks)": f"{median:,.4g} ({theirs[0]['checks']})",
                name: f"{'≤ ' * is_cut}{median / ours:,.3g}×",
            }
    return row


def main() -> None:
    more: tuple[tuple[str, dict[str, Any]], ...] = (
        ("--only", {"default": "", "help": "part of a trace's name"}),
        ("--orders", {"default": "random0,random1,block32,ltr,random_given,block32_given"}),
    )
    given = arguments(__doc__ or "", *more)
    vocabulary, published = vocabulary_of(given.vocabulary), jsonl("published_times.jsonl")
    constraints: dict[str, cd.Constraint] = {}
    table = Table("traces", COLUMNS, given)
    for document in jsonl("traces.jsonl"):
        if given.only not in document["id"]:
            continue
        key = str(document["schema"])
        if key not in constraints:
            constraints[key] = cd.compile(grammar_of(document), vocabulary, limits=limits_of(given.seconds))
        ids = token_ids(vocabulary, [token.encode() for token in document["tokens"]])
        if len(ids) != len(document["tokens"]):
            raise SystemExit(f"{given.vocabulary} does not cut the traces as they are cut; use qwen")
        ids.append(vocabulary.eos[0])
        for order in given.orders.split(","):
            if order not in document["orders"]:
                continue
            fixed = document["given"] if order.endswith("_given") else 0
            positions = [p for p in document["orders"][order] if p >= fixed]
            row = replay(constraints[key], ids, positions, fixed, given.seconds, len(positions))
            is_cut = bool(row["undecided"]) or len(row["all_ms"]) < len(positions)
            row |= rivals(published, document["id"], order, row["p50"], is_cut)
            table.add({"trace": document["id"], "order": order, "cells": len(ids), **row})


if __name__ == "__main__":
    main()
