"""Every exception that cfgdecode raises on purpose.

Messages say what was given, what was expected and what to do. *Dead* is an answer
(`Verdict.DEAD`), not an error; only hooks raise `DeadCanvasError`.
"""

from __future__ import annotations


class CfgDecodeError(Exception):
    """Base class of all errors of this library."""


class GrammarError(CfgDecodeError, ValueError):
    """A grammar cannot be used as given.

    `line` and `column` are 1-based positions in the grammar text, or None where there is no text
    position; `rule` names the rule or terminal at fault; `context` is an excerpt with a caret.
    """

    def __init__(
        self,
        message: str,
        *,
        line: int | None = None,
        column: int | None = None,
        rule: str | None = None,
        context: str | None = None,
    ) -> None:
        self.line, self.column, self.rule, self.context = line, column, rule, context
        where = f" (line {line}" + (f", column {column}" if column is not None else "") + ")" if line else ""
        super().__init__(message + where + (f"\n{context}" if context else ""))


class GrammarSyntaxError(GrammarError):
    """The text is not a Lark grammar."""


class UnsupportedGrammarError(GrammarError):
    """Legal Lark (or JSON Schema) that this library does not decide; says what to write instead."""


class SchemaError(UnsupportedGrammarError):
    """A JSON Schema keyword cannot be honoured; `pointer` is its JSON pointer."""

    def __init__(self, message: str, *, pointer: str = "") -> None:
        self.pointer = pointer
        super().__init__(f"{message} (at {pointer or '#'})")


class VocabularyError(CfgDecodeError, ValueError):
    """A vocabulary is inconsistent: a token without bytes, an id out of range, no EOS where one is needed."""


class CanvasError(CfgDecodeError, ValueError):
    """A canvas argument has a wrong shape, dtype, range or state."""


class DeadCanvasError(CfgDecodeError):
    """A canvas cannot be completed and the caller asked for an exception; `row` is its batch row."""

    def __init__(self, message: str, *, row: int | None = None, position: int | None = None) -> None:
        self.row, self.position = row, position
        super().__init__(message)


class LimitExceeded(CfgDecodeError):
    """A named limit was reached where the caller asked for an exception instead of `Verdict.UNDECIDED`."""

    def __init__(self, message: str, *, limit: str, given: int | None = None) -> None:
        self.limit, self.given = limit, given
        super().__init__(message)
