"""How a study was made, as tables: factors, what is shared, data, recipe, machines."""

from collections import Counter
from collections.abc import Iterable, Sequence

from sunetlab.space.factors import level_name
from sunetlab.study.definition import Study, StudyTask
from sunetlab.study.page.rows import Row


def factors(study: Study) -> dict[str, list[str]]:
    """What varies, and its levels as they are said; of a word that is solved for, that it is."""
    found = {}
    for name, said in study.varied.items():
        levels = [said] if isinstance(said, str) else list(dict.fromkeys(str(level_name(level)) for level in said))
        found[name] = ["  |  ".join(levels) or "found for every arm, so that costs are equal"]
    return found


def shared(study: Study) -> dict[str, list[str]]:
    """What all designs share, for each task."""
    tables = [{**study.network, **task.network} for task in study.tasks]
    return side_by_side([{word: level for word, level in t.items() if word not in study.varied} for t in tables])


def data(study: Study, results: Sequence[Sequence[Row]]) -> dict[str, list[str]]:
    """What the candidates of each task saw; `results` are those of its finished trials."""
    return side_by_side([_data(task, found) for task, found in zip(study.tasks, results, strict=True)])


def recipes(study: Study) -> dict[str, list[str]]:
    """The recipe of each task."""
    return side_by_side([_flat(task.recipe.model_dump(mode="json")) for task in study.tasks])


def machines(results: Iterable[Row]) -> list[tuple[dict[str, list[str]], int]]:
    """The machines and versions that trials ran on, and how many ran on each."""
    counts = Counter(tuple((key, str(value)) for key, value in result["machine"].items()) for result in results)
    return [({key: [value] for key, value in machine}, count) for machine, count in counts.most_common()]


def side_by_side(tables: Sequence[Row]) -> dict[str, list[str]]:
    """Tables as one: key → its value in each."""
    keys = dict.fromkeys(key for table in tables for key in table)
    return {key: [_shown(table.get(key)) for table in tables] for key in keys}


def _data(task: StudyTask, results: Sequence[Row]) -> Row:
    """As asked for, and as found by a finished trial."""
    asked = task.data.model_dump(mode="json", exclude={"task", "workers", "memory_gib"}, exclude_none=True)
    for result in results[:1]:
        asked |= {"size": result["size"], "train": result["train_images"], "val": result["val_images"]}
    return asked | {"size": "×".join(map(str, asked["size"]))} if "size" in asked else asked


def _shown(value: object) -> str:
    """A setting as it is written by hand."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(level_name(value))


def _flat(table: Row) -> Row:
    """A table without tables: {"augment": {"flip": …}} becomes {"augment.flip": …}."""
    flat: Row = {}
    for key, value in table.items():
        flat |= {f"{key}.{inner}": v for inner, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat
