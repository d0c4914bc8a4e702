"""Run a study: Optuna keeps who is waiting, running and finished; each trial's folder keeps what it found.

The study's folder:
    study.toml             the study, complete
    optuna.db              one Optuna study per task (SQLite)
    trials/TASK/ID-sSEED/  one run per candidate
    .lock                  held while somebody works here

Whatever is killed leaves at most one trial that Optuna calls running. Whoever takes the lock next marks it as
interrupted and puts the candidate in line again; its run goes on after its last finished epoch, and a run that had
finished without Optuna hearing of it is told, not trained. A search's next design follows from what the database has
(`search.py`), so it goes on as if nothing had happened.
"""

import gc
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import optuna
import torch
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import OptunaError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from sunetlab.errors import InputError, SunetlabError
from sunetlab.files import make_folder
from sunetlab.study.candidate import Candidate
from sunetlab.study.definition import Study, StudyTask
from sunetlab.study.designs import quantities
from sunetlab.study.line import Entry, line_of
from sunetlab.study.pruning import Pruned, Pruning, make_pruner
from sunetlab.study.recorded import FEASIBLE, FOLDER, LEVELS, STAGE, folder_of, is_open, stage_of
from sunetlab.study.testing import read_test
from sunetlab.train.data import DataSource, open_data
from sunetlab.train.device import pick_device
from sunetlab.train.evaluate import OBJECTIVE
from sunetlab.train.loop import NotFiniteError, train
from sunetlab.train.run import RESULT, claim_record
from sunetlab.train.watch import Silent, Watch

STUDY, DATABASE, TRIALS, LOCK = "study.toml", "optuna.db", "trials", ".lock"
BUSY_S = 60  # seconds to wait for somebody who reads the database
# What the database has of a trial's outcome; all of it is in the trial's folder.
RECORDED = {"reason", "detail", "params", "macs", "seconds", "stopped"}


class StudyWatch(Protocol):
    """What a study tells while it works."""

    def opening(self, task: StudyTask) -> AbstractContextManager[Callable[[int, int], None]]:
        """Around the reading of a task's data; the context gives what is called with (done, total)."""

    def testing(self, task: StudyTask) -> AbstractContextManager[Callable[[int, int], None]]:
        """Around the test of a search's winners; the context gives what is called with (done, total)."""

    def trial(self, task: StudyTask, candidate: Candidate, number: int, total: int) -> AbstractContextManager[Watch]:
        """Around a trial: the `number`th of `total`; the context gives what its training tells."""

    def told(self, task: StudyTask, candidate: Candidate, outcome: dict[str, Any]) -> None:
        """After a trial: its result, or {"reason": …} where it failed, or {"stopped": epoch} where it was pruned."""


class SilentStudy:
    """A watch that tells nobody."""

    def opening(self, task: StudyTask) -> AbstractContextManager[Callable[[int, int], None]]:  # noqa: ARG002
        """Nothing."""
        return nullcontext(lambda done, total: None)  # noqa: ARG005

    def testing(self, task: StudyTask) -> AbstractContextManager[Callable[[int, int], None]]:  # noqa: ARG002
        """Nothing."""
        return nullcontext(lambda done, total: None)  # noqa: ARG005

    def trial(self, task: StudyTask, candidate: Candidate, number: int, total: int) -> AbstractContextManager[Watch]:  # noqa: ARG002
        """Nothing."""
        return nullcontext(Silent())

    def told(self, task: StudyTask, candidate: Candidate, outcome: dict[str, Any]) -> None:
        """Nothing."""


def check_folder(study: Study, folder: Path) -> None:
    """See that `folder` is this study's or can become it.

    Raises:
        InputError: it holds a study that differs, or something else.
    """
    if (folder / STUDY).exists():
        there = Study.load(folder / STUDY)
        changed = [name for name in Study.model_fields if getattr(there, name) != getattr(study, name)]
        if changed:
            raise InputError(
                f"{folder}: holds a study called {there.name} with other {', '.join(changed)}; choose another --out, "
                "or restore the study's file"
            )
    elif folder.exists() and (not folder.is_dir() or any(not entry.name.startswith(".") for entry in folder.iterdir())):
        raise InputError(f"{folder}: is not an empty folder and holds no study; choose another --out")


def open_folder(study: Study, folder: Path) -> None:
    """Make `folder` this study's.

    Raises:
        InputError: it is another's, or cannot be made.
    """
    check_folder(study, folder)
    make_folder(folder)
    if not (folder / STUDY).exists():
        study.save(folder / STUDY)


def run_study(
    study: Study,
    folder: Path,
    device: str = "auto",
    most: int | None = None,
    retry_failed: bool = False,
    watch: StudyWatch | None = None,
) -> None:
    """Train every candidate of `study` that `folder` does not have yet, those among them that a search comes upon.

    Args:
        study: what to run.
        folder: the study's own; made where missing, gone on with where it holds this study.
        device: where to train.
        most: stop after so many trials; None goes on to the end.
        retry_failed: run failed trials again, once.
        watch: is told of everything.

    Raises:
        InputError: the folder holds another study, or the data are wrong.
        SunetlabError: the database is damaged, or somebody else is at work in the folder.
    """
    watch = watch or SilentStudy()
    pick_device(device)  # a wrong one is wrong input, not a failure of every trial
    check_folder(study, folder)
    splits = ("train", "val", *(("test",) if study.winners and study.winners.test else ()))
    sources = [_open(task, splits, watch) for task in study.tasks]  # before anything is made
    open_folder(study, folder)
    with _lock(folder):
        queues = [_Queue(study, *pair, folder) for pair in zip(study.tasks, sources, strict=True)]
        for queue in queues:
            queue.fill(retry_failed)
        done = 0
        for queue in queues:
            while most is None or done < most:
                if not queue.work(device, watch):
                    queue.test_winners(device, watch)
                    break
                done += 1


def _open(task: StudyTask, splits: Sequence[str], watch: StudyWatch) -> DataSource:
    """A task's data, read as far as the study will need them: what is wrong with them is said before it starts."""
    with watch.opening(task) as progress:
        data = open_data(task.data, progress)
        for split in splits:
            data.split(split, progress)
        return data


class _Queue:
    """A task's candidates in line, in its Optuna study."""

    def __init__(self, study: Study, task: StudyTask, data: DataSource, folder: Path) -> None:
        self.study, self.task, self.data = study, task, data
        self.folder = folder / TRIALS / task.task
        claim_record(folder / f"data-{task.task}.json", data.record())
        self.line = line_of(study, task, data)
        self.entries: dict[str, Entry] = {}  # who is or was in line, by the names of their folders
        self.optuna = open_optuna(study, task.task, folder)
        with database_errors(folder):
            if self.optuna.user_attrs.get(FEASIBLE) != self.line.feasible:
                self.optuna.set_user_attr(FEASIBLE, self.line.feasible)

    def fill(self, retry_failed: bool) -> None:
        """Put every candidate in line that has neither finished nor failed nor waits already."""
        with database_errors(self.folder.parent.parent):
            trials, settled = self.optuna.get_trials(deepcopy=False), set()
            called = self.line.called(trials)
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

    def work(self, device: str, watch: StudyWatch) -> bool:
        """Run the next candidate in line; False where nobody waits and nobody comes."""
        with database_errors(self.folder.parent.parent):
            waiting = len(self.optuna.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
            if not waiting:
                waiting = self._admit(self.line.more(self.optuna.get_trials(deepcopy=False)))
            if not waiting:
                return False
            trial = self.optuna.ask()
            entry = self.entries[trial.user_attrs[FOLDER]]
            _take(trial, entry, self.line.distributions)
            number = len(self.entries) - waiting + 1
        candidate = entry.candidate
        with watch.trial(self.task, candidate, number, self.line.total) as told:
            pruned = self.study.pruner != "none" and candidate.stage == "trial"
            watched = Pruning(told, trial, OBJECTIVE[self.task.task]) if pruned else told
            outcome = attempt(candidate, self.data, self.folder / candidate.folder, device, watched)
        with database_errors(self.folder.parent.parent):
            for name, figure in self.figures(candidate, outcome).items():
                trial.set_user_attr(name, figure)
            if "reason" in outcome:
                self.optuna.tell(trial, state=TrialState.FAIL)
            elif "stopped" in outcome:
                self.optuna.tell(trial, state=TrialState.PRUNED)
            else:
                self.optuna.tell(trial, self.values(candidate, outcome))
        watch.told(self.task, candidate, outcome)
        return True

    def figures(self, candidate: Candidate, outcome: dict[str, Any]) -> dict[str, Any]:
        """What the database has of an outcome, with the quantities of the design that the study wants told."""
        names = [name for name in self.study.measured if name not in RECORDED]
        found = quantities(candidate.design.spec, self.task, self.data.size, names) if names else {}
        return {name: outcome[name] for name in sorted(RECORDED & outcome.keys())} | found

    def values(self, candidate: Candidate, outcome: dict[str, Any]) -> list[float]:
        """What Optuna is told of a finished trial: its value, and its cost where that is a second aim."""
        if self.study.cost is None:
            return [outcome["value"]]
        cost = quantities(candidate.design.spec, self.task, self.data.size, [self.study.cost])[self.study.cost]
        return [outcome["value"], float(cost)]

    def test_winners(self, device: str, watch: StudyWatch) -> None:
        """Test those of a search's winners that were not tested yet."""
        if self.study.winners is None or not self.study.winners.test:
            return
        with database_errors(self.folder.parent.parent):
            done = self.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        runs = [self.folder / folder_of(trial) for trial in done if stage_of(trial) == "winner"]
        with watch.testing(self.task) as progress:
            read_test(runs, self.data, device, progress)

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


def attempt(candidate: Candidate, data: DataSource, folder: Path, device: str, watch: Watch) -> dict[str, Any]:
    """Train a candidate; its result, or why there is none. A full disk is nobody's result and goes through."""
    try:
        return train(candidate.run, data, folder, device, watch)
    except Pruned as stop:
        return {"stopped": stop.epoch, "value": stop.value, "seconds": stop.seconds}
    except NotFiniteError as error:
        return {"reason": "not finite", "detail": str(error)}
    except (OSError, InputError):  # a full disk, changed data: not this candidate's doing
        raise
    except Exception as error:
        line = f"{type(error).__name__}: {error}".splitlines()[0]
        return {"reason": "out of memory" if is_out_of_memory(error) else "error", "detail": line}
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python, a GPU or torch's allocator on the CPU, which raises no kind of its own, had too little."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)


def open_storage(folder: Path) -> RDBStorage:
    """The database in a study's folder, whatever characters its path has; made where missing."""
    url = f"sqlite:///{quote(str(folder / DATABASE))}"
    return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": BUSY_S}})


def open_optuna(study: Study, task: str, folder: Path) -> optuna.Study:
    """The Optuna study of one task of `study`, in the folder's database; made where missing."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with database_errors(folder):
        return optuna.create_study(
            storage=open_storage(folder),
            study_name=f"{study.name}-{task}",
            directions=["maximize"] if study.cost is None else ["maximize", "minimize"],
            sampler=optuna.samplers.RandomSampler(seed=0),  # idle: trials stand in line with their parameters
            pruner=make_pruner(study, task),
            load_if_exists=True,
        )


@contextmanager
def database_errors(folder: Path) -> Iterator[None]:
    """What a database may say, as one line."""
    try:
        yield
    except (SQLAlchemyError, OptunaError, RuntimeError) as error:  # Optuna wraps some, and raises others of its own
        inner = error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error
        cause = str(getattr(inner, "orig", None) or inner).splitlines()[0]
        kept = f"finished runs are safe in {folder / TRIALS}"
        if "full" in cause:
            raise SunetlabError(f"{folder / DATABASE}: no room on the disk; {kept}") from None
        advice = f"move it away and run the study again: {kept} and are not trained twice"
        raise SunetlabError(f"{folder / DATABASE}: cannot be used: {cause}; {advice}") from None


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield
    except Timeout:
        raise SunetlabError(f"{folder}: somebody else is running this study here") from None
