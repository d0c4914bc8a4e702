"""What runs in a process that trains for a study: jobs come through a pipe, and what becomes of them goes back."""

import gc
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from sunetlab.errors import SunetlabError
from sunetlab.study.attempt import attempt
from sunetlab.study.definition import StudyTask
from sunetlab.study.pruning import Pruned
from sunetlab.train.data import DataSource, open_data
from sunetlab.train.device import pick_device
from sunetlab.train.parent import end_with_parent
from sunetlab.train.run import Run
from sunetlab.train.timing import pace
from sunetlab.train.watch import Watch

TELL_S = 0.5  # seconds between two reports of steps


class Job(NamedTuple):
    """What a worker is handed.

    Attributes:
        task: which of the study's.
        run: what to train.
        folder: where; None only to see how fast it goes.
        threads: of the processor, that it may take.
        seconds: to see how fast it goes.
    """

    task: int
    run: Run
    folder: Path | None
    threads: int
    seconds: float = 0.0


def serve(pipe: Connection, tasks: tuple[StudyTask, ...], device: str) -> None:
    """Train what comes through the pipe until it is closed."""
    end_with_parent()  # one whose study was killed must not go on in a folder that another may take
    gc.freeze()  # what is there now stays: looking through it after every training takes longer than some trainings
    with suppress(EOFError, ConnectionError):  # the study has ended, or was killed
        _serve(pipe, tasks, device)


def _serve(pipe: Connection, tasks: tuple[StudyTask, ...], device: str) -> None:
    import torch

    pipe.send(("ready", ()))
    sources: dict[int, DataSource] = {}
    while True:
        job = pipe.recv()
        try:
            torch.set_num_threads(job.threads)
            if job.task not in sources:
                sources[job.task] = open_data(tasks[job.task].data)
            if job.folder is None:
                pipe.send(("pace", _pace(job, sources[job.task], device)))
                continue
            outcome = attempt(job.run, sources[job.task], job.folder, device, _Told(pipe))
        except (OSError, SunetlabError) as error:  # a full disk, changed data: the study stops
            pipe.send(("raised", error))
            return
        pipe.send(("outcome", outcome))


def _pace(job: Job, data: DataSource, device: str) -> float | None:
    """Images a second; None where it does not go: a trial of it will say why."""
    try:
        return pace(job.run, data, pick_device(device), job.seconds)
    except (OSError, SunetlabError):  # nobody's doing
        raise
    except Exception:
        return None


class _Told(Watch):
    """What a training tells, sent through a pipe: steps now and then, epochs at once, with an answer to wait for."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.images, self.told = pipe, 0, time.monotonic()

    def begin(self, epochs: int, finished: int, images: int) -> None:
        """See `Watch`."""
        self.pipe.send(("begin", (epochs, finished, images)))

    def step(self, images: int) -> None:
        """See `Watch`."""
        self.images += images
        if time.monotonic() - self.told > TELL_S:
            self._tell()

    def shrunk(self, finished: int, micro_batch: int) -> None:
        """See `Watch`."""
        self.images = 0  # they count anew
        self.pipe.send(("shrunk", (finished, micro_batch)))

    def epoch(self, row: dict[str, Any]) -> None:
        """Tell of an epoch.

        Raises:
            Pruned: the answer is to stop.
        """
        self._tell()
        self.pipe.send(("epoch", (row,)))
        if (stop := self.pipe.recv()) is not None:
            raise Pruned(*stop)

    def _tell(self) -> None:
        self.pipe.send(("step", (self.images,)))
        self.images, self.told = 0, time.monotonic()
