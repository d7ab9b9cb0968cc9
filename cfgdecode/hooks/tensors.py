"""Bitmasks on tensors: set the logits of disallowed tokens to a finite fill.

Shapes: logits float[..., V] on any device; table int32[U, W] packed little-endian, bit = 1 means allowed
(the layout of xgrammar, llguidance and vLLM); row_of int32[...] with the leading shape of logits: the table row of
each logits row, -1 leaves that row alone. Positions that share an allowed set share a table row, so U is much
smaller than the number of logits rows and the table is what travels to the device.

Invariants: dtype and device of logits are kept; ids at or past 32 * W are never allowed in a constrained row; the
fill is finite, so a softmax, an entropy (0 * -inf) or a division by a small temperature stays free of NaN; an allowed
logit below half the fill (a model's own -inf) is lifted to that, so a row always prefers an allowed token.
Three paths give the same values: `apply_dense_` (any device, plain torch, traceable by torch.compile),
`apply_sparse_` (CPU, large vocabularies: one gather and one scatter for a row that allows few tokens, or refuses
few), and `triton_kernel.apply_triton_` (CUDA). `apply_bitmask_` chooses.
Cost: dense O(rows * V); sparse O(rows * V) memory writes and O(U * V / 8 + rows * allowed) reads.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_DENSE_ROWS = 64
"""Logits rows that the dense path expands at a time: bounds its scratch memory to 64 * V booleans."""
_FEW_TOKENS = 2048
"""Vocabularies up to which all rows of a CPU tensor together cost less than one by one."""
_SPARSE_SHARE = 4
"""A row takes the gather path when fewer than V / 4 tokens are allowed."""


def finite_fill(dtype: torch.dtype) -> float:
    """The value that stands for minus infinity: -1e20, and -6e4 where float16 could not hold that."""
    return -6e4 if dtype == torch.float16 else -1e20


def apply_bitmask_(logits: Tensor, table: Tensor, row_of: Tensor, *, fill: float | None = None) -> Tensor:
    """Write `fill` over the disallowed logits, in place, by the fastest path for the device; returns logits."""
    fill = finite_fill(logits.dtype) if fill is None else fill
    if table.shape[0] == 0:
        return logits
    if logits.device.type == "cuda" and logits.element_size() <= 4:
        from cfgdecode.hooks.triton_kernel import apply_triton_, is_available

        if is_available():
            return apply_triton_(logits, table, row_of, fill=fill)
    if logits.device.type == "cpu" and logits.shape[-1] > _FEW_TOKENS:
        return apply_sparse_(logits, table, row_of, fill=fill)
    return apply_dense_(logits, table, row_of, fill=fill)


def unpack_bits(table: Tensor, n_logits: int) -> Tensor:
    """bool[..., n_logits] of a packed int32[..., W]; ids past the table are False."""
    shifts = torch.arange(32, dtype=torch.int32, device=table.device)
    bits = ((table.unsqueeze(-1) >> shifts) & 1).to(torch.bool).flatten(-2)
    if bits.shape[-1] >= n_logits:
        return bits[..., :n_logits]
    return torch.nn.functional.pad(bits, (0, n_logits - bits.shape[-1]))


def apply_dense_(logits: Tensor, table: Tensor, row_of: Tensor, *, fill: float) -> Tensor:
    """The obvious path: expand the bits, then fill. Oracle of the others."""
    n_logits = logits.shape[-1]
    flat, rows = logits.view(-1, n_logits), row_of.reshape(-1)
    for start in range(0, flat.shape[0], _DENSE_ROWS):
        part = rows[start : start + _DENSE_ROWS]
        free = (part < 0).unsqueeze(-1)
        allowed = unpack_bits(table[part.clamp(min=0).long()], n_logits) | free
        rows_here = flat[start : start + _DENSE_ROWS]
        lifted = torch.where(free, rows_here, rows_here.clamp(min=fill / 2))
        rows_here.copy_(lifted.masked_fill(~allowed, fill))
    return logits


def apply_sparse_(logits: Tensor, table: Tensor, row_of: Tensor, *, fill: float) -> Tensor:
    """CPU path: per table row, gather the allowed logits, fill the row, scatter them back; or fill the refused ones."""
    n_logits = logits.shape[-1]
    flat = logits.view(-1, n_logits)
    rows = row_of.reshape(-1).numpy()
    packed = table.numpy()
    for u in np.unique(rows[rows >= 0]):
        where = np.flatnonzero(rows == u)
        bits = np.unpackbits(np.ascontiguousarray(packed[u]).view(np.uint8), bitorder="little")[:n_logits]
        if np.count_nonzero(bits) * _SPARSE_SHARE < n_logits:
            index = torch.from_numpy(np.flatnonzero(bits))
            for i in where:
                row = flat[i]
                kept = row[index].clamp_(min=fill / 2)
                row.fill_(fill)
                row[index] = kept
        else:
            refused = torch.from_numpy(np.flatnonzero(bits == 0))
            for i in where:
                row = flat[i].clamp_(min=fill / 2)
                row[refused] = fill
                row[len(bits) :] = fill
    return logits


def is_allowed(tokens: Tensor, table: Tensor, row_of: Tensor) -> Tensor:
    """bool[...]: does the table row of each cell allow its token; True where row_of is -1."""
    if table.shape[0] == 0:
        return torch.ones_like(tokens, dtype=torch.bool)
    inside = (tokens >= 0) & (tokens < 32 * table.shape[1])
    safe = torch.where(inside, tokens, torch.zeros_like(tokens))
    words = table[row_of.clamp(min=0).long(), safe >> 5]
    bit = (words >> (safe & 31).to(torch.int32)) & 1
    return (row_of < 0) | (inside & (bit == 1))
