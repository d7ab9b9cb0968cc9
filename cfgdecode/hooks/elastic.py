"""A canvas whose gaps may grow and shrink: the checks for decoders that insert and delete masks.

Each maximal run of masks stands for any number of tokens, none included. All share the room that the decided tokens
leave in `max_length`. The *proof* is a canvas with so many open cells in place of each run that it can be completed
within that room, as many as there are masks where that is possible.
Invariants: the proof has the decided tokens of the sequence, open cells only where that has masks, and is completable;
what `choose` returns has a proof. A proposal is refused only if no text at all of at most `max_length` tokens has it
there; in long sequences (`_MOST_ROWS`), if none of three other ways to share the room takes it either.
Cost: a proposal that the proof can take is an incremental verdict. One that it cannot is three more, of canvases that
differ more, and in short sequences the shortest filling of gaps of any length; to put another token in place of a
refused one is one allowed set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cfgdecode.canvas import COMMITTED, Canvas, Verdict
from cfgdecode.errors import CanvasError, DeadCanvasError, LimitExceeded

_MOST_ROWS = 8192
"""Boundaries of the text times tokens that may be free in it, up to which its shortest filling is asked for."""

_TRIES = 4
"""Tokens with the highest scores that are tried in place of a refused one before the allowed set is asked for."""

Ids = list[int | None]
"""Token ids; None is a mask."""


def runs(open: Sequence[bool]) -> list[tuple[int, int]]:
    """(start, length) of each maximal run of open cells."""
    found: list[tuple[int, int]] = []
    for i, is_open in enumerate(open):
        if is_open and found and sum(found[-1]) == i:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        elif is_open:
            found.append((i, 1))
    return found


class ElasticCanvas:
    """Checks for one sequence."""

    def __init__(self, constraint: Any, *, skip_prefix: int = 0, skip_suffix: int = 0, max_length: int) -> None:
        """The text is what lies between the first `skip_prefix` and the last `skip_suffix` tokens."""
        if getattr(constraint, "eos_policy", "none") != "none":
            raise CanvasError(
                "a canvas that grows and shrinks ends where its text ends; compile the constraint with "
                'eos_policy="none"'
            )
        self.constraint = constraint
        self.skip_prefix, self.skip_suffix, self.max_length = skip_prefix, skip_suffix, max_length
        self._proof: Canvas | None = None
        self._loose: Canvas | None = None

    def begin(self, ids: Ids) -> None:
        """Raise unless the sequence can become a text within max_length."""
        self._proof = self._proved(self._text(ids))
        if self._proof is None:
            raise DeadCanvasError(
                f"no text of the grammar fits around the given text within {self.max_length} tokens; raise max_masks, "
                "or check the fixed text",
                row=0,
            )

    def completed(self, ids: Ids) -> list[int]:
        """The sequence with its masks filled as the proof fills them."""
        filled = self._proof_of(ids).witness() or []
        return [t for t in [*ids[: self.skip_prefix], *filled, *ids[len(ids) - self.skip_suffix :]] if t is not None]

    def choose(
        self, ids: Ids, cell: int, token: int, scores: npt.NDArray[np.floating[Any]], delete_id: int | None
    ) -> tuple[Ids, bool]:
        """The sequence with `cell` decided, and whether `token` was refused.

        `delete_id` as a token removes the cell. `scores` float[V] say which token is best in place of a refused one.
        """
        self._proof = self._with_masks(self._proof_of(ids), _Spot(self._text(ids), cell - self.skip_prefix))
        if self._try(ids, cell, token, delete_id):
            return self._written(ids, cell, token, delete_id), False
        return self._instead(ids, cell, scores, delete_id if token != delete_id else None), True

    # ---------------------------------------------------------------- the proof

    def _text(self, ids: Ids) -> Ids:
        return ids[self.skip_prefix : len(ids) - self.skip_suffix]

    @property
    def _most(self) -> int:
        """Tokens that the text may have."""
        return self.max_length - self.skip_prefix - self.skip_suffix

    def _proof_of(self, ids: Ids) -> Canvas:
        """The proof if it is that of this sequence, else a new one."""
        text = self._text(ids)
        if self._proof is None or not _is_of(self._proof, text):
            self._proof = self._proved(text)
        if self._proof is None:
            raise DeadCanvasError(f"no text of the grammar fits into {self.max_length} tokens", row=0)
        return self._proof

    def _proved(self, text: Ids) -> Canvas | None:
        """A proof from the shortest filling of gaps of any length; None if that is too long or there is none.

        Raises LimitExceeded where the engine cannot tell.
        """
        one_each, masks = _one_each(text)
        self._loose = self._loosened(one_each)
        filling = None if self._loose.verdict() is Verdict.DEAD else self._loose._filling()
        if filling is None or (room := self._most - sum(map(len, filling))) < 0:
            return None
        fewest = [len(tokens) for tokens, token in zip(filling, one_each, strict=True) if token is None]
        wide: list[int] = []
        for n, n_masks in zip(fewest, masks, strict=True):
            more = min(max(n_masks - n, 0), room)
            room -= more
            wide.append(n + more)
        for lengths in (wide, fewest):
            canvas = self._of_lengths(one_each, lengths)
            if canvas is not None:
                return canvas
        raise LimitExceeded(
            "the engine could not decide a canvas that has a filling; raise Limits.items", limit="items"
        )

    def _loosened(self, one_each: Ids) -> Canvas:
        """A canvas with a gap of any length in place of each None."""
        ids = np.array([0 if t is None else t for t in one_each], dtype=np.int64)
        open = np.array([t is None for t in one_each], dtype=bool)
        gaps = {int(i): (0, None) for i in np.flatnonzero(open)}
        if self._loose is None:
            canvas: Canvas = self.constraint.canvas(ids, open=open, gaps=gaps)
        else:
            canvas = self._loose.fork()  # what is the same in both has been worked out
            canvas.set(ids, open, gaps=gaps)
        return canvas

    def _of_lengths(self, one_each: Ids, lengths: list[int]) -> Canvas | None:
        """The canvas with so many open cells in place of each None, if it is completable."""
        left = iter(lengths)
        cells: Ids = [t for cell in one_each for t in ([cell] if cell is not None else [None] * next(left))]
        ids = np.array([0 if t is None else t for t in cells], dtype=np.int64)
        open = np.array([t is None for t in cells], dtype=bool)
        if self._proof is None:
            canvas: Canvas = self.constraint.canvas(ids, open=open)
        else:
            canvas = self._proof.fork()  # what is the same in both has been worked out
            canvas.set(ids, open)
        return canvas if canvas.verdict() is Verdict.COMPLETABLE else None

    def _with_masks(self, proof: Canvas, spot: _Spot) -> Canvas:
        """The proof with a cell for each mask of the run at `spot`, as far as there is room, if that has a filling."""
        start, n = _gap(proof, spot.gap)
        wanted = min(spot.before + 1 + spot.behind, n + self._most - len(proof))
        resized = self._resized(proof, start, n, wanted)
        return proof if resized is None else resized

    @staticmethod
    def _resized(proof: Canvas, start: int, n: int, wanted: int) -> Canvas | None:
        """The proof with `wanted` open cells from `start` on in place of `n`, if it is completable."""
        if n == wanted:
            return proof
        other = proof.fork()
        if wanted > n:
            other.insert(start + n, wanted - n)
        else:
            other.delete(start + wanted, n - wanted)
        return other if other.verdict() is Verdict.COMPLETABLE else None

    def _with_room(self, proof: Canvas, text: Ids, spot: _Spot, is_deleted: bool) -> Canvas | None:
        """A completable canvas of the text that shares the room in another way than the proof does.

        What is free goes to the gaps next to what was decided at `spot`; then half of what the other gaps have as well;
        then all gaps have as much.
        """
        one_each, _ = _one_each(text)
        here = spot.gap if is_deleted else spot.gap + 1
        gaps = sorted(_parts(one_each)[1])
        before = {g: _gap(proof, g if g < here or is_deleted else g - 1)[1] for g in gaps}
        near = [*[g for g in gaps if g < here][-1:], *[g for g in gaps if g >= here][:1]]
        most = self._most - sum(t is not None for t in one_each)
        tried: list[dict[int, int]] = []
        for growing, share in ((near, 1.0), (near, 0.5), (gaps, 0.0)):
            lengths = {g: 0 if g in growing else int(before[g] * share + 0.5) for g in gaps}
            free = most - sum(lengths.values())
            lengths |= {g: free // len(growing) for g in growing}
            if growing and free >= 0 and lengths not in tried:
                tried.append(lengths)
                canvas = self._of_lengths(one_each, [lengths[g] for g in gaps])
                if canvas is not None:
                    return canvas
        return None

    # ---------------------------------------------------------------- one cell

    @staticmethod
    def _written(ids: Ids, cell: int, token: int, delete_id: int | None) -> Ids:
        return ids[:cell] + ([] if token == delete_id else [token]) + ids[cell + 1 :]

    def _try(self, ids: Ids, cell: int, token: int, delete_id: int | None) -> bool:
        """Make the proof one of the sequence with `token` at `cell`, if that has one."""
        proof, spot = self._proof_of(ids), _Spot(self._text(ids), cell - self.skip_prefix)
        if token == delete_id and not spot.is_alone:
            return True  # the run has other masks
        vocabulary = self.constraint.vocabulary
        if token != delete_id and (token == vocabulary.mask or not 0 <= token < vocabulary.n_logits):
            return False
        start, n = _gap(proof, spot.gap)
        if token == delete_id:
            after = self._resized(proof, start, n, 0)
        elif n == 0:
            after = None
        elif (after := self._resized(proof, start, n, 1 if spot.is_alone else n)) is not None:
            after = after.fork()
            after._put(start + spot.within(_gap(after, spot.gap)[1]), token, COMMITTED)
            after = after if after.verdict() is Verdict.COMPLETABLE else None
        text = self._text(self._written(ids, cell, token, delete_id))
        if after is None:
            after = self._with_room(proof, text, spot, token == delete_id)
        if after is None and len(text) * (self._most - sum(t is not None for t in text)) <= _MOST_ROWS:
            try:
                after = self._proved(text)
            except LimitExceeded:
                return False
        if after is not None:
            self._proof = after
        return after is not None

    def _instead(self, ids: Ids, cell: int, scores: npt.NDArray[np.floating[Any]], delete_id: int | None) -> Ids:
        """The cell decided as the proof allows it, the best token first; `delete_id` if that is better still."""
        proof, spot = self._proof_of(ids), _Spot(self._text(ids), cell - self.skip_prefix)
        start, n = _gap(proof, spot.gap)
        if n == 0:
            return ids[:cell] + ids[cell + 1 :]  # the proof has nothing there
        alone = self._resized(proof, start, n, 1) if spot.is_alone else None
        proof = proof if alone is None else alone
        at = start + spot.within(_gap(proof, spot.gap)[1])
        token, decided = self._best(proof, at, scores)
        if delete_id is not None and scores[delete_id] > scores[token] and self._try(ids, cell, delete_id, delete_id):
            return ids[:cell] + ids[cell + 1 :]
        self._proof = decided
        rest: Ids = [None] if spot.is_alone and alone is None else []
        return [*ids[:cell], token, *rest, *ids[cell + 1 :]]

    @staticmethod
    def _best(proof: Canvas, at: int, scores: npt.NDArray[np.floating[Any]]) -> tuple[int, Canvas]:
        """The token with the highest score that the proof allows at an open cell, and the proof with it."""
        decided = proof.fork()
        scores = np.nan_to_num(scores, nan=-np.inf)[: proof.constraint.vocabulary.n_logits]
        for token in _highest(scores, _TRIES):
            if decided.commit_one(at, token):
                return token, decided
        try:
            allowed = np.asarray(proof.allowed(at).ids())
        except LimitExceeded:
            allowed = np.zeros(0, dtype=np.int32)
        allowed = allowed[allowed < len(scores)]
        token = int(allowed[int(np.argmax(scores[allowed]))]) if len(allowed) else -1
        if token < 0 or not decided.commit_one(at, token):  # only a limit leads here
            token = (proof.witness() or [])[at]
            decided.commit_one(at, token)
        return token, decided


def _highest(scores: npt.NDArray[np.floating[Any]], n: int) -> list[int]:
    """The ids of the n highest scores, highest first."""
    found = np.argpartition(scores, -n)[-n:] if len(scores) > n else np.arange(len(scores))
    return [int(t) for t in found[np.argsort(-scores[found], kind="stable")]]


def _one_each(text: Ids) -> tuple[Ids, list[int]]:
    """The text with one None in place of each run of masks, and their lengths."""
    masks = [length for _, length in runs([t is None for t in text])]
    return [t for i, t in enumerate(text) if t is not None or text[i - 1 : i] != [None]], masks


class _Spot:
    """Where a cell of a text lies: its gap is the one behind so many decided tokens; masks beside it in its run."""

    def __init__(self, text: Ids, cell: int) -> None:
        self.gap = sum(t is not None for t in text[:cell])
        self.before = next((k for k, t in enumerate(reversed(text[:cell])) if t is not None), cell)
        behind = text[cell + 1 :]
        self.behind = next((k for k, t in enumerate(behind) if t is not None), len(behind))

    @property
    def is_alone(self) -> bool:
        return not self.before and not self.behind

    def within(self, n: int) -> int:
        """The cell of a gap of `n` cells that stands for this one."""
        if not self.before or not self.behind:
            return n - 1 if self.before else 0
        n_masks = self.before + 1 + self.behind
        return self.before if n >= n_masks else self.before * n // n_masks


def _gap(proof: Canvas, gap: int) -> tuple[int, int]:
    """(start, number of cells) of the open cells behind so many decided tokens."""
    decided = np.flatnonzero(proof.status)
    start = int(decided[gap - 1]) + 1 if gap else 0
    return start, (int(decided[gap]) if gap < len(decided) else len(proof)) - start


def _is_of(proof: Canvas, text: Ids) -> bool:
    """Whether the proof has the decided tokens of the text, and open cells only where that has masks."""
    (decided, cells), (given, masks) = _parts(proof.ids), _parts(text)
    return decided == given and cells <= masks


def _parts(ids: Ids) -> tuple[Ids, set[int]]:
    """The decided tokens, and behind how many of them there is something open."""
    decided: Ids = []
    gaps: set[int] = set()
    for token in ids:
        if token is None:
            gaps.add(len(decided))
        else:
            decided.append(token)
    return decided, gaps
