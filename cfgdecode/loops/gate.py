"""What a loop does differently under a constraint, in one object; without a constraint each call is the identity.

A loop of this package is written once:

    gate.sync()                                   starts the allowed sets; they are made while the model runs
    logits = model(ids)
    logits = gate.logits(logits, offset)          NaN check; confidence="renormalised" fills disallowed logits here
    tokens, conf = <the decoding rule>(logits)
    tokens, conf = gate.repair(tokens, conf)      proposals that their own cell refuses get the best allowed token
    select = <the decoding rule>(conf)
    tokens, select = gate.commit(tokens, select, conf)
    ...
    ids = gate.finalize(ids)

Confidence. "raw" (default) keeps the model's own probabilities: a repaired proposal's confidence falls by the
probability that its token lost, all others stay. Hence *least intervention*: if the unconstrained run of the same seed
ends in a valid text, every token it selects is accepted here, nothing overtakes it, and the constrained run gives the
same tokens (induction over the steps; ties apart). "renormalised" fills first, so forced cells look certain and are
committed early: fewer steps where a threshold decides, but other tokens than without the constraint.

Errors. NaN logits do not stop the batch: the row goes on with zeros in their place and ends valid, and `close` raises a
`LogitsError` that names the row and holds the result; on_error="return" leaves it in `result.errors`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from cfgdecode.errors import CanvasError, CfgDecodeError
from cfgdecode.hooks.errors import LogitsError
from cfgdecode.hooks.protocol import ConstraintBatch, MaskTable, Offset, Region
from cfgdecode.hooks.row import Policy
from cfgdecode.hooks.stats import Stats
from cfgdecode.hooks.tensors import apply_bitmask_, finite_fill, is_allowed


@dataclass(frozen=True)
class Options:
    """How a loop treats its constraint."""

    policy: Policy = "substitute"
    confidence: Literal["raw", "renormalised"] = "raw"
    overlap: bool = True
    on_error: Literal["raise", "return"] = "raise"
    on_undecided: Literal["raise", "trust"] = "raise"

    def __post_init__(self) -> None:
        if self.confidence not in ("raw", "renormalised"):
            raise CanvasError(f"confidence must be 'raw' or 'renormalised', not {self.confidence!r}")
        if self.on_error not in ("raise", "return"):
            raise CanvasError(f"on_error must be 'raise' or 'return', not {self.on_error!r}")


@dataclass
class LoopResult:
    """ids int64[B, L], prompt included; `errors` names the rows whose logits or limits failed."""

    ids: Tensor
    stats: Stats
    errors: dict[int, CfgDecodeError] = field(default_factory=dict)


class Gate:
    """The constrained side of one generation of one loop."""

    def __init__(self, constraint: Any, options: Options | None = None, *, temperature: float = 0.0) -> None:
        self.options = options or Options()
        self.stats = Stats()
        self.errors: dict[int, CfgDecodeError] = {}
        self.temperature = temperature
        self.batch: ConstraintBatch | None = None
        self._generator: torch.Generator | None = None
        self._seen: tuple[Tensor, MaskTable, Offset] | None = None
        rows = constraint if isinstance(constraint, (list, tuple)) else [constraint]
        if any(c is not None for c in rows):
            self.batch = ConstraintBatch(
                constraint,
                policy=self.options.policy,
                overlap=self.options.overlap,
                on_undecided=self.options.on_undecided,
                stats=self.stats,
            )

    @property
    def active(self) -> bool:
        """Is any row constrained."""
        return self.batch is not None

    def begin(self, ids: Tensor, open: Tensor, region: Region, model: Any = None, mask_id: int | None = None) -> None:
        """See `ConstraintBatch.begin`; the model's `config.vocab_size` is compared with the vocabulary."""
        if self.batch is None:
            return
        self.batch.begin(ids, open=open, region=region, n_logits=_width_of(model), mask_id=mask_id)
        # Substitutes are drawn from a generator of their own: the loop's random numbers stay those of a free run.
        self._generator = torch.Generator(device=ids.device).manual_seed(0)

    def sync(self, ids: Tensor | None = None, open: Tensor | None = None) -> None:
        """Start the step's mask work; arguments only if cells changed otherwise than by `commit`."""
        if self.batch is not None:
            self.batch.sync(ids, open)

    def logits(self, logits: Tensor, offset: Offset) -> Tensor:
        """Check the window's logits, and fill the disallowed ones if confidences are to be renormalised."""
        if self.batch is None:
            return logits
        logits = self._finite(logits)
        masks = self.batch.masks(offset, logits.shape[1], device=logits.device)
        if self.options.confidence == "renormalised":
            logits = logits.clone()
            with self.stats.timed("apply_us"):
                apply_bitmask_(logits, masks.table, masks.row_of)
        self._seen = (logits, masks, offset)
        return logits

    def repair(
        self, tokens: Tensor, conf: Tensor, *, penalise: bool = True, greedy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Replace the proposals that their cell does not allow, by a sample or (`greedy`, T = 0) by the best.

        `penalise` lowers their confidence as said above.
        """
        if self.batch is None or self._seen is None:
            return tokens, conf
        logits, masks, _ = self._seen
        with self.stats.timed("apply_us"):
            wrong = ~is_allowed(tokens, masks.table, masks.row_of)
            if not bool(wrong.any()):
                return tokens, conf
            self.stats.repaired += int(wrong.sum())
            rows = logits[wrong]
            total = torch.logsumexp(rows.float(), dim=-1, keepdim=True)
            proposed = (rows.gather(-1, tokens[wrong].unsqueeze(-1)).float() - total).exp()
            apply_bitmask_(rows, masks.table, masks.row_of[wrong])
            better = rows.argmax(dim=-1) if greedy else self._draw(rows)
            # An allowed token's logit is not touched by the fill.
            lost = proposed - (rows.gather(-1, better.unsqueeze(-1)).float() - total).exp()
            tokens = tokens.clone()
            tokens[wrong] = better
            if penalise:
                conf = conf.clone()
                floor = 0.0 if self.options.confidence == "raw" else None
                conf[wrong] -= lost.squeeze(-1).nan_to_num(nan=0.0).clamp(min=floor, max=1.0).to(conf.dtype)
            return tokens, conf

    def commit(
        self, tokens: Tensor, select: Tensor, conf: Tensor, *, scores: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The tokens to write and where; `scores` ranks substitutes (default: the logits of this step)."""
        if self.batch is None or self._seen is None:
            return tokens, select
        logits, _, offset = self._seen
        done = self.batch.commit(
            tokens, select, conf.nan_to_num(nan=0.0), offset=offset, scores=logits if scores is None else scores
        )
        return done.tokens, done.select

    def draft(self, tokens: Tensor, select: Tensor, conf: Tensor) -> tuple[Tensor, Tensor]:
        """The same on a copy of the canvas, and what cannot stand with the others is deselected."""
        if self.batch is None or self._seen is None:
            return tokens, select
        logits, _, offset = self._seen
        done = self.batch.draft(tokens, select, conf.nan_to_num(nan=0.0), offset=offset, scores=logits, policy="defer")
        return done.tokens, done.select

    def finalize(self, ids: Tensor, window: tuple[int, int] | None = None) -> Tensor:
        """Fill what is open in the window of positions, by the last logits seen."""
        if self.batch is None:
            return ids
        logits, offset = (self._seen[0], self._seen[2]) if self._seen is not None else (None, 0)
        return self.batch.finalize(ids, logits=logits, offset=offset, window=window)

    def close(self, ids: Tensor) -> LoopResult:
        """The result; raises the first row's error with the result in it unless errors are to be returned."""
        errors = dict(self.errors)
        if self.batch is not None:
            errors |= self.batch.errors
        result = LoopResult(ids, self.stats, errors)
        if errors and self.options.on_error == "raise":
            first = errors[min(errors)]
            first.result = result  # type: ignore[attr-defined]
            raise first
        return result

    def _draw(self, logits: Tensor) -> Tensor:
        """One allowed token per filled row: the best, or at a temperature a sample by Gumbel-max in the log domain."""
        if self.temperature == 0:
            return logits.argmax(dim=-1)
        noise = torch.rand(logits.shape, dtype=torch.float64, device=logits.device, generator=self._generator)
        gumbel = -torch.log(-torch.log(noise.clamp(1e-300, 1 - 1e-16)))
        return (logits.double() / self.temperature + gumbel).argmax(dim=-1)

    def _finite(self, logits: Tensor) -> Tensor:
        """The logits with rows that no softmax could take made harmless; only rows of a constraint are looked at."""
        assert self.batch is not None
        held = torch.tensor([row is not None for row in self.batch.rows], device=logits.device)
        best = logits.amax(dim=-1)
        bad = ~torch.isfinite(best) & held.unsqueeze(1)
        if not bool(bad.any()):
            return logits
        for row in torch.nonzero((torch.isnan(best) & bad).any(dim=1)).flatten().tolist():
            self.errors.setdefault(
                row,
                LogitsError(
                    "the model's logits are NaN; the row was completed without them (check the model's dtype: "
                    "float16 overflows, try bfloat16 or float32)",
                    row=row,
                ),
            )
        fill = finite_fill(logits.dtype)
        logits = logits.clone()
        logits[bad] = logits[bad].nan_to_num(nan=0.0, posinf=-fill, neginf=fill)
        return logits


def _width_of(model: Any) -> int | None:
    config = getattr(model, "config", None)
    width = getattr(config, "vocab_size", None)
    return width if isinstance(width, int) else None
