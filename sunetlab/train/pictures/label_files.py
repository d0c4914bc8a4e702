"""A map of labels as the image file that a benchmark's server takes, or that a mask is read from again."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sunetlab.errors import InputError
from sunetlab.files import whole_file
from sunetlab.train.pictures.cityscapes import CITYSCAPES
from sunetlab.train.pictures.palette import voc_palette

Labels = NDArray[np.uint8]  # (height, width): class numbers, 255 for void


def palette_image(labels: Labels) -> Image.Image:
    """Class numbers as a palette image with VOC's colours, void being 255."""
    image = Image.fromarray(labels)
    image.putpalette(voc_palette().tobytes())
    return image


def grey_image(labels: Labels) -> Image.Image:
    """Class numbers as they are, one byte a pixel."""
    return Image.fromarray(labels)


def cityscapes_image(labels: Labels) -> Image.Image:
    """Train ids as Cityscapes' label ids, one byte a pixel; void becomes 0, its `unlabeled`."""
    ids = np.zeros(256, np.uint8)
    ids[: len(CITYSCAPES)] = [label.id for label in CITYSCAPES.values()]
    return Image.fromarray(ids[labels])


FORMATS: dict[str, Callable[[Labels], Image.Image]] = {
    "palette": palette_image,
    "labels": grey_image,
    "cityscapes": cityscapes_image,
}


def refuse_other_classes(form: str, names: Sequence[str], named: bool) -> None:
    """Refuse classes that a format has no number for.

    Args:
        form: a key of `FORMATS`.
        names: of the network's classes, in their order.
        named: whether it is known what they are called; if not, their number must do.

    Raises:
        InputError: naming what differs.
    """
    if form != "cityscapes":
        return
    wanted = list(CITYSCAPES)
    if len(names) != len(wanted):
        raise InputError(f"cityscapes: the network has {len(names)} classes, the benchmark {len(wanted)}")
    for number, (name, right) in enumerate(zip(names, wanted, strict=True)):
        if named and name.lower() != right:
            raise InputError(f"cityscapes: class {number} of the network is {name!r}; the benchmark's is {right!r}")


def save_png(image: Image.Image, path: Path) -> None:
    """Write an image as PNG, whole or not at all.

    Raises:
        InputError: it cannot be written there.
    """
    with whole_file(path) as file:
        image.save(file, format="PNG")
