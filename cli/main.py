"""The `sunetlab` command: the groups of commands, and what an error looks like (one line, and an exit status)."""

import contextlib
import errno
import io
import os
import select
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from sunetlab import __version__
from sunetlab.errors import InputError, SunetlabError

from . import draw, evaluate, export, network, predict, report, space, study, training, verify, weights
from .voice import rank, silent

# How long a thread spins for its neighbours before it sleeps; must stand in the environment before torch is loaded.
# With libgomp's own 300,000 turns training on two cores, one of them shared, ran at 111 images/s, with 10,000 at 245;
# with both cores idle at 1,192 and 1,161.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a full disk, a quota, a limit on a file's size
DONE, FAILED, WRONG_INPUT, STOPPED = 0, 1, 2, 130
KEEPING = (["train"], ["study", "run"])  # commands that keep what has finished, and go on from there

app = typer.Typer(
    name="sunetlab",
    help="Stacked U-Nets: what a design would cost, what it learns, and which one to choose.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("build")(network.build)
app.add_typer(report.app, name="report")
app.add_typer(space.app, name="space")
app.command("draw")(draw.draw)
app.command("verify")(verify.verify)
app.command("train")(training.train)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.add_typer(study.app, name="study")
app.add_typer(weights.app, name="weights")
app.command("export")(export.export)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sunetlab {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say it and stop.")]


@app.callback()
def _sunetlab(version: Version = False) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit status: 0 done, 1 failed, 2 wrong input, 130 stopped."""
    _open_streams()
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop)
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command line; its exit status."""
    keeps = any(arguments[: len(words)] == words for words in KEEPING)
    try:
        with silent() if rank() else contextlib.nullcontext():
            status = typer.main.get_command(app).main(arguments, prog_name="sunetlab", standalone_mode=False)
        sys.stdout.flush()
        return _stopped(keeps) if status == STOPPED else status if isinstance(status, int) else DONE
    except InputError as error:
        return _told(str(error), WRONG_INPUT)
    except SunetlabError as error:
        return _told(str(error), FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return _stopped(keeps)
    except BrokenPipeError as error:
        return _unread(error)
    except SystemExit as left:  # click and rich make this of a broken pipe, and of nothing else
        return _unread(left.__context__)
    except OSError as error:
        if error.errno in _NO_ROOM:
            _leave_unwritten()
            file = f" for {error.filename}" if error.filename else ""
            return _told(f"no room on the disk{file}{'; ' + _KEPT if keeps else ''}", FAILED)
        return _told(str(error), FAILED)
    except Exception as error:
        if hasattr(error, "format_message"):  # the parser's own complaints, whichever click Typer stands on
            line = error.format_message()  # empty where the help was printed instead
            return _told(line, getattr(error, "exit_code", WRONG_INPUT)) if line else WRONG_INPUT
        raise


def _open_streams() -> None:
    """Streams that take whatever is printed, also where they are closed or their encoding has not every character."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


_MAIN_PROCESS = os.getpid()


def _stop(number: int, _: FrameType | None) -> None:
    """End on a signal as on Ctrl-C; a forked worker, which has inherited this, ends at once."""
    if os.getpid() != _MAIN_PROCESS:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    raise KeyboardInterrupt


def _unread(error: BaseException | None) -> int:
    """The status after a broken pipe: done where it is standard output's, whose reader has seen enough."""
    enough = _is_unread(sys.stdout.fileno())
    status = DONE if enough else _told(f"stopped: {error}", FAILED)
    for stream in (sys.stdout, sys.stderr):  # else the interpreter complains that it cannot write what is left
        if _is_unread(stream.fileno()):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return status


def _is_unread(file: int) -> bool:
    """Whether a file is a pipe that nobody reads."""
    poll = select.poll()
    poll.register(file, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


_KEPT = "what has finished is kept, and the same command goes on from there"


def _stopped(keeps: bool) -> int:
    if rank():  # the first says it
        return STOPPED
    return _told(f"stopped{'; ' + _KEPT if keeps else ''}", STOPPED)


def _leave_unwritten() -> None:
    """Drop what standard output still holds and cannot write, else the interpreter complains at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(line: str, status: int) -> int:
    with contextlib.suppress(BrokenPipeError):
        who = f"sunetlab: process {rank()}" if rank() else "sunetlab"
        print(f"{who}: {' '.join(line.split())}\n", end="", file=sys.stderr)  # noqa: T201, in one go: others write, too
    return status
