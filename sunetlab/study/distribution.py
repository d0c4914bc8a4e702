"""A study's table → distributions of errors, with the band that holds the whole space's, or why there is none.

An empirical distribution says something of a space only where its designs are a random sample of it (Radosavovic et
al. 2019): every design drawn, none stopped for its results, none still to come.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from sunetlab.errors import InputError
from sunetlab.study.definition import RECIPE, Study
from sunetlab.study.recorded import INTERRUPTED
from sunetlab.study.verdict import Band, dkw_band


@dataclass(frozen=True)
class Distribution:
    """The errors of designs drawn at random.

    Attributes:
        name: the task, and the levels of the recipe's words that vary.
        task: whose.
        levels: of the recipe's words that vary, the level of each.
        designs: (n,) their ids, in the order of their errors.
        band: over the errors, in [0, 1]: 1 − the mean over a design's seeds.
        failed: designs that were drawn and have no result: the distribution is that of the others.
    """

    name: str
    task: str
    levels: dict[str, Any]
    designs: tuple[str, ...]
    band: Band
    failed: int


def distributions(study: Study, table: pd.DataFrame) -> list[Distribution]:
    """A distribution for each task and, where words of the recipe vary, for each combination of them.

    Args:
        study: its designs are drawn at random.
        table: of its trials (`results.trials`).

    Raises:
        InputError: they are not, or not all of them have been trained yet.
    """
    refuse(study, table)
    words = [RECIPE + word for word in study.recipe_factors]
    ended = table[table["stage"] == "trial"]
    found = []
    for task in study.tasks:
        mine = ended[ended["task"] == task.task]
        groups = mine.groupby(words, sort=False) if words else [((), mine)]
        for levels, group in groups:
            found += _distribution(task.task, dict(zip(words, levels, strict=True)), group)
    return found


def refuse(study: Study, table: pd.DataFrame) -> None:
    """See that a study's designs are a random sample of their space.

    Raises:
        InputError: they are not.
    """
    rule = "a distribution of errors takes designs drawn at random, each trained to its end"
    if study.is_adaptive:
        how = f"{study.sampler} chose its designs by the results of those before"
        raise InputError(f"sampler: {study.sampler}: {rule}; {how}, so that good ones are overrepresented")
    if study.sampler != "random":
        how = "somebody said which they are" if study.arms else "they are all combinations of levels"
        raise InputError(f"sampler: {study.sampler}: {rule}; here {how}")
    if not study.is_random:
        raise InputError(f"pruner: {study.pruner}: {rule}; it stops those that look bad early")
    mine = table[table["stage"] == "trial"]
    done = mine[(mine["state"] == "finished") | ((mine["state"] == "failed") & (mine["reason"] != INTERRUPTED))]
    left = set(zip(mine["task"], mine["design"], strict=True)) - set(zip(done["task"], done["design"], strict=True))
    if left or done.empty:
        count = f"{len(left)} of {mine['design'].nunique()} are" if left else "all are"
        raise InputError(f"designs: {count} still to be trained; those that come first are no random sample of all")


def _distribution(task: str, levels: dict[str, Any], group: pd.DataFrame) -> list[Distribution]:
    """The distribution of a group of trials; none where no design has a result."""
    means = group[group["state"] == "finished"].groupby("design", sort=False)["value"].mean()
    if means.empty:
        return []
    errors = (1.0 - means).sort_values(kind="stable")
    name = ", ".join((task, *(f"{word} {level}" for word, level in levels.items())))
    designs = tuple(map(str, errors.index))
    return [
        Distribution(name, task, levels, designs, dkw_band(errors.to_numpy()), group["design"].nunique() - len(designs))
    ]
