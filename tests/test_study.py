"""A study: what it refuses, that it goes on, that nothing is lost or counted twice, that failures are kept apart."""

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from filelock import FileLock
from optuna.trial import TrialState

from sunetlab import InputError, SunetlabError, analyze
from sunetlab.folders import Kind, whole_folder
from sunetlab.study import attempt, storage
from sunetlab.study.candidate import candidates
from sunetlab.study.definition import Study
from sunetlab.study.designs import make_designs
from sunetlab.study.export import export_run
from sunetlab.study.reading import find, kinds_of_data, shipped
from sunetlab.study.results import arms, choose, load_study, trials
from sunetlab.study.runner import run_study
from sunetlab.train.data import open_data
from sunetlab.train.loop import train
from sunetlab.train.run import load_model, read_result
from tests.tiny import STUDY, write_study


def load(folder: Path, text: str = STUDY, name: str = "tiny") -> Study:
    return Study.load(write_study(folder, text, name))


def states(folder: Path, task: str = "classification", name: str = "tiny") -> list[TrialState]:
    study = optuna.load_study(study_name=f"{name}-{task}", storage=f"sqlite:///{folder / 'optuna.db'}")
    return [trial.state for trial in study.get_trials(deepcopy=False)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    run_study(load(folder), folder / "out", "cpu")
    return folder / "out"


def test_every_design_is_trained_with_every_seed(finished: Path) -> None:
    study = load_study(finished)
    table = trials(study, finished)
    assert sorted(zip(table["depth"], table["seed"], strict=True)) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert set(table["state"]) == {"finished"}
    for row in table.itertuples():
        result = read_result(finished / "trials" / str(row.task) / str(row.folder))
        assert result is not None
        assert (result["value"], result["params"], result["macs"]) == (row.value, row.params, row.macs)


def test_arms_are_means_over_seeds_the_best_first(finished: Path) -> None:
    study = load_study(finished)
    table, found = trials(study, finished), arms(trials(study, finished), load_study(finished))
    assert list(found["value"]) == sorted(found["value"], reverse=True)
    for arm in found.itertuples():
        values = table.loc[table["design"] == arm.design, "value"]
        assert arm.value == pytest.approx(values.mean())
        assert arm.spread == pytest.approx(values.std(ddof=1))
        assert arm.seeds == 2


def test_the_same_command_again_trains_nothing(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "train", None)  # would be called, and fail, if anything were trained
    before = (finished / "optuna.db").read_bytes()
    run_study(load_study(finished), finished, "cpu")
    assert (finished / "optuna.db").read_bytes() == before


def test_a_study_stops_after_so_many_and_goes_on(tmp_path: Path) -> None:
    study, folder = load(tmp_path), tmp_path / "out"
    for most, done in ((1, 1), (0, 1), (2, 3), (None, 4)):
        run_study(study, folder, "cpu", most)
        assert states(folder).count(TrialState.COMPLETE) == done
    assert len(states(folder)) == 4


def test_a_changed_study_does_not_mix_with_the_old_one(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="other seeds"):
        run_study(load(tmp_path, STUDY.replace("[0, 1]", "[0, 2]")), finished, "cpu")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        run_study(load(tmp_path), tmp_path / "full", "cpu")


def test_a_failed_trial_is_recorded_and_does_not_stop_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sabotaged(run: Any, *rest: Any) -> Any:
        if run.spec.depth[0] == 2:
            raise (MemoryError("2 TiB wanted") if run.seed else ValueError("a bug\nin two lines"))
        return train(run, *rest)

    monkeypatch.setattr(attempt, "train", sabotaged)
    study, folder = load(tmp_path), tmp_path / "out"
    run_study(study, folder, "cpu")
    table = trials(study, folder)
    assert sorted(table["reason"]) == ["", "", "error", "out of memory"]
    assert list(arms(table, study)["depth"]) == [1]
    run_study(study, folder, "cpu")  # what failed stays failed …
    assert len(states(folder)) == 4
    monkeypatch.setattr(attempt, "train", train)
    run_study(study, folder, "cpu", retry_failed=True)  # … until asked for
    assert set(trials(study, folder)["state"]) == {"finished"}
    assert len(trials(study, folder)) == 4


def test_what_is_tried_once_more_and_interrupted_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sabotaged(*_: Any) -> Any:
        raise ValueError("a bug")

    study, folder = load(tmp_path), tmp_path / "out"
    monkeypatch.setattr(attempt, "train", sabotaged)
    run_study(study, folder, "cpu")
    assert set(trials(study, folder)["reason"]) == {"error"}
    monkeypatch.setattr(attempt, "train", train)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, folder, "cpu", retry_failed=True, stop=lambda: any(folder.glob("trials/*/*/log.jsonl")))
    assert set(trials(study, folder)["state"]) == {"waiting"}
    run_study(study, folder, "cpu")  # whoever goes on need not ask for it again
    assert set(trials(study, folder)["state"]) == {"finished"}


def test_a_loss_that_is_not_finite_is_a_reason(tmp_path: Path) -> None:
    text = STUDY.replace("epochs = 2", 'epochs = 2, lr = 1e30, schedule = "constant"')
    study, folder = load(tmp_path, text), tmp_path / "out"
    run_study(study, folder, "cpu")
    assert set(trials(study, folder)["reason"]) == {"not finite"}
    with pytest.raises(SunetlabError, match="no trial of classification has finished"):
        choose(study, folder, "classification")


@pytest.mark.parametrize("words", ["batch_size = 1", "batch_size = 8, min_micro_batch = 1"])
def test_a_design_that_its_recipe_cannot_train_is_a_failure_of_its_own(words: str, tmp_path: Path) -> None:
    study, folder = Study.load(write_study(tmp_path, STUDY.replace("batch_size = 8", words))), tmp_path / "out"
    run_study(study, folder, "cpu")
    table = trials(study, folder).set_index(["depth", "seed"])
    assert dict(table["reason"]) == {(1, 0): "", (1, 1): "", (2, 0): "not trainable", (2, 1): "not trainable"}
    assert table["detail"][2, 0].startswith(words.rpartition(", ")[2].replace(" =", ":") + ": leaves a single image")


def test_a_full_disk_stops_the_study_and_is_nobodys_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    study, folder = load(tmp_path), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("torch.save", full)
        with pytest.raises(OSError, match="No space left"):
            run_study(study, folder, "cpu")
    assert not list((folder / "trials").rglob("*.part"))
    run_study(study, folder, "cpu")
    assert list(trials(study, folder)["state"]) == ["finished"] * 4


def test_a_trial_that_finished_without_optuna_hearing_of_it_is_told_not_trained(tmp_path: Path) -> None:
    study, folder = load(tmp_path), tmp_path / "out"
    data = open_data(study.tasks[0].data)
    designs = make_designs(study, study.tasks[0], len(data.classes), data.size)
    candidate = candidates(study, study.tasks[0], designs)[0]
    run_study(study, folder, "cpu", most=0)
    storage.open_optuna(study, "classification", folder).ask()  # takes the first in line …
    result = train(candidate.run, data, folder / "trials" / "classification" / candidate.folder, "cpu")
    finished_at = (folder / "trials" / "classification" / candidate.folder / "result.json").stat().st_mtime_ns
    run_study(study, folder, "cpu")  # … and was killed before it could tell
    assert (folder / "trials" / "classification" / candidate.folder / "result.json").stat().st_mtime_ns == finished_at
    table = trials(study, folder)
    assert len(table) == 4
    assert table.loc[table["folder"] == candidate.folder, "value"].item() == result["value"]
    assert states(folder).count(TrialState.COMPLETE) == 4


def test_a_wrong_device_fails_no_trial(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tpu"):
        run_study(load(tmp_path), tmp_path / "out", "tpu")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a#b", "ä b"])
def test_a_folder_may_have_any_name(name: str, tmp_path: Path) -> None:
    run_study(load(tmp_path), tmp_path / name, "cpu", most=1)
    assert (tmp_path / name / "optuna.db").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "tiny.toml"])
    assert list(trials(load(tmp_path), tmp_path / name)["state"]).count("finished") == 1


def test_changed_data_do_not_mix_with_the_old_ones(tmp_path: Path) -> None:
    study, folder = load(tmp_path), tmp_path / "out"
    run_study(study, folder, "cpu", most=1)
    record = folder / "data-classification.json"
    record.write_text(record.read_text().replace('"version": 1', '"version": 0'))
    with pytest.raises(InputError, match="the data have changed since this began: version"):
        run_study(study, folder, "cpu")


def test_a_finished_trial_whose_folder_is_gone_is_made_again(tmp_path: Path) -> None:
    study, folder = load(tmp_path), tmp_path / "out"
    run_study(study, folder, "cpu")
    before = trials(study, folder)
    shutil.rmtree(folder / "trials" / "classification" / str(before["folder"][0]))
    with pytest.raises(InputError, match="run the study again"):
        choose(study, folder, "classification", f"params={before['params'][0]}, macs>1T")
    run_study(study, folder, "cpu")
    after = trials(study, folder)
    assert after.set_index("folder")["value"].to_dict() == before.set_index("folder")["value"].to_dict()


def test_two_people_do_not_work_in_one_folder(finished: Path) -> None:
    with FileLock(finished / ".lock"), pytest.raises(SunetlabError, match="somebody else"):
        run_study(load_study(finished), finished, "cpu")


def test_a_damaged_database_is_named_and_finished_runs_survive_it(tmp_path: Path) -> None:
    study, folder = load(tmp_path), tmp_path / "out"
    run_study(study, folder, "cpu")
    values = list(trials(study, folder)["value"])
    (folder / "optuna.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    for look in (lambda: run_study(study, folder, "cpu"), lambda: trials(study, folder)):
        with pytest.raises(SunetlabError, match=r"optuna\.db: cannot be used: .*not trained twice"):
            look()
    (folder / "optuna.db").unlink()
    run_study(study, folder, "cpu")
    assert list(trials(study, folder)["value"]) == values


@pytest.mark.parametrize("pause", [1.2, pytest.param(2.0, marks=pytest.mark.slow)])
def test_kill_9_loses_at_most_the_trial_that_ran(pause: float, tmp_path: Path) -> None:
    path, folder = write_study(tmp_path, STUDY.replace("epochs = 2", "epochs = 25")), tmp_path / "out"
    command = [sys.executable, "-m", "sunetlab", "study", "run", str(path), "--out", str(folder), "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(folder.glob("trials/*/*/last.pt")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(pause - 1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    study = Study.load(path)
    done = {row.folder: row.value for row in trials(study, folder).itertuples() if row.state == "finished"}
    run_study(study, folder, "cpu")
    table = trials(study, folder)
    assert list(table["state"]) == ["finished"] * 4
    assert {row.folder: row.value for row in table.itertuples() if row.folder in done} == done
    assert states(folder).count(TrialState.COMPLETE) == 4
    run_study(study, tmp_path / "undisturbed", "cpu")
    undisturbed = trials(study, tmp_path / "undisturbed")
    assert undisturbed.set_index("folder")["value"].to_dict() == table.set_index("folder")["value"].to_dict()


def test_the_chosen_configuration_goes_out_and_comes_back(finished: Path, tmp_path: Path) -> None:
    study = load_study(finished)
    table = trials(study, finished)
    smallest = int(table["params"].min())
    path, arm = choose(study, finished, "classification", f"params<={smallest}")
    assert arm["params"] == smallest
    export_run(path, tmp_path / "best", arm)
    model, run = load_model(tmp_path / "best")
    assert sum(p.numel() for p in model.parameters()) == smallest == analyze(run.spec).params
    assert json.loads((tmp_path / "best" / "spec.json").read_text()) == run.spec.model_dump(mode="json")
    export_run(path, tmp_path / "best", {**arm, "params": 1})  # replaces an export …
    assert json.loads((tmp_path / "best" / "choice.json").read_text())["params"] == 1
    with pytest.raises(InputError, match="an export from the study"):  # … but not one of another study
        export_run(path, tmp_path / "best", {**arm, "study": "other"})
    assert json.loads((tmp_path / "best" / "choice.json").read_text())["params"] == 1
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="no earlier export"):
        export_run(path, tmp_path / "other", arm)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best", "other"]
    with pytest.raises(InputError, match="none of 2 finished designs"):
        choose(study, finished, "classification", "params<1k")


@pytest.mark.parametrize("depths", ["[1, 3]", "[1, 2, 3]"])
def test_a_database_of_other_arms_is_refused(depths: str, tmp_path: Path) -> None:
    """A copy of another study's of that name, or that of a folder whose study was changed by hand."""
    run_study(Study.load(write_study(tmp_path)), tmp_path / "out", "cpu", most=1)
    text = (tmp_path / "tiny.toml").read_text().replace("depth = [1, 2]", f"depth = {depths}")
    study = Study.load(write_study(tmp_path, text))
    study.save(tmp_path / "out" / "study.toml")
    with pytest.raises(SunetlabError, match=r"optuna\.db: cannot be used: .*; move it away and run the study again"):
        run_study(study, tmp_path / "out", "cpu")


def test_a_run_that_has_lost_a_file_is_not_exported(finished: Path, tmp_path: Path) -> None:
    path, arm = choose(load_study(finished), finished, "classification")
    shutil.copytree(path, tmp_path / "run")
    (tmp_path / "run" / "weights.safetensors").unlink()
    with pytest.raises(InputError, match=r"run: has lost its weights.safetensors; delete the folder"):
        export_run(tmp_path / "run", tmp_path / "best", arm)
    assert not (tmp_path / "best").exists()


def test_what_a_killed_process_left_of_a_folder_is_removed_with_the_next(tmp_path: Path) -> None:
    names = (("b[e]st", "1"), ("b[e]st", "2"), ("best", "3"))
    left, young, other = (tmp_path / f".{name}.{digit * 32}.part" for name, digit in names)
    for part in (left, young, other):
        part.mkdir()
        (part / "mark").touch()
    for part in (left, other):
        os.utime(part, (0, 0))
    with whole_folder(tmp_path / "b[e]st", Kind("export", "mark", ["mark"])) as part:
        (part / "mark").touch()
    assert {path.name for path in tmp_path.iterdir()} == {"b[e]st", young.name, other.name}


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("step", ["taken away", "named"])
def test_of_two_who_make_a_folder_at_once_the_last_has_its_name(
    step: str, earlier: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, kind, rename, others = tmp_path / "best", Kind("export", "mark", ["mark"]), Path.rename, ["other"]

    def make(word: str) -> None:
        with whole_folder(out, kind) as part:
            (part / "mark").write_text(word)

    def meddled(path: Path, target: Path) -> Path:
        if others and (path == out) == (step == "taken away"):
            make(others.pop())
        return rename(path, target)

    if earlier:
        make("earlier")
    monkeypatch.setattr(Path, "rename", meddled)
    make("mine")
    assert (out / "mark").read_text() == "mine"
    assert others == []
    assert list(tmp_path.iterdir()) == [out]


def test_an_export_that_fails_leaves_nothing(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, arm = choose(load_study(finished), finished, "classification")
    monkeypatch.setattr("shutil.copyfile", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        export_run(path, tmp_path / "best", arm)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("question", "qestion", ("qestion", "unknown key")),
        ("seeds = [0, 1]", "seeds = []", ("seeds",)),
        ("seeds = [0, 1]", "seeds = [1, 1]", ("seeds", "twice")),
        ("seeds = [0, 1]", 'seeds = [0]\nwhere = "parms<1"', ("where", "parms", "character 1")),
        ("seeds = [0, 1]", 'seeds = [0]\nwhere = "params<10"', ("no design is left of 2", "params<10")),
        ("seeds = [0, 1]", 'seeds = [0]\nsampler = "random"', ("designs", "sampler random")),
        ("seeds = [0, 1]", 'seeds = [0]\nsampler = "tpe"', ("designs", "random, tpe or nsga2")),
        ("seeds = [0, 1]", "seeds = [0]\ndesigns = 3", ("designs: 3", "random, tpe or nsga2")),
        ("depth = [1, 2]", "depth = []", ("depth", "at least one")),
        ("depth = [1, 2]", "depht = [1, 2]", ("depht", "depth")),
        ("depth = [1, 2]", "depth = [0]", ("depth: 0",)),
        ("depth = [1, 2]", "task = ['segmentation']", ("task", "leave it out")),
        ("depth = [1, 2]", "depth = [1, 2]\nn = [4, 8]", ("n", "[network] as well")),
        ('source = "scenes"', 'source = "scenes", task = "segmentation"', ("data.task", "leave it out")),
        ("[factors]\ndepth = [1, 2]", "", ("factors or arms",)),
        ("[factors]\ndepth = [1, 2]", "[[arms]]\ndepth = 9", ("arms.0", "depth", "9")),
        ("[factors]\ndepth = [1, 2]", "[[arms]]\ndepth = 1\n[[arms]]\ndepth = 1", ("arms.1", "same network")),
        ("epochs = 2", "epoch = 2", ("recipe", "epoch", "unknown key")),
        ('base = "quick"', 'base = "quik"', ("recipe", "quik", "cifar10")),
        ('"scenes"', '"secnes"', ("data.source", "secnes", "folder:PATH")),
        ('task = "classification"', 'task = "clasification"', ("task", "clasification", "segmentation")),
        ("stacks = [1, 1]", "stacks = [1, 0]", ("stacks", "0")),
        ("[[tasks]]", "[tasks]", ("tasks",)),
        ("n = 4", "n = ", ("not valid TOML", "line 5")),
    ],
)
def test_a_wrong_study_file_is_refused_in_one_line(old: str, new: str, parts: tuple[str, ...], tmp_path: Path) -> None:
    assert old in STUDY
    with pytest.raises(InputError) as error:
        load(tmp_path, STUDY.replace(old, new))
    assert len(str(error.value).splitlines()) == 1
    for part in ("tiny.toml", *parts):
        assert part in str(error.value)


def test_a_random_study_draws_its_designs_from_a_seed(tmp_path: Path) -> None:
    text = (
        STUDY.replace("seeds = [0, 1]", 'seeds = [0]\nsampler = "random"\ndesigns = 3')
        .replace("depth = [1, 2]", "depth = [1, 2, 3]\nn = [2, 3, 4, 5, 6]")
        .replace("n = 4\n", "")
    )
    study = load(tmp_path, text)
    designs = make_designs(study, study.tasks[0], 10, (32, 32))
    assert len(designs) == 3
    assert designs == make_designs(load(tmp_path, text), study.tasks[0], 10, (32, 32))
    other = load(tmp_path, text + "", "tiny").model_copy(update={"sampler_seed": 1})
    assert designs != make_designs(other, study.tasks[0], 10, (32, 32))


@pytest.mark.parametrize("name", shipped())
def test_every_study_that_comes_along_is_sound_and_reads_back(name: str, tmp_path: Path) -> None:
    for on in [None, *kinds_of_data(find(name))]:
        study = Study.load(find(name), on)
        study.save(tmp_path / "study.toml")
        assert Study.load(tmp_path / "study.toml") == study


def test_an_unknown_study_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="quick"):
        find("quik")


def test_the_database_is_plain_sqlite(finished: Path) -> None:
    with sqlite3.connect(finished / "optuna.db") as connection:
        assert connection.execute("select count(*) from trials").fetchone() == (4,)
