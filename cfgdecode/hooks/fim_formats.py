"""Fill-in-the-middle prompts of code models, as their makers document them.

A prompt names the text before the gap (P) and behind it (S) with marker tokens; what the model generates is the middle,
ended by one of the stop tokens. "psm" puts P first, "spm" S first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cfgdecode.errors import VocabularyError


@dataclass(frozen=True)
class FimFormat:
    """The markers of one family; `between` stands between the two texts, `end` behind the second."""

    name: str
    begin: str
    between: str
    end: str
    stop: tuple[str, ...]
    order: str = "psm"
    add_special_tokens: bool = True

    def prompt(self, prefix: str, suffix: str) -> str:
        """The prompt text; special tokens are written by name."""
        first, second = (prefix, suffix) if self.order == "psm" else (suffix, prefix)
        return f"{self.begin}{first}{self.between}{second}{self.end}"

    def stop_ids(self, tokenizer: Any) -> list[int]:
        """The ids of the stop tokens that this tokenizer has, and its EOS."""
        unknown = getattr(tokenizer, "unk_token_id", None)
        found = [tokenizer.convert_tokens_to_ids(name) for name in self.stop] + [tokenizer.eos_token_id]
        ids = list(dict.fromkeys(i for i in found if i is not None and i != unknown))
        if not ids:
            raise VocabularyError(f"the tokenizer has none of the stop tokens {', '.join(self.stop)} and no EOS")
        return ids


_FAMILIES = (
    FimFormat("starcoder2", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", ("<file_sep>", "<|endoftext|>")),
    FimFormat("starcoder2-spm", "<fim_prefix><fim_suffix>", "<fim_middle>", "", ("<file_sep>", "<|endoftext|>"), "spm"),
    FimFormat("deepseek-coder", "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", ("<｜end▁of▁sentence｜>",)),
    FimFormat("codegemma", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", ("<|file_separator|>", "<eos>")),
    FimFormat(
        "qwen2.5-coder",
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        ("<|endoftext|>", "<|fim_pad|>", "<|file_sep|>", "<|repo_name|>"),
    ),
    FimFormat("codellama", "<PRE> ", " <SUF>", " <MID>", ("<EOT>",)),
    FimFormat("codestral", "[SUFFIX]", "[PREFIX]", "", ("</s>",), "spm"),
)
FORMATS = {family.name: family for family in _FAMILIES}
"""Family name -> format. Order of the two texts as each family was trained."""
