"""What designs are in their study beside their results: a baseline, named beside the winners, on the Pareto front."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sunetlab.draw.front import pareto_front
from sunetlab.space.factors import level_name
from sunetlab.study.definition import Study
from sunetlab.study.designs import beside

BASELINE, BESIDE, FRONT = "baseline", "beside", "front"
Row = Mapping[str, Any]


def marks(study: Study, trials: pd.DataFrame, rows: Sequence[Row]) -> list[str]:
    """The mark of each of a task's designs in one stage, "" for most.

    A comparison's baselines and the first design beside a search's winners are the baselines; others of yours stand
    beside the winners; of a search for two aims the front is what no other design is better than for its cost.

    Args:
        study: the study.
        trials: of all its trials (`results.trials`).
        rows: of the designs: their stage, task, design, levels, value, and cost.
    """
    if not rows:
        return []
    if rows[0]["stage"] == "winner":
        named = _beside(study, trials[trials["task"] == rows[0]["task"]])
        return [named.get(row["design"], "") for row in rows]
    if study.cost is not None:
        front = pareto_front([(float(row[study.cost]), float(row["value"])) for row in rows])
        return [FRONT if place in front else "" for place in range(len(rows))]
    wanted = {word: level_name(level) for word, level in (study.baseline or {}).items()}
    return [BASELINE if wanted and all(row[word] == level for word, level in wanted.items()) else "" for row in rows]


def _beside(study: Study, trials: pd.DataFrame) -> dict[str, str]:
    """The ids of the designs that were named beside the winners, with their marks."""
    task = next(task for task in study.tasks if task.task in set(trials["task"]))
    trials = trials[trials["stage"] == "winner"].astype(object)
    found: dict[str, str] = {}
    for place, one in enumerate(beside(study, task, classes=2)):
        for row in trials.where(trials.notna(), None).to_dict("records"):
            if all(row[word] == level for word, level in one.levels.items() if word in row):
                found[row["design"]] = BESIDE if place else BASELINE
    return found
