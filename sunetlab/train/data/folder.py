"""`folder:PATH`: a folder per class, or `images/` + `masks/`, with splits as sub-folders or made by the seed.

Images are turned upright by their EXIF orientation. A mask is taken as drawn on the upright image: only its own
orientation, if any, turns it. Other sizes are brought to `size`: for classification the middle is cut out after scaling
to cover, for segmentation image and mask are stretched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sunetlab.errors import InputError
from sunetlab.train.data.config import DataConfig, Task
from sunetlab.train.data.folder_layout import Item, read_layout
from sunetlab.train.data.folder_splits import Splits, make_splits
from sunetlab.train.data.image_files import image_size, mask_size, read_image, read_mask, shown
from sunetlab.train.data.split import VOID, Batch, FileSplit, MemorySplit, Progress, in_memory

MANY_FILES = 1000  # below it, decoding takes less time than starting worker processes


class FolderSource:
    """The images below a folder.

    Args:
        config: The `[data]` table.
        progress: Called with (files looked at, files).

    Raises:
        InputError: The folder, a file's header, or the sizes of images and masks are wrong.
    """

    def __init__(self, config: DataConfig, progress: Progress | None = None) -> None:
        self.task = config.task
        self._config = config
        self._root = config.path
        layout = read_layout(self._root, config.task)
        self._items = make_splits(layout.splits, config)
        self.size = _checked_size(self._root, self._items, config.size, progress)
        self.classes = layout.classes or _classes_of_masks(self._root, layout.splits, progress)
        self._opened: dict[str, MemorySplit | FileSplit] = {}

    def split(self, name: str, progress: Progress | None = None) -> MemorySplit | FileSplit:
        """The split `name`; decoded at the first call where it fits in `memory_gib`.

        Raises:
            InputError: There is no such split, or one of its files is broken.
        """
        if name not in self._items:
            raise InputError(f"split {name!r}: {shown(self._root)} has {', '.join(self._items)}")
        if name not in self._opened:
            self._opened[name] = self._open(self._items[name], progress)
        return self._opened[name]

    def record(self) -> dict[str, Any]:
        """Source, task, seed, image size, classes, and the files of every split, relative to the folder."""
        return {
            "source": self._config.source,
            "task": self.task,
            "seed": self._config.seed,
            "size": list(self.size),
            "classes": [shown(name) for name in self.classes],
            "images": {name: len(items) for name, items in self._items.items()},
            "files": {name: [shown(item.image) for item in items] for name, items in self._items.items()},
        }

    def _open(self, items: list[Item], progress: Progress | None) -> MemorySplit | FileSplit:
        config = self._config
        reader = FolderReader(self.task, self._root, tuple(items), self.size, len(self.classes))
        image_bytes = self.size[0] * self.size[1] * (4 if self.task == "segmentation" else 3)
        if len(items) * image_bytes > config.memory_gib * 2**30:
            return FileSplit(reader, config.workers)
        return in_memory(reader, config.workers if len(items) >= MANY_FILES else 0, progress)


@dataclass(frozen=True)
class FolderReader:
    """Decodes the images of one split; travels to worker processes.

    Attributes:
        task: What the targets are.
        root: The data folder.
        items: The images, in the order of their numbers.
        size: (height, width) in px of every image.
        num_classes: Labels are below it.
    """

    task: Task
    root: Path
    items: tuple[Item, ...]
    size: tuple[int, int]
    num_classes: int

    def __len__(self) -> int:
        return len(self.items)

    def read(self, rows: Sequence[int]) -> Batch:
        """Decode the images numbered `rows`: uint8 (B, 3, H, W), and int64 (B,) or uint8 (B, H, W).

        Raises:
            InputError: A file is broken, or a label out of range.
        """
        items = [self.items[row] for row in rows]
        crop = self.task == "classification"
        images = np.stack([read_image(self.root / item.image, self.size, crop) for item in items])
        return Batch(torch.from_numpy(images), self._targets(items))

    def _targets(self, items: list[Item]) -> torch.Tensor:
        if self.task == "classification":
            return torch.tensor([item.target for item in items], dtype=torch.int64)
        paths = [self.root / str(item.target) for item in items]
        return torch.from_numpy(np.stack([read_mask(path, self.size, self.num_classes) for path in paths]))


def _checked_size(
    root: Path, splits: Splits, size: tuple[int, int] | None, progress: Progress | None
) -> tuple[int, int]:
    """Look at every header: each mask as large as its image, and all images of one size if none is asked for."""
    items = [item for split in splits.values() for item in split]
    first: tuple[int, int] | None = None
    for done, item in enumerate(items, 1):
        path = root / item.image
        found = image_size(path)
        if isinstance(item.target, str) and (masked := mask_size(root / item.target)) != found:
            raise InputError(
                f"{shown(root / item.target)}: {_px(masked)}, but its image is {_px(found)}; they must agree"
            )
        first = first or found
        if size is None and found != first:
            raise InputError(
                f"{shown(path)}: {_px(found)}, but {shown(items[0].image)} is {_px(first)};"
                " give data.size to bring all images to one size"
            )
        if progress is not None:
            progress(done, len(items))
    if first is None:
        raise InputError(f"{shown(root)}: no images")
    return size or first


def _classes_of_masks(root: Path, splits: Splits, progress: Progress | None) -> tuple[str, ...]:
    """As many classes as the largest label in any mask asks for."""
    masks = [str(item.target) for items in splits.values() for item in items]
    largest = 0
    for done, mask in enumerate(masks, 1):
        path = root / mask
        labels = read_mask(path, mask_size(path))
        largest = max(largest, int(labels[labels != VOID].max(initial=0)))
        if progress is not None:
            progress(done, len(masks))
    if largest == 0:
        raise InputError(f"{shown(root)}: the masks hold no label but 0; classes.txt can name more classes")
    return tuple(f"class {label}" for label in range(largest + 1))


def _px(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]} px"
