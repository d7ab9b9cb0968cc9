"""Filling gaps of a text with a left-to-right model: prompts for the known models, and a constraint that sees the
suffix.

    parts = ["int main() {\n  return ", cd.GAP, ";\n}\n"]
    result = infill(model, tokenizer, parts, constraint, fim=FORMATS["starcoder2"], max_tokens=32)
    result.text, result.regions

Gaps are filled from left to right, each by one `generate` call with a fill-in-the-middle prompt. In region i a token
is allowed only if text before + region so far + token + all later fixed text is completable, where the region may
take the tokens it has left and each later gap up to its own budget. One of the format's stop tokens is allowed only
where the region can end; it is the only choice when the budget is used up or nothing else is possible. So a region
never has more than `max_tokens` tokens, ends by itself, and the whole is a text of the grammar.

Edges. Texts are bytes to the engine, so the fixed text may be cut anywhere. For the model, the last token of the
prefix is taken back (`heal`) and the first token generated must begin with its bytes: the model is not made to start
inside a token it would never split there. The right edge needs nothing: a region may end in front of any byte.

Compile the constraint with eos_policy="none". Cost per token and row: two canvases (may it end, what may follow).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

from cfgdecode.canvas import Verdict
from cfgdecode.errors import CanvasError, DeadCanvasError
from cfgdecode.hooks.fim_formats import FimFormat
from cfgdecode.hooks.stats import Stats
from cfgdecode.hooks.tensors import apply_bitmask_
from cfgdecode.text import GAP


@dataclass
class Infilling:
    """A filled text: `regions` are what stands in the gaps, in order."""

    text: bytes
    regions: list[bytes]
    stats: Stats = field(default_factory=Stats)


@dataclass
class Region:
    """What one row's current region stands in: token ids before and behind it, and the budgets of the gaps behind.

    `after` has None for a later gap; `owed` are the bytes that the first token has to begin with.
    """

    constraint: Any
    before: list[int]
    after: list[int | None]
    later: list[int]
    budget: int
    owed: bytes = b""

    def canvas(self, generated: Sequence[int], n_more: int) -> Any:
        """The canvas with at least one and at most `n_more` tokens to come in the region; 0: the region has ended."""
        cells: list[int | None] = [*self.before, *generated]
        gaps: dict[int, tuple[int, int | None]] = {}
        if n_more:
            gaps[len(cells)] = (1, n_more)
            cells += [None, None] if n_more > 1 else [None]
        budgets = iter(self.later)
        for token in self.after:
            if token is None and cells and cells[-1] is None:
                raise CanvasError("two gaps with nothing between them; join them into one")
            if token is None:
                gaps[len(cells)] = (0, next(budgets))
            cells.append(token)
        ids = np.array([0 if t is None else t for t in cells], dtype=np.int64)
        return self.constraint.canvas(ids, open=np.array([t is None for t in cells], dtype=bool), gaps=gaps)


class RegionProcessor(LogitsProcessor):  # type: ignore[misc, unused-ignore]
    """Constrains the region of each row of a batch; states are keyed by the tokens, so rows may be reordered."""

    def __init__(self, regions: Sequence[Region | None], *, prompt_length: int, stop: Sequence[int]) -> None:
        self.regions, self.prompt_length, self.stop = list(regions), prompt_length, list(stop)
        self.stats = Stats()
        self._known: dict[tuple[int, tuple[int, ...]], np.ndarray | None] = {}
        for row, region in enumerate(self.regions):
            if region is not None and self._bitmask(row, ()) is None:
                raise DeadCanvasError(
                    f"row {row}: no text of the grammar fits into the gaps with {region.budget} tokens for this one "
                    f"and {region.later} for the later ones; raise max_tokens, or check the fixed text",
                    row=row,
                )

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """scores float[N, V] with what the regions cannot hold filled."""
        generated = input_ids[:, self.prompt_length :].tolist()
        per_row = len(generated) // len(self.regions)
        self.stats.steps += 1
        with self.stats.timed("wait_us"):
            found = [self._bitmask(i // per_row, tuple(ids)) for i, ids in enumerate(generated)]
        table = [b for b in found if b is not None]
        scores = scores.clone()
        if table:
            row_of, u = [], 0
            for b in found:
                row_of.append(-1 if b is None else u)
                u += b is not None
            with self.stats.timed("apply_us"):
                apply_bitmask_(
                    scores,
                    torch.from_numpy(np.stack(table)).to(scores.device),
                    torch.tensor(row_of, dtype=torch.int32, device=scores.device),
                )
        return scores

    def _bitmask(self, row: int, generated: tuple[int, ...]) -> np.ndarray | None:
        """The allowed set behind `generated`; None leaves the row alone (it has ended, or is not viable)."""
        region = self.regions[row]
        if region is None or any(t in self.stop for t in generated):
            return None
        if (row, generated) not in self._known:
            self._known[row, generated] = self._made(region, generated)
        return self._known[row, generated]

    def _made(self, region: Region, generated: tuple[int, ...]) -> np.ndarray | None:
        left = region.budget - len(generated)
        vocabulary = region.constraint.vocabulary
        bits = np.zeros(32 * -(-vocabulary.n_logits // 32), dtype=np.uint8)
        if left > 0:
            canvas = region.canvas(generated, left)
            if canvas.verdict() is Verdict.COMPLETABLE:
                bits[canvas.allowed(len(region.before) + len(generated)).ids()] = 1
                if region.owed and not generated:
                    bits[: len(vocabulary)] &= _begins_with(vocabulary, region.owed)
        bits[self.stop] = 0
        if (generated or not region.owed) and region.canvas(generated, 0).verdict() is Verdict.COMPLETABLE:
            bits[self.stop] = 1
        return np.packbits(bits, bitorder="little").view(np.int32) if bits.any() else None


def infill(
    model: Any,
    tokenizer: Any,
    parts: Sequence[Any],
    constraint: Any,
    *,
    fim: FimFormat,
    max_tokens: int | Sequence[int] = 64,
    context: str = "",
    heal: bool = True,
    hole: str = "",
    **generate: Any,
) -> Infilling:
    """Fill the gaps of one text; see `infill_batch`."""
    return infill_batch(
        model,
        tokenizer,
        [parts],
        constraint,
        fim=fim,
        max_tokens=max_tokens,
        context=context,
        heal=heal,
        hole=hole,
        **generate,
    )[0]


def infill_batch(
    model: Any,
    tokenizer: Any,
    batch: Sequence[Sequence[Any]],
    constraint: Any,
    *,
    fim: FimFormat,
    max_tokens: int | Sequence[int] = 64,
    context: str = "",
    heal: bool = True,
    hole: str = "",
    **generate: Any,
) -> list[Infilling]:
    """Fill the gaps of several texts, the i-th gaps of all of them together.

    Args:
        batch: per text its parts, strings and `cfgdecode.GAP`.
        constraint: one for all texts, or one per text.
        max_tokens: budget of a gap, or one per gap.
        context: text in front of the prompt's prefix that is not part of the grammar's text.
        hole: what the prompt shows for later gaps.
        generate: passed to `model.generate` (do_sample, temperature, num_beams, ...).
    """
    constraints = list(constraint) if isinstance(constraint, Sequence) else [constraint] * len(batch)
    if len(constraints) != len(batch):
        raise CanvasError(f"{len(constraints)} constraints for {len(batch)} texts")
    stop = fim.stop_ids(tokenizer)
    tasks = [_Task(parts, c, max_tokens, fim, context, hole) for parts, c in zip(batch, constraints, strict=True)]
    while any(task.has_gap() for task in tasks):
        rows = [task for task in tasks if task.has_gap()]
        _fill_next(model, tokenizer, rows, fim, stop, heal, generate)
    return [Infilling(b"".join(t for t in task.texts if t is not None), task.regions, task.stats) for task in tasks]


class _Task:
    """One text under work: `texts` holds bytes, None for a gap still to fill."""

    def __init__(
        self,
        parts: Sequence[Any],
        constraint: Any,
        max_tokens: int | Sequence[int],
        fim: FimFormat,
        context: str,
        hole: str,
    ) -> None:
        if getattr(constraint, "eos_policy", "none") != "none":
            raise CanvasError('compile the constraint of an infilling with eos_policy="none": its text has no EOS')
        self.texts: list[bytes | None] = [None if p is GAP else str(p).encode() for p in parts]
        n_gaps = self.texts.count(None)
        self.budgets = [max_tokens] * n_gaps if isinstance(max_tokens, int) else list(max_tokens)
        if len(self.budgets) != n_gaps:
            raise CanvasError(f"{len(self.budgets)} budgets for {n_gaps} gaps")
        self.constraint, self.fim, self.context, self.hole = constraint, fim, context, hole
        self.regions: list[bytes] = []
        self.stats = Stats()

    def has_gap(self) -> bool:
        return None in self.texts

    def prompt(self, heal: bool) -> tuple[str, Region]:
        """The model's prompt for the next gap, and its region."""
        vocabulary = self.constraint.vocabulary
        gap = self.texts.index(None)
        prefix = b"".join(t for t in self.texts[:gap] if t is not None)
        behind = self.texts[gap + 1 :]
        before, owed = vocabulary.encode(prefix), b""
        if heal and before:
            owed = vocabulary.token_bytes(before[-1]) or b""
            shown = prefix[: len(prefix) - len(owed)]
            if _is_text(shown):
                before, prefix = before[:-1], shown
            else:
                owed = b""
        after = [t for text in behind for t in ([None] if text is None else vocabulary.encode(text))]
        done = len(self.budgets) - self.texts.count(None)
        budget = self.budgets[done] + bool(owed)
        suffix = "".join(self.hole if text is None else text.decode() for text in behind)
        region = Region(self.constraint, before, after, self.budgets[done + 1 :], budget, owed)
        return self.fim.prompt(self.context + prefix.decode(), suffix), region

    def fill(self, region: Region, generated: Sequence[int]) -> None:
        """Put the generated tokens into the gap."""
        text = b"".join(self.constraint.vocabulary.token_bytes(t) or b"" for t in generated)[len(region.owed) :]
        self.texts[self.texts.index(None)] = text
        self.regions.append(text)


def _fill_next(
    model: Any,
    tokenizer: Any,
    tasks: Sequence[_Task],
    fim: FimFormat,
    stop: Sequence[int],
    heal: bool,
    options: dict[str, Any],
) -> None:
    prompts, regions = zip(*(task.prompt(heal) for task in tasks), strict=True)
    encoded = [tokenizer.encode(p, add_special_tokens=fim.add_special_tokens) for p in prompts]
    length = max(map(len, encoded))
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else stop[0]
    ids = torch.tensor([[pad] * (length - len(e)) + e for e in encoded], device=model.device)
    mask = torch.tensor([[0] * (length - len(e)) + [1] * len(e) for e in encoded], device=model.device)
    processor = RegionProcessor(regions, prompt_length=length, stop=stop)
    out = model.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=max(r.budget for r in regions) + 1,
        eos_token_id=list(stop),
        pad_token_id=pad,
        logits_processor=[processor],
        **options,
    )
    sequences: Tensor = out if isinstance(out, Tensor) else out.sequences
    for task, region, row in zip(tasks, regions, sequences[:: len(sequences) // len(tasks)].tolist(), strict=True):
        generated = row[length:]
        ends = [i for i, t in enumerate(generated) if t in stop]
        task.fill(region, generated[: ends[0]] if ends else generated)
        task.stats.steps += processor.stats.steps
        task.stats.wait_us += processor.stats.wait_us


_begins: dict[tuple[int, bytes], tuple[Any, np.ndarray]] = {}


def _begins_with(vocabulary: Any, owed: bytes) -> np.ndarray:
    """uint8[V]: the tokens whose bytes begin with `owed` (the token that was taken back is one)."""
    known = _begins.get((id(vocabulary), owed))
    if known is None or known[0] is not vocabulary:
        found = np.array([t is not None and t.startswith(owed) for t in vocabulary.tokens], dtype=np.uint8)
        _begins.clear()
        known = _begins[id(vocabulary), owed] = (vocabulary, found)
    return known[1]


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
