"""If the free run of a seed ends in a valid text, the constrained run gives the same tokens."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from cfgdecode import loops  # noqa: E402
from tests import small  # noqa: E402
from tests.loops import runs  # noqa: E402
from tests.loops.toy import ToyModel  # noqa: E402

PROMPT = torch.tensor([[7, 8, 9]])


class Knowing:
    """A model that knows a valid text, and how sure it is: some runs end valid, others do not."""

    def __init__(self, text: list[int], sureness: float, seed: int) -> None:
        self.text, self.sureness, self.inner = text, sureness, ToyModel(small.N, seed=seed)

    def __call__(self, ids):
        logits = self.inner(ids)
        columns = torch.arange(3, 3 + len(self.text))
        # Several loops read the logits of the position before.
        logits[:, columns, self.text] += self.sureness
        logits[:, columns - 1, self.text] += self.sureness
        return logits


def _text(n: int) -> list[int]:
    names = [b"[", b"1,", b"[", b"0", b"]", b",", b"12", b" ", b"]"]
    return [small.TOKENS.index(t) for t in names] + [small.EOS] * (n - len(names))


def _pairs(which, sureness, seed, temperature):
    both = []
    for constraint in (None, small.constraint()):
        model = Knowing(_text(16), sureness, seed)
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


@pytest.mark.parametrize("temperature", [0.0, 0.5])
@pytest.mark.parametrize("which", runs.ALL, ids=lambda r: r.__name__)
def test_a_valid_free_run_is_left_as_it_is(which, temperature):
    n_valid = 0
    for seed in range(12):
        free, held = _pairs(which, 6.0 + seed, seed, temperature)
        row = free.ids[0, 3:19].tolist()
        if _ends_valid(row):
            n_valid += 1
            assert held.ids[0, 3:19].tolist() == row
            assert held.stats.rejected == 0
        assert small.is_valid(held.ids[0, 3:19].tolist())
    assert n_valid > 0
