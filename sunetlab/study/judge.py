"""A study's table → verdicts: every arm against the one that was named before anything was trained, seed by seed."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sunetlab.space.factors import level_name
from sunetlab.study.baseline import families
from sunetlab.study.definition import OF_TASKS, Study
from sunetlab.study.designs import beside
from sunetlab.study.results import last_stage
from sunetlab.study.verdict import Comparison, Ranking, Verdict, compare_all, judged, ranked

Levels = tuple[Any, ...]
Values = dict[Levels, dict[int, float]]  # an arm's levels → seed → result


def verdicts(study: Study, table: pd.DataFrame, task: str) -> list[Verdict]:
    """The verdicts on a task's arms: none where the study names no baseline, or no other arm shares a seed with it.

    A search's winners are compared with the first design that stands beside them, by the test split where they were
    tested.

    Args:
        study: its `baseline` names the arm that the others are compared with.
        table: of its trials (`results.trials`).
        task: whose.

    Raises:
        InputError: no arm has the baseline's levels, or the others cannot be told to one.
    """
    mine = table[table["task"] == task]
    if study.winners is not None and study.winners.beside:
        return _of_winners(study, mine[mine["stage"] == "winner"]) if last_stage(table, task) == "winner" else []
    if study.baseline is None or mine.empty:
        return []
    mine = mine[mine["stage"] == "trial"]
    values = _values(mine, list(study.varied), "value")
    arms = list(values)
    if not arms:
        return []
    named = [dict(zip(study.varied, levels, strict=True)) for levels in arms]
    told = {arm: label(study, arm) for arm in arms}
    found: dict[tuple[str, str], Comparison] = {}
    strata = families(study.baseline, study.telling, named)
    for base, others in strata.items():
        found |= _compared(told, values, arms[base], [arms[other] for other in others])
    return judged(found, family=sum(map(len, strata.values())))  # what failed was asked all the same


def rankings(study: Study, table: pd.DataFrame) -> dict[str, list[Ranking]]:
    """By task: whether designs keep their order from one task, or from one level of a word, to another.

    Where tasks are ranked the one entry stands under the last of them. Levels of a word are each compared with its
    last. Designs count that have finished trials of both.

    Args:
        study: its `rank` says of what.
        table: of its trials.
    """
    if study.rank is None:
        return {}
    mine = table[table["stage"] == "trial"]
    tasks = [task.task for task in study.tasks]
    if study.rank == OF_TASKS:
        first, second = (_means(mine[mine["task"] == task], study.telling) for task in (tasks[0], tasks[-1]))
        return {tasks[-1]: [_ranking(tasks[0], tasks[-1], first, second)]}
    rest = [word for word in study.telling if word != study.rank]
    levels = list(dict.fromkeys(level_name(level) for level in study.varied[study.rank]))
    found: dict[str, list[Ranking]] = {}
    for task in tasks:
        here = mine[mine["task"] == task]
        by_level = [_means(here[here[study.rank] == level], rest) for level in levels]
        names = [f"{study.rank} {level}" for level in levels]
        found[task] = [
            _ranking(name, names[-1], means, by_level[-1])
            for name, means in zip(names[:-1], by_level[:-1], strict=True)
        ]
    return found


def label(study: Study, levels: Levels) -> str:
    """An arm by the factors that tell it from the others."""
    return ", ".join(
        _said(name, level) for name, level in zip(study.varied, levels, strict=True) if name in study.telling
    )


def _said(word: str, level: Any) -> str:
    return f"{word} {level:g}" if isinstance(level, float) else f"{word} {level}"


def _of_winners(study: Study, mine: pd.DataFrame) -> list[Verdict]:
    assert study.winners is not None
    tested = bool(mine.loc[mine["state"] == "finished", "test"].notna().all())
    names = dict.fromkeys([*study.varied, *(word for words in study.winners.beside for word in words)])
    values = _values(mine.astype(object).where(mine.notna(), None), list(names), "test" if tested else "value")
    task = next(task for task in study.tasks if task.task in set(mine["task"]))
    (first, *_) = beside(study, task, classes=2)
    base = tuple(first.levels.get(name) for name in names)
    if base not in values:
        return []
    others = [arm for arm in values if arm != base]
    told = {arm: _named(study, dict(zip(names, arm, strict=True))) for arm in values}
    unit = "points on the test split" if tested else "points"
    return judged(_compared(told, values, base, others), unit, family=len(others))


def _named(study: Study, levels: Mapping[str, Any]) -> str:
    """A winner, or a design beside the winners with what else it says."""
    others = [_said(word, level) for word, level in levels.items() if word not in study.varied and level is not None]
    return ", ".join([label(study, tuple(levels[word] for word in study.varied)), *others])


def _compared(
    named: Mapping[Levels, str], values: Values, base: Levels, others: list[Levels]
) -> dict[tuple[str, str], Comparison]:
    """Every arm of a family that shares a seed with its baseline, by both names."""
    shared = {arm: seeds for arm in others if (seeds := sorted(values[arm].keys() & values[base].keys()))}
    pairs = [
        ([values[base][seed] for seed in seeds], [values[arm][seed] for seed in seeds]) for arm, seeds in shared.items()
    ]
    return dict(zip([(named[arm], named[base]) for arm in shared], compare_all(pairs), strict=True))


def _values(table: pd.DataFrame, names: list[str], column: str) -> Values:
    """Every arm that has a trial, with the results of those that finished."""
    values: Values = {}
    state, seed, value = (table[name].tolist() for name in ("state", "seed", column))
    for place, arm in enumerate(zip(*(table[name].tolist() for name in names), strict=True)):
        found = values.setdefault(arm, {})
        if state[place] == "finished":
            found[int(seed[place])] = float(value[place])
    return values


def _means(table: pd.DataFrame, words: list[str]) -> pd.Series:
    """The mean of every design over its finished seeds, by the levels of some words."""
    finished = table[table["state"] == "finished"]
    return finished.groupby(words, sort=False, dropna=False)["value"].mean()


def _ranking(first: str, second: str, a: pd.Series, b: pd.Series) -> Ranking:
    shared = [key for key in a.index if key in b.index]
    return ranked(first, second, [float(a[key]) for key in shared], [float(b[key]) for key in shared])


def unjudged(study: Study, table: pd.DataFrame, task: str) -> list[str]:
    """Arms of a comparison that is over of which no trial has finished, so that no verdict speaks of them."""
    mine = table[(table["task"] == task) & (table["stage"] == "trial")]
    if study.baseline is None or mine["state"].isin(["waiting", "running"]).any():
        return []
    values = _values(mine, list(study.varied), "value")
    return [
        f"{label(study, arm)}: no conclusion: none of its trials has finished." for arm in values if not values[arm]
    ]


def rates_at_edge(study: Study, table: pd.DataFrame, task: str) -> list[str]:
    """Arms whose best learning rate was the lowest or highest of those tried, so that a better one may lie beyond."""
    mine = table[table["task"] == task]
    tuning, chosen = mine[mine["stage"] == "tuning"], mine[mine["stage"] == "trial"]
    if study.tune is None or chosen.empty:
        return []
    ends = {float(tuning["lr"].min()): "lowest", float(tuning["lr"].max()): "highest"}
    arms: dict[float, list[str]] = {rate: [] for rate in ends}
    for row in chosen[[*study.varied, "lr"]].drop_duplicates().to_dict("records"):
        if row["lr"] in ends:
            arms[row["lr"]].append(label(study, tuple(row[word] for word in study.varied)))
    return [
        f"{'; '.join(names)} took the {ends[rate]} learning rate that was tried, {rate:g}: a better one may lie beyond."
        for rate, names in arms.items()
        if names
    ]
