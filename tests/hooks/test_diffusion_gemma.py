"""The guard in transformers' own DiffusionGemma generation, on a tiny random model."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers.models.diffusion_gemma", reason="needs a transformers with DiffusionGemma")

from generation import (  # noqa: E402
    small,
    tiny,
)

import cfgdecode as cd  # noqa: E402
from cfgdecode.hooks.diffusion_gemma import DiffusionGemmaGuard  # noqa: E402

PROMPT = torch.tensor([[7, 8, 9], [10, 11, 12]])


@pytest.fixture(scope="module")
def model():
    return tiny.diffusion_gemma(small.N, 12, eos=small.EOS, pad=small.PAD)


def _generate(model, constraint, *, attached=True, n=12, seed=0, steps=5, **options):
    guard = DiffusionGemmaGuard(constraint, model, prompt_length=3, max_new_tokens=n, batch_size=2)
    torch.manual_seed(seed)
    arguments = {
        "max_new_tokens": n,
        "max_denoising_steps": steps,
        "disable_compile": True,
        "logits_processor": guard.processors,
        **options,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not attached:
            return model.generate(PROMPT, **arguments).sequences, guard
        with guard.attached():
            return model.generate(PROMPT, **arguments).sequences, guard


@pytest.mark.parametrize("attached", [True, False])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [12, 24])
def test_the_generated_canvases_are_a_valid_text(model, n, seed, attached):
    rows, guard = _generate(model, small.constraint("pad"), n=n, seed=seed, attached=attached)
    for row in rows[:, 3:].tolist():
        assert small.is_valid(row, "pad"), row
    assert guard.stats.steps > 0 and "_prepare_sampler" not in vars(model)


@pytest.mark.parametrize("steps", [1, 2, 20])
def test_any_number_of_steps_and_early_stops(model, steps):
    for confidence in (0.005, 1e9):  # the second stops as soon as the argmax stands still
        rows, _ = _generate(model, small.constraint("pad"), steps=steps, confidence_threshold=confidence)
        for row in rows[:, 3:].tolist():
            assert small.is_valid(row, "pad"), row


def test_rows_without_a_constraint_are_left_alone(model):
    rows, guard = _generate(model, [small.constraint("pad"), None])
    assert small.is_valid(rows[0, 3:].tolist(), "pad")
    scores = torch.randn(2, 12, small.N)
    filled = guard.process(PROMPT, scores, 3)
    assert torch.equal(filled[1], scores[1]) and not torch.equal(filled[0], scores[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_scores_stay_finite_under_the_temperature(model, dtype):
    guard = DiffusionGemmaGuard(small.constraint("pad"), model, prompt_length=3, max_new_tokens=12, batch_size=2)
    filled = guard.process(PROMPT, torch.randn(2, 12, small.N).to(dtype), 1)
    assert filled.dtype == dtype and torch.isfinite(filled / 0.4).all()
    for row in filled.argmax(-1).tolist():
        assert small.is_valid(row, "pad")


def test_a_grammar_that_cannot_fit_is_told_before_generation(model):
    long = cd.compile(cd.Grammar.from_lark(f'start: "{"1" * 60}"'), small.vocabulary(), eos_policy="pad")
    with pytest.raises(cd.DeadCanvasError, match="row 0"):
        DiffusionGemmaGuard(long, model, prompt_length=3, max_new_tokens=12, batch_size=2)
