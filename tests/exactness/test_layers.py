"""The polynomial reference against brute force, and the engine against it on canvases of dozens of cells."""

from __future__ import annotations

from random import Random

import pytest

import cfgdecode

from .cases import cases, large_case
from .check import solution_of
from .layers import Layers, can_do


def test_layers_answer_as_brute_force():
    checked = sets = 0
    for case in cases(seed=8, n=1_200):
        if case.gaps or not can_do(case.ir):
            continue
        layers, want = Layers(case.ir), solution_of(case)
        assert layers.is_completable(case) == want.completable, case
        checked += 1
        if want.completable and want.allowed and checked % 4 == 0:
            position, tokens = sorted(want.allowed.items())[checked % len(want.allowed)]
            assert layers.allowed(case, position) == tokens, (position, case)
            sets += 1
    assert checked > 400 and sets > 50


needs_engine = pytest.mark.skipif(not hasattr(cfgdecode, "compile"), reason="the native engine is not built")


@needs_engine
def test_the_engine_answers_as_the_layers_on_large_canvases():
    assert check_large(seed=1, n=10) > 2


@needs_engine
@pytest.mark.slow
def test_the_engine_answers_as_the_layers_on_many_large_canvases():
    assert check_large(seed=1, n=80) > 30


def check_large(seed, n):
    """Compare verdicts and some allowed sets on n large canvases; returns how many were completable."""
    from .native import NativeEngine

    engine, completable = NativeEngine(), 0
    for number in range(n):
        case = large_case(seed, number)
        layers, rng = Layers(case.ir), Random(number)
        canvas = engine.canvas(case)
        want = layers.is_completable(case)
        assert (canvas.verdict() == cfgdecode.Verdict.COMPLETABLE) == want, case
        completable += want
        open_cells = [i for i, cell in enumerate(case.cells) if cell is None]
        for position in rng.sample(open_cells, min(2, len(open_cells))) if want else ():
            have = {int(token) for token in canvas.allowed(position).ids()}
            assert have == layers.allowed(case, position), (position, case)
    return completable
