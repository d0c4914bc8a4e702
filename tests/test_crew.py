"""Several trainings at a time: the same results as one after another, whoever is killed meanwhile."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
from collections import Counter
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from sunetlab import InputError
from sunetlab.errors import SunetlabError
from sunetlab.study import crew, results
from sunetlab.study.candidate import Candidate
from sunetlab.study.company import Nobody, Others
from sunetlab.study.crew import Crew
from sunetlab.study.definition import Study, StudyTask
from sunetlab.study.pace import COUNTS, Paced, find_pace
from sunetlab.study.queue import LOSSES
from sunetlab.study.runner import run_study
from sunetlab.study.watch import SilentStudy
from sunetlab.train.watch import Silent
from tests.test_data_folder import class_folders
from tests.test_stages import trials
from tests.tiny import STUDY, write_study

TWO = STUDY.replace("epochs = 2", "epochs = 3") + STUDY[STUDY.index("[[tasks]]") :].replace(
    "classification", "segmentation"
)


def values(study: Study, folder: Path) -> dict[str, float]:
    table = results.trials(study, folder)
    assert set(table["state"]) == {"finished"}
    return dict(zip(table["task"] + table["folder"], table["value"], strict=True))


def workers_of(pid: int) -> list[int]:
    """The processes that a process has begun and that train: all that import torch do."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == pid and b"spawn_main" in command:
                found.append(int(entry.name))
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    folder = tmp_path_factory.mktemp("alone")
    study = Study.load(write_study(folder, TWO))
    run_study(study, folder / "out", "cpu")
    return values(study, folder / "out")


def test_workers_that_are_killed_change_nothing(alone: dict[str, float], tmp_path: Path) -> None:
    """Two at a time, one of them killed as soon as it trains; every candidate is finished once, with the same value."""
    study, folder = Study.load(write_study(tmp_path, TWO)), tmp_path / "out"
    killed: list[Candidate] = []
    ended: dict[str, list[tuple[int, int]]] = {}

    class Killing(SilentStudy):
        def trial(self, task: StudyTask, candidate: Candidate, done: int, total: int) -> Any:
            if candidate.params["seed"] == 1 and task.task == "classification" and len(killed) < 2:
                killed.append(candidate)
                wait = 0.3 * (len(killed) - 1)
                threading.Timer(wait, lambda: os.kill(workers_of(os.getpid())[0], 9)).start()
            return super().trial(task, candidate, done, total)

        def told(self, task: StudyTask, *said: Any) -> None:
            ended.setdefault(task.task, []).append(said[2:])

    run_study(study, folder, "cpu", most=3, watch=Killing(), workers=2)
    run_study(study, folder, "cpu", watch=Killing(), workers=2)
    assert killed
    assert ended == {key: [(1, 4), (2, 4), (3, 4), (4, 4)] for key in ("classification", "segmentation")}
    assert values(study, folder) == alone
    for task in ("classification", "segmentation"):
        assert [trial.state for trial in trials(folder, task)].count(TrialState.COMPLETE) == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_who_wants_a_study_to_end_has_every_epoch_that_ran(
    alone: dict[str, float], workers: int, tmp_path: Path
) -> None:
    study, folder, told = Study.load(write_study(tmp_path, TWO)), tmp_path / "out", []

    class Told(Silent):
        def epoch(self, row: dict[str, Any]) -> None:
            told.append(row)

    class Telling(SilentStudy):
        def trial(self, *_: object) -> Any:
            return nullcontext(Told())

    with pytest.raises(KeyboardInterrupt):
        run_study(study, folder, "cpu", watch=Telling(), workers=workers, stop=lambda: len(told) > 3)
    kept = [line for log in folder.glob("trials/*/*/log.jsonl") for line in log.read_text().splitlines()]
    assert len(kept) == len(told)
    assert 4 <= len(told) < 4 + workers
    assert not workers_of(os.getpid())
    run_study(study, folder, "cpu", workers=workers)
    assert values(study, folder) == alone


def dying(pipe: Any, *_: object) -> None:
    """What runs in a worker that dies with whatever it is handed."""
    pipe.send(("ready", ()))
    with suppress(EOFError):
        pipe.recv()
    os._exit(9)


@pytest.mark.slow
def test_candidates_with_which_workers_die_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After pauses, which another test sees grow."""
    study = Study.load(write_study(tmp_path, STUDY.replace("seeds = [0, 1]", "seeds = [0]")))
    folder, lost = tmp_path / "out", []

    class Listening(SilentStudy):
        def lost(self, _: StudyTask, candidate: Candidate, epochs: int) -> None:
            lost.append((candidate.folder, epochs))

    monkeypatch.setattr(crew, "MOST_REST_S", 0.1)
    monkeypatch.setattr(crew, "serve", dying)
    run_study(study, folder, "cpu", workers=2, watch=Listening())
    table = results.trials(study, folder)
    assert set(table["state"]) == {"failed"}
    assert set(table["reason"]) == {"worker died"}
    assert sorted(Counter(lost).items()) == [((name, 0), LOSSES - 1) for name in sorted(table["folder"])]


def test_a_database_that_was_away_makes_nobody_pause_for_long() -> None:
    company = Others(InMemoryStorage())
    pauses = [crew._pause(company, spent) for spent in (0.0, 0.3, 600.0)]
    assert pauses == [company.pause_s, pytest.approx(6.0), crew.MOST_PAUSE_S]
    assert crew._pause(Nobody(), 0.0) == 0.0


def test_workers_that_die_before_they_are_ready_stop_a_study_only_where_none_gets_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = Crew(Study.load(write_study(tmp_path)).tasks, "cpu")

    class Heard:
        """A worker by what comes of hearing it: it is ready, or it has died at its start."""

        ticket, ready, pipe = None, False, types.SimpleNamespace(closed=False)

        def hear(self, _: object) -> bool:
            self.ready = heard.pop(0)
            return not self.ready

    monkeypatch.setattr(crew, "wait", lambda pipes, _: pipes)
    some.workers = [Heard()]  # type: ignore[list-item]
    heard = ([False] * crew.MOST_UNREADY + [True]) * 3 + [False] * crew.MOST_UNREADY
    while heard:
        some.workers[0].ready = False
        assert some.listen(None, lambda: False) == []
    heard = [False]
    some.workers[0].ready = False
    with pytest.raises(SunetlabError, match="before they could begin"):
        some.listen(None, lambda: False)


def test_pauses_double_and_end_with_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    resting, pauses = Crew(Study.load(write_study(tmp_path)).tasks, "cpu"), []
    for _ in range(10):
        resting.note(died=True)
        pauses.append(resting.rest_s())
    assert pauses == [None, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    resting.note(died=False)
    resting.rests_until = 0.0
    resting.note(died=True)
    assert resting.rest_s() is None


def test_workers_share_out_the_gpus_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sunetlab.study.crew.Worker", lambda tasks, device: device)  # noqa: ARG005
    for device, gpus, expected in (
        ("cpu", 0, ["cpu"] * 5),
        ("auto", 1, ["auto"] * 5),
        ("auto", 4, ["cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:0"]),
        ("cuda:2", 4, ["cuda:2"] * 5),
    ):
        monkeypatch.setattr("torch.cuda.device_count", lambda gpus=gpus: gpus)
        monkeypatch.setattr("torch.cuda.is_available", lambda gpus=gpus: gpus > 0)
        if device == "cuda:2":
            monkeypatch.setattr("sunetlab.train.device.pick_device", torch.device)
            monkeypatch.setattr("sunetlab.study.crew.pick_device", torch.device)
        crew = Crew([], device)
        crew.resize(3)
        crew.resize(5)
        assert list(map(str, crew.workers)) == expected


def test_a_worker_is_deaf_to_signals_from_its_first_moment(tmp_path: Path) -> None:
    """A terminal sends Ctrl-C to all processes, a batch system SIGTERM."""
    with Crew(Study.load(write_study(tmp_path)).tasks, "cpu") as some:
        some.resize(1)
        status = Path(f"/proc/{some.workers[0].process.pid}/status").read_text()
    blocked = next(line for line in status.splitlines() if line.startswith("SigBlk:")).split()[1]
    for number in (signal.SIGINT, signal.SIGTERM):
        assert int(blocked, 16) >> (number - 1) & 1
        assert number not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.slow
def test_a_study_that_is_killed_leaves_nobody_behind(alone: dict[str, float], tmp_path: Path) -> None:
    path, folder = write_study(tmp_path, TWO), tmp_path / "out"
    command = [sys.executable, "-m", "sunetlab", "study", "run", str(path), "--out", str(folder), "--workers", "2"]
    process = subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(folder.glob("trials/*/*/last.pt")) and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = workers_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(workers) == 2
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    run_study(Study.load(path), folder, "cpu", workers=2)
    assert values(Study.load(path), folder) == alone


def below(pid: int) -> set[int]:
    """All processes that descend from one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found, new = set[int](), {pid}
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in new} - found
    return found - {pid}


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
def test_those_who_decode_images_for_workers_end_with_them(killed: bool, tmp_path: Path) -> None:
    for split in ("train", "val"):
        class_folders(tmp_path / "set", {"dark": 16, "bright": 16}, split)
    data = f'source = "folder:{tmp_path / "set"}", memory_gib = 0.0, workers = 1'
    text = STUDY.replace('source = "scenes", size = 32, train = 16, val = 16', data)
    path, folder = (
        write_study(tmp_path, text.replace("epochs = 2", f"epochs = {1000 if killed else 2}")),
        tmp_path / "o",
    )
    command = [sys.executable, "-m", "sunetlab", "study", "run", str(path), "--out", str(folder), "--workers", "2"]
    process = subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline, descended = time.monotonic() + 90, set[int]()
    while process.poll() is None and time.monotonic() < deadline:
        descended |= below(process.pid)
        if killed and list(folder.glob("trials/*/*/last.pt")):
            process.kill()
        time.sleep(0.1)
    assert process.wait() == (-signal.SIGKILL if killed else 0)
    assert len(descended) > 4  # two workers, and for each a process that begins others and one that decodes
    while any(Path(f"/proc/{pid}").exists() for pid in descended) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in descended)
    if not killed:
        values(Study.load(path), folder)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_trial_whose_folder_is_removed_is_made_again(alone: dict[str, float], workers: int, tmp_path: Path) -> None:
    study, folder, removed = Study.load(write_study(tmp_path, TWO)), tmp_path / "out", list[Path]()

    class Removing(SilentStudy):
        def trial(self, task: StudyTask, candidate: Candidate, *_: object) -> Any:
            home = folder / "trials" / task.task / candidate.folder

            class Told(Silent):
                def epoch(self, row: dict[str, Any]) -> None:
                    if not removed and row["epoch"] == 2:
                        shutil.rmtree(home)
                        removed.append(home)

            return nullcontext(Told())

    run_study(study, folder, "cpu", watch=Removing(), workers=workers)
    assert len(removed) == 1
    assert values(study, folder) == alone


def test_what_stops_a_study_stops_it_from_a_worker_too(tmp_path: Path) -> None:
    study, folder = Study.load(write_study(tmp_path)), tmp_path / "out"
    run_study(study, folder, "cpu", most=0)
    (folder / "trials" / "classification").mkdir(parents=True)
    for trial in trials(folder):
        (folder / "trials" / "classification" / trial.user_attrs["folder"]).write_text("in the way")
    with pytest.raises((InputError, OSError)):
        run_study(study, folder, "cpu", workers=2)
    assert set(results.trials(study, folder)["state"]) == {"waiting"}


@pytest.mark.slow
def test_a_search_is_stopped_from_afar(tmp_path: Path) -> None:
    """Pruning decides where the database is; trainings are elsewhere."""
    text = STUDY.replace("seeds = [0, 1]", 'seeds = [0]\nsampler = "random"\ndesigns = 8\npruner = "hyperband"')
    text = text.replace("n = 4\n", "").replace("depth = [1, 2]", "depth = [1, 2]\nn = [2, 3, 4, 5]")
    study, folder = Study.load(write_study(tmp_path, text.replace("epochs = 2", "epochs = 9"))), tmp_path / "out"
    run_study(study, folder, "cpu", workers=2)
    table = results.trials(study, folder)
    stopped = table[table["state"] == "pruned"]
    assert set(table["state"]) == {"finished", "pruned"}
    assert len(table) == 8
    for row in stopped.to_dict("records"):
        log = folder / "trials" / "classification" / row["folder"] / "log.jsonl"
        assert 0 < len(log.read_text().splitlines()) < 9


# How many.


def test_on_several_gpus_as_many_more_on_each_are_tried() -> None:
    pace = {4: 400.0, 8: 700.0, 12: 720.0}
    found = find_pace(lambda many: pace[many], 64, places=4)
    assert found == (8, pace)
    assert find_pace(lambda many: None, 64, places=4) == (1, {})  # noqa: ARG005


@pytest.mark.parametrize(
    ("paces", "most", "count", "tried"),
    [
        ([100.0], 1, 1, 1),
        ([100.0, 195.0, 280.0, 290.0, 500.0], 16, 3, 4),  # a fourth does not pay; a sixth is not tried any more
        ([100.0, 105.0], 16, 1, 2),
        ([100.0, 190.0, None], 16, 2, 2),  # three do not fit
        ([100.0, 200.0, 300.0, 400.0, 600.0, 800.0, 1200.0, 1600.0], 16, 16, 8),
        ([100.0, 200.0, 300.0], 3, 3, 3),
        ([None], 4, 1, 0),
    ],
)
def test_as_many_at_a_time_as_do_most(paces: list[float | None], most: int, count: int, tried: int) -> None:
    pace = dict(zip(COUNTS, paces, strict=False))
    found = find_pace(lambda many: pace[many], most)
    assert (found.at_a_time, len(found.images_per_second)) == (count, tried)


@pytest.mark.slow
def test_a_machine_is_tried_and_told(tmp_path: Path) -> None:
    """Where there are several processors two trainings of one thread each do more than one."""
    seen: list[Paced] = []

    class Listening(SilentStudy):
        def paced(self, found: Paced) -> None:
            seen.append(found)

    study, folder = Study.load(write_study(tmp_path)), tmp_path / "out"
    run_study(study, folder, "cpu", watch=Listening(), workers=None)
    ((count, paces),) = seen
    assert set(results.trials(study, folder)["state"]) == {"finished"}
    assert count in paces
    assert all(pace > 0 for pace in paces.values())
