"""One at a time, of machines that share a folder, so that a thousand who come at once do not all do the same.

It only spares work. Who has been killed holds nothing up for long, and what is done in turn may be done twice.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

STALE_S = 60.0  # seconds in which nobody else's turn ends, until it is over


class Turn:
    """A file that whoever's turn it is makes, and takes away.

    Args:
        path: the file.
        clock: seconds that never go back.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self.clock = path, clock
        self.seen = ("", 0.0)  # whose turn it was, and since when as far as we know

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Whether it is ours, while the context is."""
        is_ours = self._take() or (self._is_stale() and self._take())
        try:
            yield is_ours
        finally:
            if is_ours:
                self.path.unlink(missing_ok=True)

    def _take(self) -> bool:
        try:
            file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        with os.fdopen(file, "w") as opened:
            opened.write(secrets.token_hex(8))
        return True

    def _is_stale(self) -> bool:
        """Whether somebody's turn has lasted too long; then it is over."""
        try:
            whose = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return True
        if whose != self.seen[0]:
            self.seen = (whose, self.clock())
        if self.clock() - self.seen[1] < STALE_S:
            return False
        self.path.unlink(missing_ok=True)
        return True
