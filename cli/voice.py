"""Which of several processes speaks: torchrun begins as many as it is told, and the first says what there is to say."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def rank() -> int:
    """The number of this process among those that torchrun has begun; 0 for the first, and for one that is alone."""
    return int(os.environ["RANK"]) if is_one_of_several() else 0


def is_one_of_several() -> bool:
    """Whether torchrun has begun this process as one of several; told without torch, which would take a second."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Nothing is printed, neither results nor progress; an error that goes through is told where it is caught."""
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield
