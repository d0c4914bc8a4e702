"""`sunetlab report`: one table each, from a spec alone."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from sunetlab import InputError, Report, SUNetSpec, analyze
from sunetlab.analysis.cost import Box, LayerCost, apart, grouped
from sunetlab.analysis.plan import Layer
from sunetlab.analysis.tools import TOOLS, figure, reconcile

from .epochs import training
from .fov import fov
from .memory import memory
from .network import Batch, Input, input_size, summary, takes_network, totals
from .output import Csv, Json, fits, form_asked, note, percent, print_csv, print_json, print_table, say, sides
from .paper import paper
from .recipe import recipe

app = typer.Typer(help="A network's numbers, from its spec alone.", no_args_is_help=True)
app.command("fov")(fov)
app.command("memory")(memory)
app.command("paper")(paper)
app.command("recipe")(recipe)
app.command("training")(training)
By = Annotated[Box, typer.Option("--by", help="A row for each block, u-net module or layer.")]
MacsBy = Annotated[
    Box | None, typer.Option("--by", help="A row for each block, u-net module or layer.", show_default="block")
]
Apart = Annotated[bool, typer.Option("--apart", help="What is counted apart in every row; so too where there is room.")]
As = Annotated[
    str | None,
    typer.Option("--as", metavar="TOOL", help=f"The figure that a tool prints: {', '.join(TOOLS)}."),
]
Terms = Annotated[bool, typer.Option("--reconcile", help="How a tool's figure comes from the MACs, term by term.")]

_PARAMETERS = ("conv", "conv_transpose", "linear", "bn")  # kinds of layers that have some


@app.command()
@takes_network
def params(spec: SUNetSpec, by: By = "block", as_json: Json = False, as_csv: Csv = False) -> None:
    """Parameters by block, u-net module or layer, and by kind of layer."""
    form, report = form_asked(as_json, as_csv), analyze(spec)
    counts = {name: _by_kind(rows) for name, rows in grouped(report.rows, by).items()}
    if form == "json":
        by_part = {part: _by_kind(rows) for part, rows in grouped(report.rows, "block").items()}
        records = [{"name": name, **kinds, "params": sum(kinds.values())} for name, kinds in counts.items()]
        shared = {"by_part": by_part, "by_kind": _by_kind(report.rows)}
        print_json(summary(report) | shared | {"by": by, "rows": records})
    elif form == "csv":
        print_csv([by, *_PARAMETERS, "params"], [[name, *k.values(), sum(k.values())] for name, k in counts.items()])
    else:
        _print_params(counts | {"total": _by_kind(report.rows)}, by)


def _by_kind(rows: Iterable[LayerCost]) -> dict[str, int]:
    found = dict.fromkeys(_PARAMETERS, 0)
    for row in rows:
        if row.params:
            found[row.layer.kind] += row.params
    return found


def _print_params(counts: Mapping[str, dict[str, int]], by: Box) -> None:
    """The last of `counts` is the total; kinds and boxes without parameters are left out."""
    total = counts["total"]
    kinds = [kind for kind in _PARAMETERS if total[kind]]
    print_table(
        [by, *kinds, "params", "share"],
        [
            [name, *(count[kind] for kind in kinds), own, percent(own / sum(total.values()))]
            for name, count in counts.items()
            if (own := sum(count.values()))
        ],
        last_is_total=True,
    )


@app.command()
@takes_network
def macs(
    spec: SUNetSpec,
    input: Input = None,
    batch: Batch = 1,
    by: MacsBy = None,
    apart_too: Apart = False,
    tool: As = None,
    terms: Terms = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Multiply-accumulates, what is counted apart from them, and what other tools print."""
    form = form_asked(as_json, as_csv)
    if tool is not None and tool not in TOOLS:
        raise InputError(f"--as: {tool!r}: no such tool; known are {', '.join(TOOLS)}")
    of_tools = tool is not None or terms
    _refuse_idle(by, apart_too, of_tools, form)
    by, report = by or "block", analyze(spec, input_size(input), batch)
    if of_tools:
        _print_tools(report, list(TOOLS) if tool is None else [tool], form, terms)
    elif form == "json":
        print_json(_macs_record(report, by))
    elif form == "csv":
        boxes = grouped(report.rows, by).items()
        print_csv([by, "macs", *apart(())], [[name, totals(rows)[1], *apart(rows).values()] for name, rows in boxes])
    else:
        _print_macs(report, by, apart_too)


def _refuse_idle(by: Box | None, apart_too: bool, of_tools: bool, form: str) -> None:
    """Refuse flags that would have no effect.

    Raises:
        InputError: naming the flag, and what it goes with.
    """
    if by is not None and of_tools:
        raise InputError(f"--by: {by}: goes with the MACs, not with --as or --reconcile")
    if apart_too and (of_tools or form != "table"):
        raise InputError("--apart: goes with the table of MACs; --json and --csv have it in every row")


def _macs_record(report: Report, by: Box) -> dict[str, Any]:
    boxes = grouped(report.rows, by).items()
    return summary(report) | {
        "batch": report.batch,
        "by_part": {part: totals(rows)[1] for part, rows in grouped(report.rows, "block").items()},
        "elements": apart(report.rows),
        "tools": {tool: figure(report, tool) for tool in TOOLS},
        "by": by,
        "rows": [{"name": name, "macs": totals(rows)[1], **apart(rows)} for name, rows in boxes],
    }


def _print_macs(report: Report, by: Box, apart_too: bool) -> None:
    """What is counted apart stands beside the MACs where it is asked for or there is room, else below them."""
    say(f"batch {report.batch:,}, input {sides(report.size)}; FLOPs are 2·MACs")
    say()
    boxes = {**grouped(report.rows, by), "total": list(report.rows)}
    counts = {name: totals(rows)[1] for name, rows in boxes.items()}
    rows = [[name, count, percent(count / report.macs)] for name, count in counts.items()]
    kinds = [kind for kind, count in apart(report.rows).items() if count]
    wide = [[*row, *map(apart(boxes[name]).get, kinds)] for name, row in zip(boxes, rows, strict=True)]
    if apart_too or fits([by, "MACs", "share", *kinds], wide):
        print_table([by, "MACs", "share", *kinds], wide, last_is_total=True)
        say()
        say("beside the MACs: elements that a bias is added to, and that layers of other kinds give")
    else:
        print_table([by, "MACs", "share"], [row for row in rows if row[1]], last_is_total=True)
        say()
        elements = apart(report.rows)
        print_table(["counted apart", "elements"], [[kind, elements[kind]] for kind in kinds])
    say()
    figures = [(tool, figure(report, tool)) for tool in TOOLS]
    print_table(
        ["tool", "prints", "called", "beyond these MACs"],
        [[tool, count, TOOLS[tool].prints, percent(count / report.macs - 1)] for tool, count in figures],
    )
    if report.batch > 1:
        say()
        say(f"{' and '.join(tool for tool in TOOLS if TOOLS[tool].one_image)}: of one image, whatever the batch")


def _print_tools(report: Report, tools: list[str], form: str, terms: bool) -> None:
    """One tool's figure alone, or how the figures of some come from the MACs."""
    if form == "json":
        records = {tool: _tool_record(report, tool) for tool in tools}
        print_json(summary(report) | {"batch": report.batch, "tools": records})
    elif form == "csv":
        print_csv(["tool", "term", "times", "number", "amount"], _terms(report, tools))
    elif terms:
        print_table(["tool", "term", "times", "number", "amount"], list(_lines(report, tools)))
    else:
        say(str(figure(report, tools[0])))
        if report.batch > 1 and TOOLS[tools[0]].one_image:
            note(f"{tools[0]} makes its input itself: its figure is that of one image, whatever the batch")


def _tool_record(report: Report, tool: str) -> dict[str, Any]:
    terms = [part._asdict() | {"amount": part.amount} for part in reconcile(report, tool)]
    told = {"version": TOOLS[tool].version, "called": TOOLS[tool].prints, "one_image": TOOLS[tool].one_image}
    return told | {"prints": figure(report, tool), "terms": terms}


def _terms(report: Report, tools: list[str]) -> Iterable[list[object]]:
    """Every term of every tool, its figure beneath them."""
    for tool in tools:
        yield from ([tool, *part, part.amount] for part in reconcile(report, tool))
        yield [tool, "what it prints", None, None, figure(report, tool)]


def _lines(report: Report, tools: list[str]) -> Iterable[list[object]]:
    """A tool's terms one below the other, its figure under them, a gap before the next tool."""
    for number, tool in enumerate(tools):
        if number:
            yield [""] * 5
        for part in reconcile(report, tool):
            yield [tool, *part, part.amount]
        yield [tool, f"what it prints as {TOOLS[tool].prints}", "", "", figure(report, tool)]


@app.command()
@takes_network
def layers(spec: SUNetSpec, input: Input = None, batch: Batch = 1, as_json: Json = False, as_csv: Csv = False) -> None:
    """Every layer in order, with its shapes, geometry and costs."""
    form, report = form_asked(as_json, as_csv), analyze(spec, input_size(input), batch)
    if form == "json":
        rows = [row.layer._asdict() | _costs(row) for row in report.rows]
        print_json(summary(report) | {"batch": batch, "rows": rows})
    elif form == "csv":
        records = [_plain(row) for row in report.rows]
        print_csv(list(records[0]), [list(record.values()) for record in records])
    else:
        print_table(
            ["layer", "kind", "in", "out", "map", "kernel", "stride", "dilation", "params", "MACs"],
            [[*_cells(row.layer), row.params, row.macs] for row in report.rows] + [_total(report)],
            last_is_total=True,
        )


def _costs(row: LayerCost) -> dict[str, int]:
    return {"params": row.params, "macs": row.macs, "elements": row.elements}


def _plain(row: LayerCost) -> dict[str, object]:
    """A layer for CSV: column → cell."""
    at = row.layer._asdict()
    del at["inputs"]
    for side in ("in", "out"):
        at[f"{side}_height"], at[f"{side}_width"] = at.pop(f"{side}_size")
    return at | _costs(row)


def _cells(layer: Layer) -> list[object]:
    kernel = f"{layer.kernel}x{layer.kernel}" if layer.kind in {"conv", "conv_transpose", "avg_pool"} else ""
    geometry = [layer.stride, layer.dilation] if kernel else ["", ""]
    return [layer.name, layer.kind, layer.in_channels, layer.out_channels, sides(layer.out_size), kernel, *geometry]


def _total(report: Report) -> list[object]:
    return ["total", *[""] * 7, report.params, report.macs]
