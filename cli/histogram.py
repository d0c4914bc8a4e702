"""Histograms for a terminal: small ones side by side, as it has room; plain ones, one below another, in a pipe."""

import math
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from sunetlab.draw.quantity import Unit, amount, interval, short

from .output import say

LEAST, MOST = 36, 48  # characters that a histogram takes across
GAP = 4  # characters between two
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_POINTER = "◂"


class Histogram(NamedTuple):
    """How many designs fall in each bin of a quantity.

    Attributes:
        name: of the quantity.
        unit: of its values.
        edges: of the bins, rising, one more than there are bins.
        counts: for each bin.
        marks: (label, value) of what to point out, such as a known network.
    """

    name: str
    unit: Unit
    edges: Sequence[float]
    counts: Sequence[int]
    marks: Sequence[tuple[str, float]] = ()


class Line(NamedTuple):
    """One line of a histogram: what is left of its middle, in it and right of it, and what it is."""

    left: str
    middle: str
    right: str
    kind: str


def print_histograms(columns: Sequence[Histogram]) -> None:
    """The histograms on standard output; the longest bar of each is as long as there is room."""
    if not sys.stdout.isatty():
        for index, column in enumerate(columns):
            say("\n" * bool(index) + "\n".join(_joined(line).rstrip() for line in lines(column, MOST, plain_bar, "<")))
        return
    if not columns:
        return
    room = shutil.get_terminal_size().columns
    across = max(1, min(len(columns), (room + GAP) // (LEAST + GAP)))
    across = math.ceil(len(columns) / math.ceil(len(columns) / across))  # the last row may hold as many as the first
    width = min(MOST, (room - GAP * (across - 1)) // across)
    bar, pointer = (block_bar, _POINTER) if _can_write(_EIGHTHS + _POINTER) else (plain_bar, "<")
    drawn = [lines(column, width, bar, pointer) for column in columns]
    for start in range(0, len(columns), across):
        if start:
            say()
        _print_beside(drawn[start : start + across], width)


def lines(column: Histogram, width: int, bar: Callable[[float, int], str], pointer: str) -> list[Line]:
    """A histogram as lines of `width` characters: its name, one for each bin, the marks where they belong."""
    edges = [amount(edge, column.unit) for edge in column.edges[:-1]]
    counts = [short(count) for count in column.counts]
    marks = [(amount(value, column.unit), value, label) for label, value in column.marks]
    left = max(map(len, (*edges, *(mark[0] for mark in marks))))
    right = max(map(len, counts))
    middle = max(4, width - left - right - 2)
    name = f"{column.name}, {interval(column.edges[0], column.edges[-1], column.unit)}"
    most = max(1, *column.counts)
    rows = [
        (low, Line(f"{edge:>{left}}", f"{bar(count / most, middle):<{middle}}", f"{words:>{right}}", "bin"))
        for low, edge, count, words in zip(column.edges, edges, column.counts, counts, strict=False)
    ]
    for words, value, label in marks:
        room = middle + right + 1
        rows.append((value, Line(f"{words:>{left}}", _cut(f"{pointer} {label}", room).ljust(room), "", "mark")))
    room = left + middle + right + 2
    head = Line("", _cut(name, room - 8).ljust(room - 8), "designs", "head")
    return [head, *(line for _, line in sorted(rows, key=lambda row: row[0]))]


def block_bar(share: float, room: int) -> str:
    """A bar of blocks, to an eighth of a character; some is never drawn as none."""
    eighths = max(round(8 * share * room), 1 if share else 0)
    return _EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def plain_bar(share: float, room: int) -> str:
    """A bar of number signs; what is less than half of one is a dot."""
    return "#" * round(share * room) or "." * bool(share)


_STYLES = {  # kind of line → of left, middle and right
    "head": ("", "bold", "dim"),
    "bin": ("", "cyan", ""),
    "mark": ("yellow", "yellow", ""),
}


def _print_beside(drawn: Sequence[Sequence[Line]], width: int) -> None:
    from rich.console import Console
    from rich.text import Text

    # of any width, for the terminal's was kept; without a height, rich would not hear of one where TERM is dumb
    console = Console(width=width * len(drawn) + GAP * len(drawn), height=25, highlight=False, markup=False)
    with console.capture() as captured:
        for row in zip_longest(*drawn):
            text = Text()
            for index, line in enumerate(row):
                text.append(" " * (index * (width + GAP) - len(text)))
                for part, style in _parts(line):
                    text.append(part, style)
            text.rstrip()
            console.print(text, soft_wrap=True)
    print(captured.get(), end="")  # noqa: T201


def _parts(line: Line | None) -> Iterator[tuple[str, str]]:
    """The parts of a line with their styles."""
    if line is not None:
        left, middle, right = _STYLES[line.kind]
        yield from ((f"{line.left} " if line.left else "", left), (line.middle, middle), (f" {line.right}", right))


def _joined(line: Line) -> str:
    return "".join(part for part, _ in _parts(line))


def _cut(words: str, room: int) -> str:
    return words if len(words) <= room else words[: max(0, room - 1)] + "…"


def _can_write(letters: str) -> bool:
    try:
        letters.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
