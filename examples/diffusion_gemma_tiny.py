"""A grammar in transformers' own DiffusionGemma generation, with tiny random weights (no download).

The model has no mask token: every step proposes all cells of its canvas, and the output is the argmax of the last
step. The guard makes exactly that argmax a valid text. With the real checkpoint only the model and the vocabulary
differ."""

import torch
from transformers import (
    DiffusionGemmaConfig,
    DiffusionGemmaForBlockDiffusion,
    DiffusionGemmaTextConfig,
    Gemma4VisionConfig,
)

import cfgdecode as cd
from cfgdecode.hooks.diffusion_gemma import DiffusionGemmaGuard

PAD, MASK, EOS = 258, 257, 256


def tiny_model(canvas_length: int) -> DiffusionGemmaForBlockDiffusion:
    torch.manual_seed(0)
    text = DiffusionGemmaTextConfig(
        vocab_size=259, hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, global_head_dim=16, num_experts=2, top_k_experts=1,
        moe_intermediate_size=16, sliding_window=64, pad_token_id=PAD, eos_token_id=EOS, bos_token_id=EOS,
    )  # fmt: skip
    vision = Gemma4VisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1
    )
    config = DiffusionGemmaConfig(
        text_config=text, vision_config=vision, canvas_length=canvas_length,
        boi_token_id=260, eoi_token_id=261, image_token_id=262,
    )  # fmt: skip
    model = DiffusionGemmaForBlockDiffusion(config).eval()
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(20)  # so that the random model has opinions
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = [EOS], PAD
    return model


def main(canvas_length: int = 20) -> None:
    model = tiny_model(canvas_length)
    tokens = [bytes([i]) for i in range(256)] + [None, None, None]
    vocabulary = cd.Vocabulary.from_tokens(tokens, eos=[EOS], pad=PAD, mask=MASK)
    grammar = cd.Grammar.from_lark('start: "{" [pair ("," pair)*] "}"\npair: /[a-z]+/ ":" /[0-9]+/')
    constraint = cd.compile(grammar, vocabulary, eos_policy="pad")
    prompt = torch.tensor([list(b"a map: ")])
    guard = DiffusionGemmaGuard(constraint, model, prompt_length=7, max_new_tokens=canvas_length)
    with guard.attached():
        out = model.generate(
            prompt,
            max_new_tokens=canvas_length,
            max_denoising_steps=8,
            disable_compile=True,
            logits_processor=guard.processors,
        )
    text = b"".join(tokens[i] or b"" for i in out.sequences[0, 7:].tolist())
    print(text.decode(), grammar.accepts(text))
    print(guard.stats)


if __name__ == "__main__":
    main()
