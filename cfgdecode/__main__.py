"""`python -m cfgdecode`: see cfgdecode/cli."""

from .cli import main

main()
