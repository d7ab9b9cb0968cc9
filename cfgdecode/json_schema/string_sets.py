"""Sets of strings (by their decoded characters), and the JSON texts that denote their members.

A string set is a nested tuple: `("all",)`, `("none",)`, `("texts", texts)` (finite), `("length", least, most)`,
`("match", node)` (whole text; anchors allowed inside), `("search", node)` (somewhere in the text), `("and" | "or",
parts)`, `("not", part)`. Membership, emptiness and the node are exact; length counts code points.

The node (`string_node`) includes both quotes. One condition becomes a node directly; several are joined in a
product DFA over decoded characters, which goes back to a node by state elimination; the complement of a finite set
is spelt out along its trie. Where that would be too large, the node carries look-aheads that end in the closing
quote (`"(?!(?:a|b)")...`), so that they never look past their own terminal.
"""

from __future__ import annotations

import functools
from typing import Any

from cfgdecode.json_schema.automaton import (
    ANY,
    EMPTY,
    NOTHING,
    Dfa,
    LengthAtom,
    LiteralsAtom,
    Node,
    RegexAtom,
    TooLarge,
    alt,
    cat,
    determinize,
    to_node,
)
from cfgdecode.json_schema.ecma_regex import Branch, anchored, lengths
from cfgdecode.json_schema.spelling import FREE_TEXT, Speller, other_than, trie

StringSet = tuple[Any, ...]
ALL: StringSet = ("all",)
NONE: StringSet = ("none",)
QUOTE: Node = ("lit", '"')
MAX_STATES = 600
MAX_SIZE = 3_000
MAX_TRIE = 1_000  # characters of a finite set whose complement is spelt out
MAX_DEPTH = 100  # length of its longest member
COUNTED = 12  # length bounds up to this are counted in the product automaton, others by look-ahead


def texts(members: tuple[str, ...]) -> StringSet:
    """A finite set."""
    return ("texts", tuple(dict.fromkeys(members))) if members else NONE


def length(least: int, most: int | None) -> StringSet:
    """Strings of `least` to `most` code points."""
    if most is not None and most < least:
        return NONE
    if most == 0:
        return texts(("",))
    return ALL if least == 0 and most is None else ("length", least, most)


def pattern(branches: tuple[Branch, ...]) -> StringSet:
    """The strings in which an ECMA pattern is found; an empty branch is found everywhere."""
    out = NONE
    plain = [b.body for b in branches if not b.must and not b.must_not]
    if plain:
        out = _search(alt(*plain))
    for branch in branches:
        if branch.must or branch.must_not:
            part = _search(branch.body)
            for node in branch.must:
                part = both(part, _search(cat(("start",), node)))
            for node in branch.must_not:
                part = both(part, negation(_search(cat(("start",), node))))
            out = either(out, part)
    return out


def _search(node: Node) -> StringSet:
    if node == EMPTY or any(part == EMPTY for part in (node[1] if node[0] == "alt" else ())):
        return ALL
    whole = anchored(node)
    if whole is None:
        return ("search", node)
    finite = _finite(whole, 200)
    if finite is not None:
        return texts(tuple(finite))
    return ALL if whole == ("rep", 0, None, True, ("set", ANY)) else ("match", whole)


def _finite(node: Node, limit: int) -> list[str] | None:
    """The texts of a node made of literals, choices and options, at most `limit` of them."""
    tag = node[0]
    if tag == "lit":
        return [node[1]]
    if tag == "alt":
        out: list[str] = []
        for part in node[1]:
            found = _finite(part, limit - len(out))
            if found is None:
                return None
            out += found
        return out if len(out) <= limit else None
    if tag == "cat":
        out = [""]
        for part in node[1]:
            found = _finite(part, limit)
            if found is None or len(out) * len(found) > limit:
                return None
            out = [left + right for left in out for right in found]
        return out
    return None


def both(a: StringSet, b: StringSet) -> StringSet:
    """Intersection, simplified."""
    if NONE in (a, b):
        return NONE
    if a in (ALL, b):
        return b
    if b == ALL:
        return a
    for x, y in ((a, b), (b, a)):
        if x[0] == "texts":
            return texts(tuple(t for t in x[1] if contains(y, t)))
    parts = tuple(dict.fromkeys((a[1] if a[0] == "and" else (a,)) + (b[1] if b[0] == "and" else (b,))))
    lengths_ = [p for p in parts if p[0] == "length"]
    if len(lengths_) > 1:
        most = min((p[2] for p in lengths_ if p[2] is not None), default=None)
        merged = length(max(p[1] for p in lengths_), most)
        rest = tuple(p for p in parts if p[0] != "length")
        return functools.reduce(both, rest, merged) if merged[0] != "length" else _and((*rest, merged))
    if lengths_:
        fitted = [_fit(part, lengths_[0]) for part in parts]
        kept = tuple(part for part, _ in fitted if part != ALL and part != lengths_[0])
        if NONE in kept:
            return NONE
        if any(settled for _, settled in fitted):
            return functools.reduce(both, kept, ALL)
    excluded = [p for p in parts if p[0] == "not" and p[1][0] == "texts"]
    if len(excluded) > 1:
        rest = tuple(p for p in parts if p not in excluded)
        return _and((*rest, negation(texts(tuple(t for p in excluded for t in p[1][1])))))
    return _and(parts)


def _fit(part: StringSet, bound: StringSet) -> tuple[StringSet, bool]:
    """`part` with a length bound worked in, and whether that settles the bound."""
    _, least, most = bound
    if part[0] != "match":
        return part, False
    low, high = lengths(part[1])
    if low >= least and (most is None or (high is not None and high <= most)):
        return part, True
    if (most is not None and low > most) or (high is not None and high < least):
        return NONE, True
    node = part[1]
    if node[0] == "set":
        node = ("rep", 1, 1, True, node)
    if node[0] == "rep" and node[4][0] == "set":
        top = node[2] if most is None else most if node[2] is None else min(most, node[2])
        return ("match", ("rep", max(least, node[1]), top, True, node[4])), True
    return part, False


def _and(parts: tuple[StringSet, ...]) -> StringSet:
    return parts[0] if len(parts) == 1 else ("and", parts)


def either(a: StringSet, b: StringSet) -> StringSet:
    """Union, simplified."""
    if ALL in (a, b):
        return ALL
    if a in (NONE, b):
        return b
    if b == NONE:
        return a
    if a[0] == b[0] == "texts":
        return texts(a[1] + b[1])
    return ("or", tuple(dict.fromkeys((a[1] if a[0] == "or" else (a,)) + (b[1] if b[0] == "or" else (b,)))))


def negation(a: StringSet) -> StringSet:
    """The strings outside `a`."""
    if a[0] == "not":
        return a[1]  # type: ignore[no-any-return]
    return NONE if a == ALL else ALL if a == NONE else ("not", a)


def contains(a: StringSet, text: str) -> bool:
    """Is `text` in the set?"""
    tag = a[0]
    if tag in ("all", "none"):
        return a == ALL
    if tag == "texts":
        return text in a[1]
    if tag == "length":
        return a[1] <= len(text) and (a[2] is None or len(text) <= a[2])
    if tag in ("match", "search"):
        return _regex(a).matches(text)
    if tag == "not":
        return not contains(a[1], text)
    answers = (contains(part, text) for part in a[1])
    return all(answers) if tag == "and" else any(answers)


@functools.lru_cache(maxsize=1024)
def _regex(a: StringSet) -> RegexAtom:
    return RegexAtom(a[1], search=a[0] == "search")


def is_empty(a: StringSet) -> bool:
    """Is the set certainly empty? (False also where deciding would be too dear.)"""
    if a[0] in ("all", "length", "none", "texts"):
        return a == NONE
    if a[0] == "match" and lengths(a[1])[0] >= 0 and not _can_fail(a[1]):
        return False
    if a[0] == "not" and a[1][0] in ("texts", "length"):
        return False
    if a[0] == "and" and all(p[0] == "not" and p[1][0] == "texts" for p in a[1]):
        return False
    try:
        return string_dfa(a).is_empty()
    except TooLarge:
        return False


def _can_fail(node: Node) -> bool:
    if node[0] == "set":
        return not node[1]
    if node[0] in ("cat", "alt"):
        return any(_can_fail(part) for part in node[1])
    return node[0] in ("start", "end") or (node[0] == "rep" and _can_fail(node[4]))


@functools.lru_cache(maxsize=2048)
def string_dfa(a: StringSet, max_states: int = MAX_STATES) -> Dfa:
    """The minimal DFA over decoded characters; raises `TooLarge`."""
    atoms: list[Any] = []
    where: dict[StringSet, int] = {}

    def collect(part: StringSet) -> None:
        tag = part[0]
        if tag in ("and", "or"):
            for piece in part[1]:
                collect(piece)
        elif tag == "not":
            collect(part[1])
        elif part not in where and tag not in ("all", "none"):
            where[part] = len(atoms)
            atoms.append(_atom(part))

    def holds(part: StringSet, flags: Any) -> bool:
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

    positive = ("match", "search", "length", "texts")
    must = [p for p in (a[1] if a[0] == "and" else (a,)) if p[0] in positive]
    for part in must:
        collect(part)
    n_must = len(atoms)
    collect(a)
    return determinize(atoms, lambda flags: holds(a, flags), n_must=n_must, max_states=max_states)


def _atom(part: StringSet) -> Any:
    if part[0] == "length":
        return LengthAtom(part[1], part[2])
    if part[0] == "texts":
        return LiteralsAtom(part[1])
    return _regex(part)


def string_node(a: StringSet, speller: Speller) -> Node:
    """The JSON texts, quotes included, of the members; raises `TooLarge` where no form fits the limits."""
    if a[0] == "or":
        return alt(*(string_node(part, speller) for part in a[1]))
    if a in (ALL, NONE):
        return cat(QUOTE, FREE_TEXT, QUOTE) if a == ALL else NOTHING
    parts = list(a[1]) if a[0] == "and" else [a]
    excluded = tuple(t for p in parts if p[0] == "not" and p[1][0] == "texts" for t in p[1][1])
    kept = [p for p in parts if not (p[0] == "not" and p[1][0] == "texts")]
    looks: list[Node] = []
    if excluded and not kept and max(map(len, excluded)) <= MAX_DEPTH and sum(map(len, excluded)) <= MAX_TRIE:
        return cat(QUOTE, other_than(excluded, speller), QUOTE)
    if excluded and kept and sum(map(len, excluded)) <= MAX_TRIE:
        kept.append(negation(texts(excluded)))
    elif excluded:
        looks.append(("look", True, True, cat(trie(excluded, speller), QUOTE)))
    return cat(QUOTE, *_conjunction(kept, looks, speller), QUOTE)


def _conjunction(parts: list[StringSet], looks: list[Node], speller: Speller) -> list[Node]:
    """Look-aheads and the content for the meet of `parts`; nothing is known to be excluded beyond `looks`."""
    if not parts:
        return [*looks, FREE_TEXT]
    if len(parts) == 1:
        simple = _simple(parts[0], speller)
        if simple is not None:
            return [*looks, simple]
    try:
        if any(p[0] == "length" and max(p[1], p[2] or 0) > COUNTED for p in parts):
            raise TooLarge
        dfa = string_dfa(_and(tuple(parts)))
        return [*looks, to_node(dfa, speller.one_of, max_size=MAX_SIZE)]
    except TooLarge:
        pass
    bodies: list[Node] = []
    for part in parts:
        negate = part[0] == "not"
        node = _alone(part[1] if negate else part, speller)
        if negate:
            looks.append(("look", True, True, cat(node, QUOTE)))
        else:
            bodies.append(node)
    looks += [("look", True, False, cat(node, QUOTE)) for node in bodies[:-1]]
    return [*looks, bodies[-1] if bodies else FREE_TEXT]


def _alone(part: StringSet, speller: Speller) -> Node:
    simple = _simple(part, speller)
    if simple is not None:
        return simple
    if part[0] == "or":
        return alt(*(_alone(piece, speller) for piece in part[1]))
    return to_node(string_dfa(part), speller.one_of, max_size=MAX_SIZE)


def _simple(part: StringSet, speller: Speller) -> Node | None:
    """The content node of one condition that needs no automaton."""
    tag = part[0]
    if tag == "texts":
        return trie(part[1], speller)
    if tag == "length":
        return ("rep", part[1], part[2], True, speller.one_of(ANY))
    if tag == "match" and not _loops_over_empty(part[1]):
        return speller.node(part[1])
    return None


def _loops_over_empty(node: Node) -> bool:
    """Is there an unbounded repetition of something that can be empty (whose meaning in `re` is odd)?"""
    tag = node[0]
    if tag in ("cat", "alt"):
        return any(_loops_over_empty(part) for part in node[1])
    if tag == "rep":
        return _loops_over_empty(node[4]) or (node[2] is None and lengths(node[4])[0] == 0)
    return False
