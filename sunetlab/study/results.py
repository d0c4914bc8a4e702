"""A study's folder → tables: one row per candidate, one row per design, the design to choose."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from sunetlab.analysis.report import analyze
from sunetlab.errors import InputError, SunetlabError
from sunetlab.space.arrays.quantities import known, values
from sunetlab.space.arrays.view import Subject
from sunetlab.space.where import parse_where
from sunetlab.study.definition import Study
from sunetlab.study.designs import training_of
from sunetlab.study.marks import marks
from sunetlab.study.recorded import (
    by_candidate,
    design_of,
    folder_of,
    levels_of,
    reason_of,
    stage_of,
    tried_first,
)
from sunetlab.study.records import Records
from sunetlab.study.storage import STUDY, TRIALS
from sunetlab.study.tested import test_value
from sunetlab.train.run import RESULT, Run, read_result

STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
    TrialState.PRUNED: "pruned",
}


def load_study(folder: Path) -> Study:
    """The study that a folder holds.

    Raises:
        InputError: it holds none.
    """
    if not (folder / STUDY).is_file():
        raise InputError(f"{folder}: not the folder of a study: it has no {STUDY}")
    return Study.load(folder / STUDY)


def trials(study: Study, folder: Path) -> pd.DataFrame:
    """The table of the trials of the study in `folder` (`table_of`)."""
    return table_of(Records(study, folder))


def table_of(records: Records) -> pd.DataFrame:
    """One row per candidate that was put in line: its trial that counts (`recorded.by_candidate`).

    Columns: task, stage, design (the spec's id), one per factor, one per other word of the designs beside a search's
    winners, seed, lr (where it was tuned), state, reason, detail,
    value (in [0, 1]; of a pruned trial its last; nan where there is none), test (the same of the test split, of a
    search's winners), params, macs (of one image), what the study has measured, seconds, folder.
    """
    study = records.study
    rows = [
        _row(study, task.task, trial, records.folder) for task in study.tasks for trial in _counting(records, task.task)
    ]
    figures = ("state", "reason", "detail", "value", "test", "params", "macs", *study.told, "seconds", "folder")
    words = dict.fromkeys((*study.varied, *_of_beside(study)))
    names = ["task", "stage", "design", *words, "seed", *(("lr",) if study.tune else ()), *figures]
    return pd.DataFrame(rows, columns=names)


def _counting(records: Records, task: str) -> list[FrozenTrial]:
    """Of each candidate of a task the trial that counts; none of the designs that a search has too many."""
    found = list(by_candidate(records.trials(task)).values())
    if not records.study.is_adaptive:
        return found
    tried = tried_first((trial for trial in found if stage_of(trial) == "trial"), records.to_try(task))
    return [trial for trial in found if stage_of(trial) != "trial" or design_of(trial) in tried]


def last_stage(table: pd.DataFrame, task: str) -> str:
    """The stage that a task's answer stands on: a search's winners once one has finished, else the trials."""
    mine = table[(table["task"] == task) & (table["state"] == "finished")]
    return "winner" if "winner" in set(mine["stage"]) else "trial"


def arms(table: pd.DataFrame, study: Study, stage: str = "trial") -> pd.DataFrame:
    """One row per design of a task, the best first: mean and spread of its finished trials' values.

    Columns: task, stage, design, one per factor, lr (where it was tuned), params, macs, what the study has measured,
    seeds (finished), value (their mean), spread (their standard deviation; nan for one), test (the mean of the test
    split's values; nan where there are none), seconds (their mean), mark (`marks`).
    """
    finished = table[(table["state"] == "finished") & (table["stage"] == stage)]
    groups = finished.groupby(["task", "stage", "design", *study.varied], sort=False, dropna=False)
    tuned = {"lr": ("lr", "first")} if study.tune else {}
    found = groups.agg(
        **tuned,
        params=("params", "first"),
        macs=("macs", "first"),
        **{name: (name, "first") for name in study.told},
        seeds=("value", "count"),
        mean=("value", "mean"),
        spread=("value", "std"),
        test=("test", "mean"),
        seconds=("seconds", "mean"),
    )
    order = {task.task: index for index, task in enumerate(study.tasks)}
    found = found.rename(columns={"mean": "value"}).reset_index()
    found = found.sort_values(
        ["task", "value", "params"],  # of equals the smallest first
        ascending=[True, False, True],
        kind="stable",
        key=lambda c: c.map(order) if c.name == "task" else c,
    ).reset_index(drop=True)
    rows = [found[found["task"] == task].to_dict("records") for task in order]
    return found.assign(mark=[mark for mine in rows for mark in marks(study, table, mine)])


def to_come(records: Records, task: str, table: pd.DataFrame) -> int:
    """How many trials of a task do not stand in line yet: at most, for a search may find too few.

    Args:
        records: the study's.
        task: whose.
        table: of its trials (`trials`).
    """
    study, total = records.study, records.total(task)
    if total is None:  # it has not begun
        total = records.to_try(task) * len(study.seeds) if study.is_adaptive else 0
        if study.winners is not None:
            total += (study.winners.designs + len(study.winners.beside)) * len(study.winners.seeds)
    return max(0, total - int((table["task"] == task).sum()))


def choose(
    study: Study, folder: Path, task: str, where: str | None = None, table: pd.DataFrame | None = None
) -> tuple[Path, dict[str, Any]]:
    """The best finished design of a task that keeps `where`: the folder of its best run, and its row of `arms`.

    The best has the highest mean over its seeds; the run is its highest seed's.

    Args:
        study: the study that `folder` holds.
        folder: its folder.
        task: whose.
        where: bounds, as `sunetlab space screen --where` takes them; None: there are none.
        table: of its trials (`trials`), if it is known.

    Raises:
        InputError: no finished design keeps the bounds.
    """
    table = trials(study, folder) if table is None else table
    stage = last_stage(table, task)
    candidates = arms(table, study, stage)
    candidates = candidates[candidates["task"] == task]
    table = table[(table["task"] == task) & (table["state"] == "finished") & (table["stage"] == stage)]
    for _, arm in candidates.iterrows():
        runs = table[(table[["design", *study.varied]] == arm[["design", *study.varied]]).all(axis=1)]
        path = folder / TRIALS / task / str(runs.loc[runs["value"].idxmax(), "folder"])
        if where is None or _keeps(path, where):
            return path, {str(name): value for name, value in arm.items()}
    if candidates.empty:
        raise SunetlabError(f"{folder}: no trial of {task} has finished")
    raise InputError(f"where: {where}: none of {len(candidates)} finished designs of {task} keeps it")


def _keeps(path: Path, where: str) -> bool:
    result = read_result(path)
    if result is None:
        raise InputError(f"{path}: has lost its {RESULT}; run the study again, and it is made anew")
    run = Run.load(path)
    training = training_of(run.recipe)
    bounds = parse_where(where, known(len(run.spec.stacks)))
    report = analyze(run.spec, tuple(result["size"]), training.batch)
    return bounds.holds(values(Subject(report, training.setting), bounds.names))


def _of_beside(study: Study) -> list[str]:
    """What the designs beside a search's winners say that no table has anyway."""
    beside = study.winners.beside if study.winners else ()
    return [word for words in beside for word in words if word not in ("params", "macs", *study.told)]


def _row(study: Study, task: str, trial: FrozenTrial, folder: Path) -> dict[str, Any]:
    attrs, stage = trial.user_attrs, stage_of(trial)
    is_winner = stage == "winner" and trial.state == TrialState.COMPLETE
    return {
        "task": task,
        "stage": stage,
        "design": design_of(trial),
        **levels_of(trial),
        "state": STATES[trial.state],
        "reason": reason_of(trial) if trial.state == TrialState.FAIL else "",
        "detail": attrs.get("detail", ""),
        "value": _value(trial),
        "test": _or_nan(test_value(folder / TRIALS / task / folder_of(trial)) if is_winner else None),
        "params": attrs.get("params"),
        "macs": attrs.get("macs"),
        **{name: attrs.get(name, math.nan) for name in study.told},
        "seconds": attrs.get("seconds", math.nan),
        "folder": folder_of(trial),
    }


def _value(trial: FrozenTrial) -> float:
    """What a trial found: of one that was stopped, its last report."""
    if trial.state == TrialState.COMPLETE:
        return float(trial.values[0])
    reports = trial.intermediate_values if trial.state == TrialState.PRUNED else {}
    return float(reports[max(reports)]) if reports else math.nan


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
