"""A study under siege: it is begun by the command line, and what happens to it is drawn from a seed.

Who was killed is started again, as its owner or a batch system would, with the same command. What the trials' folders
hold is looked at all the while: a finished trial may never change, and no finished epoch be lost.
"""

import hashlib
import os
import random
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults import processes

ROOT = Path(__file__).parents[2]
LOOK_S = 0.15  # seconds between two looks
LEAVE_S = 30.0  # seconds in which those whose study was killed must have ended


class Somebody:
    """Who runs the study or takes part in it: one command line, begun again and again until it ends by itself."""

    def __init__(self, words: Sequence[str], said: Path, mark: str, extra: dict[str, str] | None = None) -> None:
        self.command = [sys.executable, "-m", "sunetlab", "study", *words]
        self.said, self.mark, self.extra = said, mark, extra or {}
        self.begun, self.statuses = 0, list[int]()
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start the command."""
        self.begun += 1
        environment = {**os.environ, processes.MARK: self.mark, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self.said.parent,
                env=environment | self.extra,
                start_new_session=True,
            )

    def status(self) -> int | None:
        """How it ended; None while it lives."""
        assert self.process is not None
        status = self.process.poll()
        if status is not None:
            self.statuses.append(status)
            self.process = None
        return status

    def wait(self, seconds: float) -> int:
        """How it ends; it is not begun again."""
        assert self.process is not None
        self.process.wait(seconds)
        status = self.status()
        assert status is not None
        return status

    def signal(self, number: int) -> None:
        """Send a signal to it and to all whom it has begun."""
        if self.process is not None:
            os.killpg(self.process.pid, number)

    def lines(self) -> list[str]:
        """What it has said."""
        return self.said.read_text(errors="replace").splitlines()


class Siege:
    """A study's folder, who works at it, and what has happened.

    Args:
        folder: the study's.
        chance: where all that happens is drawn from.
    """

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder, self.chance, self.mark = folder, chance, secrets.token_hex(8)
        self.crowd: list[Somebody] = []
        self.kills = Counter[str]()
        self.counts = Counter[str]()
        self.finished: dict[Path, str] = {}  # a trial's folder → what its result.json was when it was first seen
        self.rows: dict[Path, tuple[int, int]] = {}  # a trial's folder → lines of its log, and which file that is
        self.wrong: list[str] = []
        self.looked, self.began = 0.0, time.monotonic()

    def join(self, *words: str, extra: dict[str, str] | None = None, said: Path | None = None) -> Somebody:
        """Somebody more takes part, with `sunetlab study WORDS`."""
        said = said or self.folder.parent / f"{self.folder.name}-{len(self.crowd)}.txt"
        somebody = Somebody(words, said, self.mark, extra)
        self.crowd.append(somebody)
        somebody.begin()
        return somebody

    def seconds(self) -> float:
        """How long it has lasted."""
        return time.monotonic() - self.began

    def attend(self, seconds: float) -> bool:
        """Let time pass, while who was killed is begun again; whether anybody is left who has not ended by itself."""
        until = time.monotonic() + seconds
        while True:
            for somebody in self.crowd:
                if somebody.process is None:
                    continue
                status = somebody.status()
                if status == -9:
                    somebody.begin()
                elif status == 2 and somebody.lines()[-1].startswith("sunetlab: --storage: postgresql://"):
                    self.counts["no server"] += 1  # it is being restarted: who begins just then is told so
                    somebody.begin()
                elif status:
                    self.wrong.append(f"ended with {status}: {somebody.lines()[-1:]}")
                    somebody.begin()
            if time.monotonic() - self.looked > LOOK_S:
                self.look()
            if not any(somebody.process for somebody in self.crowd):
                return False
            if time.monotonic() > until:
                return True
            time.sleep(0.03)

    def kill(self, weights: dict[str, float]) -> None:
        """Kill somebody of a kind that is drawn, if one of that kind lives just now."""
        (kind,) = self.chance.choices(list(weights), list(weights.values()))
        alive = processes.kinds(processes.alive(self.mark))[kind]
        if alive and processes.kill(self.chance.choice(alive), self.mark):
            self.kills[kind] += 1

    def besiege(
        self,
        kills: int,
        trials: int,
        weights: dict[str, float],
        pause_s: float,
        meanwhile: Callable[[int], None] = lambda killed: None,  # noqa: ARG005
    ) -> None:
        """Kill so many, at random moments, as fast as trials get finished all the same.

        Args:
            kills: how many.
            trials: of the study; the last are finished after the last kill.
            weights: how often whom.
            pause_s: mean seconds between two kills, where both come on equally.
            meanwhile: is called before every kill.
        """
        while (killed := self.kills.total()) < kills:
            ahead = (killed / kills + 0.03) / (len(self.finished) / trials + 0.03)
            pause = self.chance.expovariate(1 / pause_s) * min(4.0, max(0.05, ahead**4))
            if not self.attend(pause):
                return  # the study was too short
            meanwhile(killed)
            self.kill(weights)

    def end(self, within_s: float) -> None:
        """Wait until everybody has ended by itself, and all whom they began."""
        if self.attend(within_s):
            self.wrong.append(
                f"not over after {within_s:g} s: {[one.lines()[-1:] for one in self.crowd if one.process]}"
            )
            for pid in processes.alive(self.mark):
                processes.kill(pid, self.mark)
        deadline = time.monotonic() + LEAVE_S
        while (living := processes.alive(self.mark)) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.wrong += [f"left running: {one.command}" for one in living.values()]
        for pid in living:
            processes.kill(pid, self.mark)
        self.look()

    def look(self) -> None:
        """Look at all trials' folders: what is finished stays as it is, and logs only grow."""
        self.looked = time.monotonic()
        for folder in self.folder.glob("trials/*/*"):
            if folder in self.finished:
                continue
            try:
                log = folder / "log.jsonl"
                now = len(log.read_bytes().splitlines()), log.stat().st_ino
            except FileNotFoundError:
                continue
            before = self.rows.get(folder, (0, now[1]))
            if now[0] < before[0]:
                self.wrong.append(f"{folder.name}: its log went from {before[0]} lines to {now[0]}")
            if now[0] == before[0] and now[1] != before[1]:  # whoever goes on with it writes its log again
                self.counts["resumed"] += 1
            self.rows[folder] = now
            result = folder / "result.json"
            if result.exists():
                self.finished[folder] = digest(result)

    def forget(self, folder: Path) -> None:
        """What was seen of a trial's folder does not count any more: it is to be deleted."""
        self.finished.pop(folder, None)
        self.rows.pop(folder, None)

    def changed(self) -> list[str]:
        """Which finished trials are not what they were when they were first seen."""
        return [
            folder.name
            for folder, before in self.finished.items()
            if not (folder / "result.json").exists() or digest(folder / "result.json") != before
        ]


def digest(path: Path) -> str:
    """A file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
