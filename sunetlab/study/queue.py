"""A task's candidates in line, in its Optuna study: who comes next, and what became of whom."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from sunetlab.study.candidate import Candidate
from sunetlab.study.company import Company
from sunetlab.study.definition import Study, StudyTask
from sunetlab.study.designs import quantities
from sunetlab.study.line import Entry, line_of
from sunetlab.study.pruning import Pruning
from sunetlab.study.recorded import FEASIBLE, FOLDER, LEVELS, SINCE, STAGE, TOTAL, folder_of, is_open, stage_of
from sunetlab.study.storage import TRIALS, database_errors, open_optuna, read_trials
from sunetlab.train.data import DataSource
from sunetlab.train.evaluate import OBJECTIVE
from sunetlab.train.run import RESULT, Run, claim_record, read_log
from sunetlab.train.watch import Watch

CHUNK = 64  # candidates that stand in line at most: whoever takes one looks at all of them

# What the database has of a trial's outcome; all of it is in the trial's folder.
RECORDED = {"reason", "detail", "params", "macs", "seconds", "stopped"}


class Ticket(NamedTuple):
    """A candidate whose turn it is.

    Attributes:
        trial: Optuna's, which runs now.
        entry: who.
        number: which of the task's candidates, from 1.
    """

    trial: optuna.Trial
    entry: Entry
    number: int


class Queue:
    """A task's candidates in line, in its Optuna study.

    Where others are at work, too, each puts in line whom it finds missing and takes whom nobody has taken. A candidate
    may so stand in line twice: of its trials that wait, run or are done the first counts, and the others are passed
    over as if they had been interrupted at once.
    """

    def __init__(
        self,
        study: Study,
        task: StudyTask,
        data: DataSource,
        folder: Path,
        database: BaseStorage,
        company: Company,
    ) -> None:
        self.study, self.task, self.data = study, task, data
        self.home, self.folder = folder, folder / TRIALS / task.task
        self.database, self.company = database, company
        claim_record(folder / f"data-{task.task}.json", data.record())
        self.line = line_of(study, task, data)
        self.entries: dict[str, Entry] = {}  # who was called so far, by the names of their folders
        self.coming: deque[Entry] = deque()  # those of them who do not stand in line yet
        self.seen = 0  # trials that there were when they were called
        self.again: dict[str, int] = {}  # whose result does not count any more, and so many trials before
        self.optuna = open_optuna(study, task.task, folder, database)
        with database_errors(folder):
            if self.optuna.user_attrs.get(FEASIBLE) != self.line.feasible:
                self.optuna.set_user_attr(FEASIBLE, self.line.feasible)

    def fill(self, retry_failed: bool) -> None:
        """Put every candidate in line that has neither finished nor failed nor waits already."""
        with database_errors(self.home):
            trials, settled = read_trials(self.optuna, self.study), set()
            called = self.line.called(trials)
            if others := {folder_of(trial) for trial in trials} - {entry.candidate.folder for entry in called}:
                raise ValueError(f"it has trials of another study, such as {min(others)}")
            gone = {trial.number for trial in self._give_up(trials)}
            for trial in trials:
                if trial.number in gone or (trial.state == TrialState.COMPLETE and self.is_lost(trial)):
                    continue
                if not is_open(trial, retry_failed):
                    settled.add(folder_of(trial))
            self.again = {folder_of(one): len(trials) for one in trials if not is_open(one)}
            self.again = {name: seen for name, seen in self.again.items() if name not in settled}
            self._call(called, trials, settled)
            if not self._waiting():
                self._line_up()

    def is_lost(self, trial: FrozenTrial) -> bool:
        """Whether somebody took a finished trial's result away: its candidate is made again."""
        return not (self.folder / folder_of(trial) / RESULT).exists()

    def take(self) -> Ticket | None:
        """The next candidate in line; None where nobody waits and nobody comes."""
        with database_errors(self.home):
            while waiting := self._waiting() or self._called_again() or self._come():
                for place, trial in enumerate(waiting):
                    if self._is_taken(trial):
                        self.company.took(trial._trial_id)
                        entry = self._entry(trial)
                        running = optuna.Trial(self.optuna, trial._trial_id)
                        _take(running, entry, self.line.distributions)
                        number = len(self.entries) - len(self.coming) - len(waiting) + place + 1
                        return Ticket(running, entry, number)
            return None

    def is_over(self) -> bool:
        """Whether nobody waits or runs, here or elsewhere, and nobody comes."""
        if self.coming:
            return False
        with database_errors(self.home):
            trials = self.optuna.get_trials(deepcopy=False)
            done = all(trial.state.is_finished() for trial in trials)
            return done and not self._missing(trials) and not self.line.more(trials)

    def waiting(self) -> list[Run]:
        """What stands in line, the first first."""
        with database_errors(self.home):
            standing = [self._entry(trial) for trial in self._waiting()]
        return [entry.candidate.run for entry in (*standing, *self.coming)]

    def watched(self, ticket: Ticket, watch: Watch) -> Watch:
        """Who is told of a trial: Optuna, too, where it may stop it.

        A run that finished without Optuna hearing of it says nothing more: what its log has is told here.
        """
        candidate = ticket.entry.candidate
        if self.study.pruner == "none" or candidate.stage != "trial":
            return watch
        pruning, folder = Pruning(watch, ticket.trial, OBJECTIVE[self.task.task]), self.folder / candidate.folder
        if (folder / RESULT).exists():
            with database_errors(self.home):
                pruning.replay(read_log(folder))
        return pruning

    def settle(self, ticket: Ticket, outcome: dict[str, Any]) -> None:
        """Tell the database what became of a trial."""
        candidate, trial = ticket.entry.candidate, ticket.trial
        self.company.let_go(trial._trial_id)
        with database_errors(self.home), suppress(UpdateFinishedTrialError):  # others took us for gone, and train it
            for name, figure in self.figures(candidate, outcome).items():
                trial.set_user_attr(name, figure)
            if "reason" in outcome:
                self.optuna.tell(trial, state=TrialState.FAIL)
            elif "stopped" in outcome:
                self.optuna.tell(trial, state=TrialState.PRUNED)
            else:
                self.optuna.tell(trial, self.values(candidate, outcome))

    def put_back(self, ticket: Ticket) -> None:
        """Let a candidate whose trial was interrupted stand in line again."""
        self.company.let_go(ticket.trial._trial_id)
        with database_errors(self.home), suppress(UpdateFinishedTrialError):
            self.database.set_trial_state_values(ticket.trial._trial_id, TrialState.FAIL)
            self._admit([ticket.entry])

    def figures(self, candidate: Candidate, outcome: dict[str, Any]) -> dict[str, Any]:
        """What the database has of an outcome, with the quantities of the design that the study wants told."""
        names = [name for name in self.study.told if name not in RECORDED]
        found = quantities(candidate.design.spec, self.task, self.data.size, names) if names else {}
        return {name: outcome[name] for name in sorted(RECORDED & outcome.keys())} | found

    def values(self, candidate: Candidate, outcome: dict[str, Any]) -> list[float]:
        """What Optuna is told of a finished trial: its value, and its cost where that is a second aim."""
        if self.study.cost is None:
            return [outcome["value"]]
        cost = quantities(candidate.design.spec, self.task, self.data.size, [self.study.cost])[self.study.cost]
        return [outcome["value"], float(cost)]

    def winners(self) -> list[Path]:
        """The folders of a search's winners that have finished, where they are to be tested."""
        if self.study.winners is None or not self.study.winners.test:
            return []
        with database_errors(self.home):
            done = self.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [self.folder / folder_of(trial) for trial in done if stage_of(trial) == "winner"]

    def _waiting(self) -> list[FrozenTrial]:
        """Who stands in line, the first first."""
        return self.optuna.get_trials(deepcopy=False, states=(TrialState.WAITING,))

    def _called_again(self) -> list[FrozenTrial]:
        """Who stands in line once those have been called again whose trials nobody works at any more."""
        gone = self._give_up(self.optuna.get_trials(deepcopy=False))
        self._admit([self._entry(trial) for trial in gone])
        return self._waiting() if gone else []

    def _come(self) -> list[FrozenTrial]:
        """Who stands in line once those have come whose turn it is."""
        trials = self.optuna.get_trials(deepcopy=False)
        if not self.coming:
            self._call(self._missing(trials) or self.line.more(trials), trials)
        return self._waiting() if self._line_up() else []

    def _line_up(self) -> bool:
        """Let the next of those who come stand in line; whether there are any."""
        trials = self.optuna.get_trials(deepcopy=False)
        others = {folder_of(trial) for trial in trials[self.seen :] if not is_open(trial)}  # put them in line meanwhile
        came: list[Entry] = []
        while self.coming and len(came) < CHUNK:
            entry = self.coming.popleft()
            came += [entry] if entry.candidate.folder not in others else []
        self._admit(came)
        return bool(came)

    def _missing(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """Who was called and has neither a result nor a trial that waits or runs: somebody died between two steps."""
        standing = {folder_of(trial) for trial in trials if not is_open(trial)}
        return [entry for entry in self.line.called(trials) if entry.candidate.folder not in standing]

    def _call(self, called: Sequence[Entry], trials: Sequence[FrozenTrial], settled: Collection[str] = ()) -> None:
        """Let candidates come, but for those who are settled; the database has how many there will have been."""
        self.entries |= {entry.candidate.folder: entry for entry in called}
        self.coming.extend(entry for entry in called if entry.candidate.folder not in settled)
        self.seen = len(trials)
        if self.optuna.user_attrs.get(TOTAL) != self.line.total:
            self.optuna.set_user_attr(TOTAL, self.line.total)

    def _entry(self, trial: FrozenTrial) -> Entry:
        """The candidate of a trial; others may have put it in line."""
        if folder_of(trial) not in self.entries:
            called = self.line.called(self.optuna.get_trials(deepcopy=False))
            self.entries |= {entry.candidate.folder: entry for entry in called}
        return self.entries[folder_of(trial)]

    def _give_up(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """The trials that nobody works at any more, which count as interrupted from now on."""
        gone = []
        for trial in self.company.gone(trials):
            with suppress(UpdateFinishedTrialError):  # another was faster
                self.database.set_trial_state_values(trial._trial_id, TrialState.FAIL)
                gone.append(trial)
        return gone

    def _is_taken(self, trial: FrozenTrial) -> bool:
        """Take a trial that waits; whether it is ours now and its candidate's turn."""
        try:
            if not self.database.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                return False
        except UpdateFinishedTrialError:
            return False
        if self.company.shares and self._is_surplus(trial):
            self.database.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            return False
        return True

    def _is_surplus(self, trial: FrozenTrial) -> bool:
        """Whether another trial of the candidate counts, or a search has as many designs as it tries without it."""
        trials = self.optuna.get_trials(deepcopy=False)
        twins = [one for one in trials if folder_of(one) == folder_of(trial) and one.number != trial.number]
        return any(_counts_before(one, trial) for one in twins) or self.line.is_surplus(trial, trials)

    def _admit(self, entries: Sequence[Entry]) -> None:
        """Put candidates in line."""
        for candidate, params in entries:
            known: dict[str, Any] = {FOLDER: candidate.folder, LEVELS: candidate.params, STAGE: candidate.stage}
            known |= {SINCE: self.again[candidate.folder]} if candidate.folder in self.again else {}
            told = {name: self.line.distributions[name] for name in params}
            standing = create_trial(state=TrialState.WAITING, params=dict(params), distributions=told, user_attrs=known)
            self.optuna.add_trial(standing)


def _counts_before(one: FrozenTrial, other: FrozenTrial) -> bool:
    """Whether `one` of two trials of a candidate is the one that counts: that is done, or lives and came first.

    What was done before the other was put in line to be run again does not.
    """
    if one.number < other.user_attrs.get(SINCE, 0):
        return False
    if one.state in (TrialState.WAITING, TrialState.RUNNING):
        return one.number < other.number
    return not is_open(one)


def _take(trial: optuna.Trial, entry: Entry, distributions: Mapping[str, BaseDistribution]) -> None:
    """Give a trial that an earlier version put in line the parameters that it stands there with."""
    for name in (name for name in entry.params if name not in trial.params):
        told = distributions[name]
        if isinstance(told, CategoricalDistribution):
            trial.suggest_categorical(name, told.choices)
        else:
            trial.suggest_float(name, 0, 1)
