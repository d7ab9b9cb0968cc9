"""diffusers pipelines: a scheduler around a scheduler.

    scheduler = ConstrainedScheduler(BlockRefinementScheduler(), constraint)
    pipe = LLaDA2Pipeline(model=model, scheduler=scheduler, tokenizer=tokenizer)
    scheduler.begin(batch_size=1, prompt_length=input_ids.shape[1], gen_length=128, block_length=32)
    pipe(input_ids=input_ids, gen_length=128, block_length=32, ...)

`step` fills the disallowed logits of the block, lets the inner scheduler decide, and decides its choice jointly
before it goes back to the pipeline. With a mask token (LLaDA2Pipeline) commits and edits are checked against the
canvas; what is still masked at the last step is finalized. Without one (DiffusionGemmaPipeline) all cells of the
canvas are drafts: the held ones are made jointly valid at each step, all of them at the last, and the logits handed
back for the early-stopping rule have a jointly valid argmax whenever it stands still.

The pipeline does not tell a scheduler where its block lies: `begin` gives the start, and a call with timestep 0 is
the first of the next block. Everything else (config, timesteps, helpers) is the inner scheduler's.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from cfgdecode.errors import CanvasError
from cfgdecode.hooks.joint import favour_, joint_argmax
from cfgdecode.hooks.protocol import ConstraintBatch, MaskTable
from cfgdecode.hooks.row import Policy
from cfgdecode.hooks.stats import Stats


class ConstrainedScheduler:
    """Constrains what `inner` commits; see the module's text."""

    def __init__(self, inner: Any, constraints: Any, *, policy: Policy = "substitute") -> None:
        self.inner, self.batch = inner, ConstraintBatch(constraints, policy=policy)
        self._begun = False
        self.__signature_of_step = inspect.signature(inner.step)

    def __getattr__(self, name: str) -> Any:
        if name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    @property
    def stats(self) -> Stats:
        """Counters of the call."""
        return self.batch.stats

    def begin(
        self,
        *,
        prompt_length: int,
        gen_length: int,
        block_length: int,
        batch_size: int = 1,
        aligned: bool = True,
        n_logits: int | None = None,
        stability_threshold: int = 1,
        confidence_threshold: float | None = 0.005,
    ) -> None:
        """Say what the next pipeline call generates; raises if no text fits.

        `aligned`: blocks start at multiples of block_length (LLaDA2); False: behind the prompt (DiffusionGemma).
        The thresholds are those given to DiffusionGemmaPipeline: with several canvases they tell which tokens a
        canvas ended with.
        """
        n_blocks = -(-gen_length // block_length)
        end = prompt_length + (gen_length if aligned else n_blocks * block_length)
        length = -(-end // block_length) * block_length if aligned else end
        columns = torch.arange(length)
        self._ids = torch.zeros(batch_size, length, dtype=torch.long)
        self._open = ((columns >= prompt_length) & (columns < end)).expand(batch_size, -1).clone()
        self.batch.begin(self._ids, open=self._open, region=(prompt_length, end), n_logits=n_logits)
        self._prompt_length, self._block_length = prompt_length, block_length
        self._next = prompt_length // block_length * block_length if aligned else prompt_length
        self._offset, self._begun = self._next, True
        self._last_argmax: Tensor | None = None
        self._stopping = _Stopping(stability_threshold, confidence_threshold)

    def step(self, model_output: Tensor, timestep: Any, sample: Tensor, **options: Any) -> Any:
        """The inner scheduler's step on constrained logits, with its outcome decided jointly."""
        if not self._begun:
            raise CanvasError("call begin(prompt_length=..., gen_length=..., block_length=...) before the pipeline")
        if options.pop("return_dict", True) is False:
            raise CanvasError("a ConstrainedScheduler gives its result as an object; use return_dict=True")
        if int(timestep) == 0:
            self._offset, self._next = self._next, self._next + sample.shape[1]
            self._last_argmax = None
            self._stopping.restart()
        mask_id = options.get("mask_token_id")
        here = slice(self._offset, self._offset + sample.shape[1])
        self._ids[:, here] = sample.cpu()
        self._open[:, here] = (sample == mask_id).cpu() if mask_id is not None else True
        self.batch.sync(self._ids, self._open)
        masks = self.batch.masks(self._offset, sample.shape[1], device=model_output.device)
        logits = self.batch.apply_(model_output.clone(), self._offset, masks=masks)
        self.stats.steps += 1
        options = {k: v for k, v in options.items() if k in self.__signature_of_step.parameters}
        output = self.inner.step(model_output=logits, timestep=timestep, sample=sample, return_dict=True, **options)
        last = int(timestep) + 1 >= int(self.inner.num_inference_steps)
        if mask_id is None:
            output = self._draft(output, logits, masks, last)
            after = self._stopping.ends_with(output.prev_sample, output.pred_logits)
        else:
            output = self._committed(output, logits, sample, mask_id, last)
            after = output.prev_sample
        # The next call may be for the next block, and then this is what stands here.
        self._ids[:, here] = after.cpu()
        self._open[:, here] = (after == mask_id).cpu() if mask_id is not None else False
        return output

    def _committed(self, output: Any, logits: Tensor, sample: Tensor, mask_id: int, last: bool) -> Any:
        select = output.transfer_index | output.editing_transfer_index
        done = self.batch.commit(
            output.sampled_tokens, select, output.sampled_probs, offset=self._offset, scores=logits
        )
        output.sampled_tokens = done.tokens
        output.prev_sample = torch.where(done.select, done.tokens, sample)
        moved = done.tokens != sample
        output.transfer_index = output.transfer_index & done.select
        output.editing_transfer_index = output.editing_transfer_index & done.select & moved
        here = slice(self._offset, self._offset + sample.shape[1])
        if last and bool((output.prev_sample == mask_id).any()):
            self._ids[:, here] = output.prev_sample.cpu()
            filled = self.batch.finalize(self._ids, logits=logits, offset=self._offset, window=(here.start, here.stop))[
                :, here
            ].to(sample.device)
            output.transfer_index = output.transfer_index | (filled != output.prev_sample)
            output.prev_sample = filled
        return output

    def _draft(self, output: Any, logits: Tensor, masks: MaskTable, last: bool) -> Any:
        tokens = output.prev_sample
        held = getattr(self.inner, "_committed", getattr(output, "accepted_index", None))
        held = torch.zeros_like(tokens, dtype=torch.bool) if held is None else held
        new = getattr(output, "transfer_index", held)
        argmax = logits.argmax(dim=-1)
        if last:
            tokens = torch.where(held, tokens, argmax)
        conf = torch.log_softmax(logits.float(), dim=-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
        # Tokens held from earlier steps come first, then new ones, then those that only the last step needs.
        conf = conf + 1e6 * held + 1e6 * (held & ~new)
        select = (torch.ones_like(held) if last else held) & (masks.row_of >= 0)
        output.prev_sample = self.batch.draft(
            tokens, select, conf, offset=self._offset, scores=logits, policy="substitute"
        ).tokens
        still = self._last_argmax is not None and bool((self._last_argmax == argmax).all(dim=1).any())
        self._last_argmax = argmax
        if still or last:
            joint = joint_argmax(self.batch, logits, masks, self._offset)
            output.pred_logits = favour_(output.pred_logits.clone(), joint)
        return output


class _Stopping:
    """DiffusionGemmaPipeline's rule for when a row's canvas is frozen, to know what it ends with."""

    def __init__(self, stability: int, confidence: float | None) -> None:
        self.stability, self.confidence = max(stability, 1), confidence
        self.restart()

    def restart(self) -> None:
        self._history: list[Tensor] = []
        self._frozen: Tensor | None = None
        self._finished: Tensor | None = None

    def ends_with(self, canvas: Tensor, pred_logits: Tensor) -> Tensor:
        """The canvas after this step: `canvas`, or in frozen rows the argmax they were frozen with."""
        if self.confidence is None:
            return canvas
        argmax = pred_logits.argmax(dim=-1)
        if self._finished is None or self._frozen is None:
            self._finished = torch.zeros(canvas.shape[0], dtype=torch.bool, device=canvas.device)
            self._frozen = argmax
        argmax = torch.where(self._finished.unsqueeze(1), self._frozen, argmax)
        same = [(old == argmax).all(dim=-1) for old in self._history[-self.stability :]]
        stable = torch.stack(same).all(dim=0) if len(same) == self.stability else torch.zeros_like(self._finished)
        self._history.append(argmax)
        logp = torch.log_softmax(pred_logits.float(), dim=-1)
        entropy = -(logp.exp() * logp).sum(dim=-1).mean(dim=-1)
        self._finished = self._finished | (stable & (entropy < self.confidence))
        self._frozen = argmax
        return torch.where(self._finished.unsqueeze(1), argmax, canvas)
