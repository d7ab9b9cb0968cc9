"""Infilling with a left-to-right model that sees the suffix only through the constraint."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from generation import small, tiny  # noqa: E402

import cfgdecode as cd  # noqa: E402
from cfgdecode.hooks.fim import RegionProcessor, infill, infill_batch  # noqa: E402
from cfgdecode.hooks.fim_formats import FORMATS, FimFormat  # noqa: E402

GAP = cd.GAP
PLAIN = FimFormat("plain", "x", "y", "z", ("<eos>",))


class Tokenizer:
    """The small vocabulary as a tokenizer: greedy longest match."""

    pad_token_id, eos_token_id, unk_token_id = small.PAD, small.EOS, None

    def encode(self, text, add_special_tokens=True):
        return small.vocabulary().encode(text)

    def convert_tokens_to_ids(self, name):
        return small.EOS if name == "<eos>" else None


@pytest.fixture(scope="module")
def model():
    return tiny.llama(small.N, eos=small.EOS, pad=small.PAD, seed=3)


def _infill(model, batch, n=6, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return infill_batch(model, Tokenizer(), batch, small.constraint("none"), fim=PLAIN, max_tokens=n, **options)


def _tokens(data: bytes) -> int:
    return len(data)


@pytest.mark.parametrize("heal", [True, False])
@pytest.mark.parametrize("do_sample", [True, False])
def test_every_infilled_text_is_valid_within_its_budget(model, do_sample, heal):
    batch = [
        ["[1", GAP, "]"],
        ["[1,", GAP, ",[", GAP, "],7]"],
        ["[", GAP, "0", GAP, "]", GAP, " "],
    ]
    for seed in range(3):
        torch.manual_seed(seed)
        for parts, filled in zip(
            batch, _infill(model, batch, heal=heal, do_sample=do_sample, temperature=2.0), strict=True
        ):
            assert small.grammar().accepts(filled.text), filled
            assert len(filled.regions) == parts.count(GAP)
            regions = iter(filled.regions)
            want = b"".join(next(regions) if p is GAP else p.encode() for p in parts)
            assert filled.text == want


def test_a_batch_is_the_loop_over_its_texts(model):
    batch = [["[1", GAP, "]"], ["[12,", GAP, ",7]"]]
    together = _infill(model, batch)
    assert all(small.grammar().accepts(t.text) for t in together)
    assert [t.text for t in _infill(model, batch[:1])] == [together[0].text]


def test_a_budget_per_gap_and_none_where_nothing_is_needed(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filled = infill(
            model,
            Tokenizer(),
            ["[", GAP, "5,", GAP, "6]"],
            small.constraint("none"),
            fim=PLAIN,
            max_tokens=[0, 3],
            heal=False,
        )
    assert filled.regions[0] == b"" and small.grammar().accepts(filled.text)


def test_a_healed_region_continues_the_token_that_was_cut(model):
    for seed in range(5):
        torch.manual_seed(seed)
        (filled,) = _infill(model, [["[1", GAP, "]"]], do_sample=True, temperature=3.0)
        assert filled.text.startswith(b"[1") and small.grammar().accepts(filled.text)


def test_gaps_that_cannot_be_filled_are_told_before_generation(model):
    with pytest.raises(cd.DeadCanvasError, match="row 0: no text of the grammar fits into the gaps"):
        _infill(model, [["[[[[[[[", GAP, "1"]], n=3)
    with pytest.raises(cd.CanvasError, match="eos_policy"):
        infill(model, Tokenizer(), ["[", GAP], small.constraint(), fim=PLAIN)
    with pytest.raises(cd.CanvasError, match="2 budgets for 1 gaps"):
        infill(model, Tokenizer(), ["[", GAP], small.constraint("none"), fim=PLAIN, max_tokens=[1, 2])


def test_the_model_may_stop_only_where_the_suffix_can_follow():
    from cfgdecode.hooks.fim import Region

    ids = small.vocabulary().encode
    region = Region(small.constraint("none"), ids("[1"), ids("]"), [], 3)
    processor = RegionProcessor([region], prompt_length=0, stop=[small.EOS])

    def open_after(text):
        scores = processor(torch.tensor([ids(text)], dtype=torch.long), torch.zeros(1, small.N))
        return {small.TOKENS[t] or t for t in (scores[0] == 0).nonzero().flatten().tolist()}

    assert small.EOS in open_after("") and b"," in open_after("")
    assert small.EOS not in open_after(",") and b"1" in open_after(",") and b"]" not in open_after("1,")
    assert open_after(",1,") == set() or small.EOS not in open_after(",1,")
    assert open_after(",12") == {small.EOS} or b"]" not in open_after(",12")


@pytest.mark.parametrize("name", FORMATS)
def test_prompts_have_their_markers_in_the_order_of_the_family(name):
    family = FORMATS[name]
    prompt = family.prompt("PREFIX", "SUFFIX")
    first, second = ("PREFIX", "SUFFIX") if family.order == "psm" else ("SUFFIX", "PREFIX")
    assert prompt == f"{family.begin}{first}{family.between}{second}{family.end}"
    assert "mri" not in prompt and family.stop


def test_the_prompts_that_model_cards_show():
    assert FORMATS["starcoder2"].prompt("a", "b") == "<fim_prefix>a<fim_suffix>b<fim_middle>"
    assert FORMATS["deepseek-coder"].prompt("a", "b") == "<｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>"
    assert FORMATS["codegemma"].prompt("a", "b") == "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"
    assert FORMATS["qwen2.5-coder"].prompt("a", "b") == "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"
    assert FORMATS["codellama"].prompt("a", "b") == "<PRE> a <SUF>b <MID>"
    assert FORMATS["codestral"].prompt("a", "b") == "[SUFFIX]b[PREFIX]a"
