"""Makes small.json, a byte-level BPE of 768 tokens, from the samples: `python -m cfgdecode.cli.samples.train`."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SIZE = 768


def main() -> None:
    """Train on every sample and write small.json beside them."""
    folder = Path(__file__).parent
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>", "<|mask|>"],
        show_progress=False,
    )
    tokenizer.train([str(path) for path in sorted(folder.glob("*.txt"))], trainer)
    tokenizer.save(str(folder / "small.json"), pretty=False)


if __name__ == "__main__":
    main()
