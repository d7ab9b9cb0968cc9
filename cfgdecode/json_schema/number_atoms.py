"""Automata that read a JSON number and compare it with bounds, or divide it.

They assume a well-formed number: the caller meets them with an automaton for the syntax. States keep only what can
still matter (a sign once it is decided, not the digits that decided it), so the minimal automata stay small.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from fractions import Fraction
from typing import Any

from cfgdecode.json_schema.automaton import TooLarge


def decimal_text(value: Fraction) -> str:
    """`value` without an exponent; it must be a finite decimal."""
    digits, scale = decimal(abs(value))
    whole = digits.rjust(scale + 1, "0")
    text = whole[: len(whole) - scale] + ("." + whole[len(whole) - scale :] if scale else "")
    return "-" + text if value < 0 else text


def decimal(value: Fraction) -> tuple[str, int]:
    """(digits, number of decimals) of a non-negative finite decimal, no trailing zero decimals."""
    scale = 0
    while value.denominator != 1:
        value *= 10
        scale += 1
        if scale > 2000:
            raise TooLarge
    return str(value.numerator), scale


class _NumberAtom:
    """Classes: each digit, the sign and point characters, everything else."""

    def edges(self) -> Iterable[int]:
        return (*range(0x2B, 0x3B), 0x45, 0x46, 0x65, 0x66)

    def kind(self, code_point: int) -> Hashable:
        if code_point in (0x45, 0x65):
            return "e"
        return code_point if 0x2B <= code_point <= 0x39 else None


class MultipleAtom(_NumberAtom):
    """Plain decimals that are multiples of `unit` = units / 10**scale; state = (decimals read or -1, remainder)."""

    def __init__(self, unit: Fraction) -> None:
        digits, self._scale = decimal(unit)
        self._units = int(digits)
        if self._units * (self._scale + 2) > 20_000:
            raise TooLarge

    def start(self) -> tuple[int, int]:
        return (-1, 0)

    def step(self, state: tuple[int, int], code_point: int) -> tuple[int, int] | None:
        decimals, remainder = state
        char = chr(code_point)
        if char == "-":
            return state
        if char == ".":
            return (0, remainder)
        if not "0" <= char <= "9":
            return None
        if decimals == self._scale:
            return state if char == "0" else None
        remainder = (remainder * 10 + int(char)) % self._units
        return (decimals + 1 if decimals >= 0 else -1, remainder)

    def accepts(self, state: tuple[int, int]) -> bool:
        decimals, remainder = state
        return bool(remainder * 10 ** (self._scale - max(decimals, 0)) % self._units == 0)


class _Versus:
    """Compares the magnitude being read with a bound >= 0; a state is (plain, mantissa, exponent).

    plain: ("i", digits read, sign so far) before the point, ("f", decimals read, sign) after it;
    mantissa: (digits read, sign) against the bound's leading digits, None once the scientific form is ruled out;
    exponent: None, or behind the `e`: (1 or -1, digits read, sign against the digits of the bound's). Signs are -1,
    0, 1 as in cmp(read, bound).
    """

    def __init__(self, bound: Fraction, *, scientific: bool) -> None:
        self._scientific = scientific
        digits, scale = decimal(bound)
        whole = digits.rjust(scale + 1, "0")
        self._int, self._frac = whole[: len(whole) - scale], whole[len(whole) - scale :] if scale else ""
        self._zero = bound == 0
        self._lead = digits.lstrip("0").rstrip("0")
        self._exp = len(digits.lstrip("0")) - 1 - scale
        self._power = str(abs(self._exp))

    def start(self) -> Any:
        return ("i", 0, 0), (0, 0) if self._scientific else None, None

    def step(self, state: Any, char: str) -> Any:
        plain, mantissa, exponent = state
        if char in "eE":
            return None if mantissa is None else (None, mantissa, (1, 0, 0))
        if exponent is not None:
            if char in "+-":
                return None, mantissa, (-1 if char == "-" else 1, 0, 0)
            return None, mantissa, self._exponent_digit(exponent, char)
        if char == ".":
            return ("f", 0, self._whole(plain)), mantissa, None
        if mantissa is not None and not (plain[0] == "i" and (plain[1] or char == "0")):
            return self._digit(plain, char), self._lead_digit(mantissa, char), None
        return self._digit(plain, char), None, None

    def _digit(self, plain: Any, char: str) -> Any:
        phase, n, sign = plain
        want = self._int if phase == "i" else self._frac
        if sign == 0 and n < len(want):
            sign = (char > want[n]) - (char < want[n])
        elif sign == 0 and phase == "f" and char > "0":
            sign = 1
        n = min(n + 1, len(want) + (phase == "i"))
        return (phase, 0 if phase == "f" and sign else n, 0 if phase == "i" and n > len(want) else sign)

    def _lead_digit(self, mantissa: tuple[int, int], char: str) -> tuple[int, int]:
        n, sign = mantissa
        if sign == 0:
            want = self._lead[n] if n < len(self._lead) else "0"
            sign = (char > want) - (char < want)
        return (0 if sign else min(n + 1, len(self._lead)), sign)

    def _exponent_digit(self, exponent: tuple[int, int, int], char: str) -> tuple[int, int, int]:
        minus, n, sign = exponent
        want = self._power
        if n == 0 and char == "0":
            return exponent
        if sign == 0 and n < len(want):
            sign = (char > want[n]) - (char < want[n])
        n = min(n + 1, len(want) + 1)
        return (minus, n, 0 if n > len(want) else sign)

    def _versus_power(self, exponent: tuple[int, int, int]) -> int:
        """cmp(exponent read, exponent of the bound)."""
        direction, n, sign = exponent
        if n == 0 or self._exp == 0 or (direction < 0) != (self._exp < 0):
            read, bound = (direction if n else 0), (self._exp > 0) - (self._exp < 0)
            return (read > bound) - (read < bound)
        size = sign if n == len(self._power) else -1 if n < len(self._power) else 1
        return size * direction

    def _whole(self, plain: Any) -> int:
        _, n, sign = plain
        return int(sign) if n == len(self._int) else -1 if n < len(self._int) else 1

    def verdict(self, state: Any) -> int:
        """cmp(magnitude read, bound)."""
        plain, mantissa, exponent = state
        if exponent is not None:
            if self._zero:
                return 1
            power = self._versus_power(exponent)
            if power:
                return power
            return mantissa[1] if mantissa[1] or mantissa[0] >= len(self._lead) else -1
        sign = self._whole(plain) if plain[0] == "i" else plain[2]
        read = 0 if plain[0] == "i" else plain[1]
        return sign if sign or read >= len(self._frac) else -1


class RangeAtom(_NumberAtom):
    """Numbers between two bounds; assumes a well-formed number."""

    def __init__(
        self, low: Fraction | None, low_open: bool, high: Fraction | None, high_open: bool, *, scientific: bool
    ) -> None:
        self._range = (low, low_open, high, high_open)
        self._magnitudes = tuple(dict.fromkeys(abs(p) for p in (low, high) if p is not None))
        self._versus = tuple(_Versus(m, scientific=scientific) for m in self._magnitudes)

    def start(self) -> Any:
        return (False, *(v.start() for v in self._versus))

    def step(self, state: Any, code_point: int) -> Any:
        char = chr(code_point)
        if char not in "0123456789+-.eE":
            return None
        minus, *parts = state
        if char == "-" and all(p == v.start() for p, v in zip(parts, self._versus, strict=True)):
            return (True, *parts)
        if char in "+-" and any(p[2] is None for p in parts):
            return None
        parts = [v.step(p, char) for p, v in zip(parts, self._versus, strict=True)]
        return None if None in parts else (minus, *parts)

    def accepts(self, state: Any) -> bool:
        minus, *parts = state
        if any(p[0] == ("i", 0, 0) for p in parts):
            return False
        cmp_of = dict(
            zip(self._magnitudes, (v.verdict(p) for p, v in zip(parts, self._versus, strict=True)), strict=True)
        )
        low, low_open, high, high_open = self._range
        if low is not None and self._compare(low, minus, cmp_of) < (1 if low_open else 0):
            return False
        return high is None or self._compare(high, minus, cmp_of) <= (-1 if high_open else 0)

    @staticmethod
    def _compare(bound: Fraction, minus: bool, cmp_of: dict[Fraction, int]) -> int:
        """cmp(value read, bound); a read zero may carry a minus sign."""
        by_size = cmp_of[abs(bound)]
        if bound == 0:
            return 0 if by_size == 0 else -1 if minus else 1
        if bound > 0:
            return -1 if minus else by_size
        return -by_size if minus else 1
