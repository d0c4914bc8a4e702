"""A density map: how many fall into each cell of a grid, as shades, and in words where one points at it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from sunetlab.draw import ramp
from sunetlab.draw.svg import Rect, path, tag, title

Counts = NDArray[np.int64]  # (rows, columns)

LEAST = 3.0  # px: a cell is drawn at least as large, or nobody would see a single one
MOST_TOLD = 5000  # tooltips; where more cells hold something, one speaks for a square of several


def shades(counts: Counts, x: Sequence[float], y: Sequence[float], top: float) -> str:
    """The cells that hold something, one path for each shade, those of many on top.

    Args:
        counts: (rows, columns).
        x: px of the columns' edges.
        y: px of the rows' edges.
        top: the count of the last shade.
    """
    steps = np.full(counts.shape, -1)
    for row, column in np.argwhere(counts):
        steps[row, column] = ramp.shade(int(counts[row, column]), top)
    drawn: dict[int, list[str]] = {}
    for row, column, length in _runs(steps):
        place = _place(x[column], x[column + length], y[row], y[row + 1])
        drawn.setdefault(int(steps[row, column]), []).append(_outline(place))
    return "".join(path("".join(drawn[step]), f"cell shade{step}") for step in sorted(drawn))


def tooltips(counts: Counts, x: Sequence[float], y: Sequence[float], words: Callable[[int, slice, slice], str]) -> str:
    """Invisible cells that say in words what lies below them; squares of several cells where there are too many.

    Args:
        counts: (rows, columns).
        x: px of the columns' edges.
        y: px of the rows' edges.
        words: from a count, and the rows and columns that it is of.
    """
    side = 1
    while np.count_nonzero(_squares(counts, side)) > MOST_TOLD:
        side += 1
    found, (height, width), told = _squares(counts, side), counts.shape, []
    for row, column in np.argwhere(found) * side:
        rows, columns = slice(row, min(row + side, height)), slice(column, min(column + side, width))
        place = _place(x[columns.start], x[columns.stop], y[rows.start], y[rows.stop])
        said = words(int(found[row // side, column // side]), rows, columns)
        told.append(tag("path", title(said), d=_outline(place)))
    return tag("g", *told, class_="told") if told else ""


def _squares(counts: Counts, side: int) -> Counts:
    """Sums over squares of `side` by `side` cells."""
    rows, columns = (np.arange(0, length, side) for length in counts.shape)
    return np.add.reduceat(np.add.reduceat(counts, rows, axis=0), columns, axis=1)


def _runs(steps: Counts) -> Iterator[tuple[int, int, int]]:
    """(row, first column, columns) of neighbours of one shade."""
    for row, line in enumerate(steps.tolist()):
        column = 0
        for step, run in groupby(line):
            length = len(list(run))
            if step >= 0:
                yield row, column, length
            column += length


def _place(x0: float, x1: float, y0: float, y1: float) -> Rect:
    width, height = max(LEAST, abs(x1 - x0)), max(LEAST, abs(y1 - y0))
    return Rect.around((x0 + x1) / 2, (y0 + y1) / 2, width, height)


def _outline(place: Rect) -> str:
    edges = (place.left, place.top, place.right, place.bottom)
    left, top, right, bottom = (f"{edge:.1f}".removesuffix(".0") for edge in edges)
    return f"M{left} {top}H{right}V{bottom}H{left}z"
