"""Two arms that share their seeds: the mean difference, its interval, its exact test.

Seeds, data order and everything else are shared between the arms, so results are compared pair by pair. Nothing is
supposed of the differences' distribution but that, were the arms alike, each could as well have had the other sign.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

EXACT_PAIRS = 16  # up to so many, all 2^n signs are looked at; beyond it so many that are drawn:
DRAWN = 99_999
_NUMBERS = 2**21  # of drawn patterns that are in memory at a time
_RESAMPLED = 2**18  # and of values that are resampled, which stay in a core's cache
RESAMPLES = 9_999  # of the bootstrap
_TOGETHER = 100  # samples that are resampled at once


@dataclass(frozen=True)
class Comparison:
    """One arm against another, over the pairs that both have finished.

    Attributes:
        difference: mean of second - first, in the results' unit.
        low, high: of its BCa interval (Efron 1987).
        p: of the sign-flip test, two-sided; exact up to 16 pairs.
        pairs: how many there are.
        spread: standard deviation of the differences; nan for one pair.
        differences: of each pair, in the order in which they were given.
    """

    difference: float
    low: float
    high: float
    p: float
    pairs: int
    spread: float
    differences: tuple[float, ...]


def compare(first: ArrayLike, second: ArrayLike, confidence: float = 0.95, seed: int = 0) -> Comparison:
    """Compare two arms whose results are in the order of their shared seeds.

    Args:
        first: (pairs,) results, finite.
        second: The other arm's.
        confidence: of the interval.
        seed: of the bootstrap.

    Raises:
        ValueError: the two differ in length, are empty or hold what is not finite.
    """
    (found,) = compare_all([(first, second)], confidence, seed)
    return found


def compare_all(
    pairs: Iterable[tuple[ArrayLike, ArrayLike]], confidence: float = 0.95, seed: int = 0
) -> list[Comparison]:
    """What `compare` says of each of many, in less time: those with as many pairs are resampled together.

    Args:
        pairs: `first` and `second` of every comparison.
        confidence: of each interval.
        seed: of each bootstrap.

    Raises:
        ValueError: as of `compare`.
    """
    found = [_differences(first, second) for first, second in pairs]
    intervals: dict[int, tuple[float, float]] = {}
    for count in {len(differences) for differences in found}:
        places = [place for place, differences in enumerate(found) if len(differences) == count]
        for some in (places[start : start + _TOGETHER] for start in range(0, len(places), _TOGETHER)):
            bounds = bca_intervals(np.stack([found[place] for place in some]), confidence, seed)
            intervals |= dict(zip(some, bounds, strict=True))
    return [
        Comparison(
            difference=float(differences.mean()),
            low=intervals[place][0],
            high=intervals[place][1],
            p=sign_flip_p(differences, seed),
            pairs=len(differences),
            spread=float(differences.std(ddof=1)) if len(differences) > 1 else math.nan,
            differences=tuple(differences.tolist()),
        )
        for place, differences in enumerate(found)
    ]


def _differences(first: ArrayLike, second: ArrayLike) -> Floats:
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ValueError(f"results of shapes {a.shape} and {b.shape}: a comparison takes pairs")
    differences = b - a
    if not np.isfinite(differences).all():
        raise ValueError("results that are not finite cannot be compared")
    return differences


def sign_flip_p(differences: ArrayLike, seed: int = 0) -> float:
    """Two-sided p of the sign-flip test on the mean: the part of all sign patterns that give a mean as far from 0.

    Args:
        differences: (pairs,), one for each pair.
        seed: of the patterns that are drawn, beyond 16 pairs.
    """
    d = np.abs(np.asarray(differences, dtype=np.float64))
    observed = abs(float(np.asarray(differences, dtype=np.float64).sum()))
    if len(d) <= EXACT_PAIRS:
        signs = 1.0 - 2.0 * ((np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1)
        return float(_as_far(signs @ d, observed).mean())
    rng, left, far = np.random.default_rng(seed), DRAWN, 0
    while left:  # some patterns at a time, so that thousands of pairs need no more memory than tens
        rows = min(left, max(1, _NUMBERS // len(d)))
        bits = np.unpackbits(rng.integers(0, 256, (rows, -(-len(d) // 8)), np.uint8), axis=1, count=len(d))
        sums = d.sum() - 2.0 * (bits.astype(np.float64) @ d)
        far, left = far + int(_as_far(sums, observed).sum()), left - rows
    return (far + 1) / (DRAWN + 1)  # the observed pattern is one of them


def _as_far(sums: NDArray[Any], observed: float) -> NDArray[np.bool_]:
    """Whether sums are as far from 0 as the observed one, to within rounding."""
    far: NDArray[np.bool_] = np.abs(sums) >= observed * (1 - 1e-12) - 1e-300
    return far


def fewest_pairs(alpha: float = 0.05) -> int:
    """Pairs with which a two-sided sign-flip test can reach `alpha` at all: the least n with 2 / 2^n <= alpha."""
    return math.ceil(1 - math.log2(alpha) - 1e-12)


def bca_intervals(samples: Floats, confidence: float = 0.95, seed: int = 0) -> list[tuple[float, float]]:
    """Bias-corrected and accelerated bootstrap intervals of the means (Efron 1987).

    A sample of equal values has an interval without width; a single value has none, (-inf, inf).

    Args:
        samples: (samples, values), each of which is resampled with the same draws, as if it were the only one.
        confidence: of each interval.
        seed: of the draws.
    """
    if samples.shape[1] < 2:
        return [(-math.inf, math.inf)] * len(samples)
    bounds = samples[:, :2].copy()
    wide = np.ptp(samples, axis=1) > 0
    if wide.any():
        resampled = _resampled_means(samples[wide], seed)
        levels = _bca_levels(samples[wide], resampled, confidence)
        bounds[wide] = [np.quantile(own, level) for own, level in zip(resampled, levels, strict=True)]
    return [(low, high) for low, high in bounds.tolist()]


def _resampled_means(samples: Floats, seed: int) -> Floats:
    """The means of resamples, (samples, RESAMPLES), each summed in the order in which its sample's own is.

    Where results are rounded many means are the sample's own, and count half: they must be equal to the last bit.
    """
    count, rng = samples.shape[1], np.random.default_rng(seed)
    means = np.empty((len(samples), RESAMPLES))
    for some in np.array_split(means, -(-RESAMPLES * count // _RESAMPLED), axis=1):
        draws = rng.integers(0, count, (some.shape[1], count))
        for sample, own in zip(samples, some, strict=True):
            own[:] = sample.take(draws).mean(axis=1)
    return means


def _bca_levels(samples: Floats, resampled: Floats, confidence: float) -> Floats:
    """At which levels of the resampled means the intervals end, (samples, 2), by Efron (1987).

    Efron and Tibshirani (1993), eq. 14.10, and 14.15 for the acceleration: what the jackknife finds of a mean are the
    distances of its values from it.
    """
    means = samples.mean(axis=1, keepdims=True)
    below = ((resampled < means).mean(axis=1) + (resampled <= means).mean(axis=1)) / 2
    bias, distances = ndtri(below)[:, None], samples - means
    acceleration = ((distances**3).sum(axis=1) / (distances**2).sum(axis=1) ** 1.5 / 6)[:, None]
    ends = bias + ndtri([(1 - confidence) / 2, (1 + confidence) / 2])
    levels: Floats = ndtr(bias + ends / (1 - acceleration * ends))
    return levels
