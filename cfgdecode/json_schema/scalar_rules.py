"""Terminals, and where one would be too large rules, for null, booleans, numbers and strings.

All scalars of a value share one terminal. Two cases need rules: a number set whose node would be too large gets a rule
per arc of its automaton; a string with a large bound on its length is read in chunks of `CHUNK` characters, so
that maxLength 100,000 costs some hundred lexer states and a dozen rules.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cfgdecode.errors import SchemaError
from cfgdecode.json_schema import number_sets as numbers
from cfgdecode.json_schema import string_sets as strings
from cfgdecode.json_schema.automaton import ANY, NOTHING, Node, TooLarge, alt, cat
from cfgdecode.json_schema.kinds import Conjunction, Kinds

if TYPE_CHECKING:
    from cfgdecode.json_schema.emit import Emitter

CHUNK = 256
LONG = 1024


class ScalarRules:
    """Writes the scalars of one value at a time."""

    def __init__(self, emitter: Emitter) -> None:
        self._e = emitter

    def is_terminal(self, kinds: Kinds) -> bool:
        """Do the scalars of `kinds` fit into one terminal?"""
        return _long(kinds.strings) is None and self._has_number_node(kinds)

    def _has_number_node(self, kinds: Kinds) -> bool:
        try:
            return kinds.numbers == numbers.NONE or bool(numbers.number_node(kinds.numbers))
        except TooLarge:
            return False

    def write(self, symbol: int, kinds: Kinds, conjunction: Conjunction) -> None:
        """The rules of `symbol` for the scalars of `kinds`."""
        long = _long(kinds.strings)
        if long is not None:
            self._long_rules(symbol, *long)
            kinds = replace(kinds, strings=strings.NONE)
        if not self._has_number_node(kinds):
            self._number_rules(symbol, kinds.numbers, conjunction)
            kinds = replace(kinds, numbers=numbers.NONE)
        scalar = self.terminal(kinds, conjunction)
        if scalar is not None:
            self._e.rule(symbol, (scalar,))

    def _number_rules(self, symbol: int, wanted: numbers.NumberSet, conjunction: Conjunction) -> None:
        """A rule per arc of the automaton, each character a terminal of its own."""
        try:
            dfa = numbers.number_dfa(wanted)
        except TooLarge:
            reason = "the conditions on a number need too large an automaton"
            raise SchemaError(reason, pointer=self._e.pointer(conjunction)) from None
        states = [self._e.nonterminal("number_state") for _ in dfa.final]
        if states:
            self._e.rule(symbol, (states[0],))
        for state, arcs in enumerate(dfa.arcs):
            for ranges, target in arcs:
                digit = self._e.terminal(("set", ranges), "DIGIT", "a digit")
                self._e.rule(states[state], (digit, states[target]))
                if dfa.final[target]:
                    self._e.rule(states[state], (digit,))

    def _long_rules(self, symbol: int, character: Node, least: int, most: int | None) -> None:
        """A string of `least` to `most` times `character`, whole chunks first."""
        character = self._e.speller.node(character)
        opening = self._e.terminal(strings.QUOTE, "QUOTE", "a quote")
        chunk = self._e.terminal(("rep", CHUNK, CHUNK, True, character), "CHUNK", f"{CHUNK} characters")

        def write(n_least: int, n_most: int, low: int, high: int | None) -> None:
            chunks = self._e.array_rules.times((chunk,), n_least, n_most, "chunks")
            tail = cat(("rep", low, high, True, character), strings.QUOTE)
            self._e.rule(symbol, (opening, *chunks, self._e.terminal(tail, "STRING_END", "the rest of a string")))

        first, low = divmod(least, CHUNK)
        if most is None:
            write(first, first, low, None)
            return
        last, high = divmod(most, CHUNK)
        if first == last:
            write(first, first, low, high)
            return
        write(first, first, low, CHUNK - 1)
        if last - first > 1:
            write(first + 1, last - 1, 0, CHUNK - 1)
        write(last, last, 0, high)

    def terminal(self, kinds: Kinds, conjunction: Conjunction) -> int | None:
        """One terminal for all scalars of `kinds`; None if there are none."""
        parts: list[Node] = [("lit", "null")] if kinds.null else []
        parts += [("lit", "true" if value else "false") for value in (True, False) if value in kinds.booleans]
        try:
            if kinds.numbers != numbers.NONE:
                parts.append(numbers.number_node(kinds.numbers))
            if kinds.strings != strings.NONE:
                parts.append(strings.string_node(kinds.strings, self._e.speller))
        except TooLarge:
            reason = "the conditions on a number or a string need too large an automaton"
            raise SchemaError(reason, pointer=self._e.pointer(conjunction)) from None
        node = alt(*parts)
        if node == NOTHING:
            return None
        whole = [word for word, on in (("null", kinds.null), ("boolean", kinds.booleans)) if on]
        whole += ["number"] if kinds.numbers != numbers.NONE else []
        whole += ["string"] if kinds.strings != strings.NONE else []
        return self._e.terminal(node, "_".join(whole), " or ".join(whole))


def _long(wanted: strings.StringSet) -> tuple[Node, int, int | None] | None:
    """(decoded character set, least, most) of a string that is bounded in length only, if the bound is large."""
    if wanted[0] == "length":
        ranges, least, most = ANY, wanted[1], wanted[2]
    elif wanted[0] == "match" and wanted[1][0] == "rep" and wanted[1][4][0] == "set":
        ranges, least, most = wanted[1][4][1], wanted[1][1], wanted[1][2]
    else:
        return None
    return (("set", ranges), least, most) if max(least, most or 0) > LONG else None
