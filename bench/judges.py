"""Built-in grammars beside the programs that read the same languages: SMILES, C++, SQL, JSON, on the same texts.

    python bench/judges.py [--only smiles] [--mutants 2000] [--show 3]

Judges: RDKit (`MolFromSmiles` without sanitizing: form, not chemistry), partialsmiles (its syntax errors alone; also
for prefixes, against a text with a gap at the end), `g++ -std=c++20 -fsyntax-only`, SQLite (`EXPLAIN` on an empty
database: its syntax errors alone) and `json.loads`. A judge that is not installed is left out, with a line on stderr.
Texts: real ones, broken ones, and *mutants*: one lexeme of a real text deleted, doubled, exchanged with its neighbour,
or replaced by one of another text (fixed seed). "No verdict": g++ refuses, but none of its messages is its parser's:
names and types, which the grammar does not know. "Only the grammar": accepted by it, refused by the judge; below the
table the reasons, most frequent first, with `--show` examples each. ms: median wall time per text of the judge (for g++
a process) and of the grammar.
"""

from __future__ import annotations

import json
import logging
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import record

import cfgdecode as cd
from cfgdecode.lexemes import scanner

Judge = Callable[[str], str | None]  # why the text is refused; None if its form is right
NO_VERDICT = ""
T = TypeVar("T")
SNIPPETS = record.ROOT / "tests" / "cpp"
COLUMNS = ["grammar", "texts", "judge", "n", "both accept", "both refuse", "only the grammar", "only the judge"]
COLUMNS += ["no verdict", "ms judge", "ms grammar"]


def rdkit() -> Judge:
    from rdkit import Chem, rdBase

    rdBase.LogToPythonLogger()
    log = logging.getLogger("rdkit")
    said: list[str] = []
    log.handlers, log.propagate = [logging.NullHandler()], False
    log.addFilter(lambda record: bool(said.append(record.getMessage())))

    def judge(text: str) -> str | None:
        said.clear()
        if Chem.MolFromSmiles(text, sanitize=False) is not None:
            return None
        message = re.search(r"Error: (.*?)(?: while parsing| for input|$)", said[0] if said else "")
        return message.group(1) if message else "no molecule"

    return judge


def partialsmiles(partial: bool = False) -> Judge:
    import partialsmiles as ps

    def judge(text: str) -> str | None:
        try:
            ps.ParseSmiles(text, partial=partial)
        except ps.SMILESSyntaxError as error:
            return str(error).split("\n")[0]
        except (ps.ValenceError, ps.KekulizationFailure):
            return None  # chemistry
        return None

    return judge


def gcc() -> Judge:
    compiler = shutil.which("g++")
    if compiler is None:
        raise ModuleNotFoundError("No program named 'g++'")
    command = [compiler, "-std=c++20", "-fsyntax-only", "-w", "-x", "c++", "-"]
    # what the parser of g++ says; its other errors are about names and types
    form = re.compile(r"expected |stray |missing terminating|unterminated|before .* token")

    def judge(text: str) -> str | None:
        run = subprocess.run(command, input=text, text=True, capture_output=True)
        if run.returncode == 0:
            return None
        errors = re.findall(r" error: (.*)", run.stderr)
        return next(filter(form.search, errors), NO_VERDICT)

    return judge


def sqlite() -> Judge:
    connection = sqlite3.connect(":memory:")
    form = re.compile(r"syntax error|incomplete input|unrecognized token|one statement at a time")

    def judge(text: str) -> str | None:
        try:
            connection.execute(f"EXPLAIN {text}")
        except (sqlite3.Error, sqlite3.Warning) as error:
            return str(error) if form.search(str(error)) else None
        return None

    return judge


def python_json() -> Judge:
    def no_constant(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    def judge(text: str) -> str | None:
        try:
            json.loads(text, parse_constant=no_constant)
        except ValueError as error:
            return str(error).split(":")[0]
        return None

    return judge


JUDGES: dict[str, list[tuple[str, Callable[[], Judge]]]] = {
    "smiles": [("RDKit", rdkit), ("partialsmiles", partialsmiles)],
    "smiles prefixes": [("partialsmiles", lambda: partialsmiles(partial=True))],
    "cpp": [("g++", gcc)],
    "sql": [("SQLite", sqlite)],
    "json": [("json.loads", python_json)],
}


def rows(name: str, field: str, **wanted: str) -> list[str]:
    path = record.TRACES.parent / f"{name}.jsonl"
    if not path.is_file():
        raise SystemExit(f"{path} is not there; set CFGDECODE_DATA to the folder with the test collections")
    read = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    return [row[field] for row in read if field in row and all(row[key] == wanted[key] for key in wanted)]


def mutants(grammar: cd.Grammar, texts: Sequence[str], n: int, glue: str) -> list[str]:
    """`n` different texts, each one lexeme away from one of `texts`; `glue` keeps lexemes apart."""
    draw, scan = random.Random(0), scanner(grammar).scan
    cut = [(text, [x for x in scan(text)[0] if not x.ignored]) for text in texts]
    pieces = sorted({text[x.start : x.end] for text, lexemes in cut for x in lexemes})
    found: dict[str, None] = {}
    while len(found) < n:
        text, lexemes = draw.choice(cut)
        at = draw.randrange(len(lexemes))
        here, after = lexemes[at], lexemes[min(at + 1, len(lexemes) - 1)]
        lexeme, neighbour = text[here.start : here.end], text[after.start : after.end]
        new = draw.choice([[], [lexeme] * 2, [neighbour, lexeme], [draw.choice(pieces)]])
        end = after.end if new == [neighbour, lexeme] else here.end
        mutant = glue.join([text[: here.start], *new, text[end:]])
        if mutant != text:
            found[mutant] = None
    return list(found)


def collections(name: str, n: int) -> dict[str, list[str]]:
    grammar = cd.Grammar.builtin(name.split()[0])
    if name.startswith("smiles"):
        valid, broken = rows("smiles_valid", "smiles"), rows("smiles_broken", "smiles")
        mixed = mutants(grammar, valid, n, "")
        if name == "smiles":
            suite = rows("smiles_partialsmiles_suite", "smiles")
            return {"real molecules": valid, "broken": broken, "suite of partialsmiles": suite, "mutants": mixed}
        draw = random.Random(1)
        cut = [text[: draw.randint(1, len(text))] for text in [*draw.sample(valid, n // 2), *mixed] if text]
        return {"prefixes of molecules and mutants": cut}
    if name == "cpp":
        kinds = ("accepted", "refused", "wrongly_accepted", "wrongly_refused")
        snippets = {kind: (SNIPPETS / f"{kind}.txt").read_text(encoding="utf-8").split("%%\n") for kind in kinds}
        return {
            "snippets of rare forms": snippets["accepted"] + snippets["wrongly_refused"],
            "snippets of slips": snippets["refused"] + snippets["wrongly_accepted"],
            "mutants of snippets": mutants(grammar, snippets["accepted"], n, " "),
        }
    if name == "sql":
        gold, drawn = rows("spider_sql", "sql", kind="gold"), rows("spider_sql", "sql", kind="model prediction")
        gold, drawn = sorted(set(gold)), sorted(set(drawn))
        return {"gold queries": gold, "predicted queries": drawn, "mutants": mutants(grammar, gold, n, " ")}
    suite = [text for text in rows("json_test_suite", "text") if len(text) < 10_000]
    valid = [text for text in suite if grammar.accepts(text) and text.strip()]
    return {"JSONTestSuite": suite, "mutants": mutants(grammar, valid, n, " ")}


def reader(name: str) -> Callable[[str], bool]:
    """Whether the grammar accepts a text; for prefixes, whether some text begins so."""
    grammar = cd.Grammar.builtin(name.split()[0])
    gap = [cd.GAP] if name.endswith("prefixes") else []

    def reads(text: str) -> bool:
        verdict = grammar.is_completable([text, *gap])
        if verdict is cd.Verdict.UNDECIDED:
            raise SystemExit(f"{name}: the engine left a text undecided: {text}")
        return verdict is cd.Verdict.COMPLETABLE

    return reads


def timed_all(judge: Callable[[str], T], texts: Iterable[str]) -> tuple[list[T], float]:
    answers, times = [], []
    for text in texts:
        began = time.perf_counter()
        answers.append(judge(text))
        times.append(1e3 * (time.perf_counter() - began))
    return answers, statistics.median(times)


def shortest(texts: list[str], n: int) -> str:
    return ", ".join(f"`{text.strip()[:90]}`" for text in sorted(texts, key=len)[:n])


def main() -> None:
    options = (
        ("--only", {"default": "", "help": "part of a grammar's name"}),
        ("--mutants", {"type": int, "default": 2000, "help": "mutants per grammar"}),
        ("--show", {"type": int, "default": 3, "help": "examples per reason"}),
    )
    given = record.arguments(__doc__ or "", *options)
    table = record.Table("judges", COLUMNS, given)
    reasons: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name, judges in JUDGES.items():
        if given.only not in name:
            continue
        built = []
        for title, make in judges:
            try:
                built.append((title, make()))
            except ModuleNotFoundError as error:
                print(f"{title} is left out: {error}", file=sys.stderr)
        for kind, texts in collections(name, given.mutants).items() if built else ():
            accepted, ms_grammar = timed_all(reader(name), texts)
            for title, judge in built:
                said, ms_judge = timed_all(judge, texts)
                pairs = [(mine, why is None) for mine, why in zip(accepted, said, strict=True) if why != NO_VERDICT]
                counts = [pairs.count(pair) for pair in ((True, True), (False, False), (True, False), (False, True))]
                counts.append(len(texts) - len(pairs))
                row = [name, kind, title, len(texts), *counts, ms_judge, ms_grammar]
                table.add(dict(zip(COLUMNS, row, strict=True)))
                for text, mine, why in zip(texts, accepted, said, strict=True):
                    if why != NO_VERDICT and mine is not (why is None):
                        reason = re.sub(r"[‘'].*?[’']|(?<![%(])\d+", "…", why) if why else "the judge accepts"
                        reasons[name, title, reason].append(text)
    print()
    for (name, title, said), texts in sorted(reasons.items(), key=lambda item: (item[0][:2], -len(item[1]))):
        print(f"- {name}, {title}, {said}: {len(texts)}; {shortest(texts, given.show)}")


if __name__ == "__main__":
    main()
