"""A small language and vocabulary for tests of hooks and loops: nested lists of numbers, 40 tokens.

The vocabulary has tokens of several bytes that cross lexeme borders, special tokens without bytes, an EOS, a pad and
a mask id, so that everything a hook has to refuse exists.
"""

from __future__ import annotations

from functools import lru_cache

import cfgdecode as cd

GRAMMAR = r"""
start: list
list: "[" [value ("," value)*] "]"
value: NUMBER | list
NUMBER: /0|[1-9][0-9]*/
%ignore " "
"""
_TEXT = [bytes([c]) for c in b"[], 0123456789abcxyz\n"] + [
    b"[[",
    b"]]",
    b"],",
    b"1,",
    b"12",
    b", ",
    b"[1",
    b"]\n",
    b"00",
]
TOKENS: list[bytes | None] = [*_TEXT, None, None, None, None, None]
SPECIAL, EXPAND, EOS, PAD, MASK = range(len(_TEXT), len(TOKENS))
N = len(TOKENS)


@lru_cache(maxsize=1)
def grammar() -> cd.Grammar:
    return cd.Grammar.from_lark(GRAMMAR)


@lru_cache(maxsize=1)
def vocabulary() -> cd.Vocabulary:
    return cd.Vocabulary.from_tokens(TOKENS, eos=[EOS], pad=PAD, mask=MASK)


@lru_cache(maxsize=8)
def constraint(eos_policy: str = "eos_to_end") -> cd.Constraint:
    return cd.compile(grammar(), vocabulary(), eos_policy=eos_policy)  # type: ignore[arg-type]


def text_of(ids: list[int], eos_policy: str = "eos_to_end") -> bytes:
    """The text of finished cells; checks what follows the first EOS."""
    if eos_policy != "none" and EOS in ids:
        end = ids.index(EOS)
        allowed = {"eos_to_end": {EOS, PAD}, "pad": {PAD}, "cut": set(range(N))}[eos_policy]
        assert set(ids[end + 1 :]) <= allowed, (ids[end:], eos_policy)
        ids = ids[:end]
    pieces = [TOKENS[t] for t in ids]
    assert all(piece is not None for piece in pieces), pieces
    return b"".join(piece or b"" for piece in pieces)


def is_valid(ids: list[int], eos_policy: str = "eos_to_end") -> bool:
    """Does Lark accept the text of these cells."""
    import lark

    try:
        _judge().parse(text_of(ids, eos_policy).decode())
    except lark.exceptions.LarkError:
        return False
    return True


@lru_cache(maxsize=1)
def _judge():  # type: ignore[no-untyped-def]
    import lark

    return lark.Lark(GRAMMAR, parser="earley", lexer="basic")
