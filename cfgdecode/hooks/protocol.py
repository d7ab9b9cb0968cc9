"""The one protocol between a generation loop and the engine: a batch of rows, each with its own constraint or none.

    begin     the canvas before any model call; every reason why it cannot work is raised here, with the row
    sync      the canvas as it is now (it is the truth: commits, edits, re-masking and noise are all found by
              comparing); starts the mask work of all rows on threads and returns at once
    masks     waits for that work and returns one packed table for the batch
    apply_    sets the logits of disallowed tokens to a finite fill, in place
    aim       says what the next step will probably propose; looked at on threads while the model runs
    refused   in place of masks, for loops that commit a few cells a step: which of them cannot take their token
    commit    decides this step's tokens together, so that the canvas stays completable
    finalize  fills what is still open with the most probable valid text that fits
    is_complete, is_dead

Shapes: ids int64[B, L]; open bool[B, L], True where a cell is undecided (never inferred from a mask id once given);
logits float[B, P, V], tokens int64[B, P], select bool[B, P] for the window of positions offset .. offset + P - 1,
`offset` an int or one per row; region: (start, end) per row, the response, everything outside it is left alone.
Rows whose constraint is None pass through untouched.

Guarantee (L2): if `begin` did not raise, then after `finalize` each constrained row is a text of its grammar in its own
cells, whatever the logits were. Invariant: each row is completable between two calls.
Cost: per step one copy each of tokens, select and conf (and of ids, where they are given) to the CPU, however many
questions are asked about them (the loops of this package fetch them together), what was substituted back, and one
table to the device; no [B, P, V] tensor is ever moved.
See it: `print(batch.stats)`; `batch.rows[0].canvas.explain()`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cfgdecode.canvas import Verdict
from cfgdecode.errors import CanvasError, CfgDecodeError, DeadCanvasError, LimitExceeded, VocabularyError
from cfgdecode.hooks.row import Policy, Proposal, Row, with_bit
from cfgdecode.hooks.stats import Stats
from cfgdecode.hooks.tensors import apply_bitmask_

Offset = int | Sequence[int] | Tensor
Region = tuple[int, int] | Sequence[tuple[int, int]] | None
_TOP_K = 64
"""Candidates per open cell that `finalize` hands to the engine as scores."""
_LEAST_AHEAD = 8
"""Cells of a row that `aim` looks at, at least."""


@dataclass(frozen=True)
class MaskTable:
    """Allowed tokens of a window: row_of int32[B, P] into table int32[U, W]; -1 where nothing is constrained."""

    table: Tensor
    row_of: Tensor


@dataclass(frozen=True)
class Refusals:
    """Proposals that their own cell does not allow, n of them.

    where: (batch rows int64[n], columns of the window int64[n]), on the CPU, an index for tensors of shape [B, P, ...];
    masks: row_of int32[n] and the table of what these cells may still allow.
    """

    where: tuple[Tensor, Tensor]
    masks: MaskTable


@dataclass(frozen=True)
class Commit:
    """A step's outcome: write `tokens` where `select`; both have the shape of the proposals, and may be these."""

    tokens: Tensor
    select: Tensor
    n_rejected: int
    n_substituted: int
    n_deferred: int


class _HostCopies:
    """Small tensors on the CPU; those asked for last are kept, as the questions of a step are about the same few.

    Tensors of inference mode do not tell whether they were changed in place, so these are copied each time.
    """

    def __init__(self) -> None:
        self._kept: deque[tuple[Tensor, int, np.ndarray]] = deque(maxlen=6)

    def __call__(self, tensor: Tensor | np.ndarray) -> np.ndarray:
        if isinstance(tensor, np.ndarray):
            return tensor
        copy = self._find(tensor)
        if copy is None:
            copy = _plain(tensor).cpu().numpy()
            if not tensor.is_inference():
                self._kept.append((tensor, tensor._version, copy))
        return copy

    def fetch(self, *tensors: Tensor) -> None:
        """Copy tensors of one shape that will be asked for, waiting for the device once."""
        missing = [t for t in tensors if t.device.type != "cpu" and not t.is_inference() and self._find(t) is None]
        if len(missing) > 1:
            packed = torch.stack([_as_int64(t) for t in missing]).cpu().numpy()
            for tensor, bits in zip(missing, packed, strict=True):
                copy = bits.view(np.float64) if tensor.is_floating_point() else bits.astype(_NUMPY[tensor.dtype])
                self._kept.append((tensor, tensor._version, copy))

    def back(self, copy: np.ndarray, device: torch.device) -> Tensor:
        """A tensor on the device with these values, which need not be copied from there again."""
        # On the CPU the tensor must not share memory with what is kept.
        tensor = torch.from_numpy(copy.copy()).to(device)
        if not tensor.is_inference():
            self._kept.append((tensor, tensor._version, copy))
        return tensor

    def _find(self, tensor: Tensor) -> np.ndarray | None:
        if tensor.is_inference():
            return None
        return next((copy for kept, version, copy in self._kept if kept is tensor and version == tensor._version), None)


_NUMPY = {torch.bool: np.bool_, torch.int32: np.int32, torch.int64: np.int64}


def _plain(tensor: Tensor) -> Tensor:
    there = tensor.detach()
    return there.double() if there.is_floating_point() else there


def _as_int64(tensor: Tensor) -> Tensor:
    there = _plain(tensor)
    return there.view(torch.int64) if there.is_floating_point() else there.long()


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="cfgdecode-masks")


class ConstraintBatch:
    """Keeps a batch of canvases completable while a loop decodes them; one object serves one generation at a time."""

    def __init__(
        self,
        constraints: Any,
        *,
        policy: Policy = "substitute",
        overlap: bool = True,
        on_undecided: str = "raise",
        stats: Stats | None = None,
    ) -> None:
        """`constraints`: one compiled constraint for all rows, or one (or None) per row.

        `policy` is what happens to a proposal that does not fit: its cell gets its best allowed token, stays open,
        or an error is raised. `overlap=False` makes masks only when they are asked for. `on_undecided="trust"`
        starts even if the engine ran into a limit before it could tell that the canvas is completable.
        """
        if policy not in ("substitute", "defer", "strict"):
            raise CanvasError(f"policy must be 'substitute', 'defer' or 'strict', not {policy!r}")
        if on_undecided not in ("raise", "trust"):
            raise CanvasError(f"on_undecided must be 'raise' or 'trust', not {on_undecided!r}")
        self.constraints, self.policy, self.on_undecided = constraints, policy, on_undecided
        self.stats = stats if stats is not None else Stats()
        self.rows: list[Row | None] = []
        self.errors: dict[int, CfgDecodeError] = {}
        self._pool = _pool() if overlap else None
        self.on_host = _HostCopies()

    # --- lifecycle

    def begin(
        self,
        ids: Tensor,
        *,
        open: Tensor | None = None,
        region: Region = None,
        n_logits: int | None = None,
        mask_id: int | None = None,
        masks: bool = True,
    ) -> None:
        """Take the canvas of a new generation; raises before any model call if a row cannot become a valid text.

        `open` defaults to `ids == mask_id`, and mask_id to the vocabulary's. `n_logits` is the width of the model's
        logits if known. `masks=False` leaves the mask work until it is asked for.
        """
        if ids.dim() != 2:
            raise CanvasError(f"ids must be int64[batch, length], not {tuple(ids.shape)}")
        n_rows, length = ids.shape
        constraints = self._per_row(n_rows)
        regions = _regions(region, n_rows, length)
        self.errors, self.rows = {}, []
        ids_cpu = ids.detach().cpu().numpy()
        open_cpu = None if open is None else open.detach().cpu().numpy().astype(bool)
        for index, (constraint, (start, end)) in enumerate(zip(constraints, regions, strict=True)):
            if constraint is None:
                self.rows.append(None)
                continue
            _check_vocabulary(index, constraint, n_logits)
            cells = ids_cpu[index, start:end]
            row_open = (
                cells == self._mask_id(index, constraint, mask_id) if open_cpu is None else open_cpu[index, start:end]
            )
            # Rows that threads work on side by side need tables of their own.
            lane = index % (os.cpu_count() or 1) if self._pool is not None else 0
            row = Row(index, constraint, cells, row_open, start, lane=lane)
            self._check_start(row)
            self.rows.append(row)
        for row in self._live() if masks else []:
            row.start_masks(self._pool)

    def sync(self, ids: Tensor | None = None, open: Tensor | None = None, *, masks: bool = True) -> None:
        """Tell the canvas as it is; None means that only `commit` and `finalize` changed it."""
        if ids is not None:
            ids_cpu = ids.detach().cpu().numpy()
            open_cpu = None if open is None else open.detach().cpu().numpy().astype(bool)
            for row in self._live():
                here = slice(row.start, row.start + len(row))
                cells = ids_cpu[row.index, here]
                row.set(cells, row.open if open_cpu is None else open_cpu[row.index, here])
        for row in self._live() if masks else []:
            row.start_masks(self._pool)

    def drop(self, index: int) -> None:
        """Leave a row alone from now on."""
        self.rows[index] = None

    # --- masks

    def masks(self, offset: Offset = 0, width: int | None = None, *, device: Any = "cpu") -> MaskTable:
        """One table for the window of all rows; waits for the work that `sync` started."""
        waited = self.stats.wait_us
        with self.stats.timed("wait_us"):
            made = [(row, row.table()) for row in self._live() if row.open.any()]
            tables = [(row, table) for row, table in made if table is not None]
            self.stats.limited += len(made) - len(tables)
        self.stats.wait_us_per_step.append(self.stats.wait_us - waited)
        offsets = _offsets(offset, len(self.rows))
        width = self._width() if width is None else width
        with self.stats.timed("apply_us"):
            n_words = max((t.table.shape[1] for _, t in tables), default=1)
            row_of = np.full((len(self.rows), width), -1, dtype=np.int32)
            parts, base = [], 0
            for row, table in tables:
                self.stats.mask_us, row.mask_us = self.stats.mask_us + row.mask_us, 0
                columns = np.asarray(table.positions) + row.start - offsets[row.index]
                inside = (columns >= 0) & (columns < width)
                row_of[row.index, columns[inside]] = np.asarray(table.row_of)[inside] + base
                packed = self._guarded(row, np.asarray(table.table, dtype=np.int32), table)
                parts.append(np.pad(packed, ((0, 0), (0, n_words - packed.shape[1]))))
                base += packed.shape[0]
            packed = np.concatenate(parts) if parts else np.zeros((0, n_words), dtype=np.int32)
            return MaskTable(torch.from_numpy(packed).to(device), torch.from_numpy(row_of).to(device))

    def apply_(
        self, logits: Tensor, offset: Offset = 0, *, fill: float | None = None, masks: MaskTable | None = None
    ) -> Tensor:
        """Fill the disallowed logits of open cells, in place; dtype, device and all other rows are kept."""
        masks = masks or self.masks(offset, logits.shape[1], device=logits.device)
        with self.stats.timed("apply_us"):
            return apply_bitmask_(logits, masks.table, masks.row_of, fill=fill)

    # --- decisions

    def aim(self, tokens: Tensor, select: Tensor, conf: Tensor, *, offset: Offset = 0) -> None:
        """After a step that committed `select`: begin to look at what the next one will probably propose.

        These are the open cells of the highest confidence, twice as many as were committed. Only a hint: answers do not
        depend on it, but a step whose proposals were among these gets its answers at once.
        """
        with self.stats.timed("commit_us"):
            offsets = _offsets(offset, len(self.rows))
            tokens_cpu, conf_cpu, n_done = self.on_host(tokens), self.on_host(conf), self.on_host(select).sum(axis=1)
            for row in self._live():
                shift = offsets[row.index] - row.start
                cells = np.flatnonzero(row.open)
                cells = cells[(cells >= shift) & (cells < shift + tokens_cpu.shape[1])]
                ranks = conf_cpu[row.index, cells - shift]
                n = max(_LEAST_AHEAD, 2 * int(n_done[row.index]))
                best = np.argsort(-ranks, kind="stable")[:n]
                values = tokens_cpu[row.index, cells[best] - shift].tolist()
                scores = [_rank(c) for c in ranks[best].tolist()]
                row.start_aim(list(zip(cells[best].tolist(), values, scores, strict=True)), self._pool)

    def refused(
        self,
        tokens: Tensor,
        select: Tensor | np.ndarray,
        conf: Tensor | None = None,
        *,
        offset: Offset = 0,
        among: Tensor | np.ndarray | None = None,
    ) -> Refusals | None:
        """Which selected proposals for open cells their own cell does not allow, and what is left for these cells.

        `among` bool[B, P]: only these can be in the answer (default: all selected). None: every one of them can stand.
        What is left: all tokens but those that the cell has refused so far, or what it allows if it has refused
        two. This is for loops that commit a few cells a step: it costs about as much as the `commit` that follows,
        which takes over its work, instead of the allowed sets of all cells.
        """
        with self.stats.timed("commit_us"):
            jobs = self._proposals(tokens, select, conf, offset)
            jobs = [(row, [p for p in proposals if row.open[p[0]]], shift) for row, proposals, shift in jobs]
            found = self._each(jobs, lambda row, proposals, shift: row.refused(proposals))
            return self._refusals(tokens.device, select if among is None else among, jobs, found)

    def known_refused(self, tokens: Tensor, select: Tensor | np.ndarray, *, offset: Offset = 0) -> Refusals | None:
        """The same as far as earlier answers tell: costs no question."""
        with self.stats.timed("wait_us"):
            for row in self._live():
                row.settle()
                self.stats.mask_us, row.aim_us = self.stats.mask_us + row.aim_us, 0
        if not any(row.refusing() for row in self._live()):
            return None
        with self.stats.timed("commit_us"):
            offsets = _offsets(offset, len(self.rows))
            tokens_cpu, select_cpu = self.on_host(tokens), self.on_host(select)
            jobs: list[Any] = []
            found: list[Any] = []
            for row in self._live():
                shift, i = offsets[row.index] - row.start, row.index
                cells = [c for c in row.refusing() if 0 <= c - shift < tokens_cpu.shape[1] and select_cpu[i, c - shift]]
                jobs.append((row, [], shift))
                found.append([c for c in cells if row.open[c] and row.surely_refuses(c, int(tokens_cpu[i, c - shift]))])
            return self._refusals(tokens.device, select, jobs, found)

    def _refusals(
        self, device: torch.device, among: Tensor | np.ndarray, jobs: list[Any], found: list[Any]
    ) -> Refusals | None:
        among_cpu = self.on_host(among)
        where, packed = [], []
        for (row, _, shift), cells in zip(jobs, found, strict=True):
            if isinstance(cells, CfgDecodeError):
                self.errors[row.index] = cells
                continue
            for cell in sorted(cells):
                bits = row.bound(cell) if among_cpu[row.index, cell - shift] else None
                if bits is not None:
                    where.append((row.index, cell - shift))
                    packed.append(bits)
        if not where:
            return None
        table = np.zeros((len(packed), max(len(bits) for bits in packed)), dtype=np.int32)
        for u, bits in enumerate(packed):
            table[u, : len(bits)] = bits
        rows, columns = torch.tensor(where).unbind(dim=1)
        row_of = torch.arange(len(packed), dtype=torch.int32, device=device)
        return Refusals((rows, columns), MaskTable(torch.from_numpy(table).to(device), row_of))

    def commit(
        self,
        tokens: Tensor,
        select: Tensor,
        conf: Tensor | None = None,
        *,
        offset: Offset = 0,
        scores: Tensor | None = None,
    ) -> Commit:
        """Decide the selected proposals of all rows jointly, most confident first.

        `scores` float[B, P, V] (logits, noisy logits or log-probabilities) ranks the allowed tokens when one has to be
        substituted; without it the lowest allowed id is taken. Cells that already hold a token are edits.
        """
        with self.stats.timed("commit_us"):
            jobs = self._proposals(tokens, select, conf, offset)
            outcomes = self._each(
                jobs, lambda row, proposals, shift: row.commit(proposals, _best(scores, row.index, shift), self.policy)
            )
            return self._merge(tokens, select, jobs, outcomes)

    def draft(
        self,
        tokens: Tensor,
        select: Tensor,
        conf: Tensor | None = None,
        *,
        offset: Offset = 0,
        scores: Tensor | None = None,
        policy: Policy | None = None,
    ) -> Commit:
        """What `commit` would answer; the canvas stays as it is (decoders that propose everything anew each step)."""
        policy = policy or self.policy
        with self.stats.timed("commit_us"):
            jobs = self._proposals(tokens, select, conf, offset)
            outcomes = self._each(
                jobs, lambda row, proposals, shift: row.draft(proposals, _best(scores, row.index, shift), policy)
            )
            return self._merge(tokens, select, jobs, outcomes)

    def finalize(
        self, ids: Tensor, *, logits: Tensor | None = None, offset: Offset = 0, window: tuple[int, int] | None = None
    ) -> Tensor:
        """Fill the open cells (of the positions `window` = (from, to), or all) with valid text; returns new ids.

        `logits` of the window at `offset` make the filling the most probable one among their top candidates.
        """
        with self.stats.timed("finalize_us"):
            ids = ids.clone()
            offsets = _offsets(offset, len(self.rows))
            for row in self._live():
                scores = None if logits is None else _candidates(logits[row.index], row, offsets[row.index])
                cells = None if window is None else range(window[0] - row.start, window[1] - row.start)
                try:
                    filled = row.finish(scores, cells)
                except CfgDecodeError as error:
                    self.errors[row.index] = error
                    continue
                self.stats.finalized += len(filled)
                if filled:
                    where = torch.tensor([c + row.start for c in filled], device=ids.device)
                    ids[row.index, where] = torch.tensor(list(filled.values()), dtype=ids.dtype, device=ids.device)
            return ids

    def is_complete(self) -> Tensor:
        """bool[B]: no open cell and a valid text; True for rows without a constraint."""
        return torch.tensor([row is None or (not row.open.any() and bool(row.verdict())) for row in self.rows])

    def is_dead(self) -> Tensor:
        """bool[B]: the row can no longer become a valid text (only edits made without `commit` lead here)."""
        return torch.tensor([row is not None and row.verdict() is Verdict.DEAD for row in self.rows])

    # --- inside

    def _live(self) -> list[Row]:
        return [row for row in self.rows if row is not None and row.index not in self.errors]

    def _width(self) -> int:
        return max((row.start + len(row) for row in self.rows if row is not None), default=0)

    def _per_row(self, n_rows: int) -> list[Any]:
        if not isinstance(self.constraints, Sequence):
            return [self.constraints] * n_rows
        if len(self.constraints) != n_rows:
            raise CanvasError(
                f"{len(self.constraints)} constraints for a batch of {n_rows} rows; give one per row (None for a free "
                "row) or a single one for all"
            )
        return list(self.constraints)

    @staticmethod
    def _mask_id(index: int, constraint: Any, given: int | None) -> int:
        mask_id = constraint.vocabulary.mask if given is None else given
        if mask_id is None:
            raise CanvasError(f"row {index}: the vocabulary has no mask id; say which cells are open with open=")
        return int(mask_id)

    def _check_start(self, row: Row) -> None:
        verdict = row.verdict()
        if verdict is Verdict.COMPLETABLE:
            return
        n_open = int(row.open.sum())
        if verdict is Verdict.UNDECIDED:
            if self.on_undecided == "trust":
                return
            limit = row.canvas.limit
            raise LimitExceeded(
                f"row {row.index}: could not decide within the limit {limit} whether the canvas can be completed; "
                "raise it in cfgdecode.Limits, or pass on_undecided='trust'",
                limit=str(limit),
            )
        advice = (
            f"no text of the grammar fits into the {n_open} open cells; raise the generation length, "
            "or check the fixed text around them"
            if n_open
            else "the canvas has no open cell and its text is not in the grammar"
        )
        raise DeadCanvasError(f"row {row.index}: {advice}. {row.canvas.explain()}", row=row.index)

    @staticmethod
    def _guarded(row: Row, packed: np.ndarray, table: Any) -> np.ndarray:
        """The packed rows with the witness's token in any row that allows nothing, which only a limit can cause."""
        empty: np.ndarray = ~np.any(packed, axis=1)
        if not empty.any():
            return packed
        if row.verdict() is Verdict.DEAD:
            raise DeadCanvasError(
                f"row {row.index}: the canvas was changed into one that no text can complete: {row.canvas.explain()}",
                row=row.index,
            )
        witness, packed = row.canvas.witness(), packed.copy()
        for cell, u in zip(table.positions, table.row_of, strict=True):
            if empty[u]:
                packed[u] = -1 if witness is None else with_bit(packed[u], int(witness[int(cell)]))
        return packed

    def _proposals(
        self, tokens: Tensor, select: Tensor | np.ndarray, conf: Tensor | None, offset: Offset
    ) -> list[tuple[Row, list[Proposal], int]]:
        """(row, its proposals in cells, cell - column) for each constrained row that has any."""
        offsets = _offsets(offset, len(self.rows))
        tokens_cpu, select_cpu = self.on_host(tokens), self.on_host(select)
        conf_cpu = None if conf is None else self.on_host(conf)
        jobs = []
        for row in self._live():
            shift, i = offsets[row.index] - row.start, row.index
            columns = np.flatnonzero(select_cpu[i])
            columns = columns[(columns + shift >= 0) & (columns + shift < len(row))]
            if len(columns):
                cells, values = (columns + shift).tolist(), tokens_cpu[i, columns].tolist()
                scores = [0.0] * len(cells) if conf_cpu is None else [_rank(c) for c in conf_cpu[i, columns].tolist()]
                jobs.append((row, list(zip(cells, values, scores, strict=True)), shift))
        return jobs

    def _each(self, jobs: list[Any], decide: Callable[[Row, list[Proposal], int], Any]) -> list[Any]:
        """The decisions of all rows, side by side where threads are in use; a row's error stands for its decision."""

        def safely(job: Any) -> Any:
            try:
                return decide(*job)
            except CfgDecodeError as error:
                return error

        if len(jobs) > 1 and self._pool is not None:
            return list(self._pool.map(safely, jobs))
        return [safely(job) for job in jobs]

    def _merge(self, tokens: Tensor, select: Tensor, jobs: list[Any], outcomes: list[Any]) -> Commit:
        rejected = substituted = deferred = 0
        written: list[tuple[int, int, int]] = []
        deselected: list[tuple[int, int]] = []
        for (row, proposals, shift), outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, CfgDecodeError):
                self.errors[row.index] = outcome
                continue
            self.stats.proposals += len(proposals)
            rejected += outcome.n_rejected
            substituted += len(outcome.substituted)
            deferred += len(outcome.deferred)
            written += [(row.index, cell - shift, token) for cell, token in outcome.substituted.items()]
            deselected += [(row.index, cell - shift) for cell in outcome.deferred]
        if written:
            tokens_cpu = self.on_host(tokens).copy()
            for index, column, token in written:
                tokens_cpu[index, column] = token
            tokens = self.on_host.back(tokens_cpu, tokens.device)
        if deselected:
            select_cpu = self.on_host(select).copy()
            for index, column in deselected:
                select_cpu[index, column] = False
            select = self.on_host.back(select_cpu, select.device)
        self.stats.rejected += rejected
        self.stats.substituted += substituted
        self.stats.deferred += deferred
        return Commit(tokens, select, rejected, substituted, deferred)


def _rank(conf: float) -> float:
    return conf if conf == conf else 0.0


def _regions(region: Region, n_rows: int, length: int) -> list[tuple[int, int]]:
    if region is None:
        regions = [(0, length)] * n_rows
    elif len(region) == 2 and all(isinstance(x, int) for x in region):
        regions = [(int(region[0]), int(region[1]))] * n_rows  # type: ignore[arg-type]
    else:
        regions = [(int(a), int(b)) for a, b in region]  # type: ignore[misc]
    if len(regions) != n_rows:
        raise CanvasError(f"{len(regions)} regions for a batch of {n_rows} rows")
    for index, (start, end) in enumerate(regions):
        if not 0 <= start <= end <= length:
            raise CanvasError(f"row {index}: region {start}..{end} is not inside the sequence of {length} positions")
    return regions


def _offsets(offset: Offset, n_rows: int) -> list[int]:
    if isinstance(offset, int):
        return [offset] * n_rows
    return [int(x) for x in offset]


def _check_vocabulary(index: int, constraint: Any, n_logits: int | None) -> None:
    size = len(constraint.vocabulary)
    if n_logits is not None and n_logits < size:
        raise VocabularyError(
            f"row {index}: the vocabulary has {size} tokens but the model gives logits for {n_logits}; compile the "
            "grammar with this model's own tokenizer"
        )


def _best(scores: Tensor | None, index: int, shift: int) -> Any:
    def best(cell: int, ids: np.ndarray) -> int:
        if scores is None:
            return int(ids[0])
        there = scores[index, cell - shift]
        ids = ids[ids < there.shape[0]]
        values = there[torch.from_numpy(ids.astype(np.int64)).to(there.device)]
        return int(ids[int(values.nan_to_num(nan=-torch.inf).argmax())])

    return best


def _candidates(logits: Tensor, row: Row, offset: int) -> tuple[np.ndarray, np.ndarray] | None:
    """(ids int32[n_open, k], logp float32[n_open, k]) of the row's open cells; None if some lie outside the window."""
    columns = np.flatnonzero(row.open) + row.start - offset
    if not len(columns) or columns[0] < 0 or columns[-1] >= logits.shape[0]:
        return None
    there = logits[torch.from_numpy(columns).to(logits.device)].float().nan_to_num(nan=0.0).clamp(-1e20, 1e20)
    logp, ids = torch.log_softmax(there, dim=-1).topk(min(_TOP_K, there.shape[-1]), dim=-1)
    return ids.to(torch.int32).cpu().numpy(), logp.cpu().numpy()
