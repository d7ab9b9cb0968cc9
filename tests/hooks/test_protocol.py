"""The contract of `ConstraintBatch`."""

from __future__ import annotations

import pickle

import pytest

torch = pytest.importorskip("torch")

from generation import small  # noqa: E402

import cfgdecode as cd  # noqa: E402
from cfgdecode.hooks import ConstraintBatch, finite_fill  # noqa: E402

DTYPES = [torch.float32, torch.float16, torch.bfloat16]


def _ids(*rows):
    return torch.tensor([[small.MASK if t is None else t for t in row] for row in rows])


def _begun(rows, constraints=None, **options):
    batch = ConstraintBatch(small.constraint() if constraints is None else constraints, **options)
    ids = _ids(*rows)
    batch.begin(ids, region=[(2, ids.shape[1])] * len(rows))
    return batch, ids


ROWS = [[7, 8, *[None] * 9], [9, 9, 0, None, None, *[None] * 6], [7, 7, 0, 4, None, 2, *[None] * 5]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("overlap", [True, False])
def test_apply_fills_exactly_what_the_engine_disallows(overlap, dtype):
    batch, ids = _begun(ROWS, overlap=overlap)
    logits = torch.randn(3, 11, small.N).to(dtype)
    before = logits.clone()
    assert batch.apply_(logits) is logits and logits.dtype == dtype
    for b in range(3):
        canvas = small.constraint().canvas(ids[b, 2:].tolist())
        for i in range(11):
            if i < 2 or ids[b, i] != small.MASK:
                assert torch.equal(logits[b, i], before[b, i])
                continue
            allowed = torch.zeros(small.N, dtype=torch.bool)
            allowed[torch.from_numpy(canvas.allowed(i - 2).ids()).long()] = True
            assert allowed.any()
            assert torch.equal(logits[b, i][allowed], before[b, i][allowed])
            assert (logits[b, i][~allowed] == torch.tensor(finite_fill(dtype), dtype=dtype)).all()
            for special in (small.MASK, small.SPECIAL, small.EXPAND):
                assert not allowed[special]
    assert not torch.isnan(torch.softmax(logits.float(), dim=-1)).any()


@pytest.mark.parametrize("offset, width", [(0, 11), (4, 5), (8, 3), (2, 1)])
def test_a_window_is_a_slice_of_the_whole(offset, width):
    batch, _ = _begun(ROWS)
    whole = batch.apply_(torch.zeros(3, 11, small.N))
    window = batch.apply_(torch.zeros(3, width, small.N), offset)
    assert torch.equal(window, whole[:, offset : offset + width])


def test_windows_may_lie_elsewhere_in_each_row():
    batch, _ = _begun(ROWS)
    whole = batch.apply_(torch.zeros(3, 11, small.N))
    window = batch.apply_(torch.zeros(3, 4, small.N), [2, 5, 7])
    for b, start in enumerate([2, 5, 7]):
        assert torch.equal(window[b], whole[b, start : start + 4])


def test_a_batch_is_the_loop_over_its_rows():
    batch, ids = _begun(ROWS)
    logits, tokens = torch.randn(3, 11, small.N), torch.randint(0, small.N, (3, 11))
    select, conf = torch.rand(3, 11) < 0.5, torch.rand(3, 11)
    select[:, :2] = False
    select &= ids == small.MASK
    together = batch.commit(tokens, select, conf, scores=logits)
    for b in range(3):
        alone, _ = _begun([ROWS[b]])
        one = alone.commit(
            tokens[b : b + 1], select[b : b + 1], conf[b : b + 1], scores=logits[b : b + 1]
        )  # fmt: skip
        assert torch.equal(one.tokens[0], together.tokens[b]) and torch.equal(one.select[0], together.select[b])


def test_rows_may_have_constraints_of_their_own_or_none():
    digits = cd.compile(cd.Grammar.from_lark("start: /[0-9]+/"), small.vocabulary())
    batch, ids = _begun([ROWS[0]] * 3, [small.constraint(), None, digits])
    logits = torch.zeros(3, 11, small.N)
    batch.apply_(logits)
    assert (logits[1] == 0).all()
    assert logits[0, 2, small.TOKENS.index(b"[")] == 0 and logits[2, 2, small.TOKENS.index(b"[")] < 0
    tokens = torch.full((3, 11), small.TOKENS.index(b"x"))
    done = batch.commit(tokens, ids == small.MASK, scores=logits)
    assert torch.equal(done.tokens[1], tokens[1]) and done.select[1].sum() == 9
    assert small.is_valid(done.tokens[0, 2:].tolist())
    assert set(small.text_of(done.tokens[2, 2:].tolist())) <= set(b"0123456789")
    assert batch.is_complete().tolist() == [True, True, True]


def test_a_commit_keeps_the_canvas_completable_and_counts():
    batch, _ = _begun([ROWS[0]])
    x, closing = small.TOKENS.index(b"x"), small.TOKENS.index(b"]")
    tokens = torch.tensor([[0, 0, closing, x, 0, 0, 0, 0, 0, 0, 0]])
    select = torch.zeros(1, 11, dtype=torch.bool)
    select[0, 2:5] = True
    done = batch.commit(tokens, select, torch.tensor([[0, 0, 0.9, 0.8, 0.7, 0, 0, 0, 0, 0, 0.0]]))
    assert done.n_rejected >= 2 and batch.is_dead().tolist() == [False]
    assert done.n_substituted == done.n_rejected and batch.stats.proposals == 3
    assert done.tokens[0, 2] != closing


def test_deferring_leaves_cells_open_but_decides_one():
    batch, _ = _begun([ROWS[0]], policy="defer")
    tokens = torch.full((1, 11), small.TOKENS.index(b"x"))
    select = torch.zeros(1, 11, dtype=torch.bool)
    select[0, 3:6] = True
    done = batch.commit(tokens, select)
    assert done.select.sum() == 1 and done.n_deferred == 2


def _proposed(length, **columns):
    """tokens, select and conf of one row from column=(token, selected, conf)."""
    tokens, select = torch.zeros(1, length, dtype=torch.long), torch.zeros(1, length, dtype=torch.bool)
    conf = torch.full((1, length), -torch.inf)
    for name, (token, selected, score) in columns.items():
        column = int(name[1:])
        tokens[0, column], select[0, column], conf[0, column] = small.TOKENS.index(token), selected, score
    return tokens, select, conf


@pytest.mark.parametrize("overlap", [True, False])
def test_an_aimed_witness_agrees_with_what_is_likely_to_come(overlap):
    batch, _ = _begun([ROWS[0]], overlap=overlap)
    step = {"c2": (b"[", True, 0.9), "c4": (b"1,", False, 0.8), "c3": (b"]", False, 0.7), "c6": (b"x", False, 0.6)}
    done = batch.commit(*_proposed(11, **step))
    batch.aim(done.tokens, done.select, _proposed(11, **step)[2])
    row = batch.rows[0]
    row.settle()
    assert row.open.sum() == 8 and row.canvas.open_positions == list(range(1, 9))  # nothing was decided
    assert row.canvas.witness()[2] == small.TOKENS.index(b"1,")  # column 4
    assert row.canvas.witness()[1] != small.TOKENS.index(b"]")  # "[]" ends the text, and "1," is likelier
    assert not row.surely_refuses(1, small.TOKENS.index(b"]"))  # by itself it could stand there
    assert row.surely_refuses(4, small.TOKENS.index(b"x"))
    refused = batch.known_refused(*_proposed(11, c6=(b"x", True, 0.5))[:2])
    assert refused is not None and [w.tolist() for w in refused.where] == [[0], [6]]
    assert batch.known_refused(*_proposed(11, c4=(b"x", True, 0.5))[:2]) is None


def test_aiming_changes_no_outcome():
    for seed in range(20):
        outcomes = []
        for aims in (True, False):
            generator = torch.Generator().manual_seed(seed)
            batch, ids = _begun(ROWS)
            for _ in range(4):
                logits = torch.randn(3, 11, small.N, generator=generator)
                tokens, conf = logits.argmax(dim=-1), torch.rand(3, 11, generator=generator)
                select = (ids == small.MASK) & (torch.rand(3, 11, generator=generator) < 0.3)
                done = batch.commit(tokens, select, conf, scores=logits)
                ids = torch.where(done.select, done.tokens, ids)
                if aims:
                    batch.aim(done.tokens, done.select, conf)
            outcomes.append(ids)
        assert torch.equal(*outcomes)


def test_edits_of_decided_cells_are_checked_like_new_tokens():
    text = [small.TOKENS.index(t) for t in (b"[", b"5", b",", b"6", b"]")]
    batch, ids = _begun([[7, 8, *text, *[small.EOS] * 4]])
    tokens, select = ids.clone(), torch.zeros(1, 11, dtype=torch.bool)
    tokens[0, 3], tokens[0, 5] = small.TOKENS.index(b"7"), small.TOKENS.index(b"]")
    select[0, [3, 5]] = True
    done = batch.commit(tokens, select, torch.tensor([[0.5] * 11]))
    assert done.tokens[0, 3] == small.TOKENS.index(b"7")
    assert done.tokens[0, 5] == small.TOKENS.index(b"6")  # "[7,]]" is no text: the old token came back
    assert small.is_valid(torch.where(done.select, done.tokens, ids)[0, 2:].tolist())


def test_the_canvas_is_the_truth():
    batch, ids = _begun([ROWS[0]])
    changed = ids.clone()
    changed[0, 2] = small.TOKENS.index(b"[")
    changed[0, 4] = small.TOKENS.index(b"]")
    batch.sync(changed, changed == small.MASK)
    canvas = small.constraint().canvas(changed[0, 2:].tolist())
    logits = batch.apply_(torch.zeros(1, 11, small.N))
    assert (logits[0, 3] == 0).nonzero().flatten().tolist() == canvas.allowed(1).ids().tolist()
    batch.sync(ids, ids == small.MASK)
    assert (batch.apply_(torch.zeros(1, 11, small.N))[0, 3] == 0).sum() > len(canvas.allowed(1))


def test_a_canvas_changed_into_a_dead_one_is_told():
    batch, ids = _begun([ROWS[0]])
    ids[0, 3] = small.TOKENS.index(b"x")
    batch.sync(ids, ids == small.MASK)
    assert batch.is_dead().tolist() == [True]
    with pytest.raises(cd.DeadCanvasError, match="row 0"):
        batch.masks()


def test_finalize_fills_what_is_open_with_likely_valid_text():
    batch, ids = _begun(ROWS)
    logits = torch.zeros(3, 11, small.N)
    logits[..., small.TOKENS.index(b"7")] = 5.0
    filled = batch.finalize(ids, logits=logits)
    for b in range(3):
        assert small.is_valid(filled[b, 2:].tolist())
        assert torch.equal(filled[b][ids[b] != small.MASK], ids[b][ids[b] != small.MASK])
    assert (filled == small.TOKENS.index(b"7")).sum() > 5
    assert batch.is_complete().all() and batch.stats.finalized == (ids == small.MASK).sum()


def test_finalize_of_a_window_leaves_the_rest_open_and_completable():
    batch, ids = _begun([ROWS[0]])
    filled = batch.finalize(ids, window=(2, 6))
    assert (filled[0, 2:6] != small.MASK).all() and (filled[0, 6:] == small.MASK).all()
    assert batch.is_dead().tolist() == [False] and batch.is_complete().tolist() == [False]


def test_one_batch_object_serves_one_generation_after_the_other():
    batch, ids = _begun([ROWS[0]])
    first = batch.finalize(ids)
    batch.begin(ids, region=(2, 11))
    assert torch.equal(batch.finalize(ids), first)


def test_constraints_may_be_sent_to_worker_processes():
    batch, _ = _begun([ROWS[0]], pickle.loads(pickle.dumps(small.constraint())))
    here, _ = _begun([ROWS[0]])
    zeros = torch.zeros(1, 11, small.N)
    assert torch.equal(batch.apply_(zeros.clone()), here.apply_(zeros.clone()))


def test_open_cells_need_no_mask_token():
    batch = ConstraintBatch(small.constraint())
    noise = torch.randint(0, small.N, (1, 8))
    batch.begin(noise, open=torch.ones(1, 8, dtype=torch.bool))
    assert small.is_valid(batch.finalize(noise)[0].tolist())


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"ids": torch.zeros(4, dtype=torch.long)}, "batch, length"),
        ({"region": (0, 99)}, "not inside the sequence"),
        ({"region": [(0, 4), (0, 4)]}, "2 regions for a batch of 1 rows"),
    ],
)
def test_bad_arguments_say_what_is_expected(wrong, message):
    arguments = {"ids": torch.full((1, 8), small.MASK), **wrong}
    with pytest.raises(cd.CanvasError, match=message):
        ConstraintBatch(small.constraint()).begin(arguments.pop("ids"), **arguments)
