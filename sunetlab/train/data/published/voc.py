"""`voc:PATH`: PASCAL VOC 2012 segmentation, trained with the extra masks of SBD (paper §6.2, appendix B).

`train_aug` is SBD's images and VOC's own training images without those of VOC's validation list: 10,582. A mask is
VOC's where VOC's list has the image, else SBD's (Hariharan et al. 2011). Images keep their own size, at most 500 px,
on a canvas of 512×512; on a smaller canvas they are scaled down to fit.
"""

from functools import partial

from sunetlab.train.data.config import SOURCE_SIZES, TRAIN_SPLITS, DataConfig
from sunetlab.train.data.files import FilesSource, SplitFiles
from sunetlab.train.data.frames import Size, fitted
from sunetlab.train.data.published.counts import check_counts, present
from sunetlab.train.data.published.voc_layout import VocLayout, archive_of, find_voc
from sunetlab.train.data.published.voc_masks import VocMasks
from sunetlab.train.data.split import Progress
from sunetlab.train.data.splits import Item, make_splits
from sunetlab.train.data.view_reader import Names, ViewReader

CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
CANVAS = SOURCE_SIZES["voc"]
PUBLISHED = {
    "images in train": 1464,
    "images in train_aug": 10_582,
    "images in trainval": 2913,
    "images in trainval_aug": 12_031,
    "images in val": 1449,
}
ABSENT = {"test": "VOC keeps the masks of its 1,456 test images; its evaluation server judges them"}


def open_voc(config: DataConfig, progress: Progress | None = None) -> FilesSource:
    """VOC 2012.

    Args:
        config: The `[data]` table.
        progress: Unused; the lists are read in a moment.

    Raises:
        InputError: A list or a file is missing, or the number of images is not the published one.
    """
    del progress
    layout = find_voc(config.path)
    chosen = config.train_split or TRAIN_SPLITS["voc"][0]
    found = {"train": train_items(layout, chosen), "val": layout.items(layout.names("val"))}
    splits = {name: present(layout.root, items, config, archive_of) for name, items in found.items()}
    counts = {f"images in {chosen}": len(splits["train"]), "images in val": len(splits["val"])}
    check_counts(config, "VOC 2012", counts, PUBLISHED)

    canvas = config.size or CANVAS
    files = {name: _split_files(layout, items, canvas) for name, items in make_splits(splits, config).items()}
    return FilesSource(config, CLASSES, canvas, files, ABSENT, {"train_split": chosen})


def train_items(layout: VocLayout, chosen: str) -> list[Item]:
    """The images of one of the published lists, each with its mask."""
    train, val = layout.names("train"), layout.names("val")
    own = layout.items(train + val if chosen.startswith("trainval") else train)
    return own + layout.extra(without={*train, *val}) if chosen.endswith("_aug") else own


def _split_files(layout: VocLayout, items: list[Item], canvas: Size) -> SplitFiles:
    names = Names(item.image for item in items)
    masks = VocMasks(layout.root, Names(str(item.target) for item in items), len(CLASSES))
    return SplitFiles(ViewReader(layout.root, names, masks, partial(fitted, canvas), canvas), names, canvas)
