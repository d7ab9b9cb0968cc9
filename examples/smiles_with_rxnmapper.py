"""SMILES from a real masked language model: the ALBERT of the PyPI package rxnmapper (MIT).

    pip install transformers && pip install --no-deps rxnmapper

The model was trained to fill masked tokens of chemical reactions. Here it denoises a product from nothing but masks,
with and without the grammar."""

import importlib.util
import sys
from pathlib import Path

import torch
from transformers import AlbertForMaskedLM, logging

import cfgdecode as cd
from cfgdecode.loops import fill_canvas


def main(n_cells: int = 16, steps: int = 16) -> None:
    package = importlib.util.find_spec("rxnmapper")
    if package is None or package.origin is None:
        sys.exit("needs the model: pip install --no-deps rxnmapper")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    folder = Path(package.origin).parent / "models/transformers/albert_heads_8_uspto_all_1310k"
    model = AlbertForMaskedLM.from_pretrained(folder).eval()
    names = (folder / "vocab.txt").read_text().splitlines()
    ids = {name: i for i, name in enumerate(names)}
    special = {"[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", ">>"}
    tokens = [None if name in special or name.startswith("[unused") else name.encode() for name in names]
    tokens += [None] * (model.config.vocab_size - len(tokens))
    vocabulary = cd.Vocabulary.from_tokens(tokens, eos=[ids["[SEP]"]], mask=ids["[MASK]"])
    constraint = cd.compile(cd.Grammar.builtin("smiles"), vocabulary, eos_policy="none")

    # [CLS] reactants >> ????? [SEP]: a Suzuki coupling whose product is to be written.
    reactants = [
        "Br",
        "c",
        "1",
        "c",
        "c",
        "c",
        "c",
        "c",
        "1",
        ".",
        "O",
        "B",
        "(",
        "O",
        ")",
        "c",
        "1",
        "c",
        "c",
        "c",
        "c",
        "c",
        "1",
    ]
    start = [ids["[CLS]"], *(ids[t] for t in reactants), ids[">>"]]
    canvas = torch.tensor([[*start, *[ids["[MASK]"]] * n_cells, ids["[SEP]"]]])
    region = (len(start), len(start) + n_cells)
    for name, held in (("free", None), ("constrained", constraint)):
        result = fill_canvas(
            model,
            canvas,
            start=len(start),
            block_length=n_cells + 1,
            steps=steps,
            mask_id=ids["[MASK]"],
            constraint=held,
            region=region,
        )
        text = b"".join(tokens[i] or b"?" for i in result.ids[0, region[0] : region[1]].tolist())
        print(f"{name:12} {text.decode():30} valid: {constraint.grammar.accepts(text)}")
        if held is not None:
            print(result.stats)


if __name__ == "__main__":
    main()
