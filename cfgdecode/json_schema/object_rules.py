"""Rules for objects: the members that one may print, then the walk over them in a key order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cfgdecode.errors import LimitExceeded, SchemaError
from cfgdecode.json_schema import string_sets as strings
from cfgdecode.json_schema.automaton import TooLarge
from cfgdecode.json_schema.key_order import AnyOrder, KeyOrder, Member, SchemaOrder
from cfgdecode.json_schema.kinds import FALSE, Conjunction, Object, join

if TYPE_CHECKING:
    from cfgdecode.json_schema.emit import Emitter

Some = tuple[tuple[strings.StringSet, Conjunction], ...]


class ObjectRules:
    """Writes the rules of one `Object` at a time."""

    def __init__(self, emitter: Emitter) -> None:
        self._e = emitter

    def write(self, symbol: int, candidate: Object, name: str, conjunction: Conjunction) -> None:
        declared: list[Member] = []
        for key, value_of in candidate.named:
            value = self._e.value(value_of)
            if value is not None:
                declared.append(([(self._e.literal_key(key), value)], key in candidate.required))
            elif key in candidate.required:
                return
        late: list[Member] = []
        known = {key for key, _ in candidate.named}
        for key in candidate.required:
            if key not in known:
                value = self._e.value(candidate.member(key))
                if value is None:
                    return
                late.append(([(self._e.literal_key(key), value)], True))
        known |= set(candidate.required)
        rest = self._rest_members(candidate.rest, known, conjunction)
        for names, what in candidate.some:
            regions = tuple((strings.both(region, names), join(value_of, what)) for region, value_of in candidate.rest)
            late.append((self._rest_members(regions, known, conjunction), True))
        frame = (self._e.mark("{", "LBRACE"), self._e.mark(",", "COMMA"), self._e.mark("}", "RBRACE"))
        if not any(required for _, required in (*declared, *late)) and candidate.least == 0:
            self._e.rule(symbol, (self._e.empty("{}", "EMPTY_OBJECT"),))
        if candidate.most == 0:
            return
        counts = (candidate.least, candidate.most)
        shuffled = candidate.shuffled and len(declared) + len(late) <= self._e.limits.shuffled_keys
        if self._e.any_order or shuffled:
            walk: KeyOrder = AnyOrder(self._e, name, frame, declared + late, rest, counts, conjunction)
        else:
            walk = SchemaOrder(self._e, name, frame, declared, late, rest, counts)
        walk.build(symbol)

    def _rest_members(
        self, regions: tuple[tuple[strings.StringSet, Conjunction], ...], known: set[str], conjunction: Conjunction
    ) -> list[tuple[int, int]]:
        """(key terminal, value symbol) for the keys of `regions` that are not in `known`."""
        out = []
        for region, value_of in regions:
            value = None if region == strings.NONE else self._e.value(value_of)
            if value is None:
                continue
            excluded = tuple(key for key in sorted(known) if strings.contains(region, key))
            keys = strings.both(region, strings.negation(strings.texts(excluded))) if excluded else region
            if strings.is_empty(keys):
                continue
            try:
                content = strings.string_node(keys, self._e.speller)
            except TooLarge:
                reason = "the keys of patternProperties or additionalProperties need too large an automaton"
                raise SchemaError(reason, pointer=self._e.pointer(conjunction)) from None
            out.append((self._e.key(content, "OTHER_KEY", "another key:"), value))
        return out


def settle(candidate: Object) -> list[Object]:
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
        out = settle(replace(candidate, some=(*others, (strings.both(names, keys), what))))
        for key, value in served:
            named = tuple((k, join(v, what) if k == key else v) for k, v in candidate.named)
            if key not in dict(candidate.named):
                named += ((key, join(value, what)),)
            required = tuple(dict.fromkeys((*candidate.required, key)))
            out += settle(replace(candidate, named=named, required=required, some=others))
        return out
    return [replace(candidate, some=some) for some in _groups(candidate.some)]


def _groups(some: Some) -> list[Some]:
    """Every way in which one member may serve several of `some` at once."""
    if len(some) > 5:
        raise LimitExceeded("an object with more than 5 conditions on some member", limit="some", given=len(some))
    if not some:
        return [()]
    (names, what), out = some[0], []
    for rest in _groups(some[1:]):
        out.append(((names, what), *rest))
        for i, (other_names, other) in enumerate(rest):
            merged = (strings.both(names, other_names), join(what, other))
            if merged[0] != strings.NONE and merged[1] != FALSE:
                out.append((*rest[:i], merged, *rest[i + 1 :]))
    return out
