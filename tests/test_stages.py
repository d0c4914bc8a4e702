"""What a study does with its own first results: rates per arm, stopped trials, winners trained anew and tested once."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial
from scipy import stats

from sunetlab import InputError, SUNetSpec, analyze
from sunetlab.study import attempt, choice, results, runner, tested, testing
from sunetlab.study.definition import Study
from sunetlab.study.designs import make_designs
from sunetlab.study.judge import rankings, rates_at_edge, verdicts
from sunetlab.study.recorded import by_candidate
from sunetlab.study.runner import run_study
from sunetlab.study.search import Tried, evolve
from sunetlab.train.evaluate import evaluate
from sunetlab.train.loop import NotFiniteError
from sunetlab.train.run import Run, read_result
from tests.conftest import Said
from tests.tiny import EPOCH, SEARCH, STUDY, stand_in, write_study

TUNED = """
question = "Which depth for very small scenes, each with the best rate?"
seeds = [0, 1]
baseline = { depth = 1 }
tune = { lr = [0.5, 1, 4], seeds = [7, 8], epochs = 1 }
network = { n = 4, stacks = [1, 1], widths = "rule", stem_width = 4 }
factors = { depth = [1, 2] }
[[tasks]]
task = "classification"
recipe = { base = "quick", lr = 0.01, epochs = 2, batch_size = 8, warmup = 0.0 }
data = { source = "scenes", size = 32, train = 16, val = 16 }
"""
SEARCHED = SEARCH.replace(
    "[network]",
    "winners = { designs = 2, seeds = [5, 6], beside = [BESIDE] }\n[network]",
).replace("BESIDE", "{ n = 2, depth = 1, stem_width = 4, stacks = [1, 1] }")
BESIDE = SUNetSpec.make(n=2, depth=1, stem_width=4, stacks=(1, 1), widths="rule", num_classes=10).id


def load(folder: Path, text: str) -> Study:
    return Study.load(write_study(folder, text))


def trials(folder: Path, task: str = "classification") -> list[FrozenTrial]:
    return optuna.load_study(study_name=f"tiny-{task}", storage=f"sqlite:///{folder / 'optuna.db'}").get_trials()


def train_as(monkeypatch: pytest.MonkeyPatch, value: Callable[[Run], float]) -> list[Run]:
    """Let trainings be worth what a function says; the runs as they come."""
    runs: list[Run] = []

    def train(run: Run, data: Any, folder: Path, *rest: Any) -> dict[str, Any]:
        runs.append(run)
        found = value(run)
        if not np.isfinite(found):
            raise NotFiniteError("loss is nan")
        return stand_in(run, data, folder, *rest) | {"value": found}

    monkeypatch.setattr(attempt, "train", train)
    return runs


# Learning rates.


@pytest.mark.usefixtures("quick")
def test_every_arm_takes_the_best_rate_of_an_equal_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    best = {1: 0.04, 2: 0.005}  # by depth
    runs = train_as(monkeypatch, lambda run: 0.5 - abs(np.log(run.recipe.lr / best[run.spec.depth[0]])) / 10)
    study, folder = load(tmp_path, TUNED), tmp_path / "out"
    for most in (11, 1, 1, None):  # stopped at the seam, too
        run_study(study, folder, "cpu", most)
    tuning, compared = runs[:12], runs[12:]
    assert Counter((run.spec.depth[0], run.recipe.lr, run.seed, run.recipe.epochs) for run in tuning) == Counter(
        (depth, lr, seed, 1) for depth in (1, 2) for lr in (0.005, 0.01, 0.04) for seed in (7, 8)
    )
    assert sorted((run.seed, run.spec.depth[0], run.recipe.lr, run.recipe.epochs) for run in compared) == sorted(
        (seed, depth, best[depth], 2) for depth in (1, 2) for seed in (0, 1)
    )
    table = results.trials(study, folder)
    assert Counter(table["stage"]) == {"tuning": 12, "trial": 4}
    assert {row["depth"]: row["lr"] for row in results.arms(table, study).to_dict("records")} == best
    assert results.arms(table, study).set_index("depth")["mark"].to_dict() == {1: "baseline", 2: ""}
    assert rates_at_edge(study, table, "classification") == [
        "depth 2 took the lowest learning rate that was tried, 0.005: a better one may lie beyond.",
        "depth 1 took the highest learning rate that was tried, 0.04: a better one may lie beyond.",
    ]
    (verdict,) = verdicts(study, table, "classification")
    assert verdict.comparison.pairs == 2  # seeds of the tuning are no evidence


def test_a_trial_that_was_passed_over_hides_no_result() -> None:
    """A candidate that stood in line twice is passed over the second time, after its first trial or before."""

    def made(number: int, state: TrialState, lr: float, **attributes: Any) -> FrozenTrial:
        levels = {"depth": 1, "lr": lr, "seed": 0}
        known = {"folder": f"abc-lr{lr}-s0", "levels": levels, "stage": "tuning", **attributes}
        trial = create_trial(state=state, value=lr if state == TrialState.COMPLETE else None, user_attrs=known)
        trial.number = number
        return trial

    complete, fail = TrialState.COMPLETE, TrialState.FAIL
    told = [made(0, complete, 0.1), made(1, complete, 0.2), made(2, fail, 0.2), made(3, TrialState.WAITING, 0.2)]
    assert list(choice.rates(told, 0.1).values()) == [0.2]
    assert [one.number for one in by_candidate(told).values()] == [0, 1]
    again = [made(0, fail, 0.1, reason="error"), made(1, complete, 0.1, since=1)]
    assert [one.number for one in by_candidate(again).values()] == [1]
    retried = [
        made(0, fail, 0.1, reason="error"),
        made(1, TrialState.WAITING, 0.1, since=1),
        made(2, fail, 0.1, since=1),
    ]
    assert [one.number for one in by_candidate(retried).values()] == [1]  # the twin was passed over
    assert [one.number for one in by_candidate([made(0, fail, 0.1), made(1, TrialState.RUNNING, 0.1)]).values()] == [1]
    assert choice.best([*told, made(4, complete, 0.2)], 1) == ["abc"]


@pytest.mark.usefixtures("quick")
def test_a_rate_that_fails_is_worse_than_any_that_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def value(run: Run) -> float:
        return np.nan if run.recipe.lr > 0.02 and run.seed == 8 else 0.9 if run.recipe.lr > 0.02 else 0.1

    runs = train_as(monkeypatch, value)
    study, folder = load(tmp_path, TUNED), tmp_path / "out"
    run_study(study, folder, "cpu")
    assert {run.recipe.lr for run in runs[12:]} == {0.01}  # 0.005 is worth as much, and further from the recipe's
    monkeypatch.setattr(np, "nan", 0.9)
    run_study(study, folder, "cpu", retry_failed=True)  # what was chosen stays chosen
    assert {run.recipe.lr for run in runs if run.seed in (0, 1)} == {0.01}
    assert len(trials(folder)) == 12 + 2 + 4


@pytest.mark.usefixtures("quick")
def test_a_study_may_be_left_while_it_tunes(said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no design to choose yet, and that is no failure."""
    train_as(monkeypatch, lambda run: 0.5 if run.recipe.lr < 0.03 else np.nan)
    write_study(tmp_path, TUNED)
    for trials, left in ((0, 16), (5, 11)):
        status, out, err = said(f"study run tiny.toml --device cpu --trials {trials}")
        assert status == 0, err
        assert f"{left} trials are left" in err
        assert "best for" not in out
    assert "1 trial failed" in err


# Costs.

EQUAL = (
    STUDY.replace("[[tasks]]", '[baseline]\ndepth = 2\n[equal]\nhold = { params = 0.1 }\nsolve = "n"\n[[tasks]]')
    .replace("n = 4", "n = 12")
    .replace("depth = [1, 2]", "depth = [1, 2, 3]")
)


def params(**words: Any) -> int:
    network = {"stacks": (1, 1), "widths": "rule", "stem_width": 4, "num_classes": 10}
    return analyze(SUNetSpec.make(**{**network, **words})).params


def test_arms_of_equal_cost_are_the_nearest_that_there_are(tmp_path: Path) -> None:
    study = load(tmp_path, EQUAL)
    target = params(depth=2, n=12)
    for design in make_designs(study, study.tasks[0], 10, (32, 32)):
        depth = design.levels["depth"]
        assert design.levels["n"] == min(range(2, 40), key=lambda n: abs(params(depth=depth, n=n) - target))
        assert design.spec.n == design.levels["n"]


def test_budgets_are_multiples_of_the_baseline_and_strata_of_the_verdict(tmp_path: Path) -> None:
    text = EQUAL.replace('solve = "n"', 'solve = "n"\nbudgets = [1, 3]').replace("seeds = [0, 1]", "seeds = [0]")
    study = load(tmp_path, text)
    found = make_designs(study, study.tasks[0], 10, (32, 32))
    target = params(depth=2, n=12)
    for design in found:
        wanted = target * design.levels["budget"]
        depth = design.levels["depth"]
        assert design.levels["n"] == min(range(2, 80), key=lambda n: abs(params(depth=depth, n=n) - wanted))
    assert [design.levels["budget"] for design in found] == [1, 1, 1, 3, 3, 3]
    rows = [
        {"task": "classification", "stage": "trial", **design.levels, "seed": seed, "state": "finished", "value": 0.5}
        for design in found
        for seed in (0, 1)
    ]
    judged = verdicts(study, pd.DataFrame(rows), "classification")
    assert [(each.name, each.against) for each in judged] == [
        (f"budget {budget}, depth {depth}", f"budget {budget}, depth 2") for budget in (1, 3) for depth in (1, 3)
    ]


def test_arms_that_are_one_network_are_one(tmp_path: Path) -> None:
    text = EQUAL.replace("depth = [1, 2, 3]", "depth = [1, 2, 7, 8]")  # no map of 224 pixels has an eighth level
    study = load(tmp_path, text)
    assert [design.levels["depth"] for design in make_designs(study, study.tasks[0], 10, (32, 32))] == [1, 2, 7]


# Searches.


@pytest.mark.usefixtures("quick")
def test_winners_are_trained_anew_and_tested_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def counted(*rest: Any) -> Any:
        looked.append(1)
        return evaluate(*rest)

    monkeypatch.setattr(testing, "evaluate", counted)
    study, folder = load(tmp_path, SEARCHED), tmp_path / "out"
    for most in (9, None, None):
        run_study(study, folder, "cpu", most)
    table = results.trials(study, folder)
    search, winners = (table[table["stage"] == stage] for stage in ("trial", "winner"))
    means = search.groupby("design")["value"].mean().sort_values(ascending=False)
    assert set(winners["design"]) == {*means.index[:2], BESIDE}
    assert Counter(winners["seed"]) == {5: len(set(winners["design"])), 6: len(set(winners["design"]))}
    assert len(looked) == len(winners) == winners["test"].notna().sum()  # though the study was run again
    assert search["test"].isna().all()
    assert not list((folder / "trials").glob("*/*-s0/test.json"))
    marked = results.arms(table, study, "winner").set_index("design")["mark"].to_dict()
    assert marked == {design: "baseline" if design == BESIDE else "" for design in set(winners["design"])}
    judged = verdicts(study, table, "classification")
    assert {each.against for each in judged} == {"n 2, depth 1, stem_width 4, stacks 1,1"}
    words = ("n", "depth", "stem_width", "stacks")
    tested = winners.pivot_table(index="seed", columns="design", values="test")
    expected = {
        ", ".join(f"{word} {row[word]}" for word in words): (tested[row["design"]] - tested[BESIDE]).mean()
        for row in winners[winners["design"] != BESIDE].to_dict("records")
    }
    assert {each.name: each.comparison.difference for each in judged} == pytest.approx(expected)
    assert expected
    path, arm = results.choose(study, folder, "classification")
    assert path.name in set(winners["folder"])
    assert arm["seeds"] == 2


@pytest.mark.usefixtures("quick")
def test_winners_are_tested_when_the_last_of_them_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the trials that were asked for end with it: nobody would know that something is left."""
    tested: list[int] = []
    monkeypatch.setattr(runner, "read_test", lambda runs, *_: tested.append(len(runs)))
    study, runs = load(tmp_path, SEARCHED), train_as(monkeypatch, lambda run: 0.1 * run.spec.depth[0])
    run_study(study, tmp_path / "one", "cpu")
    run_study(study, tmp_path / "other", "cpu", most=len(runs) - 1)
    assert len(tested) == 1
    run_study(study, tmp_path / "other", "cpu", most=1)
    assert tested == tested[:1] * 2


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"accuracy"', '{"accuracy": "0.5"}', '{"accuracy": 50}', '{"accuracy": true}']
)
def test_a_damaged_test_figure_is_no_figure(text: str, tmp_path: Path) -> None:
    (tmp_path / "test.json").write_text(text)
    with pytest.raises(InputError, match=r"test\.json"):
        tested.test_value(tmp_path)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_trials_that_do_not_promise_are_stopped(pruner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs: dict[str, int] = {}

    def train(run: Run, data: Any, folder: Path, _: str, watch: Any, *__: Any) -> dict[str, Any]:
        value = stand_in(run, data, tmp_path / "whole" / folder.name)["value"]
        watch.begin(9, 0, 16)
        for epoch in range(1, 10):
            epochs[folder.name] = epoch
            watch.epoch({"epoch": epoch, "val_accuracy": value * epoch / 9, "seconds": 1.0})
        return stand_in(run, data, folder)

    monkeypatch.setattr(attempt, "train", train)
    text = SEARCH.replace("seeds = [0, 1]", f'seeds = [0]\npruner = "{pruner}"').replace("epochs = 1", "epochs = 9")
    study, folder = load(tmp_path, text.replace("designs = 4", "designs = 15")), tmp_path / "out"
    for most in (7, None):
        run_study(study, folder, "cpu", most)
    found = trials(folder)
    stopped = [trial for trial in found if trial.state == TrialState.PRUNED]
    whole = [trial for trial in found if trial.state == TrialState.COMPLETE]
    assert len(found) == 15 == len(stopped) + len(whole)
    assert stopped
    assert (
        max(trial.values[0] for trial in whole) >= max(9 / t.user_attrs["stopped"] * t.values[0] for t in stopped) - 0.1
    )
    for trial in stopped:
        assert trial.user_attrs["stopped"] == epochs[trial.user_attrs["folder"]] < 9
        assert trial.user_attrs["seconds"] == epochs[trial.user_attrs["folder"]]
    table = results.trials(study, folder)
    assert Counter(table["state"]) == {"finished": len(whole), "pruned": len(stopped)}
    assert set(results.arms(table, study)["design"]) == {trial.user_attrs["folder"].split("-")[0] for trial in whole}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_a_pruned_search_that_is_killed_stops_the_same_trials(
    pruner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the midst of a training, and between a training's end and the database's hearing of it."""
    kills: list[int] = []

    def train(run: Run, data: Any, folder: Path, _: str, watch: Any, *__: Any) -> dict[str, Any]:
        finished = read_result(folder)
        if finished is not None:
            return finished
        value = stand_in(run, data, tmp_path / "whole" / folder.name)["value"]
        rows = [{**EPOCH, "epoch": epoch, "val_accuracy": value * epoch / 9} for epoch in range(1, 10)]
        watch.begin(9, 0, 16)
        for row in rows:
            watch.epoch(row)
            kill_at((folder.name, row["epoch"]))
        found = stand_in(run, data, folder)
        (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        kill_at((folder.name, 10))
        return found

    def kill_at(moment: tuple[str, int]) -> None:
        if moment in moments:
            moments.remove(moment)
            kills.append(moment[1])
            raise KeyboardInterrupt

    monkeypatch.setattr(attempt, "train", train)
    text = SEARCH.replace("seeds = [0, 1]", f'seeds = [0]\npruner = "{pruner}"').replace("epochs = 1", "epochs = 9")
    study, found = load(tmp_path, text.replace("designs = 4", "designs = 15")), []
    moments: set[tuple[str, int]] = set()
    for name in ("one", "other"):
        while True:
            with suppress(KeyboardInterrupt):
                run_study(study, tmp_path / name, "cpu")
                break
        found.append(results.trials(study, tmp_path / name)[["folder", "state", "value"]].to_dict("records"))
        moments = {(row["folder"], epoch) for row in found[0][::3] for epoch in (1, 4, 10)}
    assert set(kills) == {1, 4, 10}
    assert found[0] == found[1]
    assert {row["state"] for row in found[0]} == {"finished", "pruned"}


@pytest.mark.usefixtures("quick")
def test_two_aims_are_both_told_and_winners_are_of_the_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_as(monkeypatch, lambda run: 0.1 * run.spec.n)  # more maps are better, and cost more
    text = SEARCHED.replace('"tpe"', '"nsga2"\ncost = "params"').replace("designs = 4", "designs = 10")
    study, folder = load(tmp_path, text.replace("designs = 2", "designs = 20, test = false")), tmp_path / "out"
    for most in (5, None):
        run_study(study, folder, "cpu", most)
    table = results.trials(study, folder)
    for trial in trials(folder):
        assert trial.values[1] == trial.user_attrs["params"]
    means = table[table["stage"] == "trial"].groupby("design")[["value", "params"]].mean()
    front = {
        name
        for name, row in means.iterrows()
        if not (
            (means["value"] >= row["value"]) & (means["params"] <= row["params"]) & (means != row).any(axis=1)
        ).any()
    }
    assert len(front) > 1
    found = results.arms(table, study)
    assert set(found.loc[found["mark"] == "front", "design"]) == front
    assert set(table[table["stage"] == "winner"]["design"]) == front | {BESIDE}


def test_children_follow_from_results_and_seed_alone_and_find_the_front() -> None:
    """A value that grows along x, a cost that grows along x and away from 0.3 elsewhere: its front has 0.3 there."""
    names, seen = ("x", "a", "b", "c", "d"), list[tuple[dict[str, float], Tried]]()
    for seed in range(100):
        point = evolve(names, seen, seed, 10)
        away = sum(abs(point[name] - 0.3) for name in names[1:])
        seen.append((point, Tried((point["x"], point["x"] + away))))
    assert evolve(names, seen, 5, 10) == evolve(names, seen, 5, 10) != evolve(names, seen, 6, 10)
    losses = [found.values[1] - found.values[0] for _, found in seen]
    assert np.mean(losses[70:]) < 0.6 * np.mean(losses[:10])


# Orders.


@pytest.mark.usefixtures("quick")
def test_designs_are_ranked_from_one_length_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0)
    train_as(monkeypatch, lambda run: 0.1 * run.spec.n + noise.normal(0, 0.3 / run.recipe.epochs))
    text = SEARCH.replace('"tpe"', '"random"\nrank = "recipe.epochs"').replace("designs = 4", "designs = 6")
    study = load(tmp_path, text.replace("[factors]", "[factors]\nrecipe.epochs = [1, 3, 9]").replace("[0, 1]", "[0]"))
    run_study(study, tmp_path / "out", "cpu")
    table = results.trials(study, tmp_path / "out")
    assert Counter(table["recipe.epochs"]) == {1: 6, 3: 6, 9: 6}
    found = rankings(study, table)["classification"]
    assert [(each.first, each.second) for each in found] == [
        ("recipe.epochs 1", "recipe.epochs 9"),
        ("recipe.epochs 3", "recipe.epochs 9"),
    ]
    means: dict[int, dict[str, float]] = defaultdict(dict)
    for (epochs, design), rows in table.groupby(["recipe.epochs", "design"]):
        means[epochs][design] = rows["value"].mean()
    for each, short in zip(found, (1, 3), strict=True):
        a, b = ([means[epochs][design] for design in means[9]] for epochs in (short, 9))
        assert each.rank.tau == pytest.approx(stats.kendalltau(a, b).statistic)
        assert each.rank.designs == 6
        chosen = b[int(np.argmax(a))]
        assert each.regret == pytest.approx(max(b) - chosen)
        assert each.place == sorted(b, reverse=True).index(chosen) + 1


@pytest.mark.usefixtures("quick")
def test_designs_are_ranked_from_one_task_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_as(monkeypatch, lambda run: (1 if run.spec.task == "segmentation" else -1) * 0.01 * run.spec.n)
    text = (
        SEARCH.replace('"tpe"', '"random"\nrank = "task"')
        .replace("designs = 4", "designs = 8")
        .replace("[0, 1]", "[0]")
    )
    study = load(tmp_path, text + text[text.index("[[tasks]]") :].replace("classification", "segmentation"))
    run_study(study, tmp_path / "out", "cpu")
    ((task, (found,)),) = rankings(study, results.trials(study, tmp_path / "out")).items()
    assert (task, found.first, found.second) == ("segmentation", "classification", "segmentation")
    assert found.rank.tau == pytest.approx(-1)
    assert found.rank.designs > 5
    assert found.place > 1
    assert found.regret > 0
    assert found.sentence.startswith("classification puts designs against the order of segmentation: τ = -1.00")


# Files.

ON = STUDY.replace("[[tasks]]", "[[on.small]]") + STUDY[STUDY.index("[[tasks]]") :].replace(
    "[[tasks]]", "[[on.large]]\nnetwork = { output_stride = 8 }"
).replace("size = 32", "size = 64")


def test_a_file_may_name_several_kinds_of_data(tmp_path: Path) -> None:
    path = write_study(tmp_path, ON)
    small, large = Study.load(path), Study.load(path, "large")
    assert (small.name, large.name) == ("tiny", "tiny-large")
    assert (small.tasks[0].size, large.tasks[0].size) == ((32, 32), (64, 64))
    (first, *_) = make_designs(large, large.tasks[0], 10, (64, 64))
    assert first.spec.output_stride == 8
    large.save(tmp_path / "study.toml")
    assert Study.load(tmp_path / "study.toml") == large
    for wrong in (path, write_study(tmp_path, STUDY, "plain")):
        with pytest.raises(InputError, match="--on: 'huge'"):
            Study.load(wrong, "huge")


@pytest.mark.parametrize(
    ("text", "old", "new", "parts"),
    [
        (TUNED, "seeds = [7, 8]", "seeds = [1, 2]", ("tune.seeds: 1", "study's own")),
        (TUNED, "lr = [0.5, 1, 4]", "lr = [1]", ("tune.lr",)),
        (TUNED, "lr = [0.5, 1, 4]", "lr = [1, 1]", ("tune.lr", "twice")),
        (TUNED, "factors = { depth", "factors = { recipe.lr = [0.1, 0.2], depth", ("lr: 0.01", "factor", "overrides")),
        (STUDY, "depth = [1, 2]", "depth = [1, 2]\nrecipe.epochs = [3, 4]", ("epochs: 2", "factor", "overrides")),
        (STUDY, "depth = [1, 2]", "depth = [1, 2]\nrecipe.step_epochs = [3, 4]", ("step_epochs", "schedule = cosine")),
        (STUDY, "depth = [1, 2]", "depth = [1, 2]\nrecipe.epoch = [3, 4]", ("epoch",)),
        (STUDY, "depth = [1, 2]", "depth = [1, 2]\n[equal]\nhold = { params = 0.01 }", ("equal", "baseline")),
        (
            STUDY,
            "[[tasks]]",
            "[baseline]\ndepth = 2\n[equal]\nhold = { params = 0.01 }\n[[tasks]]",
            ("depth 1", "less params", "1.0% is allowed", "solve = 'n'"),
        ),
        (EQUAL, "params = 0.1", "parms = 0.1", ("parms", "no cost")),
        (EQUAL, "params = 0.1", "params = 0.0001", ("depth 1", "nearest", "widen the tolerance")),
        (EQUAL, 'solve = "n"', "budgets = [2]", ("budgets", "solve")),
        (STUDY, "seeds = [0, 1]", 'seeds = [0, 1]\npruner = "median"', ("pruner: median", "to its end")),
        (STUDY, "seeds = [0, 1]", "seeds = [0, 1]\nwinners = { designs = 2, seeds = [3] }", ("winners", "search")),
        (STUDY, "seeds = [0, 1]", 'seeds = [0, 1]\nrank = "task"', ("rank: task", "two tasks")),
        (STUDY, "seeds = [0, 1]", 'seeds = [0, 1]\nrank = "n"', ("rank: n", "depth")),
        (STUDY, "seeds = [0, 1]", 'seeds = [0, 1]\nmeasured = ["fow"]', ("measured: fow", "no quantity")),
        (SEARCH, '"tpe"', '"nsga2"', ("cost: None", "nsga2")),
        (SEARCH, '"tpe"', '"tpe"\ncost = "params"', ("cost: params", "where")),
        (SEARCH, '"tpe"', '"nsga2"\ncost = "params"\npruner = "median"', ("pruner", "two")),
        (SEARCH, '"tpe"', '"nsga2"\ncost = "parms"', ("cost: parms", "no quantity")),
        (SEARCH, '"tpe"', '"tpe"\ntune = { lr = [1, 2] }', ("tune", "search")),
        (SEARCHED, "seeds = [5, 6]", "seeds = [1]", ("winners.seeds: 1", "study's own")),
        (SEARCHED, "beside = [{ n = 2", "beside = [{ n = 0", ("winners.beside.0", "n")),
        (ON, "[[on.small]]", "[[tasks]]", ("on", "[[tasks]]")),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(
    text: str, old: str, new: str, parts: tuple[str, ...], tmp_path: Path
) -> None:
    assert old in text
    with pytest.raises(InputError) as error:
        load(tmp_path, text.replace(old, new))
    assert len(str(error.value).splitlines()) == 1
    for part in ("tiny.toml", *parts):
        assert part in str(error.value)


def test_validation_images_that_are_trained_on_choose_nothing(tmp_path: Path) -> None:
    text = STUDY.replace("classification", "segmentation").replace(
        'source = "scenes"', 'source = "voc:.", train_split = "trainval"'
    )
    with pytest.raises(InputError, match="train_split: trainval: holds the images that designs are chosen by"):
        load(tmp_path, text)
