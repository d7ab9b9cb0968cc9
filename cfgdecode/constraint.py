"""A grammar compiled together with a vocabulary.

`Constraint` is immutable, thread-safe, picklable (it is compiled anew where it is loaded) and cheap to
share; each sequence under decoding gets its own `Canvas` from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

try:
    from . import _native
except ImportError as error:
    raise ImportError(
        "this copy of cfgdecode has no native core beside it: it is the source tree, found before the installed "
        "package. Install it in place (pip install -e .) or start Python in another folder"
    ) from error
from .errors import CanvasError, GrammarError, VocabularyError
from .grammar import GrammarIR, Terminal
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from .canvas import Canvas
    from .text import Grammar

EosPolicy: TypeAlias = Literal["none", "eos_to_end", "cut", "pad"]
POLICIES: tuple[EosPolicy, ...] = get_args(EosPolicy)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one canvas; reaching one makes an answer *Undecided*, never *Dead*.

    items: chart items; states: states visited while two charts are joined; table_bytes: lexical tables
    of the constraint, made anew beyond it; time_us: microseconds of one call, 0 for none; exact_cells: open cells up
    to which a canvas with a small vocabulary is decided by the view that leaves nothing out, before quicker ones;
    origins: places where a symbol may have begun that quick views of a canvas with hundreds of gaps keep apart, sixteen
    times as many where gaps are few. No answer depends on the last two.
    """

    items: int = 20_000_000
    states: int = 20_000_000
    table_bytes: int = 256 << 20
    time_us: int = 0
    exact_cells: int = 8
    origins: int = 16


class Constraint:
    """What may be decoded: made by `compile`."""

    def __init__(
        self,
        grammar: Grammar,
        vocabulary: Vocabulary,
        *,
        limits: Limits | None = None,
        eos_policy: EosPolicy = "eos_to_end",
    ) -> None:
        if eos_policy not in POLICIES:
            raise CanvasError(f"unknown eos_policy {eos_policy!r}; use one of {', '.join(POLICIES)}")
        if eos_policy == "pad" and vocabulary.pad is None:
            raise VocabularyError("eos_policy 'pad' needs a vocabulary with a pad id; pass pad=...")
        self.grammar, self.vocabulary = grammar, vocabulary
        self.limits, self.eos_policy = limits or Limits(), eos_policy
        self._native = native_constraint(grammar.ir, native_vocabulary(vocabulary), self.limits)

    @property
    def is_empty(self) -> bool:
        """Whether no text at all belongs to the language."""
        return self._native.is_empty()

    def canvas(
        self,
        ids: Sequence[int] | npt.NDArray[Any],
        open: Sequence[bool] | npt.NDArray[Any] | None = None,
        *,
        gaps: Mapping[int, tuple[int, int | None]] | None = None,
        status: Sequence[int] | npt.NDArray[Any] | None = None,
        lane: int = 0,
    ) -> Canvas:
        """A canvas over `ids: int[n]`.

        Args:
            ids: token ids; what stands at open positions does not matter.
            open: bool[n], True where a token is to be decided; None: where `ids` has the mask id.
            gaps: first position of a maximal run of open cells -> (lo, hi): that run stands for lo to hi
                tokens, hi None for no upper bound; other runs stand for exactly as many tokens as cells.
            status: int8[n] of FIXED/COMMITTED/DRAFT for the positions that are not open (default FIXED).
            lane: canvases of one lane share lexical tables and wait for one another; canvases of different lanes
                (0 to 15, then again) are worked on at the same time by different threads.

        Raises:
            CanvasError: wrong shape or dtype, an id out of range, or no mask id where `open` is None.
        """
        from .canvas import Canvas

        return Canvas._create(self, ids, open, gaps, status, lane)

    def memory_bytes(self) -> int:
        """Bytes held by the compiled grammar and its lexical tables now."""
        return self._native.memory_bytes()

    def __reduce__(self) -> tuple[Any, ...]:
        return _compile, (self.grammar, self.vocabulary, self.limits, self.eos_policy)

    def __repr__(self) -> str:
        return f"Constraint({self.grammar!r}, {self.vocabulary!r}, eos_policy={self.eos_policy!r})"


def compile(  # named like re.compile
    grammar: Grammar,
    vocabulary: Vocabulary,
    limits: Limits | None = None,
    eos_policy: EosPolicy = "eos_to_end",
) -> Constraint:
    """Compile `grammar` for the tokens of `vocabulary`.

    `eos_policy` says what may stand behind the first EOS: "eos_to_end" EOS or pad (LLaDA, Dream), "cut"
    anything (LLaDA2, SDAR), "pad" only pad (DiffusionGemma); "none": every cell holds text.

    Raises:
        GrammarError, VocabularyError, LimitExceeded: see errors.py.
    """
    return Constraint(grammar, vocabulary, limits=limits, eos_policy=eos_policy)


def _compile(grammar: Grammar, vocabulary: Vocabulary, limits: Limits, eos_policy: EosPolicy) -> Constraint:
    return Constraint(grammar, vocabulary, limits=limits, eos_policy=eos_policy)


def native_vocabulary(vocabulary: Vocabulary) -> _native.Vocabulary:
    """The native trie of a vocabulary, made once per vocabulary object."""
    return vocabulary._cached("native", lambda: _native_vocabulary(vocabulary))


def _native_vocabulary(vocabulary: Vocabulary) -> _native.Vocabulary:
    data, offsets, special = vocabulary.packed()
    if len(data) >= 1 << 32:
        raise VocabularyError(f"the tokens have {len(data)} bytes in all; the limit is {(1 << 32) - 1}")
    return _native.Vocabulary(
        data,
        offsets.tolist(),
        special.tolist(),
        list(vocabulary.eos),
        vocabulary.pad,
        vocabulary.mask,
        vocabulary.n_logits,
    )


def native_constraint(ir: GrammarIR, vocabulary: _native.Vocabulary, limits: Limits) -> _native.Constraint:
    """The native constraint of an IR."""
    terminals, ignore = _split_double_roles(ir)
    retyped = {s for _, strings in ir.keywords for s in strings}
    if ir.lexer == "basic":  # Lark decides what is ignored before it retypes keywords.
        ignore = tuple(t for t in ignore if t not in retyped)
    if not ir.nonterminals:
        raise GrammarError("a grammar needs at least one rule")
    return _native.Constraint(
        ir.lexer,
        [(t.name, t.pattern, t.source) for t in terminals],
        list(ir.nonterminals),
        [(head, list(body)) for head, body in ir.rules],
        ir.start,
        list(ignore),
        list(ir.scanner),
        [(t, list(strings)) for t, strings in ir.keywords if t not in ignore],
        vocabulary,
        astuple(limits),
    )


def _split_double_roles(ir: GrammarIR) -> tuple[tuple[Terminal, ...], tuple[int, ...]]:
    """Terminals and %ignore for the native core, in which an ignored terminal is nothing but ignored.

    Under the dynamic lexers a terminal that rules use may be ignored as well; it gets an ignored twin.
    (Under `basic`, Lark drops such a lexeme wherever it stands.)
    """
    if ir.lexer == "basic":
        return ir.terminals, ir.ignore
    used = {-s - 1 for _, body in ir.rules for s in body if s < 0}
    terminals, ignore = list(ir.terminals), []
    for t in ir.ignore:
        if t in used:
            terminals.append(ir.terminals[t])
            t = len(terminals) - 1
        ignore.append(t)
    return tuple(terminals), tuple(ignore)


def bitmask_ids(mask: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The ids whose bits are set in a packed row."""
    bits = np.unpackbits(mask.view(np.uint8), bitorder="little")
    return np.flatnonzero(bits).astype(np.int32)
