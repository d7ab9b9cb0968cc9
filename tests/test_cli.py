"""The command line, by real runs: answers, exit codes, JSON, errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.dom.minidom
from pathlib import Path

import pytest
from click.testing import CliRunner

import cfgdecode as cd
from cfgdecode.cli.commands import cli

YES, NO, BAD_INPUT, UNDECIDED = 0, 1, 2, 3
DOCUMENT = '{"name": "report", "values": [1, 2.5, -3, true, null], "tags": ["draft", "2024"]}\n'
PROGRAM = "int twice(int x) {\n    int y = x + x;\n    return y;\n}\n"


def run(*arguments, code=YES, stdin=None):
    result = CliRunner().invoke(cli, [str(a) for a in arguments], input=stdin, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def answer(*arguments, code=YES, stdin=None):
    return json.loads(run(*arguments, "--json", code=code, stdin=stdin).stdout)


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "document.json"
    path.write_text(DOCUMENT)
    return path


# --- check, complete, allowed, explain


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("[1, 2]", YES, "accepted"),
        ("[1, <GAP>]", YES, "completable"),
        ("[1<MASK>", YES, "completable"),
        ("[1,,2]", NO, "dead"),
    ],
)
def test_check_answers_by_text_and_exit_code(text, code, said):
    assert run("check", "json", text, code=code).stdout.startswith(said)


def test_check_reads_stdin_and_files(document):
    assert answer("check", "json", "-", stdin="[true]")["verdict"] == "completable"
    assert answer("check", "json", "--file", document)["verdict"] == "completable"


def test_check_takes_lark_files_and_schemas(tmp_path):
    lark = tmp_path / "ab.lark"
    lark.write_text('start: "a" start "b" | "a" "b"\n')
    assert run("check", lark, "aabb").stdout == "accepted\n"
    run("check", lark, "aab", code=NO)
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}')
    run("check", schema, '{"n": 1}')
    run("check", schema, '{"n": "x"}', code=NO)


def test_marks_can_be_chosen():
    assert run("check", "json", "[1, ??]", "--gap-mark", "??").stdout == "completable\n"
    assert run("complete", "json", "[1, _", "--mask-mark", "_", code=NO).stdout == ""
    assert run("complete", "json", "[1, __", "--mask-mark", "_").stdout.startswith("[1, ")


def test_complete_gives_a_shortest_text():
    text = run("complete", "json", '{"a": [1, <GAP>}').stdout
    assert text.startswith('{"a": [1, ')
    assert len(text) == len('{"a": [1, 1]}\n')
    assert answer("complete", "json", "[<GAP>")["text"] == "[]"


def test_complete_of_a_dead_text_says_why_on_stderr():
    result = run("complete", "json", "[1,,<GAP>", code=NO)
    assert result.stdout == ""
    assert result.stderr.startswith("dead\n")


def test_allowed_lists_exactly_the_tokens():
    assert run("allowed", "json", "[1<MASK>").stdout == "cell 2 (1): ']'\n"
    assert answer("allowed", "json", "[1<MASK>") == {"verdict": "completable", "allowed": {"2": [ord("]")]}}


def test_allowed_reads_a_canvas_file(tmp_path):
    path = tmp_path / "canvas.json"
    path.write_text(json.dumps({"ids": [ord("["), None, None, ord("]")], "open": [1, 2]}))
    cells = answer("allowed", "json", "--canvas", path)["allowed"]
    assert set(cells) == {"1", "2"}
    assert ord("1") in cells["2"]
    assert ord(",") not in cells["2"]
    assert answer("allowed", "json", "--canvas", path, "--at", 1)["allowed"].keys() == {"1"}
    path.write_text(json.dumps({"ids": [ord("["), None, ord("]")], "gaps": {"1": [0, None]}}))
    assert answer("allowed", "json", "--canvas", path)["allowed"] == {}
    run("allowed", "json", "--canvas", path, "--at", 1, code=BAD_INPUT)


@pytest.mark.parametrize(
    "bad", ["[]", '{"ids": 3}', '{"ids": [1], "gaps": 7}', '{"ids": ["x"]}', '{"ids": [9999]}', "{"]
)
def test_bad_canvas_files_are_typed_errors(tmp_path, bad):
    path = tmp_path / "canvas.json"
    path.write_text(bad)
    assert run("allowed", "json", "--canvas", path, code=BAD_INPUT).stderr.startswith("error: ")


def test_explain_names_the_smallest_conflict():
    why = answer("explain", "json", '{"a": 1,}', code=NO)
    assert why["span"] == [7, 9]
    assert why["found"] == "'}'"
    assert why["expected"] == ["STRING"]
    text = run("explain", "json", "[1,,2]", code=NO).stdout
    assert text.splitlines()[0].startswith("line 1, column 4: found ',', expected one of ")


def test_explain_of_a_token():
    assert answer("explain", "json", "[1<MASK>", "--position", 2, "--token", ord("]"))["verdict"] == "completable"
    assert answer("explain", "json", "[1<MASK>", "--position", 2, "--token", ord("x"), code=NO)["verdict"] == "dead"
    assert "may hold" in run("explain", "json", "[1<MASK>", "--position", 2).stdout
    run("explain", "json", "[1<MASK>", "--token", 1, code=BAD_INPUT)


# --- errors


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "no-such-grammar", "x"),
        ("check", "json"),
        ("check", "json", "x", "--file", "y"),
        ("check", "json", "--file", "/no/such/file"),
        ("check", "json", "[1]", "--tokenizer", "/no/such/tokenizer"),
        ("check", "json", "[1<MASK>]", "--mask-mark", ""),
        ("allowed", "json", "[1<MASK>]", "--at", "17"),
        ("infill", "--grammar", "json", "/no/such/file"),
    ],
)
def test_bad_input_is_exit_code_2_without_a_traceback(arguments):
    result = run(*arguments, code=BAD_INPUT)
    assert "rror: " in result.stderr
    assert "Traceback" not in result.output


def test_a_bad_grammar_file_is_shown_with_a_caret(tmp_path):
    path = tmp_path / "bad.lark"
    path.write_text("start: (\n")
    assert run("check", path, "x", code=BAD_INPUT).stderr.startswith("error: ")


def test_input_that_is_no_utf8(tmp_path):
    path = tmp_path / "latin1.json"
    path.write_bytes(b'"\xe9"')
    assert "not UTF-8" in run("check", "json", "--file", path, code=BAD_INPUT).stderr


def test_undecided_is_exit_code_3():
    text = '{"a": [' + "1, " * 400 + "<MASK>" * 60
    assert answer("check", "json", text, "--time-limit", 0, code=UNDECIDED)["limit"] == "time_us"


def python(*arguments, cwd):
    """A new interpreter that finds the package under test, wherever that lies."""
    env = os.environ | {"PYTHONPATH": str(Path(cd.__file__).parent.parent)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=cwd, env=env)


def test_python_dash_m_runs_the_same_program(tmp_path):
    done = python("-m", "cfgdecode", "check", "json", "[1,", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (NO, "dead")


def test_without_click_the_program_says_what_to_install(tmp_path):
    code = "import sys; sys.modules['click'] = None; from cfgdecode.cli import main; main()"
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == BAD_INPUT
    assert done.stderr == "error: the command line needs click: pip install 'cfgdecode[cli]'\n"


# --- show


@pytest.mark.parametrize("form", [(), ("--dot",), ("--mermaid",), ("--json",)])
@pytest.mark.parametrize(
    "what",
    [
        ("grammar", "json"),
        ("lexer", "json"),
        ("lexer", "json", "--terminal", "STRING"),
        ("lexer", "json", "--text", "[1, 2]"),
        ("canvas", "json", "[1<MASK><GAP>]"),
        ("chart", "json", '[1, {"a": 2}]'),
    ],
)
def test_show_prints_every_form(what, form):
    out = run("show", *what, *form).stdout
    first = {(): "", ("--dot",): "digraph ", ("--mermaid",): "flowchart LR", ("--json",): "{"}[form]
    assert out.startswith(first)
    assert out.strip()


def test_show_grammar_as_lark_can_be_read_again(tmp_path):
    path = tmp_path / "again.lark"
    path.write_text(run("show", "grammar", "arithmetic", "--lark").stdout)
    start = cd.Grammar.builtin("arithmetic").ir
    again = cd.Grammar.from_lark(path, start=start.nonterminals[start.start])
    assert again.accepts("1 + 2 * 3")


def test_show_chart_names_the_start_symbol_over_the_whole_text():
    lines = run("show", "chart", "json", " [ 1 ] ").stdout.splitlines()
    assert lines[1].startswith("(0, value, ")
    run("show", "chart", "json", "[1", code=NO)


# --- parse-corpus


def test_parse_corpus_counts_and_explains(tmp_path, document):
    bad = tmp_path / "bad.json"
    bad.write_text("[1, 2,]")
    report = answer("parse-corpus", "json", document, bad, code=NO)
    assert (report["accepted"], report["refused"]) == (1, 1)
    assert report["bytes"] == len(DOCUMENT) + 7
    [row] = report["rows"]
    assert (row["text"], row["position"], row["found"]) == (str(bad), 6, "']'")
    assert (row["line"], row["column"]) == (1, 7)
    assert "1 of 2 accepted" in run("parse-corpus", "json", document, bad, code=NO).stdout


def test_parse_corpus_reads_json_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"t": "[1]"}\n{"t": "[1"}\nnot json\n{"u": 1}\n')
    report = answer("parse-corpus", "json", path, "--field", "t", code=NO)
    assert (report["accepted"], report["refused"], report["unreadable"]) == (1, 1, 2)
    assert [row["text"].rpartition(":")[2] for row in report["rows"]] == ["2", "3", "4"]
    assert [row["message"] for row in report["rows"]][2] == "no field 't'; its fields are u"
    assert "give --field" in run("parse-corpus", "json", path, code=NO).stderr
    assert "give --field" not in run("parse-corpus", "json", path, "--field", "t", code=NO).stderr


def test_parse_corpus_leaves_out_what_is_too_long(tmp_path):
    path = tmp_path / "long.json"
    path.write_text("[" + "1," * 500 + "1]")
    assert answer("parse-corpus", "json", path, "--max-bytes", 100, code=UNDECIDED)["undecided"] == 1
    assert answer("parse-corpus", "json", path)["accepted"] == 1


def test_parse_corpus_reads_folders_and_survives_missing_files(tmp_path, document):
    assert answer("parse-corpus", "json", tmp_path, tmp_path / "missing", code=BAD_INPUT)["accepted"] == 1


def test_parse_corpus_reads_what_is_asked_for_below_folders(tmp_path, document):
    (tmp_path / "below").mkdir()
    for name in ("a.json", "b.txt", ".hidden.json"):
        (tmp_path / "below" / name).write_text("[1")
    report = answer("parse-corpus", "json", tmp_path, "--glob", "*.json", code=NO)
    assert (report["accepted"], [row["text"] for row in report["rows"]]) == (1, [str(tmp_path / "below" / "a.json")])
    assert answer("parse-corpus", "json", tmp_path, "--glob", "doc*", "--glob", "b*", code=NO)["refused"] == 1


def test_parse_corpus_reads_stdin():
    assert answer("parse-corpus", "json", "-", stdin="[1]")["accepted"] == 1
    assert answer("parse-corpus", "json", "-", "--field", "t", stdin='{"t": "[1]"}\n{"t": "1"}\n')["accepted"] == 2


def test_parse_corpus_says_where_a_text_is_no_utf8(tmp_path):
    path = tmp_path / "latin1.cpp"
    path.write_bytes(b"int a;\nint b; // caf\xe9\n")
    [row] = answer("parse-corpus", "cpp", path, code=NO)["rows"]
    assert (row["line"], row["column"], row["position"]) == (2, 14, 20)
    assert row["message"] == "line 2, column 14: byte 0xe9 is no UTF-8"


def test_parse_corpus_finds_the_place_in_a_text_too_long_for_a_smallest_conflict(tmp_path, monkeypatch):
    monkeypatch.setattr("cfgdecode.explain.SECONDS", 0)
    path = tmp_path / "long.json"
    expected = ['"["', '"false"', '"null"', '"true"', '"{"', "NUMBER", "STRING"]
    for text, position, found in (
        ("[1,\n" * 2000 + "2,, 3", 8002, "','"),
        ("[1,\n" * 2000, 8000, "the end of the text"),
        ("[1,\n" * 2000 + "é", 8000, "'é'"),
    ):
        path.write_text(text)
        [row] = answer("parse-corpus", "json", path, code=NO)["rows"]
        assert (row["position"], row["line"], row["column"]) == (position, 2001, position - 7999)
        assert (row["found"], row["expected"]) == (found, expected)
        assert row["message"].startswith(f"line 2001, column {position - 7999}: found {found}, expected one of ")


def test_parse_corpus_that_is_interrupted_reports_what_it_has(document, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("cfgdecode.cli.corpus._judge", interrupt)
    result = run("parse-corpus", "json", document, code=UNDECIDED)
    assert result.stdout.startswith("0 of 0 accepted")
    assert "interrupted" in result.stderr


# --- infill


@pytest.mark.parametrize("order", ["confident", "random", "left", "right"])
def test_infill_fills_random_regions(document, order):
    result = answer("infill", "--grammar", "json", "--regions", 3, "--order", order, "--length", 2, 5, document)
    assert result["accepted"]
    assert cd.Grammar.builtin("json").accepts(result["text"])
    n_cells = sum(end - start for start, end in result["regions"])
    assert len(result["kept"]) + len(result["substituted"]) == n_cells
    assert len(result["regions"]) == 3


def test_infill_keeps_what_is_outside_of_marked_regions(tmp_path):
    path = tmp_path / "marked.json"
    path.write_text('{"a": /*<*/[1, 2]/*>*/, "b": /*<*/"x"/*>*/}')
    for policy in ("substitute", "defer"):
        result = answer("infill", "--grammar", "json", "--policy", policy, "--temperature", 1, path)
        assert result["accepted"]
        assert result["text"].startswith('{"a": ')
        assert ', "b": ' in result["text"]


def test_infill_sets_comments_aside_and_puts_them_back(tmp_path):
    path = tmp_path / "program.cpp"
    path.write_text("#include <vector>\n// caf\u00e9\nint f(/* one */ int x) { return /*<*/x + 1/*>*/; } // end\n")
    result = answer("infill", "--grammar", "cpp", path)
    head, tail = "#include <vector>\n// caf\u00e9\nint f(/* one */ int x) { return ", "; } // end\n"
    assert result["accepted"]
    assert result["text"].startswith(head)
    assert result["text"].endswith(tail)
    filled = result["text"][len(head) : -len(tail)]
    assert "//" not in filled and "/*" not in filled
    assert answer("infill", "--grammar", "cpp", "--comments", path)["accepted"]


def test_infill_prints_the_result_and_writes_it(tmp_path, document):
    out, svg = tmp_path / "out.json", tmp_path / "run.svg"
    result = run("infill", "--grammar", "json", "--output", out, "--svg", svg, document)
    assert out.read_text() == result.stdout
    assert "the result is a text of the grammar" in result.stderr
    assert xml.dom.minidom.parse(str(svg)).documentElement.tagName == "svg"


def test_infill_is_the_same_for_the_same_seed(document):
    first = answer("infill", "--grammar", "json", "--seed", 5, document)["text"]
    assert first == answer("infill", "--grammar", "json", "--seed", 5, document)["text"]


def test_infill_says_what_is_wrong_with_the_file(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text('{"a": /*<*/1/*>*/,, "b": 2}')
    assert "cannot be completed" in run("infill", "--grammar", "json", path, code=NO).stderr
    path.write_text('{"a": /*<*/1')
    run("infill", "--grammar", "json", path, code=BAD_INPUT)
    path.write_text("1")
    run("infill", "--grammar", "json", path, code=BAD_INPUT)


def test_infill_cpp(tmp_path):
    path = tmp_path / "program.cpp"
    path.write_text(PROGRAM)
    result = answer("infill", "--grammar", "cpp", "--regions", 3, "--length", 1, 3, path)
    assert result["accepted"]
    assert cd.Grammar.builtin("cpp").accepts(result["text"])
