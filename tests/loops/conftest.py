"""Puts `tests/` on the path, so that `generation` is found however pytest is started.

Not the repository: tests must import the installed package, which has the native module.
"""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = str(Path(__file__).resolve().parents[1])
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)
