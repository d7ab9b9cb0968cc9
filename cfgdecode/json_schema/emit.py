"""`Kinds` -> grammar rules over JSON text.

A conjunction becomes a symbol: one terminal where it allows scalars only, else a nonterminal with one alternative
for all scalars and one per array or object. Terminals are large: a key takes its colon and the white space around
it.

Scalars, arrays and objects: `scalar_rules`, `array_rules`, `object_rules`, `key_order`.

Cost: rules are bounded by `SchemaLimits.rules`. Rules that cannot produce a text are removed at the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from cfgdecode.errors import LimitExceeded
from cfgdecode.grammar.ir import GrammarIR, Terminal
from cfgdecode.json_schema import string_sets as strings
from cfgdecode.json_schema.array_rules import ArrayRules
from cfgdecode.json_schema.automaton import Node, cat
from cfgdecode.json_schema.kinds import FALSE, TRUE, Array, Conjunction, Kinds, Object
from cfgdecode.json_schema.limits import SchemaLimits
from cfgdecode.json_schema.normalize import Normalizer
from cfgdecode.json_schema.object_rules import ObjectRules, settle
from cfgdecode.json_schema.scalar_rules import ScalarRules
from cfgdecode.json_schema.spelling import Speller

WHITE: Node = ("set", ((0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x20)))
Body = tuple[int, ...]


class Emitter:
    """Builds the grammar of one schema; `grammar(root)` is the only entry."""

    def __init__(
        self, normalizer: Normalizer, limits: SchemaLimits, speller: Speller, *, key_order: str, whitespace: str
    ) -> None:
        self.normalizer, self.limits, self.speller = normalizer, limits, speller
        self.any_order = key_order == "any"
        self._flexible = whitespace == "flexible"
        space: Node = ("rep", 0, None, True, WHITE) if self._flexible else ("cat", ())
        after: Node = space if self._flexible else ("rep", 0, 1, True, ("lit", " "))
        self._before, self._after, self._inside = space, after, space
        self._terminals: list[Terminal] = []
        self._terminal_of: dict[Node, int] = {}
        self._names: dict[str, int] = {}  # name -> the last number given to it
        self._nonterminals: list[str] = []
        self._rules: list[tuple[int, Body]] = []
        self._todo: list[Callable[[], None]] = []
        self._symbol_of: dict[Conjunction, int | None] = {FALSE: None}
        self._symbol_of_kinds: dict[Kinds, int | None] = {}
        self._objects: dict[Object, int] = {}
        self._arrays: dict[Array, int] = {}
        self.scalar_rules = ScalarRules(self)
        self.array_rules = ArrayRules(self)
        self.object_rules = ObjectRules(self)
        self._choices: dict[tuple[tuple[int, int], ...], int] = {}

    def grammar(self, root: Conjunction) -> GrammarIR:
        """The grammar whose language is the JSON texts of `root`."""
        start = self.nonterminal("start")
        value = self.value(root)
        if value is not None:
            self.rule(start, (value,))
            if self._flexible:
                white = self.terminal(("rep", 1, None, True, WHITE), "WHITE", "white space")
                for body in ((white, value), (value, white), (white, value, white)):
                    self.rule(start, body)
        while self._todo:
            self._todo.pop()()
        return self._finished(start)

    def later(self, work: Callable[[], None]) -> None:
        """Work to be done before the grammar is finished."""
        self._todo.append(work)

    # --- symbols ------------------------------------------------------------------------------------------------

    def terminal(self, pattern: Node, name: str, source: str) -> int:
        number = self._terminal_of.get(pattern)
        if number is None:
            number = self._terminal_of[pattern] = len(self._terminals)
            self._terminals.append(Terminal(self._fresh(name.upper()), pattern, source))
        return -number - 1

    def nonterminal(self, name: str) -> int:
        self._nonterminals.append(self._fresh(name.lower()))
        return len(self._nonterminals) - 1

    def _fresh(self, name: str) -> str:
        name = re.sub(r"[^A-Za-z0-9]+", "_", name)[:40].strip("_") or "x"
        if not name[0].isalpha():
            name = ("X_" if name.isupper() or not name.islower() else "x_") + name
        out, n = name, self._names.get(name, 1)
        while out in self._names:
            n += 1
            out = f"{name}_{n}"
        self._names[name] = n
        self._names.setdefault(out, 1)
        return out

    def rule(self, head: int, body: Body) -> None:
        if len(self._rules) >= self.limits.rules:
            raise LimitExceeded("the grammar needs too many rules", limit="rules", given=len(self._rules))
        self._rules.append((head, body))

    def mark(self, text: str, name: str) -> int:
        """A structural character with the white space that belongs to it."""
        space_before = self._before if text in ",}]" else ("cat", ())
        space_after = self._inside if text in "{[" else self._after if text == "," else ("cat", ())
        return self.terminal(cat(space_before, ("lit", text), space_after), name, f'"{text}"')

    def empty(self, text: str, name: str) -> int:
        return self.terminal(cat(("lit", text[0]), self._inside, ("lit", text[1])), name, f'"{text}"')

    def key(self, content: Node, name: str, source: str) -> int:
        return self.terminal(cat(content, self._before, ("lit", ":"), self._after), name, source)

    def literal_key(self, key: str) -> int:
        return self.key(cat(strings.QUOTE, self.speller.text(key), strings.QUOTE), f"KEY_{key}", json.dumps(key) + ":")

    # --- values -------------------------------------------------------------------------------------------------

    def value(self, conjunction: Conjunction) -> int | None:
        """The symbol for the values of `conjunction`; None if there is none."""
        if conjunction in self._symbol_of:
            return self._symbol_of[conjunction]
        kinds = self.normalizer.kinds(conjunction)
        if kinds in self._symbol_of_kinds:
            symbol = self._symbol_of_kinds[kinds]
        elif kinds.is_scalar() and self.scalar_rules.is_terminal(kinds):
            symbol = self._symbol_of_kinds[kinds] = self.scalar_rules.terminal(kinds, conjunction)
        else:
            name = "json_value" if conjunction == TRUE else self.name(conjunction)
            symbol = self._symbol_of_kinds[kinds] = self.nonterminal(name)
            self._todo.append(lambda: self._alternatives(symbol, kinds, conjunction, name))
        self._symbol_of[conjunction] = symbol
        return symbol

    def name(self, conjunction: Conjunction) -> str:
        pointer = self.pointer(conjunction)
        steps = [s for s in pointer.split("/") if s and s not in ("properties", "items", "definitions", "$defs")]
        return "_".join(["v", *steps[-2:]])

    def pointer(self, conjunction: Conjunction) -> str:
        return self.normalizer.document.places[conjunction[0][1]].pointer if conjunction else ""

    def _alternatives(self, symbol: int, kinds: Kinds, conjunction: Conjunction, name: str) -> None:
        self.scalar_rules.write(symbol, kinds, conjunction)
        for array in kinds.arrays:
            self.rule(symbol, (self._array(array, name, conjunction),))
        for candidate in kinds.objects:
            for settled in settle(candidate):
                self.rule(symbol, (self._object(settled, name, conjunction),))

    # --- arrays -------------------------------------------------------------------------------------------------

    def _array(self, array: Array, name: str, conjunction: Conjunction) -> int:
        if array not in self._arrays:
            self._arrays[array] = symbol = self.nonterminal(name + "_array")
            self._todo.append(lambda: self.array_rules.write(symbol, array, name, conjunction))
        return self._arrays[array]

    # --- objects ------------------------------------------------------------------------------------------------

    def _object(self, candidate: Object, name: str, conjunction: Conjunction) -> int:
        if candidate not in self._objects:
            self._objects[candidate] = symbol = self.nonterminal(name + "_object")
            self._todo.append(lambda: self.object_rules.write(symbol, candidate, name, conjunction))
        return self._objects[candidate]

    def one_of(self, pairs: list[tuple[int, int]], name: str) -> Body:
        """One key with its value, out of `pairs`."""
        if len(pairs) == 1:
            return pairs[0]
        known = tuple(pairs)
        if known not in self._choices:
            self._choices[known] = symbol = self.nonterminal(name + "_member")
            for pair in pairs:
                self.rule(symbol, pair)
        return (self._choices[known],)

    # --- the end ------------------------------------------------------------------------------------------------

    def _finished(self, start: int) -> GrammarIR:
        rules = _productive(self._rules, len(self._nonterminals))
        reached, todo = {start}, [start]
        by_head: dict[int, list[Body]] = {}
        for head, body in rules:
            by_head.setdefault(head, []).append(body)
        while todo:
            for body in by_head.get(todo.pop(), ()):
                for s in body:
                    if s not in reached:
                        reached.add(s)
                        if s >= 0:
                            todo.append(s)
        heads = [n for n in range(len(self._nonterminals)) if n in reached]
        ends = [t for t in range(len(self._terminals)) if -t - 1 in reached]
        new = {n: i for i, n in enumerate(heads)} | {-t - 1: -i - 1 for i, t in enumerate(ends)}
        return GrammarIR(
            lexer="dynamic_complete",
            terminals=tuple(self._terminals[t] for t in ends),
            nonterminals=tuple(self._nonterminals[n] for n in heads),
            rules=tuple(
                dict.fromkeys((new[head], tuple(new[s] for s in body)) for head, body in rules if head in reached)
            ),
            start=new[start],
        )


def _productive(rules: list[tuple[int, Body]], n: int) -> list[tuple[int, Body]]:
    """The rules all of whose symbols derive some text."""
    waiting = [len({s for s in body if s >= 0}) for _, body in rules]
    users: list[list[int]] = [[] for _ in range(n)]
    for r, (_, body) in enumerate(rules):
        for s in {s for s in body if s >= 0}:
            users[s].append(r)
    good = [False] * n
    todo = [r for r, w in enumerate(waiting) if w == 0]
    for r in todo:
        head = rules[r][0]
        if not good[head]:
            good[head] = True
            for user in users[head]:
                waiting[user] -= 1
                if waiting[user] == 0:
                    todo.append(user)
    return [(head, body) for head, body in rules if good[head] and all(s < 0 or good[s] for s in body)]
