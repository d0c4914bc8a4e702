"""Where the survivors of a screen lie, as a figure or a page: numbers of the survey → what `draw` takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sunetlab.draw.cloud import Cloud, Mark, Scale, draw_cloud
from sunetlab.draw.cloud_page import Column, Page, Row, Step, Table, cloud_page
from sunetlab.files import write_text

from .designs import build_words, told

if TYPE_CHECKING:
    from sunetlab.space.space import Space
    from sunetlab.space.survey import Survey, Told, Wanted

_NAMES = {"sunet-64": "SUNet-64", "sunet-128": "SUNet-128", "sunet-7-128": "SUNet-7-128"}
_TOLD = ("params", "macs", "memory", "fov", "layers")


def write_plot(path: Path, space: "Space", found: "Survey", wanted: "Wanted", command: str) -> None:
    """Write an .svg or an .html file."""
    cloud = _cloud(found, wanted)
    title = f"{found.funnel.survivors:,} of {space.combinations:,} designs"
    if path.suffix.lower() == ".svg":
        early = "" if found.whole else f", stopped after {found.funnel.looked_at:,} designs"
        heading = f"{wanted.front[1]} against {wanted.front[0]}{early}"
        write_text(path, draw_cloud(cloud, heading, f"{title}: {command}"))
    else:
        write_text(path, cloud_page(_page(title, command, cloud, found, wanted)))


def _cloud(found: "Survey", wanted: "Wanted") -> Cloud:
    from sunetlab.space.arrays.quantities import column

    if found.density is None:
        raise ValueError("the survey was not asked where survivors lie")
    x_edges, y_edges, counts = found.density.cells()
    scales = [
        Scale(name, column(name).quantity.scale, edges.tolist(), better, log=True)
        for name, edges, better in zip(wanted.front, (x_edges, y_edges), wanted.sides, strict=True)
    ]
    return Cloud(scales[0], scales[1], counts, tuple(_marks(found, wanted)))


def _marks(found: "Survey", wanted: "Wanted") -> list[Mark]:
    """The front, the best, the known networks, in this order."""
    x, y = wanted.front
    marks = [Mark(one.values[x], one.values[y], _words(one, wanted), kind="front") for one in found.front]
    marks += [Mark(one.values[x], one.values[y], _words(one, wanted), kind="best") for one in found.best]
    for known in found.known:
        label = _NAMES.get(known.name, known.name)
        words = f"{label}: {told(x, known.values[x])} {x}, {told(y, known.values[y])} {y}"
        marks.append(Mark(known.values[x], known.values[y], words, label, "named"))
    return marks


def _words(one: "Told", wanted: "Wanted") -> str:
    levels = ", ".join(f"{name} {level}" for name, level in one.design.levels.items())
    return f"{levels}: " + ", ".join(f"{told(name, one.values[name])} {name}" for name in wanted.front)


def _page(title: str, command: str, cloud: Cloud, found: "Survey", wanted: "Wanted") -> Page:
    steps = [Step(bound, before, after) for bound, before, after in found.funnel.rows()]
    names = tuple(dict.fromkeys((*wanted.front, wanted.by, *_TOLD)))
    notes = ["Costs and fields are exact: whole-array formulas, equal to the analysis of each design."]
    if not found.whole:
        notes.append(f"Stopped early: {found.funnel.looked_at:,} designs were looked at.")
    tables = [_table(f"Pareto front of {' and '.join(wanted.front)}", found.front, names, 0)]
    if found.best:
        tables.append(_table(f"The best in {wanted.by}", found.best, names, len(found.front)))
    if found.known:
        tables.append(_known(found, names))
    return Page(
        title=title,
        command=command,
        funnel=tuple(steps),
        cloud=cloud,
        tables=tuple(tables),
        refused=tuple(found.funnel.impossible.most_common()),
        notes=tuple(notes),
    )


def _known(found: "Survey", names: Sequence[str]) -> Table:
    from sunetlab.space.arrays.quantities import column

    first = len(found.front) + len(found.best)
    figures = [Column(name, column(name).quantity.scale) for name in names]
    columns = [Column("network"), *figures, Column("beaten by", "count"), Column("does not keep")]
    rows = [
        Row(
            (
                _NAMES.get(known.name, known.name),
                *(known.values[name] for name in names),
                known.beaten,
                "; ".join(known.breaks),
            ),
            first + index,
        )
        for index, known in enumerate(found.known)
    ]
    return Table(
        "Known networks; beaten by designs that are no worse in both, and better in one", tuple(columns), tuple(rows)
    )


def _table(heading: str, designs: "Sequence[Told]", names: Sequence[str], first: int) -> Table:
    from sunetlab.space.arrays.quantities import column

    columns = [Column(name, column(name).quantity.scale) for name in names] + [Column("command", "words")]
    rows = [
        Row((*(one.values[name] for name in names), f"sunetlab build {build_words(one.design.spec)}"), first + index)
        for index, one in enumerate(designs)
    ]
    return Table(heading, tuple(columns), tuple(rows))
