"""What a study costs beside the trainings that it makes: prints the tables of bench/README.md.

    python bench/study.py [--runs 3] [--epochs 5] [--side 2]

The same trainings bare, one call of `train` after the other, and through `run_study`, in turns, in one process, on
images that are made once before: wall and CPU times, and of the study's what passes outside of its trainings. Where
other jobs share the machine, wall times of two turns differ by more than a study can cost: CPU times do so less, and
what passes outside of the trainings is told apart in one and the same turn. Then trials an hour of so many trainings at
a time against one.
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
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch

from sunetlab.study import attempt, runner
from sunetlab.study.definition import Study
from sunetlab.study.runner import run_study
from sunetlab.train.data import DataSource, open_data
from sunetlab.train.loop import train
from sunetlab.train.run import Run

SEEDS = (0, 1)
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


class Seconds(NamedTuple):
    """How long something took: by the clock on the wall, and of this process's work, on all cores together."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} s, CPU {self.cpu:.2f} s"


class Stopwatch:
    """Adds up what passes inside of it."""

    def __init__(self) -> None:
        self.total = Seconds(0.0, 0.0)

    def __enter__(self) -> "Stopwatch":
        self.began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        wall, cpu = time.perf_counter() - self.began[0], time.process_time() - self.began[1]
        self.total = Seconds(self.total.wall + wall, self.total.cpu + cpu)


def through_a_study(study: Study, data: DataSource, folder: Path) -> tuple[Seconds, Seconds]:
    """What a study takes on data that are open, and what of it passes outside of `train`."""
    whole, inside = Stopwatch(), Stopwatch()

    def watched(*arguments: Any) -> dict[str, Any]:
        with inside:
            return train(*arguments)

    replaced = mock.patch.object(attempt, "train", watched), mock.patch.object(runner, "open_data", return_value=data)
    with replaced[0], replaced[1], whole:
        run_study(study, folder, "cpu")
    outside = Seconds(whole.total.wall - inside.total.wall, whole.total.cpu - inside.total.cpu)
    return whole.total, outside


def bare(runs: Sequence[Run], data: DataSource, folder: Path) -> Seconds:
    """What the same trainings take as a script would make them."""
    with Stopwatch() as whole:
        for number, run in enumerate(runs):
            train(run, data, folder / str(number), "cpu")
    return whole.total


def turns(runs: int, epochs: int) -> Iterator[tuple[Seconds, Seconds, Seconds]]:
    """Of each turn: bare, through a study, and what of that is outside of training."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        study = Study.load(write_study(root, SEEDS, epochs))
        data = open_data(study.tasks[0].data)
        for split in ("train", "val"):
            data.split(split)
        run_study(study, root / "first", "cpu", most=1)  # imports, and whatever a first training prepares
        trained = Run.load(next((root / "first").rglob("run.toml")).parent)
        asked = [trained.model_copy(update={"seed": seed}) for seed in SEEDS]
        for number in range(runs):
            for side in ("bare", "study") if number % 2 else ("study", "bare"):
                folder = root / f"{side}-{number}"
                if side == "bare":
                    folder.mkdir()
                    alone = bare(asked, data, folder)
                else:
                    through, outside = through_a_study(study, data, folder)
                shutil.rmtree(folder)
            yield alone, through, outside


def overhead(runs: int, epochs: int) -> None:
    """Print both, turn by turn, and their medians."""
    done: list[tuple[Seconds, Seconds, Seconds]] = []
    columns = [f"{len(SEEDS)} trainings", "bare", "through a study", "of which outside of training"]
    table(columns, [])
    for turn in turns(runs, epochs):
        done.append(turn)
        row(f"turn {len(done)}", *turn)
    medians = [Seconds(*map(statistics.median, zip(*column, strict=True))) for column in zip(*done, strict=True)]
    row("median", *medians)
    alone, through, outside = medians
    inside = Seconds(through.wall - outside.wall, through.cpu - outside.cpu)
    print(  # noqa: T201
        f"\nthrough a study, by the medians: {100 * (through.wall / alone.wall - 1):+.1f} %, CPU "
        f"{100 * (through.cpu / alone.cpu - 1):+.1f} %; outside of training {100 * outside.wall / inside.wall:.1f} %, "
        f"CPU {100 * outside.cpu / inside.cpu:.1f} %; the mark is {MARK:g} %\n",
        flush=True,
    )


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
    for cells in (columns, ["---"] * len(columns), *rows):
        row(*cells)


def row(*cells: object) -> None:
    """A row of it."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)  # noqa: T201


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
