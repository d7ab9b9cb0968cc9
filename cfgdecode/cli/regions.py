"""Which tokens of a file are opened: between markers, or drawn at random; and what of the file the engine sees.

Comments and other ignored text outside of the regions are *set aside*: the canvas has a line break in their place, and
`Opened.text` puts them back. So the grammar for the canvas need not have comments, and a gap cannot escape from its
task by becoming one (`without_comments`); a text of that grammar stays one of the full grammar when ignored text is put
back between its lexemes.
Invariants: regions do not touch, so each is a gap of its own; outside of them the file stays as it is, byte by byte
(markers are left out); a region has as many open cells as it had tokens unless `n_cells` says otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from cfgdecode.errors import CanvasError
from cfgdecode.lexemes import scanner, shortest_lexeme
from cfgdecode.text import Grammar
from cfgdecode.vocabulary import Vocabulary

_TRIES = 1000


@dataclass
class Opened:
    """A tokenized file: ids, the regions as (first, last + 1), and the bytes that some cells stand for."""

    vocabulary: Vocabulary
    ids: list[int] = field(default_factory=list)
    regions: list[tuple[int, int]] = field(default_factory=list)
    aside: dict[int, bytes] = field(default_factory=dict)

    @property
    def is_open(self) -> list[bool]:
        is_open = [False] * len(self.ids)
        for start, end in self.regions:
            is_open[start:end] = [True] * (end - start)
        return is_open

    def cell(self, i: int, token: int) -> bytes:
        """The bytes of the file for cell i."""
        return self.aside[i] if i in self.aside else self.vocabulary.token_bytes(token) or b""

    def text(self, ids: Sequence[int | None]) -> bytes:
        """The whole file, with these tokens."""
        return b"".join(self.cell(i, token) for i, token in enumerate(ids) if token is not None)

    def add(self, text: str) -> None:
        self.ids += self.vocabulary.encode(text)

    def add_aside(self, text: str) -> None:
        """Cells for a line break that stand for `text`."""
        for k, token in enumerate(self.vocabulary.encode("\n")):
            self.aside[len(self.ids)] = b"" if k else text.encode()
            self.ids.append(token)


def without_comments(grammar: Grammar) -> Grammar:
    """The same grammar, but of ignored text only white space is left; comments are lexemes that no rule has."""
    ir = grammar.ir
    space = tuple(t for t in ir.ignore if shortest_lexeme(ir.terminals[t].pattern).isspace())
    if grammar.lexer != "basic" or space == ir.ignore:
        return grammar
    return Grammar.from_ir(replace(ir, ignore=space), name=grammar.name)


def comments_of(grammar: Grammar, text: str) -> list[tuple[int, int]]:
    """Where ignored text other than white space stands; nothing if the text has no lexemes of its own."""
    if grammar.lexer != "basic":
        return []
    lexemes, stop = scanner(grammar).scan(text)
    spans = [(x.start, x.end) for x in lexemes if x.ignored and not text[x.start : x.end].isspace()]
    return spans if stop is None else []


def marked(
    text: str,
    vocabulary: Vocabulary,
    markers: tuple[str, str],
    n_cells: int | None,
    comments_in: Grammar | None,
) -> Opened | None:
    """Open what stands between the two markers; None if the text has no left one."""
    left, right = markers
    if left not in text:
        return None
    outside, *rest = text.split(left)
    plain, spans = outside, []
    for number, piece in enumerate(rest, 1):
        inside, closed, outside = piece.partition(right)
        if not closed:
            raise CanvasError(f"region {number} begins with {left!r} but has no {right!r}; close it")
        spans.append((len(plain), len(plain) + len(inside)))
        plain += inside + outside
    comments = comments_of(comments_in, plain) if comments_in else []
    opened, at = Opened(vocabulary), 0
    for number, (start, end) in enumerate(spans, 1):
        _add_range(opened, plain, at, start, comments)
        size = len(vocabulary.encode(plain[start:end])) if n_cells is None else n_cells
        if size == 0:
            raise CanvasError(f"region {number} holds no token; say how many cells it gets: --cells N")
        opened.regions.append((len(opened.ids), len(opened.ids) + size))
        opened.ids += [0] * size
        at = end
    _add_range(opened, plain, at, len(plain), comments)
    return opened


def drawn(
    text: str,
    vocabulary: Vocabulary,
    n_regions: int,
    lengths: tuple[int, int],
    seed: int,
    comments_in: Grammar | None,
) -> Opened:
    """Open `n_regions` runs of `lengths` (least, most) tokens at random places outside of comments."""
    opened = Opened(vocabulary)
    _add_range(opened, text, 0, len(text), comments_of(comments_in, text) if comments_in else [])
    rng = random.Random(seed)
    sizes = [rng.randint(*lengths) for _ in range(n_regions)]
    free = len(opened.ids) - sum(sizes) - max(n_regions - 1, 0)
    for _ in range(_TRIES if free >= 0 else 0):
        opened.regions = _placed(sorted(rng.randint(0, free) for _ in sizes), sizes)
        if not _touches(opened.regions, opened.aside):
            return opened
    raise CanvasError(
        f"the file has {len(opened.ids)} tokens and no room for {n_regions} regions of {sizes} tokens; "
        "give fewer or shorter ones: --regions, --length"
    )


def _add_range(opened: Opened, text: str, start: int, end: int, comments: Sequence[tuple[int, int]]) -> None:
    """Tokens of text[start:end], comments set aside."""
    for first, last in comments:
        if start <= first and last <= end:
            opened.add(text[start:first])
            opened.add_aside(text[first:last])
            start = last
    opened.add(text[start:end])


def _placed(cuts: list[int], sizes: list[int]) -> list[tuple[int, int]]:
    """Regions with at least one cell between any two of them."""
    regions, used = [], 0
    for cut, size in zip(cuts, sizes, strict=True):
        regions.append((cut + used, cut + used + size))
        used += size + 1
    return regions


def _touches(regions: Sequence[tuple[int, int]], cells: Collection[int]) -> bool:
    return any(i in cells for start, end in regions for i in range(start, end))
