"""A confusion matrix as a table of counts, and as a figure: rows truth, columns prediction."""

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sunetlab.draw import ramp
from sunetlab.draw.letters import shorten
from sunetlab.draw.piece import Piece, flow, headed, line, sheet
from sunetlab.draw.style import FACES, RULE, SPACE, Ink, themed
from sunetlab.draw.svg import Rect, path, tag, title, words, words_width
from sunetlab.draw.svg import at as coordinates
from sunetlab.draw.words import plural

Counts = NDArray[np.int64]  # (classes, classes)

NUMBERED = 25  # classes; with more of them cells are too small for numbers
CELL, SMALL_CELL = 30.0, 15.0  # px
LONGEST = 150.0  # px of a class's name
_LETTERS = FACES["small"].size
_FADED = 0.1  # the share of a row from which a shade is full
_TURN = 12  # the step of the ramp from which letters on it are of the paper's colour
_CLEAR = Ink("#ffffff", "#0d1117"), Ink("#1f2328", "#e6edf3")  # letters on a full cell, on a pale one


def confusion_csv(counts: Counts, names: Sequence[str]) -> str:
    """A header with the classes' names, then a row for each true class, its name first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["truth", *names])
    writer.writerows([name, *row] for name, row in zip(names, counts.tolist(), strict=True))
    return text.getvalue()


def draw_confusion(counts: Counts, names: Sequence[str], heading: str, unit: str) -> str:
    """A standalone SVG of the matrix; the darker a cell, the larger its part of the row.

    Args:
        counts: (C, C).
        names: of the classes.
        heading: the figure's title.
        unit: what was counted: pixel, image.
    """
    cell = CELL if len(names) <= NUMBERED else SMALL_CELL
    matrix = _matrix(counts, names, cell, unit)
    room = max(matrix.width, 480.0)
    lines = [f"{plural(int(counts.sum()), unit)}; rows: truth, columns: prediction; numbers in percent"]
    if len(names) > NUMBERED:
        lines = [lines[0].rpartition(";")[0]]
    described = f"Confusion matrix of {len(names)} classes, each row as parts of its sum"
    return sheet(heading, described, [headed(heading, lines, room), matrix, _legend(room)], _style())


def _matrix(counts: Counts, names: Sequence[str], cell: float, unit: str) -> Piece:
    names = [shorten(name, _LETTERS, LONGEST) for name in names]
    gutter = max(words_width(name, "small") for name in names) + SPACE
    side = cell * len(names)

    def paint(left: float, top: float) -> str:
        area = Rect(left + gutter, top + gutter, side, side)
        return "".join((*_names(names, area, cell), *_cells(counts, names, area, cell, unit), _border(area)))

    return Piece(gutter + side, gutter + side, paint)


def _names(names: Sequence[str], area: Rect, cell: float) -> Iterator[str]:
    for index, name in enumerate(names):
        middle = (index + 0.5) * cell
        yield words(name, area.left - SPACE, area.top + middle, anchor="end")
        x, y = coordinates(area.left + middle), coordinates(area.top - SPACE)
        yield tag("g", words(name, 0, 0, anchor="start"), transform=f"translate({x} {y}) rotate(-90)")


def _cells(counts: Counts, names: Sequence[str], area: Rect, cell: float, unit: str) -> Iterator[str]:
    """Every pair that occurs, with what it stands for."""
    sums = counts.sum(1)
    for truth, prediction in np.argwhere(counts).tolist():
        count = int(counts[truth, prediction])
        share = count / int(sums[truth])
        step = _step(share)
        x, y = area.left + prediction * cell, area.top + truth * cell
        told = f"{names[truth]} as {names[prediction]}: {plural(count, unit)}, {100 * share:.1f} %"
        square = _shaded(Rect(x, y, cell, cell), share)
        number = ""
        if cell == CELL and share >= 0.005:
            face = "full" if step >= _TURN else "pale"
            number = tag("g", words(f"{100 * share:.0f}", x + cell / 2, y + cell / 2), class_=face)
        yield tag("g", title(told), square, number)


def _shaded(place: Rect, share: float) -> str:
    """A cell in the shade of its share; what is little of a row fades into the paper."""
    left, top, width, height = place
    class_, opacity = f"cell shade{_step(share)}", min(1.0, share / _FADED)
    return tag("rect", x=left, y=top, width=width, height=height, class_=class_, fill_opacity=opacity)


def _step(share: float) -> int:
    return round(share * (ramp.STEPS - 1))


def _border(area: Rect) -> str:
    left, top, right, bottom = (coordinates(v) for v in (area.left, area.top, area.right, area.bottom))
    return path(f"M{left} {top}H{right}V{bottom}H{left}z", "rule")


def _legend(room: float) -> Piece:
    """The shades, from none of a row to all of it."""
    step, height = 8.0, 12.0

    def paint(left: float, top: float) -> str:
        bars = (
            _shaded(Rect(left + index * step, top + 2, step, height), index / (ramp.STEPS - 1))
            for index in range(ramp.STEPS)
        )
        return "".join(bars)

    return flow([line("0 %"), Piece(step * ramp.STEPS, 16.0, paint), line("100 % of a row")], SPACE, SPACE, room)


def _style() -> str:
    inks = [(f"shade{step}", "fill", ramp.ink(step)) for step in range(ramp.STEPS)]
    letters = [(f"{face} text", "fill", ink) for face, ink in zip(("full", "pale"), _CLEAR, strict=True)]
    return ".sunet .cell{shape-rendering:crispEdges}" + themed([*inks, *letters, ("rule", "stroke", RULE)])
