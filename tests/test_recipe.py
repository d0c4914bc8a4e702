"""Recipes: what they refuse, how they are named and changed, and the learning rate of every step."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sunetlab import InputError
from sunetlab.train.recipe import Recipe
from sunetlab.train.recipes import RECIPES, TRACED


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
    path.write_text('base = "camvid"\nlr = 0.5\n[augment]\ncolor = 0.0\n')
    recipe, base = Recipe.load(str(path)), Recipe.load("camvid")
    assert recipe.lr == 0.5
    assert recipe.epochs == base.epochs
    assert recipe.augment.scale == base.augment.scale
    assert (recipe.augment.color, base.augment.color) == (0.0, 0.3)


def test_a_base_cut_short_is_warmed_up_for_as_long_as_there_is() -> None:
    assert Recipe.resolve({"base": "camvid", "epochs": 1}).warmup == 1.0
    assert Recipe.resolve({"base": "camvid", "epochs": 50}).warmup == Recipe.load("camvid").warmup
    with pytest.raises(InputError, match="warmup: 3: longer than the 2 epochs"):
        Recipe.resolve({"epochs": 2, "warmup": 3.0})


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="cifar10"):
        Recipe.load("imagnet")


def test_iterations_count_instead_of_epochs() -> None:
    recipe = Recipe(lr=1.0, epochs=3, iterations=25, warmup=0.0)
    assert (recipe.steps(10), recipe.length) == (25, "25 iterations")
    rates = [recipe.lr_at(step, 10) for step in range(25)]
    assert rates == pytest.approx([0.5 * (1 + math.cos(math.pi * step / 25)) for step in range(25)])  # Appendix B.B
    assert Recipe.resolve({"base": "voc", "epochs": 2}).iterations is None
    assert Recipe.resolve({"base": "voc", "iterations": 7}).steps(3) == 7


def test_step_schedule_falls_by_ten_every_thirty_epochs() -> None:
    recipe = Recipe.load("imagenet")
    rates = [recipe.lr_at(epoch * 7, 7) for epoch in range(100)]
    assert rates == pytest.approx([0.01] * 30 + [0.001] * 30 + [0.0001] * 30 + [0.00001] * 10)  # Appendix A
    assert recipe.lr_at(30 * 7 - 1, 7) == pytest.approx(0.01)


PAPER: dict[str, dict[str, Any]] = {  # Appendix A and B.B, §6.2, as they are printed
    "imagenet": {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4, "epochs": 100, "batch_size": 256},
    "voc": {"lr": 2e-4, "momentum": 0.95, "weight_decay": 1e-4, "iterations": 45_000, "batch_size": 22},
    "voc-coco": {"lr": 2e-5, "momentum": 0.95, "weight_decay": 1e-4, "iterations": 5_000, "batch_size": 22},
    "voc-trainval": {"lr": 2e-5, "freeze_bn": True, "keep": "last", "batch_size": 22},
    "cityscapes": {"lr": 2e-4, "momentum": 0.95, "weight_decay": 1e-4, "iterations": 90_000, "batch_size": 22},
}


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_recipes_are_the_papers(name: str) -> None:
    recipe = Recipe.load(name).model_dump()
    assert PAPER[name].items() <= recipe.items()
    if name != "imagenet":
        assert recipe["bn_momentum"] == pytest.approx(1 - 0.99)  # a decay of 0.99
        assert (recipe["head_lr"], recipe["head_bias_lr"]) == (10, 20)
        augment = recipe["augment"]
        assert (augment["crop"], augment["scale"], augment["rotate"]) == ((512, 512), (0.5, 2.0), 10.0)
        assert augment["flip"]


@pytest.mark.parametrize("name", TRACED)
def test_every_word_of_a_recipe_says_where_it_is_from(name: str) -> None:
    known = {**Recipe().model_dump(), **{f"augment.{word}": 0 for word in Recipe().augment.model_dump()}}
    for word, said in TRACED[name].items():
        assert word in known
        assert said.source.startswith(("A: ", "B.B", "6.", "this project: ", "the authors' release"))
