"""Exact grammar-constrained decoding for diffusion and autoregressive language models."""

from .canvas import (
    COMMITTED,
    DRAFT,
    FIXED,
    OPEN,
    AllowedTable,
    AllowedTokens,
    Canvas,
    CommitResult,
    Explanation,
    Stats,
    Verdict,
)
from .complete import Completion
from .constraint import Constraint, Limits, compile
from .errors import (
    CanvasError,
    CfgDecodeError,
    DeadCanvasError,
    GrammarError,
    GrammarSyntaxError,
    LimitExceeded,
    SchemaError,
    UnsupportedGrammarError,
    VocabularyError,
)
from .text import GAP, Grammar
from .vocabulary import Vocabulary

__version__ = "0.1.0"

__all__ = [
    "COMMITTED",
    "DRAFT",
    "FIXED",
    "GAP",
    "OPEN",
    "AllowedTable",
    "AllowedTokens",
    "Canvas",
    "CanvasError",
    "CfgDecodeError",
    "CommitResult",
    "Completion",
    "Constraint",
    "DeadCanvasError",
    "Explanation",
    "Grammar",
    "GrammarError",
    "GrammarSyntaxError",
    "LimitExceeded",
    "Limits",
    "SchemaError",
    "Stats",
    "UnsupportedGrammarError",
    "Verdict",
    "Vocabulary",
    "VocabularyError",
    "__version__",
    "compile",
]
