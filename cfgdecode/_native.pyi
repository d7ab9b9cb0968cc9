"""Types of the native core (cfgdecode/native/src/python/mod.rs); checked against the module by tests/test_stub.py."""

from typing import Any, final

__version__: str

@final
class Vocabulary:
    """Token bytes and their prefix trie."""

    def __new__(
        cls,
        data: bytes,
        offsets: list[int],
        special: list[bool],
        eos: list[int],
        pad: int | None,
        mask: int | None,
        n_logits: int,
    ) -> Vocabulary: ...
    def memory_bytes(self) -> int: ...
    def n_nodes(self) -> int: ...

@final
class Constraint:
    """A grammar IR (docs/IR.md) compiled together with a vocabulary."""

    def __new__(
        cls,
        lexer: str,
        terminals: list[tuple[str, Any, str]],
        nonterminals: list[str],
        rules: list[tuple[int, list[int]]],
        start: int,
        ignore: list[int],
        scanner: list[int],
        keywords: list[tuple[int, list[int]]],
        vocabulary: Vocabulary,
        limits: tuple[int, int, int, int],
    ) -> Constraint: ...
    def is_empty(self) -> bool: ...
    def n_symbols(self) -> int: ...
    def n_rules(self) -> int: ...
    def memory_bytes(self) -> int: ...
    def session(self, codes: list[int], policy: int) -> Session: ...

@final
class Session:
    """One canvas: a code per slot, a token id, -1 open, -2 optional, -3 any number of tokens."""

    def set(self, i: int, code: int) -> None: ...
    def replace(self, codes: list[int]) -> None: ...
    def codes(self) -> list[int]: ...
    def fork(self) -> Session: ...
    def verdict(self) -> tuple[int, str | None]: ...
    def witness(self) -> list[list[int]] | None: ...
    def allowed(self, i: int) -> tuple[bytes, bool]: ...
    def stats(self) -> list[int]: ...
