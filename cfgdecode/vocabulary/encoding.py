"""Text to ids: the tokenizer's own encoder where its ids are faithful, longest match elsewhere.

Law: the bytes of the ids that `encode` returns are the bytes of the text, always, or VocabularyError is raised.
A tokenizer alone does not promise that: SentencePiece puts a space in front, T5 folds white space, Qwen 2.5
normalises to NFC, `<|im_end|>` in a text becomes a token without bytes. If the own ids are not faithful, those of
the text behind a line feed are tried, which keeps the dummy space away. If these are not either, the own ids are
kept as far as they agree with the text from its left end and from its right end, and what lies between is cut by
longest match.

Longest match: at each position the longest token that the text begins with (the lowest id among equal tokens).
Where that runs into a dead end (possible only if some byte has no token), a shortest cut is searched instead.
Cost: O(|text| · lengths), lengths = distinct token lengths with the same first byte; dead end: the same once more.
"""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from cfgdecode.errors import VocabularyError

Tokens = Sequence["bytes | None"]


class Encoder(Protocol):
    """A tokenizer's own way from text to ids, special tokens not added; picklable."""

    def ids(self, text: str) -> list[int]: ...


class LongestMatch:
    """Greedy encoder over any list of byte strings."""

    def __init__(self, tokens: Tokens) -> None:
        self._id_of: dict[bytes, int] = {}
        lengths: list[set[int]] = [set() for _ in range(256)]
        for token_id, token in enumerate(tokens):
            if token:
                self._id_of.setdefault(token, token_id)
                lengths[token[0]].add(len(token))
        self._lengths = [sorted(each, reverse=True) for each in lengths]

    def memory_bytes(self) -> int:
        """Bytes of the two tables; the tokens belong to the vocabulary."""
        lengths = sum(sys.getsizeof(each) for each in self._lengths) + sys.getsizeof(self._lengths)
        return sys.getsizeof(self._id_of) + 32 * len(self._id_of) + lengths

    def ids(self, text: bytes) -> list[int]:
        ids, position = [], 0
        while position < len(text):
            for length in self._lengths[text[position]]:
                token_id = self._id_of.get(text[position : position + length])
                if token_id is not None and position + length <= len(text):
                    break
            else:
                return self._fewest(text)
            ids.append(token_id)
            position += length
        return ids

    def _fewest(self, text: bytes) -> list[int]:
        """A cut into fewest tokens, found from the right end."""
        n = len(text)
        best: list[tuple[int, int, int] | None] = [None] * n + [(0, -1, n)]
        for position in range(n - 1, -1, -1):
            for length in self._lengths[text[position]]:
                rest = best[position + length] if position + length <= n else None
                if rest is None or ((here := best[position]) is not None and here[0] <= rest[0] + 1):
                    continue
                token_id = self._id_of.get(text[position : position + length])
                if token_id is not None:
                    best[position] = (rest[0] + 1, token_id, position + length)
        ids, position = [], 0
        while position < n:
            step = best[position]
            if step is None:
                raise VocabularyError(
                    f"no sequence of tokens spells {text[:40]!r}{'...' if n > 40 else ''}; "
                    "the vocabulary lacks tokens for some of its bytes"
                )
            ids.append(step[1])
            position = step[2]
        return ids


def encode_faithfully(
    text: str, encoder: Encoder, tokens: Tokens, longest_match: Callable[[], LongestMatch]
) -> list[int]:
    """The encoder's ids where they spell `text` from either end, longest match between."""
    data, own = text.encode("utf-8"), encoder.ids(text)
    head, start = _agreeing(data, own, tokens)
    if start == len(data) and head == len(own):
        return own
    if (inside := _without_dummy_space(text, data, encoder, tokens)) is not None:
        return inside
    tail, end = _agreeing_from_right(data, own, tokens, head, start)
    return [*own[:head], *longest_match().ids(data[start:end]), *own[tail:]]


def _without_dummy_space(text: str, data: bytes, encoder: Encoder, tokens: Tokens) -> list[int] | None:
    """Ids of the text behind a line feed, which takes the dummy space; None unless they spell the text."""
    own, spelled = encoder.ids("\n" + text), b""
    for count, token_id in enumerate(own, start=1):
        spelled += _bytes_at(tokens, token_id) or b""
        if spelled in (b"\n", b" \n"):
            rest = own[count:]
            return rest if _agreeing(data, rest, tokens) == (len(rest), len(data)) else None
        if len(spelled) > 2:
            break
    return None


def _agreeing(text: bytes, ids: Sequence[int], tokens: Tokens) -> tuple[int, int]:
    position = 0
    for count, token_id in enumerate(ids):
        token = _bytes_at(tokens, token_id)
        if token is None or not text.startswith(token, position):
            return count, position
        position += len(token)
    return len(ids), position


def _agreeing_from_right(text: bytes, ids: Sequence[int], tokens: Tokens, head: int, start: int) -> tuple[int, int]:
    end, tail = len(text), len(ids)
    while tail > head:
        token = _bytes_at(tokens, ids[tail - 1])
        if token is None or end - len(token) < start or not text.endswith(token, start, end):
            break
        end -= len(token)
        tail -= 1
    return tail, end


def _bytes_at(tokens: Tokens, token_id: int) -> bytes | None:
    """None too for an id that the tokenizer got after the vocabulary was built."""
    return tokens[token_id] if token_id < len(tokens) else None


class ObjectEncoder:
    """An encoder around a foreign object, pickled as an opaque block that is opened at first use.

    So a vocabulary can be unpickled where the tokenizer's library is not installed; only `ids` needs it.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer: Any = tokenizer
        self._block: bytes | None = None

    def __getstate__(self) -> bytes:
        return self._block if self._block is not None else pickle.dumps(self._tokenizer)

    def __setstate__(self, state: bytes) -> None:
        self._tokenizer, self._block = None, state

    def tokenizer(self) -> Any:
        if self._tokenizer is None:
            assert self._block is not None
            try:
                self._tokenizer = pickle.loads(self._block)
            except Exception as error:
                raise VocabularyError(
                    f"encode could not restore the tokenizer of an unpickled vocabulary ({error}); install its "
                    "library, or encode by longest match with vocabulary.without_tokenizer()"
                ) from error
            self._block = None
        return self._tokenizer


class HuggingFaceEncoder(ObjectEncoder):
    """`tokenizers.Tokenizer.encode` without special tokens, truncation or padding."""

    def tokenizer(self) -> Any:
        tokenizer = super().tokenizer()
        if tokenizer.truncation is not None or tokenizer.padding is not None:
            # Callers may change these settings at any time, so ours is a copy; theirs is left alone.
            tokenizer = type(tokenizer).from_str(tokenizer.to_str())
            tokenizer.no_truncation()
            tokenizer.no_padding()
            self._tokenizer = tokenizer
        return tokenizer

    def ids(self, text: str) -> list[int]:
        tokenizer = self.tokenizer()
        try:
            return list(tokenizer.encode(text, add_special_tokens=False).ids)
        except Exception:  # The library's only class of error: a word without a token and no unknown token.
            return []


class HuggingFaceFileEncoder(HuggingFaceEncoder):
    """The same from a `tokenizer.json`, opened at first use."""

    def __init__(self, path: Path) -> None:
        super().__init__(None)
        self._path = path

    def __getstate__(self) -> bytes:
        if self._block is None:
            self.tokenizer()
        return super().__getstate__()

    def tokenizer(self) -> Any:
        if self._tokenizer is None and self._block is None:
            library = require("tokenizers", f"encode with {self._path}")
            try:
                self._tokenizer = library.Tokenizer.from_file(str(self._path))
            except Exception as error:
                raise VocabularyError(f"encode reads {self._path} at first use, and could not: {error}") from error
        return super().tokenizer()


class PythonTokenizerEncoder(ObjectEncoder):
    """A transformers tokenizer written in Python."""

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer().encode(text, add_special_tokens=False))


class TiktokenEncoder(ObjectEncoder):
    """`tiktoken.Encoding.encode_ordinary`; Tekken shifts its ids by the number of special tokens."""

    def __init__(self, encoding: Any, offset: int = 0) -> None:
        super().__init__(encoding)
        self._offset = offset

    def __getstate__(self) -> Any:
        return super().__getstate__(), self._offset

    def __setstate__(self, state: Any) -> None:
        block, self._offset = state
        super().__setstate__(block)

    def ids(self, text: str) -> list[int]:
        return [token_id + self._offset for token_id in self.tokenizer().encode_ordinary(text)]


class SentencePieceEncoder(ObjectEncoder):
    """`SentencePieceProcessor.encode`."""

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer().encode(text, add_bos=False, add_eos=False, enable_sampling=False))


class RanksEncoder:
    """Tekken file: a tiktoken encoding made at first use from the pattern and the token list."""

    def __init__(self, pattern: str, tokens: Tokens, offset: int) -> None:
        self._pattern, self._tokens, self._offset = pattern, tokens, offset
        self._encoding: Any = None

    def __getstate__(self) -> tuple[str, Tokens, int]:
        return self._pattern, self._tokens, self._offset

    def __setstate__(self, state: tuple[str, Tokens, int]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def ids(self, text: str) -> list[int]:
        if self._encoding is None:
            ranks = {token: nth for nth, token in enumerate(self._tokens[self._offset :])}
            self._encoding = require("tiktoken", "encode with a Tekken file").Encoding(
                "tekken", pat_str=self._pattern, mergeable_ranks=ranks, special_tokens={}
            )
        return [token_id + self._offset for token_id in self._encoding.encode_ordinary(text)]


def require(library: str, purpose: str) -> Any:
    """Import an optional library, or say how to get it."""
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise VocabularyError(f"{purpose} needs {library}; pip install {library}") from error
