"""Constraints inside other people's generation: one protocol, and adapters for the libraries that have hooks.

Reading order: `row` (one canvas), `protocol` (a batch of them), `tensors` and `triton_kernel` (bitmask on logits), then
the adapters. Needs torch; an adapter imports its library only when it is imported itself.
"""

from cfgdecode.hooks.errors import LogitsError, RowError
from cfgdecode.hooks.protocol import Commit, ConstraintBatch, MaskTable
from cfgdecode.hooks.stats import Stats
from cfgdecode.hooks.tensors import apply_bitmask_, finite_fill

__all__ = [
    "Commit",
    "ConstraintBatch",
    "LogitsError",
    "MaskTable",
    "RowError",
    "Stats",
    "apply_bitmask_",
    "finite_fill",
]
