"""Constrained LLaDA-style decoding: a grammar, a vocabulary, a model that maps ids to logits. Runs in a second.

The "model" is random: whatever it says, the text is in the grammar and fills exactly its cells.
"""

import torch

import cfgdecode as cd
from cfgdecode.loops import llada

grammar = cd.Grammar.from_lark(r"""
start: "[" [value ("," value)*] "]"
value: NUMBER | start
NUMBER: /[1-9][0-9]*/
""")
vocabulary = cd.Vocabulary.bytes()
constraint = cd.compile(grammar, vocabulary)


def model(ids: torch.Tensor) -> torch.Tensor:
    return torch.randn(*ids.shape, vocabulary.n_logits, generator=torch.Generator().manual_seed(int(ids.sum())))


prompt = torch.tensor([list(b"Numbers: ")] * 2)
result = llada(model, prompt, mask_id=vocabulary.mask, constraint=constraint, gen_length=24, steps=8)
for row in result.ids:
    text = constraint.canvas(row[9:].tolist(), open=[False] * 24).text()
    print(text.decode(), grammar.accepts(text))
print(result.stats)
