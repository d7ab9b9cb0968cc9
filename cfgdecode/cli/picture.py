"""Some steps of a run as one SVG file."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

_SHOWN = 3


def draw(frames: Sequence[RenderableType], path: str) -> None:
    """The first frame, one from the middle, the last."""
    console = Console(record=True, width=84, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    last = len(frames) - 1
    for i in sorted({round(last * k / (_SHOWN - 1)) for k in range(_SHOWN)}):
        console.print(frames[i])
    console.save_svg(path, title="cfgdecode infill", theme=DEFAULT_TERMINAL_THEME)
