"""The canvas of a running `infill`, coloured: open, committed, substituted."""

from __future__ import annotations

from collections.abc import Collection

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from cfgdecode.canvas import Canvas

from .regions import Opened

STYLES = {"open": "black on yellow", "committed": "black on green", "substituted": "black on magenta"}
_WIDTH = 2000  # characters around the regions; a longer file is cut


def canvas_text(canvas: Canvas, opened: Opened, substituted: Collection[int]) -> Text:
    """The file with its cells coloured."""
    text, first = Text(), None
    inside = {i for start, end in opened.regions for i in range(start, end)}
    pending = b""
    for i, token in enumerate(canvas.ids):
        if i in inside and first is None:
            first = len(text)
        if token is None:
            text.append(pending.decode("utf-8", "replace") + "\N{MIDDLE DOT}", STYLES["open"])
            pending = b""
            continue
        pending += opened.cell(i, token)
        try:
            shown = pending.decode("utf-8")
        except UnicodeDecodeError:
            continue
        pending = b""
        kind = "substituted" if i in substituted else "committed" if i in inside else ""
        text.append(shown, STYLES.get(kind, ""))
    start = max(min((first or 0) - 200, len(text) - _WIDTH), 0)
    return text[start : start + _WIDTH]


def legend(step: int, n_open: int, n_substituted: int) -> Text:
    """One line: what the colours mean and how far decoding is."""
    line = Text(f"step {step}: ")
    for kind, count in (("open", n_open), ("committed", None), ("substituted", n_substituted)):
        line.append(f" {kind} ", STYLES[kind])
        line.append(f" {count}  " if count is not None else "  ")
    return line


def view(canvas: Canvas, opened: Opened, substituted: Collection[int], step: int) -> RenderableType:
    """What the terminal shows after a step."""
    body = canvas_text(canvas, opened, substituted)
    return Group(Panel(body, title="canvas"), legend(step, len(canvas.open_positions), len(substituted)))
