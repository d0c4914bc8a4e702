"""How long an analysis takes, beside the counting tools on the same network: prints the tables of bench/README.md.

    python bench/analysis.py [--runs 9] [--tool-runs 3]

One process and one run for everything, so that ratios hold on a noisy machine. Everything of an analysis: plan,
parameters, MACs, memory, all fields of view with and without borders; only two-dimensional sets are apart.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from sunetlab import Report, analyze, build, preset
from sunetlab.analysis.fov import seen

if TYPE_CHECKING:
    from sunetlab.model.sunet import SUNet

NAME, SIZE = "sunet-7-128-os8", (512, 512)
TOOLS = ("torch", "ptflops", "torchinfo", "thop", "ptflops-pytorch", "fvcore")


def everything() -> Report:
    """All numbers of the network but two-dimensional sets."""
    report = analyze(preset(NAME), SIZE)
    _ = report.fov
    report.memory()
    return report


def seconds(call: Callable[[], object], runs: int) -> list[float]:
    """Wall time of every run."""
    found = []
    for _ in range(runs):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return found


def cpu_seconds(command: Sequence[str], runs: int) -> list[float]:
    """CPU time, user and system, of whole processes."""
    found = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return found


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A Markdown table on standard output."""
    for row in (columns, ["---"] * len(columns), *rows):
        print("| " + " | ".join(map(str, row)) + " |", flush=True)  # noqa: T201
    print(flush=True)  # noqa: T201


def tools(runs: int, ours: float) -> None:
    """Every counting tool on the network without weights; fvcore and ptflops' second backend cannot do without maps."""
    from sunetlab.model.counters import COUNTERS, count, installed, quiet, without_weights

    rows = []
    for tool in filter(installed, TOOLS):
        count(tool, build(preset("sunet-64")), (64, 64))  # imports, and whatever a first call prepares
        models = iter([without_weights(build(preset(NAME))).eval() for _ in range(runs)])
        with quiet():
            took = statistics.median(seconds(partial(_count_next, COUNTERS[tool], models), runs))
        rows.append([tool, f"{1000 * took:,.0f} ms", f"{took / ours:,.0f}"])
    table(["counting MACs alone", "median", "times a whole analysis"], rows)


def _count_next(count: "Callable[[SUNet, tuple[int, int], int], int]", models: "Iterator[SUNet]") -> None:
    count(next(models), SIZE, 1)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--tool-runs", type=int, default=3)
    asked = parser.parse_args()
    cores, system = os.cpu_count(), f"{platform.machine()}, Python {platform.python_version()}"
    print(f"{NAME} at {SIZE[0]}x{SIZE[1]}; {cores} cores, {system}; {date.today()}\n")  # noqa: T201

    first = seconds(everything, 1)[0]
    ours = seconds(everything, asked.runs)
    plan = everything().plan
    sets = seconds(lambda: seen(plan, (32, 32)), asked.runs)
    table(
        ["per call", "median", "first call"],
        [
            ["analysis, everything but 2-D sets", f"{1000 * statistics.median(ours):.1f} ms", f"{1000 * first:.1f} ms"],
            ["exact 2-D set of one position", f"{1000 * statistics.median(sets):.1f} ms", f"{1000 * sets[0]:.1f} ms"],
        ],
    )
    build_command = [sys.executable, "-m", "sunetlab", "build", "--depth", "2", "--n", "128", "--stacks", "2,7,7,1"]
    whole = statistics.median(cpu_seconds(build_command, 5))
    torch = statistics.median(cpu_seconds([sys.executable, "-c", "import torch"], 5))
    table(
        ["whole process, CPU time", "median", "times `import torch`"],
        [
            ["`sunetlab build …`", f"{whole:.2f} s", f"{whole / torch:.2f}"],
            ["`python -c 'import torch'`", f"{torch:.2f} s", "1"],
        ],
    )
    tools(asked.tool_runs, statistics.median(ours))


if __name__ == "__main__":
    main()
