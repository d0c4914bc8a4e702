"""What commands print: tables for a terminal, plain columns for a pipe, one JSON object where asked."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    print(json.dumps(value, indent=2, allow_nan=False))  # noqa: T201


def say(text: str = "") -> None:
    """A line on standard output."""
    print(text)  # noqa: T201


def note(text: str) -> None:
    """A line on standard error, beside the results."""
    print(text, file=sys.stderr)  # noqa: T201


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], last_is_total: bool = False) -> None:
    """A table; columns whose cells are all numbers stand to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    cells = [[shown(cell) for cell in row] for row in rows]
    terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False)
    for index, name in enumerate(columns):
        numeric = all(_is_number(row[index]) for row in cells)
        table.add_column(name, justify="right" if numeric else "left", no_wrap=not terminal or numeric)
    for index, row in enumerate(cells):
        table.add_row(*row, style="bold" if last_is_total and index == len(cells) - 1 else None)
    # a pipe has no width: nothing is cut or wrapped there
    Console(width=None if terminal else 10_000, highlight=False, markup=False).print(table, crop=terminal)


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


def _is_number(text: str) -> bool:
    return not text or text.replace(",", "").replace(".", "").replace(" ", "").strip("%kMGx±-").isdigit()
