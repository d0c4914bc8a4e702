"""Do two measures put the same designs in the same order?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

_FEWEST = 5  # designs: the interval's deviation is sqrt(0.437 / (n - 4))


@dataclass(frozen=True)
class Rank:
    """Kendall's τ-b of two measures on the same designs.

    Attributes:
        tau: in [-1, 1]; nan where a measure has one value only, or one design.
        low, high: of its interval; (-1, 1) where there are too few designs for one.
        p: of no relation, two-sided; exact where there are no ties.
        designs: how many there are.
    """

    tau: float
    low: float
    high: float
    p: float
    designs: int


def kendall(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Rank:
    """Rank correlation with the interval of Bonett and Wright (2000): atanh(τ) has deviation sqrt(0.437 / (n - 4)).

    Args:
        first: (designs,) a measure of each design.
        second: Another, in the same order of designs.
        confidence: of the interval.

    Raises:
        ValueError: the two differ in length.
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"measures of shapes {a.shape} and {b.shape}: both must be of the same designs")
    if len(a) < 2:
        return Rank(math.nan, -1.0, 1.0, math.nan, len(a))
    from scipy.stats import kendalltau  # takes half a second to load, and few studies rank

    found = kendalltau(a, b)
    tau = float(found.statistic)
    if len(a) < _FEWEST or math.isnan(tau):
        return Rank(tau, -1.0, 1.0, float(found.pvalue), len(a))
    reach = float(ndtri((1 + confidence) / 2)) * math.sqrt(0.437 / (len(a) - 4))
    inside = math.atanh(max(min(tau, 1 - 1e-12), -1 + 1e-12))
    return Rank(tau, math.tanh(inside - reach), math.tanh(inside + reach), float(found.pvalue), len(a))
