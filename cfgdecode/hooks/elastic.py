"""A canvas whose gaps may grow and shrink: the checks for decoders that insert and delete masks.

Each maximal run of k masks stands for 0 .. k + spare tokens, where spare is the room that the whole sequence has left.
The gaps share that room, so a state is accepted only if the engine's shortest completion fits into `max_length`
altogether; this shortest completion is also what `finish` and the last resort of `choose` write.
Cost: one canvas per check; a step checks its proposals and, for a refused one, at most `_SCAN` alternatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cfgdecode.errors import CanvasError, DeadCanvasError

_SCAN = 32
"""Alternatives tried, best first, before a cell takes the token of the shortest completion."""


def runs(open: Sequence[bool]) -> list[tuple[int, int]]:
    """(start, length) of each maximal run of open cells."""
    found: list[tuple[int, int]] = []
    for i, is_open in enumerate(open):
        if is_open and found and sum(found[-1]) == i:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        elif is_open:
            found.append((i, 1))
    return found


class ElasticCanvas:
    """Checks for one sequence; `ids` holds tokens, None stands for a mask."""

    def __init__(self, constraint: Any, *, skip_prefix: int = 0, skip_suffix: int = 0, max_length: int) -> None:
        """The text is what lies between the first `skip_prefix` and the last `skip_suffix` tokens."""
        if getattr(constraint, "eos_policy", "none") != "none":
            raise CanvasError(
                "a canvas that grows and shrinks ends where its text ends; compile the constraint with "
                'eos_policy="none"'
            )
        self.constraint = constraint
        self.skip_prefix, self.skip_suffix, self.max_length = skip_prefix, skip_suffix, max_length

    def shortest(self, ids: Sequence[int | None]) -> list[int] | None:
        """A shortest completion of the whole sequence that fits, or None."""
        text = list(ids[self.skip_prefix : len(ids) - self.skip_suffix])
        open = np.array([t is None for t in text])
        spare = self.max_length - len(ids)
        gaps = {start: (0, length + spare) for start, length in runs(open.tolist())}
        cells = np.array([0 if t is None else t for t in text], dtype=np.int64)
        canvas = self.constraint.canvas(cells, open=open, gaps=gaps)
        full = canvas.complete() if canvas.verdict() else None
        if full is None or len(full) + self.skip_prefix + self.skip_suffix > self.max_length:
            return None
        tail = ids[len(ids) - self.skip_suffix :]
        return [int(t) for t in (*ids[: self.skip_prefix], *full, *tail)]

    def begin(self, ids: Sequence[int | None]) -> None:
        """Raise unless the sequence can become a text within max_length."""
        if self.shortest(ids) is None:
            raise DeadCanvasError(
                f"no text of the grammar fits around the given text within {self.max_length} tokens; raise max_masks, "
                "or check the fixed text",
                row=0,
            )

    def choose(
        self, ids: list[int | None], cell: int, token: int, ranked: Sequence[int], delete_id: int | None
    ) -> tuple[list[int | None], bool]:
        """The sequence with `cell` decided, and whether `token` was refused; `ranked` are alternatives, best first."""
        for i, candidate in enumerate([token, *[t for t in ranked if t != token][:_SCAN]]):
            after = self._written(ids, cell, candidate, delete_id)
            if self.shortest(after) is not None:
                return after, i > 0
        return self._from_shortest(ids, cell), True

    @staticmethod
    def _written(ids: list[int | None], cell: int, token: int, delete_id: int | None) -> list[int | None]:
        return ids[:cell] + ([] if token == delete_id else [token]) + ids[cell + 1 :]

    def _from_shortest(self, ids: list[int | None], cell: int) -> list[int | None]:
        """Decide `cell` as the shortest completion of the sequence would have it (there is one, by invariant)."""
        for token in (t for t in dict.fromkeys(self.shortest(ids) or []) if t is not None):
            after = self._written(ids, cell, token, None)
            if self.shortest(after) is not None:
                return after
        return ids[:cell] + ids[cell + 1 :]
