"""The ten shapes, each a test of points in the object's own frame, where the object fills the unit circle."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sunetlab.train.data.made.hashing import F32

Mask = NDArray[np.bool_]


def _disc(u: F32, v: F32, _stroke: F32) -> Mask:
    return u * u + v * v <= 1


def _ring(u: F32, v: F32, stroke: F32) -> Mask:
    square = u * u + v * v
    hole = 1 - stroke
    return (square <= 1) & (square >= hole * hole)


def _square(u: F32, v: F32, _stroke: F32) -> Mask:
    return np.maximum(abs(u), abs(v)) <= np.float32(0.75)


def _frame(u: F32, v: F32, stroke: F32) -> Mask:
    reach = np.maximum(abs(u), abs(v))
    return (reach <= np.float32(0.75)) & (reach >= np.float32(0.75) - stroke)


def _triangle(u: F32, v: F32, _stroke: F32) -> Mask:
    inside: Mask = _half_planes(u, v, sides=3, offset=0.5) == 3
    return inside


def _cross(u: F32, v: F32, stroke: F32) -> Mask:
    half = np.float32(0.6) * stroke
    a, b = abs(u), abs(v)
    return (np.minimum(a, b) <= half) & (np.maximum(a, b) <= np.float32(0.95))


def _star(u: F32, v: F32, _stroke: F32) -> Mask:
    # A pentagram's five lines pass at cos 72° from the centre; its points lie outside exactly one of them.
    inside: Mask = _half_planes(u, v, sides=5, offset=round(math.cos(2 * math.pi / 5), 6)) >= 4
    return inside


def _crescent(u: F32, v: F32, _stroke: F32) -> Mask:
    w = u - np.float32(0.5)
    inside: Mask = (u * u + v * v <= 1) & (w * w + v * v >= np.float32(0.7))
    return inside


def _ell(u: F32, v: F32, stroke: F32) -> Mask:
    edge = np.float32(0.75)
    return (np.maximum(abs(u), abs(v)) <= edge) & (np.minimum(u, v) <= stroke - edge)


def _bar(u: F32, v: F32, stroke: F32) -> Mask:
    return (abs(u) <= 1) & (abs(v) <= np.float32(0.5) * stroke)


SHAPES: dict[str, Callable[[F32, F32, F32], Mask]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "frame": _frame,
    "triangle": _triangle,
    "cross": _cross,
    "star": _star,
    "crescent": _crescent,
    "ell": _ell,
    "bar": _bar,
}
"""From name to test: u, v (n, H, W) and stroke (n, 1, 1), in radii, to bool (n, H, W)."""

AREAS = np.array([3.14, 1.69, 2.25, 1.51, 1.30, 1.31, 1.12, 1.43, 0.86, 0.64], dtype=np.float32)
"""Each shape's area in squared radii at the middle stroke, 0.32; a test measures them."""


def _half_planes(u: F32, v: F32, sides: int, offset: float) -> NDArray[np.uint8]:
    """In how many of the half planes n·p ≤ offset, with `sides` normals n spread evenly, each point lies."""
    count = np.zeros(u.shape, dtype=np.uint8)
    for k in range(sides):
        angle = 2 * math.pi * k / sides
        cos, sin = np.float32(round(math.cos(angle), 6)), np.float32(round(math.sin(angle), 6))
        count += cos * u + sin * v <= np.float32(offset)
    return count
