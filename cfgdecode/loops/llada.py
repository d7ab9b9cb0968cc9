"""LLaDA's reverse diffusion, block by block, with Fast-dLLM's thresholds; with or without a constraint.

The canvas is [prompt | gen_length masks]. Each step proposes a token for every masked cell of the current and the
earlier blocks and commits the most confident ones; the others stay masked. How many: a fixed quota per step (LLaDA),
all whose confidence reaches `threshold`, or by Fast-dLLM's `factor` rule (with n candidates the n-th best needs
1 - factor / (n + 1)); at least one.
Sources: Nie et al., Large Language Diffusion Models (2502.09992) and its `generate.py`; Wu et al., Fast-dLLM
(2505.22618). Without a constraint the tokens are theirs for the same seed.
Cost: `steps` model calls (thresholds: at most one per cell).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cfgdecode.errors import CanvasError
from cfgdecode.loops.gate import Gate, LoopResult, Options
from cfgdecode.loops.sampling import Model, guided_logits, gumbel_noisy, transfer_quota


@torch.no_grad()
def llada(
    model: Model,
    prompt: Tensor,
    *,
    mask_id: int,
    constraint: Any = None,
    gen_length: int = 128,
    block_length: int | None = None,
    steps: int | None = None,
    temperature: float = 0.0,
    cfg_scale: float = 0.0,
    remasking: str = "low_confidence",
    threshold: float | None = None,
    factor: float | None = None,
    generator: torch.Generator | None = None,
    options: Options | None = None,
) -> LoopResult:
    """Generate `gen_length` cells behind `prompt` int64[B, P]; `constraint` may be one for all rows or one per row.

    `remasking` is "low_confidence" or "random". `steps` (default: one per cell) counts all blocks together.
    """
    masks = torch.full((prompt.shape[0], gen_length), mask_id, dtype=prompt.dtype, device=prompt.device)
    return fill_canvas(
        model,
        torch.cat([prompt, masks], dim=1),
        start=prompt.shape[1],
        mask_id=mask_id,
        constraint=constraint,
        block_length=block_length,
        steps=steps,
        temperature=temperature,
        cfg_scale=cfg_scale,
        remasking=remasking,
        threshold=threshold,
        factor=factor,
        generator=generator,
        options=options,
    )


@torch.no_grad()
def fill_canvas(
    model: Model,
    ids: Tensor,
    *,
    start: int,
    mask_id: int,
    constraint: Any = None,
    region: Any = None,
    block_length: int | None = None,
    steps: int | None = None,
    temperature: float = 0.0,
    cfg_scale: float = 0.0,
    remasking: str = "low_confidence",
    threshold: float | None = None,
    factor: float | None = None,
    generator: torch.Generator | None = None,
    options: Options | None = None,
) -> LoopResult:
    """The same on a canvas int64[B, L] whose masked cells from `start` on may lie anywhere (infilling).

    The constraint holds for `region`, (start, end) for all rows or per row; default: from `start` to the end.
    """
    length = ids.shape[1] - start
    block_length = length if block_length is None else block_length
    n_blocks = length // block_length if block_length else 0
    steps = length if steps is None else steps
    if not n_blocks or length % block_length or steps % n_blocks or steps < n_blocks:
        raise CanvasError(
            f"{length} cells, {block_length} per block and {steps} steps do not fit: the block length must divide the "
            "cells, and the number of blocks the steps"
        )
    if remasking not in ("low_confidence", "random"):
        raise CanvasError(f"remasking must be 'low_confidence' or 'random', not {remasking!r}")
    x, prompt = ids.clone(), ids != mask_id
    gate = Gate(constraint, options, temperature=temperature)
    # The constrained run tracks open cells itself: a token is decided because it was committed, whatever its id.
    open = ~prompt
    gate.begin(x, open, (start, ids.shape[1]) if region is None else region, model, mask_id)
    for block in range(n_blocks):
        first = start + block * block_length
        last = first + block_length
        quota = transfer_quota(open[:, first:last].sum(dim=1), steps // n_blocks)
        free_running = threshold is not None or factor is not None
        for step in range(last - start + 1 if free_running else steps // n_blocks):
            if free_running and not bool(open[:, first:last].any()):
                break
            gate.stats.steps += 1
            gate.sync()
            with gate.stats.timed("model_us"):
                logits = guided_logits(model, x, prompt, cfg_scale, mask_id)
                gate.stats.model_calls += 1
            noisy = gumbel_noisy(logits, temperature, generator)[:, start:last] if temperature else None
            logits = gate.logits(logits[:, start:last], start)
            tokens, conf = _propose(logits, noisy, remasking, ids.shape[1], start, generator)
            window = open[:, start:last]
            n = quota[:, step] if not free_running else window.sum(dim=1)

            def best(_: Tensor, conf: Tensor, window: Tensor = window, n: Tensor = n) -> Tensor:
                masked = conf.masked_fill(~window, -torch.inf)
                return _select(masked, n, ids.shape[1], start, threshold, factor) & window

            tokens, conf, select = gate.select(tokens, conf, best, penalise=remasking != "random")
            tokens, select = gate.commit(tokens, select, conf, scores=noisy)
            x[:, start:last] = torch.where(select, tokens, x[:, start:last])
            open = _still_open(open, select, x, start, last, mask_id, gate)
        x = gate.finalize(x, (start, last))
        if gate.active:
            open[:, start:last] &= ~gate.constrained(x)[:, start:last]
    return gate.close(x)


def _propose(
    logits: Tensor,
    noisy: Tensor | None,
    remasking: str,
    length: int,
    start: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    tokens = (logits if noisy is None else noisy).argmax(dim=-1)
    if remasking == "random":
        shape = (logits.shape[0], length)
        conf = torch.rand(shape, device=logits.device, generator=generator)[:, start : start + logits.shape[1]]
    else:
        conf = torch.softmax(logits.double(), dim=-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    return tokens, conf


def _select(conf: Tensor, n: Tensor, length: int, start: int, threshold: float | None, factor: float | None) -> Tensor:
    """bool like conf: the cells to commit. Ranks over all `length` positions, as the originals do."""
    full = torch.full((conf.shape[0], length), -torch.inf, dtype=conf.dtype, device=conf.device)
    full[:, start : start + conf.shape[1]] = conf
    select = torch.zeros_like(full, dtype=torch.bool)
    for row in range(conf.shape[0]):
        k = int(n[row])
        if k and factor is not None:
            ordered = torch.sort(full[row], descending=True).values[:k].tolist()
            k = _factor_count(ordered, factor)
        best = torch.topk(full[row], k).indices
        select[row, best] = True
        if threshold is not None and factor is None and k > 1:
            late = best[1:]
            select[row, late] = full[row, late] >= threshold
    return select[:, start : start + conf.shape[1]]


def _factor_count(ordered: list[float], factor: float) -> int:
    """Fast-dLLM's dynamic rule on the confidences in descending order."""
    bars = [-1.0] + [1 - factor / (n + 1) for n in range(2, len(ordered) + 1)]
    found = next((i for i, (c, bar) in enumerate(zip(ordered, bars, strict=True)) if c < bar), len(ordered) - 1)
    return found + 1 if found in (0, len(ordered) - 1) else found


def _still_open(open: Tensor, select: Tensor, x: Tensor, start: int, last: int, mask_id: int, gate: Gate) -> Tensor:
    """Committed cells close. In a free row a cell that got the mask id is masked again, as in the originals."""
    open = open.clone()
    open[:, start:last] &= ~select
    free = ~gate.constrained(x)
    return torch.where(free, x == mask_id, open)
