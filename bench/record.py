"""What every benchmark here shares: arguments, real vocabularies and traces, one Markdown table, one JSONL file.

A row goes to stdout and to results/<bench>.jsonl as soon as it is measured, so that a run that is cut short leaves
what it had. Times are CPU times of this thread (`time.thread_time`), so other processes slow them less than wall time;
caches, memory bandwidth and clock are shared all the same: `load` in the JSONL is the load average at that moment.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import cfgdecode as cd  # noqa: E402

TRACES = Path(os.environ.get("CFGDECODE_DATA") or ROOT / "../shared/data") / "traces"


def arguments(doc: str, *more: tuple[str, dict[str, Any]]) -> argparse.Namespace:
    """--seconds, --vocabulary, --memory-gb and `more`; address space is bounded from here on."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="bound of the time per table row")
    parser.add_argument("--vocabulary", default="qwen", help="a name of tests/real_vocabularies.py, or 'bytes'")
    parser.add_argument("--memory-gb", type=float, default=12.0, help="bound of the address space")
    for name, options in more:
        parser.add_argument(name, **options)
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (int(given.memory_gb * 2**30), resource.RLIM_INFINITY))
    return given


def vocabulary_of(name: str) -> cd.Vocabulary:
    if name == "bytes":
        return cd.Vocabulary.bytes()
    vocabulary: cd.Vocabulary = importlib.import_module("real_vocabularies").real_vocabulary(name)
    return vocabulary


def limits_of(seconds: float) -> cd.Limits:
    """One call may take a quarter of the row's time."""
    return cd.Limits(time_us=int(seconds / 4 * 1e6))


def jsonl(name: str) -> list[dict[str, Any]]:
    path = TRACES / name
    if not path.exists():
        raise SystemExit(f"{path} is not there; set CFGDECODE_DATA to the folder that holds traces/")
    return [json.loads(line) for line in path.read_text().splitlines()]


def grammar_of(document: dict[str, Any]) -> cd.Grammar:
    """The grammar a trace is decoded under."""
    if document["kind"] == "cpp":
        return cd.Grammar.builtin("cpp")
    return cd.Grammar.from_json_schema(document["schema"])


def token_ids(vocabulary: cd.Vocabulary, tokens: Sequence[bytes]) -> list[int]:
    """The ids of byte strings; a string that is no token of this vocabulary is cut greedily."""
    by_bytes: dict[bytes, int] = vocabulary._cached("bench", lambda: _ids_by_bytes(vocabulary))
    ids: list[int] = []
    for token in tokens:
        while token:
            n = next(n for n in range(len(token), 0, -1) if token[:n] in by_bytes)
            ids.append(by_bytes[token[:n]])
            token = token[n:]
    return ids


def _ids_by_bytes(vocabulary: cd.Vocabulary) -> dict[bytes, int]:
    ids: dict[bytes, int] = {}
    for i, token in enumerate(vocabulary.tokens):
        if token:
            ids.setdefault(token, i)
    return ids


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """The answer and the milliseconds of CPU time it took."""
    start = time.thread_time()
    answer = call()
    return answer, (time.thread_time() - start) * 1e3


def quantiles(times: Sequence[float]) -> dict[str, float | None]:
    """p50, p90, p99, max and mean; None where nothing was timed."""
    if not times:
        return dict.fromkeys(("p50", "p90", "p99", "max", "mean"))
    p50, p90, p99 = np.percentile(times, [50, 90, 99]).tolist()
    return {"p50": p50, "p90": p90, "p99": p99, "max": max(times), "mean": float(np.mean(times))}


def resident_mb() -> float:
    """Memory of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def environment() -> dict[str, Any]:
    """Commit, machine, versions."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "cfgdecode"], capture_output=True, text=True).stdout
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "lark")}
    versions |= {"python": platform.python_version(), "cfgdecode": cd.__version__}
    return {"commit": commit + ("+changes" if changed else ""), "cpu": cpu, "cores": os.cpu_count()} | versions


class Table:
    """Rows of one benchmark: printed and recorded as they come."""

    def __init__(self, name: str, columns: Sequence[str], given: argparse.Namespace) -> None:
        self.name, self.columns = name, columns
        self.environment = environment() | {"arguments": vars(given)}
        print("| " + " | ".join(columns) + " |")
        print("|" + "|".join("---" for _ in columns) + "|", flush=True)

    def add(self, row: dict[str, Any]) -> None:
        print("| " + " | ".join(_shown(row.get(column)) for column in self.columns) + " |", flush=True)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        folder = ROOT / "bench" / "results"
        folder.mkdir(exist_ok=True)
        with (folder / f"{self.name}.jsonl").open("a") as out:
            out.write(json.dumps({"at": now, "load": os.getloadavg()[0], **row, **self.environment}) + "\n")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 1 else f"{value:,.2f}" if abs(value) < 10 else f"{value:,.0f}"
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
