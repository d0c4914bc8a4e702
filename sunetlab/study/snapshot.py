"""A study's folder while somebody works in it: what is done, what runs and how far it is, how long the rest takes.

Whoever looks disturbs nobody: the lock is tried as a reader does, the database and the trials' logs are read.
"""

import fcntl
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from optuna.trial import TrialState

from sunetlab.files import read_table
from sunetlab.folders import DATA
from sunetlab.study.company import is_alive
from sunetlab.study.recorded import folder_of
from sunetlab.study.records import Records
from sunetlab.study.results import table_of, to_come
from sunetlab.study.shared import place_of
from sunetlab.study.storage import LOCK, TRIALS
from sunetlab.train.run import LOG, RUN, Run, read_log


class Counts(NamedTuple):
    """How far a task is.

    Attributes:
        task: its name.
        states: trials by their state, those that wait and run among them.
        reasons: failed trials by their reason.
        untried: trials that will come once results say which (`results.to_come`).
    """

    task: str
    states: Mapping[str, int]
    reasons: Mapping[str, int]
    untried: int = 0

    @property
    def left(self) -> int:
        """Trials that have not begun, or were interrupted."""
        return self.states.get("waiting", 0) + self.states.get("interrupted", 0) + self.untried

    @property
    def running(self) -> int:
        """Trials that have begun and not ended."""
        return self.states.get("running", 0)

    @property
    def total(self) -> int:
        """All trials of the task."""
        return sum(self.states.values()) + self.untried

    @property
    def done(self) -> int:
        """Trials that have ended, whichever way."""
        return self.total - self.left - self.running


class Running(NamedTuple):
    """A trial that runs.

    Attributes:
        task: its task.
        design: its design's id.
        levels: the levels of its factors, and the seed.
        epoch: epochs that are done.
        epochs: epochs in all; None where that is not known yet.
        row: the last of them, as in the trial's log; None before the first.
        idle: seconds since that epoch ended.
        seconds: of the epochs that are done.
    """

    task: str
    design: str
    levels: Mapping[str, Any]
    epoch: int = 0
    epochs: int | None = None
    row: Mapping[str, Any] | None = None
    idle: float = 0.0
    seconds: float = 0.0

    @property
    def whole(self) -> float | None:
        """Seconds that all of it takes, by its epochs so far."""
        return self.seconds / self.epoch * self.epochs if self.epoch and self.epochs else None

    @property
    def left(self) -> float | None:
        """Seconds that it still takes; what has passed of an epoch counts, but no more than an epoch."""
        if self.whole is None:
            return None
        return max(0.0, self.whole - self.seconds - min(self.idle, self.seconds / self.epoch))


class Snapshot(NamedTuple):
    """A study at one moment.

    Attributes:
        table: its trials (`results.trials`).
        counts: of each task.
        running: the trials that run.
        seconds_left: what the rest takes, with as many trials side by side as now; None before anything is known.
    """

    table: pd.DataFrame
    counts: tuple[Counts, ...]
    running: tuple[Running, ...]
    seconds_left: float | None

    @property
    def left(self) -> int:
        """Trials that have not ended."""
        return sum(each.left + each.running for each in self.counts)


def look(records: Records) -> Snapshot:
    """A study's folder as it is now."""
    study, folder, table = records.study, records.folder, _without_silent(records, table_of(records))
    counts = tuple(_counts(records, table, task.task) for task in study.tasks)
    at_work = table[table["state"] == "running"].to_dict("records")
    names = [*study.varied, "seed"]
    running = tuple(
        running_trial(folder / TRIALS / row["task"] / row["folder"], row["task"], row["design"], levels)
        for row in at_work
        for levels in [{name: row[name] for name in names}]
    )
    return Snapshot(table, counts, running, seconds_left(table, running, {each.task: each.untried for each in counts}))


def is_run(records: Records) -> bool:
    """Whether somebody holds the lock of a study's folder, or in a shared database a trial has a pulse."""
    if place_of(records.folder) is not None:
        return bool(_alive(records))
    try:
        file = os.open(records.folder / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: those who look are in nobody's way
    except BlockingIOError:
        return True
    finally:
        os.close(file)  # and with it the lock
    return False


def without_lost(records: Records, table: pd.DataFrame) -> pd.DataFrame:
    """The table of a study's trials, where those that nobody works at any more are interrupted, not running."""
    if place_of(records.folder) is None and not is_run(records):
        return table.assign(state=table["state"].replace("running", "interrupted"))
    return _without_silent(records, table)


def _without_silent(records: Records, table: pd.DataFrame) -> pd.DataFrame:
    """The same of the trials in a shared database that have no pulse.

    Others who are at work find such a trial when nobody waits before its candidate.
    """
    if place_of(records.folder) is None:
        return table
    alive = _alive(records)
    states = [
        "interrupted" if state == "running" and (task, name) not in alive else state
        for state, task, name in zip(table["state"], table["task"], table["folder"], strict=True)
    ]
    return table.assign(state=states)


def _alive(records: Records) -> set[tuple[str, str]]:
    """The trials in a shared database that have a pulse, by task and folder."""
    return {
        (task.task, folder_of(trial))
        for task in records.study.tasks
        for trial in records.trials(task.task, (TrialState.RUNNING,))
        if is_alive(trial)
    }


def running_trial(path: Path, task: str, design: str, levels: Mapping[str, Any]) -> Running:
    """A trial by its folder, which may be still to be made."""
    found = Running(task, design, levels)
    if not (path / RUN).exists():
        return found
    found, rows = found._replace(epochs=_epochs(path)), read_log(path)
    if not rows:
        return found
    idle = max(0.0, time.time() - (path / LOG).stat().st_mtime)
    seconds = sum(row["seconds"] for row in rows)
    return found._replace(epoch=len(rows), row=rows[-1], idle=idle, seconds=seconds)


def seconds_left(
    table: pd.DataFrame, running: Sequence[Running], untried: Mapping[str, int] | None = None
) -> float | None:
    """What the trials that have not ended take, as many side by side as run now; None where nothing is known.

    A trial takes as long as others of its design took, else as others of its task, else as any.

    Args:
        table: of the trials (`results.trials`).
        running: those that run.
        untried: of each task, trials whose designs are not known yet.
    """
    finished = table[table["state"] == "finished"]
    waiting = table[table["state"].isin(["waiting", "interrupted"])]
    usual = [*finished["seconds"].dropna(), *(each.whole for each in running if each.whole is not None)]
    rest = [(row.task, row.design) for row in waiting.itertuples()]
    rest += [(task, "") for task, count in (untried or {}).items() for _ in range(count)]
    if not rest and not running:
        return 0.0
    if not usual:
        return None

    def expected(task: str, design: str) -> float:
        mine = finished[finished["task"] == task]
        same = mine[mine["design"] == design]["seconds"].dropna()
        others = mine["seconds"].dropna()
        return _mean(same if len(same) else others if len(others) else usual)

    known = {key: expected(*key) for key in {*rest, *((each.task, each.design) for each in running)}}
    left = sum(known[key] for key in rest)
    left += sum(known[each.task, each.design] if each.left is None else each.left for each in running)
    return left / max(1, len(running))


def _counts(records: Records, table: pd.DataFrame, task: str) -> Counts:
    mine = table[table["task"] == task]
    failed = mine[mine["state"] == "failed"]
    return Counts(task, Counter(mine["state"]), Counter(failed["reason"]), to_come(records, task, table))


def _epochs(path: Path) -> int | None:
    """Epochs of a trial in all: those of its recipe, or what its steps make of the images in its data's record."""
    recipe = Run.load(path).recipe
    if recipe.iterations is None:
        return recipe.epochs
    images = read_table(path / DATA).get("images", {}).get("train") if (path / DATA).exists() else None
    return recipe.passes(images // min(recipe.batch_size, images)) if images else None


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
