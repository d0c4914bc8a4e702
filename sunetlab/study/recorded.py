"""What Optuna has of a trial: which candidate it is of, why it failed, whether it leaves that one still to be run.

A database may be a stranger's: what it has is looked at when it is read (`check`), and is plain data from then on.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from sunetlab.files import shown
from sunetlab.study.candidate import STAGES

INTERRUPTED = "interrupted"  # a failed trial without a reason: killed before it could give one
FOLDER, LEVELS, STAGE = "folder", "levels", "stage"  # attributes that a trial has from the start
SINCE = "since"  # and this one where it is run again: results of trials before that number do not count
LOST = "lost"  # and this one where its process or machine died: epochs that its run had then
FEASIBLE = "feasible"  # attribute of a task's Optuna study: how many designs a search chooses from
TOTAL = "total"  # and this one: how many candidates there will have been, at most
PULSE = "pulse"  # attribute of a trial that runs: a number; for people, the time on the wall and seconds to the next


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,250}|")  # of a folder in a task's, of which it leads nowhere else


@cache
def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and (type(value) is float or abs(value) < 2**63)


def _are_levels(value: Any) -> bool:
    if not isinstance(value, dict) or not _is_count(value.get("seed", 0)):
        return False
    return all(isinstance(level, str | bool) or level is None or _is_number(level) for level in value.values())


def _is_pulse(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    FOLDER: (lambda value: isinstance(value, str) and _is_name(value), "must be the name of a run's folder"),
    LEVELS: (_are_levels, "must be a table of plain levels, and a seed"),
    STAGE: (lambda value: value in STAGES, f"must be one of {', '.join(STAGES)}"),
    SINCE: (_is_count, "must be a trial's number"),
    LOST: (_is_count, "must be a number of epochs"),
    PULSE: (_is_pulse, "must be three numbers"),
    **dict.fromkeys(("reason", "detail"), (lambda value: isinstance(value, str), "must be a text")),
    **dict.fromkeys(("params", "macs"), (_is_count, "must be a whole number")),
    "seconds": (_is_number, "must be a number"),
}


def check(trial: FrozenTrial, told: Collection[str] = ()) -> None:
    """See that what a database has of a trial is what a study writes there.

    Args:
        trial: as Optuna has read it.
        told: names of further attributes that are numbers.

    Raises:
        ValueError: naming the trial, the attribute, its value and the rule.
    """
    for name, value in trial.user_attrs.items():
        holds, rule = _RULES.get(name, (_is_number if name in told else _anything, "must be a number"))
        if not holds(value):
            raise ValueError(f"trial {trial.number}: {name}: {shown(value)}: {rule}")
    if not _are_levels(planned(trial)):
        raise ValueError(f"trial {trial.number}: parameters: {shown(planned(trial))}: must be plain")
    for value in (*(trial.values or ()), *trial.intermediate_values.values()):
        if not _is_number(value):
            raise ValueError(f"trial {trial.number}: {shown(value)}: must be a number")
    if trial.state == TrialState.COMPLETE and not (trial.values and math.isfinite(trial.values[0])):
        raise ValueError(f"trial {trial.number}: has finished without a value")


def _anything(_: Any) -> bool:
    return True


def count_of(attributes: Mapping[str, Any], name: str) -> int | None:
    """A count among the attributes of a task's Optuna study; None where it is not there.

    Raises:
        ValueError: it is something else.
    """
    found = attributes.get(name)
    if found is not None and not _is_count(found):
        raise ValueError(f"{name}: {shown(found)}: must be a whole number")
    return found


def folder_of(trial: FrozenTrial) -> str:
    """The name of a trial's folder, which cannot lead out of its task's.

    Raises:
        ValueError: the database has another text in its place.
    """
    name = str(trial.user_attrs.get(FOLDER, ""))
    if not _is_name(name):
        raise ValueError(f"trial {trial.number}: {FOLDER}: {shown(name)}: must be the name of a run's folder")
    return name


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


def by_candidate(trials: Iterable[FrozenTrial]) -> dict[str, FrozenTrial]:
    """Of each candidate the trial that counts, by folder: the last with an outcome, else the last.

    One that was put in line twice has a trial that was passed over after the one that counts. What was found before a
    candidate was put in line to be run again does not.
    """
    found: dict[str, FrozenTrial] = {}
    for trial in trials:
        name = folder_of(trial)
        is_settled = trial.state.is_finished() and not is_open(trial)
        if (
            is_settled
            or name not in found
            or is_open(found[name])
            or found[name].number < trial.user_attrs.get(SINCE, 0)
        ):
            found[name] = trial
    return found


def tried_first(trials: Iterable[FrozenTrial], most: int) -> set[str]:
    """The ids of the designs of a search's trials, the first `most` of them: a search has no more.

    Several who proposed at once may each have put one in line.
    """
    return set(list(dict.fromkeys(map(design_of, trials)))[:most])


def is_open(trial: FrozenTrial, retry_failed: bool = False) -> bool:
    """Whether a trial that Optuna has leaves its candidate still to be run."""
    return trial.state == TrialState.FAIL and (retry_failed or reason_of(trial) == INTERRUPTED)
