"""A task's trials as its database has them, by candidate; a look at them costs what has changed since the last."""

from collections.abc import Iterator

import optuna
from optuna.trial import FrozenTrial, TrialState

from sunetlab.study.recorded import LOST, SINCE, folder_of, is_open


class Ledger:
    """The trials of an Optuna study.

    Attributes:
        trials: all, by number, as they were when somebody last looked.
        done: candidates that have an outcome that counts, and which trial has it.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.optuna = study
        self.trials: list[FrozenTrial] = []
        self.done: dict[str, int] = {}
        self._of: dict[str, dict[int, FrozenTrial]] = {}
        self._settled = 0  # trials before this number have ended, and change no more

    def look(self) -> list[FrozenTrial]:
        """All trials as they are now."""
        self.trials = self.optuna.get_trials(deepcopy=False)
        for trial in self.trials[self._settled :]:
            name = folder_of(trial)
            self._of.setdefault(name, {})[trial.number] = trial
            if self.done.get(name, trial.number) < trial.user_attrs.get(SINCE, 0):
                del self.done[name]  # it is run again
            if trial.state.is_finished() and not is_open(trial):
                self.done[name] = trial.number
        while self._settled < len(self.trials) and self.trials[self._settled].state.is_finished():
            self._settled += 1
        return self.trials

    def of(self, folder: str) -> list[FrozenTrial]:
        """A candidate's trials, by number."""
        found = self._of.get(folder, {})
        return [found[number] for number in sorted(found)]

    def waiting(self) -> list[FrozenTrial]:
        """Who stands in line, the first first."""
        return [trial for trial in self.trials[self._settled :] if trial.state == TrialState.WAITING]

    def standing(self) -> set[str]:
        """Candidates that wait, run or are done."""
        return {folder for folder in self._of if not all(map(is_open, self._counting(folder)))}

    def since(self, folder: str) -> int | None:
        """The trial from which on a candidate's results count, where it was put in line to be run again."""
        return max((one.user_attrs[SINCE] for one in self.of(folder) if SINCE in one.user_attrs), default=None)

    def _counting(self, folder: str) -> Iterator[FrozenTrial]:
        first = self.since(folder) or 0
        return (one for one in self.of(folder) if one.number >= first)

    def is_twin(self, trial: FrozenTrial) -> bool:
        """Whether another trial of the same candidate counts, and not this one."""
        return any(_counts_before(one, trial) for one in self.of(folder_of(trial)) if one.number != trial.number)

    def losses(self, trial: FrozenTrial, epochs: int) -> int:
        """How many trials of a candidate in a row were lost when its run had so many epochs, up to `trial`."""
        found = 0
        for one in self.of(folder_of(trial)):
            if trial.user_attrs.get(SINCE, 0) <= one.number < trial.number and LOST in one.user_attrs:
                found = found + 1 if one.user_attrs[LOST] == epochs else 0
        return found


def _counts_before(one: FrozenTrial, other: FrozenTrial) -> bool:
    """Whether `one` of two trials of a candidate is the one that counts: that is done, or lives and came first.

    What was done before the other was put in line to be run again does not.
    """
    if one.number < other.user_attrs.get(SINCE, 0):
        return False
    if one.state in (TrialState.WAITING, TrialState.RUNNING):
        return one.number < other.number
    return not is_open(one)
