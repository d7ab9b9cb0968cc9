"""The logits processor in the real generate(): greedy, samples, beams, several sequences, padding, reuse."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from generation import small, tiny  # noqa: E402

import cfgdecode as cd  # noqa: E402
from cfgdecode.hooks.transformers_ar import ConstrainedLogitsProcessor  # noqa: E402

PROMPT = torch.tensor([[7, 8, 9], [10, 11, 12]])


@pytest.fixture(scope="module")
def model():
    # Logits wider than the vocabulary.
    return tiny.llama(small.N + 3, eos=[small.EOS, small.SPECIAL], pad=small.PAD)


def _generate(model, constraints, ids=PROMPT, n=14, **options):
    processor = options.pop("processor", None) or ConstrainedLogitsProcessor(constraints, max_new_tokens=n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.generate(
            ids,
            attention_mask=options.pop("attention_mask", torch.ones_like(ids)),
            max_new_tokens=n,
            logits_processor=[processor],
            **options,
        )


def _valid(row, start=3):
    new = row[start:].tolist()
    if small.EOS in new:
        new = new[: new.index(small.EOS)]
    return small.is_valid(new, "none")


@pytest.mark.parametrize(
    "how",
    [
        {"do_sample": False},
        {"do_sample": True, "temperature": 1.5},
        {"do_sample": True, "num_return_sequences": 3, "top_k": 0},
        {"do_sample": False, "num_beams": 3},
        {"do_sample": False, "num_beams": 4, "num_return_sequences": 2},
        {"do_sample": True, "num_beams": 2, "temperature": 2.0},
    ],
)
@pytest.mark.parametrize("n", [1, 2, 14])
def test_every_generated_text_is_valid_within_its_budget(model, how, n):
    torch.manual_seed(n)
    if n == 1:
        with pytest.raises(cd.DeadCanvasError, match="raise max_new_tokens"):
            _generate(model, small.constraint(), n=n, **how)
        return
    for row in _generate(model, small.constraint(), n=n, **how):
        assert _valid(row), row


def test_without_a_budget_every_prefix_is_viable(model):
    processor = ConstrainedLogitsProcessor(small.constraint())
    rows = _generate(model, None, n=10, processor=processor, do_sample=True)
    for row in rows:
        cells = [*row[3:].tolist(), small.MASK, small.MASK]
        if small.EOS in cells:
            assert _valid(row)
        else:
            assert small.constraint("none").canvas(cells, gaps={10: (0, None)}).verdict()


def test_left_padding_is_not_text(model):
    ids = torch.tensor([[small.PAD, 8, 9], [10, 11, 12]])
    for row in _generate(model, small.constraint(), ids, attention_mask=(ids != small.PAD).long()):
        assert _valid(row)


def test_prompts_have_constraints_of_their_own_or_none(model):
    digits = cd.compile(cd.Grammar.from_lark("start: /[0-9]+/"), small.vocabulary())
    rows = _generate(model, [digits, small.constraint()], num_return_sequences=2, do_sample=True)
    for row in rows[:2]:
        assert set(small.text_of(row[3:].tolist())) <= set(b"0123456789")
    for row in rows[2:]:
        assert _valid(row)
    free = model.generate(PROMPT, attention_mask=torch.ones_like(PROMPT), max_new_tokens=14)
    mixed = _generate(model, [None, small.constraint()])
    assert mixed[0, : free.shape[1]].tolist() == free[0, : mixed.shape[1]].tolist()


def test_one_processor_serves_many_calls(model):
    processor = ConstrainedLogitsProcessor(small.constraint(), max_new_tokens=14)
    first = _generate(model, None, processor=processor)
    for ids in (torch.tensor([[1, 2, 3, 4, 5]]), PROMPT, PROMPT[:1]):
        for row in _generate(model, None, ids, processor=processor):
            assert _valid(row, ids.shape[1])
    assert torch.equal(_generate(model, None, processor=processor), first)


def test_assisted_decoding_gives_the_tokens_of_greedy_decoding(model):
    torch.manual_seed(1)
    assistant = transformers.LlamaForCausalLM(model.config).eval()
    want = _generate(model, small.constraint(), PROMPT[:1], do_sample=False)
    have = _generate(model, small.constraint(), PROMPT[:1], do_sample=False, assistant_model=assistant)
    assert have.tolist() == want.tolist()


def test_given_prompt_tokens_may_belong_to_the_text(model):
    opened = torch.tensor([[7, 8, small.TOKENS.index(b"["), small.TOKENS.index(b"5")]])
    processor = ConstrainedLogitsProcessor(small.constraint(), max_new_tokens=10, prompt_length=4, n_given=2)
    row = _generate(model, None, opened, n=10, processor=processor)[0]
    assert _valid(row, 2) and not _valid(row, 4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_scores_keep_dtype_and_the_argument_its_values(dtype):
    processor = ConstrainedLogitsProcessor(small.constraint(), max_new_tokens=8)
    scores = torch.zeros(2, small.N, dtype=dtype)
    filled = processor(PROMPT, scores)
    assert filled.dtype == dtype and (scores == 0).all()
    allowed = small.constraint().canvas([small.MASK] * 8).allowed(0).ids().tolist()
    assert (filled[0] == 0).nonzero().flatten().tolist() == allowed


def test_after_an_eos_anything_may_follow():
    processor = ConstrainedLogitsProcessor(small.constraint(), max_new_tokens=8)
    processor(PROMPT[:1], torch.zeros(1, small.N))
    ids = PROMPT[:1]
    for token in (small.TOKENS.index(b"["), small.TOKENS.index(b"]"), small.EOS, small.PAD):
        ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
        scores = processor(ids, torch.zeros(1, small.N))
    assert (scores == 0).all()
