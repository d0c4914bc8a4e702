"""From keys to pictures: background, clutter, objects over each other, noise; and whose pixel each one is."""

import numpy as np
from numpy.typing import NDArray

from sunetlab.train.data.config import VOID
from sunetlab.train.data.made.clutter import add_clutter
from sunetlab.train.data.made.hashing import F32, U64, bits, uniform
from sunetlab.train.data.made.objects import MOST, Objects, draw_objects, outlines
from sunetlab.train.data.made.shapes import Mask
from sunetlab.train.data.made.style import SCENES, Style
from sunetlab.train.data.made.textures import Surfaces, apart, draw_surfaces, patterns

U8 = NDArray[np.uint8]

_BACKGROUND, _OBJECTS, _SURFACE_KEYS, _SURFACES, _NOISE, _CLUTTER = 0, 10, 20, 30, 40, 50  # hash fields
NOISE = np.float32(10)  # the largest standard deviation of the pixel noise, of 255


def paint(keys: U64, height: int, width: int, style: Style = SCENES) -> tuple[U8, U8, NDArray[np.int64]]:
    """Paint one scene per key.

    Args:
        keys: uint64 (B,).
        height: In px.
        width: In px.
        style: How hard the scenes are.

    Returns:
        Images (B, 3, H, W); masks (B, H, W): 0 the background, 1 … 10 the shapes, VOID a pixel wide around every
        object, on what lies below it; labels (B,): the shape with the most pixels in the mask, from 0.
    """
    side = min(height, width)
    ground = draw_surfaces(keys, _BACKGROUND, side, style.swing)
    image = _coloured(ground, height, width)  # (B, 3, H, W)
    if style.clutter:
        add_clutter(image, keys, _CLUTTER)
    objects = draw_objects(keys, _OBJECTS, height, width, style)
    inside = outlines(objects, height, width)  # (B, MOST, H, W)
    _paint_objects(image, keys, inside, objects, ground.mean, style.swing)
    _add_noise(image, keys)
    owner = _owners(inside)
    return _to_bytes(image), _masks(owner, objects), _labels(owner, objects)


def _coloured(surfaces: Surfaces, height: int, width: int) -> F32:
    pattern = patterns(surfaces, height, width)[:, None]  # (S, 1, H, W)
    return surfaces.mean[:, :, None, None] + surfaces.swing[:, :, None, None] * pattern


def _paint_objects(image: F32, keys: U64, inside: Mask, objects: Objects, ground_mean: F32, swing: float) -> None:
    _, _, height, width = image.shape
    surface_keys = bits(keys, _SURFACE_KEYS, MOST)
    for slot in range(MOST):
        rows = np.nonzero(objects.count > slot)[0]
        if not len(rows):
            break
        surfaces = draw_surfaces(surface_keys[rows, slot], _SURFACES, min(height, width), swing)
        pattern = patterns(surfaces, height, width)
        mean = apart(surfaces.mean, ground_mean[rows])
        which, y, x = np.nonzero(inside[rows, slot])
        level = pattern[which, y, x]
        for channel in range(3):
            colour = mean[which, channel] + surfaces.swing[which, channel] * level
            image[rows[which], channel, y, x] = colour


def _add_noise(image: F32, keys: U64) -> None:
    """Add noise with a triangular distribution: the sum of two bytes of one hash per pixel, for each channel."""
    count, _, height, width = image.shape
    amount = NOISE * uniform(keys, _NOISE, 1)[:, :, None] / np.float32(104.5)  # two bytes' sum has deviation 104.5
    hashes = bits(keys, _NOISE + 1, height * width).astype("<u8", copy=False)  # the same bytes on every machine
    random = hashes.view(np.uint8).reshape(count, height, width, 8)
    for channel in range(3):
        pair = random[..., 2 * channel].astype(np.float32) + random[..., 2 * channel + 1]
        image[:, channel] += (pair - np.float32(255)) * amount


def _owners(inside: Mask) -> U8:
    """Whose pixel each one is: 0 the background, 1 … MOST the slots, VOID the rims: (B, H, W)."""
    owner = np.zeros((inside.shape[0], *inside.shape[2:]), dtype=np.uint8)
    for slot in range(MOST):
        body = inside[:, slot]
        owner[_grown(body)] = VOID
        owner[body] = slot + 1
    return owner


def _grown(body: Mask) -> Mask:
    """`body` (B, H, W) and its eight neighbours."""
    tall = body.copy()
    tall[:, 1:] |= body[:, :-1]
    tall[:, :-1] |= body[:, 1:]
    wide = tall.copy()
    wide[:, :, 1:] |= tall[:, :, :-1]
    wide[:, :, :-1] |= tall[:, :, 1:]
    return wide


def _masks(owner: U8, objects: Objects) -> U8:
    count = len(owner)
    table = np.full((count, 256), VOID, dtype=np.uint8)
    table[:, 0] = 0
    table[:, 1 : MOST + 1] = objects.shape + 1
    first = (np.arange(count) * 256)[:, None, None]
    masks: U8 = table.ravel()[owner + first]
    return masks


def _labels(owner: U8, objects: Objects) -> NDArray[np.int64]:
    visible_px = np.stack([(owner == slot + 1).sum(axis=(1, 2)) for slot in range(MOST)], axis=1)
    largest = MOST - 1 - visible_px[:, ::-1].argmax(axis=1)  # of equals the one painted last
    return np.take_along_axis(objects.shape, largest[:, None], 1)[:, 0]


def _to_bytes(image: F32) -> U8:
    rounded: F32 = np.floor(image + np.float32(0.5))
    return rounded.clip(0, 255).astype(np.uint8)
