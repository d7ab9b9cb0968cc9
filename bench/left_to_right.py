"""Next-token masks on JSON, left to right, against llguidance and xgrammar where they are installed.

    python bench/left_to_right.py [--texts 3] [--vocabulary qwen] [--seconds 20]

The JSON texts of the traces, one token after the other: take the token, give the mask of the next. Ours is a canvas
that ends in a gap of any length, so our mask is the next-token mask of the same question. llguidance reads our
json.lark as it is, xgrammar the same language in its EBNF. `equal`: masks over all ids but special tokens that are the
same as ours, EOS included. CPU milliseconds per token of this thread; xgrammar and llguidance run in it too.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from record import ROOT, Table, arguments, jsonl, limits_of, quantiles, timed, token_ids, vocabulary_of

import cfgdecode as cd

COLUMNS = (
    "text",
    "system",
    "|V|",
    "tokens",
    "compile",
    "first",
    "p50",
    "p90",
    "p99",
    "max",
    "equal",
    "not exact",
)
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


def ours(vocabulary: cd.Vocabulary, seconds: float, inexact: list[int]) -> Callable[[], Step]:
    constraint = cd.compile(cd.Grammar.builtin("json"), vocabulary, limits=limits_of(seconds))

    def start() -> Step:
        canvas = constraint.canvas([0], [True], gaps={0: (1, None)})
        at = 0

        def step(token: int | None) -> Mask:
            nonlocal at
            if token is not None:
                if not canvas.commit_one(at, token):
                    raise SystemExit(f"our canvas refused token {at} of a JSON text")
                at += 1
                canvas.insert(at, 1)
            allowed = canvas.allowed(at)
            inexact[0] += not allowed.is_exact
            return allowed.bitmask().view(np.uint32)

        return step

    return start


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
    grammar = (ROOT / "cfgdecode/grammars/json.lark").read_text() + "\nstart: value\n"

    def start() -> Step:
        matcher = ll.LLMatcher(tokenizer, ll.LLMatcher.grammar_from_lark(grammar))

        def step(token: int | None) -> Mask:
            if (token is not None and not matcher.consume_token(token)) or matcher.is_error():
                raise RuntimeError(matcher.get_error())
            return np.frombuffer(matcher.compute_bitmask(), dtype=np.uint32)

        return step

    return start


def xgrammar_masks(vocabulary: cd.Vocabulary) -> Callable[[], Step]:
    import xgrammar as xgr

    tokens = [token if token is not None else b"" for token in vocabulary.tokens]
    info = xgr.TokenizerInfo(tokens, stop_token_ids=list(vocabulary.eos))
    compiled = xgr.GrammarCompiler(info, max_threads=1).compile_grammar(xgr.Grammar.from_ebnf(EBNF))
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


def run(step: Step, ids: list[int], seconds: float) -> tuple[list[Mask], list[float]]:
    begin, masks, times = time.monotonic(), list[Mask](), list[float]()
    for token in (None, *ids):
        mask, took = timed(lambda token=token: step(token))  # type: ignore[misc]
        masks, times = [*masks, mask], [*times, took]
        if time.monotonic() - begin > seconds:
            break
    return masks, times


def main() -> None:
    given = arguments(__doc__ or "", ("--texts", {"type": int, "default": 3}))
    vocabulary = vocabulary_of(given.vocabulary)
    inexact, width = [0], len(vocabulary.tokens)
    judged = np.array([t is not None or i in vocabulary.eos[:1] for i, t in enumerate(vocabulary.tokens)])
    systems: dict[str, tuple[Callable[[], Step], float]] = {}
    makers = {"cfgdecode": lambda v: ours(v, given.seconds, inexact)}
    makers |= {"llguidance": llguidance_masks, "xgrammar": xgrammar_masks}
    for name, make in makers.items():
        try:
            systems[name] = timed(lambda make=make: make(vocabulary))  # type: ignore[misc]
        except ImportError:
            print(f"{name} is not installed")
    table = Table("left_to_right", COLUMNS, given)
    for document in [d for d in jsonl("traces.jsonl") if d["kind"] == "json"][: given.texts]:
        ids = token_ids(vocabulary, [token.encode() for token in document["tokens"]])
        mine: list[Mask] = []
        for name, (start, compiling) in systems.items():
            inexact[0] = 0
            masks, times = run(start(), ids, given.seconds)
            mine = mine or masks
            bits = [[np.unpackbits(m.view(np.uint8), bitorder="little")[:width] for m in ms] for ms in (mine, masks)]
            equal = sum(np.array_equal(a[judged], b[judged]) for a, b in zip(*bits, strict=False))
            row = {"text": document["id"], "system": name, "|V|": width, "tokens": len(ids), "compile": compiling}
            row |= {"first": times[0], **quantiles(times[1:]), "equal": f"{equal}/{min(len(mine), len(masks))}"}
            table.add(row | {"not exact": inexact[0] if name == "cfgdecode" else None})


if __name__ == "__main__":
    main()
