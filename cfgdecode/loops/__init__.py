"""Sampling loops of our own, on any callable that maps ids to logits, each written once for free and constrained runs.

`llada` (LLaDA, Fast-dLLM), `dream` (Dream, DiffuCoder), `block` (SDAR, LLaDA2.x), `uniform` (DiffusionGemma),
`insert` (DreamOn). Reading order: `sampling` (logits -> proposals), `gate` (what a constraint changes), then a loop.
Needs torch.
"""

from cfgdecode.loops.block import block
from cfgdecode.loops.dream import dream
from cfgdecode.loops.gate import Gate, LoopResult, Options
from cfgdecode.loops.insert import insert
from cfgdecode.loops.llada import fill_canvas, llada
from cfgdecode.loops.uniform import uniform

__all__ = ["Gate", "LoopResult", "Options", "block", "dream", "fill_canvas", "insert", "llada", "uniform"]
