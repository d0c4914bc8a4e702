"""A figure read back from its SVG by what the markup says alone: texts with the room that they take, boxes, wires."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import combinations, pairwise
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from hypothesis import strategies as st

from sunetlab import SUNetSpec
from sunetlab.analysis.plan import Layer
from tests.specs import random_size, random_specs

_SVG = "{http://www.w3.org/2000/svg}"

# Advance widths of DejaVu Sans 2.37, the widest of the usual fonts, and of its bold, in thousandths of the size.
_LETTERS = [*map(chr, range(32, 127)), *"×→↓↑–…≤←"]
_REGULAR = """
318 401 460 838 636 950 780 275 390 390 500 838 318 361 318 337 636 636 636 636 636 636 636 636 636 636 337 337
838 838 838 531 1000 684 686 698 770 632 575 775 752 295 295 656 557 863 748 787 603 787 695 635 611 732 684 989
685 611 685 390 337 390 838 500 500 613 635 550 635 615 352 635 634 278 278 579 278 974 634 612 635 635 411 521
392 634 592 818 592 592 525 636 337 636 838 838 838 838 838 500 1000 838 838
"""
_BOLD = """
348 456 521 838 696 1002 872 306 457 457 523 838 380 415 380 365 696 696 696 696 696 696 696 696 696 696 400 400
838 838 838 580 1000 774 762 734 830 683 683 821 837 372 372 775 637 995 837 850 733 850 770 720 682 812 774
1103 771 724 725 457 365 457 838 500 500 675 716 593 716 678 435 716 712 343 343 665 343 1042 712 687 716 716
493 595 478 712 652 924 645 652 582 712 365 712 838 838 838 838 838 500 1000 838 838
"""
ADVANCES = {
    bold: dict(zip(_LETTERS, (int(width) / 1000 for width in table.split()), strict=True))
    for bold, table in ((False, _REGULAR), (True, _BOLD))
}
ASCENT, DESCENT = 0.76, 0.24  # of a capital and of a tail, in font sizes


class Room(NamedTuple):
    """A rectangle by its edges."""

    left: float
    top: float
    right: float
    bottom: float

    def holds(self, other: "Room", slack: float = 0.01) -> bool:
        return (
            self.left - slack <= other.left
            and self.top - slack <= other.top
            and other.right <= self.right + slack
            and other.bottom <= self.bottom + slack
        )

    def overlaps(self, other: "Room", slack: float = 0.01) -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > slack and down > slack

    @property
    def middle(self) -> "Room":
        x, y = (self.left + self.right) / 2, (self.top + self.bottom) / 2
        return Room(x, y, x, y)


class Text(NamedTuple):
    words: str
    room: Room
    classes: frozenset[str]


class Wire(NamedTuple):
    """A line through points; `source` and `target` are what it says that it joins."""

    source: str | None
    target: str | None
    points: tuple[tuple[float, float], ...]
    tip: tuple[float, float] | None


class Drawing:
    """A figure, read back."""

    def __init__(self, svg: str) -> None:
        self.root = ElementTree.fromstring(svg)
        self.sheet = self.root.findtext(f"{_SVG}style") or ""
        _, _, width, height = map(float, self.root.attrib["viewBox"].split())
        self.page = Room(0, 0, width, height)

    @cached_property
    def faces(self) -> dict[str, tuple[float, bool]]:
        """Class → size in px and whether it is bold, as the stylesheet says."""
        found = re.findall(r"\.(\w+)\{font-size:([\d.]+)px;font-weight:(\d+)\}", self.sheet)
        return {name: (float(size), int(weight) >= 600) for name, size, weight in found}

    @cached_property
    def texts(self) -> list[Text]:
        return list(self.texts_in(self.root))

    @cached_property
    def rects(self) -> list[Room]:
        return [room(rect) for rect in self.root.iter(f"{_SVG}rect")]

    @cached_property
    def rules(self) -> list[Wire]:
        """Lines that join nothing: those between the rows of a table."""
        return [
            Wire(None, None, tuple(points(path.attrib["d"])), None)
            for path in self.root.iter(f"{_SVG}path")
            if path.get("class") == "rule"
        ]

    @cached_property
    def wires(self) -> list[Wire]:
        return list(self.wires_in(self.root))

    def texts_in(self, element: Element) -> Iterator[Text]:
        for text in element.iter(f"{_SVG}text"):
            classes = frozenset(text.attrib["class"].split())
            size, bold = next(self.faces[name] for name in classes if name in self.faces)
            width = size * sum(ADVANCES[bold][letter] for letter in text.text or "")
            x, y = float(text.attrib["x"]), float(text.attrib["y"])
            left = x - width * {"start": 0, "middle": 0.5, "end": 1}[text.attrib["text-anchor"]]
            yield Text(text.text or "", Room(left, y - ASCENT * size, left + width, y + DESCENT * size), classes)

    def wires_in(self, element: Element) -> Iterator[Wire]:
        for group in element.iter(f"{_SVG}g"):
            path = group.find(f"{_SVG}path[@class='wire']")
            if path is not None:
                tip = group.find(f"{_SVG}polygon[@class='tip']")
                at = None if tip is None else points(tip.attrib["points"])[0]
                along = points(path.attrib["d"])
                yield Wire(group.get("data-from"), group.get("data-to"), (*along, *([at] if at else [])), at)

    def marked(self, name: str, within: Element | None = None) -> dict[str, Element]:
        """Elements by what an attribute says, `data-` left off; no two may say the same."""
        found = [e for e in (self.root if within is None else within).iter() if f"data-{name}" in e.attrib]
        by_value = {element.attrib[f"data-{name}"]: element for element in found}
        assert len(by_value) == len(found), f"two elements of the same data-{name}"
        return by_value


def room(element: Element) -> Room:
    """Of a rectangle, a circle or a polygon."""
    if element.tag == f"{_SVG}circle":
        x, y, reach = (float(element.attrib[name]) for name in ("cx", "cy", "r"))
        return Room(x - reach, y - reach, x + reach, y + reach)
    if element.tag == f"{_SVG}polygon":
        corners = points(element.attrib["points"])
        (left, right), (top, bottom) = ((min(side), max(side)) for side in zip(*corners, strict=True))
        return Room(left, top, right, bottom)
    left, top = float(element.get("x", 0)), float(element.get("y", 0))
    return Room(left, top, left + float(element.attrib["width"]), top + float(element.attrib["height"]))


def shapes(element: Element) -> list[Room]:
    """Of all rectangles, circles and polygons."""
    return [room(each) for each in element.iter() if each.tag in {f"{_SVG}{n}" for n in ("rect", "circle", "polygon")}]


def points(path: str) -> list[tuple[float, float]]:
    """The points of a polygon, or those that a path's lines and curves go by."""
    at: list[tuple[float, float]] = []
    for command, numbers in re.findall(r"([MLQHV]?)((?:[\s,]*-?[\d.]+)+)", path):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if command == "H":
            at.append((values[0], at[-1][1]))
        elif command == "V":
            at.append((at[-1][0], values[0]))
        else:
            at += zip(values[::2], values[1::2], strict=True)
    return at


def crosses(wire: Wire, place: Room) -> bool:
    """Whether a line goes through the inside of a rectangle; its pieces run along the sides of the page."""
    legs = (Room(min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])) for a, b in pairwise(wire.points))
    return any(
        leg.left < place.right - 0.1
        and leg.right > place.left + 0.1
        and leg.top < place.bottom - 0.1
        and leg.bottom > place.top + 0.1
        for leg in legs
    )


def well_laid_out(svg: str) -> Drawing:
    """Nothing outside the page, no text out of its box, over another or under a line."""
    drawing = Drawing(svg)
    assert all(drawing.page.holds(each) for each in shapes(drawing.root))
    for text in drawing.texts:
        around = [rect for rect in drawing.rects if rect.holds(text.room.middle)]
        assert around, text.words
        assert all(rect.holds(text.room) for rect in around), text.words
        assert not any(crosses(wire, text.room) for wire in (*drawing.wires, *drawing.rules)), text.words
    for one, other in combinations(drawing.texts, 2):
        assert not one.room.overlaps(other.room), (one.words, other.words)
    return drawing


def texts(drawing: Drawing, element: Element) -> list[str]:
    return [text.words for text in drawing.texts_in(element)]


def by_name(layers: Sequence[Layer], name: str) -> Layer:
    return next(layer for layer in layers if layer.name == name)


# What to draw.

CONVS = {"conv", "conv_transpose"}

ODD: dict[str, SUNetSpec] = {  # what random specs do not reach
    "deepest": SUNetSpec.make(depth=(8, 8), stacks=(1, 9), n=64),
    "deepest, dilated": SUNetSpec.make(depth=(8,), stacks=(2,), n=8, dilations=(4,), widths=(40,)),
    "deepest, strided": SUNetSpec.make(depth=(8,), stacks=(2,), n=8, dilations=(3,), downsampling="strided"),
    "largest numbers": SUNetSpec.make(
        depth=(8, 1), n=2**20, stacks=(3, 2), widths=(2**20, 2**20 - 1), dilations=(1, 2**20), stem_width=2**20
    ),
    "largest dilation": SUNetSpec.make(depth=(8,), n=1, stacks=(1,), dilations=(2**20,), widths=(2,), stem_width=2),
    "many blocks": SUNetSpec.make(n=4, stacks=(1, 2, 3, 4) * 5, dilations=(1, 1, *range(1, 19))),
    "dozens of blocks": SUNetSpec.make(n=4, stacks=(1, 9) + (1, 2) * 12, dilations=(1, 1, *range(2, 26))),
    "dense": SUNetSpec.make(
        depth=3, n=24, stacks=(4, 3), connectivity="dense", widths=(200, 301), stem="small", stem_width=32
    ),
    "smallest": SUNetSpec.make(depth=1, n=1, stacks=(1,), widths=(2,), stem_width=2),
}


@st.composite
def drawn_modules(draw: st.DrawFn) -> tuple[SUNetSpec, int, tuple[int, int]]:
    spec = draw(random_specs())
    rng = draw(st.randoms(use_true_random=False))
    return spec, rng.randint(1, len(spec.stacks)), random_size(rng, spec)
