"""How a decoded character may be written inside a JSON string.

A character has up to three spellings: itself (not for `"`, `\\` and U+0000..U+001F), a short escape (`\\n`, `\\/`,
...) and `\\uXXXX` with hexadecimal digits in either case (two of them, a surrogate pair, above U+FFFF). Every
spelling but one is always taken: whether a printable ASCII character may be `\\u00XX`, which hardly any JSON writer
prints (Go does for `<`, `>` and `&`), is asked apart for literal texts (keys, enum, const) and for patterns and
formats, because it multiplies the states of a lexer for a pattern by about five. Sets that leave out a few
characters only (`.`, `[^/]`) always take it.

Nodes that are not made from a constraint on characters (`FREE_TEXT`) also take a lone surrogate `\\uD800`, which RFC
8259 allows but no Unicode text can hold.
"""

from __future__ import annotations

import functools

from cfgdecode.json_schema.automaton import EMPTY, Node, Ranges, alt, cat, complement, normal

SHORT = {0x22: '"', 0x5C: "\\", 0x2F: "/", 0x08: "b", 0x0C: "f", 0x0A: "n", 0x0D: "r", 0x09: "t"}
RAW: Ranges = complement(((0x00, 0x1F), (0x22, 0x22), (0x5C, 0x5C)))
HEX: Ranges = ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66))
PRINTABLE: Ranges = ((0x20, 0x7E),)
FREE_CHARACTER: Node = (
    "alt",
    (
        ("set", RAW),
        ("cat", (("lit", "\\"), ("alt", (
            ("set", normal((ord(c), ord(c)) for c in SHORT.values())),
            ("cat", (("lit", "u"), ("rep", 4, 4, True, ("set", HEX)))),
        )))),
    ),
)  # fmt: skip
FREE_TEXT: Node = ("rep", 0, None, True, FREE_CHARACTER)


def meet(a: Ranges, b: Ranges) -> Ranges:
    """Ranges in both."""
    out, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        lo, hi = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if lo <= hi:
            out.append((lo, hi))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return tuple(out)


class Speller:
    """Turns nodes over decoded characters into nodes over JSON text; results are shared.

    `literals`, `patterns`: may printable ASCII be written `\\u00XX` there?
    """

    def __init__(self, *, literals: bool = True, patterns: bool = True) -> None:
        self.literals, self._patterns = literals, patterns
        self._nodes: dict[Node, Node] = {}

    def node(self, node: Node) -> Node:
        """The JSON spellings of the texts of `node`, a pattern."""
        found = self._nodes.get(node)
        if found is None:
            found = self._nodes[node] = self._spell(node)
        return found

    def _spell(self, node: Node) -> Node:
        tag = node[0]
        if tag == "lit":
            return cat(*(self.one_of(((ord(c), ord(c)),)) for c in node[1]))
        if tag == "set":
            return self.one_of(node[1])
        if tag == "cat":
            return cat(*(self.node(part) for part in node[1]))
        if tag == "alt":
            return alt(*(self.node(part) for part in node[1]))
        return (*node[:-1], self.node(node[-1]))

    def text(self, text: str) -> Node:
        """The spellings of one literal text."""
        return cat(*(_one_of(((ord(c), ord(c)),), self.literals) for c in text))

    def one_of(self, ranges: Ranges) -> Node:
        """The spellings of one character of a pattern, out of `ranges`."""
        return _one_of(ranges, self._patterns or _nearly_all(ranges))


@functools.lru_cache(maxsize=4096)
def _nearly_all(ranges: Ranges) -> bool:
    return sum(hi - lo + 1 for lo, hi in complement(ranges)) <= 8


@functools.lru_cache(maxsize=20_000)
def _one_of(ranges: Ranges, full: bool) -> Node:
    raw = meet(ranges, RAW)
    short = normal((ord(letter), ord(letter)) for code, letter in SHORT.items() if meet(ranges, ((code, code),)))
    long = ranges if full else meet(ranges, complement(PRINTABLE))
    escapes = alt(_set(short), _long(long))
    spelt = cat(("lit", "\\"), escapes) if escapes != ("set", ()) else escapes
    return alt(_set(raw), spelt)


def _set(ranges: Ranges) -> Node:
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return ("lit", chr(ranges[0][0]))
    return ("set", ranges)


def _long(ranges: Ranges) -> Node:
    """`uXXXX`, or `uXXXX\\uXXXX` for what lies above U+FFFF."""
    parts = []
    low = meet(ranges, ((0, 0xFFFF),))
    if low:
        parts.append(cat(("lit", "u"), _hexadecimal(low, 4)))
    pairs: dict[Ranges, list[tuple[int, int]]] = {}
    for lo, hi in meet(ranges, ((0x10000, 0x10FFFF),)):
        first, last = (lo - 0x10000) >> 10, (hi - 0x10000) >> 10
        for high in {first, last}:
            tail = (max(lo, 0x10000 + (high << 10)) & 0x3FF, min(hi, 0x103FF + (high << 10)) & 0x3FF)
            pairs.setdefault(((0xDC00 + tail[0], 0xDC00 + tail[1]),), []).append((0xD800 + high, 0xD800 + high))
        if last - first > 1:
            pairs.setdefault(((0xDC00, 0xDFFF),), []).append((0xD801 + first, 0xD7FF + last))
    for tails, heads in sorted(pairs.items()):
        parts.append(cat(("lit", "u"), _hexadecimal(normal(heads), 4), ("lit", "\\u"), _hexadecimal(tails, 4)))
    return alt(*parts)


@functools.lru_cache(maxsize=20_000)
def _hexadecimal(ranges: Ranges, n_digits: int) -> Node:
    """The `n_digits` hexadecimal digits, in either case, of a number in `ranges`."""
    if n_digits == 0:
        return EMPTY
    unit = 16 ** (n_digits - 1)
    by_rest: dict[Ranges, list[int]] = {}
    for digit in range(16):
        part = meet(ranges, ((digit * unit, digit * unit + unit - 1),))
        if part:
            rest = tuple((lo - digit * unit, hi - digit * unit) for lo, hi in part)
            by_rest.setdefault(rest, []).append(digit)
    return alt(*(cat(_digits(digits), _hexadecimal(rest, n_digits - 1)) for rest, digits in by_rest.items()))


def _digits(digits: list[int]) -> Node:
    chars = "".join(f"{d:x}{d:X}" if d > 9 else str(d) for d in digits)
    return _set(normal((ord(c), ord(c)) for c in chars))


def trie(texts: tuple[str, ...], speller: Speller) -> Node:
    """The spellings of a finite set of texts, common beginnings shared."""
    return _trie(sorted(set(texts)), 0, speller)


def _trie(texts: list[str], at: int, speller: Speller) -> Node:
    """`texts` (sorted) agree up to `at`; the node of what follows."""
    if len(texts) == 1:
        return speller.text(texts[0][at:])
    end = at
    shortest = min(len(text) for text in texts)
    while end < shortest and texts[0][end] == texts[-1][end]:
        end += 1
    parts = [EMPTY] if len(texts[0]) == end else []
    groups: dict[str, list[str]] = {}
    for text in texts:
        if len(text) > end:
            groups.setdefault(text[end], []).append(text)
    parts += [_trie(group, end, speller) for group in groups.values()]
    tail = alt(*(p for p in parts if p != EMPTY))
    return cat(speller.text(texts[0][at:end]), ("rep", 0, 1, True, tail) if EMPTY in parts else tail)


@functools.lru_cache(maxsize=20_000)
def _another(known: tuple[int, ...], full: bool) -> Node:
    """The spellings of a character outside `known`; as in free text, lone surrogates are characters."""
    if known and known[-1] > 0xFFFF:
        return _one_of(complement(tuple((c, c) for c in known)), full)
    raw = tuple(cut for lo, hi in RAW for cut in _without(lo, hi, known))
    short = normal((ord(letter), ord(letter)) for code, letter in SHORT.items() if code not in known)
    long = _other_digits(known, 4)
    return alt(("set", raw), cat(("lit", "\\"), alt(_set(short), cat(("lit", "u"), long))))


def _without(lo: int, hi: int, known: tuple[int, ...]) -> list[tuple[int, int]]:
    out = []
    for c in known:
        if lo <= c <= hi:
            if lo < c:
                out.append((lo, c - 1))
            lo = c + 1
    return [*out, (lo, hi)] if lo <= hi else out


@functools.lru_cache(maxsize=20_000)
def _other_digits(known: tuple[int, ...], n_digits: int) -> Node:
    """`n_digits` hexadecimal digits, in either case, of a number outside `known`."""
    if not known:
        return ("rep", n_digits, n_digits, True, ("set", HEX))
    unit = 16 ** (n_digits - 1)
    below: dict[int, list[int]] = {}
    for c in known:
        below.setdefault(c // unit, []).append(c % unit)
    free = cat(
        _digits([d for d in range(16) if d not in below]), ("rep", n_digits - 1, n_digits - 1, True, ("set", HEX))
    )
    if n_digits == 1:
        return _digits([d for d in range(16) if d not in below])
    return alt(free, *(cat(_digits([d]), _other_digits(tuple(rest), n_digits - 1)) for d, rest in below.items()))


def other_than(texts: tuple[str, ...], speller: Speller) -> Node:
    """The spellings of every text but `texts`: each branch of their trie may be left by another character."""
    members = set(texts)

    def visit(group: list[str], at: int) -> Node:
        by_char: dict[str, list[str]] = {}
        for text in group:
            if len(text) > at:
                by_char.setdefault(text[at], []).append(text)
        parts = [cat(speller.text(c), visit(below, at + 1)) for c, below in by_char.items()]
        parts.append(cat(_another(tuple(sorted(map(ord, by_char))), speller.literals), FREE_TEXT))
        tail: Node = ("alt", tuple(parts))
        return tail if group[0][:at] in members else ("rep", 0, 1, True, tail)

    return visit(sorted(members), 0)
