"""`show`: a grammar, its lexer, the automaton of a canvas, the chart of a text."""

from __future__ import annotations

import sys
from typing import Any

import click

from cfgdecode import reference
from cfgdecode.constraint import Limits, compile
from cfgdecode.errors import CanvasError, GrammarError
from cfgdecode.explain import show_terminal
from cfgdecode.grammar.ir import show_node
from cfgdecode.lexemes import scanner
from cfgdecode.text import Grammar
from cfgdecode.vocabulary import Vocabulary

from .chart import Item, chart, useful
from .graphs import Graph, canvas_graph, chart_graph, grammar_graph, terminal_graph
from .inputs import canvas_of_text, canvas_options, grammar_options, read_canvas, read_grammar, read_text
from .output import NO, errors_to_exit_codes, json_option, print_json


@click.group()
def show() -> None:
    """Show what is inside: grammar, lexer, canvas, chart (as text, --dot, --mermaid or --json)."""


def _forms(command: Any) -> Any:
    for flag, text in (("dot", "Print Graphviz dot."), ("mermaid", "Print a mermaid flowchart.")):
        command = click.option(f"--{flag}", is_flag=True, help=text)(command)
    return json_option(command)


def _print(graph: Graph, text: str, *, dot: bool, mermaid: bool, as_json: bool) -> None:
    if as_json:
        edges = [[graph.nodes[a], graph.nodes[b], label] for a, b, label in graph.edges]
        print_json({"title": graph.title, "nodes": list(graph.nodes.values()), "edges": edges})
    else:
        click.echo(graph.to_dot() if dot else graph.to_mermaid() if mermaid else text)


@show.command("grammar")
@click.argument("grammar")
@click.option("--lark", is_flag=True, help="Print the grammar as Lark text.")
@grammar_options
@_forms
@errors_to_exit_codes
def show_grammar(grammar: str, lark: bool, start: str | None, lexer: Any, **forms: bool) -> None:
    """Rules and terminals as the engine gets them; as a graph: which symbol stands in the rules of which."""
    read = read_grammar(grammar, start, lexer)
    text = read.ir.to_lark().rstrip() if lark else f"{read!r}\n{read.ir}"
    _print(grammar_graph(read), text, **forms)


@show.command("lexer")
@click.argument("grammar")
@click.option("--text", help="Show how this text is read.")
@click.option("--terminal", help="Show the pattern of this terminal as an automaton.")
@grammar_options
@_forms
@errors_to_exit_codes
def show_lexer(
    grammar: str, text: str | None, terminal: str | None, start: str | None, lexer: Any, **forms: bool
) -> None:
    """Terminals in the order in which the lexer tries them, or the lexemes of a text, or one terminal's automaton."""
    read = read_grammar(grammar, start, lexer)
    if terminal is not None:
        graph = terminal_graph(read, _terminal_named(read, terminal))
        _print(graph, graph.to_text(), **forms)
    elif text is not None:
        graph = chart_graph(read, [(a, -t - 1, b) for a, t, b in _lexing(read, text) if t is not None])
        lines = [f"{a:>6} {_name(read, t):<20} {text[a:b]!r}" for a, t, b in _lexing(read, text)]
        _print(graph, "\n".join(lines), **forms)
    else:
        graph = Graph("lexer")
        for regexp, words in read.ir.keywords:
            for word in words:
                graph.edge(show_terminal(read, regexp), show_terminal(read, word), "keyword")
        _print(graph, _lexer_text(read), **forms)


def _terminal_named(grammar: Grammar, name: str) -> int:
    terminals = grammar.ir.terminals
    found = [i for i, t in enumerate(terminals) if name in (t.name, t.source, t.source.strip("\"'"))]
    if not found:
        raise GrammarError(f"no terminal {name!r}; there are {', '.join(t.name for t in terminals)}")
    return found[0]


def _lexer_text(grammar: Grammar) -> str:
    ir = grammar.ir
    lines = [f"lexer {ir.lexer}"]
    for i in ir.scanner or range(len(ir.terminals)):
        role = " (ignored)" if i in ir.ignore else ""
        lines.append(f"{ir.terminals[i].name}{role}: /{show_node(ir.terminals[i].pattern)}/")
    for regexp, words in ir.keywords:
        lines.append(f"{ir.terminals[regexp].name} is read as a keyword if it is one of: ")
        lines[-1] += " ".join(ir.terminals[w].source for w in words)
    return "\n".join(lines)


def _name(grammar: Grammar, terminal: int | None) -> str:
    return "(ignored)" if terminal is None else show_terminal(grammar, terminal)


def _lexing(grammar: Grammar, text: str) -> list[tuple[int, int | None, int]]:
    """The arcs (start, terminal or None if ignored, end) of a text."""
    if grammar.lexer != "basic":
        return sorted(reference.Reference(grammar.ir).lexing(text) or (), key=str)
    lexemes, stop = scanner(grammar).scan(text)
    if stop is not None:
        raise CanvasError(f"no terminal matches at character {stop}: {text[stop : stop + 20]!r}")
    return [(x.start, None if x.ignored else x.terminal, x.end) for x in lexemes]


@show.command("canvas")
@click.argument("grammar")
@canvas_options
@grammar_options
@_forms
@errors_to_exit_codes
def show_canvas(dot: bool, mermaid: bool, as_json: bool, **options: Any) -> None:
    """The automaton of a text with gaps: states are the boundaries of its cells, arcs carry tokens."""
    grammar = read_grammar(options.pop("grammar"), options.pop("start"), options.pop("lexer"))
    graph = canvas_graph(read_canvas(grammar, options))
    _print(graph, graph.to_text(), dot=dot, mermaid=mermaid, as_json=as_json)


@show.command("chart")
@click.argument("grammar")
@click.argument("text", required=False)
@click.option("--file", "path", type=click.Path(), help="Read the text from a file.")
@click.option("--all", "show_all", is_flag=True, help="Also items that take part in no derivation of the whole text.")
@click.option("--gap-mark", default="<GAP>", show_default=True, help="Gaps are filled by a shortest completion first.")
@grammar_options
@_forms
@errors_to_exit_codes
def show_chart(
    grammar: str,
    text: str | None,
    path: str | None,
    show_all: bool,
    gap_mark: str,
    start: str | None,
    lexer: Any,
    **forms: bool,
) -> None:
    """Items (p, A, q): symbol A derives the text between the places p and q."""
    read = read_grammar(grammar, start, lexer)
    given = _filled(read, read_text(text, path), gap_mark)
    items, places = _chart_of(read, given)
    n = max(len(places) - 1, 0)
    shown = items if show_all else useful(read.ir, items, n)
    lines = [f"{len(items)} items, {len(shown)} shown"] if show_all or shown else [f"{len(items)} items, none useful"]
    for p, symbol, q in sorted(shown, key=lambda item: (item[0], -item[2])):
        name = read.ir.nonterminals[symbol] if symbol >= 0 else show_terminal(read, -symbol - 1)
        lines.append(f"({p}, {name}, {q})  {given[places[p] : places[q]].strip()!r}")
    _print(chart_graph(read, shown), "\n".join(lines), **forms)
    if not any(item == (0, read.ir.start, n) for item in items):
        sys.exit(NO)


def _filled(grammar: Grammar, text: str, gap_mark: str) -> str:
    if gap_mark not in text:
        return text
    constraint = compile(grammar, Vocabulary.bytes(), limits=Limits(time_us=60_000_000), eos_policy="none")
    canvas = canvas_of_text(constraint, text, gap_mark, "\0")
    ids = canvas.complete()
    if ids is None:
        raise CanvasError(f"the text cannot be completed: {canvas.explain()}")
    return bytes(ids).decode("utf-8")


def _chart_of(grammar: Grammar, text: str) -> tuple[list[Item], list[int]]:
    """All items, and where each place is in the text; a place stands in front of the ignored text that follows it."""
    arcs = sorted(_lexing(grammar, text), key=lambda arc: (arc[0], arc[2]))
    behind = {0: 0}  # where the ignored text that ends here began
    for a, terminal, b in arcs:
        behind[b] = behind.get(a, a) if terminal is None else b
    places = sorted(set(behind.values()) | {len(text) if not text else behind.get(len(text), len(text))})
    number = {place: i for i, place in enumerate(places)}
    items = [
        (number[behind.get(a, a)], -terminal - 1, number[behind.get(b, b)])
        for a, terminal, b in arcs
        if terminal is not None
    ]
    return chart(grammar.ir, items, len(places) - 1), places
