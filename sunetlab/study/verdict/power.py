"""What so many pairs can show, before and after they are trained.

The sign-flip test is about as strong as the paired t-test where differences are normal, whose power is that of a
noncentral t (Cohen 1988, §2); and it shows nothing at all where even the rarest pattern of signs is not rare enough.
"""

import math
from functools import lru_cache

from scipy.special import nctdtr, stdtrit

_CERTAIN = 30.0  # deviations beyond the test's own limit: no chance is left worth a digit


def power_of(effect: float, pairs: int, spread: float, alpha: float = 0.05) -> float:
    """The chance that `pairs` pairs show a true mean difference `effect`, two-sided at level `alpha`.

    Args:
        effect: the true mean difference.
        pairs: how many pairs there are.
        spread: standard deviation of the differences, in the unit of `effect`.
        alpha: level of the test.
    """
    if not _can_show(pairs, alpha):
        return 0.0
    if spread == 0:
        return 1.0 if effect else 0.0
    shift, freedom = abs(effect) / spread * math.sqrt(pairs), pairs - 1
    beyond = _critical(pairs, alpha)
    if shift > beyond + _CERTAIN:
        return 1.0
    other_side = float(nctdtr(freedom, shift, -beyond))  # nan where it is too small for scipy
    return float(nctdtr(freedom, -shift, -beyond)) + (0.0 if math.isnan(other_side) else other_side)


def detectable_effect(pairs: int, spread: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """The least true mean difference that `pairs` pairs show with a chance of `power`; inf where none could be shown.

    Args:
        pairs: how many pairs there are.
        spread: standard deviation of the differences.
        alpha: level of the test.
        power: the chance asked for.
    """
    if not _can_show(pairs, alpha) or math.isnan(spread):
        return math.inf
    return spread * _detectable_of_one(pairs, alpha, power)


@lru_cache  # a family's comparisons have as many pairs, most of them
def _detectable_of_one(pairs: int, alpha: float, power: float) -> float:
    """The least effect that is shown of differences whose standard deviation is 1."""
    low, high = 0.0, (_critical(pairs, alpha) + 2 * _CERTAIN) / math.sqrt(pairs)
    while low < (middle := (low + high) / 2) < high:  # halved until no number lies between
        low, high = (low, middle) if power_of(middle, pairs, 1.0, alpha) >= power else (middle, high)
    return high


def pairs_needed(effect: float, spread: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """The fewest pairs that show a true mean difference `effect` with a chance of `power`.

    Args:
        effect: the true mean difference, not 0.
        spread: standard deviation of the differences.
        alpha: level of the test.
        power: the chance asked for.

    Raises:
        ValueError: `effect` is 0, which no number of pairs shows.
    """
    if not effect:
        raise ValueError("effect: 0: no number of pairs shows that there is nothing")
    pairs = 1
    while power_of(effect, pairs, spread, alpha) < power:  # doubled, then halved
        pairs *= 2
    low, high = pairs // 2, pairs
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(effect, middle, spread, alpha) >= power else (middle, high)
    return high


def _critical(pairs: int, alpha: float) -> float:
    """Beyond what t the paired t-test is significant, at either side."""
    return -float(stdtrit(pairs - 1, alpha / 2))


def _can_show(pairs: int, alpha: float) -> bool:
    """Whether the rarest pattern of signs is rare enough: 2 of 2^n."""
    return pairs > 1 and 2.0 ** (1 - pairs) <= alpha * (1 + 1e-12)
