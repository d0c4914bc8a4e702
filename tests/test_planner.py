"""What a study would take and could show: against trainings that were timed, and against the test's own arithmetic."""

import json
import math
from pathlib import Path

import pytest
import torch

from sunetlab.study.planner import power_of_study
from sunetlab.study.verdict import power_of
from sunetlab.train.loop import train
from sunetlab.train.timing import timed
from tests.conftest import Said
from tests.tiny import STUDY, TinyData, tiny_run, write_study


def test_seeds_and_differences_at_the_level_of_a_family() -> None:
    found = power_of_study(comparisons=4, seeds=10, spread=0.5, effect=0.3)
    assert power_of(found.detectable, 10, 0.5, 0.05 / 4) == pytest.approx(0.8)
    assert found.needed is not None
    assert power_of(0.3, found.needed, 0.5, 0.05 / 4) >= 0.8 > power_of(0.3, found.needed - 1, 0.5, 0.05 / 4)
    assert 2 / 2**found.fewest <= 0.05 / 4 < 2 / 2 ** (found.fewest - 1)
    few = power_of_study(comparisons=4, seeds=7, spread=0.5)
    assert (few.detectable, few.needed) == (math.inf, None)


def test_a_run_takes_about_as_long_as_was_foretold(tmp_path: Path) -> None:
    run, data = tiny_run(epochs=12, words={"n": 16, "stem_width": 32}), TinyData(count=48)
    foretold = timed(run, data, torch.device("cpu"))
    took = train(run, data, tmp_path / "run", "cpu")["seconds"]
    assert took / 4 < foretold.seconds < took * 4  # on a machine that does other things as well


def test_a_plan_refuses_what_a_training_would(said: Said, tmp_path: Path) -> None:
    write_study(tmp_path, STUDY.replace("batch_size = 8", "batch_size = 1"))
    status, _, err = said("study plan tiny.toml --device cpu")
    assert status == 2
    assert "batch_size: 1: leaves a single image" in err.splitlines()[-1]


def test_a_plan_writes_nothing_and_counts_every_seed(said: Said, tmp_path: Path) -> None:
    write_study(tmp_path)
    status, out, _ = said("study plan tiny.toml --effect 1 --spread 0.5 --device cpu --json")
    assert status == 0
    (task,) = json.loads(out)["tasks"]
    assert task["designs"] == 2
    assert task["seconds"] == pytest.approx(2 * sum(row["seconds"] for row in task["rows"]))
    assert task["power"]["comparisons"] == 1
    assert task["power"]["detectable"] is None  # two seeds
    assert task["power"]["needed"] >= 6
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]
    status, out, _ = said("study plan tiny.toml --device cpu")
    assert status == 0
    assert "2 seeds: no difference can be shown; with 6 some could" in out
