"""`sunetlab study plan`: what a study would take, and what it could show, before its first trial."""

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .inference import Device
from .output import Json, note, print_json, print_table, say, say_lines
from .study_named import Name, On, load

if TYPE_CHECKING:  # these import torch
    from sunetlab.study.definition import Study, StudyTask
    from sunetlab.study.planner import Power

SPREADS = {"classification": 0.4, "segmentation": 2.0}  # points; usual on CIFAR-10 and on small segmentation sets


def plan(
    study: Name,
    on: On = None,
    effect: Annotated[
        float | None,
        typer.Option(min=1e-6, max=100, help="A difference, in points: how many seeds show it?", show_default=False),
    ] = None,
    spread: Annotated[
        float | None,
        typer.Option(
            min=1e-6,
            max=100,
            help="Standard deviation of differences between designs of one seed, in points.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Time a few steps of every design; say what the study takes, and which differences its seeds could show."""
    from sunetlab.train.device import pick_device

    asked, target = load(study, on), pick_device(device)
    found = [_planned(asked, task, target) for task in asked.tasks]
    for task, told in zip(asked.tasks, found, strict=True):
        told |= {"spread": spread or SPREADS[task.task], "effect": effect}
        told["power"] = _power(told["comparisons"], len(asked.seeds), told["spread"], effect)
    if as_json:
        print_json({"study": asked.name, "device": str(target), "tasks": [_record(told) for told in found]})
        return
    for told in found:
        _print(asked, told)
    hours = sum(told["seconds"] for told in found) / 3600
    say(f"{'in all' if len(found) > 1 else ''} {_hours(hours)} on {target}, one trial at a time".strip())
    if spread is None:
        note("the spread between seeds is that of small data sets; --spread says yours")


def _planned(asked: "Study", task: "StudyTask", device: Any) -> dict[str, Any]:
    from sunetlab.study.planner import comparisons_of, load_of
    from sunetlab.train.data import open_data
    from sunetlab.train.timing import timed

    from .progress import Screen

    with Screen() as screen:
        with screen.counting(f"{task.task}: reading {task.data.source}", "images") as progress:
            data = open_data(task.data, progress)
            for split in ("train", "val"):
                data.split(split, progress)
        work = load_of(asked, task, len(data.classes), data.size)
        rows = []
        with screen.counting(f"{task.task}: timing", "designs") as progress:
            for done, candidate in enumerate(work.timed, 1):
                found = timed(candidate.run, data, device)
                rows.append({**candidate.design.levels, "step": found.step, "seconds": found.seconds})
                progress(done, len(work.timed))
    return {
        "task": task.task,
        "words": work.words,
        "designs": len(rows),
        "comparisons": comparisons_of(asked, [each.design for each in work.timed]),
        "rows": rows,
        "seconds": sum(row["seconds"] for row in rows) * work.times,
        "length": task.recipe.length,
    }


def _power(comparisons: int, seeds: int, spread: float, effect: float | None) -> "Power | None":
    from sunetlab.study.planner import power_of_study

    return power_of_study(comparisons, seeds, spread, effect) if comparisons else None


def _print(asked: "Study", told: dict[str, Any]) -> None:
    shared = f"{len(asked.seeds)} seed{'s' if len(asked.seeds) > 1 else ''}"
    length = "" if "epochs" in asked.recipe_factors else f", {told['length']} each"
    say_lines(f"{told['task']}: {told['words']}{length}: {_hours(told['seconds'] / 3600)}")
    rows = [
        [*(str(row[name]) for name in asked.varied), f"{1000 * row['step']:.0f} ms", f"{row['seconds']:.0f} s"]
        for row in told["rows"]
    ]
    print_table([*asked.varied, "a step", "a trial"], rows)
    power = told["power"]
    if power is None:
        return
    family = f"{power.comparisons} comparison{'s' if power.comparisons > 1 else ''} with a baseline"
    say(f"With {family}, and differences that spread by {told['spread']:g} points,")
    if math.isinf(power.detectable):
        say(f"  {shared}: no difference can be shown; with {power.fewest} some could")
    else:
        say(f"  {shared}: differences of {power.detectable:.2f} points are shown four times out of five")
    if power.needed is not None:
        say(f"  for differences of {told['effect']:g} points it takes {power.needed} seeds")
    say()


def _record(told: dict[str, Any]) -> dict[str, Any]:
    from dataclasses import asdict

    return told | {"power": told["power"] and asdict(told["power"])}


def _hours(hours: float) -> str:
    if hours >= 1:
        return f"{hours:.1f} hours"
    return f"{60 * hours:.1f} minutes" if hours > 1 / 60 else f"{3600 * hours:.0f} seconds"
