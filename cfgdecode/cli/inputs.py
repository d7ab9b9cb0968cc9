"""What the commands are given: grammars, vocabularies, texts with gaps, canvases."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from cfgdecode.canvas import Canvas
from cfgdecode.constraint import POLICIES, Constraint, EosPolicy, Limits, compile
from cfgdecode.errors import CanvasError, GrammarError, VocabularyError
from cfgdecode.grammar.ir import LEXERS, Lexer
from cfgdecode.text import Grammar
from cfgdecode.vocabulary import Vocabulary

SMALL_TOKENIZER = Path(__file__).parent / "samples" / "small.json"
F = TypeVar("F", bound=Callable[..., Any])


def read_grammar(name: str, start: str | None = None, lexer: Lexer | None = None) -> Grammar:
    """A built-in grammar by name, a .lark file or a JSON Schema file."""
    path = Path(name)
    if path.suffix == ".json":
        return Grammar.from_json_schema(_json_of(path))
    if path.suffix == ".lark" or path.is_file():
        options: dict[str, Any] = {"start": start} if start else {}
        return Grammar.from_lark(path, lexer=lexer or "basic", **options)
    if name not in Grammar.builtins():
        raise GrammarError(
            f"no built-in grammar {name!r} and no such file; there are {', '.join(Grammar.builtins())}, "
            "or give a path that ends in .lark or .json (a JSON Schema)"
        )
    return Grammar.builtin(name, start)


def read_vocabulary(name: str) -> Vocabulary:
    """`bytes`, `small` (the bundled tokenizer), or the path of a tokenizer file or directory."""
    if name == "bytes":
        return Vocabulary.bytes()
    if name == "small":
        return Vocabulary.from_tokenizer(str(SMALL_TOKENIZER))
    if not Path(name).exists():
        raise VocabularyError(f"no tokenizer at {name!r}; give bytes, small, or the path of a tokenizer file")
    return Vocabulary.from_tokenizer(name)


def read_text(text: str | None, path: str | None) -> str:
    """The TEXT argument (`-` is stdin) or the content of --file."""
    if (text is None) == (path is None):
        raise click.UsageError("give either TEXT (- for stdin) or --file PATH")
    if path is not None:
        return Path(path).read_bytes().decode("utf-8")
    return sys.stdin.buffer.read().decode("utf-8") if text == "-" else str(text)


def canvas_of_text(constraint: Constraint, text: str, gap_mark: str, mask_mark: str) -> Canvas:
    """A canvas whose cells are the tokens of `text`, one open cell per mask mark, one gap per gap mark."""
    ids: list[int] = []
    is_open: list[bool] = []
    gaps: dict[int, tuple[int, int | None]] = {}
    encode = constraint.vocabulary.encode
    for piece in _pieces(text, gap_mark, mask_mark):
        if piece in (gap_mark, mask_mark):
            run = len(ids)
            while run and is_open[run - 1]:
                run -= 1
            if piece == gap_mark:
                cells = gaps[run][0] if run in gaps else len(ids) - run
                gaps[run] = (cells, None)
            elif run in gaps:
                gaps[run] = (gaps[run][0] + 1, None)
            if piece == mask_mark or run == len(ids):
                ids.append(0)
                is_open.append(True)
        else:
            tokens = encode(piece)
            ids += tokens
            is_open += [False] * len(tokens)
    return constraint.canvas(ids, is_open, gaps=gaps)


def _pieces(text: str, *marks: str) -> list[str]:
    pieces = [text]
    for mark in marks:
        if not mark:
            raise click.UsageError("a mark cannot be empty")
        split: list[str] = []
        for piece in pieces:
            if piece in marks:
                split.append(piece)
                continue
            for i, part in enumerate(piece.split(mark)):
                split += [mark] * (i > 0) + [part] * bool(part)
        pieces = split
    return pieces


def canvas_of_file(constraint: Constraint, path: str) -> Canvas:
    """A canvas from JSON: {"ids": [...], "open": [positions or bools], "gaps": {"position": [lo, hi or null]}}."""
    given = _json_of(Path(path))
    if not isinstance(given, Mapping) or not isinstance(given.get("ids"), list):
        raise CanvasError(f'{path}: expected an object with "ids", a list of token ids; "open" and "gaps" are optional')
    ids = [0 if token is None else token for token in given["ids"]]
    is_open = given.get("open", [token is None for token in given["ids"]])
    if not isinstance(is_open, list):
        raise CanvasError(f'{path}: "open" must be a list of positions or of one true or false per cell')
    if not is_open or not all(isinstance(value, bool) for value in is_open):
        is_open = [i in set(is_open) for i in range(len(ids))]
    try:
        gaps = {int(p): (int(lo), None if hi is None else int(hi)) for p, (lo, hi) in given.get("gaps", {}).items()}
    except (AttributeError, TypeError, ValueError):
        raise CanvasError(f'{path}: "gaps" must map positions to [lo, hi], hi null for no bound') from None
    return constraint.canvas(ids, is_open, gaps=gaps)


def _json_of(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise GrammarError(f"{path} is not JSON: {error}") from None


def grammar_options(command: F) -> F:
    command = click.option("--start", help="Start rule.")(command)
    return click.option("--lexer", type=click.Choice(LEXERS), help="How Lark lexes a .lark file (default basic).")(
        command
    )


def canvas_options(command: F) -> F:
    """TEXT or a file, the marks, the vocabulary, the EOS policy and the time limit."""
    for decorate in reversed(
        [
            click.argument("text", required=False),
            click.option("--file", "path", type=click.Path(), help="Read the text from a file."),
            click.option("--canvas", "canvas_path", type=click.Path(), help="Read a canvas from a JSON file."),
            click.option("--gap-mark", default="<GAP>", show_default=True, help="Stands for any text, also none."),
            click.option("--mask-mark", default="<MASK>", show_default=True, help="Stands for exactly one token."),
            click.option("--tokenizer", default="bytes", show_default=True, help="bytes, small, or a tokenizer file."),
            click.option("--eos-policy", type=click.Choice(POLICIES), default="none", show_default=True),
            click.option("--time-limit", type=float, default=60.0, show_default=True, help="Seconds per question."),
        ]
    ):
        command = decorate(command)
    return command


def read_canvas(grammar: Grammar, options: Mapping[str, Any]) -> Canvas:
    """The canvas that the options of `canvas_options` describe."""
    policy: EosPolicy = options["eos_policy"]
    limits = Limits(time_us=max(int(options["time_limit"] * 1e6), 1))
    constraint = compile(grammar, read_vocabulary(options["tokenizer"]), limits=limits, eos_policy=policy)
    if options["canvas_path"]:
        return canvas_of_file(constraint, options["canvas_path"])
    text = read_text(options["text"], options["path"])
    return canvas_of_text(constraint, text, options["gap_mark"], options["mask_mark"])
