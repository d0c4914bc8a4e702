"""What a study is: the question, what varies, what is held equal, how candidates are trained and told apart.

question = "…"
seeds = [0, 1]                    every design is trained once with each
where = "params<=2M"              designs that cost more are left out
sampler = "grid"                  all designs, or "random": `designs` of them, drawn by `sampler_seed`, or "tpe",
                                  "nsga2": `designs` of them one after another, proposed from the results so far
cost = "params"                   of nsga2: the quantity that is to be low while the results are to be high
pruner = "hyperband"              of a search: "median" or "hyperband" stops trials that do not promise
measured = ["fov"]                quantities of designs that are told beside their results
rank = "task"                     do designs keep their order from one task, or one level of a word, to the other?
[network]                         what all designs share, in the words of `sunetlab build`
[factors]                         word = [level, level, …] or a text (`space.factors`); every combination is a design;
                                  recipe.epochs = [5, 40] varies a word of the recipe
[[arms]]                          or, in place of factors of the network, one table of words for each design
[equal]                           the cost that the designs are held to: hold, solve, budgets
[baseline]                        word = level: the design that others are compared with, seed by seed
[tune]                            every arm's own learning rate: lr, seeds, epochs
[winners]                         of a search: the best are trained anew, and only they are tested: designs, seeds
[[tasks]]                         one or more: task, recipe (a table; `base` names one to start from), data, network
[[on.NAME]]                       or, in their place, tasks for each of several kinds of data
"""

from collections.abc import Mapping
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sunetlab.errors import InputError
from sunetlab.files import validate, write_table
from sunetlab.spec import Task
from sunetlab.study import designs, reading
from sunetlab.train.data import DataConfig
from sunetlab.train.data.config import OF_SOURCE
from sunetlab.train.recipe import Positive, Recipe, Whole, with_length

RECIPE = "recipe."  # what a factor's name begins with that is a word of the recipe
BUDGET = "budget"  # the factor that a study with several budgets has
MOST_RECIPES = 1000  # that the factors of the recipe may make of one
OF_TASKS = "task"  # what designs are ranked by, if not by the levels of a factor
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
Tolerance = Annotated[float, Field(ge=1e-6, allow_inf_nan=False)]
Words = dict[str, Any]


class Table(BaseModel):
    """A table of a study's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Equal(Table):
    """What the designs' costs are held to: those of the baseline.

    Attributes:
        hold: quantity → the part of the baseline's by which a design's may differ.
        solve: the word that is found for every arm so that its costs are the nearest (`space.match`): n, stacks or
            widths; None where arms say it themselves.
        budgets: the baseline's costs times each of these; every one is a level of the factor `budget`.
    """

    hold: Annotated[dict[str, Tolerance], Field(min_length=1)]
    solve: Literal["n", "stacks", "widths"] | None = None
    budgets: tuple[Positive | Whole, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.budgets and self.solve is None:
            raise ValueError("budgets: a word must be solved for to meet them; say solve")
        return self


class Tune(Table):
    """How every arm's learning rate is found, all with the same number of trainings, before arms are compared.

    Attributes:
        lr: multiples of the recipe's; an arm takes the best by the mean over `seeds`, of equals the nearest to 1.
        seeds: of these trainings, none of which is among the study's own.
        epochs: their length; None is the recipe's.
    """

    lr: Annotated[tuple[Positive, ...], Field(min_length=2)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (1000,)
    epochs: Whole | None = None


class Winners(Table):
    """What a search ends with.

    Attributes:
        designs: how many of the best are trained again, to the end.
        seeds: with which, none of which is among the search's.
        beside: designs that are trained with them whatever was found, as tables of words; the first is the one that
            the others are compared with.
        test: they, and only they, are tested on the test split, once.
    """

    designs: Whole
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    beside: tuple[Words, ...] = ()
    test: bool = True


class StudyTask(Table):
    """What the candidates are trained for: a task, its data, the recipe that they share.

    Attributes:
        network: words that all designs share for this task.
    """

    task: Task
    data: DataConfig
    recipe: Recipe
    network: Words = {}

    @model_validator(mode="after")
    def _one_task(self) -> Self:
        if self.data.task != self.task:
            raise ValueError(f"data.task: {self.data.task}: the task is {self.task}; leave it out")
        if self.data.trains_on_val:
            raise ValueError(f"data.train_split: {self.data.train_split}: holds the images that designs are chosen by")
        return self

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of the images where it is known before they are opened."""
        return self.data.known_size

    def recipe_with(self, changes: Mapping[str, Any]) -> Recipe:
        """The recipe with some of its words changed."""
        return validate(Recipe, with_length(self.recipe.model_dump(), changes), "recipe") if changes else self.recipe


class Study(Table):
    """A study, complete: see the module's text for its keys."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
    question: Annotated[str, Field(min_length=1)]
    tasks: Annotated[tuple[StudyTask, ...], Field(min_length=1)]
    network: Words = {}
    factors: dict[str, list[Any] | str] = {}
    arms: tuple[Words, ...] = ()
    equal: Equal | None = None
    baseline: Words | None = None
    rank: str | None = None
    measured: tuple[str, ...] = ()
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    where: str | None = None
    sampler: Literal["grid", "random", "tpe", "nsga2"] = "grid"
    designs: Whole | None = None
    sampler_seed: Annotated[int, Field(strict=True, ge=0)] = 0
    cost: str | None = None
    pruner: Literal["none", "median", "hyperband"] = "none"
    tune: Tune | None = None
    winners: Winners | None = None

    @field_validator("factors", "baseline", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        """`recipe.epochs = …` is a table to TOML, and a word with a point in its name here."""
        if not isinstance(value, Mapping) or not isinstance(value.get("recipe"), Mapping):
            return value
        rest = {name: levels for name, levels in value.items() if name != "recipe"}
        return rest | {RECIPE + word: levels for word, levels in value["recipe"].items()}

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for complaint in reading.complaints(self):
            raise ValueError(complaint)
        return self

    @classmethod
    def load(cls, path: Path, on: str | None = None) -> Self:
        """The study in a TOML file; it is called after the file.

        Args:
            path: the file.
            on: which of the kinds of data that it names; None is the first.

        Raises:
            InputError: naming the file, the key, the value and the rule.
        """
        study = validate(cls, reading.table_of(path, on), str(path))
        for task in study.tasks:  # every mistake in the space is found before anything is made
            try:
                study.check_recipes(task)
                designs.check_designs(study, task, classes=2, size=task.size)
            except InputError as error:
                raise InputError(f"{path}: {error}") from None
        return study

    def check_recipes(self, task: StudyTask) -> None:
        """See that every recipe that the study makes of a task's is one.

        Raises:
            InputError: one is not, or there are too many.
        """
        levels = self.recipe_factors
        if (count := prod(map(len, levels.values()))) > MOST_RECIPES:
            raise InputError(f"factors: recipe: {count:,} combinations: at most {MOST_RECIPES:,}")
        for each in product(*levels.values()):
            said = dict(zip(levels, each, strict=True))
            task.recipe_with(said)
            for multiple in self.tune.lr if self.tune else ():
                length = {"epochs": self.tune.epochs} if self.tune and self.tune.epochs else {}
                task.recipe_with({**said, **length, "lr": multiple * task.recipe.lr})

    def save(self, path: Path) -> None:
        """Write the study with nothing left to a default."""
        write_table(path, self.model_dump(mode="json"))

    def with_sources(self, sources: Mapping[str, str]) -> Self:
        """The same study on other data: task → source.

        Raises:
            InputError: the study has no such task, or there is no such source.
        """
        names = [task.task for task in self.tasks]
        for name in sources.keys() - set(names):
            raise InputError(f"--data: {name}: the study's tasks are {', '.join(names)}")
        changed = [
            task.model_copy(
                update={"data": validate(DataConfig, task.data.model_dump() | OF_SOURCE | {"source": source}, "--data")}
            )
            if (source := sources.get(task.task))
            else task
            for task in self.tasks
        ]
        return self.model_copy(update={"tasks": tuple(changed)})

    def shared(self, task: StudyTask, classes: int) -> Words:
        """The words that all networks of a task share."""
        return {**self.network, **task.network, "task": task.task, "num_classes": classes}

    @property
    def is_adaptive(self) -> bool:
        """Whether results decide which designs are tried."""
        return self.sampler in ("tpe", "nsga2")

    @property
    def is_random(self) -> bool:
        """Whether its designs are a random sample of their space, each trained to its end."""
        return self.sampler == "random" and self.pruner == "none"

    @property
    def network_factors(self) -> dict[str, list[Any] | str]:
        """The factors that are words of the network."""
        return {word: levels for word, levels in self.factors.items() if not word.startswith(RECIPE)}

    @property
    def recipe_factors(self) -> dict[str, list[Any] | str]:
        """The factors that are words of the recipe, by their names there."""
        return {word.removeprefix(RECIPE): levels for word, levels in self.factors.items() if word.startswith(RECIPE)}

    @property
    def varied(self) -> dict[str, list[Any] | str]:
        """The words in which arms differ, each with its levels as they are said; none of a word that is solved for."""
        words = dict.fromkeys(word for arm in self.arms for word in arm)
        budgets = list(self.equal.budgets) if self.equal else []
        solved: dict[str, list[Any] | str] = {self.equal.solve: []} if self.equal and self.equal.solve else {}
        return {
            **({BUDGET: budgets} if budgets else {}),
            **self.network_factors,
            **{word: [arm.get(word) for arm in self.arms] for word in words},
            **{RECIPE + word: levels for word, levels in self.recipe_factors.items()},
            **solved,
        }

    @property
    def told(self) -> list[str]:
        """The quantities of designs that are told beside their parameters and MACs."""
        aims = () if self.cost is None else (self.cost,)
        return [name for name in dict.fromkeys((*aims, *self.measured)) if name not in ("params", "macs")]

    @property
    def telling(self) -> list[str]:
        """The words that tell one arm from another."""
        return [word for word, levels in self.varied.items() if len(levels) > 1] or list(self.varied)
