"""Who is told of a study while it goes on."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from sunetlab.study.candidate import Candidate
from sunetlab.study.definition import StudyTask
from sunetlab.study.pace import Paced
from sunetlab.train.watch import Silent, Watch


class StudyWatch(Protocol):
    """What a study tells while it works."""

    def opening(self, task: StudyTask) -> AbstractContextManager[Callable[[int, int], None]]:
        """Around the reading of a task's data; the context gives what is called with (done, total)."""

    def pacing(self, count: int) -> None:
        """Before it is tried how much so many trainings at a time do."""

    def paced(self, found: Paced) -> None:
        """Once it was tried how many trainings at a time do most."""

    def testing(self, task: StudyTask) -> AbstractContextManager[Callable[[int, int], None]]:
        """Around the test of a search's winners; the context gives what is called with (done, total)."""

    def trial(self, task: StudyTask, candidate: Candidate, done: int, total: int) -> AbstractContextManager[Watch]:
        """Around a trial, before which `done` of `total` have ended; the context gives what its training tells."""

    def waiting(self, seconds: float | None) -> None:
        """While a shared database has not answered for so long, again and again; None when it does. From any thread."""

    def lost(self, task: StudyTask, candidate: Candidate, epochs: int) -> None:
        """A trial's process or machine died when its run had so many epochs; it stands in line again."""

    def told(self, task: StudyTask, candidate: Candidate, outcome: dict[str, Any], done: int, total: int) -> None:
        """After a trial: its result, or {"reason": …} where it failed, or {"stopped": epoch} where it was pruned.

        With it `done` of `total` have ended, others' that we know of among them.
        """


class Stopping:
    """What a training tells, passed on to `inner`; between two epochs it ends where somebody wants it to."""

    def __init__(self, inner: Watch, stop: Callable[[], bool]) -> None:
        self.inner, self.stop = inner, stop

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
        """Pass an epoch on.

        Raises:
            KeyboardInterrupt: somebody wants it to end.
        """
        self.inner.epoch(row)
        if self.stop():
            raise KeyboardInterrupt


class SilentStudy:
    """A watch that tells nobody."""

    def opening(self, task: StudyTask) -> AbstractContextManager[Callable[[int, int], None]]:  # noqa: ARG002
        """Nothing."""
        return nullcontext(lambda done, total: None)  # noqa: ARG005

    def pacing(self, count: int) -> None:
        """Nothing."""

    def paced(self, found: Paced) -> None:
        """Nothing."""

    def testing(self, task: StudyTask) -> AbstractContextManager[Callable[[int, int], None]]:  # noqa: ARG002
        """Nothing."""
        return nullcontext(lambda done, total: None)  # noqa: ARG005

    def trial(self, task: StudyTask, candidate: Candidate, done: int, total: int) -> AbstractContextManager[Watch]:  # noqa: ARG002
        """Nothing."""
        return nullcontext(Silent())

    def waiting(self, seconds: float | None) -> None:
        """Nothing."""

    def lost(self, task: StudyTask, candidate: Candidate, epochs: int) -> None:
        """Nothing."""

    def told(self, task: StudyTask, candidate: Candidate, outcome: dict[str, Any], done: int, total: int) -> None:
        """Nothing."""
