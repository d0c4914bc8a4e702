"""What a study costs beside the trainings that it makes: prints the tables of bench/README.md.

    python bench/study.py [--runs 3] [--epochs 5] [--side 2]

The same trainings bare, one call of `train` after the other, and through `run_study`, in turns, in one process, on
images that are made once before; whole wall times, and of the study's also what passes outside of its trainings, which
other jobs on the machine disturb less. Then trials an hour of so many trainings at a time against one.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from sunetlab.study import attempt, runner
from sunetlab.study.definition import Study
from sunetlab.study.runner import run_study
from sunetlab.train.data import DataSource, open_data
from sunetlab.train.loop import train
from sunetlab.train.run import Run

MARK = 2.0  # percent that a study may take on top of its trainings
STUDY = """
question = "What does a study cost?"
seeds = {seeds}
[network]
n = 24
stacks = [1, 1]
widths = "rule"
stem_width = 32
output_stride = 4
[factors]
depth = [2]
[[tasks]]
task = "classification"
recipe = {{ base = "quick", epochs = {epochs} }}
data = {{ source = "shapes", size = 48, train = 4000, val = 500 }}
"""


def write_study(folder: Path, seeds: Sequence[int], epochs: int, name: str = "bench") -> Path:
    """A study of one design, trained once for every seed."""
    path = folder / f"{name}.toml"
    path.write_text(STUDY.format(seeds=list(seeds), epochs=epochs))
    return path


def timed(call: Callable[[], object]) -> float:
    """Wall seconds."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def through_a_study(study: Study, data: DataSource, folder: Path) -> tuple[float, float]:
    """Wall seconds of a study on data that are open, and of those what passed outside of `train`."""
    inside = 0.0

    def watched(*arguments: Any) -> dict[str, Any]:
        nonlocal inside
        began = time.perf_counter()
        try:
            return train(*arguments)
        finally:
            inside += time.perf_counter() - began

    with mock.patch.object(attempt, "train", watched), mock.patch.object(runner, "open_data", return_value=data):
        whole = timed(lambda: run_study(study, folder, "cpu"))
    return whole, whole - inside


def bare(runs: Sequence[Run], data: DataSource, folder: Path) -> float:
    """Wall seconds of the same trainings, as a script would make them."""

    def work() -> None:
        for number, run in enumerate(runs):
            train(run, data, folder / str(number), "cpu")

    return timed(work)


def overhead(runs: int, epochs: int) -> None:
    """Print both, run by run, and their medians."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        study = Study.load(write_study(root, (0, 1), epochs))
        data = open_data(study.tasks[0].data)
        for split in ("train", "val"):
            data.split(split)
        run_study(study, root / "first", "cpu", most=1)  # imports, and whatever a first training prepares
        trained = [Run.load(path.parent) for path in sorted((root / "first").rglob("run.toml"))]
        trained = [run.model_copy(update={"seed": seed}) for run in trained[:1] for seed in study.seeds]
        for number in range(runs):
            took: dict[str, float] = {}
            sides = ("bare", "study") if number % 2 else ("study", "bare")
            for side in sides:
                folder = root / f"{side}-{number}"
                if side == "bare":
                    folder.mkdir()
                    took["bare"] = bare(trained, data, folder)
                else:
                    took["study"], took["outside"] = through_a_study(study, data, folder)
                shutil.rmtree(folder)
            rows.append([took["bare"], took["study"], took["outside"]])
    medians = [statistics.median(column) for column in zip(*rows, strict=True)]
    cells = [[*map("{:.1f} s".format, row[:2]), f"{row[2]:.2f} s"] for row in (*rows, medians)]
    names = [*(f"run {number}" for number in range(1, runs + 1)), "median"]
    columns = [f"{len(trained)} trainings", "bare", "through a study", "of which outside of training"]
    table(columns, [[name, *cell] for name, cell in zip(names, cells, strict=True)])
    more, outside = 100 * (medians[1] / medians[0] - 1), 100 * medians[2] / (medians[1] - medians[2])
    print(f"{more:+.1f} % by the medians; {outside:.1f} % outside of training; the mark is {MARK:g} %\n")  # noqa: T201


def side_by_side(side: int, epochs: int) -> None:
    """Print trials an hour of so many trainings at a time, and of one, on the GPU where there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as place:
        file, count = write_study(Path(place), range(2 * side), epochs), 2 * side
        for workers in (1, side):
            out = Path(place) / str(workers)
            command = [sys.executable, "-m", "sunetlab", "study", "run", str(file), "--out", str(out)]
            arguments = [*command, "--device", device, "--workers", str(workers)]
            seconds = timed(
                lambda: subprocess.run(
                    arguments,  # noqa: B023
                    check=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            rows.append([workers, count, f"{seconds:.0f} s", f"{3600 * count / seconds:,.0f}"])
    print(torch.cuda.get_device_name() if device == "cuda" else "cpu")  # noqa: T201
    table(["trainings at a time", "trials", "wall time", "trials an hour"], rows)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A Markdown table on standard output."""
    for row in (columns, ["---"] * len(columns), *rows):
        print("| " + " | ".join(map(str, row)) + " |", flush=True)  # noqa: T201
    print(flush=True)  # noqa: T201


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--side", type=int, default=2)
    asked = parser.parse_args()
    cores, system = os.cpu_count(), f"{platform.machine()}, Python {platform.python_version()}"
    print(f"{cores} cores, {torch.get_num_threads()} of them used, {system}; {date.today()}\n")  # noqa: T201
    overhead(asked.runs, asked.epochs)
    side_by_side(asked.side, asked.epochs)


if __name__ == "__main__":
    main()
