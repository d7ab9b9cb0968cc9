"""The reference is tested against its own oracle: Lark decides, text by text, in every lexer mode."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from lark.exceptions import LarkError, UnexpectedInput

from cfgdecode.reference import Reference

from .grammars import ALPHABET, random_grammar, random_sentence
from .judge import ir_of, lark_accepts, lark_of

LEXERS = ("basic", "dynamic", "dynamic_complete")


def texts_for(rng, grammar, letters, n=40):
    """Short texts over the grammar's own letters: sentences, sentences with an edit, random ones."""
    found = {"".join(t) for k in range(3) for t in product(letters[:4], repeat=k)}
    for _ in range(n):
        text = random_sentence(rng, grammar)[:12]
        found.add(text)
        cut = rng.randint(0, len(text))
        found.add(text[:cut] + rng.choice(letters) + text[cut + rng.randint(0, 1) :])
        found.add("".join(rng.choice(letters) for _ in range(rng.randint(1, 6))))
    return sorted(found)


def differences(seed, lexer, looks=0.15):
    """(grammar, [(text, lark, reference)], texts, accepted) for one random grammar; None if Lark refuses it."""
    rng = Random(f"{seed}/{lexer}")
    grammar = random_grammar(rng, lexer, looks=looks)
    try:
        judge = lark_of(grammar)
    except UnexpectedInput:
        raise
    except LarkError:
        return None
    reference = Reference(ir_of(grammar, judge))
    letters = sorted({c for c in grammar.lark_text if c in ALPHABET})
    texts = texts_for(rng, grammar, letters or ["a"])
    different, accepted = [], 0
    for text in texts:
        want, have = lark_accepts(judge, text), reference.accepts(text)
        accepted += want is not False
        if have != (want is not False):
            different.append((text, want, have))
    return grammar, different, len(texts), accepted


@pytest.mark.parametrize("lexer", LEXERS)
def test_reference_accepts_what_lark_accepts(lexer):
    judged = 0
    for seed in range(150):
        outcome = differences(seed, lexer)
        if outcome is None:
            continue
        grammar, different, _, accepted = outcome
        judged += accepted
        assert not different, f"seed {seed} {lexer}\n{grammar.lark_text}\n(text, lark, reference): {different[:5]}"
    assert judged > 1000, "the random grammars hardly accept anything: the comparison says little"
