"""Every loop of the package behind one signature, for tests that go through all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cfgdecode import loops

Run = Callable[..., loops.LoopResult]


def llada(model: Any, prompt: Tensor, n: int, k: int, **rest: Any) -> loops.LoopResult:
    return loops.llada(model, prompt, gen_length=n, steps=-(-n // k), **rest)


def llada_blocks(model: Any, prompt: Tensor, n: int, k: int, **rest: Any) -> loops.LoopResult:
    size = n // 4
    return loops.llada(
        model, prompt, gen_length=n, block_length=size, steps=4 * max(size // k, 1), remasking="random", **rest
    )


def llada_threshold(model: Any, prompt: Tensor, n: int, k: int, **rest: Any) -> loops.LoopResult:
    return loops.llada(model, prompt, gen_length=n, block_length=n // 2, threshold=1 / k, **rest)


def _dream(alg: str) -> Run:
    def run(model: Any, prompt: Tensor, n: int, k: int, **rest: Any) -> loops.LoopResult:
        return loops.dream(model, prompt, gen_length=n, steps=max(n // k, 1), alg=alg, **rest)

    run.__name__ = f"dream_{alg}"
    return run


def _block(strategy: str, editing: float | None) -> Run:
    def run(model: Any, prompt: Tensor, n: int, k: int, **rest: Any) -> loops.LoopResult:
        size = max(n // 4, 4)
        return loops.block(
            model,
            prompt,
            gen_length=n,
            block_length=size,
            denoising_steps=max(size // k, 1),
            strategy=strategy,
            editing_threshold=editing,
            max_post_steps=2,
            **rest,
        )

    run.__name__ = f"block_{strategy}{'_editing' if editing else ''}"
    return run


def uniform(model: Any, prompt: Tensor, n: int, k: int, *, mask_id: int, temperature: float, **rest: Any) -> Any:
    # The loop has no mask token; its temperatures have to be positive.
    return loops.uniform(
        model,
        prompt,
        vocab_size=rest.pop("vocab_size"),
        gen_length=n,
        canvas_length=n // 2,
        steps=4,
        t_min=0.1 + temperature,
        t_max=0.2 + temperature,
        **rest,
    )


MASKED: list[Run] = [
    llada,
    llada_blocks,
    llada_threshold,
    _dream("origin"),
    _dream("maskgit_plus"),
    _dream("topk_margin"),
    _dream("entropy"),
    _block("sequential", None),
    _block("low_confidence_static", None),
    _block("low_confidence_dynamic", 0.3),
]
ALL: list[Run] = [*MASKED, uniform]


def run(
    which: Run, model: Any, prompt: Tensor, n: int, k: int, *, n_logits: int, mask_id: int, seed: int = 0, **rest: Any
) -> loops.LoopResult:
    """One run of a loop, seeded."""
    torch.manual_seed(seed)
    if which is uniform:
        rest["vocab_size"] = n_logits
    return which(model, prompt, n, k, mask_id=mask_id, **rest)
