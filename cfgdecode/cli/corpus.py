"""`parse-corpus`: how much of a corpus a grammar accepts, where it stops, and how fast it is."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from cfgdecode.canvas import Verdict
from cfgdecode.constraint import Constraint, Limits, compile
from cfgdecode.errors import LimitExceeded
from cfgdecode.explain import first_failure, show_terminal
from cfgdecode.lexemes import lexeme_grammar, scanner
from cfgdecode.vocabulary import Vocabulary

from .inputs import grammar_options, read_grammar
from .output import BAD_INPUT, NO, UNDECIDED, YES, errors_to_exit_codes, json_option, print_json, stderr

STDIN = "-"
N_EXPECTED = 10


@dataclass
class Text:
    """One text of the corpus; `problem` says why there is none, or why it is left out."""

    name: str
    data: bytes
    problem: str | None = None
    too_long: bool = False


@dataclass
class Tally:
    accepted: int = 0
    refused: int = 0
    undecided: int = 0
    unreadable: int = 0
    bytes: int = 0
    seconds: float = 0.0

    @property
    def mb_per_s(self) -> float:
        return self.bytes / 1e6 / self.seconds if self.seconds else 0.0

    @property
    def exit_code(self) -> int:
        return NO if self.refused else UNDECIDED if self.undecided else BAD_INPUT if self.unreadable else YES

    def line(self) -> str:
        total = self.accepted + self.refused + self.undecided + self.unreadable
        parts = [f"{self.accepted} of {total} accepted", f"{self.refused} refused"]
        parts += [f"{self.undecided} undecided"] * bool(self.undecided)
        parts += [f"{self.unreadable} unreadable"] * bool(self.unreadable)
        return ", ".join(parts) + f"; {_shown_size(self.bytes)} in {self.seconds:.2f} s, {self.mb_per_s:.2f} MB/s"


@click.command("parse-corpus")
@click.argument("grammar")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--field", help="The files are JSON lines; take the text from this field of each row.")
@click.option("--glob", "globs", multiple=True, help="Of folders, read only files named so ('*.cpp'); repeatable.")
@click.option("--prefix", default="", help="Put this in front of each text.")
@click.option("--suffix", default="", help="Put this behind each text.")
@click.option("--max-bytes", default=4_000_000, show_default=True, help="Leave out longer texts, as undecided.")
@click.option("--time-limit", default=30.0, show_default=True, help="Seconds per text.")
@click.option("--no-explain", is_flag=True, help="Only count; do not look for what is wrong.")
@click.option("--show", "n_shown", default=20, show_default=True, help="Refusals to print; all of them with --json.")
@grammar_options
@json_option
@errors_to_exit_codes
def parse_corpus(
    grammar: str,
    files: tuple[str, ...],
    field: str | None,
    globs: tuple[str, ...],
    prefix: str,
    suffix: str,
    max_bytes: int,
    time_limit: float,
    no_explain: bool,
    n_shown: int,
    start: str | None,
    lexer: Any,
    as_json: bool,
) -> None:
    """How many FILES are texts of GRAMMAR; for each refusal the first failing place and what was expected.

    A file is one text; with --field, each of its lines is. Of a folder, all files below it are read but hidden ones;
    - is stdin. Exit code: 0 all accepted, 1 some refused, 3 some undecided, 2 some unreadable.

    \b
    cfgdecode parse-corpus cpp src --glob '*.cpp' --glob '*.h'
    cfgdecode parse-corpus json rows.jsonl --field text
    """
    read = read_grammar(grammar, start, lexer)
    limits = Limits(time_us=max(int(time_limit * 1e6), 1))
    constraint = compile(read, Vocabulary.bytes(), limits=limits, eos_policy="none")
    paths = list(_paths(files, globs or ("*",)))
    if field is None and any(Path(path).suffix in (".jsonl", ".ndjson") for path in paths):
        stderr().print(
            "note: a file of JSON lines is read as one text; give --field NAME to read the rows", style="dim"
        )
    tally, rows = Tally(), list[dict[str, Any]]()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = stderr()
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("parsing", total=sum(map(_size, paths)))
            for text, n_read in (each for path in paths for each in _texts(path, field, max_bytes)):
                if text.problem is None:
                    text.data = prefix.encode() + text.data + suffix.encode()
                row = _judge(constraint, text, tally)
                if row is not None:
                    if row["verdict"] == "dead" and not no_explain:
                        row |= _where(constraint, text.data)
                    rows.append(row)
                progress.update(task, advance=n_read, description=f"{tally.accepted} accepted, {tally.refused} refused")
    except KeyboardInterrupt:
        console.print("interrupted; this is what was read so far")
        _report(tally, rows, n_shown, as_json)
        sys.exit(UNDECIDED)
    _report(tally, rows, n_shown, as_json)
    sys.exit(tally.exit_code)


def _paths(files: tuple[str, ...], globs: tuple[str, ...]) -> Iterator[str]:
    """Files, and the files below folders that are not hidden and have such a name."""
    for name in files:
        if not Path(name).is_dir():
            yield name
            continue
        for folder, below, names in os.walk(name):
            below[:] = sorted(each for each in below if not each.startswith("."))
            for each in sorted(names):
                if not each.startswith(".") and any(fnmatch(each, glob) for glob in globs):
                    yield os.path.join(folder, each)


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size if path != STDIN else 0
    except OSError:
        return 0


def _shown_size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.2f} MB" if n_bytes >= 100_000 else f"{n_bytes:,} bytes"


def _texts(path: str, field: str | None, max_bytes: int) -> Iterator[tuple[Text, int]]:
    """The texts of a file, each with how many bytes of the file were read for it."""
    try:
        size = _size(path)
        if field is None and size > max_bytes:
            yield _too_long(path, size), size
        elif field is None:
            data = Path(path).read_bytes() if path != STDIN else sys.stdin.buffer.read()
            yield Text(path, data) if len(data) <= max_bytes else _too_long(path, len(data)), size
        else:
            with open(path, "rb") if path != STDIN else nullcontext(sys.stdin.buffer) as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        text = _row(f"{path}:{number}", line, field)
                        yield text if len(text.data) <= max_bytes else _too_long(text.name, len(text.data)), len(line)
    except OSError as error:
        yield Text(path, b"", error.strerror or str(error)), 0


def _too_long(name: str, size: int) -> Text:
    return Text(name, b"", f"{size} bytes, more than --max-bytes", too_long=True)


def _row(name: str, line: bytes, field: str) -> Text:
    try:
        row = json.loads(line)
    except ValueError as error:
        return Text(name, b"", f"not JSON: {error}")
    if not isinstance(row, dict) or field not in row:
        has = f"its fields are {', '.join(row)}" if isinstance(row, dict) and row else "it has none"
        return Text(name, b"", f"no field {field!r}; {has}")
    value = row[field]
    if not isinstance(value, str):
        return Text(name, b"", f"the field {field!r} is no string")
    return Text(name, value.encode("utf-8", "surrogatepass"))


def _judge(constraint: Constraint, text: Text, tally: Tally) -> dict[str, Any] | None:
    """Count one text; a row for the report unless it is accepted."""
    if text.problem is not None:
        tally.undecided += text.too_long
        tally.unreadable += not text.too_long
        verdict = "undecided" if text.too_long else "unreadable"
        return {"text": text.name, "verdict": verdict, "message": text.problem}
    data = text.data
    began = time.perf_counter()
    canvas = constraint.canvas(list(data), [False] * len(data))
    answer = canvas.verdict()
    tally.seconds += time.perf_counter() - began
    tally.bytes += len(data)
    if answer is Verdict.COMPLETABLE:
        tally.accepted += 1
        return None
    if answer is Verdict.UNDECIDED:
        tally.undecided += 1
        return {"text": text.name, "verdict": "undecided", "message": f"the limit {canvas.limit} was reached"}
    tally.refused += 1
    return {"text": text.name, "verdict": "dead", "message": "refused"}


def _where(constraint: Constraint, data: bytes) -> dict[str, Any]:
    """The first failing place of a refused text."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        found = f"byte 0x{data[error.start]:02x}"
        return _failure(before, len(before), found, [], f"{found} is no UTF-8")
    why, position = first_failure(constraint.canvas(list(data), [False] * len(data)))
    if position is not None:
        at = len(data[:position].decode("utf-8", "replace"))
        return _failure(text, at, why.found, list(why.expected), why.message)
    if constraint.grammar.lexer != "basic":
        return {"message": why.message}
    return _where_in_long_text(constraint, text)


def _where_in_long_text(constraint: Constraint, text: str) -> dict[str, Any]:
    """The same by lexemes alone, without looking for a smallest conflict: time is linear in the text."""
    grammar = constraint.grammar
    lexemes, stop = scanner(grammar).scan(text)
    used = [lexeme for lexeme in lexemes if not lexeme.ignored]
    terminals = [lexeme.terminal for lexeme in used]
    parts = lexeme_grammar(grammar, constraint.limits)
    try:
        n = parts.longest_prefix(terminals)
        expected = sorted(show_terminal(grammar, terminal) for terminal in parts.after(terminals[:n]))
    except LimitExceeded as error:
        return {"message": f"refused; where was not found out: {error}"}
    if n < len(used):
        at, found = used[n].start, repr(text[used[n].start : used[n].end])
    else:
        at = len(text) if stop is None else stop
        found = repr(text[at]) if at < len(text) else "the end of the text"
    shown = ", ".join(expected[:N_EXPECTED]) + f", ... ({len(expected)} in all)" * (len(expected) > N_EXPECTED)
    line = text[text.rfind("\n", 0, at) + 1 :].partition("\n")[0]
    return _failure(text, at, found, expected, f"found {found}, expected one of {shown}\n  {line[:100].strip()}")


def _failure(text: str, at: int, found: str | None, expected: list[str], message: str) -> dict[str, Any]:
    """A row of the report; `at` counts characters, `position` bytes."""
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    place = f"line {line}, column {column}"
    message = message if message.startswith("line ") else f"{place}: {message}"
    place_of = {"position": len(text[:at].encode()), "line": line, "column": column}
    return {"message": message, **place_of, "found": found, "expected": expected}


def _report(tally: Tally, rows: list[dict[str, Any]], n_shown: int, as_json: bool) -> None:
    if as_json:
        counts = {k: v for k, v in vars(tally).items() if k != "seconds"}
        print_json(counts | {"seconds": round(tally.seconds, 6), "mb_per_s": round(tally.mb_per_s, 3), "rows": rows})
        return
    for row in rows[:n_shown]:
        click.echo(f"{row['text']}: {row['message']}\n")
    if len(rows) > n_shown:
        click.echo(f"... {len(rows) - n_shown} more; raise --show or use --json\n")
    click.echo(tally.line())
