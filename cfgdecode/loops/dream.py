"""Dream's denoising of a whole canvas: logits shifted by one, four rules for what to commit.

The canvas is [prompt | masks]; cell i is predicted by the logits of position i - 1. The timesteps run from 1 to eps;
at step i a share 1 - s/t of the masked cells is committed, at the last step all of them. `alg`: "origin" (cells
drawn at random), "maskgit_plus" (probability), "topk_margin", "entropy"; `alg_temp` > 0 draws the cells from
softmax(confidence / alg_temp) instead of taking the best.
Source: Ye et al., Dream 7B (2508.15487), `diffusion_generate`. Without a constraint the tokens are its for the same
seed and one row. With several rows the original can write masks over committed cells (it ranks -inf cells when a row
has fewer masks than the mean); here the share is taken per row and only masked cells are ranked.
Cost: `steps` model calls.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cfgdecode.errors import CanvasError
from cfgdecode.loops.gate import Gate, LoopResult, Options
from cfgdecode.loops.sampling import Model, call_model, sample_dream

_MEASURE = {"origin": "probability", "maskgit_plus": "probability", "topk_margin": "margin", "entropy": "entropy"}


@torch.no_grad()
def dream(
    model: Model,
    prompt: Tensor,
    *,
    mask_id: int,
    constraint: Any = None,
    gen_length: int = 128,
    region: Any = None,
    steps: int = 128,
    eps: float = 1e-3,
    alg: str = "origin",
    alg_temp: float | None = None,
    temperature: float = 0.0,
    top_p: float | None = None,
    top_k: int | None = None,
    shift: bool = True,
    generator: torch.Generator | None = None,
    options: Options | None = None,
) -> LoopResult:
    """Generate `gen_length` cells behind `prompt` int64[B, P]; masked cells in the prompt are filled too.

    The constraint holds for `region` (default: behind the prompt). `shift=False` is for models that predict in place.
    """
    if alg not in _MEASURE:
        raise CanvasError(f"alg must be one of {', '.join(_MEASURE)}, not {alg!r}")
    if steps < 1:
        raise CanvasError(f"steps must be at least 1, not {steps}")
    x = torch.nn.functional.pad(prompt, (0, gen_length), value=mask_id)
    region = (prompt.shape[1], x.shape[1]) if region is None else region
    timesteps = torch.linspace(1, eps, steps + 1, device=x.device)
    gate = Gate(constraint, options, temperature=temperature)
    gate.begin(x, x == mask_id, region, model, mask_id)
    open = x == mask_id
    for step in range(steps):
        gate.stats.steps += 1
        gate.sync()
        with gate.stats.timed("model_us"):
            logits = call_model(model, x)
            gate.stats.model_calls += 1
        if shift:
            logits = torch.cat([logits[:, :1], logits[:, :-1]], dim=1)
        logits = gate.logits(logits, 0)
        share = 1 - timesteps[step + 1] / timesteps[step] if step < steps - 1 else None
        drawn = open
        if alg == "origin":
            drawn = open.clone()
            drawn[open] = torch.rand(int(open.sum()), device=x.device, generator=generator) < (
                1 if share is None else share
            )
        tokens, conf = torch.full_like(x, mask_id), torch.full(x.shape, -torch.inf, device=x.device, dtype=logits.dtype)
        if bool(drawn.any()):
            tokens[drawn], conf[drawn] = sample_dream(
                logits[drawn],
                temperature=temperature,
                top_p=top_p,
                top_k=top_k,
                measure=_MEASURE[alg],
                generator=generator,
            )

        def best(
            _: Tensor, conf: Tensor, open: Tensor = open, drawn: Tensor = drawn, share: Tensor | None = share
        ) -> Tensor:
            return drawn if alg == "origin" else _select(conf, open, share, alg_temp, generator)

        tokens, conf, select = gate.select(
            tokens, conf, best, generator=(generator or torch.default_generator) if alg_temp else None
        )
        tokens, select = gate.commit(tokens, select, conf)
        x = torch.where(select, tokens, x)
        # A free cell that was given the mask id stays masked; a constrained one never is.
        open = open & (~select | (x == mask_id))
    return gate.close(gate.finalize(x))


def _select(
    conf: Tensor, open: Tensor, share: Tensor | None, alg_temp: float | None, generator: torch.Generator | None
) -> Tensor:
    """The cells to commit: the best share of each row's open cells (all of them where share is None)."""
    select = torch.zeros_like(open)
    for row in range(conf.shape[0]):
        n_open = int(open[row].sum())
        n = n_open if share is None else int(n_open * share)
        if n == 0:
            continue
        ranked = conf[row].masked_fill(~open[row], -torch.inf)
        if alg_temp:
            weights = torch.softmax(ranked / alg_temp, dim=-1)
            n = min(n, int((weights > 0).sum()))
            chosen = torch.multinomial(weights, n, generator=generator)
        else:
            chosen = torch.topk(ranked, n).indices
        select[row, chosen] = True
    return select
