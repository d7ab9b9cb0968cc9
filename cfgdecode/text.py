"""`Grammar`, and questions about texts with gaps of any length.

A text-level gap stands for any bytes. The grammar is asked over a vocabulary of the 256 bytes, so the
answers are those of the language, not of a tokenizer.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from .canvas import Canvas, Verdict
from .constraint import Constraint, Limits, compile
from .errors import CanvasError, GrammarError
from .grammar import GrammarIR, Lexer, from_lark
from .vocabulary import Vocabulary


class _Gap:
    """The type of `GAP`."""

    def __repr__(self) -> str:
        return "GAP"

    def __reduce__(self) -> str:
        return "GAP"


GAP: Final = _Gap()
"""Any text, also none, between the parts given to `Grammar.is_completable` and `Grammar.complete`."""

Part = str | bytes | _Gap | None
BUILTIN = Path(__file__).parent / "grammars"


class Grammar:
    """A language of UTF-8 texts. Immutable; build one with `from_lark`, `builtin` or `from_json_schema`."""

    def __init__(self, ir: GrammarIR, *, name: str | None = None) -> None:
        self.ir, self.name = ir, name

    @classmethod
    def from_ir(cls, ir: GrammarIR, *, name: str | None = None) -> Grammar:
        """A grammar from its plain form (docs/IR.md)."""
        return cls(ir, name=name)

    @classmethod
    def from_lark(
        cls,
        text: str | os.PathLike[str],
        start: str = "start",
        lexer: Lexer = "basic",
        import_paths: Iterable[str | os.PathLike[str]] = (),
        **options: Any,
    ) -> Grammar:
        """Read a Lark grammar from text or a path; Lark's lexer `lexer` says what its language is."""
        return cls(from_lark(text, start, lexer, tuple(import_paths), **options))

    @classmethod
    def builtin(cls, name: str, start: str | None = None) -> Grammar:
        """One of the grammars that come with the library: see `Grammar.builtins()`."""
        path = BUILTIN / f"{name}.lark"
        if not path.is_file():
            raise GrammarError(f"no built-in grammar {name!r}; there are {', '.join(cls.builtins())}")
        text = path.read_text(encoding="utf-8")
        options = _header(text)
        lexer: Any = options.get("lexer", "basic")
        starts = options.get("start", "start").replace(",", " ").split()
        return cls(from_lark(text, start or starts[0], lexer, (), source_path=str(path)), name=name)

    @classmethod
    def builtins(cls) -> list[str]:
        """Names for `builtin`."""
        return sorted(path.stem for path in BUILTIN.glob("*.lark"))

    @classmethod
    def from_json_schema(cls, schema: Any, **options: Any) -> Grammar:
        """The JSON texts that are instances of `schema`; options as in `cfgdecode.json_schema.compile_schema`."""
        from .json_schema import compile_schema

        ir, notes = compile_schema(schema, **options)
        grammar = cls(ir, name="json schema")
        grammar.warnings = tuple(notes)
        return grammar

    warnings: tuple[Any, ...] = ()

    @property
    def lexer(self) -> Lexer:
        return self.ir.lexer

    @cached_property
    def _bytes(self) -> Constraint:
        return compile(self, Vocabulary.bytes(), eos_policy="none")

    def is_empty(self) -> bool:
        """Whether no text at all belongs to the language."""
        return self._bytes.is_empty

    def accepts(self, text: str | bytes) -> bool:
        """Whether the whole text belongs to the language."""
        return self.is_completable([text]) is Verdict.COMPLETABLE

    def is_completable(self, parts: Sequence[Part] | str | bytes, limits: Limits | None = None) -> Verdict:
        """Whether some texts in place of the gaps make the whole a text of the language."""
        return self._canvas(parts, limits).verdict()

    def complete(self, parts: Sequence[Part] | str | bytes, limits: Limits | None = None) -> str | None:
        """The whole text with its gaps filled by as few bytes as possible; None if that is impossible.

        Raises:
            LimitExceeded: a limit was reached first.
        """
        ids = self._canvas(parts, limits).complete()
        return None if ids is None else bytes(ids).decode("utf-8")

    def _canvas(self, parts: Sequence[Part] | str | bytes, limits: Limits | None) -> Canvas:
        ids: list[int] = []
        gaps: dict[int, tuple[int, int | None]] = {}
        for part in [parts] if isinstance(parts, (str, bytes)) else parts:
            if part is None or isinstance(part, _Gap):
                if len(ids) - 1 not in gaps:
                    gaps[len(ids)] = (0, None)
                    ids.append(0)
            elif isinstance(part, (str, bytes)):
                ids += _utf8(part)
            else:
                raise CanvasError(f"a part of a text must be str, bytes or GAP, not {type(part).__name__}")
        constraint = self._bytes
        if limits is not None:
            constraint = compile(self, constraint.vocabulary, limits=limits, eos_policy="none")
        return constraint.canvas(ids, [i in gaps for i in range(len(ids))], gaps=gaps)

    def __eq__(self, other: object) -> bool:
        return self.ir == other.ir if isinstance(other, Grammar) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.ir)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.ir, self.name)

    def __repr__(self) -> str:
        what = self.name or self.ir.nonterminals[self.ir.start]
        return f"Grammar({what!r}, {len(self.ir.rules)} rules, {len(self.ir.terminals)} terminals, {self.lexer})"


def _restore(ir: GrammarIR, name: str | None) -> Grammar:
    return Grammar(ir, name=name)


def _utf8(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CanvasError(f"the text is not valid Unicode at character {error.start}: {error.reason}") from error


def _header(text: str) -> dict[str, str]:
    """The `// key: value` lines at the top of a built-in grammar."""
    options: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("//"):
            break
        key, colon, value = line[2:].partition(":")
        if colon and key.strip().isidentifier():
            options.setdefault(key.strip(), value.strip())
    return options
