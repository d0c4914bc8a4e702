"""Distributions as a figure: the part of the designs that have at most so much, with the band that holds the truth."""

from collections.abc import Sequence
from typing import NamedTuple

from sunetlab.draw.curves import HEIGHT, INKS, ROOM
from sunetlab.draw.frame import ABOVE, BELOW, Frame, Scale, draw_frame, room_left
from sunetlab.draw.piece import SIGN, Piece, flow, headed, labelled, sheet, stack
from sunetlab.draw.style import RULE, SPACE, WIRE, themed
from sunetlab.draw.svg import Point, Rect, at, path, tag, title

_TALL = 1.5 * HEIGHT  # px of the plot


class Steps(NamedTuple):
    """A distribution: its name, the values in rising order, and how far the true one may lie from it, in [0, 1]."""

    name: str
    values: Sequence[float]
    half_width: float


def corners(steps: Steps, low: float, high: float, shift: float = 0.0) -> list[Point]:
    """The corners of a distribution from `low` to `high`, moved up by `shift` and kept in [0, 1]: (value, part).

    >>> corners(Steps("two", [1.0, 3.0], 0.0), 0.0, 4.0)
    [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (3.0, 0.5), (3.0, 1.0), (4.0, 1.0)]
    """
    count = len(steps.values)
    parts = [min(1.0, max(0.0, index / count + shift)) for index in range(count + 1)]
    found = [(low, parts[0])]
    for index, value in enumerate(steps.values):
        found += [(value, parts[index]), (value, parts[index + 1])]
    return [*found, (high, parts[-1])]


def around(steps: Steps, low: float, high: float) -> list[Point]:
    """The corners around the area that holds the true distribution."""
    upper, lower = (corners(steps, low, high, side * steps.half_width) for side in (1, -1))
    return [*upper, *reversed(lower)]


def draw_steps(found: Sequence[Steps], x_name: str, heading: str, notes: Sequence[str] = ()) -> str:
    """A standalone SVG of distributions on common axes; `x_name` is what their values are.

    Raises:
        ValueError: there is none, or one has no values.
    """
    if not found or not all(steps.values for steps in found):
        raise ValueError("no distribution to draw")
    values = [value for steps in found for value in steps.values]
    margin = 0.04 * (max(values) - min(values)) or 0.5
    across = Scale(x_name, "count", (max(0.0, min(values) - margin), max(values) + margin), "less")
    up = Scale("designs that have at most so much, %", "count", (0.0, 100.0))
    gutter = room_left(up, _TALL)

    def paint(left: float, top: float) -> str:
        frame = Frame(across, up, Rect(left + gutter, top + ABOVE, ROOM - gutter - SPACE, _TALL))
        bands = (_closed(around(steps, *across.edges), frame, f"band ink{i % 3}") for i, steps in enumerate(found))
        lines = (_line(steps, frame, f"curve ink{i % 3}") for i, steps in enumerate(found))
        return "".join((draw_frame(frame), *bands, *lines))

    signs = [_sign(steps, f"ink{i % 3}") for i, steps in enumerate(found)]
    content = [
        headed(heading, notes, ROOM),
        stack([Piece(ROOM, ABOVE + _TALL + BELOW, paint), flow(signs, 3 * SPACE, SPACE, ROOM)]),
    ]
    return sheet(heading, "; ".join((heading, *notes)), content, _STYLE)


def _closed(points: Sequence[Point], frame: Frame, kind: str) -> str:
    return path("M" + "L".join(at(*frame.at(value, 100 * part)) for value, part in points) + "Z", kind)


def _line(steps: Steps, frame: Frame, kind: str) -> str:
    low, high = frame.x.edges
    d = "M" + "L".join(at(*frame.at(value, 100 * part)) for value, part in corners(steps, low, high))
    words = f"{steps.name}: {len(steps.values)} designs, the truth within ±{100 * steps.half_width:.1f} points"
    return tag("g", title(words), path(d, kind))


def _sign(steps: Steps, ink: str) -> Piece:
    width, height = SIGN

    def paint(left: float, top: float) -> str:
        middle = top + height / 2
        band = tag("rect", x=left, y=middle - 7, width=width, height=14, class_=f"band {ink}")
        return band + path(f"M{at(left, middle)}H{at(left + width)}", f"curve {ink}")

    return labelled(Piece(width, height, paint), f"{steps.name}, {len(steps.values)} designs, with its band")


_STYLE = (
    ".sunet .frame,.sunet .grid,.sunet .tick,.sunet .curve{fill:none}"
    ".sunet .curve{stroke-width:1.75}.sunet .band{fill-opacity:0.16}"
) + themed(
    [("frame", "stroke", WIRE), ("grid", "stroke", RULE), ("tick", "stroke", WIRE)]
    + [(f"curve.ink{index}", "stroke", ink) for index, ink in enumerate(INKS)]
    + [(f"band.ink{index}", "fill", ink) for index, ink in enumerate(INKS)]
)
