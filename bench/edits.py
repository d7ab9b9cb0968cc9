"""Insertions and deletions: the verdict after one, against the canvas made anew; and questions with gaps of any length.

    python bench/edits.py [--grammars cpp,json] [--seconds 60] [--seed 1] [--tokenizer tokenizer.json]

Canvases are real texts with a tenth or half of their cells open. One edit inserts 1, 2 or 8 open cells, deletes up to
three cells, or inserts two and decides one of them; an edit after which the canvas is dead is taken back. `differ`
counts steps in which the two verdicts are not the same; one of them undecided counts under `undecided` only.
`one gap`, `five gaps`: `Grammar.is_completable` of the same texts with so many pieces cut out.
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
from functools import partial

import numpy as np
from real_text import texts_of

import cfgdecode as cd

Timed = dict[str, list[float]]


def edited(canvas: cd.Canvas, ids: list[int], draw: random.Random) -> cd.Verdict:
    """Change the canvas; the verdict then."""
    n, kind = len(canvas), draw.choice(("insert", "insert", "delete", "insert and decide"))
    if kind == "insert":
        canvas.insert(draw.randint(0, n), draw.choice((1, 2, 8)))
    elif kind == "delete":
        for _ in range(draw.choice((1, 3))):
            free = canvas.open_positions
            canvas.delete(draw.choice(free) if free and draw.random() < 0.8 else draw.randrange(len(canvas)))
    else:
        at = draw.randint(0, n)
        canvas.insert(at, 2)
        canvas.commit_one(at, draw.choice(ids))
    return canvas.verdict()


def gaps_in(text: str, n_gaps: int, draw: random.Random) -> list[object]:
    """The text with `n_gaps` pieces of it replaced by gaps."""
    cuts = sorted(draw.sample(range(len(text)), 2 * n_gaps))
    kept = [text[a:b] for a, b in zip([0, *cuts[1::2]], [*cuts[::2], len(text)], strict=True)]
    return [part for piece in kept for part in (piece, cd.GAP)][:-1]


def measure(grammar: cd.Grammar, name: str, vocabulary: cd.Vocabulary, encode, given) -> tuple[Timed, dict[str, int]]:  # type: ignore[no-untyped-def]
    constraint, fresh = (cd.compile(grammar, vocabulary, eos_policy="none") for _ in range(2))
    draw, times, counts = random.Random(given.seed), {}, {"steps": 0, "undecided": 0, "differ": 0}
    texts = list(itertools.islice(texts_of(name, draw), 300))
    draw.shuffle(texts)
    end = time.perf_counter() + given.seconds

    def timed(label: str, ask):  # type: ignore[no-untyped-def]
        began = time.process_time()
        answer = ask()
        times.setdefault(label, []).append((time.process_time() - began) * 1e3)
        return answer

    for text in texts:
        ids = encode(text)
        if not 20 <= len(ids) <= 260 or not grammar.accepts(text):
            continue
        for n_gaps, label in ((1, "one gap"), (5, "five gaps")):
            parts = gaps_in(text, n_gaps, draw)
            assert timed(label, partial(grammar.is_completable, parts))
        share = draw.choice((0.1, 0.5))
        canvas = constraint.canvas(ids, [draw.random() < share for _ in ids])
        canvas.verdict()
        for _ in range(10):
            before = canvas.fork()
            now = timed("edit and verdict", partial(edited, canvas, ids, draw))
            other = fresh.canvas([t or 0 for t in canvas.ids], [t is None for t in canvas.ids])
            anew = timed("made anew", other.verdict)
            counts["steps"] += 1
            is_undecided = cd.Verdict.UNDECIDED in (now, anew)
            counts["undecided"] += is_undecided
            counts["differ"] += not is_undecided and now is not anew
            if now is not cd.Verdict.COMPLETABLE:
                canvas = before
        if time.perf_counter() > end:
            break
    return times, counts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--grammars", default="cpp,json,smiles")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokenizer", help="a tokenizer.json; without it: single bytes")
    given = parser.parse_args()
    vocabulary, encode = cd.Vocabulary.bytes(), lambda text: list(text.encode())
    if given.tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(given.tokenizer)
        vocabulary = cd.Vocabulary.from_tokenizer(tokenizer)
        encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids  # noqa: E731
    print(
        "| grammar | question | n | p50 ms | p90 ms | max ms | undecided | differ |\n|---|---|---|---|---|---|---|---|"
    )
    for name in given.grammars.split(","):
        times, counts = measure(cd.Grammar.builtin(name), name, vocabulary, encode, given)
        for label, taken in times.items():
            p50, p90 = np.quantile(taken, (0.5, 0.9))
            rest = f"{counts['undecided']} | {counts['differ']}" if label == "edit and verdict" else " | "
            print(
                f"| {name} | {label} | {len(taken)} | {p50:.2f} | {p90:.1f} | {max(taken):.0f} | {rest} |", flush=True
            )


if __name__ == "__main__":
    main()
