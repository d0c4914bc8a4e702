"""What commands print: tables for a terminal, plain columns for a pipe, one JSON object or CSV where asked."""

import contextlib
import csv
import io
import itertools
import json
import math
import os
import shutil
import sys
import textwrap
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sunetlab import InputError
from sunetlab.errors import seen
from sunetlab.files import refuse_unwritable
from sunetlab.files import shown as shown_text

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print the table as comma-separated values and nothing else.")]

PATIENCE = 2.0  # seconds of silence
_PARAGRAPH = 120  # characters of a line of prose where there is no terminal
_FOLDED = 16  # characters that a column of texts keeps however narrow the terminal
_GAP = 2  # between columns
_BOLD, _PLAIN = ("\x1b[1m", "\x1b[0m"), ("", "")


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on standard output; null for what is not a finite number, which JSON cannot write."""
    print(json.dumps(_finite(value), indent=2, allow_nan=False))  # noqa: T201


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A header and rows of plain numbers and texts, comma-separated; an empty cell for None and for nan."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    print(text.getvalue(), end="")  # noqa: T201


def form_asked(as_json: bool, as_csv: bool) -> Literal["table", "json", "csv"]:
    """How results are to be printed.

    Raises:
        InputError: both `--json` and `--csv` were given.
    """
    if as_json and as_csv:
        raise InputError("--csv: cannot be given with --json: one form of output at a time")
    return "json" if as_json else "csv" if as_csv else "table"


def say(text: str = "") -> None:
    """A line on standard output, or several; a terminal obeys nothing of what a file of a stranger put into one."""
    print("\n".join(map(seen, text.split("\n"))))  # noqa: T201


def say_lines(text: str) -> None:
    """A paragraph on standard output, broken where the terminal ends."""
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else _PARAGRAPH
    for line in textwrap.wrap(" ".join(text.split()), max(room, _FOLDED), break_long_words=False):
        say(line)


def note(text: str) -> None:
    """A line on standard error, beside the results."""
    print(seen(" ".join(text.split())), file=sys.stderr)  # noqa: T201


@contextlib.contextmanager
def patiently(what: str) -> Iterator[None]:
    """Say what takes so long, once, where it takes longer than people wait in silence."""
    timer = threading.Timer(PATIENCE, note, [f"still at work: {what}"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def file_named(flag: str, text: str, *suffixes: str) -> Path:
    """The file that `flag` names, before any work is done for it.

    Raises:
        InputError: another suffix, no folder to write to, or something there that is no file.
    """
    path = Path(text)
    if text.endswith(os.sep) or path.suffix.lower() not in suffixes:
        raise InputError(f"{flag}: {shown_text(text)}: must be the name of a file that ends in {' or '.join(suffixes)}")
    try:
        refuse_unwritable(path)
    except InputError as error:
        raise InputError(f"{flag}: {error}") from None
    return path


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], last_is_total: bool = False) -> None:
    """A table; columns whose cells are all numbers stand to the right.

    Where a terminal is too narrow, columns of long texts fold; where that is not enough, the table is whole and
    the terminal breaks its lines: no cell is ever cut.
    """
    terminal = sys.stdout.isatty()
    cells = [[shown(cell) for cell in row] for row in rows]
    right = [all(_is_number(row[index]) for row in cells) for index in range(len(columns))]
    widths = _widths(columns, cells)
    if terminal:
        longest = _widths([""] * len(columns), cells)
        spare = [0 if numeric else length - _FOLDED for numeric, length in zip(right, longest, strict=True)]
        _fold(widths, spare, _span(widths) - shutil.get_terminal_size().columns)
    bold = _BOLD if terminal and os.environ.get("TERM", "") not in ("", "dumb", "unknown") else _PLAIN
    lines = list(_lines(columns, widths, right, bold))
    if terminal:
        lines.append("─" * _span(widths))
    for number, row in enumerate(cells, 1):
        lines += _lines(row, widths, right, bold if last_is_total and number == len(cells) else _PLAIN)
    print("\n".join(lines))  # noqa: T201


def fits(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bool:
    """Whether there is a terminal, and a table would be no wider."""
    cells = [[shown(cell) for cell in row] for row in rows]
    return sys.stdout.isatty() and _span(_widths(columns, cells)) <= shutil.get_terminal_size().columns


def _widths(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    return [max([_width(name), *(_width(row[index]) for row in cells)]) for index, name in enumerate(columns)]


def _span(widths: Sequence[int]) -> int:
    """Characters of a line of such columns."""
    return sum(widths) + _GAP * (len(widths) - 1)


def _fold(widths: list[int], spare: list[int], excess: int) -> None:
    """Narrow columns, each by what it can spare, if that takes away `excess` characters."""
    if excess > sum(max(0, each) for each in spare):
        return
    for index, most in enumerate(spare):
        less = max(0, min(most, excess))
        widths[index] -= less
        excess -= less


def _lines(row: Sequence[str], widths: Sequence[int], right: Sequence[bool], style: tuple[str, str]) -> Iterator[str]:
    """A row's line, or lines where a text is wider than its column."""
    if all(len(text) <= width for text, width in zip(row, widths, strict=True)):
        parts: Iterable[Sequence[str]] = [row]
    else:
        folded = [textwrap.wrap(text, width, break_on_hyphens=False) for text, width in zip(row, widths, strict=True)]
        parts = itertools.zip_longest(*folded, fillvalue="")
    for part in parts:
        padded = (
            " " * (width - _width(text)) + text if numeric else text + " " * (width - _width(text))
            for text, width, numeric in zip(part, widths, right, strict=True)
        )
        yield style[0] + (" " * _GAP).join(padded).rstrip() + style[1]


def _width(text: str) -> int:
    """Characters that a text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def shown(cell: object) -> str:
    """A cell's text: whole numbers in groups of three."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"{cell:,}" if isinstance(cell, int) else seen(str(cell))


def short(number: float) -> str:
    """A number in thousands, millions or billions, to three digits."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= size:
            return f"{three(number / size)} {unit}"
    return f"{number:g}"


def binary(size: int) -> str:
    """Bytes in KiB, MiB or GiB, to three digits: powers of 1024."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 2**power:
            return f"{three(size / 2**power)} {unit}"
    return f"{size} B"


def three(number: float) -> str:
    """Three digits, or all of those before the point where there are more: 2.50, 22.0, 999, 1,021."""
    return f"{number:#.3g}".rstrip(".") if abs(number) < 999.5 else f"{number:,.0f}"


def percent(value: float, digits: int = 1) -> str:
    """A fraction as percent; an empty cell for nan."""
    return "" if value != value else f"{100 * value:.{digits}f} %"


def sides(size: Sequence[int]) -> str:
    """(height, width) as HxW."""
    return f"{size[0]}x{size[1]}"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(cell: object) -> object:
    """A cell of a CSV file: yes and no for a bool, nothing for what is not a finite number."""
    if isinstance(cell, bool):
        return shown(cell)
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _is_number(text: str) -> bool:
    return not text or text.replace(",", "").replace(".", "").replace(" ", "").strip("%kMGxKiB±-").isdigit()
