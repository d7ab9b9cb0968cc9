"""A canvas whose gaps may grow and shrink: the checks for decoders that insert and delete masks.

Each maximal run of masks stands for any number of tokens, none included. All share the room that the decided tokens
leave in `max_length`, so a state is accepted only if the engine's shortest completion fits into it altogether; this
shortest completion is also where the last resort of `choose` takes its tokens from.
Invariant: what `choose` returns has such a completion if what it was given has.
Cost: one canvas per check; a step checks its proposals and, for a refused one, at most `_SCAN` alternatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cfgdecode.canvas import COMMITTED, Canvas
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
        canvas = self._canvas(ids)
        return None if canvas is None else self._completed(canvas, ids)

    def _canvas(self, ids: Sequence[int | None]) -> Canvas | None:
        """The text with its gaps; None if what is decided has no room."""
        text = list(ids[self.skip_prefix : len(ids) - self.skip_suffix])
        open = np.array([t is None for t in text])
        room = self.max_length - sum(t is not None for t in ids)
        if room < 0:
            return None
        gaps = {start: (0, None) for start, _ in runs(open.tolist())}
        cells = np.array([0 if t is None else t for t in text], dtype=np.int64)
        canvas: Canvas = self.constraint.canvas(cells, open=open, gaps=gaps)
        return canvas

    def _completed(self, canvas: Canvas, ids: Sequence[int | None]) -> list[int] | None:
        full = canvas.complete() if canvas.verdict() else None
        if full is None or len(full) + self.skip_prefix + self.skip_suffix > self.max_length:
            return None
        tail = [t for t in ids[len(ids) - self.skip_suffix :] if t is not None]
        return [*(t for t in ids[: self.skip_prefix] if t is not None), *full, *tail]

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
        canvas: Canvas | None = None
        for i, candidate in enumerate([token, *[t for t in ranked if t != token][:_SCAN]]):
            after = self._written(ids, cell, candidate, delete_id)
            if candidate == delete_id or canvas is None:
                trial = self._canvas(after)
                canvas = canvas if candidate == delete_id else trial
            else:
                # The same but for one token: what lies on either side of it has been worked out.
                trial = canvas.fork()
                trial._put(cell - self.skip_prefix, candidate, COMMITTED)
            if trial is not None and self._completed(trial, after) is not None:
                return after, i > 0
        return self._from_shortest(ids, cell), True

    @staticmethod
    def _written(ids: list[int | None], cell: int, token: int, delete_id: int | None) -> list[int | None]:
        return ids[:cell] + ([] if token == delete_id else [token]) + ids[cell + 1 :]

    def _from_shortest(self, ids: list[int | None], cell: int) -> list[int | None]:
        """Decide `cell` as the shortest completion of the sequence has it: one token, none, or one of several."""
        tokens: list[int | None] = list(dict.fromkeys(self.shortest(ids) or []))
        before, behind = ids[:cell], ids[cell + 1 :]
        ways = [*([t] for t in tokens), [], *([t, None] for t in tokens)]
        return next((after for way in ways if self.shortest(after := [*before, *way, *behind]) is not None), ids)
