"""ECMA-262 regular expressions (the dialect of `pattern` and `patternProperties`) as nodes over decoded characters.

`parse(pattern)` gives a list of branches, one per alternative at the top: `Branch(body, must, must_not)` where
`body` is a node that may hold `("start",)` and `("end",)`, and `must` / `must_not` are the look-aheads that stood
at the very start of an anchored branch (`^(?!x)...`), as nodes for a *prefix* of the text. A pattern matches a text
when one branch does: the body is found in it (searched for, not matched as a whole), every `must` matches some
prefix and no `must_not` does.

Meaning: with the `u` flag (code points, not UTF-16 units): `\\d`, `\\w` are ASCII, `\\s` is ECMA's white space and
line ends, `.` is everything but \\n, \\r, U+2028 and U+2029. As lenient engines do (ECMA's Annex B), identity
escapes, a lone `{` or `]`, and `-` beside a class such as `\\w` are read literally. Back-references, `\\b`,
look-behind and look-ahead in other places are refused (`Unsupported`): the first is not regular, the others have
not been needed.
"""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass

from cfgdecode.json_schema.automaton import ANY, EMPTY, Node, Ranges, alt, cat, complement, normal, without_surrogates

DIGIT: Ranges = ((0x30, 0x39),)
WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
SPACE: Ranges = (
    (0x9, 0xD), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip
LINE_END: Ranges = ((0xA, 0xA), (0xD, 0xD), (0x2028, 0x2029))
CLASSES = {"d": DIGIT, "w": WORD, "s": SPACE}
CONTROL = {"t": "\t", "n": "\n", "r": "\r", "v": "\v", "f": "\f", "0": "\0"}


class Unsupported(Exception):
    """The pattern is not ECMA-262, or asks for more than a regular language; the text says what."""


@dataclass(frozen=True)
class Branch:
    """One alternative at the top of a pattern; see the head of the file."""

    body: Node
    must: tuple[Node, ...] = ()
    must_not: tuple[Node, ...] = ()


@functools.lru_cache(maxsize=4096)
def parse(pattern: str) -> tuple[Branch, ...]:
    """The alternatives of `pattern`; raises `Unsupported`."""
    return _Parser(pattern).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._looks: list[tuple[bool, Node]] = []
        self._may_look = False

    def _peek(self, n: int = 1) -> str:
        return self._text[self._at : self._at + n]

    def _eat(self, text: str) -> bool:
        if self._text.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise Unsupported(f"pattern {self._text!r} ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def whole(self) -> tuple[Branch, ...]:
        out = []
        while True:
            self._looks, self._may_look = [], True
            body = self._sequence()
            must = tuple(node for negate, node in self._looks if not negate)
            must_not = tuple(node for negate, node in self._looks if negate)
            out.append(Branch(body, must, must_not))
            if not self._eat("|"):
                break
        if self._at < len(self._text):
            raise Unsupported(f"unbalanced ')' in pattern {self._text!r}")
        return tuple(out)

    def _choice(self) -> Node:
        parts = [self._sequence()]
        while self._eat("|"):
            parts.append(self._sequence())
        return alt(*parts) if len(parts) > 1 else parts[0]

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._at < len(self._text) and self._peek() not in "|)":
            may_look, self._may_look = self._may_look, False
            if self._peek(3) in ("(?=", "(?!"):
                self._look(may_look and parts[:1] == [("start",)])
                self._may_look = may_look
                continue
            atom = self._atom()
            if atom == ("start",) and may_look and not parts:
                self._may_look = True
            parts.append(self._quantified(atom))
        return cat(*parts)

    def _look(self, at_start: bool) -> None:
        negate = self._peek(3) == "(?!"
        if not at_start:
            raise Unsupported(f"look-ahead in pattern {self._text!r} that is not directly behind a leading '^'")
        self._at += 3
        body = self._choice()
        self._close()
        self._looks.append((negate, body))

    def _close(self) -> None:
        if not self._eat(")"):
            raise Unsupported(f"missing ')' in pattern {self._text!r}")

    def _atom(self) -> Node:
        char = self._next()
        if char == "^":
            return ("start",)
        if char == "$":
            return ("end",)
        if char == ".":
            return ("set", complement(LINE_END))
        if char == "[":
            return ("set", self._bracket())
        if char == "(":
            return self._group()
        if char == "\\":
            ranges = self._escape(in_class=False)
            return _one(ranges)
        if char in "*+?":
            raise Unsupported(f"nothing to repeat in pattern {self._text!r}")
        return ("lit", char)

    def _group(self) -> Node:
        if self._eat("?<=") or self._eat("?<!"):
            raise Unsupported(f"look-behind in pattern {self._text!r}")
        if self._eat("?<") or self._eat("?P<"):
            while self._next() != ">":
                pass
        elif self._eat("?") and not self._eat(":"):
            raise Unsupported(f"group '(?{self._peek()}' in pattern {self._text!r}")
        body = self._choice()
        self._close()
        return body

    def _quantified(self, atom: Node) -> Node:
        while True:
            bounds = self._bounds()
            if bounds is None:
                return atom
            if atom in (("start",), ("end",)):
                raise Unsupported(f"repeated anchor in pattern {self._text!r}")
            self._eat("?")
            least, most = bounds
            if most is not None and most < least:
                raise Unsupported(f"bounds in the wrong order in pattern {self._text!r}")
            atom = EMPTY if most == 0 else ("rep", least, most, True, atom)

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._eat(sign):
                return bounds
        if self._peek() != "{":
            return None
        end = self._text.find("}", self._at)
        least, comma, most = self._text[self._at + 1 : max(end, 0)].partition(",")
        if end < 0 or not (least.isascii() and least.isdigit()) or (most and not (most.isascii() and most.isdigit())):
            return None
        self._at = end + 1
        return int(least), (int(most) if most else None) if comma else int(least)

    def _bracket(self) -> Ranges:
        negate = self._eat("^")
        ranges: list[tuple[int, int]] = []
        while not self._eat("]"):
            low = self._member()
            if self._peek() == "-" and self._peek(2) not in ("-]", "-"):
                self._at += 1
                high = self._member()
                if len(low) == len(high) == 1 and low[0][0] == low[0][1] and high[0][0] == high[0][1]:
                    if high[0][0] < low[0][0]:
                        raise Unsupported(f"range out of order in pattern {self._text!r}")
                    ranges.append((low[0][0], high[0][0]))
                    continue
                ranges += [*low, (0x2D, 0x2D), *high]
                continue
            ranges += low
        whole = normal(ranges)
        return complement(whole) if negate else without_surrogates(whole)

    def _member(self) -> Ranges:
        char = self._next()
        return self._escape(in_class=True) if char == "\\" else ((ord(char), ord(char)),)

    def _escape(self, *, in_class: bool) -> Ranges:
        char = self._next()
        if char.lower() in CLASSES:
            ranges = CLASSES[char.lower()]
            return complement(ranges) if char.isupper() else ranges
        if char in CONTROL and not (char == "0" and self._peek().isdigit()):
            return _single(ord(CONTROL[char]))
        if char == "c" and self._peek().isascii() and self._peek().isalpha():
            return _single(ord(self._next()) % 32)
        if char == "x":
            return _single(self._hex(2))
        if char == "u":
            return _single(self._unicode())
        if char in "pP" and self._peek() == "{":
            return self._property(negate=char == "P")
        if char == "b" and in_class:
            return _single(8)
        if char in "bB":
            raise Unsupported(f"word boundary '\\{char}' in pattern {self._text!r}")
        if char.isdigit() or char == "k":
            raise Unsupported(f"back-reference '\\{char}' in pattern {self._text!r}")
        if char.isascii() and char.isalnum():
            raise Unsupported(f"escape '\\{char}' in pattern {self._text!r} is not ECMA-262")
        return _single(ord(char))

    def _hex(self, n: int) -> int:
        digits = self._peek(n)
        try:
            value = int(digits, 16) if len(digits) == n else -1
        except ValueError:
            value = -1
        if value < 0:
            raise Unsupported(f"bad hexadecimal escape in pattern {self._text!r}")
        self._at += n
        return value

    def _unicode(self) -> int:
        if self._eat("{"):
            end = self._text.find("}", self._at)
            value = self._hex(max(end - self._at, 0))
            self._at += 1
            return value
        value = self._hex(4)
        if 0xD800 <= value <= 0xDBFF and self._peek(2) == "\\u":
            mark = self._at
            self._at += 2
            low = self._hex(4)
            if 0xDC00 <= low <= 0xDFFF:
                return 0x10000 + ((value - 0xD800) << 10) + low - 0xDC00
            self._at = mark
        return value

    def _property(self, *, negate: bool) -> Ranges:
        end = self._text.find("}", self._at)
        name = self._text[self._at + 1 : end]
        self._at = end + 1
        ranges = unicode_property(name) if end > 0 else None
        if ranges is None:
            raise Unsupported(f"Unicode property {name!r} in pattern {self._text!r}: only general categories are known")
        return complement(ranges) if negate else ranges


def _single(code_point: int) -> Ranges:
    return ((code_point, code_point),)


def _one(ranges: Ranges) -> Node:
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1] and not 0xD800 <= ranges[0][0] <= 0xDFFF:
        return ("lit", chr(ranges[0][0]))
    return ("set", without_surrogates(ranges))


LONG_CATEGORIES = {
    "Letter": "L", "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll", "Titlecase_Letter": "Lt",
    "Modifier_Letter": "Lm", "Other_Letter": "Lo", "Mark": "M", "Nonspacing_Mark": "Mn", "Number": "N",
    "Decimal_Number": "Nd", "Letter_Number": "Nl", "Other_Number": "No", "Punctuation": "P", "Symbol": "S",
    "Separator": "Z", "Space_Separator": "Zs", "Other": "C", "Control": "Cc", "digit": "Nd", "punct": "P",
}  # fmt: skip


@functools.lru_cache(maxsize=64)
def unicode_property(name: str) -> Ranges | None:
    """The code points of a general category (`L`, `Lu`, `gc=Nd`, `Letter`), or None if the name is not one."""
    name = name.removeprefix("General_Category=").removeprefix("gc=")
    name = LONG_CATEGORIES.get(name, name)
    if name == "Any":
        return ANY
    if name == "ASCII":
        return ((0, 0x7F),)
    ranges = normal((lo, hi) for category, lo, hi in _category_runs() if category.startswith(name))
    return without_surrogates(ranges) if ranges and 1 <= len(name) <= 2 else None


@functools.lru_cache(maxsize=1)
def _category_runs() -> tuple[tuple[str, int, int], ...]:
    runs: list[tuple[str, int, int]] = []
    start, current = 0, unicodedata.category("\0")
    for code_point in range(1, 0x110000):
        category = unicodedata.category(chr(code_point))
        if category != current:
            runs.append((current, start, code_point - 1))
            start, current = code_point, category
    runs.append((current, start, 0x10FFFF))
    return tuple(runs)


def anchored(body: Node) -> Node | None:
    """`body`, searched for, as a node that matches the whole text; None where an anchor stands in the middle."""
    branches = []
    for part in body[1] if body[0] == "alt" else (body,):
        pieces = list(part[1]) if part[0] == "cat" else [part]
        left = right = False
        while pieces and pieces[0] == ("start",):
            left, pieces = True, pieces[1:]
        while pieces and pieces[-1] == ("end",):
            right, pieces = True, pieces[:-1]
        if any(_has_anchor(piece) for piece in pieces):
            return None
        any_text: Node = ("rep", 0, None, True, ("set", ANY))
        if not left and not (pieces and pieces[0] == any_text):
            pieces = [any_text, *pieces]
        if not right and pieces[-1:] != [any_text]:
            pieces = [*pieces, any_text]
        branches.append(cat(*pieces))
    return alt(*branches) if branches else EMPTY


def _has_anchor(node: Node) -> bool:
    tag = node[0]
    if tag in ("start", "end"):
        return True
    if tag in ("cat", "alt"):
        return any(_has_anchor(part) for part in node[1])
    return tag == "rep" and _has_anchor(node[4])


def lengths(node: Node) -> tuple[int, int | None]:
    """The least and greatest number of code points that `node` matches (None: no bound)."""
    tag = node[0]
    if tag == "lit":
        return len(node[1]), len(node[1])
    if tag == "set":
        return 1, 1
    if tag in ("cat", "alt"):
        parts = [lengths(part) for part in node[1]]
        least = [low for low, _ in parts]
        most = [high for _, high in parts]
        if tag == "cat":
            return sum(least), None if None in most else sum(h for h in most if h is not None)
        return min(least, default=0), None if None in most else max((h for h in most if h is not None), default=0)
    if tag == "rep":
        low, high = lengths(node[4])
        most_times = node[2]
        greatest = 0 if high == 0 else None if high is None or most_times is None else high * most_times
        return low * node[1], greatest
    return 0, 0
