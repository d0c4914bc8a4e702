"""Surfaces: two colours and a pattern. Objects and background draw theirs here, so a surface tells no class."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sunetlab.train.data.made.hashing import F32, U64, below, bits, uniform

ROTATIONS = np.array(
    [[round(f(2 * math.pi * k / 360), 6) for f in (math.cos, math.sin)] for k in range(360)], dtype=np.float32
)
"""(cos, sin) of each degree, rounded: the last bits of a machine's sine must not reach a pixel."""

LATTICE = 16
LOW, HIGH = np.float32(32), np.float32(224)  # the range of a surface's mean colour
CONTRAST = np.float32(48)  # at least, in some channel, between the means of an object and its background; see `apart`


@dataclass(frozen=True)
class Surfaces:
    """S surfaces.

    Attributes:
        kind: int64 (S,), an index into PATTERNS.
        rotation: int64 (S,), degrees.
        period: (S,) in px.
        phase: (S, 2) in periods.
        mean: (S, 3), the mean of both colours, 0–255.
        swing: (S, 3), half the difference of both colours.
        key: uint64 (S,), for the blotches.
    """

    kind: NDArray[np.int64]
    rotation: NDArray[np.int64]
    period: F32
    phase: F32
    mean: F32
    swing: F32
    key: U64


def draw_surfaces(keys: U64, field: int, side: int, swing: float = 1.0) -> Surfaces:
    """One surface per key, for images whose shorter side is `side` px; uses the fields `field` … `field + 3`.

    `swing` is the strength of the patterns, as a part of the full one.
    """
    u = uniform(keys, field, 9)
    return Surfaces(
        kind=below(keys, field + 1, 1, len(PATTERNS))[:, 0],
        rotation=below(keys, field + 2, 1, 360)[:, 0],
        period=np.maximum(np.float32(0.06 * side) + np.float32(0.24 * side) * u[:, 0] * u[:, 0], np.float32(3)),
        phase=u[:, 1:3],
        mean=LOW + (HIGH - LOW) * u[:, 3:6],
        swing=np.float32(80 * swing) * (u[:, 6:9] - np.float32(0.5)),
        key=bits(keys, field + 3, 1)[:, 0],
    )


def apart(mean: F32, other: F32) -> F32:
    """Move the mean colours (S, 3) that are too close to `other` (S, 3) half-way round the range of each channel.

    The shift wraps, so a uniform draw stays uniform; nothing is drawn again. Half the range is 96, so what was closer
    than 48 is further than 48 afterwards: no larger CONTRAST can be kept in this way.
    """
    close = (abs(mean - other) < CONTRAST).all(axis=1, keepdims=True)
    span = HIGH - LOW
    moved = mean + span * np.float32(0.5)
    moved = np.where(moved >= HIGH, moved - span, moved)
    return np.where(close, moved, mean)


def patterns(surfaces: Surfaces, height: int, width: int) -> F32:
    """How far each pixel is from a surface's first colour (−1) to its second (1): (S, height, width)."""
    out = np.empty((len(surfaces.kind), height, width), dtype=np.float32)
    for kind, pattern in enumerate(PATTERNS):
        rows = np.nonzero(surfaces.kind == kind)[0]
        if len(rows):
            out[rows] = pattern(*_coordinates(surfaces, rows, height, width), surfaces.key[rows])
    return out


def _coordinates(surfaces: Surfaces, rows: NDArray[np.int64], height: int, width: int) -> tuple[F32, F32]:
    """Rotated pixel coordinates in periods: two arrays (rows, height, width)."""
    cos, sin = (ROTATIONS[surfaces.rotation[rows]] / surfaces.period[rows, None]).T[:, :, None, None]
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)[:, None]
    phase = surfaces.phase[rows].T[:, :, None, None]
    return (cos * x + phase[0]) + sin * y, (cos * y + phase[1]) - sin * x


def _flat(x: F32, _y: F32, _keys: U64) -> F32:
    return np.zeros_like(x)


def _stripes(x: F32, _y: F32, _keys: U64) -> F32:
    return _sign(x - np.floor(x) < np.float32(0.5))


def _checker(x: F32, y: F32, _keys: U64) -> F32:
    return _sign((x - np.floor(x) < np.float32(0.5)) ^ (y - np.floor(y) < np.float32(0.5)))


def _gradient(x: F32, _y: F32, _keys: U64) -> F32:
    x = x * np.float32(0.25)
    return abs(x - np.floor(x) - np.float32(0.5)) * np.float32(4) - np.float32(1)


def _blotches(x: F32, y: F32, keys: U64) -> F32:
    """Value noise: random values on a wrapping lattice, interpolated smoothly between and then stretched."""
    values = uniform(keys, 0, LATTICE * LATTICE).ravel()
    first = (np.arange(len(keys), dtype=np.int32) * (LATTICE * LATTICE))[:, None, None]
    left, top = np.floor(x), np.floor(y)
    fx, fy = _smooth(x - left), _smooth(y - top)
    i, j = left.astype(np.int32) & (LATTICE - 1), top.astype(np.int32) & (LATTICE - 1)
    right, below_ = (i + 1) & (LATTICE - 1), ((j + 1) & (LATTICE - 1)) * LATTICE + first
    j = j * LATTICE + first
    upper = _between(values[j + i], values[j + right], fx)
    lower = _between(values[below_ + i], values[below_ + right], fx)
    stretched: F32 = np.clip((_between(upper, lower, fy) - np.float32(0.5)) * np.float32(4), -1, 1)
    return stretched


PATTERNS: tuple[Callable[[F32, F32, U64], F32], ...] = (_flat, _stripes, _checker, _gradient, _blotches)


def _sign(positive: NDArray[np.bool_]) -> F32:
    return positive.astype(np.float32) * np.float32(2) - np.float32(1)


def _smooth(f: F32) -> F32:
    return f * f * (np.float32(3) - np.float32(2) * f)


def _between(a: F32, b: F32, f: F32) -> F32:
    return a + (b - a) * f
