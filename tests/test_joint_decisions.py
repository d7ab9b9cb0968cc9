"""Joint commits and most probable fillings against every other choice; long gaps, where no brute force reaches."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import cfgdecode as cd
from cfgdecode.complete import _Column

LISTS = 'start: "[" [X ("," X)*] "]"\nX: /[ab]+/\n'
TOKENS = [b"[", b"]", b",", b"a", b"b", b"a,", b"],"]


def lists(limits=None):
    return cd.compile(
        cd.Grammar.from_lark(LISTS), cd.Vocabulary.from_tokens(TOKENS, eos=[]), limits=limits, eos_policy="none"
    )


def open_canvases(n, seed, limits=None):
    constraint, rng = lists(limits), np.random.default_rng(seed)
    for _ in range(n):
        size = int(rng.integers(2, 7))
        canvas = constraint.canvas([0] * size, [True] * size)
        assert canvas.is_completable()
        yield canvas, rng


@functools.cache
def fillings(n):
    """All lists of n tokens, as Lark decides."""
    grammar = cd.Grammar.from_lark(LISTS)
    every = itertools.product(range(len(TOKENS)), repeat=n)
    return {f for f in every if grammar.accepts(b"".join(TOKENS[t] for t in f))}


BOTH = pytest.mark.parametrize("limits", [cd.Limits(), cd.Limits(exact_cells=0)], ids=["exact first", "windows first"])


@BOTH
def test_the_most_probable_filling_is_the_best_of_all(limits):
    for canvas, rng in open_canvases(25, 1, limits):
        scores = rng.normal(size=(len(canvas), len(TOKENS)))
        found = canvas.most_probable(scores, nodes=10_000)
        best = max(sum(scores[i, t] for i, t in enumerate(filling)) for filling in fillings(len(canvas)))
        assert found.is_optimal and found.score == pytest.approx(best)
        assert tuple(found.ids) in fillings(len(canvas))


@pytest.mark.parametrize("listed", [2, 4, 8])
def test_prefixes_that_are_followed_say_best_only_of_the_best(listed):
    """Texts that may end early, scores for some tokens of each cell only, no branch and bound behind it."""
    eos, rng = len(TOKENS), np.random.default_rng(listed)
    vocabulary = cd.Vocabulary.from_tokens([*TOKENS, b""], eos=[eos])
    grammar = cd.Grammar.from_lark(LISTS)
    constraint = cd.compile(grammar, vocabulary, limits=cd.Limits(exact_cells=0))
    n_best = 0
    for _ in range(60):
        size = int(rng.integers(2, 6))
        canvas = constraint.canvas([0] * size, [True] * size)
        ids = np.array([rng.permutation(eos + 1)[:listed] for _ in range(size)])
        scores = rng.normal(size=(size, listed)) * 4
        found = canvas.most_probable((ids, scores), nodes=0)
        floor = scores.min() - 20
        of = [dict(zip(row.tolist(), values.tolist(), strict=True)) for row, values in zip(ids, scores, strict=True)]
        texts = [f + (eos,) * (size - n) for n in range(size + 1) for f in fillings(n)]
        best = max(sum(cell.get(t, floor) for cell, t in zip(of, text, strict=True)) for text in texts)
        assert tuple(found.ids) in texts and found.score <= best + 1e-9
        assert not found.is_optimal or found.score == pytest.approx(best)
        n_best += found.is_optimal
    assert n_best > 5


def test_scores_of_a_padded_output_layer_may_favour_ids_that_no_token_has():
    vocabulary = cd.Vocabulary.from_tokens(TOKENS, eos=[], n_logits=len(TOKENS) + 5)
    limits = cd.Limits(exact_cells=0)
    constraint = cd.compile(cd.Grammar.from_lark(LISTS), vocabulary, limits=limits, eos_policy="none")
    scores = np.random.default_rng(7).normal(size=(6, len(TOKENS) + 5))
    scores[:, len(TOKENS) + 2] = 20.0
    found = constraint.canvas([0] * 6, [True] * 6).most_probable(scores, nodes=10_000)
    best = max(sum(scores[i, t] for i, t in enumerate(filling)) for filling in fillings(6))
    assert found.is_optimal and found.score == pytest.approx(best)


def test_several_wrong_best_tokens_are_no_hindrance():
    """JSON, 40 open cells: the best tokens of five of them are of another text."""
    vocabulary = cd.Vocabulary.bytes()
    constraint = cd.compile(cd.Grammar.builtin("json"), vocabulary)
    text = b'{"name": "a list", "values": [1, 20, {"x": null}], "more": true}'
    first, size = 8, 40
    for seed in range(8):
        rng = np.random.default_rng(seed)
        canvas = constraint.canvas(list(text), [first <= i < first + size for i in range(len(text))])
        ids = np.array([[b, *rng.permutation(256)[:7]] for b in text[first : first + size]])
        scores = np.tile(np.array([-1.0, *[-6.0] * 7]), (size, 1))
        wrong = rng.permutation(size)[:5]
        scores[wrong, 1] = -0.5
        found = canvas.most_probable((ids, scores))
        assert found.score >= -size
        assert constraint.grammar.accepts(bytes(found.ids))


def test_a_search_that_is_cut_short_is_valid_and_says_so():
    canvas = lists().canvas([0] * 6, [True] * 6)
    scores = np.random.default_rng(2).normal(size=(6, len(TOKENS)))
    cut, whole = canvas.most_probable(scores, nodes=1), canvas.most_probable(scores, nodes=10_000)
    assert not cut.is_optimal and whole.is_optimal and cut.score <= whole.score
    assert canvas.constraint.grammar.accepts(b"".join(TOKENS[t] for t in cut.ids))


def test_where_the_best_tokens_are_a_text_no_search_is_needed():
    canvas = lists().canvas([0] * 5, [True] * 5)
    text = [TOKENS.index(t) for t in (b"[", b"a,", b"b", b"a", b"]")]
    scores = np.random.default_rng(5).normal(size=(5, len(TOKENS)))
    scores[range(5), text] = 10.0
    found = canvas.most_probable(scores, nodes=0)
    assert found.is_optimal and found.ids == text and found.score == pytest.approx(50.0)
    # One cell off: the others are given theirs at once again behind it.
    scores[2] = np.where(np.arange(len(TOKENS)) == TOKENS.index(b"["), 11.0, scores[2])
    found = canvas.most_probable(scores, nodes=10_000)
    assert found.is_optimal and found.ids == text


def test_scores_of_the_wrong_shape_are_refused():
    canvas = lists().canvas([0] * 4, [True] * 4)
    with pytest.raises(cd.CanvasError, match="4 open cells"):
        canvas.most_probable(np.zeros((3, len(TOKENS))))


@BOTH
def test_a_joint_commit_keeps_a_set_of_largest_weight(limits):
    for canvas, rng in open_canvases(60, 3, limits):
        cells = rng.permutation(len(canvas))[: int(rng.integers(1, len(canvas) + 1))]
        proposals = [(int(p), int(rng.integers(len(TOKENS))), float(rng.random())) for p in cells]
        trial = canvas.fork()
        result = trial.commit(proposals, policy="defer")
        assert trial.is_completable()
        subsets = itertools.chain.from_iterable(itertools.combinations(proposals, k) for k in range(len(proposals) + 1))
        best = max(sum(p[2] for p in subset) for subset in subsets if canvas._fits_together(subset))
        assert sum(score for p, t, score in proposals if (p, t) in result.kept) == pytest.approx(best)


def test_what_fits_alone_with_nothing_is_asked_about_no_further(monkeypatch):
    canvas = lists().canvas([0] * 9, [True] * 9)
    impossible = [(p, 0, 0.5) for p in (3, 5, 7)]
    asked, ask = [], cd.Canvas._fits_together
    monkeypatch.setattr(cd.Canvas, "_fits_together", lambda self, p: asked.append(list(p)) or ask(self, p))
    result = canvas.commit([*impossible, (0, 0, 0.9), (1, 3, 0.2), (2, 2, 0.2), (4, 2, 0.2)], policy="defer")
    assert len(result.kept) == 4 and len(result.deferred) == 3
    assert [proposals for proposals in asked if set(proposals) & set(impossible)] == [[p] for p in impossible]


def test_a_joint_commit_over_decided_cells_leaves_what_it_does_not_keep():
    constraint = lists()
    canvas = constraint.canvas([0, 3, 0, 0], [True, False, True, True], status=[0, 2, 0, 0])
    result = canvas.commit([(1, 2, 0.9), (2, 1, 0.5), (3, 1, 0.8)], policy="defer")
    assert (1, 2) not in result.kept and canvas.ids[1] == 3
    assert canvas.is_completable()


@pytest.mark.parametrize(
    ("name", "n"), [("json", 512), ("smiles", 512), ("arithmetic", 300), ("cpp", 400), ("sql", 200)]
)
def test_a_canvas_with_nothing_decided_has_a_filling_of_exactly_its_cells(name, n):
    constraint = cd.compile(cd.Grammar.builtin(name), cd.Vocabulary.bytes(), eos_policy="none")
    canvas = constraint.canvas([0] * n, [True] * n)
    assert canvas.is_completable()
    witness = canvas.witness()
    assert len(witness) == n and constraint.grammar.accepts(bytes(witness))


def test_a_token_in_the_middle_of_a_long_gap_keeps_its_place():
    constraint = cd.compile(cd.Grammar.builtin("json"), cd.Vocabulary.bytes(), eos_policy="none")
    canvas = constraint.canvas([0] * 300, [True] * 300)
    for place, byte in [(150, b'"'), (40, b"{"), (260, b"}"), (149, b"x"), (41, b"]")]:
        before = canvas.is_completable()
        put = canvas.commit_one(place, byte[0])
        assert before and canvas.is_completable()
        if put:
            assert canvas.witness()[place] == byte[0]
    assert constraint.grammar.accepts(bytes(canvas.witness()))


@pytest.mark.parametrize("name", ["json", "smiles"])
def test_cells_deep_inside_a_gap_share_what_each_of_them_is_allowed(name):
    constraint = cd.compile(cd.Grammar.builtin(name), cd.Vocabulary.bytes(), eos_policy="none")
    canvas = constraint.canvas([0] * 40, [True] * 40)
    table = canvas.allowed_all()
    for k in (0, 1, 5, 20, 38, 39):
        alone = constraint.canvas([0] * 40, [True] * 40).allowed(k)
        assert set(table.row(k)) == set(alone)
        for token in range(0, 256, 5):
            verdict = canvas.would_accept(k, token)
            if token in alone:
                assert verdict is cd.Verdict.COMPLETABLE, (k, token)
            elif table.exact[k]:
                assert verdict is not cd.Verdict.COMPLETABLE, (k, token)


def test_what_stands_behind_the_end_of_the_text_does_not_matter():
    """Far behind an EOS that cuts the text, changes look at nothing that has to fit."""
    vocabulary = cd.Vocabulary.from_tokens([*TOKENS, None], eos=[7])
    constraint = cd.compile(cd.Grammar.from_lark(LISTS), vocabulary, eos_policy="cut", limits=cd.Limits(exact_cells=0))
    ids = [0, 1, 7] + [2] * 30
    canvas = constraint.canvas(ids, [i > 20 for i in range(len(ids))])
    for position in range(21, len(ids), 3):
        canvas._put(position, 6, cd.COMMITTED)
        assert canvas.verdict() is cd.Verdict.COMPLETABLE


def json_text():
    """A constraint with more tokens than brute force has, and the token ids of a text."""
    tokens = [bytes([b]) for b in range(256)] + [b'":', b'",', b"},", b'{"', b"]}"] + [b"w%d" % i for i in range(4096)]
    vocabulary = cd.Vocabulary.from_tokens([*tokens, None], eos=len(tokens))
    text = [b'{"', b"w1", b'":', b"[", b"1", b",", b'{"', b"w2", b'":', b"[", b"]", b"}", b",", b"2", b"]", b"}"]
    ids = [tokens.index(t) for t in (text[:3] + [b"["] + [*text, b","] * 5 + [b"3", b"]", b"}"])]
    constraint = cd.compile(cd.Grammar.builtin("json"), vocabulary)
    assert constraint.grammar.accepts(b"".join(tokens[t] for t in ids))
    return constraint, tokens, ids


def test_proposals_of_a_text_are_kept_together_and_are_a_text_with_the_rest():
    """Canvases of many gaps, 8 proposals at a time: first all of a text, then some of them wrong."""
    constraint, tokens, ids = json_text()
    grammar, vocabulary = constraint.grammar, constraint.vocabulary
    for seed in range(6):
        rng = np.random.default_rng(seed)
        canvas = constraint.canvas([*ids, vocabulary.eos[0]], [True] * len(ids) + [False])
        cells = rng.permutation(len(ids)).tolist()
        for k in range(0, len(cells), 8):
            wrong = rng.random(8) < (0.2 if seed % 2 else 0.0)
            there = zip(cells[k : k + 8], wrong, strict=False)
            proposals = [(p, int(rng.integers(256)) if w else ids[p], float(rng.random())) for p, w in there]
            result = canvas.commit(proposals, policy="defer")
            assert seed % 2 or len(result.kept) == len(proposals), (seed, k)
            assert all(canvas.ids[p] == token for p, token in result.kept)
            filling = canvas.witness()
            again = constraint.canvas([t or 0 for t in canvas.ids], [t is None for t in canvas.ids])
            assert filling is not None and again.is_completable()
            assert all(t in (None, f) for t, f in zip(canvas.ids, filling, strict=True))
            assert grammar.accepts(b"".join(tokens[t] for t in filling[:-1]))


@pytest.mark.parametrize("wrong", [{}, {20: b"]"}, {60: b"}"}], ids=str)
def test_a_best_token_that_does_not_fit_is_all_that_changes(wrong):
    constraint, tokens, ids = json_text()
    n = len(ids)
    canvas = constraint.canvas([*ids, constraint.vocabulary.eos[0]], [True] * n + [False])
    best = [tokens.index(wrong[i]) if i in wrong else t for i, t in enumerate(ids)]
    words = np.arange(300, 316)  # they stand nowhere but in strings
    listed = np.array([[b, t if b != t else 299, *words] for b, t in zip(best, ids, strict=True)])
    scores = np.array([[-0.1, -5.0, *np.linspace(-50.0, -60.0, len(words))]] * n)
    found = canvas.most_probable((listed, scores))
    assert found.ids[:-1] == ids
    assert found.score == pytest.approx(-0.1 * (n - len(wrong)) - 5.0 * len(wrong))


@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 1000])
def test_the_tokens_of_a_cell_come_by_falling_score_each_once(n: int) -> None:
    """Also behind those that are sorted at once, and where many score the same or nothing."""
    draw = np.random.default_rng(n)
    scores = np.where(draw.random(n) < 0.1, -np.inf, draw.integers(-40, 0, n).astype(np.float64))
    found = list(_Column(0, np.arange(n, dtype=np.int64), scores, -np.inf).falling())
    assert sorted(token for token, _ in found) == list(range(n))
    assert all(score == scores[token] for token, score in found)
    assert [score for _, score in found] == sorted(scores, reverse=True)
