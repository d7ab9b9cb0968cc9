"""Toy models: cheap deterministic functions from ids to logits whose answer at a cell depends on the whole canvas."""

from __future__ import annotations

import torch
from torch import Tensor


class ToyModel:
    """logits[b, i] = (embedding of the neighbourhood of i, plus a pooled context) times a random matrix."""

    def __init__(self, n_logits: int, *, seed: int = 0, sharpness: float = 3.0, width: int = 16) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.embed = torch.randn(n_logits, width, generator=generator)
        self.place = torch.randn(1024, width, generator=generator)
        self.head = torch.randn(width, n_logits, generator=generator) * sharpness / width**0.5
        self.calls = 0

    def __call__(self, ids: Tensor) -> Tensor:
        self.calls += 1
        h = self.embed[ids]
        h = h + torch.roll(h, 1, 1) + 0.5 * torch.roll(h, -1, 1) + h.mean(1, keepdim=True)
        return torch.tanh(h + self.place[: ids.shape[1]]) @ self.head


class ScriptedModel:
    """The same logits row at every cell: uniform noise, a constant, or one favoured token."""

    def __init__(self, n_logits: int, favoured: int | None = None, *, noise: bool = False, seed: int = 0) -> None:
        self.n_logits, self.favoured, self.noise = n_logits, favoured, noise
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, ids: Tensor) -> Tensor:
        shape = (*ids.shape, self.n_logits)
        logits = torch.rand(shape, generator=self.generator) if self.noise else torch.zeros(shape)
        if self.favoured is not None:
            logits[..., self.favoured] += 20.0
        return logits
