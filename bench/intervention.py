"""How much a constraint changes: cells that end with another token than in the free run, and refused proposals.

    python bench/intervention.py [--cells 128] [--commits 4] [--seeds 5] [--wrong 0,0.02,0.1,0.3]

The model favours a JSON text with EOS behind it, but for a share `--wrong` of the cells some other token (noise next),
and says the same at every step. With `--wrong 0` the free run is valid by itself, and nothing may change. `changed` and
the last column are shares of the cells; `refused` counts proposals, those of one cell at several steps included.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from loop_overhead import logits_of, vocabulary_of

import cfgdecode as cd
from cfgdecode import loops

Decode = Callable[..., loops.LoopResult]


def decoders(cells: int, commits: int) -> dict[str, Decode]:
    """The loops, with the same number of cells and of commits a step."""
    steps = cells // commits

    def llada(model: Any, prompt: torch.Tensor, **rest: Any) -> loops.LoopResult:
        return loops.llada(model, prompt, gen_length=cells, steps=steps, **rest)

    def dream(model: Any, prompt: torch.Tensor, **rest: Any) -> loops.LoopResult:
        return loops.dream(model, prompt, gen_length=cells, steps=steps, alg="entropy", shift=False, **rest)

    def block(model: Any, prompt: torch.Tensor, **rest: Any) -> loops.LoopResult:
        return loops.block(
            model, prompt, gen_length=cells, block_length=32, denoising_steps=32 // commits,
            strategy="low_confidence_static", **rest,
        )  # fmt: skip

    return {"llada": llada, "dream, entropy": dream, "block of 32": block}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=128)
    parser.add_argument("--commits", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--wrong", default="0,0.02,0.1,0.3")
    given = parser.parse_args()
    vocabulary, mask_id, text = vocabulary_of(None, given.cells)
    constraint = cd.compile(cd.Grammar.builtin("json"), vocabulary)
    print("| loop | wrong | changed | refused / proposals | wrong cells of the free run |\n|---|---|---|---|---|")
    for name, decode in decoders(given.cells, given.commits).items():
        for wrong in map(float, given.wrong.split(",")):
            changed = refused = proposals = misses = 0
            for seed in range(given.seeds):
                # Blocks begin at multiples of their length, so that one may reach past the cells.
                logits = logits_of(vocabulary, text, given.cells + 32, wrong, seed)
                free, held = (_run(decode, logits, mask_id, c) for c in (None, constraint))
                cells = slice(1, given.cells + 1)
                changed += int((free.ids[0, cells] != held.ids[0, cells]).sum())
                wanted = torch.tensor((text + [vocabulary.eos[0]] * given.cells)[: given.cells])
                misses += int((free.ids[0, cells] != wanted).sum())
                refused += held.stats.rejected + held.stats.repaired
                proposals += held.stats.proposals + held.stats.repaired
            n = given.seeds * given.cells
            print(
                f"| {name} | {wrong:.0%} | {changed / n:.1%} | {refused:,} / {proposals:,} | {misses / n:.1%} |",
                flush=True,
            )


def _run(decode: Decode, logits: torch.Tensor, mask_id: int, constraint: Any) -> loops.LoopResult:
    prompt = torch.zeros(1, 1, dtype=torch.long)
    return decode(lambda ids: logits[:, : ids.shape[1]], prompt, mask_id=mask_id, constraint=constraint)


if __name__ == "__main__":
    main()
