"""Hooks and loops with tensors on the CPU and, where there is one, on a GPU: the same answers, on the same device."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch")

from generation import runs, small, tiny  # noqa: E402
from generation.toy import ScriptedModel, ToyModel  # noqa: E402
from test_tensors import DTYPES, _case  # noqa: E402

from cfgdecode.hooks import ConstraintBatch, tensors  # noqa: E402

PROMPT = [[7, 8], [9, 9]]


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=[pytest.mark.gpu])])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return torch.device(request.param)


class On:
    """A model of the CPU whose ids and logits are on a device."""

    def __init__(self, model, device):
        self.model, self.device = model, device

    def __call__(self, ids):
        assert ids.device.type == self.device.type
        return self.model(ids.cpu()).to(self.device)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_logits, words", [(31, None), (4099, None), (128_256, None), (100, 2)])
def test_what_the_device_does_is_what_the_dense_path_does_on_the_cpu(device, n_logits, words, dtype):
    table, row_of, _ = _case(n_logits, words=words)
    for logits in (torch.randn(7, n_logits).to(dtype), torch.full((7, n_logits), -torch.inf, dtype=dtype)):
        fill = tensors.finite_fill(dtype)
        want = tensors.apply_dense_(logits.clone(), table, row_of, fill=fill)
        there = logits.to(device)
        have = tensors.apply_bitmask_(there, table.to(device), row_of.to(device))
        assert have is there and have.dtype == dtype and have.device.type == device.type
        assert torch.equal(have.cpu(), want)
        dense = tensors.apply_dense_(logits.to(device), table.to(device), row_of.to(device), fill=fill)
        assert torch.equal(dense.cpu(), want)


def test_a_window_of_longer_logits_is_filled_in_place(device):
    table, row_of, _ = _case(500, n_rows=12)
    whole = torch.randn(3, 9, 500, device=device)
    before = whole.clone()
    window = whole[:, 2:6].contiguous()
    want = tensors.apply_dense_(window.clone(), table.to(device), row_of.view(3, 4).to(device), fill=-1e20)
    assert torch.equal(tensors.apply_bitmask_(window, table.to(device), row_of.view(3, 4).to(device)), want)
    assert torch.equal(whole, before)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_protocol_gives_the_same_answers(device, dtype):
    def decided(where):
        generator = torch.Generator().manual_seed(1)
        ids = torch.full((2, 11), small.MASK)
        ids[:, :2] = torch.tensor(PROMPT)
        batch = ConstraintBatch([small.constraint(), None])
        batch.begin(ids.to(where), region=(2, 11))
        answers = []
        for _ in range(3):
            batch.sync(ids.to(where), (ids == small.MASK).to(where))
            logits = torch.randn(2, 11, small.N, generator=generator).to(dtype)
            masks = batch.masks(0, 11, device=where)
            filled = batch.apply_(logits.to(where), masks=masks)
            select = (torch.rand(2, 11, generator=generator) < 0.3) & (ids == small.MASK)
            tokens, conf = filled.argmax(dim=-1), torch.rand(2, 11, generator=generator)
            refused = batch.refused(tokens, select.to(where), conf.to(where))
            assert refused is None or refused.masks.table.device.type == torch.device(where).type
            done = batch.commit(tokens, select.to(where), conf.to(where), scores=filled)
            batch.aim(done.tokens, done.select, conf.to(where))
            for tensor in (masks.table, filled, done.tokens, done.select):
                assert tensor.device.type == torch.device(where).type
            answers += [filled.cpu(), done.tokens.cpu(), done.select.cpu()]
            answers += [] if refused is None else [*refused.where, refused.masks.table.cpu()]
            ids = torch.where(done.select.cpu(), done.tokens.cpu(), ids)
        ids = batch.finalize(ids.to(where), logits=filled)
        assert batch.is_complete().tolist() == [True, True] and small.is_valid(ids[0, 2:].tolist())
        return [*answers, ids.cpu()]

    for here, there in zip(decided("cpu"), decided(device), strict=True):
        assert torch.equal(here, there)


@pytest.mark.parametrize("which", runs.ALL, ids=lambda f: f.__name__)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_every_loop_ends_with_valid_texts(device, which, temperature):
    prompt = torch.tensor(PROMPT, device=device)
    for model in (ToyModel(small.N, seed=3), ScriptedModel(small.N, noise=True), ScriptedModel(small.N, small.MASK)):
        result = runs.run(
            which,
            On(model, device),
            prompt,
            16,
            4,
            n_logits=small.N,
            mask_id=small.MASK,
            constraint=[small.constraint(), None],
            temperature=temperature,
        )
        assert result.ids.device.type == device.type
        assert small.is_valid(result.ids[0, 2:18].tolist())


def test_loops_and_reused_buffers_work_in_inference_mode(device):
    with torch.inference_mode():
        model, prompt = On(ToyModel(small.N, seed=3), device), torch.tensor(PROMPT[:1], device=device)
        result = runs.run(
            runs.ALL[0], model, prompt, 16, 4, n_logits=small.N, mask_id=small.MASK, constraint=small.constraint()
        )
        assert small.is_valid(result.ids[0, 2:18].tolist())
        copies, conf = ConstraintBatch(small.constraint()).on_host, torch.zeros(1, 3, device=device)
        for value in range(3):
            conf.fill_(value)
            copies.fetch(conf, conf > 0)
            assert (copies(conf) == value).all()


def test_a_step_waits_for_the_device_once_for_its_proposals(device):
    """Tokens, selection and confidences come to the CPU in one copy, whatever their types, and are right there."""
    copies = ConstraintBatch(small.constraint()).on_host
    tokens, select = torch.randint(0, 9, (2, 5), device=device), torch.rand(2, 5, device=device) < 0.5
    for dtype in (torch.float64, *DTYPES):
        conf = torch.randn(2, 5, device=device).to(dtype)
        conf[0, 0] = -torch.inf
        copies.fetch(tokens, select, conf)
        for tensor in (tokens, select, conf):
            copy = copies(tensor)
            assert copy is copies(tensor) and (copy == tensor.cpu().to(torch.float64).numpy()).all()
        assert copies(select).dtype == bool
        conf += 1
        assert (copies(conf) == conf.cpu().double().numpy()).all()


def test_transformers_generates_a_valid_text(device):
    pytest.importorskip("transformers")
    from cfgdecode.hooks.transformers_ar import ConstrainedLogitsProcessor

    model = tiny.llama(small.N, eos=small.EOS, pad=small.PAD).to(device)
    ids = torch.tensor(PROMPT, device=device)
    for how in ({"do_sample": False}, {"do_sample": True}, {"num_beams": 3, "do_sample": False}):
        processor = ConstrainedLogitsProcessor(small.constraint(), max_new_tokens=14)
        rows = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=14, logits_processor=[processor], **how
        )
        for row in rows[:, 2:].tolist():
            new = row[: row.index(small.EOS)] if small.EOS in row else row
            assert small.is_valid(new, "none")


def test_diffusion_gemma_generates_a_valid_text(device):
    pytest.importorskip("transformers.models.diffusion_gemma", reason="needs a transformers with DiffusionGemma")
    from cfgdecode.hooks.diffusion_gemma import DiffusionGemmaGuard

    model = tiny.diffusion_gemma(small.N, 12, eos=small.EOS, pad=small.PAD).to(device)
    guard = DiffusionGemmaGuard(small.constraint("pad"), model, prompt_length=2, max_new_tokens=12, batch_size=2)
    with warnings.catch_warnings(), guard.attached():
        warnings.simplefilter("ignore")
        rows = model.generate(
            torch.tensor(PROMPT, device=device),
            max_new_tokens=12,
            max_denoising_steps=5,
            disable_compile=True,
            logits_processor=guard.processors,
        ).sequences
    for row in rows[:, 2:].tolist():
        assert small.is_valid(row, "pad")
