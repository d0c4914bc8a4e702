"""Masks of VOC, palette images, and of SBD, MATLAB files."""

import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sunetlab.errors import InputError
from sunetlab.train.data.image_files import U8, mask_size, read_mask, refuse_labels, shown
from sunetlab.train.data.view_reader import Names

MAT_LIMIT_BYTES = 4 * 2**20  # SBD's largest is a tenth of it; unpacked, zlib gives at most a thousand times as much
_BROKEN = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error, OverflowError, MemoryError),
    *(NotImplementedError, AttributeError, zlib.error),
)


@dataclass(frozen=True)
class VocMasks:
    """The masks of a split; see `view_reader.Masks`.

    Attributes:
        root: The data folder.
        names: Paths below it.
        num_classes: Labels are below it.
    """

    root: Path
    names: Names
    num_classes: int

    def read(self, row: int) -> U8:
        """(H, W).

        Raises:
            InputError: The file is broken, or a label is out of range.
        """
        path = self.root / self.names[row]
        if path.suffix == ".mat":
            return read_sbd(path, self.num_classes)
        return read_mask(path, mask_size(path), self.num_classes)


def read_sbd(path: Path, num_classes: int) -> U8:
    """The class of every pixel, `GTcls.Segmentation` of one of SBD's files: (H, W). SBD knows no void.

    Raises:
        InputError: The file is broken, or a label is out of range.
    """
    from scipy.io import loadmat  # here, as it takes longer to import than most runs' data to open
    from scipy.io.matlab import MatReadError

    try:
        if path.stat().st_size > MAT_LIMIT_BYTES:
            raise InputError(f"{shown(path)}: too large; a mask of SBD has at most {MAT_LIMIT_BYTES // 2**20} MiB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what cannot be read, which is checked below
            labels = np.asarray(loadmat(path, variable_names=["GTcls"])["GTcls"][0]["Segmentation"][0])
    except InputError:
        raise
    except (*_BROKEN, MatReadError):
        raise InputError(f"{shown(path)}: not a mask of SBD that can be read (broken, or without GTcls)") from None
    if labels.ndim != 2 or labels.dtype.kind not in "ui":
        raise InputError(f"{shown(path)}: GTcls.Segmentation must be whole numbers, one to a pixel")
    refuse_labels(labels, path, num_classes)
    return labels.astype(np.uint8)
