"""Laws of the engine, for small random grammars, vocabularies and canvases (tests/exactness/cases.py) and for JSON.

A law says how answers hang together; what the answers are is checked in tests/exactness.
"""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lark import Lark

import cfgdecode as cd

if not hasattr(cd, "compile"):
    pytest.skip("the native engine is not built", allow_module_level=True)

from exactness.cases import group
from exactness.judge import lark_accepts
from exactness.native import NativeEngine

from cfgdecode.testing import canvases

LAW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
ENGINE = NativeEngine()
ENGINES = {"exact view first": ENGINE, "windows and sketches first": NativeEngine(limits=cd.Limits(exact_cells=0))}
COMPLETABLE, DEAD = cd.Verdict.COMPLETABLE, cd.Verdict.DEAD


@lru_cache(maxsize=64)
def drawn_group(number):
    """The cases of one random grammar; none where the engine refuses it, which tests/exactness counts."""
    cases = [case for case in group(77, number) if case.lark_text]
    try:
        for case in cases[:1]:
            ENGINE.constraint(case)
    except cd.UnsupportedGrammarError:
        return []
    return cases


@st.composite
def exact_cases(draw):
    """A case without interval gaps."""
    cases = [case for case in drawn_group(draw(st.integers(0, 2_000))) if not case.gaps]
    assume(cases)
    return cases[draw(st.integers(0, len(cases) - 1))]


@st.composite
def interval_cases(draw):
    """A case with an interval gap."""
    cases = [case for case in drawn_group(draw(st.integers(0, 2_000))) if case.gaps]
    assume(cases)
    return cases[draw(st.integers(0, len(cases) - 1))]


def choices_of(case):
    """Every token id, text or not, but the mask: behind a cut a decided cell may hold it, yet nobody may choose it."""
    return [token for token in range(len(case.tokens)) if token != case.mask]


def with_token(case, position, token):
    """A canvas made anew with one more cell decided."""
    ids = [0 if cell is None else cell for cell in case.cells]
    ids[position] = token
    is_open = [cell is None and i != position for i, cell in enumerate(case.cells)]
    return ENGINE.constraint(case).canvas(ids, open=is_open)


def answers(canvas):
    """Everything a canvas says about its cells."""
    allowed = [canvas.allowed(i).ids().tolist() for i in canvas.open_positions]
    return canvas.verdict(), canvas.ids, allowed


@LAW
@given(exact_cases(), st.randoms(use_true_random=False))
def test_filling_with_an_allowed_token_keeps_completable(case, rng):
    canvas = ENGINE.canvas(case)
    for position in canvas.open_positions:
        allowed = canvas.allowed(position).ids().tolist()
        for token in rng.sample(allowed, min(3, len(allowed))):
            filled = canvas.fork()
            assert filled.commit_one(position, token)
            assert filled.verdict() is COMPLETABLE
            assert with_token(case, position, token).verdict() is COMPLETABLE


@LAW
@given(exact_cases(), st.randoms(use_true_random=False))
def test_a_disallowed_token_makes_it_dead(case, rng):
    canvas = ENGINE.canvas(case)
    for position in canvas.open_positions:
        disallowed = [token for token in choices_of(case) if token not in canvas.allowed(position)]
        for token in rng.sample(disallowed, min(3, len(disallowed))):
            assert canvas.would_accept(position, token) is DEAD
            filled = canvas.fork()
            assert not filled.commit_one(position, token)
            assert answers(filled) == answers(canvas), "a refused token leaves no trace"
            assert with_token(case, position, token).verdict() is DEAD


@LAW
@given(exact_cases())
def test_the_mask_is_never_allowed(case):
    canvas = ENGINE.canvas(case)
    assert all(case.mask not in canvas.allowed(position) for position in canvas.open_positions)


@LAW
@given(exact_cases(), st.randoms(use_true_random=False))
def test_refining_never_revives(case, rng):
    canvas = ENGINE.canvas(case)
    assume(canvas.verdict() is DEAD and canvas.open_positions)
    for position in canvas.open_positions:
        assert len(canvas.allowed(position)) == 0
        token = rng.choice(choices_of(case))
        assert canvas.would_accept(position, token) is DEAD
        assert with_token(case, position, token).verdict() is DEAD


@LAW
@given(exact_cases())
def test_allowed_equals_the_set_of_single_fills(case):
    canvas = ENGINE.canvas(case)
    for position in canvas.open_positions:
        fills = [t for t in choices_of(case) if with_token(case, position, t).verdict() is COMPLETABLE]
        assert canvas.allowed(position).ids().tolist() == fills


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@LAW
@given(case=exact_cases(), rng=st.randoms(use_true_random=False))
def test_incremental_equals_from_scratch(engine, case, rng):
    constraint = engine.constraint(case)
    canvas = engine.canvas(case)
    for _ in range(12):
        step = rng.choice(("commit", "commit", "commit_one", "reopen", "reopen", "insert", "delete", "fork", "set"))
        n, free = len(canvas), canvas.open_positions
        decided = [i for i in range(n) if i not in free]
        if step == "commit" and free and canvas.verdict() is COMPLETABLE:
            chosen = rng.sample(free, rng.randint(1, min(3, len(free))))
            proposals = [(i, rng.choice(choices_of(case)), rng.random()) for i in chosen]
            canvas.commit(proposals, policy=rng.choice(("substitute", "defer")))
        elif step == "commit_one" and free:
            canvas.commit_one(rng.choice(free), rng.choice(choices_of(case)))
        elif step == "reopen" and decided:
            canvas.reopen(rng.choice(decided))
        elif step == "insert" and len(free) < 5:
            canvas.insert(rng.randint(0, n), rng.randint(1, 2))
        elif step == "delete" and n:
            canvas.delete(rng.randrange(n))
        elif step == "fork":
            original, before = canvas, answers(canvas)
            canvas = canvas.fork()
            if canvas.open_positions:
                canvas.commit_one(rng.choice(canvas.open_positions), rng.choice(choices_of(case)))
            assert answers(original) == before, "a fork is independent"
        elif step == "set":
            ids = [0 if token is None else token for token in canvas.ids]
            is_open = [token is None for token in canvas.ids]
            for i in range(n):
                if rng.random() < 0.3:
                    ids[i], is_open[i] = rng.choice(choices_of(case)), sum(is_open) < 5 and rng.random() < 0.5
            canvas.set(ids, is_open)
        ids = [0 if token is None else token for token in canvas.ids]
        scratch = constraint.canvas(ids, open=[token is None for token in canvas.ids])
        assert answers(canvas) == answers(scratch), step


@LAW
@given(interval_cases())
def test_a_token_that_an_interval_allows_can_be_committed_there(case):
    canvas = ENGINE.canvas(case)
    for position in canvas.open_positions:
        try:
            allowed = canvas.allowed(position).ids().tolist()
        except cd.CanvasError:
            continue  # no cell of its own
        for token in allowed:
            filled = canvas.fork()
            assert filled.would_accept(position, token) is COMPLETABLE
            assert filled.commit_one(position, token), (position, token)
            assert filled.verdict() is COMPLETABLE


@LAW
@given(exact_cases(), st.randoms(use_true_random=False))
def test_a_joint_commit_keeps_the_canvas_completable(case, rng):
    canvas = ENGINE.canvas(case)
    free = canvas.open_positions
    assume(free and canvas.verdict() is COMPLETABLE)
    proposals = [(i, rng.choice(choices_of(case)), rng.random()) for i in free if rng.random() < 0.7]
    policy = rng.choice(("substitute", "defer"))
    before = canvas.ids
    result = canvas.commit(proposals, policy=policy)
    assert canvas.verdict() is COMPLETABLE
    decided = dict(result.kept) | {i: new for i, _, new in result.substituted}
    untouched = {i for i, _ in result.deferred}
    assert {i for i, _, _ in proposals} == decided.keys() | untouched and not decided.keys() & untouched
    after = [decided.get(i, token) for i, token in enumerate(before)]
    assert canvas.ids == after
    assert not proposals or decided, "a commit makes progress"


@LAW
@given(exact_cases())
def test_witness_parses_with_lark_and_fits_the_canvas(case):
    canvas = ENGINE.canvas(case)
    assume(canvas.verdict() is COMPLETABLE)
    judge = Lark(case.lark_text, parser="earley", lexer=case.lexer)
    scores = np.random.default_rng(0).random((len(canvas.open_positions), len(case.tokens)), dtype=np.float32)
    fillings = [canvas.witness(), canvas.complete(), canvas.complete(scores=np.log(scores + 1e-6))]
    for ids in fillings:
        assert ids is not None and len(ids) == len(case.cells)
        assert all(cell is None or cell == token for cell, token in zip(case.cells, ids, strict=True))
        text = ENGINE.constraint(case).canvas(ids, open=[False] * len(ids)).text().decode()
        assert lark_accepts(judge, text) is not False, (text, case)


@LAW
@given(exact_cases(), st.randoms(use_true_random=False))
def test_renaming_and_reordering_rules_changes_nothing(case, rng):
    lines = case.lark_text.splitlines()
    for i, line in enumerate(lines):
        name, colon, body = line.partition(": ")
        if colon and name.islower() and "/" not in body:
            alternatives = body.split(" | ")
            rng.shuffle(alternatives)
            lines[i] = f"{name}: {' | '.join(alternatives)}"
    rng.shuffle(lines)
    text = "\n".join(lines) + "\n"
    for old, new in (("r0", "zeta"), ("r1", "alpha_1"), ("r2", "m")):
        text = text.replace(old, new)
    grammar = cd.Grammar.from_lark(text, lexer=case.lexer)
    constraint = ENGINE.constraint(case)
    renamed = cd.compile(grammar, constraint.vocabulary, eos_policy=case.policy)
    ids = [0 if cell is None else cell for cell in case.cells]
    assert answers(renamed.canvas(ids, open=[cell is None for cell in case.cells])) == answers(ENGINE.canvas(case))


@LAW
@given(exact_cases())
def test_batch_equals_loop(case):
    table = ENGINE.canvas(case).allowed_all()
    one_by_one = ENGINE.canvas(case)
    assert table.positions.tolist() == one_by_one.open_positions
    for i, position in enumerate(table.positions.tolist()):
        assert table.row(i) == one_by_one.allowed(position)
        assert np.array_equal(table.table[table.row_of[i]], one_by_one.allowed(position).bitmask())
    assert len({row.tobytes() for row in table.table}) == len(table.table), "rows are shared"


@LAW
@given(exact_cases())
def test_a_pickled_constraint_answers_the_same(case):
    constraint = pickle.loads(pickle.dumps(ENGINE.constraint(case)))
    ids = [0 if cell is None else cell for cell in case.cells]
    assert answers(constraint.canvas(ids, open=[cell is None for cell in case.cells])) == answers(ENGINE.canvas(case))


JSON = r"""
start: value
?value: object | array | ESCAPED_STRING | SIGNED_NUMBER | "true" | "false" | "null"
array: "[" [value ("," value)*] "]"
object: "{" [pair ("," pair)*] "}"
pair: ESCAPED_STRING ":" value
%import common (ESCAPED_STRING, SIGNED_NUMBER, WS)
%ignore WS
"""


@lru_cache(maxsize=4)
def json_constraint(lexer, eos_policy):
    grammar = cd.Grammar.from_lark(JSON, lexer=lexer)
    pieces = [b'{"', b'":', b'", "', b"}}", b"]}", b"true", b"false", b"null", b"10", b"-", b" ", b"\n  ", b"abc"]
    tokens = [*(bytes([i]) for i in range(256)), *pieces, None, None]
    eos = len(tokens) - 2
    return cd.compile(grammar, cd.Vocabulary.from_tokens(tokens, eos=[eos], pad=eos + 1), eos_policy=eos_policy)


@pytest.mark.parametrize("lexer", ["basic", "dynamic_complete"])
@pytest.mark.parametrize("eos_policy", ["none", "eos_to_end", "pad"])
def test_json_canvases_obey_the_laws(lexer, eos_policy):
    constraint = json_constraint(lexer, eos_policy)

    @settings(LAW, max_examples=12)
    @given(canvases(constraint), st.randoms(use_true_random=False))
    def laws(canvas, rng):
        assert canvas.verdict() is COMPLETABLE
        for position in rng.sample(canvas.open_positions, min(2, len(canvas.open_positions))):
            allowed = canvas.allowed(position).ids().tolist()
            assert allowed
            for token in rng.sample(range(len(constraint.vocabulary)), 12) + allowed[:2]:
                assert (canvas.would_accept(position, token) is COMPLETABLE) == (token in allowed)
        ids = canvas.complete()
        text = constraint.canvas(ids, open=[False] * len(ids)).text()
        assert constraint.grammar.accepts(text)

    laws()


def test_lanes_answer_alike_and_side_by_side():
    constraint = cd.compile(cd.Grammar.builtin("json"), cd.Vocabulary.bytes())

    def filled(lane: int) -> list[tuple[int, bytes]]:
        canvas, seen = constraint.canvas([0] * 12, [True] * 12, lane=lane), []
        for position in (5, 0, 11, 7, 3, 2):
            ids = canvas.allowed(position).ids()
            assert canvas.commit_one(position, int(ids[len(ids) // 2]))
            seen.append((len(ids), bytes(canvas.allowed_all().table)))
        return seen

    with ThreadPoolExecutor(4) as pool:
        assert len({str(filled_) for filled_ in pool.map(filled, [0, 1, 2, 3, 17, 0])}) == 1
    with pytest.raises(cd.CanvasError, match="lane is -1"):
        constraint.canvas([0], [True], lane=-1)


def test_tables_that_are_made_anew_change_no_answer():
    """A limit so low that each call makes the tables anew, chart sets and all."""
    constraints = [
        cd.compile(cd.Grammar.builtin("json"), cd.Vocabulary.bytes(), limits=cd.Limits(table_bytes=size))
        for size in (256 << 20, 1)
    ]
    text = b'{"name": "a list", "values": [1, 20, {"x": null}]}'
    canvases = [constraint.canvas([0] * len(text), [True] * len(text)) for constraint in constraints]
    order = np.random.default_rng(1).permutation(len(text)).tolist()
    for k, position in enumerate(order):
        assert all(canvas.commit_one(position, text[position]) for canvas in canvases)
        if k % 8 == 0:
            kept, anew = (canvas.allowed(order[-1]) for canvas in canvases)
            assert not (kept.is_exact and anew.is_exact) or set(kept) == set(anew)
