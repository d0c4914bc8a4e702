"""A study's database for whoever only looks: opened once, and a second look reads what has changed since the first."""

from pathlib import Path

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from sunetlab.study import storage
from sunetlab.study.definition import Study
from sunetlab.study.recorded import FEASIBLE, TOTAL, count_of
from sunetlab.study.storage import database_errors, read_trials


class Records:
    """What the database of the study in `folder` has of its tasks; nothing where it has not begun."""

    def __init__(self, study: Study, folder: Path) -> None:
        self.study, self.folder = study, folder
        self._storage: BaseStorage | None = None
        self._studies: dict[str, optuna.Study] = {}

    def trials(self, task: str, states: tuple[TrialState, ...] | None = None) -> list[FrozenTrial]:
        """What Optuna has of a task, or of its trials in some states, checked.

        Raises:
            SunetlabError: the database is damaged.
        """
        with database_errors(self.folder):
            found = self._of(task)
            return read_trials(found, self.study, states) if found else []

    def feasible(self, task: str) -> int | None:
        """How many designs of a task an adaptive study chooses from; None where it does not, or has not begun."""
        return self._count(task, FEASIBLE)

    def total(self, task: str) -> int | None:
        """How many trials of a task there will have been, at most; None where it has not begun."""
        return self._count(task, TOTAL)

    def to_try(self, task: str) -> int:
        """How many designs of a task an adaptive study tries in the end, at most where it has not begun."""
        most, found = self.study.designs or 0, self.feasible(task)
        return most if found is None else min(most, found)

    def _count(self, task: str, name: str) -> int | None:
        with database_errors(self.folder):
            found = self._of(task)
            return count_of(found.user_attrs, name) if found else None

    def _of(self, task: str) -> optuna.Study | None:
        if task not in self._studies and storage.is_begun(self.folder):
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            self._storage = self._storage or storage.open_storage(self.folder)
            name = storage.name_of(self.study, task, self.folder)
            if name in optuna.get_all_study_names(self._storage):
                self._studies[task] = optuna.load_study(study_name=name, storage=self._storage)
        return self._studies.get(task)
