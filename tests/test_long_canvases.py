"""Canvases of many gaps: what stands between far fixed cells must not hide what else may stand there."""

from __future__ import annotations

import itertools
import random

import pytest

import cfgdecode as cd

if not hasattr(cd, "compile"):
    pytest.skip("the native engine is not built", allow_module_level=True)


def test_a_token_beside_a_cut_character_is_decided() -> None:
    """Cell 434 has to begin the character that 0x9b goes on with, wherever the text of cell 433 stands."""
    limits = cd.Limits(time_us=5_000_000)
    constraint = cd.compile(cd.Grammar.builtin("cpp"), cd.Vocabulary.bytes(), limits=limits, eos_policy="eos_to_end")
    fixed = {38: 4, 90: 199, 141: 200, 156: 9, 201: 210, 257: 147, 261: 65, 283: 7, 286: 229, 323: 132, 333: 223}
    fixed |= {345: 0, 392: 177, 435: 155, 497: 177}
    canvas = constraint.canvas([fixed.get(i, 0) for i in range(512)], [i not in fixed for i in range(512)])
    assert canvas.verdict() is cd.Verdict.COMPLETABLE
    for token in b"%a*/ ":
        assert canvas.fork().commit_one(433, token), (bytes([token]), canvas.limit)


def _json_vocabulary(*more: bytes) -> tuple[list[bytes | None], cd.Vocabulary]:
    """Single bytes, tokens of several lexemes, and so many words that no look at all tokens is cheap."""
    short = [bytes([b]) for b in range(256)]
    alphabet = [c.encode() for c in '{}[]",:\n a1']
    longer = [b"".join(t) for n in (2, 3) for t in itertools.product(alphabet, repeat=n)]
    words = [f"w{i}".encode() for i in range(4_096)]
    tokens = [*short, *longer, *words, *more, None]
    return tokens, cd.Vocabulary.from_tokens(tokens, eos=len(tokens) - 1)


@pytest.mark.parametrize("seed", range(8))
def test_two_bytes_of_a_character_near_the_end_are_decided(seed: int) -> None:
    """The third byte has to follow, the string to close, and far brackets may have to change with it."""
    cut = "鹅".encode()[:2]
    tokens, vocabulary = _json_vocabulary(cut)
    constraint = cd.compile(cd.Grammar.builtin("json"), vocabulary, limits=cd.Limits(items=300_000))
    draw = random.Random(seed)
    canvas = constraint.canvas([0] * 90, [True] * 90)
    end = 90 - draw.randrange(3, 9)
    assert canvas.commit_one(end, len(tokens) - 1)
    pieces = [b'":', b" {\n", b",\n", b"],", b"},\n", b' "', b'": ', b"w7", b"1"]
    pieces = [piece for piece in pieces if piece in tokens]
    for _ in range(16):
        canvas.commit_one(draw.randrange(0, end - 6), tokens.index(draw.choice(pieces)))
    verdicts = {cell: canvas.would_accept(cell, tokens.index(cut)) for cell in range(end - 5, end)}
    assert cd.Verdict.UNDECIDED not in verdicts.values(), verdicts
    assert verdicts[end - 1] is cd.Verdict.DEAD and verdicts[end - 5] is cd.Verdict.COMPLETABLE


def test_structure_far_behind_fixed_cells_is_allowed_inside_a_gap() -> None:
    """The witness reads the fixed cells as one string; a text with more structure must not be lost."""
    tokens, vocabulary = _json_vocabulary()
    constraint = cd.compile(cd.Grammar.builtin("json"), vocabulary)
    fixed = {21: b"w9", 17: b"1", 26: b"1", 12: b"w1", 19: b"   ", 5: b"w7", 28: b"  "}
    canvas = constraint.canvas([0] * 126, [True] * 126)
    for cell, token in fixed.items():
        assert canvas.commit_one(cell, tokens.index(token))
    table = canvas.allowed_all()
    rows = dict(zip(map(int, table.positions), range(len(table.positions)), strict=True))
    for token in (b"},\n", b"],\n", b" {\n", b'",\n'):
        assert tokens.index(token) in table.row(rows[72]).ids(), token


def test_a_program_read_left_to_right_is_decided_by_little_work() -> None:
    """The open rest is filled from the pool of lexemes; without it each step searches the whole canvas."""
    text = (
        b"#include<map>\nusing namespace std;\nint f(int l, int t){\n    for (int i=0;i<l;i++) t+=i;\n    return t;\n}"
    )
    limits = cd.Limits(items=300_000)
    constraint = cd.compile(cd.Grammar.builtin("cpp"), cd.Vocabulary.bytes(), limits=limits, eos_policy="none")
    canvas = constraint.canvas(text, [True] * len(text))
    for cell, byte in enumerate(text):
        assert canvas.commit_one(cell, byte), (cell, text[:cell], canvas.limit)
