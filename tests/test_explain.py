"""Explanations: the span conflicts, it is small, and the message names what was expected."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cfgdecode as cd
from cfgdecode.explain import first_failure
from cfgdecode.grammar.ir import show_node
from cfgdecode.lexemes import certain_lexemes, lexeme_grammar, prefix_pattern, scanner, shortest_lexeme
from cfgdecode.reference import preferred

JSON, CPP = cd.Grammar.builtin("json"), cd.Grammar.builtin("cpp")
BYTES = cd.Vocabulary.bytes()
PROGRAM = "int main() {\n    int x = 1 + 2;\n    std::cout << x;\n    return 0;\n}\n"


def canvas_of(grammar, text, mark="?"):
    """Each mark is one open cell; every other byte a cell."""
    data = text.encode()
    return cd.compile(grammar, BYTES, eos_policy="none").canvas(list(data), [c == ord(mark) for c in data])


def spanned(text, why):
    return text.encode()[slice(*why.span)].decode()


@pytest.mark.parametrize(
    ("grammar", "text", "span", "found", "expected"),
    [
        (JSON, '{"a": 1,}', ",}", "'}'", "STRING"),
        (JSON, "[1 2]", "1 2", "'2'", '","'),
        (JSON, "[1,,2]", ",,", "','", "NUMBER"),
        (JSON, "[1, 2", ", 2", "the end of the text", '"]"'),
        (JSON, "[tru1]", "[t", "'t'", '"true"'),
        (CPP, PROGRAM.replace("x;\n    return", "x\n    return"), "x\n    return", "'return'", '";"'),
        (CPP, PROGRAM[:-2], "return 0;\n", "the end of the text", '"}"'),
        (CPP, "int f() { a - = 1; }", "a - =", "'='", "IDENTIFIER"),
    ],
)
def test_the_smallest_conflict_of_a_text(grammar, text, span, found, expected):
    why = canvas_of(grammar, text).explain()
    assert spanned(text, why).strip() == span.strip()
    assert why.found == found
    assert expected in why.expected
    assert "^" in str(why)


def test_a_repair_is_named():
    assert 'valid with ";" in front of it' in str(
        canvas_of(CPP, PROGRAM.replace("x;\n    return", "x\n    return")).explain()
    )
    assert "valid without it" in str(canvas_of(JSON, "[1,,2]").explain())


def test_counts_are_named_where_only_they_conflict():
    why = canvas_of(JSON, '{"a"?}').explain()
    assert (why.span, str(why)) == ((4, 5), "cell 4: 1 open cell is too few; 2 would do")
    why = canvas_of(cd.Grammar.from_lark('start: "a" "b" "c"'), "a??c").explain()
    assert (why.span, str(why)) == ((1, 3), "cells 1..2: 2 open cells are too many; 1 would do")


def test_tokens_that_stand_in_no_text():
    constraint = cd.compile(JSON, BYTES)
    assert "behind the end" in str(constraint.canvas([ord("1"), 256, ord("2")], [False] * 3).explain())
    assert "has no bytes" in str(constraint.canvas([ord("1"), 257], [False] * 2).explain())


def test_a_token_that_is_not_allowed():
    canvas = canvas_of(JSON, "[1?")
    assert "is allowed" in str(canvas.explain(2, ord("]")))
    why = canvas.explain(2, ord("x"))
    assert str(why).startswith("token 120 'x' at cell 2: ")
    assert why.span[0] <= 2 < why.span[1]


def test_other_questions_have_answers_too():
    canvas = canvas_of(JSON, "[1?")
    assert str(canvas.explain()) == "the canvas is completable"
    assert "may hold ']'" in str(canvas.explain(2))
    assert "decided" in str(canvas.explain(0))
    empty = cd.Grammar.from_lark('start: "a" start')
    assert "empty" in str(canvas_of(empty, "a").explain())


def test_the_first_failure_is_a_byte_offset():
    text = "[1, é, 2]"
    why, at = first_failure(canvas_of(JSON, text))
    assert at == text.encode().index("é".encode())
    assert "column 5" in str(why)


def test_schemas_are_explained_in_bytes():
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    why = canvas_of(cd.Grammar.from_json_schema(schema), '{"a": "x"}').explain()
    assert why.found == "'\"'"
    assert any("NUMBER" in each or "INT" in each for each in why.expected)


EDITS = st.tuples(st.integers(0, len(PROGRAM) - 1), st.sampled_from(["", "(", "}", ";", "=", "x", '"', "/*", "\u00e9"]))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(EDITS)
def test_any_edit_of_a_program_has_an_explanation_that_conflicts(edit):
    at, put = edit
    text = PROGRAM[:at] + put + PROGRAM[at + 1 :]
    canvas = canvas_of(CPP, text)
    if canvas.verdict() is not cd.Verdict.DEAD:
        return
    why = canvas.explain()
    start, end = why.span
    assert 0 <= start < end <= len(canvas)
    used = [x for x in scanner(CPP).scan(spanned(text, why))[0] if not x.ignored]
    part = "factor" if start and end < len(canvas) else "prefix" if end < len(canvas) else "suffix"
    if scanner(CPP).scan(text)[1] is None and used:
        assert lexeme_grammar(CPP).is_part(
            [x.terminal for x in used], part if start or end < len(canvas) else "whole"
        ) in (
            False,
            None,
        )


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='[]{}",:1e-. true\n', max_size=20))
def test_any_text_over_json_characters_has_an_explanation(text):
    canvas = canvas_of(JSON, text, mark="\0")
    if canvas.verdict() is cd.Verdict.DEAD:
        why = canvas.explain()
        assert str(why)
        assert why.span[1] <= len(canvas)


# --- lexemes


def test_scan_reads_as_lark_does():
    lexemes, stop = scanner(CPP).scan("int returnx = 1; // end")
    names = [CPP.ir.terminals[x.terminal].name for x in lexemes if not x.ignored]
    assert stop is None
    assert names[1] == "IDENTIFIER"
    assert lexemes[-1].ignored


def test_certain_lexemes_stop_where_a_longer_one_may_begin():
    text = "int x = /* open"
    lexemes, _ = scanner(CPP).scan(text)
    assert certain_lexemes(CPP, text, lexemes)[-1].end <= text.index("/*")
    text = "int retur"
    assert [text[x.start : x.end] for x in certain_lexemes(CPP, text, scanner(CPP).scan(text)[0])][-1] != "retur"


@pytest.mark.parametrize("part", ["prefix", "suffix", "factor"])
def test_parts_of_a_text_are_parts(part):
    terminals = [x.terminal for x in scanner(CPP).scan(PROGRAM)[0] if not x.ignored]
    parts = lexeme_grammar(CPP)
    assert parts.is_part(terminals, "whole")
    for start in range(0, len(terminals), 3):
        for end in range(start, len(terminals), 4):
            if (part == "prefix" and start) or (part == "suffix" and end < len(terminals)):
                continue
            assert parts.is_part(terminals[start:end], part)


@pytest.mark.parametrize("grammar", [JSON, CPP], ids=["json", "cpp"])
def test_shortest_lexemes_match_and_their_prefixes_are_prefixes(grammar):
    for terminal in grammar.ir.terminals:
        lexeme = shortest_lexeme(terminal.pattern)
        shorter = prefix_pattern(terminal.pattern)
        if "look" not in str(terminal.pattern):
            assert preferred(terminal.pattern, lexeme, 0) is not None, terminal
        for end in range(len(lexeme) + 1):
            assert re.fullmatch(show_node(shorter), lexeme[:end]), (terminal.name, lexeme[:end])
