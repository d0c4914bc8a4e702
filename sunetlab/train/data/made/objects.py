"""What stands in a scene: two to five objects of different shapes, the first meant to be the largest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sunetlab.train.data.made.hashing import F32, U64, below, uniform
from sunetlab.train.data.made.shapes import AREAS, SHAPES, Mask
from sunetlab.train.data.made.style import SCENES, Style
from sunetlab.train.data.made.textures import ROTATIONS

MOST = 5
SMALLEST, LARGEST = 0.1, 0.9  # an object's diameter, as a part of the image's shorter side
RIVAL = np.float32(0.4)  # the area of every other object is at most this part of the first one's
THINNEST_PX = 1.6  # a stroke at least so wide has no gaps


@dataclass(frozen=True)
class Objects:
    """The objects of B scenes in painting order, MOST slots each, unused slots last.

    Attributes:
        count: int64 (B,).
        shape: int64 (B, MOST), an index into SHAPES; the shapes of a scene are all different.
        centre: (B, MOST, 2), y and x in px.
        radius: (B, MOST) in px.
        squeeze: (B, MOST), the second axis as a part of the first.
        rotation: int64 (B, MOST), degrees.
        stroke: (B, MOST), the width of strokes in radii.
    """

    count: NDArray[np.int64]
    shape: NDArray[np.int64]
    centre: F32
    radius: F32
    squeeze: F32
    rotation: NDArray[np.int64]
    stroke: F32


def draw_objects(keys: U64, field: int, height: int, width: int, style: Style = SCENES) -> Objects:
    """Draw the objects of one scene per key. Uses the hash fields `field` … `field + 7`."""
    side = min(height, width)
    count = style.least + below(keys, field, 1, style.most - style.least + 1)[:, 0]
    shape = np.argsort(uniform(keys, field + 1, len(SHAPES)), axis=1, kind="stable")[:, :MOST]
    u = uniform(keys, field + 2, 3 * MOST).reshape(-1, 3, MOST)
    radius = _radii(u[:, 0], shape, side, style.smallest)
    stroke = np.float32(0.22) + np.float32(0.2) * u[:, 1]
    stroke = np.minimum(np.maximum(stroke, np.float32(THINNEST_PX) / radius), np.float32(0.6))
    # At most a tenth of a diameter is cut off by the image's edge.
    margin = np.float32(0.8) * radius[:, :, None]
    extent = np.array([height, width], dtype=np.float32)
    place = uniform(keys, field + 3, 2 * MOST).reshape(-1, MOST, 2)
    centre = margin + (extent - margin - margin) * place - np.float32(0.5)
    # Any object may be painted first; unused slots go last.
    rank = uniform(keys, field + 4, MOST) + (np.arange(MOST) >= count[:, None])
    order = np.argsort(rank, axis=1, kind="stable")
    rotation = (below(keys, field + 5, MOST, 2 * style.turn) + (360 - style.turn)) % 360
    squeeze = np.float32(0.75) + np.float32(0.25) * u[:, 2]
    return Objects(
        count,
        np.take_along_axis(shape, order, 1),
        np.take_along_axis(centre, order[:, :, None], 1),
        np.take_along_axis(radius, order, 1),
        squeeze,
        rotation,
        np.take_along_axis(stroke, order, 1),
    )


def _radii(u: F32, shape: NDArray[np.int64], side: int, smallest: float) -> F32:
    """Radii in px (B, MOST): the first large, the others bounded by its area so that it often stays the largest."""
    half = np.float32(0.5 * side)
    main = half * (np.float32(smallest) + np.float32(LARGEST - smallest) * u[:, :1])
    area = AREAS[shape]
    bound = np.minimum(main * np.sqrt(RIVAL * area[:, :1] / area), half * np.float32(LARGEST))
    least = half * np.float32(SMALLEST)
    others = least + np.maximum(bound - least, 0) * u
    return np.concatenate([main, others[:, 1:]], axis=1)


def outlines(objects: Objects, height: int, width: int) -> Mask:
    """The pixels of every object as if it stood alone: (B, MOST, height, width); unused slots are empty."""
    inside = np.zeros((*objects.shape.shape, height, width), dtype=np.bool_)
    used = np.arange(MOST) < objects.count[:, None]
    for number, shape in enumerate(SHAPES.values()):
        rows = np.nonzero(used & (objects.shape == number))
        if len(rows[0]):
            u, v = _own_frame(objects, rows, height, width)
            inside[rows] = shape(u, v, objects.stroke[rows][:, None, None])
    return inside


def _own_frame(objects: Objects, rows: tuple[NDArray[np.intp], ...], height: int, width: int) -> tuple[F32, F32]:
    """Pixel centres in the objects' own frames: two arrays (rows, height, width), in radii."""
    cos, sin = ROTATIONS[objects.rotation[rows]].T[:, :, None, None] / objects.radius[rows][:, None, None]
    cy, cx = objects.centre[rows].T[:, :, None, None]
    x = np.arange(width, dtype=np.float32) - cx
    y = np.arange(height, dtype=np.float32)[:, None] - cy
    squeeze = np.float32(1) / objects.squeeze[rows][:, None, None]
    return cos * x + sin * y, cos * squeeze * y - sin * squeeze * x
