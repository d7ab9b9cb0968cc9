"""From a tokenizer object or file to a `Source`: token bytes, special ids, names and the tokenizer's own encoder.

Tokenizers are recognised by what they offer, not by their class, so no tokenizer library is imported here
(`sentencepiece` is, when a SentencePiece file is given). Order of the tests, the first that fits:

    path                      directory, tokenizer.json, tekken.json, *.tiktoken, *.model; told apart by content
    .instruct_tokenizer       mistral_common MistralTokenizer, or transformers around one: the inner tokenizer
    .backend_tokenizer        transformers, fast: its tokenizers.Tokenizer plus eos, pad, mask of the wrapper
    .decoder and .to_str      tokenizers.Tokenizer
    .decode_single_token_bytes  tiktoken.Encoding
    .id_to_byte_piece         mistral_common Tekkenizer
    .id_to_piece              sentencepiece.SentencePieceProcessor
    .sp_model, .byte_decoder, .tokenizer, ._model   slow or wrapped tokenizers around one of the above

A token is special (None) if its tokenizer says so (special added tokens, control, unknown and unused pieces,
tiktoken's special tokens, Tekken's first 1,000 ids), or if it is an added token that looks like a control marker
(`bytes_of.looks_like_control`); `special_ids` replaces this last rule. Added tokens are plain text, unless the
model's own vocabulary has them too: then they are pieces like the others (Gemma's runs of U+2581).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cfgdecode.errors import VocabularyError
from cfgdecode.vocabulary.bytes_of import (
    PieceRule,
    TokenizerSpec,
    byte_level_bytes,
    byte_piece,
    looks_like_control,
    metaspace_bytes,
    plain_bytes,
)
from cfgdecode.vocabulary.encoding import (
    Encoder,
    HuggingFaceEncoder,
    HuggingFaceFileEncoder,
    PythonTokenizerEncoder,
    RanksEncoder,
    SentencePieceEncoder,
    TiktokenEncoder,
    require,
)


@dataclass
class Options:
    """How to read a tokenizer where its files leave a choice."""

    special_ids: frozenset[int] | None = None
    word_separator: str | None = None


@dataclass
class Source:
    """What is known of a tokenizer; `names` are the texts of added and special tokens."""

    tokens: list[bytes | None]
    eos: tuple[int, ...] = ()
    pad: int | None = None
    mask: int | None = None
    names: dict[int, str] = field(default_factory=dict)
    encoder: Encoder | None = None


def read(tokenizer: object, options: Options) -> Source:
    """The source for any supported tokenizer object or path."""
    if isinstance(tokenizer, (str, os.PathLike)):
        source = _read_path(Path(tokenizer), options)
    else:
        source = _read_object(tokenizer, options)
    for token_id in options.special_ids or ():
        if not 0 <= token_id < len(source.tokens):
            raise VocabularyError(f"special_ids names id {token_id}, but the tokenizer has {len(source.tokens)} tokens")
        source.tokens[token_id] = None
    return source


def _read_object(tokenizer: Any, options: Options) -> Source:
    if hasattr(tokenizer, "instruct_tokenizer"):
        return _read_object(tokenizer.instruct_tokenizer.tokenizer, options)
    if hasattr(getattr(tokenizer, "tokenizer", None), "instruct_tokenizer"):
        return _with_special_ids_of(tokenizer, _read_object(tokenizer.tokenizer, options))
    if hasattr(tokenizer, "backend_tokenizer"):
        return _with_special_ids_of(tokenizer, _read_tokenizers(tokenizer.backend_tokenizer, options))
    if hasattr(tokenizer, "to_str") and hasattr(tokenizer, "get_added_tokens_decoder"):
        return _read_tokenizers(tokenizer, options)
    if hasattr(tokenizer, "decode_single_token_bytes"):
        return _read_tiktoken(tokenizer)
    if hasattr(tokenizer, "id_to_byte_piece"):
        return _read_tekkenizer(tokenizer)
    if hasattr(tokenizer, "id_to_piece") and hasattr(tokenizer, "is_control"):
        return _read_sentencepiece(tokenizer, options)
    if hasattr(tokenizer, "added_tokens_decoder") and hasattr(tokenizer, "get_vocab"):
        return _read_python_tokenizer(tokenizer, options)
    for inner in ("tokenizer", "_tokenizer", "_model"):
        if hasattr(tokenizer, inner):
            return _with_special_ids_of(tokenizer, _read_object(getattr(tokenizer, inner), options))
    raise VocabularyError(
        f"no tokenizer that is known here: {type(tokenizer).__module__}.{type(tokenizer).__qualname__}; expected "
        "transformers, tokenizers, tiktoken, sentencepiece, mistral_common or a path to a tokenizer file, "
        "or use Vocabulary.from_tokens"
    )


def _with_special_ids_of(wrapper: Any, source: Source) -> Source:
    """Add EOS, pad, mask and the special tokens that a transformers-like wrapper declares."""
    eos = getattr(wrapper, "eos_token_id", None)
    if eos is not None:
        source.eos = tuple(eos) if isinstance(eos, (list, tuple)) else (eos,)
    source.pad = _first_known(getattr(wrapper, "pad_token_id", None), source.pad)
    source.mask = _first_known(getattr(wrapper, "mask_token_id", None), source.mask)
    for token_id in getattr(wrapper, "all_special_ids", None) or ():
        if token_id < len(source.tokens):
            source.tokens[token_id] = None
    return source


def _first_known(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


# Hugging Face: tokenizers.Tokenizer, tokenizer.json, Python tokenizers of transformers


@dataclass
class AddedToken:
    """The parts of an added token that matter here."""

    content: str
    special: bool


def _read_tokenizers(tokenizer: Any, options: Options) -> Source:
    model = tokenizer.model
    kind = type(model).__name__
    state = _state_of(model) if kind == "Unigram" else b""
    spec = TokenizerSpec(
        model=kind,
        decoder=_component(tokenizer.decoder),
        pre_tokenizer=_component(tokenizer.pre_tokenizer) if tokenizer.decoder is None else None,
        byte_fallback=bool(getattr(model, "byte_fallback", False)) or b'"byte_fallback":true' in state,
        continuing_prefix=getattr(model, "continuing_subword_prefix", None),
        end_of_word_suffix=getattr(model, "end_of_word_suffix", None),
    )
    vocabulary = tokenizer.get_vocab(with_added_tokens=False)
    unknown = {vocabulary.get(getattr(model, "unk_token", None))}
    if (match := re.search(rb'"unk_id":(\d+)', state)) is not None:
        unknown.add(int(match[1]))
    added = {
        token_id: AddedToken(token.content, token.special)
        for token_id, token in tokenizer.get_added_tokens_decoder().items()
    }
    source = _assemble(vocabulary, added, PieceRule.of(spec, options.word_separator), unknown, options)
    source.encoder = HuggingFaceEncoder(tokenizer)
    return source


def _state_of(component: Any) -> bytes:
    try:
        state = component.__getstate__()
    except Exception as error:
        raise VocabularyError(
            f"{type(component).__name__} is custom Python code, so the bytes of the tokens are unknown; "
            "use Vocabulary.from_tokens"
        ) from error
    return state if isinstance(state, bytes) else str(state).encode()


def _component(component: Any) -> Mapping[str, Any] | None:
    return None if component is None else json.loads(_state_of(component))


def _read_tokenizer_json(path: Path, data: Mapping[str, Any], options: Options) -> Source:
    model = data["model"]
    kind = model.get("type") or _kind_of_untyped(model)
    spec = TokenizerSpec(
        model=kind,
        decoder=data.get("decoder"),
        pre_tokenizer=data.get("pre_tokenizer"),
        byte_fallback=bool(model.get("byte_fallback")),
        continuing_prefix=model.get("continuing_subword_prefix"),
        end_of_word_suffix=model.get("end_of_word_suffix"),
    )
    vocabulary = model["vocab"]
    unknown = {model.get("unk_id")}
    if isinstance(vocabulary, list):
        vocabulary = {piece: token_id for token_id, (piece, _) in enumerate(vocabulary)}
    unknown.add(vocabulary.get(model.get("unk_token")))
    added = {token["id"]: AddedToken(token["content"], token["special"]) for token in data.get("added_tokens", ())}
    source = _assemble(vocabulary, added, PieceRule.of(spec, options.word_separator), unknown, options)
    source.encoder = HuggingFaceFileEncoder(path)
    _read_neighbours(path.parent, vocabulary, source)
    return source


def _kind_of_untyped(model: Mapping[str, Any]) -> str:
    """Files written before 2020 do not name the model."""
    if isinstance(model["vocab"], list):
        return "Unigram"
    if "merges" in model:
        return "BPE"
    return "WordPiece" if "max_input_chars_per_word" in model else "WordLevel"


def _assemble(
    vocabulary: Mapping[str, int],
    added: Mapping[int, AddedToken],
    rule: Callable[[str], bytes],
    unknown: Iterable[int | None],
    options: Options,
) -> Source:
    """Token bytes of a Hugging Face tokenizer; an added token outranks a model piece of the same id."""
    size = max(max(vocabulary.values(), default=-1), max(added, default=-1)) + 1
    tokens: list[bytes | None] = [None] * size
    for piece, token_id in vocabulary.items():
        tokens[token_id] = rule(piece)
    for token_id, token in added.items():
        control = looks_like_control(token.content) if options.special_ids is None else False
        if token.special or control:
            tokens[token_id] = None
        elif vocabulary.get(token.content) != token_id:
            tokens[token_id] = plain_bytes(token.content)
    for nth in unknown:
        if nth is not None:
            tokens[nth] = None
    return Source(tokens, names={token_id: token.content for token_id, token in added.items()})


def _read_neighbours(folder: Path, vocabulary: Mapping[str, int], source: Source) -> None:
    """EOS, pad and mask from `tokenizer_config.json`; the EOS list of `generation_config.json` outranks it."""
    config = _json_or_empty(folder / "tokenizer_config.json")
    generation = _json_or_empty(folder / "generation_config.json")
    id_of = {**vocabulary, **{name: token_id for token_id, name in source.names.items()}}
    found: dict[str, int | None] = {}
    for role in ("eos", "pad", "mask"):
        token = config.get(f"{role}_token")
        name = token.get("content") if isinstance(token, dict) else token
        found[role] = None if name is None else id_of.get(name)
    eos = _first_known(generation.get("eos_token_id"), found["eos"])
    if eos is not None:
        source.eos = tuple(eos) if isinstance(eos, list) else (eos,)
    source.pad = _first_known(found["pad"], generation.get("pad_token_id"))
    source.mask = found["mask"]


def _json_or_empty(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    data = json.loads(path.read_text(encoding="utf-8"))
    return data if isinstance(data, dict) else {}


def _read_python_tokenizer(tokenizer: Any, options: Options) -> Source:
    """A transformers tokenizer written in Python: GPT-2 like (`byte_decoder`) or around SentencePiece (`sp_model`)."""
    added = {
        token_id: AddedToken(token.content, token.special) for token_id, token in tokenizer.added_tokens_decoder.items()
    }
    rule: Callable[[str], bytes]
    if hasattr(tokenizer, "byte_decoder"):
        rule = byte_level_bytes
    elif hasattr(tokenizer, "sp_model"):
        rule = _sentencepiece_bytes
    else:
        raise VocabularyError(
            f"{type(tokenizer).__qualname__} is a Python tokenizer that is neither byte-level (byte_decoder) nor "
            "SentencePiece (sp_model); use its fast variant, or Vocabulary.from_tokens"
        )
    names = {token.content for token in added.values()}
    vocabulary = {piece: token_id for piece, token_id in tokenizer.get_vocab().items() if piece not in names}
    special = _sentencepiece_special(tokenizer.sp_model, vocabulary) if hasattr(tokenizer, "sp_model") else ()
    source = _with_special_ids_of(tokenizer, _assemble(vocabulary, added, rule, special, options))
    source.encoder = PythonTokenizerEncoder(tokenizer)
    return source


def _sentencepiece_special(processor: Any, vocabulary: Mapping[str, int]) -> list[int]:
    """Ids of the wrapper (they may be shifted) whose pieces are control, unknown or unused in the model."""
    model_ids = processor.piece_to_id(list(vocabulary))
    flags = zip(
        processor.is_control(model_ids), processor.is_unknown(model_ids), processor.is_unused(model_ids), strict=True
    )
    return [token_id for token_id, is_special in zip(vocabulary.values(), flags, strict=True) if any(is_special)]


# tiktoken and Tekken


def _read_tiktoken(encoding: Any) -> Source:
    tokens: list[bytes | None] = [None] * encoding.n_vocab
    for token_id in range(encoding.n_vocab):
        try:
            tokens[token_id] = encoding.decode_single_token_bytes(token_id)
        except KeyError:
            continue
    names = {encoding.encode_single_token(name): name for name in encoding.special_tokens_set}
    for token_id in names:
        tokens[token_id] = None
    source = Source(tokens, names=names, encoder=TiktokenEncoder(encoding))
    if "<|endoftext|>" in encoding.special_tokens_set:
        source.eos = (encoding.eot_token,)
    return source


def _read_tiktoken_file(lines: list[bytes]) -> Source:
    """Ranks alone: special tokens and the splitting pattern are not in the file, so `encode` is longest match."""
    ranks = {int(rank): base64.b64decode(token) for token, rank in (line.split() for line in lines)}
    return Source([ranks.get(token_id) for token_id in range(max(ranks) + 1)])


def _read_tekkenizer(tokenizer: Any) -> Source:
    shift = tokenizer.num_special_tokens
    tokens: list[bytes | None] = [None] * shift
    tokens += [tokenizer.id_to_byte_piece(token_id) for token_id in range(shift, tokenizer.n_words)]
    names = {token_id: tokenizer.id_to_piece(token_id) for token_id in range(shift)}
    return Source(
        tokens,
        eos=(tokenizer.eos_id,),
        pad=tokenizer.pad_id,
        names=names,
        encoder=TiktokenEncoder(tokenizer._model, shift),
    )


def _read_tekken_json(data: Mapping[str, Any]) -> Source:
    config = data["config"]
    shift = config["default_num_special_tokens"]
    n_pieces = config["default_vocab_size"] - shift
    tokens: list[bytes | None] = [None] * config["default_vocab_size"]
    for entry in data["vocab"][:n_pieces]:
        tokens[shift + entry["rank"]] = base64.b64decode(entry["token_bytes"])
    names = {entry["rank"]: entry["token_str"] for entry in data.get("special_tokens") or _TEKKEN_SPECIAL}
    id_of = {name: token_id for token_id, name in names.items()}
    eos = id_of.get("</s>")
    return Source(
        tokens,
        eos=() if eos is None else (eos,),
        pad=id_of.get("<pad>"),
        names=names,
        encoder=RanksEncoder(config["pattern"], tokens, shift),
    )


# Files before version 7 do not list their special tokens; these three ids never moved.
_TEKKEN_SPECIAL: list[dict[str, Any]] = [
    {"rank": 1, "token_str": "<s>"},
    {"rank": 2, "token_str": "</s>"},
    {"rank": 11, "token_str": "<pad>"},
]


# SentencePiece


def _sentencepiece_bytes(piece: str) -> bytes:
    byte = byte_piece(piece)
    return metaspace_bytes(piece) if byte is None else byte


def _read_sentencepiece(processor: Any, options: Options) -> Source:
    ids = list(range(processor.vocab_size()))
    pieces: list[str] = processor.id_to_piece(ids)
    tokens: list[bytes | None] = []
    names: dict[int, str] = {}
    flags = zip(
        processor.is_byte(ids),
        processor.is_control(ids),
        processor.is_unknown(ids),
        processor.is_unused(ids),
        strict=True,
    )
    for token_id, (piece, (is_byte, *is_special)) in enumerate(zip(pieces, flags, strict=True)):
        if any(is_special) or (options.special_ids is None and looks_like_control(piece)):
            tokens.append(None)
            names[token_id] = piece
        else:
            tokens.append(byte_piece(piece) if is_byte else metaspace_bytes(piece))
    source = Source(tokens, names=names, encoder=SentencePieceEncoder(processor))
    if processor.eos_id() >= 0:
        source.eos = (processor.eos_id(),)
    if processor.pad_id() >= 0:
        source.pad = processor.pad_id()
    return source


# Paths


def _read_path(path: Path, options: Options) -> Source:
    if path.is_dir():
        return _read_path(_tokenizer_file_in(path), options)
    if not path.is_file():
        raise VocabularyError(f"no such tokenizer file: {path}")
    content = path.read_bytes()
    if content.lstrip()[:1] == b"{":
        return _read_json(path, content, options)
    lines = [line for line in content.splitlines() if line]
    if lines and re.fullmatch(rb"[A-Za-z0-9+/]+=* \d+", lines[0].strip()):
        try:
            return _read_tiktoken_file(lines)
        except (ValueError, binascii.Error) as error:
            raise VocabularyError(f"{path} begins like a tiktoken file of ranks but is none: {error}") from error
    library = require("sentencepiece", f"reading {path}")
    try:
        if not content:
            raise ValueError("the file is empty")
        return _read_sentencepiece(library.SentencePieceProcessor(model_proto=content), options)
    except Exception as error:
        raise VocabularyError(
            f"{path} is no tokenizer.json, tekken.json, tiktoken or SentencePiece file: {error}"
        ) from error


def _tokenizer_file_in(folder: Path) -> Path:
    for name in ("tokenizer.json", "tekken.json", "tokenizer.model"):
        if (folder / name).is_file():
            return folder / name
    raise VocabularyError(f"{folder} holds no tokenizer.json, tekken.json or tokenizer.model; give the file itself")


def _read_json(path: Path, content: bytes, options: Options) -> Source:
    try:
        data = json.loads(content)
    except ValueError as error:
        raise VocabularyError(f"{path} is no JSON: {error}") from error
    if isinstance(data.get("model"), dict):
        return _read_tokenizer_json(path, data, options)
    if isinstance(data.get("vocab"), list) and "config" in data:
        return _read_tekken_json(data)
    raise VocabularyError(
        f"{path} is neither a tokenizer.json (key 'model') nor a Tekken file (keys 'config', 'vocab')"
    )
