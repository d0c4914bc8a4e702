"""`coco:PATH`: COCO 2017 with VOC's 20 classes, to train before VOC (paper §6.2).

`train2017/`, `val2017/` and `annotations/instances_{train,val}2017.json`. Every other class is background. Training
images with fewer than 1,000 labelled pixels, those in an instance of one of the 20 classes, are dropped (paper: some
90,000 remain); validation images stay. torchvision's `CocoDetection` is not used: it keeps all annotations, and
pycocotools' own index of them prints. Images keep their own size, at most 640 px, on a canvas of 640×640.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sunetlab.errors import InputError
from sunetlab.files import refuse_endless
from sunetlab.train.data.config import SOURCE_SIZES, DataConfig
from sunetlab.train.data.files import FilesSource, SplitFiles
from sunetlab.train.data.frames import Size, fitted
from sunetlab.train.data.image_files import LIMIT_PX, U8, shown
from sunetlab.train.data.listing import data_folder, is_plain
from sunetlab.train.data.published.coco_regions import Regions, make_regions, mask_tools
from sunetlab.train.data.published.counts import check_counts, present
from sunetlab.train.data.published.voc import CLASSES
from sunetlab.train.data.split import Progress
from sunetlab.train.data.splits import Item, make_splits
from sunetlab.train.data.view_reader import Names, ViewReader

CANVAS = SOURCE_SIZES["coco"]
LEAST_PX = 1000
PUBLISHED = {"images in train": 118_287, "images in val": 5000}  # before any is dropped
ABSENT = {"test": "COCO keeps the annotations of its test images; its evaluation server judges them"}

VOC_NAMES = {
    "airplane": "aeroplane",
    "couch": "sofa",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "tv": "tvmonitor",
}
"""COCO's name → VOC's, where they differ."""


def open_coco(config: DataConfig, progress: Progress | None = None) -> FilesSource:
    """COCO 2017.

    Args:
        config: The `[data]` table.
        progress: Called with (images whose annotations are read, images), split by split.

    Raises:
        InputError: A file is missing or not COCO's, the number of images is not the published one, or pycocotools is
            not installed.
    """
    mask_tools()
    root = data_folder(config.path)
    regions: dict[str, Regions] = {}
    splits: dict[str, list[Item]] = {}
    for split in ("train", "val"):
        file = f"annotations/instances_{split}2017.json"
        found = read_instances(root / file, progress)
        items = [Item(f"{split}2017/{name}", file) for name in sorted(found)]
        splits[split] = present(root, items, config, lambda path: f"{path.partition('/')[0]}.zip has it")
        check_counts(config, "COCO 2017", {f"images in {split}": len(splits[split])}, PUBLISHED)
        regions |= {f"{split}2017/{name}": of_image for name, of_image in found.items()}
    splits["train"] = [item for item in splits["train"] if regions[item.image].labelled_px() >= LEAST_PX]
    if not splits["train"]:
        raise InputError(f"{shown(root)}: no image in train has {LEAST_PX:,} labelled pixels of VOC's classes")

    canvas = config.size or CANVAS

    def split_files(items: list[Item]) -> SplitFiles:
        names = Names(item.image for item in items)
        masks = CocoMasks(tuple(regions[item.image] for item in items))
        return SplitFiles(ViewReader(root, names, masks, partial(fitted, canvas), canvas), names, canvas)

    files = {name: split_files(items) for name, items in make_splits(splits, config).items()}
    return FilesSource(config, CLASSES, canvas, files, ABSENT)


@dataclass(frozen=True)
class CocoMasks:
    """The masks of a split, drawn when they are read; see `view_reader.Masks`."""

    regions: tuple[Regions, ...]

    def read(self, row: int) -> U8:
        """(H, W)."""
        return self.regions[row].draw()


def read_instances(path: Path, progress: Progress | None = None) -> dict[str, Regions]:
    """The regions of VOC's classes of every image of an annotation file, by the image's name.

    Raises:
        InputError: The file is missing, or not COCO's.
    """
    refuse_endless(path)
    try:
        with path.open(encoding="utf-8") as file:
            document = json.load(file)
    except FileNotFoundError:
        raise InputError(f"{shown(path)}: missing; annotations_trainval2017.zip has it") from None
    except OSError as error:
        raise InputError(f"{shown(path)}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{shown(path)}: not valid JSON (half downloaded?)") from None
    try:
        return _regions_by_name(document, progress)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{shown(path)}: not COCO's instances: {type(error).__name__} {error}") from None
    except ValueError as error:
        raise InputError(f"{shown(path)}: {error}") from None


def _regions_by_name(document: dict[str, Any], progress: Progress | None) -> dict[str, Regions]:
    labels = _labels(document["categories"])
    of_image: dict[int, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
    for annotation in document.pop("annotations"):
        if annotation["category_id"] in labels:
            of_image[annotation["image_id"]].append((labels[annotation["category_id"]], annotation))
    regions: dict[str, Regions] = {}
    images = document["images"]
    for done, image in enumerate(images, 1):
        name, size = image["file_name"], _size(image)
        try:
            if not isinstance(name, str) or not is_plain(name):
                raise ValueError("not the name of a file")
            regions[name] = make_regions(size, of_image.pop(image["id"], ()))  # and let go of what was read
        except ValueError as error:
            raise ValueError(f"image {str(name)[:80]!r}: {error}") from None
        if progress is not None and (done % 100 == 0 or done == len(images)):
            progress(done, len(images))
    return regions


def _labels(categories: list[dict[str, Any]]) -> dict[int, int]:
    """COCO's number of a category → VOC's label, for VOC's classes."""
    labels = {}
    for category in categories:
        name = VOC_NAMES.get(category["name"], category["name"])
        if name in CLASSES[1:]:
            labels[category["id"]] = CLASSES.index(name)
    missing = [name for label, name in enumerate(CLASSES) if label and label not in labels.values()]
    if missing:
        raise ValueError(f"not COCO's instances: no category for {missing[0]!r}")
    return labels


def _size(image: dict[str, Any]) -> Size:
    height, width = image["height"], image["width"]
    if type(height) is not int or type(width) is not int or min(height, width) < 1 or height * width > LIMIT_PX:
        raise ValueError(f"image {str(image['file_name'])[:80]!r}: a size of {height}×{width} px")
    return height, width
