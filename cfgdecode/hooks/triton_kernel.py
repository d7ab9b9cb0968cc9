"""The bitmask fill as one Triton kernel: logits row -> shared table row.

One program handles `BLOCK` tokens of one logits row: it reads the row's table index, leaves at once when that is -1,
loads BLOCK / 32 words, and writes the fill where the bit is 0 and elsewhere the logit, or half the fill if that is
more. It reads and writes every logit, also those that stay: whole runs of memory move faster than scattered halves of
them. Same arguments and results, for logits of up to 32 bits, as
`tensors.apply_dense_`, which is the oracle in the tests; without a GPU they run in Triton's interpreter
(TRITON_INTERPRET=1 before triton is imported)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from torch import Tensor

_BLOCK = 4096


@lru_cache(maxsize=1)
def is_available() -> bool:
    """Is Triton installed."""
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    return True


@lru_cache(maxsize=1)
def _kernel() -> Any:
    import triton
    import triton.language as tl

    @triton.jit  # type: ignore[untyped-decorator]
    def fill_disallowed(logits, table, row_of, n_logits, logits_stride, n_words, fill, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
        row = tl.program_id(0)
        source = tl.load(row_of + row)
        if source >= 0:
            # A tile of BLOCK / 32 words by 32 bits.
            word = tl.program_id(1) * (BLOCK // 32) + tl.arange(0, BLOCK // 32)
            bit = tl.arange(0, 32)
            words = tl.load(table + source.to(tl.int64) * n_words + word, mask=word < n_words, other=0)
            refused = ((words[:, None] >> bit[None, :]) & 1) == 0
            tokens = word[:, None] * 32 + bit[None, :]
            inside = tokens < n_logits
            place = logits + row.to(tl.int64) * logits_stride + tokens
            old = tl.load(place, mask=inside, other=0.0).to(tl.float32)
            lifted = tl.where(old < fill / 2, fill / 2, old)
            tl.store(place, tl.where(refused, fill, lifted), mask=inside)

    return fill_disallowed


def apply_triton_(logits: Tensor, table: Tensor, row_of: Tensor, *, fill: float) -> Tensor:
    """Write `fill` over the disallowed logits, in place; logits must be contiguous in its last dimension."""
    import triton

    n_logits = logits.shape[-1]
    flat = logits.view(-1, n_logits)
    rows = row_of.reshape(-1).contiguous()
    if rows.numel():
        grid = (rows.numel(), triton.cdiv(n_logits, _BLOCK))
        _kernel()[grid](flat, table.contiguous(), rows, n_logits, flat.stride(0), table.shape[1], fill, BLOCK=_BLOCK)
    return logits
