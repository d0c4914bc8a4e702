"""Images of published sets, each seen through a view and laid on a canvas."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, overload

import numpy as np
import torch
from numpy.typing import NDArray

from sunetlab.errors import InputError
from sunetlab.train.data.config import VOID, Task
from sunetlab.train.data.frames import Frame, Size, View
from sunetlab.train.data.image_files import U8, px, read_view, shown, view_mask
from sunetlab.train.data.split import Batch


class Names(Sequence[str]):
    """Many names in one array of bytes: a million of them travel to a worker process at once.

    Args:
        names: Without zero bytes, which no path holds.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._bytes: NDArray[np.bytes_] = np.array([os.fsencode(name) for name in names], dtype=np.bytes_)

    def __len__(self) -> int:
        return len(self._bytes)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        if isinstance(row, slice):
            return [os.fsdecode(bytes(name)) for name in self._bytes[row]]
        return os.fsdecode(bytes(self._bytes[row]))


class Masks(Protocol):
    """The masks of a split's images, by the images' numbers; picklable."""

    def read(self, row: int) -> U8:
        """(H, W), as large as the image as stored. Raises InputError naming the file that is broken."""
        ...


@dataclass(frozen=True)
class ViewReader:
    """Decodes the images of one split; travels to worker processes.

    Attributes:
        root: The data folder.
        images: Paths below it.
        targets: int64 (N,) labels, or the masks.
        view: What is kept of an image.
        canvas: (height, width) in px of the batches.
        fills: Whether every view fills the canvas; else batches have `sizes`.
        fast: Decode at a JPEG's own smaller scales where they do.
    """

    root: Path
    images: Names
    targets: NDArray[np.int64] | Masks
    view: View
    canvas: Size
    fills: bool = False
    fast: bool = False

    @property
    def task(self) -> Task:
        """What the targets are."""
        return "classification" if isinstance(self.targets, np.ndarray) else "segmentation"

    def __len__(self) -> int:
        return len(self.images)

    def read(self, rows: Sequence[int]) -> Batch:
        """Decode the images numbered `rows`: uint8 (B, 3, H, W), and int64 (B,) or uint8 (B, H, W).

        Raises:
            InputError: A file is broken, a label out of range, or a mask not as large as its image.
        """
        images = np.zeros((len(rows), 3, *self.canvas), dtype=np.uint8)
        masks = None if isinstance(self.targets, np.ndarray) else np.full((len(rows), *self.canvas), VOID, np.uint8)
        sizes = torch.empty((len(rows), 2), dtype=torch.int64)
        for at, row in enumerate(rows):
            path = self.root / self.images[row]
            pixels, stored = read_view(path, self.view, self.fast)
            height, width = pixels.shape[1:]
            images[at, :, :height, :width] = pixels
            sizes[at, 0], sizes[at, 1] = height, width
            if masks is not None:
                masks[at, :height, :width] = self._mask(row, path, stored, self.view(stored))
        targets = torch.from_numpy(self.targets[list(rows)] if isinstance(self.targets, np.ndarray) else masks)
        return Batch(torch.from_numpy(images), targets, None if self.fills else sizes)

    def _mask(self, row: int, path: Path, stored: Size, frame: Frame) -> U8:
        assert not isinstance(self.targets, np.ndarray)
        mask = self.targets.read(row)
        if mask.shape != stored:
            raise InputError(f"{shown(path)}: {px(stored)}, but its mask is {px(mask.shape)}; they must agree")
        return view_mask(mask, frame)
