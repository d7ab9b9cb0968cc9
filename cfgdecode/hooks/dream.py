"""Dream's two hooks: `generation_logits_hook_func` and `generation_tokens_hook_func` of `diffusion_generate`.

    hooks = DreamHooks(constraint, steps=128, prompt_length=n, mask_id=151666)
    model.diffusion_generate(ids, steps=128, max_new_tokens=256,
                             generation_tokens_hook_func=hooks.tokens, generation_logits_hook_func=hooks.logits)

The model calls tokens(None, x, None) once, then per step logits(i, x, logits) (already shifted, all positions) and
tokens(i, x, logits) after it wrote its choice into x. The choice is compared with the canvas before it: new tokens are
decided jointly and replaced where they do not fit, and decided cells that the model masked again (it does that in
batches with unequal numbers of masks) get their tokens back. After the last step the rest is finalized.
Guarantee: L2. Works for forks that keep the two calls, if their logits cover the whole canvas.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cfgdecode.errors import CanvasError
from cfgdecode.hooks.protocol import ConstraintBatch
from cfgdecode.hooks.row import Policy
from cfgdecode.hooks.stats import Stats


class DreamHooks:
    """The pair of hooks of one generation at a time; `tokens(None, ...)` begins a new one."""

    def __init__(
        self, constraints: Any, *, steps: int, prompt_length: int, mask_id: int, policy: Policy = "substitute"
    ) -> None:
        self.batch = ConstraintBatch(constraints, policy=policy)
        self.steps, self.prompt_length, self.mask_id = steps, prompt_length, mask_id
        self._before: Tensor | None = None

    @property
    def stats(self) -> Stats:
        """Counters of the generation."""
        return self.batch.stats

    def tokens(self, step: int | None, x: Tensor, logits: Tensor | None) -> Tensor:
        """The canvas to go on with."""
        if step is None or self._before is None:
            self.batch.begin(x, open=x == self.mask_id, region=(self.prompt_length, x.shape[1]), mask_id=self.mask_id)
            self._before = x.clone()
            return x
        if logits is None or logits.shape[1] != x.shape[1]:
            raise CanvasError("the tokens hook needs the logits of the whole canvas, as the logits hook got them")
        inside = self._region(x)
        decided = (self._before != self.mask_id) & inside
        x = torch.where(decided, self._before, x)
        new = inside & ~decided & (x != self.mask_id)
        conf = torch.log_softmax(logits.float(), dim=-1).gather(-1, x.unsqueeze(-1)).squeeze(-1)
        done = self.batch.commit(x, new, conf, scores=logits)
        x = torch.where(new & ~done.select, torch.full_like(x, self.mask_id), done.tokens)
        if step >= self.steps - 1:
            x = self.batch.finalize(x, logits=logits)
        self.batch.sync()
        self._before = x.clone()
        return x

    def logits(self, step: int, x: Tensor, logits: Tensor) -> Tensor:
        """The logits with the disallowed tokens of open cells filled."""
        self.stats.steps += 1
        return self.batch.apply_(logits.clone())

    def _region(self, x: Tensor) -> Tensor:
        """bool[B, L]: the cells of constrained rows."""
        inside = torch.zeros_like(x, dtype=torch.bool)
        for row in self.batch.rows:
            if row is not None:
                inside[row.index, row.start : row.start + len(row)] = True
        return inside
