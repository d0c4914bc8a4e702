"""What a study makes of its own first results: the arms' learning rates, a search's best designs."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from sunetlab.draw.front import pareto_front
from sunetlab.study.recorded import by_candidate, design_of, levels_of, stage_of
from sunetlab.study.search import Tried

Arm = tuple[tuple[str, Any], ...]
_NOT_LEVELS = ("seed", "lr", "epochs")  # what a trial of the tuning is known by beside its arm


def arm_of(levels: Mapping[str, Any]) -> Arm:
    """An arm by its levels, whatever else a trial is known by."""
    return tuple((word, level) for word, level in sorted(levels.items()) if word not in _NOT_LEVELS)


def rates(trials: Sequence[FrozenTrial], base: float) -> dict[Arm, float]:
    """Every arm's best learning rate: by the mean over its seeds, of equals the nearest to `base` on a log scale.

    A rate with which a training failed is worse than any with which all ended; an arm whose every rate failed has the
    lowest.

    Args:
        trials: of the tuning; of a candidate that was run several times the last one with an outcome counts.
        base: the recipe's own rate.
    """
    values: dict[Arm, dict[float, list[float]]] = {}
    for trial in by_candidate(one for one in trials if stage_of(one) == "tuning").values():
        levels = levels_of(trial)
        value = trial.values[0] if trial.state == TrialState.COMPLETE else -math.inf
        values.setdefault(arm_of(levels), {}).setdefault(float(levels["lr"]), []).append(value)
    return {arm: max(found, key=lambda lr: _merit(found[lr], lr, base)) for arm, found in values.items()}


def _merit(values: Sequence[float], lr: float, base: float) -> tuple[float, float]:
    mean = fmean(values)
    return (mean, -lr) if mean == -math.inf else (mean, -abs(math.log(lr / base)))


def outcome(trials: Sequence[FrozenTrial]) -> Tried:
    """What the seeds of a design found: the mean of those that finished, else the reports of one that was stopped."""
    finished = [trial.values for trial in trials if trial.state == TrialState.COMPLETE]
    if finished:
        return Tried(tuple(fmean(each) for each in zip(*finished, strict=True)))
    stopped = [trial.intermediate_values for trial in trials if trial.state == TrialState.PRUNED]
    return Tried((), stopped[0] if stopped else {})


def best(trials: Sequence[FrozenTrial], count: int, by_front: bool = False) -> list[str]:
    """The ids of a search's best designs, the best first, by the means over their finished seeds.

    Args:
        trials: of the search.
        count: how many, at most.
        by_front: only designs than which none is better at the same cost or cheaper; values are (result, cost).
    """
    groups: dict[str, list[FrozenTrial]] = {}
    for trial in by_candidate(trials).values():
        groups.setdefault(design_of(trial), []).append(trial)
    found = {key: tried.values for key, mine in groups.items() if (tried := outcome(mine)).values}
    if by_front:
        keys = list(found)
        found = {keys[i]: found[keys[i]] for i in pareto_front([(found[key][1], found[key][0]) for key in keys])}
    return sorted(found, key=lambda key: -found[key][0])[:count]
