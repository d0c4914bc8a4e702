"""`sunetlab report training`: what a run did from epoch to epoch, as a table and as a figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sunetlab import InputError
from sunetlab.draw.curves import Line, Panel, draw_curves
from sunetlab.files import write_text

from .output import Csv, Json, file_named, form_asked, note, percent, print_csv, print_json, print_table

_ROWS = 24  # of a table in the terminal; of longer trainings every so many epochs


def training(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    plot: Annotated[
        str | None, typer.Option(metavar="FILE.svg", help="Write the curves here.", show_default=False)
    ] = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """A run's learning rate, losses and validation figures, epoch by epoch."""
    from sunetlab.train.run import LOG, RESULT, RUN, Run, read_log

    form = form_asked(as_json, as_csv)
    path = None if plot is None else file_named("--plot", plot, ".svg")
    if not (run / RUN).exists():
        raise InputError(f"{run}: no run was trained there: it has no {RUN}")
    asked, rows = Run.load(run), read_log(run)
    if not rows and (run / RESULT).exists():
        raise InputError(f"{run / LOG}: is gone or empty; without {RESULT} the same training writes both again")
    if not rows:
        raise InputError(f"{run}: no epoch has finished yet")
    figures = ["accuracy", "top5", "miou", "pixel_accuracy"]
    figures = [name for name in figures if any(f"val_{name}" in row for row in rows)]
    if path is not None:
        heading = f"{asked.spec.id} on {asked.data.source}"
        write_text(path, draw_curves(_panels(rows, figures), "epoch", heading, [asked.spec.summary]))
        note(f"saved {plot}")
    columns = ["epoch", "lr", "train_loss", "val_loss", *(f"val_{name}" for name in figures), "seconds"]
    if form == "json":
        print_json({"run": str(run), "epochs": rows})
    elif form == "csv":
        print_csv(columns, [[row.get(name) for name in columns] for row in rows])
    else:
        _print(rows, figures)


def _panels(rows: Sequence[dict[str, Any]], figures: Sequence[str]) -> list[Panel]:
    def line(name: str, key: str, factor: float = 1.0) -> Line:
        return Line(name, [row["epoch"] for row in rows], [factor * row.get(key, float("nan")) for row in rows])

    most = 1.5 * max(row["train_loss"] for row in rows)  # one wild validation early on would flatten all the rest
    losses = Panel("loss, nats", (line("training", "train_loss"), line("validation", "val_loss")), most)
    lines = tuple(line(name, f"val_{name}", 100) for name in figures)
    return [losses, Panel("validation, %", lines), Panel("learning rate", (line("lr", "lr"),))]


def _print(rows: Sequence[dict[str, Any]], figures: Sequence[str]) -> None:
    step = -(-len(rows) // _ROWS)
    looked = [row for row in rows if "val_loss" in row]
    best = max(looked, key=lambda row: float(row[f"val_{figures[0]}"])) if looked and figures else None
    kept = [row for row in rows if row["epoch"] % step == 0 or row is rows[-1] or row is best]
    print_table(
        ["epoch", "lr", "train loss", "val loss", *figures, "seconds", ""],
        [
            [
                row["epoch"],
                f"{row['lr']:.2g}",
                f"{row['train_loss']:.4f}",
                f"{row['val_loss']:.4f}" if "val_loss" in row else "",
                *(percent(row.get(f"val_{name}", float("nan"))) for name in figures),
                f"{row['seconds']:.1f}",
                "best" if row is best else "",
            ]
            for row in kept
        ],
    )
    if step > 1:
        note(f"every {step} epochs of {len(rows)}, the best and the last; --csv has all")
