"""A study's folder → tables: one row per candidate, one row per design, the design to choose."""

import math
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from sunetlab.analysis.report import analyze
from sunetlab.errors import InputError, SunetlabError
from sunetlab.space.arrays.quantities import known, values
from sunetlab.space.arrays.view import Subject
from sunetlab.space.where import parse_where
from sunetlab.study.definition import Study, training_of
from sunetlab.study.recorded import FEASIBLE, design_of, folder_of, is_open, levels_of, reason_of
from sunetlab.study.runner import DATABASE, STUDY, TRIALS, database_errors, open_storage
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
    """One row per candidate that was put in line: its last trial, but for interruptions that were made good.

    Columns: task, design (the spec's id), one per factor, seed, state, reason, detail, value (in [0, 1]; nan where
    there is none), params, macs (of one image), seconds, folder.
    """
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for task in study.tasks:
        for trial in _trials_of(study, task.task, folder):
            row = _row(task.task, trial)
            key = (task.task, row["folder"])
            if key not in rows or not is_open(trial):
                rows[key] = row
    figures = ("state", "reason", "detail", "value", "params", "macs", "seconds", "folder")
    return pd.DataFrame(list(rows.values()), columns=["task", "design", *study.varied, "seed", *figures])


def arms(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """One row per design of a task, the best first: mean and spread of its finished trials' values.

    Columns: task, design, one per factor, params, macs, seeds (finished), value (their mean), spread (their standard
    deviation; nan for one), seconds (their mean).
    """
    finished = table[table["state"] == "finished"]
    groups = finished.groupby(["task", "design", *study.varied], sort=False, dropna=False)
    found = groups.agg(
        params=("params", "first"),
        macs=("macs", "first"),
        seeds=("value", "count"),
        mean=("value", "mean"),
        spread=("value", "std"),
        seconds=("seconds", "mean"),
    )
    order = {task.task: index for index, task in enumerate(study.tasks)}
    found = found.rename(columns={"mean": "value"}).reset_index()
    return found.sort_values(
        ["task", "value"], ascending=[True, False], kind="stable", key=lambda c: c.map(order) if c.name == "task" else c
    ).reset_index(drop=True)


def feasible(study: Study, folder: Path, task: str) -> int | None:
    """How many designs of a task an adaptive study chooses from; None where it does not, or has not begun."""
    with database_errors(folder):
        found = _optuna_of(study, task, folder)
        return found.user_attrs.get(FEASIBLE) if found else None


def to_try(study: Study, folder: Path, task: str) -> int:
    """How many designs of a task an adaptive study tries in the end, at most where it has not begun."""
    most, found = study.designs or 0, feasible(study, folder, task)
    return most if found is None else min(most, found)


def choose(study: Study, folder: Path, task: str, where: str | None = None) -> tuple[Path, dict[str, Any]]:
    """The best finished design of a task that keeps `where`: the folder of its best run, and its row of `arms`.

    The best has the highest mean over its seeds; the run is its highest seed's.

    Raises:
        InputError: no finished design keeps the bounds.
    """
    table = trials(study, folder)
    candidates = arms(table, study)
    candidates = candidates[candidates["task"] == task]
    for _, arm in candidates.iterrows():
        runs = table[(table["task"] == task) & (table["design"] == arm["design"]) & (table["state"] == "finished")]
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


def _trials_of(study: Study, task: str, folder: Path) -> list[FrozenTrial]:
    with database_errors(folder):
        found = _optuna_of(study, task, folder)
        return found.get_trials(deepcopy=False) if found else []


def _optuna_of(study: Study, task: str, folder: Path) -> optuna.Study | None:
    if not (folder / DATABASE).exists():
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name, storage = f"{study.name}-{task}", open_storage(folder)
    return optuna.load_study(study_name=name, storage=storage) if name in optuna.get_all_study_names(storage) else None


def _row(task: str, trial: FrozenTrial) -> dict[str, Any]:
    attrs = trial.user_attrs
    finished = trial.state == TrialState.COMPLETE
    return {
        "task": task,
        "design": design_of(trial),
        **levels_of(trial),
        "state": STATES[trial.state],
        "reason": reason_of(trial) if trial.state == TrialState.FAIL else "",
        "detail": attrs.get("detail", ""),
        "value": trial.value if finished else math.nan,
        "params": attrs.get("params"),
        "macs": attrs.get("macs"),
        "seconds": attrs.get("seconds", math.nan),
        "folder": folder_of(trial),
    }
