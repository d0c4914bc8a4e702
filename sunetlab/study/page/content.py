"""What the page says of one task: the verdicts and what they stand on, charts, tables, failures."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup

from sunetlab.errors import InputError
from sunetlab.study import results
from sunetlab.study.definition import Study, StudyTask
from sunetlab.study.distribution import distributions
from sunetlab.study.importance import Importance, importance
from sunetlab.study.judge import label, rankings, verdicts
from sunetlab.study.page import forest
from sunetlab.study.page.arms import Arm
from sunetlab.study.page.canvas import span
from sunetlab.study.page.cost_chart import cost_chart
from sunetlab.study.page.counts import Counts, counts_of
from sunetlab.study.page.curve_chart import curve_chart
from sunetlab.study.page.drawings import Drawing, drawings
from sunetlab.study.page.edf_chart import Errors, edf_chart
from sunetlab.study.page.factor_chart import factor_chart
from sunetlab.study.page.importance_chart import importance_chart
from sunetlab.study.page.rows import Group, Names, Row, curves, failed, group, levels, records
from sunetlab.study.page.strip import strip
from sunetlab.study.standing import standing
from sunetlab.study.storage import TRIALS
from sunetlab.study.verdict import Verdict
from sunetlab.train.evaluate import OBJECTIVE
from sunetlab.train.run import read_result

VALUE_NAMES = {"accuracy": "accuracy", "miou": "mIoU"}  # as results name them, as people do


class Judged(NamedTuple):
    """A verdict as the page has it: what is claimed, the figures behind it, its row of the forest plot."""

    verdict: Verdict
    claim: str
    figures: str
    key: str
    row: Markup


class Design(NamedTuple):
    """One row of a table of designs."""

    arm: Arm
    row: Row
    spread: float | None  # standard deviation over the seeds, in points; None for a single seed
    strip: Markup


class TaskPage(NamedTuple):
    """What the page says about one task.

    Attributes:
        name, value_name: of the task, and of what its values are.
        standing, doubt: what stands in words, and why it is no verdict.
        verdicts: on arms against their baselines.
        foot: of the forest plot.
        rankings: of designs by two measures, in words.
        counts: of trials.
        feasible: designs that an adaptive study chooses from.
        winners: a search's, trained anew; empty where there are none.
        designs: the best first.
        charts: SVGs.
        importance: of the factors, where it means something; `importance_svg` is its chart.
        edf, edf_note: distributions of errors, and what is to be said of them; empty where there are none.
        drawings: of designs.
        failures: trials that failed.
        commands: how to take a design away.
        results: of the finished trials.
    """

    name: str
    value_name: str
    standing: str
    doubt: str
    verdicts: tuple[Judged, ...]
    foot: Markup
    rankings: tuple[tuple[str, str], ...]
    counts: Counts
    feasible: int | None
    winners: tuple[Design, ...]
    designs: tuple[Design, ...]
    charts: tuple[Markup, ...]
    importance: Importance | None
    importance_svg: Markup
    edf: Markup
    edf_note: str
    drawings: tuple[Drawing, ...]
    failures: tuple[Row, ...]
    commands: tuple[str, ...]
    results: tuple[Row, ...]

    @property
    def is_over(self) -> bool:
        """Whether no trial is left to run."""
        return self.counts.left == 0


def task_pages(study: Study, folder: Path, names: Names) -> list[TaskPage]:
    """All that the page says of each task of the study in `folder`, whose designs get `names`.

    Raises:
        SunetlabError: the database is damaged.
    """
    table = results.trials(study, folder)
    return [_task_page(study, task, folder, table, names) for task in study.tasks]


def _task_page(study: Study, task: StudyTask, folder: Path, table: pd.DataFrame, names: Names) -> TaskPage:
    name, home = task.task, folder / TRIALS / task.task
    value_name, mine = VALUE_NAMES[OBJECTIVE[name]], records(table, task=name)
    groups = {stage: _group(study, table, name, stage, names) for stage in ("trial", "winner")}
    found, last = groups["trial"], groups[results.last_stage(table, name)]
    counts = counts_of(study, task, folder, mine)
    text, doubt = standing(last.arms, value_name, is_over=counts.left == 0)
    said = verdicts(study, table, name)
    scale = forest.scale(said)
    keys = {label(study, tuple(row[word] for word in study.varied)): names.key(row) for row in mine}
    matters = _importance(study, found)
    edf, edf_note = _errors(study, table, name, found, value_name)
    finished = [trial for trial in mine if trial["state"] == "finished"]
    return TaskPage(
        name=name,
        value_name=value_name,
        standing=text,
        doubt=doubt,
        verdicts=tuple(
            Judged(one, *_parts(one.sentence), keys.get(one.name, ""), Markup(forest.row(one, scale))) for one in said
        ),
        foot=Markup(forest.foot(scale)),
        rankings=tuple(_parts(ranking.sentence) for ranking in rankings(study, table).get(name, ())),
        counts=counts,
        feasible=results.feasible(study, folder, name),
        winners=_designs(groups["winner"]),
        designs=_designs(found),
        charts=tuple(map(Markup, _charts(study, names, home, found, value_name, f"val_{OBJECTIVE[name]}"))),
        importance=matters,
        importance_svg=Markup(importance_chart(matters) if matters else ""),
        edf=Markup(edf),
        edf_note=edf_note,
        drawings=drawings(last, home, frozenset(keys[one.against] for one in said if one.against in keys)),
        failures=tuple(trial for trial in mine if failed(trial)),
        commands=_commands(folder, name, last.rows),
        results=tuple(filter(None, (read_result(home / trial["folder"]) for trial in finished))),
    )


def _group(study: Study, table: pd.DataFrame, task: str, stage: str, names: Names) -> Group:
    rows = records(results.arms(table, study, stage), task=task)
    return group(names, rows, records(table, task=task, stage=stage))


def _parts(sentence: str) -> tuple[str, str]:
    """A sentence as what it claims and the figures for it: "a is better than b by 1 point", "(95 % …)."."""
    places = [at for at in (sentence.find(" ("), sentence.find(": ")) if at > 0]
    if not places:
        return sentence, ""
    at = min(places) + (1 if sentence[min(places)] == ":" else 0)
    return sentence[:at], sentence[at:]


def _charts(study: Study, names: Names, home: Path, found: Group, value_name: str, key: str) -> Iterator[str]:
    if found.arms:
        for column, name in (("params", "parameters"), ("macs", "MACs per image")):
            yield cost_chart(found.arms, [float(row[column]) for row in found.rows], name, value_name)
    if lines := curves(names, home, found, key):
        yield curve_chart(lines, value_name)
    for factor in study.varied:
        each = levels(study, factor, found)
        if len(each) > 1:
            yield factor_chart(each, factor, value_name)


def _importance(study: Study, found: Group) -> Importance | None:
    columns = {name: [row[name] for row in found.rows] for name in study.telling}
    return importance(columns, [arm.mean for arm in found.arms])


def _errors(study: Study, table: pd.DataFrame, task: str, found: Group, value_name: str) -> tuple[str, str]:
    """The distributions of errors of a random sample, and what is to be said of them; of no other study's designs."""
    try:
        mine = [each for each in distributions(study, table) if each.task == task]
    except InputError:
        return "", ""
    if not mine:
        return "", ""
    by_design = {row["design"]: arm for row, arm in zip(found.rows, found.arms, strict=True)}
    drawn = [Errors(each.name, each.band, tuple(by_design[design] for design in each.designs)) for each in mine]
    failures = sum(each.failed for each in mine)
    lost = f" {failures} that failed are not among them." if failures else ""
    return edf_chart(drawn, value_name), (
        f"{len(mine[0].designs)} designs drawn at random from the space. With 95 % confidence the whole space’s "
        f"distribution lies within the band, ±{100 * mine[0].band.half_width:.1f} points (Dvoretzky, Kiefer, Wolfowitz; "
        f"Massart).{lost}"
    )


def _designs(found: Group) -> tuple[Design, ...]:
    low, high = span(value for arm in found.arms for value in arm.values)
    return tuple(
        Design(arm, row, 100 * row["spread"] if len(arm.values) > 1 else None, Markup(strip(arm, low, high)))
        for row, arm in zip(found.rows, found.arms, strict=True)
    )


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
