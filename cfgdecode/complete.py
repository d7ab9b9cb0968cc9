"""Completing a canvas: shortest, or most probable under a model's scores.

All cells are given their best tokens at once. If that is no text, prefixes are followed from left to right, the best of
those with different contexts (`canvas/viterbi.rs`): mostly that finds the best filling, and often it shows that there
is no better one.

If it does not, the most probable filling is looked for cell by cell, first where the second best token costs most:
branch and bound over the tokens of a cell in order of falling score, where a branch lives while the canvas stays
completable and its bound (the scores so far and the best score of every cell still open) beats the best filling found.
The first descent is the greedy filling; every further one is a better one; if the search ends before `nodes` verdicts,
the last one found is the most probable of all. Wherever a cell did not take its best token, all cells that are left are
given theirs at once: if that is a text, nothing below can be better.

The search begins with the best tokens of as many cells as one cheap look shows to fit together: of either half, else of
its halves, and so on, larger runs of cells first. So tokens that do not fit the others meet them when those are already
there, and not the other way round.

Cost: one verdict per node, which is a look-up where the token agrees with the witness; a node for each cell that the
beginning left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .canvas import COMMITTED
from .errors import CanvasError

if TYPE_CHECKING:
    from .canvas import Canvas
    from .vocabulary import Vocabulary

_SPARE_NODES = 64
"""Verdicts beyond four for each cell that the beginning of the search leaves out."""

_WIDTHS = 24, 96, 384
"""Prefixes that are followed, more of them if fewer do not show that what they find is the best."""

_CANDIDATES = 64
"""Tokens of a cell that a prefix may go on with."""

_HEAD = 256
"""Best tokens of a cell that are sorted at once."""

_TRIED = 24
"""Best tokens of a cell that are tried before its allowed set is asked for."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A filling of a canvas: all token ids, the sum of the scores of the decided cells, and whether none is better."""

    ids: list[int]
    score: float
    is_optimal: bool


def complete(canvas: Canvas, scores: Any, positions: Iterable[int] | None) -> list[int] | None:
    """See `Canvas.complete`."""
    if scores is None:
        ids = canvas.witness()
    else:
        best = most_probable(canvas, scores, None)
        ids = None if best is None else best.ids
    if ids is None or positions is None:
        return ids
    if len(ids) != len(canvas):
        raise CanvasError("positions cannot be given for a canvas with intervals; complete all of it")
    wanted = set(positions)
    return [t if s is not None or i in wanted else -1 for i, (t, s) in enumerate(zip(ids, canvas.ids, strict=True))]


def most_probable(canvas: Canvas, scores: Any, nodes: int | None) -> Completion | None:
    """See `Canvas.most_probable`."""
    trial = canvas.fork()
    if not trial.is_completable():
        return None
    columns = _columns(scores, trial)
    whole = _with_best_tokens(trial, columns)
    if whole is not None:
        return Completion(whole, sum(column.best for column in columns), True)
    known = _by_prefixes(trial, columns)
    if known is not None and known.is_optimal:
        return known
    return _Search(trial, columns, nodes, known).run()


def _with_best_tokens(canvas: Canvas, columns: list[_Column]) -> list[int] | None:
    """The canvas with the best token in each of these cells (all open ones), if one cheap look shows that it fits."""
    vocabulary, filled = canvas.constraint.vocabulary, canvas.fork()
    for column in columns:
        token = column.best_token(vocabulary)
        if token is None:
            return None
        filled._put(column.position, token, COMMITTED)
    return [t for t in filled.ids if t is not None] if filled._native.repair_at_once() else None


def _by_prefixes(canvas: Canvas, columns: list[_Column]) -> Completion | None:
    """The best filling that following prefixes from left to right finds."""
    vocabulary = canvas.constraint.vocabulary
    listed = [column.listed(vocabulary, _CANDIDATES) for column in columns]
    if not all(listed):
        return None
    total = sum(column.best for column in columns)
    # A filling with a token that is not among the candidates scores no more than this.
    others = max(total - column.best + column.next_score(len(row)) for column, row in zip(columns, listed, strict=True))
    best: Completion | None = None
    for width in _WIDTHS:
        found = canvas._native.best_filling(listed, width)
        if found is not None and (best is None or found[1] >= best.score):
            tokens, score, bound = found
            ids = dict(zip((column.position for column in columns), tokens, strict=True))
            whole = [ids[i] if token is None else token for i, token in enumerate(canvas.ids)]
            best = Completion(whole, score, score >= max(bound, others))
        if best is not None and best.is_optimal:
            break
    return best


def _by_falling_score(
    ids: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    order = np.lexsort((ids, -scores))
    return ids[order], scores[order]


class _Column:
    """The scores of one cell: token ids by falling score; a token without a score has `floor`."""

    def __init__(
        self, position: int, ids: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], floor: float
    ) -> None:
        self.position, self.floor = position, floor
        self._given = ids, scores
        n = min(_HEAD, len(ids))
        self._head_at = np.argpartition(-scores, n - 1)[:n] if 0 < n < len(ids) else np.arange(n)
        self._head_ids, self._head_scores = _by_falling_score(ids[self._head_at], scores[self._head_at])
        self.best = float(self._head_scores[0]) if n else floor

    def falling(self) -> Iterator[tuple[int, float]]:
        """The tokens with a score, by falling score. The first are at hand; the others are sorted when asked for."""
        yield from zip(self._head_ids.tolist(), self._head_scores.tolist(), strict=True)
        ids, scores = self._rest
        yield from zip(ids.tolist(), scores.tolist(), strict=True)

    @cached_property
    def _rest(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Those behind the head, by falling score."""
        ids, scores = self._given
        is_behind = np.ones(len(ids), dtype=bool)
        is_behind[self._head_at] = False
        return _by_falling_score(ids[is_behind], scores[is_behind])

    def without_score(self, tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """Those of these tokens that have no score."""
        ids, scores = self._given
        return np.setdiff1d(tokens.astype(np.int64), ids[scores != -np.inf])

    @property
    def regret(self) -> float:
        """What the second best token scores less than the best."""
        second = self.next_score(1)
        return self.best - second if second > -np.inf else np.inf

    def listed(self, vocabulary: Vocabulary, most: int) -> list[tuple[int, float]]:
        """Tokens that have a score and can be committed, by falling score, no more than `most` (below `_HEAD`)."""
        ids, scores = self._head_ids, self._head_scores
        can_be = (ids >= 0) & (ids < vocabulary.n_logits) & (scores != -np.inf)
        if vocabulary.mask is not None:
            can_be &= ids != vocabulary.mask
        found = np.flatnonzero(can_be)[:most]
        return list(zip(ids[found].tolist(), scores[found].tolist(), strict=True))

    def next_score(self, n: int) -> float:
        """No token but the best `n`, fewer than `_HEAD`, scores more."""
        return max(self.floor, float(self._head_scores[n])) if n < len(self._head_scores) else self.floor

    def best_token(self, vocabulary: Vocabulary) -> int | None:
        """The token of the highest score, if it has one and can be committed."""
        token = int(self._head_ids[0]) if len(self._head_ids) and self.best != -np.inf else -1
        return token if 0 <= token < vocabulary.n_logits and token != vocabulary.mask else None


def _columns(scores: Any, canvas: Canvas) -> list[_Column]:
    """One column per open cell, in order.

    Raises:
        CanvasError: the scores do not have one row per open cell.
    """
    cells = canvas.open_positions
    if isinstance(scores, tuple):
        ids, values = np.asarray(scores[0]), np.asarray(scores[1], dtype=np.float64)
        floor = float(values.min() - 20.0) if values.size else 0.0
        rows = [(ids[i].astype(np.int64), values[i]) for i in range(len(ids))]
    else:
        dense = np.asarray(scores, dtype=np.float64)
        floor = -np.inf
        rows = [(np.arange(dense.shape[1], dtype=np.int64), dense[i]) for i in range(len(dense))]
    if len(rows) != len(cells):
        raise CanvasError(f"scores have {len(rows)} rows; give one for each of the {len(cells)} open cells, in order")
    made = []
    for position, (ids, row) in zip(cells, rows, strict=True):
        row = np.nan_to_num(row, nan=-np.inf, posinf=np.finfo(np.float64).max)
        made.append(_Column(position, ids, row, floor))
    return made


class _Search:
    def __init__(self, canvas: Canvas, columns: list[_Column], nodes: int | None, known: Completion | None) -> None:
        self.canvas = canvas
        self.best = known
        self.is_complete = True
        begun = {column.position for column in self._begin(columns)}
        # Those of the beginning first: their tokens are put already, so that each is a node that costs nothing.
        self.columns = sorted(
            columns, key=lambda c: (-np.inf if c.position in begun else -c.regret, -c.best, c.position)
        )
        most = 4 * (len(columns) - len(begun)) + _SPARE_NODES if known is None else _SPARE_NODES
        self.nodes = len(begun) + (most if nodes is None else nodes)
        # bound[k]: the best that the columns from k on can give.
        self.bound = np.concatenate([np.cumsum([c.best for c in self.columns[::-1]])[::-1], [0.0]])

    def _begin(self, columns: list[_Column]) -> list[_Column]:
        """Puts the best tokens of runs of cells, the longest that fit at once; the columns of them."""
        vocabulary = self.canvas.constraint.vocabulary
        runs = [columns[: len(columns) // 2], columns[len(columns) // 2 :]]
        kept: list[_Column] = []
        while runs and len(runs[0]) > 1:
            halves = []
            for run in runs:
                tokens = [column.best_token(vocabulary) for column in run]
                best = [(c.position, t, c.best) for c, t in zip(run, tokens, strict=True) if t is not None]
                if len(best) == len(run) and self.canvas._keep_all(best):
                    kept += run
                else:
                    halves += [run[: len(run) // 2], run[len(run) // 2 :]]
            runs = sorted(halves, key=len, reverse=True)
        return kept

    def run(self) -> Completion | None:
        """Depth first without recursion: one iterator of choices for each cell decided."""
        stack: list[Iterator[tuple[int, float]]] = []
        totals = [0.0]
        while True:
            depth = len(stack)
            if self._took_another(depth) and self._all_best(depth, totals[-1]):
                if not self._back(stack, totals):
                    break
                continue
            stack.append(self._choices(self.columns[depth], totals[-1], depth))
            if not self._next(stack, totals):
                break
        if self.best is None:
            return None
        return Completion(self.best.ids, self.best.score, self.is_complete)

    def _took_another(self, depth: int) -> bool:
        """The cell decided last did not take its best token, or all are decided."""
        if depth == 0:
            return False
        column = self.columns[depth - 1]
        best = column.best_token(self.canvas.constraint.vocabulary)
        return depth == len(self.columns) or self.canvas.ids[column.position] != best

    def _all_best(self, depth: int, total: float) -> bool:
        """Give the columns from `depth` on their best tokens; tells whether that is a text. A better one is kept."""
        total += self.bound[depth]
        ids = _with_best_tokens(self.canvas, self.columns[depth:])
        if ids is not None and (self.best is None or total > self.best.score):
            self.best = Completion(ids, total, False)
        return ids is not None

    def _next(self, stack: list[Iterator[tuple[int, float]]], totals: list[float]) -> bool:
        """Take the next choice of the deepest cell that has one; False at the end of the search."""
        while stack:
            choice = next(stack[-1], None)
            if choice is not None:
                totals.append(totals[-1] + choice[1])
                return True
            stack.pop()
            if stack:
                totals.pop()
                self.canvas.reopen(self.columns[len(stack) - 1].position)
        return False

    def _back(self, stack: list[Iterator[tuple[int, float]]], totals: list[float]) -> bool:
        if not stack:
            return False
        totals.pop()
        self.canvas.reopen(self.columns[len(stack) - 1].position)
        return self._next(stack, totals)

    def _choices(self, column: _Column, total: float, depth: int) -> Iterator[tuple[int, float]]:
        """Tokens that keep the canvas completable and the bound above the best, by falling score; each is put."""
        rest = self.bound[depth + 1]
        tried = 0
        allowed: set[int] | None = None
        for token, score in self._candidates(column):
            if self.best is not None and total + score + rest <= self.best.score:
                return
            if self.best is not None and self.nodes <= 0:
                self.is_complete = False
                return
            if tried == _TRIED and allowed is None:
                table = self.canvas.allowed(column.position)
                allowed = set(table)
                self.is_complete &= table.is_exact
            if allowed is not None and token not in allowed:
                continue
            tried += 1
            self.nodes -= 1
            if self.canvas.commit_one(column.position, token):
                yield token, score
            elif self.canvas.limit is not None:
                self.is_complete = False

    def _candidates(self, column: _Column) -> Iterator[tuple[int, float]]:
        width = self.canvas.constraint.vocabulary.n_logits
        for token, score in column.falling():
            if 0 <= token < width and score != -np.inf:
                yield token, score
        rest = column.without_score(self.canvas.allowed(column.position).ids())
        for token in rest.tolist():
            yield token, column.floor
