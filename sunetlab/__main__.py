"""The `sunetlab` command, also as `python -m sunetlab`: Ctrl-C ends it in one line while it is still being loaded."""

import gc
import os
import signal
import sys
from types import FrameType

STOPPED = 130  # exit status


def main() -> None:
    """Load the command line and run it; where Ctrl-C is pressed before that, nothing has begun."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored, or a debugger's
        signal.signal(signal.SIGINT, _leave)
    from sunetlab.garbage import uncollected

    with uncollected():
        from sunetlab.cli.main import main as run

    try:
        if signal.getsignal(signal.SIGINT) is _leave:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:
        _leave()
    finally:
        gc.freeze()  # the interpreter looks for garbage once more as it ends, among all that a study's trials left


def _leave(_: int = 0, __: FrameType | None = None) -> None:
    """At once: an exception might come up inside of an import, where some are swallowed."""
    try:
        if sys.stderr is not None:
            os.write(sys.stderr.fileno(), b"sunetlab: stopped\n")
    finally:
        os._exit(STOPPED)


if __name__ == "__main__":
    main()
