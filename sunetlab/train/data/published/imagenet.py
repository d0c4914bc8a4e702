"""`imagenet:PATH`: ILSVRC 2012 as everyone lays it out, `train/nXXXXXXXX/*.JPEG` and `val/nXXXXXXXX/*.JPEG`.

Classes are the folders' names (WordNet ids) in their order, as torchvision's `ImageFolder` numbers them; that class is
not used, because it opens what it lists with no word of what is missing. Images are taken as stored: the published
figures do not turn them by EXIF.

With `size` 224: a training image has its shorter side brought to 256 and lies on a canvas of 512×512, of an image
longer than 2:1 the middle; `augment.area` and `augment.crop` take the training crop from it. A validation image has its
shorter side brought to 256 and is the middle 224×224 (paper §6.1, after He et al. 2016), to the pixel what
torchvision's `Resize(256)`, `CenterCrop(224)` give. Other sizes keep these proportions: 8/7 of the size, and 2:1.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from sunetlab.errors import InputError
from sunetlab.train.data.config import DataConfig
from sunetlab.train.data.files import FilesSource, SplitFiles
from sunetlab.train.data.frames import bounded, centred
from sunetlab.train.data.image_files import IMAGE_SUFFIXES, shown
from sunetlab.train.data.listing import data_folder, files_in, folders_in
from sunetlab.train.data.published.counts import PARTIAL, check_counts
from sunetlab.train.data.split import Progress
from sunetlab.train.data.splits import Item, make_splits
from sunetlab.train.data.view_reader import Names, ViewReader

SIDE, SHORTER, MOST_ASPECT = 224, 8 / 7, 2
PUBLISHED = {"images in train": 1_281_167, "images in val": 50_000, "classes": 1000}
ABSENT = {"test": "ILSVRC 2012 keeps its test labels; papers report val"}

_WNID = re.compile(r"n\d{8}")
_ARCHIVES = {"train": "ILSVRC2012_img_train.tar", "val": "ILSVRC2012_img_val.tar"}
_SORT = (
    "sort them into a folder per class (valprep.sh of soumith/imagenetloader.torch does, or by"
    " ILSVRC2012_validation_ground_truth.txt of the development kit)"
)


def open_imagenet(config: DataConfig, progress: Progress | None = None) -> FilesSource:
    """ImageNet, from its class folders.

    Args:
        config: The `[data]` table.
        progress: Called with (class folders listed, class folders).

    Raises:
        InputError: The layout or the number of images is not the published one, or `size` is no square.
    """
    side = _side(config)
    root = data_folder(config.path)
    asked = [split for split in _ARCHIVES if split == "val" or not config.partial or (root / split).is_dir()]
    folders = {split: _class_folders(root, split) for split in asked}
    classes = tuple(next(iter(folders.values())))
    if len(folders) > 1:
        _refuse_other_classes(root, classes, folders["val"], config)
    total = sum(map(len, folders.values()))
    found: dict[str, list[Item]] = {}
    for begun, (split, names) in zip((0, len(classes)), folders.items(), strict=False):
        found[split] = []
        for done, name in enumerate(names, begun + 1):
            found[split] += _images(root, f"{split}/{name}", classes.index(name))
            if progress is not None:
                progress(done, total)
    counts = {"classes": len(classes)} | {f"images in {split}": len(items) for split, items in found.items()}
    check_counts(config, "ImageNet (ILSVRC 2012)", counts, PUBLISHED)

    splits = {name: _split_files(root, items, name, side) for name, items in make_splits(found, config).items()}
    return FilesSource(config, classes, (side, side), splits, ABSENT)


def _split_files(root: Path, items: list[Item], split: str, side: int) -> SplitFiles:
    names, labels = Names(item.image for item in items), np.array([item.target for item in items], dtype=np.int64)
    shorter = round(SHORTER * side)
    if split == "train":
        most = MOST_ASPECT * shorter
        reader = ViewReader(root, names, labels, partial(bounded, shorter, most), (most, most), fast=True)
    else:
        reader = ViewReader(root, names, labels, partial(centred, shorter, side), (side, side), fills=True)
    return SplitFiles(reader, names, reader.canvas, digest=True)


def _side(config: DataConfig) -> int:
    height, width = config.size or (SIDE, SIDE)
    if height != width:
        raise InputError(f"data.size = {height}×{width}: imagenet's crops are squares; give one number")
    return height


def _class_folders(root: Path, split: str) -> list[str]:
    hint = f"unpack {_ARCHIVES[split]} there, a folder per class"
    names = [name for name in folders_in(root / split, hint) if _WNID.fullmatch(name)]
    if names:
        return names
    files = files_in(root / split, hint)
    if any(name.startswith("ILSVRC2012_val_") for name in files):
        raise InputError(f"{shown(root / split)}: the images lie in one heap; {_SORT}")
    if any(_WNID.fullmatch(Path(name).stem) and name.endswith(".tar") for name in files):
        raise InputError(f"{shown(root / split)}: archives; unpack each nXXXXXXXX.tar into a folder of its name")
    raise InputError(f"{shown(root / split)}: no class folders nXXXXXXXX; {hint}")


def _refuse_other_classes(root: Path, classes: tuple[str, ...], val: list[str], config: DataConfig) -> None:
    for name in val:
        if name not in classes:
            raise InputError(f"{shown(root / 'train' / name)}: missing, but val/ has this class")
    for name in classes:
        if name not in val and not config.partial:
            raise InputError(f"{shown(root / 'val' / name)}: missing, but train/ has this class ({PARTIAL})")


def _images(root: Path, folder: str, label: int) -> list[Item]:
    names = files_in(root / folder, "it was there when the listing began")
    found = [Item(f"{folder}/{name}", label) for name in names if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    if not found:
        raise InputError(f"{shown(root / folder)}: an empty class folder; it must hold *.JPEG")
    return found
