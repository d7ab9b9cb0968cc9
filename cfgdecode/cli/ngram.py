"""A denoiser without a neural net: interpolated n-grams that look at both sides of a cell.

What: `scores(ids, is_open)` gives log-probabilities float32[n_open, V], one row per open cell, as a diffusion model
would; it knows nothing of the grammar. A cell's distribution is the product of a left model P(t | what stands left)
and a right model P(t | what stands right), each interpolated over context lengths 0 to `order - 1`; contexts end at
the next open cell, so a cell deep inside a gap is little more than a unigram guess.
Cost: O(n * order) to train, O(V + matches) per open cell.
Source: Jelinek & Mercer 1980 for the interpolation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_NEW_WEIGHT = 0.2  # share of the shorter context's estimate in a longer context's


class NGram:
    """Counts of what follows, and what precedes, each context of up to `order - 1` tokens."""

    def __init__(self, n_logits: int, banned: Sequence[int] = (), order: int = 4) -> None:
        self._order, self._n = order, n_logits
        self._after: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        self._before: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        self._banned = np.array(sorted(set(banned)), dtype=np.int64)

    def train(self, ids: Sequence[int | None], weight: int = 1) -> None:
        """Count one text; None stands for an open cell, which no context reaches across."""
        for i, token in enumerate(ids):
            if token is None:
                continue
            for context in self._contexts(ids, i, -1):
                self._after[context][token] += weight
            for context in self._contexts(ids, i, 1):
                self._before[context][token] += weight

    def scores(self, ids: Sequence[int | None]) -> npt.NDArray[np.float32]:
        """Log-probabilities float32[n_open, V], one row per None in `ids`."""
        rows = [self._row(ids, i) for i, token in enumerate(ids) if token is None]
        return np.stack(rows) if rows else np.zeros((0, self._n), dtype=np.float32)

    def _row(self, ids: Sequence[int | None], i: int) -> npt.NDArray[np.float32]:
        left = self._estimate(self._after, self._contexts(ids, i, -1))
        right = self._estimate(self._before, self._contexts(ids, i, 1))
        unigram = self._estimate(self._after, [()])
        row = left * right / unigram
        row[self._banned] = 0.0
        with np.errstate(divide="ignore"):
            logp: npt.NDArray[np.float32] = np.log(row / row.sum()).astype(np.float32)
        return logp

    def _estimate(
        self, counts: dict[tuple[int, ...], Counter[int]], contexts: Sequence[tuple[int, ...]]
    ) -> npt.NDArray[np.float64]:
        estimate = np.full(self._n, 1.0 / self._n)
        for context in contexts:
            seen = counts.get(context)
            if seen:
                estimate *= _NEW_WEIGHT
                total = sum(seen.values())
                estimate[list(seen)] += (1 - _NEW_WEIGHT) * np.array(list(seen.values())) / total
        return estimate

    def _contexts(self, ids: Sequence[int | None], i: int, step: int) -> list[tuple[int, ...]]:
        """The contexts of cell i on one side, the shortest first, nearest token first."""
        contexts: list[tuple[int, ...]] = [()]
        at = i + step
        while len(contexts) < self._order and 0 <= at < len(ids) and (token := ids[at]) is not None:
            contexts.append((*contexts[-1], token))
            at += step
        return contexts
