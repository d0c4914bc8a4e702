"""CIFAR's batches, which are pickles: read without running anything that they ask for.

The only names that the published files use are numpy's `_reconstruct`, `ndarray` and `dtype`. Here they stand for
classes of this module that keep what they are given; any other name ends the reading. So nothing of numpy, and no code
of anyone else, runs on what a file says, and the array's bytes are looked at only when shape and type are right.
"""

import io
import pickle
import pickletools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sunetlab.errors import InputError
from sunetlab.files import refuse_endless
from sunetlab.files import shown as told
from sunetlab.train.data.image_files import U8, shown

IMAGE = (3, 32, 32)
_BYTES = 3 * 32 * 32
_BROKEN = (
    *(pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, ValueError, TypeError, OverflowError),
    *(ImportError, MemoryError, RecursionError),
)


@dataclass(frozen=True)
class CifarBatch:
    """The content of one file.

    Attributes:
        images: uint8 (N, 3, 32, 32).
        labels: N numbers of classes.
    """

    images: U8
    labels: tuple[int, ...]


def read_batch(path: Path, labels: str, classes: int) -> CifarBatch:
    """Read a batch.

    Args:
        path: The file.
        labels: The key of the labels: `labels` or `fine_labels`.
        classes: Labels are below it.

    Raises:
        InputError: The file is missing, wants more than data, or does not hold images and labels.
    """
    content = _load(path)
    array, numbers = content.get("data"), content.get(labels)
    if not isinstance(array, _Array) or not isinstance(numbers, list):
        raise InputError(f"{shown(path)}: not a CIFAR batch: it must hold 'data', an array, and {labels!r}, a list")
    images = array.images(path)
    if len(numbers) != len(images):
        raise InputError(f"{shown(path)}: {len(images)} images, but {len(numbers)} labels")
    for number in numbers:
        if type(number) is not int or not 0 <= number < classes:
            raise InputError(f"{shown(path)}: label '{told(number)}' is out of range; labels are 0 to {classes - 1}")
    return CifarBatch(images, tuple(numbers))


def read_names(path: Path, key: str) -> tuple[str, ...]:
    """The names of the classes, under `key` of the file that describes the batches.

    Raises:
        InputError: The file is missing, wants more than data, or does not hold names.
    """
    names = _load(path).get(key)
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, bytes | str) for name in names):
        raise InputError(f"{shown(path)}: not CIFAR's description: it must hold {key!r}, a list of names")
    texts = tuple(map(_text, names))
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise InputError(f"{shown(path)}: the class {twice!r} stands there twice")
    return texts


def _load(path: Path) -> dict[str, Any]:
    refuse_endless(path)
    try:
        data = path.read_bytes()
        _refuse_vast_memo(data)
        content = _Unpickler(io.BytesIO(data), encoding="bytes").load()  # Python 2's strings, as the array's bytes are
    except InputError as error:
        raise InputError(f"{shown(path)}: {error}") from None
    except OSError as error:
        raise InputError(f"{shown(path)}: cannot be read: {error.strerror}") from None
    except _BROKEN:
        raise InputError(f"{shown(path)}: not a pickle that can be read (broken, or not what its name says)") from None
    if not isinstance(content, dict):
        raise InputError(f"{shown(path)}: must hold a dictionary, not a {type(content).__name__.strip('_')}")
    return {_text(key): value for key, value in content.items() if isinstance(key, bytes | str)}


def _refuse_vast_memo(data: bytes) -> None:
    """Refuse a pickle that remembers something under a number for which tables of gigabytes would be made.

    Raises:
        ValueError: it does, or its codes cannot be told apart.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd texts in a broken file
        for code, number, _ in pickletools.genops(data):
            if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and (number is None or number > len(data)):
                raise ValueError("memo")


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


class _Type:
    """In the place of `numpy.dtype`: the type's code, such as `u1`."""

    def __init__(self, code: bytes | str = "", *_: object) -> None:
        self.code = _text(code) if isinstance(code, bytes | str) else ""

    def __setstate__(self, state: object) -> None:
        """Byte order and flags, of which a type of one byte has none."""


class _Array:
    """In the place of `numpy.ndarray`: its state as numpy pickles it, (version, shape, type, Fortran order, bytes)."""

    state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def images(self, path: Path) -> U8:
        """The rows as (N, 3, 32, 32).

        Raises:
            InputError: It is not an array of bytes, 3072 to a row.
        """
        match self.state:
            case (int(), (int(rows), int(columns)), _Type(code=code), fortran, bytes(data)) if (
                columns,
                code,
                fortran,
                len(data),
            ) == (_BYTES, "u1", False, rows * _BYTES):
                return np.frombuffer(data, dtype=np.uint8).reshape(rows, *IMAGE)
        raise InputError(f"{shown(path)}: not a CIFAR batch: 'data' must be uint8, {_BYTES} to a row")


def _reconstruct(*_: object) -> _Array:
    return _Array()


_STANDINS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """The stand-in of a name; other names are refused."""
        if (module, name) not in _STANDINS:
            what = f"{module}.{name}"[:80]
            raise InputError(
                f"wants to run {what!r}; a CIFAR batch holds only arrays, lists and text, so it is not read"
            )
        return _STANDINS[module, name]
