"""What commands print: tables for a terminal, plain columns for a pipe, one JSON object or CSV where asked."""

import csv
import io
import json
import math
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sunetlab import InputError

if TYPE_CHECKING:  # a pipe's JSON needs no rich
    from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print the table as comma-separated values and nothing else.")]

_PARAGRAPH = 120  # characters of a line of prose where there is no terminal
_PIPE = 10_000  # characters, more than any table has
_FOLDED = 16  # characters that a column of texts keeps however narrow the terminal


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
    """A line on standard output."""
    print(text)  # noqa: T201


def say_lines(text: str) -> None:
    """A paragraph on standard output, broken where the terminal ends."""
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else _PARAGRAPH
    for line in textwrap.wrap(" ".join(text.split()), max(room, _FOLDED), break_long_words=False):
        say(line)


def note(text: str) -> None:
    """A line on standard error, beside the results."""
    print(text, file=sys.stderr)  # noqa: T201


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], last_is_total: bool = False) -> None:
    """A table; columns whose cells are all numbers stand to the right.

    Where a terminal is too narrow, columns of long texts fold; where that is not enough, the table is whole and
    the terminal breaks its lines: no cell is ever cut.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    cells = [[shown(cell) for cell in row] for row in rows]
    terminal = sys.stdout.isatty()
    table = Table(
        box=box.SIMPLE_HEAD if terminal else None,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0 if terminal else 1),
    )
    for index, name in enumerate(columns):
        numeric = all(_is_number(row[index]) for row in cells)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for index, row in enumerate(cells):
        table.add_row(*row, style="bold" if last_is_total and index == len(cells) - 1 else None)
    # a pipe has no width: nothing is cut or wrapped there
    room = shutil.get_terminal_size().columns if terminal else _PIPE
    # without a height, rich would not hear of a width where TERM is dumb
    console = Console(width=_PIPE, height=25, highlight=False, markup=False)
    console.width = max(room, _fold(table, console.measure(table).maximum, room))
    with console.capture() as captured:  # rich leaves with status 1 where it finds a pipe broken that it writes to
        console.print(table)
    print(captured.get(), end="")  # noqa: T201


def _fold(table: "Table", wanted: int, room: int) -> int:
    """Narrow the columns of long texts if that brings the table from `wanted` to `room` characters; its width then."""
    longest = [max((len(str(cell)) for cell in column.cells), default=0) for column in table.columns]
    spare = [
        max(0, length - _FOLDED) if column.justify == "left" else 0
        for length, column in zip(longest, table.columns, strict=True)
    ]
    if not 0 < wanted - room <= sum(spare):
        return wanted
    for column, length, most in zip(table.columns, longest, spare, strict=True):
        less = min(most, wanted - room)
        if less:
            column.width = length - less
            wanted -= less
    return wanted


def shown(cell: object) -> str:
    """A cell's text: whole numbers in groups of three."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def short(number: float) -> str:
    """A number in thousands, millions or billions, to three digits."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= size:
            return f"{number / size:.3g} {unit}" if abs(number) < 999.5 * size else f"{number / size:.0f} {unit}"
    return f"{number:g}"


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
    return not text or text.replace(",", "").replace(".", "").replace(" ", "").strip("%kMGx±-").isdigit()
