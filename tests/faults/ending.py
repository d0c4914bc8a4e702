"""How a study stands at its end, beside one that nobody disturbed: everything that both must have in common."""

import json
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from safetensors.torch import load_file

from tests.faults.siege import ROOT

OF_TIME = {"seconds", "images_per_second"}  # columns of a log that differ from run to run
FILES = {"spec.toml", "run.toml", "data.json", "log.jsonl", "last.pt", "weights.safetensors", "result.json"}


def said(*words: str, status: int = 0) -> str:
    """What `sunetlab study WORDS` prints, which must end with `status`."""
    command = [sys.executable, "-m", "sunetlab", "study", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout


def url_of(folder: Path) -> str:
    """The database of a study's folder, as SQLAlchemy writes it."""
    place = folder / "storage.toml"
    if place.exists():
        url = str(tomllib.loads(place.read_text())["url"])
        return url.replace("postgresql://", "postgresql+psycopg://")
    return f"sqlite:///{folder / 'optuna.db'}"


def states(folder: Path) -> dict[str, Counter[str]]:
    """What the database has of each task's candidates: state → how many trials, by the names of their folders."""
    database = RDBStorage(url_of(folder))
    found: dict[str, Counter[str]] = {}
    for name in optuna.get_all_study_names(database):
        for trial in optuna.load_study(study_name=name, storage=database).get_trials(deepcopy=False):
            found.setdefault(str(trial.user_attrs["folder"]), Counter())[trial.state.name] += 1
    database.engine.dispose()
    return found


def finished_values(folder: Path) -> dict[str, list[float]]:
    """The values of all trials that the database has as complete, by the names of their folders."""
    database = RDBStorage(url_of(folder))
    found: dict[str, list[float]] = {}
    for name in optuna.get_all_study_names(database):
        study = optuna.load_study(study_name=name, storage=database)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            found.setdefault(str(trial.user_attrs["folder"]), []).append(trial.values[0])
    database.engine.dispose()
    return found


def figures(folder: Path) -> list[dict[str, Any]]:
    """The rows of a trial's log, without what time they took."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in OF_TIME} for row in rows]


def found(folder: Path) -> dict[str, Any]:
    """A trial's result, without what time it took."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: bare(each) for key, each in value.items() if key not in OF_TIME}
        return value

    return dict(bare(json.loads((folder / "result.json").read_text())))


def check_trial(folder: Path, undisturbed: Path) -> None:
    """A trial's folder holds what that of the undisturbed study holds, to the bit, and every file can be read."""
    names = {path.name for path in folder.iterdir()}
    assert {name for name in names if not name.startswith(".")} == FILES, folder
    assert all(name.endswith(".part") for name in names - FILES), folder  # of who was killed while writing it
    assert figures(folder) == figures(undisturbed), folder
    assert found(folder) == found(undisturbed), folder
    for name in ("spec.toml", "run.toml"):
        tomllib.loads((folder / name).read_text())
    json.loads((folder / "data.json").read_text())
    load_file(folder / "weights.safetensors")
    assert (folder / "weights.safetensors").read_bytes() == (undisturbed / "weights.safetensors").read_bytes(), folder
    mine, other = (torch.load(one / "last.pt", weights_only=True)["model"] for one in (folder, undisturbed))
    assert mine.keys() == other.keys()
    assert all(torch.equal(mine[key], other[key]) for key in mine), folder


def tables(folder: Path) -> dict[str, Any]:
    """What a study's commands say of it, without times."""
    trials = json.loads(said("status", str(folder), "--json"))["trials"]
    rows = sorted(({key: row[key] for key in row if key != "seconds"} for row in trials), key=lambda row: row["folder"])
    verdict = said("verdict", str(folder))
    page = Path(said("report", str(folder)).strip())
    assert page.read_text().rstrip().endswith("</html>")
    return {"trials": rows, "verdict": verdict, "study": said("show", str(folder / "study.toml"))}


def check(folder: Path, undisturbed: Path, deleted: Collection[str] = ()) -> None:
    """The study of `folder` has come to the same end as the undisturbed one.

    Args:
        folder: what was disturbed.
        undisturbed: what was not.
        deleted: names of trials' folders that somebody took away, perhaps after they had finished.
    """
    names = {path.name for path in undisturbed.glob("trials/*/*")}
    standing = states(folder)
    assert standing.keys() == names
    often = {name: count["COMPLETE"] for name, count in standing.items()}
    assert {name: count for name, count in often.items() if count != 1 and name not in deleted} == {}
    assert all(1 <= often[name] <= 2 for name in deleted)
    assert {state for count in standing.values() for state in count} <= {"COMPLETE", "FAIL"}
    for path in folder.glob("trials/*/*"):
        check_trial(path, undisturbed / path.relative_to(folder))
    for name, values in finished_values(folder).items():
        (result,) = folder.glob(f"trials/*/{name}/result.json")
        assert set(values) == {json.loads(result.read_text())["value"]}, name
    assert tables(folder) == tables(undisturbed)
