"""How many designs a second whole-array formulas look at, against the size of a space and against one by one.

    python bench/space.py [--largest 8] [--one-by-one 100] [--built 8]

On one core. Every space is screened in a process of its own, three times for each set of columns, for its time (the
median) and its peak memory; then the same designs, drawn from the largest space, are analysed one by one, and built
on the meta device and counted by torch's FlopCounterMode. Prints the tables of README.md.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from itertools import pairwise

from sunetlab import SUNetSpec, analyze, build
from sunetlab.space.pick import drawn
from sunetlab.space.screen import Screen
from sunetlab.space.space import Space
from sunetlab.space.survey import Wanted, survey

SIZE = (512, 512)
NETWORK = {"task": "segmentation", "output_stride": 8, "widths": "rule"}
STACKS = {  # power of ten → stacks; times four depths and sixteen N
    4: "1..2x1..4x1..5x1..4",
    5: "1..4x1..8x1..10x1..5",
    6: "1..8x1..16x1..25x1..5",
    7: "1..10x1..40x1..40x1..10",
    8: "1..20x1..50x1..50x1..32",
}
COSTS = ("params", "macs")
ALL = ("params", "macs", "activations", "layers", "fov", "fov_most")


say = partial(print, flush=True)  # in a pipe, too, as it comes


def space(power: int, n: str = "16..256:16") -> Space:
    """A space of about 10^power designs."""
    return Space(NETWORK, {"n": n, "depth": "1..4", "stacks": STACKS[power]}, SIZE)


def looked_at(of: Space, names: tuple[str, ...]) -> int:
    """Work out quantities of every design; how many designs."""
    return sum(len(survivors.numbers) for survivors in Screen(of, None, names).run())


def measured(power: int, what: str) -> dict[str, float]:
    """Designs, seconds and peak bytes of one process; the interpreter and its libraries are in the peak."""
    of = space(power, "64") if what == "geometry" else space(power)
    began = time.perf_counter()
    if what == "survey":
        survey(of, None, Wanted(density=True))
    else:
        looked_at(of, COSTS if what == "costs" else ALL)
    seconds = time.perf_counter() - began
    return {"designs": len(of), "seconds": seconds, "bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def in_a_process(power: int, what: str, runs: int) -> dict[str, float]:
    """Medians of some processes."""
    command = [sys.executable, __file__, "--child", f"{power}", "--what", what]
    found = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(runs)]
    return {key: statistics.median(run[key] for run in found) for key in found[0]}


def per_design(specs: list[SUNetSpec], count: Callable[[SUNetSpec], object]) -> float:
    """Median seconds for one."""
    times = []
    for spec in specs:
        began = time.perf_counter()
        count(spec)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def costs_alone(spec: SUNetSpec) -> object:
    """Parameters and MACs by the plan."""
    return analyze(spec, SIZE).macs


def everything(spec: SUNetSpec) -> object:
    """What the whole-array columns are, by the analysis of one design."""
    report = analyze(spec, SIZE)
    return report.macs, report.memory().activations, report.depth, report.fov.network


def built(spec: SUNetSpec) -> object:
    """MACs as torch counts them, of a network that is built for it."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model = build(spec).eval()
        images = torch.zeros(1, 3, *SIZE)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images)
    return counter.get_total_flops()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=8, help="power of ten of the largest space")
    parser.add_argument("--one-by-one", type=int, default=100, help="designs analysed one by one")
    parser.add_argument("--built", type=int, default=8, help="designs built on the meta device")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--what", default="all", help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if given.child is not None:
        say(json.dumps(measured(given.child, given.what)))
        return
    say(f"Python {platform.python_version()}, {platform.machine()}, one core, {date.today()}\n")
    say("| designs | params and MACs | a second | all columns | a second | a survey | peak memory |")
    say("| --- | --- | --- | --- | --- | --- | --- |")
    rates: dict[str, float] = {}
    surveys = []
    for power in range(4, given.largest + 1):
        runs = given.runs if power < 8 else 1
        costs, columns, told = (in_a_process(power, what, runs) for what in ("costs", "all", "survey"))
        rates = {"costs": costs["designs"] / costs["seconds"], "all": columns["designs"] / columns["seconds"]}
        surveys.append(told)
        say(
            f"| {costs['designs']:,.0f} | {costs['seconds']:.2f} s | {rates['costs'] / 1e6:.1f} M "
            f"| {columns['seconds']:.2f} s | {rates['all'] / 1e6:.1f} M | {told['seconds']:.2f} s "
            f"| {told['bytes'] / 2**20:.0f} MiB |",
        )
    slopes = [(b["seconds"] - a["seconds"]) / (b["designs"] - a["designs"]) * 1e9 for a, b in pairwise(surveys)]
    say(f"\nns for one more design of a survey, from row to row: {', '.join(f'{slope:.0f}' for slope in slopes)}")
    geometry = in_a_process(min(given.largest, 7), "geometry", given.runs)
    rate = geometry["designs"] / geometry["seconds"] / 1e6
    say(f"N fixed, so that no design shares its field with another: {rate:.1f} M a second, all columns\n")
    largest = space(given.largest)
    numbers = drawn(largest, None, max(given.one_by_one, given.built), 0).numbers
    specs = [largest.spec(int(number)) for number in numbers]
    say("| one design | median | times as long as by formulas |")
    say("| --- | --- | --- |")
    for name, some, count, rate in (
        ("`analyze()`, params and MACs", specs[: given.one_by_one], costs_alone, rates["costs"]),
        ("`analyze()`, all columns", specs[: given.one_by_one], everything, rates["all"]),
        ("built on the meta device, `FlopCounterMode`, MACs", specs[: given.built], built, rates["costs"]),
    ):
        seconds = per_design(some, count)
        say(f"| {name} | {1e3 * seconds:.1f} ms | {seconds * rate:,.0f} |")


if __name__ == "__main__":
    main()
