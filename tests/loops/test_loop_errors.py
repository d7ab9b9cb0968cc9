"""What cannot work is said before the first model call, and a bad row does not spoil the others."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from generation import (  # noqa: E402
    runs,
    small,
)
from generation.toy import ToyModel  # noqa: E402

import cfgdecode as cd  # noqa: E402
from cfgdecode import loops  # noqa: E402
from cfgdecode.hooks import LogitsError  # noqa: E402

PROMPT = torch.tensor([[7, 8, 9], [10, 11, 12]])


class Counting(ToyModel):
    """A toy model that can be told to give NaN in one row."""

    def __init__(self, nan_row=None, vocab_size=None):
        super().__init__(small.N)
        self.nan_row = nan_row
        if vocab_size is not None:
            self.config = type("Config", (), {"vocab_size": vocab_size})()

    def __call__(self, ids):
        logits = super().__call__(ids)
        if self.nan_row is not None:
            logits[self.nan_row, -4:] = torch.nan
        return logits


def _run(which, model, constraint, n=16, **rest):
    return runs.run(
        which,
        model,
        PROMPT,
        n,
        4,
        n_logits=small.N,
        mask_id=small.MASK,
        constraint=constraint,
        temperature=0.0 if which is not runs.uniform else 0.1,
        **rest,
    )


@pytest.mark.parametrize("which", runs.ALL, ids=lambda r: r.__name__)
def test_a_grammar_that_cannot_fit_is_named_before_any_model_call(which):
    long = cd.compile(cd.Grammar.from_lark(f'start: "{"1" * 60}"'), small.vocabulary())
    model = Counting()
    with pytest.raises(cd.DeadCanvasError, match="row 1: no text of the grammar fits into the 16 open cells") as caught:
        _run(which, model, [small.constraint(), long])
    assert caught.value.row == 1 and model.calls == 0


def test_a_dead_given_text_is_named_before_any_model_call():
    model = Counting()
    bad = small.TOKENS.index(b"x")
    with pytest.raises(cd.DeadCanvasError, match="row 0") as caught:
        loops.fill_canvas(
            model,
            torch.tensor([[7, small.MASK, bad, small.MASK]]),
            start=1,
            block_length=3,
            mask_id=small.MASK,
            constraint=small.constraint(),
        )
    assert caught.value.row == 0 and model.calls == 0


def test_a_vocabulary_wider_than_the_model_is_refused():
    model = Counting(vocab_size=20)
    with pytest.raises(cd.VocabularyError, match="this model's own tokenizer"):
        _run(runs.llada, model, small.constraint())
    assert model.calls == 0


def test_a_wrong_number_of_constraints_is_refused():
    with pytest.raises(cd.CanvasError, match="3 constraints for a batch of 2 rows"):
        _run(runs.llada, Counting(), [small.constraint()] * 3)


@pytest.mark.parametrize("which", runs.ALL, ids=lambda r: r.__name__)
def test_nan_logits_name_their_row_and_keep_the_others(which):
    with pytest.raises(LogitsError, match="row 1: the model's logits are NaN") as caught:
        _run(which, Counting(nan_row=1), small.constraint())
    assert caught.value.row == 1
    for row in caught.value.result.ids[:, 3:19].tolist():
        assert small.is_valid(row)
    result = _run(which, Counting(nan_row=1), small.constraint(), options=loops.Options(on_error="return"))
    assert list(result.errors) == [1]


def test_the_strict_policy_raises_with_row_and_position():
    with pytest.raises(cd.DeadCanvasError, match=r"row \d: token \d+ cannot stand at position \d+") as caught:
        _run(runs.llada, Counting(), small.constraint(), options=loops.Options(policy="strict"), seed=3)
    assert caught.value.row is not None and caught.value.position is not None
    assert caught.value.result.ids.shape == (2, 19)


@pytest.mark.parametrize(
    "wrong", [{"block_length": 5}, {"steps": 3, "block_length": 8}, {"remasking": "highest"}, {"gen_length": 0}]
)
def test_arguments_that_do_not_fit_are_refused(wrong):
    arguments = {"gen_length": 16, **wrong}
    with pytest.raises(cd.CanvasError):
        loops.llada(Counting(), PROMPT, mask_id=small.MASK, **arguments)


def test_a_limit_at_the_start_is_an_error_that_names_it():
    tight = cd.compile(small.grammar(), small.vocabulary(), cd.Limits(items=0))
    with pytest.raises(cd.LimitExceeded, match="row 0"):
        _run(runs.llada, Counting(), tight)
