"""A task's candidates in line, in its Optuna study: who comes next, and what became of whom."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from sunetlab.study.candidate import Candidate
from sunetlab.study.definition import Study, StudyTask
from sunetlab.study.designs import quantities
from sunetlab.study.line import Entry, line_of
from sunetlab.study.pruning import Pruning
from sunetlab.study.recorded import FEASIBLE, FOLDER, LEVELS, STAGE, folder_of, is_open, stage_of
from sunetlab.study.storage import TRIALS, database_errors, open_optuna
from sunetlab.train.data import DataSource
from sunetlab.train.evaluate import OBJECTIVE
from sunetlab.train.run import RESULT, Run, claim_record, read_log
from sunetlab.train.watch import Watch

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
    """A task's candidates in line, in its Optuna study."""

    def __init__(self, study: Study, task: StudyTask, data: DataSource, folder: Path) -> None:
        self.study, self.task, self.data = study, task, data
        self.home, self.folder = folder, folder / TRIALS / task.task
        claim_record(folder / f"data-{task.task}.json", data.record())
        self.line = line_of(study, task, data)
        self.entries: dict[str, Entry] = {}  # who is or was in line, by the names of their folders
        self.optuna = open_optuna(study, task.task, folder)
        with database_errors(folder):
            if self.optuna.user_attrs.get(FEASIBLE) != self.line.feasible:
                self.optuna.set_user_attr(FEASIBLE, self.line.feasible)

    def fill(self, retry_failed: bool) -> None:
        """Put every candidate in line that has neither finished nor failed nor waits already."""
        with database_errors(self.home):
            trials, settled = self.optuna.get_trials(deepcopy=False), set()
            called = self.line.called(trials)
            if others := {folder_of(trial) for trial in trials} - {entry.candidate.folder for entry in called}:
                raise ValueError(f"it has trials of another study, such as {min(others)}")
            for trial in trials:
                if trial.state == TrialState.RUNNING:  # the lock is ours: whoever ran it is gone
                    self.optuna.tell(trial.number, state=TrialState.FAIL)
                elif trial.state == TrialState.COMPLETE and self.is_lost(trial):
                    continue
                elif not is_open(trial, retry_failed):
                    settled.add(folder_of(trial))
            self._admit(called, settled)

    def is_lost(self, trial: FrozenTrial) -> bool:
        """Whether somebody took a finished trial's result away: its candidate is made again."""
        return not (self.folder / folder_of(trial) / RESULT).exists()

    def take(self) -> Ticket | None:
        """The next candidate in line; None where nobody waits and nobody comes."""
        with database_errors(self.home):
            waiting = len(self.optuna.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
            if not waiting:
                waiting = self._admit(self.line.more(self.optuna.get_trials(deepcopy=False)))
            if not waiting:
                return None
            trial = self.optuna.ask()
            entry = self.entries[trial.user_attrs[FOLDER]]
            _take(trial, entry, self.line.distributions)
        return Ticket(trial, entry, len(self.entries) - waiting + 1)

    def is_over(self) -> bool:
        """Whether nobody waits and nobody comes."""
        with database_errors(self.home):
            trials = self.optuna.get_trials(deepcopy=False)
            return all(trial.state.is_finished() for trial in trials) and not self.line.more(trials)

    def waiting(self) -> list[Run]:
        """What stands in line, the first first."""
        with database_errors(self.home):
            trials = self.optuna.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        return [self.entries[folder_of(trial)].candidate.run for trial in trials]

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
        with database_errors(self.home):
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
        with database_errors(self.home):
            self.optuna.tell(ticket.trial, state=TrialState.FAIL)
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

    def _admit(self, entries: Sequence[Entry], settled: Collection[str] = ()) -> int:
        """Put candidates in line, but for those who are settled; how many came."""
        came = [entry for entry in entries if entry.candidate.folder not in settled]
        self.entries |= {entry.candidate.folder: entry for entry in entries}
        for candidate, params in came:
            known = {FOLDER: candidate.folder, LEVELS: candidate.params, STAGE: candidate.stage}
            self.optuna.enqueue_trial(dict(params), user_attrs=known)
        return len(came)


def _take(trial: optuna.Trial, entry: Entry, distributions: Mapping[str, BaseDistribution]) -> None:
    """Give a trial the parameters that it stands in line with."""
    for name in entry.params:
        told = distributions[name]
        if isinstance(told, CategoricalDistribution):
            trial.suggest_categorical(name, told.choices)
        else:
            trial.suggest_float(name, 0, 1)
