"""Semi-autoregressive block diffusion: SDAR and LLaDA2.x, with LLaDA2.1's token editing.

The sequence is cut into blocks aligned to position 0, so the first block may begin with the end of the prompt. A block
is denoised with everything left of it given, then the next one begins. At each step `strategy` chooses among the
masked cells: "sequential" (leftmost), "low_confidence_static" (the quota's best), "low_confidence_dynamic" (all above
`threshold`, or the quota's best if those are fewer). With `editing_threshold`, tokens of the current block that the
model would now replace with more confidence than that are replaced in the same step; when no mask is left up to
`max_post_steps` further steps only edit.
Sources: Cheng et al., SDAR (2510.06303), `generate.py`; LLaDA2.0 (2512.15745) and LLaDA2.1's reference loops. One
repair: a quota larger than the masks left does not reach into decided cells.
The model sees ids up to the block's end and gives logits for them; caching is its own affair.
Cost: at most `denoising_steps + max_post_steps` model calls a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cfgdecode.errors import CanvasError
from cfgdecode.loops.gate import Gate, LoopResult, Options
from cfgdecode.loops.sampling import Model, call_model, sample_filtered, transfer_quota

_STRATEGIES = ("sequential", "low_confidence_static", "low_confidence_dynamic")


@torch.no_grad()
def block(
    model: Model,
    prompt: Tensor,
    *,
    mask_id: int,
    constraint: Any = None,
    gen_length: int = 128,
    block_length: int = 32,
    denoising_steps: int | None = None,
    strategy: str = "low_confidence_dynamic",
    threshold: float = 0.85,
    editing_threshold: float | None = None,
    max_post_steps: int = 16,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    eos: Sequence[int] = (),
    generator: torch.Generator | None = None,
    options: Options | None = None,
) -> LoopResult:
    """Generate behind `prompt` int64[B, P]; stops early when each row has one of `eos` with no mask before it.

    ids of the result end with the last block begun. The constraint holds for the gen_length cells behind the prompt.
    """
    if strategy not in _STRATEGIES:
        raise CanvasError(f"strategy must be one of {', '.join(_STRATEGIES)}, not {strategy!r}")
    start, end = prompt.shape[1], prompt.shape[1] + gen_length
    total = -(-end // block_length) * block_length
    steps = block_length if denoising_steps is None else denoising_steps
    x = torch.nn.functional.pad(prompt, (0, total - start), value=mask_id)
    columns = torch.arange(total, device=x.device)
    open = (columns >= start).expand(x.shape[0], -1).clone()
    gate = Gate(constraint, options, temperature=temperature)
    gate.begin(x, open, (start, end), model, mask_id)
    quota = transfer_quota(torch.tensor([block_length], device=x.device), steps)[0].tolist()
    done = torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
    last = start
    for first in range(start // block_length * block_length, total, block_length):
        last = first + block_length
        post = 0
        for step in range(steps + (max_post_steps if editing_threshold else 0) + 1):
            masked = open[:, first:last] & ~done.unsqueeze(1)
            if not bool(masked.any()):
                post += 1
                if not editing_threshold or post > max_post_steps:
                    break
            elif step >= steps:
                break
            gate.stats.steps += 1
            gate.sync()
            with gate.stats.timed("model_us"):
                logits = call_model(model, x[:, :last])[:, -block_length:]
                gate.stats.model_calls += 1
            logits = gate.logits(logits, first)
            tokens, conf = sample_filtered(
                logits, temperature=temperature, top_k=top_k, top_p=top_p, generator=generator
            )
            editable = ~open[:, first:last] & (columns[first:last] >= start) & ~done.unsqueeze(1)
            now, n = x[:, first:last], quota[min(step, steps - 1)]

            def best(
                tokens: Tensor,
                conf: Tensor,
                masked: Tensor = masked,
                editable: Tensor = editable,
                now: Tensor = now,
                n: int = n,
            ) -> Tensor:
                select = _select(conf, masked, strategy, threshold, n)
                if editing_threshold:
                    select = select | editable & (conf > editing_threshold) & (tokens != now)
                return select

            tokens, conf, select = gate.select(tokens, conf, best)
            edits = select & editable
            tokens, select = gate.commit(tokens, select, conf)
            x[:, first:last] = torch.where(select, tokens, x[:, first:last])
            # A free cell that was given the mask id stays masked; a constrained one never is.
            open[:, first:last] &= ~select | (x[:, first:last] == mask_id)
            if not bool(masked.any()) and not bool(edits.any()):
                break
        x = gate.finalize(x, (first, last))
        open[:, first:last] = open[:, first:last] & (x[:, first:last] == mask_id)
        done |= _has_ended(x, open, start, last, eos)
        if bool(done.all()):
            break
    return gate.close(gate.finalize(x) if gate.active else x)


def _select(conf: Tensor, masked: Tensor, strategy: str, threshold: float, quota: int) -> Tensor:
    """The masked cells to commit, at least min(quota, masks) in each row."""
    select = torch.zeros_like(masked)
    for row in range(conf.shape[0]):
        n = min(quota, int(masked[row].sum()))
        ranked = conf[row].masked_fill(~masked[row], -torch.inf)
        high = ranked > threshold
        if strategy == "sequential":
            select[row, torch.nonzero(masked[row]).flatten()[:n]] = True
        elif strategy == "low_confidence_dynamic" and int(high.sum()) >= quota:
            select[row] = high
        else:
            select[row, torch.topk(ranked, n).indices] = True
    return select


def _has_ended(x: Tensor, open: Tensor, start: int, last: int, eos: Sequence[int]) -> Tensor:
    """bool[B]: an EOS stands behind the prompt and no mask before it."""
    if not eos:
        return torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
    answer, masked = x[:, start:last], open[:, start:last]
    is_eos = torch.isin(answer, torch.tensor(list(eos), device=x.device)) & ~masked
    before = torch.cumsum(is_eos.int(), dim=1) == 0
    return is_eos.any(dim=1) & ~(masked & before).any(dim=1)
