"""The filter language: `params<=10M, macs<5G, depth!=1` — parsed, never evaluated as code.

    where      = comparison {"," comparison}
    comparison = name operator number [unit]
    operator   = "<=" | "<" | ">=" | ">" | "==" | "=" | "!="
    unit       = "k" | "M" | "G" | "T"        thousands, millions, …

A comma means "and". Numbers are exact: 0.1M is one hundred thousand.
"""

import operator
import re
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from sunetlab.errors import InputError

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIGN = re.compile("|".join(map(re.escape, _OPERATORS)))
_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,30})?")
_UNIT = re.compile(r"[A-Za-z%]*")
_SPACE = re.compile(r"\s*")


class Comparison(NamedTuple):
    """One bound on one quantity."""

    name: str
    sign: str
    number: Fraction

    def holds(self, value: float) -> bool:
        """Whether `value` keeps the bound; a float counts as the decimal number that it prints as."""
        exact = Fraction(str(value)) if isinstance(value, float) else value
        return _OPERATORS[self.sign](exact, self.number)


class Where(NamedTuple):
    """Bounds that must all hold."""

    text: str
    comparisons: tuple[Comparison, ...]

    def holds(self, values: Mapping[str, float]) -> bool:
        """Whether the quantities in `values` keep every bound."""
        return all(comparison.holds(values[comparison.name]) for comparison in self.comparisons)


def parse_where(text: str, names: Collection[str]) -> Where:
    """Read a filter over the quantities called `names`.

    >>> parse_where("params<=2M", ["params"]).holds({"params": 1_999_999})
    True

    Raises:
        InputError: saying at which character, counted from 1, what was expected.
    """
    comparisons, at = [], 0
    while True:
        comparison, at = _comparison(text, at, names)
        comparisons.append(comparison)
        if at == len(text):
            return Where(text, tuple(comparisons))
        if text[at] != ",":
            raise _mistake(text, at, "expected a comma or the end")
        at += 1


def _comparison(text: str, at: int, names: Collection[str]) -> tuple[Comparison, int]:
    at = _skip(text, at)
    name, after = _token(_NAME, text, at, "expected a name")
    if name not in names:
        raise _mistake(text, at, f"unknown name {name!r}; known are {', '.join(names)}")
    at = _skip(text, after)
    sign, after = _token(_SIGN, text, at, f"expected one of {' '.join(_OPERATORS)}")
    at = _skip(text, after)
    number, after = _token(_NUMBER, text, at, "expected a number")
    at = _skip(text, after)
    unit, after = _token(_UNIT, text, at, "expected a unit")
    if unit not in _UNITS:
        raise _mistake(text, at, f"unknown unit {unit!r}; known are {' '.join(filter(None, _UNITS))}")
    return Comparison(name, sign, Fraction(number) * _UNITS[unit]), _skip(text, after)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _token(pattern: re.Pattern[str], text: str, at: int, expected: str) -> tuple[str, int]:
    match = pattern.match(text, at)
    if match is None:
        raise _mistake(text, at, expected)
    return match.group(), match.end()


def _mistake(text: str, at: int, what: str) -> InputError:
    return InputError(f"where: {text!r}: at character {at + 1}: {what}")
