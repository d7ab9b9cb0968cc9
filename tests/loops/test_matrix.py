"""L2 on the grammars people use, judged by Lark or by a JSON Schema validator: a sample of the matrix.

The whole matrix (loop x grammar x adversarial logits x temperature x size x commits a step) is drawn at random here;
CFGDECODE_RUNS sets how many runs each grammar gets, CFGDECODE_CELLS the lengths of their canvases.
"""

from __future__ import annotations

import json
import os
import random

import pytest

torch = pytest.importorskip("torch")

import lark  # noqa: E402
from generation import runs  # noqa: E402
from generation.toy import ScriptedModel, ToyModel  # noqa: E402

import cfgdecode as cd  # noqa: E402
from cfgdecode import loops  # noqa: E402

RUNS = int(os.environ.get("CFGDECODE_RUNS", "24"))
CELLS = [int(n) for n in os.environ.get("CFGDECODE_CELLS", "16,24").split(",")]
SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "integer"},
        "b": {"type": "array", "items": {"type": "boolean"}},
        "c": {"type": "string", "maxLength": 8},
    },
    "required": ["a"],
    "additionalProperties": False,
}
VOCABULARY = cd.Vocabulary.bytes()
N, EOS, MASK = VOCABULARY.n_logits, VOCABULARY.eos[0], VOCABULARY.mask
MODELS = {
    "noise": lambda seed: ScriptedModel(N, noise=True, seed=seed),
    "constant": lambda seed: ScriptedModel(N),
    "dead token": lambda seed: ScriptedModel(N, 0),
    "unbalancing token": lambda seed: ScriptedModel(N, ord("(")),
    "eos": lambda seed: ScriptedModel(N, EOS),
    "mask": lambda seed: ScriptedModel(N, MASK),
    "toy": lambda seed: ToyModel(N, seed=seed),
}


def _judged_by_lark(name):
    grammar = cd.Grammar.builtin(name)
    source = grammar_text(name)
    judge = lark.Lark(source, parser="earley", lexer="basic", start=_start(source))
    return grammar, lambda text: judge.parse(text)


def grammar_text(name):
    from importlib.resources import files

    return (files("cfgdecode") / "grammars" / f"{name}.lark").read_text()


def _start(source):
    return source.split("// start: ")[1].split("\n")[0].split(",")[0].strip()


def _judged_by_schema():
    import jsonschema

    def judge(text):
        jsonschema.validate(json.loads(text, parse_float=_kind_of), SCHEMA)

    return cd.Grammar.from_json_schema(SCHEMA), judge


def _kind_of(text):
    """0 for an integer however it is written (1e999 is one, but no float), else 0.5."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    n_zeros = len(digits) - len(digits.rstrip("0"))
    return 0 if not digits or int(exponent or 0) - len(fraction) + n_zeros >= 0 else 0.5


GRAMMARS = {
    "json": lambda: _judged_by_lark("json"),
    "smiles": lambda: _judged_by_lark("smiles"),
    "schema": _judged_by_schema,
    "cpp": lambda: _judged_by_lark("cpp"),
}


@pytest.mark.parametrize("name", GRAMMARS)
def test_random_runs_of_the_matrix_end_with_a_valid_text(name):
    grammar, judge = GRAMMARS[name]()
    constraint = cd.compile(grammar, VOCABULARY)
    draw = random.Random(7)
    prompt = torch.tensor([[65, 66]])
    for _ in range(RUNS):
        which, label, seed = draw.choice(runs.ALL), draw.choice(list(MODELS)), draw.randrange(10**6)
        n, k, temperature = draw.choice(CELLS), draw.choice([1, 4, 16]), draw.choice([0.0, 1.0])
        result = runs.run(
            which,
            MODELS[label](seed),
            prompt,
            n,
            k,
            n_logits=N,
            mask_id=MASK,
            seed=seed,
            constraint=constraint,
            temperature=temperature,
        )
        row = result.ids[0, 2 : 2 + n].tolist()
        end = row.index(EOS) if EOS in row else n
        assert set(row[end:]) <= {EOS}, (which.__name__, label, seed)
        judge(bytes(row[:end]).decode())


NO_TEXT = 0xFF
"""A byte of no UTF-8 text."""
AROUND = {
    "json": [(b'{"a": [1,', b", 2]}"), (b"[", b"]"), (b'{"k": "x', b'y"}')],
    "smiles": [(b"CC(", b")O"), (b"C1", b"1")],
    "schema": [(b'{"a": ', b"}"), (b'{"a": 1, "b": [', b"]}")],
    "cpp": [(b"int f(int a) { ", b"return a; }"), (b"struct A { ", b" };"), (b"int x = ", b";")],
}


@pytest.mark.parametrize("name", GRAMMARS)
def test_insertions_of_the_matrix_end_with_a_valid_text(name):
    grammar, judge = GRAMMARS[name]()
    constraint = cd.compile(grammar, VOCABULARY, eos_policy="none")
    draw = random.Random(7)
    for _ in range(RUNS):
        label, seed, (prefix, suffix) = draw.choice(list(MODELS)), draw.randrange(10**6), draw.choice(AROUND[name])
        max_masks = draw.choice([16, 32, 64])
        n_masks = draw.choice([1, 4, 16, max_masks])
        torch.manual_seed(seed)
        result = loops.insert(
            MODELS[label](seed),
            torch.tensor(list(prefix)),
            torch.tensor(list(suffix)),
            mask_id=MASK,
            expand_id=NO_TEXT,
            delete_id=EOS,
            constraint=constraint,
            n_masks=n_masks,
            max_masks=max_masks,
            tokens_per_step=draw.choice([1, 4]),
            temperature=draw.choice([0.0, 1.0]),
            delete_to_right=draw.random() < 0.3,
        )
        text = bytes(result.ids[0].tolist())
        assert text.startswith(prefix) and text.endswith(suffix), (label, seed)
        assert len(text) <= len(prefix) + max_masks + len(suffix), (label, seed)
        judge(text.decode())


def test_cpp_regions_between_given_text_end_as_cpp():
    grammar, judge = _judged_by_lark("cpp")
    constraint = cd.compile(grammar, VOCABULARY, eos_policy="none")
    for seed, model in ((0, ToyModel(N, seed=1)), (1, ScriptedModel(N, noise=True)), (2, ScriptedModel(N, ord("(")))):
        torch.manual_seed(seed)
        parts = ["int f(int a) {\n  int b = ", 3, ";\n  return ", 2, ";\n}\n"]
        cells = [c for part in parts for c in ([MASK] * part if isinstance(part, int) else part.encode())]
        result = loops.fill_canvas(
            model, torch.tensor([cells]), start=0, mask_id=MASK, constraint=constraint, steps=3, temperature=float(seed)
        )
        judge(bytes(result.ids[0].tolist()).decode())
