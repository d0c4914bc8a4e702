"""The filter language: `1M <= params <= 10M, memory < 4GiB, degrid == true` — parsed, never evaluated as code.

    where      = comparison {"," comparison}
    comparison = [number sign] name sign (number | word) | number sign name
    sign       = "<=" | "<" | ">=" | ">" | "==" | "=" | "!="
    number     = ["-"] decimal ["e" exponent] [unit]        10_000_000, 2.5e-1, 10M, 4 GiB

A comma means "and"; a chain means what it means in Python. Numbers are exact: 0.1M is one hundred thousand. Units are
those of the quantity's kind (`UNITS`). A quantity whose values are words can only be equal to one of them or not.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunetlab.space.cursor import COMMA, SIGN, WORD, Cursor, listed, quoted
from sunetlab.space.number import Number, read_number

Unit = Literal["count", "bytes", "px", "words"]

UNITS: dict[Unit, dict[str, int]] = {
    "count": {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12},
    "bytes": {
        **{"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12},
        **{"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40},
        **{"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12},
    },
    "px": {"px": 1, "k": 10**3, "M": 10**6},
    "words": {},
}
_KINDS: dict[Unit, str] = {"count": "a count", "bytes": "in bytes", "px": "in px"}
_ANY_UNIT = tuple(dict.fromkeys(unit for units in UNITS.values() for unit in units))

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
}
_MIRRORED = {"<=": ">=", "<": ">", ">=": "<=", ">": "<"}  # the rest are their own
_EQUALITIES = ("==", "=", "!=")
# For whole x, x ≤ b and x > b ask about ⌊b⌋, x < b and x ≥ b about ⌈b⌉.
_ROUNDED: dict[str, Callable[[Fraction], int]] = {"<=": math.floor, ">": math.floor, "<": math.ceil, ">=": math.ceil}

_INT64 = np.iinfo(np.int64)


class Quantity(NamedTuple):
    """What a filter can ask about.

    Attributes:
        unit: what its numbers count; "words" where its values are words.
        words: those words; an array of values holds indices into them, a single value is the word itself.
    """

    unit: Unit = "count"
    words: tuple[str, ...] = ()

    @property
    def scale(self) -> Literal["count", "bytes", "px"]:
        """The unit of its numbers; words are counted."""
        return "count" if self.unit == "words" else self.unit


class Comparison(NamedTuple):
    """One bound on one quantity.

    Attributes:
        name: the quantity's.
        sign: between the quantity, on the left, and the number.
        number: the bound, or the word.
        text: as it is written in the filter; of a chain, all of it.
        words: of a quantity of words, all of them.
    """

    name: str
    sign: str
    number: Fraction | str
    text: str
    words: tuple[str, ...] = ()

    def holds(self, value: float | str) -> bool:
        """Whether `value` keeps the bound; a float counts as the decimal number that it prints as."""
        exact = Fraction(str(value)) if isinstance(value, float) and math.isfinite(value) else value
        return bool(_OPERATORS[self.sign](exact, self.number))

    def mask(self, values: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of `values` keep the bound, exactly.

        Args:
            values: of any shape; indices into `words` where there are any.

        Returns:
            true where the bound is kept, in the shape of `values`.
        """
        number = Fraction(self.words.index(self.number)) if isinstance(self.number, str) else self.number
        whole = _ROUNDED.get(self.sign, math.floor)(number)
        if (self.sign in _EQUALITIES and whole != number) or not _INT64.min <= whole <= _INT64.max:
            return np.full(values.shape, _OPERATORS[self.sign](0, number))  # every int64 gives the same answer
        kept: NDArray[np.bool_] = _OPERATORS[self.sign](values, np.int64(whole))
        return kept


class Where(NamedTuple):
    """Bounds that must all hold."""

    text: str
    comparisons: tuple[Comparison, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The quantities that are asked about, in order, each once."""
        return tuple(dict.fromkeys(comparison.name for comparison in self.comparisons))

    def holds(self, values: Mapping[str, float | str]) -> bool:
        """Whether the quantities in `values` keep every bound."""
        return all(comparison.holds(values[comparison.name]) for comparison in self.comparisons)


def parse_where(text: str, quantities: Mapping[str, Quantity]) -> Where:
    """Read a filter over `quantities`, given by their names.

    >>> parse_where("1M < params <= 2M", {"params": Quantity()}).holds({"params": 1_999_999})
    True

    Raises:
        InputError: saying at which character, counted from 1, what was found and what was expected.
    """
    cursor = Cursor("where", text)
    comparisons = _comparison(cursor, quantities)
    while not cursor.ended:
        if not cursor.take(COMMA):
            raise cursor.expected("a comma or the end")
        comparisons += _comparison(cursor, quantities)
    return Where(text, tuple(comparisons))


def _comparison(cursor: Cursor, quantities: Mapping[str, Quantity]) -> list[Comparison]:
    """What stands up to the next comma: one bound, or the two of a chain."""
    begin = cursor.at
    bounds: list[tuple[str, Fraction | str]] = []
    number = read_number(cursor)
    sign = _sign_behind(cursor, number) if number else ""
    name = _name(cursor, quantities, "a name" if number else "a number or a name")
    quantity = quantities[name]
    if number:
        bounds.append((_MIRRORED.get(sign, sign), _in_units(cursor, number, name, quantity)))
    if not number or not (cursor.ended or cursor.at_comma):
        bounds.append((_word_bound if quantity.unit == "words" else _number_bound)(cursor, name, quantity))
    text = cursor.text[begin : cursor.at].strip()
    return [Comparison(name, sign, bound, text, quantity.words) for sign, bound in bounds]


def _sign_behind(cursor: Cursor, number: Number) -> str:
    """The sign between a number and a name; which units the number may have is known only behind the name."""
    if number.unit and number.unit not in _ANY_UNIT:
        raise cursor.expected(f"one of {' '.join(_OPERATORS)}, or a unit: {' '.join(_ANY_UNIT)}", number.unit_at)
    return _sign(cursor, tuple(_OPERATORS))


def _sign(cursor: Cursor, known: tuple[str, ...], because: str = "") -> str:
    at = cursor.at
    sign = cursor.take(SIGN)
    if sign not in known:
        raise cursor.expected(f"one of {' '.join(known)}{because}", at)
    return sign


def _name(cursor: Cursor, quantities: Mapping[str, Quantity], expected: str) -> str:
    at = cursor.at
    name = cursor.take(WORD)
    if not name:
        raise cursor.expected(f"{expected}; known are {listed(quantities)}")
    if name not in quantities:
        hint = f"did you mean {nearest}? " if (nearest := _nearest(name, quantities)) else ""
        raise cursor.mistake(f"unknown name {quoted(name)}; {hint}known are {listed(quantities)}", at)
    return name


def _nearest(name: str, names: Iterable[str]) -> str:
    """The one of `names` that is spelt most like `name`; "" where none is."""
    spelt = {known.lower(): known for known in names}
    return next((spelt[near] for near in get_close_matches(name[:80].lower(), spelt, n=1)), "")


def _word_bound(cursor: Cursor, name: str, quantity: Quantity) -> tuple[str, str]:
    sign = _sign(cursor, _EQUALITIES, f": {name} is one of {listed(quantity.words)}")
    at = cursor.at
    word = cursor.take(WORD)
    if word not in quantity.words:
        raise cursor.expected(f"a word: {name} is one of {listed(quantity.words)}", at)
    return sign, word


def _number_bound(cursor: Cursor, name: str, quantity: Quantity) -> tuple[str, Fraction]:
    sign = _sign(cursor, tuple(_OPERATORS))
    number = read_number(cursor)
    if number is None:
        raise cursor.expected(f"a number: {name} is {_KINDS[quantity.unit]}")
    return sign, _in_units(cursor, number, name, quantity, "a comma, the end or ")


def _in_units(cursor: Cursor, number: Number, name: str, quantity: Quantity, besides: str = "") -> Fraction:
    """A number times its unit, which must be one that the quantity has."""
    if quantity.unit == "words":
        raise cursor.expected(f"no number: {name} is one of {listed(quantity.words)}", number.at)
    units = UNITS[quantity.unit]
    if number.unit and number.unit not in units:
        raise cursor.expected(f"{besides}a unit: {name} is {_KINDS[quantity.unit]} ({' '.join(units)})", number.unit_at)
    return number.value * units.get(number.unit, 1)
