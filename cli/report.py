"""`sunetlab report`: one table each, from a spec alone."""

from typing import Annotated

import typer

from sunetlab import Report, SUNetSpec, analyze
from sunetlab.analysis.cost import TOOLS, total_elements
from sunetlab.analysis.plan import Layer

from .network import Input, input_size, parts, summary, takes_network, totals
from .output import Json, print_json, print_table, say, sides

app = typer.Typer(help="A network's numbers, from its spec alone.", no_args_is_help=True)
Batch = Annotated[int, typer.Option(min=1, help="Images at once.")]


@app.command()
@takes_network
def params(spec: SUNetSpec, as_json: Json = False) -> None:
    """Parameters by part of the network and by kind of layer."""
    report = analyze(spec)
    kinds = sorted({row.layer.kind for row in report.rows if row.params}, key=_KINDS.index)
    by_part = {
        part: {kind: sum(row.params for row in rows if row.layer.kind == kind) for kind in kinds}
        for part, rows in parts(report).items()
    }
    if as_json:
        by_kind = {kind: sum(row[kind] for row in by_part.values()) for kind in kinds}
        print_json(summary(report) | {"by_part": by_part, "by_kind": by_kind})
        return
    rows = [[part, *counts.values(), sum(counts.values())] for part, counts in by_part.items()]
    print_table(["part", *kinds, "total"], [*rows, _sum(rows)], last_is_total=True)


@app.command()
@takes_network
def macs(spec: SUNetSpec, input: Input = None, batch: Batch = 1, as_json: Json = False) -> None:
    """Multiply-accumulates by part, and what other tools would print."""
    report = analyze(spec, input_size(input), batch)
    others = {kind: total_elements(report, kind) for kind in _OTHERS}
    tools = {tool: count(report) for tool, count in TOOLS.items()}
    by_part = {part: totals(rows)[1] for part, rows in parts(report).items()}
    if as_json:
        print_json(summary(report) | {"batch": batch, "by_part": by_part, "elements": others, "tools": tools})
        return
    say(f"batch {batch}, input {sides(report.size)}; FLOPs are 2·MACs")
    say()
    rows = [[part, count, f"{100 * count / report.macs:.1f} %"] for part, count in by_part.items()]
    print_table(["part", "MACs", "share"], [*rows, ["total", report.macs, "100.0 %"]], last_is_total=True)
    say()
    print_table(["counted apart", "elements"], [[kind, count] for kind, count in others.items()])
    say()
    print_table(["tool", "prints", "which is"], [[tool, count, _CONVENTIONS[tool]] for tool, count in tools.items()])


@app.command()
@takes_network
def layers(spec: SUNetSpec, input: Input = None, batch: Batch = 1, as_json: Json = False) -> None:
    """Every layer in order, with its shapes, geometry and costs."""
    report = analyze(spec, input_size(input), batch)
    if as_json:
        rows = [row.layer._asdict() | {"params": row.params, "macs": row.macs} for row in report.rows]
        print_json(summary(report) | {"batch": batch, "rows": rows})
        return
    print_table(
        ["layer", "kind", "in", "out", "map", "kernel", "stride", "dilation", "params", "MACs"],
        [[*_cells(row.layer), row.params, row.macs] for row in report.rows] + [_total(report)],
        last_is_total=True,
    )


_KINDS = ("conv", "conv_transpose", "linear", "bn")
_OTHERS = ("bn", "relu", "avg_pool", "global_pool", "add", "concat", "bilinear")
_CONVENTIONS = {
    "fvcore": "MACs + 2 per BN element + 4 per bilinear element",
    "ptflops": "MACs + 1 per biased output element (aten backend)",
    "torch": "2·MACs (torch.utils.flop_counter)",
}


def _cells(layer: Layer) -> list[object]:
    kernel = f"{layer.kernel}x{layer.kernel}" if layer.kind in {"conv", "conv_transpose", "avg_pool"} else ""
    geometry = [layer.stride, layer.dilation] if kernel else ["", ""]
    return [layer.name, layer.kind, layer.in_channels, layer.out_channels, sides(layer.out_size), kernel, *geometry]


def _total(report: Report) -> list[object]:
    return ["total", *[""] * 7, report.params, report.macs]


def _sum(rows: list[list[object]]) -> list[object]:
    return ["total", *(sum(column) for column in list(zip(*rows, strict=True))[1:])]
