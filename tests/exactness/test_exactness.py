"""The engine against brute force, and brute force against the reference."""

from __future__ import annotations

import os
import time

import pytest

import cfgdecode
from cfgdecode import reference

from . import cases as cases_module
from .brute import Language
from .cases import cases, group, make_case
from .check import ReferenceEngine, check_case, shrink, solution_of
from .run import Tally, run
from .test_reference_against_lark import LEXERS, random_grammar, texts_for

QUICK, MANY = 2_000, int(os.environ.get("CFGDECODE_EXACTNESS_CASES", "20000"))
needs_engine = pytest.mark.skipif(not hasattr(cfgdecode, "compile"), reason="the native engine is not built")


@needs_engine
def test_the_engine_answers_as_brute_force():
    _assert_exact(seed=1, n=QUICK)


@needs_engine
@pytest.mark.slow
def test_the_engine_answers_as_brute_force_in_many_cases():
    _assert_exact(seed=2, n=MANY)


@needs_engine
def test_sketches_answer_as_brute_force():
    _assert_exact(seed=7, n=QUICK, limits=cfgdecode.Limits(exact_cells=0))


@needs_engine
def test_sketches_that_keep_one_origin_answer_as_brute_force():
    _assert_exact(seed=8, n=2 * QUICK, limits=cfgdecode.Limits(exact_cells=0, origins=1))


@needs_engine
def test_a_lexeme_that_begins_with_ignorable_text_is_counted_whole():
    """Two spaces behind a third are one T0; two spaces at the start of the text are none."""
    case = make_case(
        lark_text="start: T0\nT0: /\\ \\ \\ /\nWS: /\\ /\n%ignore WS\n",
        lexer="dynamic_complete",
        tokens=(None, None, b" ", None),
        eos=(3,),
        pad=0,
        mask=1,
        cells=(None, None, None),
        gaps=(),
        policy="pad",
    )
    _assert_sketched(case)


@needs_engine
def test_behind_the_end_of_a_text_a_character_may_be_cut_anywhere():
    """The text may end in the second cell, and with `cut` anything stands behind that."""
    case = make_case(
        lark_text='start: T1 "é"\nT1.2: ")"\nWS: /\\ /\n%ignore WS\n',
        lexer="basic",
        tokens=(b" )\xc3", b"\xa9\xc3\xa9", None, b" ", b")\xc3\xa9", None, b")\xc3"),
        eos=(5,),
        pad=5,
        mask=2,
        cells=(None, None, None),
        gaps=(),
        policy="cut",
    )
    _assert_sketched(case)


def _assert_sketched(case):
    from .native import NativeEngine

    assert check_case(case, NativeEngine(limits=cfgdecode.Limits(exact_cells=0)), solution_of(case)) == []


def _assert_exact(seed, n, limits=None):
    from .native import NativeEngine

    tally = run(NativeEngine(limits=limits or cfgdecode.Limits()), seed, n, most_failures=3)
    assert tally.failures == 0, "see the cases printed above"
    assert tally.cases == n


def test_brute_force_answers_as_the_reference():
    tally = run(ReferenceEngine(), seed=3, n=500, most_failures=1)
    assert tally.failures == 0 and tally.cases > 400


@pytest.mark.parametrize("lexer", LEXERS)
def test_the_fast_language_decides_as_the_reference(lexer):
    from random import Random

    from cfgdecode.grammar import from_lark

    accepted = 0
    for seed in range(80):
        rng = Random(f"fast {seed}/{lexer}")
        grammar = random_grammar(rng, lexer)
        ir = from_lark(grammar.lark_text, lexer=lexer)
        fast, slow = Language(ir), reference.Reference(ir)
        for text in texts_for(rng, grammar, "ab1,é"):
            data = text.encode()[: rng.choice((99, 99, 99, 2))]
            assert fast.accepts(data) == slow.accepts(data), f"{grammar.lark_text}\n{data!r}"
            accepted += fast.accepts(data)
    assert accepted > 200


def test_half_of_the_cases_are_completable_and_many_allowed_sets_tell_something():
    tally = Tally()
    for case in cases(seed=4, n=1_500):
        tally.add(case, solution_of(case))
    assert 0.4 < tally.completable / tally.cases < 0.7, tally
    assert tally.telling / tally.cases > 0.3, tally


def test_cases_follow_from_the_seed():
    assert [str(case) for case in group(5, 7)] == [str(case) for case in group(5, 7)]
    first = next(iter(cases(5, 1)))
    assert eval(str(first).rsplit("\n)\n", 1)[0] + "\n)", vars(cases_module)).cells == first.cells


def test_a_wrong_answer_is_found_and_made_smaller():
    class Liar(ReferenceEngine):
        def answer(self, case):
            answer = super().answer(case)
            answer.completable = answer.completable or any(cell is None for cell in case.cells)
            return answer

    began = time.perf_counter()
    for case in cases(seed=6, n=200):
        if solution_of(case).n_fillings < 200 and check_case(case, Liar()):
            small = shrink(case, Liar(), most_steps=200)
            assert check_case(small, Liar())
            assert len(small.cells) <= len(case.cells) and len(small.lark_text) <= len(case.lark_text)
            break
    else:
        pytest.fail("no case shows that dead canvases are called completable")
    assert time.perf_counter() - began < 60
