"""One row of a network's figure: the names of the table's rows, then columns side by side on the main line."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from sunetlab.draw import svg
from sunetlab.draw.columns import ROWS, Column
from sunetlab.draw.marks import APART, SKIP, TALLEST, Mark
from sunetlab.draw.piece import Piece
from sunetlab.draw.style import FACES, SPACE
from sunetlab.draw.svg import Rect

GAP = 20.0  # between two columns: room for a pool
LINE = 1.4 * FACES["small"].size  # of a heading
ROW = 20.0  # of the table
PAD = SPACE


def column_width(column: Column) -> float:
    """Room for its heading, its marks and its cells."""
    heading = (svg.words_width(text, "small" if index else "head") for index, text in enumerate(column.heading))
    cells = (svg.words_width(text, "small") for text in column.cells.values())
    return max(*heading, *cells, _marks_width(column.marks)) + 2 * PAD


def _marks_width(marks: Sequence[Mark]) -> float:
    return sum(mark.width for mark in marks) + APART * (len(marks) - 1)


class Measures(NamedTuple):
    """What all rows of a figure have in common.

    Attributes:
        labels: width of the names of the table's rows; above them stands the image.
        lines: of the longest heading.
    """

    labels: float
    lines: int

    @classmethod
    def of(cls, columns: Sequence[Column]) -> "Measures":
        """Those of a figure of some columns, the first of which is the image."""
        names = max(svg.words_width(name, "small") for name in ROWS) + PAD
        return cls(max(names, column_width(columns[0])), max(len(column.heading) for column in columns))

    @property
    def marks(self) -> float:
        """From the top to the highest mark, a skip above it."""
        return PAD + self.lines * LINE + PAD

    @property
    def line(self) -> float:
        """From the top to the main line."""
        return self.marks + SKIP + PAD / 2 + TALLEST / 2

    @property
    def table(self) -> float:
        """From the top to the table."""
        return self.line + TALLEST / 2 + 1.5 * PAD

    @property
    def height(self) -> float:
        """Of the whole row."""
        return self.table + len(ROWS) * ROW + PAD / 2


def stave(columns: Sequence[Column], measures: Measures) -> Piece:
    """Columns on the main line, which comes from the left and goes on to the right; the image needs no column."""
    image = columns[0] if not columns[0].cells else None
    shown = columns[1:] if image else columns
    widths = [column_width(column) for column in shown]
    lefts = list(accumulate(widths[:-1], lambda at, width: at + width + GAP, initial=measures.labels + GAP))
    width = measures.labels + sum(widths) + GAP * (len(widths) + 1)

    def paint(left: float, top: float) -> str:
        places = [Rect(left + x, top, w, measures.height) for x, w in zip(lefts, widths, strict=True)]
        end, y = places[-1].right, top + measures.line
        begin = Rect(left, top, measures.labels, measures.height)
        parts = [svg.box(place, "card", 6.0) for place in places]
        parts += _table(Rect(left, top + measures.table, end - left, len(ROWS) * ROW))
        parts.append(svg.wire([(begin.x if image else begin.right, y), (end + GAP, y)]))
        parts += [_image(image, begin, measures)] if image else []
        parts += [_column(column, place, measures) for column, place in zip(shown, places, strict=True)]
        return "".join(parts)

    return Piece(width, measures.height, paint)


def _table(place: Rect) -> Iterator[str]:
    """The names of its rows, and the lines between them."""
    for index, name in enumerate(ROWS):
        top = place.top + index * ROW
        yield svg.path(f"M{svg.at(place.left, top)}H{svg.at(place.right)}", "rule")
        yield svg.words(name, place.left, top + ROW / 2, "small", "start", muted=True)


def _image(column: Column, place: Rect, measures: Measures) -> str:
    marks = _marks(column.marks, place.x, place.top + measures.line)
    return svg.tag("g", _heading(column, place), marks, data_part=column.part)


def _column(column: Column, place: Rect, measures: Measures) -> str:
    line, table = place.top + measures.line, place.top + measures.table
    pool = _marks([column.pool], place.left - GAP / 2, line) if column.pool else ""
    cells = (
        svg.tag("g", svg.words(column.cells[name], place.x, table + (index + 0.5) * ROW, "small"), data_row=name)
        for index, name in enumerate(ROWS)
    )
    marks = _marks(column.marks, place.x, line)
    return svg.tag("g", _heading(column, place), pool, marks, *cells, data_part=column.part)


def _heading(column: Column, place: Rect) -> str:
    first = place.top + PAD + LINE / 2
    return "".join(
        svg.words(text, place.x, first + index * LINE, "small" if index else "head", muted=index > 0)
        for index, text in enumerate(column.heading)
    )


def _marks(marks: Sequence[Mark], middle: float, y: float) -> str:
    """Marks side by side, the whole around `middle`."""
    left, parts = middle - _marks_width(marks) / 2, []
    for mark in marks:
        parts.append(mark.paint(left, y))
        left += mark.width + APART
    return "".join(parts)
