"""Studies as a clumsy hand writes them: refused where the file is read, in one line, or done as they say."""

from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.trial import FrozenTrial

from sunetlab import InputError
from sunetlab.study import queue, results
from sunetlab.study.definition import Study
from sunetlab.study.designs import make_designs
from sunetlab.study.judge import verdicts
from sunetlab.study.line import Entry
from sunetlab.study.runner import run_study
from tests.test_data_folder import class_folders
from tests.test_stages import EQUAL, SEARCHED, TUNED, load, train_as
from tests.tiny import SEARCH, STUDY

SCENES = 'source = "scenes", size = 32, train = 16, val = 16'
FREE = STUDY.replace("epochs = 2, ", "")
RANDOM = SEARCHED.replace('"tpe"', '"random"').replace("test = true", "test = false")


@pytest.mark.parametrize(
    ("text", "old", "new", "parts"),
    [
        (FREE, "depth = [1, 2]", 'depth = [1, 2]\nrecipe.epochs = "2..4"', ("recipe.epochs", "'2..4'", "list")),
        (FREE, "depth = [1, 2]", "depth = [1, 2]\nrecipe.epochs = []", ("recipe.epochs", "[]", "at least one")),
        (FREE, "depth = [1, 2]", "depth = [1, 2]\nrecipe.epochs = [3, 3]", ("recipe.epochs: 3,3", "twice")),
        (FREE, "depth = [1, 2]", 'depth = [1, 2]\nrecipe.epochs = [3, "a"]', ("recipe", "epochs: 'a'", "integer")),
        (STUDY, "depth = [1, 2]", "depth = [1, 2]\nrecipe.lr = [nan, 0.1]", ("lr: nan", "finite")),
        (STUDY, "depth = [1, 2]", "depth = [1, 2]\nrecipe.lr = [0.1, 0.1000000001]", ("recipe.lr", "twice")),
        (STUDY, "depth = [1, 2]", "depth = [1, 2]\nrecipe.warmup = [0.0, 5.0]", ("warmup: 5", "longer")),
        (STUDY, "depth = [1, 2]", f"depth = [1, 2]\nrecipe.lr = {[i + 1 for i in range(1001)]}", ("1,001", "at most")),
        (TUNED, "seeds = [7, 8]", "seeds = [7, 7]", ("tune.seeds: 7,7", "twice")),
        (TUNED, "lr = [0.5, 1, 4]", "lr = [1, 1.00000001]", ("tune.lr", "twice")),
        (TUNED.replace("lr = 0.01", "lr = 99.0"), "lr = [0.5, 1, 4]", "lr = [1, 1e308]", ("lr: inf", "finite")),
        (
            TUNED.replace("epochs = 2, ", ""),
            "factors = { depth",
            "factors = { recipe.epochs = [2, 3], depth",
            ("tune.epochs: 1", "recipe.epochs", "leave one"),
        ),
        (EQUAL, 'solve = "n"', 'solve = "n"\nbudgets = [1, 1.0]', ("budgets", "twice")),
        (EQUAL, 'solve = "n"', 'solve = "n"\nbudgets = [1, 0]', ("budgets.1: 0: ", "greater than 0")),
        (EQUAL, 'solve = "n"', 'solve = "n"\nbudgets = [1e300]', ("equal", "1e+300", "no network")),
        (EQUAL, 'solve = "n"', 'solve = "n"\nbudgets = [1e-9]', ("equal", "1e-09", "no network")),
        (EQUAL, "params = 0.1", "params = 1e-320", ("equal.hold.params",)),
        (EQUAL.replace("n = 12\n", ""), "depth = [1, 2, 3]", "depth = [1, 2]\nn = [4, 6]", ("equal.solve: n", "vary")),
        (
            EQUAL.replace("stem_width = 4\n", ""),
            "depth = [1, 2, 3]",
            'depth = [1, 2]\nstem_width = "2..1000000:2"',
            ("equal", "1,000,000 combinations", "at most 1,000"),
        ),
        (STUDY, "seeds = [0, 1]", 'seeds = [0, 1]\nmeasured = ["depth"]', ("measured: depth", "already")),
        (STUDY, "seeds = [0, 1]", 'seeds = [0, 1]\nmeasured = ["fov", "fov"]', ("measured: fov", "already")),
        (STUDY, "seeds = [0, 1]", 'seeds = [0, 1]\nrank = "depth"', ("rank: depth", "nothing else")),
        (
            STUDY.replace("n = 4\n", "").replace("seeds = [0, 1]", 'seeds = [0, 1]\nrank = "n"'),
            "depth = [1, 2]",
            'depth = [1, 2]\nn = "2..6:2"',
            ("rank: n", "one by one"),
        ),
        (SEARCHED, "seeds = [5, 6]", "seeds = [5, 5]", ("winners.seeds: 5,5", "twice")),
        (SEARCHED, "beside = [{ n = 2", "beside = [{ num_classes = 3, n = 2", ("winners.beside.0: num_classes",)),
        (
            SEARCHED,
            "stacks = [1, 1] }]",
            "stacks = [1, 1] }, { n = 2, depth = 1, stem_width = 4, stacks = [1, 1] }]",
            ("winners.beside.1", "same network"),
        ),
        (
            RANDOM.replace("epochs = 1, ", ""),
            "depth = [1, 2]",
            "depth = [1, 2]\nrecipe.epochs = [1, 2]",
            ("winners", "recipe"),
        ),
    ],
)
def test_what_a_clumsy_hand_writes_is_refused_in_one_line(
    text: str, old: str, new: str, parts: tuple[str, ...], tmp_path: Path
) -> None:
    assert old in text
    with pytest.raises(InputError) as error:
        load(tmp_path, text.replace(old, new))
    assert len(str(error.value).splitlines()) == 1
    for part in ("tiny.toml", *parts):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (STUDY, "seeds = [0, 1]", 'seeds = [0, 1]\nwhere = "macs<24k"\nbaseline = { depth = 2 }', "baseline: depth 2"),
        (STUDY, "seeds = [0, 1]", 'seeds = [0, 1]\nwhere = "macs<1k"', "where"),
        (SEARCH, "params<=4k", "macs<1k", "where"),
    ],
)
def test_what_only_the_data_tell_is_refused_before_anything_is_made(
    text: str, old: str, new: str, said: str, tmp_path: Path
) -> None:
    """A folder's images are as large as they are; which designs keep a bound is not known before they are opened."""
    for split in ("train", "val"):
        class_folders(tmp_path / "set", {"dark": 2, "bright": 2}, split)
    text = text.replace(SCENES, f'source = "folder:{tmp_path / "set"}", workers = 0')
    study = load(tmp_path, text.replace(old, new))
    with pytest.raises(InputError, match=said) as error:
        run_study(study, tmp_path / "out", "cpu", most=0)
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_bounds_on_parameters_count_before_the_images_size_is_known(tmp_path: Path) -> None:
    text = STUDY.replace(SCENES, 'source = "folder:set"').replace("seeds = [0, 1]", 'seeds = [0]\nwhere = "BOUND"')
    for bound, count in (("params<=3k", 1), ("params<=3k, macs<1", 1), ("macs<1", 2)):
        study = load(tmp_path, text.replace("BOUND", bound))
        assert len(make_designs(study, study.tasks[0], classes=10, size=None)) == count


def test_designs_whose_tasks_are_ranked_are_the_same_for_both(tmp_path: Path) -> None:
    """Heads of 10 and 11 classes, bounds that lie between what they cost: each task alone would keep other designs."""
    tasks = STUDY[STUDY.index("[[tasks]]") :]
    text = SEARCH.replace('"tpe"', '"random"').replace("params<=4k", "params<=3_946")
    ranked = text.replace("designs = 4", 'designs = 4\nrank = "task"') + tasks.replace("classification", "segmentation")
    counts = []
    for said in (ranked, ranked.replace('rank = "task"\n', "")):
        study = load(tmp_path, said.replace("designs = 4", "designs = 32"))
        found = [
            {tuple(one.levels.items()) for one in make_designs(study, task, classes, (32, 32))}
            for task, classes in zip(study.tasks, (10, 40), strict=True)
        ]
        counts.append((len(found[0]), len(found[0] & found[1]), len(found[1])))
    assert counts[0][0] == counts[0][1] == counts[0][2]
    assert counts[1][1] < counts[1][0]


@pytest.mark.parametrize("word", ["measured", "cost"])
def test_quantities_are_known_before_the_images_are(word: str, tmp_path: Path) -> None:
    said = {"measured": 'measured = ["depht"]', "cost": 'cost = "depht"'}[word]
    text = SEARCH.replace("seeds = [0, 1]", f"seeds = [0, 1]\n{said}").replace(SCENES, 'source = "folder:set"')
    with pytest.raises(InputError, match=f"{word}: depht: no quantity"):
        load(tmp_path, text if word == "measured" else text.replace('"tpe"', '"nsga2"'))


def test_a_baseline_may_name_a_word_of_the_recipe(tmp_path: Path) -> None:
    factors = "depth = [1, 2]\nrecipe.epochs = [1, 2]\n[baseline]\nrecipe.epochs = 1\n"
    study = load(tmp_path, FREE.replace("depth = [1, 2]\n", factors))
    assert study.baseline == {"recipe.epochs": 1}
    study.save(tmp_path / "again.toml")
    assert Study.load(tmp_path / "again.toml") == study.model_copy(update={"name": "tiny"})


def test_levels_are_told_as_they_are_said(tmp_path: Path) -> None:
    text = STUDY.replace("depth = [1, 2]", "depth = [1, 2]\nrecipe.lr = [0.1, 1]\n[baseline]\ndepth = 1")
    study = load(tmp_path, text)
    rows = [
        {"task": "classification", "stage": "trial", **one.levels, "seed": 0, "state": "finished", "value": 0.5}
        for one in make_designs(study, study.tasks[0], 10, (32, 32))
    ]
    assert [each.name for each in verdicts(study, pd.DataFrame(rows), "classification")] == [
        "depth 2, recipe.lr 0.1",
        "depth 2, recipe.lr 1",
    ]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("baseline", "names"),
    [
        ("{ depth = 1 }", [("depth 2, connectivity dense", "depth 1, connectivity identity")]),
        ('{ connectivity = "identity" }', [("depth 2, connectivity dense", "depth 1, connectivity identity")]),
    ],
)
def test_what_an_arm_leaves_out_is_what_its_network_has(
    baseline: str, names: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_as(monkeypatch, lambda run: 0.1 * run.spec.depth[0])
    arms = '[[arms]]\ndepth = 1\n[[arms]]\ndepth = 2\nconnectivity = "dense"\n'
    text = STUDY.replace("[factors]\ndepth = [1, 2]\n", arms).replace("[network]", f"baseline = {baseline}\n[network]")
    study = load(tmp_path, text)
    run_study(study, tmp_path / "out", "cpu")
    judged = verdicts(study, results.trials(study, tmp_path / "out"), "classification")
    assert [(each.name, each.against) for each in judged] == names
    assert judged[0].comparison.pairs == 2


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("beside", ["{ n = 4 }", "{ n = 4, stacks = [1, 1, 1] }", "{ n = 5, stem_width = 8 }"])
def test_the_first_beside_the_winners_is_the_one_they_are_compared_with(
    beside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it leaves out, and though a winner has all the levels that it says."""
    train_as(monkeypatch, lambda run: 0.1 * run.spec.n + 0.01 * len(run.spec.stacks) + 0.001 * run.spec.stem_width)
    text = SEARCHED.replace("{ n = 2, depth = 1, stem_width = 4, stacks = [1, 1] }", beside)
    text = (
        text.replace('"tpe"', '"random"').replace("designs = 4", "designs = 99").replace("designs = 2", "designs = 9")
    )
    text = text.replace("seeds = [5, 6]", "seeds = [5, 6], test = false").replace("params<=4k", "params<=400k")
    text = text.replace("stem_width = [4, 8]\n", "").replace("stacks = [[1, 1], [2, 1]]\n", "")
    text = text.replace('widths = "rule"', 'widths = "rule"\nstacks = [1, 1]\nstem_width = 4').replace("[0, 1]", "[0]")
    study, folder = load(tmp_path, text), tmp_path / "out"
    run_study(study, folder, "cpu")
    table = results.trials(study, folder)
    winners = table[table["stage"] == "winner"]
    searched = set(table[table["stage"] == "trial"]["design"])
    new = set(winners["design"]) - searched
    judged = verdicts(study, table, "classification")
    assert len(judged) == winners["design"].nunique() - 1
    assert all(each.comparison.pairs == 2 for each in judged)
    if new:  # the design beside them is no winner: every winner's difference is to it
        (base,) = new
        values = winners.set_index(["design", "seed"])["value"]
        means = {name: values[name].mean() - values[base].mean() for name in set(winners["design"]) - new}
        assert sorted(each.comparison.difference for each in judged) == pytest.approx(sorted(means.values()))


@pytest.mark.usefixtures("quick")
def test_a_search_goes_on_that_was_killed_while_a_trial_got_its_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_as(monkeypatch, lambda run: 0.1 * run.spec.n)
    study, folder = load(tmp_path, SEARCH), tmp_path / "out"
    run_study(study, tmp_path / "undisturbed", "cpu")
    run_study(study, folder, "cpu", 2)

    def killed(study: optuna.Study, trial: FrozenTrial, entry: Entry, _: Any) -> None:
        optuna.Trial(study, trial._trial_id).suggest_float(next(iter(entry.params)), 0, 1)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(queue, "_take", killed)
        with pytest.raises(KeyboardInterrupt):
            run_study(study, folder, "cpu")
    run_study(study, folder, "cpu")
    tables = [results.trials(study, each)[["folder", "value"]] for each in (folder, tmp_path / "undisturbed")]
    first, second = (dict(table.to_dict("split")["data"]) for table in tables)
    assert first == second
