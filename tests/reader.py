"""What a fuzz knows of a reader: how its inputs are made, and how one is read; and how long a reading may take."""

import json
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from tests import mutations


class Reader(NamedTuple):
    """A reader of something from outside.

    Attributes:
        name: what it reads.
        make: an input, by a generator.
        read: reads one.
        cost: of one input, in those of a filter.
    """

    name: str
    make: Callable[[random.Random], Any]
    read: Callable[[Any], object]
    cost: float = 1


def of_texts(name: str, valid: Sequence[str], read: Callable[[str], object], cost: float = 1) -> Reader:
    """A reader of texts that somebody typed; a terminal passes on no NUL."""

    def make(rng: random.Random) -> str:
        return mutations.text(rng, rng.choice(valid), valid)

    return Reader(name, make, read, cost)


def of_words(name: str, valid: Sequence[Any], read: Callable[[Any], object], cost: float = 1) -> Reader:
    """A reader of Python's own tables."""

    def make(rng: random.Random) -> dict[str, Any]:
        found = mutations.table(rng, rng.choice(valid), valid)
        return found if isinstance(found, dict) else {"a": found}

    return Reader(name, make, read, cost)


def of_tables(name: str, valid: Sequence[Any], path: Path, read: Callable[[Path], object], cost: float = 1) -> Reader:
    """A reader of a TOML or JSON file: mostly another table, else another text."""
    write = mutations.as_toml if path.suffix == ".toml" else as_json
    whole = [write(each) for each in valid]

    def make(rng: random.Random) -> bytes:
        if rng.random() < 0.75:
            return write(mutations.table(rng, rng.choice(valid), valid))
        texts = [each.decode() for each in whole]
        return mutations.text(rng, rng.choice(texts), texts).encode("utf-8", "surrogatepass")

    return Reader(name, make, through(path, read), cost)


def of_files(name: str, valid: Sequence[bytes], path: Path, read: Callable[[Path], object], cost: float = 1) -> Reader:
    """A reader of a file of bytes."""
    return Reader(name, lambda rng: mutations.data(rng, rng.choice(valid), valid), through(path, read), cost)


def as_json(found: Any) -> bytes:
    """A value as JSON, numbers that are none and lone surrogates among it."""
    return json.dumps(found, default=str).encode()


def through(path: Path, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A reader of a file's content."""

    def write_and_read(content: bytes) -> object:
        path.write_bytes(content)
        return read(path)

    return write_and_read


class Hang(BaseException):
    """A reading took too long; no `except Exception` may swallow that."""


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """Ends what takes longer."""

    def bark(_: int, __: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
