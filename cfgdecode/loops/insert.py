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

from typing import Any

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
    options = options or Options()
    stats = Stats()
    budget = 2 * max_masks if expand_budget is None else expand_budget
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
        stats.steps += 1
        with stats.timed("model_us"):
            x = torch.tensor([[mask_id if t is None else t for t in ids]], device=prefix.device)
            logits = call_model(model, x)[0]
            stats.model_calls += 1
        if shift:
            logits = torch.cat([logits[:1], logits[:-1]])
        logits = logits[torch.tensor(cells, device=logits.device)].clone()
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
            ids = _apply(ids, proposals, delete_id, mask_id)
        else:
            with stats.timed("commit_us"):
                ids = _constrained(elastic, ids, proposals, cells, logits, delete_id, expand_id, mask_id, stats)
        for cell in [i for i, t in reversed(list(enumerate(ids))) if t == expand_id and i < len(ids) - len(suffix)]:
            if cell < len(prefix):
                continue
            room = len(ids) < max_length and budget > 0
            ids = ids[:cell] + [None] * (2 if room else 1) + ids[cell + 1 :]
            budget -= 1
    if elastic is not None and None in ids:
        with stats.timed("finalize_us"):
            stats.finalized += ids.count(None)
            ids = list(elastic.shortest(ids) or ids)
    filled = torch.tensor([[mask_id if t is None else t for t in ids]], device=prefix.device)
    result = LoopResult(filled, stats, {} if error is None else {0: error})
    if error is not None and options.on_error == "raise":
        error.result = result
        raise error
    return result


def _apply(ids: list[int | None], proposals: dict[int, int], delete_id: int, mask_id: int) -> list[int | None]:
    """Write the proposals; deleted cells vanish, a mask id leaves its cell open."""
    written = [proposals.get(i, t) for i, t in enumerate(ids)]
    return [
        None if t == mask_id and i in proposals else t
        for i, t in enumerate(written)
        if not (t == delete_id and i in proposals)
    ]


def _constrained(
    elastic: ElasticCanvas,
    ids: list[int | None],
    proposals: dict[int, int],
    cells: list[int],
    logits: Tensor,
    delete_id: int,
    expand_id: int,
    mask_id: int,
    stats: Stats,
) -> list[int | None]:
    """The same, each proposal only if a text still fits; right to left, so that deletions do not move the others."""
    for cell in sorted(proposals, reverse=True):
        token = proposals[cell]
        stats.proposals += 1
        if token == expand_id and len(ids) < elastic.max_length:
            ids = [*ids[:cell], expand_id, *ids[cell + 1 :]]
            continue
        ranked = logits[cells.index(cell)].topk(min(64, logits.shape[-1])).indices.tolist()
        usable = [t for t in ranked if t not in (expand_id, mask_id)]
        if token in (expand_id, mask_id):
            token = usable[0]
        held = [None if t == expand_id else t for t in ids]
        ids_after, refused = elastic.choose(held, cell, token, usable, delete_id)
        stats.rejected += refused
        stats.substituted += refused
        ids = _with_marks(ids, ids_after, cell, expand_id)
    return ids


def _with_marks(ids: list[int | None], after: list[int | None], cell: int, expand_id: int) -> list[int | None]:
    """`after` with the pending expansion marks of `ids` (all of them right of `cell`) put back."""
    shift = len(after) - len(ids)
    for i in range(cell + 1, len(ids)):
        if ids[i] == expand_id:
            after[i + shift] = expand_id
    return after
