"""`parse-corpus`: how much of a corpus a grammar accepts, where it stops, and how fast it is."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from cfgdecode.canvas import Verdict
from cfgdecode.constraint import Constraint, Limits, compile
from cfgdecode.explain import first_failure
from cfgdecode.vocabulary import Vocabulary

from .inputs import grammar_options, read_grammar
from .output import BAD_INPUT, NO, UNDECIDED, YES, errors_to_exit_codes, json_option, print_json, stderr


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

    def line(self) -> str:
        total = self.accepted + self.refused + self.undecided + self.unreadable
        parts = [f"{self.accepted} of {total} accepted", f"{self.refused} refused"]
        parts += [f"{self.undecided} undecided"] * bool(self.undecided)
        parts += [f"{self.unreadable} unreadable"] * bool(self.unreadable)
        return ", ".join(parts) + f"; {self.bytes / 1e6:.2f} MB in {self.seconds:.2f} s, {self.mb_per_s:.2f} MB/s"


@click.command("parse-corpus")
@click.argument("grammar")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--field", help="The files are JSON lines; take the text from this field of each row.")
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

    \b
    cfgdecode parse-corpus cpp src/*.cpp
    cfgdecode parse-corpus json rows.jsonl --field text
    """
    read = read_grammar(grammar, start, lexer)
    limits = Limits(time_us=max(int(time_limit * 1e6), 1))
    constraint = compile(read, Vocabulary.bytes(), limits=limits, eos_policy="none")
    tally, rows = Tally(), []
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    paths = list(_paths(files)) if field is None else list(files)
    with Progress(*columns, console=stderr(), transient=True) as progress:
        task = progress.add_task("parsing", total=sum(map(_size, paths)))
        for path in paths:
            for text, n_read in _texts(path, field, max_bytes):
                text.data = prefix.encode() + text.data + suffix.encode()
                row = _judge(constraint, text, tally)
                if row is not None:
                    if row["verdict"] == "dead" and not no_explain:
                        row |= _where(constraint, text.data)
                    rows.append(row)
                progress.update(task, advance=n_read, description=f"{tally.accepted} accepted, {tally.refused} refused")
    _report(tally, rows, n_shown, as_json)
    sys.exit(NO if tally.refused else UNDECIDED if tally.undecided else BAD_INPUT if tally.unreadable else YES)


def _paths(files: tuple[str, ...]) -> Iterator[str]:
    """Files, and the files below folders."""
    for name in files:
        path = Path(name)
        if path.is_dir():
            yield from (str(each) for each in sorted(path.rglob("*")) if each.is_file())
        else:
            yield name


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _texts(path: str, field: str | None, max_bytes: int) -> Iterator[tuple[Text, int]]:
    """The texts of a file, each with how many bytes of the file were read for it."""
    try:
        size = _size(path)
        if field is None and size > max_bytes:
            yield _too_long(path, size), size
        elif field is None:
            yield Text(path, Path(path).read_bytes()), size
        else:
            with open(path, "rb") as lines:
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
        value = json.loads(line)[field]
    except (ValueError, KeyError, TypeError, IndexError):
        return Text(name, b"", f"not a JSON object with a field {field!r}")
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
    why, position = first_failure(constraint.canvas(list(data), [False] * len(data)))
    return {"message": why.message, "position": position, "found": why.found, "expected": list(why.expected)}


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
