"""Which of a task's candidates stand in line: all from the start, or one design after another as a search goes on."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple, Protocol

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from sunetlab.errors import InputError
from sunetlab.space.pick import design
from sunetlab.study.definition import Candidate, Study, StudyTask
from sunetlab.study.recorded import design_of, folder_of, planned
from sunetlab.study.search import UNIT, Search
from sunetlab.train.data import DataSource


class Entry(NamedTuple):
    """A candidate, and the parameters of its trial."""

    candidate: Candidate
    params: Mapping[str, Any]


class Line(Protocol):
    """A task's candidates as they come to stand in line.

    Attributes:
        total: how many there will have been.
        feasible: how many designs a search chooses from; None where nothing is searched.
        distributions: what Optuna is told that parameters may be.
    """

    total: int
    feasible: int | None
    distributions: dict[str, BaseDistribution]

    def called(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """All who must have stood in line by now, given the trials so far."""

    def more(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """Who comes when nobody waits any more; nobody at the end."""


class AllAtOnce:
    """Every candidate from the start; parameters are the levels of the factors, and the seed."""

    def __init__(self, study: Study, task: StudyTask, data: DataSource) -> None:
        self.entries = [Entry(candidate, candidate.params) for candidate in study.candidates(task, data)]
        self.total = len(self.entries)
        self.feasible: int | None = None
        self.distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(list(dict.fromkeys(entry.params[name] for entry in self.entries)))
            for name in self.entries[0].params
        }

    def called(self, trials: Sequence[FrozenTrial]) -> list[Entry]:  # noqa: ARG002
        """All."""
        return self.entries

    def more(self, trials: Sequence[FrozenTrial]) -> list[Entry]:  # noqa: ARG002
        """Nobody."""
        return []


class OneByOne:
    """A design with all seeds once the one before is done; parameters are its point (`space.land`)."""

    def __init__(self, study: Study, task: StudyTask, data: DataSource) -> None:
        classes, size = len(data.classes), data.size
        self.study, self.task = study, task
        self.space = study.make_space(task, classes, size)
        self.search = Search(study.feasible(task, classes, size), study.designs or 1, study.sampler_seed)
        self.total = self.search.total * len(study.seeds)
        self.feasible: int | None = len(self.search.feasible)
        self.distributions: dict[str, BaseDistribution] = dict.fromkeys(self.search.feasible.scalars, UNIT)
        self.numbers: dict[str, int] = {}  # id of a design tried → its number

    def called(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """All seeds of every design that has a trial.

        Raises:
            InputError: a trial is of no design that the search can choose.
        """
        return [entry for number in self._tried(trials) for entry in self._entries(number)]

    def more(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """All seeds of the design that the search tries next."""
        number = self.search.next(self._tried(trials))
        return [] if number is None else self._entries(number)

    def _entries(self, number: int) -> list[Entry]:
        point = self.search.feasible.point(number)
        found = design(self.space, number)
        return [Entry(candidate, point) for candidate in self.study.with_seeds(self.task, found)]

    def _tried(self, trials: Sequence[FrozenTrial]) -> dict[int, float | None]:
        """The designs in the order in which they were tried, each with its mean over the seeds that have finished."""
        values: dict[int, dict[str, float]] = {}
        for trial in trials:
            mine = values.setdefault(self._number(trial), {})
            if trial.state == TrialState.COMPLETE:
                mine[folder_of(trial)] = trial.values[0]
        return {number: fmean(mine.values()) if mine else None for number, mine in values.items()}

    def _number(self, trial: FrozenTrial) -> int:
        """The design that a trial's point means."""
        known, point, feasible = design_of(trial), planned(trial), self.search.feasible
        if known not in self.numbers:
            number = feasible.land(point) if point.keys() == set(feasible.scalars) else None
            if number is None or self.space.spec(number).id != known:
                raise InputError(
                    f"{self.task.task}: trial {trial.number} is of no design that keeps the bounds as they are counted "
                    "now; go on with the version of sunetlab that began this study, or choose another --out"
                )
            self.numbers[known] = number
        return self.numbers[known]


def line_of(study: Study, task: StudyTask, data: DataSource) -> Line:
    """A task's line, as the study's sampler has it."""
    return OneByOne(study, task, data) if study.is_adaptive else AllAtOnce(study, task, data)
