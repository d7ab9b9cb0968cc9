"""Counters and clocks of one constrained generation.

Every loop and every adapter of this package fills one `Stats`. Counts are over all rows; times are
microseconds of wall clock. `mask_us` is work done on worker threads, `wait_us` is the part of it that the
generation had to wait for: their difference is what overlapping with the model call saved. The share of time
that the constraint cost is `(wait_us + apply_us + commit_us + finalize_us) / total`.
See it: `print(result.stats)`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Stats:
    """What a generation did and where its time went."""

    steps: int = 0
    model_calls: int = 0
    proposals: int = 0
    """Tokens that the decoding rule wanted to write into constrained rows."""
    repaired: int = 0
    """Proposals (also those not selected) that their own cell did not allow and that another token replaced."""
    rejected: int = 0
    """Selected proposals that the canvas could not take together with the others."""
    substituted: int = 0
    """Rejected proposals whose cell got its best allowed token instead."""
    deferred: int = 0
    """Rejected proposals whose cell stayed open."""
    finalized: int = 0
    """Cells that were still open when the steps were used up and that `finalize` filled."""
    limited: int = 0
    """Allowed sets of a row that a limit of the engine prevented; the row's proposals were checked all the same."""
    model_us: int = 0
    mask_us: int = 0
    wait_us: int = 0
    apply_us: int = 0
    commit_us: int = 0
    finalize_us: int = 0
    wait_us_per_step: list[int] = field(default_factory=list)

    @contextmanager
    def timed(self, clock: str) -> Iterator[None]:
        """Add the time spent in the block to the field `clock`."""
        start = time.perf_counter_ns()
        try:
            yield
        finally:
            setattr(self, clock, getattr(self, clock) + (time.perf_counter_ns() - start) // 1000)

    @property
    def constraint_us(self) -> int:
        """Time that the constraint added to the generation."""
        return self.wait_us + self.apply_us + self.commit_us + self.finalize_us

    def __str__(self) -> str:
        return (
            f"{self.steps} steps, {self.proposals} proposals ({self.rejected} rejected, "
            f"{self.substituted} substituted, {self.deferred} deferred, {self.finalized} finalized), "
            f"model {self.model_us / 1e3:.1f} ms, constraint {self.constraint_us / 1e3:.1f} ms "
            f"(masks {self.mask_us / 1e3:.1f} ms, waited {self.wait_us / 1e3:.1f} ms)"
        )
