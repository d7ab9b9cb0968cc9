"""The engine behind the interface of `check.py`: all that this folder knows of its API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cfgdecode as cd

from .brute import Language
from .cases import Case
from .check import Answer


@dataclass
class NativeEngine:
    """Compiles each grammar once; keeps the constraints of the latest grammar only."""

    shortest: str | None = "tokens"
    with_allowed: bool = True
    limits: cd.Limits = field(default_factory=cd.Limits)
    _language: Language | None = None
    _grammar: Any = None
    _constraints: dict[Any, Any] = field(default_factory=dict)

    def constraint(self, case: Case) -> Any:
        if self._language is not case.language:
            self._language, self._constraints = case.language, {}
            self._grammar = cd.Grammar.from_ir(case.ir)
        key = case.tokens, case.eos, case.pad, case.mask, case.policy
        if key not in self._constraints:
            vocabulary = cd.Vocabulary.from_tokens(list(case.tokens), eos=list(case.eos), pad=case.pad, mask=case.mask)
            self._constraints[key] = cd.compile(self._grammar, vocabulary, limits=self.limits, eos_policy=case.policy)
        return self._constraints[key]

    def canvas(self, case: Case) -> Any:
        ids = [0 if cell is None else cell for cell in case.cells]
        gaps = {"gaps": dict(case.gaps)} if case.gaps else {}
        return self.constraint(case).canvas(ids, open=[cell is None for cell in case.cells], **gaps)

    def answer(self, case: Case) -> Answer:
        canvas = self.canvas(case)
        verdict = canvas.verdict()
        completable = None if verdict == cd.Verdict.UNDECIDED else verdict == cd.Verdict.COMPLETABLE
        allowed = None
        if self.with_allowed:
            cells = zip(case.positions, case.interval_cells, strict=True)
            positions = [p for p, cell in cells if cell is None or (isinstance(cell, tuple) and cell[1] > 0)]
            allowed = {p: {int(token) for token in canvas.allowed(p).ids()} for p in positions}
            if canvas.open_positions and not case.gaps:
                table = canvas.allowed_all()
                rows = {int(p): {int(t) for t in table.row(k).ids()} for k, p in enumerate(table.positions)}
                allowed |= {p: rows[p] for p in positions if rows[p] != allowed[p]}
        witness, completion = canvas.witness(), canvas.complete()
        if completable and (witness is None or completion is None):
            return Answer(None, allowed)
        return Answer(
            completable,
            allowed,
            None if witness is None else [int(token) for token in witness],
            None if completion is None else [int(token) for token in completion],
        )
