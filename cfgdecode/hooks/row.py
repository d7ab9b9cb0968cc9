"""One batch row: a canvas of the engine, the ids it was last told, and the mask work under way for it.

Terms: a *cell* is an index into the row's region (the response), a *position* an index into the whole sequence;
cell = position - start. A *proposal* is (cell, token, score); an *edit* is a proposal for a cell that already holds a
token (LLaDA2.1's token editing, re-noising), which is reopened first.

Invariants: while a mask job runs, nobody else touches the canvas (every other method waits for it). A canvas that
was completable stays completable through `commit` and `finish`: they write only tokens that the engine accepted.
Cost: `set` is one comparison of the ids when nothing changed; a commit asks the engine once for all proposals and once
more for every rejected one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from cfgdecode.errors import DeadCanvasError

Policy = Literal["substitute", "defer", "strict"]
Proposal = tuple[int, int, float]
Best = Callable[[int, np.ndarray], int]
"""(cell, allowed ids) -> the allowed id that the model likes best there."""


@dataclass
class RowCommit:
    """What became of one row's proposals, in cells."""

    kept: dict[int, int] = field(default_factory=dict)
    substituted: dict[int, int] = field(default_factory=dict)
    deferred: list[int] = field(default_factory=list)
    n_rejected: int = 0


class Row:
    """A constrained row of a batch."""

    def __init__(
        self, index: int, constraint: Any, ids: np.ndarray, open: np.ndarray, start: int, gaps: Any = None
    ) -> None:
        self.index, self.constraint, self.start = index, constraint, start
        self.ids, self.open = ids.copy(), open.copy()
        self.canvas = constraint.canvas(self.ids, open=self.open, **({"gaps": gaps} if gaps else {}))
        self.mask_us = 0
        self._job: Future[Any] | None = None
        self._table: Any = None

    def __len__(self) -> int:
        return len(self.ids)

    def set(self, ids: np.ndarray, open: np.ndarray) -> bool:
        """Make (ids, open) the truth; tells whether the engine had to be told."""
        if np.array_equal(open, self.open) and np.array_equal(ids[~open], self.ids[~open]):
            return False
        self.settle()
        self.ids, self.open, self._table = ids.copy(), open.copy(), None
        self.canvas.set(self.ids, self.open)
        return True

    def start_masks(self, pool: Executor | None) -> None:
        """Begin the allowed sets of all open cells; with no pool they are made when asked for."""
        if pool is not None and self._job is None and self._table is None and self.open.any():
            self._job = pool.submit(self._make_table)

    def settle(self) -> None:
        """Wait for the mask job."""
        if self._job is not None:
            job, self._job = self._job, None
            self._table = job.result()

    def table(self) -> Any:
        """The engine's `AllowedTable` of the canvas as it is."""
        self.settle()
        if self._table is None:
            self._table = self._make_table()
        return self._table

    def commit(self, proposals: Sequence[Proposal], best: Best, policy: Policy) -> RowCommit:
        """Write as many proposals as the canvas can take together, best score first; see `Policy` for the others."""
        self.settle()
        self._table = None
        ranked = sorted(proposals, key=lambda p: -p[2])
        before = {cell: int(self.ids[cell]) for cell, _, _ in ranked if not self.open[cell]}
        for cell in before:
            self.canvas.reopen(cell)
        done = RowCommit()
        done.kept = {int(cell): int(token) for cell, token in self.canvas.commit(ranked, policy="defer").kept}
        rejected = [p for p in ranked if p[0] not in done.kept]
        done.n_rejected = len(rejected)
        if rejected and policy == "strict":
            cell, token, _ = rejected[0]
            raise DeadCanvasError(
                f"row {self.index}: token {token} cannot stand at position {self.start + cell}: "
                f"{self.canvas.explain(cell, token)}",
                row=self.index,
                position=self.start + cell,
            )
        for cell, _, _ in rejected:
            if cell in before and self.canvas.commit_one(cell, before[cell]):
                done.substituted[cell] = before[cell]
            elif policy == "defer" and cell not in before and (done.kept or done.substituted):
                done.deferred.append(cell)
            else:
                token = self._substitute(cell, best)
                if token is None:
                    done.deferred.append(cell)
                else:
                    done.substituted[cell] = token
        for cell, token in (done.kept | done.substituted).items():
            self.ids[cell], self.open[cell] = token, False
        return done

    def draft(self, proposals: Sequence[Proposal], best: Best, policy: Policy) -> RowCommit:
        """What `commit` would do, on a copy of the canvas."""
        self.settle()
        kept = self.canvas, self.ids, self.open, self._table
        self.canvas, self.ids, self.open = self.canvas.fork(), self.ids.copy(), self.open.copy()
        try:
            return self.commit(proposals, best, policy)
        finally:
            self.canvas, self.ids, self.open, self._table = kept

    def finish(self, scores: Any, cells: Iterable[int] | None = None) -> dict[int, int]:
        """Fill the open cells (or those among `cells`) from the most probable completion; {} when none is open."""
        self.settle()
        wanted = [int(c) for c in np.flatnonzero(self.open)]
        if cells is not None:
            chosen = set(cells)
            wanted = [c for c in wanted if c in chosen]
        if not wanted:
            return {}
        full = self.canvas.complete(scores=scores) if scores is not None else None
        full = full or self.canvas.complete() or self.canvas.witness()
        if full is None:
            raise DeadCanvasError(
                f"row {self.index}: the canvas cannot be completed: {self.canvas.explain()}", row=self.index
            )
        self._table = None
        filled = {c: int(full[c]) for c in wanted}
        for c, token in filled.items():
            self.ids[c], self.open[c] = token, False
        self.canvas.set(self.ids, self.open)
        return filled

    def _make_table(self) -> Any:
        start = time.perf_counter_ns()
        table = self.canvas.allowed_all()
        self.mask_us += (time.perf_counter_ns() - start) // 1000
        return table

    def _substitute(self, cell: int, best: Best) -> int | None:
        ids = np.asarray(self.canvas.allowed(cell).ids())
        if len(ids):
            token = best(cell, ids)
            if self.canvas.commit_one(cell, token):
                return token
        # Only a limit of the engine leads here: its witness is a filling that it has proved.
        witness = self.canvas.witness()
        if witness is not None and self.canvas.commit_one(cell, int(witness[cell])):
            return int(witness[cell])
        return None
