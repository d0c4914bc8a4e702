"""One HTML page about a set of designs that opens without a network: the funnel, the cloud, tables of designs."""

import base64
import hashlib
from importlib.resources import files
from typing import Literal, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sunetlab.draw.cloud import Cloud, draw_cloud
from sunetlab.draw.quantity import Unit, amount
from sunetlab.draw.words import plural

Cell = str | float


class Step(NamedTuple):
    """One step of the funnel: what it asks for, and how many designs stood before it and after it."""

    constraint: str
    before: int
    after: int


class Column(NamedTuple):
    """A column of a table: its heading, and the unit of its numbers; the "words" of one can be copied."""

    name: str
    unit: Unit | Literal["", "words"] = ""


class Row(NamedTuple):
    """A design: a text or a number for every column, and its place in `cloud.marks` where it has one."""

    cells: tuple[Cell, ...]
    mark: int | None = None


class Table(NamedTuple):
    """Designs below a heading: the front, the best."""

    heading: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


class Page(NamedTuple):
    """All that the page says.

    Attributes:
        title: what was looked for.
        command: what was typed.
        funnel: the constraints in the order in which they were asked.
        cloud: the designs that are left, on two quantities.
        tables: of the designs that are pointed out.
        refused: reason → how many combinations are no network for it.
        notes: sentences below the figure.
    """

    title: str
    command: str
    funnel: tuple[Step, ...]
    cloud: Cloud
    tables: tuple[Table, ...] = ()
    refused: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()


class Shown(NamedTuple):
    """A cell as the page has it: its text, the exact number behind it, and whether it is words to copy."""

    text: str
    exact: str = ""
    sort: str = ""
    copied: bool = False


def cloud_page(page: Page) -> str:
    """The page as HTML; everything that it was given is escaped."""
    templates = Environment(
        loader=PackageLoader("sunetlab.draw", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals |= {"share": share, "shown": shown}
    script = files("sunetlab.draw").joinpath("cloud_page.js").read_text(encoding="utf-8")
    name = f"{page.cloud.y.name} against {page.cloud.x.name}"
    return templates.get_template("cloud_page.html.jinja").render(
        page=page,
        figure=Markup(draw_cloud(page.cloud, name, _in_words(page.cloud))),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def share(part: int, whole: int) -> str:
    """A part in percent; some is never written as none, nor nearly all as all."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return f"{percent:.1g} %" if percent >= 1e-4 else "< 0.0001 %"
    return f"{percent if part == whole else min(percent, 99.9):.1f} %"


def shown(cell: Cell, column: Column) -> Shown:
    """A cell of a table: a number in its column's unit, by which the column can be sorted."""
    if isinstance(cell, str):
        return Shown(cell, copied=column.unit == "words")
    exact = f"{cell:,}"
    text = amount(cell, column.unit) if column.unit and column.unit != "words" else exact
    return Shown(text, exact if exact != text else "", repr(cell))


def _in_words(cloud: Cloud) -> str:
    """The figure in sentences, for those who do not see it."""
    named = [mark.words for mark in cloud.marks if mark.kind != "front"]
    front = sum(mark.kind == "front" for mark in cloud.marks)
    return " ".join([f"{plural(int(cloud.counts.sum()), 'design')}, {front} of them on the Pareto front.", *named])
