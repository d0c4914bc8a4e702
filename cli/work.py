"""`sunetlab study work` and `study proxy`: a study on many machines, which share a database and a folder."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from sunetlab import InputError

from .inference import Device
from .output import note, say
from .stopping import until_stopped
from .study_named import Name, existing
from .voice import is_one_of_several

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from .progress import Screen

MOST_WORKERS = 64
_PATIENCE = 0.2  # seconds between two signals of somebody who means it
Workers = Annotated[
    str,
    typer.Option(metavar="N|auto", help="Trainings at a time, each on the next GPU; auto tries how many do most."),
]
Storage = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="A database for several machines: postgresql://USER@HOST/DATABASE, or grpc://HOST:PORT of a proxy.",
        show_default=False,
    ),
]
Heartbeat = Annotated[
    float,
    typer.Option(
        min=0.1, max=3600, help="In a shared database: seconds between signs of life; after six missed a trial is lost."
    ),
]


def work(
    study: Name,
    storage: Storage = None,
    trials: Annotated[int | None, typer.Option(min=0, help="Stop after so many.", show_default=False)] = None,
    device: Device = "auto",
    workers: Workers = "1",
    heartbeat: Heartbeat = 10.0,
) -> None:
    """Train for a study that runs elsewhere, until nothing is left; it must be in a shared database."""
    from sunetlab.study.along import follow
    from sunetlab.study.results import load_study
    from sunetlab.study.runner import run_study
    from sunetlab.study.shared import place_of
    from sunetlab.train.team import joined

    from .progress import Screen, StudyScreen

    count, url = workers_said(workers), storage_said(storage)
    folder = existing(study)
    asked = load_study(folder)
    if place_of(folder) is None:
        raise InputError(f"{folder}: is in a database of its own; only `sunetlab study run --storage` shares one")
    with Screen() as screen, until_ended(screen) as stop, joined(device) as (team, own_device):
        if not team.leads:
            follow(asked.tasks, own_device, team)
            return
        run_study(
            asked,
            folder,
            own_device,
            trials,
            watch=StudyScreen(screen),
            workers=count,
            place=url,
            beat_s=heartbeat,
            tests=False,
            stop=stop,
            team=team,
        )
    if trials is None:
        note(f"{folder}: nothing is left to train; sunetlab study run {folder} writes what was found")


def proxy(
    storage: Annotated[str, typer.Option(metavar="URL", help="postgresql://USER@HOST/DATABASE.", show_default=False)],
    host: Annotated[str, typer.Option(help="The address to listen at; by default this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen at.")] = 13000,
) -> None:
    """Stand between a database and many machines (Optuna's gRPC proxy), until Ctrl-C; they say grpc://HOST:PORT."""
    from sunetlab.study.shared import run_proxy

    url = storage_said(storage)
    assert url is not None
    if host not in ("127.0.0.1", "localhost", "::1"):
        note(f"--host: {host}: whoever reaches this machine can read and change what is in the database")
    run_proxy(url, host, port, lambda: say(f"grpc://{host}:{port}  (Ctrl-C ends it)"))
    sys.stdout.flush()
    os._exit(0)  # at once: threads that wait for a database which is away would be waited for


def workers_said(workers: str) -> int | None:
    """How many trainings at a time; None for as many as do most."""
    if workers != "1" and is_one_of_several():
        raise InputError(f"--workers: {workers}: processes that torchrun has begun train one candidate at a time")
    if workers == "auto":
        return None
    if re.fullmatch("[0-9]{1,4}", workers) is None or not 1 <= int(workers) <= MOST_WORKERS:
        raise InputError(f"--workers: {workers!r}: must be auto, or a number from 1 to {MOST_WORKERS}")
    return int(workers)


@contextmanager
def until_ended(screen: "Screen") -> Iterator[Callable[[], bool]]:
    """Whether a study is to end: the first Ctrl-C or SIGTERM lets epochs that run end, the second does not."""
    said = "ends when the epochs that run are saved; once more (Ctrl-C, SIGTERM) ends at once"
    with until_stopped(_PATIENCE, lambda: screen.line(said)) as stop:
        yield stop


def storage_said(storage: str | None) -> "URL | None":
    """The address of a shared database."""
    from sunetlab.study.shared import parse_url

    return None if storage is None else parse_url(storage)
