"""A set of designs on two quantities: where many lie, where few do, and those worth a name."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunetlab.draw import ramp
from sunetlab.draw.beside import covered, edges_of
from sunetlab.draw.density import shades, tooltips
from sunetlab.draw.frame import ABOVE, BELOW, Frame, Scale, draw_frame, room_left
from sunetlab.draw.piece import SIGN, Piece, flow, headed, labelled, line, row, sheet, stack
from sunetlab.draw.quantity import interval, short
from sunetlab.draw.spots import REACH, Kind, Mark, draw_spots, room_of, shape
from sunetlab.draw.style import FACES, PAPER, RULE, SPACE, WIRE, WORDS, Ink, themed
from sunetlab.draw.svg import Rect, at, path, tag, words, words_width
from sunetlab.draw.words import count, plural

__all__ = ["Cloud", "Kind", "Mark", "Scale", "draw_cloud"]

ROOM = 712.0  # px between a figure's margins
HEIGHT = 420.0  # px of the plot
NOTHING = "no designs to show"
FRONT, BEST = Ink("#00795a", "#2bb98f"), Ink("#d55e00", "#ffab40")
_DECADE = 40.0  # px of the legend for a power of ten
_MEANINGS: dict[Kind, str] = {"front": "Pareto front", "best": "best designs", "named": "known networks"}


class Cloud(NamedTuple):
    """How many designs lie in each cell of two scales, (bins of y, bins of x), and those that are pointed out."""

    x: Scale
    y: Scale
    counts: NDArray[np.int64]
    marks: tuple[Mark, ...] = ()


def draw_cloud(cloud: Cloud, title: str, description: str) -> str:
    """A standalone SVG of the cloud; a mark's `data-mark` is its place in `cloud.marks`."""
    total, most = int(cloud.counts.sum()), int(cloud.counts.max(initial=0))
    top = float(max(10, most))  # of the shades: one design alone is no crowd
    crowd = f", at most {count(most)} in a cell" if most < total else ""
    numbers = plural(total, "design") + crowd if total else NOTHING
    content = [headed(title, [numbers], ROOM), _plot(cloud, top), _legend(cloud, top)]
    inks = [(f"shade{step}", "fill", ramp.ink(step)) for step in range(ramp.STEPS)]
    return sheet(title, description, content, _STYLE + themed(inks))


def _plot(cloud: Cloud, top: float) -> Piece:
    gutter, beyond = room_left(cloud.y, HEIGHT), SPACE

    def paint(left: float, upper: float) -> str:
        frame = Frame(cloud.x, cloud.y, Rect(left + gutter, upper + ABOVE, ROOM - gutter - beyond, HEIGHT))
        return draw_frame(frame) + _inside(cloud, frame, top)

    return Piece(ROOM, ABOVE + HEIGHT + BELOW, paint)


def _inside(cloud: Cloud, frame: Frame, top: float) -> str:
    x = [frame.across.at(edge) for edge in cloud.x.edges]
    y = [frame.up.at(edge) for edge in cloud.y.edges]

    def told(number: int, rows: slice, columns: slice) -> str:
        return f"{plural(number, 'design')}, {_span(cloud.x, columns)}, {_span(cloud.y, rows)}"

    if cloud.counts.any():
        cells = shades(cloud.counts, x, y, top) + tooltips(cloud.counts, x, y, told)
        return cells + draw_spots(cloud.marks, frame)
    message = _free([room_of(mark, frame) for mark in cloud.marks], frame.area)
    said = tag("g", words(NOTHING, message.x, message.y, "head", muted=True), class_="beside")
    return said + draw_spots(cloud.marks, frame, [message])


def _free(marks: Sequence[Rect], area: Rect) -> Rect:
    """Where it can be said that there is nothing: in the middle, if no mark stands there."""
    width, height = words_width(NOTHING, "head"), 2 * FACES["head"].size
    rooms = [Rect.around(area.x, area.top + part * area.height, width, height) for part in (0.5, 0.35, 0.65, 0.2, 0.8)]
    return min(rooms, key=lambda room: covered(room, edges_of(marks)))


def _span(scale: Scale, bins: slice) -> str:
    return f"{interval(scale.edges[bins.start], scale.edges[bins.stop], scale.unit)} {scale.name}"


def _legend(cloud: Cloud, top: float) -> Piece:
    """What the shades and the marks mean, those that there are."""
    entries = [_shading(top)] if cloud.counts.any() else []
    entries += [_sign(kind) for kind in REACH if any(mark.kind == kind for mark in cloud.marks)]
    if not all(cloud.x.holds(mark.x) and cloud.y.holds(mark.y) for mark in cloud.marks):
        entries.append(_low(line("hollow: beyond the border", muted=True)))
    return flow(entries, 3 * SPACE, SPACE, ROOM)


def _sign(kind: Kind) -> Piece:
    """A mark and what it means."""
    width, height = SIGN

    def paint(left: float, upper: float) -> str:
        x, y = left + width / 2, upper + height / 2
        steps = path(f"M{at(left, y - 5)}H{at(x)}V{at(y + 5)}H{at(left + width)}", "front-line")
        return (steps if kind == "front" else "") + tag("g", shape(kind, x, y), class_=f"mark {kind}")

    return labelled(Piece(width, height, paint), _MEANINGS[kind])


def _shading(top: float) -> Piece:
    """The shades from one design to `top`, with the powers of ten between."""
    decades = [10.0**power for power in range(math.floor(math.log10(top)) + 1)]
    wide = max(3.0, math.log10(top)) * _DECADE
    half = words_width(short(decades[-1]), "small") / 2

    def paint(left: float, upper: float) -> str:
        step, height = wide / ramp.STEPS, 12.0
        edges = [left + index * step for index in range(ramp.STEPS + 1)]
        bars = (
            path(f"M{at(x0, upper)}H{at(x1)}V{at(upper + height)}H{at(x0)}z", f"cell shade{index}")
            for index, (x0, x1) in enumerate(pairwise(edges))
        )
        labels = (words(short(n), left + wide * ramp.part(n, top), upper + 22, muted=True) for n in decades)
        return "".join((*bars, *labels))

    return row([_low(line("designs in a cell")), Piece(wide + half, 30.0, paint)], SPACE)


def _low(piece: Piece) -> Piece:
    """A line as high as a legend's signs."""
    return stack([Piece(0, (SIGN[1] - piece.height) / 2, lambda *_: ""), piece])


_STYLE = (
    ".sunet .frame,.sunet .grid,.sunet .tick,.sunet .leader,.sunet .halo,.sunet .front-line{fill:none}"
    ".sunet .front-line,.sunet .halo{stroke-linejoin:round;stroke-width:2}"
    ".sunet .halo{stroke-width:4.5;stroke-opacity:0.85}.sunet .dots{stroke-width:8.5;stroke-linecap:round}"
    ".sunet .cell{shape-rendering:crispEdges}.sunet .told,.sunet .touch{fill-opacity:0;stroke:none}"
    ".sunet .told :hover{stroke-width:1.5}"
    ".sunet .mark{stroke-width:1.25}.sunet .named{stroke-width:1.75}.sunet .beyond{stroke-width:2}"
    ".sunet .beside{paint-order:stroke;stroke-width:3.5px;stroke-linejoin:round}"
) + themed(
    [
        ("frame", "stroke", WIRE),
        ("grid", "stroke", RULE),
        ("tick", "stroke", WIRE),
        ("told :hover", "stroke", WORDS),
        ("halo", "stroke", PAPER),
        ("front-line", "stroke", FRONT),
        ("front", "fill", FRONT),
        ("best", "fill", BEST),
        ("named", "fill", WORDS),
        ("best", "stroke", PAPER),
        ("named", "stroke", PAPER),
        ("beyond", "fill", PAPER),
        ("front.beyond", "stroke", FRONT),
        ("best.beyond", "stroke", BEST),
        ("named.beyond", "stroke", WORDS),
        ("leader", "stroke", WORDS),
        ("beside", "stroke", PAPER),
    ]
)
