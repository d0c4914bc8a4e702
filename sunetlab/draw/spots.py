"""Designs pointed out in a plot: the Pareto front as a line in steps, marks, and names beside them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from sunetlab.draw.beside import NEAR, rooms_beside
from sunetlab.draw.frame import Frame
from sunetlab.draw.front import front_line
from sunetlab.draw.letters import shorten
from sunetlab.draw.style import FACES
from sunetlab.draw.svg import Point, Rect, at, path, polygon, tag, title, words, words_width

Kind = Literal["front", "named", "best"]

REACH: dict[Kind, float] = {"front": 3.0, "best": 7.0, "named": 5.0}  # px from middle to edge; in the order of drawing
_TOUCH = 7.0  # px around a mark that point at it
_LABEL = 150.0  # px; a longer name is cut
_FACE = "head"


class Mark(NamedTuple):
    """A design to point out: its values, what its tooltip says, the short name beside it, why it is shown."""

    x: float
    y: float
    words: str
    label: str = ""
    kind: Kind = "front"


def draw_spots(marks: Sequence[Mark], frame: Frame, blocked: Sequence[Rect] = ()) -> str:
    """The front's line, the marks, the names; no name over another, over a mark, or over what is `blocked`."""
    line = _front(marks, frame)
    places = [frame.at(mark.x, mark.y) for mark in marks if mark.kind == "front"]
    drawn = [path("".join(f"M{at(*place)}h0" for place in places), "halo dots")] if places else []
    drawn += [_haloed(line, "front-line")] if line else []
    order = sorted(range(len(marks)), key=lambda index: list(REACH).index(marks[index].kind))
    spots = [_spot(index, marks[index], frame) for index in order]
    names = _names(marks, frame, line, blocked)
    leaders = [_haloed(name.leader, "leader") for name in names if name.leader]
    return "".join((*drawn, *leaders, *spots, *(name.text for name in names)))


def shape(kind: Kind, x: float, y: float) -> str:
    """A dot, a diamond or a square: colour alone does not tell them to everybody."""
    reach = REACH[kind]
    if kind == "front":
        return tag("circle", cx=x, cy=y, r=reach)
    if kind == "best":
        return polygon([(x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y)], "diamond")
    return polygon(
        [(x - reach, y - reach), (x + reach, y - reach), (x + reach, y + reach), (x - reach, y + reach)], "square"
    )


def _haloed(line: Sequence[Point], class_: str) -> str:
    """A line that stands out from whatever is below it."""
    d = "M" + "L".join(at(*point) for point in line)
    return path(d, "halo") + path(d, class_)


def _front(marks: Sequence[Mark], frame: Frame) -> list[Point]:
    """The corners of the front's line; none where an axis has no better end."""
    places = [frame.at(mark.x, mark.y) for mark in marks if mark.kind == "front"]
    if not places or not frame.x.better or not frame.y.better:
        return []
    return front_line(places, frame.x.better == "less", frame.y.better == "more", frame.area)


def _spot(index: int, mark: Mark, frame: Frame) -> str:
    x, y = frame.at(mark.x, mark.y)
    beyond = not frame.holds(mark.x, mark.y)
    said = title(mark.words + (" (beyond the border)" if beyond else ""))
    touch = tag("circle", cx=x, cy=y, r=_TOUCH, class_="touch")
    class_ = f"mark {mark.kind} beyond" if beyond else f"mark {mark.kind}"
    return tag("g", said, touch, shape(mark.kind, x, y), class_=class_, data_mark=str(index))


class _Name(NamedTuple):
    """A name, and the line to its mark where that is not near."""

    text: str
    leader: tuple[Point, ...]


def _names(marks: Sequence[Mark], frame: Frame, line: Sequence[Point], blocked: Sequence[Rect]) -> list[_Name]:
    """Names with room beside their marks; one that finds none is left to its mark's tooltip."""
    size, bold = FACES[_FACE]
    labelled = sorted((mark for mark in marks if mark.label), key=lambda mark: list(REACH)[::-1].index(mark.kind))
    names = [shorten(mark.label, size, _LABEL, bold) for mark in labelled]
    places = [frame.at(mark.x, mark.y) for mark in labelled]
    solid = [*blocked, *(room_of(mark, frame) for mark in marks if mark.kind != "front")]
    thin = [*map(_leg, pairwise(line)), *(room_of(mark, frame) for mark in marks if mark.kind == "front")]
    sizes = [(words_width(name, _FACE), 1.3 * size) for name in names]
    found = zip(names, places, rooms_beside(places, sizes, frame.area, solid, thin), strict=True)
    return [_name(name, place, room) for name, place, room in found if room is not None]


def _name(name: str, place: Point, room: Rect) -> _Name:
    near = min(max(place[0], room.left), room.right), min(max(place[1], room.top), room.bottom)
    away = max(abs(near[0] - place[0]), abs(near[1] - place[1])) > NEAR + 1
    return _Name(tag("g", _towards(place[0], name, room), class_="beside"), (place, near) if away else ())


def _towards(x: float, name: str, room: Rect) -> str:
    """A name at the side of its room that faces `x`: it may take less than it was given."""
    if x < room.left:
        return words(name, room.left, room.y, _FACE, "start")
    return words(name, room.right, room.y, _FACE, "end") if x > room.right else words(name, room.x, room.y, _FACE)


def room_of(mark: Mark, frame: Frame) -> Rect:
    """Where a mark is."""
    return Rect.around(*frame.at(mark.x, mark.y), 2 * REACH[mark.kind], 2 * REACH[mark.kind])


def _leg(ends: tuple[Point, Point]) -> Rect:
    (x0, y0), (x1, y1) = ends
    return Rect(min(x0, x1) - 1, min(y0, y1) - 1, abs(x1 - x0) + 2, abs(y1 - y0) + 2)
