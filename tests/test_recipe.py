"""Recipes: what they refuse, how they are named and changed, and the learning rate of every step."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sunetlab import InputError
from sunetlab.train.recipe import RECIPES, Recipe


@pytest.mark.parametrize("name", RECIPES)
def test_every_named_recipe_is_sound(name: str) -> None:
    recipe = Recipe.load(name)
    assert Recipe(**recipe.model_dump()) == recipe


def test_warm_up_rises_and_cosine_falls_to_its_end() -> None:
    recipe = Recipe(lr=1.0, epochs=10, warmup=2.0, final_lr=0.1)
    rates = [recipe.lr_at(step, 5) for step in range(50)]
    assert rates[:10] == pytest.approx([(i + 1) / 11 for i in range(10)])
    assert rates[10] == 1.0
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[30] == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * 20 / 40)))
    assert 0.1 < rates[-1] < 0.105


def test_constant_schedule_stays() -> None:
    recipe = Recipe(lr=0.3, epochs=2, warmup=0.0, schedule="constant")
    assert {recipe.lr_at(step, 4) for step in range(8)} == {0.3}


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        ({"lr": 0}, ("lr", "0", "greater than 0")),
        ({"lr": math.nan}, ("lr", "nan", "finite")),
        ({"epochs": 0}, ("epochs", "0")),
        ({"epochs": 2, "warmup": 3.0}, ("warmup", "3", "2 epochs")),
        ({"batch_size": 4, "accumulate": 5}, ("accumulate", "5", "4")),
        ({"optimizer": "adam"}, ("optimizer", "adam", "sgd")),
        ({"lerning_rate": 1}, ("lerning_rate", "unknown key")),
        ({"augment": {"flipp": True}}, ("augment.flipp", "unknown key")),
        ({"base": "quik"}, ("base", "quik", "quick")),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_line(table: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as error:
        Recipe.resolve(table, "study.toml: recipe")
    assert "\n" not in str(error.value)
    for part in ("study.toml", *parts):
        assert part in str(error.value)


def test_a_recipe_may_change_another(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "camvid"\nlr = 0.5\n[augment]\nrotate = 0.0\n')
    recipe, base = Recipe.load(str(path)), Recipe.load("camvid")
    assert recipe.lr == 0.5
    assert recipe.epochs == base.epochs
    assert recipe.augment.scale == base.augment.scale
    assert (recipe.augment.rotate, base.augment.rotate) == (0.0, 10.0)


def test_a_base_cut_short_is_warmed_up_for_as_long_as_there_is() -> None:
    assert Recipe.resolve({"base": "camvid", "epochs": 1}).warmup == 1.0
    assert Recipe.resolve({"base": "camvid", "epochs": 50}).warmup == Recipe.load("camvid").warmup
    with pytest.raises(InputError, match="warmup: 3: longer than the 2 epochs"):
        Recipe.resolve({"epochs": 2, "warmup": 3.0})


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="cifar10"):
        Recipe.load("imagnet")
