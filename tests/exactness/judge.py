"""Lark itself as judge, and the grammar IR read off a Lark object for grammars whose patterns we know.

What: `lark_of` builds Lark's own Earley parser, `lark_accepts` asks it, `ir_of` makes the GrammarIR of a
`RandomGrammar` from Lark's rules and Lark's own scanner, without the library's front end.
Invariants: only `UnexpectedInput` is a refusal; any other exception but one known bug fails the test.
"""

from __future__ import annotations

from typing import Any

from lark import Lark, UnexpectedInput
from lark.lexer import BasicLexer, TerminalDef

from cfgdecode.grammar.ir import GrammarIR, Terminal

from .grammars import Node, RandomGrammar

LARK_BUG = "Earley should not generate multiple start symbol items"
"""Lark 1.3.1 raises this under the dynamic lexers where the start symbol ends both before and behind ignored
text that runs to the end of the input. The text is in the language: both are complete parses."""


def lark_of(grammar: RandomGrammar) -> Lark:
    """Lark's parser for the grammar; raises lark's GrammarError where Lark refuses the grammar."""
    return Lark(grammar.lark_text, parser="earley", lexer=grammar.lexer, ambiguity="resolve")


def lark_accepts(judge: Lark, text: str) -> bool | None:
    """Lark's verdict; None where Lark fails on its own account (see `LARK_BUG`)."""
    try:
        judge.parse(text)
    except UnexpectedInput:
        return False
    except RuntimeError as error:
        if LARK_BUG not in str(error):
            raise
        return None
    return True


def ir_of(grammar: RandomGrammar, judge: Lark) -> GrammarIR:
    """The IR of a random grammar, by hand: the patterns are those the text was rendered from."""
    definitions: list[TerminalDef] = list(judge.terminals)
    number = {t.name: i for i, t in enumerate(definitions)}
    names = list(dict.fromkeys(rule.origin.name for rule in judge.rules))
    of_rule = {name: i for i, name in enumerate(names)}
    terminals = tuple(Terminal(t.name, _pattern(grammar, t), t.pattern.to_regexp()) for t in definitions)
    rules = tuple(
        (of_rule[r.origin.name], tuple(-number[s.name] - 1 if s.is_term else of_rule[s.name] for s in r.expansion))
        for r in judge.rules
    )
    scanner: tuple[int, ...] = ()
    keywords: tuple[tuple[int, tuple[int, ...]], ...] = ()
    if grammar.lexer == "basic":
        lexer: Any = BasicLexer(judge.lexer_conf)
        scanner = tuple(number[t.name] for t in lexer.scanner.terminals)
        keywords = tuple(
            (number[name], tuple(number[t.name] for t in unless.scanner.terminals))
            for name, unless in lexer.callback.items()
        )
    ignore = tuple(number[name] for name in judge.ignore_tokens)
    return GrammarIR(grammar.lexer, terminals, tuple(names), rules, of_rule["start"], ignore, scanner, keywords)


def _pattern(grammar: RandomGrammar, terminal: TerminalDef) -> Node:
    pattern = terminal.pattern
    return grammar.patterns[pattern.type, pattern.value, "".join(sorted(pattern.flags))]
