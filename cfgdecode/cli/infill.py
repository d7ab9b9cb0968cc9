"""`infill`: the main job. A real file, regions of it opened, decoded in any order under a grammar.

What: opens regions as open cells of a tokenizer, lets a denoiser (ngram.py) propose a token for every open cell, and
commits the best few proposals of each step together through `Canvas.commit`, which keeps the canvas completable.
Invariants: the text outside the regions does not change; every region keeps its number of cells; what is printed is a
text of the grammar (checked at the end by `Grammar.accepts`, on the text alone).
See it: `cfgdecode infill --grammar cpp --regions 3 program.cpp`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import click
import numpy as np
import numpy.typing as npt
from rich.live import Live

from cfgdecode.canvas import Canvas, Verdict
from cfgdecode.constraint import Limits, compile
from cfgdecode.errors import LimitExceeded
from cfgdecode.text import Grammar
from cfgdecode.vocabulary import Vocabulary

from .inputs import read_grammar, read_vocabulary
from .live import view
from .ngram import NGram
from .output import EXIT, NO, YES, errors_to_exit_codes, fail, json_option, print_json, stderr
from .regions import Opened, comments_of, drawn, marked, without_comments

Order: TypeAlias = Literal["confident", "random", "left", "right"]
SAMPLES = Path(__file__).parent / "samples"


@dataclass
class Run:
    """What happened: per step the cells kept, and (cell, proposed, put) where a proposal did not fit."""

    steps: int = 0
    kept: list[tuple[int, int]] = field(default_factory=list)
    substituted: list[tuple[int, int, int]] = field(default_factory=list)
    deferred: list[tuple[int, int]] = field(default_factory=list)
    grammar_us: list[int] = field(default_factory=list)


@click.command()
@click.argument("path", type=click.Path())
@click.option("--grammar", required=True, help="Built-in grammar, .lark file or JSON Schema.")
@click.option("--start", help="Start rule.")
@click.option("--regions", "n_regions", type=click.IntRange(1), default=3, show_default=True, help="Random regions.")
@click.option("--length", nargs=2, type=click.IntRange(1), default=(4, 12), show_default=True, help="Tokens of each.")
@click.option("--markers", nargs=2, default=("/*<*/", "/*>*/"), show_default=True, help="Open what is between them.")
@click.option("--cells", type=click.IntRange(1), help="Cells of each marked region (default: as many as before).")
@click.option("--comments", is_flag=True, help="Let regions become comments (or other ignored text), too.")
@click.option("--tokenizer", default="small", show_default=True, help="bytes, small, or a tokenizer file.")
@click.option("--order", type=click.Choice(get_args(Order)), default="confident", show_default=True)
@click.option("--per-step", type=click.IntRange(1), default=3, show_default=True, help="Cells committed in one step.")
@click.option("--policy", type=click.Choice(["substitute", "defer"]), default="substitute", show_default=True)
@click.option("--temperature", type=click.FloatRange(0), default=0.0, show_default=True, help="0: the best token.")
@click.option("--seed", default=0, show_default=True)
@click.option("--time-limit", type=float, default=60.0, show_default=True, help="Seconds per grammar question.")
@click.option("--output", type=click.Path(), help="Write the result to this file.")
@click.option("--svg", type=click.Path(), help="Draw some steps of the run into this SVG file.")
@json_option
@errors_to_exit_codes
def infill(path: str, grammar: str, as_json: bool, **options: Any) -> None:
    """Open regions of the file PATH and fill them, so that the whole is a text of the grammar.

    Opens what stands between the markers or, if there are none, random regions outside of comments.

    \b
    cfgdecode infill --grammar cpp --regions 3 program.cpp
    """
    read = read_grammar(grammar, options["start"])
    text = Path(path).read_bytes().decode("utf-8")
    vocabulary = read_vocabulary(options["tokenizer"])
    strict = None if options["comments"] else read
    opened = marked(text, vocabulary, options["markers"], options["cells"], strict)
    if opened is None:
        lengths = min(options["length"]), max(options["length"])
        opened = drawn(text, vocabulary, options["n_regions"], lengths, options["seed"], strict)
    limits = Limits(time_us=max(int(options["time_limit"] * 1e6), 1))
    canvas = _canvas(read, opened, limits, strict is not None)
    verdict = canvas.verdict()
    if verdict is not Verdict.COMPLETABLE:
        what = "the file cannot be completed with these regions:\n" if verdict is Verdict.DEAD else ""
        fail(f"{what}{canvas.explain()}", EXIT[verdict])
    run = _decode(canvas, opened, _denoiser(read, vocabulary, canvas, path), options)
    result = opened.text(canvas.ids)
    accepted = read.is_completable([result], limits) is Verdict.COMPLETABLE
    if options["output"]:
        Path(options["output"]).write_bytes(result)
    if as_json:
        print_json(_as_json(run, opened, canvas, accepted))
    else:
        click.echo(result.decode("utf-8"), nl=False)
        _report(run, opened, canvas, accepted)
    sys.exit(YES if accepted else NO)


def _canvas(grammar: Grammar, opened: Opened, limits: Limits, strict: bool) -> Canvas:
    """Under the grammar without comments if the file can do without them."""
    if strict:
        constraint = compile(without_comments(grammar), opened.vocabulary, limits=limits, eos_policy="none")
        canvas = constraint.canvas(opened.ids, opened.is_open)
        if canvas.verdict() is not Verdict.DEAD:
            return canvas
    constraint = compile(grammar, opened.vocabulary, limits=limits, eos_policy="none")
    return constraint.canvas(opened.ids, opened.is_open)


def _denoiser(grammar: Grammar, vocabulary: Vocabulary, canvas: Canvas, path: str) -> NGram:
    """Trained on what is visible of the file, and on the bundled sample of its kind, if there is one."""
    banned = [i for i in range(vocabulary.n_logits) if i >= len(vocabulary) or vocabulary.tokens[i] is None]
    model = NGram(vocabulary.n_logits, banned)
    model.train(canvas.ids, weight=2)
    kinds = {"cpp": "cpp", "json": "json", "json schema": "json"}
    sample = SAMPLES / f"{kinds.get(grammar.name or '', Path(path).suffix.lstrip('.'))}.txt"
    if sample.is_file():
        text = sample.read_text(encoding="utf-8")
        for start, end in reversed(comments_of(grammar, text)):
            text = text[:start] + text[end:]
        model.train(vocabulary.encode(text))
    return model


def _decode(canvas: Canvas, opened: Opened, model: NGram, options: dict[str, Any]) -> Run:
    """Decode until no cell is open; the live view goes to stderr."""
    run, rng = Run(), np.random.default_rng(options["seed"])
    frames = []
    console = stderr()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for _ in _steps(canvas, model, run, rng, options):
            frame = view(canvas, opened, {p for p, _, _ in run.substituted}, run.steps)
            frames.append(frame)
            if console.is_terminal:
                live.update(frame, refresh=True)
    if options["svg"]:
        from .picture import draw

        draw(frames, options["svg"])
    return run


def _steps(canvas: Canvas, model: NGram, run: Run, rng: np.random.Generator, options: dict[str, Any]) -> Iterator[None]:
    yield
    while canvas.open_positions:
        cells = canvas.open_positions
        scores = model.scores(canvas.ids)
        tokens = _sampled(scores, rng, options["temperature"])
        confidence = scores[np.arange(len(cells)), tokens]
        chosen = _chosen(cells, confidence, rng, options["order"], options["per_step"])
        proposals = [(cells[row], int(tokens[row]), float(confidence[row])) for row in chosen]
        began = time.perf_counter()
        result = canvas.commit(proposals, policy=options["policy"], scores=scores)
        run.grammar_us.append(round((time.perf_counter() - began) * 1e6))
        if len(canvas.open_positions) == len(cells):
            raise LimitExceeded("no cell could be decided in time; raise --time-limit", limit="time_us")
        run.steps += 1
        run.kept += [*result.kept, *((p, t) for p, proposed, t in result.substituted if t == proposed)]
        run.substituted += [each for each in result.substituted if each[1] != each[2]]
        run.deferred += result.deferred
        yield


def _sampled(scores: npt.NDArray[np.float32], rng: np.random.Generator, temperature: float) -> npt.NDArray[np.int64]:
    """One token per row: the best, or (Gumbel trick) one drawn at this temperature."""
    if temperature:
        scores = scores / temperature + rng.gumbel(size=scores.shape).astype(np.float32)
    best: npt.NDArray[np.int64] = np.argmax(scores, axis=1)
    return best


def _chosen(
    cells: list[int], confidence: npt.NDArray[np.float32], rng: np.random.Generator, order: Order, n: int
) -> list[int]:
    """Rows of the cells to decide in this step."""
    if order == "confident":
        rows = np.argsort(-confidence, kind="stable")
    elif order == "random":
        rows = rng.permutation(len(cells))
    else:
        rows = np.arange(len(cells)) if order == "left" else np.arange(len(cells))[::-1]
    return [int(row) for row in rows[:n]]


def _report(run: Run, opened: Opened, canvas: Canvas, accepted: bool) -> None:
    """What was rejected, and how it ended, on stderr."""
    show = canvas.constraint.vocabulary.show
    console = stderr()
    for position, proposed, put in run.substituted:
        console.print(f"cell {position}: {show(proposed)} does not fit, {show(put)} instead", markup=False)
    n_cells = sum(end - start for start, end in opened.regions)
    middle = sorted(run.grammar_us)[len(run.grammar_us) // 2] / 1000 if run.grammar_us else 0.0
    console.print(
        f"{len(opened.regions)} regions, {n_cells} cells, {run.steps} steps: {len(run.kept)} proposals kept, "
        f"{len(run.substituted)} substituted, {len(run.deferred)} deferred; {middle:.1f} ms per commit (median); "
        f"the result {'is' if accepted else 'IS NOT'} a text of the grammar"
    )


def _as_json(run: Run, opened: Opened, canvas: Canvas, accepted: bool) -> dict[str, Any]:
    return {
        "accepted": accepted,
        "text": opened.text(canvas.ids).decode("utf-8"),
        "regions": opened.regions,
        "steps": run.steps,
        "kept": run.kept,
        "substituted": run.substituted,
        "deferred": run.deferred,
        "commit_us": run.grammar_us,
    }
