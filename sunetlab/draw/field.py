"""Pictures of a field of view, as pixels: where it looks, how often, and through which levels; the holes it leaves."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sunetlab.analysis.fov import UNSEEN, Paths, Seen

Pixels = NDArray[np.uint8]  # (height, width, 3)

SIDE = 520  # pixels of a panel's longer side, at least half of it
MARGIN, TITLE, LEGEND = 24, 52, 58  # pixels around panels, above them, below them
INK, FAINT, PAPER, BLIND = (32, 36, 44), (110, 118, 130), (255, 255, 255), (232, 234, 238)
LEVELS = [  # identity, then the eight levels that a u-net may have
    *((86, 90, 100), (33, 102, 172), (244, 165, 60), (178, 60, 120), (70, 150, 90)),
    *((120, 90, 190), (150, 110, 60), (0, 150, 160), (200, 40, 40)),
]
HEAT = np.array(  # dark to light in even steps of lightness: five colours of viridis
    [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], float
)
DECADES = 6  # powers of ten between the darkest and the lightest weight


class Panel(NamedTuple):
    """One square of the picture: its title, a line beneath, its pixels, and the key below."""

    title: str
    line: str
    pixels: Pixels
    key: Sequence[tuple[tuple[int, int, int], str]]
    mark: tuple[float, float] | None = None  # (y, x) of the position, in the panel's pixels


def picture(panels: Sequence[Panel], heading: str) -> Image.Image:
    """Panels side by side beneath a heading, dark on white."""
    images = [_enlarged(panel.pixels) for panel in panels]
    widths = [max(image.width, SIDE // 2) for image in images]
    height = max(image.height for image in images)
    canvas = Image.new(
        "RGB", (sum(widths) + MARGIN * (len(panels) + 1), height + 2 * MARGIN + TITLE + LEGEND + 30), PAPER
    )
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, MARGIN - 4), heading, INK, _font(18))
    left, top = MARGIN, MARGIN + 30
    for panel, image, width in zip(panels, images, widths, strict=True):
        draw.text((left, top), panel.title, INK, _font(15))
        draw.text((left, top + 22), panel.line, FAINT, _font(13))
        canvas.paste(image, (left, top + TITLE))
        draw.rectangle((left - 1, top + TITLE - 1, left + image.width, top + TITLE + image.height), outline=FAINT)
        if panel.mark is not None:
            _cross(draw, panel.mark, left, top + TITLE, image.width / panel.pixels.shape[1])
        _key(draw, panel.key, left, top + TITLE + image.height + 10, width)
        left += width + MARGIN
    return canvas


def levels_panel(found: Seen, canvas: tuple[int, int], first: tuple[int, int], title: str, line: str) -> Panel:
    """A seen set by the level that its paths need, on `canvas` (height, width) whose first pixel is `first`."""
    levels = np.full(canvas, UNSEEN, np.uint8)
    _place(levels, found.levels, found.first, first)
    pixels = np.full((*canvas, 3), BLIND, np.uint8)
    used = sorted(set(np.unique(found.levels).tolist()) - {UNSEEN})
    for level in used:
        pixels[levels == level] = LEVELS[level]
    key = [(LEVELS[level], "identity" if level == 0 else f"through level {level}") for level in used]
    if (levels == UNSEEN).any():
        key.append((BLIND, "not seen"))
    return Panel(title, line, pixels, key)


def weights_panel(found: Paths, canvas: tuple[int, int], first: tuple[int, int], title: str, line: str) -> Panel:
    """Shares of all paths, by powers of ten below the largest, on `canvas` whose first pixel is `first`."""
    weights = np.zeros(canvas)
    _place(weights, found.weights, found.first, first)
    return heat_panel(weights, title, line)


def heat_panel(weights: NDArray[np.float64], title: str, line: str) -> Panel:
    """Weights (height, width) ≥ 0, by powers of ten below the largest."""
    with np.errstate(divide="ignore"):
        scale = 1 + np.log10(weights / (weights.max() or 1)) / DECADES  # 0 where nothing is seen at all
    pixels = _heat(np.clip(scale, 0, 1))
    pixels[weights == 0] = BLIND
    steps = range(0, DECADES + 1, 2)
    key = [(_shade(1 - step / DECADES), f"1e-{step} of it" if step else "the largest weight") for step in steps]
    return Panel(title, line, pixels, [*key, *([(BLIND, "not seen")] if (weights == 0).any() else [])])


def window(found: Sequence[Seen | Paths], size: tuple[int, int] | None) -> tuple[tuple[int, int], tuple[int, int]]:
    """((height, width), first pixel) of a canvas: the image's, or without one the hull and a little around it."""
    if size is not None:
        return size, (0, 0)
    shapes = [np.shape(each.levels if isinstance(each, Seen) else each.weights) for each in found]
    low = [min(each.first[axis] for each in found) for axis in (0, 1)]
    ends = [(each.first, shape) for each, shape in zip(found, shapes, strict=True)]
    high = [max(first[axis] + shape[axis] for first, shape in ends) for axis in (0, 1)]
    around = [max(1, (high[axis] - low[axis]) // 20) for axis in (0, 1)]
    sides = (high[0] - low[0] + 2 * around[0], high[1] - low[1] + 2 * around[1])
    return sides, (low[0] - around[0], low[1] - around[1])


def _place(canvas: NDArray[Any], values: NDArray[Any], at: tuple[int, int], first: tuple[int, int]) -> None:
    top, left = at[0] - first[0], at[1] - first[1]
    canvas[top : top + values.shape[0], left : left + values.shape[1]] = values


def _heat(scale: NDArray[np.float64]) -> Pixels:
    """0 … 1 → colours."""
    at = scale * (len(HEAT) - 1)
    low = np.minimum(at.astype(int), len(HEAT) - 2)
    part = (at - low)[..., None]
    return (HEAT[low] * (1 - part) + HEAT[low + 1] * part).round().astype(np.uint8)  # type: ignore[no-any-return]


def _shade(scale: float) -> tuple[int, int, int]:
    red, green, blue = _heat(np.array(scale)).tolist()
    return red, green, blue


def _enlarged(pixels: Pixels) -> Image.Image:
    """As a panel: every pixel a square of whole pixels where there is room, else averaged."""
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels)
    times = SIDE // max(height, width)
    if times >= 1:
        return image.resize((width * times, height * times), Image.Resampling.NEAREST)
    scale = SIDE / max(height, width)
    return image.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BOX)


def _key(
    draw: ImageDraw.ImageDraw, key: Sequence[tuple[tuple[int, int, int], str]], left: int, top: int, width: int
) -> None:
    """Coloured squares with their words, in as many lines as they need."""
    x, y = left, top
    for colour, words in key:
        room = 18 + int(draw.textlength(words, _font(12))) + 14
        if x + room > left + width and x > left:
            x, y = left, y + 20
        draw.rectangle((x, y + 2, x + 11, y + 13), fill=colour, outline=FAINT)
        draw.text((x + 18, y), words, INK, _font(12))
        x += room


def _cross(draw: ImageDraw.ImageDraw, mark: tuple[float, float], left: int, top: int, scale: float) -> None:
    """Where the position is: a ring, light on dark and dark on light."""
    y, x = top + (mark[0] + 0.5) * scale, left + (mark[1] + 0.5) * scale
    for radius, colour in ((7, PAPER), (6, INK), (5, PAPER)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour)


def _font(size: int) -> Any:
    return ImageFont.load_default(size)
