"""The vocabulary: one byte string per token id, and which ids end, pad and mask a canvas.

Terms: a *token* is a vocabulary entry, its *bytes* are what it adds inside a text; a *special* token adds none
(None: it is never allowed in an open cell, but EOS and pad are by the constraint's EOS policy); *logits* past the
tokenizer's last id (models pad their output layer) are ids up to `n_logits` that are never allowed.

Invariants: a Vocabulary never changes; no token is the empty string (an empty one is None); the ids of EOS, pad and
mask are special whatever the tokenizer says; equal byte strings under several ids are legal; equality and hash are
those of `fingerprint`, a SHA-256 over bytes and special ids (names and the own encoder are left out).
The first token of a text: SentencePiece-like tokenizers write its leading space and drop it when they decode a whole
text; here the bytes of `▁int` are b" int" everywhere, because a canvas stands inside a prompt.
Cost: building from a tokenizer of 128,000 tokens takes about 0.3 s; `packed` 20 ms, once.
How to see it: `print(v)`, `v.show(i)`, `v.tokens[:300]`.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from cfgdecode.errors import VocabularyError
from cfgdecode.vocabulary import sources
from cfgdecode.vocabulary.encoding import Encoder, LongestMatch, encode_faithfully

__all__ = ["Vocabulary"]

_Bytes = bytes  # Vocabulary.bytes hides the type inside the class.
Ids = int | str | Iterable[int | str]
Made = TypeVar("Made")


class Vocabulary:
    """Byte strings of all tokens of a model; immutable, hashable, picklable, shared freely.

    >>> v = Vocabulary.from_tokens([b"int", b" main", None], eos=[2])
    >>> v.decode(v.encode("int main"))
    b'int main'
    """

    tokens: tuple[_Bytes | None, ...]
    eos: tuple[int, ...]
    pad: int | None
    mask: int | None
    n_logits: int
    _names: Mapping[int, str]
    _encoder: Encoder | None
    _cache: dict[str, Any]

    __slots__ = ("__weakref__", "_cache", "_encoder", "_names", "eos", "mask", "n_logits", "pad", "tokens")

    def __init__(
        self,
        tokens: Sequence[_Bytes | None],
        *,
        eos: Ids | None = None,
        pad: int | str | None = None,
        mask: int | str | None = None,
        n_logits: int | None = None,
        names: Mapping[int, str] | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        names = dict(names or {})
        eos_ids = tuple(dict.fromkeys(_id(each, "eos", names) for each in _several(eos)))
        pad_id = None if pad is None else _id(pad, "pad", names)
        mask_id = None if mask is None else _id(mask, "mask", names)
        n_logits = _checked_n_logits(n_logits, len(tokens))
        special = {each for each in (*eos_ids, pad_id, mask_id) if each is not None}
        for each in sorted(special):
            if not 0 <= each < n_logits:
                raise VocabularyError(
                    f"special id {each} is outside 0..{n_logits - 1}; give an id of this vocabulary, "
                    "or n_logits if the model has more logits than the tokenizer has tokens"
                )
        self._set("tokens", _checked_tokens(tokens, special))
        self._set("eos", eos_ids)
        self._set("pad", pad_id)
        self._set("mask", mask_id)
        self._set("n_logits", n_logits)
        self._set("_names", names)
        self._set("_encoder", encoder)
        self._set("_cache", {})

    @classmethod
    def from_tokens(
        cls,
        tokens: Sequence[_Bytes | None],
        *,
        eos: Ids | None = None,
        pad: int | None = None,
        mask: int | None = None,
        n_logits: int | None = None,
    ) -> Vocabulary:
        """A vocabulary from byte strings; None is a special token."""
        return cls(tokens, eos=eos, pad=pad, mask=mask, n_logits=n_logits)

    @classmethod
    def from_tokenizer(
        cls,
        tokenizer: object,
        *,
        eos: Ids | None = None,
        pad: int | str | None = None,
        mask: int | str | None = None,
        n_logits: int | None = None,
        special_ids: Iterable[int] | None = None,
        word_separator: str | None = None,
    ) -> Vocabulary:
        """The true bytes of every token of a tokenizer.

        Args:
            tokenizer: transformers, tokenizers.Tokenizer, tiktoken.Encoding, SentencePieceProcessor, mistral_common
                tokenizer, or a path: model directory, tokenizer.json, tekken.json, *.tiktoken, *.model.
            eos: ids or names of the tokens that end a text, the first one first; None takes the tokenizer's own
                (with a path also generation_config.json's), which may be none at all.
            pad, mask: likewise, one id or name.
            n_logits: width of the model's logits, at least the number of tokens.
            special_ids: tokens to hold for special beside those flagged so. None: added tokens by their looks
                (`<|...|>`, numbered reserve slots, `<mask>` are special; `<think>` and `<tool_call>` are text).
            word_separator: what stands between words; for WordPiece and WordLevel tokenizers that forget it.

        Raises:
            VocabularyError: unknown tokenizer, a decoder that gives tokens no bytes of their own, ids out of range.
        """
        options = sources.Options(None if special_ids is None else frozenset(special_ids), word_separator)
        source = sources.read(tokenizer, options)
        return cls(
            source.tokens,
            eos=source.eos if eos is None else eos,
            pad=source.pad if pad is None else pad,
            mask=source.mask if mask is None else mask,
            n_logits=n_logits,
            names=source.names,
            encoder=source.encoder,
        )

    @classmethod
    def bytes(cls) -> Vocabulary:
        """256 one-byte tokens (id = byte), EOS 256, mask 257."""
        tokens = [*(bytes([byte]) for byte in range(256)), None, None]
        return cls(tokens, eos=256, mask=257, names={256: "<eos>", 257: "<mask>"})

    def __len__(self) -> int:
        """Number of tokens; ids from here to `n_logits` belong to no token."""
        return len(self.tokens)

    def token_bytes(self, token_id: int) -> _Bytes | None:
        """Bytes of a token; None for special tokens and for ids past the tokenizer."""
        if not 0 <= token_id < self.n_logits:
            raise VocabularyError(f"token id {token_id} is outside 0..{self.n_logits - 1}")
        return self.tokens[token_id] if token_id < len(self.tokens) else None

    def encode(self, text: str | _Bytes) -> list[int]:
        """Ids whose bytes are exactly the bytes of `text`.

        The tokenizer's own ids where they are faithful (no dummy space in front, no normalisation, no special
        tokens), longest match where they are not; longest match throughout for a vocabulary without a tokenizer
        and for bytes that are not UTF-8.
        """
        data = _bytes_of(text)
        own_text = _text_of(text) if self._encoder is not None else None
        if self._encoder is None or own_text is None:
            return self._longest_match().ids(data)
        return encode_faithfully(own_text, self._encoder, self.tokens, self._longest_match)

    def decode(self, token_ids: Iterable[int]) -> _Bytes:
        """The joined bytes of tokens; special tokens add nothing."""
        return b"".join(self.token_bytes(int(token_id)) or b"" for token_id in token_ids)

    def show(self, token_id: int) -> str:
        """A token for people: its text in quotes, bytes that are no text as b'...', special tokens by name."""
        token = self.token_bytes(token_id)
        if token is not None:
            try:
                return repr(token.decode("utf-8"))
            except UnicodeDecodeError:
                return repr(token)
        if token_id in self._names:
            return self._names[token_id]
        if token_id in self.eos:
            role = "eos"
        elif token_id == self.mask:
            role = "mask"
        elif token_id == self.pad:
            role = "pad"
        else:
            role = "special" if token_id < len(self.tokens) else "unused"
        return f"<{role} {token_id}>"

    @property
    def fingerprint(self) -> str:
        """SHA-256 over bytes, EOS, pad, mask and `n_logits`, in hexadecimal digits."""
        return self._cached("fingerprint", self._fingerprint)

    def packed(self) -> tuple[_Bytes, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """All bytes joined, offsets: int64[len + 1], is_special: bool[len]; read-only, made once."""
        return self._cached("packed", self._packed)

    def memory_bytes(self) -> int:
        """Bytes held by tokens, names and what has been cached so far; the own encoder is not counted."""
        total = sys.getsizeof(self.tokens) + sum(sys.getsizeof(token) for token in self.tokens if token is not None)
        total += sys.getsizeof(self._names) + sum(sys.getsizeof(name) for name in self._names.values())
        if "packed" in self._cache:
            data, offsets, is_special = self._cache["packed"]
            total += sys.getsizeof(data) + offsets.nbytes + is_special.nbytes
        if "longest_match" in self._cache:
            total += self._cache["longest_match"].memory_bytes()
        return total

    def without_tokenizer(self) -> Vocabulary:
        """The same vocabulary with longest match as its encoder: smaller pickles, no foreign objects."""
        return Vocabulary(
            self.tokens, eos=self.eos, pad=self.pad, mask=self.mask, n_logits=self.n_logits, names=self._names
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self is other or self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        n_special = sum(token is None for token in self.tokens)
        parts = [f"{len(self)} tokens", f"{n_special} special"]
        parts += [f"eos {' '.join(map(self.show, self.eos))}"] if self.eos else []
        parts += [f"pad {self.show(self.pad)}"] if self.pad is not None else []
        parts += [f"mask {self.show(self.mask)}"] if self.mask is not None else []
        parts += [f"{self.n_logits} logits"] if self.n_logits != len(self) else []
        return f"Vocabulary({', '.join(parts)})"

    def __copy__(self) -> Vocabulary:
        return self

    def __deepcopy__(self, memo: object) -> Vocabulary:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        state = (self.tokens, self.eos, self.pad, self.mask, self.n_logits, self._names, self._encoder)
        return _restore, state

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Vocabulary never changes; build a new one instead of setting {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Vocabulary never changes; {name} cannot be deleted")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _cached(self, name: str, make: Callable[[], Made]) -> Made:
        # Two threads may both make a value; the values are equal and setdefault keeps one.
        if name not in self._cache:
            self._cache.setdefault(name, make())
        made: Made = self._cache[name]
        return made

    def _longest_match(self) -> LongestMatch:
        return self._cached("longest_match", lambda: LongestMatch(self.tokens))

    def _packed(self) -> tuple[_Bytes, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        offsets = np.zeros(len(self.tokens) + 1, dtype=np.int64)
        np.cumsum([len(token or b"") for token in self.tokens], out=offsets[1:])
        is_special = np.array([token is None for token in self.tokens], dtype=np.bool_)
        offsets.setflags(write=False)
        is_special.setflags(write=False)
        return b"".join(token or b"" for token in self.tokens), offsets, is_special

    def _fingerprint(self) -> str:
        data, offsets, is_special = self.packed()
        digest = hashlib.sha256(repr((1, self.n_logits, self.eos, self.pad, self.mask)).encode())
        digest.update(offsets.astype("<i8").tobytes())
        digest.update(is_special.tobytes())
        digest.update(data)
        return digest.hexdigest()


def _restore(
    tokens: tuple[bytes | None, ...],
    eos: tuple[int, ...],
    pad: int | None,
    mask: int | None,
    n_logits: int,
    names: Mapping[int, str],
    encoder: Encoder | None,
) -> Vocabulary:
    return Vocabulary(tokens, eos=eos, pad=pad, mask=mask, n_logits=n_logits, names=names, encoder=encoder)


def _bytes_of(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise VocabularyError(
            f"the text holds a lone surrogate at character {error.start} and has no UTF-8 bytes; remove it"
        ) from error


def _text_of(text: str | bytes) -> str | None:
    """The text of bytes, None where they are not UTF-8."""
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _several(ids: Ids | None) -> Iterable[int | str]:
    if ids is None:
        return ()
    return (ids,) if isinstance(ids, (int, str)) or not isinstance(ids, Iterable) else ids


def _id(value: int | str, role: str, names: Mapping[int, str]) -> int:
    if isinstance(value, str):
        for token_id, name in names.items():
            if name == value:
                return token_id
        raise VocabularyError(f"{role}={value!r} is no added or special token of this tokenizer; give its id instead")
    try:
        return value.__index__()
    except AttributeError:
        raise VocabularyError(f"{role} must be token ids, got {value!r}") from None


def _checked_n_logits(n_logits: int | None, n_tokens: int) -> int:
    if n_logits is None:
        return n_tokens
    if n_logits < n_tokens:
        raise VocabularyError(
            f"n_logits={n_logits} is less than the {n_tokens} tokens; give the width of the model's logits, "
            "or cut the tokens to the ids that the model has"
        )
    return n_logits


def _checked_tokens(tokens: Sequence[bytes | None], special: set[int]) -> tuple[bytes | None, ...]:
    """Tokens as a tuple with None for empty and special ones, grown so that every special id has an entry."""
    checked = list(tokens)
    checked += [None] * (max(special, default=-1) + 1 - len(checked))
    for token_id, token in enumerate(checked):
        if token is not None and not isinstance(token, bytes):
            raise VocabularyError(
                f"token {token_id} is {type(token).__name__} {token!r}; tokens are bytes, or None for special tokens"
            )
        if token == b"" or token_id in special:
            checked[token_id] = None
    return tuple(checked)
