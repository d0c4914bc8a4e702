"""`sunetlab report memory`: bytes that a network takes, at rest, for the backward pass, and at its worst."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sunetlab import InputError, Report, SUNetSpec, analyze
from sunetlab.analysis.cost import Box, grouped

from .network import Batch, Input, input_size, summary, takes_network
from .output import Csv, Json, binary, form_asked, print_csv, print_json, print_table, say, say_lines, sides

if TYPE_CHECKING:  # loaded when the command runs
    from sunetlab.analysis.memory import Memory, Peak

By = Annotated[Box, typer.Option("--by", help="What is kept for the backward pass: a row for each of these.")]
Precision = Annotated[Literal["fp32", "bf16"], typer.Option(help="bf16 is autocast's.")]
ChannelsLast = Annotated[bool, typer.Option("--channels-last/--no-channels-last", help="Layout of images and weights.")]
Optimizer = Annotated[Literal["sgd", "adamw"], typer.Option(help="What a training step ends with.")]
Momentum = Annotated[bool | None, typer.Option("--momentum/--no-momentum", help="Of SGD.", show_default="momentum")]
Smoothing = Annotated[bool, typer.Option("--label-smoothing/--no-label-smoothing", help="Of the loss.")]
Device = Annotated[Literal["cpu", "cuda"], typer.Option(help="Whose rules hold for autocast and optimizer.")]

_TERMS = """All of it tensors; what kernels take while they work, and what an allocator rounds up, comes on top. A
training step is one of `sunetlab train`: its second, with gradients set to None after the one before; its peak holds
all that is live at that moment, not the sum of the rows."""
_PARTS = ("map", "statistics", "casts")  # of what a layer leaves for the backward pass


@takes_network
def memory(
    spec: SUNetSpec,
    input: Input = None,
    batch: Batch = 1,
    precision: Precision = "fp32",
    channels_last: ChannelsLast = True,
    optimizer: Optimizer = "sgd",
    momentum: Momentum = None,
    label_smoothing: Smoothing = False,
    device: Device = "cuda",
    by: By = "block",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Memory in bytes: weights, gradients, optimiser, what is kept for the backward pass, peaks."""
    from sunetlab.analysis.memory import Setting

    form = form_asked(as_json, as_csv)
    if momentum is not None and optimizer != "sgd":
        raise InputError(f"--{'' if momentum else 'no-'}momentum: goes with --optimizer sgd")
    report = analyze(spec, input_size(input), batch)
    setting = Setting(
        precision, channels_last, optimizer, momentum is not False, label_smoothing=label_smoothing, device=device
    )
    found = report.memory(setting)
    rows = _rows(report, found, by)
    if form == "json":
        print_json(summary(report) | _record(found) | {"by": by, "rows": rows})
    elif form == "csv":
        print_csv([by, *_PARTS, "bytes"], [list(row.values()) for row in rows])
    else:
        _print(report, found, rows, by)


def _rows(report: Report, found: "Memory", by: Box) -> list[dict[str, Any]]:
    """What is kept for the backward pass, by layer, module or block."""
    kept = {row.layer.name: row for row in found.rows}
    rows = []
    for name, layers in grouped(report.rows, by).items():
        parts = [kept[row.layer.name][1:] for row in layers]
        sums = dict(zip(_PARTS, map(sum, zip(*parts, strict=True)), strict=True))
        rows.append({"name": name, **sums, "bytes": sum(sums.values())})
    return rows


def _record(found: "Memory") -> dict[str, Any]:
    training = None if found.no_step_at else found.training._asdict()
    peaks = {"inference": found.inference._asdict(), "training": training}
    record = found._asdict() | {"setting": found.setting._asdict()} | peaks | {"no_step_at": found.no_step_at or None}
    del record["rows"]
    return record


def _print(report: Report, found: "Memory", rows: list[dict[str, Any]], by: Box) -> None:
    setting = found.setting
    layout = "channels last" if setting.channels_last else "channels first"
    told = (setting.precision, layout, setting.optimizer, setting.device)
    say(f"batch {found.batch}, input {sides(report.size)}, {', '.join(told)}; 1 MiB is 2^20 bytes")
    say()
    print_table(["memory", "bytes", "", "at its worst"], [[name, *_cells(value)] for name, value in _lines(found)])
    say()
    total = {"name": "total"} | {part: sum(row[part] for row in rows) for part in (*_PARTS, "bytes")}
    print_table(
        [f"kept, by {by}", "maps", "statistics", "casts", "bytes", ""],
        [[*row.values(), binary(row["bytes"])] for row in [*rows, total] if row["bytes"]],
        last_is_total=True,
    )
    say()
    say_lines(_TERMS)
    if found.no_step_at:
        say_lines(
            f"No training step can be made of one image of this size: {found.no_step_at} sees one value per channel, "
            "which PyTorch refuses (a larger --batch or --input)."
        )
    elif not found.training.exact:
        say_lines(
            "On a GPU the peak of training is an estimate: some gradients are copied on their way (--device cpu)."
        )


def _lines(found: "Memory") -> list[tuple[str, "int | Peak | None"]]:
    return [
        ("weights", found.weights),
        ("buffers of BN", found.buffers),
        ("gradients", found.gradients),
        (f"state of {found.setting.optimizer}", found.optimizer),
        ("images", found.image),
        ("targets", found.targets),
        ("kept for backward", found.activations),
        ("kept by the loss", found.loss),
        ("inference, peak", found.inference),
        ("training, peak", found.training if not found.no_step_at else None),
    ]


def _cells(value: "int | Peak | None") -> list[object]:
    if value is None:
        return ["", "", "cannot be made"]
    if isinstance(value, int):
        return [value, binary(value), ""]
    return [value.bytes, binary(value.bytes), f"{value.phase}, {value.at}"]
