"""`ConstrainedScheduler` in diffusers' own pipelines, on tiny models."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from generation import (  # noqa: E402
    small,
    tiny,
)
from generation.toy import ScriptedModel, ToyModel  # noqa: E402

import cfgdecode as cd  # noqa: E402
from cfgdecode.hooks.diffusers import ConstrainedScheduler  # noqa: E402

PROMPT = torch.tensor([[7, 8, 9], [10, 11, 12]])


class Wrapped(torch.nn.Module):
    """A toy model with the call that LLaDA2Pipeline makes."""

    def __init__(self, toy):
        super().__init__()
        self.toy, self.anchor = toy, torch.nn.Parameter(torch.zeros(1))

    device, dtype = torch.device("cpu"), torch.float32

    def forward(self, ids, attention_mask=None, position_ids=None):
        return SimpleNamespace(logits=self.toy(ids))


def _llada2(toy, scheduler, n=21, block=8, **options):
    from diffusers import LLaDA2Pipeline

    pipe = LLaDA2Pipeline(model=Wrapped(toy), scheduler=scheduler, tokenizer=None)
    pipe.set_progress_bar_config(disable=True)
    return pipe(
        input_ids=PROMPT,
        use_chat_template=False,
        gen_length=n,
        block_length=block,
        output_type="seq",
        mask_token_id=small.MASK,
        eos_token_id=small.EOS,
        **options,
    ).sequences


def _begun(constraint, n=21, block=8, **options):
    from diffusers import BlockRefinementScheduler

    scheduler = ConstrainedScheduler(BlockRefinementScheduler(), constraint, **options)
    scheduler.begin(batch_size=2, prompt_length=3, gen_length=n, block_length=block)
    return scheduler


MODELS = {
    "toy": lambda: ToyModel(small.N, seed=2),
    "noise": lambda: ScriptedModel(small.N, noise=True),
    "eos": lambda: ScriptedModel(small.N, small.EOS),
    "dead token": lambda: ScriptedModel(small.N, small.TOKENS.index(b"x")),
    "mask": lambda: ScriptedModel(small.N, small.MASK),
}


@pytest.mark.parametrize("policy", ["substitute", "defer"])
@pytest.mark.parametrize("editing", [None, 0.3])
@pytest.mark.parametrize("model", MODELS)
def test_llada2_pipeline_ends_with_a_valid_text(model, editing, policy):
    for steps, temperature in ((8, 0.0), (2, 1.0)):
        torch.manual_seed(0)
        rows = _llada2(
            MODELS[model](),
            _begun(small.constraint(), policy=policy),
            num_inference_steps=steps,
            temperature=temperature,
            editing_threshold=editing,
            max_post_steps=2,
            eos_early_stop=False,
        )
        for row in rows.tolist():
            assert small.is_valid(row), small.text_of(row)


def test_llada2_pipeline_may_stop_at_an_eos():
    for seed in range(4):
        rows = _llada2(
            ToyModel(small.N, seed=seed), _begun(small.constraint("cut")), num_inference_steps=4, editing_threshold=None
        )
        for row in rows.tolist():
            assert small.is_valid(row[: row.index(small.EOS)] if small.EOS in row else row, "none")


def test_a_run_that_is_valid_by_itself_is_left_as_it_is():
    from diffusers import BlockRefinementScheduler

    text = [small.TOKENS.index(t) for t in (b"[", b"12", b"]")] + [small.EOS] * 18

    class Knowing(ToyModel):
        def __call__(self, ids):
            logits = super().__call__(ids)
            columns = torch.arange(3, min(24, ids.shape[1]))
            logits[:, columns, torch.tensor(text)[: len(columns)]] += 40.0
            return logits

    options = {"num_inference_steps": 4, "editing_threshold": None, "eos_early_stop": False}
    free = _llada2(Knowing(small.N), BlockRefinementScheduler(), **options)
    held = _llada2(Knowing(small.N), _begun(small.constraint()), **options)
    assert free[0].tolist() == text and torch.equal(free, held)


@pytest.mark.parametrize("which", ["EntropyBoundScheduler", "BlockRefinementScheduler", "DiscreteDDIMScheduler"])
@pytest.mark.parametrize("n", [12, 24])
def test_diffusion_gemma_pipeline_ends_with_a_valid_text(which, n):
    import diffusers

    model = tiny.diffusion_gemma(small.N, 12, eos=small.EOS, pad=small.PAD)

    class Processor:
        tokenizer = SimpleNamespace(eos_token_id=small.EOS)

    scheduler = ConstrainedScheduler(getattr(diffusers, which)(), small.constraint("cut"))
    pipe = diffusers.DiffusionGemmaPipeline(model=model, scheduler=scheduler, processor=Processor())
    pipe.set_progress_bar_config(disable=True)
    pipe._prepare_inputs = lambda **_: (PROMPT, torch.ones_like(PROMPT), {})
    for seed in range(2):
        for confidence in (None, 1e9):
            torch.manual_seed(seed)
            scheduler.begin(
                batch_size=2,
                prompt_length=3,
                gen_length=n,
                block_length=12,
                aligned=False,
                confidence_threshold=confidence,
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                rows = pipe(
                    prompt="",
                    gen_length=n,
                    num_inference_steps=4,
                    output_type="seq",
                    confidence_threshold=confidence,
                    eos_early_stop=False,
                ).sequences
            for row in rows.tolist():
                assert small.is_valid(row, "cut"), row


def test_a_step_before_begin_is_refused():
    from diffusers import BlockRefinementScheduler

    scheduler = ConstrainedScheduler(BlockRefinementScheduler(), small.constraint())
    with pytest.raises(cd.CanvasError, match="call begin"):
        scheduler.step(torch.zeros(1, 8, small.N), 0, torch.full((1, 8), small.MASK), mask_token_id=small.MASK)


def test_a_grammar_that_cannot_fit_is_told_at_begin():
    long = cd.compile(cd.Grammar.from_lark(f'start: "{"1" * 60}"'), small.vocabulary())
    with pytest.raises(cd.DeadCanvasError, match="row 0"):
        _begun(long)
