"""From the text of a vocabulary entry to the bytes that the token contributes to a text.

A *piece* is the string that a tokenizer file stores for a token; its *bytes* are what the token adds when
it stands inside a text, after at least one other token. Families and their alphabets:

- byte-level BPE (GPT-2, Llama 3, Qwen, DeepSeek, LLaDA): every byte is one printable character (`Ġ` is 0x20);
- metaspace (SentencePiece, Llama 2, Gemma, T5): U+2581 is a space, `<0x0A>` may be the byte 0x0A;
- WordPiece and WordLevel: whole words; a piece without the prefix `##` begins a word and follows a separator.

The rule of a Hugging Face tokenizer is read from its *decoder*, because decoding is what turns the ids of a
finished canvas into text. `PieceRule.of` turns that specification into one function from piece to bytes.

Invariants: for ids `a, b, c` of one tokenizer, bytes(b) do not depend on `a` and `c`. A decoder for which this
is false (CTC, WordPiece with `cleanup`, a Replace by regular expression) raises VocabularyError. The one
exception is the first token of a text, from which metaspace, Strip and WordPiece decoders drop the leading
space: a canvas is a text inside a prompt, so the space stays here.
Cost: one `str.translate` or `str.replace` per token; 128,000 tokens take about 0.1 s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cfgdecode.errors import VocabularyError

_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_CONTROL_PIECE = re.compile(
    r"""<\|.+\|>    # <|fim_prefix|>
      | <?｜.+      # <｜User｜>  ｜DSML｜
      | [<\[](?:unused|reserved|extra_id|special|control)[ _-]?\d+[>\]]   # <unused7>  <extra_id_0>  [control_8]
      | [<\[](?:bos|eos|pad|unk|mask|cls|sep)[>\]]   # <mask>  [PAD]
    """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_DROPS_SPACES = frozenset({"Whitespace", "WhitespaceSplit", "BertPreTokenizer", "CharDelimiterSplit"})


def _byte_of_character() -> dict[int, int]:
    """GPT-2's alphabet, inverted: printable Latin-1 stands for itself, the 68 other bytes for U+0100 onwards."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    table = {byte: byte for byte in printable}
    table.update({0x100 + nth: byte for nth, byte in enumerate(others)})
    # A Latin-1 character outside the alphabet (a real space, say) must not pass for a byte.
    table.update(dict.fromkeys(others, 0xFFFF))
    return table


_TABLE = _byte_of_character()


def byte_level_bytes(piece: str) -> bytes:
    """Bytes of a byte-level piece; a piece outside the alphabet is plain text, as in the library's decoder.

    >>> byte_level_bytes("ĠifĊ")
    b' if\\n'
    """
    try:
        return piece.translate(_TABLE).encode("latin-1")
    except UnicodeEncodeError:
        return plain_bytes(piece)


def plain_bytes(piece: str) -> bytes:
    """UTF-8 of a piece that is plain text, an added token for example."""
    try:
        return piece.encode("utf-8")
    except UnicodeEncodeError:
        raise VocabularyError(
            f"the token {piece!r} holds a lone surrogate and has no UTF-8 bytes; "
            "build the vocabulary with Vocabulary.from_tokens and give its bytes"
        ) from None


def metaspace_bytes(piece: str) -> bytes:
    """Bytes of a SentencePiece piece that is no byte piece: U+2581 is a space."""
    return plain_bytes(piece.replace("\u2581", " "))


def byte_piece(piece: str) -> bytes | None:
    """The byte of a byte-fallback piece such as `<0x0A>`, else None."""
    match = _BYTE_PIECE.fullmatch(piece) if len(piece) == 6 else None
    return bytes.fromhex(match[1]) if match else None


def looks_like_control(piece: str) -> bool:
    """Whether an added token that is not flagged special is nevertheless a marker and not text.

    True for `<|...|>`, for what begins with a full-width bar (`<｜User｜>`, `｜DSML｜`), for numbered reserve
    slots (`<unused7>`, `<extra_id_0>`) and for the bracketed names of roles (`<mask>`, `[PAD]`).
    False for tags such as `<think>`, `<tool_call>`, `<table>`, `<s>` and for runs of spaces: decoders print them
    and they occur in texts (Gemma has HTML tags as added tokens, and `<b>` occurs in C++).
    """
    return piece[:1] in ("<", "[", "｜") and _CONTROL_PIECE.fullmatch(piece) is not None


@dataclass(frozen=True)
class TokenizerSpec:
    """What the bytes of a Hugging Face tokenizer depend on: the parts of `tokenizer.json` but the merges."""

    model: str
    decoder: Mapping[str, Any] | None
    pre_tokenizer: Mapping[str, Any] | None
    byte_fallback: bool = False
    continuing_prefix: str | None = None
    end_of_word_suffix: str | None = None


@dataclass
class PieceRule:
    """Piece to bytes for one tokenizer: replacements in order, then one alphabet."""

    replacements: list[tuple[str, str]] = field(default_factory=list)
    byte_level: bool = False
    byte_fallback: bool = False
    continuing_prefix: str | None = None
    separator: str | None = None

    @staticmethod
    def of(spec: TokenizerSpec, word_separator: str | None = None) -> PieceRule:
        """The rule of a tokenizer; `word_separator` stands before each word where the tokenizer forgets what did."""
        rule = PieceRule(byte_fallback=spec.byte_fallback)
        if spec.decoder is None:
            _read_pre_tokenizer(rule, spec, word_separator)
        else:
            _read_decoder(rule, spec, word_separator)
        if spec.end_of_word_suffix:
            rule.replacements.append((spec.end_of_word_suffix, "Ġ" if rule.byte_level else " "))
        if word_separator is not None and rule.separator is None:
            raise VocabularyError(
                f"word_separator={word_separator!r} was given, but this {spec.model} tokenizer keeps its spaces "
                "in its tokens; leave word_separator out"
            )
        return rule

    def __call__(self, piece: str) -> bytes:
        if self.byte_fallback and (byte := byte_piece(piece)) is not None:
            return byte
        if self.separator is not None:
            piece = self._as_word(piece)
        for old, new in self.replacements:
            piece = piece.replace(old, new)
        return byte_level_bytes(piece) if self.byte_level else plain_bytes(piece)

    def _as_word(self, piece: str) -> str:
        prefix = self.continuing_prefix
        if prefix and piece.startswith(prefix):
            return piece[len(prefix) :]
        return (self.separator or "") + piece


def _parts(spec: Mapping[str, Any] | None, children: str) -> Iterator[Mapping[str, Any]]:
    """The components of a decoder or pre-tokenizer, sequences flattened."""
    if spec is None:
        return
    if spec.get("type") == "Sequence":
        for child in spec[children]:
            yield from _parts(child, children)
    else:
        yield spec


def _read_pre_tokenizer(rule: PieceRule, spec: TokenizerSpec, word_separator: str | None) -> None:
    """Without a decoder the alphabet follows from the pre-tokenizer, or from the model."""
    parts = list(_parts(spec.pre_tokenizer, "pretokenizers"))
    kinds = {part.get("type") for part in parts}
    if "ByteLevel" in kinds:
        rule.byte_level = True
        return
    if "Metaspace" in kinds:
        rule.replacements += [(part["replacement"], " ") for part in parts if part["type"] == "Metaspace"]
        return
    if spec.model in ("WordLevel", "WordPiece"):
        rule.continuing_prefix, rule.separator = spec.continuing_prefix, _required(word_separator, "has no decoder")
        return
    removed = any(part.get("behavior") == "Removed" for part in parts)
    drops_spaces = (removed or kinds & _DROPS_SPACES) and not spec.end_of_word_suffix
    if drops_spaces or spec.continuing_prefix:
        raise VocabularyError(
            f"this {spec.model} tokenizer has no decoder, and its pre-tokenizer drops spaces or its pieces carry the "
            "prefix of a word's continuation, so its tokens have no byte strings; set tokenizer.decoder, "
            "or use Vocabulary.from_tokens"
        )


def _read_decoder(rule: PieceRule, spec: TokenizerSpec, word_separator: str | None) -> None:
    fused = False
    for part in _parts(spec.decoder, "decoders"):
        match part.get("type"):
            case "ByteLevel":
                rule.byte_level = True
            case "ByteFallback":
                rule.byte_fallback = True
            case "Fuse":
                fused = True
            case "Metaspace":
                rule.replacements.append((part.get("replacement", "\u2581"), " "))
            case "BPEDecoder":
                rule.replacements.append((part["suffix"], " "))
            case "Replace":
                rule.replacements.append((_literal_pattern(part, fused), part["content"]))
            case "Strip":
                _check_strip(part, fused)
            case "WordPiece":
                rule.continuing_prefix = part["prefix"]
                rule.separator = " " if word_separator is None else word_separator
                if part.get("cleanup"):
                    rule.separator = _required(word_separator, "decodes with cleanup, which drops some spaces")
            case kind:
                raise VocabularyError(
                    f"the decoder {kind!r} gives tokens no byte strings of their own; "
                    "use Vocabulary.from_tokens and give the bytes of each token"
                )


def _required(word_separator: str | None, why: str) -> str:
    if word_separator is None:
        raise VocabularyError(
            f"this tokenizer splits a text into words and {why}, so what stands between two words is unknown; "
            'give word_separator=" " (words apart) or word_separator="" (SMILES and other texts without spaces)'
        )
    return word_separator


def _literal_pattern(part: Mapping[str, Any], fused: bool) -> str:
    pattern = part["pattern"].get("String")
    if pattern is None or (fused and len(pattern) != 1):
        raise VocabularyError(
            f"the decoder replaces {part['pattern']} across tokens, so tokens have no byte strings of their own; "
            "use Vocabulary.from_tokens and give the bytes of each token"
        )
    return str(pattern)


def _check_strip(part: Mapping[str, Any], fused: bool) -> None:
    """After Fuse a Strip touches the ends of the text alone: only the dummy space in front is known to be harmless."""
    if fused and part["content"] == " " and part["start"] <= 1 and part["stop"] == 0:
        return
    raise VocabularyError(
        f"the decoder strips {part['content']!r} (start {part['start']}, stop {part['stop']}) and cannot be inverted; "
        "use Vocabulary.from_tokens and give the bytes of each token"
    )
