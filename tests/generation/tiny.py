"""Tiny random models of the real libraries."""

from __future__ import annotations

from typing import Any

import torch


def llama(vocab_size: int, *, eos: int | list[int], pad: int, seed: int = 0) -> Any:
    """A left-to-right model of transformers with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        bos_token_id=None,
        eos_token_id=eos,
        pad_token_id=pad,
    )
    return LlamaForCausalLM(config).eval()


def diffusion_gemma(vocab_size: int, canvas_length: int, *, eos: int, pad: int, sharpness: float = 4.0) -> Any:
    """A DiffusionGemma of transformers with random weights and no vision tower worth the name."""
    from transformers import (
        DiffusionGemmaConfig,
        DiffusionGemmaForBlockDiffusion,
        DiffusionGemmaTextConfig,
        Gemma4VisionConfig,
    )

    torch.manual_seed(0)
    text = DiffusionGemmaTextConfig(
        vocab_size=vocab_size,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        global_head_dim=16,
        num_experts=2,
        top_k_experts=1,
        moe_intermediate_size=16,
        sliding_window=64,
        pad_token_id=pad,
        eos_token_id=eos,
        bos_token_id=eos,
    )
    vision = Gemma4VisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1
    )
    config = DiffusionGemmaConfig(
        text_config=text,
        vision_config=vision,
        canvas_length=canvas_length,
        boi_token_id=vocab_size + 1,
        eoi_token_id=vocab_size + 2,
        image_token_id=vocab_size + 3,
    )
    model = DiffusionGemmaForBlockDiffusion(config).eval()
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(sharpness / 0.02 / 10)
    model.generation_config.eos_token_id = [eos]
    model.generation_config.pad_token_id = pad
    return model
