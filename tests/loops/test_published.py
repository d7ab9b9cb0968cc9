"""Without a constraint every loop gives the tokens of its published algorithm, seed for seed."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch")


from generation import published  # noqa: E402
from generation.toy import ToyModel  # noqa: E402

from cfgdecode import loops  # noqa: E402

V, MASK = 50, 49
SEEDS = range(4)


class NoMask(ToyModel):
    """Never predicts the mask id: the originals would loop on it."""

    def __call__(self, ids):
        logits = super().__call__(ids)
        logits[..., MASK] = -30.0
        return logits


def _prompt(rows: int, length: int = 5, seed: int = 0):
    return torch.randint(0, MASK, (rows, length), generator=torch.Generator().manual_seed(seed))


def _same(have, want):
    assert have.ids.tolist() == want.tolist()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"temperature": 1.0},
        {"temperature": 0.5, "remasking": "random"},
        {"remasking": "random"},
        {"cfg_scale": 1.5},
        {"cfg_scale": 0.5, "temperature": 1.0},
    ],
)
@pytest.mark.parametrize(
    "shape", [{"gen_length": 24, "block_length": 8, "steps": 9}, {"gen_length": 16, "block_length": 16, "steps": 16}]
)
def test_llada_gives_the_published_tokens(how, shape, rows, seed):
    torch.manual_seed(seed)
    want = published.llada(NoMask(V, seed=seed), _prompt(rows), MASK, **shape, **how)
    torch.manual_seed(seed)
    _same(loops.llada(NoMask(V, seed=seed), _prompt(rows), mask_id=MASK, **shape, **how), want)


def test_llada_leaves_a_predicted_mask_masked_as_the_original_does():
    torch.manual_seed(0)
    want = published.llada(ToyModel(V), _prompt(2), MASK, 32, 8, 16, temperature=2.0)
    assert (want == MASK).any()
    torch.manual_seed(0)
    _same(
        loops.llada(ToyModel(V), _prompt(2), mask_id=MASK, gen_length=32, block_length=8, steps=16, temperature=2.0),
        want,
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("how", [{"threshold": 0.6}, {"threshold": 0.95}, {"factor": 1.0}, {"factor": 0.4}])
def test_llada_gives_the_tokens_of_fast_dllm(how, temperature, seed):
    torch.manual_seed(seed)
    model = NoMask(V, seed=seed, sharpness=8.0)
    want = published.fast_dllm(model, _prompt(2), MASK, 24, 8, temperature=temperature, **how)
    torch.manual_seed(seed)
    _same(
        loops.llada(model, _prompt(2), mask_id=MASK, gen_length=24, block_length=8, temperature=temperature, **how),
        want,
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("alg", ["origin", "maskgit_plus", "topk_margin", "entropy"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"temperature": 0.7},
        {"temperature": 1.0, "top_p": 0.8},
        {"temperature": 1.0, "top_k": 5, "top_p": 0.9},
        {"alg_temp": 0.5},
        {"temperature": 0.4, "alg_temp": 0.2},
    ],
)
def test_dream_gives_the_published_tokens(how, alg, seed):
    torch.manual_seed(seed)
    want = published.dream(NoMask(V, seed=seed), _prompt(1), MASK, 20, 12, alg, **how)
    torch.manual_seed(seed)
    _same(loops.dream(NoMask(V, seed=seed), _prompt(1), mask_id=MASK, gen_length=20, steps=12, alg=alg, **how), want)


def test_dream_in_a_batch_never_masks_a_committed_cell_again():
    prompt = _prompt(2, 8)
    prompt[1, 2:6] = MASK
    seen = []

    def model(ids):
        seen.append(ids.clone())
        return NoMask(V)(ids)

    result = loops.dream(model, prompt, mask_id=MASK, gen_length=8, steps=6, alg="maskgit_plus")
    seen.append(result.ids)
    assert not (result.ids == MASK).any()
    for before, after in itertools.pairwise(seen):
        assert torch.equal(before[before != MASK], after[before != MASK])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("strategy", ["sequential", "low_confidence_static", "low_confidence_dynamic"])
@pytest.mark.parametrize(
    "how", [{}, {"temperature": 0.5}, {"top_k": 6}, {"top_p": 0.7}, {"top_k": 9, "top_p": 0.9, "temperature": 1.3}]
)
def test_block_gives_the_tokens_of_sdar(how, strategy, seed):
    shape = {"gen_length": 18, "block_length": 4, "denoising_steps": 4, "threshold": 0.5}
    torch.manual_seed(seed)
    want = published.sdar(NoMask(V, seed=seed), _prompt(1, 6), MASK, strategy=strategy, **shape, **how)
    torch.manual_seed(seed)
    how = {"temperature": 1.0, **how}
    _same(loops.block(NoMask(V, seed=seed), _prompt(1, 6), mask_id=MASK, strategy=strategy, **shape, **how), want)


def test_block_stops_where_sdar_stops():
    for seed in range(8):
        torch.manual_seed(seed)
        want = published.sdar(
            NoMask(V, seed=seed), _prompt(1), MASK, 32, 4, 4, "low_confidence_static", stop=(3, 4, 5, 6)
        )
        torch.manual_seed(seed)
        have = loops.block(
            NoMask(V, seed=seed),
            _prompt(1),
            mask_id=MASK,
            gen_length=32,
            block_length=4,
            strategy="low_confidence_static",
            temperature=1.0,
            eos=(3, 4, 5, 6),
        )
        assert have.ids[0, : want.shape[1]].tolist() == want[0].tolist()
        assert (have.ids[0, want.shape[1] :] == MASK).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("thresholds", [(0.95, 0.9), (0.5, 0.3), (0.7, 0.0001)])
def test_block_gives_the_tokens_of_llada2_with_token_editing(thresholds, seed):
    fill, edit = thresholds
    model = NoMask(V, seed=seed, sharpness=6.0)
    want = published.llada2(model, _prompt(1, 6), MASK, 26, 8, 8, fill, edit, 5)
    have = loops.block(
        model,
        _prompt(1, 6),
        mask_id=MASK,
        gen_length=26,
        block_length=8,
        threshold=fill,
        editing_threshold=edit,
        max_post_steps=5,
    )
    _same(have, want)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("sharpness", [3.0, 40.0])
def test_uniform_gives_the_tokens_of_diffusion_gemma(sharpness, rows, seed):
    model = ToyModel(V, seed=seed, sharpness=sharpness)
    torch.manual_seed(seed)
    want = published.diffusion_gemma(model, _prompt(rows), V, 24, 12, 8)
    torch.manual_seed(seed)
    _same(loops.uniform(model, _prompt(rows), vocab_size=V, gen_length=24, canvas_length=12, steps=8), want)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("alg", ["maskgit_plus", "topk_margin", "entropy"])
@pytest.mark.parametrize("how", [{}, {"temperature": 0.8}, {"delete_to_right": True}, {"expand_budget": 3}])
def test_insert_gives_the_tokens_of_dreamon(how, alg, seed):
    expand, delete = 47, 48

    class Elastic(NoMask):
        def __call__(self, ids):
            logits = super().__call__(ids)
            logits[..., [expand, delete]] += 2.0
            return logits

    prefix, suffix = _prompt(1, 4)[0] % 40, _prompt(1, 3, seed=1)[0] % 40
    ids = {"mask_id": MASK, "expand_id": expand, "delete_id": delete, "n_masks": 4, "max_masks": 9}
    torch.manual_seed(seed)
    want = published.dreamon(Elastic(V, seed=seed), prefix, suffix, alg=alg, **ids, **how)
    torch.manual_seed(seed)
    _same(loops.insert(Elastic(V, seed=seed), prefix, suffix, alg=alg, **ids, **how), want)
