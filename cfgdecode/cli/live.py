"""The canvas of a running `infill`, coloured: open, committed, substituted."""

from __future__ import annotations

from collections.abc import Collection

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from cfgdecode.canvas import Canvas

STYLES = {"open": "black on yellow", "committed": "black on green", "substituted": "black on magenta"}
_WIDTH = 2000  # characters around the regions; a longer file is cut


def canvas_text(canvas: Canvas, regions: list[tuple[int, int]], substituted: Collection[int]) -> Text:
    """The text of the canvas with its cells coloured."""
    text = Text()
    vocabulary = canvas.constraint.vocabulary
    inside = {i for start, end in regions for i in range(start, end)}
    pending = b""
    for i, token in enumerate(canvas.ids):
        if token is None:
            text.append(pending.decode("utf-8", "replace") + "\N{MIDDLE DOT}", STYLES["open"])
            pending = b""
            continue
        pending += vocabulary.token_bytes(token) or b""
        try:
            shown = pending.decode("utf-8")
        except UnicodeDecodeError:
            continue
        pending = b""
        kind = "substituted" if i in substituted else "committed" if i in inside else ""
        text.append(shown, STYLES.get(kind, ""))
    return _window(text, regions, canvas)


def _window(text: Text, regions: list[tuple[int, int]], canvas: Canvas) -> Text:
    if len(text) <= _WIDTH or not regions:
        return text
    vocabulary, ids = canvas.constraint.vocabulary, canvas.ids
    start = sum(len(vocabulary.token_bytes(t) or b"") for t in ids[: regions[0][0]] if t is not None)
    start = max(min(start - 200, len(text) - _WIDTH), 0)
    return text[start : start + _WIDTH]


def legend(step: int, n_open: int, n_substituted: int) -> Text:
    """One line: what the colours mean and how far decoding is."""
    line = Text(f"step {step}: ")
    for kind, count in (("open", n_open), ("committed", None), ("substituted", n_substituted)):
        line.append(f" {kind} ", STYLES[kind])
        line.append(f" {count}  " if count is not None else "  ")
    return line


def view(canvas: Canvas, regions: list[tuple[int, int]], substituted: Collection[int], step: int) -> RenderableType:
    """What the terminal shows after a step."""
    body = canvas_text(canvas, regions, substituted)
    return Group(Panel(body, title="canvas"), legend(step, len(canvas.open_positions), len(substituted)))
