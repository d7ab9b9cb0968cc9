"""Sets of numbers, and the JSON texts that denote their members.

A number set is a nested tuple: `("all",)`, `("none",)`, `("integer", strict)`, `("range", low, open, high, open)`
(bounds are `Fraction` or None), `("multiple", fraction)`, `("points", fractions)`, `("and" | "or", parts)`,
`("not", part)`.

Spellings. `("all",)` and `("integer", ...)` alone take every RFC 8259 spelling (for integers: every one that is an
integer by its form, `1.0` and `1e3` included unless `strict`, draft 4's reading). Any other set takes the *plain*
spellings `-?int(.digits)?` and the *scientific* ones `-?d(.digits)?e[+-]?digits` with one non-zero digit in front,
which is what JSON writers print. Fewer: multiples, and integers with two bounds, only plain ones;
integers with one bound plain ones, `d e digits` and whole doubles; single values the scientific one from 1e16 and
below 1e-4 only. Other exponent forms (`0.001e3`, `10e-1`) of a bounded number are refused: counting digits against
an exponent is not regular.

A terminal for a number has no closing quote, and Python's `re` prefers the first alternative to the longest, so
nodes are built from the minimal DFA with "go on" always before "stop" (`longest_first`). Where that form would be too
large, `number_node` raises `TooLarge` and the grammar gets a rule per state of `number_dfa`.
"""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Any

from cfgdecode.json_schema.automaton import (
    EMPTY,
    NOTHING,
    Dfa,
    Node,
    RegexAtom,
    TooLarge,
    alt,
    cat,
    determinize,
    optional,
    star,
)
from cfgdecode.json_schema.longest_first import LongestFirst
from cfgdecode.json_schema.number_atoms import MultipleAtom, RangeAtom, decimal, decimal_text

NumberSet = tuple[Any, ...]
ALL: NumberSet = ("all",)
NONE: NumberSet = ("none",)
INTEGER: NumberSet = ("integer", False)

_DIGIT: Node = ("set", ((0x30, 0x39),))
_ONE_TO_NINE: Node = ("set", ((0x31, 0x39),))
_DIGITS: Node = ("rep", 1, None, True, _DIGIT)
_INT: Node = ("alt", (("lit", "0"), ("cat", (_ONE_TO_NINE, ("rep", 0, None, True, _DIGIT)))))
_MINUS: Node = optional(("lit", "-"))
_E: Node = ("set", ((0x45, 0x45), (0x65, 0x65)))
_SIGN: Node = optional(("set", ((0x2B, 0x2B), (0x2D, 0x2D))))
_FRACTION: Node = optional(cat(("lit", "."), _DIGITS))
_ZEROS: Node = optional(cat(("lit", "."), ("rep", 1, None, True, ("lit", "0"))))
_UP: Node = cat(_E, optional(("lit", "+")), _DIGITS)
# At most 16 decimals and an exponent of 16 or more: what Python and JavaScript print for large whole doubles.
_WHOLE_DOUBLE: Node = cat(
    _ONE_TO_NINE, ("lit", "."), ("rep", 1, 16, True, _DIGIT), _E, optional(("lit", "+")), star(("lit", "0")),
    alt(
        cat(_ONE_TO_NINE, _DIGIT, _DIGITS), cat(("set", ((0x32, 0x39),)), _DIGIT),
        cat(("lit", "1"), ("set", ((0x36, 0x39),))),
    ),
)  # fmt: skip
NUMBER_NODE: Node = cat(_MINUS, _INT, _FRACTION, optional(cat(_E, _SIGN, _DIGITS)))
INTEGER_NODE: Node = cat(_MINUS, alt(_WHOLE_DOUBLE, cat(_INT, _ZEROS, optional(_UP))))
STRICT_INTEGER_NODE: Node = cat(_MINUS, _INT)
_TINY: Node = cat(
    _MINUS, _ONE_TO_NINE, _FRACTION, _E, ("lit", "-"), star(("lit", "0")), _ONE_TO_NINE, star(_DIGIT)
)  # never an integer
_BOUNDED_INTEGER: Node = cat(_MINUS, alt(cat(_INT, _ZEROS), cat(_ONE_TO_NINE, _UP)))
_PLAIN: Node = cat(_MINUS, _INT, _FRACTION)
_SCIENTIFIC: Node = cat(_MINUS, _ONE_TO_NINE, _FRACTION, _E, _SIGN, _DIGITS)


def both(a: NumberSet, b: NumberSet) -> NumberSet:
    """Intersection, simplified."""
    if NONE in (a, b):
        return NONE
    if a in (ALL, b):
        return b
    if b == ALL:
        return a
    for x, y in ((a, b), (b, a)):
        if x[0] == "points":
            kept = tuple(p for p in x[1] if contains(y, p))
            return ("points", kept) if kept else NONE
    parts_a = a[1] if a[0] == "and" else (a,)
    parts_b = b[1] if b[0] == "and" else (b,)
    return _conjunction(tuple(dict.fromkeys(parts_a + parts_b)))


def _conjunction(parts: tuple[NumberSet, ...]) -> NumberSet:
    ranges = [p for p in parts if p[0] == "range"]
    rest = tuple(p for p in parts if p[0] != "range")
    if len(ranges) > 1:
        low, low_open, high, high_open = None, False, None, False
        for _, lo, lo_open, hi, hi_open in ranges:
            if lo is not None and (low is None or lo > low or (lo == low and lo_open)):
                low, low_open = lo, lo_open
            if hi is not None and (high is None or hi < high or (hi == high and hi_open)):
                high, high_open = hi, hi_open
        ranges = [interval(low, low_open, high, high_open)]
    if ranges and ranges[0] == NONE:
        return NONE
    if ranges and ranges[0][0] == "points":
        kept = tuple(p for p in ranges[0][1] if all(contains(part, p) for part in rest))
        return ("points", kept) if kept else NONE
    if ("integer", False) in rest and ("integer", True) in rest:
        rest = tuple(p for p in rest if p != ("integer", False))
    parts = rest + tuple(ranges)
    return parts[0] if len(parts) == 1 else ("and", parts)


def interval(low: Fraction | None, low_open: bool, high: Fraction | None, high_open: bool) -> NumberSet:
    """The numbers between two bounds; None is no bound."""
    if low is None and high is None:
        return ALL
    if low is not None and high is not None and (low > high or (low == high and (low_open or high_open))):
        return NONE
    if low is not None and low == high:
        return ("points", (low,))
    return ("range", low, low_open, high, high_open)


def either(a: NumberSet, b: NumberSet) -> NumberSet:
    """Union, simplified."""
    if ALL in (a, b):
        return ALL
    if a in (NONE, b):
        return b
    if b == NONE:
        return a
    if a[0] == b[0] == "points":
        return ("points", tuple(dict.fromkeys(a[1] + b[1])))
    parts_a = a[1] if a[0] == "or" else (a,)
    parts_b = b[1] if b[0] == "or" else (b,)
    return ("or", tuple(dict.fromkeys(parts_a + parts_b)))


def negation(a: NumberSet) -> NumberSet:
    """The numbers outside `a`."""
    if a[0] == "not":
        return a[1]  # type: ignore[no-any-return]
    return NONE if a == ALL else ALL if a == NONE else ("not", a)


def contains(a: NumberSet, value: Fraction) -> bool:
    """Is `value` in the set?"""
    tag = a[0]
    if tag in ("all", "none"):
        return a == ALL
    if tag == "integer":
        return value.denominator == 1
    if tag == "points":
        return value in a[1]
    if tag == "multiple":
        return bool((value / a[1]).denominator == 1)
    if tag == "not":
        return not contains(a[1], value)
    if tag == "range":
        _, low, low_open, high, high_open = a
        above = low is None or value > low or (value == low and not low_open)
        return above and (high is None or value < high or (value == high and not high_open))
    answers = (contains(part, value) for part in a[1])
    return all(answers) if tag == "and" else any(answers)


def is_empty(a: NumberSet) -> bool:
    """Is the set certainly empty? (False also where deciding would be too dear.)"""
    if a[0] in ("all", "integer", "range", "multiple"):
        return False
    if a[0] in ("none", "points"):
        return a[0] == "none" or not a[1]
    try:
        return number_dfa(a).is_empty()
    except TooLarge:
        return False


@functools.lru_cache(maxsize=4096)
def number_node(a: NumberSet) -> Node:
    """The texts of the members; raises `TooLarge`."""
    if a == ALL:
        return NUMBER_NODE
    if a[0] == "integer":
        return STRICT_INTEGER_NODE if a[1] else INTEGER_NODE
    if a[0] == "points" and all(p == 0 or Fraction(1, 10_000) <= abs(p) < 10**16 for p in a[1]):
        return _many_points(a[1])
    if _whole_between(a) and INTEGER in a[1]:
        strict = ("and", tuple(("integer", True) if part == INTEGER else part for part in a[1]))
        return cat(LongestFirst(number_dfa(strict)).node(), _ZEROS)
    return alt(_large_whole(a), LongestFirst(number_dfa(a)).node())


def _large_whole(a: NumberSet) -> Node:
    """For integers with one bound: the whole doubles that writers print as `1.5e+20`; they go before all else."""
    if a[0] != "and" or len(a[1]) != 2 or ("integer", False) not in a[1]:
        return NOTHING
    low, high = next(((p[1], p[3]) for p in a[1] if p[0] == "range"), (Fraction(0), Fraction(0)))
    if (low is None) == (high is None) or abs(low or high or 0) >= 10**16:
        return NOTHING
    return cat(("lit", "-"), _WHOLE_DOUBLE) if low is None else _WHOLE_DOUBLE


def _many_points(points: tuple[Fraction, ...]) -> Node:
    """Plain spellings only: a trie of the decimal texts, longer ones first, zeros behind each."""
    texts = {decimal_text(p) for p in points}
    if Fraction(0) in points:
        texts.add("-0")

    def visit(group: list[str], at: int) -> Node:
        by_char: dict[str, list[str]] = {}
        for text in group:
            if len(text) > at:
                by_char.setdefault(text[at], []).append(text)
        parts = [cat(("lit", c), visit(below, at + 1)) for c, below in by_char.items()]
        if len(group[0]) > at:
            return alt(*parts)
        zeros = ("rep", 1, None, True, ("lit", "0"))
        parts.append(zeros if "." in group[0] else cat(("lit", "."), zeros))
        return optional(alt(*parts))

    return visit(sorted(texts), 0)


@functools.lru_cache(maxsize=4096)
def number_dfa(a: NumberSet) -> Dfa:
    """The minimal DFA over the texts of the members; raises `TooLarge`."""
    atoms: list[Any] = []
    where: dict[NumberSet, int] = {}
    plain_only = _negates(a, False, ("multiple",)) or _whole_between(a)
    not_integer = _negates(a, False, ("integer",))
    negated_point = _negates(a, False, ("points",))
    atoms.append(RegexAtom(alt(_PLAIN, *(() if plain_only else (_TINY if not_integer else _SCIENTIFIC,)))))

    def collect(part: NumberSet) -> None:
        tag = part[0]
        if tag in ("and", "or"):
            for piece in part[1]:
                collect(piece)
        elif tag == "not":
            collect(part[1])
        elif part not in where and tag not in ("all", "none"):
            where[part] = len(atoms)
            atoms.append(_atom(part, not plain_only, negated_point))

    def holds(part: NumberSet, flags: Any) -> bool:
        tag = part[0]
        if tag in ("all", "none"):
            return bool(tag == "all")
        if tag == "and":
            return all(holds(piece, flags) for piece in part[1])
        if tag == "or":
            return any(holds(piece, flags) for piece in part[1])
        if tag == "not":
            return not holds(part[1], flags)
        return bool(flags[where[part]])

    collect(a)
    return determinize(atoms, lambda flags: flags[0] and holds(a, flags), n_must=1, max_states=20_000)


def _negates(a: NumberSet, negated: bool, tags: tuple[str, ...]) -> bool:
    """Is one of `tags` under a negation?"""
    if a[0] in ("and", "or"):
        return any(_negates(part, negated, tags) for part in a[1])
    if a[0] == "not":
        return _negates(a[1], True, tags)
    return negated and a[0] in tags


def _whole_between(a: NumberSet) -> bool:
    """Integers, or multiples, between two bounds: no writer uses the scientific form for them."""
    if a[0] != "and" or not any(part[0] in ("integer", "multiple") for part in a[1]):
        return False
    return any(part[0] == "range" and part[1] is not None and part[3] is not None for part in a[1])


def _point(value: Fraction, every: bool) -> Node:
    """The texts of one number; in scientific form only where writers use it, or `every` one."""
    text = decimal_text(value)
    plain = cat(("lit", text), star(("lit", "0")) if "." in text else _ZEROS)
    if value == 0:
        return cat(_MINUS, plain)
    digits, scale = decimal(abs(value))
    lead = digits.lstrip("0")
    power = len(lead) - 1 - scale
    if -5 < power < 16 and not every:
        return plain
    lead = lead.rstrip("0")
    mantissa = cat(("lit", lead[0] + "." + lead[1:]), star(("lit", "0"))) if lead[1:] else cat(("lit", lead), _ZEROS)
    sign: Node = ("lit", "-") if power < 0 else _SIGN if power == 0 else optional(("lit", "+"))
    minus: Node = ("lit", "-") if value < 0 else EMPTY
    return alt(plain, cat(minus, mantissa, _E, sign, star(("lit", "0")), ("lit", str(abs(power)))))


def _atom(part: NumberSet, scientific: bool, every: bool) -> Any:
    tag = part[0]
    if tag == "integer":
        return RegexAtom(STRICT_INTEGER_NODE if part[1] else _BOUNDED_INTEGER)
    if tag == "multiple":
        return MultipleAtom(part[1])
    if tag == "points":
        return RegexAtom(alt(*(_point(p, every) for p in part[1])))
    _, low, low_open, high, high_open = part
    return RangeAtom(low, low_open, high, high_open, scientific=scientific)
