"""Clutter: strokes, blobs and corners, smaller than any object or too thin to be one, that belong to the background.

A layer of clutter is a rotated grid with at most one fragment a cell, each kept inside its cell: a pixel then
looks at one fragment only, however many there are.
"""

import numpy as np
from numpy.typing import NDArray

from sunetlab.train.data.made.hashing import F32, U64, below, uniform
from sunetlab.train.data.made.textures import HIGH, LOW, ROTATIONS

LAYERS = 2
GRID = 32  # the cells of a grid along each axis, before it repeats
FIELDS = 8  # hash fields that a layer uses


def add_clutter(image: F32, keys: U64, field: int) -> None:
    """Paint fragments onto backgrounds.

    Args:
        image: (B, 3, H, W), changed in place.
        keys: uint64 (B,).
        field: The first of the LAYERS · FIELDS hash fields used.
    """
    for layer in range(LAYERS):
        _add_layer(image, keys, field + layer * FIELDS)


def _add_layer(image: F32, keys: U64, field: int) -> None:
    count, _, height, width = image.shape
    side = min(height, width)
    u = uniform(keys, field, 3)[:, :, None, None]
    pitch = np.float32(side) * (np.float32(0.09) + np.float32(0.10) * u[:, 0])
    cos, sin = ROTATIONS[below(keys, field + 1, 1, 360)[:, 0]].T[:, :, None, None] / pitch
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)[:, None]
    gx, gy = (cos * x + u[:, 1]) + sin * y, (cos * y + u[:, 2]) - sin * x
    left, top = np.floor(gx), np.floor(gy)
    column, row = left.astype(np.int32) & (GRID - 1), top.astype(np.int32) & (GRID - 1)
    cell = row * GRID + column + (np.arange(count, dtype=np.int32) * (GRID * GRID))[:, None, None]
    half = np.float32(0.5)
    inside = _fragments(keys, field + 2, cell, gx - left - half, gy - top - half, np.float32(1) / pitch)
    colour = LOW + (HIGH - LOW) * uniform(keys, field + 6, 3 * GRID * GRID).reshape(count, 3, -1)
    where = np.nonzero(inside)
    for channel in range(3):
        image[where[0], channel, where[1], where[2]] = colour[:, channel].ravel()[cell[where]]


def _fragments(keys: U64, field: int, cell: NDArray[np.int32], x: F32, y: F32, px: F32) -> NDArray[np.bool_]:
    """Which pixels lie in a fragment: x, y in cells from the cell's middle; `px` (B, 1, 1) a pixel in cells."""
    cells = GRID * GRID
    kind = below(keys, field, cells, 14).astype(np.uint8).ravel()[cell]  # 0–1 stroke, 2 blob, 3 corner, 4–13 none
    turn = below(keys, field + 1, cells, 360).ravel()
    cos, sin = ROTATIONS[turn, 0][cell], ROTATIONS[turn, 1][cell]
    a, b = cos * x + sin * y, cos * y - sin * x
    size = uniform(keys, field + 2, 2 * cells).reshape(-1, 2, cells)
    length = (np.float32(0.25) + np.float32(0.2) * size[:, 0]).ravel()[cell]
    thick = (np.float32(0.6) + np.float32(0.5) * size[:, 1]).ravel()[cell] * px
    far, near = abs(a), abs(b)
    stroke = (kind < 2) & (far <= length) & (near <= thick)
    blob = (kind == 2) & (a * a + np.float32(2) * b * b <= length * length * np.float32(0.5))
    reach = length * np.float32(0.65)
    arms = np.minimum(a, b) <= thick + thick - reach
    corner = (kind == 3) & (np.maximum(far, near) <= reach) & arms
    inside: NDArray[np.bool_] = stroke | blob | corner
    return inside
