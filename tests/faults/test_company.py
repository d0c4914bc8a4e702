"""Several at work on a study: one's clock jumps, all begin at once, one sleeps and is taken for dead."""

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import postgres
from tests.faults.siege import Siege
from tests.faults.studies import ARMS, BEAT_S, FEW, LIMIT_S, PAUSE_S, SMALL, Run, Told, check, write

pytestmark = pytest.mark.slow


# A clock that jumps.


def test_a_clock_that_jumps(server: postgres.Server, undisturbed: Run, told: Told, tmp_path: Path) -> None:
    """One of two at work has a clock that goes days forwards and backwards every other second."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler, cc")
    jumping, source = tmp_path / "clock.so", Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(jumping), str(source)], check=True)
    siege, url = Siege(tmp_path / "out", random.Random(6)), server.make("clock")
    mine = ("--workers", "2", "--device", "cpu", "--heartbeat", str(BEAT_S))
    siege.join("run", str(write(tmp_path, FEW)), "--out", str(siege.folder), "--storage", url, *mine)
    while not (siege.folder / "storage.toml").exists():
        siege.attend(0.1)
    siege.join("work", str(siege.folder), *mine, extra={"LD_PRELOAD": str(jumping)})
    siege.besiege(SMALL, ARMS * FEW, {"run": 0.1, "work": 0.1, "worker": 0.8}, PAUSE_S)
    siege.end(LIMIT_S)
    told(siege, "the clock of `study work` jumped every other second")
    check(siege, undisturbed(FEW))


# Two who begin at once.


def test_two_begin_the_same_study_at_once_on_sqlite(undisturbed: Run, told: Told, tmp_path: Path) -> None:
    """One runs it, the other is told so in one line, time and again."""
    siege, path = Siege(tmp_path / "out", random.Random(7)), write(tmp_path, FEW)
    line = ("run", str(path), "--out", str(siege.folder), "--workers", "2", "--device", "cpu")
    for _ in range(4):
        two = [siege.join(*line, "--trials", "2") for _ in "ab"]
        statuses = sorted(one.wait(LIMIT_S) for one in two)
        assert statuses == [0, 1], [one.lines() for one in two]
        (sent_away,) = (one for one in two if one.statuses == [1])
        assert sent_away.lines()[-1] == f"sunetlab: {siege.folder}: somebody else is running this study here"
    siege.join(*line)
    siege.end(LIMIT_S)
    told(siege, "four times two at once")
    check(siege, undisturbed(FEW))


def test_two_begin_the_same_study_at_once_on_postgresql(
    server: postgres.Server, undisturbed: Run, told: Told, tmp_path: Path
) -> None:
    """Both work, from the first moment of a database that is empty."""
    siege, path, url = Siege(tmp_path / "out", random.Random(8)), write(tmp_path, FEW), server.make("two")
    line = ("run", str(path), "--out", str(siege.folder), "--storage", url, "--workers", "2", "--device", "cpu")
    two = [siege.join(*line) for _ in range(2)]
    siege.end(LIMIT_S)
    told(siege, "two at once")
    assert all(" accuracy " in one.said.read_text() for one in two)
    check(siege, undisturbed(FEW))


OPEN = """
import sys
from sunetlab.study.shared import open_shared, parse_url
print("ready", flush=True)
sys.stdin.readline()
print(open_shared(parse_url(sys.argv[1])).get_all_studies())
"""


def test_the_tables_of_an_empty_database_are_made_by_four_at_once(server: postgres.Server) -> None:
    for number in range(3):
        line = [sys.executable, "-c", OPEN, server.make(f"empty{number}")]
        four = [subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        for one in four:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for one in four:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        assert [one.communicate()[0] for one in four] == ["[]\n"] * 4


# A machine that sleeps.


def test_a_machine_that_sleeps(server: postgres.Server, undisturbed: Run, told: Told, tmp_path: Path) -> None:
    """Stopped for longer than it takes to be taken for dead, then awake, in the middle of what others have done."""
    siege, url = Siege(tmp_path / "out", random.Random(9)), server.make("sleep")
    mine = ("--workers", "2", "--device", "cpu", "--heartbeat", "0.5")
    siege.join("run", str(write(tmp_path, FEW)), "--out", str(siege.folder), "--storage", url, *mine)
    while not (siege.folder / "storage.toml").exists():
        siege.attend(0.1)
    sleeper = siege.join("work", str(siege.folder), *mine)
    for done in (4, 10, 16):
        while len(siege.finished) < done:
            assert siege.attend(0.05)
        siege.attend(siege.chance.uniform(0, 1))
        sleeper.signal(signal.SIGSTOP)
        siege.attend(siege.chance.uniform(5, 7))
        sleeper.signal(signal.SIGCONT)
    siege.end(LIMIT_S)
    told(siege, "asleep three times")
    check(siege, undisturbed(FEW))
