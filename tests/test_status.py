"""How far a study is, while somebody runs it: counted, estimated, shown, and nobody disturbed by it."""

import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock
from rich.console import Console

from sunetlab import SunetlabError
from sunetlab.cli import status_live
from sunetlab.cli.status_live import clock, picture
from sunetlab.study import attempt, queue
from sunetlab.study.definition import Study
from sunetlab.study.page.content import task_pages
from sunetlab.study.page.rows import Names
from sunetlab.study.records import Records
from sunetlab.study.results import load_study, trials
from sunetlab.study.runner import run_study
from sunetlab.study.snapshot import Running, Snapshot, is_run, look, running_trial, seconds_left
from sunetlab.study.storage import open_optuna
from tests.conftest import Said
from tests.test_terminal import in_terminal
from tests.tiny import SEARCH, stand_in, tiny_run, write_study

ROW = {"epoch": 1, "lr": 0.1, "train_loss": 1.5, "val_accuracy": 0.25, "images_per_second": 1234.5, "seconds": 4.0}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of four trials: one has finished, one has failed, one runs in its second epoch, one waits."""

    def trained(run: Any, *rest: Any) -> Any:
        if run.spec.depth[0] == 2:
            raise MemoryError("2 TiB wanted")
        return stand_in(run, *rest)

    folder = tmp_path_factory.mktemp("status")
    study = Study.load(write_study(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempt, "train", trained)
        run_study(study, folder / "out", "cpu", most=2)
    trial = open_optuna(study, "classification", folder / "out").ask()
    write_trial(folder / "out" / "trials" / "classification" / trial.user_attrs["folder"], [ROW], epochs=2)
    return folder / "out"


@pytest.fixture
def begun(made: Path, tmp_path: Path) -> tuple[Study, Path]:
    """The same in a folder of one's own."""
    folder = tmp_path / "runs" / "tiny"
    shutil.copytree(made, folder)
    return load_study(folder), folder


def write_trial(folder: Path, rows: list[dict[str, Any]], **recipe: Any) -> Path:
    """What a training leaves while it goes on."""
    folder.mkdir(parents=True)
    tiny_run(**recipe).save(folder)
    (folder / "data.json").write_text(json.dumps({"images": {"train": 24}}))
    if rows:
        (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def seen(text: Any, width: int, height: int = 40) -> list[str]:
    console = Console(width=width, height=height, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(text)
    console.file.close()
    return console.export_text().splitlines()


def test_every_trial_is_counted_once(begun: tuple[Study, Path]) -> None:
    found = look(Records(*begun))
    (counts,) = found.counts
    assert dict(counts.states) == {"finished": 1, "failed": 1, "running": 1, "waiting": 1}
    assert dict(counts.reasons) == {"out of memory": 1}
    assert (counts.done, counts.running, counts.left, counts.total) == (2, 1, 1, 4)
    assert found.left == 2
    (trial,) = found.running
    assert (trial.epoch, trial.epochs, trial.row) == (1, 2, ROW)
    assert {**trial.levels} == {"depth": 1, "seed": 1}


def test_trials_that_a_search_has_not_come_upon_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "train", stand_in)
    study, folder = Study.load(write_study(tmp_path, SEARCH)), tmp_path / "out"
    run_study(study, folder, "cpu", most=3)
    (counts,) = look(Records(study, folder)).counts
    assert (counts.done, counts.left, counts.untried, counts.total) == (3, 5, 4, 8)


@pytest.mark.usefixtures("quick")
def test_those_who_do_not_stand_in_line_yet_are_left_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "train", stand_in)
    monkeypatch.setattr(queue, "CHUNK", 1)
    study, folder = Study.load(write_study(tmp_path)), tmp_path / "out"
    run_study(study, folder, "cpu", most=1)
    (counts,) = look(Records(study, folder)).counts
    assert (counts.done, counts.left, counts.total) == (1, 3, 4)
    (page,) = task_pages(study, folder, Names(study))
    assert (page.counts.finished, page.counts.left, page.is_over) == (1, 3, False)
    run_study(study, folder, "cpu")
    (page,) = task_pages(study, folder, Names(study))
    assert (page.counts.finished, page.counts.left, page.is_over) == (4, 0, True)


def test_looking_disturbs_nobody(begun: tuple[Study, Path]) -> None:
    study, folder = begun
    assert not is_run(Records(study, folder.parent))  # no lock was ever there
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert not is_run(Records(study, folder))
    with FileLock(folder / ".lock", timeout=0):
        assert is_run(Records(study, folder))
        look(Records(study, folder))
        with pytest.raises(SunetlabError, match="somebody else"):
            run_study(study, folder, "cpu")  # the lock is still held
    assert not is_run(Records(study, folder))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_trial_is_as_far_as_its_log_says(tmp_path: Path) -> None:
    assert running_trial(tmp_path / "none", "t", "d", {}) == Running("t", "d", {})
    found = running_trial(write_trial(tmp_path / "new", [], epochs=7), "t", "d", {})
    assert (found.epoch, found.epochs, found.left) == (0, 7, None)
    path = write_trial(tmp_path / "b", [ROW, ROW | {"epoch": 2, "seconds": 6.0}], epochs=5, iterations=10)
    found = running_trial(path, "t", "d", {})
    assert (found.epoch, found.epochs) == (2, 4)  # 24 images in batches of 8 are 3 steps: 10 of them take 4 epochs
    assert found.whole == 20
    past = time.time() - 3
    os.utime(path / "log.jsonl", (past, past))
    assert running_trial(path, "t", "d", {}).left == pytest.approx(20 - 10 - 3, abs=0.5)
    os.utime(path / "log.jsonl", (0, 0))  # it was interrupted, and goes on after long
    assert running_trial(path, "t", "d", {}).left == 20 - 10 - 5


def table(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["task", "design", "state", "seconds"])


NAN = float("nan")
A, B, OTHER = ("a", "x", "finished", 10.0), ("a", "y", "finished", 30.0), ("b", "x", "finished", 100.0)
WAITS = ("a", "x", "waiting", NAN)
HALF = Running("a", "x", {}, epoch=2, epochs=4, seconds=12.0)


@pytest.mark.parametrize(
    ("rows", "running", "untried", "expected"),
    [
        ([A, B], [], {}, 0.0),
        ([WAITS], [], {}, None),
        ([A, B, OTHER, WAITS], [], {}, 10.0),  # as its own design
        ([A, B, OTHER, ("a", "z", "waiting", NAN)], [], {}, 20.0),  # as others of its task
        ([A, B, ("b", "z", "waiting", NAN)], [], {}, 20.0),  # as any
        ([A, B], [], {"a": 2}, 40.0),
        ([A, ("a", "x", "failed", NAN), WAITS, WAITS], [], {}, 20.0),
        ([WAITS], [HALF], {}, 24.0 + 12.0),  # the first trial says how long they take
        ([A], [Running("a", "x", {})], {}, 10.0),
        ([A, WAITS, WAITS], [HALF, HALF], {}, (10 + 10 + 12 + 12) / 2),  # two at a time
    ],
)
def test_the_time_that_is_left(rows: Any, running: Any, untried: Any, expected: float | None) -> None:
    assert seconds_left(table(*rows), running, untried) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "0:00"), (59.6, "1:00"), (83, "1:23"), (3600, "1:00:00"), (90061, "25:01:01")],
)
def test_a_clock(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_shown(begun: tuple[Study, Path], width: int) -> None:
    study, folder = begun
    shown = look(Records(study, folder))
    lines = seen(picture(study, shown, Console(width=width, height=40).size), width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert "2 of 4 trials done, about 0:0" in text
    for part in (
        "2/4",
        "failed: 1 out of memory",
        "1/2",
        "loss 1.500  accuracy 25.0 %",
        "1,234",
        "validation accuracy",
    ):
        assert part in text, part


def test_a_low_terminal_shows_the_best_designs_only(begun: tuple[Study, Path]) -> None:
    study, folder = begun
    rows = trials(study, folder)
    one = rows[rows["state"] == "finished"]
    many = pd.concat([one.assign(design=f"d{number}", value=number / 100) for number in range(30)])
    for height, shown in ((20, 8), (60, 30)):
        found = Snapshot(many, look(Records(study, folder)).counts, (), None)
        lines = seen(picture(study, found, Console(width=100, height=height).size), 100)
        assert len(lines) <= height
        text = "\n".join(lines)
        assert text.count("%") == shown
        assert "29.0 %" in text


def test_it_is_followed_until_nobody_runs_it(
    begun: tuple[Study, Path], said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    (study, folder), looks = begun, []
    lock, looked_twice = FileLock(folder / ".lock", thread_local=False), threading.Event()

    def looked(*arguments: Any) -> Any:
        looks.append(is_run(Records(study, folder)))
        if len(looks) == 2:
            looked_twice.set()
        return look(*arguments)

    monkeypatch.setattr("sunetlab.study.snapshot.look", looked)
    monkeypatch.setattr("sunetlab.cli.status._is_terminal", lambda: True)
    monkeypatch.setattr(status_live, "PAUSE", 0.0)
    monkeypatch.setattr(status_live, "SHARE", 10.0)

    def end() -> None:
        looked_twice.wait(20)
        lock.release()

    lock.acquire()
    ender = threading.Thread(target=end)
    ender.start()
    status, out, err = said("study status tiny")
    ender.join()
    assert (status, err) == (0, "")
    assert len(looks) >= 2
    assert all(looks[:2])
    assert "out of memory" in out  # and then once as it stands
    looks.clear()
    assert said("study status tiny --live") == (0, out, f"nobody runs {Path('runs/tiny')} now: this is how it stands\n")
    assert "interrupted" in out  # nobody runs what Optuna calls running
    with lock:
        status, out, err = said("study status tiny --once")
        assert (status, err) == (0, "")
        assert "running" in out
        assert "interrupted" not in out
        monkeypatch.setattr("sunetlab.study.snapshot.look", pressed)
        assert said("study status tiny") == (0, out, "")  # Ctrl-C is how one leaves
    assert not looks


def pressed(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_pipe_is_told_once(begun: tuple[Study, Path], said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sunetlab.study.snapshot.look", pressed)
    with FileLock(begun[1] / ".lock"):
        assert said("study status tiny")[0] == 0
        assert len(json.loads(said("study status tiny --json")[1])["trials"]) == 4
    for flags, rule in (("--live", "no terminal"), ("--live --json", "--json")):
        status, out, err = said(f"study status tiny {flags}")
        assert (status, out, len(err.splitlines())) == (2, "", 1)
        assert rule in err


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120])
def test_a_real_terminal(begun: tuple[Study, Path], columns: int) -> None:
    lock = FileLock(begun[1] / ".lock")
    lock.acquire()

    def told(printed: bytes) -> None:
        if b"leaves it running" in printed:
            lock.release()  # and with that it is over

    line = f"{sys.executable} -m sunetlab study status {begun[1]}"
    out = in_terminal(columns, line, term="xterm", told=told)
    assert "1/2" in out
    assert "out of memory  " in out[out.rindex("Ctrl-C") :]
