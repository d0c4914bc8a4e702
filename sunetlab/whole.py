"""Whole numbers from outside: Python's own and numpy's, never a bool, a float or a text."""

import operator
from typing import Any

from sunetlab.errors import InputError
from sunetlab.files import shown

MOST = 2**31 - 1  # far beyond any batch or side; keeps sums of bytes within what can be printed


def plain(value: Any) -> Any:
    """Another kind of whole number as Python's own; all else as it is, for whoever refuses it."""
    if isinstance(value, bool):
        return value
    try:
        return operator.index(value)
    except TypeError:
        return value


def whole(name: str, value: object, least: int, most: int = MOST) -> int:
    """A whole number from `least` to `most`.

    Raises:
        InputError: `name: value: rule`.
    """
    number = plain(value)
    if type(number) is int and least <= number <= most:
        return number
    raise InputError(f"{name}: {shown(value)}: must be a whole number from {least:,} to {most:,}")


def pair(name: str, value: object, rule: str, least: int = 0) -> tuple[int, int]:
    """Two whole numbers, at least `least`.

    Raises:
        InputError: `name: value: must be rule`.
    """
    numbers = tuple(map(plain, value)) if isinstance(value, tuple | list) else ()
    if len(numbers) == 2 and all(type(number) is int and least <= number <= MOST for number in numbers):
        return numbers
    raise InputError(f"{name}: {shown(value)}: must be {rule}")
