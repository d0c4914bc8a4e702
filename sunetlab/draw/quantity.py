"""A quantity's value in few letters: 4.1M, 512 MiB, 171 px; and what lies between two of them."""

from typing import Literal

Unit = Literal["count", "bytes", "px"]

_THOUSANDS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_BINARY = ((2.0**50, "PiB"), (2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_MOST_DIGITS = 9


def short(number: float, digits: int = 3) -> str:
    """A number of 0 or more to three digits: 980, 17.4k, 1M."""
    number = _rounded(number, digits)  # first, for 999,999 is a million
    for size, unit in _THOUSANDS:
        if number >= size:
            return f"{number / size:.{digits}g}{unit}"
    return f"{number:.{digits}g}"


def amount(value: float, unit: Unit, digits: int = 3) -> str:
    """A value of 0 or more with its unit.

    >>> amount(4_123_456, "count"), amount(2**29, "bytes"), amount(1171, "px")
    ('4.12M', '512 MiB', '1,171 px')
    """
    if unit == "bytes":
        return _binary(value, digits)
    if unit == "px":
        return f"{_trimmed(f'{value:,.{max(0, digits - 3)}f}')} px"
    return short(value, digits)


def interval(low: float, high: float, unit: Unit) -> str:
    """From one value to a larger one, in as many digits as tell them apart; a unit that both have is said once.

    >>> interval(4.1e6, 4.4e6, "count"), interval(2**29, 2**29 + 2**20, "bytes")
    ('4.1M–4.4M', '512–513 MiB')
    """
    for digits in range(3, _MOST_DIGITS + 1):
        first, last = amount(low, unit, digits), amount(high, unit, digits)
        if first != last:
            break
    number, space, name = first.partition(" ")
    return f"{number}–{last}" if space and last.endswith(space + name) else f"{first}–{last}"


def _binary(value: float, digits: int) -> str:
    """Bytes in powers of 1024; up to 1023 of a unit, for what is less than one of the next."""
    for size, unit in _BINARY:
        if value >= size or unit == "B":
            return f"{_rounded(value / size, digits):g} {unit}"
    raise AssertionError


def _rounded(number: float, digits: int) -> float:
    return float(f"{number:.{digits}g}")


def _trimmed(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number
