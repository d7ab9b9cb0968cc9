"""`Canvas`: one sequence under decoding.

Shapes: ids int[n]; status int8[n]; bitmask int32[ceil(V/32)] with little-endian bits, 1 = allowed, V = the width
of the logits. *Cells* are positions of the canvas; a run of open cells is a gap of exactly as many tokens, or an
interval where `gaps` says so. A canvas is the only mutable object of the library. It may be used from any thread,
by one thread at a time; forks are independent.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from .constraint import POLICIES, bitmask_ids
from .errors import CanvasError, DeadCanvasError, LimitExceeded

if TYPE_CHECKING:
    from . import _native
    from .complete import Completion
    from .constraint import Constraint

OPEN, DRAFT, COMMITTED, FIXED = 0, 1, 2, 3
Interval: TypeAlias = tuple[int, int | None]
Proposal: TypeAlias = tuple[int, int, float]
Policy: TypeAlias = Literal["substitute", "defer", "strict"]

COMMIT_NODES = 48
"""Verdicts that one joint commit may spend on a set of larger weight than the greedy one."""

_OPEN, _OPTIONAL, _ANYTHING = -1, -2, -3


class Verdict(enum.Enum):
    """Can the canvas still become a text of the language? True in a boolean context only if it surely can."""

    DEAD = 0
    COMPLETABLE = 1
    UNDECIDED = 2

    def __bool__(self) -> bool:
        return self is Verdict.COMPLETABLE


@dataclass(frozen=True, slots=True)
class Stats:
    """What the canvas has cost so far: sets, items and states of the charts now, lexical tables, calls, microseconds.

    `us_by_stage` says where `us` went: repairing the latest witness in a window, looking for reasons why the canvas is
    dead, asking sketches of the whole canvas, asking the exact view, allowed sets, shortest fillings.
    """

    left_sets: int
    right_sets: int
    items: int
    states: int
    effects: int
    configs: int
    trie_nodes: int
    table_bytes: int
    calls: int
    us: int
    us_by_stage: dict[str, int]


_STAGES = ("repair", "dead", "sketch", "exact", "allowed", "shortest")


class AllowedTokens:
    """The tokens that may stand at one cell.

    `is_exact`: these are all of them. Where it is False (large vocabularies with several open cells) each token
    listed is allowed, but some allowed tokens may be missing; `Canvas.would_accept` decides single tokens.
    """

    __slots__ = ("_ids", "_mask", "_vocabulary", "is_exact")

    def __init__(self, mask: npt.NDArray[np.int32], vocabulary: Any, is_exact: bool = True) -> None:
        self._mask, self._vocabulary, self.is_exact = mask, vocabulary, is_exact
        self._ids: npt.NDArray[np.int32] | None = None

    def bitmask(self) -> npt.NDArray[np.int32]:
        """int32[ceil(V/32)]; read-only."""
        return self._mask

    def ids(self) -> npt.NDArray[np.int32]:
        """int32[k], ascending."""
        if self._ids is None:
            self._ids = bitmask_ids(self._mask)
        return self._ids

    def bytes(self) -> set[bytes]:
        """The byte strings of the allowed tokens; EOS and other tokens without bytes are left out."""
        texts = (self._vocabulary.token_bytes(int(i)) for i in self.ids() if i < len(self._vocabulary))
        return {text for text in texts if text is not None}

    def __len__(self) -> int:
        return len(self.ids())

    def __iter__(self) -> Iterator[int]:
        return iter(self.ids().tolist())

    def __contains__(self, token: object) -> bool:
        if not isinstance(token, (int, np.integer)) or not 0 <= token < 32 * len(self._mask):
            return False
        return bool(int(self._mask[token >> 5]) >> (int(token) & 31) & 1)

    def __eq__(self, other: object) -> bool:
        return np.array_equal(self._mask, other._mask) if isinstance(other, AllowedTokens) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(self._vocabulary.show(int(i)) for i in self.ids()[:8] if i < len(self._vocabulary))
        return f"AllowedTokens({len(self)}: {shown}{', ...' if len(self) > 8 else ''})"


@dataclass(frozen=True, slots=True)
class AllowedTable:
    """Allowed sets of all open cells; cells with equal sets share a row.

    positions: int64[n_open]; table: int32[U, ceil(V/32)]; row_of: int32[n_open] into `table`; exact: bool[n_open],
    whether the set is known to be complete.
    """

    positions: npt.NDArray[np.int64]
    table: npt.NDArray[np.int32]
    row_of: npt.NDArray[np.int32]
    exact: npt.NDArray[np.bool_]
    vocabulary: Any = field(repr=False)

    def row(self, i: int) -> AllowedTokens:
        """The allowed tokens of the i-th open cell."""
        return AllowedTokens(self.table[self.row_of[i]], self.vocabulary, bool(self.exact[i]))

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What became of the proposals of one commit; the canvas is completable afterwards."""

    kept: list[tuple[int, int]] = field(default_factory=list)
    substituted: list[tuple[int, int, int]] = field(default_factory=list)
    deferred: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a canvas is dead or a token is not allowed.

    span: the smallest run of cells (first, last + 1) that conflicts whatever stands elsewhere; text: those cells;
    expected: what could have stood at the first cell that goes wrong, in words of the grammar.
    """

    message: str
    span: tuple[int, int] | None = None
    found: str = ""
    expected: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.message


class Canvas:
    """One sequence under decoding; made by `Constraint.canvas`."""

    __slots__ = ("_ids", "_intervals", "_native", "_status", "constraint", "limit")

    def __init__(
        self,
        constraint: Constraint,
        ids: list[int],
        status: list[int],
        intervals: dict[int, tuple[int, int | None]],
        native: _native.Session | None = None,
        lane: int = 0,
    ) -> None:
        self.constraint = constraint
        self._ids, self._status, self._intervals = ids, status, intervals
        self.limit: str | None = None
        policy = POLICIES.index(constraint.eos_policy)
        self._native = native or constraint._native.session(self._codes()[0], policy, lane)

    # ---------------------------------------------------------------- making

    @classmethod
    def _create(cls, constraint: Constraint, ids: Any, open: Any, gaps: Any, status: Any, lane: int = 0) -> Canvas:
        values = _int_list(ids, "ids")
        n = len(values)
        is_open = _open_list(open, values, constraint)
        if len(is_open) != n:
            raise CanvasError(f"open has {len(is_open)} entries, ids has {n}; give one per cell")
        width = constraint.vocabulary.n_logits
        for i, (token, o) in enumerate(zip(values, is_open, strict=True)):
            if not o and not 0 <= token < width:
                raise CanvasError(
                    f"ids[{i}] is {token}, outside 0..{width - 1}; mark the cell as open or correct the id"
                )
        states = [OPEN if o else FIXED for o in is_open]
        if status is not None:
            given = _int_list(status, "status")
            if len(given) != n or any(s not in (OPEN, DRAFT, COMMITTED, FIXED) for s in given):
                raise CanvasError(f"status must hold {n} values of 0 (open) to 3 (fixed)")
            states = [OPEN if o else max(s, DRAFT) for o, s in zip(is_open, given, strict=True)]
        if lane < 0:
            raise CanvasError(f"lane is {lane}; give 0 or more")
        return cls(constraint, values, states, _intervals(gaps, is_open), lane=lane)

    def fork(self) -> Canvas:
        """An independent copy that shares what has been computed."""
        return Canvas(self.constraint, list(self._ids), list(self._status), dict(self._intervals), self._native.fork())

    # ---------------------------------------------------------------- looking

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> list[int | None]:
        """The tokens; None at open cells."""
        return [None if s == OPEN else t for t, s in zip(self._ids, self._status, strict=True)]

    @property
    def status(self) -> npt.NDArray[np.int8]:
        """int8[n]: OPEN, DRAFT, COMMITTED or FIXED."""
        return np.array(self._status, dtype=np.int8)

    @property
    def open_positions(self) -> list[int]:
        return [i for i, s in enumerate(self._status) if s == OPEN]

    @property
    def stats(self) -> Stats:
        numbers = self._native.stats()
        counts, by_stage = numbers[: -len(_STAGES)], numbers[-len(_STAGES) :]
        names = (field.name for field in fields(Stats))
        return Stats(us_by_stage=dict(zip(_STAGES, by_stage, strict=True)), **dict(zip(names, counts, strict=False)))

    def text(self) -> bytes:
        """The bytes before the first EOS of a canvas without open cells."""
        if OPEN in self._status:
            raise CanvasError(f"cell {self._status.index(OPEN)} is open; complete the canvas first")
        return self._text_of(self._ids)

    def _text_of(self, ids: Sequence[int]) -> bytes:
        vocabulary, out = self.constraint.vocabulary, bytearray()
        for token in ids:
            if token in vocabulary.eos and self.constraint.eos_policy != "none":
                break
            out += (vocabulary.token_bytes(token) if token < len(vocabulary) else None) or b""
        return bytes(out)

    def verdict(self) -> Verdict:
        """Whether the canvas can still be completed; `limit` names what was reached if that is undecided."""
        code, self.limit = self._native.verdict()
        return Verdict(code)

    def is_completable(self) -> bool:
        """`verdict() is Verdict.COMPLETABLE`."""
        return self.verdict() is Verdict.COMPLETABLE

    def witness(self) -> list[int] | None:
        """Some filling of the whole canvas as token ids (cells of an interval may hold more or fewer), or None."""
        filling = self._filling()
        return None if filling is None else [t for tokens in filling for t in tokens]

    def _filling(self) -> list[list[int]] | None:
        """The same by slot."""
        return self._native.witness()

    def allowed(self, position: int, *, exact: bool = False) -> AllowedTokens:
        """The tokens t such that the canvas with t at `position` is completable; see `AllowedTokens.is_exact`.

        Each token of the set is allowed; on long canvases some rare ones may be missing, and the set says so. With
        `exact` none is: what stays undecided is asked of the view that leaves nothing out, which can take seconds.

        Raises:
            CanvasError: the cell is not open. LimitExceeded: it could not be decided within the limits whether the
                canvas can be completed, or, with `exact`, which tokens are allowed. Without it, a limit that is reached
                later ends the search: the set is not exact.
        """
        slot = self._open_slot(position)
        raw, is_exact = self._native.allowed(slot, exact)
        mask = np.frombuffer(raw, dtype="<i4").astype(np.int32, copy=False)
        return AllowedTokens(mask, self.constraint.vocabulary, is_exact)

    def allowed_all(self, *, exact: bool = False) -> AllowedTable:
        """The allowed sets of all open cells; `exact` as in `allowed`.

        Raises:
            LimitExceeded: a limit was reached, be it in one set.
        """
        width = -(-self.constraint.vocabulary.n_logits // 32)
        if not self._intervals and not exact:
            positions, row_of, are_exact, raw = self._native.allowed_all()
            table = np.frombuffer(raw, dtype="<i4").astype(np.int32, copy=False).reshape(-1, width)
            return self._table(positions, table, row_of, are_exact)
        positions = self.open_positions
        rows: dict[bytes, int] = {}
        row_of, are_exact = [], []
        for position in positions:
            raw, is_exact = self._native.allowed(self._open_slot(position), exact)
            row_of.append(rows.setdefault(raw, len(rows)))
            are_exact.append(is_exact)
        table = np.frombuffer(b"".join(rows), dtype="<i4").reshape(-1, width)
        return self._table(positions, table, row_of, are_exact)

    def _table(
        self, positions: list[int], table: npt.NDArray[np.int32], row_of: list[int], exact: list[bool]
    ) -> AllowedTable:
        return AllowedTable(
            np.array(positions, dtype=np.int64),
            table,
            np.array(row_of, dtype=np.int32),
            np.array(exact, dtype=np.bool_),
            self.constraint.vocabulary,
        )

    def would_accept(self, position: int, token: int) -> Verdict:
        """The verdict if `token` stood at `position`; the canvas stays as it is."""
        trial = self.fork()
        trial._put(position, token, COMMITTED)
        return trial.verdict()

    # ---------------------------------------------------------------- deciding

    def commit_one(self, position: int, token: int) -> bool:
        """Put `token` at `position` if the canvas stays completable; answers whether it was put."""
        self._check_position(position)
        if self._status[position] == FIXED:
            raise CanvasError(f"cell {position} is fixed; only open, draft and committed cells can be decided")
        saved = list(self._ids), list(self._status), dict(self._intervals)
        if token == self.constraint.vocabulary.mask:
            return False
        self._put(position, token, COMMITTED)
        if self.verdict() is Verdict.COMPLETABLE:
            return True
        self._ids, self._status, self._intervals = saved
        self._refresh()
        return False

    def commit(
        self,
        proposals: Iterable[Proposal],
        policy: Policy = "substitute",
        scores: npt.NDArray[np.floating[Any]] | None = None,
    ) -> CommitResult:
        """Decide several cells together, so that the canvas stays completable.

        Of the proposals `(position, token, score)` a set is kept that fits together. It is first looked for in order of
        falling score; if that leaves some out, a set of larger weight is looked for by branch and bound, up to
        `COMMIT_NODES` verdicts (with up to as many the weight is a maximum). The weight of a proposal is its score, or
        the exponential of it where some score is negative (log-probabilities).

        A proposal that is not kept is, by `policy`: "substitute": replaced by the best allowed token (by
        `scores: float[n_open, V]`, one row per open cell in order, else the witness's token); "defer": left open;
        "strict": an error. At least one proposed cell is decided unless the list is empty.

        Raises:
            DeadCanvasError: the canvas was dead before, or a proposal does not fit and policy is "strict".
        """
        ordered = sorted(proposals, key=lambda p: (-p[2], p[0]))
        row_of = {position: row for row, position in enumerate(self.open_positions)}
        result = CommitResult()
        refused: list[tuple[int, int]] = []
        if self.verdict() is Verdict.DEAD:
            raise DeadCanvasError(f"the canvas is dead before the commit: {self.explain()}")
        before = list(self._ids), list(self._status)
        kept = self._keep_in_order(ordered)
        if policy == "strict" and len(kept) < len(ordered):
            position, token, _ = next(p for k, p in enumerate(ordered) if k not in kept)
            raise DeadCanvasError(str(self.explain(position, token)), position=position)
        if len(kept) < len(ordered):
            kept = self._keep_more(ordered, kept, before)
        for k, (position, token, _) in enumerate(ordered):
            (result.kept if k in kept else refused).append((position, token))
        for rank, (position, token) in enumerate(refused):
            last_chance = rank == 0 and not result.kept
            if policy == "defer" and not last_chance:
                result.deferred.append((position, token))
                continue
            row = None if scores is None or position not in row_of else scores[row_of[position]]
            substitute = self._best_allowed(position, row)
            self._put(position, substitute, COMMITTED)
            result.substituted.append((position, token, substitute))
        return result

    def _keep_in_order(self, ordered: Sequence[Proposal]) -> set[int]:
        """Puts each proposal that fits what was put before; answers which were put."""
        if self._keep_all(ordered):
            return set(range(len(ordered)))
        kept: set[int] = set()
        decided: set[int] = set()
        for k, (position, token, _) in enumerate(ordered):
            if position not in decided and self.commit_one(position, token):
                kept.add(k)
                decided.add(position)
        return kept

    def _keep_all(self, proposals: Sequence[Proposal]) -> bool:
        """Puts several proposals if one cheap look shows that all fit together; else the canvas stays as it is."""
        mask, positions = self.constraint.vocabulary.mask, {position for position, *_ in proposals}
        for position in positions:
            self._check_position(position)
        if self._intervals or len(positions) < 2 or len(positions) < len(proposals):
            return False
        if any(self._status[position] == FIXED or token == mask for position, token, _ in proposals):
            return False
        trial = self.fork()
        for position, token, _ in proposals:
            trial._put(position, token, COMMITTED)
        if not trial._native.repair_at_once():
            return False
        self._ids, self._status, self._native = trial._ids, trial._status, trial._native
        return True

    def _keep_more(self, ordered: Sequence[Proposal], kept: set[int], before: tuple[list[int], list[int]]) -> set[int]:
        """A set of proposals of larger weight than `kept`, if branch and bound finds one; the canvas then holds it.

        `before`: ids and status without the proposals.
        """
        scores = [score for *_, score in ordered]
        weights = np.exp(scores) if min(scores) < 0 else np.array(scores, dtype=float)
        start, best, most = self.fork(), kept, float(sum(weights[k] for k in kept))
        start._restore([ordered[k][0] for k in kept], before)
        # What does not fit alone is in no set, and is asked about once.
        refused = [k for k in range(len(ordered)) if k not in kept][:COMMIT_NODES]
        able = sorted(kept.union(k for k in refused if start._fits_together([ordered[k]])))
        nodes = COMMIT_NODES - len(refused)
        rest = np.concatenate([np.cumsum(weights[able][::-1])[::-1], [0.0]])
        agenda: list[tuple[int, frozenset[int], float]] = [(0, frozenset(), 0.0)]
        while agenda and nodes > 0:
            at, taken, weight = agenda.pop()
            if weight > most + 1e-12:
                best, most = set(taken), weight
            if at == len(able) or weight + rest[at] <= most + 1e-12:
                continue
            agenda.append((at + 1, taken, weight))
            k = able[at]
            if all(ordered[j][0] != ordered[k][0] for j in taken):
                nodes -= 1
                if start._fits_together([ordered[j] for j in sorted(taken)] + [ordered[k]]):
                    agenda.append((at + 1, taken | {k}, weight + float(weights[k])))
        if best is not kept:
            self._restore([ordered[k][0] for k in kept], before)
            for k in sorted(best):
                self._put(ordered[k][0], ordered[k][1], COMMITTED)
            self.verdict()
        return best

    def _restore(self, positions: Iterable[int], before: tuple[list[int], list[int]]) -> None:
        ids, status = before
        for position in positions:
            if status[position] == OPEN:
                self.reopen(position)
            else:
                self._put(position, ids[position], status[position])

    def _fits_together(self, proposals: Sequence[Proposal]) -> bool:
        """Whether all of these leave the canvas completable; it stays as it is."""
        mask = self.constraint.vocabulary.mask
        if any(token == mask for _, token, _ in proposals):
            return False
        trial = self.fork()
        for position, token, _ in proposals:
            trial._put(position, token, COMMITTED)
        return trial.is_completable()

    def _best_allowed(self, position: int, row: npt.NDArray[np.floating[Any]] | None) -> int:
        if self._status[position] != OPEN:
            self.reopen(position)
        filling = self._native.witness()
        has_token = filling is not None and len(filling) == len(self._ids) and bool(filling[position])
        try:
            ids = self.allowed(position).ids()
        except LimitExceeded:
            if not has_token:
                raise
            row = None
        else:
            if len(ids) == 0:
                raise DeadCanvasError(f"no token is allowed at cell {position}", position=position)
        if row is None:
            return int(filling[position][0]) if filling is not None and has_token else int(ids[0])
        return int(ids[int(np.argmax(np.nan_to_num(row[ids], nan=-np.inf)))])

    def _put(self, position: int, token: int, status: int) -> None:
        self._check_position(position)
        vocabulary = self.constraint.vocabulary
        if not 0 <= token < vocabulary.n_logits:
            raise CanvasError(f"token {token} is outside 0..{vocabulary.n_logits - 1}")
        if token == vocabulary.mask:
            raise CanvasError(f"token {token} is the mask id; reopen the cell instead of committing it")
        if self._intervals:
            self._split_interval(position)
        self._ids[position], self._status[position] = int(token), status
        if self._intervals:
            self._refresh()
        else:
            self._native.set(position, int(token))

    def reopen(self, position: int) -> None:
        """Make a cell open again."""
        self._check_position(position)
        self._status[position] = OPEN
        if self._intervals:
            self._refresh()
        else:
            self._native.set(position, _OPEN)

    def insert(self, position: int, n_open: int = 1) -> None:
        """Insert open cells before `position`."""
        if not 0 <= position <= len(self):
            raise CanvasError(f"position {position} is outside 0..{len(self)}")
        if n_open < 0:
            raise CanvasError(f"n_open is {n_open}; give 0 or more")
        self._ids[position:position] = [0] * n_open
        self._status[position:position] = [OPEN] * n_open
        self._intervals = {p + (n_open if p >= position else 0): v for p, v in self._intervals.items()}
        self._refresh()

    def delete(self, position: int, n_cells: int = 1) -> None:
        """Remove cells from `position` on."""
        self._check_position(position)
        if not 0 <= n_cells <= len(self) - position:
            raise CanvasError(f"n_cells is {n_cells}; there are {len(self) - position} cells from {position} on")
        end = position + n_cells
        del self._ids[position:end], self._status[position:end]
        moved = {p if p < position else max(p - n_cells, position): v for p, v in self._intervals.items()}
        self._intervals = {p: v for p, v in moved.items() if p < len(self) and self._status[p] == OPEN}
        self._refresh()

    def set(
        self,
        ids: Any,
        open: Any = None,
        status: Any = None,
        gaps: Mapping[int, tuple[int, int | None]] | None = None,
    ) -> None:
        """The canvas is now this (see `Constraint.canvas`): what changed against the present state is worked in."""
        other = Canvas._create(self.constraint, ids, open, gaps, status)
        self._ids, self._status, self._intervals = other._ids, other._status, other._intervals
        self._refresh()

    # ---------------------------------------------------------------- finishing

    def complete(
        self,
        scores: Any = None,
        positions: Iterable[int] | None = None,
    ) -> list[int] | None:
        """All token ids of a completed canvas, or None if it is dead. The canvas stays as it is.

        Without `scores`: a shortest filling (fewest tokens where cells are intervals). With `scores`
        (log-probabilities float[n_open, V], or sparse `(ids int[n_open, k], logp float[n_open, k])`): the filling of
        `most_probable`. `positions`: decide only these cells; the others stay open and are returned as -1.

        Raises:
            LimitExceeded: a limit was reached before the answer was known.
        """
        from .complete import complete

        return complete(self, scores, positions)

    def most_probable(self, scores: Any, *, nodes: int | None = None) -> Completion | None:
        """The filling with the highest sum of scores that is found; None if the canvas is dead.

        `scores` as for `complete`; in the sparse form a token that is not listed scores 20 less than the lowest listed.
        `Completion.is_optimal` says whether the search ended, so that no filling has a higher sum. Prefixes are
        followed from left to right, equal contexts as one (Viterbi); if that does not show what the best is, `nodes`
        verdicts are spent on branch and bound. Default: 64, and where no prefix reached the end four more for each
        open cell whose best token does not at once fit those of the others.

        Raises:
            CanvasError: not one row of scores for each open cell.
            LimitExceeded: a limit was reached before an allowed set was known.
        """
        from .complete import most_probable

        return most_probable(self, scores, nodes)

    def explain(self, position: int | None = None, token: int | None = None) -> Explanation:
        """Why `token` is not allowed at `position`, or why the canvas is dead."""
        from .explain import explain

        return explain(self, position, token)

    def __repr__(self) -> str:
        shown = "".join("?" if t is None else self.constraint.vocabulary.show(t) for t in self.ids[:40])
        return f"Canvas({len(self)} cells, {len(self.open_positions)} open: {shown}{'...' if len(self) > 40 else ''})"

    # ---------------------------------------------------------------- inner

    def _check_position(self, position: int) -> None:
        if not 0 <= position < len(self._ids):
            raise CanvasError(f"position {position} is outside 0..{len(self._ids) - 1}")

    def _codes(self) -> tuple[list[int], list[int]]:
        """Slot codes for the native session, and the first slot of each cell."""
        codes: list[int] = []
        first: list[int] = []
        i, n = 0, len(self._ids)
        while i < n:
            first.append(len(codes))
            if self._status[i] != OPEN:
                codes.append(self._ids[i])
            elif i not in self._intervals:
                codes.append(_OPEN)
            else:
                lo, hi = self._intervals[i]
                codes += [_OPEN] * lo + ([_ANYTHING] if hi is None else [_OPTIONAL] * (hi - lo))
                while i + 1 < n and self._status[i + 1] == OPEN and i + 1 not in self._intervals:
                    i += 1
                    first.append(first[-1])
            i += 1
        return codes, first

    def _refresh(self) -> None:
        codes, _ = self._codes()
        present = self._native.codes()
        if len(codes) != len(present):
            self._native.replace(codes)
            return
        for i, (new, old) in enumerate(zip(codes, present, strict=True)):
            if new != old:
                self._native.set(i, new)

    def _open_slot(self, position: int) -> int:
        self._check_position(position)
        if self._status[position] != OPEN:
            raise CanvasError(f"cell {position} is not open; reopen it or ask would_accept")
        if not self._intervals:
            return position
        self._refuse_later_cell(position)
        codes, first = self._codes()
        slot = first[position]
        if slot >= len(codes) or codes[slot] == _ANYTHING:
            raise CanvasError(f"cell {position} belongs to a gap of unbounded or no length; give it an upper bound")
        return slot

    def _split_interval(self, position: int) -> None:
        """A token put at the first cell of an interval takes one token off its bounds; what is left of the
        interval keeps at least one cell, which is inserted if need be."""
        if position not in self._intervals:
            self._refuse_later_cell(position)
            return
        lo, hi = self._intervals.pop(position)
        if hi == 0:
            raise CanvasError(f"the gap at {position} has no room for a token; its bounds are ({lo}, {hi})")
        after = position + 1
        run_goes_on = after < len(self._ids) and self._status[after] == OPEN and after not in self._intervals
        if not run_goes_on:
            if hi == 1:
                return
            self._ids.insert(after, 0)
            self._status.insert(after, OPEN)
            self._intervals = {p + (p >= after): v for p, v in self._intervals.items()}
        self._intervals[after] = (max(lo - 1, 0), None if hi is None else hi - 1)

    def _refuse_later_cell(self, position: int) -> None:
        first = position
        while first > 0 and self._status[first - 1] == OPEN and first not in self._intervals:
            first -= 1
        if self._status[position] == OPEN and first != position and first in self._intervals:
            raise CanvasError(
                f"cell {position} is inside the interval that begins at {first}; decide cell {first} first"
            )


def _listed(values: Any, name: str, of: str) -> list[Any]:
    if hasattr(values, "tolist"):
        values = values.tolist()
    try:
        return list(values)
    except TypeError:
        raise CanvasError(f"{name} must be a sequence of {of}, not {type(values).__name__}") from None


def _int_list(values: Any, name: str) -> list[int]:
    listed = _listed(values, name, "ints")
    for i, v in enumerate(listed):
        if isinstance(v, bool) or not isinstance(v, (int, np.integer)):
            raise CanvasError(f"{name}[{i}] is {v!r}; expected an int in a one-dimensional sequence")
    return [int(v) for v in listed]


def _open_list(open: Any, ids: list[int], constraint: Constraint) -> list[bool]:
    if open is None:
        mask = constraint.vocabulary.mask
        if mask is None:
            raise CanvasError("the vocabulary has no mask id; say which cells are open with open=[...]")
        return [t == mask for t in ids]
    listed = _listed(open, "open", "bools")
    for i, v in enumerate(listed):
        if not isinstance(v, (bool, np.bool_, int)) or v not in (0, 1):
            raise CanvasError(f"open[{i}] is {v!r}; expected True or False")
    return [bool(v) for v in listed]


def _intervals(
    gaps: Mapping[int, tuple[int, int | None]] | None, is_open: list[bool]
) -> dict[int, tuple[int, int | None]]:
    intervals: dict[int, tuple[int, int | None]] = {}
    for start, (lo, hi) in (gaps or {}).items():
        if not 0 <= start < len(is_open) or not is_open[start] or (start > 0 and is_open[start - 1]):
            raise CanvasError(f"gaps has {start}, which is not the first cell of a run of open cells")
        if lo < 0 or (hi is not None and hi < lo):
            raise CanvasError(f"the gap at {start} has bounds ({lo}, {hi}); expected 0 <= lo <= hi")
        if (hi or lo) > 1_000_000:
            raise CanvasError(f"the gap at {start} may hold {hi or lo} tokens; the limit is 1000000")
        intervals[start] = (lo, hi)
    return intervals
