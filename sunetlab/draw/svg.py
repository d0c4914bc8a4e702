"""SVG primitives: rectangles that know their edges, words, boxes, wires that end on what they join, the figure itself.

Lengths are px of the drawing. What a mark stands for is in its `data-` attributes and its <title>, which browsers show
as a tooltip.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import Literal, NamedTuple

from sunetlab.draw.letters import text_width
from sunetlab.draw.style import FACES, SPACE, stylesheet

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]

MARGIN = 3 * SPACE
TIP = 7.0  # length of an arrow's head
BEND = 6.0  # radius of a wire's corners
_BASELINE = 0.36  # from the middle of a line of letters down to where they stand, in font sizes


class Rect(NamedTuple):
    """Where something is."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height

    @property
    def x(self) -> float:
        """Its middle, from left to right."""
        return self.left + self.width / 2

    @property
    def y(self) -> float:
        """Its middle, from top to bottom."""
        return self.top + self.height / 2

    @classmethod
    def around(cls, x: float, y: float, width: float, height: float) -> "Rect":
        """The one with its middle at (x, y)."""
        return cls(x - width / 2, y - height / 2, width, height)


def tag(name: str, *content: str, **attributes: str | float) -> str:
    """An element. `content` is markup already; attributes are escaped here, and lengths cut to a hundredth."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{_value(v)}"' for key, v in attributes.items())
    return f"<{name}{written}>{''.join(content)}</{name}>" if content else f"<{name}{written}/>"


def _value(value: str | float) -> str:
    return escape(legal(value)) if isinstance(value, str) else f"{round(value, 2) + 0.0:g}"


def legal(words: str) -> str:
    """Words as XML may hold them: in place of a character that it may not, and of a line's end, a question mark."""
    return "".join(letter if letter.isprintable() else "?" for letter in words)


def title(words: str) -> str:
    """What the element around it says when it is pointed at or read out."""
    return tag("title", escape(legal(words)))


def words_width(words: str, face: str) -> float:
    """Room for words in one of the figure's faces."""
    return text_width(words, FACES[face].size, FACES[face].bold)


def words(content: str, x: float, y: float, face: str = "small", anchor: Anchor = "middle", muted: bool = False) -> str:
    """One line of letters, its middle at the height `y`."""
    class_ = f"{face} muted" if muted else face
    down = y + _BASELINE * FACES[face].size
    return tag("text", escape(legal(content)), x=x, y=down, text_anchor=anchor, class_=class_)


def box(place: Rect, tone: str, radius: float = 5.0) -> str:
    """A rectangle with round corners."""
    left, top, width, height = place
    return tag("rect", x=left, y=top, width=width, height=height, rx=radius, class_=tone)


def path(d: str, class_: str) -> str:
    """A path; its numbers are written by `at`."""
    return tag("path", d=d, class_=class_)


def at(*numbers: float) -> str:
    """Coordinates as a path takes them."""
    return " ".join(_value(number) for number in numbers)


def polygon(points: Sequence[Point], class_: str) -> str:
    """A closed shape."""
    return tag("polygon", points=" ".join(f"{_value(x)},{_value(y)}" for x, y in points), class_=class_)


def wire(points: Sequence[Point], source: str = "", target: str = "", tip: bool = True) -> str:
    """A line through the points, with round corners and an arrow's head whose point is the last of them."""
    ends = [*points[:-1], _towards(points[-1], points[-2], TIP - 1)] if tip else list(points)
    d = f"M{at(*ends[0])}"
    for index in range(1, len(ends) - 1):
        corner, first, last = ends[index], index == 1, index == len(ends) - 2
        begin = _towards(corner, ends[index - 1], BEND, 1.0 if first else 0.5)
        end = _towards(corner, ends[index + 1], BEND, 1.0 if last else 0.5)
        d += f"L{at(*begin)}Q{at(*corner)} {at(*end)}"
    line = path(f"{d}L{at(*ends[-1])}", "wire")
    names = {"data_from": source, "data_to": target} if source else {}
    return tag("g", line, _tip(points[-1], points[-2]) if tip else "", **names)


def _towards(start: Point, end: Point, way: float, most: float = 0.5) -> Point:
    """The point that lies `way` from the start, or as much of the way to the end as it may be where that is nearer."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    part = min(most, way / max(math.hypot(dx, dy), 1e-9))
    return start[0] + part * dx, start[1] + part * dy


def _tip(end: Point, before: Point) -> str:
    length = math.dist(end, before)
    ux, uy = (end[0] - before[0]) / length, (end[1] - before[1]) / length
    foot = (end[0] - TIP * ux, end[1] - TIP * uy)
    side = 0.45 * TIP
    corners = [end, (foot[0] - side * uy, foot[1] + side * ux), (foot[0] + side * uy, foot[1] - side * ux)]
    return polygon(corners, "tip")


def joint(place: Rect, kind: str) -> str:
    """A small circle: maps added (plus), or concatenated (two bars)."""
    x, y, reach = place.x, place.y, place.width / 2
    circle = tag("circle", cx=x, cy=y, r=reach, class_="plain")
    reach *= 0.5
    if kind == "add":
        return circle + path(f"M{at(x - reach, y)}H{at(x + reach)}M{at(x, y - reach)}V{at(y + reach)}", "sign")
    bars = (f"M{at(x + 0.55 * side * reach, y - reach)}V{at(y + reach)}" for side in (-1, 1))
    return circle + path("".join(bars), "sign")


def figure(name: str, description: str, width: float, height: float, *content: str, style: str = "") -> str:
    """A standalone SVG of `width` by `height`, on paper of its own, so that it can be read on a page of any colour.

    `style` are rules of its own, beside those that all figures share.
    """
    width, height = math.ceil(width), math.ceil(height)
    head = (title(name), tag("desc", escape(legal(description))), tag("style", stylesheet() + style))
    paper = tag("rect", width=width, height=height, rx=SPACE, class_="paper")
    root = tag(
        "svg",
        "\n".join((*head, paper, *content)),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        class_="sunet",
        role="img",
        style="max-width:100%;height:auto",
    )
    return root + "\n"
