"""The frame of a plot: two scales around an area, with their ticks, their names and which way is better."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal, NamedTuple

from sunetlab.draw.axes import Axis, tickings
from sunetlab.draw.letters import shorten
from sunetlab.draw.quantity import Unit, amount
from sunetlab.draw.style import FACES
from sunetlab.draw.svg import Point, Rect, at, path, words, words_width

APART = 10.0  # px from the frame to the ticks' labels: half a mark may lie beyond the frame
LETTERS = FACES["small"].size
BELOW = APART + 3.5 * LETTERS  # px below the area that ticks and name take
ABOVE = APART + 1.5 * LETTERS  # px above it
_EXACT = 6  # digits of a tick's label
_MOST_ACROSS, _MOST_UP = 12, 9  # ticks
_WAY = {("x", "less"): "←", ("x", "more"): "→", ("y", "less"): "↓", ("y", "more"): "↑"}


class Scale(NamedTuple):
    """A quantity, and the bins that its values are counted in.

    Attributes:
        name: as the axis says it.
        unit: of its values.
        edges: of the bins, rising; one more than there are bins. All above 0 where the axis is logarithmic.
        better: which values are better, if either.
        log: whether the axis is logarithmic.
    """

    name: str
    unit: Unit
    edges: Sequence[float]
    better: Literal["less", "more", ""] = ""
    log: bool = False

    def axis(self, start: float, stop: float) -> Axis:
        """The axis from the first edge, at `start` px, to the last."""
        return Axis(float(self.edges[0]), float(self.edges[-1]), start, stop, self.log)

    def holds(self, value: float) -> bool:
        """Whether a value lies between the first edge and the last."""
        return self.edges[0] <= value <= self.edges[-1]


class Tick(NamedTuple):
    """A round value: where it is in px, and how it is written."""

    at: float
    label: str


class Frame(NamedTuple):
    """Two scales on an area of the figure."""

    x: Scale
    y: Scale
    area: Rect

    @property
    def across(self) -> Axis:
        """From left to right."""
        return self.x.axis(self.area.left, self.area.right)

    @property
    def up(self) -> Axis:
        """From bottom to top."""
        return self.y.axis(self.area.bottom, self.area.top)

    def at(self, x: float, y: float) -> Point:
        """Where two values are, in px; on the border where they lie beyond it."""
        across, up = self.across, self.up
        return across.at(across.within(x)), up.at(up.within(y))

    def holds(self, x: float, y: float) -> bool:
        """Whether the two values lie within the border."""
        return self.x.holds(x) and self.y.holds(y)


def room_left(scale: Scale, height: float) -> float:
    """Px that the labels of an upright axis of this height take to its left."""
    ticks = _ticks_up(scale.axis(0, height), scale.unit)
    return APART + max((words_width(tick.label, "small") for tick in ticks), default=0.0)


def draw_frame(frame: Frame) -> str:
    """The border, lines behind the marks, ticks, labels, names."""
    area = frame.area
    border = path(f"M{at(area.left, area.top)}H{at(area.right)}V{at(area.bottom)}H{at(area.left)}z", "frame")
    return "".join((*_across(frame), *_up(frame), border))


def _across(frame: Frame) -> Iterator[str]:
    area, middle = frame.area, frame.area.bottom + APART + 0.5 * LETTERS
    for tick in _ticks_across(frame.across, frame.x.unit):
        yield path(f"M{at(tick.at, area.top)}V{at(area.bottom)}", "grid")
        yield path(f"M{at(tick.at, area.bottom)}v4", "tick")
        yield words(tick.label, tick.at, middle, muted=True)
    name, way = _named(frame.x, "x", area.width)
    left = area.x - (words_width(name, "small") + words_width(way, "small")) / 2
    yield _name(name, way, left, middle + 1.75 * LETTERS)


def _up(frame: Frame) -> Iterator[str]:
    area = frame.area
    for tick in _ticks_up(frame.up, frame.y.unit):
        yield path(f"M{at(area.left, tick.at)}H{at(area.right)}", "grid")
        yield path(f"M{at(area.left, tick.at)}h-4", "tick")
        yield words(tick.label, area.left - APART, tick.at, anchor="end", muted=True)
    left = area.left - room_left(frame.y, area.height)
    yield _name(*_named(frame.y, "y", area.right - left), left, area.top - APART - 0.75 * LETTERS)


def _named(scale: Scale, side: Literal["x", "y"], room: float) -> tuple[str, str]:
    """An axis's name and which way is better, in `room` px together."""
    way = f"  {_WAY[side, scale.better]} {scale.better} is better" if scale.better else ""
    suffix = ", log scale" if scale.log else ""
    return shorten(scale.name, LETTERS, room - words_width(suffix + way, "small")) + suffix, way


def _name(name: str, way: str, left: float, middle: float) -> str:
    said = words(name, left, middle, anchor="start")
    after = left + words_width(name, "small") + LETTERS / 2
    return said + words(way.strip(), after, middle, anchor="start", muted=True) if way else said


def _ticks_across(axis: Axis, unit: Unit) -> list[Tick]:
    return _ticks(axis, unit, _MOST_ACROSS, upright=False)


def _ticks_up(axis: Axis, unit: Unit) -> list[Tick]:
    return _ticks(axis, unit, _MOST_UP, upright=True)


def _ticks(axis: Axis, unit: Unit, most: int, upright: bool) -> list[Tick]:
    """As many ticks as their labels leave room for."""
    label = partial(amount, unit=unit, digits=3 if unit == "px" else _EXACT)
    found: list[Tick] = []
    for values in tickings(axis, unit, most):
        found = [Tick(axis.at(value), label(value)) for value in values]
        if all(_apart(*pair, upright) for pair in pairwise(found)):
            return found
    return found[:1]


def _apart(one: Tick, other: Tick, upright: bool) -> bool:
    sizes = [2.0 * LETTERS if upright else words_width(tick.label, "small") + LETTERS for tick in (one, other)]
    return abs(one.at - other.at) >= sum(sizes) / 2
