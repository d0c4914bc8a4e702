"""How much each factor matters: shares of the variance between designs where factors are crossed, else PED-ANOVA.

Where every level of a factor meets every level of the others equally often, the sums of squares of the main effects are
parts of the total (Fisher 1925), and a share is η². Where designs were drawn or searched they are no such parts, and
what is told is how differently the best designs are spread over a factor's levels than all of them are (PED-ANOVA,
Watanabe, Bansal & Hutter 2023, by Optuna). Either is above 0 by chance alone, the more so the more levels a factor has
and the fewer designs there are; so beside each stands what it is when results are shuffled over the designs.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import create_trial

Codes = dict[str, NDArray[np.int64]]

FEWEST = 15  # designs for PED-ANOVA: its best part is five designs at least, and should not be most of them
_BEST = 5  # designs in that part at least
_BEST_PART = 0.1  # of all designs, where those are more
_SHUFFLES, _DRAWS = 999, 99  # of results over designs: for η², for PED-ANOVA
_BELOW = 0.95  # part of the shuffles that stay at or below what is told of chance


@dataclass(frozen=True)
class Importance:
    """What factors have to do with the results of designs.

    Attributes:
        method: "variance", shares of the variance between designs' means, or "best", of the PED-ANOVA divergences.
        shares: factor → its share, the largest first; with `rest` they sum to 1.
        chance: factor → a share that shuffled results exceed once in twenty times.
        rest: interactions and all else; 0 for "best".
        designs: how many there are.
        best: how many of them are the best ones; 0 for "variance".
    """

    method: Literal["variance", "best"]
    shares: dict[str, float]
    chance: dict[str, float]
    rest: float
    designs: int
    best: int = 0


def importance(levels: Mapping[str, Sequence[Any]], values: Sequence[float], seed: int = 0) -> Importance | None:
    """The importance of factors; None where it would mean nothing.

    That is so for a single factor, for results that are all the same, and for fewer than 15 designs whose factors are
    not crossed: of two factors that change together nobody can tell which it was.

    Args:
        levels: factor → (designs,) the level that each design has.
        values: (designs,) their results; larger is better.
        seed: of the shuffles.
    """
    codes = {name: _codes(found) for name, found in levels.items() if len(set(found)) > 1}
    results = np.asarray(values, dtype=np.float64)
    if len(codes) < 2 or np.ptp(results) == 0:
        return None
    if are_crossed(codes):
        return _of_variance(codes, results, seed)
    if len(results) >= FEWEST:
        ordered = {name for name in codes if all(isinstance(level, int | float) for level in levels[name])}
        return _of_best(codes, results, ordered, seed)
    return None


def are_crossed(codes: Mapping[str, Sequence[int] | NDArray[np.int64]]) -> bool:
    """Whether every two factors' levels meet in proportion, n_ij = n_i · n_j / n, so that main effects are orthogonal.

    A full factorial is crossed, and so is one with equally many repeats or a regular fraction of one.

    Args:
        codes: factor → (designs,) its levels.
    """
    for one, other in combinations([list(found) for found in codes.values()], 2):
        rows, columns, cells = Counter(one), Counter(other), Counter(zip(one, other, strict=True))
        if any(cells[i, j] * len(one) != rows[i] * columns[j] for i in rows for j in columns):
            return False
    return True


def eta_squared(codes: NDArray[np.int64], results: NDArray[np.float64]) -> NDArray[np.float64]:
    """η² of one factor: Σ n_level (mean of level − mean)² / Σ (result − mean)².

    Args:
        codes: (designs,) the factor's levels, counted from 0.
        results: (…, designs), not all the same.
    """
    centred = results - results.mean(axis=-1, keepdims=True)
    is_level = (codes[:, None] == np.arange(codes.max() + 1)).astype(np.float64)  # (designs, levels)
    between = ((centred @ is_level) ** 2 / is_level.sum(axis=0)).sum(axis=-1)
    share: NDArray[np.float64] = between / (centred**2).sum(axis=-1)
    return share


def _of_variance(codes: Codes, results: NDArray[np.float64], seed: int) -> Importance:
    shuffled = np.random.default_rng(seed).permuted(np.tile(results, (_SHUFFLES, 1)), axis=1)
    shares = {name: float(eta_squared(found, results)) for name, found in codes.items()}
    chance = {name: float(np.quantile(eta_squared(found, shuffled), _BELOW)) for name, found in codes.items()}
    rest = max(0.0, 1.0 - sum(shares.values()))
    return Importance("variance", _largest_first(shares), chance, rest, len(results))


def _of_best(codes: Codes, results: NDArray[np.float64], ordered: set[str], seed: int) -> Importance | None:
    shares = _divergences(codes, results, ordered)
    total = sum(shares.values())
    if not total:
        return None
    rng = np.random.default_rng(seed)
    drawn = [_divergences(codes, rng.permutation(results), ordered) for _ in range(_DRAWS)]
    return Importance(
        "best",
        _largest_first({name: share / total for name, share in shares.items()}),
        {name: float(np.quantile([each[name] for each in drawn], _BELOW)) / total for name in codes},
        0.0,
        len(results),
        _best_of(len(results)),
    )


def _best_of(designs: int) -> int:
    return max(_BEST, math.ceil(_BEST_PART * designs - 1e-9))


def _divergences(codes: Codes, results: NDArray[np.float64], ordered: set[str]) -> dict[str, float]:
    """PED-ANOVA of each factor: Pearson's divergence of the best designs' density over its levels from that of all."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sides: dict[str, BaseDistribution] = {
        name: IntDistribution(0, int(found.max()))
        if name in ordered
        else CategoricalDistribution(list(range(int(found.max()) + 1)))
        for name, found in codes.items()
    }
    study = optuna.create_study(direction="maximize")
    points = [{name: int(found[i]) for name, found in codes.items()} for i in range(len(results))]
    study.add_trials(
        [
            create_trial(params=point, distributions=sides, value=float(value))
            for point, value in zip(points, results, strict=True)
        ]
    )
    part = _best_of(len(results)) / len(results)
    return PedAnovaImportanceEvaluator(target_quantile=part).evaluate(study)


def _codes(levels: Sequence[Any]) -> NDArray[np.int64]:
    """Levels as numbers from 0: in their own order where they are numbers, else as they come."""
    distinct = list(dict.fromkeys(levels))
    if all(isinstance(level, int | float) for level in distinct):
        distinct.sort()
    return np.array([distinct.index(level) for level in levels], dtype=np.int64)


def _largest_first(shares: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
