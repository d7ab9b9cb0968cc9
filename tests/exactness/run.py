"""Millions of random canvases against brute force: `cd tests; python -m exactness.run --cases 1000000 --seed 0`.

Prints progress and, at the end, how many cases were completable and how many had an allowed set that is neither empty
nor everything; a failing case is made smaller and printed as Python. Exit status 1 if there was one.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter

from cfgdecode import Limits
from cfgdecode.errors import UnsupportedGrammarError

from .cases import Case, cases
from .check import Engine, ReferenceEngine, Solution, check_case, shrink, solution_of


class Tally:
    """Counts of what the cases were like."""

    def __init__(self) -> None:
        self.cases = self.completable = self.telling = self.failures = self.skipped = 0
        self.refused: Counter[str] = Counter()
        self.began = time.perf_counter()

    def add(self, case: Case, solution: Solution) -> None:
        n_choices = sum(piece is not None for piece in case.tokens)
        self.cases += 1
        self.completable += solution.completable
        self.telling += any(0 < len(tokens) < n_choices for tokens in solution.allowed.values())

    def __str__(self) -> str:
        n, seconds = max(1, self.cases), time.perf_counter() - self.began
        return (
            f"{self.cases} cases, {self.completable / n:.1%} completable, {self.telling / n:.1%} with a telling "
            f"allowed set, {self.failures} failures, {self.skipped} skipped, {self.refused.total()} refused, "
            f"{n / seconds:.0f} cases/s"
        )


def run(engine: Engine, seed: int, n: int, *, first_group: int = 0, most_failures: int = 5, every: int = 0) -> Tally:
    """Check n cases; print each failure, and progress `every` so many cases."""
    tally = Tally()
    for case in cases(seed, n, first_group):
        solution = solution_of(case)
        if isinstance(engine, ReferenceEngine) and solution.n_fillings > 300:
            tally.skipped += 1
            continue
        try:
            problems = check_case(case, engine, solution)
        except UnsupportedGrammarError as error:
            tally.refused[f"{case.lexer}: {re.sub(r'^terminal .*? (uses|contains)', 'a terminal', str(error))}"] += 1
            continue
        tally.add(case, solution)
        if problems:
            tally.failures += 1
            small = shrink(case, engine)
            print(
                f"\n{case.name}: {'; '.join(problems)}\nmade smaller: {'; '.join(check_case(small, engine))}\n{small}"
            )
            if tally.failures >= most_failures:
                break
        if every and tally.cases % every == 0:
            print(tally, flush=True)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first-group", type=int, default=0, help="the grammar to begin with")
    parser.add_argument("--engine", choices=("native", "reference", "brute"), default="native")
    parser.add_argument("--most-failures", type=int, default=5)
    parser.add_argument("--exact-cells", type=int, default=8, help="0: sketches before the exact view")
    parser.add_argument("--origins", type=int, default=16, help="origins that sketches keep")
    parser.add_argument("--every", type=int, default=10_000)
    options = parser.parse_args()
    if options.engine == "brute":
        tally = Tally()
        for case in cases(options.seed, options.cases, options.first_group):
            tally.add(case, solution_of(case))
        print(tally)
        return
    if options.engine == "native":
        from .native import NativeEngine

        engine: Engine = NativeEngine(limits=Limits(exact_cells=options.exact_cells, origins=options.origins))
    else:
        engine = ReferenceEngine()
    tally = run(
        engine, options.seed, options.cases,
        first_group=options.first_group, most_failures=options.most_failures, every=options.every,
    )  # fmt: skip
    print(tally)
    for reason, count in tally.refused.most_common():
        print(f"refused {count}: {reason}")
    raise SystemExit(tally.failures > 0)


if __name__ == "__main__":
    main()
