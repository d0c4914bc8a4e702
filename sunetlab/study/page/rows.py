"""A study's tables → the designs of a page: their names, keys and seeds, their curves, the levels of their factors."""

import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sunetlab.space.factors import in_order
from sunetlab.study.definition import Study
from sunetlab.study.page.arms import Arm, Curve, Level
from sunetlab.study.recorded import INTERRUPTED
from sunetlab.study.standing import TIE
from sunetlab.train.run import read_log

Row = dict[str, Any]
MOST_CURVES = 400  # of designs that are not the best: more than that is a cloud, and files to be read


class Names:
    """What designs are called on a page and the keys by which it ties together what it says of each.

    A design has the same key for every task, and in every stage of a search.
    """

    def __init__(self, study: Study) -> None:
        self.varied, self.telling = tuple(study.varied), study.telling
        self.keys: dict[tuple[Any, ...], str] = {}

    def key(self, row: Row) -> str:
        """The key of the design that a row is of."""
        levels = tuple(row[name] for name in self.varied)
        return self.keys.setdefault(levels, f"d{len(self.keys)}")

    def label(self, row: Row) -> str:
        """A design by the factors that tell it from the others: depth 2, n 16."""
        return ", ".join(f"{name}{TIE}{row[name]}" for name in self.telling)


class Group(NamedTuple):
    """The designs of one stage of a task, the best first: their rows, as charts have them, and their trials."""

    rows: tuple[Row, ...]
    arms: tuple[Arm, ...]
    trials: tuple[Row, ...]


def records(table: pd.DataFrame, **wanted: str) -> list[Row]:
    """The rows of a table that have the values wanted; pandas' own `to_dict` takes four times as long."""
    for column, value in wanted.items():
        table = table[table[column] == value]
    keys = [str(key) for key in table]
    return [dict(zip(keys, row, strict=True)) for row in zip(*(table[key].tolist() for key in keys), strict=True)]


def group(names: Names, rows: Sequence[Row], trials: Sequence[Row], column: str = "value") -> Group:
    """The designs of a stage.

    Args:
        names: the page's.
        rows: of `results.arms`, those of one task and stage.
        trials: of `results.trials`, likewise.
        column: of the trials, whose values charts show.
    """
    own = ("design", *names.varied)  # the id alone is not enough: two combinations may make the same network
    seeds: dict[tuple[Any, ...], list[Row]] = {}
    for trial in trials:
        if trial["state"] == "finished":
            seeds.setdefault(tuple(trial[word] for word in own), []).append(trial)
    arms = tuple(
        _arm(names, row, seeds.get(tuple(row[word] for word in own), ()), column, is_best=row is rows[0])
        for row in rows
    )
    return Group(tuple(rows), arms, tuple(trials))


def failed(trial: Row) -> bool:
    """Whether a trial failed for good; an interrupted one is run again."""
    return bool(trial["state"] == "failed" and trial["reason"] != INTERRUPTED)


def curves(names: Names, home: Path, found: Group, key: str) -> list[Curve]:
    """A curve of every trial that has finished an epoch; of one that failed or was stopped, as far as it came.

    Of thousands of trials only those of the best design and every so manieth of the others.

    Args:
        names: the page's.
        home: where the trials' folders are.
        found: the designs.
        key: the figure of a log's lines.
    """
    best, made = found.arms[0].key if found.arms else None, []
    others = itertools.count()
    for trial in found.trials:
        own = names.key(trial)
        is_best = own == best
        if not is_best and next(others) % apart(found):
            continue
        values = tuple(100 * float(epoch.get(key, math.nan)) for epoch in read_log(home / trial["folder"]))
        if any(map(math.isfinite, values)):
            label = f"{names.label(trial)}, seed {trial['seed']}"
            made.append(Curve(label, values, failed(trial) or trial["state"] == "pruned", is_best, own))
    return made


def apart(found: Group) -> int:
    """Of how many trials in a row one has its curve drawn."""
    return max(1, round(len(found.trials) / MOST_CURVES))


def levels(study: Study, factor: str, found: Group) -> list[Level]:
    """The designs by their level of `factor`; inside a level in the order of the other factors' levels."""
    rows = found.rows
    places = {name: in_order((row[name] for row in rows), said) for name, said in study.varied.items()}
    order = sorted(range(len(rows)), key=lambda i: [places[name].index(rows[i][name]) for name in places])
    groups = {level: [found.arms[i] for i in order if rows[i][factor] == level] for level in places[factor]}
    return [Level(str(level), tuple(arms)) for level, arms in groups.items() if arms]


def _arm(names: Names, row: Row, trials: Iterable[Row], column: str, is_best: bool) -> Arm:
    values = tuple(100 * float(trial[column]) for trial in sorted(trials, key=lambda trial: int(trial["seed"])))
    return Arm(names.label(row), values, is_best, names.key(row))
