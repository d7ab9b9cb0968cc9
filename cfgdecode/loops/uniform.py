"""Uniform diffusion without a mask token, as DiffusionGemma decodes.

A canvas of random tokens is denoised: each step the model predicts every cell, the cells of lowest entropy are
accepted as long as the sum of their entropies less the largest stays within `entropy_bound`, and all others become
random again. Nothing accepted is kept for the next step; the output is the argmax of the last step at all cells.
Temperatures fall linearly from t_max to t_min. A row stops when its argmax canvas was the same for
`stability_threshold` steps and the mean entropy is below `confidence_threshold`.
Sources: Ben-Hamu et al., Entropy-bounded unmasking (2505.24857); transformers' DiffusionGemma generation. Without a
constraint the tokens are its for the same seed.

Under a constraint the cells of the current canvas are *drafts*: every step decides the accepted set jointly on a copy
of the state (what does not fit is noise again), and the argmax canvas of the row's last step is committed as a whole,
most confident cell first, so that it is a valid text.
Cost: `steps` model calls a canvas; one joint commit of the accepted cells a step, one of all cells at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cfgdecode.errors import CanvasError
from cfgdecode.loops.gate import Gate, LoopResult, Options, Rule
from cfgdecode.loops.sampling import Model, call_model


@torch.no_grad()
def uniform(
    model: Model,
    prompt: Tensor,
    *,
    vocab_size: int,
    constraint: Any = None,
    gen_length: int = 256,
    canvas_length: int = 256,
    steps: int = 48,
    entropy_bound: float = 0.1,
    t_min: float = 0.4,
    t_max: float = 0.8,
    stability_threshold: int | None = 1,
    confidence_threshold: float | None = 0.005,
    eos: Sequence[int] = (),
    pad: int | None = None,
    generator: torch.Generator | None = None,
    options: Options | None = None,
) -> LoopResult:
    """Generate canvases of `canvas_length` cells behind `prompt` int64[B, P] until gen_length cells are there.

    A row that has one of `eos` is at its end: its later cells become `pad` (a constraint's own rule for them
    comes first), and when all rows are, no further canvas is begun.
    """
    if gen_length % canvas_length:
        raise CanvasError(f"gen_length {gen_length} must be a multiple of canvas_length {canvas_length}")
    start, n_rows = prompt.shape[1], prompt.shape[0]
    x = torch.nn.functional.pad(prompt, (0, gen_length))
    open = (torch.arange(x.shape[1], device=x.device) >= start).expand(n_rows, -1).clone()
    gate = Gate(constraint, options, temperature=1.0)
    gate.begin(x, open, (start, x.shape[1]), model)

    def noise() -> Tensor:
        return torch.randint(0, vocab_size, (n_rows, canvas_length), device=x.device, generator=generator)

    for first in range(start, x.shape[1], canvas_length):
        last = first + canvas_length
        canvas = noise()
        best, best_logits = canvas, None
        history: list[Tensor] = []
        finished = torch.zeros(n_rows, dtype=torch.bool, device=x.device)
        gate.sync()
        for left in range(steps, 0, -1):
            gate.stats.steps += 1
            with gate.stats.timed("model_us"):
                logits = call_model(model, torch.cat([x[:, :first], canvas], dim=1))[:, -canvas_length:]
                gate.stats.model_calls += 1
            logits = gate.logits(logits, first) / (t_min + (t_max - t_min) * (left / steps))
            probs = torch.softmax(logits.float(), dim=-1)
            drawn = torch.multinomial(probs.view(-1, probs.shape[-1]), 1, generator=generator)
            drawn = drawn.view(n_rows, canvas_length)
            entropy = _entropy(logits)
            accepted = _accept(entropy, entropy_bound)
            tokens, _, _ = gate.select(drawn, -entropy, _decided(accepted))
            tokens, accepted = gate.draft(tokens, accepted, -entropy)
            renoised = torch.where(accepted, tokens, noise())
            argmax = logits.argmax(dim=-1)
            frozen = finished.unsqueeze(1)
            new_best = torch.where(frozen, best, argmax)
            best_logits = logits if best_logits is None else torch.where(frozen.unsqueeze(-1), best_logits, logits)
            canvas = torch.where(frozen, canvas, renoised)
            if stability_threshold is not None and confidence_threshold is not None:
                stable = len(history) >= stability_threshold
                recent = history[-stability_threshold:] if stability_threshold else []
                same = [(old == new_best).all(dim=1) for old in recent]
                steady = torch.stack(same).all(dim=0) if same else torch.ones_like(finished)
                sure = _entropy(best_logits).mean(dim=-1) < confidence_threshold
                finished = finished | (steady & sure & stable)
                history.append(new_best)
            best = new_best
            if bool(finished.all()):
                break
        x[:, first:last] = _settle(gate, best, best_logits)
        if len(eos):
            ended = _pad_after_eos(x[:, start:last], eos, pad, gate)
            if bool(ended.all()):
                x = x[:, :last] if not gate.active else x
                break
    return gate.close(gate.finalize(x))


def _decided(select: Tensor) -> Rule:
    """The rule of a selection that does not depend on what was repaired."""
    return lambda tokens, conf: select


def _pad_after_eos(answer: Tensor, eos: Sequence[int], pad: int | None, gate: Gate) -> Tensor:
    """bool[B]: the rows with an EOS; what follows it in free rows becomes pad, in place."""
    is_eos = torch.isin(answer, torch.tensor(list(eos), device=answer.device))
    after = (torch.cumsum(is_eos.int(), dim=1) - is_eos.int()) > 0
    for row in range(answer.shape[0]):
        if pad is not None and (gate.batch is None or gate.batch.rows[row] is None):
            answer[row, after[row]] = pad
    return is_eos.any(dim=1)


def _entropy(logits: Tensor) -> Tensor:
    entropy: Tensor = torch.distributions.Categorical(logits=logits).entropy()  # type: ignore[no-untyped-call]
    return entropy


def _accept(entropy: Tensor, bound: float) -> Tensor:
    """bool[B, L]: the cells of lowest entropy, in order, while the sum of the earlier ones stays within the bound."""
    ordered, order = torch.sort(entropy, dim=-1)
    earlier = torch.cumsum(ordered, dim=-1) - ordered
    return torch.zeros_like(entropy, dtype=torch.bool).scatter(-1, order, earlier <= bound)


def _settle(gate: Gate, best: Tensor, logits: Tensor | None) -> Tensor:
    """The last argmax canvas, made jointly valid."""
    if not gate.active or logits is None:
        return best
    conf = torch.softmax(logits.float(), dim=-1).gather(-1, best.unsqueeze(-1)).squeeze(-1)
    everywhere = torch.ones_like(best, dtype=torch.bool)
    tokens, conf, _ = gate.select(best, conf, _decided(everywhere), greedy=True)
    tokens, _ = gate.commit(tokens, everywhere, conf, scores=logits)
    return tokens
