"""Layout: pieces of a figure that know their size before they are placed, and ways to put them together."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sunetlab.draw import svg
from sunetlab.draw.letters import rows, wrap
from sunetlab.draw.style import FACES, SPACE


class Piece(NamedTuple):
    """A part of a figure.

    Attributes:
        width, height: room that it takes, in px.
        paint: its markup, given where its upper left corner is: (left, top).
    """

    width: float
    height: float
    paint: Callable[[float, float], str]


def line(content: str, face: str = "small", muted: bool = False) -> Piece:
    """One line of letters."""
    width, height = svg.words_width(content, face), 1.4 * FACES[face].size
    return Piece(width, height, lambda x, y: svg.words(content, x, y + height / 2, face, "start", muted))


def paragraph(content: str, room: float, face: str = "small", muted: bool = False) -> Piece:
    """Letters in as many lines as they need."""
    kind = FACES[face]
    return stack([line(part, face, muted) for part in wrap(content, kind.size, room, kind.bold)])


def stack(pieces: Sequence[Piece], gap: float = 0.0, centred: bool = False) -> Piece:
    """Pieces below one another, their left edges or their middles in one line."""
    width = max((piece.width for piece in pieces), default=0.0)

    def paint(left: float, top: float) -> str:
        parts = []
        for piece in pieces:
            parts.append(piece.paint(left + (width - piece.width) / 2 if centred else left, top))
            top += piece.height + gap
        return "".join(parts)

    return Piece(width, _total([piece.height for piece in pieces], gap), paint)


def row(pieces: Sequence[Piece], gap: float) -> Piece:
    """Pieces side by side, their upper edges in one line."""

    def paint(left: float, top: float) -> str:
        parts = []
        for piece in pieces:
            parts.append(piece.paint(left, top))
            left += piece.width + gap
        return "".join(parts)

    height = max((piece.height for piece in pieces), default=0.0)
    return Piece(_total([piece.width for piece in pieces], gap), height, paint)


def flow(pieces: Sequence[Piece], gap: float, between: float, room: float) -> Piece:
    """Pieces side by side in as many rows as they need: `gap` from piece to piece, `between` from row to row."""
    found = rows([piece.width for piece in pieces], gap, room)
    return stack([row([pieces[index] for index in each], gap) for each in found], between)


def sheet(name: str, description: str, content: Sequence[Piece], style: str = "") -> str:
    """A figure of pieces below one another; `style` are rules of its own."""
    whole, margin = stack(content, 2 * SPACE), svg.MARGIN
    width, height = whole.width + 2 * margin, whole.height + 2 * margin
    return svg.figure(name, description, width, height, whole.paint(margin, margin), style=style)


def headed(name: str, lines: Sequence[str], room: float) -> Piece:
    """A figure's title and what is said below it."""
    return stack([paragraph(name, room, "title"), *(paragraph(words, room, muted=True) for words in lines)], 4)


SIGN = 28.0, 22.0  # px: room for a legend's signs, so that they stand in columns


def key(tone: str, meaning: str) -> Piece:
    """One entry of a legend: a small box of a colour and what it means."""
    return labelled(Piece(20.0, 13.0, lambda x, y: svg.box(svg.Rect(x, y, 20.0, 13.0), tone, 3.0)), meaning)


def labelled(sign: Piece, meaning: str) -> Piece:
    """One entry of a legend: a sign and what it means."""
    label, (width, height) = line(meaning), SIGN

    def paint(left: float, top: float) -> str:
        picture = sign.paint(left + (width - sign.width) / 2, top + (height - sign.height) / 2)
        return picture + label.paint(left + width + 6, top + (height - label.height) / 2)

    return Piece(width + 6 + label.width, height, paint)


def legend(entries: Sequence[Piece], notes: Sequence[str], room: float) -> Piece:
    """Signs and what they mean in columns, in as few rows as there is room for, then sentences."""
    grids = (_grid(entries, math.ceil(len(entries) / lines)) for lines in range(1, len(entries) + 1))
    grid = next((grid for grid in grids if grid.width <= room), _grid(entries, 1))
    return stack([grid, *(paragraph(note, room, muted=True) for note in notes)], 6)


def _grid(entries: Sequence[Piece], across: int) -> Piece:
    columns = [max(entry.width for entry in entries[start::across]) for start in range(across)]
    wide = [entry._replace(width=columns[index % across]) for index, entry in enumerate(entries)]
    return stack([row(wide[start : start + across], 2 * SPACE) for start in range(0, len(wide), across)], 4)


def _total(lengths: Sequence[float], gap: float) -> float:
    return sum(lengths) + gap * max(0, len(lengths) - 1)
