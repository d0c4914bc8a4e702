"""What the tests of published sets share: opening them, reading all of a split, and being refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from sunetlab.errors import InputError
from sunetlab.train.data import Batch, DataConfig, DataSource, open_data

U8 = NDArray[np.uint8]
Spoil = Callable[[Path], object]
RNG = np.random.default_rng(0)


def open_set(source: str, task: str, **values: Any) -> DataSource:
    """A part of a published set; its size, and the classes where a part has all, are those that were known before."""
    words = {"source": source, "task": task, "workers": 0, "partial": True, **values}
    config = DataConfig.model_validate(words)
    found = open_data(config)
    assert config.known_size == found.size
    assert config.task == "classification" or config.known_classes == len(found.classes)
    return found


def whole(source: DataSource, name: str) -> Batch:
    """All images of a split."""
    split = source.split(name)
    parts = list(split.batches(torch.arange(len(split)), 3))
    sizes = [part.sizes for part in parts if part.sizes is not None]
    images, targets = (torch.cat([part[i] for part in parts]) for i in (0, 1))  # type: ignore[misc]
    return Batch(images, targets, torch.cat(sizes) if sizes else None)


def image_of(size: tuple[int, int]) -> U8:
    """(H, W, 3), smooth, so that a JPEG keeps it."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    low = RNG.integers(0, 60)
    return np.stack([rows * 4 + low, columns * 4 + low, rows + columns], 2).clip(0, 255).astype(np.uint8)


def save(path: Path, pixels: U8) -> None:
    """An image or a mask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def stored(path: Path) -> U8:
    """(H, W, 3): a file decoded by Pillow alone."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def refused(source: str, task: str, said: str, split: str = "val", **values: Any) -> None:
    """Opening and reading `train` and `split` ends in one line that says `said`."""

    def read() -> None:
        data = open_set(source, task, **values)
        for name in ("train", split):
            whole(data, name)

    with pytest.raises(InputError, match=said) as error:
        read()
    assert "\n" not in str(error.value)
