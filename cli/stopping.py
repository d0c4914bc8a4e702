"""Ctrl-C and SIGTERM as an answer to be asked for, so that work ends where nothing is lost."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def until_stopped(patience: float, told: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """Give what says whether somebody wants it to end; whoever says so again is heard, and then at once.

    Args:
        patience: seconds after the first signal in which a second one changes nothing: it may be the same one, sent to
            a group and to its members, and closing a file takes a moment.
        told: is called with the first signal.
    """
    asked = 0.0

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal asked
        if asked and time.monotonic() - asked > patience:
            raise KeyboardInterrupt
        if not asked:
            told()
        asked = asked or time.monotonic()

    heard = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
