"""A study's folder → one HTML page that opens without a network: what stands, and what it stands on."""

import math
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sunetlab.draw.quantity import short
from sunetlab.files import write_text
from sunetlab.space.factors import in_order, level_name
from sunetlab.study import charts, results
from sunetlab.study.charts import Arm, Curve, Level
from sunetlab.study.definition import Study, StudyTask
from sunetlab.study.designs import make_designs
from sunetlab.study.judge import verdicts
from sunetlab.study.recorded import INTERRUPTED
from sunetlab.study.search import STARTUP
from sunetlab.study.standing import TIE, standing
from sunetlab.study.storage import TRIALS
from sunetlab.train.evaluate import OBJECTIVE
from sunetlab.train.run import read_log, read_result

PAGE = "report.html"
LEFT = "left to run"
VALUE_NAMES = {"accuracy": "accuracy", "miou": "mIoU"}  # as results name them, as people do

Row = dict[str, Any]


class Design(NamedTuple):
    """One row of the table of designs."""

    arm: Arm
    row: Row
    spread: float | None  # standard deviation over the seeds, in points; None for a single seed
    strip: Markup


class TaskPage(NamedTuple):
    """What the page says about one task."""

    name: str
    value_name: str
    standing: str
    doubt: str
    verdicts: tuple[str, ...]  # on every arm against the study's baseline, in words
    counts: tuple[tuple[str, int], ...]  # state or reason of failure → trials
    total: int
    feasible: int | None  # designs that an adaptive study chooses from
    charts: tuple[Markup, ...]
    designs: tuple[Design, ...]
    failures: tuple[Row, ...]
    commands: tuple[str, ...]
    results: tuple[Row, ...]


def write_report(study: Study, folder: Path, command: str) -> Path:
    """Write the study's page and return its path; the same folder gives the same page, byte for byte.

    Args:
        study: the study that `folder` holds.
        folder: its folder.
        command: what was typed to make it.

    Raises:
        InputError: the page cannot be written.
        SunetlabError: the database is damaged.
    """
    trials = results.trials(study, folder)
    arms = results.arms(trials, study)
    pages = []
    for task in study.tasks:
        said = tuple(verdict.sentence for verdict in verdicts(study, trials, task.task))
        pages.append(_task_page(study, task, folder, _rows(trials, task.task), _rows(arms, task.task), said))
    templates = Environment(
        loader=PackageLoader("sunetlab.study", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"short": short, "duration": duration}
    text = templates.get_template("report.html.jinja").render(
        study=study,
        pages=pages,
        command=command,
        plural=plural,
        left=LEFT,
        startup=STARTUP,
        shared={word: level_name(value) for word, value in study.network.items() if word not in study.varied},
        factors={
            name: [levels] if isinstance(levels, str) else list(dict.fromkeys(map(level_name, levels)))
            for name, levels in study.varied.items()
        },
        data=_side_by_side([_data(task, page) for task, page in zip(study.tasks, pages, strict=True)]),
        recipe=_side_by_side([_flat(task.recipe.model_dump(mode="json")) for task in study.tasks]),
        machines=_machines(result for page in pages for result in page.results),
    )
    write_text(folder / PAGE, text)
    return folder / PAGE


def duration(seconds: float) -> str:
    """Seconds as they are best read: 9.4 s, 12 min, 3.5 h."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def plural(count: int, noun: str) -> str:
    """A count with its noun: 1 seed, 2 seeds."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _task_page(
    study: Study, task: StudyTask, folder: Path, trials: list[Row], rows: list[Row], said: tuple[str, ...]
) -> TaskPage:
    home, value_name = folder / TRIALS / task.task, VALUE_NAMES[OBJECTIVE[task.task]]
    arms = [_arm(study, row, trials, is_best=row is rows[0]) for row in rows]
    curves = _curves(study, home, trials, rows, f"val_{OBJECTIVE[task.task]}")
    finished = [trial for trial in trials if trial["state"] == "finished"]
    counts = _counts(trials, total := _total(study, task, folder, len(trials)))
    text, doubt = standing(arms, value_name, is_over=dict(counts)[LEFT] == 0)
    return TaskPage(
        name=task.task,
        value_name=value_name,
        standing=text,
        doubt=doubt,
        verdicts=said,
        counts=counts,
        total=total,
        feasible=results.feasible(study, folder, task.task),
        charts=tuple(Markup(svg) for svg in _charts(study, rows, arms, curves, value_name)),
        designs=_designs(rows, arms),
        failures=tuple(trial for trial in trials if _failed(trial)),
        commands=_commands(folder, task.task, rows),
        results=tuple(filter(None, (read_result(home / trial["folder"]) for trial in finished))),
    )


def _arm(study: Study, row: Row, trials: Sequence[Row], is_best: bool) -> Arm:
    own = ("design", *study.varied)  # the id alone is not enough: two combinations may make the same network
    mine = [trial for trial in trials if trial["state"] == "finished" and all(trial[k] == row[k] for k in own)]
    values = tuple(100 * float(trial["value"]) for trial in sorted(mine, key=lambda trial: int(trial["seed"])))
    return Arm(_label(study, row), values, is_best)


def _label(study: Study, row: Row) -> str:
    """A design by the factors that tell it from the others: depth 2, n 16."""
    telling = [name for name, levels in study.varied.items() if len(levels) > 1] or list(study.varied)
    return ", ".join(f"{name}{TIE}{row[name]}" for name in telling)


def _curves(study: Study, home: Path, trials: Sequence[Row], rows: Sequence[Row], key: str) -> list[Curve]:
    """A curve of every trial that has finished an epoch; of a failed one, as far as it came."""
    best = rows[0]["design"] if rows else None
    curves = []
    for trial in trials:
        values = tuple(100 * float(epoch.get(key, math.nan)) for epoch in read_log(home / trial["folder"]))
        if any(map(math.isfinite, values)):
            label = f"{_label(study, trial)}, seed {trial['seed']}"
            curves.append(Curve(label, values, _failed(trial), trial["design"] == best))
    return curves


def _charts(study: Study, rows: list[Row], arms: list[Arm], curves: list[Curve], value_name: str) -> Iterator[str]:
    if arms:
        for column, name in (("params", "parameters"), ("macs", "MACs per image")):
            yield charts.cost_chart(arms, [float(row[column]) for row in rows], name, value_name)
    if curves:
        yield charts.curve_chart(curves, value_name)
    for factor in study.varied:
        levels = _levels(study, factor, rows, arms)
        if len(levels) > 1:
            yield charts.factor_chart(levels, factor, value_name)


def _levels(study: Study, factor: str, rows: list[Row], arms: list[Arm]) -> list[Level]:
    """The designs by their level of `factor`; inside a level in the order of the other factors' levels."""
    places = {name: in_order((row[name] for row in rows), said) for name, said in study.varied.items()}
    order = sorted(range(len(rows)), key=lambda i: [places[name].index(rows[i][name]) for name in places])
    groups = {level: [arms[i] for i in order if rows[i][factor] == level] for level in places[factor]}
    return [Level(str(level), tuple(group)) for level, group in groups.items() if group]


def _designs(rows: Sequence[Row], arms: Sequence[Arm]) -> tuple[Design, ...]:
    low, high = charts.span(value for arm in arms for value in arm.values)
    return tuple(
        Design(arm, row, 100 * row["spread"] if len(arm.values) > 1 else None, Markup(charts.strip(arm, low, high)))
        for row, arm in zip(rows, arms, strict=True)
    )


def _counts(trials: Sequence[Row], total: int) -> tuple[tuple[str, int], ...]:
    """Trials that finished, failed by reason, and are left."""
    finished = sum(trial["state"] == "finished" for trial in trials)
    reasons = Counter(f"failed: {trial['reason']}" for trial in trials if _failed(trial))
    left = total - finished - reasons.total()
    return ("finished", finished), *(reasons.most_common() or [("failed", 0)]), (LEFT, left)


def _failed(trial: Row) -> bool:
    """Whether a trial failed for good; an interrupted one is run again."""
    return bool(trial["state"] == "failed" and trial["reason"] != INTERRUPTED)


def _total(study: Study, task: StudyTask, folder: Path, begun: int) -> int:
    """How many trials a task has in the end; where it never began bounds on costs are taken at two classes."""
    if study.is_adaptive:
        return len(study.seeds) * results.to_try(study, folder, task.task)
    return begun or len(study.seeds) * len(make_designs(study, task, classes=2, size=task.data.size))


def _rows(table: Any, task: str) -> list[Row]:
    """The rows of a task in one of the tables of `results`."""
    return [{str(key): value for key, value in row.items()} for row in table[table["task"] == task].to_dict("records")]


def _data(task: StudyTask, page: TaskPage) -> Row:
    """What the candidates of a task saw: as asked for, and as found by a finished trial."""
    asked = task.data.model_dump(mode="json", exclude={"task", "workers", "memory_gib"}, exclude_none=True)
    for result in page.results[:1]:
        asked |= {"size": result["size"], "train": result["train_images"], "val": result["val_images"]}
    return asked | {"size": "×".join(map(str, asked["size"]))} if "size" in asked else asked


def _side_by_side(tables: Sequence[Row]) -> dict[str, list[str]]:
    """Tables as one: key → its value in each."""
    keys = dict.fromkeys(key for table in tables for key in table)
    return {key: [_shown(table.get(key)) for table in tables] for key in keys}


def _shown(value: object) -> str:
    """A setting as it is written by hand."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(level_name(value))


def _flat(table: Row) -> Row:
    """A table without tables: {"augment": {"flip": …}} becomes {"augment.flip": …}."""
    flat: Row = {}
    for key, value in table.items():
        flat |= {f"{key}.{inner}": v for inner, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _machines(found: Iterator[Row]) -> list[tuple[dict[str, str], int]]:
    """The machines and versions that trials ran on, and how many ran on each."""
    counts = Counter(tuple((key, str(value)) for key, value in result["machine"].items()) for result in found)
    return [(dict(machine), count) for machine, count in counts.most_common()]


def _commands(folder: Path, task: str, rows: Sequence[Row]) -> tuple[str, ...]:
    """How to take the best design away, and the best of the cheaper half."""
    if not rows:
        return ()
    best, small = folder / "best" / task, folder / "best" / f"{task}-small"
    half = sorted(int(row["params"]) for row in rows)[(len(rows) - 1) // 2]
    export = ["sunetlab", "study", "export", str(folder), "--task", task]
    return (
        shlex.join([*export, "--out", str(best)]),
        shlex.join(["sunetlab", "build", str(best / "spec.toml")]),
        shlex.join([*export, "--where", f"params<={half}", "--out", str(small)]),
    )
