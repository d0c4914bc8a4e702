"""From a study's file to its table: which data it is on, recipes written out; and what is wrong with a table."""

from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sunetlab.errors import InputError
from sunetlab.files import read_table, shown
from sunetlab.train.recipe import Recipe

if TYPE_CHECKING:
    from sunetlab.study.definition import Study

Raw = dict[str, Any]
IDLE = {  # words of a recipe that do nothing where another has another value
    "epochs": ("iterations", None),
    "step_epochs": ("schedule", "step"),
    "step_factor": ("schedule", "step"),
    "final_lr": ("schedule", "cosine"),
    "nesterov": ("optimizer", "sgd"),
}


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


def kinds_of_data(path: Path) -> list[str]:
    """The kinds of data that a study's file names, its default first; none where it has plain tasks."""
    on = read_table(path).get("on")
    return list(on) if isinstance(on, dict) else []


def table_of(path: Path, on: str | None = None) -> Raw:
    """A study's table with its name, the tasks on one kind of data, their recipes written out.

    Raises:
        InputError: naming the file, the key, the value and the rule.
    """
    table = _on(read_table(path), path, on)
    tasks = table.get("tasks")
    if isinstance(tasks, list):
        factors = _recipe_factors(table.get("factors"))
        table["tasks"] = [_resolved(task, factors, f"{path}: tasks.{i}") for i, task in enumerate(tasks)]
    return table


def _on(table: Raw, path: Path, asked: str | None) -> Raw:
    """The table with the tasks of one of its kinds of data; any but the first is part of the study's name."""
    kinds = table.pop("on", None)
    named = {"name": path.stem, **table}
    if kinds is None:
        if asked is not None:
            raise InputError(f"--on: {asked!r}: {path.name} has one kind of data only")
        return named
    if not isinstance(kinds, dict) or not kinds or "tasks" in table:
        raise InputError(f"{path}: on: must be tables [[on.NAME]] of tasks, in the place of [[tasks]]")
    if asked is not None and asked not in kinds:
        raise InputError(f"--on: {asked!r}: {path.name} knows {', '.join(kinds)}")
    first = next(iter(kinds))
    name = named["name"] if asked in (None, first) else f"{named['name']}-{asked}"
    return {**named, "name": name, "tasks": kinds[asked or first]}


def _recipe_factors(factors: Any) -> Raw:
    """The words of the recipe that vary, each with its levels, whichever way they are written."""
    if not isinstance(factors, Mapping):
        return {}
    table = factors.get("recipe")
    flat = {name.removeprefix("recipe."): said for name, said in factors.items() if name.startswith("recipe.")}
    return flat | (dict(table) if isinstance(table, Mapping) else {})


def _resolved(task: Any, factors: Raw, where: str) -> Any:
    """A task's table with its recipe and its data's task written out; words that vary have their first level.

    Raises:
        InputError: the recipe says a word that varies.
    """
    if not isinstance(task, dict):
        raise InputError(f"{where}: must be a table")
    recipe, data = task.get("recipe", {}), task.get("data", {})
    if isinstance(recipe, str):
        recipe = {"base": recipe}
    if not isinstance(recipe, dict) or not isinstance(data, dict):
        raise InputError(f"{where}: recipe and data must be tables")
    first = {word: said[0] for word, said in factors.items() if isinstance(said, list) and said}
    for word, level in first.items():
        if word in recipe and recipe[word] != level and shown(recipe[word]) != shown(level):  # nan is not nan
            rule = "the factor of that name overrides it; leave it out"
            raise InputError(f"{where}.recipe: {word}: {shown(recipe[word])}: {rule}")
    resolved = Recipe.resolve({**recipe, **first}, f"{where}.recipe")
    return {**task, "recipe": resolved, "data": {"task": task.get("task"), **data}}


def complaints(study: "Study") -> Iterator[str]:
    """What is wrong with a study whose tables are each sound by itself, the worst first."""
    yield from _twice(study)
    yield from _of_sampler(study)
    if (study.network_factors and study.arms) or not (study.factors or study.arms):
        yield "factors: a study has factors or arms, one of the two"
    for word in {"task", "num_classes"} & {*study.network, *study.varied, *(w for t in study.tasks for w in t.network)}:
        yield f"network: {word}: follows from the tasks and their data; leave it out"
    yield from _of_recipe(study)
    for word in study.baseline or {}:
        if word not in study.telling:
            yield f"baseline: {word}: is not varied; varied are {', '.join(study.telling)}"
    if study.equal and not study.baseline:
        yield "equal: costs are held to those of the baseline; name it in [baseline]"
    if study.equal and study.equal.solve in (*study.network_factors, *(word for arm in study.arms for word in arm)):
        yield f"equal.solve: {study.equal.solve}: is found for every arm; it cannot vary as well"
    yield from _of_rank(study)


def _of_rank(study: "Study") -> Iterator[str]:
    if study.rank is None:
        return
    if study.rank == "task":
        if len(study.tasks) < 2:
            yield "rank: task: goes with two tasks"
    elif study.rank not in study.telling:
        yield f"rank: {study.rank}: must be task, or a word that varies: {', '.join(study.telling)}"
    elif study.telling == [study.rank]:
        yield f"rank: {study.rank}: nothing else varies, so there are no designs to put in order"
    elif any(isinstance(level, str) and any(map(str.isdigit, level)) for level in study.varied[study.rank]):
        yield f"rank: {study.rank}: its levels must be said one by one, as numbers in a list"


def _twice(study: "Study") -> Iterator[str]:
    names = [task.task for task in study.tasks]
    if len(set(names)) < len(names):
        yield f"tasks: {', '.join(names)}: a task stands twice"
    if len(set(study.seeds)) < len(study.seeds):
        yield f"seeds: {', '.join(map(str, study.seeds))}: a seed stands twice"
    for table, seeds in (("tune", study.tune and study.tune.seeds), ("winners", study.winners and study.winners.seeds)):
        for seed in set(seeds or ()) & set(study.seeds):
            yield f"{table}.seeds: {seed}: is among the study's own seeds, which it must not touch"
        if len(set(seeds or ())) < len(seeds or ()):
            yield f"{table}.seeds: {shown(seeds)}: a seed stands twice"
    if study.tune and not _differ(study.tune.lr):
        yield f"tune.lr: {shown(study.tune.lr)}: a multiple stands twice"
    if study.equal and not _differ(study.equal.budgets):
        yield f"equal.budgets: {shown(study.equal.budgets)}: a budget stands twice"
    for name in study.measured:
        if study.measured.count(name) > 1 or name in study.varied:
            yield f"measured: {name}: is told already; leave it out"


def _of_sampler(study: "Study") -> Iterator[str]:
    sampler, is_search = study.sampler, study.sampler != "grid"
    if is_search == (study.designs is None):
        yield f"designs: {study.designs}: goes with sampler random, tpe or nsga2"
    if study.arms and study.designs is not None:
        yield f"designs: {study.designs}: are chosen from factors; arms are all of them"
    if (sampler == "nsga2") != (study.cost is not None):
        yield f"cost: {study.cost}: goes with sampler nsga2, and only with that; bounds on costs stand in where"
    if study.pruner != "none" and not is_search:
        yield f"pruner: {study.pruner}: goes with a search; a comparison trains every arm to its end"
    if study.pruner != "none" and sampler == "nsga2":
        yield f"pruner: {study.pruner}: Optuna prunes by one aim, nsga2 has two; leave it out, or take tpe and where"
    if study.winners and not is_search:
        yield "winners: go with a search: sampler random, tpe or nsga2"
    if study.winners and study.recipe_factors:
        yield "winners: a design is trained anew with one recipe; leave the factors of the recipe out"
    if is_search and (study.equal or study.tune or study.recipe_factors):
        table = "equal" if study.equal else "tune" if study.tune else "factors: recipe"
        if study.equal or study.tune or study.is_adaptive or study.pruner != "none":
            yield f"{table}: goes with designs that are all trained alike; a search chooses them"
    if study.baseline is not None and is_search and study.is_adaptive:
        yield "baseline: goes with designs that are all trained; a search chooses them by their results"


def _differ(levels: Iterable[Any]) -> bool:
    """Whether no two levels are the same in the names of the runs' folders: numbers count to six digits."""
    names = [f"{level:g}" if isinstance(level, float) else str(level) for level in levels]
    return len(set(names)) == len(names)


def _of_recipe(study: "Study") -> Iterator[str]:
    for word, levels in study.recipe_factors.items():
        if word not in Recipe.model_fields or word == "augment":
            yield f"factors: recipe.{word}: no word of a recipe that can vary"
        if not isinstance(levels, list) or not levels:
            yield f"factors: recipe.{word}: {shown(levels)}: must be a list of at least one level"
            return
        if not _differ(levels):
            yield f"factors: recipe.{word}: {shown(levels)}: a level stands twice"
        if word in ("epochs", "iterations") and study.tune and study.tune.epochs:
            yield f"tune.epochs: {study.tune.epochs}: recipe.{word} varies; leave one of the two out"
        if word == "lr" and study.tune:
            yield "factors: recipe.lr: is tuned for every arm; it is one or the other"
        other, value = IDLE.get(word, (word, None))
        for task in study.tasks:
            if other != word and getattr(task.recipe, other) != value:
                said = f"{other} = {getattr(task.recipe, other)}"
                yield f"factors: recipe.{word}: the recipe for {task.task} has {said}, which overrides it"
