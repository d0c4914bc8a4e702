"""What the page says of one task: the verdicts and what they stand on, charts, tables, failures."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup

from sunetlab.study import results
from sunetlab.study.definition import Study, StudyTask
from sunetlab.study.importance import Importance
from sunetlab.study.judge import label, rankings, rates_at_edge, unjudged, verdicts
from sunetlab.study.page import forest
from sunetlab.study.page.arms import Arm
from sunetlab.study.page.canvas import span
from sunetlab.study.page.counts import Counts, counts_of
from sunetlab.study.page.drawings import Drawing, drawings
from sunetlab.study.page.evidence import charts, errors, matters
from sunetlab.study.page.importance_chart import importance_chart
from sunetlab.study.page.ranking import Ranked, ranked
from sunetlab.study.page.rows import Group, Names, Row, failed, group, records
from sunetlab.study.page.sentence import parts
from sunetlab.study.page.strip import strip
from sunetlab.study.records import Records
from sunetlab.study.standing import standing
from sunetlab.study.storage import TRIALS
from sunetlab.study.verdict import Verdict
from sunetlab.train.run import OBJECTIVE, read_result

MOST_SAID = 12  # verdicts that are said at once; of more, conclusions come first
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
        rankings: of designs by two measures.
        edges: arms whose best learning rate was the last that was tried, in words.
        unjudged: arms of which nothing can be said, in words.
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
    rankings: tuple[Ranked, ...]
    edges: tuple[str, ...]
    unjudged: tuple[str, ...]
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
    def is_tested(self) -> bool:
        """Whether a search's winners were read on the test split."""
        return bool(self.winners) and all(design.row["test"] == design.row["test"] for design in self.winners)

    @property
    def said(self) -> tuple[Judged, ...]:
        """The verdicts in the order in which they are read: conclusions first where there are many."""
        if len(self.verdicts) <= MOST_SAID:
            return self.verdicts
        return tuple(sorted(self.verdicts, key=lambda judged: judged.verdict.outcome == "no conclusion"))

    @property
    def outcomes(self) -> str:
        """How many comparisons ended how, in words."""
        counts = Counter[str](judged.verdict.outcome for judged in self.verdicts)
        ends = {"better": "{} found better", "worse": "{} worse", "no conclusion": "{} came to no conclusion"}
        return ", ".join(said.format(counts[outcome]) for outcome, said in ends.items() if counts[outcome])

    @property
    def is_over(self) -> bool:
        """Whether no trial is left to run."""
        return self.counts.left == 0


def task_pages(study: Study, folder: Path, names: Names) -> list[TaskPage]:
    """All that the page says of each task of the study in `folder`, whose designs get `names`.

    Raises:
        SunetlabError: the database is damaged.
    """
    known = Records(study, folder)
    table = results.table_of(known)
    groups: dict[str, Group] = {task.task: _group(study, table, task.task, "trial", names) for task in study.tasks}
    return [_task_page(known, task, table, names, groups) for task in study.tasks]


def _task_page(
    known: Records, task: StudyTask, table: pd.DataFrame, names: Names, groups: Mapping[str, Group]
) -> TaskPage:
    study, folder, name, objective = known.study, known.folder, task.task, OBJECTIVE[task.task]
    home = folder / TRIALS / name
    value_name, mine = VALUE_NAMES[objective], records(table, task=name)
    found, winners = groups[name], _group(study, table, name, "winner", names)
    last = winners if results.last_stage(table, name) == "winner" else found
    counts = counts_of(known, task, mine, results.to_come(known, name, table))
    text, doubt = standing(last.arms, value_name, is_over=counts.left == 0)
    said = verdicts(study, table, name)
    scale = forest.scale(said)
    arms = {tuple(row[word] for word in names.varied): row for row in mine}
    keys = {label(study, levels): names.key(row) for levels, row in arms.items()}
    important = matters(study, found)
    edf, edf_note = errors(study, table, name, found, value_name)
    finished = [trial for trial in mine if trial["state"] == "finished"]
    return TaskPage(
        name=name,
        value_name=value_name,
        standing=text,
        doubt=doubt,
        verdicts=tuple(
            Judged(one, *parts(one.sentence), keys.get(one.name, ""), Markup(forest.row(one, scale))) for one in said
        ),
        foot=Markup(forest.foot(scale)),
        rankings=ranked(study, rankings(study, table).get(name, []), groups, name),
        edges=tuple(rates_at_edge(study, table, name)),
        unjudged=tuple(unjudged(study, table, name)),
        counts=counts,
        feasible=known.feasible(name),
        winners=_designs(winners),
        designs=_designs(found),
        charts=tuple(map(Markup, charts(study, names, home, found, value_name, f"val_{objective}"))),
        importance=important,
        importance_svg=Markup(importance_chart(important) if important else ""),
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
