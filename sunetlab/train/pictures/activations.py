"""One picture, as a column of Figure 5: an image, the strongest map of each level, the classes that come out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sunetlab.draw.field import HEAT
from sunetlab.model.activations import Activation
from sunetlab.train.pictures.canvas import FAINT, GAP, INK, PAPER, fitted, font
from sunetlab.train.pictures.palette import Colours

SIDE = 280  # px of a cell's width
ACROSS = 4  # cells in a row
_CAPTION = 44  # px of the two lines below a cell


class Cell(NamedTuple):
    """A picture and two lines below it."""

    pixels: NDArray[np.uint8]  # (h, w, 3)
    title: str
    line: str


def activation_picture(
    image: NDArray[np.uint8],
    maps: Sequence[Activation],
    labels: NDArray[np.uint8] | None,
    colours: Colours,
) -> Image.Image:
    """Input, levels and prediction side by side, four in a row, all at the image's aspect.

    Args:
        image: (H, W, 3), as the network takes it.
        maps: of the levels.
        labels: (H, W) class numbers; None where there are none.
        colours: (classes, 3).
    """
    cells = [Cell(image, "input", _sides(image)), *map(_cell, maps)]
    if labels is not None:
        cells.append(Cell(colours[labels], "prediction", _sides(labels)))
    height = max(1, round(SIDE * image.shape[0] / image.shape[1]))
    return _grid(cells, (SIDE, height))


def heat(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(h, w) → (h, w, 3): the least value dark, the greatest light; one colour where all are the same."""
    low, high = float(values.min()), float(values.max())
    at = (values - low) / (high - low or 1.0) * (len(HEAT) - 1)
    channels = [np.interp(at, range(len(HEAT)), HEAT[:, channel]) for channel in range(3)]
    return np.stack(channels, -1).round().astype(np.uint8)


def _cell(found: Activation) -> Cell:
    values = found.values.numpy()
    line = f"{_sides(values)}, map {found.channel} of {found.channels}: {values.min():.3g} to {values.max():.3g}"
    return Cell(heat(values), f"level {found.level}  {found.layer}", line)


def _sides(pixels: NDArray[np.generic]) -> str:
    return f"{pixels.shape[0]}x{pixels.shape[1]}"


def _grid(cells: Sequence[Cell], size: tuple[int, int]) -> Image.Image:
    """Cells of `size` (width, height) in rows, their captions below them."""
    width, height = size
    across, rows = min(ACROSS, len(cells)), -(-len(cells) // ACROSS)
    step = width + GAP, height + _CAPTION + GAP
    canvas = Image.new("RGB", (across * step[0] + GAP, rows * step[1] + GAP), PAPER)
    draw = ImageDraw.Draw(canvas)
    for index, cell in enumerate(cells):
        left, top = GAP + index % ACROSS * step[0], GAP + index // ACROSS * step[1]
        canvas.paste(_scaled(cell.pixels, size), (left, top))
        draw.text((left, top + height + 6), fitted(cell.title, width), INK, font())
        draw.text((left, top + height + 24), fitted(cell.line, width, 12), FAINT, font(12))
    return canvas


def _scaled(pixels: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    """Every pixel a rectangle where a cell is larger, their mean where it is smaller."""
    enlarges = size[0] >= pixels.shape[1]
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST if enlarges else Image.Resampling.BOX)
