"""L2: whatever the model does, each loop ends with a text that Lark accepts, in the cells it was given."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from generation import (  # noqa: E402
    runs,
    small,
)
from generation.toy import ScriptedModel, ToyModel  # noqa: E402

from cfgdecode import loops  # noqa: E402

PROMPT = torch.tensor([[7, 8, 9], [10, 11, 12]])
MODELS = {
    "toy": lambda: ToyModel(small.N, seed=3),
    "noise": lambda: ScriptedModel(small.N, noise=True),
    "constant": lambda: ScriptedModel(small.N),
    "dead token": lambda: ScriptedModel(small.N, small.TOKENS.index(b"x")),
    "unbalancing token": lambda: ScriptedModel(small.N, small.TOKENS.index(b"[[")),
    "eos": lambda: ScriptedModel(small.N, small.EOS),
    "mask": lambda: ScriptedModel(small.N, small.MASK),
    "hopeless": lambda: lambda ids: torch.full((*ids.shape, small.N), -torch.inf),
    "too sure": lambda: lambda ids: torch.eye(small.N)[small.SPECIAL].expand(*ids.shape, -1) * 1e30,
}


def _run(which, model, n=16, k=4, constraint=None, prompt=PROMPT, **rest):
    return runs.run(
        which, model, prompt, n, k, n_logits=small.N, mask_id=small.MASK, constraint=constraint, **rest
    )  # fmt: skip


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("which", runs.ALL, ids=lambda r: r.__name__)
def test_every_loop_ends_with_a_valid_text(which, model, temperature):
    result = _run(which, MODELS[model](), constraint=small.constraint(), temperature=temperature)
    for row in result.ids[:, 3:19].tolist():
        assert small.is_valid(row), small.text_of(row)
    assert result.stats.steps > 0 and not result.errors


@pytest.mark.parametrize("k", [1, 3, 16])
@pytest.mark.parametrize("n", [16, 32])
@pytest.mark.parametrize("which", runs.ALL, ids=lambda r: r.__name__)
def test_any_number_of_commits_a_step_ends_with_a_valid_text(which, n, k):
    result = _run(which, ToyModel(small.N, seed=n + k), n, k, constraint=small.constraint(), temperature=0.7)
    for row in result.ids[:, 3 : 3 + n].tolist():
        assert small.is_valid(row), small.text_of(row)


@pytest.mark.parametrize("policy", ["substitute", "defer"])
@pytest.mark.parametrize("confidence", ["raw", "renormalised"])
@pytest.mark.parametrize("which", runs.ALL, ids=lambda r: r.__name__)
def test_every_policy_and_confidence_ends_with_a_valid_text(which, confidence, policy):
    options = loops.Options(policy=policy, confidence=confidence)
    for model in ("toy", "noise", "unbalancing token"):
        result = _run(which, MODELS[model](), constraint=small.constraint(), temperature=0.5, options=options)
        for row in result.ids[:, 3:19].tolist():
            assert small.is_valid(row), small.text_of(row)


@pytest.mark.parametrize("eos_policy", ["none", "cut", "pad", "eos_to_end"])
@pytest.mark.parametrize("which", runs.ALL, ids=lambda r: r.__name__)
def test_every_eos_policy_is_kept(which, eos_policy):
    for model in ("toy", "eos", "noise"):
        result = _run(which, MODELS[model](), constraint=small.constraint(eos_policy), temperature=0.5)
        for row in result.ids[:, 3:19].tolist():
            assert small.is_valid(row, eos_policy), row


@pytest.mark.parametrize("which", runs.ALL, ids=lambda r: r.__name__)
def test_rows_without_a_constraint_decode_as_if_alone(which):
    model = ToyModel(small.N, seed=5)
    free = _run(which, model, temperature=0.0 if which is not runs.uniform else 0.1)
    mixed = _run(
        which, model, constraint=[None, small.constraint()], temperature=0.0 if which is not runs.uniform else 0.1
    )
    if which not in (runs.uniform, runs.llada_blocks):  # those draw random numbers for all rows together
        assert mixed.ids[0].tolist() == free.ids[0].tolist()
    assert small.is_valid(mixed.ids[1, 3:19].tolist())


@pytest.mark.parametrize("which", runs.ALL, ids=lambda r: r.__name__)
def test_the_prompt_is_never_touched(which):
    result = _run(which, ToyModel(small.N), constraint=small.constraint(), temperature=1.0)
    assert torch.equal(result.ids[:, :3], PROMPT)


def test_infilling_a_canvas_with_gaps_on_both_sides_of_given_text():
    given = [small.TOKENS.index(t) for t in (b"[", b"1,")]
    cells = [small.MASK] * 5 + given + [small.MASK] * 6
    for seed in range(6):
        ids = torch.tensor([[7, 8, *cells]])
        result = loops.fill_canvas(
            ToyModel(small.N, seed=seed), ids, start=2, mask_id=small.MASK, constraint=small.constraint("none")
        )
        row = result.ids[0, 2:].tolist()
        assert row[5:7] == given
        assert small.is_valid(row, "none"), small.text_of(row, "none")


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("model", MODELS)
def test_insertion_ends_with_a_valid_text_within_its_cells(model, temperature):
    prefix = torch.tensor([small.TOKENS.index(t) for t in (b"[", b"3")])
    suffix = torch.tensor([small.TOKENS.index(t) for t in (b"]", b" ")])
    result = loops.insert(
        MODELS[model](),
        prefix,
        suffix,
        mask_id=small.MASK,
        expand_id=small.EXPAND,
        delete_id=small.EOS,
        constraint=small.constraint("none"),
        n_masks=3,
        max_masks=8,
        temperature=temperature,
    )
    row = result.ids[0].tolist()
    assert row[:2] == prefix.tolist() and row[-2:] == suffix.tolist() and len(row) <= 12
    assert small.is_valid(row, "none"), row
