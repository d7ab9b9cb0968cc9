"""Looking at the selected cells alone decides as looking at the allowed sets of all cells does.

An unselected proposal that its cell refuses could only lose confidence by being repaired, so it stays unselected. At
temperature 0, where substitutes are not drawn, both ways give the same tokens.
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from generation import runs, small  # noqa: E402
from generation.toy import ToyModel  # noqa: E402

from cfgdecode.loops import gate  # noqa: E402

PROMPT = torch.tensor([[7, 8, 9]])
# The others draw substitutes or take tokens back between two looks.
FINAL = [which for which in runs.MASKED if "editing" not in which.__name__ and which.__name__ != "uniform"]


def _tokens(which, seed: int, k: int) -> list[int]:
    result = runs.run(
        which, ToyModel(small.N, seed=seed), PROMPT, 16, k, n_logits=small.N, mask_id=small.MASK, seed=seed,
        constraint=small.constraint(), temperature=0.0,
    )  # fmt: skip
    return result.ids[0].tolist()


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("which", FINAL, ids=lambda r: r.__name__)
def test_the_selected_cells_decide_as_all_cells_do(which, k, monkeypatch):
    for seed in range(4):
        asked = _tokens(which, seed, k)
        with monkeypatch.context() as patch:
            patch.setattr(gate, "_ROUNDS", 0)
            assert _tokens(which, seed, k) == asked
