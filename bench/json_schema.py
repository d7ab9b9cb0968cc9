"""JSON Schema: cfgdecode, llguidance and xgrammar on the same real schemas and on the official suite, in one run.

    PYTHONPATH=.:tests python bench/json_schema.py > bench/JSON_SCHEMA.md

Every engine gets the schema as JSON text and the same instance texts: `json.dumps`, declared keys in schema order; only
"cfgdecode, any order" (`key_order="any"`) gets the keys as they stand in the data. The rivals read byte by byte with a
vocabulary of 256 bytes and an end token (their cheapest). A text is accepted if all of it is consumed and the matcher
accepts at the end; no answer (an error, a limit of the engine) is never a right one. "Valid accepted", "invalid
refused": instances of the schemas that compile. "All right": of all schemas, those that compile with every listed
instance judged rightly. Suite columns: tests right / wrong / whose schema does not compile. Times: CPU ms from the
schema's text to a matcher that can read its first byte, refused schemas included, one schema after the other in one
worker; peak MB: that worker with its interpreter. "Lost": the worker ended, or the schema with its instances took over
10 s, then its time. xgrammar runs with `strict_mode=False` (else it forbids undeclared keys); everything else is at its
default.
"""

import functools
import importlib
import json
import multiprocessing as mp
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Literal

import cfgdecode as cd

Reader = Callable[[str], bool | None]  # None: no answer
HEAD = "engine | schemas | compile | all right | valid accepted | invalid refused"
HEAD += " | p50 ms | p99 ms | max ms | peak MB | lost"
FILES = ("jsonschemabench_sample.jsonl", *(f"json_schema_test_suite_draft{d}.jsonl" for d in ("7", "2020-12")))
LIMIT_S = 10


@dataclass
class Case:
    schema: str
    texts: list[str]
    valid: list[bool]
    right: list[bool | None]  # None where the schema does not compile
    reason: str = "lost"  # "" where it compiles
    ms: float = 1000.0 * LIMIT_S
    mb: float = 0.0


def cfgdecode(schema: str, key_order: Literal["schema", "any"] = "schema") -> Reader:
    grammar = cd.Grammar.from_json_schema(schema, key_order=key_order)
    grammar.accepts("")  # builds what waits for the first question
    known = {cd.Verdict.COMPLETABLE: True, cd.Verdict.DEAD: False}
    return lambda text: known.get(grammar.is_completable([text]))  # `accepts`, with UNDECIDED told apart


def any_order(schema: str) -> Reader:
    return cfgdecode(schema, "any")


@functools.cache
def reading_bytes(engine: str) -> tuple[Any, Any]:
    module = importlib.import_module(engine)
    if engine == "llguidance":
        return module.LLMatcher, module.LLTokenizer("byte")
    tokens = [*(bytes([i]) for i in range(256)), b"</s>"]
    vocabulary = module.TokenizerInfo(tokens, module.VocabType.RAW, stop_token_ids=[256])
    return module.GrammarMatcher, module.GrammarCompiler(vocabulary, max_threads=1, cache_enabled=False)


def llguidance(schema: str) -> Reader:
    make, vocabulary = reading_bytes("llguidance")
    matcher = make(vocabulary, make.grammar_from_json_schema(schema), log_level=0)
    assert not matcher.is_error(), matcher.get_error()

    def read(text: str) -> bool | None:
        matcher.reset()
        accepted = matcher.try_consume_tokens([*text.encode()]) == len(text.encode()) and matcher.is_accepting()
        return None if matcher.is_error() or "TooComplex" in matcher.stop_reason() else accepted

    return read


def xgrammar(schema: str) -> Reader:
    make, compiler = reading_bytes("xgrammar")
    matcher = make(compiler.compile_json_schema(schema, strict_mode=False))
    return lambda text: matcher.reset() or all(map(matcher.accept_token, [*text.encode(), 256]))


def attempt(function: Callable[[str], Any], text: str) -> tuple[Any, str]:
    try:
        return function(text), ""
    except BaseException as error:  # a panic in Rust is no Exception
        return None, f"{type(error).__name__}: {error}"[:160]


def judged(compiled: Callable[[str], Reader], case: Case) -> Case:
    started = time.process_time()
    read, reason = attempt(compiled, case.schema)
    ms = 1000 * (time.process_time() - started)
    if read:
        case.right = [attempt(read, text)[0] is want for text, want in zip(case.texts, case.valid, strict=True)]
    return replace(case, reason=reason, ms=ms, mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def run(compiled: Callable[[str], Reader], cases: list[Case]) -> list[Case]:
    out: list[Case] = []  # in a worker; one that is lost takes one case with it
    while len(out) < len(cases):
        with mp.get_context("spawn").Pool(1, resource.setrlimit, (resource.RLIMIT_DATA, (4 << 30, 4 << 30))) as pool:
            pool.apply(judged, (compiled, Case("{}", [], [], [])))  # loads the engine
            for case in cases[len(out) :]:
                try:
                    out.append(pool.apply_async(judged, (compiled, case)).get(LIMIT_S))
                except mp.TimeoutError:
                    out.append(case)
                    break
    return out


def share(hits: list[bool]) -> str:
    return f"{100 * sum(hits) / len(hits):.2f} %"


def row(name: str, real: list[Case], suites: list[list[Case]]) -> str:
    times, compiled = sorted(c.ms for c in real), [not c.reason for c in real]
    cells = [name, str(len(real)), share(compiled), share([not c.reason and all(c.right) for c in real])]
    for want in (True, False):
        hits = [r for c in real for r, v in zip(c.right, c.valid, strict=True) if v is want and r is not None]
        cells.append(f"{share(hits)} of {len(hits):,}")
    quantiles = (f"{times[int(q * (len(times) - 1))]:,.1f}" for q in (0.5, 0.99, 1))
    cells += [*quantiles, f"{max(c.mb for c in real):,.0f}", str([c.reason for c in real].count("lost"))]
    tests = [[right for c in suite for right in c.right] for suite in suites]
    cells += [" / ".join(share([r is kind for r in suite]) for kind in (True, False, None)) for suite in tests]
    return f"| {' | '.join(cells)} |"


def cases_of(tests: Any, file: str, ordered: bool = True) -> list[Case]:
    out = []
    for r in tests.rows(file):
        listed = [*r.get("tests", ()), *({"data": v, "valid": True} for v in r.get("valid", ()))]
        listed += [{"data": v["data"], "valid": False} for v in r.get("invalid", ())]
        schema, valid = r["schema"], [one["valid"] for one in listed]
        values = [tests.in_schema_order(schema, v["data"], schema) if ordered else v["data"] for v in listed]
        texts = [json.dumps(value, ensure_ascii=False) for value in values]
        out.append(Case(json.dumps(schema), texts, valid, [None] * len(texts)))
    return out


def main() -> None:
    tests = importlib.import_module("test_json_schema")
    ordered, as_it_stands = ([cases_of(tests, file, each) for file in FILES] for each in (True, False))
    rivals = f"llguidance {version('llguidance')}, xgrammar {version('xgrammar')}"
    print(f"# {__doc__}\n{time.strftime('%Y-%m-%d')}: cfgdecode {cd.__version__}, {rivals}.\n")
    print(f"| {HEAD} | draft 7 | 2020-12 |\n{'|---' * 13}|")
    for name, engine, cases in (
        ("cfgdecode", cfgdecode, ordered),
        ("cfgdecode, any order", any_order, as_it_stands),
        ("llguidance", llguidance, ordered),
        ("xgrammar", xgrammar, ordered),
    ):
        real, *suites = (run(engine, file) for file in cases)
        print(row(name, real, suites), flush=True)


if __name__ == "__main__":
    main()
