"""A stand-in for the model, for LLaDA-style scripts that cannot be changed.

    script.generate(ModelProxy(model, constraint, prompt_length=n, mask_id=126336), prompt, ...)

Each call finds the canvas in its ids, fills the disallowed logits of the masked cells, and returns the model's own
output object with them. The script decides which tokens it commits, so there are two levels: `guarantee="mask"` (L0):
every single token is allowed at its cell; several in one step may still conflict, after which the row can no longer
be helped: it is left alone and named in `dead_rows`. Sound for one token per row and step. `guarantee="joint"`: the
logits are changed so that their argmax at all masked cells together is a valid text; whatever subset the script
commits fits. The other tokens keep their order below it. For greedy scripts (T = 0). With `sampled=True` all other
tokens are filled, so that no noise can choose them; confidences are then 1. With classifier-free guidance the script
doubles the batch; the first half is constrained, and the unguided second half gets the same fill so that the guided
combination keeps it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cfgdecode.canvas import Verdict
from cfgdecode.errors import CanvasError
from cfgdecode.hooks.joint import favour_, isolate_, joint_argmax
from cfgdecode.hooks.protocol import ConstraintBatch
from cfgdecode.hooks.stats import Stats
from cfgdecode.hooks.tensors import finite_fill


class ModelProxy:
    """Calls `model` and constrains its logits; everything else is looked up on the model."""

    def __init__(
        self,
        model: Any,
        constraints: Any,
        *,
        prompt_length: int,
        mask_id: int,
        guarantee: str = "mask",
        sampled: bool = False,
    ) -> None:
        if guarantee not in ("mask", "joint"):
            raise CanvasError(f"guarantee must be 'mask' or 'joint', not {guarantee!r}")
        self.model, self.batch = model, ConstraintBatch(constraints)
        self.prompt_length, self.mask_id = prompt_length, mask_id
        self.guarantee, self.sampled = guarantee, sampled
        self.dead_rows: set[int] = set()
        self._prompt: Tensor | None = None

    def __getattr__(self, name: str) -> Any:
        if name == "model":
            raise AttributeError(name)
        return getattr(self.model, name)

    @property
    def stats(self) -> Stats:
        """Counters over all calls."""
        return self.batch.stats

    def __call__(self, ids: Tensor, *args: Any, **options: Any) -> Any:
        """The model's output for `ids` int64[B, L] (or [2B, L] under guidance) with constrained logits."""
        rows = self._sync(ids)
        output = self.model(ids, *args, **options)
        logits: Tensor = output.logits if hasattr(output, "logits") else output
        logits = logits.clone()
        if logits.shape[1] != ids.shape[1]:
            raise CanvasError(f"the model gave logits for {logits.shape[1]} of {ids.shape[1]} positions")
        self.stats.steps += 1
        for first in range(0, ids.shape[0], rows):
            self._constrain_(logits[first : first + rows])
        if not hasattr(output, "logits"):
            return logits
        output.logits = logits
        return output

    def _sync(self, ids: Tensor) -> int:
        """Tell the batch; the number of rows that are not the unguided copies."""
        guided = ids.shape[0] % 2 == 0 and self._is_blind(ids[ids.shape[0] // 2 :])
        rows = ids.shape[0] // 2 if guided else ids.shape[0]
        here, prompt = ids[:rows], ids[:rows, : self.prompt_length]
        is_new = self._prompt is None or not torch.equal(self._prompt, prompt)
        if is_new or bool((here[:, self.prompt_length :] == self.mask_id).all()):
            self._prompt, self.dead_rows = prompt.clone(), set()
            region = (self.prompt_length, ids.shape[1])
            self.batch.begin(here, open=here == self.mask_id, region=region, mask_id=self.mask_id)
        else:
            self.batch.sync(here, here == self.mask_id)
            for row in self.batch.rows:
                if row is not None and row.index not in self.batch.errors and row.verdict() is Verdict.DEAD:
                    self.dead_rows.add(row.index)
                    self.batch.drop(row.index)
        return rows

    def _is_blind(self, half: Tensor) -> bool:
        return self.prompt_length > 0 and bool((half[:, : self.prompt_length] == self.mask_id).all())

    def _constrain_(self, logits: Tensor) -> None:
        masks = self.batch.masks(0, logits.shape[1], device=logits.device)
        self.batch.apply_(logits, masks=masks)
        if self.guarantee == "joint":
            tokens = joint_argmax(self.batch, logits, masks, 0)
            if self.sampled:
                isolate_(logits, tokens, masks.row_of >= 0, finite_fill(logits.dtype))
            else:
                favour_(logits, tokens)
