"""A jointly valid argmax: for decoders that read all cells off the logits at once, and for scripts without a commit
hook.

`joint_argmax` takes the best token of each open cell and lets the engine decide them together, most confident first;
where one does not fit, the cell gets its best token that does. Any subset of the answer can be committed: the whole
is a witness. `favour_` makes such an answer the argmax of the logits with as little change as it takes. Cost: one
joint commit of all open cells on a copy of the canvas, plus one allowed set per refused cell."""

from __future__ import annotations

import torch
from torch import Tensor

from cfgdecode.hooks.protocol import ConstraintBatch, MaskTable, Offset


def joint_argmax(batch: ConstraintBatch, logits: Tensor, masks: MaskTable, offset: Offset) -> Tensor:
    """int64[B, P]: the argmax of `logits` (disallowed ones filled), changed where the cells do not fit together."""
    tokens = logits.argmax(dim=-1)
    conf = torch.softmax(logits.float(), dim=-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    return batch.draft(tokens, masks.row_of >= 0, conf, offset=offset, scores=logits, policy="substitute").tokens


def favour_(logits: Tensor, tokens: Tensor) -> Tensor:
    """Lower, in place, the logits that are not below their cell's chosen token; cells that agree stay untouched."""
    wrong = logits.argmax(dim=-1) != tokens
    if bool(wrong.any()):
        rows, chosen = logits[wrong], tokens[wrong].unsqueeze(-1)
        bar = rows.gather(-1, chosen)
        rows = torch.minimum(rows, bar - (0.01 * bar.abs() + 0.01))
        logits[wrong] = rows.scatter(-1, chosen, bar)
    return logits


def isolate_(logits: Tensor, tokens: Tensor, where: Tensor, fill: float) -> Tensor:
    """Fill, in place, all logits but the chosen token's in the cells `where`: no noise can choose another."""
    if bool(where.any()):
        rows, chosen = logits[where], tokens[where].unsqueeze(-1)
        bar = rows.gather(-1, chosen)
        logits[where] = torch.full_like(rows, fill).scatter(-1, chosen, bar)
    return logits
