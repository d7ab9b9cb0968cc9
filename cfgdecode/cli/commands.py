"""The group of all commands."""

from __future__ import annotations

import click

import cfgdecode

from .corpus import parse_corpus
from .infill import infill
from .questions import allowed, check, complete, explain
from .show import show


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(cfgdecode.__version__)
def cli() -> None:
    """Exact answers about texts with holes: can they be completed, and by which tokens?

    GRAMMAR is the name of a built-in grammar (json, cpp, ...), a .lark file or a JSON Schema (.json).
    Exit codes: 0 yes, 1 no, 2 wrong usage or bad input, 3 undecided within the limits.
    """


for _command in (check, complete, allowed, explain, infill, show, parse_corpus):
    cli.add_command(_command)
