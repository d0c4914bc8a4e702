"""The readers of runs, checkpoints and databases of studies, each with valid ones."""

import copy
import io
import json
import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from optuna.trial import FrozenTrial, TrialState

from sunetlab import SUNetSpec
from sunetlab.folders import DATA, SPEC, WEIGHTS
from sunetlab.model.checkpoint import SPEC_RECORD
from sunetlab.model.folder import load_network
from sunetlab.model.importing import import_checkpoint
from sunetlab.study import results, snapshot
from sunetlab.study.definition import Study
from sunetlab.study.export import CHOICE, _refuse_another
from sunetlab.study.judge import verdicts
from sunetlab.study.recorded import TOTAL
from sunetlab.study.records import Records
from sunetlab.study.runner import run_study
from sunetlab.study.storage import DATABASE, TRIALS
from sunetlab.study.tested import TEST, test_value
from sunetlab.train.loop import Trainer, train
from sunetlab.train.run import LAST, LOG, RESULT, RUN, Run, claim_record, class_names, read_log, read_result, seen_size
from sunetlab.train.transfer import Initial
from sunetlab.train.watch import Silent
from tests import mutations
from tests.authors import Widths, fake_state, save_as_of_2017
from tests.reader import Reader, as_json, of_files, of_tables, of_texts, through
from tests.tiny import STUDY, TinyData, stand_in, tiny_run, write_study

SMALLEST = Widths(1, (1, 1, 1, 1), (2, 2, 3, 3), (1, 1, 1, 1), stem=2, classes=2)


def of_runs(folder: Path) -> list[Reader]:
    """A run's folder, file by file."""
    home = folder / "run"
    train(tiny_run(epochs=2), TinyData(), home, "cpu")
    run, spec = Run.load(home), json.loads(SUNetSpec.load(home / SPEC).model_dump_json())
    rows = read_log(home)
    words = run.model_dump(mode="json", exclude={"spec"})
    init = {"source": "elsewhere", "sha256": "0" * 64}
    record = {"classes": ["red", "green", "blue"], "size": [24, 24], "source": "tiny", "images": {"train": 24}}
    tested = {"accuracy": 0.5, "loss": 1.0, "top5": 1.0}
    chosen = {"study": "tiny", "question": "?", "where": None, "value": 0.5}

    def lines(rng: random.Random) -> bytes:
        found = mutations.table(rng, rows, rows)
        return b"\n".join(map(as_json, found if isinstance(found, list) else [found]))

    texts = [(home / LOG).read_text()]
    log = through(home / LOG, lambda _: read_log(home))
    trainer = Trainer(run, TinyData(), home, torch.device("cpu"), Silent())
    state = torch.load(home / LAST, weights_only=True)
    small = {**state, "model": dict(list(state["model"].items())[:3])}
    last = (home / LAST).read_bytes()
    weights = (home / WEIGHTS).read_bytes()
    readers = [
        of_tables("a run's spec.toml", [spec], home / SPEC, lambda _: Run.load(home), 2),
        of_tables("run.toml", [words, {**words, "init": init}], home / RUN, lambda _: Run.load(home), 3),
        Reader("log.jsonl", lines, log),
        of_texts("lines of log.jsonl", texts, lambda text: log(text.encode("utf-8", "surrogatepass"))),
        of_tables("result.json", [read_table_of(home / RESULT)], home / RESULT, lambda _: read_result(home), 2),
        of_tables("data.json", [record], home / DATA, lambda path: _record(path, record), 3),
        of_tables("test.json", [tested], home / TEST, lambda _: test_value(home)),
        of_tables("choice.json", [chosen], home / CHOICE, lambda _: _refuse_another(home, chosen)),
        _of_states("states of a training", [state, small], home / LAST, lambda _: trainer.resume(), 60),
        of_files("last.pt", [last], home / LAST, lambda _: trainer.resume(), 60),
        of_files("weights.safetensors", [weights], home / WEIGHTS, lambda _: load_network(home), 100),
        of_files("weights to start from", [weights], folder / "w.safetensors", Initial.read, 4),
        Reader("headers of safetensors", partial(_header, weights), through(folder / "w.safetensors", Initial.read), 4),
    ]
    return [_restoring(each, home) for each in readers]


def read_table_of(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text())


def _record(path: Path, record: dict[str, Any]) -> None:
    seen_size(path.parent)
    class_names(path.parent, 3)
    claim_record(path, record)


def _restoring(reader: Reader, home: Path) -> Reader:
    """A reader that finds the other files of the folder as they were."""
    whole = {path: path.read_bytes() for path in home.iterdir() if path.is_file()}

    def read(content: Any) -> object:
        for path, before in whole.items():
            if not path.exists() or path.stat().st_size != len(before) or path.read_bytes() != before:
                path.write_bytes(before)
        return reader.read(content)

    return reader._replace(read=read)


def _of_states(name: str, valid: list[Any], path: Path, read: Callable[[Path], object], cost: float) -> Reader:
    """A reader of what torch.save writes of tables of tensors."""

    def make(rng: random.Random) -> bytes:
        buffer, content = io.BytesIO(), mutations.table(rng, rng.choice(valid), valid)
        torch.save(content, buffer, _use_new_zipfile_serialization=rng.random() < 0.5)
        return buffer.getvalue()

    return Reader(name, make, through(path, read), cost)


def _header(whole: bytes, rng: random.Random) -> bytes:
    """A safetensors file whose header says something else."""
    size = int.from_bytes(whole[:8], "little")
    header = as_json(mutations.table(rng, json.loads(whole[8 : 8 + size])))
    return len(header).to_bytes(8, "little") + header + whole[8 + size :]


def of_checkpoints(folder: Path) -> list[Reader]:
    """Checkpoints of the authors, of all forms of torch.save."""
    state = fake_state(SMALLEST)
    spec = {SPEC_RECORD: {"depth": [1] * 4, "n": 1, "stacks": [1] * 4, "widths": [2, 2, 3, 3], "dilations": [1] * 4}}
    contents: list[Any] = [{"state_dict": state, "epoch": 3, "arch": "sunet", "best_prec1": 70.5}, dict(state)]
    contents.append({"state_dict": state, **spec})
    files = []
    for content in contents:
        for zipped in (False, True):
            torch.save(content, folder / "c.pth", _use_new_zipfile_serialization=zipped)
            files.append((folder / "c.pth").read_bytes())
    save_as_of_2017({"state_dict": state}, folder / "c.pth")
    files.append((folder / "c.pth").read_bytes())

    def load(path: Path) -> None:
        found = import_checkpoint(path)
        assert json.dumps(found.source)

    return [
        _of_states("contents of checkpoints", [{**c} for c in contents], folder / "c.pth.tar", load, 40),
        of_files("bytes of checkpoints", files, folder / "c.pth.tar", load, 30),
    ]


def of_databases(folder: Path) -> list[Reader]:
    """What a study's database says of its trials, and a database that is broken."""
    home = folder / "study"
    study = Study.load(write_study(folder, STUDY))
    with mock.patch("sunetlab.study.attempt.train", stand_in):
        run_study(study, home, "cpu")
    whole = (home / DATABASE).read_bytes()
    trials = Records(study, home).trials("classification")

    def look() -> None:
        seen = snapshot.look(Records(study, home))
        results.arms(seen.table, study)
        verdicts(study, seen.table, "classification")
        inside = home / TRIALS / "classification"
        assert all(inside in (inside / name).resolve().parents for name in seen.table["folder"] if name)
        results.choose(study, home, "classification")

    def look_at(found: list[FrozenTrial]) -> None:
        task = SimpleNamespace(get_trials=lambda deepcopy, states: found, user_attrs={TOTAL: 4})  # noqa: ARG005
        with mock.patch.object(Records, "_of", return_value=task):
            look()

    def look_into(changes: list[Cell]) -> None:
        (home / DATABASE).write_bytes(whole)
        with closing(sqlite3.connect(home / DATABASE, isolation_level=None)) as database:
            database.execute("pragma synchronous = off")
            for table, column, row, said in changes:
                count = database.execute(f"select count(*) from {table}").fetchone()[0]
                where = f"rowid = (select rowid from {table} limit 1 offset {row % max(1, count)})"
                with suppress(sqlite3.Error):
                    database.execute(f"update {table} set {column} = ? where {where}", (said,))
        look()

    return [
        Reader("a database's trials", partial(_retold, trials), look_at, 100),
        Reader("cells of a database", _cells, look_into, 1000),
        of_files("bytes of a database", [whole], home / DATABASE, lambda _: look(), 1000),
    ]


def _retold(trials: Sequence[FrozenTrial], rng: random.Random) -> list[FrozenTrial]:
    """Trials of which some say something else."""
    told: list[Any] = [{"user": each.user_attrs, "values": each.values, "reports": [0.5, 0.75]} for each in trials]
    more = {"pulse": [3, 1e9, 10.0], "reason": "not finite", "detail": "x", "since": 1, "stage": "winner"}
    told.append({**told[0], "user": {**told[0]["user"], **more}})
    found = []
    for trial in trials:
        said = rng.choice(told)
        said = mutations.table(rng, said, told) if rng.random() < 0.4 else said
        said = said if isinstance(said, dict) else {"user": said}
        user, reports = said.get("user"), said.get("reports")
        changed = copy.copy(trial)
        changed.user_attrs = {str(key): each for key, each in user.items()} if isinstance(user, dict) else {}
        changed._values = said["values"] if isinstance(said.get("values"), list) else [0.5]
        changed.intermediate_values = dict(enumerate(reports)) if isinstance(reports, list) else {}
        changed.state = rng.choice((changed.state, changed.state, *TrialState))
        found.append(changed)
    return found


Cell = tuple[str, str, int, str]  # table, column, row, what is put there
_COLUMNS = (
    *(("trial_user_attributes", "value_json"), ("trial_params", "param_value"), ("trials", "state")),
    *(("trial_values", "value"), ("study_user_attributes", "value_json"), ("trial_user_attributes", "key")),
)


def _cells(rng: random.Random) -> list[Cell]:
    """Changes of a database."""
    found = []
    for _ in range(rng.choice((1, 1, 2, 4))):
        table, column = rng.choice(_COLUMNS)
        value = mutations.value(rng)
        said = json.dumps(value, default=str) if column == "value_json" else str(value)[:3000]
        found.append((table, column, rng.randrange(100), said.encode("utf-8", "replace").decode()))
    return found
