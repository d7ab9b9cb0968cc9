"""Pictures of automata and grammars: one small graph type, printed as text, dot or mermaid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cfgdecode.canvas import Canvas
from cfgdecode.explain import show_terminal
from cfgdecode.grammar.ir import Node, show_node
from cfgdecode.text import Grammar

from .chart import Item


@dataclass
class Graph:
    """Nodes `name -> label` and edges `(from, to, label)`; names are free text, numbered when printed."""

    title: str
    nodes: dict[str, str] = field(default_factory=dict)
    edges: list[tuple[str, str, str]] = field(default_factory=list)
    final: set[str] = field(default_factory=set)

    def node(self, name: str, label: str | None = None) -> str:
        self.nodes.setdefault(name, name if label is None else label)
        return name

    def edge(self, start: str, end: str, label: str = "") -> None:
        self.edges.append((self.node(start), self.node(end), label))

    def to_text(self) -> str:
        lines = [f"{self.title}: {len(self.nodes)} nodes, {len(self.edges)} edges"]
        edges = ((self.nodes[a], self.nodes[b], f"   {label}" if label else "") for a, b, label in self.edges)
        return "\n".join([*lines, *(f"{a} -> {b}{label}" for a, b, label in edges)])

    def to_dot(self) -> str:
        ids = {name: f"n{i}" for i, name in enumerate(self.nodes)}
        lines = [f"digraph {_quoted(self.title)} {{", "  rankdir=LR;", '  node [shape=box, fontname="monospace"];']
        for name, label in self.nodes.items():
            lines.append(f"  {ids[name]} [label={_quoted(label)}{', peripheries=2' if name in self.final else ''}];")
        for a, b, label in self.edges:
            lines.append(f"  {ids[a]} -> {ids[b]}" + (f" [label={_quoted(label)}]" if label else "") + ";")
        return "\n".join([*lines, "}"])

    def to_mermaid(self) -> str:
        ids = {name: f"n{i}" for i, name in enumerate(self.nodes)}
        lines = ["flowchart LR"]
        for name, label in self.nodes.items():
            opening, closing = ("[[", "]]") if name in self.final else ("[", "]")
            lines.append(f"  {ids[name]}{opening}{_mermaid(label)}{closing}")
        for a, b, label in self.edges:
            lines.append(f"  {ids[a]} -->" + (f"|{_mermaid(label)}|" if label else "") + f" {ids[b]}")
        return "\n".join(lines)


def grammar_graph(grammar: Grammar) -> Graph:
    """Which symbol stands in the rules of which."""
    ir, graph = grammar.ir, Graph("grammar")
    graph.node(ir.nonterminals[ir.start])
    for head, body in ir.rules:
        for symbol in dict.fromkeys(body):
            below = ir.nonterminals[symbol] if symbol >= 0 else show_terminal(grammar, -symbol - 1)
            graph.edge(ir.nonterminals[head], below)
            if symbol < 0:
                graph.final.add(below)
    graph.edges = list(dict.fromkeys(graph.edges))
    return graph


def canvas_graph(canvas: Canvas) -> Graph:
    """The canvas automaton over tokens: states are the boundaries of cells."""
    graph = Graph("canvas")
    vocabulary, at = canvas.constraint.vocabulary, 0
    for i, token in enumerate(canvas.ids):
        if i in canvas._intervals:
            lo, hi = canvas._intervals[i]
            graph.edge(str(i), str(i), f"any token, {lo} to {'any number' if hi is None else hi}")
            graph.edge(str(i), str(i + 1), "")
        elif token is None and at > i:
            graph.edge(str(i), str(i + 1), "")
        else:
            graph.edge(str(i), str(i + 1), "any token" if token is None else vocabulary.show(token))
        if i in canvas._intervals:
            at = _end_of_run(canvas, i)
    graph.node(str(len(canvas)))
    graph.final.add(str(len(canvas)))
    return graph


def _end_of_run(canvas: Canvas, i: int) -> int:
    while i < len(canvas) and canvas.ids[i] is None:
        i += 1
    return i


def chart_graph(grammar: Grammar, items: Iterable[Item]) -> Graph:
    """Items as edges between places of the text, labelled by their symbols."""
    graph = Graph("chart")
    for start, symbol, end in items:
        name = grammar.ir.nonterminals[symbol] if symbol >= 0 else show_terminal(grammar, -symbol - 1)
        graph.edge(str(start), str(end), name)
    return graph


def terminal_graph(grammar: Grammar, terminal: int) -> Graph:
    """The pattern of a terminal as an automaton over characters (Thompson's construction)."""
    entry = grammar.ir.terminals[terminal]
    graph = Graph(entry.name)
    end = _pattern(graph, entry.pattern, graph.node("0"))
    graph.final.add(end)
    return graph


def _pattern(graph: Graph, node: Node, start: str) -> str:
    """Add the arcs of a pattern behind `start`; answers the state where it ends."""
    match node:
        case ("lit", text):
            return _arc(graph, start, repr(text)) if text else start
        case ("cat", parts):
            for part in parts:
                start = _pattern(graph, part, start)
            return start
        case ("alt", branches):
            ends = [_pattern(graph, branch, _arc(graph, start)) for branch in branches]
            end = graph.node(str(len(graph.nodes)))
            for each in ends:
                graph.edge(each, end)
            return end
        case ("rep", low, high, _, body):
            return _repeated(graph, low, high, body, start)
    return _arc(graph, start, show_node(node))


def _repeated(graph: Graph, low: int, high: int | None, body: Node, start: str) -> str:
    entry = _arc(graph, start)
    end = _pattern(graph, body, entry)
    graph.edge(end, entry, "" if high is None and low < 2 else f"{low} to {'any number' if high is None else high}")
    after = _arc(graph, end)
    if low == 0:
        graph.edge(start, after)
    return after


def _arc(graph: Graph, start: str, label: str = "") -> str:
    end = graph.node(str(len(graph.nodes)))
    graph.edge(start, end, label)
    return end


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _mermaid(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace('"', "#quot;").replace("<", "&lt;").replace(">", "&gt;")
    return '"' + escaped.replace("\n", " ") + '"'
