"""JSON Schema: cfgdecode, llguidance and xgrammar on the same real schemas and on the official suite, in one run.

    PYTHONPATH=. python bench/json_schema.py [--limit 10] [--xgrammar 80] [--out bench/JSON_SCHEMA.md]

Every engine gets the schema as JSON text and the same instance texts: `json.dumps`, declared keys in schema order. The
rivals read byte by byte with a vocabulary of 256 bytes and an end token (their cheapest). A text is accepted if all of
it is consumed and the matcher accepts at the end; no answer (an error, a limit of the engine) is never a right one.
"Valid accepted", "invalid refused": instances of the schemas that compile. "All right": of all schemas, those that
compile with every listed instance judged rightly. Suite: tests judged rightly / wrongly / whose schema does not compile.
Times: CPU ms from the schema's text to a matcher that can read its first byte, refused schemas included. "Lost": the
worker ended, or the schema with its instances took longer than the limit, which then is its time. xgrammar runs with
`strict_mode=False` (else it forbids undeclared keys); everything else is at its default.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import multiprocessing as mp
import os
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
COLUMNS = "engine|schemas|compile|all right|valid accepted|invalid refused|p50 ms|p99 ms|max ms|lost"
SUITES = ("draft7", "draft2020-12")


@dataclass
class Case:
    name: str
    schema: str
    instances: list[tuple[str, bool]]
    lost: bool = False
    reason: str = "lost"  # "" where it compiles
    ms: float = 0.0
    right: tuple[bool, ...] = ()


def with_cfgdecode() -> Callable[[str], Reader]:
    verdicts = {cd.Verdict.COMPLETABLE: True, cd.Verdict.DEAD: False}  # `accepts`, with UNDECIDED told apart

    def compiled(schema: str) -> Reader:
        grammar = cd.Grammar.from_json_schema(schema, key_order="schema")
        grammar.accepts("")  # builds what waits for the first question
        return lambda text: verdicts.get(grammar.is_completable([text]))

    return compiled


def with_llguidance() -> Callable[[str], Reader]:
    module = importlib.import_module("llguidance")
    vocabulary = module.LLTokenizer("byte")

    def compiled(schema: str) -> Reader:
        matcher = module.LLMatcher(vocabulary, module.LLMatcher.grammar_from_json_schema(schema), log_level=0)
        if matcher.is_error():
            raise ValueError(matcher.get_error())

        def read(text: str) -> bool | None:
            matcher.reset()
            accepted = matcher.try_consume_tokens([*text.encode()]) == len(text.encode()) and matcher.is_accepting()
            return None if matcher.is_error() or "TooComplex" in matcher.stop_reason() else accepted

        return read

    return compiled


def with_xgrammar() -> Callable[[str], Reader]:
    module = importlib.import_module("xgrammar")
    tokens = [*(bytes([i]) for i in range(256)), b"</s>"]
    vocabulary = module.TokenizerInfo(tokens, module.VocabType.RAW, stop_token_ids=[256])
    compiler = module.GrammarCompiler(vocabulary, max_threads=1, cache_enabled=False)

    def compiled(schema: str) -> Reader:
        matcher = module.GrammarMatcher(compiler.compile_json_schema(schema, strict_mode=False))
        return lambda text: matcher.reset() or all(map(matcher.accept_token, [*text.encode(), 256]))

    return compiled


def attempt(function: Callable[[str], Any], text: str) -> tuple[Any, str]:
    try:
        return function(text), ""
    except BaseException as error:  # a panic of a rival is no Exception
        return None, f"{type(error).__name__}: {error}"[:160]


def work(engine: str, cases: list[Case], pipe: Any) -> None:
    """The worker: sends the judged cases, after an empty answer when it is ready."""
    resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
    compiled = {"cfgdecode": with_cfgdecode, "llguidance": with_llguidance, "xgrammar": with_xgrammar}[engine]()
    pipe.send(compiled('{"type": "integer"}')("x"))
    for case in cases:
        started = time.process_time()
        read, reason = attempt(compiled, case.schema)
        ms = 1000 * (time.process_time() - started)
        right = tuple(attempt(read, text)[0] is want for text, want in case.instances) if read else ()
        pipe.send(replace(case, lost=False, reason=reason, ms=ms, right=right))


def run(engine: str, cases: list[Case], limit_s: float) -> list[Case]:
    """The cases judged by the engine; a worker that is lost takes one case with it."""
    out: list[Case] = []
    while len(out) < len(cases):
        pipe, other = mp.Pipe()
        worker = mp.get_context("spawn").Process(target=work, args=(engine, cases[len(out) :], other))
        worker.start()
        other.close()
        assert pipe.poll(60) and not pipe.recv(), f"{engine} does not start"
        for case in cases[len(out) :]:
            lost = replace(case, lost=True, ms=1000 * limit_s)
            try:
                out.append(pipe.recv() if pipe.poll(limit_s) else lost)
            except EOFError:
                out.append(lost)
            if out[-1].reason or not all(out[-1].right):
                print(engine, case.name, out[-1].reason or "wrong", file=sys.stderr)
            if out[-1].lost:
                break
        worker.kill()
        worker.join()
    return out


def share(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.2f} %"


def row(engine: str, real: list[Case], suites: list[list[Case]]) -> str:
    compiled, times = [case for case in real if not case.reason], sorted(case.ms for case in real)
    cells = [engine, str(len(real)), share(len(compiled), len(real)), share(sum(all(c.right) for c in compiled), len(real))]
    for want in (True, False):
        right = [r for c in compiled for r, (_, w) in zip(c.right, c.instances, strict=True) if w is want]
        cells.append(f"{share(sum(right), len(right))} of {len(right):,}")
    cells += [f"{times[int(q * (len(times) - 1))]:,.1f}" for q in (0.5, 0.99, 1)] + [str(sum(c.lost for c in real))]
    for suite in suites:
        tests, right = [(c, r) for c in suite for r in c.right], 0
    return " | ".join(cells)
