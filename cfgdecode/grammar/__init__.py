"""Grammars: their plain form (`ir`) and the front ends that produce it.

`lark_loader` reads Lark grammars, `regex` reads the regular expressions inside them.
"""

from .ir import LEXERS, GrammarIR, Lexer, Node, Terminal, trim
from .lark_loader import from_lark

__all__ = ["LEXERS", "GrammarIR", "Lexer", "Node", "Terminal", "from_lark", "trim"]
