"""The grammar front end: Python's `re` is the judge of patterns, Lark is the judge of grammars.

`ends` is a slow backtracking matcher over Node that follows Python's order of attempts; everything about patterns is
compared through it. Lark's verdicts and token streams are compared on the grammars of its own test suite.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import lark
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import cfgdecode
from cfgdecode.errors import GrammarError, GrammarSyntaxError, UnsupportedGrammarError
from cfgdecode.grammar import GrammarIR, Node, Terminal, from_lark, trim
from cfgdecode.grammar import regex as front
from cfgdecode.grammar.ir import show_node

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("CFGDECODE_DATA", ROOT.parent / "shared" / "data"))
LEXERS = ("basic", "dynamic", "dynamic_complete")


# A matcher over Node


def ends(node: Node, text: str, at: int) -> Iterator[int]:
    """Where matches of the node from `at` end, in the order in which Python tries them."""
    match node:
        case ("lit", literal):
            if text.startswith(literal, at):
                yield at + len(literal)
        case ("set", ranges):
            if at < len(text) and any(lo <= ord(text[at]) <= hi for lo, hi in ranges):
                yield at + 1
        case ("cat", ()):
            yield at
        case ("cat", (first, *rest)):
            for middle in ends(first, text, at):
                yield from ends(("cat", tuple(rest)), text, middle)
        case ("alt", branches):
            for branch in branches:
                yield from ends(branch, text, at)
        case ("rep", low, high, greedy, body):
            yield from _rounds(low, high, greedy, body, text, at, 0, None)
        case ("look", ahead, negate, body):
            found = any(True for _ in ends(body, text, at)) if ahead else _behind(body, text, at)
            if found != negate:
                yield at
        case ("start",):
            if at == 0:
                yield at
        case ("end",):
            if at == len(text):
                yield at
        case _:
            raise AssertionError(node)


def _behind(body: Node, text: str, at: int) -> bool:
    return any(at in ends(body, text, start) for start in range(at + 1))


def _rounds(
    low: int, high: int | None, greedy: bool, body: Node, text: str, at: int, done: int, last: int | None
) -> Iterator[int]:
    if done < low:
        for middle in ends(body, text, at):
            yield from _rounds(low, high, greedy, body, text, middle, done + 1, last)
        return
    may_go_on = (high is None or done < high) and at != last
    if not greedy:
        yield at
    if may_go_on:
        for middle in ends(body, text, at):
            yield from _rounds(low, high, greedy, body, text, middle, done + 1, at)
    if greedy:
        yield at


def check_pattern(pattern: str, flags: int, text: str) -> None:
    """At every position the node's first match is Python's, and so are all whole matches (but for atomic parts)."""
    node = front.parse(pattern, flags)
    compiled, shown = re.compile(pattern, flags), re.compile(show_node(node))
    for at in range(len(text) + 1):
        want = compiled.match(text, at)
        have = next(ends(node, text, at), None)
        assert have == (want.end() if want else None), (pattern, node, text, at)
        again = shown.match(text, at)
        assert have == (again.end() if again else None), (show_node(node), node, text, at)
        if not re.search(r"\(\?>|[*+?]\+", pattern):
            assert (len(text) in ends(node, text, at)) == bool(compiled.fullmatch(text, at))


# Patterns

CHARACTERS = st.sampled_from(["a", "b", "A", "K", "k", "1", " ", "\n", "_", "é", "\u212a", "ſ", "𐐨"])
TEXTS = st.text(CHARACTERS, min_size=1, max_size=7)
ATOMS = st.sampled_from([
    "a", "b", "K", "k", "é", "1", "𐐨", r"\n", r"\u212a", "ab", "a|b", "(?:|a)", "(?:a|)", "", "(?!)",
    ".", r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", "[ab]", "[^a]", "[a-k_]", "[^K-k]", r"[\w-]", r"[^\W1]", r"[\s\d]",
    "(?i:k)", "(?i:[^k])", "(?i:ſ)", r"(?a:\w)", "(?s:.)", "(?-s:.)",
    "^", "$", r"\A", r"\Z", r"\b", r"\B", "(?m:^)", "(?m:$)",
])  # fmt: skip
REPEATS = st.sampled_from(
    ["*", "+", "?", "*?", "+?", "??", "{2}", "{0}", "{1,2}", "{0,2}?", "{2,}", "{,1}", "*+", "++", "?+"]
)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: "(" + "|".join(parts) + ")"),
        st.tuples(inner, REPEATS).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.tuples(st.sampled_from(["(?=", "(?!", "(?<=", "(?<!", "(?i:", "(?s:", "(?>", "(?P<x>"]), inner).map(
            lambda pair: f"{pair[0]}{pair[1]})"
        ),
    )


PATTERNS = st.recursive(ATOMS, _larger, max_leaves=8)
FLAGS = st.sampled_from([0, re.IGNORECASE, re.MULTILINE, re.DOTALL, re.ASCII, re.IGNORECASE | re.ASCII, re.VERBOSE])


@settings(max_examples=600, deadline=None)
@given(PATTERNS, FLAGS, st.lists(TEXTS, min_size=1, max_size=3))
@example("(?:|a)*", 0, ["aaa"])
@example("(?:a|)*?b", 0, ["aab"])
@example("(?:a??){2,}b", 0, ["aaab"])
@example("(?i)straße", 0, ["STRAßE"])
@example("[a-z]++(?=1)", 0, ["ab1"])
def test_a_node_matches_what_re_matches(pattern: str, flags: int, texts: list[str]) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern, flags)
    except re.error:
        assume(False)
    try:
        front.parse(pattern, flags)
    except front.Unsupported:
        assert "+" in pattern or "(?>" in pattern
        assume(False)
    for text in texts:
        check_pattern(pattern, flags, text)


ONE_CHARACTER = [
    ("a", re.I), ("k", re.I), ("S", re.I), ("İ", re.I), ("ß", re.I), ("σ", re.I), ("𐐀", re.I), ("µ", re.I), ("ﬅ", re.I),
    ("[^k]", re.I), ("[a-z]", re.I), ("[a-z]", re.I | re.A), (r"[\da-f]", re.I), (r"[^\W\d_]", re.I), ("[à-ÿ]", re.I),
    ("[𐐀x]", re.I), ("[𐐨-𐑏]", re.I | re.A), ("[k\u017f]", re.I), (r"[\Wa]", re.I), (r"[^\w\s]", 0), (r"\w", 0),
    (r"\D", 0), (r"\S", re.A), (".", 0), (".", re.S), (r"[\W\w]", 0), (r"[^\W\w]", 0), (r"[\ud800-\udfff]", 0),
    (r"[^\U000104c4\W\s]", re.I), (r"[\U000104c4-\U000104c4]", re.I), ("[𐐀é]", re.I),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "flags"), ONE_CHARACTER)
def test_a_set_has_the_members_that_re_finds(pattern: str, flags: int) -> None:
    node = front.parse(pattern, flags)
    ranges = front._character_set(node)
    assert ranges is not None
    have = {code for lo, hi in ranges for code in range(lo, hi + 1)}
    want = set(map(ord, re.compile(pattern, flags).findall(front._all_characters())))
    assert have == want - set(range(0xD800, 0xE000))
    assert all(lo <= hi for lo, hi in ranges) and all(a[1] + 1 < b[0] for a, b in pairwise(ranges))


@pytest.mark.parametrize(
    ("pattern", "want"),
    [
        ("abc", ("lit", "abc")),
        (r"a\.\u00e9", ("lit", "a.é")),
        ("a(?:b(c))d", ("lit", "abcd")),
        ("[^ab]?", ("rep", 0, 1, True, ("set", ((0, 96), (99, 0xD7FF), (0xE000, 0x10FFFF))))),
        ("x{2,}?", ("rep", 2, None, False, ("lit", "x"))),
        ("(?i:a1)b", ("cat", (("set", ((65, 65), (97, 97))), ("lit", "1b")))),
        ("ab|ac", ("cat", (("lit", "a"), ("set", ((98, 99),))))),
        ("a|bc|", ("alt", (("lit", "a"), ("lit", "bc"), ("cat", ())))),
        ("(?!b)a", ("cat", (("look", True, True, ("lit", "b")), ("lit", "a")))),
        (r"(?<=\\)a", ("cat", (("look", False, False, ("lit", "\\")), ("lit", "a")))),
        (r"\Aa\Z", ("cat", (("start",), ("lit", "a"), ("end",)))),
        ("a$", ("cat", (("lit", "a"), ("alt", (("end",), ("look", True, False, ("cat", (("lit", "\n"), ("end",))))))))),
        ("(?m:^)a", ("cat", (("alt", (("start",), ("look", False, False, ("lit", "\n")))), ("lit", "a")))),
        ("(?x: a b # c\n)", ("lit", "ab")),
        ("[]-a]", ("set", ((93, 97),))),
        (r"\ud800", ("set", ())),
        ("a*+b", ("cat", (("rep", 0, None, True, ("lit", "a")), ("lit", "b")))),
        ("(?>ab|cd)e", ("cat", (("alt", (("lit", "ab"), ("lit", "cd"))), ("lit", "e")))),
    ],
)
def test_patterns_have_the_documented_nodes(pattern: str, want: Node) -> None:
    assert front.parse(pattern) == want


def test_an_ascii_pattern_asks_nothing_of_the_whole_of_unicode() -> None:
    code = (
        "from cfgdecode.grammar import from_lark; from cfgdecode.grammar import regex\n"
        'from_lark(\'start: A B\\nA: /[a-z]+?(?=[^x])/\\nB: "<" /(?a:\\\\w)*/ ">"\')\n'
        "assert not regex._all_characters.cache_info().currsize"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(cfgdecode.__file__).parents[1])


# Grammars: constructs


def recognizes(ir: GrammarIR, sentence: list[int]) -> bool:
    """Whether the rules derive this sequence of terminals (Earley's algorithm, each set to its fixed point)."""
    rules: dict[int, list[tuple[int, ...]]] = {}
    for head, body in ir.rules:
        rules.setdefault(head, []).append(body)
    sets: list[set[tuple[int, tuple[int, ...], int]]] = [set() for _ in range(len(sentence) + 1)]
    sets[0] = {(ir.start, body, 0) for body in rules.get(ir.start, ())}
    for at, items in enumerate(sets):
        size = -1
        while size != len(items):
            size = len(items)
            for head, rest, origin in list(items):
                if not rest:
                    items |= {(h, r[1:], o) for h, r, o in list(sets[origin]) if r and r[0] == head}
                elif rest[0] >= 0:
                    items |= {(rest[0], body, at) for body in rules.get(rest[0], ())}
                elif at < len(sentence) and rest[0] == -sentence[at] - 1:
                    sets[at + 1].add((head, rest[1:], origin))
    return any(head == ir.start and not rest and origin == 0 for head, rest, origin in sets[-1])


def lex(ir: GrammarIR, text: str) -> list[int] | None:
    """The basic lexer's terminals for a text, read off the IR; None where it finds none."""
    keywords, at, found = dict(ir.keywords), 0, []
    while at < len(text):
        matches = ((t, next(ends(ir.terminals[t].pattern, text, at), None)) for t in ir.scanner)
        terminal, end = next(((t, end) for t, end in matches if end is not None), (None, at))
        if terminal is None:
            return None
        lexeme, at = text[at:end], end
        retyped = (k for k in keywords.get(terminal, ()) if len(lexeme) in ends(ir.terminals[k].pattern, lexeme, 0))
        if terminal not in ir.ignore:
            found.append(next(retyped, terminal))
    return found


def check_verdicts(grammar: str, texts: list[str], start: str = "start", **options: Any) -> Counter[bool]:
    """Our reading of the grammar accepts what Lark's accepts, for each lexer; counts the verdicts."""
    verdicts: Counter[bool] = Counter()
    for lexer in LEXERS:
        ir = from_lark(grammar, start, lexer, **options)
        judge = lark.Lark(grammar, parser="earley", lexer=lexer, start=start, **options)
        ours = lark.Lark(ir.to_lark(), parser="earley", lexer=lexer, start=_start_name(ir)) if ir.rules else None
        for text in texts:
            want = accepts(judge, text)
            if lexer == "basic":
                lexemes = lex(ir, text)
                have = lexemes is not None and recognizes(ir, lexemes)
            else:
                have = ours is not None and accepts(ours, text)
            assert have == want, (lexer, text, str(ir))
            verdicts[want] += 1
    return verdicts


def _start_name(ir: GrammarIR) -> str:
    lines = [line for line in ir.to_lark().split("\n") if not line.startswith(" ")]
    heads = list(dict.fromkeys(head for head, _ in ir.rules))
    return lines[heads.index(ir.start)].partition(":")[0]


def accepts(parser: lark.Lark, text: str) -> bool:
    try:
        parser.parse(text)
    except lark.exceptions.LarkError:
        return False
    return True


CONSTRUCTS = {
    "repetition": ('start: "a"* "b"+ ["c"] ("d" | "e")?', ["b", "aabbcd", "abe", "a", "bcc", "bde"]),
    "bounds": ('start: "a"~2 "b"~1..3 ("c" "d")~0..1', ["aab", "aabbbcd", "aabbbb", "ab", "aabcdcd"]),
    "long bounds": ('start: "a"~60..70', ["a" * 59, "a" * 60, "a" * 65, "a" * 70, "a" * 71]),
    "terminal bounds": ('start: A\nA: "a"~2..3 ("b" | "bc")~1 "x"?', ["aab", "aaabcx", "ab", "aab" * 2]),
    "templates": (
        'start: list{pair{A, "="}, ","}\nlist{x, s}: x (s x)*\npair{k, s}: k s k\nA: "a"',
        ["a=a", "a=a,a=a", "a=", "a,a"],
    ),
    "recursive template": ('start: t{"a"}\nt{x}: x | "(" t{x} ")"', ["a", "((a))", "(a", "()"]),
    "marks and aliases": (
        'start: _inl | one -> x | two -> all\n_inl: "a"\n?one: "b"\n!two: "c"',
        ["a", "b", "c", "ab"],
    ),
    "rule marks": ('start: x\n?x: y -> alias\n  | "(" x ")"\n!y.2: "v" | w\n_w: "w"\nw: _w', ["v", "((w))", "(v", ""]),
    "ranges": ('start: ("a".."f" | "0".."9")+ HEX\nHEX: "A".."F"', ["a0F", "gF", "00A", "0"]),
    "flags": ('start: "if"i W\nW: /[a-z]+/i\n%ignore " "', ["IF x", "if IF", "iF", "xif y"]),
    "string flags": ('start: "Kelvin"i /s+/i /x y#c\\n/x', ["kelvinSxy", "\u212aelvin\u017fxy", "kelvinx"]),
    "keywords": ('start: "if" NAME | NAME "=" NAME\nNAME: /[a-z]+/\n%ignore " "', ["if x", "ifx = y", "if = x"]),
    "priorities": ('start: (A | B)+ C\nA.2: "a"\nB.-1: /[a-z]+/\nC: "c"', ["aac", "abc", "xc", "c", "aa"]),
    "equal priorities": ('start: A | B "1"\nA: /a+/\nB: /[ab]+/', ["a", "aa1", "ab1", "a1"]),
    "ignored": ('start: "a" B\nB: "b"\n%ignore WS\n%ignore /#[^\\n]*/\n%ignore ";"\nWS: / +/', ["a b", "a#b", ";ab;"]),
    "common": (
        "start: (ESCAPED_STRING | SIGNED_NUMBER | CNAME | NEWLINE)+\n%import common (ESCAPED_STRING, SIGNED_NUMBER)\n"
        "%import common.CNAME\n%import common.NEWLINE\n%import common.WS_INLINE\n%ignore WS_INLINE",
        ['"a\\"b"', '"a\\"', '-1.5e3 x "', "x\r\ny", "1."],
    ),
    "import with alias": ("start: N+\n%import common.INT -> N\n%import common.WS -> _W\n%ignore _W", ["1 2", "x"]),
    "override": (
        "start: NUMBER\n%import common.NUMBER\n%override NUMBER: /x+/\n",
        ["xx", "1", ""],
    ),
    "extend": ('start: a A\na: "x"\nA: "a"\n%extend a: "y" | "z"\n%extend A: "b"', ["xa", "yb", "zb", "ab"]),
    "nullable": ("start: a b a\na: b?\nb: \"x\"?\n", ["", "x", "xx", "xxx", "xxxx"]),
    "cyclic": ('start: a\na: b | "x"\nb: a | a b | "y"', ["x", "y", "xyx", ""]),
    "left and right recursive": ('start: l r\nl: l "a" |\nr: "b" r |', ["", "aab", "abb", "ba"]),
    "ambiguous": ('start: e\ne: e "+" e | e e | "1"', ["1", "1+1+1", "11+1", "+1", "1+"]),
    "joined terminals": (
        'start: A C\nA: B "x" | B | "é"i\nB: /a+?/ | "ab"\nC: (/[b-d]/ | "dd")+ A?',
        ["ad", "axdd", "abxc", "Éb", "aab"],
    ),
    "look-around": (
        'start: (WORD | OTHER)+\nWORD: /\\b[a-z]+\\b(?!;)/\nOTHER: /(?<=[a-z])[;0-9]/ | /[;0-9](?=$)/',
        ["ab", "a;", "a1", "1", "11", ";"],
    ),
    "anchors": ("start: A B?\nA: /^a+$/m\nB: /\\nb\\Z/", ["aa", "a\nb", "ab", "a\nbb"]),
    "lazy": ('start: C "x"\nC: /<!--.*?-->/s', ["<!---->x", "<!-- --> -->x", "<!-- \n-->x", "<!-->x"]),
    "inline flags": ("start: /(?s:.)(?i:b)\\w/ /[^\\W\\d_]/", ["\nBéé", "ab11", "xbaа", "xcaa"]),
    "escapes": (r'start: "\n\t\\" /\x41\u00e9\U0001F600\// "\x42" /\"/', ['\n\t\\Aé\U0001f600/B"', "n"]),
    "unused and unfinished": ('start: "a" | b "c" | d\nb: b "x"\nd: d2\nd2: d\nUNUSED: "u"\nu: UNUSED', ["a", "u"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_constructs_mean_what_they_mean_in_lark(name: str) -> None:
    grammar, texts = CONSTRUCTS[name]
    verdicts = check_verdicts(grammar, texts)
    assert verdicts[True] and verdicts[False], "the texts should be of both kinds"


def test_the_ir_is_as_documented() -> None:
    ir = from_lark('start: "if" NAME ("," NAME)*\nNAME: /[a-z]+/ | "\'" /[^\']/\nWS: / +/\n%ignore WS\nUNUSED: "u"')
    comma, name = ("lit", ","), ("rep", 1, None, True, ("set", ((97, 122),)))
    quoted = ("cat", (("lit", "'"), ("set", ((0, 38), (40, 0xD7FF), (0xE000, 0x10FFFF)))))
    assert ir == GrammarIR(
        lexer="basic",
        terminals=(
            Terminal("NAME", ("alt", (name, quoted)), "/(?:[a-z]+|'[^'])/"),
            Terminal("WS", ("rep", 1, None, True, ("lit", " ")), "/ +/"),
            Terminal("COMMA", comma, '","'),
            Terminal("IF", ("lit", "if"), '"if"'),
        ),
        nonterminals=("start", "__start_star_0"),
        rules=((0, (-4, -1, 1)), (0, (-4, -1)), (1, (-3, -1)), (1, (1, -3, -1))),
        start=0,
        ignore=(1,),
        scanner=(0, 1, 2),
        keywords=((0, (3,)),),
    )
    assert str(ir) == (
        "lexer basic, start start\n"
        "start: IF NAME __start_star_0\n"
        "start: IF NAME\n"
        "__start_star_0: COMMA NAME\n"
        "__start_star_0: __start_star_0 COMMA NAME\n"
        "NAME = [a-z]+|'[\\x00-\\&\\(-\\ud7ff\\ue000-\\U0010ffff]\n"
        "WS =  +\n"
        "COMMA = ,\n"
        "IF = if\n"
        "ignore WS\n"
        "scan NAME | WS | COMMA\n"
        "retype NAME as IF"
    )


def test_an_ir_is_plain_data() -> None:
    ir = from_lark("start: ESCAPED_STRING\n%import common.ESCAPED_STRING")
    assert pickle.loads(pickle.dumps(ir)) == ir and hash(ir) == hash(pickle.loads(pickle.dumps(ir)))
    plain = {str, int, bool, tuple, type(None)}

    def types(value: Any) -> set[type]:
        return {type(value)}.union(*map(types, value)) if isinstance(value, tuple) else {type(value)}

    fields = (ir.lexer, ir.nonterminals, ir.rules, ir.start, ir.ignore, ir.scanner, ir.keywords)
    assert types(fields) | types(tuple((t.name, t.pattern, t.source) for t in ir.terminals)) <= plain


def test_every_run_numbers_alike() -> None:
    grammar = (
        'start: (a | B)* C | "x"i ("y" | W)+\na: "if"i | "else" | W\nB: "q"is | /z/imsx\n%ignore /#.*/\n%ignore " "\n'
    )
    grammar = (
        grammar.replace('"q"is', '("q"i | /r/is)') + "C: /c/i\nW: /[a-z]+/is\n%import common.NUMBER\n%ignore NUMBER"
    )
    code = (
        "import sys; from cfgdecode.grammar import from_lark\n"
        "for lexer in ('basic', 'dynamic'): print(repr(from_lark(sys.argv[1], lexer=lexer)))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, grammar],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=Path(cfgdecode.__file__).parents[1],
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1


# Grammars: imports and files


def test_imports_are_found_beside_the_file_and_in_import_paths(tmp_path: Path) -> None:
    (tmp_path / "main.lark").write_text('start: item+\n%import .parts.item\n%import lib.words.WORD\n%ignore " " WORD\n')
    (tmp_path / "parts.lark").write_text('item: DIGITS | "(" other ")"\nother: item\n%import common.INT -> DIGITS\n')
    (tmp_path / "path" / "lib").mkdir(parents=True)
    (tmp_path / "path" / "lib" / "words.lark").write_text("WORD: /[a-z]+/\n")
    text = (tmp_path / "main.lark").read_text()
    want = from_lark(text, import_paths=[tmp_path / "path"], source_path=tmp_path / "main.lark")
    assert "item" in want.nonterminals and "parts__other" in want.nonterminals
    for file in (tmp_path / "main.lark", str(tmp_path / "main.lark")):
        assert from_lark(file, import_paths=[str(tmp_path / "path")]) == want
    with pytest.raises(
        GrammarError, match=r"cannot find the grammar lib/words.lark .*import_paths \(line 3, column 1\)"
    ):
        from_lark(tmp_path / "main.lark")


def test_an_error_in_an_imported_file_is_shown_there(tmp_path: Path) -> None:
    parts = tmp_path / "parts.lark"
    want = (
        "unexpected 'two', expected one of _COLON, _DOT, _LBRACE in the imported grammar parts.lark (line 2, column 6)"
    )
    parts.write_text('item: "a"\nitem two: "b"\n')
    with pytest.raises(GrammarSyntaxError) as caught:
        from_lark("start: item\n%import .parts.item", source_path=tmp_path / "main.lark")
    assert str(caught.value) == f'not a Lark grammar: {want}\n    item two: "b"\n         ^'
    parts.write_text('item: "a"\n\nitem: "b"\n')
    with pytest.raises(GrammarError, match=r"more than once in the imported grammar parts.lark \(line 3, column 1\)"):
        from_lark("start: item\n%import .parts.item", source_path=tmp_path / "main.lark")


def test_a_missing_file_is_missing() -> None:
    with pytest.raises(FileNotFoundError):
        from_lark("no-such-file.lark")


LIBRARY = Path(lark.__file__).parent / "grammars"


@pytest.mark.parametrize("lexer", LEXERS)
def test_lark_reads_python(lexer: Any) -> None:
    text = (LIBRARY / "python.lark").read_text(encoding="utf-8")
    with pytest.raises(UnsupportedGrammarError, match="_INDENT is declared without a pattern"):
        from_lark(text, "file_input", lexer)
    text = text.replace("%declare _INDENT _DEDENT", '_INDENT: "\\x02"\n_DEDENT: "\\x03"')
    ir = from_lark(text, "file_input", lexer)
    assert len(ir.rules) > 400
    by_name = {t.name: t for t in ir.terminals}
    string, texts = by_name["STRING"], ['"a\\"b"', 'rb"', '""', '"""', "'\\'", 'f"é"x', '"a\nb"']
    compiled = re.compile(lark.Lark(text, start="file_input").get_terminal("STRING").pattern.to_regexp())
    for text in texts:
        found = compiled.match(text)
        assert next(ends(string.pattern, text, 0), None) == (found and found.end())


LIBRARY_TERMINALS = [
    (file.stem, name)
    for file in sorted(LIBRARY.glob("*.lark"))
    for name in re.findall(r"^(_?[A-Z]\w*)\s*:", file.read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize(("file", "name"), LIBRARY_TERMINALS)
def test_every_terminal_of_larks_library_loads(file: str, name: str) -> None:
    shown = name.lstrip("_")
    try:
        want = lark.Lark(f"start: X\n%import {file}.{name} -> X", parser="earley", lexer="dynamic")
    except lark.exceptions.LarkError:
        pytest.skip(f"Lark itself cannot use {file}.{shown} alone")
    ir = from_lark(f"start: X\n%import {file}.{name} -> X", lexer="dynamic")
    assert len(ir.terminals) == len(want.terminals) == 1


# Grammars: what is removed


def test_rules_that_cannot_finish_or_be_reached_are_removed() -> None:
    ir = from_lark(
        'start: "a" | b "c" | d\nb: b "x"\nd: d2\nd2: d\nUNUSED: "u"\nu: UNUSED | u2\nu2: u', lexer="dynamic"
    )
    assert str(ir) == "lexer dynamic, start start\nstart: A\nA = a"


def test_under_basic_the_terminals_of_removed_rules_still_take_lexemes() -> None:
    ir = from_lark('start: A | b\nb: b AA\nA: "a"\nAA: "aa"')
    assert ir.rules == ((0, (-1,)),) and ir.scanner == (1, 0)
    assert lex(ir, "aa") == [1] and not recognizes(ir, [1])


@pytest.mark.parametrize("grammar", ['start: start "a" | x\nx: "b" x', "start: /(?!)a/ | /[^\\w\\W]/ | /\\ud800/"])
@pytest.mark.parametrize("lexer", ["dynamic", "basic"])
def test_an_empty_language_is_legal(grammar: str, lexer: Any) -> None:
    ir = from_lark(grammar, lexer=lexer)
    assert ir.is_empty() and (ir.nonterminals, ir.rules, ir.start) == (("start",), (), 0)
    assert not from_lark('start: "a"?').is_empty()


SYMBOLS = st.integers(-3, 3)
RULES = st.lists(st.tuples(st.integers(0, 3), st.lists(SYMBOLS, max_size=3).map(tuple)), max_size=8)
PARTS = (("lit", "a"), ("lit", "b"), ("set", ()))


@settings(deadline=None)
@given(RULES.map(tuple), st.integers(0, 3), st.lists(st.lists(st.integers(0, 1), max_size=4), max_size=8))
def test_trimming_changes_no_sentence(rules: Any, start: int, sentences: list[list[int]]) -> None:
    terminals = tuple(Terminal(name, part, name) for name, part in zip("ABC", PARTS, strict=True))
    ir = GrammarIR("dynamic", terminals, ("p", "q", "r", "s"), rules, start)
    small = trim(ir)
    assert trim(small) == small
    assert small.nonterminals[small.start] == ir.nonterminals[start]
    names = [t.name for t in small.terminals]
    for sentence in sentences:
        renamed = [names.index("AB"[t]) if "AB"[t] in names else 99 for t in sentence]
        assert recognizes(small, renamed) == recognizes(ir, sentence)
    heads = {head for head, _ in small.rules}
    used = {s for _, body in small.rules for s in body}
    assert {s for s in used if s >= 0} | {small.start} == set(range(len(small.nonterminals)))
    assert heads == set(range(len(small.nonterminals))) or (small.is_empty() and not small.rules)
    assert {-s - 1 for s in used if s < 0} == set(range(len(small.terminals)))


@given(*[st.sets(st.integers(0, 40) | st.integers(0xD7F8, 0xE008) | st.integers(0x10FFFA, 0x10FFFF))] * 2)
def test_ranges_behave_as_sets(one: set[int], two: set[int]) -> None:
    surrogates = set(range(0xD800, 0xE000))

    def ranges(members: set[int]) -> Any:
        return front.union([(m, m) for m in members])

    a, b = ranges(one), ranges(two)
    assert front.union(a, b) == ranges(one | two)
    assert front.intersection(a, b) == ranges(one & two)
    assert front.complement(front.complement(a)) == a == ranges(one - surrogates)
    assert front.union(a, front.complement(a)) == front.EVERYTHING and not front.intersection(a, front.complement(a))


# Refusals

DECLARED = (
    "terminal {} is declared without a pattern (%declare), so no text can be matched with it; define it, or leave it "
    "out where a post-lexer would have made it (line {}, column {})\n    {}\n    {}^"
)
REFUSALS: list[tuple[str, type[GrammarError], str]] = [
    (
        'start: "a\n',
        GrammarSyntaxError,
        'not a Lark grammar: unexpected input (line 1, column 8)\n    start: "a\n           ^',
    ),
    (
        'start: a??\na: "b"',
        GrammarSyntaxError,
        "not a Lark grammar: misplaced operator (line 1, column 10)\n    start: a??\n             ^",
    ),
    (
        'start: item\n\nitem: "a" | missing\n',
        GrammarError,
        "rule 'missing' used but not defined (in rule item) (line 3, column 13)\n"
        '    item: "a" | missing\n                ^',
    ),
    (
        'start: "a"\nstart: "b"',
        GrammarError,
        "rule 'start' defined more than once (line 2, column 1)\n    start: \"b\"\n    ^",
    ),
    ('begin: "a"\nb: "b"', GrammarError, "the start rule 'start' is not defined; the grammar has begin, b"),
    ("", GrammarError, "the start rule 'start' is not defined; the grammar has no rules"),
    (
        'start: A\n%ignore SPACE\nA: "a"',
        GrammarError,
        "'SPACE' is used in %ignore but not defined (line 2, column 9)\n    %ignore SPACE\n            ^",
    ),
    (
        'start: A\nA: "a"*',
        GrammarError,
        'terminal A can match the empty text, which Lark\'s lexers refuse (line 2, column 1)\n    A: "a"*\n    ^',
    ),
    (
        "start: /[a/",
        GrammarError,
        "terminal /[a/ is no regular expression: unterminated character set at position 0 (line 1, column 8)\n"
        "    start: /[a/\n           ^",
    ),
    (
        "start: A\nA: /(a|b)c\\1/",
        UnsupportedGrammarError,
        "terminal A contains a back-reference to a group: what it matches is not regular; write one alternative for "
        "each text that the group can hold (line 2, column 1)\n    A: /(a|b)c\\1/\n    ^",
    ),
    (
        "start: /(a)?(?(1)b|c)/",
        UnsupportedGrammarError,
        "terminal /(a)?(?(1)b|c)/ contains a conditional (?(group)...): write its two cases as alternatives of the "
        "whole pattern (line 1, column 8)\n    start: /(a)?(?(1)b|c)/\n           ^",
    ),
    (
        "start: /a*+ab/",
        UnsupportedGrammarError,
        "terminal /a*+ab/ contains a possessive repetition: leave out its last + if giving back characters does no "
        "harm (line 1, column 8)\n    start: /a*+ab/\n           ^",
    ),
    (
        "start: /(?>a|ab)c/",
        UnsupportedGrammarError,
        "terminal /(?>a|ab)c/ contains an atomic group (?>...): write (?:...) if giving back characters does no harm "
        "(line 1, column 8)\n    start: /(?>a|ab)c/\n           ^",
    ),
    (
        'start: "a" _INDENT\n%declare _INDENT',
        UnsupportedGrammarError,
        DECLARED.format("_INDENT", 1, 12, 'start: "a" _INDENT', " " * 11),
    ),
    (
        'start: "a"\n%ignore _X\n%declare _X',
        UnsupportedGrammarError,
        DECLARED.format("_X", 2, 9, "%ignore _X", " " * 8),
    ),
    (
        "start: x\n%declare x",
        GrammarError,
        "rule 'x' is declared (%declare) but has no alternatives (line 1, column 8)\n    start: x\n           ^",
    ),
    (
        "start: A\nA: ((B))?\nB: /(/ | /b/",
        GrammarError,
        "a terminal holds /(/, which is no regular expression: missing ), unterminated subpattern at position 0",
    ),
    (
        'start: "a"~3..2',
        GrammarError,
        'bad range ~3..2: it ends below its start (line 1, column 11)\n    start: "a"~3..2\n              ^',
    ),
    ('start: "ab".."c"', GrammarError, 'a range "a".."z" needs one character on each side'),
    (
        "start: A\nA: B\nB: A",
        GrammarError,
        "recursion in terminal 'A' (recursion is only allowed in rules, not terminals) (line 2, column 1)\n"
        "    A: B\n    ^",
    ),
    (
        '%import common.WORD\n%override NOTHING: "a"\nstart: WORD',
        GrammarError,
        "cannot override a nonexisting terminal NOTHING (line 2, column 11)\n"
        '    %override NOTHING: "a"\n              ^',
    ),
]


@pytest.mark.parametrize("lexer", LEXERS)
@pytest.mark.parametrize(("grammar", "kind", "message"), REFUSALS)
def test_refusals_say_what_and_where(grammar: str, kind: type[GrammarError], message: str, lexer: Any) -> None:
    with pytest.raises(GrammarError) as caught:
        from_lark(grammar, lexer=lexer)
    assert (type(caught.value), str(caught.value)) == (kind, message)
    if "(line" in message:
        assert f"(line {caught.value.line}, column {caught.value.column})" in message


def test_a_refusal_is_of_what_is_used_only() -> None:
    grammar = 'start: "a"\nother: /(a)\\1/ other2\nother2: other X\n%declare X'
    assert from_lark(grammar, lexer="dynamic").rules == ((0, (-1,)),)
    with pytest.raises(UnsupportedGrammarError):  # Lark's basic lexer would try this terminal everywhere.
        from_lark(grammar, lexer="basic")


def test_larks_options_may_be_passed_on() -> None:
    assert from_lark('start: "a"', keep_all_tokens=True, strict=False) == from_lark('start: "a"', strict=True)
    ir = from_lark('start: "a" /b./', g_regex_flags=re.IGNORECASE | re.DOTALL)
    assert [show_node(t.pattern) for t in ir.terminals] == ["[Aa]", "[Bb][\\x00-\\ud7ff\\ue000-\\U0010ffff]"]
    with pytest.raises(GrammarError, match="unknown lexer 'contextual'"):
        from_lark('start: "a"', lexer="contextual")  # type: ignore[arg-type]


# Real grammars


def _grammars(name: str) -> list[tuple[str, str, list[str]]]:
    """The Lark grammars of a collection, each with a start rule and texts."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not there: set CFGDECODE_DATA to the folder with the test collections")
    found = []
    for case in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        if case.get("kind") in ("ebnf", "regex", "json_schema", "structural_tag"):
            continue
        starts = case.get("options", {}).get("start", "start")
        texts = [i["text"] for i in case.get("inputs", ()) if isinstance(i["text"], str)]
        texts += [t for key in ("accept", "reject") for t in case.get(key, ())]
        grammar = case.get("grammar") or case["text"]
        found += [(grammar, start, texts) for start in ([starts] if isinstance(starts, str) else starts)]
    return list(dict.fromkeys((g, s, tuple(t)) for g, s, t in found))


COLLECTIONS = {
    "lark_testsuite_cases.jsonl": {},
    "llguidance_lark_cases.jsonl": {},
    "xgrammar_cases.jsonl": {"back-reference": 1, "declared without a pattern": 1},
}


@pytest.mark.parametrize("lexer", LEXERS)
@pytest.mark.parametrize("name", COLLECTIONS)
def test_what_lark_loads_loads_and_what_it_refuses_is_refused(name: str, lexer: Any) -> None:
    refusals: Counter[str] = Counter()
    loaded = 0
    for grammar, start, _ in _grammars(name):
        want = _lark(grammar, start, lexer)
        try:
            ir = from_lark(grammar, start, lexer)
        except UnsupportedGrammarError as error:
            if want:
                reasons = [reason for reason in COLLECTIONS[name] if reason in str(error)]
                assert len(reasons) == 1, error
                refusals[reasons[0]] += 1
            continue
        except GrammarError as error:
            assert want is None, (grammar, error)
            continue
        assert want is not None, grammar
        loaded += 1
        if lexer == "basic":
            check_lexer(want, ir)
    assert all(count <= COLLECTIONS[name][reason] for reason, count in refusals.items()), refusals
    assert loaded and refusals.total() <= 0.05 * loaded


def _lark(grammar: str, start: str, lexer: str) -> lark.Lark | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parser = lark.Lark(grammar, parser="earley", lexer=lexer, start=start)
            if lexer == "basic":
                parser.parser.lexer.scanner  # noqa: B018  # Lark builds it late, and only then finds some errors.
            return parser
    except Exception:  # Lark refuses with assertions and errors of `re`, too.
        return None


def check_lexer(want: lark.Lark, ir: GrammarIR) -> None:
    """The IR's scanner, keywords and ignored terminals are those of Lark's basic lexer."""
    lexer = want.parser.lexer
    names = [t.name for t in ir.terminals]
    assert [names[i] for i in ir.scanner] == [t.name for t in lexer.scanner.terminals]
    assert {names[i] for i in ir.ignore} == set(want.ignore_tokens)
    retyped = {name: [t.name for t in unless.scanner.terminals] for name, unless in lexer.callback.items()}
    assert {names[i]: [names[k] for k in strings] for i, strings in ir.keywords} == retyped


@pytest.mark.parametrize("name", COLLECTIONS)
def test_the_basic_lexer_finds_larks_lexemes(name: str) -> None:
    compared = 0
    for grammar, start, texts in _grammars(name):
        judge = _lark(grammar, start, "basic")
        if not judge or not texts:
            continue
        try:
            ir = from_lark(grammar, start)
        except UnsupportedGrammarError:
            continue
        for text in texts:
            if len(text) > 300:
                continue
            try:
                want = [token.type for token in judge.lex(text)]
            except lark.exceptions.LarkError:
                want = None
            have = lex(ir, text)
            assert (None if have is None else [ir.terminals[t].name for t in have]) == want, (grammar, text)
            compared += 1
    assert compared or name.startswith("llguidance")


@pytest.mark.parametrize("name", COLLECTIONS)
def test_real_grammars_accept_what_lark_accepts(name: str) -> None:
    verdicts: Counter[bool] = Counter()
    for grammar, start, texts in _grammars(name):
        short = [text for text in texts if len(text) < 60][:6]
        if short and _lark(grammar, start, "basic") and _lark(grammar, start, "dynamic"):
            try:
                verdicts += check_verdicts(grammar, short, start)
            except UnsupportedGrammarError:
                continue
    assert verdicts[True] or name.startswith("llguidance")
