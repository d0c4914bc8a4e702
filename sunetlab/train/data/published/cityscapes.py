"""`cityscapes:PATH`: the finely annotated part of Cityscapes, 19 classes (paper §6.2, appendix B).

`leftImg8bit/{train,val}/CITY/*_leftImg8bit.png` and `gtFine/{train,val}/CITY/*_gtFine_labelIds.png`. The masks' ids
become the 19 classes that are judged, and void. At another size than 1024×2048 image and mask are stretched.
torchvision's `Cityscapes` is not used: it unpacks archives that it finds, takes the order of the file system, and does
not see that a mask is missing.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from sunetlab.train.data.config import SOURCE_SIZES, VOID, DataConfig
from sunetlab.train.data.files import FilesSource, SplitFiles
from sunetlab.train.data.frames import Size, stretched
from sunetlab.train.data.image_files import U8, mask_size, read_mask
from sunetlab.train.data.listing import data_folder, files_in, folders_in
from sunetlab.train.data.published.counts import check_counts, present
from sunetlab.train.data.split import Progress
from sunetlab.train.data.splits import Item, make_splits
from sunetlab.train.data.view_reader import Names, ViewReader

SIZE = SOURCE_SIZES["cityscapes"]
PUBLISHED = {"images in train": 2975, "images in val": 500}
ABSENT = {"test": "Cityscapes keeps the masks of its test images; its evaluation server judges them"}

_CLASS_IDS = {
    **{7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light"},
    **{20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car"},
    **{27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"},
}  # the official id of each class that is judged, in the order of its label (cityscapesScripts, labels.py)
_IDS = 34
CLASSES = tuple(_CLASS_IDS.values())

_IMAGE, _MASK = "_leftImg8bit.png", "_gtFine_labelIds.png"


def open_cityscapes(config: DataConfig, progress: Progress | None = None) -> FilesSource:
    """Cityscapes.

    Args:
        config: The `[data]` table.
        progress: Unused; folders are listed in a moment.

    Raises:
        InputError: A folder or a file is missing, or the number of images is not the published one.
    """
    del progress
    root = data_folder(config.path)
    splits = {name: present(root, _items(root, name), config, _archive_of) for name in ("train", "val")}
    counts = {f"images in {name}": len(items) for name, items in splits.items()}
    check_counts(config, "Cityscapes", counts, PUBLISHED)
    size = config.size or SIZE
    files = {name: _split_files(root, items, size) for name, items in make_splits(splits, config).items()}
    return FilesSource(config, CLASSES, size, files, ABSENT)


def _archive_of(path: str) -> str:
    return f"{path.partition('/')[0]}_trainvaltest.zip has it"


def _items(root: Path, split: str) -> list[Item]:
    """Every image or mask that is there, with its other half, which may be missing."""
    scenes: set[tuple[str, str]] = set()
    for kind, suffix in (("leftImg8bit", _IMAGE), ("gtFine", _MASK)):
        folder = root / kind / split
        for city in folders_in(folder, _archive_of(kind)):
            names = files_in(folder / city, _archive_of(kind))
            scenes |= {(city, name.removesuffix(suffix)) for name in names if name.endswith(suffix)}
    return [
        Item(f"leftImg8bit/{split}/{city}/{scene}{_IMAGE}", f"gtFine/{split}/{city}/{scene}{_MASK}")
        for city, scene in sorted(scenes)
    ]


def _split_files(root: Path, items: list[Item], size: Size) -> SplitFiles:
    names = Names(item.image for item in items)
    masks = CityscapesMasks(root, Names(str(item.target) for item in items))
    return SplitFiles(ViewReader(root, names, masks, partial(stretched, size), size, fills=True), names, size)


@dataclass(frozen=True)
class CityscapesMasks:
    """The masks of a split; see `view_reader.Masks`.

    Attributes:
        root: The data folder.
        names: Paths below it.
    """

    root: Path
    names: Names

    def read(self, row: int) -> U8:
        """(H, W) of the 19 classes and void.

        Raises:
            InputError: The file is broken, or an id is none of the official table.
        """
        path = self.root / self.names[row]
        return _class_of_id()[read_mask(path, mask_size(path), _IDS)]


def _class_of_id() -> U8:
    """The class, or VOID, of each id: (256,)."""
    table = np.full(256, VOID, dtype=np.uint8)
    table[list(_CLASS_IDS)] = range(len(CLASSES))
    return table
