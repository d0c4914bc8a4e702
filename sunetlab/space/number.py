"""Numbers as people write them: 10_000_000, .5, 2.5e-1, 4 GiB; read exactly, and never a huge one computed."""

import re
from fractions import Fraction
from typing import NamedTuple

from sunetlab.space.cursor import WORD, Cursor

_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_NUMBER = re.compile(rf"-?(?:{_DIGITS}(?:\.{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_LONGEST, _LARGEST = 100, 999  # characters of a number, and its exponent either way


class Number(NamedTuple):
    """A number as it stands in a text.

    Attributes:
        value: without its unit.
        at: the index at which it begins.
        unit: the word behind it, "" where there is none.
        unit_at: the index at which that begins.
    """

    value: Fraction
    at: int
    unit: str
    unit_at: int


def read_number(cursor: Cursor) -> Number | None:
    """The number that stands here and the word behind it; None where no number does.

    Raises:
        InputError: it is so long, or so large, that it must be a slip.
    """
    at = cursor.at
    written = cursor.take(_NUMBER)
    if not written:
        return None
    exponent = written.lower().partition("e")[2] or 0
    if len(written) > _LONGEST or abs(int(exponent)) > _LARGEST:
        raise cursor.expected(f"a number of at most {_LONGEST} characters, its exponent at most ±{_LARGEST}", at)
    unit_at = cursor.at
    return Number(Fraction(written), at, cursor.take(WORD), unit_at)
