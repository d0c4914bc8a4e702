"""`cifar10:PATH` and `cifar100:PATH`: the published version for Python, 32×32 images in batches.

PATH is the folder of the batches (`cifar-10-batches-py`, `cifar-100-python`) or the one that it is in. torchvision's
classes read the same files, but by `pickle.load`, which runs what a file asks for. The validation split is made from
the training images by the seed, as many of every class; `test` is the published one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from sunetlab.errors import InputError
from sunetlab.train.data.config import DataConfig, Task
from sunetlab.train.data.files import FilesSource, SplitFiles
from sunetlab.train.data.frames import Size
from sunetlab.train.data.image_files import U8, shown
from sunetlab.train.data.listing import data_folder
from sunetlab.train.data.published.cifar_batches import IMAGE, CifarBatch, read_batch, read_names
from sunetlab.train.data.published.counts import check_counts
from sunetlab.train.data.split import Batch, Progress
from sunetlab.train.data.splits import Item, make_splits


class Version(NamedTuple):
    """How one of the two sets is published: its name, its archive, its files, the keys in them."""

    title: str
    archive: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    labels: str
    description: str
    names: str
    classes: int


VERSIONS = {
    "cifar10": Version(
        title="CIFAR-10",
        archive="cifar-10-python.tar.gz",
        folder="cifar-10-batches-py",
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test=("test_batch",),
        labels="labels",
        description="batches.meta",
        names="label_names",
        classes=10,
    ),
    "cifar100": Version(
        title="CIFAR-100",
        archive="cifar-100-python.tar.gz",
        folder="cifar-100-python",
        train=("train",),
        test=("test",),
        labels="fine_labels",
        description="meta",
        names="fine_label_names",
        classes=100,
    ),
}
PUBLISHED = {"images in train": 50_000, "images in test": 10_000}


def open_cifar(config: DataConfig, progress: Progress | None = None) -> FilesSource:
    """CIFAR-10 or CIFAR-100.

    Args:
        config: The `[data]` table; its source names the set.
        progress: Called with (files read, files).

    Raises:
        InputError: A file is missing, broken or no batch, or the number of images is not the published one.
    """
    version = VERSIONS[config.name]
    folder = _folder(config.path, version)
    classes = read_names(folder / version.description, version.names)
    files = [(split, file) for split in ("train", "test") for file in getattr(version, split)]
    batches: list[CifarBatch] = []
    found: dict[str, list[Item]] = {"train": [], "test": []}
    for split, file in files:
        batches.append(read_batch(folder / file, version.labels, len(classes)))
        found[split] += [Item(f"{file}/{row:05}", label) for row, label in enumerate(batches[-1].labels)]
        if progress is not None:
            progress(len(batches), len(files))
    counts = {f"images in {split}": len(items) for split, items in found.items()} | {"classes": len(classes)}
    check_counts(config, version.title, counts, {**PUBLISHED, "classes": version.classes})

    images = np.concatenate([batch.images for batch in batches])
    number = {item.image: row for row, item in enumerate(found["train"] + found["test"])}
    size = config.size or IMAGE[1:]

    def split_files(items: list[Item]) -> SplitFiles:
        labels = np.array([item.target for item in items], dtype=np.int64)
        reader = CifarReader(images[[number[item.image] for item in items]], labels, size)
        # The images are in memory as they are: workers would take a copy each.
        return SplitFiles(reader, [item.image for item in items], size, workers=0)

    splits = make_splits(found, config)
    return FilesSource(config, classes, size, {name: split_files(items) for name, items in splits.items()})


def _folder(root: Path, version: Version) -> Path:
    """Where the batches are: every file of them, or the first that is missing is named."""
    inside = data_folder(root) / version.folder
    folder = inside if inside.is_dir() else root
    needed = (version.description, *version.train, *version.test)
    missing = [name for name in needed if not (folder / name).is_file()]
    if len(missing) == len(needed):
        raise InputError(f"{shown(inside)}: missing; unpack {version.archive} in {shown(root)}")
    if missing:
        raise InputError(f"{shown(folder / missing[0])}: missing; {version.archive} has it")
    return folder


@dataclass(frozen=True)
class CifarReader:
    """Images that are in memory already, brought to a size.

    Attributes:
        images: uint8 (N, 3, 32, 32).
        labels: int64 (N,).
        size: (height, width) in px.
    """

    images: U8
    labels: NDArray[np.int64]
    size: Size

    @property
    def task(self) -> Task:
        """What the targets are."""
        return "classification"

    def __len__(self) -> int:
        return len(self.images)

    def read(self, rows: Sequence[int]) -> Batch:
        """The images numbered `rows`: uint8 (B, 3, H, W), and int64 (B,)."""
        images = self.images[list(rows)]
        if self.size != IMAGE[1:]:
            images = np.stack([_resized(image, self.size) for image in images])
        return Batch(torch.from_numpy(images), torch.from_numpy(self.labels[list(rows)]))


def _resized(image: U8, size: Size) -> U8:
    whole = Image.fromarray(image.transpose(1, 2, 0)).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(whole, dtype=np.uint8).transpose(2, 0, 1)
