"""A disk without room, and folders that somebody deletes."""

import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.siege import Siege
from tests.faults.studies import FEW, LIMIT_S, Run, Told, check, write

pytestmark = pytest.mark.slow


# A disk without room.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of a few MiB, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"needs the right to mount a tmpfs: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    assert shutil.disk_usage(path.parent).free == 0


@pytest.mark.parametrize("workers", ["1", "4"])
def test_a_full_disk(workers: str, small_disk: Path, undisturbed: Run, told: Told, tmp_path: Path) -> None:
    siege = Siege(small_disk / "out", random.Random(4))
    line = ("run", str(write(tmp_path, FEW)), "--out", str(siege.folder), "--workers", workers, "--device", "cpu")
    ends = []
    for done in (3, 9, 15):  # somewhere in the middle of a training, three times
        somebody = siege.join(*line, said=tmp_path / f"full-{done}.txt")
        while len(siege.finished) < done:
            assert siege.attend(0.05)
        fill(small_disk / "filler")
        ends.append((somebody.wait(LIMIT_S), somebody.lines()))
        siege.end(0)
        (small_disk / "filler").unlink()
    siege.join(*line, said=tmp_path / "free.txt")
    siege.end(LIMIT_S)
    told(siege, "the disk was full three times")
    for status, lines in ends:
        assert status == 1, lines
        assert "No space left" in lines[-1] or "no room on the disk" in lines[-1], lines
        assert not any("Traceback" in one for one in lines), lines
    check(siege, undisturbed(FEW))


# A trial's folder that somebody deletes.


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_a_trial_s_folder_is_deleted(
    where: str, undisturbed: Run, told: Told, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """In the middle of its training, and when it has finished: its candidate is made again."""
    siege = Siege(tmp_path / "out", random.Random(5))
    shared = ("--storage", request.getfixturevalue("server").make("deleted")) if where == "postgresql" else ()
    mine = ("--workers", "2", "--device", "cpu")
    line = ("run", str(write(tmp_path, FEW)), "--out", str(siege.folder), *mine, *shared)
    somebody = siege.join(*line)
    deleted = []
    for done in (3, 9, 15):
        while len(siege.finished) < done:
            assert siege.attend(0.05)
        running = [folder for folder in siege.folder.glob("trials/*/*") if not (folder / "result.json").exists()]
        folder = siege.chance.choice(running or [*siege.finished])
        siege.forget(folder)
        shutil.rmtree(folder, ignore_errors=True)  # somebody may be writing there
        deleted.append(folder)
        siege.attend(1)
        if somebody.process is None:
            somebody.begin()
    siege.end(LIMIT_S)
    ends = list(siege.wrong)  # in one line each, that name the file
    siege.wrong.clear()
    again = siege.chance.sample(sorted(siege.finished), 3)
    for folder in again:
        siege.forget(folder)
        shutil.rmtree(folder)
    siege.join(*line)
    siege.end(LIMIT_S)
    told(siege, f"{len(deleted)} folders deleted while they were trained in, {len(again)} afterwards")
    assert all("ended with 2: ['sunetlab: " in end and str(siege.folder) in end for end in ends), ends
    assert all(folder.exists() for folder in (*deleted, *again))
    check(siege, undisturbed(FEW), deleted={folder.name for folder in (*deleted, *again)})
