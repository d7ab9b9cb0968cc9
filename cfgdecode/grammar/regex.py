r"""Python regular expression -> Node, with exactly Python's meaning.

The pattern is parsed by Python's own parser (`re._parser`), so that escapes, flags, groups and the factoring of
branches are Python's; this file only renames what that parser found. *Ranges* are sorted, disjoint, inclusive
intervals of code points without surrogates (texts are UTF-8).

What a class or a case-insensitive character matches is never computed here but asked from `re`: one pass of a
compiled one-character pattern over all code points gives its members. Such answers are cached, and plain ASCII
patterns never ask.

Anchors become look-arounds over `("start",)` and `("end",)`: `$` is "the end, or one newline before it"; `\b` is
"a word character on one side only". On the empty text, where a terminal cannot match, `\B` holds here but not in
Python before 3.14.

Not regular, hence refused with `Unsupported`: back-references, conditionals. Atomic groups and possessive
repetitions are taken as their plain counterparts where that provably changes no first match (`_is_harmless`).

Cost: linear in the pattern; about 20 ms once for each Unicode class or non-ASCII case-insensitive set.
Source: CPython's `Lib/re/_compiler.py` for the meaning of each opcode.
See it: `python -c "from cfgdecode.grammar.regex import parse; print(parse(r'\d+(?!x)'))"`.
"""

from __future__ import annotations

import re
import warnings
from array import array
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from re import _constants as sre
from re import _parser as sre_parser
from typing import Any, NamedTuple

from .ir import Node, Ranges

EVERYTHING: Ranges = ((0, 0xD7FF), (0xE000, 0x10FFFF))
EMPTY: Node = ("cat", ())
NEWLINE: Node = ("lit", "\n")
_TYPE_FLAGS = int(re.ASCII | re.LOCALE | re.UNICODE)


class Unsupported(Exception):
    """A construct of `re` outside the regular languages; `construct` names it, `way_out` says what to write."""

    def __init__(self, construct: str, way_out: str) -> None:
        self.construct, self.way_out = construct, way_out
        super().__init__(f"{construct}: {way_out}")


@lru_cache(maxsize=4096)
def parse(pattern: str, flags: int = 0) -> Node:
    """The node of a pattern under `re` flags. Raises `re.error` for what Python refuses, `Unsupported` for the rest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = sre_parser.parse(pattern, flags)
    return _sequence(tree, tree.state.flags, _NOTHING_MORE if _POSSESSIVE.search(pattern) else None)


# Whether a pattern may have an atomic group or a possessive repetition; only those ask what comes after them.
_POSSESSIVE = re.compile(r"\(\?>|[*+?}]\+")


class _Edge(NamedTuple):
    """How a stretch of pattern begins.

    `first` holds every character that a match can begin with; `nullable`: a match may be empty; `sure`: an empty
    match succeeds wherever it is tried.
    """

    first: Ranges
    nullable: bool
    sure: bool


_NOTHING_MORE = _Edge((), True, True)


def _sequence(ops: Iterable[Any], flags: int, after: _Edge | None) -> Node:
    parts: list[Node] = []
    for op, argument in reversed(list(ops)):
        node = _single(op, argument, flags, after)
        parts.append(node)
        after = after and _joined(_edge(node), after)
    return concatenation(reversed(parts))


def _single(op: Any, argument: Any, flags: int, after: _Edge | None) -> Node:
    if op in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY):
        return _character(op, argument, flags)
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return _repetition(op, argument, flags, after)
    if op is sre.SUBPATTERN:
        _, added, removed, body = argument
        return _sequence(body, _scoped(flags, added, removed), after)
    if op is sre.BRANCH:
        return ("alt", tuple(_sequence(branch, flags, after) for branch in argument[1]))
    if op is sre.AT:
        return _anchor(argument, flags)
    if op in (sre.ASSERT, sre.ASSERT_NOT):
        direction, body = argument
        node = _sequence(body, flags, after and _NOTHING_MORE)
        if _edge(node).sure:  # such as (?!), which never holds
            return ("set", ()) if op is sre.ASSERT_NOT else EMPTY
        return ("look", direction > 0, op is sre.ASSERT_NOT, node)
    if op is sre.FAILURE:
        return ("set", ())
    if op is sre.ATOMIC_GROUP:
        node = _sequence(argument, flags, _NOTHING_MORE)
        if _width(node) is None and not (after and after.sure):
            raise Unsupported("an atomic group (?>...)", "write (?:...) if giving back characters does no harm")
        return node
    if op is sre.GROUPREF:
        raise Unsupported(
            "a back-reference to a group",
            "what it matches is not regular; write one alternative for each text that the group can hold",
        )
    if op is sre.GROUPREF_EXISTS:
        raise Unsupported("a conditional (?(group)...)", "write its two cases as alternatives of the whole pattern")
    raise Unsupported(f"the construct {op}", "write it with groups, sets, repetitions and look-arounds")


def _scoped(flags: int, added: int, removed: int) -> int:
    if added & _TYPE_FLAGS:
        flags &= ~_TYPE_FLAGS
    return (flags | added) & ~removed


def _repetition(op: Any, argument: Any, flags: int, after: _Edge | None) -> Node:
    low, high, ops = argument
    low, high = int(low), None if high is sre.MAXREPEAT else int(high)
    if high == 0:
        return EMPTY
    # Another round of the body may come next, or what follows, so nothing is known of the next character.
    again = after if high == 1 else after and _Edge(EVERYTHING, True, after.sure and low <= 1)
    body = _sequence(ops, flags, again)
    if op is sre.POSSESSIVE_REPEAT and not (after and _is_harmless(body, low, high, after)):
        raise Unsupported("a possessive repetition", "leave out its last + if giving back characters does no harm")
    return body if low == high == 1 else ("rep", low, high, op is not sre.MIN_REPEAT, body)


def _is_harmless(body: Node, low: int, high: int | None, after: _Edge) -> bool:
    """Whether the greedy repetition has the same first match as the possessive one, on every text.

    It has if what follows always succeeds, if the repetition has one width, or if each shorter run of single
    characters leaves in front of what follows a character that cannot begin it.
    """
    if after.sure or (low == high and _width(body) is not None):
        return True
    ranges = _character_set(body)
    return ranges is not None and not after.nullable and not intersection(ranges, after.first)


def _edge(node: Node) -> _Edge:
    match node:
        case ("lit", text):
            return _Edge(((ord(text[0]), ord(text[0])),), False, False)
        case ("set", ranges):
            return _Edge(ranges, False, False)
        case ("cat", parts):
            edge = _NOTHING_MORE
            for part in reversed(parts):
                edge = _joined(_edge(part), edge)
            return edge
        case ("alt", branches):
            edges = [_edge(branch) for branch in branches]
            first = union(*(edge.first for edge in edges))
            return _Edge(first, any(e.nullable for e in edges), any(e.sure for e in edges))
        case ("rep", low, _, _, body):
            edge = _edge(body)
            return _Edge(edge.first, low == 0 or edge.nullable, low == 0 or edge.sure)
    return _Edge((), True, False)  # an anchor or look-around


def _joined(one: _Edge, two: _Edge) -> _Edge:
    first = union(one.first, two.first) if one.nullable else one.first
    return _Edge(first, one.nullable and two.nullable, one.sure and two.sure)


def _width(node: Node) -> int | None:
    """The number of characters of every match, or None if matches may differ."""
    match node:
        case ("lit", text):
            return len(text)
        case ("set", _):
            return 1
        case ("cat", parts):
            widths = [_width(part) for part in parts]
            return None if None in widths else sum(w for w in widths if w is not None)
        case ("alt", branches):
            choices = {_width(branch) for branch in branches}
            return choices.pop() if len(choices) == 1 else None
        case ("rep", low, high, _, body):
            width = _width(body)
            return None if width is None or low != high else width * low
    return 0


def _character_set(node: Node) -> Ranges | None:
    """The characters of a node that matches exactly one character."""
    match node:
        case ("set", ranges):
            return ranges  # type: ignore[no-any-return]
        case ("lit", text) if len(text) == 1:
            return ((ord(text), ord(text)),)
        case ("alt", branches):
            sets = [_character_set(branch) for branch in branches]
            return None if None in sets else union(*(s for s in sets if s is not None))
    return None


def concatenation(parts: Iterable[Node]) -> Node:
    """The sequence of nodes, with neighbouring literals joined and nested sequences flattened."""
    flat: list[Node] = []
    for part in parts:
        for node in part[1] if part[0] == "cat" else (part,):
            if node[0] == "lit" and flat and flat[-1][0] == "lit":
                flat[-1] = ("lit", flat[-1][1] + node[1])
            else:
                flat.append(node)
    return flat[0] if len(flat) == 1 else ("cat", tuple(flat))


# Anchors


def _anchor(where: Any, flags: int) -> Node:
    if where is sre.AT_BEGINNING and flags & re.MULTILINE:
        return ("alt", (("start",), ("look", False, False, NEWLINE)))
    if where in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING):
        return ("start",)
    if where is sre.AT_END_STRING:
        return ("end",)
    if where is sre.AT_END and flags & re.MULTILINE:
        return ("alt", (("end",), ("look", True, False, NEWLINE)))
    if where is sre.AT_END:
        return ("alt", (("end",), ("look", True, False, ("cat", (NEWLINE, ("end",))))))
    if where in (sre.AT_BOUNDARY, sre.AT_NON_BOUNDARY):
        word: Node = ("set", category("w", bool(flags & re.ASCII)))
        behind = [("look", False, negate, word) for negate in (False, True)]
        ahead = [("look", True, negate, word) for negate in (False, True)]
        if where is sre.AT_BOUNDARY:
            ahead.reverse()
        return ("alt", tuple(("cat", pair) for pair in zip(behind, ahead, strict=True)))
    raise Unsupported(f"the anchor {where}", r"write one of ^ $ \A \Z \b \B")


# Characters


def _character(op: Any, argument: Any, flags: int) -> Node:
    if op is sre.ANY:
        return ("set", EVERYTHING if flags & re.DOTALL else complement(((10, 10),)))
    negate = op is sre.NOT_LITERAL
    if op is sre.IN:
        items = tuple(argument)
        negate = items[0][0] is sre.NEGATE
        items = items[1:] if negate else items
    else:
        items = ((sre.LITERAL, argument),)
    ranges = _members(items, flags)
    if negate:
        ranges = complement(ranges)
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return ("lit", chr(ranges[0][0]))
    return ("set", ranges)


def _members(items: tuple[tuple[Any, Any], ...], flags: int) -> Ranges:
    ascii_only = bool(flags & re.ASCII)
    found: list[Ranges] = []
    plain: list[tuple[int, int]] = []
    for op, argument in items:
        if op is sre.CATEGORY:
            found.append(category(_CATEGORY_LETTERS[argument], ascii_only))
        else:
            plain.append(argument if op is sre.RANGE else (argument, argument))
    ranges = union(plain)
    if flags & re.IGNORECASE and plain:
        if max(hi for _, hi in plain) >= 128:
            return _ask_whole(items, ascii_only)
        ranges = _all_cases(ranges, ascii_only)
    return union(ranges, *found)


_CATEGORY_LETTERS = {
    sre.CATEGORY_DIGIT: "d",
    sre.CATEGORY_NOT_DIGIT: "D",
    sre.CATEGORY_SPACE: "s",
    sre.CATEGORY_NOT_SPACE: "S",
    sre.CATEGORY_WORD: "w",
    sre.CATEGORY_NOT_WORD: "W",
}


@cache
def category(letter: str, ascii_only: bool) -> Ranges:
    r"""The members of one of \d \D \s \S \w \W."""
    if letter.isupper():
        return complement(category(letter.lower(), ascii_only))
    if ascii_only:
        return _ask(f"[\\{letter}]", re.ASCII, _ASCII)
    return _ask(f"[\\{letter}]", 0, _all_characters())


@lru_cache(maxsize=1024)
def _ask_whole(items: tuple[tuple[Any, Any], ...], ascii_only: bool) -> Ranges:
    """What a set matches under IGNORECASE, item by item as it was written: `re` has special cases beyond ASCII.

    So `[\U00010400]` matches its lower case, and `[\U00010400a]` does not even match itself.
    """
    text = ""
    for op, argument in items:
        if op is sre.CATEGORY:
            text += f"\\{_CATEGORY_LETTERS[argument]}"
        elif op is sre.RANGE:
            text += _code(argument[0]) + "-" + _code(argument[1])
        else:
            text += _code(argument)
    return _ask(f"[{text}]", re.IGNORECASE | (re.ASCII if ascii_only else 0), _all_characters())


@lru_cache(maxsize=1024)
def _all_cases(ranges: Ranges, ascii_only: bool) -> Ranges:
    """What ASCII characters match under IGNORECASE."""
    letters = intersection(ranges, _ASCII_LETTERS)
    if not letters:
        return ranges
    flags = re.IGNORECASE | (re.ASCII if ascii_only else 0)
    pattern = "[" + "".join(f"{_code(lo)}-{_code(hi)}" for lo, hi in letters) + "]"
    found = union(ranges, _ask(pattern, flags, _ASCII))
    if ascii_only:
        return found
    compiled = re.compile(pattern, flags)
    return union(found, [(ord(c), ord(c)) for c in _partners_of_ascii_letters() if compiled.match(c)])


def _code(character: int) -> str:
    return f"\\U{character:08x}"


@cache
def _partners_of_ascii_letters() -> str:
    """The characters outside ASCII that equal some ASCII letter under IGNORECASE."""
    ranges = _ask("[A-Za-z]", re.IGNORECASE, _all_characters())
    return "".join(chr(code) for lo, hi in ranges for code in range(max(lo, 128), hi + 1))


def _ask(one_character: str, flags: int, characters: str) -> Ranges:
    """The members of a one-character pattern among the code points `0 .. len(characters) - 1`, asked from `re`."""
    runs = re.compile(f"{one_character}+", flags).finditer(characters)
    return intersection([(run.start(), run.end() - 1) for run in runs], EVERYTHING)


_ASCII = "".join(map(chr, range(128)))
_ASCII_LETTERS: Ranges = ((65, 90), (97, 122))


@cache
def _all_characters() -> str:
    return array("I", range(0x110000)).tobytes().decode("utf-32-le" if _LITTLE else "utf-32-be", "surrogatepass")


_LITTLE = array("I", [1]).tobytes()[0] == 1


# Sets of code points


def union(*sets: Iterable[tuple[int, int]]) -> Ranges:
    """All code points of the given intervals, without surrogates."""
    result: list[tuple[int, int]] = []
    for lo, hi in sorted(pair for ranges in sets for pair in ranges):
        if result and lo <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(hi, result[-1][1]))
        else:
            result.append((lo, hi))
    if result and result[-1][1] >= 0xD800:
        return intersection(result, EVERYTHING)
    return tuple(result)


def complement(ranges: Ranges) -> Ranges:
    """The characters outside the ranges."""
    result, low = [], 0
    for lo, hi in ranges:
        if lo > low:
            result.append((low, lo - 1))
        low = hi + 1
    if low <= 0x10FFFF:
        result.append((low, 0x10FFFF))
    return intersection(result, EVERYTHING)


def intersection(one: Sequence[tuple[int, int]], two: Sequence[tuple[int, int]]) -> Ranges:
    """The code points in both; both arguments sorted and disjoint."""
    result, i, j = [], 0, 0
    while i < len(one) and j < len(two):
        lo, hi = max(one[i][0], two[j][0]), min(one[i][1], two[j][1])
        if lo <= hi:
            result.append((lo, hi))
        if one[i][1] < two[j][1]:
            i += 1
        else:
            j += 1
    return tuple(result)
