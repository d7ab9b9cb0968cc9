"""Which tokens of a file are opened: between markers, or drawn at random.

Invariants: regions do not touch, so each is a gap of its own; outside of them the file stays as it is, byte by byte
(markers are left out); a region has as many open cells as it had tokens unless `n_cells` says otherwise.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate

from cfgdecode.errors import CanvasError
from cfgdecode.lexemes import scanner
from cfgdecode.text import Grammar
from cfgdecode.vocabulary import Vocabulary

_TRIES = 1000


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


def drawn(ids: list[int], n_regions: int, lengths: tuple[int, int], seed: int, avoid: Collection[int] = ()) -> Opened:
    """Open `n_regions` runs of `lengths` (least, most) tokens at random places, off the cells of `avoid` if possible."""
    rng = random.Random(seed)
    sizes = [rng.randint(*lengths) for _ in range(n_regions)]
    free = len(ids) - sum(sizes) - max(n_regions - 1, 0)
    if free < 0:
        raise CanvasError(
            f"the file has {len(ids)} tokens, too few for {n_regions} regions of {sizes}; give fewer or shorter ones"
        )
    regions: list[tuple[int, int]] = []
    for _ in range(_TRIES):
        regions = _placed(sorted(rng.randint(0, free) for _ in sizes), sizes)
        if not any(i in avoid for start, end in regions for i in range(start, end)):
            break
    return Opened(ids, regions, [ids[start:end] for start, end in regions])


def _placed(cuts: list[int], sizes: list[int]) -> list[tuple[int, int]]:
    """Regions with at least one cell between any two of them."""
    regions, used = [], 0
    for cut, size in zip(cuts, sizes, strict=True):
        regions.append((cut + used, cut + used + size))
        used += size + 1
    return regions


def cells_of_comments(grammar: Grammar, vocabulary: Vocabulary, ids: Sequence[int]) -> set[int]:
    """The cells that touch ignored text other than white space (known for the basic lexer alone)."""
    if grammar.lexer != "basic":
        return set()
    ends = list(accumulate(len(vocabulary.token_bytes(token) or b"") for token in ids))
    text = vocabulary.decode(ids).decode("utf-8")
    at, cells = 0, set()
    for lexeme in scanner(grammar).scan(text)[0]:
        piece = text[lexeme.start : lexeme.end]
        start, at = at, at + len(piece.encode())
        if lexeme.ignored and not piece.isspace():
            cells |= set(range(bisect_right(ends, start), bisect_left(ends, at) + 1))
    return cells
