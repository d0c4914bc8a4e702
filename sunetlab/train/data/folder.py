"""`folder:PATH`: a folder per class, or `images/` + `masks/`, with splits as sub-folders or made by the seed.

Images are turned upright by their EXIF orientation. A mask is taken as drawn on the upright image: only its own
orientation, if any, turns it. Other sizes are brought to `size`: for classification the middle is cut out after scaling
to cover, for segmentation image and mask are stretched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sunetlab.errors import InputError
from sunetlab.train.data.config import VOID, DataConfig, Task
from sunetlab.train.data.files import FilesSource, SplitFiles
from sunetlab.train.data.folder_layout import read_layout
from sunetlab.train.data.image_files import image_size, mask_size, px, read_image, read_mask, shown
from sunetlab.train.data.split import Batch, Progress
from sunetlab.train.data.splits import Item, Splits, make_splits


def open_folder(config: DataConfig, progress: Progress | None = None) -> FilesSource:
    """The images below a folder.

    Args:
        config: The `[data]` table.
        progress: Called with (files looked at, files).

    Raises:
        InputError: The folder, a file's header, or the sizes of images and masks are wrong.
    """
    root = config.path
    layout = read_layout(root, config.task)
    splits = make_splits(layout.splits, config)
    size = _checked_size(root, splits, config.size, progress)
    classes = layout.classes or _classes_of_masks(root, layout.splits, progress)

    def files(items: list[Item]) -> SplitFiles:
        reader = FolderReader(config.task, root, tuple(items), size, len(classes))
        return SplitFiles(reader, [item.image for item in items], size)

    return FilesSource(config, classes, size, {name: files(items) for name, items in splits.items()})


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
                f"{shown(root / item.target)}: {px(masked)}, but its image is {px(found)}; they must agree"
            )
        first = first or found
        if size is None and found != first:
            raise InputError(
                f"{shown(path)}: {px(found)}, but {shown(items[0].image)} is {px(first)};"
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
