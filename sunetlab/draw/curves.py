"""Lines over a common axis, in panels below one another: what a training's figures did from epoch to epoch."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from sunetlab.draw.frame import ABOVE, BELOW, Frame, Scale, draw_frame, room_left
from sunetlab.draw.piece import SIGN, Piece, flow, headed, labelled, sheet, stack
from sunetlab.draw.style import RULE, SPACE, WIRE, Ink, themed
from sunetlab.draw.svg import Point, Rect, at, path, tag, title

ROOM = 712.0  # px between a figure's margins
HEIGHT = 200.0  # px of a panel
INKS = (Ink("#2f6fc4", "#5b9bf0"), Ink("#d55e00", "#ffab40"), Ink("#1c8047", "#4cc27a"))  # told apart by all eyes
_DENSE = 60  # points: beyond it they are not marked one by one


class Line(NamedTuple):
    """Values of y at places of x, both of one length; what is not finite leaves a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


class Panel(NamedTuple):
    """Lines that share an upright axis, from 0 to the greatest value, or to `most`, where what is beyond is drawn."""

    name: str
    lines: tuple[Line, ...]
    most: float = math.inf


def draw_curves(panels: Sequence[Panel], x_name: str, heading: str, notes: Sequence[str] = ()) -> str:
    """A standalone SVG of the panels, those without a single point left out.

    Raises:
        ValueError: there is no point at all.
    """
    drawn = [panel for panel in panels if any(_points(line) for line in panel.lines)]
    every = [x for panel in drawn for line in panel.lines for x, _ in _points(line)]
    if not every:
        raise ValueError("no points to draw")
    last = max(every)
    across = Scale(x_name, "count", (min(0.0, *every), last if last > 0 else 1.0))
    gutter = max(room_left(_up(panel), HEIGHT) for panel in drawn)
    content = [headed(heading, notes, ROOM), *(_panel(panel, across, gutter) for panel in drawn)]
    return sheet(heading, "; ".join((heading, *notes)), content, _STYLE)


def _points(line: Line) -> list[Point]:
    return [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)]


def _up(panel: Panel) -> Scale:
    values = [y for line in panel.lines for _, y in _points(line)]
    high = min(max(values), panel.most)
    return Scale(panel.name, "count", (min(0.0, *values), 1.05 * high if high > 0 else 1.0))


def _panel(panel: Panel, across: Scale, gutter: float) -> Piece:
    up = _up(panel)

    def paint(left: float, top: float) -> str:
        frame = Frame(across, up, Rect(left + gutter, top + ABOVE, ROOM - gutter - SPACE, HEIGHT))
        lines = (_line(line, frame, index) for index, line in enumerate(panel.lines))
        return draw_frame(frame) + "".join(lines)

    plot = Piece(ROOM, ABOVE + HEIGHT + BELOW, paint)
    if len(panel.lines) < 2:
        return plot
    return stack([plot, flow([_sign(line, i) for i, line in enumerate(panel.lines)], 3 * SPACE, SPACE, ROOM)])


def _line(line: Line, frame: Frame, index: int) -> str:
    points = _points(line)
    if not points:
        return ""
    places = [frame.at(x, y) for x, y in points]
    strokes = path("M" + "L".join(at(*place) for place in places), f"curve ink{index}")
    marks = places if len(places) <= _DENSE else places[-1:]
    dots = (tag("circle", cx=at(x), cy=at(y), r=2.4, class_=f"dot ink{index}") for x, y in marks)
    best = max(points, key=lambda point: point[1])
    return tag("g", title(f"{line.name}: {best[1]:.4g} at most, {points[-1][1]:.4g} at the end"), strokes, *dots)


def _sign(line: Line, index: int) -> Piece:
    width, height = SIGN

    def paint(left: float, top: float) -> str:
        middle = top + height / 2
        return path(f"M{at(left, middle)}H{at(left + width)}", f"curve ink{index}")

    return labelled(Piece(width, height, paint), line.name)


_STYLE = (
    ".sunet .frame,.sunet .grid,.sunet .tick,.sunet .curve{fill:none}"
    ".sunet .curve{stroke-width:1.75;stroke-linejoin:round}"
) + themed(
    [("frame", "stroke", WIRE), ("grid", "stroke", RULE), ("tick", "stroke", WIRE)]
    + [(f"curve.ink{index}", "stroke", ink) for index, ink in enumerate(INKS)]
    + [(f"dot.ink{index}", "fill", ink) for index, ink in enumerate(INKS)]
)
