"""One case, two answers: an engine against brute force; and the way from a failing case to a small one.

What: `check_case(case, engine)` lists what is wrong, in words; `shrink(case, engine)` looks for a smaller case that
is wrong as well. This file and `native.py` are all that knows the engine's interface.
Compared: verdict; the allowed set of every open cell (of an interval gap: of its first cell); the witness and the
completion (they must fit the canvas, keep the EOS policy and be in the language); that the completion is a shortest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from cfgdecode import reference
from cfgdecode.errors import CfgDecodeError, UnsupportedGrammarError

from .brute import Language, Solution, solve
from .cases import Case, make_case


@dataclass
class Answer:
    """What an engine says; `None` fields were not asked for."""

    completable: bool | None  # None = undecided
    allowed: dict[int, set[int]] | None = None  # by position in `case.cells`
    witness: list[int] | None = None
    completion: list[int] | None = None


class Engine(Protocol):
    shortest: str | None
    """What `completion` has fewest of: "bytes" of text, "tokens" in all, or None for no promise."""

    def answer(self, case: Case) -> Answer: ...


@dataclass
class ReferenceEngine:
    """`cfgdecode.reference` behind the engine's interface: the stand-in while there is no engine, and its check."""

    shortest: str | None = "tokens"
    most_fillings: int = 20_000
    _references: dict[int, tuple[Language, reference.Reference]] = field(default_factory=dict)

    def answer(self, case: Case) -> Answer:
        _, oracle = self._references.setdefault(id(case.language), (case.language, reference.Reference(case.ir)))
        cells = case.interval_cells
        fillings = list(reference.completions(oracle, case, cells, case.policy))
        allowed = {
            position: {filling[i][0] for filling in fillings if filling[i]}
            for i, (cell, position) in enumerate(zip(cells, case.positions, strict=True))
            if not isinstance(cell, int)
        }
        best = reference.shortest(oracle, case, cells, case.policy)
        witness = [token for part in fillings[0] for token in part] if fillings else None
        return Answer(bool(fillings), allowed, witness, list(best) if best is not None else None)


def check_case(case: Case, engine: Engine, solution: Solution | None = None) -> list[str]:
    """What the engine gets wrong; empty if nothing.

    Raises UnsupportedGrammarError where the engine refuses the grammar: that is no wrong answer, but it is counted.
    """
    want = solution or solution_of(case)
    try:
        have = engine.answer(case)
    except UnsupportedGrammarError:
        raise
    except Exception as error:  # whatever it is, it is a finding
        return [f"raised {type(error).__name__}: {error}"]
    if have.completable is None:
        return [f"undecided, brute force says {_verdict(want.completable)}"]
    if have.completable != want.completable:
        return [f"verdict {_verdict(have.completable)}, brute force says {_verdict(want.completable)}"]
    problems = []
    if have.allowed is not None:
        positions = case.positions
        for i, tokens in want.allowed.items():
            got = have.allowed.get(positions[i])
            if got != tokens:
                missing, extra = tokens - (got or set()), (got or set()) - tokens
                problems.append(f"allowed({positions[i]}): missing {sorted(missing)}, wrong {sorted(extra)}")
    for name, ids in (("witness", have.witness), ("completion", have.completion)):
        if ids is not None and (complaint := _wrong_filling(case, ids)):
            problems.append(f"{name} {ids} {complaint}")
        if ids is not None and not want.completable:
            problems.append(f"{name} {ids} of a dead canvas")
    if want.completable and have.completion is not None and engine.shortest and not problems:
        text = reference.text_of(have.completion, case, case.policy) or b""
        size = len(text) if engine.shortest == "bytes" else len(have.completion)
        best = want.shortest_text if engine.shortest == "bytes" else want.fewest_tokens
        if size != best:
            problems.append(f"completion {have.completion} has {size} {engine.shortest}, the shortest has {best}")
    return problems


def solution_of(case: Case) -> Solution:
    """Brute force's answer."""
    return solve(case.language, case.tokens, case.eos, case.pad, case.interval_cells, case.policy, case.mask)


def _verdict(completable: bool) -> str:
    return "COMPLETABLE" if completable else "DEAD"


def _wrong_filling(case: Case, ids: Sequence[int]) -> str | None:
    if not _fits(case.interval_cells, list(ids)):
        return "does not fit the canvas"
    text = reference.text_of(ids, case, case.policy)
    if text is None:
        return "breaks the EOS policy or uses a special token"
    if not case.language.accepts(text):
        return f"spells {text!r}, which is not in the language"
    return None


def _fits(cells: Sequence[reference.Cell], ids: list[int]) -> bool:
    if not cells:
        return not ids
    first, *rest = cells
    if isinstance(first, tuple):
        return any(_fits(rest, ids[length:]) for length in range(first[0], first[1] + 1) if length <= len(ids))
    return bool(ids) and (first is None or first == ids[0]) and _fits(rest, ids[1:])


# --- smaller cases -----------------------------------------------------------------------------------


def shrink(case: Case, engine: Engine, most_steps: int = 2_000) -> Case:
    """A case that is still wrong and from which no single step of `_smaller` leads on to another one."""
    steps = 0
    moved = True
    while moved and steps < most_steps:
        moved = False
        for candidate in _smaller(case):
            steps += 1
            try:
                still_wrong = check_case(candidate, engine)
            except UnsupportedGrammarError:
                continue
            if still_wrong:
                case, moved = candidate, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    name = case.name.removesuffix(", made smaller") + ", made smaller"
    if case.gaps:
        yield replace(case, name=name, gaps=())
    if not case.gaps:
        for i in range(len(case.cells)):
            yield replace(case, name=name, cells=case.cells[:i] + case.cells[i + 1 :])
    if case.policy != "none":
        yield replace(case, name=name, policy="none")
    for i, piece in enumerate(case.tokens):
        if piece is not None and i not in case.cells:
            yield replace(case, name=name, tokens=(*case.tokens[:i], None, *case.tokens[i + 1 :]))
    if not case.lark_text:
        for i in range(len(case.ir.rules)):
            fewer = replace(case.ir, rules=case.ir.rules[:i] + case.ir.rules[i + 1 :])
            yield replace(case, name=name, language=Language(fewer))
        return
    for text in _smaller_grammars(case.lark_text):
        try:
            yield replace(make_case(text, case.lexer, ()), **_question(case), name=name, lark_text=text)
        except CfgDecodeError:
            continue


def _question(case: Case) -> dict[str, object]:
    return {key: getattr(case, key) for key in ("tokens", "eos", "pad", "mask", "cells", "gaps", "policy")}


def _smaller_grammars(text: str) -> Iterator[str]:
    lines = text.splitlines()
    for i, line in enumerate(lines):
        yield "\n".join(lines[:i] + lines[i + 1 :]) + "\n"
        name, colon, body = line.partition(": ")
        if not colon or not name.islower():
            continue
        alternatives = body.split(" | ")
        for j, alternative in enumerate(alternatives):
            if len(alternatives) > 1:
                fewer = alternatives[:j] + alternatives[j + 1 :]
                yield "\n".join([*lines[:i], name + ": " + " | ".join(fewer), *lines[i + 1 :]]) + "\n"
            symbols = alternative.split(" ")
            for k in range(len(symbols)):
                shorter = [*alternatives[:j], " ".join(symbols[:k] + symbols[k + 1 :]), *alternatives[j + 1 :]]
                yield "\n".join([*lines[:i], name + ": " + " | ".join(shorter), *lines[i + 1 :]]) + "\n"
