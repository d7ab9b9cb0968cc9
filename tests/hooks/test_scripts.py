"""Dream's hook pair and the model proxy, in generation scripts that know nothing of constraints."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from generation import (  # noqa: E402
    published,
    small,
)
from generation.toy import ScriptedModel, ToyModel  # noqa: E402

from cfgdecode.hooks.dream import DreamHooks  # noqa: E402
from cfgdecode.hooks.proxy import ModelProxy  # noqa: E402

PROMPT = torch.tensor([[7, 8, 9], [10, 11, 12]])
MODELS = {
    "toy": lambda: ToyModel(small.N, seed=2),
    "noise": lambda: ScriptedModel(small.N, noise=True),
    "eos": lambda: ScriptedModel(small.N, small.EOS),
    "dead token": lambda: ScriptedModel(small.N, small.TOKENS.index(b"x")),
    "mask": lambda: ScriptedModel(small.N, small.MASK),
}


def _diffusion_generate(model, x, steps, hooks, temperature):
    """The skeleton of Dream's loop, for any batch: shift, logits hook, commit the best, tokens hook.

    Like the original it ranks the cells of the whole canvas, so a row with fewer masks than the mean gets masks
    written over decided cells.
    """
    t = torch.linspace(1, 1e-3, steps + 1)
    x = hooks.tokens(None, x, None)
    for i in range(steps):
        masked = x == small.MASK
        logits = model(x)
        logits = hooks.logits(i, x, torch.cat([logits[:, :1], logits[:, :-1]], 1))
        noise = -torch.log(-torch.log(torch.rand_like(logits))) if temperature else 0.0
        proposed = (logits / max(temperature, 1.0) + noise).argmax(-1)
        conf = torch.softmax(logits, -1).gather(-1, proposed[..., None])[..., 0].masked_fill(~masked, -torch.inf)
        mean = masked.sum() / len(x)
        n = int(mean * (1 - t[i + 1] / t[i])) if i < steps - 1 else int(mean)
        if n > 0:
            everything = torch.where(masked, proposed, small.MASK)
            for row, chosen in enumerate(conf.topk(n).indices):
                x[row, chosen] = everything[row, chosen]
        x = hooks.tokens(i, x, logits)
    return x


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("steps", [3, 14])
def test_dream_hooks_end_with_a_valid_text(model, steps, temperature):
    torch.manual_seed(0)
    hooks = DreamHooks(small.constraint(), steps=steps, prompt_length=3, mask_id=small.MASK)
    x = torch.nn.functional.pad(PROMPT, (0, 14), value=small.MASK)
    x[1, 3] = small.TOKENS.index(b"[")
    x[1, 16] = small.TOKENS.index(b"]")
    for row in _diffusion_generate(MODELS[model](), x, steps, hooks, temperature)[:, 3:].tolist():
        assert small.is_valid(row), small.text_of(row)
    assert hooks.stats.proposals > 0


def test_dream_hooks_put_back_what_the_script_masked_again():
    class Hooks(DreamHooks):
        def tokens(self, step, x, logits):
            before = None if step is None else self._before.clone()
            after = super().tokens(step, x, logits)
            if before is not None:
                decided = before != self.mask_id
                assert torch.equal(after[decided], before[decided])
            return after

    hooks = Hooks(small.constraint(), steps=5, prompt_length=3, mask_id=small.MASK)
    x = torch.nn.functional.pad(PROMPT, (0, 14), value=small.MASK)
    x[1, 5:12] = small.TOKENS.index(b" ")
    _diffusion_generate(MODELS["toy"](), x, 5, hooks, 0.0)


@pytest.mark.parametrize("cfg_scale", [0.0, 1.0])
@pytest.mark.parametrize("model", MODELS)
def test_the_proxy_keeps_one_token_a_step_valid(model, cfg_scale):
    proxy = ModelProxy(MODELS[model](), small.constraint(), prompt_length=3, mask_id=small.MASK)
    rows = published.llada(proxy, PROMPT, small.MASK, 14, 14, 14, cfg_scale=cfg_scale)
    for row in rows[:, 3:].tolist():
        assert small.is_valid(row), small.text_of(row)
    assert not proxy.dead_rows


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("steps", [1, 3])
def test_a_joint_proxy_keeps_many_tokens_a_step_valid(model, steps, temperature):
    torch.manual_seed(0)
    proxy = ModelProxy(
        MODELS[model](),
        small.constraint(),
        prompt_length=3,
        mask_id=small.MASK,
        guarantee="joint",
        sampled=temperature > 0,
    )
    rows = published.llada(proxy, PROMPT, small.MASK, 15, 15, steps, temperature=temperature)
    for row in rows[:, 3:].tolist():
        assert small.is_valid(row), small.text_of(row)


def test_the_plain_proxy_names_the_rows_that_a_script_spoilt():
    lost = 0
    for seed in range(6):
        proxy = ModelProxy(ToyModel(small.N, seed=seed), small.constraint(), prompt_length=3, mask_id=small.MASK)
        rows = published.llada(proxy, PROMPT, small.MASK, 15, 15, 3)
        proxy(rows)
        for b, row in enumerate(rows[:, 3:].tolist()):
            text = [t for t in row if t != small.MASK]
            valid = len(text) == 15 and _accepted(row)
            assert valid or b in proxy.dead_rows
            lost += not valid
    assert lost > 0


def _accepted(row):
    try:
        return small.is_valid(row)
    except AssertionError:
        return False


def test_the_proxy_gives_back_the_models_own_output_and_attributes():
    class Model(ToyModel):
        device = torch.device("cpu")

        def __call__(self, ids, extra=None):
            return type("Output", (), {"logits": super().__call__(ids), "extra": extra})()

    proxy = ModelProxy(Model(small.N), small.constraint(), prompt_length=3, mask_id=small.MASK)
    output = proxy(torch.nn.functional.pad(PROMPT, (0, 8), value=small.MASK), extra=5)
    assert output.extra == 5 and output.logits.shape == (2, 11, small.N) and proxy.device.type == "cpu"
