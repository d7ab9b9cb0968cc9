"""Random canvases over random vocabularies over random grammars, half of them completable.

What: `cases(seed, n)` yields n cases; `group(seed, number)` the cases of one grammar, so that one case can be had
again without the others. A case is plain data and prints as Python that makes it again.
How: sentences of the grammar are cut into tokens (anywhere, also inside a character); a canvas is such a sentence
with some runs of cells opened, and then perhaps damaged: a gap one cell longer or shorter, a decided cell replaced.
Invariants: the same seed gives the same cases on every machine; brute force needs at most `MOST_FILLINGS` texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random

from lark.exceptions import LarkError

from cfgdecode.errors import GrammarError
from cfgdecode.grammar import GrammarIR, from_lark

from .brute import Language
from .grammars import ALPHABET, RandomGrammar, mangled, random_grammar, random_sentence

LEXERS = ("basic", "dynamic_complete", "dynamic")
POLICIES = ("none", "eos_to_end", "cut", "pad")
CASES_PER_GROUP = 20
MOST_FILLINGS = 2_500


@dataclass(frozen=True)
class Case:
    """One question. `cells`: a token id or None (open); `gaps`: start of a run of open cells -> (lo, hi).

    `lark_text` is empty where the grammar was made as IR, in ways that Lark text cannot express.
    """

    name: str
    lark_text: str
    lexer: str
    tokens: tuple[bytes | None, ...]
    eos: tuple[int, ...]
    pad: int | None
    mask: int | None
    cells: tuple[int | None, ...]
    gaps: tuple[tuple[int, tuple[int, int]], ...]
    policy: str
    language: Language = field(repr=False, compare=False)

    @property
    def ir(self) -> GrammarIR:
        return self.language.ir

    @cached_property
    def interval_cells(self) -> list[int | tuple[int, int] | None]:
        """The canvas with each interval gap as one (lo, hi), as brute force wants it."""
        return [cell for cell, _ in self._merged()]

    @cached_property
    def positions(self) -> list[int]:
        """For each of `interval_cells` its position in `cells`."""
        return [position for _, position in self._merged()]

    def _merged(self) -> list[tuple[int | tuple[int, int] | None, int]]:
        gaps, result, i = dict(self.gaps), [], 0
        while i < len(self.cells):
            if i in gaps:
                result.append((gaps[i], i))
                while i < len(self.cells) and self.cells[i] is None:
                    i += 1
                continue
            result.append((self.cells[i], i))
            i += 1
        return result

    def __str__(self) -> str:
        fields = ("lexer", "tokens", "eos", "pad", "mask", "cells", "gaps", "policy")
        lines = "".join(f"    {name}={getattr(self, name)!r},\n" for name in fields)
        grammar = f"lark_text={self.lark_text!r}" if self.lark_text else f"ir={self.ir!r}"
        return f"# {self.name}\nmake_case(\n    {grammar},\n{lines})\n{self.lark_text or self.ir}"


def make_case(
    lark_text="", lexer="basic", tokens=(), eos=(), pad=None, mask=None, cells=(), gaps=(), policy="eos_to_end",
    ir=None, name="by hand",
) -> Case:  # fmt: skip
    """A case from what `print(case)` shows."""
    language = Language(ir or from_lark(lark_text, lexer=lexer))
    return Case(
        name, lark_text, lexer, tuple(tokens), tuple(eos), pad, mask, tuple(cells), tuple(gaps), policy, language
    )


def cases(seed: int, n: int, first_group: int = 0) -> Iterator[Case]:
    """Draw n cases, `CASES_PER_GROUP` per grammar."""
    number = first_group
    while n > 0:
        for case in group(seed, number):
            yield case
            n -= 1
            if n == 0:
                return
        number += 1


def group(seed: int, number: int) -> list[Case]:
    """The cases of one random grammar and a few random vocabularies; empty where Lark refuses the grammar."""
    rng = Random(f"{seed}/{number}")
    lexer = rng.choice(LEXERS)
    grammar = random_grammar(rng, lexer)
    try:
        ir = from_lark(grammar.lark_text, lexer=lexer)
    except (GrammarError, LarkError):
        return []
    if rng.random() < 0.2:
        ir, grammar = mangled(rng, ir), replace(grammar, lark_text="")
    language = Language(ir)
    sentences = _sentences(rng, grammar, language)
    if not sentences:
        if rng.random() < 0.9:
            return []
        sentences = [random_sentence(rng, grammar).encode()[:8] or b"a"]
    found: list[Case] = []
    while len(found) < CASES_PER_GROUP:
        vocabulary = _vocabulary(rng, sentences)
        for _ in range(CASES_PER_GROUP // 2):
            name = f"group({seed}, {number})[{len(found)}]"
            found.append(_case(rng, name, grammar, language, sentences, vocabulary))
    return found


def _sentences(rng: Random, grammar: RandomGrammar, language: Language) -> list[bytes]:
    found: dict[bytes, None] = {}
    for _ in range(60):
        text = random_sentence(rng, grammar, rng.choice((2, 4, 6))).encode()
        if len(text) <= 14 and language.accepts(text):
            found[text] = None
        if len(found) == 16:
            break
    return sorted(found, key=len)


@dataclass(frozen=True)
class _Vocabulary:
    tokens: tuple[bytes | None, ...]
    eos: tuple[int, ...]
    pad: int | None
    mask: int | None
    n_choices: int


def _vocabulary(rng: Random, sentences: list[bytes]) -> _Vocabulary:
    """4 to 14 tokens: pieces of sentences, single bytes, odd ones, duplicates, special tokens, EOS, pad."""
    room = rng.randint(2, 9)
    pieces: dict[bytes, None] = {}
    longest = rng.choice((1, 2, 3, 5))
    for text in rng.choices(sentences, k=4):
        cut = 0
        while cut < len(text) and len(pieces) < room:
            stop = min(len(text), cut + rng.randint(1, longest))
            pieces[text[cut:stop]] = None
            cut = stop
    while len(pieces) < room and rng.random() < 0.8:
        text = rng.choice((rng.choice(sentences), rng.choice(ALPHABET).encode())) or b"a"
        begin = rng.randrange(len(text))
        pieces[text[begin : begin + rng.randint(1, 3)]] = None
    tokens: list[bytes | None] = list(pieces) or [b"a"]
    if rng.random() < 0.2:
        tokens.append(rng.choice(tokens))
    n_choices = len(set(tokens))
    special: list[bytes | None] = [None] * (1 + (rng.random() < 0.25))
    n_eos = rng.choice((1, 1, 1, 2))
    shuffled = [(token, "text") for token in tokens] + [(token, "") for token in special]
    shuffled += [(rng.choice((None, None, b"</s>")), "eos")] * n_eos
    rng.shuffle(shuffled)
    eos = tuple(i for i, (_, kind) in enumerate(shuffled) if kind == "eos")
    pads = [i for i, (_, kind) in enumerate(shuffled) if kind == ""]
    pad = rng.choice((None, pads[0], pads[0], eos[0]))
    mask = pads[-1] if pads[-1] != pad else None
    return _Vocabulary(tuple(token for token, _ in shuffled), eos, pad, mask, n_choices)


def _case(
    rng: Random, name: str, grammar: RandomGrammar, language: Language, sentences: list[bytes], vocabulary: _Vocabulary
) -> Case:
    policy = rng.choice(POLICIES if vocabulary.pad is not None else POLICIES[:3])
    tokenised = None
    for _ in range(8):
        tokenised = _tokenise(rng, rng.choice(sentences), vocabulary)
        if tokenised is not None and (tokenised or rng.random() < 0.2):
            break
    usable = [i for i, token in enumerate(vocabulary.tokens) if token is not None and i not in vocabulary.eos]
    cells: list[int | None] = list(tokenised if tokenised is not None else rng.choices(usable, k=rng.randint(1, 4)))
    if policy != "none" and rng.random() < 0.6:
        cells += _ending(rng, policy, vocabulary)
    _open(rng, cells, vocabulary, policy)
    for _ in range(rng.choice((0, 0, 1, 2, 2))):
        _damage(rng, cells, vocabulary)
    gaps = _gaps(rng, cells, vocabulary)
    return Case(
        name, grammar.lark_text, grammar.lexer, vocabulary.tokens, vocabulary.eos, vocabulary.pad, vocabulary.mask,
        tuple(cells), gaps, policy, language,
    )  # fmt: skip


def _tokenise(rng: Random, text: bytes, vocabulary: _Vocabulary) -> list[int] | None:
    """A random way to write the text in tokens, None if there is none (found backwards, read forwards)."""
    tokens = [(i, t) for i, t in enumerate(vocabulary.tokens) if t is not None and i not in vocabulary.eos]
    possible = [False] * len(text) + [True]
    for pos in range(len(text) - 1, -1, -1):
        possible[pos] = any(text.startswith(t, pos) and possible[pos + len(t)] for _, t in tokens)
    if not possible[0]:
        return None
    ids, pos = [], 0
    while pos < len(text):
        i, piece = rng.choice([(i, t) for i, t in tokens if text.startswith(t, pos) and possible[pos + len(t)]])
        ids.append(i)
        pos += len(piece)
    return ids


def _ending(rng: Random, policy: str, vocabulary: _Vocabulary) -> list[int]:
    eos = rng.choice(vocabulary.eos)
    after = list(vocabulary.eos) + ([vocabulary.pad] if vocabulary.pad is not None else [])
    if policy == "pad":
        assert vocabulary.pad is not None
        after = [vocabulary.pad]
    elif policy == "cut":
        after = list(range(len(vocabulary.tokens)))
    return [eos, *rng.choices(after, k=rng.choice((0, 0, 1, 2)))]


def _open(rng: Random, cells: list[int | None], vocabulary: _Vocabulary, policy: str) -> None:
    """Open up to three runs, as many cells as brute force can bear."""
    width = vocabulary.n_choices + (policy != "none")
    most, size = 0, 1
    budget = rng.choice((60, 300, MOST_FILLINGS))
    while size * width <= budget and most < 8:
        size *= width
        most += 1
    for _ in range(rng.choice((0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3))):
        begin = rng.randint(0, max(0, len(cells) - 1))
        for i in range(begin, min(len(cells), begin + rng.randint(1, 5))):
            if sum(cell is None for cell in cells) < most:
                cells[i] = None
    if not cells or rng.random() < 0.2:
        extra = most - sum(cell is None for cell in cells)
        place = rng.randint(0, len(cells))
        cells[place:place] = [None] * min(extra, rng.randint(1, 2))


def _damage(rng: Random, cells: list[int | None], vocabulary: _Vocabulary) -> None:
    place = rng.randint(0, max(0, len(cells) - 1))
    draw = rng.random()
    if draw < 0.3 and cells:
        del cells[place]
    elif draw < 0.5:
        cells.insert(place, rng.randrange(len(vocabulary.tokens)))
    elif cells and cells[place] is not None:
        cells[place] = rng.randrange(len(vocabulary.tokens))


def _gaps(rng: Random, cells: list[int | None], vocabulary: _Vocabulary) -> tuple[tuple[int, tuple[int, int]], ...]:
    """In some cases a gap becomes an interval that holds its length, or nearly."""
    starts = [i for i, cell in enumerate(cells) if cell is None and (i == 0 or cells[i - 1] is not None)]
    if not starts or rng.random() > 0.14:
        return ()
    start = rng.choice(starts)
    stop = next((i for i in range(start, len(cells)) if cells[i] is not None), len(cells))
    low = max(0, stop - start + rng.randint(-2, 1))
    high = max(low, min(low + rng.randint(0, 2), stop - start + (vocabulary.n_choices < 8)))
    return ((start, (low, high)),)


def large_case(seed: int, number: int) -> Case:
    """A canvas of some dozens of cells with long gaps."""
    for attempt in range(1_000):
        rng = Random(f"large {seed}/{number}/{attempt}")
        lexer = rng.choice(LEXERS)
        grammar = random_grammar(rng, lexer, looks=0.0)
        try:
            language = Language(from_lark(grammar.lark_text, lexer=lexer))
        except (GrammarError, LarkError):
            continue
        texts = {random_sentence(rng, grammar, rng.choice((6, 9, 12))).encode() for _ in range(60)}
        sentences = sorted((t for t in texts if 12 <= len(t) <= 60 and language.accepts(t)), key=len)
        if not sentences:
            continue
        vocabulary = _vocabulary(rng, sentences)
        tokenised = _tokenise(rng, sentences[-1], vocabulary)
        if tokenised is not None and len(tokenised) >= 8:
            return _large(rng, f"large_case({seed}, {number})", grammar, language, vocabulary, tokenised)
    raise AssertionError("no grammar has a long sentence")


def _large(
    rng: Random, name: str, grammar: RandomGrammar, language: Language, vocabulary: _Vocabulary, ids: list[int]
) -> Case:
    policy = rng.choice(POLICIES if vocabulary.pad is not None else POLICIES[:3])
    cells: list[int | None] = list(ids)
    if policy != "none" and rng.random() < 0.5:
        cells += _ending(rng, policy, vocabulary)
    for _ in range(rng.randint(1, 3)):
        begin = rng.randint(0, len(cells) - 1)
        stop = min(len(cells), begin + rng.randint(4, 16))
        cells[begin:stop] = [None] * max(1, stop - begin + rng.choice((-2, -1, 0, 0, 1, 3)))
    for _ in range(rng.choice((0, 0, 1, 2))):
        _damage(rng, cells, vocabulary)
    return Case(
        name, grammar.lark_text, grammar.lexer, vocabulary.tokens, vocabulary.eos, vocabulary.pad, vocabulary.mask,
        tuple(cells), (), policy, language,
    )  # fmt: skip
