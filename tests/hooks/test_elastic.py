"""`ElasticCanvas` against brute force: a proposal is refused only if no text short enough has it there."""

import itertools
import random

import numpy as np
import pytest

import cfgdecode as cd
from cfgdecode.errors import DeadCanvasError

pytest.importorskip("torch")

from cfgdecode.hooks.elastic import ElasticCanvas

TOKENS = (b"(", b")", b"a", b"()", b"a)", b",", b"a,")
DELETE = len(TOKENS)
GRAMMARS = {
    "nested": 'start: "(" item* ")"\nitem: "a" | "(" item* ")"',
    "list": 'start: "a" ("," "a")*',
    "even": 'start: ("a" "a")* | "(" start ")"',
}


def texts(grammar, most):
    """Every sequence of at most `most` tokens whose text is in the language."""
    fillings = itertools.chain.from_iterable(itertools.product(range(len(TOKENS)), repeat=n) for n in range(most + 1))
    return [f for f in fillings if grammar.accepts(b"".join(TOKENS[t] for t in f))]


def agrees(ids, text):
    """Whether the masks of `ids` can be stretched and shrunk so that it becomes the text."""
    if not ids:
        return not text
    if ids[0] is None:
        return any(agrees(ids[1:], text[k:]) for k in range(len(text) + 1))
    return bool(text) and ids[0] == text[0] and agrees(ids[1:], text[1:])


@pytest.mark.parametrize("name", GRAMMARS)
def test_what_is_refused_cannot_be_and_what_is_left_can_be(name):
    most = 5
    grammar = cd.Grammar.from_lark(GRAMMARS[name])
    constraint = cd.compile(grammar, cd.Vocabulary.from_tokens(list(TOKENS)), eos_policy="none")
    language = texts(grammar, most)
    rng = random.Random(7)
    n_refused = 0
    for _ in range(150):
        ids = [None if rng.random() < 0.6 else rng.randrange(len(TOKENS)) for _ in range(rng.randint(1, most))]
        elastic = ElasticCanvas(constraint, max_length=most)
        if not any(agrees(ids, text) for text in language):
            with pytest.raises(DeadCanvasError):
                elastic.begin(ids)
            continue
        elastic.begin(ids)
        while None in ids:
            cell = rng.choice([i for i, t in enumerate(ids) if t is None])
            token = rng.randrange(len(TOKENS) + 1)
            wanted = ids[:cell] + ([] if token == DELETE else [token]) + ids[cell + 1 :]
            scores = np.array([rng.random() for _ in range(len(TOKENS) + 1)])
            ids, is_refused = elastic.choose(ids, cell, token, scores, DELETE)
            n_refused += is_refused
            assert is_refused is not any(agrees(wanted, text) for text in language), wanted
            assert is_refused or ids == wanted
            assert any(agrees(ids, text) for text in language), ids
            assert tuple(elastic.completed(ids)) in language
        assert tuple(ids) in language
    assert n_refused > 100


def test_parts_outside_the_text_are_kept_and_count():
    constraint = cd.compile(
        cd.Grammar.from_lark(GRAMMARS["list"]), cd.Vocabulary.from_tokens(list(TOKENS)), eos_policy="none"
    )
    ids = [6, None, 2, 1, 1]
    elastic = ElasticCanvas(constraint, skip_prefix=1, skip_suffix=2, max_length=5)
    elastic.begin(ids)
    ids, is_refused = elastic.choose(ids, 1, 6, np.zeros(len(TOKENS) + 1), DELETE)
    assert (ids, is_refused) == ([6, 6, 2, 1, 1], False)
    with pytest.raises(DeadCanvasError):
        ElasticCanvas(constraint, skip_prefix=1, skip_suffix=2, max_length=4).begin([6, None, 2, 5, None, 1, 1])


def test_what_cannot_be_decided_is_a_limit_and_not_dead():
    limits = cd.Limits(items=200)
    constraint = cd.compile(cd.Grammar.builtin("cpp"), cd.Vocabulary.bytes(), eos_policy="none", limits=limits)
    ids = [*b"int f(int a) { ", None, *b"return a; } int g() { ", None, *b" return 1; }"]
    with pytest.raises(cd.LimitExceeded):
        ElasticCanvas(constraint, max_length=100).begin(ids)
