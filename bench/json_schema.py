"""JSON Schema: cfgdecode, llguidance and xgrammar on the same real schemas and on the official suite, in one run.

    PYTHONPATH=.:tests python bench/json_schema.py [--limit 10] [--xgrammar 80] [--out bench/JSON_SCHEMA.md]

Every engine gets the schema as JSON text and the same instance texts: `json.dumps`, declared keys in schema order. The
rivals read byte by byte with a vocabulary of 256 bytes and an end token (their cheapest). A text is accepted if all of
it is consumed and the matcher accepts at the end; no answer (an error, a limit of the engine) is never a right one.
"Valid accepted", "invalid refused": instances of the schemas that compile. "All right": of all schemas, those that
compile with every listed instance judged rightly. Suite: tests judged rightly / wrongly / whose schema does not compile.
Times: CPU ms from the schema's text to a matcher that can read its first byte, refused schemas included. "Lost": the
worker ended, or the schema with its instances took longer than the limit, which then is its time. xgrammar runs with
`strict_mode=False` (else it forbids undeclared keys); everything else is at its default.
"""

import argparse
import functools
import importlib
import json
import multiprocessing as mp
import random
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cfgdecode as cd

Reader = Callable[[str], bool | None]  # None: no answer
SUITES = {"draft 7": "json_schema_test_suite_draft7.jsonl", "2020-12": "json_schema_test_suite_draft2020-12.jsonl"}
VERDICTS = {cd.Verdict.COMPLETABLE: True, cd.Verdict.DEAD: False}  # `accepts`, with UNDECIDED told apart


@dataclass
class Case:
    name: str
    schema: str
    instances: list[tuple[str, bool]]
    reason: str = "lost"  # "" where it compiles
    ms: float = 0.0
    right: tuple[bool, ...] = ()


def cfgdecode(schema: str) -> Reader:
    grammar = cd.Grammar.from_json_schema(schema, key_order="schema")
    grammar.accepts("")  # builds what waits for the first question
    return lambda text: VERDICTS.get(grammar.is_completable([text]))


@functools.cache
def llguidance_with_bytes() -> tuple[Any, Any]:
    module = importlib.import_module("llguidance")
    return module.LLMatcher, module.LLTokenizer("byte")


def llguidance(schema: str) -> Reader:
    make, vocabulary = llguidance_with_bytes()
    matcher = make(vocabulary, make.grammar_from_json_schema(schema), log_level=0)
    if matcher.is_error():
        raise ValueError(matcher.get_error())

    def read(text: str) -> bool | None:
        matcher.reset()
        accepted = matcher.try_consume_tokens([*text.encode()]) == len(text.encode()) and matcher.is_accepting()
        return None if matcher.is_error() or "TooComplex" in matcher.stop_reason() else accepted

    return read


@functools.cache
def xgrammar_with_bytes() -> tuple[Any, Any]:
    module = importlib.import_module("xgrammar")
    tokens = [*(bytes([i]) for i in range(256)), b"</s>"]
    vocabulary = module.TokenizerInfo(tokens, module.VocabType.RAW, stop_token_ids=[256])
    return module.GrammarMatcher, module.GrammarCompiler(vocabulary, max_threads=1, cache_enabled=False)


def xgrammar(schema: str) -> Reader:
    make, compiler = xgrammar_with_bytes()
    matcher = make(compiler.compile_json_schema(schema, strict_mode=False))
    return lambda text: matcher.reset() or all(map(matcher.accept_token, [*text.encode(), 256]))


def attempt(function: Callable[[str], Any], text: str) -> tuple[Any, str]:
    try:
        return function(text), ""
    except BaseException as error:  # a panic of a rival is no Exception
        return None, f"{type(error).__name__}: {error}"[:160]


def work(compiled: Callable[[str], Reader], cases: list[Case], pipe: Any) -> None:
    """The worker: sends the judged cases, after a first word when it is ready."""
    resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
    pipe.send(compiled('{"type": "integer"}')("1"))
    for case in cases:
        started = time.process_time()
        read, reason = attempt(compiled, case.schema)
        ms = 1000 * (time.process_time() - started)
        right = tuple(attempt(read, text)[0] is want for text, want in case.instances) if read else ()
        pipe.send(replace(case, reason=reason, ms=ms, right=right))


def run(compiled: Callable[[str], Reader], cases: list[Case], limit_s: float) -> list[Case]:
    """The cases, judged; a worker that is lost takes one case with it."""
    out: list[Case] = []
    while len(out) < len(cases):
        pipe, other = mp.Pipe()
        worker = mp.get_context("spawn").Process(target=work, args=(compiled, cases[len(out) :], other), daemon=True)
        worker.start()
        other.close()
        assert pipe.poll(60) and pipe.recv(), f"{compiled.__name__} does not start"
        for case in cases[len(out) :]:
            try:
                out.append(pipe.recv() if pipe.poll(limit_s) else replace(case, ms=1000 * limit_s))
            except EOFError:
                out.append(replace(case, ms=1000 * limit_s))
            if out[-1].reason == "lost":
                break
        worker.kill()
    return out


def row(name: str, real: list[Case], suites: list[list[Case]]) -> str:
    def share(hits: list[bool]) -> str:
        return f"{100 * sum(hits) / len(hits):.2f} %"

    compiled, times = [c for c in real if not c.reason], sorted(c.ms for c in real)
    cells = [name, str(len(real)), share([not c.reason for c in real]), share([not c.reason and all(c.right) for c in real])]
    for want in (True, False):
        hits = [r for c in compiled for r, (_, valid) in zip(c.right, c.instances, strict=True) if valid is want]
        cells.append(f"{share(hits)} of {len(hits):,}")
    cells += [f"{times[int(q * (len(times) - 1))]:,.1f}" for q in (0.5, 0.99, 1)]
    cells.append(str(sum(c.reason == "lost" for c in real)))
    for suite in suites:
        kinds = ["missing" if c.reason else c.right[i] for c in suite for i in range(len(c.instances))]
        cells.append(" / ".join(share([k == kind for k in kinds]) for kind in (True, False, "missing")))
    return f"| {' | '.join(cells)} |"


def cases_of(tests: Any, file: str) -> list[Case]:
    out = []
    for r in tests.rows(file):
        values = [(t["data"], t["valid"]) for t in r["tests"]] if "tests" in r else [(v, True) for v in r["valid"]]
        values += [(v["data"], False) for v in r.get("invalid", ())]
        ordered = [(tests.in_schema_order(r["schema"], v, r["schema"]), want) for v, want in values]
        texts = [(json.dumps(v, ensure_ascii=False), want) for v, want in ordered]
        out.append(Case(r.get("id") or f"{r['file']}: {r['group']}", json.dumps(r["schema"]), texts))
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=float, default=10, help="seconds per schema")
    parser.add_argument("--xgrammar", type=int, default=80, help="real schemas for xgrammar")
    parser.add_argument("--out", type=Path, default=Path("bench/JSON_SCHEMA.md"))
    arguments = parser.parse_args()
