"""Which tokens of a file are opened: between markers, or drawn at random.

Invariants: regions do not touch, so each is a gap of its own; outside of them the file stays as it is, byte by byte
(markers are left out); a region has as many open cells as it had tokens unless `n_cells` says otherwise.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from cfgdecode.errors import CanvasError
from cfgdecode.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Opened:
    """A tokenized file: ids, which cells are open, and the regions as (first, last + 1)."""

    ids: list[int]
    regions: list[tuple[int, int]]
    original: list[list[int]]

    @property
    def is_open(self) -> list[bool]:
        is_open = [False] * len(self.ids)
        for start, end in self.regions:
            is_open[start:end] = [True] * (end - start)
        return is_open


def marked(text: str, vocabulary: Vocabulary, left: str, right: str, n_cells: int | None) -> Opened | None:
    """Open what stands between `left` and `right`; None if the text has no `left`."""
    if left not in text:
        return None
    head, *rest = text.split(left)
    ids = vocabulary.encode(head)
    regions: list[tuple[int, int]] = []
    original: list[list[int]] = []
    for number, piece in enumerate(rest, 1):
        inside, closed, outside = piece.partition(right)
        if not closed or left in inside:
            raise CanvasError(f"region {number} begins with {left!r} but has no {right!r}; close it")
        tokens = vocabulary.encode(inside)
        size = len(tokens) if n_cells is None else n_cells
        if size == 0:
            raise CanvasError(f"region {number} holds no token; say how many cells it gets: --cells N")
        regions.append((len(ids), len(ids) + size))
        original.append(tokens)
        ids += [0] * size + vocabulary.encode(outside)
    return Opened(ids, regions, original)


def drawn(text: str, vocabulary: Vocabulary, n_regions: int, lengths: tuple[int, int], seed: int) -> Opened:
    """Open `n_regions` runs of `lengths` (least, most) tokens at random places."""
    ids = vocabulary.encode(text)
    rng = random.Random(seed)
    sizes = [rng.randint(*lengths) for _ in range(n_regions)]
    free = len(ids) - sum(sizes) - max(n_regions - 1, 0)
    if free < 0:
        raise CanvasError(
            f"the file has {len(ids)} tokens, too few for {n_regions} regions of {sizes}; give fewer or shorter ones"
        )
    cuts = sorted(rng.randint(0, free) for _ in range(n_regions))
    regions, used = [], 0
    for cut, size in zip(cuts, sizes, strict=True):
        regions.append((cut + used, cut + used + size))
        used += size + 1
    return Opened(ids, regions, [ids[start:end] for start, end in regions])
