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
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from optuna.storages import BaseStorage
from sqlalchemy.engine import URL, make_url

from sunetlab.errors import InputError, SunetlabError
from sunetlab.files import make_folder
from sunetlab.folders import refuse_links_out
from sunetlab.study import storage
from sunetlab.study.along import lead
from sunetlab.study.attempt import attempt
from sunetlab.study.company import BEAT_S, Company, Nobody, Others
from sunetlab.study.crew import together
from sunetlab.study.definition import Study, StudyTask
from sunetlab.study.designs import check_designs
from sunetlab.study.patience import Told
from sunetlab.study.queue import CHUNK, Queue
from sunetlab.study.shared import RESTART_S, place_of, settle_place
from sunetlab.study.storage import DATABASE, LOCK, STUDY, database_errors
from sunetlab.study.testing import read_test
from sunetlab.study.watch import SilentStudy, Stopping, StudyWatch
from sunetlab.train.data import DataSource, open_data
from sunetlab.train.device import pick_device
from sunetlab.train.team import ALONE, Team

LOOK_S = 0.5  # seconds to wait for somebody who only looks whether the lock is held
SETTLE_S = 10.0  # and for those who say at the same time where a study is


def check_folder(study: Study, folder: Path) -> None:
    """See that `folder` is this study's or can become it.

    Raises:
        InputError: it holds a study that differs, or something else, or a file that is a link out of it.
    """
    refuse_links_out(folder)
    if (folder / STUDY).exists():
        there = Study.load(folder / STUDY)
        changed = [name for name in Study.model_fields if getattr(there, name) != getattr(study, name)]
        if changed:
            raise InputError(
                f"{folder}: holds a study called {there.name} with other {', '.join(changed)}; choose another --out, "
                "or restore the study's file"
            )
    elif folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; choose another --out")
    elif folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
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
    workers: int | None = 1,
    place: URL | None = None,
    beat_s: float = BEAT_S,
    tests: bool = True,
    stop: Callable[[], bool] = lambda: False,
    team: Team = ALONE,
) -> None:
    """Train every candidate of `study` that `folder` does not have yet, those among them that a search comes upon.

    Args:
        study: what to run.
        folder: the study's own; made where missing, gone on with where it holds this study.
        device: where to train.
        most: stop after so many trials; None goes on to the end.
        retry_failed: run failed trials again, once.
        watch: is told of everything.
        workers: trainings at a time, each in a process of its own where they are several or others are at work, too;
            None tries how many of them do most.
        place: the shared database to keep the study in, or its proxy; None is where the folder says, or the folder.
        beat_s: in a shared database, seconds between two signs of life of every trial.
        tests: whether a search's winners are tested here once they are trained.
        stop: whether somebody wants the study to end; it is asked after every epoch, when everything is on the disk.
        team: processes that train every candidate together; this is the first, and the others `follow`.

    Raises:
        InputError: the folder holds another study, or the data are wrong.
        SunetlabError: the database is damaged, or somebody else is at work in the folder.
        KeyboardInterrupt: somebody wanted it to end; the same call goes on after the last epochs.
    """
    watch = watch or SilentStudy()
    pick_device(device)  # a wrong one is wrong input, not a failure of every trial
    check_folder(study, folder)
    sources = [_open(study, task, watch) for task in study.tasks]  # before anything is made
    for task, data in zip(study.tasks, sources, strict=True):  # which designs there are is known only now
        check_designs(study, task, len(data.classes), data.size)
    with _frozen(), _database(study, folder, place, beat_s, _Waiting(watch, stop)) as (database, company):
        pairs = zip(study.tasks, sources, strict=True)
        queues = [Queue(study, *pair, folder, database, company, watch) for pair in pairs]
        for queue in queues:
            queue.fill(retry_failed)
        if team.world > 1:
            lead(queues, company, device, most, watch, stop, team)
        elif workers == 1 and not company.shares:
            _alone(queues, device, most, watch, stop)
        else:
            together(queues, company, device, most, watch, workers, stop)
        for queue in queues if tests else ():
            if (runs := queue.winners()) and queue.is_over():
                with watch.testing(queue.task) as progress:
                    read_test(runs, queue.data, device, progress)


@contextmanager
def _frozen() -> Iterator[None]:
    """What is in memory stays: to look through it after every training takes longer than some trainings."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _alone(queues: Sequence[Queue], device: str, most: int | None, watch: StudyWatch, stop: Callable[[], bool]) -> None:
    """Train one candidate after another, here."""
    done = 0
    for queue in queues:
        while (most is None or done < most) and (ticket := queue.take()) is not None:
            candidate = ticket.entry.candidate
            with watch.trial(queue.task, candidate, *queue.progress()) as told, queue.held(ticket):
                watched = Stopping(queue.watched(ticket, told), stop)
                outcome = attempt(candidate.run, queue.data, queue.folder / candidate.folder, device, watched)
            if (ended := queue.settle(ticket, outcome)) is not None:
                watch.told(queue.task, candidate, ended, *queue.progress())
            done += 1
            if done % CHUNK == 0:  # so many trials more were read meanwhile, and stay
                gc.collect()
                gc.freeze()


def _open(study: Study, task: StudyTask, watch: StudyWatch) -> DataSource:
    """A task's data, read as far as the study will need them: what is wrong with them is said before it starts."""
    splits = ("train", "val", *(("test",) if study.winners and study.winners.test else ()))
    with watch.opening(task) as progress:
        data = open_data(task.data, progress)
        for split in splits:
            data.split(split, progress)
        return data


@contextmanager
def _database(
    study: Study, folder: Path, place: URL | None, beat_s: float, waiting: "_Waiting"
) -> Iterator[tuple[BaseStorage, Company]]:
    """The study's database, and who else may be at work: nobody where it is in the folder."""
    if place is None and place_of(folder) is None:
        open_folder(study, folder)
        with _lock(folder):
            if place_of(folder) is None:  # still
                with database_errors(folder):
                    database = storage.open_storage(folder)
                yield database, Nobody()
                return
    database = _shared(study, folder, place, waiting)
    with Others(database, beat_s) as others:
        waiting.company = others
        yield database, others


class _Waiting:
    """Who hears of a database that is away: people, and whoever wants the study to end while nothing is trained."""

    def __init__(self, watch: StudyWatch, stop: Callable[[], bool]) -> None:
        self.watch, self.stop = watch, stop
        self.company: Company = Nobody()

    def __call__(self, seconds: float | None) -> None:
        """Pass it on.

        Raises:
            KeyboardInterrupt: somebody wants it to end, and no epoch is lost with that.
        """
        self.watch.waiting(seconds)
        here = threading.current_thread() is threading.main_thread()
        if here and seconds is not None and self.stop() and not self.company.mine:
            raise KeyboardInterrupt


def _shared(study: Study, folder: Path, place: URL | None, waiting: Told) -> BaseStorage:
    """The database that a study's folder says it is in, or is in from now on; `place` may be another way to it."""
    _refuse_own(folder)
    there = place_of(folder)
    database = storage.open_storage(folder, place, waiting, 0.0 if there is None else RESTART_S)
    open_folder(study, folder)  # only now: who is refused there leaves nothing behind
    if there is None and place is not None:
        with _lock(folder, SETTLE_S):  # who begins it without --storage at this moment has it
            _refuse_own(folder)
            settle_place(folder, place)
    elif there is not None and place is not None and make_url(there.url) != place:
        with database_errors(folder):
            names = {frozen.study_name for frozen in database.get_all_studies()}
        for task in study.tasks:
            if (name := storage.name_of(study, task.task, folder)) not in names:
                raise InputError(f"--storage: {place}: has no study {name}; {folder} is in {there.url}")
    return database


def _refuse_own(folder: Path) -> None:
    """Refuse a folder whose study is in a database in it."""
    if (folder / DATABASE).exists():
        raise InputError(f"--storage: {folder} has a database of its own, {DATABASE}; choose another --out")


@contextmanager
def _lock(folder: Path, wait_s: float = LOOK_S) -> Iterator[None]:
    try:
        with FileLock(folder / LOCK, timeout=wait_s):
            yield
    except Timeout:
        raise SunetlabError(f"{folder}: somebody else is running this study here") from None
