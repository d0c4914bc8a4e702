"""Processes of one siege, found by a word in their environment: who is alive, of which kind, and killing one."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MARK = "SUNETLAB_FAULTS"  # in the environment, which is inherited by all that they begin


class Process(NamedTuple):
    """A process that lives.

    Attributes:
        pid: its number.
        parent: whose child it is.
        command: its command line.
    """

    pid: int
    parent: int
    command: str


def alive(mark: str) -> dict[int, Process]:
    """All processes with `mark`, by their numbers; those that have ended and wait to be reaped have no environment."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (process := _look(entry, mark)) is not None:
            found[process.pid] = process
    return found


def _look(entry: Path, mark: str) -> Process | None:
    with suppress(OSError):
        if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            return Process(int(entry.name), parent, command)
    return None


def kinds(processes: dict[int, Process]) -> dict[str, list[int]]:
    """Who is what: those who run a study, their workers, and those who decode images for a worker."""
    found: dict[str, list[int]] = {"run": [], "work": [], "worker": [], "decoder": []}
    for one in processes.values():
        above = processes[one.parent].command if one.parent in processes else ""
        if " study run " in one.command:
            found["run"].append(one.pid)
        elif " study work " in one.command:
            found["work"].append(one.pid)
        elif "spawn_main" in one.command:
            found["worker"].append(one.pid)
        elif "forkserver" in one.command and "forkserver" in above:
            found["decoder"].append(one.pid)
    return {kind: sorted(pids) for kind, pids in found.items()}


def kill(pid: int, mark: str) -> bool:
    """`kill -9`; whether it met a living process of the siege: a number may be another's by now."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if _look(Path(f"/proc/{pid}"), mark) is None:
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
