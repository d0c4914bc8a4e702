"""Axes: where a value lies in px, and the round values that are written beside it."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sunetlab.draw.quantity import Unit


class Axis(NamedTuple):
    """Values from `low` to `high` laid on px from `start` to `stop`."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value is, in px."""
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def within(self, value: float) -> float:
        """The value, or the end of the axis that it lies beyond."""
        return min(max(value, self.low), self.high)


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """The multiples in [low, high] of the smallest of 1, 2, 5, 10, 20, … that has at most `most` of them there.

    For `most` of 5 and more there are at least two: a step is at most 2.5 times the one before, of which `most`
    intervals did fit.
    """
    power = math.floor(math.log10((high - low) / most))
    for step in (multiple * 10.0**power for multiple in (1, 2, 5, 10, 20)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    return [round(index * step, max(0, -power)) for index in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Ticks for a logarithmic axis: powers of ten, with what lies between them where the axis is short."""
    for multiples in ((1,), (1, 3), (1, 2, 5)):
        ticks = _powers(low, high, multiples)
        if len(ticks) >= 3:
            return ticks[:: math.ceil(len(ticks) / most)]
    return nice_ticks(low, high, most - 1)  # one fewer: they crowd towards the right


def byte_ticks(low: float, high: float, most: int, log: bool) -> list[float]:
    """Powers of two where an axis is logarithmic and has three of them, else the multiples of one of them."""
    if log:
        powers = range(math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9) + 1)
        for octaves in (1, 2, 5, 10):
            ticks = [2.0**power for power in powers if power % octaves == 0]
            if 3 <= len(ticks) <= most:
                return ticks
    step = 2.0 ** math.ceil(math.log2((high - low) / most))
    return [index * step for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def tickings(axis: Axis, unit: Unit, most: int) -> Iterator[list[float]]:
    """Ways to set ticks on an axis, those with many of them first; the last has few."""
    if axis.log and unit != "bytes":
        ways = [_powers(axis.low, axis.high, multiples) for multiples in ((1, 2, 5), (1, 3), (1,))]
        yield from (ticks for ticks in ways if 3 <= len(ticks) <= most)
    for count in range(most, 1, -1):
        if unit == "bytes":
            yield byte_ticks(axis.low, axis.high, count, axis.log)
        elif axis.log:
            yield log_ticks(axis.low, axis.high, count)
        else:
            yield _whole(nice_ticks(axis.low, axis.high, count))


def _powers(low: float, high: float, multiples: Sequence[int]) -> list[float]:
    """What of the multiples of the powers of ten lies in [low, high]."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [m * 10.0**power for power in powers for m in multiples if low <= m * 10.0**power <= high]


def _whole(ticks: Sequence[float]) -> list[float]:
    """Whole numbers alone where there are some: there is no half of a layer."""
    found = [tick for tick in ticks if tick == round(tick)]
    return found if len(found) > 1 else list(ticks)
