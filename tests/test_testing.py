"""The strategies of `cfgdecode.testing`: what they draw is what they promise, and they reach every corner."""

from __future__ import annotations

import random
import sys

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from lark import Lark

import cfgdecode as cd

if not hasattr(cd, "compile"):
    pytest.skip("the native engine is not built", allow_module_level=True)

from cfgdecode import testing
from cfgdecode.testing import canvases, near_misses, texts

FEW = settings(
    max_examples=80,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
CODE = r"""
start: stmt+
stmt: "if" expr "then" stmt ["else" stmt] | "return" expr ";" | NAME "=" expr ";" | "{" stmt* "}" | "int" NAME ";"
expr: expr "+" term | expr "<" term | expr "<<" term | term
term: NAME | INT | FLOAT | "(" expr ")" | "not" term | STRING
NAME: /[a-z_]\w*/
INT: /\d+/
FLOAT: /\d+\.\d*/
STRING: /"(\\.|[^"\\\n])*"/
COMMENT: /\/\*(\*(?!\/)|[^*])*\*\//
%ignore /\s+/
%ignore COMMENT
"""
LIST = r"""
start: "[" [item ("," item)*] "]"
item: NUMBER | NAME | start
NUMBER: /-?(0|[1-9]\d*)/
NAME: /[a-zé€]{1,3}?/
"""
GRAMMARS = [(CODE, "basic"), (LIST, "basic"), (LIST, "dynamic"), (LIST, "dynamic_complete")]


@pytest.mark.parametrize(("text", "lexer"), GRAMMARS)
def test_texts_are_sentences_for_lark_too(text, lexer):
    grammar, judge = cd.Grammar.from_lark(text, lexer=lexer), Lark(text, parser="earley", lexer=lexer)
    seen = set()

    @FEW
    @given(texts(grammar))
    def check(sentence):
        assert grammar.accepts(sentence)
        if sentence not in seen:
            judge.parse(sentence)
        seen.add(sentence)

    check()
    assert len(seen) > 40


def test_texts_come_to_every_rule_and_terminal():
    grammar = cd.Grammar.from_lark(CODE)
    wanted = {"if", "then", "else", "return", "=", "{", "int", "+", "<", "<<", "not", "(", '"', "."}

    @settings(FEW, max_examples=1000, derandomize=True)
    @given(texts(grammar))
    def check(sentence):
        wanted.difference_update({piece for piece in wanted if piece in sentence})

    check()
    assert not wanted


@pytest.mark.parametrize(("text", "lexer"), GRAMMARS)
def test_near_misses_are_not_in_the_language(text, lexer):
    grammar = cd.Grammar.from_lark(text, lexer=lexer)

    @FEW
    @given(near_misses(grammar))
    def check(sentence):
        assert not grammar.accepts(sentence)

    check()


@pytest.mark.parametrize("eos_policy", ["none", "eos_to_end", "cut", "pad"])
def test_canvases_are_completable(eos_policy):
    grammar = cd.Grammar.from_lark(LIST, lexer="dynamic_complete")
    tokens = [*(bytes([i]) for i in range(256)), b"[[", b"],", b"]]", b"12", b"\xc3\xa9\xe2", None, None]
    vocabulary = cd.Vocabulary.from_tokens(tokens, eos=[261], pad=262)
    constraint = cd.compile(grammar, vocabulary, eos_policy=eos_policy)
    seen = {"open": 0, "dead": 0}
    many = settings(FEW, max_examples=200)  # of 80, fewer than one open cell each came up in one run of fifty

    @many
    @given(canvases(constraint))
    def check(canvas):
        assert canvas.verdict() is cd.Verdict.COMPLETABLE
        seen["open"] += len(canvas.open_positions)

    @many
    @given(canvases(constraint, completable=None))
    def check_variants(canvas):
        seen["dead"] += canvas.verdict() is cd.Verdict.DEAD

    check()
    check_variants()
    assert seen["open"] > 200 and seen["dead"] > 8


def test_texts_shrink_to_short_ones():
    grammar = cd.Grammar.from_lark(LIST)
    fast = settings(database=None, max_examples=2_000)
    # The same draw each time: one in twenty-five ends at a longer text.
    smallest = find(texts(grammar), lambda text: text.count(",") >= 2, settings=fast, random=random.Random(0))
    assert len(smallest) <= len("[a,a,a]") + 2


def test_a_language_without_texts_is_an_error():
    grammar = cd.Grammar.from_lark('start: "a" start')
    with pytest.raises(ValueError, match="empty"):
        texts(grammar)


def test_without_hypothesis_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ImportError, match=r"cfgdecode\[testing\]"):
        testing.texts(cd.Grammar.from_lark('start: "a"'))


@FEW
@given(st.data())
def test_the_same_strategy_draws_for_a_one_word_language(data):
    assert data.draw(texts(cd.Grammar.from_lark('start: "a"'))) == "a"
