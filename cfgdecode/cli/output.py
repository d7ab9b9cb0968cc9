"""Exit codes, errors and JSON, the same for every command."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TypeVar

import click
from rich.console import Console

from cfgdecode.canvas import Verdict
from cfgdecode.errors import CfgDecodeError, DeadCanvasError, LimitExceeded

YES, NO, BAD_INPUT, UNDECIDED = 0, 1, 2, 3
EXIT = {Verdict.COMPLETABLE: YES, Verdict.DEAD: NO, Verdict.UNDECIDED: UNDECIDED}

P = ParamSpec("P")
R = TypeVar("R")

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def errors_to_exit_codes(command: Callable[P, R]) -> Callable[P, R]:
    """Turn typed errors into a message on stderr and an exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except LimitExceeded as error:
            fail(f"undecided: {error}", UNDECIDED)
        except DeadCanvasError as error:
            fail(str(error), NO)
        except CfgDecodeError as error:
            fail(str(error), BAD_INPUT)
        except UnicodeDecodeError as error:
            fail(f"the input is not UTF-8: {error.reason} at byte {error.start}", BAD_INPUT)
        except OSError as error:
            fail(f"{error.filename or 'input'}: {error.strerror or error}", BAD_INPUT)

    return run


def fail(message: str, code: int) -> NoReturn:
    """Print the message to stderr and exit."""
    label = "error: " if code == BAD_INPUT else ""
    sys.stderr.write(f"{label}{message}\n")
    sys.exit(code)


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))


def stderr() -> Console:
    """For progress: plain lines where stderr is no terminal."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def stdout() -> Console:
    return Console(highlight=False, soft_wrap=True)
