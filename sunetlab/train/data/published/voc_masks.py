"""Masks of VOC, palette images, and of SBD, MATLAB files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sunetlab.errors import InputError
from sunetlab.files import refuse_endless
from sunetlab.train.data.image_files import U8, mask_size, read_mask, refuse_labels, shown
from sunetlab.train.data.published.mat_files import LIMIT_BYTES, read_field
from sunetlab.train.data.view_reader import Names


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
    refuse_endless(path)
    try:
        with path.open("rb") as file:
            labels = read_field(file.read(LIMIT_BYTES + 1), "GTcls", "Segmentation")
    except OSError as error:
        raise InputError(f"{shown(path)}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{shown(path)}: not a mask of SBD (GTcls.Segmentation): {error}") from None
    refuse_labels(labels, path, num_classes)
    return labels.astype(np.uint8, order="C")
