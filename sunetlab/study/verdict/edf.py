"""Distributions of errors over designs drawn at random (Radosavovic et al. 2019), with the band that holds all of them.

Only a draw at random says something of the space that it is from: the trials of an adaptive sampler, or of a study that
stops some of them early, were chosen by the results.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Band:
    """An empirical distribution function and its band.

    Attributes:
        values: (n,) rising.
        part: (n,) of the values that are at most that.
        half_width: the whole true function lies within so much of `part`, with the confidence asked for.
    """

    values: NDArray[np.float64]
    part: NDArray[np.float64]
    half_width: float


def dkw_band(values: ArrayLike, confidence: float = 0.95) -> Band:
    """The band of Dvoretzky, Kiefer and Wolfowitz with Massart's (1990) constant: sqrt(ln(2 / (1 - confidence)) / 2n).

    Args:
        values: (n,) one of each design that was drawn.
        confidence: that the whole function lies within the band.

    Raises:
        ValueError: there are none.
    """
    found = np.sort(np.asarray(values, dtype=np.float64))
    if found.ndim != 1 or not len(found):
        raise ValueError("no values: a distribution takes at least one")
    part = np.arange(1, len(found) + 1) / len(found)
    return Band(found, part, math.sqrt(math.log(2 / (1 - confidence)) / (2 * len(found))))
