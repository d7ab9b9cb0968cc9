"""What must stay true of the package as a whole."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cfgdecode

PACKAGE = Path(cfgdecode.__file__).parent
REPOSITORY = Path(__file__).resolve().parent.parent
SOURCES = REPOSITORY / "cfgdecode" / "native" / "src"
HEAVY = ("torch", "transformers", "diffusers", "tokenizers", "tiktoken", "sentencepiece", "hypothesis", "click", "rich")


def test_import_loads_no_heavy_package():
    code = f"import sys, cfgdecode; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "[]"


def test_a_source_tree_without_the_core_says_what_to_do(tmp_path):
    shutil.copytree(
        PACKAGE,
        tmp_path / "cfgdecode",
        ignore=shutil.ignore_patterns("_native.*.so", "_native*.pyd", "native", "__pycache__"),
    )
    done = subprocess.run([sys.executable, "-c", "import cfgdecode"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode != 0
    assert "pip install -e ." in done.stderr


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()


def test_only_the_border_names_pyo3():
    rust = [path for path in SOURCES.rglob("*.rs") if "python" not in path.relative_to(SOURCES).parts]
    if not rust:
        pytest.skip("no Rust sources beside the tests")
    assert [str(path) for path in rust if "pyo3" in path.read_text(encoding="utf-8")] == []


def test_the_core_neither_panics_nor_prints_on_purpose():
    """Every error that a user can cause is typed; `unwrap` and friends are for tests."""
    word = re.compile(r"\b(panic!|unimplemented!|todo!|println!|eprintln!|dbg!)|\.unwrap\(\)")
    found = []
    for path in SOURCES.rglob("*.rs"):
        if path.name == "tests.rs":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if word.search(line.partition("//")[0]):
                found.append(f"{path.relative_to(SOURCES)}:{number}: {line.strip()}")
    assert found == []


def test_no_file_of_python_is_called_utils_or_helpers():
    assert [p.name for p in PACKAGE.rglob("*.py") if p.stem in ("utils", "helpers", "common", "misc")] == []


def test_versions_agree():
    cargo = (REPOSITORY / "cfgdecode" / "native" / "Cargo.toml").read_text(encoding="utf-8")
    assert f'version = "{cfgdecode.__version__}"' in cargo
