"""DiffusionGemma in transformers: a logits processor over whole canvases, and a sampler that accepts jointly.

    guard = DiffusionGemmaGuard(constraint, model, prompt_length=inputs["input_ids"].shape[1], max_new_tokens=256)
    with guard.attached():
        out = model.generate(**inputs, max_new_tokens=256, logits_processor=guard.processors, disable_compile=True)

The model proposes every cell of its canvas at every step and its output is the argmax of the last step. So the
processor fills what a cell cannot hold, and whenever this step may be the last (the step count says so, or the argmax
has not moved since the step before, which is what the model's stopping rule needs) it makes the argmax jointly valid.
`attached` lets the sampler accept only tokens that fit together; without it the output is valid all the same.

Compile the constraint with eos_policy="pad": cells behind the first EOS become pad, also in later canvases.
Invariants: fills are finite (they are fed back as self-conditioning and divided by the temperature); cells of other
rows and of rows without a constraint are left alone. Cost: one table per step; a joint commit where the argmax stands
still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from cfgdecode.errors import CanvasError
from cfgdecode.hooks.errors import LogitsError
from cfgdecode.hooks.joint import favour_, joint_argmax
from cfgdecode.hooks.protocol import ConstraintBatch
from cfgdecode.hooks.stats import Stats


class DiffusionGemmaGuard:
    """One constrained `generate` call; make a new one for the next prompt."""

    def __init__(
        self,
        constraints: Any,
        model: Any,
        *,
        prompt_length: int,
        max_new_tokens: int = 256,
        batch_size: int = 1,
        on_undecided: str = "raise",
    ) -> None:
        self.model, self.prompt_length = model, prompt_length
        self.canvas_length = int(model.config.canvas_length)
        n_canvases = -(-max_new_tokens // self.canvas_length)
        self.length = prompt_length + n_canvases * self.canvas_length
        self.batch = ConstraintBatch(constraints, on_undecided=on_undecided)
        self.processors = LogitsProcessorList([_CanvasProcessor(self)])
        self._width = -1
        self._last_argmax: Tensor | None = None
        columns = torch.arange(self.length)
        self._ids = torch.zeros(batch_size, self.length, dtype=torch.long)
        self._open = (columns >= prompt_length).expand(batch_size, -1).clone()
        width = model.config.get_text_config().vocab_size
        self.batch.begin(self._ids, open=self._open, region=(prompt_length, self.length), n_logits=width)

    @property
    def stats(self) -> Stats:
        """Counters of the call."""
        return self.batch.stats

    @contextmanager
    def attached(self) -> Iterator[DiffusionGemmaGuard]:
        """While active, the model's sampler accepts only tokens that fit together."""
        original = self.model._prepare_sampler

        def prepare(generation_config: Any) -> Any:
            sampler = original(generation_config)
            sampler.accept_canvas = _jointly_accepting(sampler, self)
            return sampler

        self.model._prepare_sampler = prepare
        try:
            yield self
        finally:
            del self.model._prepare_sampler

    def process(self, input_ids: Tensor, scores: Tensor, cur_step: int) -> Tensor:
        """scores float[B, canvas, V] for the canvas behind input_ids, filled and if need be jointly valid."""
        if input_ids.shape[0] != len(self.batch.rows):
            raise CanvasError(
                f"{input_ids.shape[0]} rows, but the guard was made for batch_size={len(self.batch.rows)}"
            )
        offset = input_ids.shape[1]
        if offset != self._width:
            self._sync(input_ids)
        scores = self._without_nan(scores.clone())
        fill = -2e4 if scores.dtype == torch.float16 else None
        masks = self.batch.masks(offset, scores.shape[1], device=scores.device)
        self.batch.apply_(scores, offset, masks=masks, fill=fill)
        self.stats.steps += 1
        argmax = scores.argmax(dim=-1)
        still = self._last_argmax is not None and bool((self._last_argmax == argmax).all(dim=1).any())
        self._last_argmax = argmax
        if still or cur_step <= 1:
            favour_(scores, joint_argmax(self.batch, scores, masks, offset))
        return scores

    def _sync(self, input_ids: Tensor) -> None:
        """A new canvas begins: what stands in input_ids is decided."""
        self._width, self._last_argmax = input_ids.shape[1], None
        self._ids[:, : self._width] = input_ids.cpu()
        self._open[:, : self._width] = False
        self.batch.sync(self._ids, self._open)

    def _without_nan(self, scores: Tensor) -> Tensor:
        nan = torch.isnan(scores.amax(dim=-1)).any(dim=1)
        for row in torch.nonzero(nan).flatten().tolist():
            if self.batch.rows[row] is not None:
                raise LogitsError("the model's logits are NaN; try bfloat16 or float32", row=row)
        return scores


class _CanvasProcessor(LogitsProcessor):
    """The third argument's name makes the generation loop pass its step counter, which runs down to 1."""

    def __init__(self, guard: DiffusionGemmaGuard) -> None:
        self.guard = guard

    def __call__(self, input_ids: Tensor, scores: Tensor, cur_step: Any) -> Tensor:
        return self.guard.process(input_ids, scores, int(cur_step))


def _jointly_accepting(sampler: Any, guard: DiffusionGemmaGuard) -> Any:
    inner = sampler.accept_canvas

    def accept_canvas(current_canvas: Tensor, denoiser_canvas: Tensor, logits: Tensor, cur_step: Any) -> Tensor:
        inner(current_canvas, denoiser_canvas, logits, cur_step)
        conf = torch.log_softmax(logits.float(), dim=-1).gather(-1, denoiser_canvas.unsqueeze(-1)).squeeze(-1)
        done = guard.batch.draft(
            denoiser_canvas, sampler.accepted_token_mask, conf, offset=guard._width, scores=logits, policy="defer"
        )
        sampler.accepted_token_mask = done.select
        return torch.where(done.select, done.tokens, current_canvas)

    return accept_canvas
