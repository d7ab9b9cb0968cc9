"""Turning logits into proposed tokens and confidences, as the published decoders do it.

Shapes: logits float[..., V] -> tokens int64[...], confidence float[...]. Every function draws its random
numbers in the order and shape of its original, so that a seed gives the original's tokens. Sources are named per
function. Nothing is modified in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Model = Callable[[Tensor], Any]
"""ids int64[B, L] -> logits float[B, L, V], or an object that has them as `.logits`."""


def call_model(model: Model, ids: Tensor) -> Tensor:
    """The logits of the model, whether it returns them bare or in an output object."""
    output = model(ids)
    logits: Tensor = output.logits if hasattr(output, "logits") else output
    return logits


def guided_logits(model: Model, ids: Tensor, prompt: Tensor, cfg_scale: float, mask_id: int) -> Tensor:
    """Classifier-free guidance (LLaDA): the unguided half sees the `prompt` cells masked; one call of batch 2B."""
    if cfg_scale <= 0.0:
        return call_model(model, ids)
    blind = torch.where(prompt, torch.full_like(ids, mask_id), ids)
    guided, unguided = torch.chunk(call_model(model, torch.cat([ids, blind])), 2)
    return unguided + (cfg_scale + 1) * (guided - unguided)


def gumbel_noisy(logits: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    """LLaDA's Gumbel-max in float64, exp(l) / (-log u)^T; its argmax is a sample. T = 0 returns logits itself."""
    if temperature == 0:
        return logits
    noise = torch.rand(logits.shape, dtype=torch.float64, device=logits.device, generator=generator)
    return logits.double().exp() / (-torch.log(noise)) ** temperature


def transfer_quota(n_masked: Tensor, steps: int) -> Tensor:
    """int64[B, steps]: how many cells to commit at each step, the remainder first (LLaDA)."""
    quota = (n_masked // steps).unsqueeze(1).repeat(1, steps)
    return quota + (torch.arange(steps, device=n_masked.device) < (n_masked % steps).unsqueeze(1)).long()


def keep_top_k(logits: Tensor, k: int | None, fill: float | None = None) -> Tensor:
    """All but the k best logits become `fill` (the dtype's minimum); None or 0 keeps all."""
    if not k:
        return logits
    worst = torch.topk(logits, min(k, logits.shape[-1])).values[..., -1:]
    return logits.masked_fill(logits < worst, torch.finfo(logits.dtype).min if fill is None else fill)


def keep_top_p(logits: Tensor, p: float | None, fill: float | None = None) -> Tensor:
    """Keep the smallest set of best tokens whose probability passes p, the one that passes it included."""
    if p is None or p >= 1:
        return logits
    ordered, order = torch.sort(logits, descending=True)
    passed = torch.softmax(ordered, dim=-1).cumsum(dim=-1) > p
    late = torch.cat([torch.zeros_like(passed[..., :1]), passed[..., :-1]], dim=-1)
    refused = torch.zeros_like(late).scatter(-1, order, late)
    return logits.masked_fill(refused, torch.finfo(logits.dtype).min if fill is None else fill)


def sample_filtered(
    logits: Tensor,
    *,
    temperature: float,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """SDAR and LLaDA2.x: scale, top-k, top-p, multinomial; confidence is the filtered probability. T = 0 is argmax."""
    flat = logits.reshape(-1, logits.shape[-1])
    if temperature == 0:
        probs = torch.softmax(flat.float(), dim=-1)
        tokens = flat.argmax(dim=-1, keepdim=True)
    else:
        scaled = flat if temperature == 1.0 else flat / temperature
        scaled = keep_top_p(keep_top_k(scaled, top_k, -torch.inf), top_p, -torch.inf)
        probs = torch.softmax(scaled, dim=-1)
        tokens = torch.multinomial(probs, 1, generator=generator)
    confidence = torch.gather(probs, -1, tokens)
    return tokens.view(logits.shape[:-1]), confidence.view(logits.shape[:-1])


def sample_dream(
    logits: Tensor,
    *,
    temperature: float,
    top_p: float | None,
    top_k: int | None,
    measure: str,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Dream's proposal; `measure` of confidence is "probability", "margin" (top 1 minus top 2) or "entropy"."""
    if temperature > 0:
        logits = logits / temperature
    probs = torch.softmax(keep_top_k(keep_top_p(logits, top_p), top_k), dim=-1)
    if temperature > 0 and probs.shape[0]:
        tokens = torch.multinomial(probs, 1, replacement=True, generator=generator).squeeze(-1)
        confidence = torch.gather(probs, -1, tokens.unsqueeze(-1)).squeeze(-1)
    else:
        confidence, tokens = probs.max(dim=-1)
    if measure == "margin":
        best = torch.sort(probs, dim=-1, descending=True).values
        confidence = best[:, 0] - best[:, 1]
    elif measure == "entropy":
        confidence = (probs * torch.log(probs + 1e-10)).sum(dim=-1)
    return tokens, confidence
