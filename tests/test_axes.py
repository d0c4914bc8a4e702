"""Round values beside an axis, values in few letters, and the Pareto front with its line."""

import math
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunetlab.draw.axes import Axis, byte_ticks, log_ticks, nice_ticks, tickings
from sunetlab.draw.front import front_line, pareto_front
from sunetlab.draw.quantity import Unit, amount, interval, short
from sunetlab.draw.svg import Rect

percents = st.integers(0, 100)


@given(st.floats(0, 100), st.floats(1e-3, 1e6), st.integers(5, 9))
def test_ticks_are_few_round_and_inside(low: float, width: float, most: int) -> None:
    high = low + width
    ticks = nice_ticks(low, high, most)
    assert 2 <= len(ticks) <= most
    assert all(low - 1e-6 * width <= tick <= high + 1e-6 * width for tick in ticks)
    step = ticks[1] - ticks[0]
    assert f"{step:.6e}"[0] in "125"
    assert min(ticks[0] - low, high - ticks[-1]) > -1e-6 * width
    assert max(ticks[0] - low, high - ticks[-1]) < step * (1 + 1e-6)  # no round number is left out at an end
    assert all(math.isclose(tick / step, round(tick / step), abs_tol=1e-3) for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (9e3, 1.1e6, [1e4, 1e5, 1e6]),
        (9e3, 4e5, [1e4, 3e4, 1e5, 3e5]),
        (1.4e6, 9e6, [2e6, 4e6, 6e6, 8e6]),
        (1e6, 9e6, [1e6, 2e6, 5e6]),
        (10, 1e12, [10.0**power for power in range(1, 13, 2)]),
    ],
)
def test_ticks_of_a_logarithmic_axis(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high) == ticks


@pytest.mark.parametrize(
    ("number", "text"),
    [(7, "7"), (980, "980"), (1000, "1k"), (10_000, "10k"), (17_386, "17.4k"), (999_999, "1M"), (2.5e9, "2.5G")],
)
def test_short_numbers(number: float, text: str) -> None:
    assert short(number) == text


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=20))
def test_front_is_what_nothing_dominates(points: list[tuple[float, float]]) -> None:
    def is_beaten(point: tuple[float, float]) -> bool:
        return any(o != point and o[0] <= point[0] and o[1] >= point[1] for o in points)

    front = [points[index] for index in pareto_front(points)]
    assert front == sorted({point for point in points if not is_beaten(point)})


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (0, "count", "0"),
        (4_123_456, "count", "4.12M"),
        (1e8, "count", "100M"),
        (1e16, "count", "10P"),
        (0, "bytes", "0 B"),
        (2**29, "bytes", "512 MiB"),
        (1023 * 2**20, "bytes", "1020 MiB"),
        (1.25 * 2**30, "bytes", "1.25 GiB"),
        (171, "px", "171 px"),
        (1171.4, "px", "1,171 px"),
    ],
)
def test_amounts(number: float, unit: Unit, text: str) -> None:
    assert amount(number, unit) == text


@pytest.mark.parametrize(
    ("low", "high", "unit", "text"),
    [
        (4.1e6, 4.4e6, "count", "4.1M–4.4M"),
        (4_100_000, 4_100_100, "count", "4.1M–4.1001M"),
        (2**29, 2**30, "bytes", "512 MiB–1 GiB"),
        (2**29, 2**29 + 2**20, "bytes", "512–513 MiB"),
        (170.1, 170.4, "px", "170.1–170.4 px"),
        (5, 5, "count", "5–5"),
    ],
)
def test_intervals_tell_their_ends_apart(low: float, high: float, unit: Unit, text: str) -> None:
    assert interval(low, high, unit) == text


@given(st.floats(1, 1e12), st.floats(1.001, 1e9), st.booleans(), st.sampled_from(get_args(Unit)), st.integers(5, 12))
def test_every_way_to_set_ticks_is_inside_and_rising(
    low: float, ratio: float, log: bool, unit: Unit, most: int
) -> None:
    axis = Axis(low, low * ratio, 0, 700, log)
    ways = list(tickings(axis, unit, most))
    assert ways
    for ticks in ways:
        assert len(ticks) <= most + 1
        assert ticks == sorted(set(ticks))
        assert all(-1e-3 <= axis.at(tick) <= 700 + 1e-3 for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "log", "ticks"),
    [
        (2**28, 2**32, True, [2.0**28, 2.0**29, 2.0**30, 2.0**31, 2.0**32]),
        (2**10, 2**40, True, [2.0**10, 2.0**15, 2.0**20, 2.0**25, 2.0**30, 2.0**35, 2.0**40]),
        (0, 1.1 * 2**30, False, [0.0, 2.0**28, 2.0**29, 3 * 2.0**28, 2.0**30]),
        (2**30, 1.5 * 2**30, True, [2.0**30, 1.125 * 2.0**30, 1.25 * 2.0**30, 1.375 * 2.0**30, 1.5 * 2.0**30]),
    ],
)
def test_ticks_of_bytes_are_powers_of_two(low: float, high: float, log: bool, ticks: list[float]) -> None:
    assert byte_ticks(low, high, 7, log) == ticks


@given(st.lists(st.tuples(percents, percents), min_size=1, max_size=20), st.booleans(), st.booleans())
def test_the_line_of_the_front_parts_the_plane(points: list[tuple[int, int]], to_left: bool, to_top: bool) -> None:
    """It runs through the front, from edge to edge, in steps that never turn back, and no place is beyond it."""
    line = front_line(points, to_left, to_top, Rect(0, 0, 100, 100))
    xs, ys = ([point[axis] for point in line] for axis in (0, 1))
    assert all((a == c) or (b == d) for (a, b), (c, d) in pairwise(line))
    assert xs == sorted(xs, reverse=not to_left)
    assert ys == sorted(ys, reverse=to_top)
    assert ys[0] == (100 if to_top else 0)
    assert xs[-1] == (100 if to_left else 0)
    for x, y in points:  # something on the line is as good or better in both
        assert any((a <= x if to_left else a >= x) and (b <= y if to_top else b >= y) for a, b in line)
    assert set(line[1:-1:2]) <= set(points)
