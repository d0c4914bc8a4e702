"""Several trainings at a time: processes that train what they are handed, and one that hands out and takes down.

Only the process that runs the study looks into its database. A worker opens the data, trains what comes through its
pipe, tells of every epoch and waits to hear whether to go on. One that dies has its candidate put back in line and
another takes its place, after a pause that grows where several die one after another; a candidate with which workers
die again and again without getting any further is a failure.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Any, Self

from sunetlab.errors import SunetlabError
from sunetlab.study.company import Company
from sunetlab.study.definition import StudyTask
from sunetlab.study.designs import quantities
from sunetlab.study.pace import COUNTS, PROBE_S, find_pace
from sunetlab.study.pruning import Pruned
from sunetlab.study.queue import Queue, Ticket
from sunetlab.study.watch import StudyWatch
from sunetlab.study.worker import Job, serve
from sunetlab.train.device import pick_device, places
from sunetlab.train.run import Run

LEAVE_S = 5.0  # for an idle worker to end by itself
MOST_UNREADY = 20  # workers that die before they are ready, one after another, until the study stops
MOST_REST_S = 60.0  # the longest pause after workers that died one after another; the first is a second
MOST_PAUSE_S = 10.0  # between two looks
_LOOKS_APART = 20.0  # times as long as a look lasts
_LOOK_S = 0.5  # seconds between two looks whether somebody wants the study to end
DEAF = {signal.SIGINT, signal.SIGTERM}
LOOKED_AT = 50  # candidates among which the costliest is looked for
_SPAWN = multiprocessing.get_context("spawn")  # torch and its threads do not survive a fork


def together(
    queues: Sequence[Queue],
    company: Company,
    device: str,
    most: int | None,
    watch: StudyWatch,
    workers: int | None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Train the candidates of all queues, so many at a time.

    Args:
        queues: in the order in which they are to be emptied.
        company: who else empties them.
        device: where to train.
        most: stop after so many trials; None goes on to the end.
        watch: is told of everything.
        workers: how many at a time, at least 1; None tries how many do most.
        stop: whether somebody wants it to end, once what is trained has ended its epoch.

    Raises:
        KeyboardInterrupt: somebody wanted it to end.
        SunetlabError, OSError: what stops a study wherever it happens, such as a full disk.
    """
    with Crew([queue.task for queue in queues], device) as crew, _put_back(crew):
        if workers is None:
            workers = _paced(crew, queues, watch)
        crew.resize(workers)
        begun = 0
        while True:
            if stop() and not crew.busy():
                raise KeyboardInterrupt
            looked = time.monotonic()
            for worker in crew.idle():
                if stop() or (most is not None and begun >= most):
                    break
                taken = _take(queues)
                if taken is None:
                    break
                queue, ticket = taken
                worker.begin(queues.index(queue), crew.share(), queue, ticket, watch)
                begun += 1
            if crew.busy():
                spent = time.monotonic() - looked
                pauses = [crew.rest_s(), _pause(company, spent) if company.shares and crew.idle() else None]
                for worker in crew.listen(min((each for each in pauses if each is not None), default=None), stop):
                    crew.note(_end(worker, watch, stop))
            elif stop():
                continue
            elif (most is not None and begun >= most) or all(queue.is_over() for queue in queues):
                return
            elif not crew.idle():  # they start, or rest
                crew.listen(_LOOK_S, stop)
            else:  # others train what is left
                until = time.monotonic() + _pause(company, time.monotonic() - looked)
                while not stop() and time.monotonic() < until:
                    time.sleep(_LOOK_S)


def _pause(company: Company, spent: float) -> float:
    """Seconds until it is worth to look again: the longer, the more a look costs us and the database.

    One that lasted long because the database was away says nothing of that.
    """
    return max(company.pause_s, min(MOST_PAUSE_S, _LOOKS_APART * spent))


def _take(queues: Sequence[Queue]) -> tuple[Queue, Ticket] | None:
    """The next candidate of the first queue that has one."""
    for queue in queues:
        if (ticket := queue.take()) is not None:
            return queue, ticket
    return None


def _end(worker: "Worker", watch: StudyWatch, stop: Callable[[], bool]) -> bool:
    """Take down what became of a worker's trial; whether the worker died with it."""
    queue, ticket, outcome = worker.end()
    if outcome is None and stop():
        queue.put_back(ticket)
        return False
    if (ended := queue.settle(ticket, outcome)) is not None:
        watch.told(queue.task, ticket.entry.candidate, ended, *queue.progress())
    return outcome is None


@contextmanager
def _put_back(crew: "Crew") -> Iterator[None]:
    """Whoever is still trained at an end that comes too soon stands in line again, for others or for later."""
    try:
        yield
    except BaseException:
        for worker in crew.busy():
            worker.stop()
            queue, ticket, _ = worker.end()
            with suppress(SunetlabError):  # a database that is gone has ended this, and says so once
                queue.put_back(ticket)
        raise


def _paced(crew: "Crew", queues: Sequence[Queue], watch: StudyWatch) -> int:
    """How many trainings at a time do most, by those of the costliest candidate that stands in line first."""
    waiting = [(number, queue, queue.waiting()) for number, queue in enumerate(queues)]
    number, queue, runs = next((each for each in waiting if each[2]), (0, queues[0], []))
    if not runs:
        return 1
    costs = [quantities(run.spec, queue.task, queue.data.size, ["memory"])["memory"] for run in runs[:LOOKED_AT]]
    run = runs[costs.index(max(costs))]

    def measure(count: int) -> float | None:
        watch.pacing(count)
        return crew.pace(number, run, count)

    found = find_pace(measure, crew.most, len(crew.places))
    watch.paced(found)
    return found.at_a_time


class Crew:
    """Workers, alive while the context is."""

    def __init__(self, tasks: Sequence[StudyTask], device: str) -> None:
        self.tasks, self.places = tuple(tasks), places(device)
        self.threads = _threads()
        on_cpu = pick_device(device).type == "cpu"
        self.most = (os.cpu_count() or 1) if on_cpu else COUNTS[-1] * len(self.places)
        self.workers: list[Worker] = []
        self.unready = 0  # workers that died one after another before they were ready
        self.died, self.rests_until = 0, 0.0  # workers in a row with their trials; when the next trial may begin

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.resize(0)

    def resize(self, count: int) -> None:
        """Let there be so many."""
        while len(self.workers) > count:
            self.workers.pop().stop()
        for number in range(len(self.workers), count):
            self.workers.append(Worker(self.tasks, self.places[number % len(self.places)]))

    def share(self) -> int:
        """Threads for each."""
        return max(1, self.threads // len(self.workers))

    def pace(self, task: int, run: Run, count: int) -> float | None:
        """Images a second of so many trainings at a time; None where one of them does not go."""
        self.resize(count)
        for seconds in (0.0, PROBE_S):  # first everybody opens the data and warms up
            for worker in self.workers:
                worker.send(Job(task, run, None, self.share(), seconds))
            found = [worker.answer() for worker in self.workers]
            if any(each is None for each in found):
                self.resize(0)
                return None
        return sum(each for each in found if each is not None)

    def idle(self) -> list["Worker"]:
        """Those who may begin a trial."""
        return [] if self.rest_s() else [each for each in self.workers if each.ticket is None and each.ready]

    def busy(self) -> list["Worker"]:
        """Those who train."""
        return [worker for worker in self.workers if worker.ticket is not None]

    def note(self, died: bool) -> None:
        """Take down whether a worker died with its trial: after several in a row nothing begins for a while."""
        self.died = self.died + 1 if died else 0
        if self.died > 1:
            self.rests_until = time.monotonic() + min(MOST_REST_S, 2.0 ** (self.died - 2))

    def rest_s(self) -> float | None:
        """Seconds until the next trial may begin, where it may not now."""
        left = self.rests_until - time.monotonic()
        return left if left > 0 else None

    def listen(self, seconds: float | None, stop: Callable[[], bool]) -> list["Worker"]:
        """Wait until somebody says something, or so long; those whose trial has ended with that.

        Raises:
            SunetlabError: one after another ends before it is ready.
        """
        listening = [worker for worker in self.workers if not worker.pipe.closed]
        ready, ended = wait([worker.pipe for worker in listening], seconds), []
        for worker in listening:
            was_ready = worker.ready
            if worker.pipe not in ready:
                continue
            if not worker.hear(stop):
                self.unready = 0 if worker.ready else self.unready
                continue
            if worker.ticket is not None:
                ended.append(worker)
                continue
            self.note(died=True)
            self.unready = 0 if was_ready else self.unready + 1
            if self.unready > MOST_UNREADY:
                raise SunetlabError(f"workers: {self.unready} one after another ended before they could begin")
        return ended


class Worker:
    """A process that trains, as seen from the one that runs the study."""

    def __init__(self, tasks: tuple[StudyTask, ...], device: str) -> None:
        self.args = (tasks, device)
        self.queue: Queue | None = None
        self.ticket: Ticket | None = None
        self.outcome: dict[str, Any] | None = None
        self.ready = False  # torch is imported: it may be handed something
        self._start()

    def send(self, job: Job) -> None:
        """Hand something out."""
        with suppress(OSError):  # one that died while it was idle is found by listening
            self.pipe.send(job)

    def answer(self) -> float | None:
        """How fast it went; None where it failed, or the worker died."""
        try:
            while (heard := self.pipe.recv())[0] == "ready":
                self.ready = True
            word, said = heard
        except (EOFError, OSError):
            return None
        if word == "raised":
            raise said
        return None if said is None else float(said)

    def begin(self, task: int, threads: int, queue: Queue, ticket: Ticket, watch: StudyWatch) -> None:
        """Hand out a trial."""
        candidate = ticket.entry.candidate
        self.queue, self.ticket, self.outcome, self.stack = queue, ticket, None, ExitStack()
        told = self.stack.enter_context(watch.trial(queue.task, candidate, *queue.progress()))
        self.watch = queue.watched(ticket, told)
        self.send(Job(task, candidate.run, queue.folder / candidate.folder, threads))

    def hear(self, stop: Callable[[], bool]) -> bool:
        """Take what the worker says; whether its trial has ended, be it to stop it, or it has died itself."""
        try:
            word, said = self.pipe.recv()
        except (EOFError, OSError):
            self.stop()
            self._start()
            return True
        if word == "ready":
            self.ready = True
            return False
        if word == "raised":
            raise said
        if word == "outcome":
            self.outcome = said
            return True
        try:
            getattr(self.watch, word)(*said)
        except Pruned as pruned:
            self._answer(pruned)
            return False
        if word == "epoch" and stop():
            self.stop()
            return True
        if word == "epoch":
            self._answer(None)
        return False

    def end(self) -> tuple[Queue, Ticket, dict[str, Any] | None]:
        """The trial that has ended, and its outcome: None where the worker died."""
        assert self.queue is not None
        assert self.ticket is not None
        found = self.queue, self.ticket, self.outcome
        self.ticket = None
        self.stack.close()
        return found

    def stop(self) -> None:
        """End the process: it only trains, and what it has saved is whole at any moment."""
        self.ready = False
        if self.ticket is None:
            self.pipe.close()  # it hears that, and ends those who decode images for it
            self.process.join(LEAVE_S)
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def _answer(self, stop: Pruned | None) -> None:
        with suppress(OSError):  # likewise
            self.pipe.send(stop and (stop.epoch, stop.value, stop.seconds))

    def _start(self) -> None:
        self.ready = False
        self.pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=serve, args=(theirs, *self.args))
        with _deaf_children():
            self.process.start()
        theirs.close()


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes begun here never hear of Ctrl-C or SIGTERM, not while they import torch either; this one does later.

    Who interrupts the study ends its workers when their epoch ends.
    """
    resource_tracker.ensure_running()  # begun by the first process else, which unblocks signals on its way
    before = signal.pthread_sigmask(signal.SIG_BLOCK, DEAF)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _threads() -> int:
    """Threads that torch takes in this process."""
    import torch

    return torch.get_num_threads()
