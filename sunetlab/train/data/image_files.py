"""From an image or mask file to an array; whatever a file can have wrong becomes one line that names it."""

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from sunetlab.errors import InputError, first_line
from sunetlab.files import refuse_endless
from sunetlab.train.data.config import VOID
from sunetlab.train.data.frames import Frame, Size, View

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else it prints lines of its own about a broken file

U8 = NDArray[np.uint8]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
MASK_SUFFIX = ".png"
# The content of a file says what it is, not its suffix, and Pillow would run a program for one that is PostScript.
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "PPM", "JPEG2000")
LIMIT_PX = 178_956_970  # where Pillow itself takes an image for a decompression bomb

_ORIENTATION, _SWAPS_SIDES = 0x0112, frozenset({5, 6, 7, 8})  # EXIF: the orientations that turn by a quarter
_MASK_MODES = frozenset({"1", "L", "P", "I", "I;16", "I;16B", "I;16L"})
_BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, KeyError, TypeError, OverflowError),
    RuntimeError,  # of some decoders, and its child NotImplementedError
)


def px(size: Size) -> str:
    """(height, width) in words."""
    return f"{size[0]}×{size[1]} px"


def shown(path: Path | str) -> str:
    """A path as text that any file or terminal takes: bytes of a name that are not UTF-8 as `\\xNN`."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) in px of an upright image, from its header.

    Raises:
        InputError: The file is no image, or too large.
    """
    with _opened(path) as image:
        return _upright_size(image)


def mask_size(path: Path) -> tuple[int, int]:
    """(height, width) in px of a mask, from its header.

    Raises:
        InputError: The file is no image, too large, or in colour.
    """
    with _opened(path) as mask:
        _refuse_colour(mask, path)
        return _upright_size(mask)


def read_image(path: Path, size: tuple[int, int], crop: bool) -> U8:
    """Decode an image, upright, in RGB.

    Transparency is dropped, and 16-bit grey keeps its upper byte.

    Args:
        path: The file.
        size: (height, width) in px to bring it to, bilinear with antialiasing.
        crop: Keep the aspect: scale to cover and cut the middle out. False: stretch.

    Returns:
        uint8 (3, H, W).

    Raises:
        InputError: The file is broken or too large.
    """
    with _opened(path) as opened:
        image = _rgb(ImageOps.exif_transpose(opened))
        height, width = size
        if image.size != (width, height):
            box = _middle(image.size, (width, height)) if crop else None
            image = image.resize((width, height), Image.Resampling.BILINEAR, box=box)
        return np.array(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1), order="C")  # a copy, also of one pixel


def read_view(path: Path, view: View, fast: bool = False) -> tuple[U8, Size]:
    """Decode what a view shows of an image, in RGB, as it is stored: the labels of published sets are of stored pixels.

    Args:
        path: The file.
        view: From the image's size to the part that is kept and its scale (bilinear with antialiasing).
        fast: A JPEG may be decoded at the smallest of its own scales (1/2, 1/4, 1/8) that is large enough: sooner, and
            with pixels that differ a little. Of use where an image is at least twice as large as it is wanted.

    Returns:
        uint8 (3, h, w), and (H, W) of the whole image as stored.

    Raises:
        InputError: The file is broken, or too large, stored or scaled.
    """
    with _opened(path) as opened:
        stored = (opened.height, opened.width)
        frame = view(stored)
        if frame.scaled[0] * frame.scaled[1] > LIMIT_PX:
            raise InputError(
                f"{shown(path)}: {px(stored)}, too thin; scaled, it would have more than {LIMIT_PX:,} pixels"
            )
        if fast:
            opened.draft(None, frame.scaled[::-1])
        image = _rgb(opened)
        if image.size != frame.scaled[::-1]:
            image = image.resize(frame.scaled[::-1], Image.Resampling.BILINEAR)
        rows, columns = frame.window
        pixels = np.asarray(image, dtype=np.uint8)[rows, columns]
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)), stored


def view_mask(labels: U8, frame: Frame) -> U8:
    """What a frame shows of a mask (H, W); a pixel takes the nearest's label."""
    return _scaled(labels, frame.scaled)[frame.window]


def read_mask(path: Path, size: tuple[int, int], num_classes: int | None = None) -> U8:
    """Decode a mask, upright by its own orientation; a palette image gives its indices.

    Args:
        path: The file.
        size: (height, width) in px to bring it to: each pixel takes the nearest's label.
        num_classes: The labels allowed are below this, and VOID. None: any label is.

    Returns:
        uint8 (H, W).

    Raises:
        InputError: The file is broken, too large or in colour, or a label is out of range.
    """
    with _opened(path) as opened:
        _refuse_colour(opened, path)
        labels = np.asarray(ImageOps.exif_transpose(opened))
    refuse_labels(labels, path, num_classes)
    return _scaled(labels.astype(np.uint8), size)


def _scaled(labels: U8, size: Size) -> U8:
    """A mask brought to `size`: each pixel takes the nearest's label."""
    if labels.shape == size:
        return labels
    return np.array(Image.fromarray(labels).resize(size[::-1], Image.Resampling.NEAREST), dtype=np.uint8)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        refuse_endless(path)
        with warnings.catch_warnings():
            # Pillow warns of much that does no harm (odd metadata); what does harm raises, or is checked here.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                if image.width * image.height > LIMIT_PX:
                    raise InputError(_too_large(path))
                yield image
    except InputError:
        raise
    except Image.DecompressionBombError:
        raise InputError(_too_large(path)) from None
    except UnidentifiedImageError:
        raise InputError(f"{shown(path)}: not an image that can be read (broken, or not what its name says)") from None
    except MemoryError:  # below the limit on pixels, and yet too much for this machine
        raise InputError(f"{shown(path)}: there is not enough memory to decode it") from None
    except _BROKEN as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
        raise InputError(f"{shown(path)}: a broken image: {reason}") from None


def _too_large(path: Path) -> str:
    return f"{shown(path)}: too large; an image may have at most {LIMIT_PX:,} pixels"


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    return (width, height) if image.getexif().get(_ORIENTATION) in _SWAPS_SIDES else (height, width)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        image = Image.fromarray((np.clip(np.asarray(image), 0, 65535) // 256).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # straight to RGB, Pillow would paint the transparent colour
    return image if image.mode == "RGB" else image.convert("RGB")


def _middle(size: tuple[int, int], target: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest box of `target`'s aspect in the middle of an image; sizes are (width, height)."""
    scale = min(size[0] / target[0], size[1] / target[1])
    width, height = target[0] * scale, target[1] * scale
    left, top = max(0.0, (size[0] - width) / 2), max(0.0, (size[1] - height) / 2)
    return left, top, min(left + width, size[0]), min(top + height, size[1])


def _refuse_colour(mask: Image.Image, path: Path) -> None:
    if mask.mode not in _MASK_MODES:
        raise InputError(
            f"{shown(path)}: a colour mask ({mask.mode}); a mask has one channel, or a palette, of class numbers"
        )


def refuse_labels(labels: NDArray[np.generic], path: Path, num_classes: int | None) -> None:
    """Refuse a mask with a label that is neither below `num_classes` (None: 255) nor VOID.

    Raises:
        InputError: Naming the file, the label and the rule.
    """
    allowed = np.zeros(256, dtype=np.bool_)
    allowed[:num_classes] = True
    allowed[VOID] = True
    for value in _values(labels):
        if not 0 <= value <= VOID or not allowed[value]:
            rule = f"0 to {(num_classes or VOID) - 1} ({num_classes} classes)" if num_classes else "0 to 254"
            raise InputError(f"{shown(path)}: label {value} is out of range; labels are {rule}, and {VOID} for void")


def _values(labels: NDArray[np.generic]) -> list[int]:
    if labels.dtype == np.uint8:  # counting is several times faster than sorting
        return [int(value) for value in np.bincount(labels.ravel()).nonzero()[0]]
    return [int(value) for value in np.unique(labels)]
