"""Shades of one hue for numbers that span powers of ten: the more, the further from the paper, in light and in dark."""

import math
from itertools import pairwise

from sunetlab.draw.style import Ink

STEPS = 24
_STOPS = (  # few → many, in even steps of lightness; the first is still well told from the paper
    Ink("#a9cdf3", "#1c4475"),
    Ink("#6fa8e6", "#2a67ae"),
    Ink("#3d7fd0", "#4a8fdf"),
    Ink("#235db2", "#83b6f2"),
    Ink("#12397c", "#d3e7fd"),
)


def part(count: float, top: float) -> float:
    """Where a count of at least 1 stands from 1 to `top`, by its logarithm: 0 … 1."""
    return math.log(count) / math.log(top)


def shade(count: float, top: float) -> int:
    """The step of the ramp for a count: 0 … STEPS - 1."""
    return round(part(count, top) * (STEPS - 1))


def ink(step: int) -> Ink:
    """The colour of a step."""
    at = step / (STEPS - 1) * (len(_STOPS) - 1)
    index = min(int(at), len(_STOPS) - 2)
    low, high = _STOPS[index], _STOPS[index + 1]
    return Ink(_mixed(low.light, high.light, at - index), _mixed(low.dark, high.dark, at - index))


def _mixed(low: str, high: str, share: float) -> str:
    def channels(colour: str) -> list[int]:
        return [int(colour[start:stop], 16) for start, stop in pairwise((1, 3, 5, 7))]

    mixed = (round(a + share * (b - a)) for a, b in zip(channels(low), channels(high), strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)
