"""If the free run of a seed ends in a valid text, the constrained run gives the same tokens.

That is a theorem for loops that never take a token back. Loops that revise (token editing, uniform noise) may pass
through canvases that no text completes and still end in one; for them: a run without any refusal is the free run."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from generation import (  # noqa: E402
    runs,
    small,
)
from generation.toy import ToyModel  # noqa: E402

PROMPT = torch.tensor([[7, 8, 9]])


class Knowing:
    """A model that knows a valid text, and how sure it is: some runs end valid, others do not."""

    def __init__(self, text: list[int], sureness: float, seed: int, shift: int) -> None:
        self.text, self.sureness, self.inner = text, sureness, ToyModel(small.N, seed=seed)
        self.columns = torch.arange(3, 3 + len(text)) - shift

    def __call__(self, ids):
        logits = self.inner(ids)
        seen = self.columns < ids.shape[1]
        logits[:, self.columns[seen], torch.tensor(self.text)[seen]] += self.sureness
        return logits


def _text(n: int) -> list[int]:
    names = [b"[", b"1,", b"[", b"0", b"]", b",", b"12", b" ", b"]"]
    return [small.TOKENS.index(t) for t in names] + [small.EOS] * (n - len(names))


def _pairs(which, sureness, seed, temperature):
    both = []
    for constraint in (None, small.constraint()):
        model = Knowing(_text(16), sureness, seed, shift=int(which.__name__.startswith("dream")))
        both.append(
            runs.run(
                which,
                model,
                PROMPT,
                16,
                4,
                n_logits=small.N,
                mask_id=small.MASK,
                seed=seed,
                constraint=constraint,
                temperature=temperature,
            )
        )
    return both


def _ends_valid(row: list[int]) -> bool:
    try:
        return small.is_valid(row)
    except AssertionError:
        return False


REVISING = [runs.uniform, runs.MASKED[-1]]
LASTING = [which for which in runs.ALL if which not in REVISING]


@pytest.mark.parametrize("temperature", [0.0, 0.5])
@pytest.mark.parametrize("which", REVISING, ids=lambda r: r.__name__)
def test_a_run_of_a_revising_loop_without_refusals_is_the_free_run(which, temperature):
    for seed in range(4):
        free, held = _pairs(which, 9.0 + 2 * seed, seed, temperature)
        if held.stats.rejected == held.stats.repaired == 0:
            assert held.ids[0, 3:19].tolist() == free.ids[0, 3:19].tolist()


@pytest.mark.parametrize("temperature", [0.0, 0.5])
@pytest.mark.parametrize("which", LASTING, ids=lambda r: r.__name__)
def test_a_valid_free_run_is_left_as_it_is(which, temperature):
    n_valid = 0
    for seed in range(4):
        free, held = _pairs(which, 8.0 + 2 * seed, seed, temperature)
        row = free.ids[0, 3:19].tolist()
        if _ends_valid(row):
            n_valid += 1
            assert held.ids[0, 3:19].tolist() == row
            assert held.stats.rejected == 0
        assert small.is_valid(held.ids[0, 3:19].tolist())
    assert n_valid > 0
