"""From a configuration to data: the protocols, and the table of sources."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from torch import Tensor

from sunetlab.train.data.config import DataConfig, Task
from sunetlab.train.data.folder import open_folder
from sunetlab.train.data.made.scenes import ScenesSource
from sunetlab.train.data.published.cifar import open_cifar
from sunetlab.train.data.published.cityscapes import open_cityscapes
from sunetlab.train.data.published.coco import open_coco
from sunetlab.train.data.published.imagenet import open_imagenet
from sunetlab.train.data.published.voc import open_voc
from sunetlab.train.data.split import Batch, Progress


class Split(Protocol):
    """Images with their targets, numbered from 0."""

    task: Task

    def __len__(self) -> int: ...

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """Yield the images numbered `order` (int64, 1-D), in that order, the last partial batch included.

        Raises:
            InputError: A file is broken; the message names it.
        """
        ...


class DataSource(Protocol):
    """Splits that share a task, classes and an image size."""

    @property
    def task(self) -> Task:
        """What is asked of an image."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels 0, 1, …; for segmentation with the background where there is one."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in px of every image, or of the canvas that every image lies on; imagenet: of `val`'s."""
        ...

    def split(self, name: str, progress: Progress | None = None) -> Split:
        """The split `train`, `val` or `test`; made or decoded at the first call where it fits in memory.

        Raises:
            InputError: There is no such split, or one of its files is broken.
        """
        ...

    def record(self) -> dict[str, Any]:
        """All that tells these data from others, ready for JSON."""
        ...


SOURCES: dict[str, Callable[[DataConfig, Progress | None], DataSource]] = {
    "scenes": ScenesSource,
    "shapes": ScenesSource,
    "folder": open_folder,
    "cifar10": open_cifar,
    "cifar100": open_cifar,
    "imagenet": open_imagenet,
    "voc": open_voc,
    "cityscapes": open_cityscapes,
    "coco": open_coco,
}


def open_data(config: DataConfig, progress: Progress | None = None) -> DataSource:
    """Open a source, and find whatever is wrong with it that can be found without decoding every image.

    Args:
        config: The validated `[data]` table.
        progress: Called with (done, total) while files are looked at.

    Raises:
        InputError: What is wrong, with the file or folder named.
    """
    return SOURCES[config.name](config, progress)
