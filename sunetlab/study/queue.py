"""A task's candidates in line, in its Optuna study: who comes next, and what became of whom."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from sunetlab.errors import InputError, SunetlabError
from sunetlab.study.candidate import Candidate
from sunetlab.study.company import Company
from sunetlab.study.definition import Study, StudyTask
from sunetlab.study.designs import quantities
from sunetlab.study.ledger import Ledger
from sunetlab.study.line import Entry, line_of
from sunetlab.study.pruning import Pruning
from sunetlab.study.recorded import (
    FEASIBLE,
    FOLDER,
    INTERRUPTED,
    LEVELS,
    LOST,
    SINCE,
    STAGE,
    TOTAL,
    folder_of,
    is_open,
    stage_of,
)
from sunetlab.study.storage import TRIALS, database_errors, open_optuna, read_trials
from sunetlab.study.turn import Turn
from sunetlab.study.watch import SilentStudy, StudyWatch
from sunetlab.train.data import DataSource
from sunetlab.train.run import OBJECTIVE, RESULT, Run, claim_record, read_log
from sunetlab.train.watch import Watch

CHUNK = 64  # candidates that stand in line at most: whoever looks at the database reads all of them anew
LOSSES = 5  # processes that die in the same epoch of a candidate, until it counts as failed

# What the database has of a trial's outcome; all of it is in the trial's folder.
RECORDED = {"reason", "detail", "params", "macs", "seconds", "stopped"}


class Ticket(NamedTuple):
    """A candidate whose turn it is.

    Attributes:
        trial: Optuna's, as it stood in line; it runs now.
        entry: who.
    """

    trial: FrozenTrial
    entry: Entry


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
        watch: StudyWatch | None = None,
    ) -> None:
        self.study, self.task, self.data = study, task, data
        self.home, self.folder = folder, folder / TRIALS / task.task
        self.database, self.company, self.watch = database, company, watch or SilentStudy()
        claim_record(folder / f"data-{task.task}.json", data.record())
        self.line = line_of(study, task, data)
        self.entries: dict[str, Entry] = {}  # who was called so far, by the names of their folders
        self.coming: deque[Entry] = deque()  # those of them who do not stand in line yet
        self.standing: deque[FrozenTrial] = deque()  # who stood in line when we last looked, and was not taken here
        self.seen = 0  # trials that there were when they were called
        self.again: dict[str, int] = {}  # whose result does not count any more, and so many trials before
        self.optuna = open_optuna(study, task.task, folder, database)
        self.ledger = Ledger(self.optuna)
        self.turn = Turn(folder / f".line-{task.task}")
        with database_errors(folder):
            if self.optuna.user_attrs.get(FEASIBLE) != self.line.feasible:
                self.optuna.set_user_attr(FEASIBLE, self.line.feasible)

    def fill(self, retry_failed: bool) -> None:
        """Put every candidate in line that has neither finished nor failed nor waits already."""
        with database_errors(self.home):
            read_trials(self.optuna, self.study)  # what a stranger wrote there is refused before it is used
            trials, settled = self.ledger.look(), set()
            self.entries |= {entry.candidate.folder: entry for entry in self.line.called(trials)}
            if others := {folder_of(trial) for trial in trials} - self.entries.keys():
                raise ValueError(f"it has trials of another study, such as {min(others)}")
            gone = {trial.number for trial in self._give_up(trials)}
            for trial in trials:
                if trial.number in gone or (trial.state == TrialState.COMPLETE and self.is_lost(trial)):
                    continue
                if not is_open(trial, retry_failed):
                    settled.add(folder_of(trial))
            self.again = {folder_of(one): len(trials) for one in trials if one.number not in gone and not is_open(one)}
            self.again = {name: seen for name, seen in self.again.items() if name not in settled}
            self._call(self.line.due(trials), trials, settled)
            self.ledger.look()
            if not self.ledger.waiting():
                with self._turn() as is_ours:
                    if is_ours and not self.ledger.waiting():
                        self._line_up()

    def is_lost(self, trial: FrozenTrial) -> bool:
        """Whether somebody took a finished trial's result away: its candidate is made again."""
        return not (self.folder / folder_of(trial) / RESULT).exists()

    def take(self) -> Ticket | None:
        """The next candidate in line; None where nobody waits and nobody comes."""
        with database_errors(self.home):
            while self.standing or self._refill():
                trial = self.standing.popleft()
                if self._is_taken(trial):
                    self.company.took(trial._trial_id)
                    entry = self._entry(trial)
                    _take(self.optuna, trial, entry, self.line.distributions)
                    return Ticket(trial, entry)
                if self.company.shares:
                    self.standing.clear()  # others took it, and others after it
            return None

    def progress(self) -> tuple[int, int]:
        """How many candidates have an outcome, here or elsewhere, as far as we have looked; of how many."""
        return len(self.ledger.done), self.line.total

    def is_over(self) -> bool:
        """Whether nobody waits or runs, here or elsewhere, and nobody comes."""
        if self.coming or self.standing:
            return False
        with database_errors(self.home):
            trials = self.ledger.look()
            done = all(trial.state.is_finished() for trial in trials)
            return done and not self._missing(trials) and not self.line.more(trials)

    def waiting(self) -> list[Run]:
        """What stands in line, the first first."""
        with database_errors(self.home):
            self.ledger.look()
            standing = [self._entry(trial) for trial in self.ledger.waiting()]
        return [entry.candidate.run for entry in (*standing, *self.coming)]

    def watched(self, ticket: Ticket, watch: Watch) -> Watch:
        """Who is told of a trial: Optuna, too, where it may stop it.

        A run that finished without Optuna hearing of it says nothing more: what its log has is told here.
        """
        candidate = ticket.entry.candidate
        if self.study.pruner == "none" or candidate.stage != "trial":
            return watch
        with database_errors(self.home):
            trial = optuna.Trial(self.optuna, ticket.trial._trial_id)
            errors, folder = partial(database_errors, self.home), self.folder / candidate.folder
            pruning = Pruning(watch, trial, OBJECTIVE[self.task.task], errors)
            if (folder / RESULT).exists():
                pruning.replay(read_log(folder))
        return pruning

    def settle(self, ticket: Ticket, outcome: dict[str, Any] | None) -> dict[str, Any] | None:
        """Tell the database what became of a trial; None of a candidate that stands in line again.

        Args:
            ticket: the trial's.
            outcome: its result, {"reason": …} where it failed, {"stopped": epoch} where it was pruned; None where a
                process died that it was trained by, with which it stands in line again or, after many, has failed.
        """
        if outcome is None:
            return self._lose(ticket)
        candidate, trial_id = ticket.entry.candidate, ticket.trial._trial_id
        self.company.let_go(trial_id)
        with database_errors(self.home), suppress(UpdateFinishedTrialError):  # others took us for gone, and train it
            for name, figure in self.figures(candidate, outcome).items():
                self.database.set_trial_user_attr(trial_id, name, figure)
            if "reason" in outcome:
                self.database.set_trial_state_values(trial_id, TrialState.FAIL)
            elif "stopped" in outcome:
                self.database.set_trial_state_values(trial_id, TrialState.PRUNED, [outcome["value"]])
            else:
                self.database.set_trial_state_values(trial_id, TrialState.COMPLETE, self.values(candidate, outcome))
            if outcome.get("reason") != INTERRUPTED:
                self.ledger.done[candidate.folder] = ticket.trial.number
        return outcome

    @contextmanager
    def held(self, ticket: Ticket) -> Iterator[None]:
        """Around a training here: a candidate whose training ends too soon stands in line again."""
        try:
            yield
        except BaseException:
            with suppress(SunetlabError):  # a database that cannot be told has ended this, and says so once
                self.put_back(ticket)
            raise

    def put_back(self, ticket: Ticket) -> None:
        """Let a candidate whose trial was interrupted stand in line again."""
        self.company.let_go(ticket.trial._trial_id)
        with database_errors(self.home), suppress(UpdateFinishedTrialError):
            self.database.set_trial_state_values(ticket.trial._trial_id, TrialState.FAIL)
            self._admit([ticket.entry])

    def _lose(self, ticket: Ticket) -> dict[str, Any] | None:
        """End a trial whose process died; its failure where that is one too many."""
        self.company.let_go(ticket.trial._trial_id)
        with database_errors(self.home), suppress(UpdateFinishedTrialError):
            self.ledger.look()
            if failure := self._end_lost(ticket.trial):
                self.ledger.look()
                return failure
            self._admit([ticket.entry])
        return None

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

    def _refill(self) -> bool:
        """See who stands in line; those whose trials nobody works at any more do again, then those whose turn it is."""
        self.ledger.look()
        if not self.ledger.waiting() and not self._call_again():
            with self._turn() as is_ours:
                if is_ours and not self.ledger.waiting():
                    self._come()
        self.standing.extend(self.ledger.waiting())
        return bool(self.standing)

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Around putting candidates in line: whether it is ours to do; who else has just done so has been seen."""
        if not self.company.shares:
            yield True
            return
        with self.turn.taken() as is_ours:
            if is_ours:
                self.ledger.look()
            yield is_ours

    def _call_again(self) -> bool:
        """Let those stand in line again whose trials nobody works at any more; whether there are any."""
        gone = self._give_up(self.ledger.trials)
        self._admit([self._entry(trial) for trial in gone])
        return bool(gone)

    def _come(self) -> None:
        """Let those stand in line whose turn it is."""
        if not self.coming:
            self._call(self._missing(self.ledger.trials) or self.line.more(self.ledger.trials), self.ledger.trials)
        self._line_up()

    def _line_up(self) -> None:
        """Let the next of those who come stand in line."""
        trials = self.ledger.trials
        others = {folder_of(trial) for trial in trials[self.seen :] if not is_open(trial)}  # put them in line meanwhile
        came: list[Entry] = []
        while self.coming and len(came) < CHUNK:
            entry = self.coming.popleft()
            came += [entry] if entry.candidate.folder not in others else []
        self._admit(came)

    def _missing(self, trials: Sequence[FrozenTrial]) -> list[Entry]:
        """Who was called and has neither a result nor a trial that waits or runs: somebody died between two steps."""
        standing = self.ledger.standing()
        return [entry for entry in self.line.due(trials) if entry.candidate.folder not in standing]

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
            self.entries |= {entry.candidate.folder: entry for entry in self.line.called(self.ledger.look())}
        return self.entries[folder_of(trial)]

    def _give_up(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """End the trials that nobody works at any more; those whose candidates are to stand in line again."""
        gone = []
        for trial in self.company.gone(trials):
            with suppress(UpdateFinishedTrialError):  # another was faster
                gone += [] if self._end_lost(trial) else [trial]
        return gone

    def _end_lost(self, trial: FrozenTrial) -> dict[str, Any]:
        """End a trial that was lost with its process; its failure where its candidate is not tried again."""
        epochs, failure = _epochs(self.folder / folder_of(trial)), {}
        if self.ledger.losses(trial, epochs) + 1 >= LOSSES:
            detail = f"{LOSSES} processes died in its epoch {epochs + 1}; the machine may lack memory for it"
            failure = {"reason": "worker died", "detail": detail}
        for name, figure in {LOST: epochs, **failure}.items():
            self.database.set_trial_user_attr(trial._trial_id, name, figure)
        self.database.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        if not failure:
            self.watch.lost(self.task, self._entry(trial).candidate, epochs)
        return failure

    def _is_taken(self, trial: FrozenTrial) -> bool:
        """Take a trial that waits; whether it is ours now and its candidate's turn."""
        try:
            if not self.database.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                return False
        except UpdateFinishedTrialError:
            return False
        if self._is_surplus(trial):
            self.database.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            return False
        return True

    def _is_surplus(self, trial: FrozenTrial) -> bool:
        """Whether another trial of the candidate counts, or a search has as many designs as it tries without it.

        A database makes a study's trials one after another: whoever saw this one has seen all before it, and one after
        it has no outcome as long as this one waits. So there is no need to look again.
        """
        return self.ledger.is_twin(trial) or self.line.is_surplus(trial, self.ledger.trials)

    def _admit(self, entries: Sequence[Entry]) -> None:
        """Put candidates in line."""
        for candidate, params in entries:
            known: dict[str, Any] = {FOLDER: candidate.folder, LEVELS: candidate.params, STAGE: candidate.stage}
            since = max(self.again.get(candidate.folder, 0), self.ledger.since(candidate.folder) or 0)
            known |= {SINCE: since} if since else {}
            told = {name: kind for name, kind in self.line.distributions.items() if name in params}
            given = {name: params[name] for name in told}
            self.optuna.add_trial(
                create_trial(state=TrialState.WAITING, params=given, distributions=told, user_attrs=known)
            )
        if entries:
            self.ledger.look()


def _epochs(folder: Path) -> int:
    """Epochs that a run has; 0 where its log cannot be read."""
    try:
        return len(read_log(folder))
    except (InputError, OSError):
        return 0


def _take(study: optuna.Study, trial: FrozenTrial, entry: Entry, distributions: Mapping[str, BaseDistribution]) -> None:
    """Give a trial that an earlier version put in line the parameters that it stands there with."""
    missing = [name for name in entry.params if name in distributions and name not in trial.params]
    running = optuna.Trial(study, trial._trial_id) if missing else None
    for name in missing:
        assert running is not None
        told = distributions[name]
        if isinstance(told, CategoricalDistribution):
            running.suggest_categorical(name, told.choices)
        else:
            running.suggest_float(name, 0, 1)
