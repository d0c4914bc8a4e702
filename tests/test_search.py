"""A study that searches: so many designs, all within its bounds, none twice, however it stops; what TPE finds."""

import os
import signal
import sqlite3
import subprocess
import sys
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from sunetlab import InputError
from sunetlab.space.land import Feasible
from sunetlab.space.pick import where_of
from sunetlab.space.space import Space
from sunetlab.study import attempt, results, runner
from sunetlab.study.definition import Study
from sunetlab.study.export import export_run
from sunetlab.study.report import write_report
from sunetlab.study.runner import run_study
from sunetlab.study.search import Search, Tried, propose
from sunetlab.train.run import load_model
from tests.conftest import Said
from tests.tiny import SEARCH, STUDY, stand_in, write_study

ROOT = Path(__file__).parent.parent
FEASIBLE = 19  # of SEARCH's 32 designs


def load(folder: Path, text: str = SEARCH) -> Study:
    return Study.load(write_study(folder, text))


def asked(folder: Path) -> list[FrozenTrial]:
    study = optuna.load_study(study_name="tiny-classification", storage=f"sqlite:///{folder / 'optuna.db'}")
    return study.get_trials(deepcopy=False)


def order(folder: Path) -> list[str]:
    """The candidates by their folders, in the order in which they first stood in line."""
    return list(dict.fromkeys(trial.user_attrs["folder"] for trial in asked(folder)))


@pytest.fixture
def trained(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Candidates have values without being trained."""
    monkeypatch.setattr(attempt, "train", stand_in)


# What a search is.


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small search, really trained, that stopped in the middle of a design and went on."""
    folder = tmp_path_factory.mktemp("search")
    study = load(folder)
    run_study(study, folder / "out", "cpu", most=3)
    assert [trial.state for trial in asked(folder / "out")] == [TrialState.COMPLETE] * 3 + [TrialState.WAITING]
    run_study(study, folder / "out", "cpu")
    return folder / "out"


def test_so_many_designs_are_trained_with_every_seed_and_all_keep_the_bounds(searched: Path) -> None:
    study = results.load_study(searched)
    table, found = results.trials(study, searched), results.arms(results.trials(study, searched), study)
    assert list(table["state"]) == ["finished"] * 8
    assert len(found) == 4
    assert set(found["seeds"]) == {2}
    assert (table["params"] <= 4000).all()
    assert sorted(table["folder"]) == sorted(path.name for path in (searched / "trials" / "classification").iterdir())
    for row in table.itertuples():
        _, run = load_model(searched / "trials" / "classification" / str(row.folder))
        levels = (run.spec.n, run.spec.depth[0], run.spec.stem_width, ",".join(map(str, run.spec.stacks)), run.seed)
        assert levels == (row.n, row.depth, row.stem_width, row.stacks, row.seed)


def test_the_same_command_again_trains_nothing(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "train", None)
    before = (searched / "optuna.db").read_bytes()
    run_study(results.load_study(searched), searched, "cpu")
    assert (searched / "optuna.db").read_bytes() == before


def test_a_search_is_shown_counted_told_and_exported(searched: Path, tmp_path: Path, said: Said) -> None:
    status, out, _ = said(f"study show {searched}")
    assert status == 0
    assert f"4 of {FEASIBLE} feasible designs, chosen by TPE, x 2 seeds" in out
    assert [line.split() for line in out.splitlines()[-4:]] == [
        ["n", "3"],
        ["stem_width", "2"],
        ["depth1", "2"],
        ["stacks1", "2"],
    ]
    assert f"4 of 4 designs tried, chosen by TPE from {FEASIBLE}" in said(f"study status {searched}")[1]
    study = results.load_study(searched)
    page = write_report(study, searched, "…").read_text()
    assert "not drawn at random" in page
    assert f"{FEASIBLE} for classification" in page
    assert "were drawn at random with seed" not in page
    assert "<b>8</b> trials" in page
    path, arm = results.choose(study, searched, "classification")
    export_run(path, tmp_path / "best", arm)
    assert load_model(tmp_path / "best")[1].spec.id == arm["design"]


def test_the_page_of_other_studies_does_not_speak_of_a_search(tmp_path: Path) -> None:
    page = write_report(load(tmp_path, STUDY), tmp_path, "…").read_text()
    assert "search chose" not in page
    assert "TPE" not in page


@pytest.mark.usefixtures("trained")
def test_a_search_that_has_begun_or_not_counts_what_is_left(tmp_path: Path, said: Said) -> None:
    study, folder = load(tmp_path), tmp_path / "out"
    runner.open_folder(study, folder)
    assert "<b>8</b> left to run" in write_report(study, folder, "…").read_text()
    assert "no trial stands in line yet; sunetlab study run" in said(f"study status {folder}")[1]
    run_study(study, folder, "cpu", most=3)
    assert "<b>5</b> left to run" in write_report(study, folder, "…").read_text()
    assert f"2 of 4 designs tried, chosen by TPE from {FEASIBLE}" in said(f"study status {folder}")[1]


# A search goes on.


@pytest.mark.usefixtures("trained")
def test_a_search_that_stops_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    study = load(tmp_path, SEARCH.replace("designs = 4", "designs = 13").replace("[0, 1]", "[0]"))
    run_study(study, tmp_path / "whole", "cpu")
    for most in (0, 1, 10, None):
        run_study(study, tmp_path / "parts", "cpu", most)
    whole = order(tmp_path / "whole")
    assert order(tmp_path / "parts") == whole
    assert len(whole) == 13 == len(asked(tmp_path / "parts"))
    other = study.model_copy(update={"sampler_seed": 1})
    run_study(other, tmp_path / "other", "cpu", most=4)
    assert order(tmp_path / "other") != whole[:4]


@pytest.mark.usefixtures("trained")
def test_kill_9_in_a_search(tmp_path: Path) -> None:
    path, folder = write_study(tmp_path, SEARCH), tmp_path / "out"
    killer = """
import os, signal, sys
from pathlib import Path
from sunetlab.study import attempt, runner
from sunetlab.study.definition import Study
from tests.tiny import stand_in
def train(run, data, folder, *rest):
    if len(list(folder.parent.glob("*/result.json"))) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return stand_in(run, data, folder, *rest)
attempt.train = train
runner.run_study(Study.load(Path(sys.argv[1])), Path(sys.argv[2]), "cpu")
"""
    command = [sys.executable, "-c", killer, str(path), str(folder)]
    killed = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [trial.state for trial in asked(folder)] == [TrialState.COMPLETE] * 3 + [TrialState.RUNNING]
    study = Study.load(path)
    run_study(study, folder, "cpu")  # a stand-in that made a run twice would fail
    run_study(study, tmp_path / "undisturbed", "cpu")
    assert order(folder) == order(tmp_path / "undisturbed")
    table = results.trials(study, folder)
    assert list(table["state"]) == ["finished"] * 8
    assert len(asked(folder)) == 9  # one of them interrupted


@pytest.mark.usefixtures("trained")
def test_a_result_that_optuna_did_not_hear_of_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*rest: Any) -> Any:
        stand_in(*rest)
        raise KeyboardInterrupt

    study, folder = load(tmp_path), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(attempt, "train", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_study(study, folder, "cpu")
    run_study(study, folder, "cpu")
    run_study(study, tmp_path / "undisturbed", "cpu")
    assert order(folder) == order(tmp_path / "undisturbed")
    assert list(results.trials(study, folder)["state"]) == ["finished"] * 8


@pytest.mark.usefixtures("trained")
def test_a_design_whose_other_seeds_never_came_into_line_has_them_all(tmp_path: Path) -> None:
    study, folder = load(tmp_path), tmp_path / "out"
    run_study(study, folder, "cpu", most=1)
    with sqlite3.connect(folder / "optuna.db") as connection:  # killed between the two
        connection.execute("delete from trials where number = 1")
        for rows in ("trial_params", "trial_user_attributes"):
            connection.execute(f"delete from {rows} where trial_id not in (select trial_id from trials)")
    run_study(study, folder, "cpu")
    table = results.trials(study, folder)
    assert sorted(table.groupby("design")["seed"].apply(list)) == [[0, 1]] * 4


@pytest.mark.usefixtures("quick")
def test_what_failed_stays_tried_until_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sabotaged(run: Any, *rest: Any) -> Any:
        if run.spec.depth[0] == 2:
            raise ValueError("a bug")
        return stand_in(run, *rest)

    monkeypatch.setattr(attempt, "train", sabotaged)
    study, folder = load(tmp_path, SEARCH.replace("designs = 4", "designs = 5")), tmp_path / "out"
    run_study(study, folder, "cpu")
    run_study(study, folder, "cpu")
    table = results.trials(study, folder)
    assert len(table) == 10 == len(asked(folder))
    assert 0 < (table["reason"] == "error").sum() < 10
    monkeypatch.setattr(attempt, "train", stand_in)
    run_study(study, folder, "cpu", retry_failed=True)
    assert list(results.trials(study, folder)["state"]) == ["finished"] * 10
    assert set(results.trials(study, folder)["folder"]) == set(table["folder"])


@pytest.mark.usefixtures("trained")
def test_where_there_are_fewer_designs_all_are_tried(tmp_path: Path) -> None:
    few = SEARCH.replace("designs = 4", "designs = 4000").replace("params<=4k", "n=2, depth=1")
    study, folder = load(tmp_path, few), tmp_path / "out"
    run_study(study, folder, "cpu")
    run_study(study, folder, "cpu")
    table = results.trials(study, folder)
    assert (len(table), table["design"].nunique()) == (8, 4)
    assert "<b>0</b> left to run" in write_report(study, folder, "…").read_text()


@pytest.mark.usefixtures("trained")
def test_a_single_design_is_a_search_too(tmp_path: Path) -> None:
    one = SEARCH.replace("params<=4k", "n=2, depth=1, stem_width=4").replace(", [2, 1]]", "]")
    study, folder = load(tmp_path, one), tmp_path / "out"
    for most in (1, None):
        run_study(study, folder, "cpu", most)
    assert list(results.trials(study, folder)["seed"]) == [0, 1]


@pytest.mark.usefixtures("trained")
def test_trials_of_other_designs_are_refused(tmp_path: Path) -> None:
    study, folder = load(tmp_path), tmp_path / "out"
    run_study(study, folder, "cpu", most=2)
    with sqlite3.connect(folder / "optuna.db") as connection:
        connection.execute("update trial_params set param_value = 1 - param_value where param_name = 'depth1'")
        connection.execute("delete from trial_system_attributes where key like 'fixed_params%'")
    with pytest.raises(InputError, match="classification: trial 0 is of no design that keeps the bounds"):
        run_study(study, folder, "cpu")


@pytest.mark.usefixtures("trained")
def test_a_study_begun_before_levels_were_kept_apart_goes_on(tmp_path: Path) -> None:
    study, folder = load(tmp_path, STUDY), tmp_path / "out"
    run_study(study, folder, "cpu", most=2)
    with sqlite3.connect(folder / "optuna.db") as connection:
        connection.execute("delete from trial_user_attributes where key = 'levels'")
    run_study(study, folder, "cpu")
    table = results.trials(study, folder)
    assert sorted(zip(table["depth"], table["seed"], strict=True)) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert len(asked(folder)) == 4


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"params<=4k": "params<=1"}, ("no design is left of 32", "params<=1")),
        ({"[2, 3, 4, 6]": '"1..60000"', "params<=4k": "n>1"}, ("more than 100,000 designs", "bound them")),
        ({"[factors]\nn = [2, 3, 4, 6]": "[[arms]]\nn = 2"}, ("designs: 4", "arms")),
        ({"designs = 4": "designs = 0"}, ("designs",)),
    ],
)
def test_a_wrong_search_is_refused_in_one_line(changed: dict[str, str], parts: tuple[str, ...], tmp_path: Path) -> None:
    text = SEARCH
    for old, new in changed.items():
        text = text.replace(old, new)
    with pytest.raises(InputError) as error:
        load(tmp_path, text)
    assert len(str(error.value).splitlines()) == 1
    for part in ("tiny.toml", *parts):
        assert part in str(error.value)


# What TPE finds.


def test_proposals_follow_from_results_and_seed_alone() -> None:
    seen = [({"x": place / 20, "y": 0.5}, Tried((-abs(place / 20 - 0.7),))) for place in range(20)]
    assert propose(("x", "y"), seen, 3) == propose(("x", "y"), seen, 3) != propose(("x", "y"), seen, 4)
    assert propose((), seen[:0], 0) == {}
    places = [propose(("x", "y"), seen, seed)["x"] for seed in range(30)]
    assert np.median(np.abs(np.array(places) - 0.7)) < 0.15  # of random ones: 0.3 and a little


def test_designs_that_failed_are_passed_over() -> None:
    feasible = Feasible.of(Space({"widths": "rule", "stacks": [1, 1]}, {"n": "1..30"}), None)
    search, tried = Search(feasible, 30, 0), dict[int, Tried]()
    while (number := search.next(tried)) is not None:
        assert number not in tried
        tried[number] = Tried() if number % 3 else Tried((0.1 * number,))
    assert sorted(tried) == list(range(30))


def test_a_search_beats_random_designs_where_there_is_something_to_learn() -> None:
    """The best of 40 of 26,308 designs by a value with one peak, against the best of 40 drawn at random, worked out."""
    factors = {"n": "8..64:4", "stacks": "1..4x1..7x1..7x1..3", "depth": "1..3x1..2x1x1", "output_stride": [16, 32]}
    space = Space({"task": "classification", "widths": "rule"}, factors, (224, 224))
    feasible = Feasible.of(space, where_of(space, "params<=1M"))
    at = {name: column.astype(np.float64) for name, column in feasible.coordinates.items()}
    bends = ((np.log2(at["n"]) - 4.5) / 1.5, (at["depth1"] - 2) / 2, (at["stacks2"] - 5) / 4, (at["stacks3"] - 2) / 4)
    values = -np.sum(np.square(bends), axis=0)
    value = dict(zip(feasible.numbers.tolist(), values.tolist(), strict=True))

    best = []
    for seed in range(7):
        search, tried = Search(feasible, 40, seed), dict[int, Tried]()
        while (number := search.next(tried)) is not None:
            tried[number] = Tried((value[number],))
        best.append(max(value[number] for number in tried))

    ranked = np.sort(values)
    median, upper = (ranked[rank_of_best(len(ranked), 40, share)] for share in (0.5, 0.75))
    assert np.median(best) > upper
    assert np.mean(np.array(best) > median) > 0.7


def rank_of_best(designs: int, drawn: int, share: float) -> int:
    """The rank, from 0, that the best of some designs drawn without replacement has or is below with a probability."""
    low, high = 0, designs - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if comb(middle + 1, drawn) / comb(designs, drawn) >= share else (middle + 1, high)
    return low
