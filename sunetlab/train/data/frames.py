"""What is kept of an image, and at which scale: pure functions of its size."""

from collections.abc import Callable
from typing import NamedTuple

Size = tuple[int, int]
"""(height, width) in px."""


class Frame(NamedTuple):
    """The part of an image that is kept.

    Attributes:
        scaled: The size that the whole image is brought to.
        corner: (row, column) of the part's upper left corner in it.
        size: The part's size.
    """

    scaled: Size
    corner: Size
    size: Size

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the part."""
        (top, left), (height, width) = self.corner, self.size
        return slice(top, top + height), slice(left, left + width)


View = Callable[[Size], Frame]
"""From an image's size to the frame; picklable, as it travels to worker processes."""


def stretched(size: Size, image: Size) -> Frame:  # noqa: ARG001  # a view takes the image's size
    """All of an image, brought to `size`."""
    return Frame(size, (0, 0), size)


def fitted(canvas: Size, image: Size) -> Frame:
    """All of an image at its own size, or, where it is larger than the canvas, scaled down to fit; the aspect kept."""
    scale = min(1.0, canvas[0] / image[0], canvas[1] / image[1])
    height, width = (min(max(1, round(scale * side)), most) for side, most in zip(image, canvas, strict=True))
    return Frame((height, width), (0, 0), (height, width))


def bounded(shorter: int, most: int, image: Size) -> Frame:
    """The shorter side brought to `shorter`, and of the longer at most the middle `most` px."""
    scaled = _shorter_side(shorter, image)
    return _middle(scaled, (min(scaled[0], most), min(scaled[1], most)))


def centred(shorter: int, side: int, image: Size) -> Frame:
    """The shorter side brought to `shorter`, and the middle square of `side` px."""
    return _middle(_shorter_side(shorter, image), (side, side))


def _shorter_side(shorter: int, image: Size) -> Size:
    """The longer side is rounded down, as torchvision's `Resize` does."""
    height, width = image
    return (shorter, int(shorter * width / height)) if height <= width else (int(shorter * height / width), shorter)


def _middle(scaled: Size, size: Size) -> Frame:
    """Half a pixel is rounded to an even one, as torchvision's `CenterCrop` does."""
    top, left = (round((whole - part) / 2) for whole, part in zip(scaled, size, strict=True))
    return Frame(scaled, (top, left), size)
