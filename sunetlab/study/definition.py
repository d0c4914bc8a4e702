"""A study's TOML file → a validated study: the question, what varies, what is shared, how candidates are trained.

question = "…"
seeds = [0, 1]                    every design is trained once with each
where = "params<=2M"              designs that cost more are left out
sampler = "grid"                  all designs, or "random": `designs` of them, drawn by `sampler_seed`, or "tpe":
                                  `designs` of them one after another, proposed from the results so far
[network]                         what all designs share, in the words of `sunetlab build`
[factors]                         word = [level, level, …] or a text (`space.factors`); every combination is a design
[[arms]]                          or, in their place, one table of words for each design
[baseline]                        word = level: the one design that all others are compared with, seed by seed
[[tasks]]                         one or more: task, recipe (a table; `base` names one to start from), data
"""

import itertools
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sunetlab.analysis.memory import Setting
from sunetlab.errors import InputError
from sunetlab.files import read_table, validate, write_table
from sunetlab.space.arrays.view import Training
from sunetlab.space.factors import level_name
from sunetlab.space.land import Feasible
from sunetlab.space.pick import Design, design, drawn, everything, listed, where_of
from sunetlab.space.screen import Funnel, Screen
from sunetlab.space.space import Space
from sunetlab.spec import Task
from sunetlab.train.data import DataConfig, DataSource
from sunetlab.train.data.config import OF_SOURCE
from sunetlab.train.data.made.scenes import SIZE as EMBEDDED_SIZE
from sunetlab.train.data.made.style import STYLES
from sunetlab.train.recipe import Recipe
from sunetlab.train.run import Run


class StudyTask(BaseModel):
    """What the candidates are trained for: a task, its data, the recipe that they share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Task
    data: DataConfig
    recipe: Recipe

    @model_validator(mode="after")
    def _one_task(self) -> Self:
        if self.data.task != self.task:
            raise ValueError(f"data.task: {self.data.task}: the task is {self.task}; leave it out")
        return self

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of the images where it is known before they are opened."""
        return self.data.size or (EMBEDDED_SIZE if self.data.name in STYLES else None)


class Study(BaseModel):
    """A study, complete: see the module's text for its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
    question: Annotated[str, Field(min_length=1)]
    tasks: Annotated[tuple[StudyTask, ...], Field(min_length=1)]
    network: dict[str, Any] = {}
    factors: dict[str, list[Any] | str] = {}
    arms: tuple[dict[str, Any], ...] = ()
    baseline: dict[str, Any] | None = None
    seeds: Annotated[tuple[Annotated[int, Field(strict=True, ge=0, lt=2**31)], ...], Field(min_length=1)] = (0,)
    where: str | None = None
    sampler: Literal["grid", "random", "tpe"] = "grid"
    designs: Annotated[int, Field(strict=True, ge=1)] | None = None
    sampler_seed: Annotated[int, Field(strict=True, ge=0)] = 0

    @model_validator(mode="after")
    def _sound(self) -> Self:
        names = [task.task for task in self.tasks]
        if len(set(names)) < len(names):
            raise ValueError(f"tasks: {', '.join(names)}: a task stands twice")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: {', '.join(map(str, self.seeds))}: a seed stands twice")
        if (self.sampler == "grid") == (self.designs is not None):
            raise ValueError(f"designs: {self.designs}: goes with sampler random or tpe, and only with those")
        if bool(self.factors) == bool(self.arms):
            raise ValueError("factors: a study has factors or arms, one of the two")
        if self.arms and self.designs is not None:
            raise ValueError(f"designs: {self.designs}: are chosen from factors; arms are all of them")
        if self.baseline is not None and self.is_adaptive:
            raise ValueError("baseline: goes with designs that are all trained; a search chooses them by their results")
        for word in self.baseline or {}:
            if word not in self.varied:
                raise ValueError(f"baseline: {word}: is not varied; varied are {', '.join(self.varied)}")
        for word in {"task", "num_classes"} & {*self.network, *self.varied}:
            raise ValueError(f"network: {word}: follows from the tasks and their data; leave it out")
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """The study in a TOML file; it is called after the file.

        Raises:
            InputError: naming the file, the key, the value and the rule.
        """
        table = read_table(path)
        tasks = table.get("tasks")
        if isinstance(tasks, list):
            table["tasks"] = [_resolved(task, f"{path}: tasks.{i}") for i, task in enumerate(tasks)]
        study = validate(cls, {"name": path.stem, **table}, str(path))
        for task in study.tasks:  # every mistake in the space is found before anything is made
            try:
                study.check_designs(task)
            except InputError as error:
                raise InputError(f"{path}: {error}") from None
        return study

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

    def make_designs(self, task: StudyTask, classes: int, size: tuple[int, int] | None) -> tuple[Design, ...]:
        """The designs of a task's candidates, for its number of classes and its images' size; not of a search's.

        Raises:
            InputError: no design is left.
        """
        if self.arms:
            shared = self._shared(task, classes)
            return listed(shared, self.arms, size, self.where if size else None, training_of(task.recipe))
        space = self.make_space(task, classes, size)
        where, training = where_of(space, self.where if size else None), training_of(task.recipe)
        if self.designs is None:
            numbers = everything(space, where, training)
        else:
            numbers = drawn(space, where, self.designs, self.sampler_seed, training=training).numbers
        return tuple(design(space, int(number)) for number in numbers)

    def feasible(self, task: StudyTask, classes: int, size: tuple[int, int] | None) -> Feasible:
        """The designs that a search chooses from, likewise.

        Raises:
            InputError: no design is left, or too many are.
        """
        space = self.make_space(task, classes, size)
        return Feasible.of(space, where_of(space, self.where if size else None), training_of(task.recipe))

    def check_designs(self, task: StudyTask) -> None:
        """See that a task has designs, as far as can be told before its data are opened.

        Raises:
            InputError: it has none, or too many, or not the one that is the baseline.
        """
        if not self.is_adaptive:
            designs = self.make_designs(task, classes=2, size=task.size)
            if self.baseline is not None:
                self.baseline_of([design.levels for design in designs])
        elif task.size or not self.where:
            self.feasible(task, classes=2, size=task.size)
        else:  # bounds count once the images' size is known
            where_of(self.make_space(task, classes=2, size=None), self.where)

    def baseline_of(self, arms: Sequence[Mapping[str, Any]]) -> int:
        """Which of the arms, given by their levels, is the baseline.

        Raises:
            InputError: none of them is, or several are.
        """
        wanted = {name: level_name(level) for name, level in (self.baseline or {}).items()}
        found = [i for i, arm in enumerate(arms) if all(arm[name] == level for name, level in wanted.items())]
        if len(found) != 1:
            said = ", ".join(f"{name} {level}" for name, level in wanted.items())
            raise InputError(f"baseline: {said}: {len(found) or 'no'} arms have it; it must name one")
        return found[0]

    def make_space(self, task: StudyTask, classes: int, size: tuple[int, int] | None) -> Space:
        """A task's whole space, before its bounds; of factors."""
        return Space(self._shared(task, classes), self.factors, size)

    def _shared(self, task: StudyTask, classes: int) -> dict[str, Any]:
        return {**self.network, "task": task.task, "num_classes": classes}

    @property
    def is_adaptive(self) -> bool:
        """Whether results decide which designs are tried: whether this is a search."""
        return self.sampler == "tpe"

    @property
    def varied(self) -> dict[str, list[Any] | str]:
        """The words in which designs differ, each with its levels as they are said."""
        words = dict.fromkeys(word for arm in self.arms for word in arm)
        return self.factors or {word: [arm.get(word) for arm in self.arms] for word in words}

    def funnel(self, task: StudyTask, classes: int, size: tuple[int, int] | None) -> Funnel | None:
        """How many designs of a task its factors make, and how many its bounds let through; None for arms.

        Where the images' size is not known yet the bounds do not count.
        """
        if self.arms:
            return None
        space = self.make_space(task, classes, size)
        screen = Screen(space, where_of(space, self.where if size else None), (), training_of(task.recipe))
        for _ in screen.run():
            pass
        return screen.funnel

    def candidates(self, task: StudyTask, data: DataSource) -> tuple["Candidate", ...]:
        """Every design of a task with every seed; a seed's designs stand together, so that early answers are fair."""
        designs = self.make_designs(task, len(data.classes), data.size)
        return tuple(itertools.chain(*zip(*(self.with_seeds(task, design) for design in designs), strict=True)))

    def with_seeds(self, task: StudyTask, design: Design) -> tuple["Candidate", ...]:
        """A design of a task with every seed."""
        runs = (Run(spec=design.spec, recipe=task.recipe, data=task.data, seed=seed) for seed in self.seeds)
        return tuple(Candidate(design, run) for run in runs)


class Candidate(NamedTuple):
    """One design with one seed: what one trial trains."""

    design: Design
    run: Run

    @property
    def folder(self) -> str:
        """The name of its run's folder."""
        return f"{self.design.spec.id}-s{self.run.seed}"

    @property
    def params(self) -> dict[str, Any]:
        """What Optuna knows it by: the levels of the factors, and the seed."""
        return {**self.design.levels, "seed": self.run.seed}


def training_of(recipe: Recipe) -> Training:
    """How memory is counted of what a recipe trains, on a GPU: of the part of a batch that goes through at once."""
    setting = Setting(
        precision="fp32" if recipe.precision == "fp32" else "bf16",
        channels_last=recipe.channels_last,
        optimizer=recipe.optimizer,
        momentum=recipe.momentum > 0,
        weight_decay=recipe.weight_decay > 0,
        label_smoothing=recipe.label_smoothing > 0,
    )
    return Training(-(-recipe.batch_size // recipe.accumulate), setting)


def shipped() -> dict[str, Path]:
    """The studies that come with sunetlab, by name."""
    folder = Path(str(resources.files("sunetlab.studies")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find(name: str) -> Path:
    """The file of a study by its name or path.

    Raises:
        InputError: neither; the line lists the names.
    """
    if name in shipped():
        return shipped()[name]
    if Path(name).suffix != ".toml":
        raise InputError(f"study: {name!r}: no such study; known are {', '.join(shipped())}, or a .toml file")
    return Path(name)


def _resolved(task: Any, where: str) -> Any:
    """A task's table with its recipe and its data's task written out."""
    if not isinstance(task, dict):
        raise InputError(f"{where}: must be a table")
    recipe, data = task.get("recipe", {}), task.get("data", {})
    if isinstance(recipe, str):
        recipe = {"base": recipe}
    if not isinstance(recipe, dict) or not isinstance(data, dict):
        raise InputError(f"{where}: recipe and data must be tables")
    return {**task, "recipe": Recipe.resolve(recipe, f"{where}.recipe"), "data": {"task": task.get("task"), **data}}
