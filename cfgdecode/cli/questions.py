"""`check`, `complete`, `allowed`, `explain`: one question about one text with gaps."""

from __future__ import annotations

import sys
from typing import Any

import click

from cfgdecode.canvas import Canvas, Explanation, Verdict
from cfgdecode.errors import CanvasError

from .inputs import canvas_options, grammar_options, read_canvas, read_grammar
from .output import EXIT, NO, UNDECIDED, errors_to_exit_codes, json_option, print_json, stdout

_SHOWN = 40


def _canvas(options: dict[str, Any]) -> Canvas:
    grammar = read_grammar(options.pop("grammar"), options.pop("start"), options.pop("lexer"))
    return read_canvas(grammar, options)


@click.command()
@click.argument("grammar")
@canvas_options
@grammar_options
@json_option
@errors_to_exit_codes
def check(as_json: bool, **options: Any) -> None:
    """Can TEXT be completed to a text of GRAMMAR?

    \b
    cfgdecode check json '[1, <GAP>]'
    cfgdecode check cpp --file program.cpp
    """
    canvas = _canvas(options)
    verdict = canvas.verdict()
    why = canvas.explain() if verdict is Verdict.DEAD else None
    if as_json:
        answer = {"verdict": verdict.name.lower(), "limit": canvas.limit, "cells": len(canvas)}
        print_json(answer | (_as_json(why) if why else {}))
    elif verdict is Verdict.COMPLETABLE:
        click.echo("completable" if canvas.open_positions else "accepted")
    else:
        click.echo(f"dead\n{why}" if why else f"undecided: the limit {canvas.limit} was reached")
    sys.exit(EXIT[verdict])


@click.command()
@click.argument("grammar")
@canvas_options
@grammar_options
@json_option
@errors_to_exit_codes
def complete(as_json: bool, **options: Any) -> None:
    """Fill the gaps of TEXT with as few tokens as possible.

    \b
    cfgdecode complete json '{"a": [1, <GAP>}'
    """
    canvas = _canvas(options)
    ids = canvas.complete()
    if ids is None:
        _refuse(canvas, as_json)
    text = canvas._text_of(ids or []).decode("utf-8", "replace")
    if as_json:
        print_json({"verdict": "completable", "text": text, "ids": ids})
    else:
        click.echo(text)


@click.command()
@click.argument("grammar")
@canvas_options
@click.option("--at", "positions", type=int, multiple=True, help="Only these cells (default: every open cell).")
@click.option("--all", "show_all", is_flag=True, help=f"Show all tokens, not only {_SHOWN}.")
@grammar_options
@json_option
@errors_to_exit_codes
def allowed(as_json: bool, positions: tuple[int, ...], show_all: bool, **options: Any) -> None:
    """Which tokens may stand at the open cells of TEXT?

    \b
    cfgdecode allowed json '[1<MASK><MASK>'
    """
    canvas = _canvas(options)
    verdict = canvas.verdict()
    if verdict is not Verdict.COMPLETABLE:
        _refuse(canvas, as_json)
    vocabulary = canvas.constraint.vocabulary
    cells: dict[int, list[int]] = {}
    for i in positions or canvas.open_positions:
        try:
            cells[i] = canvas.allowed(i).ids().tolist()
        except CanvasError:  # a cell of a gap without a fixed length has no allowed set of its own
            if positions:
                raise
    if as_json:
        print_json({"verdict": "completable", "allowed": {str(i): ids for i, ids in cells.items()}})
        return
    for i, ids in cells.items():
        shown = ids if show_all else ids[:_SHOWN]
        more = f" ... {len(ids) - len(shown)} more" if len(ids) > len(shown) else ""
        click.echo(f"cell {i} ({len(ids)}): " + " ".join(map(vocabulary.show, shown)) + more)


@click.command()
@click.argument("grammar")
@canvas_options
@click.option("--position", type=int, help="Cell to ask about.")
@click.option("--token", type=int, help="Token id to ask about, at --position.")
@grammar_options
@json_option
@errors_to_exit_codes
def explain(as_json: bool, position: int | None, token: int | None, **options: Any) -> None:
    """Why is TEXT dead, or a token not allowed: the smallest conflict, and what was expected there.

    \b
    cfgdecode explain json '{"a": 1,}'
    """
    if token is not None and position is None:
        raise click.UsageError("--token needs --position")
    canvas = _canvas(options)
    verdict = canvas.verdict()
    why = canvas.explain(position, token)
    if token is not None and position is not None and verdict is Verdict.COMPLETABLE:
        verdict = canvas.would_accept(position, token)
    if as_json:
        print_json({"verdict": verdict.name.lower()} | _as_json(why))
    else:
        stdout().print(str(why), markup=False)
    sys.exit(EXIT[verdict])


def _refuse(canvas: Canvas, as_json: bool) -> None:
    """Say why there is no completion, and exit."""
    verdict = canvas.verdict()
    why = canvas.explain()
    if as_json:
        print_json({"verdict": verdict.name.lower()} | _as_json(why))
    else:
        click.echo(f"{verdict.name.lower()}\n{why}", err=True)
    sys.exit(UNDECIDED if verdict is Verdict.UNDECIDED else NO)


def _as_json(why: Explanation) -> dict[str, Any]:
    return {"message": why.message, "span": why.span, "found": why.found, "expected": list(why.expected)}
