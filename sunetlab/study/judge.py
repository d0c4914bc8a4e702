"""A study's table → verdicts: every arm against the one that was named before anything was trained, seed by seed."""

from typing import Any

import pandas as pd

from sunetlab.study.definition import Study
from sunetlab.study.verdict import Verdict, compare, judged

Levels = tuple[Any, ...]


def verdicts(study: Study, table: pd.DataFrame, task: str) -> list[Verdict]:
    """The verdicts on a task's arms: none where the study names no baseline, or no other arm shares a seed with it.

    Args:
        study: its `baseline` names the arm that the others are compared with.
        table: of its trials (`results.trials`).
        task: whose.

    Raises:
        InputError: no arm has the baseline's levels, or several have.
    """
    if study.baseline is None:
        return []
    mine = table[table["task"] == task]
    arms: dict[Levels, dict[int, float]] = {tuple(levels): {} for levels in mine[list(study.varied)].values.tolist()}
    for row in mine[mine["state"] == "finished"].to_dict("records"):
        arms[tuple(row[name] for name in study.varied)][int(row["seed"])] = float(row["value"])
    if not arms:
        return []
    base = list(arms)[study.baseline_of([dict(zip(study.varied, levels, strict=True)) for levels in arms])]
    comparisons = {}
    for levels, values in arms.items():
        shared = sorted(values.keys() & arms[base].keys())
        if levels != base and shared:
            first, second = ([of[seed] for seed in shared] for of in (arms[base], values))
            comparisons[_label(study, levels)] = compare(first, second)
    return judged(_label(study, base), comparisons) if comparisons else []


def _label(study: Study, levels: Levels) -> str:
    """An arm by the factors that tell it from the others."""
    telling = [name for name, said in study.varied.items() if len(said) > 1] or list(study.varied)
    return ", ".join(f"{name} {level}" for name, level in zip(study.varied, levels, strict=True) if name in telling)
