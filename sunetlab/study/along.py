"""A study whose trainings each take several processes: torchrun's first runs it, and the others train along.

The first tells the others what is trained next, and after every epoch whether it goes on; only it has the database.
What fails on all alike, as a loss that is not finite does, is the trial's failure; what fails on one of them ends all.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sunetlab.study.attempt import attempt
from sunetlab.study.company import Company
from sunetlab.study.definition import StudyTask
from sunetlab.study.queue import Queue, Ticket
from sunetlab.study.watch import Stopping, StudyWatch
from sunetlab.train.data import DataSource, open_data
from sunetlab.train.run import Run
from sunetlab.train.team import Team
from sunetlab.train.watch import Silent, Watch

_ON, _ENOUGH, _STOP, _OVER = "on", "enough", "stop", "over"  # words after an epoch; _STOP and _OVER between two trials


def lead(
    queues: Sequence[Queue],
    company: Company,
    device: str,
    most: int | None,
    watch: StudyWatch,
    stop: Callable[[], bool],
    team: Team,
) -> None:
    """Train the candidates of all queues with the others of a team, one at a time.

    Args:
        queues: in the order in which they are to be emptied.
        company: who else empties them.
        device: this process's.
        most: stop after so many trials; None goes on to the end.
        watch: is told of everything.
        stop: whether somebody wants it to end, once the epoch has ended.
        team: who trains along; the others `follow`.

    Raises:
        KeyboardInterrupt: somebody wanted it to end.
        SunetlabError, OSError: what stops a study wherever it happens, such as a full disk.
    """
    done = 0
    while most is None or done < most:
        if stop():
            team.hear(_STOP)
            raise KeyboardInterrupt
        taken = next(((queue, ticket) for queue in queues if (ticket := queue.take()) is not None), None)
        if taken is not None:
            _train(queues, *taken, device, watch, stop, team)
            done += 1
        elif all(queue.is_over() for queue in queues):
            break
        else:  # others train what is left
            time.sleep(company.pause_s)
    team.hear(_OVER)


def _train(
    queues: Sequence[Queue],
    queue: Queue,
    ticket: Ticket,
    device: str,
    watch: StudyWatch,
    stop: Callable[[], bool],
    team: Team,
) -> None:
    """One trial, and what became of it; where it is interrupted its candidate stands in line again."""
    candidate = ticket.entry.candidate
    folder = queue.folder / candidate.folder
    with watch.trial(queue.task, candidate, *queue.progress()) as told, queue.held(ticket):
        job = {"task": queues.index(queue), "folder": str(folder), "run": candidate.run.model_dump(mode="json")}
        team.hear(json.dumps(job))
        watched = Telling(Stopping(queue.watched(ticket, told), stop), team)
        outcome = attempt(candidate.run, queue.data, folder, device, watched, team)
    if (ended := queue.settle(ticket, outcome)) is not None:
        watch.told(queue.task, candidate, ended, *queue.progress())


def follow(tasks: Sequence[StudyTask], device: str, team: Team) -> None:
    """Train along with the first process of a team, until it says that the study is over.

    Raises:
        KeyboardInterrupt: somebody wanted it to end.
        ApartError: the first process has ended without a word.
    """
    sources: dict[int, DataSource] = {}
    while (said := team.hear()) != _OVER:
        if said == _STOP:
            raise KeyboardInterrupt
        job = json.loads(said)
        task = job["task"]
        if task not in sources:
            sources[task] = open_data(tasks[task].data)
        with suppress(EnoughError):
            attempt(Run.model_validate(job["run"]), sources[task], Path(job["folder"]), device, Told(team), team)


class Telling:
    """What a training tells, passed on to `inner`; the others hear after every epoch whether it goes on."""

    def __init__(self, inner: Watch, team: Team) -> None:
        self.inner, self.team = inner, team

    def begin(self, epochs: int, finished: int, images: int) -> None:
        """See `Watch`."""
        self.inner.begin(epochs, finished, images)

    def step(self, images: int) -> None:
        """See `Watch`."""
        self.inner.step(images)

    def shrunk(self, finished: int, micro_batch: int) -> None:
        """See `Watch`."""
        self.inner.shrunk(finished, micro_batch)

    def epoch(self, row: dict[str, Any]) -> None:
        """Pass an epoch on, and say what comes of it.

        Raises:
            Exception: what the inner one raises; the others have heard of it.
        """
        try:
            self.inner.epoch(row)
        except BaseException as error:
            self.team.hear(_STOP if isinstance(error, KeyboardInterrupt) else _ENOUGH)
            raise
        self.team.hear(_ON)


class EnoughError(Exception):
    """The first process has seen enough of a trial."""


class Told(Silent):
    """A watch that tells nobody, and hears after every epoch whether the training goes on."""

    def __init__(self, team: Team) -> None:
        self.team = team

    def epoch(self, row: dict[str, Any]) -> None:  # noqa: ARG002
        """Hear what comes of an epoch.

        Raises:
            KeyboardInterrupt: somebody wants the study to end.
            EnoughError: the first process has seen enough of this trial.
        """
        said = self.team.hear()
        if said == _STOP:
            raise KeyboardInterrupt
        if said == _ENOUGH:
            raise EnoughError("the first process has seen enough of this trial")
