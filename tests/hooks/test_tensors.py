"""The three ways to apply a bitmask agree, keep dtype and device, and never make a NaN."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cfgdecode

torch = pytest.importorskip("torch")

from cfgdecode.hooks import tensors  # noqa: E402

DTYPES = [torch.float32, torch.float16, torch.bfloat16]


def _case(n_logits, n_rows=7, u=3, seed=0, words=None):
    rng = np.random.default_rng(seed)
    words = -(-n_logits // 32) if words is None else words
    bits = rng.random((u, 32 * words)) < np.array([[0.02], [0.5], [0.97]])[:u]
    bits[:, 3] = True
    table = torch.from_numpy(np.packbits(bits.astype(np.uint8), axis=1, bitorder="little").view(np.int32))
    row_of = torch.from_numpy(rng.integers(-1, u, n_rows).astype(np.int32))
    return table, row_of, bits


def _want(logits, row_of, bits, fill):
    want = logits.clone()
    width = min(bits.shape[1], logits.shape[-1])
    for i, r in enumerate(row_of.tolist()):
        if r >= 0:
            allowed = torch.zeros(logits.shape[-1], dtype=torch.bool)
            allowed[:width] = torch.from_numpy(bits[r, :width])
            want[i][~allowed] = fill
    return want


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_logits", [31, 32, 1000, 4099])
@pytest.mark.parametrize("path", [tensors.apply_dense_, tensors.apply_sparse_, tensors.apply_bitmask_])
def test_exactly_the_disallowed_logits_are_filled(path, n_logits, dtype):
    table, row_of, bits = _case(n_logits)
    logits = torch.randn(7, n_logits).to(dtype)
    want = _want(logits, row_of, bits, tensors.finite_fill(dtype))
    have = path(logits, table, row_of, fill=tensors.finite_fill(dtype))
    assert have.dtype == dtype and have.data_ptr() == logits.data_ptr()
    assert torch.equal(have, want)
    assert not torch.isnan(torch.softmax(have.float() / 1e-3, dim=-1)).any()


@pytest.mark.parametrize("path", [tensors.apply_dense_, tensors.apply_sparse_])
def test_logits_may_be_wider_than_the_table(path):
    table, row_of, bits = _case(64, words=2)
    logits = torch.randn(7, 100)
    want = _want(logits, row_of, bits, -1e20)
    assert torch.equal(path(logits, table, row_of, fill=-1e20), want)
    assert (logits[row_of >= 0][:, 64:] == -1e20).all()


def test_a_batch_of_windows_is_the_loop_over_its_rows():
    table, row_of, _ = _case(500, n_rows=12)
    logits = torch.randn(3, 4, 500)
    one_by_one = logits.clone()
    tensors.apply_bitmask_(logits, table, row_of.view(3, 4))
    for b in range(3):
        tensors.apply_bitmask_(one_by_one[b], table, row_of.view(3, 4)[b])
    assert torch.equal(logits, one_by_one)


def test_is_allowed_reads_the_bits():
    table, row_of, bits = _case(200, n_rows=200, u=3)
    tokens = torch.arange(200)
    have = tensors.is_allowed(tokens, table, row_of)
    want = [r < 0 or bool(bits[r, t]) for t, r in zip(tokens.tolist(), row_of.tolist(), strict=True)]
    assert have.tolist() == want
    assert not tensors.is_allowed(torch.tensor([10_000, -1]), table, torch.tensor([0, 0], dtype=torch.int32)).any()


def test_an_empty_table_changes_nothing():
    logits = torch.randn(2, 5)
    before = logits.clone()
    tensors.apply_bitmask_(logits, torch.zeros((0, 1), dtype=torch.int32), torch.full((2,), -1, dtype=torch.int32))
    assert torch.equal(logits, before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("path", [tensors.apply_dense_, tensors.apply_sparse_])
def test_an_allowed_token_wins_even_where_the_model_rules_it_out(path, dtype):
    table, row_of, bits = _case(300)
    logits = torch.full((7, 300), -torch.inf).to(dtype)
    logits[:, ~torch.from_numpy(bits[:, :300]).any(0)] = 5.0
    path(logits, table, row_of, fill=tensors.finite_fill(dtype))
    for i, r in enumerate(row_of.tolist()):
        if r >= 0:
            assert bits[r, int(logits[i].argmax())] and torch.isfinite(logits[i]).all()


def test_the_dense_path_is_one_graph_for_torch_compile():
    table, row_of, _ = _case(500)
    logits = torch.randn(7, 500)
    want = tensors.apply_dense_(logits.clone(), table, row_of, fill=-1e20)
    compiled = torch.compile(tensors.apply_dense_, backend="eager", fullgraph=True)
    assert torch.equal(compiled(logits, table, row_of, fill=-1e20), want)


_KERNEL = """
import torch  # noqa: E402
from test_tensors import _case
from cfgdecode.hooks import tensors  # noqa: E402
from cfgdecode.hooks.triton_kernel import apply_triton_  # noqa: E402
for n_logits in (31, 4099, 9000):
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        table, row_of, _ = _case(n_logits)
        logits = torch.randn(7, n_logits).to(dtype)
        fill = tensors.finite_fill(dtype)
        want = tensors.apply_dense_(logits.clone(), table, row_of, fill=fill)
        assert torch.equal(apply_triton_(logits, table, row_of, fill=fill), want), (n_logits, dtype)
table, row_of, _ = _case(64, words=2)
logits = torch.randn(7, 100)
want = tensors.apply_dense_(logits.clone(), table, row_of, fill=-1e20)
assert torch.equal(apply_triton_(logits, table, row_of, fill=-1e20), want)
logits = torch.full((7, 100), -torch.inf)
want = tensors.apply_dense_(logits.clone(), table, row_of, fill=-1e20)
assert torch.equal(apply_triton_(logits, table, row_of, fill=-1e20), want)
print("agree")
"""


def test_the_triton_kernel_agrees_with_the_dense_path_in_the_interpreter():
    pytest.importorskip("triton")
    here = Path(__file__).resolve()
    path = os.pathsep.join([str(here.parent), str(Path(cfgdecode.__file__).parents[1])])
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": path}
    ran = subprocess.run(
        [sys.executable, "-c", _KERNEL],
        capture_output=True,
        text=True,
        env=environment,
        cwd=here.parent,
        timeout=300,
        check=False,
    )
    assert ran.stdout.strip() == "agree", ran.stderr[-2000:]
