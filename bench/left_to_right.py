"""Next-token masks on JSON, left to right, against llguidance and xgrammar where they are installed.

    python bench/left_to_right.py [--texts 3] [--vocabulary qwen] [--seconds 20]

The JSON texts of the traces, one token after the other: take the token, give the mask of the next. Ours is a canvas
that ends in a gap of any length, so our mask is the next-token mask of the same question. llguidance and xgrammar get
RFC 8259 with white space wherever it may stand, as our json.lark has it; "xgrammar, own JSON" is its built-in grammar,
a smaller language for which its tables are made. `equal`: masks equal to ours over all ids but special tokens, EOS
included. CPU milliseconds per token of this thread, in which all of them run.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from record import Table, arguments, jsonl, limits_of, quantiles, timed, token_ids, vocabulary_of
from rivals import Mask, Step, llguidance_masks, xgrammar_masks

import cfgdecode as cd

COLUMNS = (
    "text",
    "system",
    "|V|",
    "tokens",
    "compile",
    "first",
    "p50",
    "p90",
    "p99",
    "max",
    "equal",
    "not exact",
)


def ours(vocabulary: cd.Vocabulary, seconds: float, inexact: list[int]) -> Callable[[], Step]:
    constraint = cd.compile(cd.Grammar.builtin("json"), vocabulary, limits=limits_of(seconds))

    def start() -> Step:
        canvas = constraint.canvas([0], [True], gaps={0: (1, None)})
        at = 0

        def step(token: int | None) -> Mask:
            nonlocal at
            if token is not None:
                if not canvas.commit_one(at, token):
                    raise SystemExit(f"our canvas refused token {at} of a JSON text")
                at += 1
                canvas.insert(at, 1)
            allowed = canvas.allowed(at)
            inexact[0] += not allowed.is_exact
            return allowed.bitmask().view(np.uint32)

        return step

    return start


def run(step: Step, ids: list[int], seconds: float) -> tuple[list[Mask], list[float]]:
    begin, masks, times = time.monotonic(), list[Mask](), list[float]()
    for token in (None, *ids):
        mask, took = timed(lambda token=token: step(token))  # type: ignore[misc]
        masks, times = [*masks, mask], [*times, took]
        if time.monotonic() - begin > seconds:
            break
    return masks, times


def main() -> None:
    given = arguments(__doc__ or "", ("--texts", {"type": int, "default": 3}))
    vocabulary = vocabulary_of(given.vocabulary)
    inexact, width = [0], len(vocabulary.tokens)
    judged = np.array([t is not None or i in vocabulary.eos[:1] for i, t in enumerate(vocabulary.tokens)])
    systems: dict[str, tuple[Callable[[], Step], float]] = {}
    makers = {"cfgdecode": lambda v: ours(v, given.seconds, inexact)}
    makers |= {"llguidance": llguidance_masks, "xgrammar": xgrammar_masks}
    makers |= {"xgrammar, own JSON": lambda v: xgrammar_masks(v, own=True)}
    for name, make in makers.items():
        try:
            systems[name] = timed(lambda make=make: make(vocabulary))  # type: ignore[misc]
        except ImportError:
            print(f"{name} is not installed")
    table = Table("left_to_right", COLUMNS, given)
    for document in [d for d in jsonl("traces.jsonl") if d["kind"] == "json"][: given.texts]:
        ids = token_ids(vocabulary, [token.encode() for token in document["tokens"]])
        mine: list[Mask] = []
        for name, (start, compiling) in systems.items():
            inexact[0] = 0
            masks, times = run(start(), ids, given.seconds)
            mine = mine or masks
            bits = [[np.unpackbits(m.view(np.uint8), bitorder="little")[:width] for m in ms] for ms in (mine, masks)]
            equal = sum(np.array_equal(a[judged], b[judged]) for a, b in zip(*bits, strict=False))
            row = {"text": document["id"], "system": name, "|V|": width, "tokens": len(ids), "compile": compiling}
            row |= {"first": times[0], **quantiles(times[1:]), "equal": f"{equal}/{min(len(mine), len(masks))}"}
            table.add(row | {"not exact": inexact[0] if name == "cfgdecode" else None})


if __name__ == "__main__":
    main()
