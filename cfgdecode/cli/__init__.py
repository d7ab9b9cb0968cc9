"""The command line: `cfgdecode` and `python -m cfgdecode`.

Exit codes of every command: 0 yes, 1 no (dead, refused), 2 wrong usage or bad input, 3 undecided (a limit was reached).
Every command takes `--json`; answers go to stdout, progress and errors to stderr. Files, in reading order: `inputs`
(grammars, vocabularies, texts with gaps), `output` (exit codes, errors), one file per group of commands (`questions`,
`show`, `corpus`, `infill`), and what `infill` needs: `regions`, `ngram`, `live`, `samples/`.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; needs click and rich."""
    try:
        from .commands import cli
    except ModuleNotFoundError as error:
        if error.name not in ("click", "rich", "tokenizers"):
            raise
        sys.stderr.write(f"error: the command line needs {error.name}: pip install 'cfgdecode[cli]'\n")
        sys.exit(2)
    cli(prog_name="cfgdecode")
