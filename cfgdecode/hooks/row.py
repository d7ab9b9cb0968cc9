"""One batch row: a canvas of the engine, the ids it was last told, and the mask work under way for it.

Terms: a *cell* is an index into the row's region (the response), a *position* an index into the whole sequence;
cell = position - start. A *proposal* is (cell, token, score); an *edit* is a proposal for a cell that already holds a
token (LLaDA2.1's token editing, re-noising), which is reopened first.

Invariants: while a job runs, nobody else touches the canvas or the bounds (every other method waits for it). A canvas
that was completable stays completable through `commit` and `finish`: they write only tokens that the engine accepted.
Limits: where the engine cannot decide a proposal, it counts as refused and is not asked about again; a table is
missing (None: no filter for that step), and a cell takes its token from the last proved witness; so a limit costs
freedom, never validity.
Cost: `set` is one comparison of the ids when nothing changed; a commit asks the engine once for all proposals and once
more for every rejected one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from cfgdecode.canvas import Verdict
from cfgdecode.errors import CfgDecodeError, DeadCanvasError, LimitExceeded

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


_TRIES = 2
"""Refusals after which a cell is asked for all that it allows."""


@dataclass
class Bound:
    """What a cell may allow, as far as its refusals tell. It allows no more since: a canvas that fills up allows less.

    `bits` int32[W]: at first all tokens but the refused ones; after two refusals what the engine says.
    `is_exact`: no other token is allowed.
    """

    bits: np.ndarray
    is_exact: bool = True
    refused: set[int] = field(default_factory=set)

    def refuses(self, token: int) -> bool:
        """Is the token surely not allowed."""
        if token in self.refused or not 0 <= token < 32 * len(self.bits):
            return True
        return self.is_exact and not has_bit(self.bits, token)


class Row:
    """A constrained row of a batch."""

    def __init__(
        self,
        index: int,
        constraint: Any,
        ids: np.ndarray,
        open: np.ndarray,
        start: int,
        gaps: Any = None,
        lane: int = 0,
    ) -> None:
        self.index, self.constraint, self.start = index, constraint, start
        self.ids, self.open = ids.copy(), open.copy()
        self.canvas = constraint.canvas(self.ids, open=self.open, lane=lane, **({"gaps": gaps} if gaps else {}))
        self.mask_us = 0
        self.aim_us = 0
        self._job: Future[None] | None = None
        self._table: Any = None
        self._has_table = False
        self._proved: list[int] | None = None
        self._drafted: tuple[list[Proposal], Any, RowCommit] | None = None
        self._bounds: dict[int, Bound] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def set(self, ids: np.ndarray, open: np.ndarray) -> bool:
        """Make (ids, open) the truth; tells whether the engine had to be told."""
        if np.array_equal(open, self.open) and np.array_equal(ids[~open], self.ids[~open]):
            return False
        self.settle()
        self.ids, self.open, self._has_table, self._proved = ids.copy(), open.copy(), False, None
        self._drafted, self._bounds = None, {}
        self.canvas.set(self.ids, self.open)
        return True

    def start_masks(self, pool: Executor | None) -> None:
        """Begin the allowed sets of all open cells; with no pool they are made when asked for."""
        if pool is not None and self._job is None and not self._has_table and self.open.any():
            self._job = pool.submit(self._make_table)

    def start_aim(self, proposals: Sequence[Proposal], pool: Executor | None) -> None:
        """Begin `aim`; with no pool it is done at once."""
        self.settle()
        if pool is not None:
            self._job = pool.submit(self.aim, proposals)
        else:
            self.aim(proposals)

    def settle(self) -> None:
        """Wait for the job under way."""
        if self._job is not None:
            job, self._job = self._job, None
            job.result()

    def table(self) -> Any:
        """The engine's `AllowedTable` of the canvas as it is; None if it ran into a limit."""
        self.settle()
        if not self._has_table:
            self._make_table()
        return self._table

    def aim(self, proposals: Sequence[Proposal]) -> None:
        """Get ready for proposals that are likely to come.

        The witness of the canvas is changed into one that agrees with as many of them as can stand together, best score
        first, so that to accept them is a comparison; of the others, those that cannot stand at all are noted.
        """
        start = time.perf_counter_ns()
        mask = self.constraint.vocabulary.mask
        likely = [p for p in proposals if p[1] != mask and not self._surely_refuses(*p[:2])]
        ranked = sorted(likely, key=lambda p: -p[2])
        try:
            canvas, together = self._together(ranked)
            self._note_impossible(ranked, together)
            canvas.verdict()  # finds the witness again, should the last proposal have been refused
            for cell in together:
                canvas.reopen(cell)
            self.canvas = canvas
        except CfgDecodeError:
            pass  # Should they really be proposed, the step says what is wrong with them.
        self.aim_us += (time.perf_counter_ns() - start) // 1000

    def refused(self, proposals: Sequence[Proposal]) -> list[int]:
        """The cells whose proposal cannot stand there, whatever the other cells hold, or cannot be decided.

        Mostly all proposals can stand together, and one question says so; its answer serves the commit that follows.
        """
        self.settle()
        ranked = sorted(proposals, key=lambda p: -p[2])
        canvas, together = self._together(ranked)
        if len(together) == len(ranked):
            self._drafted = ranked, canvas, RowCommit(together)
            return []
        return self._note_impossible(ranked, together)

    def _together(self, ranked: Sequence[Proposal]) -> tuple[Any, dict[int, int]]:
        """A copy of the canvas with the proposals that it took one after the other, and these."""
        canvas = self.canvas.fork()
        return canvas, {cell: token for cell, token, _ in ranked if canvas.commit_one(cell, token)}

    def _note_impossible(self, ranked: Sequence[Proposal], together: dict[int, int]) -> list[int]:
        """Those of the others that cannot stand alone either; what was asked before any was taken was asked alone."""
        n_alone = next((k for k, (cell, _, _) in enumerate(ranked) if cell in together), len(ranked))
        others = [(k < n_alone, cell, token) for k, (cell, token, _) in enumerate(ranked) if cell not in together]
        refused = [(cell, token) for is_known, cell, token in others if is_known or not self._can_take(cell, token)]
        for cell, token in refused:
            self._note_refused(cell, token)
        return [cell for cell, _ in refused]

    def surely_refuses(self, cell: int, token: int) -> bool:
        """Is it known from an earlier step that the open cell cannot take this token."""
        self.settle()
        return self._surely_refuses(cell, token)

    def _surely_refuses(self, cell: int, token: int) -> bool:
        bound = self._bounds.get(cell)
        return bound is not None and bound.refuses(token)

    def refusing(self) -> Collection[int]:
        """The cells that have refused a token since the last edit."""
        return self._bounds

    def bound(self, cell: int) -> np.ndarray | None:
        """int32[W]: what a cell may allow since it refused something, never nothing."""
        bound = self._bounds.get(cell)
        return None if bound is None else bound.bits

    def _note_refused(self, cell: int, token: int) -> None:
        """Tokens are ruled out one by one, as a model that is mostly right has the next one; then all that are left."""
        bound = self._bounds.get(cell) or Bound(self._every_token())
        bound.refused.add(token)
        bound.bits = without_bits(bound.bits, [token])
        if len(bound.refused) % _TRIES == 0 or not bound.bits.any():
            self._ask_set(cell, bound)
        if not bound.bits.any():
            witness = self._witness()
            if witness is None:
                self._bounds.pop(cell, None)
                return
            bound.bits = with_bit(bound.bits, int(witness[cell]))
        self._bounds[cell] = bound

    def _ask_set(self, cell: int, bound: Bound) -> None:
        """Make the bound what the cell allows now."""
        try:
            allowed = self.canvas.allowed(cell)
        except LimitExceeded:
            return
        bits = without_bits(np.asarray(allowed.bitmask(), dtype=np.int32), bound.refused)
        if bits.any():
            bound.bits, bound.is_exact = bits, bool(allowed.is_exact)

    def _every_token(self) -> np.ndarray:
        vocabulary = self.constraint.vocabulary
        n_words = -(-len(vocabulary) // 32)
        past = range(len(vocabulary), 32 * n_words)
        mask = [] if vocabulary.mask is None else [vocabulary.mask]
        return without_bits(np.full(n_words, -1, dtype=np.int32), [*past, *mask])

    def _can_take(self, cell: int, token: int) -> bool:
        if token == self.constraint.vocabulary.mask:
            return False
        return self.canvas.would_accept(cell, token) is Verdict.COMPLETABLE

    def commit(self, proposals: Sequence[Proposal], best: Best, policy: Policy) -> RowCommit:
        """Write as many proposals as the canvas can take together, best score first; see `Policy` for the others."""
        self.settle()
        self._has_table = False
        ranked = sorted(proposals, key=lambda p: -p[2])
        drafted, self._drafted = self._drafted, None
        if drafted is not None and drafted[0] == ranked:
            self.canvas, done = drafted[1:]
            for cell, token in done.kept.items():
                self.ids[cell], self.open[cell] = token, False
            return done
        before = {cell: int(self.ids[cell]) for cell, _, _ in ranked if not self.open[cell]}
        for cell in before:
            self.canvas.reopen(cell)
            self._bounds = {}
        done = RowCommit()
        result = self.canvas.commit(ranked, policy="defer")
        done.kept = {int(cell): int(token) for cell, token in result.kept}
        for cell, _, _ in result.substituted:
            self.canvas.reopen(cell)
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
                substitute = self._substitute(cell, best)
                if substitute is None:
                    done.deferred.append(cell)
                else:
                    done.substituted[cell] = substitute
        for cell, token in (done.kept | done.substituted).items():
            self.ids[cell], self.open[cell] = token, False
        return done

    def draft(self, proposals: Sequence[Proposal], best: Best, policy: Policy) -> RowCommit:
        """What `commit` would do, on a copy of the canvas."""
        self.settle()
        kept = self.canvas, self.ids, self.open, self._has_table, self._proved, self._bounds
        self.canvas, self.ids, self.open = self.canvas.fork(), self.ids.copy(), self.open.copy()
        try:
            return self.commit(proposals, best, policy)
        finally:
            self.canvas, self.ids, self.open, self._has_table, self._proved, self._bounds = kept

    def finish(self, scores: Any, cells: Iterable[int] | None = None) -> dict[int, int]:
        """Fill the open cells (or those among `cells`) from the most probable completion; {} when none is open."""
        self.settle()
        wanted = [int(c) for c in np.flatnonzero(self.open)]
        if cells is not None:
            chosen = set(cells)
            wanted = [c for c in wanted if c in chosen]
        if not wanted:
            return {}
        full = self._completed(scores)
        if full is None:
            raise DeadCanvasError(
                f"row {self.index}: the canvas cannot be completed: {self.canvas.explain()}", row=self.index
            )
        self._has_table, self._drafted = False, None
        filled = {c: int(full[c]) for c in wanted}
        for c, token in filled.items():
            self.ids[c], self.open[c] = token, False
        self.canvas.set(self.ids, self.open)
        return filled

    def verdict(self) -> Verdict:
        """The engine's verdict on the canvas as it is."""
        self.settle()
        verdict: Verdict = self.canvas.verdict()
        return verdict

    def _make_table(self) -> None:
        start = time.perf_counter_ns()
        try:
            self._table = self.canvas.allowed_all()
        except LimitExceeded:
            self._table = None
        self._has_table = True
        self.mask_us += (time.perf_counter_ns() - start) // 1000

    def _substitute(self, cell: int, best: Best) -> int | None:
        try:
            ids = np.asarray(self.canvas.allowed(cell).ids())
        except LimitExceeded:
            ids = np.zeros(0, dtype=np.int32)
        if len(ids):
            token = best(cell, ids)
            if self.canvas.commit_one(cell, token):
                return token
        # Only a limit of the engine leads here: the token of a filling that it has proved needs no further answer.
        witness = self._witness()
        if witness is None:
            return None
        token = int(witness[cell])
        if not self.canvas.commit_one(cell, token):
            ids, open = self.canvas_state()
            ids[cell], open[cell] = token, False
            self.canvas.set(ids, open)
        return token

    def canvas_state(self) -> tuple[np.ndarray, np.ndarray]:
        """(ids, open) as the engine's canvas has them."""
        cells = self.canvas.ids
        open = np.array([t is None for t in cells], dtype=bool)
        return np.array([0 if t is None else t for t in cells], dtype=np.int64), open

    def _completed(self, scores: Any) -> list[int] | None:
        if scores is not None:
            try:
                full: list[int] | None = self.canvas.complete(scores=scores)
            except LimitExceeded:
                full = None
            if full is not None:
                return full
        return self._witness()

    def _witness(self) -> list[int] | None:
        """A filling of the canvas as it is: the engine's, or the last one proved if that still agrees with it."""
        try:
            witness = self.canvas.witness()
        except LimitExceeded:
            witness = None
        if witness is not None:
            self._proved = list(witness)
        elif self._proved is not None:
            ids, open = self.canvas_state()
            if not np.array_equal(ids[~open], np.array(self._proved, dtype=np.int64)[~open]):
                self._proved = None
        return self._proved


def has_bit(packed: np.ndarray, token: int) -> bool:
    """Does the packed row hold the token."""
    return bool(int(packed[token >> 5]) >> (token & 31) & 1)


def with_bit(packed: np.ndarray, token: int) -> np.ndarray:
    """A copy of a packed row with one more token."""
    packed = packed.copy()
    packed.view(np.uint32)[token >> 5] |= np.uint32(1 << (token & 31))
    return packed


def without_bits(packed: np.ndarray, tokens: Iterable[int]) -> np.ndarray:
    """A copy of a packed row without some tokens."""
    packed = packed.copy()
    words = packed.view(np.uint32)
    for token in tokens:
        if 0 <= token < 32 * len(packed):
            words[token >> 5] &= ~np.uint32(1 << (token & 31))
    return packed
