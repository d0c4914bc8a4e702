"""A prediction laid over its image, with a key of the classes below."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sunetlab.train.pictures.canvas import GAP, PAPER, Colour, key
from sunetlab.train.pictures.palette import Colours

LEAST_WIDTH = 320  # px: room for a key
MOST_HEIGHT = 4 * LEAST_WIDTH  # px: of an image that is enlarged; one that is thin and tall would take all memory
SHARE = 0.6  # of the colour in the blend
_LIFT = 64  # what black becomes, so that colours tell apart on dark images
_DARKER = 0.45  # of the colour that is left along the border between two classes


def overlay(image: NDArray[np.uint8], labels: NDArray[np.uint8], names: Sequence[str], colours: Colours) -> Image.Image:
    """The image in the colours of its labels, with every class that occurs and its part of the pixels below.

    Small images are enlarged by a whole number, pixel by pixel.

    Args:
        image: (H, W, 3).
        labels: (H, W) class numbers, below the number of names.
        names: of the classes.
        colours: (classes, 3).
    """
    height, width = labels.shape
    times = max(1, min(LEAST_WIDTH // width, MOST_HEIGHT // height))
    picture = Image.fromarray(np.kron(blended(image, labels, colours), np.ones((times, times, 1), np.uint8)))
    counts = np.bincount(labels.ravel(), minlength=len(names))
    entries = [(_colour(colours, label), _words(names[label], counts[label] / labels.size)) for label in _rank(counts)]
    below = key(entries, max(picture.width, LEAST_WIDTH))
    whole = Image.new("RGB", (below.width, picture.height + below.height + 2 * GAP), PAPER)
    whole.paste(picture, (0, 0))
    whole.paste(below, (0, picture.height + GAP))
    return whole


def blended(image: NDArray[np.uint8], labels: NDArray[np.uint8], colours: Colours) -> NDArray[np.uint8]:
    """(H, W, 3): each pixel between the image's grey and its class's colour, darker along borders of classes."""
    grey = _LIFT + (1 - _LIFT / 255) * image.astype(np.float32).mean(2, keepdims=True)
    painted = (1 - SHARE) * grey + SHARE * colours[labels].astype(np.float32)
    painted[_borders(labels)] *= _DARKER
    return np.asarray(painted.round(), np.uint8)


def _borders(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The pixels whose right or lower neighbour is of another class."""
    border = np.zeros(labels.shape, np.bool_)
    border[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    border[:-1] |= labels[:-1] != labels[1:]
    return border


def _rank(counts: NDArray[np.int64]) -> list[int]:
    """The classes that occur, the largest first."""
    return [int(label) for label in np.argsort(-counts, kind="stable") if counts[label]]


def _words(name: str, share: float) -> str:
    return f"{name} {100 * share:.1f} %" if share >= 0.0005 else f"{name} < 0.1 %"


def _colour(colours: Colours, label: int) -> Colour:
    red, green, blue = colours[label].tolist()
    return red, green, blue
