"""C++ with three regions to fill, all at once: masks anywhere in a fixed text, decoded by diffusion.

The model is random and knows nothing of C++; the three regions together with the text around them are C++ all the same.
Each region has exactly the cells it is given.
"""

import torch

import cfgdecode as cd
from cfgdecode.loops import fill_canvas

PARTS = ["int f(int a) {\n  int b = ", 3, ";\n  while (", 4, ")\n    b ", 3, " 1;\n  return b;\n}\n"]


def main(seed: int = 0) -> None:
    vocabulary = cd.Vocabulary.bytes()
    grammar = cd.Grammar.builtin("cpp")
    constraint = cd.compile(grammar, vocabulary, eos_policy="none")
    cells = [c for part in PARTS for c in ([vocabulary.mask] * part if isinstance(part, int) else part.encode())]

    def model(ids: torch.Tensor) -> torch.Tensor:
        logits = torch.randn(*ids.shape, vocabulary.n_logits, generator=torch.Generator().manual_seed(seed))
        logits[..., list(b"abcdef+-*<>=(); 1234567890")] += 3.0  # a taste for the usual characters
        return logits

    result = fill_canvas(
        model, torch.tensor([cells]), start=0, mask_id=vocabulary.mask, constraint=constraint, block_length=len(cells),
        steps=10,
    )  # fmt: skip
    text = constraint.canvas(result.ids[0].tolist(), open=[False] * len(cells)).text()
    print(text.decode())
    print("accepted:", grammar.accepts(text))
    print(result.stats)


if __name__ == "__main__":
    main()
