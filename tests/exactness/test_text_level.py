"""Texts with gaps of any length against brute force over short fillings.

Characters that a grammar does not name are alike to it, and `ALPHABET` always holds a one-byte one of them, so that
fillings of up to k characters of `ALPHABET` decide what fillings of up to k characters can do, and how short they are.
"""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

import cfgdecode as cd
from cfgdecode.grammar import from_lark

from .brute import Language
from .grammars import ALPHABET, random_grammar, random_sentence

if not hasattr(cd, "compile"):
    pytest.skip("the native engine is not built", allow_module_level=True)

FILLINGS = {k: ["".join(chars) for n in range(k + 1) for chars in product(ALPHABET, repeat=n)] for k in (1, 2)}


def text_case(rng, lexer):
    """(grammar, language, parts) with one or two gaps; None where the engine refuses the grammar."""
    drawn = random_grammar(rng, lexer)
    try:
        grammar = cd.Grammar.from_ir(from_lark(drawn.lark_text, lexer=lexer))
        grammar.accepts("")
    except cd.UnsupportedGrammarError:
        return None
    text = next((t for t in (random_sentence(rng, drawn) for _ in range(20)) if grammar.accepts(t)), "a")[:10]
    cuts = sorted(rng.randint(0, len(text)) for _ in range(rng.choice((2, 2, 4))))
    parts = [text[: cuts[0]]]
    for left, right in zip(cuts[1::2], [*cuts[2::2], len(text)], strict=True):
        parts += [cd.GAP, text[left:right]]
    if rng.random() < 0.4:
        place = rng.randrange(len(parts) // 2 + 1) * 2
        parts[place] += rng.choice(ALPHABET)
    return drawn, grammar, Language(grammar.ir), parts


def fill(parts, fillings):
    gaps = iter(fillings)
    return "".join(next(gaps) if part is cd.GAP else part for part in parts)


def solve_text(language, parts):
    """The bytes of the shortest completion with short fillings, and how many characters "short" is."""
    n_gaps = parts.count(cd.GAP)
    k = {1: 2, 2: 1}[n_gaps]
    texts = (fill(parts, fillings).encode() for fillings in product(FILLINGS[k], repeat=n_gaps))
    return min((len(text) for text in texts if language.accepts(text)), default=None), k


@pytest.mark.parametrize("lexer", ["basic", "dynamic", "dynamic_complete"])
def test_gaps_of_any_length_are_decided_as_brute_force_does(lexer):
    counts = {"short": 0, "long": 0, "dead": 0}
    for seed in range(120):
        made = text_case(Random(f"text {seed}/{lexer}"), lexer)
        if made is None:
            continue
        drawn, grammar, language, parts = made
        context = f"seed {seed}\n{drawn.lark_text}\n{parts}"
        want, k = solve_text(language, parts)
        verdict = grammar.is_completable(parts)
        assert verdict is not cd.Verdict.UNDECIDED, context
        text = grammar.complete(parts)
        if verdict is cd.Verdict.DEAD:
            assert want is None and text is None, context
            counts["dead"] += 1
            continue
        assert text is not None and language.accepts(text.encode()), context
        splits = fillings_of(parts, text)
        assert splits, f"{text!r} does not fit\n{context}"
        if want is not None:
            assert len(text.encode()) <= want, f"{text!r} is not a shortest completion\n{context}"
            counts["short"] += 1
        if want is None or len(text.encode()) < want:
            assert any(len(piece) > k for pieces in splits for piece in pieces), f"{text!r}\n{context}"
            counts["long"] += want is None
    assert all(count > 0 for count in counts.values()), counts


def fillings_of(parts, text):
    """All ways in which the text fills the gaps."""
    if not parts:
        return [] if text else [()]
    first, *rest = parts
    if first is not cd.GAP:
        return fillings_of(rest, text[len(first) :]) if text.startswith(first) else []
    return [(text[:n], *more) for n in range(len(text) + 1) for more in fillings_of(rest, text[n:])]
