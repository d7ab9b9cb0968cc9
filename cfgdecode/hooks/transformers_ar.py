"""Left-to-right generation with transformers: a `LogitsProcessor` whose state is keyed by the tokens, not by the row.

    processor = ConstrainedLogitsProcessor(constraint, max_new_tokens=64)
    model.generate(**inputs, max_new_tokens=64, logits_processor=[processor])

A state is a canvas that holds the tokens generated so far; it is found by (constraint, tokens) in an LRU cache and
made from its parent by one commit. So beams that change rows, `num_return_sequences`, assisted decoding that goes
back, and one processor used in many calls need nothing special. With `max_new_tokens` the canvas has that many cells,
and a token is allowed only if some text still fits (L2: the output is always complete). Without it the rest is a gap
of any length.

Rules: a row with an EOS is left alone (anything may follow). A prefix that is not viable (an assistant's bad guess, a
beam that was given a filled logit because too few tokens were allowed) is left alone too. scores keep dtype and
device; the fill is finite. Rows of the same prompt are neighbours, as generate() orders them.
Cost: per row and step one fork, one commit, one allowed set; rows are made in parallel.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

from cfgdecode.canvas import Verdict
from cfgdecode.errors import CanvasError, DeadCanvasError, LimitExceeded
from cfgdecode.hooks.stats import Stats
from cfgdecode.hooks.tensors import apply_bitmask_

_Key = tuple[int, tuple[int, ...]]


class ConstrainedLogitsProcessor(LogitsProcessor):
    """Keeps each generated sequence completable; see the module's text."""

    supports_continuous_batching = False

    def __init__(
        self,
        constraints: Any,
        *,
        prompt_length: int | None = None,
        max_new_tokens: int | None = None,
        n_given: int = 0,
        cache_size: int = 4096,
    ) -> None:
        """`constraints`: one for all prompts, or one (or None) per prompt.

        `prompt_length` is the width of input_ids at the start; without it, an input that does not continue a known
        sequence starts a new generation. The last `n_given` prompt tokens belong to the text (an opened brace).
        """
        self.constraints = list(constraints) if isinstance(constraints, Sequence) else [constraints]
        self.prompt_length, self.max_new_tokens, self.n_given = prompt_length, max_new_tokens, n_given
        self.stats = Stats()
        self._fixed_length = prompt_length is not None
        self._cache: OrderedDict[_Key, Any] = OrderedDict()
        self._cache_size = cache_size
        self._pool: ThreadPoolExecutor | None = None
        if not n_given:
            for index, constraint in enumerate(self.constraints):
                if constraint is not None:
                    self._check(index, self._root(constraint, ()))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """scores float[N, V] with the disallowed tokens filled; the argument is left as it was."""
        ids = input_ids.detach().cpu().numpy()
        start = self._start(ids)
        with self.stats.timed("wait_us"):
            found = self._each([(i, tuple(int(t) for t in ids[i, start:])) for i in range(len(ids))], len(ids))
        self.stats.steps += 1
        with self.stats.timed("apply_us"):
            return _filled(scores, found)

    def _start(self, ids: np.ndarray) -> int:
        length = ids.shape[1]
        if self._fixed_length:
            start = int(self.prompt_length or 0) - self.n_given
            if not 0 <= start <= length:
                raise CanvasError(f"input_ids have {length} columns, fewer than prompt_length {self.prompt_length}")
            return start
        if self.prompt_length is None or not self._continues(ids, self.prompt_length - self.n_given):
            self.prompt_length = length
        return self.prompt_length - self.n_given

    def _continues(self, ids: np.ndarray, start: int) -> bool:
        """Is each row one token longer than a known sequence, or a known one."""
        if ids.shape[1] <= start + self.n_given:
            return bool(ids.shape[1] == start + self.n_given)
        keys = [(self._constraint_index(i, len(ids)), tuple(int(t) for t in row[start:])) for i, row in enumerate(ids)]
        return all(self._follows(c, text) for c, text in keys)

    def _follows(self, index: int, text: tuple[int, ...]) -> bool:
        if self.constraints[index] is None or self._has_ended(index, text[:-1]):
            return True
        return (index, text) in self._cache or (index, text[:-1]) in self._cache

    def _constraint_index(self, row: int, n_rows: int) -> int:
        n = len(self.constraints)
        if n_rows % n:
            raise CanvasError(f"{n} constraints for {n_rows} sequences; give one per prompt or a single one for all")
        return int(row // (n_rows // n))

    def _has_ended(self, index: int, text: Sequence[int]) -> bool:
        return any(t in self.constraints[index].vocabulary.eos for t in text[self.n_given :])

    def _each(self, rows: list[tuple[int, tuple[int, ...]]], n_rows: int) -> list[np.ndarray | None]:
        keys = [(self._constraint_index(i, n_rows), text) for i, text in rows]
        todo = list(dict.fromkeys(keys))
        if len(todo) > 1:
            self._pool = self._pool or ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="cfgdecode-ar")
            bitmasks = dict(zip(todo, self._pool.map(self._bitmask, todo), strict=True))
        else:
            bitmasks = {key: self._bitmask(key) for key in todo}
        return [bitmasks[key] for key in keys]

    def _bitmask(self, key: _Key) -> np.ndarray | None:
        """The packed allowed set behind the tokens of `key`; None leaves the row alone."""
        index, text = key
        if self.constraints[index] is None or self._has_ended(index, text):
            return None
        canvas = self._state(key)
        if canvas is None or len(text) >= len(canvas):
            return None
        return np.asarray(canvas.allowed(len(text)).bitmask(), dtype=np.int32)

    def _state(self, key: _Key) -> Any:
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        index, text = key
        parent = self._cache.get((index, text[:-1])) if len(text) > self.n_given else None
        canvas: Any
        if parent is None:
            canvas = self._root(self.constraints[index], text)
            if len(text) == self.n_given:
                self._check(index, canvas)
            elif not canvas.verdict():
                canvas = None
        else:
            canvas = parent.fork()
            last = len(text) - 1
            if not canvas.commit_one(last, text[last]):
                canvas = None
            elif self.max_new_tokens is None:
                # The gap of any length stays behind; the next token gets a cell of its own before it.
                canvas.insert(last + 1, 1)
        self._cache[key] = canvas
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return canvas

    def _root(self, constraint: Any, text: tuple[int, ...]) -> Any:
        """A canvas with `text` and behind it the cells left, or one gap of any length."""
        n_open = 2 if self.max_new_tokens is None else self.max_new_tokens + self.n_given - len(text)
        ids = np.array([*text, *[0] * max(n_open, 0)], dtype=np.int64)
        open = np.arange(len(ids)) >= len(text)
        return constraint.canvas(ids, open=open, gaps={len(text): (1, None)} if self.max_new_tokens is None else None)

    def _check(self, index: int, canvas: Any) -> None:
        verdict = canvas.verdict()
        if verdict is Verdict.COMPLETABLE:
            return
        if verdict is Verdict.UNDECIDED:
            raise LimitExceeded(
                f"prompt {index}: undecided within the limit {canvas.limit}; raise it in cfgdecode.Limits",
                limit=str(canvas.limit),
            )
        raise DeadCanvasError(
            f"prompt {index}: no text of the grammar fits into {self.max_new_tokens} tokens; raise max_new_tokens. "
            f"{canvas.explain()}",
            row=index,
        )


def _filled(scores: Tensor, bitmasks: list[np.ndarray | None]) -> Tensor:
    scores = scores.clone()
    packed = [b for b in bitmasks if b is not None and b.any()]
    if not packed:
        return scores
    row_of, u = np.full(len(bitmasks), -1, dtype=np.int32), 0
    for i, bitmask in enumerate(bitmasks):
        if bitmask is not None and bitmask.any():
            row_of[i], u = u, u + 1
    n_words = max(len(b) for b in packed)
    table = np.stack([np.pad(b, (0, n_words - len(b))) for b in packed])
    return apply_bitmask_(scores, torch.from_numpy(table).to(scores.device), torch.from_numpy(row_of).to(scores.device))
