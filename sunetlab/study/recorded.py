"""What Optuna has of a trial: which candidate it is of, why it failed, whether it leaves that one still to be run."""

from typing import Any

from optuna.trial import FrozenTrial, TrialState

INTERRUPTED = "interrupted"  # a failed trial without a reason: killed before it could give one
FOLDER, LEVELS, STAGE = "folder", "levels", "stage"  # attributes that a trial has from the start
SINCE = "since"  # and this one where it is run again: results of trials before that number do not count
LOST = "lost"  # and this one where its process or machine died: epochs that its run had then
FEASIBLE = "feasible"  # attribute of a task's Optuna study: how many designs a search chooses from
TOTAL = "total"  # and this one: how many candidates there will have been, at most


def folder_of(trial: FrozenTrial) -> str:
    """The name of a trial's folder."""
    return str(trial.user_attrs.get(FOLDER, ""))


def design_of(trial: FrozenTrial) -> str:
    """The id of a trial's design."""
    return folder_of(trial).partition("-")[0]


def stage_of(trial: FrozenTrial) -> str:
    """Which stage of its study a trial is in; earlier studies have one only."""
    return str(trial.user_attrs.get(STAGE, "trial"))


def planned(trial: FrozenTrial) -> dict[str, Any]:
    """A trial's parameters, also where it still waits for them, or was killed when it had some of them only."""
    found: dict[str, Any] = trial.system_attrs.get("fixed_params") or trial.params
    return found


def levels_of(trial: FrozenTrial) -> dict[str, Any]:
    """The levels of the factors, and the seed; earlier studies have them as parameters only."""
    found: dict[str, Any] = trial.user_attrs.get(LEVELS) or planned(trial)
    return found


def reason_of(trial: FrozenTrial) -> str:
    """Why a failed trial failed."""
    return str(trial.user_attrs.get("reason", INTERRUPTED))


def is_open(trial: FrozenTrial, retry_failed: bool = False) -> bool:
    """Whether a trial that Optuna has leaves its candidate still to be run."""
    return trial.state == TrialState.FAIL and (retry_failed or reason_of(trial) == INTERRUPTED)
