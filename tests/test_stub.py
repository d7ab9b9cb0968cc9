"""The type stub of the native module says what the module has: names, methods, parameters."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import cfgdecode
from cfgdecode import _native

STUB = Path(cfgdecode.__file__).parent / "_native.pyi"
TREE = ast.parse(STUB.read_text(encoding="utf-8"))
CLASSES = {node.name: node for node in TREE.body if isinstance(node, ast.ClassDef)}


def parameters_of(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs) if a.arg != "cls"]


def public(names):
    return {name for name in names if not name.startswith("_")}


def test_the_stub_names_what_the_module_has():
    assigned = {node.target.id for node in TREE.body if isinstance(node, ast.AnnAssign)}
    assert public(CLASSES) == public(vars(_native))
    assert "__version__" in assigned
    assert _native.__version__ == cfgdecode.__version__


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_methods_and_their_parameters_agree(name):
    native = getattr(_native, name)
    stub = {node.name: node for node in CLASSES[name].body if isinstance(node, ast.FunctionDef)}
    assert public(stub) == public(vars(native))
    for method in public(stub):
        signature = inspect.signature(getattr(native, method))
        assert parameters_of(stub[method]) == list(signature.parameters), f"{name}.{method}"
    if "__new__" in stub:
        assert parameters_of(stub["__new__"]) == list(inspect.signature(native).parameters)
    else:
        with pytest.raises(TypeError):
            native()
