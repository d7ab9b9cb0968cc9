"""The grammar IR: what every front end produces and the native core consumes (docs/IR.md).

Terms: *terminal* (Lark's word) = a named pattern over characters; *rule* = `(head, body)`; a body symbol `s >= 0`
is nonterminal `s`, `s < 0` is terminal `-s - 1`. *Node* = nested tuples with the meaning of Python's `re`, all
flags already resolved into character sets.

Invariants: everything is a tuple of plain data, so an IR is hashable, picklable and compares by value. Equal
grammar text gives an equal IR: terminals in definition order, nonterminals in order of their first rule.

One point of Python's `re` that a reader of `("rep", ...)` must know: once `min` iterations are done, an iteration
that consumes nothing is kept and ends the loop, so `(?:|a)*` matches the empty text at `"aaa"`.

Cost of `trim`: linear in the size of the grammar. See it: `print(ir)` or `ir.to_lark()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Lexer: TypeAlias = Literal["basic", "dynamic", "dynamic_complete"]
Ranges: TypeAlias = tuple[tuple[int, int], ...]
Node: TypeAlias = tuple[Any, ...]  # recursive: ("lit", str) | ("set", Ranges) | ("cat" | "alt", (Node, ...)) | ...
Rule: TypeAlias = tuple[int, tuple[int, ...]]

LEXERS: tuple[Lexer, ...] = ("basic", "dynamic", "dynamic_complete")


@dataclass(frozen=True, slots=True)
class Terminal:
    """A named pattern; `source` is how messages show it: the literal as it was written where that is known."""

    name: str
    pattern: Node
    source: str


@dataclass(frozen=True, slots=True)
class GrammarIR:
    """A grammar in numbers; the fields are described in docs/IR.md."""

    lexer: Lexer
    terminals: tuple[Terminal, ...]
    nonterminals: tuple[str, ...]
    rules: tuple[Rule, ...]
    start: int
    ignore: tuple[int, ...] = ()
    scanner: tuple[int, ...] = ()
    keywords: tuple[tuple[int, tuple[int, ...]], ...] = ()

    def symbol_name(self, symbol: int) -> str:
        """The name of a body symbol."""
        return self.nonterminals[symbol] if symbol >= 0 else self.terminals[-symbol - 1].name

    def is_empty(self) -> bool:
        """Whether no text at all belongs to the language. True only after `trim` has removed the start's rules."""
        return not any(head == self.start for head, _ in self.rules)

    def __str__(self) -> str:
        lines = [f"lexer {self.lexer}, start {self.nonterminals[self.start]}"]
        lines += [f"{self.nonterminals[head]}: {self._body(body)}" for head, body in self.rules]
        lines += [f"{terminal.name} = {show_node(terminal.pattern)}" for terminal in self.terminals]
        if self.ignore:
            lines.append("ignore " + " ".join(self.terminals[i].name for i in self.ignore))
        if self.lexer == "basic":
            lines.append("scan " + " | ".join(self.terminals[i].name for i in self.scanner))
        for terminal, strings in self.keywords:
            lines.append(
                f"retype {self.terminals[terminal].name} as " + " ".join(self.terminals[i].name for i in strings)
            )
        return "\n".join(lines)

    def to_lark(self) -> str:
        """The rules in Lark's notation, each terminal as one regular expression.

        For reading, and for Lark as an oracle under the dynamic lexers. Names that Lark would not accept (anonymous
        rules, template instances) are replaced by numbered ones. Under `basic` the scanner order is given by
        descending priorities, but Lark retypes keywords only within one priority, so those differ.
        """
        rule_names = _lark_names(self.nonterminals, "r", str.islower)
        terminal_names = _lark_names([t.name for t in self.terminals], "T", str.isupper)
        bodies: dict[int, list[str]] = {head: [] for head, _ in self.rules}
        for head, body in self.rules:
            names = (rule_names[s] if s >= 0 else terminal_names[-s - 1] for s in body)
            bodies[head].append(" ".join(names))
        lines = [f"{rule_names[head]}: " + "\n    | ".join(alternatives) for head, alternatives in bodies.items()]
        rank = {terminal: len(self.scanner) - i for i, terminal in enumerate(self.scanner)}
        for i, terminal in enumerate(self.terminals):
            priority = f".{rank[i]}" if i in rank else ""
            lines.append(f"{terminal_names[i]}{priority}: /{show_node(terminal.pattern)}/")
        lines += [f"%ignore {terminal_names[i]}" for i in self.ignore]
        return "\n".join(lines) + "\n"

    def _body(self, body: Iterable[int]) -> str:
        return " ".join(map(self.symbol_name, body)) or "(empty)"


def _lark_names(names: Iterable[str], prefix: str, has_case: Callable[[str], bool]) -> list[str]:
    plain = [n.isascii() and n.replace("_", "a").isalnum() and not n.startswith("__") and has_case(n) for n in names]
    taken = {name for name, ok in zip(names, plain, strict=True) if ok}
    result = []
    for i, (name, ok) in enumerate(zip(names, plain, strict=True)):
        new = name if ok else f"{prefix}{i}"
        while not ok and new in taken:
            new += "x" if prefix.islower() else "X"
        taken.add(new)
        result.append(new)
    return result


def show_node(node: Node) -> str:
    """The node as a Python regular expression with the same meaning."""
    match node:
        case ("lit", text):
            return "".join(map(_escape, text))
        case ("set", ranges):
            return _show_set(ranges)
        case ("cat", parts):
            return "".join(f"(?:{show_node(p)})" if p[0] == "alt" else show_node(p) for p in parts)
        case ("alt", branches):
            return "|".join(map(show_node, branches)) if branches else "(?!)"
        case ("rep", low, high, greedy, body):
            single = body[0] == "set" or (body[0] == "lit" and len(body[1]) == 1)
            shown = show_node(body) if single else f"(?:{show_node(body)})"
            return shown + _show_bounds(low, high) + ("" if greedy else "?")
        case ("look", ahead, negate, body):
            return "(?" + ("" if ahead else "<") + ("!" if negate else "=") + show_node(body) + ")"
        case ("start",):
            return r"\A"
        case ("end",):
            return r"\Z"
    raise ValueError(f"not a pattern node: {node!r}")


def _show_bounds(low: int, high: int | None) -> str:
    named = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((low, high))
    return named or (f"{{{low}}}" if low == high else f"{{{low},{'' if high is None else high}}}")


def _show_set(ranges: Ranges) -> str:
    if not ranges:
        return "(?!)"
    if len(ranges) > 8:
        from .regex import category  # not at the top: that file imports the types of this one

        for letter in "wWdDsS":
            if ranges == category(letter, ascii_only=False):
                return "\\" + letter
    return "[" + "".join(_escape(chr(lo)) + (f"-{_escape(chr(hi))}" if hi > lo else "") for lo, hi in ranges) + "]"


def _escape(char: str) -> str:
    if char.isascii() and (char.isalnum() or char in " _,;:<>=!@%\"'`"):
        return char if char != '"' else '\\"'
    code = ord(char)
    if 0x20 < code < 0x7F:
        return "\\" + char
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def matches_nothing(node: Node) -> bool:
    """Whether the node plainly matches no text at all (sufficient, not necessary)."""
    match node:
        case ("set", ranges):
            return not ranges
        case ("cat", parts):
            return any(map(matches_nothing, parts))
        case ("alt", branches):
            return all(map(matches_nothing, branches))
        case ("rep", low, _, _, body):
            return bool(low) and matches_nothing(body)
        case ("look", _, False, body):
            return matches_nothing(body)
    return False


def trim(ir: GrammarIR) -> GrammarIR:
    """Remove the rules that derive no text or that the start never reaches, and number what is left anew.

    An empty language is legal: the start is then the only nonterminal and there are no rules. Under `basic` every
    terminal stays, since one that no rule uses still wins lexemes from the others; under the dynamic lexers only
    terminals of the remaining rules and of %ignore stay.
    """
    generating = _generating(ir)
    rules = [rule for rule in ir.rules if all(s < 0 or s in generating for s in rule[1]) and rule[0] in generating]
    rules = [
        rule for rule in rules if all(s >= 0 or not matches_nothing(ir.terminals[-s - 1].pattern) for s in rule[1])
    ]
    reached = reachable(rules, ir.start)
    rules = [rule for rule in rules if rule[0] in reached]
    used = {-s - 1 for _, body in rules for s in body if s < 0} | set(ir.ignore)
    if ir.lexer == "basic":
        used = set(range(len(ir.terminals)))
    terminal_id = {old: new for new, old in enumerate(sorted(used))}
    rule_id = {old: new for new, old in enumerate(sorted(reached))}
    return GrammarIR(
        lexer=ir.lexer,
        terminals=tuple(ir.terminals[i] for i in sorted(used)),
        nonterminals=tuple(ir.nonterminals[i] for i in sorted(reached)),
        rules=tuple(
            (rule_id[head], tuple(rule_id[s] if s >= 0 else -terminal_id[-s - 1] - 1 for s in body))
            for head, body in rules
        ),
        start=rule_id[ir.start],
        ignore=tuple(terminal_id[i] for i in ir.ignore),
        scanner=tuple(terminal_id[i] for i in ir.scanner),
        keywords=tuple((terminal_id[i], tuple(terminal_id[s] for s in strings)) for i, strings in ir.keywords),
    )


def reachable(rules: Iterable[Rule], start: int) -> set[int]:
    """The nonterminals that occur in some derivation from `start`, itself included."""
    below: dict[int, set[int]] = {}
    for head, body in rules:
        below.setdefault(head, set()).update(s for s in body if s >= 0)
    found, agenda = {start}, [start]
    while agenda:
        new = below.get(agenda.pop(), set()) - found
        found |= new
        agenda += new
    return found


def _generating(ir: GrammarIR) -> set[int]:
    """The nonterminals that derive some terminal string (agenda over counts of undecided body symbols)."""
    dead = {-i - 1 for i, terminal in enumerate(ir.terminals) if matches_nothing(terminal.pattern)}
    waiting: dict[int, list[int]] = {}
    missing = []
    agenda = []
    for i, (head, body) in enumerate(ir.rules):
        needs = {s for s in body if s >= 0 or s in dead}
        missing.append(len(needs))
        for s in needs:
            waiting.setdefault(s, []).append(i)
        if not needs:
            agenda.append(head)
    found: set[int] = set()
    while agenda:
        head = agenda.pop()
        if head in found:
            continue
        found.add(head)
        for i in waiting.get(head, ()):
            missing[i] -= 1
            if not missing[i]:
                agenda.append(ir.rules[i][0])
    return found
