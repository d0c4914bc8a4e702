"""Overlapping tiles of an image, all of one size: where they begin, and a canvas for an image smaller than a tile."""

import math
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from sunetlab.analysis.plan import Size


class View(NamedTuple):
    """A tile: its first row and column on the canvas, and whether its mirror image is meant."""

    top: int
    left: int
    mirrored: bool

    def window(self, tile: Size) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + tile[0]), slice(self.left, self.left + tile[1])


def starts(side: int, tile: int, step: float) -> list[int]:
    """Where tiles begin along an axis: every ⌈step · tile⌉ pixels, the last moved back to end with the axis.

    >>> starts(10, 6, 2 / 3)
    [0, 4]
    >>> starts(11, 6, 2 / 3)
    [0, 4, 5]
    """
    last = side - tile
    return [*range(0, last, math.ceil(step * tile)), last]


def padded(pixels: Tensor, tile: Size) -> tuple[Tensor, tuple[slice, slice]]:
    """An image on a canvas no smaller than a tile, in its middle; around it 0, the mean colour.

    Args:
        pixels: (3, H, W), normalised.
        tile: height and width in pixels.

    Returns:
        The canvas, and the rows and columns where the image is; where one more pixel is needed on one side, it is
        that below or to the right.
    """
    height, width = pixels.shape[-2:]
    down, across = max(0, tile[0] - height), max(0, tile[1] - width)
    top, left = down // 2, across // 2
    canvas = F.pad(pixels, (left, across - left, top, down - top))
    return canvas, (slice(top, top + height), slice(left, left + width))
