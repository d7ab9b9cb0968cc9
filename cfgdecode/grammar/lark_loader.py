"""Lark grammar -> GrammarIR.

Lark itself reads the grammar: imports, templates, EBNF, %override, %extend and the naming of anonymous terminals
are its own work, and what it refuses, it refuses here. We take its compiled rules and terminals, repeat the checks
that its Earley front end makes for the chosen lexer, and number what is left.

Terms: Lark's *origin* and *expansion* are a rule's head and body. The *scanner* is the order in which the basic
lexer tries terminals at a position; a *keyword* is a string terminal that the basic lexer finds by retyping the
match of a regular-expression terminal (Lark calls this "unless").

Invariants: the result depends on the grammar text, the imported files and Python's Unicode version only. Rules
that cannot finish or that the start does not reach are gone (`trim`).
Beyond Lark: a terminal that begins with a global flag, `/(?i)abc/`, works under the basic lexer too, where Lark
fails when it first lexes; the flag then holds for that terminal.

Cost: Lark's own loading time (some milliseconds for 50 rules), plus one `re.compile` for each terminal.
Source: `lark.lexer.BasicLexer` and `lark.parser_frontends` of Lark 1.2 and 1.3.
See it: `print(from_lark(text))`.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

from lark.exceptions import LarkError, UnexpectedInput, VisitError
from lark.grammar import NonTerminal
from lark.grammar import Rule as LarkRule
from lark.lexer import PatternStr, TerminalDef
from lark.load_grammar import load_grammar

from ..errors import GrammarError, GrammarSyntaxError, UnsupportedGrammarError
from . import regex
from .ir import GrammarIR, Lexer, Node, Rule, Terminal, reachable, trim

ImportPath = str | os.PathLike[str] | Callable[..., Any]

_LOOKS_LIKE_A_FILE = re.compile(r"[^\s\"]+\.lark")
# What Lark raises for a bad grammar: its own errors, and slips of Python where it does not look before it leaps.
_LARK_RAISES = (
    LarkError, AssertionError, OSError, ValueError, TypeError, LookupError, AttributeError,
    SyntaxError, ArithmeticError, RecursionError, RuntimeError, re.error,
)  # fmt: skip


def from_lark(
    text: str | os.PathLike[str],
    start: str = "start",
    lexer: Lexer = "basic",
    import_paths: Sequence[ImportPath] = (),
    *,
    source_path: str | os.PathLike[str] | None = None,
    g_regex_flags: int = 0,
    keep_all_tokens: bool = False,
    strict: bool = False,
) -> GrammarIR:
    """Read a Lark grammar.

    Args:
        text: the grammar text, or the path of a grammar file (an `os.PathLike`, or a string that ends in ".lark").
        start: the rule that derives whole texts.
        lexer: Lark's lexer whose decisions count, see docs/IR.md.
        import_paths: folders (or Lark loaders) that absolute `%import`s search before Lark's own library.
        source_path: the file the text came from, for relative imports.
        g_regex_flags: flags of `re` for every terminal, as in `lark.Lark`.
        keep_all_tokens, strict: accepted so that `lark.Lark`'s options can be passed on. The first shapes trees only;
            of the second, nothing is done: where terminals clash, Lark's order of terminals decides.

    Raises:
        GrammarSyntaxError: the text is not a Lark grammar.
        GrammarError: Lark refuses the grammar: an unknown name, a zero-width terminal, ...
        UnsupportedGrammarError: a terminal is not regular, or has no pattern.
    """
    if lexer not in get_args(Lexer):
        raise GrammarError(f"unknown lexer {lexer!r}: use one of {', '.join(get_args(Lexer))}")
    if isinstance(text, os.PathLike) or _LOOKS_LIKE_A_FILE.fullmatch(text):
        source_path, text = text, Path(text).read_text(encoding="utf-8")
    paths = [p if callable(p) else os.fspath(p) for p in import_paths]
    source = "<string>" if source_path is None else os.fspath(source_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of odd but legal patterns and escapes.
        try:
            grammar, _ = load_grammar(text, source, paths, keep_all_tokens)  # type: ignore[no-untyped-call]
            terminals, rules, ignored = grammar.compile([start], set())
        except _LARK_RAISES as error:
            raise _translated(error, text) from error
        if not any(rule.origin.name == start for rule in rules):
            raise _no_start(start, [str(name) for name, *_ in grammar.rule_defs])
        return trim(_Build(text, lexer, g_regex_flags, terminals, rules, ignored).ir(start))


def _no_start(start: str, names: Sequence[str]) -> GrammarError:
    if start in names:
        return GrammarError(f"the start rule {start!r} is a template or has no alternatives", rule=start)
    own = [name for name in names if not name.startswith("_") and "__" not in name]
    known = ", ".join(own[:8]) + (", ..." if len(own) > 8 else "")
    return GrammarError(f"the start rule {start!r} is not defined; the grammar has {known or 'no rules'}", rule=start)


class _Build:
    """One translation of Lark's compiled grammar; it lives for one call of `from_lark`."""

    def __init__(
        self,
        text: str,
        lexer: Lexer,
        flags: int,
        terminals: Sequence[TerminalDef],
        rules: Sequence[LarkRule],
        ignored: Iterable[str],
    ) -> None:
        self.text, self.lexer, self.flags = text, lexer, flags
        self.definitions = list(terminals)
        self.lark_rules = list(rules)
        self.terminal_id = {str(t.name): i for i, t in enumerate(self.definitions)}
        self.ignore = tuple(self._terminal(str(name)) for name in dict.fromkeys(ignored))
        self.rule_id: dict[str, int] = {}
        for rule in self.lark_rules:
            self.rule_id.setdefault(str(rule.origin.name), len(self.rule_id))

    def ir(self, start: str) -> GrammarIR:
        rules = self._rules(start)
        for definition in self.definitions:
            self._check(definition)
        used = {-s - 1 for _, body in rules for s in body if s < 0} | set(self.ignore)
        needed = range(len(self.definitions)) if self.lexer == "basic" else used
        scanner, keywords = self._scanner() if self.lexer == "basic" else ((), ())
        return GrammarIR(
            lexer=self.lexer,
            terminals=tuple(
                Terminal(str(d.name), self._pattern(d) if i in needed else ("set", ()), _source(d))
                for i, d in enumerate(self.definitions)
            ),
            nonterminals=tuple(self.rule_id),
            rules=rules,
            start=self.rule_id[start],
            ignore=self.ignore,
            scanner=scanner,
            keywords=keywords,
        )

    def _rules(self, start: str) -> tuple[Rule, ...]:
        """The rules that the start reaches, in numbers."""
        ids = self.rule_id
        edges = [
            (ids[r.origin.name], tuple(ids[s.name] for s in r.expansion if not s.is_term and s.name in ids))
            for r in self.lark_rules
        ]
        reached = reachable(edges, ids[start])
        rules = [r for r in self.lark_rules if ids[r.origin.name] in reached]
        return tuple((ids[r.origin.name], tuple(self._symbol(s, r.origin.name) for s in r.expansion)) for r in rules)

    def _symbol(self, symbol: Any, rule: str) -> int:
        name = str(symbol.name)
        if isinstance(symbol, NonTerminal):
            if name not in self.rule_id:
                raise self._error(f"rule {rule!r} uses {name!r}, which has no alternatives", name)
            return self.rule_id[name]
        return -self._terminal(name) - 1

    def _terminal(self, name: str) -> int:
        if name not in self.terminal_id:
            message = (
                f"terminal {name} is declared without a pattern (%declare), so no text can be matched with it; "
                "define it, or leave it out where a post-lexer would have made it"
            )
            raise self._error(message, name, UnsupportedGrammarError)
        return self.terminal_id[name]

    def _check(self, definition: TerminalDef) -> None:
        """What Lark checks of every terminal when it builds a lexer."""
        expression = definition.pattern.to_regexp()
        try:
            re.compile(expression, self.flags)
        except (re.error, ValueError, OverflowError, RecursionError) as error:
            raise self._error(
                f"terminal {_shown(definition)} is no regular expression: {error}", definition.name
            ) from error
        if definition.pattern.min_width == 0:
            message = f"terminal {_shown(definition)} can match the empty text, which Lark's lexers refuse"
            raise self._error(message, definition.name)

    def _pattern(self, definition: TerminalDef) -> Node:
        try:
            return regex.parse(definition.pattern.to_regexp(), self.flags)
        except regex.Unsupported as error:
            message = f"terminal {_shown(definition)} contains {error.construct}: {error.way_out}"
            raise self._error(message, definition.name, UnsupportedGrammarError) from error
        except RecursionError as error:
            message = f"terminal {_shown(definition)} is nested too deeply; split it into rules"
            raise self._error(message, definition.name, UnsupportedGrammarError) from error

    def _scanner(self) -> tuple[tuple[int, ...], tuple[tuple[int, tuple[int, ...]], ...]]:
        """The basic lexer's order of terminals and its keyword tables (Lark: `BasicLexer`, `_create_unless`)."""
        ordered = sorted(
            self.definitions, key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name)
        )
        strings = [t for t in ordered if isinstance(t.pattern, PatternStr)]
        embedded: set[str] = set()
        keywords = []
        for terminal in ordered:
            if isinstance(terminal.pattern, PatternStr):
                continue
            compiled = re.compile(terminal.pattern.to_regexp(), self.flags)
            retyped = [s for s in strings if s.priority == terminal.priority and _is_match(compiled, s.pattern.value)]
            embedded |= {s.name for s in retyped if frozenset(s.pattern.flags) <= frozenset(terminal.pattern.flags)}
            if retyped:
                keywords.append((self.terminal_id[terminal.name], tuple(self.terminal_id[s.name] for s in retyped)))
        scanner = tuple(self.terminal_id[t.name] for t in ordered if t.name not in embedded)
        return scanner, tuple(keywords)

    def _error(self, message: str, name: str, kind: type[GrammarError] = GrammarError) -> GrammarError:
        definition = next((d for d in self.definitions if d.name == name), None)
        raw = definition.pattern.raw if definition is not None else None
        shown = name if definition is None else _shown(definition)
        return kind(message, **_position(self.text, _find(self.text, name, raw)), rule=shown)


def _is_match(compiled: re.Pattern[str], text: str) -> bool:
    found = compiled.match(text)
    return found is not None and found.group() == text


def _source(definition: TerminalDef) -> str:
    """The literal as it was written; for a terminal made of several, Lark's regular expression."""
    if definition.pattern.raw:
        return str(definition.pattern.raw)
    # Lark nests flag groups in the order of a set, which differs from run to run.
    expression = re.sub(
        r"(?:\(\?[imslux]:){2,}",
        lambda groups: "".join(sorted(re.findall(r"\(\?.:", groups.group()))),
        definition.pattern.to_regexp(),
    )
    return f"/{expression}/"


def _shown(definition: TerminalDef) -> str:
    shown = _source(definition) if definition.name.startswith("__") else str(definition.name)
    return shown if len(shown) <= 80 else shown[:76] + " ..."


# Errors


def _translated(error: Exception, text: str) -> GrammarError:
    """Lark's refusal as ours, with the place in the text where it can be found."""
    culprit: BaseException = error.orig_exc if isinstance(error, VisitError) else error
    text, where = _text_at_fault(error, text)
    syntax = next((e for e in (culprit, culprit.__context__) if isinstance(e, UnexpectedInput)), None)
    if syntax is not None:
        return GrammarSyntaxError(f"not a Lark grammar: {_syntax(syntax, culprit)}{where}", **_place(text, syntax))
    if isinstance(culprit, FileNotFoundError):
        name = os.fspath(culprit.filename)
        module = name.removesuffix(".lark").replace(os.sep, ".")
        found = re.search(r"%import\s+\.?" + re.escape(module), text)
        message = f"cannot find the grammar {name} that is imported{where}; give its folder in import_paths"
        return GrammarError(message, **_position(text, found and found.start()), rule=module)
    if not isinstance(culprit, LarkError):
        return _refusal(_slip(culprit), text, where)
    if len(culprit.args) > 1 and isinstance(culprit.args[1], SyntaxError):  # a literal that Python cannot read
        literal, reason = culprit.args[0], culprit.args[1].msg
        return GrammarError(f"bad escape in the literal {literal}: {reason}", **_position(text, _index(text, literal)))
    return _refusal(str(culprit).strip(), text, where)


def _text_at_fault(error: BaseException, text: str) -> tuple[str, str]:
    """The grammar text that Lark was reading, and what to say of it if it is an imported one."""
    trace, reading = error.__traceback__, []
    while trace is not None:
        names = trace.tb_frame.f_locals
        if trace.tb_frame.f_code.co_name == "load_grammar" and "grammar_text" in names:
            reading.append((names["grammar_text"], names.get("grammar_name")))
        trace = trace.tb_next
    if len(reading) < 2:
        return text, ""
    inner, name = reading[-1]
    return inner, f" in the imported grammar {os.path.basename(getattr(name, 'path', None) or str(name))}"


def _syntax(syntax: UnexpectedInput, error: BaseException) -> str:
    if error is syntax:
        expected = sorted(getattr(syntax, "accepts", None) or getattr(syntax, "expected", None) or ())
        return f"unexpected {str(getattr(syntax, 'token', ''))!r}, expected one of {', '.join(expected)}"
    head = re.sub(r"(, at| at) line .*", "", str(error), flags=re.DOTALL)
    return head[:1].lower() + head[1:]


def _refusal(message: str, text: str, where: str) -> GrammarError:
    """Lark's message, made the same in every run and given a place."""
    bad_range = re.match(r"Bad Range for .*\((-?\d+)\.\.(-?\d+) isn't", message)
    if bad_range:
        low, high = bad_range.groups()
        found = re.search(rf"~\s*{low}\s*\.\.\s*{high}", text)
        return GrammarError(
            f"bad range ~{low}..{high}: it ends below its start{where}", **_position(text, found and found.start())
        )
    if "marked to ignore" in message:
        names = sorted(re.findall(r"'(\w+)'", message))
        message = f"'{names[0]}' is used in %ignore but not defined"
    found = _SUBJECT.search(message)
    name = next((group for group in found.groups() if group), None) if found else None
    offset = None
    if name is not None:
        offset = _index(text, name) if name.startswith('"') else _find(text, name, again="more than once" in message)
    return GrammarError(message[:1].lower() + message[1:] + where, **_position(text, offset), rule=name)


# Where Lark's messages name what they are about.
_SUBJECT = re.compile(
    r"""
    (?:[Rr]ule\ |[Tt]erminal\ |[Tt]emplate\ |^)'(\w+)' | [Rr]ule\ (\w+)\ is\ marked | not\ defined:\ (\w+)
  | \(Error\ at\ (\w+)\) | used\ for\ (\w+) | nonexisting\ \w+\ (\w+) | extend\ (?:rule|terminal)\ (\w+)
  | parameters:\ (\w+) | cannot\ be\ empty\ \((\w+)\) | \*\ <(\w+)\ : | \((".*?")\) | [ ]in\ (?:template\ )?(\w+)\)
    """,
    re.VERBOSE,
)

# Functions of Lark that assert instead of explaining, and what they mean.
_SLIPS = {
    "range": 'a range "a".."z" needs one character on each side',
    "resolve_term_references": "a terminal refers to a terminal that is only declared (%declare) and has no pattern",
    "template_usage": "a template is used with the wrong number of arguments",
}


def _slip(error: BaseException) -> str:
    """What is wrong where Lark stumbles over a grammar instead of refusing it."""
    trace, reason = error.__traceback__, None
    while trace is not None:
        code, names = trace.tb_frame.f_code, trace.tb_frame.f_locals
        reason = _SLIPS.get(code.co_name, reason)
        if code.co_name == "get_regexp_width" and "expr" in names:
            reason = _regex_fault(names["expr"])
        if code.co_name == "compile" and names.get("rule_tree", trace) is None:
            reason = f"rule '{names.get('name')}' is declared (%declare) but has no alternatives"
        trace = trace.tb_next
    return reason or f"this grammar makes Lark fail with {type(error).__name__}: {error}"


def _regex_fault(expression: str) -> str | None:
    try:
        re.compile(expression)
    except (re.error, ValueError, OverflowError, RecursionError) as error:
        return f"a terminal holds /{expression}/, which is no regular expression: {error}"
    return None


_WORDS = re.compile(
    r"""
    (?P<skip> (?: // | \#) [^\n]* )
  | (?P<literal> " (?: \\. | [^"\\\n] )* " i? | / (?!/) (?: \\. | [^/\\] )+ / [imslux]* )
  | (?P<name> [A-Za-z_] \w* )
    """,
    re.VERBOSE,
)
_HEAD = re.compile(r"\s*(?:\{[^}\n]*\})?\s*(?:\.\s*-?\d+)?\s*:")


def _find(text: str, name: str, literal: str | None = None, again: bool = False) -> int | None:
    """Where a name is defined (`again`: for the second time), else where it or the literal is used first."""
    words = [word for word in _WORDS.finditer(text) if word.group() in (name, literal) and not word["skip"]]
    places = [word for word in words if word["name"] and _HEAD.match(text, word.end())][again:] + words
    return places[0].start() if places else None


def _index(text: str, part: str) -> int | None:
    offset = text.find(part)
    return offset if offset >= 0 else None


def _position(text: str, offset: int | None) -> dict[str, Any]:
    """The error attributes for an offset: line, column and an excerpt with a caret."""
    if offset is None:
        return {}
    before = text[:offset]
    return _excerpt(text, before.count("\n") + 1, offset - before.rfind("\n"))


def _place(text: str, error: UnexpectedInput) -> dict[str, Any]:
    return _excerpt(text, max(error.line, 1), max(error.column, 1))


def _excerpt(text: str, line: int, column: int) -> dict[str, Any]:
    content = dict(enumerate(text.split("\n"), start=1)).get(line, "")
    left = max(0, column - 60)
    shown = content[left : left + 100].replace("\t", " ").rstrip()
    return {"line": line, "column": column, "context": f"    {shown}\n    {' ' * (column - 1 - left)}^"}
