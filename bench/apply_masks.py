"""Filling the disallowed logits of a window from a packed table: the paths of `cfgdecode.hooks.tensors`, side by side.

    python bench/apply_masks.py [--device cuda] [--rows 256] [--logits 128256] [--repeats 30]

256 logits rows share 16 table rows that allow a share of the tokens, as the cells of a window do. `GB/s` counts what
has to move at least: the mask words, each allowed logit read and each disallowed one written once. `copy` is
`logits.clone()`: what the device reaches when it only moves memory. Times are medians of wall clock, the device idle
before and after; every path's answer is compared with the dense one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from cfgdecode.hooks import tensors
from cfgdecode.hooks.triton_kernel import apply_triton_, is_available

N_MASKS = 16
SHARES = (0.01, 0.5, 0.99)


def median_ms(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """The median of one call, after two that compile and warm up."""
    times = []
    for _ in range(repeats + 2):
        _wait(device)
        start = time.perf_counter()
        work()
        _wait(device)
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times[2:])[repeats // 2]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def paths(device: torch.device) -> dict[str, Callable[..., torch.Tensor]]:
    """The paths that the device can take."""
    made: dict[str, Callable[..., torch.Tensor]] = {"dense": tensors.apply_dense_}
    if device.type == "cpu":
        made["sparse"] = tensors.apply_sparse_
    elif is_available():
        made["compiled dense"] = torch.compile(tensors.apply_dense_)
        made["triton"] = apply_triton_
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--logits", type=int, default=128_256)
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    print(f"{torch.cuda.get_device_name() if device.type == 'cuda' else 'CPU'}, torch {torch.__version__}")
    print("| dtype | allowed | path | ms | GB/s |\n|---|---|---|---|---|")
    generator = torch.Generator().manual_seed(0)
    for dtype in (torch.float32, torch.bfloat16):
        logits = torch.randn(arguments.rows, arguments.logits, generator=generator).to(dtype).to(device)
        copied = median_ms(logits.clone, device, arguments.repeats)
        print(f"| {dtype} | – | copy | {copied:.3f} | {2 * logits.nbytes / copied / 1e6:.0f} |", flush=True)
        for share in SHARES:
            bits = torch.rand(N_MASKS, -(-arguments.logits // 32) * 32, generator=generator) < share
            weights = 2 ** torch.arange(32, dtype=torch.int64)
            packed = (bits.view(N_MASKS, -1, 32).long() * weights).sum(-1)
            table = packed.to(torch.uint32).view(torch.int32).to(device)
            row_of = (torch.arange(arguments.rows, dtype=torch.int32) % N_MASKS).to(device)
            fill = tensors.finite_fill(dtype)
            want = tensors.apply_dense_(logits.clone(), table, row_of, fill=fill)
            for name, path in paths(device).items():
                here = logits.clone()
                assert torch.equal(path(here, table, row_of, fill=fill), want), name
                ms = median_ms(
                    lambda path=path, args=(here, table, row_of), fill=fill: path(*args, fill=fill),
                    device,
                    arguments.repeats,
                )
                moved = here.nbytes + arguments.rows * table.shape[1] * 4
                print(f"| {dtype} | {share:.0%} | {name} | {ms:.3f} | {moved / ms / 1e6:.0f} |", flush=True)


if __name__ == "__main__":
    main()
