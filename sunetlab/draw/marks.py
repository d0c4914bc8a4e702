"""The marks of a network's figure: heights say how large the maps are, on a logarithmic scale."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sunetlab.analysis.plan import Layer, Size
from sunetlab.draw import svg
from sunetlab.draw.svg import Point, Rect

TALLEST = 128.0  # px: the largest map
LEAST = 12.0  # the smallest
APART = 6.0  # from mark to mark
SKIP = 7.0  # a skip's height above its mark


class Mark(NamedTuple):
    """Something on a network's main line.

    Attributes:
        width, height: of the mark itself; a skip rises above it.
        paint: its markup, given where its left edge and its middle height are: (left, y).
    """

    width: float
    height: float
    paint: Callable[[float, float], str]


class Scale(NamedTuple):
    """From the size of a map to the height of its mark.

    Attributes:
        low, high: octaves of the smallest and of the largest map.
    """

    low: float
    high: float

    @classmethod
    def over(cls, convs: Sequence[Layer]) -> "Scale":
        """The scale on which the largest map is as tall as a mark may be, and the smallest as small.

        A dilated convolution stands for one on a smaller map, though for none of less than a pixel.
        """
        stands_for = (_octaves(conv.out_size) - math.log2(conv.dilation) for conv in convs)
        return cls(max(0.0, min(stands_for)), max(_octaves(conv.in_size) for conv in convs))

    def height(self, size: Size, dilation: int = 1) -> float:
        """Of a map; of one that is looked at through a dilation, that of the map that it stands for."""
        part = (_octaves(size) - math.log2(dilation) - self.low) / max(1.0, self.high - self.low)
        return max(LEAST / 2, LEAST + part * (TALLEST - LEAST))


def _octaves(size: Size) -> float:
    return 0.5 * (math.log2(size[0]) + math.log2(size[1]))


def _named(name: str, words: str, *shapes: str) -> str:
    """A mark's shapes with what it stands for; in a legend it stands for nothing of the network."""
    return svg.tag("g", svg.title(words), *shapes, data_mark=name) if name else "".join(shapes)


def bar(height: float, tone: str, name: str = "", width: float = 12.0) -> Mark:
    """One layer."""

    def paint(left: float, y: float) -> str:
        place = svg.box(Rect(left, y - height / 2, width, height), tone, 2.0)
        return _named(name, name, place)

    return Mark(width, height, paint)


def wedge(before: float, after: float, tone: str, name: str = "", width: float = 12.0) -> Mark:
    """What changes the size of a map: a pool, a resize."""

    def paint(left: float, y: float) -> str:
        right = left + width
        corners = [(left, y - before / 2), (right, y - after / 2), (right, y + after / 2), (left, y + before / 2)]
        return _named(name, name, svg.polygon(corners, tone))

    return Mark(width, max(before, after), paint)


def dots(height: float, name: str, words: str) -> Mark:
    """What is left out."""

    def paint(left: float, y: float) -> str:
        ground = svg.box(Rect(left, y - 5, 28.0, 10.0), "card", 0.0)
        points = (svg.tag("circle", cx=left + 6 + 8 * i, cy=y, r=1.8, class_="tip") for i in range(3))
        return _named(name, words, ground, *points)

    return Mark(28.0, height, paint)


def hourglass(outer: Sequence[float], inner: Sequence[float], name: str = "", words: str = "") -> Mark:
    """A u-net: its heights from the outside in, and where it is dilated those that its kernels stand for."""
    width = 6.0 + 4.0 * len(outer)

    def paint(left: float, y: float) -> str:
        shapes = [svg.polygon(_steps(outer, left, width, y), "conv")]
        if inner != outer:
            shapes.append(svg.polygon(_steps(inner, left, width, y), "deep"))
        return _named(name, words, *shapes)

    return Mark(width, outer[0], paint)


def _steps(heights: Sequence[float], left: float, width: float, y: float) -> list[Point]:
    """The outline of steps down and up again, the same above and below `y`."""
    there_and_back = [*heights, *reversed(heights[:-1])]
    step = width / len(there_and_back)
    upper = [
        (left + step * (index + side), y - height / 2) for index, height in enumerate(there_and_back) for side in (0, 1)
    ]
    return upper + [(x, 2 * y - top) for x, top in reversed(upper)]


def skipped(mark: Mark, expansion: bool) -> Mark:
    """A mark with a skip around it, a 1×1 on the skip where it is an expansion."""
    reach = APART / 2

    def paint(left: float, y: float) -> str:
        first, last, top = left - reach, left + mark.width + reach, y - mark.height / 2 - SKIP
        around = svg.wire([(first, y), (first, top), (last, top), (last, y)], tip=False)
        place = Rect.around(left + mark.width / 2, top, 8.0, 8.0)
        return around + mark.paint(left, y) + (svg.box(place, "point", 1.5) if expansion else "")

    return Mark(mark.width, mark.height, paint)
