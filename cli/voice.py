"""Which of several processes speaks: torchrun begins as many as it is told, and the first says what there is to say."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def rank() -> int:
    """The number of this process among those that torchrun has begun; 0 for the first, and for one that is alone."""
    return int(os.environ.get("RANK", "0")) if "TORCHELASTIC_RUN_ID" in os.environ else 0


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Nothing is printed, neither results nor progress; an error that goes through is told where it is caught."""
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield
