"""Infilling with a length that the model chooses, as DreamOn decodes: masks may double and vanish.

The sequence is [prefix | masks | suffix]. Each step predicts every mask (logits shifted by one), and the most confident
prediction is written. The token `expand_id` turns its cell into two masks, `delete_id` removes its cell
(`delete_to_right`: and all masks behind it). Expansion is refused when the sequence has `max_masks` cells between
prefix and suffix or `expand_budget` is used up.
Source: Wu et al., DreamOn (2025), its generation loop. Without a constraint the tokens are its for the same seed.
Under a constraint an expansion is always possible while there is room; a deletion and a token are written only if
some text still fits (`hooks.elastic`); the region ends as a valid text of at most `max_masks` tokens.
Cost: at most 2 * max_masks + 2 * expand_budget model calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cfgdecode.errors import CanvasError
from cfgdecode.hooks.elastic import ElasticCanvas
from cfgdecode.hooks.errors import LogitsError
from cfgdecode.hooks.stats import Stats
from cfgdecode.hooks.tensors import finite_fill
from cfgdecode.loops.gate import LoopResult, Options
from cfgdecode.loops.sampling import Model, call_model, sample_dream

_MEASURE = {"maskgit_plus": "probability", "topk_margin": "margin", "entropy": "entropy"}


@torch.no_grad()
def insert(
    model: Model,
    prefix: Tensor,
    suffix: Tensor,
    *,
    mask_id: int,
    expand_id: int,
    delete_id: int,
    constraint: Any = None,
    skip_prefix: int = 0,
    skip_suffix: int = 0,
    n_masks: int = 4,
    max_masks: int = 64,
    expand_budget: int | None = None,
    tokens_per_step: int = 1,
    delete_to_right: bool = False,
    alg: str = "maskgit_plus",
    alg_temp: float | None = None,
    temperature: float = 0.0,
    top_p: float | None = None,
    top_k: int | None = None,
    shift: bool = True,
    generator: torch.Generator | None = None,
    options: Options | None = None,
) -> LoopResult:
    """Fill the place between `prefix` int64[P] and `suffix` int64[S]; the result is int64[1, P + n + S].

    The constrained text leaves out the first `skip_prefix` tokens and the last `skip_suffix`.
    """
    if alg not in _MEASURE:
        raise CanvasError(f"alg must be one of {', '.join(_MEASURE)}, not {alg!r}")
    if not 0 < n_masks <= max_masks:
        raise CanvasError(f"n_masks must be in 1..max_masks, not {n_masks} of {max_masks}")
    options, stats = options or Options(), Stats()
    budget = 2 * max_masks if expand_budget is None else expand_budget
    marks = _Marks(mask_id, expand_id, delete_id)
    max_length = len(prefix) + max_masks + len(suffix)
    ids: list[int | None] = [*prefix.tolist(), *[None] * n_masks, *suffix.tolist()]
    elastic = None
    if constraint is not None:
        elastic = ElasticCanvas(constraint, skip_prefix=skip_prefix, skip_suffix=skip_suffix, max_length=max_length)
        elastic.begin(ids)
    error: LogitsError | None = None
    for _ in range(2 * max_masks + 2 * budget):
        cells = [i for i, t in enumerate(ids) if t is None]
        if not cells:
            break
        logits = _predicted(model, ids, cells, mask_id, shift, prefix.device, stats)
        if elastic is not None:
            if bool(torch.isnan(logits).any()):
                error = error or LogitsError("the model's logits are NaN; the row was completed without them", row=0)
            fill = finite_fill(logits.dtype)
            logits = logits.nan_to_num(nan=0.0, posinf=-fill, neginf=fill)
        if len(ids) >= max_length or budget <= 0:
            logits[:, expand_id] -= 1e9
        tokens, conf = sample_dream(
            logits, temperature=temperature, top_p=top_p, top_k=top_k, measure=_MEASURE[alg], generator=generator
        )
        n = min(tokens_per_step, len(cells))
        if alg_temp:
            chosen = torch.multinomial(torch.softmax(conf / alg_temp, dim=-1), n, generator=generator)
        else:
            chosen = torch.topk(conf, n).indices
        proposals = {cells[i]: int(tokens[i]) for i in chosen.tolist()}
        if delete_to_right and delete_id in proposals.values():
            first = min(c for c, t in proposals.items() if t == delete_id)
            proposals |= {c: delete_id for c in cells if c >= first}
        if elastic is None:
            ids = _written(ids, proposals, marks)
        else:
            with stats.timed("commit_us"):
                ranked = dict(zip(cells, logits, strict=True))
                ids = _held(elastic, ids, proposals, ranked, marks, stats)
        ids, budget = _expanded(ids, expand_id, (len(prefix), len(suffix)), max_length, budget)
    if elastic is not None and None in ids:
        with stats.timed("finalize_us"):
            stats.finalized += ids.count(None)
            ids = list(elastic.completed(ids))
    filled = torch.tensor([[mask_id if t is None else t for t in ids]], device=prefix.device)
    result = LoopResult(filled, stats, {} if error is None else {0: error})
    if error is not None and options.on_error == "raise":
        error.result = result
        raise error
    return result


@dataclass(frozen=True)
class _Marks:
    """The ids that are not text."""

    mask: int
    expand: int
    delete: int


def _predicted(
    model: Model,
    ids: list[int | None],
    cells: list[int],
    mask_id: int,
    shift: bool,
    device: torch.device,
    stats: Stats,
) -> Tensor:
    """float[n_masks, V]: the logits of the masked cells, for the caller to change."""
    stats.steps += 1
    stats.model_calls += 1
    with stats.timed("model_us"):
        x = torch.tensor([[mask_id if t is None else t for t in ids]], device=device)
        logits = call_model(model, x)[0]
    if shift:
        logits = torch.cat([logits[:1], logits[:-1]])
    return logits[torch.tensor(cells, device=logits.device)].clone()


def _written(ids: list[int | None], proposals: dict[int, int], marks: _Marks) -> list[int | None]:
    """Write the proposals; deleted cells vanish, a mask id leaves its cell open."""
    after: list[int | None] = []
    for i, token in enumerate(ids):
        if i not in proposals:
            after.append(token)
        elif proposals[i] != marks.delete:
            after.append(None if proposals[i] == marks.mask else proposals[i])
    return after


def _held(
    elastic: ElasticCanvas,
    ids: list[int | None],
    proposals: dict[int, int],
    logits: dict[int, Tensor],
    marks: _Marks,
    stats: Stats,
) -> list[int | None]:
    """The same, each proposal only if a text still fits; right to left, so that deletions do not move the others."""
    for cell in sorted(proposals, reverse=True):
        token = proposals[cell]
        stats.proposals += 1
        if token == marks.expand and len(ids) < elastic.max_length:
            ids = [*ids[:cell], marks.expand, *ids[cell + 1 :]]
            continue
        scores = logits[cell].float().cpu().numpy()
        scores[[marks.expand, marks.mask]] = -np.inf
        if token in (marks.expand, marks.mask):
            token = int(scores.argmax())
        masked = [None if t == marks.expand else t for t in ids]
        after, refused = elastic.choose(masked, cell, token, scores, marks.delete)
        stats.rejected += refused
        stats.substituted += refused
        # Expansions already decided lie to the right; put their marks back.
        shift = len(after) - len(ids)
        for i in range(cell + 1, len(ids)):
            if ids[i] == marks.expand:
                after[i + shift] = marks.expand
        ids = after
    return ids


def _expanded(
    ids: list[int | None], expand_id: int, fixed: tuple[int, int], max_length: int, budget: int
) -> tuple[list[int | None], int]:
    """Each expansion mark between the fixed ends becomes two masks, or one where there is no room."""
    for cell in range(len(ids) - fixed[1] - 1, fixed[0] - 1, -1):
        if ids[cell] == expand_id:
            room = len(ids) < max_length and budget > 0
            ids = ids[:cell] + [None] * (2 if room else 1) + ids[cell + 1 :]
            budget -= 1
    return ids, budget
