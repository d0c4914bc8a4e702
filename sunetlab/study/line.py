"""Which of a task's candidates stand in line: all from the start, one design after another, or one stage after another.

A study whose arms have learning rates of their own tunes them first, then compares; a search trains its winners anew
when it has ended. What comes second follows from the trials that came before the first of it and from nothing else, so
whoever goes on with a study finds the same candidates.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from sunetlab.errors import InputError
from sunetlab.space.pick import Design, design
from sunetlab.study import choice
from sunetlab.study.candidate import Candidate, Stage, candidate, candidates, with_seeds
from sunetlab.study.definition import Study, StudyTask, Tune, Winners
from sunetlab.study.designs import beside, feasible, make_designs, make_space
from sunetlab.study.recorded import by_candidate, design_of, planned, stage_of, tried_first
from sunetlab.study.search import UNIT, Search, Tried
from sunetlab.train.data import DataSource

MANY = 64  # levels of a factor, beyond which Optuna is not told of it: it would keep all of them with every trial


class Entry(NamedTuple):
    """A candidate, and the parameters of its trial."""

    candidate: Candidate
    params: Mapping[str, Any]


class Line(Protocol):
    """A task's candidates as they come to stand in line.

    Attributes:
        stage: which the last of them are in.
        total: how many there will have been.
        feasible: how many designs a search chooses from; None where nothing is searched.
        distributions: what Optuna is told that parameters may be; not every trial has all of them.
    """

    stage: Stage
    total: int
    feasible: int | None
    distributions: dict[str, BaseDistribution]

    def called(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """All whom the trials so far may be of."""

    def due(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """Those of them who must have stood in line by now: all but who is surplus."""

    def more(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """Who comes when nobody waits any more; nobody at the end."""

    def is_surplus(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
        """Whether `trial` is of a design that a search has too many: several who proposed at once each had one left."""


class AllAtOnce:
    """Candidates that all stand in line from the start; parameters are what they are known by."""

    def __init__(self, entries: Sequence[Candidate], stage: Stage = "trial") -> None:
        self.entries = [Entry(one, one.params) for one in entries]
        self.total, self.stage = len(self.entries), stage
        self.feasible: int | None = None
        self.distributions = levels_of(entries)

    def called(self, trials: Sequence[FrozenTrial]) -> list[Entry]:  # noqa: ARG002
        """All."""
        return self.entries

    def due(self, trials: Sequence[FrozenTrial]) -> list[Entry]:  # noqa: ARG002
        """All."""
        return self.entries

    def more(self, trials: Sequence[FrozenTrial]) -> list[Entry]:  # noqa: ARG002
        """Nobody."""
        return []

    def is_surplus(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:  # noqa: ARG002
        """No."""
        return False


class OneByOne:
    """A design with all seeds once the one before is done; parameters are its point (`space.land`)."""

    stage: Stage = "trial"

    def __init__(self, study: Study, task: StudyTask, data: DataSource) -> None:
        classes, size = len(data.classes), data.size
        self.study, self.task, self.size = study, task, size
        self.space = make_space(study, task, classes, size)
        self.search = Search.of(study, feasible(study, task, classes, size))
        self.total = self.search.total * len(study.seeds)
        self.feasible: int | None = len(self.search.feasible)
        self.distributions: dict[str, BaseDistribution] = dict.fromkeys(self.search.feasible.scalars, UNIT)
        self.numbers: dict[str, int] = {}  # id of a design tried → its number
        self.known: dict[int, list[Entry]] = {}  # number of a design → its candidates

    def called(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """All seeds of every design that has a trial.

        Raises:
            InputError: a trial is of no design that the search can choose.
        """
        return [entry for number in self.tried(trials) for entry in self._entries(number)]

    def due(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """All seeds of the first designs, as many as are tried."""
        tried = tried_first(trials, self.search.total)
        return [entry for entry in self.called(trials) if entry.candidate.design.spec.id in tried]

    def more(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """All seeds of the design that the search tries next."""
        number = self.search.next(self.tried(trials))
        return [] if number is None else self._entries(number)

    def is_surplus(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
        """Whether as many designs as are tried had a trial before this one's."""
        return design_of(trial) not in tried_first(trials, self.search.total)

    def tried(self, trials: Sequence[FrozenTrial]) -> dict[int, Tried]:
        """The designs in the order in which they were tried, each with what its seeds found."""
        values: dict[int, list[FrozenTrial]] = {}
        for trial in by_candidate(trials).values():
            values.setdefault(self._number(trial), []).append(trial)
        return {number: choice.outcome(mine) for number, mine in values.items()}

    def _entries(self, number: int) -> list[Entry]:
        if number not in self.known:
            point, made = self.search.feasible.point(number), design(self.space, number)
            self.known[number] = [Entry(one, point) for one in with_seeds(self.study, self.task, made)]
        return self.known[number]

    def _number(self, trial: FrozenTrial) -> int:
        """The design that a trial's point means."""
        known, point, chosen = design_of(trial), planned(trial), self.search.feasible
        if known not in self.numbers:
            number = chosen.land(point) if point.keys() == set(chosen.scalars) else None
            if number is None or self.space.spec(number).id != known:
                raise InputError(
                    f"{self.task.task}: trial {trial.number} is of no design that keeps the bounds as they are counted "
                    "now; go on with the version of sunetlab that began this study, or choose another --out"
                )
            self.numbers[known] = number
        return self.numbers[known]


class Then:
    """One line, and when it has ended those who follow from what it found.

    Args:
        first: the line before.
        stage: of the followers.
        count: how many there will be.
        follow: who they are, from the trials of the first line.
        distributions: of the followers' parameters; None: they have none.
    """

    def __init__(
        self,
        first: Line,
        stage: Stage,
        count: int,
        follow: Callable[[list[FrozenTrial]], list[Candidate]],
        distributions: dict[str, BaseDistribution] | None = None,
    ) -> None:
        self.first, self.stage, self.follow = first, stage, follow
        self.total, self.feasible = first.total + count, first.feasible
        self.has_params = distributions is not None
        self.distributions = distributions or first.distributions

    def called(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """Those of the first line, who may have come late, and the followers if they have begun."""
        before, begun = self._before(trials)
        first = self.first.called([trial for trial in trials if stage_of(trial) != self.stage])
        return [*first, *(self._followers(before) if begun else ())]

    def due(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """Those of the first line, and the followers if they have begun."""
        before, begun = self._before(trials)
        return [*self.first.due(before), *(self._followers(before) if begun else ())]

    def more(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """Those of the first line while there are any, then the followers, then nobody."""
        before, begun = self._before(trials)
        if begun:
            return []
        came = self.first.more(before)
        if came or any(trial.state in (TrialState.RUNNING, TrialState.WAITING) for trial in before):
            return came
        return self._followers(before)

    def is_surplus(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
        """Whether a trial of the first line is."""
        return stage_of(trial) != self.stage and self.first.is_surplus(trial, self._before(trials)[0])

    def _followers(self, before: list[FrozenTrial]) -> list[Entry]:
        found = [Entry(one, one.params if self.has_params else {}) for one in self.follow(before)]
        self.total = len(self.first.due(before)) + len(found)
        return found

    def _before(self, trials: Sequence[FrozenTrial]) -> tuple[list[FrozenTrial], bool]:
        """The trials of the first line that came before the first follower, and whether there is one."""
        followers = [trial.number for trial in trials if stage_of(trial) == self.stage]
        first = min(followers, default=None)
        mine = [trial for trial in trials if stage_of(trial) != self.stage]
        return [trial for trial in mine if first is None or trial.number < first], first is not None


def line_of(study: Study, task: StudyTask, data: DataSource) -> Line:
    """A task's line, as the study's sampler and stages have it."""
    line: Line
    if study.is_adaptive:
        line = OneByOne(study, task, data)
    else:
        designs = make_designs(study, task, len(data.classes), data.size)
        if study.tune is not None:
            return _tuned(study, task, study.tune, designs)
        line = AllAtOnce(candidates(study, task, designs))
    return line if study.winners is None else _won(study, task, study.winners, data, line)


def levels_of(entries: Sequence[Candidate]) -> dict[str, BaseDistribution]:
    """What Optuna is told of parameters that are levels: all that these candidates have, where they are not very many.

    What it is not told is in the trial's attributes, too, from where everything else here has it.
    """
    levels: dict[str, dict[Any, None]] = {}
    for one in entries:
        for name, level in one.params.items():
            levels.setdefault(name, {})[level] = None
    return {name: CategoricalDistribution(list(found)) for name, found in levels.items() if len(found) <= MANY}


def _tuned(study: Study, task: StudyTask, tune: Tune, designs: tuple[Design, ...]) -> Then:
    """First every arm with every learning rate, then every arm with the best of its own and every seed."""
    length = {"epochs": tune.epochs} if tune.epochs else {}
    rates = [multiple * task.recipe.lr for multiple in tune.lr]
    first = [
        candidate(task, design, seed, "tuning", lr=lr, **length)
        for seed in tune.seeds
        for lr in rates
        for design in designs
    ]

    def compare(trials: list[FrozenTrial]) -> list[Candidate]:
        best = choice.rates(trials, task.recipe.lr)
        return [
            candidate(task, design, seed, lr=best.get(choice.arm_of(design.levels), task.recipe.lr))
            for seed in study.seeds
            for design in designs
        ]

    possible = [candidate(task, design, seed, lr=lr) for seed in study.seeds for lr in rates for design in designs]
    return Then(
        AllAtOnce(first, "tuning"), "trial", len(study.seeds) * len(designs), compare, levels_of(first + possible)
    )


def _won(study: Study, task: StudyTask, winners: Winners, data: DataSource, search: Line) -> Then:
    """First the search, then the best that it found and those beside them, with fresh seeds."""
    others = beside(study, task, len(data.classes))

    def train_anew(trials: list[FrozenTrial]) -> list[Candidate]:
        at_hand = {entry.candidate.design.spec.id: entry.candidate.design for entry in search.called(trials)}
        best = choice.best(trials, winners.designs, by_front=study.sampler == "nsga2")
        taken = {**{key: at_hand[key] for key in best}, **{one.spec.id: one for one in others}}
        return [candidate(task, one, seed, "winner") for seed in winners.seeds for one in taken.values()]

    return Then(search, "winner", len(winners.seeds) * (winners.designs + len(others)), train_anew)
