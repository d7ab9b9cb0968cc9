"""Small random grammars, as Lark text: rich in the traps of lexing and of parsing.

What: `random_grammar(rng)` draws terminals (literals, keywords beside identifiers, classes, repetitions,
lazy ones, look-arounds, two- and three-byte characters, priorities, %ignore) and rules (nullable, cyclic,
left and right recursive, EBNF, inline literals), and `sample(rng)` draws sentences from the same recipe.
Terms: a *pattern* is the Node of docs/IR.md that the terminal was rendered from.
Invariants: everything follows from the random generator given; characters come from `ALPHABET` only.
Cost: microseconds; Lark's construction of the grammar is the slow part (milliseconds).
See it: `python -m tests.exactness.grammars SEED`.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from cfgdecode.grammar.ir import GrammarIR

ALPHABET = "ab01(,) é€"
Node = Any


@dataclass
class RandomGrammar:
    """`patterns` maps the value of each Lark pattern (type, value, flags) to the Node it was made from."""

    lexer: str
    lark_text: str
    patterns: dict[tuple[str, str, str], Node]
    bodies: dict[str, list[list[tuple[str, Node]]]] = field(repr=False)
    ignored: list[Node] = field(repr=False)


def random_grammar(rng: Random, lexer: str, *, looks: float = 0.15) -> RandomGrammar:
    """Draw a grammar; `looks` is how often a regex has a look-around or an anchor in it."""
    return _Drawer(rng, lexer, looks).draw()


class _Drawer:
    def __init__(self, rng: Random, lexer: str, looks: float) -> None:
        self.rng, self.lexer = rng, lexer
        self.letters = "".join(rng.sample(ALPHABET, rng.randint(2, 5)))
        self.looks = looks if rng.random() < 0.5 else 0.0
        self.patterns: dict[tuple[str, str, str], Node] = {}
        self.lines: list[str] = []

    def draw(self) -> RandomGrammar:
        rng = self.rng
        terminals = [self._terminal(f"T{i}") for i in range(rng.randint(1, 4))]
        terminals += self._keyword_trap() if rng.random() < 0.35 else []
        ignored = []
        if rng.random() < 0.45:
            ignored = [self._ignore(terminals)]
        names = ["start"] + [f"r{i}" for i in range(rng.randint(0, 3))]
        bodies: dict[str, list[list[tuple[str, Node]]]] = {}
        rules = []
        for index, name in enumerate(names):
            bodies[name] = self._bodies(index, names, terminals)
            rules.append(f"{name}: " + " | ".join(" ".join(text for text, _ in body) for body in bodies[name]))
        return RandomGrammar(self.lexer, "\n".join(rules + self.lines) + "\n", self.patterns, bodies, ignored)

    def _bodies(self, index: int, names: list[str], terminals: list[tuple[str, Node]]) -> list[list[tuple[str, Node]]]:
        rng = self.rng
        bodies = []
        for alternative in range(rng.randint(1, 3)):
            body = []
            for _ in range(rng.choice((0, 1, 1, 2, 2, 3)) if alternative else rng.choice((1, 2, 2, 3))):
                draw = rng.random()
                if draw < 0.4 and (alternative or index + 1 < len(names)):
                    pick = rng.choice(names) if alternative else rng.choice(names[index + 1 :])
                    symbol: tuple[str, Node] = (pick, None)
                elif draw < 0.52:
                    symbol = self._inline()
                else:
                    symbol = rng.choice(terminals)
                if rng.random() < 0.18:
                    symbol = (symbol[0] + rng.choice("?*+"), symbol[1])
                body.append(symbol)
            bodies.append(body)
        return bodies

    def _inline(self) -> tuple[str, Node]:
        literal = self._word(1, 2)
        self.patterns["str", literal, ""] = ("lit", literal)
        return f'"{literal}"', ("lit", literal)

    def _word(self, low: int, high: int) -> str:
        return "".join(self.rng.choice(self.letters) for _ in range(self.rng.randint(low, high)))

    def _terminal(self, name: str) -> tuple[str, Node]:
        rng = self.rng
        priority = rng.choice(("", "", "", "", ".1", ".2", ".-1"))
        if rng.random() < 0.35:
            literal = self._word(1, 3)
            flag = "i" if rng.random() < 0.12 else ""
            node: Node = _caseless(literal) if flag else ("lit", literal)
            self.patterns["str", literal, flag] = node
            self.lines.append(f'{name}{priority}: "{literal}"{flag}')
            return name, node
        node = self._node(rng.choice((1, 1, 2, 2, 3)))
        if _min_width(node) == 0:
            node = ("cat", (("lit", rng.choice(self.letters)), node))
        if rng.random() < self.looks * 3:
            node = self._with_look(node)
        source = regex_of(node)
        self.patterns["re", source, ""] = node
        self.lines.append(f"{name}{priority}: /{source}/")
        return name, node

    def _with_look(self, node: Node) -> Node:
        rng = self.rng
        look: Node = ("look", rng.random() < 0.6, rng.random() < 0.6, ("lit", self._word(1, 2)))
        if rng.random() < 0.15:
            look = ("start",) if rng.random() < 0.5 else ("end",)
        return ("cat", (look, node) if rng.random() < 0.4 else (node, look))

    def _keyword_trap(self) -> list[tuple[str, Node]]:
        """An identifier terminal and strings that it matches: Lark retypes them."""
        rng = self.rng
        low = rng.choice("ab01")
        chars = ("set", tuple(sorted((ord(c), ord(c)) for c in set(self.letters + low))))
        node = ("rep", 1, None, True, chars)
        source = regex_of(node)
        self.patterns["re", source, ""] = node
        self.lines.append(f"NAME: /{source}/")
        found: list[tuple[str, Node]] = [("NAME", node)]
        for i in range(rng.randint(1, 2)):
            literal = self._word(1, 2)
            self.patterns["str", literal, ""] = ("lit", literal)
            self.lines.append(f'KEY{i}: "{literal}"')
            found.append((f"KEY{i}", ("lit", literal)))
        return found

    def _ignore(self, terminals: list[tuple[str, Node]]) -> Node:
        rng = self.rng
        if rng.random() < 0.25:
            name, node = rng.choice(terminals)
            self.lines.append(f"%ignore {name}")
            return node
        char = rng.choice((" ", " ", rng.choice(self.letters)))
        node = ("lit", char) if rng.random() < 0.5 else ("rep", 1, None, True, ("lit", char))
        source = regex_of(node)
        self.patterns["re", source, ""] = node
        self.lines.append(f"WS: /{source}/\n%ignore WS")
        return node

    def _node(self, depth: int) -> Node:
        rng = self.rng
        draw = rng.random()
        if depth == 0 or draw < 0.2:
            return ("lit", self._word(1, 2)) if rng.random() < 0.5 else self._set()
        if draw < 0.5:
            return ("cat", tuple(self._node(depth - 1) for _ in range(rng.randint(2, 3))))
        if draw < 0.7:
            return ("alt", tuple(self._node(depth - 1) for _ in range(2)))
        low, high = rng.choice(((0, 1), (0, None), (1, None), (0, 2), (1, 2), (2, 2), (2, None)))
        return ("rep", low, high, rng.random() < 0.7, self._node(depth - 1))

    def _set(self) -> Node:
        rng = self.rng
        chars = rng.sample(self.letters, rng.randint(1, len(self.letters)))
        if rng.random() < 0.25:
            return ("set", _complement(chars))
        return ("set", tuple(sorted((ord(c), ord(c)) for c in set(chars))))


def _complement(chars: list[str]) -> tuple[tuple[int, int], ...]:
    ranges, low = [], 0
    for code in [*sorted(map(ord, chars)), 0xD800]:
        if low < code:
            ranges.append((low, code - 1))
        low = code + 1
    return (*ranges, (0xE000, 0x10FFFF))


def _caseless(literal: str) -> Node:
    return ("cat", tuple(("set", tuple(sorted({(ord(v), ord(v)) for v in (c.lower(), c.upper())}))) for c in literal))


def _min_width(node: Node) -> int:
    kind = node[0]
    if kind == "lit":
        return len(node[1])
    if kind == "set":
        return 1
    if kind == "cat":
        return sum(map(_min_width, node[1]))
    if kind == "alt":
        return min(map(_min_width, node[1]))
    return node[1] * _min_width(node[4]) if kind == "rep" else 0


def regex_of(node: Node) -> str:
    """The Node as Python `re` source."""
    kind = node[0]
    if kind == "lit":
        return re.escape(node[1])
    if kind == "set":
        if node[1][-1][1] == 0x10FFFF:
            outside = [c for c in ALPHABET if not any(low <= ord(c) <= high for low, high in node[1])]
            return "[^" + "".join(re.escape(c) for c in sorted(outside)) + "]"
        return "[" + "".join(re.escape(chr(low)) for low, _ in node[1]) + "]"
    if kind == "cat":
        return "".join(_grouped(part) if part[0] == "alt" else regex_of(part) for part in node[1])
    if kind == "alt":
        return "|".join(regex_of(part) for part in node[1])
    if kind == "rep":
        _, low, high, greedy, body = node
        suffix = {(0, 1): "?", (0, None): "*", (1, None): "+"}.get(
            (low, high), f"{{{low},{'' if high is None else high}}}"
        )
        simple = body[0] == "set" or (body[0] == "lit" and len(body[1]) == 1)
        return (regex_of(body) if simple else _grouped(body)) + suffix + ("" if greedy else "?")
    if kind == "look":
        _, ahead, negate, inner = node
        return f"(?{'' if ahead else '<'}{'!' if negate else '='}{regex_of(inner)})"
    return {"start": r"\A", "end": r"\Z"}[kind]


def _grouped(node: Node) -> str:
    return f"(?:{regex_of(node)})"


def random_text(rng: Random, node: Node) -> str:
    """Some text that the pattern may match (look-arounds are not looked at)."""
    kind = node[0]
    if kind == "lit":
        return str(node[1])
    if kind == "set":
        inside = [c for c in ALPHABET if any(low <= ord(c) <= high for low, high in node[1])]
        return rng.choice(inside) if inside else chr(node[1][0][0])
    if kind == "cat":
        return "".join(random_text(rng, part) for part in node[1])
    if kind == "alt":
        return random_text(rng, rng.choice(node[1]))
    if kind == "rep":
        _, low, high, _, body = node
        times = rng.randint(low, min(low + 2, high) if high is not None else low + 2)
        return "".join(random_text(rng, body) for _ in range(times))
    return ""


def random_sentence(rng: Random, grammar: RandomGrammar, size: int = 6) -> str:
    """A text that has a fair chance to be in the language (lexing may decide otherwise)."""
    pieces: list[str] = []

    def expand(name: str, depth: int) -> None:
        bodies = grammar.bodies[name]
        body = bodies[0] if depth > size else rng.choice(bodies)
        for text, node in body:
            mark = text[-1] if text[-1] in "?*+" else ""
            low, high = {"": (1, 1), "?": (0, 1), "*": (0, 2), "+": (1, 2)}[mark]
            for _ in range(low if depth > size else rng.randint(low, high)):
                if len(pieces) > 3 * size:
                    return
                if node is None:
                    expand(text.rstrip("?*+"), depth + 1)
                    continue
                if grammar.ignored and rng.random() < 0.3:
                    pieces.append(random_text(rng, rng.choice(grammar.ignored)))
                pieces.append(random_text(rng, node))

    expand("start", 0)
    return "".join(pieces)


def mangled(rng: Random, ir: GrammarIR) -> GrammarIR:
    """The grammar with rules that no front end writes: cycles, dead ends, doubles, any order, another scanner."""
    n, n_terminals = len(ir.nonterminals), len(ir.terminals)
    rules = list(ir.rules)
    names = [*ir.nonterminals, "dead_end", "ring"]
    dead_end, ring = n, n + 1

    def symbol() -> int:
        return rng.choice([rng.randrange(n), -rng.randrange(n_terminals) - 1] if n_terminals else [rng.randrange(n)])

    for _ in range(rng.randint(1, 3)):
        extra = rng.choice(("cycle", "dead end", "double", "random", "nullable", "through the ring"))
        head = rng.randrange(n)
        if extra == "cycle":
            rules += [(head, (ring,)), (ring, (head,)), (ring, (ring, ring))]
        elif extra == "dead end":
            rules += [(dead_end, (symbol(), dead_end)), (head, (dead_end, symbol())), (dead_end, (dead_end,))]
        elif extra == "double" and rules:
            rules.append(rng.choice(rules))
        elif extra == "random":
            rules.append((head, tuple(symbol() for _ in range(rng.randint(1, 4)))))
        elif extra == "nullable":
            rules.append((head, ()))
        else:
            rules += [(head, (ring, symbol(), ring)), (ring, ()), (ring, (symbol(),))]
    rng.shuffle(rules)
    scanner = list(ir.scanner)
    if rng.random() < 0.3:
        rng.shuffle(scanner)
    order = list(range(len(names)))
    rng.shuffle(order)
    to = {old: new for new, old in enumerate(order)}
    renumbered = [(to[head], tuple(to[s] if s >= 0 else s for s in body)) for head, body in rules]
    return replace(
        ir,
        nonterminals=tuple(names[old] for old in order),
        rules=tuple(renumbered),
        start=to[ir.start],
        scanner=tuple(scanner),
    )


if __name__ == "__main__":
    for lexer in ("basic", "dynamic", "dynamic_complete"):
        print(random_grammar(Random(int(sys.argv[1])), lexer).lark_text)
