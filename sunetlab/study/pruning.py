"""A search that stops trials which do not promise: Optuna's median and Hyperband pruners, asked after every epoch."""

import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.trial import FrozenTrial, TrialState

from sunetlab.study.definition import Study
from sunetlab.study.recorded import folder_of
from sunetlab.train.watch import Watch

REDUCTION = 3  # of Hyperband: a third of a bracket's trials go on at each of its steps (Li et al. 2018)
UNPRUNED = 5  # trials before the median counts


class Pruned(Exception):  # noqa: N818, an event, not an error
    """A trial was stopped after an epoch, with the value that it had."""

    def __init__(self, epoch: int, value: float, seconds: float) -> None:
        super().__init__(f"stopped after epoch {epoch}")
        self.epoch, self.value, self.seconds = epoch, value, seconds


class Hyperband(HyperbandPruner):
    """Hyperband with brackets of candidates, not of trials: one that is run again after a kill stays in its own."""

    def _get_bracket_id(self, study: optuna.Study, trial: FrozenTrial) -> int:
        if trial.state == TrialState.FAIL:  # in none: it was run again, or found nothing that others are measured by
            return -1
        drawn = copy(trial)
        drawn.number = zlib.crc32(folder_of(trial).encode())
        return super()._get_bracket_id(study, drawn)


def make_pruner(study: Study, task: str) -> BasePruner:
    """The pruner of a task of a study; its resource is an epoch."""
    recipe = next(each.recipe for each in study.tasks if each.task == task)
    if study.pruner == "median":
        return MedianPruner(n_startup_trials=UNPRUNED, n_warmup_steps=recipe.epochs // 4)
    if study.pruner == "hyperband":
        return Hyperband(min_resource=1, max_resource=recipe.epochs, reduction_factor=REDUCTION)
    return NopPruner()


class Pruning:
    """What a training tells, passed on to `inner` and to Optuna, which may stop it.

    Args:
        inner: who else is told.
        trial: Optuna's.
        objective: the figure that it hears of.
        errors: around what it is asked.
    """

    def __init__(
        self,
        inner: Watch,
        trial: optuna.Trial,
        objective: str,
        errors: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.inner, self.trial, self.key, self.errors = inner, trial, f"val_{objective}", errors
        self.epochs, self.seconds = 0, 0.0

    def begin(self, epochs: int, finished: int, images: int) -> None:
        """See `Watch`."""
        self.epochs = epochs
        self.inner.begin(epochs, finished, images)

    def step(self, images: int) -> None:
        """See `Watch`."""
        self.inner.step(images)

    def shrunk(self, finished: int, micro_batch: int) -> None:
        """See `Watch`."""
        self.inner.shrunk(finished, micro_batch)

    def epoch(self, row: dict[str, Any]) -> None:
        """Pass an epoch on.

        Raises:
            Pruned: this was enough to see.
        """
        self.inner.epoch(row)
        self.seconds += row["seconds"]
        if self.report(row):
            raise Pruned(row["epoch"], row[self.key], round(self.seconds, 3))

    def replay(self, rows: Sequence[dict[str, Any]]) -> None:
        """Tell Optuna of a run that finished without its hearing of it: others are measured by that one."""
        self.epochs = len(rows)
        for row in rows:
            self.report(row)

    def report(self, row: dict[str, Any]) -> bool:
        """Tell Optuna of an epoch; whether it would stop the trial there, or somebody else has taken it."""
        if self.key not in row:
            return False
        with self.errors():
            try:
                self.trial.report(row[self.key], row["epoch"])
            except UpdateFinishedTrialError:  # others took us for gone, and train it
                return True
            return row["epoch"] < self.epochs and self.trial.should_prune()
