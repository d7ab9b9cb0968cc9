"""Errors that only generation hooks raise.

A `RowError` belongs to one row of a batch. The rows beside it are finished first: `result` holds what the loop
would have returned.
"""

from __future__ import annotations

from typing import Any

from cfgdecode.errors import CfgDecodeError


class RowError(CfgDecodeError, ValueError):
    """Something is wrong with one row of a batch; `row` names it, `result` keeps the other rows' work."""

    def __init__(self, message: str, *, row: int, position: int | None = None, result: Any = None) -> None:
        self.row, self.position, self.result = row, position, result
        where = f"row {row}" + (f", position {position}" if position is not None else "")
        super().__init__(f"{where}: {message}")


class LogitsError(RowError):
    """The model's logits cannot be used: NaN, or a shape that does not fit the canvas."""
