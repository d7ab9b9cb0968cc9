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
    constraint = cd.compile(cd.Grammar.builtin("json"), vocabulary, limits=cd.Limits(items=60_000))
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
    limits = cd.Limits(items=60_000)
    constraint = cd.compile(cd.Grammar.builtin("cpp"), cd.Vocabulary.bytes(), limits=limits, eos_policy="none")
    canvas = constraint.canvas(text, [True] * len(text))
    for cell, byte in enumerate(text):
        assert canvas.commit_one(cell, byte), (cell, text[:cell], canvas.limit)


def _front_gap(n_open: int) -> tuple[cd.Canvas, list[bytes | None]]:
    """Open cells, and the end of an object that has begun somewhere in them."""
    tokens, vocabulary = _json_vocabulary(b'":{"', b'"}}},\n', b'"}},\n', b'{"', b'"name', b'":', b"true")
    rest = [b'"name', b'":', b"true", b"}"]
    ids = [0] * n_open + [tokens.index(piece) for piece in rest]
    canvas = cd.compile(cd.Grammar.builtin("json"), vocabulary).canvas(ids, [i < n_open for i in range(len(ids))])
    return canvas, tokens


@pytest.mark.parametrize("seed", range(4))
def test_the_outermost_brackets_are_closed_behind_many_gaps(seed: int) -> None:
    """Brackets may be opened in each of seventy gaps; of all that may be open, the oldest are needed at the end."""
    tokens, vocabulary = _json_vocabulary()
    constraint = cd.compile(cd.Grammar.builtin("json"), vocabulary, limits=cd.Limits(items=60_000, origins=4))
    draw = random.Random(seed)
    cells: list[bytes | None] = [*[None] * 4, b'":', *[None] * 3]
    for _ in range(70):
        cells += [draw.choice([b"w1", b",", b" ", b"\n"]), *[None] * draw.choice([1, 1, 1, 2, 3])]
    cells += [b"}", b"]", b"}"]
    ids = [0 if cell is None else tokens.index(cell) for cell in cells]
    assert constraint.canvas(ids, [cell is None for cell in cells]).verdict() is cd.Verdict.COMPLETABLE


def _checked_witness(canvas: cd.Canvas, grammar: cd.Grammar, tokens: list[bytes | None]) -> list[int]:
    """The witness of a canvas, which must agree with its cells and be a text of the grammar."""
    witness = canvas.witness()
    assert witness is not None
    assert all(cell is None or cell == token for cell, token in zip(canvas.ids, witness, strict=True))
    text = b"".join(itertools.takewhile(lambda token: token is not None, (tokens[t] for t in witness)))
    assert grammar.accepts(text.decode())
    return witness


@pytest.mark.parametrize("seed", range(6))
def test_what_is_written_from_left_to_right_may_be_left_and_taken_up_anywhere(seed: int) -> None:
    """While a text is written its open rest is only known to have a filling; whatever else is asked has to find one."""
    grammar = cd.Grammar.builtin("json")
    tokens, vocabulary = _json_vocabulary()
    constraint = cd.compile(grammar, vocabulary)
    pieces = [b"{", b'"', b"w1", b'":', b"[", b"1", b",", b" ", b'"', b"w2", b'"', b"]", b",\n"]
    pieces += [b'"', b"w3", b'":', b"{", b"}"]
    text = [tokens.index(piece) for piece in [*pieces, b",", *pieces[1:], b",", *pieces[1:], b"}"]]
    wrong = [tokens.index(piece) for piece in (b"}", b"]", b'":', b",,", b"]}", b"w9")]
    draw = random.Random(seed)
    n = len(text) + draw.choice([17, 40])
    canvas, at = constraint.canvas([0] * n, [True] * n), 0
    while at < len(text):
        assert canvas.commit_one(at, text[at]), (at, canvas.limit)
        at += 1
        match draw.randrange(12):
            case 0:
                _checked_witness(canvas, grammar, tokens)
            case 1:
                token = draw.choice(wrong)
                fresh = constraint.canvas([i or 0 for i in canvas.ids], [i is None for i in canvas.ids])
                assert canvas.would_accept(at, token) is fresh.would_accept(at, token), (at, tokens[token])
            case 2:
                further = draw.randrange(len(text), n)
                assert canvas.ids[further] is not None or canvas.commit_one(further, tokens.index(b" "))
            case 3:
                back = draw.randrange(max(0, at - 4), at)
                for cell in range(back, at):
                    canvas.reopen(cell)
                at = back
            case 4:
                canvas = canvas.fork()
            case 5 if at < len(text):
                assert text[at] in canvas.allowed(at)
    _checked_witness(canvas, grammar, tokens)


def test_an_exact_set_has_all_that_can_be_committed() -> None:
    canvas, tokens = _front_gap(9)
    for cell in range(9):
        some, every = canvas.allowed(cell), canvas.allowed(cell, exact=True)
        assert every.is_exact and set(some.ids().tolist()) <= set(every.ids().tolist())
        assert not some.is_exact or len(some) == len(every)
        for token in map(tokens.index, (b'":{"', b'"}}},\n', b'"}},\n', b'{"', b"w7", b"}", "é".encode()[:1])):
            fits = canvas.would_accept(cell, token)
            assert fits is (cd.Verdict.COMPLETABLE if token in every.ids() else cd.Verdict.DEAD), (cell, tokens[token])
    table = canvas.allowed_all(exact=True)
    assert bool(table.exact.all()) and list(table.positions) == list(range(9))


def test_tokens_that_close_a_text_and_open_more_are_found_in_the_middle_of_a_gap() -> None:
    """Three objects are opened in four cells: with tokens of one lexeme each they would take nine."""
    canvas, tokens = _front_gap(14)
    assert tokens.index(b'"}},\n') in canvas.allowed(5).ids()


def test_an_exact_set_that_takes_too_much_is_an_error() -> None:
    tokens, vocabulary = _json_vocabulary()
    constraint = cd.compile(cd.Grammar.builtin("json"), vocabulary, limits=cd.Limits(items=4_000))
    canvas = constraint.canvas([0] * 300, [True] * 300)
    for cell in range(10, 290, 7):
        assert canvas.commit_one(cell, tokens.index(b"w7"))
    sets = [canvas.allowed(cell) for cell in (8, 15, 148)]
    assert not all(s.is_exact for s in sets)
    with pytest.raises(cd.LimitExceeded, match="items"):
        for cell in (8, 15, 148):
            canvas.allowed(cell, exact=True)


def test_the_bytes_of_a_character_are_allowed_cell_by_cell() -> None:
    """A character that is cut between cells, in a string that a gap of four cells has to close again."""
    tokens, vocabulary = _json_vocabulary("鹅".encode()[:2], "鹅".encode()[1:])
    constraint = cd.compile(cd.Grammar.builtin("json"), vocabulary)
    ids = [tokens.index(b"["), *[0] * 4, tokens.index(b"]")]
    canvas = constraint.canvas(ids, [0 < i < 5 for i in range(6)])
    first, second = tokens.index("鹅".encode()[:2]), tokens.index("鹅".encode()[1:])
    assert first in canvas.allowed(2).ids() and second in canvas.allowed(3).ids()
    assert first not in canvas.allowed(4).ids() and second not in canvas.allowed(1).ids()
    for cell in range(1, 5):
        assert len(canvas.fork().allowed(cell)) == len(canvas.allowed(cell, exact=True)), cell


def _completed(canvas: cd.Canvas) -> list[int]:
    ids = canvas.complete()
    assert ids is not None
    return ids


def test_a_far_bracket_is_changed_without_a_look_at_the_whole_canvas() -> None:
    grammar = cd.Grammar.from_lark('start: "(" item ("," item)* ")" | "[" item ("," item)* "]"\nitem: "x" | "y"\n')
    tokens, vocabulary = _json_vocabulary(b"x", b"y")
    constraint = cd.compile(grammar, vocabulary)
    n = 121
    canvas = constraint.canvas([tokens.index(b"x")] * n, [i % 2 == 0 for i in range(n)])
    assert canvas.verdict() is cd.Verdict.COMPLETABLE
    other = {b"(": b"[", b"[": b"("}[tokens[_completed(canvas)[0]] or b""]
    before = canvas.stats.us_by_stage
    assert canvas.commit_one(0, tokens.index(other))
    after = canvas.stats.us_by_stage
    assert {stage for stage in after if after[stage] > before[stage]} <= {"repair", "dead"}
    assert tokens[_completed(canvas)[-1]] == {b"(": b")", b"[": b"]"}[other]


@pytest.mark.parametrize("n_cells", [14, 40])
def test_sets_near_the_ends_of_an_open_canvas_are_exact(n_cells: int) -> None:
    """What a token closes has to be opened in the few cells in front of it, or the other way round."""
    more = (b'":{"', b'"}}},\n', b'"}},\n', b'{"')
    tokens, vocabulary = _json_vocabulary(*more)
    canvas = cd.compile(cd.Grammar.builtin("json"), vocabulary).canvas([0] * n_cells, [True] * n_cells)
    for cell in (2, 3, 4, 5, n_cells - 4, n_cells - 3):
        found = canvas.allowed(cell)
        assert found.is_exact, cell
        for token in map(tokens.index, (*more, b"}}}", b'"]}', b"}],", b"[[[", "é".encode()[:1])):
            assert (token in found.ids()) is canvas.fork().commit_one(cell, token), (cell, tokens[token])


@pytest.mark.parametrize("first, size", [(4, 6), (10, 6), (12, 7), (4, 10), (9, 18), (2, 30)])
def test_the_sets_of_a_long_gap_say_what_can_be_committed(first: int, size: int) -> None:
    """All cells of a gap begin with what its inside has in common; each token is asked about by a commit."""
    vocabulary = cd.Vocabulary.bytes()
    for name, text in (
        ("json", b'{"a": [1, 20, {"x": null}], "b": true}'),
        ("smiles", b"CC(=O)Oc1ccccc1C(=O)Nc1ccc(O)cc1Cl"),
        ("json", '{"鹅": "a鹅é鹅b", "c": ["鹅"]}'.encode()),
    ):
        constraint = cd.compile(cd.Grammar.builtin(name), vocabulary, limits=cd.Limits(exact_cells=0))
        canvas = constraint.canvas(
            [*text, vocabulary.eos[0]], [first <= i < first + size for i in range(len(text) + 1)]
        )
        table = canvas.allowed_all()
        for row, cell in enumerate(table.positions.tolist()):
            allowed = set(table.row(row).ids().tolist())
            can_be = {b for b in range(0, 256, 5) if canvas.fork().commit_one(cell, b)}
            assert can_be >= allowed & set(range(0, 256, 5))
            assert not table.row(row).is_exact or can_be <= allowed


@pytest.mark.parametrize("first, size", [(2, 6), (10, 6), (12, 6), (13, 7), (9, 11)])
def test_what_is_of_one_length_is_allowed_only_where_it_has_its_place(first: int, size: int) -> None:
    """A date takes so many digits: what fits two cells from an end of its gap need not fit three cells from it."""
    schema = {
        "type": "object",
        "properties": {"on": {"type": "string", "format": "date"}, "by": {"type": "string", "maxLength": 9}},
        "required": ["on"],
    }
    text = b'{"on": "1985-07-12", "by": "x1234567"}'
    tokens, vocabulary = _json_vocabulary(*(b"%02d" % n for n in range(100)), b'":"",', b'":"","', b"-1")
    constraint = cd.compile(cd.Grammar.from_json_schema(schema), vocabulary)
    canvas = constraint.canvas([*text, len(tokens) - 1], [first <= i < first + size for i in range(len(text) + 1)])
    table = canvas.allowed_all()
    for row, cell in enumerate(table.positions.tolist()):
        allowed = set(table.row(row).ids().tolist())
        for token in [*b'-"09,:}ax ', tokens.index(b"07"), tokens.index(b'","'), tokens.index(b'":"",')]:
            fits = canvas.fork().commit_one(cell, token)
            assert fits or token not in allowed, (cell, tokens[token])
            assert not fits or token in allowed or not table.row(row).is_exact, (cell, tokens[token])


@pytest.mark.parametrize("first, size", [(9, 12), (9, 28), (20, 30), (30, 24)])
def test_the_sets_of_a_schema_are_all_that_can_be_committed(first: int, size: int) -> None:
    """Nearly all of such a text is decided by the states of an automaton, so the exact view is not dear."""
    person = {"first": {"type": "string"}, "on": {"type": "string", "format": "date"}}
    schema = {
        "type": "object",
        "properties": {
            "who": {"type": "object", "properties": person, "required": list(person)},
            "sum": {"type": "number"},
        },
        "required": ["who", "sum"],
    }
    text = b'{"who": {"first": "Ada", "on": "1985-07-12"}, "sum": 12.5}'
    tokens, vocabulary = _json_vocabulary(*(b"%02d" % n for n in range(100)), b'":"",', b'":"","', b"-1")
    constraint = cd.compile(cd.Grammar.from_json_schema(schema), vocabulary)
    canvas = constraint.canvas([*text, len(tokens) - 1], [first <= i < first + size for i in range(len(text) + 1)])
    table = canvas.allowed_all()
    assert table.exact.all()
    for row, cell in list(enumerate(table.positions.tolist()))[::3]:
        allowed = set(table.row(row).ids().tolist())
        for token in [*b'-"0:}a ', tokens.index(b"07"), tokens.index(b'":"",')]:
            assert (token in allowed) is canvas.fork().commit_one(cell, token), (cell, tokens[token])
