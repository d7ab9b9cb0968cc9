"""Next-token masks of JSON by llguidance and by xgrammar, for left_to_right.py.

Both get the language of our json.lark: RFC 8259 with white space wherever it may stand. It is written out, because
`%ignore` of llguidance takes none before the first and behind the last lexeme, and xgrammar has no lexer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from record import ROOT, token_ids

import cfgdecode as cd

Mask = npt.NDArray[np.uint32]
Step = Callable[[int | None], Mask]  # the token just taken, or None at the start -> the mask of the next
EBNF = r"""root ::= ws value ws
value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws "}" | "{" ws member (ws "," ws member)* ws "}"
member ::= string ws ":" ws value
array ::= "[" ws "]" | "[" ws value (ws "," ws value)* ws "]"
string ::= "\"" ([^"\\\x00-\x1f] | "\\" (["\\/bfnrt] | "u" [0-9A-Fa-f] [0-9A-Fa-f] [0-9A-Fa-f] [0-9A-Fa-f]))* "\""
number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [+\-]? [0-9]+)?
ws ::= [ \t\n\r]*
"""
LARK = r"""start: ws value ws
value: object | array | STRING | NUMBER | "true" | "false" | "null"
object: "{" ws "}" | "{" ws members ws "}"
members: STRING ws ":" ws value | members ws "," ws STRING ws ":" ws value
array: "[" ws "]" | "[" ws elements ws "]"
elements: value | elements ws "," ws value
ws: | WS
"""


def llguidance_masks(vocabulary: cd.Vocabulary) -> Callable[[], Step]:
    import llguidance as ll

    class Tokens:
        eos_token_id, bos_token_id = vocabulary.eos[0], None
        tokens = tuple(token or b"<|special%d|>" % i for i, token in enumerate(vocabulary.tokens))
        special_token_ids = tuple(i for i, token in enumerate(vocabulary.tokens) if token is None)

        def __call__(self, text: bytes | str) -> list[int]:
            data = text.encode() if isinstance(text, str) else text
            return token_ids(vocabulary, [data])

    tokenizer = ll.LLTokenizer(ll.TokenizerWrapper(Tokens()), n_vocab=len(vocabulary.tokens))
    lexemes = (ROOT / "cfgdecode/grammars/json.lark").read_text().split("STRING: ")[1].replace("%ignore WS", "")
    grammar = f"{LARK}STRING: {lexemes}"

    def start() -> Step:
        matcher = ll.LLMatcher(tokenizer, ll.LLMatcher.grammar_from_lark(grammar))

        def step(token: int | None) -> Mask:
            if (token is not None and not matcher.consume_token(token)) or matcher.is_error():
                raise RuntimeError(matcher.get_error())
            return np.frombuffer(matcher.compute_bitmask(), dtype=np.uint32)

        return step

    return start


def xgrammar_masks(vocabulary: cd.Vocabulary, own: bool = False) -> Callable[[], Step]:
    import xgrammar as xgr

    tokens = [token if token is not None else b"" for token in vocabulary.tokens]
    info = xgr.TokenizerInfo(tokens, stop_token_ids=list(vocabulary.eos))
    compiler = xgr.GrammarCompiler(info, max_threads=1)
    compiled = compiler.compile_builtin_json_grammar() if own else compiler.compile_grammar(EBNF)
    buffer = xgr.allocate_token_bitmask(1, info.vocab_size)

    def start() -> Step:
        matcher = xgr.GrammarMatcher(compiled)

        def step(token: int | None) -> Mask:
            if token is not None and not matcher.accept_token(token):
                raise RuntimeError("refused")
            matcher.fill_next_token_bitmask(buffer)
            return np.asarray(buffer.numpy()[0]).view(np.uint32).copy()

        return step

    return start
