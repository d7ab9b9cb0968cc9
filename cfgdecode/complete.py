"""Completing a canvas: shortest, or guided by a model's scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CanvasError

if TYPE_CHECKING:
    from .canvas import Canvas


def complete(canvas: Canvas, scores: Any, positions: Iterable[int] | None) -> list[int] | None:
    """See `Canvas.complete`."""
    if scores is None:
        ids = canvas.witness()
    else:
        ids = _guided(canvas, scores)
    if ids is None or positions is None:
        return ids
    if len(ids) != len(canvas):
        raise CanvasError("positions cannot be given for a canvas with intervals; complete all of it")
    wanted = set(positions)
    return [t if s is not None or i in wanted else -1 for i, (t, s) in enumerate(zip(ids, canvas.ids, strict=True))]


def _guided(canvas: Canvas, scores: Any) -> list[int] | None:
    trial = canvas.fork()
    if not trial.is_completable():
        return None
    cells = trial.open_positions
    for row, position in enumerate(cells):
        allowed = trial.allowed(position).ids()
        trial.commit_one(position, _best(allowed, scores, row))
    return [t for t in trial.ids if t is not None]


def _best(allowed: Any, scores: Any, row: int) -> int:
    if isinstance(scores, tuple):
        ids, logp = np.asarray(scores[0])[row], np.asarray(scores[1])[row]
        inside = np.isin(ids, allowed)
        return int(ids[inside][np.argmax(logp[inside])]) if inside.any() else int(allowed[0])
    return int(allowed[np.argmax(np.asarray(scores)[row][allowed])])
