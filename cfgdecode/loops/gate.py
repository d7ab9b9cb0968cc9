"""What a loop does differently under a constraint, in one object; without a constraint each call is the identity.

A loop of this package is written once:

    gate.sync()                                   with confidence="renormalised", starts the allowed sets
    logits = model(ids)
    logits = gate.logits(logits, offset)          NaN check; with "renormalised", fills disallowed logits
    tokens, conf = <the decoding rule>(logits)
    tokens, conf, select = gate.select(tokens, conf, <the decoding rule>)
    tokens, select = gate.commit(tokens, select, conf)
    ...
    ids = gate.finalize(ids)

`select` asks the rule which cells to commit, gives those of them whose own cell refuses the proposal the best token
that it has not refused, and asks again until every selected proposal can stand at its cell.

Confidence. "raw" (default) keeps the model's own probabilities: a repaired proposal's confidence falls by the
probability that its token lost, all others stay. So what is not selected need not be looked at: its confidence could
only fall. A step costs one joint question, not the allowed sets of all cells; those are made only where the model's
proposals go on being refused. Hence also *least intervention*: if the unconstrained run of the same seed ends in a
valid text, every token it selects is accepted here, nothing overtakes it, and the constrained run gives the same tokens
(induction over the steps; ties apart). "renormalised" fills first, so forced cells look certain and are committed
early: fewer steps where a threshold decides, but other tokens than without the constraint.

Errors. NaN logits do not stop the batch: the row goes on with zeros in their place and ends valid, and `close` raises a
`LogitsError` that names the row and holds the result; on_error="return" leaves it in `result.errors`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from cfgdecode.errors import CanvasError, CfgDecodeError
from cfgdecode.hooks.errors import LogitsError
from cfgdecode.hooks.protocol import ConstraintBatch, MaskTable, Offset, Refusals, Region
from cfgdecode.hooks.row import Policy
from cfgdecode.hooks.stats import Stats
from cfgdecode.hooks.tensors import apply_bitmask_, finite_fill, is_allowed

Rule = Callable[[Tensor, Tensor], Tensor]
"""(tokens, conf) -> bool[B, P]: the cells that a decoder commits."""
_ROUNDS = 8
"""Times that a step asks about the selected cells alone; once where the step before asked for all allowed sets."""


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
        self._ahead = self.options.confidence == "renormalised"
        self._seen: tuple[Tensor, Offset] | None = None
        self._is_nan: Tensor | None = None
        self._constrained: Tensor | None = None
        self._needs_sets = False
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
        self.batch.begin(ids, open=open, region=region, n_logits=_width_of(model), mask_id=mask_id, masks=self._ahead)
        # Substitutes are drawn from a generator of their own: the loop's random numbers stay those of a free run.
        self._generator = torch.Generator(device=ids.device).manual_seed(0)

    def constrained(self, ids: Tensor) -> Tensor:
        """bool like ids: the cells that a constraint looks after."""
        if self._constrained is None:
            self._constrained = torch.zeros(ids.shape, dtype=torch.bool, device=ids.device)
            for row in self.batch.rows if self.batch is not None else []:
                if row is not None:
                    self._constrained[row.index, row.start : row.start + len(row)] = True
        return self._constrained

    def sync(self, ids: Tensor | None = None, open: Tensor | None = None) -> None:
        """Start the step's mask work, if any; arguments only if cells changed otherwise than by `commit`."""
        if self.batch is not None:
            self.batch.sync(ids, open, masks=self._ahead)

    def logits(self, logits: Tensor, offset: Offset) -> Tensor:
        """Check the window's logits, and fill the disallowed ones if confidences are to be renormalised."""
        if self.batch is None:
            return logits
        logits = self._finite(logits)
        if self._ahead:
            masks = self.batch.masks(offset, logits.shape[1], device=logits.device)
            logits = logits.clone()
            with self.stats.timed("apply_us"):
                apply_bitmask_(logits, masks.table, masks.row_of)
        self._seen = (logits, offset)
        return logits

    def select(
        self,
        tokens: Tensor,
        conf: Tensor,
        rule: Rule,
        *,
        penalise: bool = True,
        greedy: bool = False,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(tokens, conf, select): `rule(tokens, conf)` says which cells bool[B, P] to commit; see the file's head.

        A refused proposal is replaced by a sample, or (`greedy`, T = 0) by the best; `penalise` lowers its confidence
        as said there. `generator`: the rule draws from it; it is asked each time from the same state.
        """
        if self.batch is None or self._seen is None:
            return tokens, conf, rule(tokens, conf)
        state = None if generator is None else generator.get_state()
        offset = self._seen[1]
        select = rule(tokens, conf)
        checked = np.zeros(select.shape, dtype=bool)
        n_asked = _ROUNDS - 1 if self._needs_sets else 0
        self._needs_sets = False
        self.batch.on_host.fetch(tokens, select, conf, *([] if self._is_nan is None else [self._is_nan]))
        self._note_nan()
        while (fresh := self.batch.on_host(select) & ~checked).any():
            wrong = self.batch.known_refused(tokens, fresh, offset=offset)
            if wrong is not None:
                # The rule has to be asked again anyway: once for all that is known instead of one by one.
                wrong = self.batch.known_refused(tokens, ~checked, offset=offset)
            elif n_asked < _ROUNDS:
                wrong = self.batch.refused(tokens, select, conf, offset=offset, among=fresh)
                checked |= fresh
                n_asked += 1
            else:
                wrong = self._all_refused(tokens, checked)
                checked[:] = self._needs_sets = True
            if wrong is None:
                break
            if not self._needs_sets:
                checked[wrong.where[0].numpy(), wrong.where[1].numpy()] = False
            tokens, conf = self._replaced(tokens, conf, wrong, penalise, greedy)
            if generator is not None and state is not None:
                generator.set_state(state)
            select = rule(tokens, conf)
            self.batch.on_host.fetch(tokens, select, conf)
        return tokens, conf, select

    def _all_refused(self, tokens: Tensor, checked: np.ndarray) -> Refusals | None:
        """The unchecked proposals that their own cell refuses, wherever they are, by the allowed sets of all cells."""
        assert self.batch is not None and self._seen is not None
        logits, offset = self._seen
        masks = self.batch.masks(offset, logits.shape[1], device=logits.device)
        wrong = ~is_allowed(tokens, masks.table, masks.row_of).cpu() & ~torch.from_numpy(checked)
        if not bool(wrong.any()):
            return None
        rows, columns = torch.nonzero(wrong, as_tuple=True)
        return Refusals((rows, columns), MaskTable(masks.table, masks.row_of[rows, columns]))

    def _replaced(
        self, tokens: Tensor, conf: Tensor, wrong: Refusals, penalise: bool, greedy: bool
    ) -> tuple[Tensor, Tensor]:
        """Other tokens for the wrong proposals, of those that the masks leave."""
        assert self._seen is not None
        with self.stats.timed("apply_us"):
            self.stats.repaired += len(wrong.where[0])
            where = tuple(index.to(tokens.device) for index in wrong.where)
            rows = self._seen[0][where]
            total = torch.logsumexp(rows.float(), dim=-1, keepdim=True)
            proposed = (rows.gather(-1, tokens[where].unsqueeze(-1)).float() - total).exp()
            apply_bitmask_(rows, wrong.masks.table, wrong.masks.row_of)
            better = rows.argmax(dim=-1) if greedy else self._draw(rows)
            # An allowed token's logit is not touched by the fill.
            lost = proposed - (rows.gather(-1, better.unsqueeze(-1)).float() - total).exp()
            tokens = tokens.index_put(where, better)
            if penalise:
                floor = 0.0 if self.options.confidence == "raw" else None
                lost = lost.squeeze(-1).nan_to_num(nan=0.0).clamp(min=floor, max=1.0).to(conf.dtype)
                conf = conf.index_put(where, -lost, accumulate=True)
            return tokens, conf

    def commit(
        self, tokens: Tensor, select: Tensor, conf: Tensor, *, scores: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The tokens to write and where; `scores` ranks substitutes (default: the logits of this step)."""
        if self.batch is None or self._seen is None:
            return tokens, select
        logits, offset = self._seen
        done = self.batch.commit(tokens, select, conf, offset=offset, scores=logits if scores is None else scores)
        if not self._ahead:
            self.batch.aim(done.tokens, done.select, conf, offset=offset)
        return done.tokens, done.select

    def draft(self, tokens: Tensor, select: Tensor, conf: Tensor) -> tuple[Tensor, Tensor]:
        """The same on a copy of the canvas, and what cannot stand with the others is deselected."""
        if self.batch is None or self._seen is None:
            return tokens, select
        logits, offset = self._seen
        done = self.batch.draft(tokens, select, conf, offset=offset, scores=logits, policy="defer")
        return done.tokens, done.select

    def finalize(self, ids: Tensor, window: tuple[int, int] | None = None) -> Tensor:
        """Fill what is open in the window of positions, by the last logits seen."""
        if self.batch is None:
            return ids
        logits, offset = self._seen if self._seen is not None else (None, 0)
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
        """The logits with rows that no softmax could take made harmless; rows without a constraint stay as they are.

        A device is not waited for: there every row is gone over, and the step's proposals bring what was NaN along.
        """
        assert self.batch is not None
        best = logits.amax(dim=-1)
        on_cpu = logits.device.type == "cpu"
        if on_cpu and bool(torch.isfinite(best).all()):
            self._is_nan = None
            return logits
        self._is_nan = torch.isnan(best)
        fill = finite_fill(logits.dtype)
        finite = logits.nan_to_num(nan=0.0, posinf=-fill, neginf=fill)
        if any(row is None for row in self.batch.rows):
            held = torch.tensor([row is not None for row in self.batch.rows], device=logits.device)
            finite = torch.where(held.view(-1, 1, 1), finite, logits)
        return finite

    def _note_nan(self) -> None:
        """An error for each constrained row whose logits had NaN at this step."""
        if self._is_nan is None or self.batch is None:
            return
        for row in np.flatnonzero(self.batch.on_host(self._is_nan).any(axis=1)).tolist():
            if self.batch.rows[row] is not None:
                self.errors.setdefault(
                    row,
                    LogitsError(
                        "the model's logits are NaN; the row was completed without them (check the model's dtype: "
                        "float16 overflows, try bfloat16 or float32)",
                        row=row,
                    ),
                )


def _width_of(model: Any) -> int | None:
    config = getattr(model, "config", None)
    width = getattr(config, "vocab_size", None)
    return width if isinstance(width, int) else None
