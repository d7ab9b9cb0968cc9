"""The README's code runs and prints what it says; its files exist."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from cfgdecode.cli.commands import cli

REPOSITORY = Path(__file__).resolve().parent.parent
README = REPOSITORY / "README.md"
TEXT = README.read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.M | re.S)


def printed_value(source, statement):
    """What the comment behind a statement says."""
    line = source.splitlines()[statement.end_lineno - 1]
    return line[len(line.encode()[: statement.end_col_offset].decode()) :].strip().removeprefix("#").strip()


@pytest.mark.parametrize("source", blocks("python"))
def test_python_blocks_print_what_the_comments_say(source):
    names: dict[str, object] = {}
    for statement in ast.parse(source).body:
        code = ast.get_source_segment(source, statement)
        want = printed_value(source, statement)
        if isinstance(statement, ast.Expr) and want:
            assert repr(eval(code, names)) == want, code
        else:
            exec(code, names)


def sessions():
    for block in blocks("console"):
        for command, output in re.findall(r"^\$ cfgdecode (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.M):
            yield pytest.param(command, output, id=command)


@pytest.mark.parametrize(("command", "output"), list(sessions()))
def test_console_blocks_print_what_they_show(command, output):
    result = CliRunner().invoke(cli, shlex.split(command), catch_exceptions=False)
    assert result.stdout == output


def test_the_first_screen_has_at_most_twelve_lines_of_code():
    code = [line for line in blocks("python")[0].splitlines() if line.strip()]
    assert len(code) <= 12


def test_linked_files_exist():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert links
    assert [link for link in links if not (REPOSITORY / link).is_file()] == []


def test_the_main_job_and_the_tests_are_one_command_each():
    [main_job, tests] = [block.strip() for block in blocks("sh")]
    assert "\n" not in main_job + tests
    assert "cfgdecode infill" in main_job
    assert tests.endswith("pytest")
    assert (REPOSITORY / main_job.split()[-1]).is_file()
