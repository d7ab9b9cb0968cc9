"""`Kinds` -> grammar rules over JSON text.

A conjunction becomes a symbol: one terminal where it allows scalars only, else a nonterminal with one alternative for all
scalars and one per array or object. Terminals are large: a key takes its colon and the white space around it.

Objects in schema order: a state is (next key to decide on, members printed, capped); a run of required keys is one rule
body; optional keys give two rules per state, so the grammar is linear in the number of keys. Keys that are required but
declared nowhere, then keys by pattern or additional ones, come last; the latter in any order and number.
Objects in any order: a state is (set of required keys already printed, members printed, capped): 2**required states.
Optional keys stay available in every state, so a text may repeat one (every occurrence must satisfy its schema, so the
object is valid whichever of them a parser keeps), unless the object has at most `any_order_exact` keys in all.

Arrays: explicit elements up to max(prefix, minItems), then a loop, or a bounded tail of logarithmically many rules;
`contains` counts matches in the state. Members printed are counted as printed: a repeated additional key counts twice.

Cost: rules are bounded by `SchemaLimits.rules`. Rules that cannot produce a text are removed at the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

from cfgdecode.errors import LimitExceeded, SchemaError
from cfgdecode.grammar.ir import GrammarIR, Terminal
from cfgdecode.json_schema import number_sets as numbers
from cfgdecode.json_schema import string_sets as strings
from cfgdecode.json_schema.automaton import NOTHING, Node, TooLarge, alt, cat
from cfgdecode.json_schema.kinds import FALSE, TRUE, Array, Conjunction, Kinds, Object, join
from cfgdecode.json_schema.normalize import Normalizer, SchemaLimits
from cfgdecode.json_schema.spelling import Speller

WHITE: Node = ("set", ((0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x20)))
Body = tuple[int, ...]


class Emitter:
    """Builds the grammar of one schema; `grammar(root)` is the only entry."""

    def __init__(
        self, normalizer: Normalizer, limits: SchemaLimits, speller: Speller, *, key_order: str, whitespace: str
    ) -> None:
        self._normalizer, self._limits, self._speller = normalizer, limits, speller
        self._any_order = key_order == "any"
        self._flexible = whitespace == "flexible"
        space: Node = ("rep", 0, None, True, WHITE) if self._flexible else ("cat", ())
        after: Node = space if self._flexible else ("rep", 0, 1, True, ("lit", " "))
        self._before, self._after, self._inside = space, after, space
        self._terminals: list[Terminal] = []
        self._terminal_of: dict[Node, int] = {}
        self._names: set[str] = set()
        self._nonterminals: list[str] = []
        self._rules: list[tuple[int, Body]] = []
        self._todo: list[Callable[[], None]] = []
        self._symbol_of: dict[Conjunction, int | None] = {FALSE: None}
        self._symbol_of_kinds: dict[Kinds, int | None] = {}
        self._objects: dict[Object, int] = {}
        self._arrays: dict[Array, int] = {}
        self._choices: dict[tuple[tuple[int, int], ...], int] = {}

    def grammar(self, root: Conjunction) -> GrammarIR:
        """The grammar whose language is the JSON texts of `root`."""
        start = self._nonterminal("start")
        value = self._value(root)
        if value is not None:
            self._rule(start, (value,))
            if self._flexible:
                white = self._terminal(("rep", 1, None, True, WHITE), "WHITE", "white space")
                for body in ((white, value), (value, white), (white, value, white)):
                    self._rule(start, body)
        while self._todo:
            self._todo.pop()()
        return self._finished(start)

    # --- symbols ------------------------------------------------------------------------------------------------

    def _terminal(self, pattern: Node, name: str, source: str) -> int:
        number = self._terminal_of.get(pattern)
        if number is None:
            number = self._terminal_of[pattern] = len(self._terminals)
            self._terminals.append(Terminal(self._fresh(name.upper()), pattern, source))
        return -number - 1

    def _nonterminal(self, name: str) -> int:
        self._nonterminals.append(self._fresh(name.lower()))
        return len(self._nonterminals) - 1

    def _fresh(self, name: str) -> str:
        name = re.sub(r"[^A-Za-z0-9]+", "_", name)[:40].strip("_") or "x"
        if not name[0].isalpha():
            name = ("X_" if name.isupper() or not name.islower() else "x_") + name
        out, n = name, 2
        while out in self._names:
            out, n = f"{name}_{n}", n + 1
        self._names.add(out)
        return out

    def _rule(self, head: int, body: Body) -> None:
        if len(self._rules) >= self._limits.rules:
            raise LimitExceeded("the grammar needs too many rules", limit="rules", given=len(self._rules))
        self._rules.append((head, body))

    def _mark(self, text: str, name: str) -> int:
        """A structural character with the white space that belongs to it."""
        space_before = self._before if text in ",}]" else ("cat", ())
        space_after = self._inside if text in "{[" else self._after if text == "," else ("cat", ())
        return self._terminal(cat(space_before, ("lit", text), space_after), name, f'"{text}"')

    def _empty(self, text: str, name: str) -> int:
        return self._terminal(cat(("lit", text[0]), self._inside, ("lit", text[1])), name, f'"{text}"')

    def _key(self, content: Node, name: str, source: str) -> int:
        return self._terminal(cat(content, self._before, ("lit", ":"), self._after), name, source)

    def _literal_key(self, key: str) -> int:
        return self._key(cat(strings.QUOTE, self._speller.text(key), strings.QUOTE), f"KEY_{key}", json.dumps(key) + ":")

    # --- values -------------------------------------------------------------------------------------------------

    def _value(self, conjunction: Conjunction) -> int | None:
        """The symbol for the values of `conjunction`; None if there is none."""
        if conjunction in self._symbol_of:
            return self._symbol_of[conjunction]
        kinds = self._normalizer.kinds(conjunction)
        if kinds in self._symbol_of_kinds:
            symbol = self._symbol_of_kinds[kinds]
        elif kinds.is_scalar() and self._number_is_terminal(kinds):
            symbol = self._symbol_of_kinds[kinds] = self._scalar(kinds, conjunction)
        else:
            name = "json_value" if conjunction == TRUE else self._name(conjunction)
            symbol = self._symbol_of_kinds[kinds] = self._nonterminal(name)
            self._todo.append(lambda: self._alternatives(symbol, kinds, conjunction, name))
        self._symbol_of[conjunction] = symbol
        return symbol

    def _name(self, conjunction: Conjunction) -> str:
        pointer = self._pointer(conjunction)
        steps = [s for s in pointer.split("/") if s and s not in ("properties", "items", "definitions", "$defs")]
        return "_".join(["v", *steps[-2:]])

    def _pointer(self, conjunction: Conjunction) -> str:
        return self._normalizer.document.places[conjunction[0][1]].pointer if conjunction else ""

    def _alternatives(self, symbol: int, kinds: Kinds, conjunction: Conjunction, name: str) -> None:
        if not self._number_is_terminal(kinds):
            self._number_rules(symbol, kinds.numbers, conjunction)
            kinds = replace(kinds, numbers=numbers.NONE)
        scalar = self._scalar(kinds, conjunction)
        if scalar is not None:
            self._rule(symbol, (scalar,))
        for array in kinds.arrays:
            self._rule(symbol, (self._array(array, name, conjunction),))
        for candidate in kinds.objects:
            for settled in _settle(candidate):
                self._rule(symbol, (self._object(settled, name, conjunction),))

    def _number_is_terminal(self, kinds: Kinds) -> bool:
        try:
            return kinds.numbers == numbers.NONE or bool(numbers.number_node(kinds.numbers))
        except TooLarge:
            return False

    def _number_rules(self, symbol: int, wanted: numbers.NumberSet, conjunction: Conjunction) -> None:
        """A rule per arc of the automaton, each character a terminal of its own."""
        try:
            dfa = numbers.number_dfa(wanted)
        except TooLarge:
            reason = "the conditions on a number need too large an automaton"
            raise SchemaError(reason, pointer=self._pointer(conjunction)) from None
        states = [symbol] + [self._nonterminal("number_state") for _ in dfa.final[1:]]
        entry = states[0] if all(t != 0 for arcs in dfa.arcs for _, t in arcs) else self._nonterminal("number_state")
        if dfa.final and entry != symbol:
            self._rule(symbol, (entry,))
            states[0] = entry
        for state, arcs in enumerate(dfa.arcs):
            for ranges, target in arcs:
                digit = self._terminal(("set", ranges), "DIGIT", "a digit")
                self._rule(states[state], (digit, states[target]))
                if dfa.final[target]:
                    self._rule(states[state], (digit,))

    def _scalar(self, kinds: Kinds, conjunction: Conjunction) -> int | None:
        parts: list[Node] = [("lit", "null")] if kinds.null else []
        parts += [("lit", "true" if value else "false") for value in (True, False) if value in kinds.booleans]
        try:
            if kinds.numbers != numbers.NONE:
                parts.append(numbers.number_node(kinds.numbers))
            if kinds.strings != strings.NONE:
                parts.append(strings.string_node(kinds.strings, self._speller))
        except TooLarge:
            reason = "the conditions on a number or a string need too large an automaton"
            raise SchemaError(reason, pointer=self._pointer(conjunction)) from None
        node = alt(*parts)
        if node == NOTHING:
            return None
        whole = [word for word, on in (("null", kinds.null), ("boolean", kinds.booleans)) if on]
        whole += ["number"] if kinds.numbers != numbers.NONE else []
        whole += ["string"] if kinds.strings != strings.NONE else []
        return self._terminal(node, "_".join(whole), " or ".join(whole))

    # --- arrays -------------------------------------------------------------------------------------------------

    def _array(self, array: Array, name: str, conjunction: Conjunction) -> int:
        if array not in self._arrays:
            self._arrays[array] = symbol = self._nonterminal(name + "_array")
            self._todo.append(lambda: self._array_rules(symbol, array, name, conjunction))
        return self._arrays[array]

    def _array_rules(self, symbol: int, array: Array, name: str, conjunction: Conjunction) -> None:
        if array.unique:
            self._unique_rules(symbol, array, name, conjunction)
            return
        if array.contains:
            self._containing_rules(symbol, array, name)
            return
        if array.least == 0:
            self._rule(symbol, (self._empty("[]", "EMPTY_ARRAY"),))
        if array.most == 0:
            return
        opening, comma, closing = self._mark("[", "LBRACKET"), self._mark(",", "COMMA"), self._mark("]", "RBRACKET")
        n = max(len(array.prefix), 1)
        most = array.most
        items = self._value(array.items) if most is None or most > len(array.prefix) else None
        tail: Body = ()
        if items is not None:
            pair: Body = (comma, items)
            low = max(array.least - n, 0)
            tail = self._times(pair, low, None if most is None else most - n, name)
        for i in reversed(range(n)):
            element = self._value(array.element(i))
            if most is not None and i >= most:
                continue
            if element is None:
                tail = ()
                if i < array.least:
                    return
                continue
            lead = comma if i else opening
            if i == 0:
                self._rule(symbol, (opening, element, *tail, closing))
            elif i < array.least:
                tail = (lead, element, *tail)
            else:
                optional = self._nonterminal(name + "_tail")
                self._rule(optional, ())
                self._rule(optional, (lead, element, *tail))
                tail = (optional,)

    def _times(self, body: Body, least: int, most: int | None, name: str) -> Body:
        """`body` from `least` to `most` times."""
        exact = self._exactly(body, least, name)
        if most is None:
            loop = self._nonterminal(name + "_more")
            self._rule(loop, ())
            self._rule(loop, (*body, loop))
            return (*exact, loop)
        return (*exact, *self._up_to(body, most - least, name))

    def _exactly(self, body: Body, n: int, name: str) -> Body:
        if n <= 4:
            return body * n
        half = self._nonterminal(name + "_half")
        self._rule(half, self._exactly(body, n // 2, name))
        return (half, half, *(body if n % 2 else ()))

    def _up_to(self, body: Body, n: int, name: str) -> Body:
        """0 to n times, one derivation for each count."""
        if n <= 0:
            return ()
        symbol = self._nonterminal(name + "_upto")
        if n <= 8:
            self._rule(symbol, ())
            self._rule(symbol, (*body, *self._up_to(body, n - 1, name)))
            return (symbol,)
        half = (n + 1) // 2
        self._rule(symbol, self._up_to(body, half - 1, name))
        self._rule(symbol, (*self._exactly(body, half, name), *self._up_to(body, n - half, name)))
        return (symbol,)

    def _containing_rules(self, symbol: int, array: Array, name: str) -> None:
        """States (elements, matches per `contains`); an element that need not match may match, unless matches are capped."""
        counts = array.contains
        floor = max(array.least, len(array.prefix))
        cap = array.most if array.most is not None else floor
        caps = tuple(low if high is None else high for _, low, high in counts)
        memo: dict[tuple[int, tuple[int, ...]], int] = {}
        opening, comma, closing = self._mark("[", "LBRACKET"), self._mark(",", "COMMA"), self._mark("]", "RBRACKET")

        def done(i: int, seen: tuple[int, ...]) -> bool:
            return i >= array.least and all(s >= low for s, (_, low, _) in zip(seen, counts, strict=True))

        def steps(i: int, seen: tuple[int, ...]) -> list[tuple[int, tuple[int, tuple[int, ...]]]]:
            if array.most is not None and i >= array.most:
                return []
            out = []
            for choice in range(1 << len(counts)):
                element, nxt = array.element(i), list(seen)
                for k, (what, _, high) in enumerate(counts):
                    if choice >> k & 1:
                        element, nxt[k] = join(element, what), nxt[k] + 1
                        if high is not None and nxt[k] > high:
                            element = FALSE
                        nxt[k] = min(nxt[k], caps[k])
                    elif high is not None:
                        element = join(element, tuple((not w, n) for w, n in what) if len(what) == 1 else FALSE)
                value = self._value(element)
                useful = tuple(nxt) != seen or choice == 0 or any(h is not None for _, _, h in counts)
                if value is not None and useful:
                    out.append((value, (min(i + 1, cap) if array.most is None else i + 1, tuple(nxt))))
            return out

        def state(key: tuple[int, tuple[int, ...]]) -> int:
            if key not in memo:
                memo[key] = self._nonterminal(name + "_elements")
                self._todo.append(lambda: fill(key))
            return memo[key]

        def fill(key: tuple[int, tuple[int, ...]]) -> None:
            if done(*key):
                self._rule(memo[key], ())
            for value, nxt in steps(*key):
                self._rule(memo[key], (comma, value, state(nxt)))

        zero = (0,) * len(counts)
        if done(0, zero):
            self._rule(symbol, (self._empty("[]", "EMPTY_ARRAY"),))
        for value, nxt in steps(0, zero):
            self._rule(symbol, (opening, value, state(nxt), closing))

    def _unique_rules(self, symbol: int, array: Array, name: str, conjunction: Conjunction) -> None:
        """Elements out of few values, each at most once: a state is the set of values already there."""
        if array.most is not None and array.most <= 1 and not array.contains:
            self._array_rules(symbol, Array(array.prefix, array.items, array.least, array.most), name, conjunction)
            return
        values = self._finite(array)
        if values is None or array.contains:
            reason = f"uniqueItems over more than {self._limits.unique_values} possible values is not context-free"
            self._normalizer.refuse_at(self._pointer(conjunction), "uniqueItems", reason)
            self._array_rules(symbol, Array(array.prefix, array.items, array.least, array.most, array.contains), name, conjunction)
            return
        opening, comma, closing = self._mark("[", "LBRACKET"), self._mark(",", "COMMA"), self._mark("]", "RBRACKET")
        memo: dict[frozenset[int], int] = {}

        def state(used: frozenset[int]) -> int:
            if used not in memo:
                memo[used] = self._nonterminal(name + "_unique")
                if len(used) >= array.least:
                    self._rule(memo[used], ())
                for i, value in enumerate(values):
                    if i not in used and (array.most is None or len(used) < array.most):
                        self._rule(memo[used], (comma, value, state(used | {i})))
            return memo[used]

        if array.least == 0:
            self._rule(symbol, (self._empty("[]", "EMPTY_ARRAY"),))
        for i, value in enumerate(values):
            self._rule(symbol, (opening, value, state(frozenset({i})), closing))

    def _finite(self, array: Array) -> list[int] | None:
        """A terminal for each possible element value, if they are few scalars."""
        kinds = self._normalizer.kinds(array.items)
        points = kinds.numbers[1] if kinds.numbers[0] == "points" else ()
        known = kinds.strings[1] if kinds.strings[0] == "texts" else ()
        if array.prefix or not kinds.is_scalar() or (kinds.numbers != numbers.NONE and not points):
            return None
        if kinds.strings != strings.NONE and not known:
            return None
        single = [Kinds(null=True)] if kinds.null else []
        single += [Kinds(booleans=frozenset({b})) for b in sorted(kinds.booleans)]
        single += [Kinds(numbers=("points", (p,))) for p in points] + [Kinds(strings=("texts", (t,))) for t in known]
        if len(single) > self._limits.unique_values:
            return None
        return [s for s in (self._scalar(kind, array.items) for kind in single) if s is not None]

    # --- objects ------------------------------------------------------------------------------------------------

    def _object(self, candidate: Object, name: str, conjunction: Conjunction) -> int:
        if candidate not in self._objects:
            self._objects[candidate] = symbol = self._nonterminal(name + "_object")
            self._todo.append(lambda: self._object_rules(symbol, candidate, name, conjunction))
        return self._objects[candidate]

    def _object_rules(self, symbol: int, candidate: Object, name: str, conjunction: Conjunction) -> None:
        declared: list[Member] = []
        for key, value_of in candidate.named:
            value = self._value(value_of)
            if value is not None:
                declared.append(([(self._literal_key(key), value)], key in candidate.required))
            elif key in candidate.required:
                return
        late: list[Member] = []
        known = {key for key, _ in candidate.named}
        for key in candidate.required:
            if key not in known:
                value = self._value(candidate.member(key))
                if value is None:
                    return
                late.append(([(self._literal_key(key), value)], True))
        known |= set(candidate.required)
        rest = self._rest_members(candidate.rest, known, conjunction)
        for names, what in candidate.some:
            regions = tuple((strings.both(region, names), join(value_of, what)) for region, value_of in candidate.rest)
            late.append((self._rest_members(regions, known, conjunction), True))
        frame = (self._mark("{", "LBRACE"), self._mark(",", "COMMA"), self._mark("}", "RBRACE"))
        if not any(required for _, required in (*declared, *late)) and candidate.least == 0:
            self._rule(symbol, (self._empty("{}", "EMPTY_OBJECT"),))
        if candidate.most == 0:
            return
        counts = (candidate.least, candidate.most)
        shuffled = candidate.shuffled and len(declared) + len(late) <= self._limits.shuffled_keys
        if self._any_order or shuffled:
            walk: _Order = _AnyOrder(self, name, frame, declared + late, rest, counts, conjunction)
        else:
            walk = _SchemaOrder(self, name, frame, declared, late, rest, counts)
        walk.build(symbol)

    def _rest_members(
        self, regions: tuple[tuple[strings.StringSet, Conjunction], ...], known: set[str], conjunction: Conjunction
    ) -> list[tuple[int, int]]:
        """(key terminal, value symbol) for the keys of `regions` that are not in `known`."""
        out = []
        for region, value_of in regions:
            value = None if region == strings.NONE else self._value(value_of)
            if value is None:
                continue
            excluded = tuple(key for key in sorted(known) if strings.contains(region, key))
            keys = strings.both(region, strings.negation(strings.texts(excluded))) if excluded else region
            if strings.is_empty(keys):
                continue
            try:
                content = strings.string_node(keys, self._speller)
            except TooLarge:
                reason = "the keys of patternProperties or additionalProperties need too large an automaton"
                raise SchemaError(reason, pointer=self._pointer(conjunction)) from None
            out.append((self._key(content, "OTHER_KEY", "another key:"), value))
        return out

    def _one_of(self, pairs: list[tuple[int, int]], name: str) -> Body:
        """One key with its value, out of `pairs`."""
        if len(pairs) == 1:
            return pairs[0]
        known = tuple(pairs)
        if known not in self._choices:
            self._choices[known] = symbol = self._nonterminal(name + "_member")
            for pair in pairs:
                self._rule(symbol, pair)
        return (self._choices[known],)

    # --- the end ------------------------------------------------------------------------------------------------

    def _finished(self, start: int) -> GrammarIR:
        rules = _productive(self._rules, len(self._nonterminals))
        reached, todo = {start}, [start]
        by_head: dict[int, list[Body]] = {}
        for head, body in rules:
            by_head.setdefault(head, []).append(body)
        while todo:
            for body in by_head.get(todo.pop(), ()):
                for s in body:
                    if s not in reached:
                        reached.add(s)
                        if s >= 0:
                            todo.append(s)
        heads = [n for n in range(len(self._nonterminals)) if n in reached]
        ends = [t for t in range(len(self._terminals)) if -t - 1 in reached]
        new = {n: i for i, n in enumerate(heads)} | {-t - 1: -i - 1 for i, t in enumerate(ends)}
        return GrammarIR(
            lexer="dynamic_complete",
            terminals=tuple(self._terminals[t] for t in ends),
            nonterminals=tuple(self._nonterminals[n] for n in heads),
            rules=tuple(
                dict.fromkeys((new[head], tuple(new[s] for s in body)) for head, body in rules if head in reached)
            ),
            start=new[start],
        )


def _productive(rules: list[tuple[int, Body]], n: int) -> list[tuple[int, Body]]:
    """The rules all of whose symbols derive some text."""
    waiting = [len({s for s in body if s >= 0}) for _, body in rules]
    users: list[list[int]] = [[] for _ in range(n)]
    for r, (_, body) in enumerate(rules):
        for s in {s for s in body if s >= 0}:
            users[s].append(r)
    good = [False] * n
    todo = [r for r, w in enumerate(waiting) if w == 0]
    for r in todo:
        head = rules[r][0]
        if not good[head]:
            good[head] = True
            for user in users[head]:
                waiting[user] -= 1
                if waiting[user] == 0:
                    todo.append(user)
    return [(head, body) for head, body in rules if good[head] and all(s < 0 or good[s] for s in body)]


Member = tuple[list[tuple[int, int]], bool]  # (key terminal, value symbol), one or several to choose from; required


def _settle(candidate: Object) -> list[Object]:
    """Objects whose `some` speak of undeclared keys only: a declared key that may serve gives a case of its own."""
    for i, (names, what) in enumerate(candidate.some):
        served = [(k, v) for k, v in candidate.named if strings.contains(names, k)]
        served += [
            (k, candidate.member(k))
            for k in candidate.required
            if strings.contains(names, k) and k not in dict(candidate.named)
        ]
        if not served:
            continue
        keys = strings.negation(strings.texts(tuple(k for k, _ in served)))
        others = candidate.some[:i] + candidate.some[i + 1 :]
        out = _settle(replace(candidate, some=(*others, (strings.both(names, keys), what))))
        for key, value in served:
            named = tuple((k, join(v, what) if k == key else v) for k, v in candidate.named)
            if key not in dict(candidate.named):
                named += ((key, join(value, what)),)
            required = tuple(dict.fromkeys((*candidate.required, key)))
            out += _settle(replace(candidate, named=named, required=required, some=others))
        return out
    return [candidate]


class _Order:
    """What both key orders share: symbols, counting, and the three places of punctuation."""

    def __init__(
        self, emitter: Emitter, name: str, frame: tuple[int, int, int], rest: list[tuple[int, int]], counts: tuple[int, int | None]
    ) -> None:
        self._emitter, self._name, self._rest = emitter, name, rest
        self._opening, self._comma, self._closing = frame
        self._least, self._most = counts
        self._cap = max(self._least, 1) if self._most is None else self._most

    def build(self, symbol: int) -> None:
        raise NotImplementedError

    def _next(self, count: int) -> int | None:
        """Members printed after one more; None if that is too many."""
        if self._most is not None and count >= self._most:
            return None
        return min(count + 1, self._cap)

    def _lead(self, count: int) -> Body:
        return (self._comma,) if count else ()


class _SchemaOrder(_Order):
    def __init__(
        self,
        emitter: Emitter,
        name: str,
        frame: tuple[int, int, int],
        declared: list[Member],
        late: list[Member],
        rest: list[tuple[int, int]],
        counts: tuple[int, int | None],
    ) -> None:
        super().__init__(emitter, name, frame, rest, counts)
        self._permuted = late if 0 < len(late) <= 4 else []
        self._keys = declared if self._permuted else declared + late
        self._memo: dict[tuple[int, int], Body] = {}
        self._tails: dict[tuple[frozenset[int], int], Body] = {}
        self._count_matters = self._least > 1 or self._most is not None

    def build(self, symbol: int) -> None:
        # Far suffixes first, so that the recursion below stays shallow.
        if not self._count_matters:
            for i in reversed(range(len(self._keys))):
                self._from(i, 1)
        body = self._from(0, 0)
        if body is not None:
            self._emitter._rule(symbol, (self._opening, *body, self._closing))

    def _from(self, i: int, count: int) -> Body | None:
        """What may follow when keys before `i` are decided and `count` members are printed; None: nothing."""
        if i == len(self._keys):
            return self._tail(frozenset(range(len(self._permuted))), count)
        if (i, count) in self._memo:
            return self._memo[i, count]
        pairs, required = self._keys[i]
        nxt = self._next(count)
        taken = None if nxt is None else self._from(i + 1, nxt)
        member = None if taken is None else (*self._lead(count), *self._emitter._one_of(pairs, self._name), *taken)
        if required:
            out = member if member is None or len(member) < 60 else self._wrapped(member)
        else:
            skipped = self._from(i + 1, count)
            out = self._choice([member, skipped])
        self._memo[i, count] = out  # type: ignore[assignment]
        return out

    def _wrapped(self, body: Body) -> Body:
        symbol = self._emitter._nonterminal(self._name + "_members")
        self._emitter._rule(symbol, body)
        return (symbol,)

    def _choice(self, bodies: list[Body | None]) -> Body | None:
        kept = [body for body in bodies if body is not None]
        if len(kept) < 2:
            return kept[0] if kept else None
        symbol = self._emitter._nonterminal(self._name + "_members")
        for body in kept:
            self._emitter._rule(symbol, body)
        return (symbol,)

    def _tail(self, missing: frozenset[int], count: int) -> Body | None:
        """Required keys without a declaration, in any order, then the other keys."""
        done = not missing and count >= max(self._least, 1)
        if not missing and (not self._rest or self._next(count) is None):
            return () if done else None
        key = (missing, count)
        if key not in self._tails:
            symbol = self._emitter._nonterminal(self._name + "_rest")
            self._tails[key] = (symbol,)
            if done:
                self._emitter._rule(symbol, ())
            nxt = self._next(count)
            if nxt is not None:
                for k in sorted(missing):
                    pair = self._emitter._one_of(self._permuted[k][0], self._name)
                    self._more(symbol, count, pair, self._tail(missing - {k}, nxt))
                for member in self._rest:
                    self._more(symbol, count, member, self._tail(missing, nxt))
        return self._tails[key]

    def _more(self, symbol: int, count: int, member: Body, tail: Body | None) -> None:
        if tail is not None:
            self._emitter._rule(symbol, (*self._lead(count), *member, *tail))


class _AnyOrder(_Order):
    def __init__(
        self,
        emitter: Emitter,
        name: str,
        frame: tuple[int, int, int],
        keys: list[Member],
        rest: list[tuple[int, int]],
        counts: tuple[int, int | None],
        conjunction: Conjunction,
    ) -> None:
        super().__init__(emitter, name, frame, rest, counts)
        exact = len(keys) <= emitter._limits.any_order_exact
        self._once = [m for m in keys if m[1] or exact]
        self._often = [pair for pairs, required in keys if not required and not exact for pair in pairs] + rest
        limit = emitter._limits.any_order_required
        if len(self._once) > limit:
            raise LimitExceeded(
                f"an object with {len(self._once)} required keys in any order needs a state per subset of them; use "
                f'key_order="schema" or raise any_order_required (at {emitter._pointer(conjunction) or "#"})',
                limit="any_order_required",
                given=len(self._once),
            )
        self._must = sum(1 << k for k, m in enumerate(self._once) if m[1])
        self._memo: dict[tuple[int, int], int] = {}

    def build(self, symbol: int) -> None:
        for body in self._steps(0, 0):
            self._emitter._rule(symbol, (self._opening, *body, self._closing))

    def _steps(self, used: int, count: int) -> list[Body]:
        nxt = self._next(count)
        if nxt is None:
            return []
        out: list[Body] = []
        for k, (pairs, _) in enumerate(self._once):
            if not used >> k & 1:
                pair = self._emitter._one_of(pairs, self._name)
                out.append((*self._lead(count), *pair, *self._state(used | 1 << k, nxt)))
        if self._often:
            out.append((*self._lead(count), *self._emitter._one_of(self._often, self._name), *self._state(used, nxt)))
        return out

    def _state(self, used: int, count: int) -> Body:
        if (used, count) not in self._memo:
            symbol = self._memo[used, count] = self._emitter._nonterminal(self._name + "_members")
            if used & self._must == self._must and count >= self._least:
                self._emitter._rule(symbol, ())
            for body in self._steps(used, count):
                self._emitter._rule(symbol, body)
        return (self._memo[used, count],)
