"""`scenes`: embedded data made from a seed, the same to the bit on every machine.

Ten shapes in random colours and textures, overlapping, on cluttered ground. Segmentation asks for the shape at each
pixel, classification for the shape of the largest visible object. Only the outline as a whole tells a shape: discs,
rings and crescents share their edges, and so do squares, frames, crosses, ells and bars. `shapes` is the easier
sibling, for trials of seconds: one object, hardly turned, on plain ground.
"""

from typing import Any

import numpy as np
import torch

from sunetlab.errors import InputError
from sunetlab.train.data.config import SOURCE_SIZES, DataConfig
from sunetlab.train.data.made.hashing import image_keys
from sunetlab.train.data.made.paint import paint
from sunetlab.train.data.made.shapes import SHAPES
from sunetlab.train.data.made.style import STYLES
from sunetlab.train.data.split import MemorySplit, Progress

SIZE = SOURCE_SIZES["scenes"]
COUNTS = {"train": 2000, "val": 500, "test": 500}
VERSION = 1  # of the images: a change to any of them is a new version

_CHUNK_PX = 32 * 64 * 64  # the pixels painted at a time: the arrays stay in the processor's cache


class ScenesSource:
    """Scenes of one seed: three streams of images, of which a split is the first so many.

    Args:
        config: The `[data]` table; its source names the style.
        progress: Unused; nothing is read.

    Raises:
        InputError: The images asked for do not fit in `memory_gib`, or are too small to show a shape.
    """

    def __init__(self, config: DataConfig, progress: Progress | None = None) -> None:
        del progress
        self.task = config.task
        self._name = config.name
        self.size = config.size or SIZE
        self.classes = ("background", *SHAPES) if config.task == "segmentation" else tuple(SHAPES)
        self._seed = config.seed
        self._counts = {name: config.limits[name] or count for name, count in COUNTS.items()}
        self._made: dict[str, MemorySplit] = {}
        _check(self.size, sum(self._counts.values()), config.memory_gib)

    def split(self, name: str, progress: Progress | None = None) -> MemorySplit:
        """The split `name`, painted at the first call.

        Raises:
            InputError: There is no such split.
        """
        if name not in self._counts:
            raise InputError(f"split {name!r}: {self._name} has {', '.join(self._counts)}")
        if name not in self._made:
            self._made[name] = self._make(name, progress)
        return self._made[name]

    def record(self) -> dict[str, Any]:
        """Source, version, task, seed, image size and the number of images by split."""
        return {
            "source": self._name,
            "version": VERSION,
            "task": self.task,
            "seed": self._seed,
            "size": list(self.size),
            "classes": list(self.classes),
            "images": dict(self._counts),
        }

    def _make(self, name: str, progress: Progress | None) -> MemorySplit:
        count, (height, width) = self._counts[name], self.size
        stream = list(COUNTS).index(name)
        images = torch.empty((count, 3, height, width), dtype=torch.uint8)
        segmentation = self.task == "segmentation"
        if segmentation:
            targets = torch.empty((count, height, width), dtype=torch.uint8)
        else:
            targets = torch.empty((count,), dtype=torch.int64)
        step = max(1, _CHUNK_PX // (height * width))
        for start in range(0, count, step):
            stop = min(start + step, count)
            keys = image_keys(self._seed, stream, np.arange(start, stop, dtype=np.uint64))
            pictures, masks, labels = paint(keys, height, width, STYLES[self._name])
            images[start:stop] = torch.from_numpy(pictures)
            targets[start:stop] = torch.from_numpy(masks if segmentation else labels)
            if progress is not None:
                progress(stop, count)
        return MemorySplit(self.task, images, targets)


def _check(size: tuple[int, int], count: int, memory_gib: float) -> None:
    if min(size) < 24:
        raise InputError(f"data.size = {size[0]}×{size[1]}: scenes needs sides of at least 24 px to show a shape")
    gib = count * size[0] * size[1] * 4 / 2**30
    if gib > memory_gib:
        raise InputError(
            f"data.memory_gib = {memory_gib:g}: {count} scenes of {size[0]}×{size[1]} px take {gib:.3g} GiB"
        )
