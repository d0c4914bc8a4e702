"""`kill -9` at random moments: of those who run a study, of their workers, of those who decode images for these.

`pytest -n 0 -m slow tests/faults` kills FAULTS_KILLS (200) processes a database and adds what happened to the table
that FAULTS_TABLE names, if it does.
"""

import os
import random
import signal
from pathlib import Path

import pytest

from sunetlab.study.attempt import attempt
from sunetlab.train.data import DataConfig, open_data
from sunetlab.train.watch import Silent
from tests.faults import postgres
from tests.faults.siege import Siege
from tests.faults.studies import (
    ARMS,
    BEAT_S,
    FEW,
    KILLS,
    LIMIT_S,
    PAUSE_S,
    RESTARTS,
    SEEDS,
    SMALL,
    Run,
    Told,
    check,
    retry_failed,
    write,
)
from tests.test_crew import below
from tests.test_data_folder import class_folders
from tests.tiny import tiny_run

pytestmark = pytest.mark.slow


def test_kills_on_sqlite(undisturbed: Run, told: Told, tmp_path: Path) -> None:
    siege = Siege(tmp_path / "out", random.Random(1))
    line = ("run", str(write(tmp_path, SEEDS)), "--out", str(siege.folder), "--workers", "4", "--device", "cpu")
    siege.join(*line)
    siege.besiege(KILLS, ARMS * SEEDS, {"run": 0.1, "worker": 0.9}, 0.7 * PAUSE_S)
    siege.end(LIMIT_S)
    failed = retry_failed(siege, *line)
    told(siege, f"{failed} run again with --retry-failed")
    check(siege, undisturbed(SEEDS))
    assert siege.kills.total() == KILLS


def test_kills_and_database_restarts_on_postgresql(
    server: postgres.Server, undisturbed: Run, told: Told, tmp_path: Path
) -> None:
    """Two at work with two workers each; now and then the server is stopped, alternately in either way."""
    siege, url, restarts = Siege(tmp_path / "out", random.Random(2)), server.make("kills"), 0
    mine = ("--workers", "2", "--device", "cpu", "--heartbeat", str(BEAT_S))
    line = ("run", str(write(tmp_path, SEEDS)), "--out", str(siege.folder), "--storage", url, *mine)
    siege.join(*line)
    while not (siege.folder / "storage.toml").exists():
        siege.attend(0.1)
    siege.join("work", str(siege.folder), *mine)

    def restart(killed: int) -> None:
        nonlocal restarts
        if killed >= (restarts + 0.5) * KILLS / RESTARTS and restarts < RESTARTS:
            server.stop(("fast", "immediate")[restarts % 2])
            siege.attend(siege.chance.uniform(0, 3))
            server.start()
            restarts += 1

    siege.besiege(KILLS, ARMS * SEEDS, {"run": 0.07, "work": 0.07, "worker": 0.86}, 0.7 * PAUSE_S, restart)
    siege.end(LIMIT_S)
    failed = retry_failed(siege, *line)
    besides = f"{restarts} restarts of the server, {siege.counts['no server']} begun without it"
    told(siege, f"{besides}; {failed} run again with --retry-failed")
    check(siege, undisturbed(SEEDS))
    assert siege.kills.total() == KILLS
    assert restarts == min(RESTARTS, KILLS)


def test_kills_of_those_who_decode_images(told: Told, tmp_path: Path) -> None:
    """Images of a folder that are decoded again and again, for every training by a process of its own."""
    class_folders(tmp_path / "set", {"dark": 32, "bright": 32}, "train")
    class_folders(tmp_path / "set", {"dark": 8, "bright": 8}, "val")
    data = f'source = "folder:{tmp_path / "set"}", memory_gib = 0.0, workers = 1'
    path = write(tmp_path, FEW + SMALL, data)
    peace, siege = (Siege(tmp_path / name, random.Random(3)) for name in ("peace", "out"))
    mine = ("--workers", "2", "--device", "cpu")
    peace.join("run", str(path), "--out", str(peace.folder), *mine)
    peace.end(LIMIT_S)
    line = ("run", str(path), "--out", str(siege.folder), *mine)
    siege.join(*line)
    siege.besiege(SMALL, ARMS * (FEW + SMALL), {"decoder": 0.7, "worker": 0.3}, PAUSE_S / 2)
    siege.end(LIMIT_S)
    failed = retry_failed(siege, *line)
    told(siege, f"{failed} run again with --retry-failed")
    assert siege.kills.total() == SMALL
    check(siege, peace.folder)


def children(pid: int) -> set[int]:
    """The processes that a process has begun."""
    return {int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()}


def test_a_training_whose_decoder_is_killed_has_not_failed(tmp_path: Path) -> None:
    """And stops no study: its candidate is trained again."""
    folders = {"train": 32, "val": 8}
    for split, count in folders.items():
        class_folders(tmp_path / "set", {"dark": count, "bright": count}, split)
    config = DataConfig(source=f"folder:{tmp_path / 'set'}", task="classification", memory_gib=0.0, workers=1)
    run = tiny_run(words={"num_classes": 2}).model_copy(update={"data": config})

    before = below(os.getpid())

    class Killing(Silent):
        killed = 0

        def step(self, images: int) -> None:  # noqa: ARG002
            begun = below(os.getpid()) - before
            for pid in () if self.killed else begun - children(os.getpid()):
                os.kill(pid, signal.SIGKILL)
                self.killed += 1

    watch = Killing()
    outcome = attempt(run, open_data(config), tmp_path / "run", "cpu", watch)
    assert watch.killed == 1
    assert outcome is None
