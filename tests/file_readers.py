"""The readers of images and of sets of data, each with valid ones."""

import io
import os
import pickle
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

from sunetlab.train.data import DataConfig, open_data
from sunetlab.train.data.frames import fitted
from sunetlab.train.data.image_files import image_size, mask_size, read_image, read_mask, read_view
from sunetlab.train.data.listing import names_listed
from sunetlab.train.data.published.cifar_batches import read_batch, read_names
from sunetlab.train.data.published.coco import read_instances
from sunetlab.train.data.published.voc_masks import read_sbd
from tests import mutations
from tests.reader import Reader, of_files, of_tables, of_texts, through
from tests.test_data_coco import ANNOTATIONS, COCO_NAMES, NUMBERS


def of_images(folder: Path) -> list[Reader]:
    """Images and masks of every form that is read."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    labels = (pixels[..., 0] % 5).astype(np.uint8)
    images = [Image.fromarray(pixels), Image.fromarray(labels), Image.fromarray(labels.astype(np.uint16) * 256)]
    images += [images[0].convert(mode) for mode in ("RGBA", "CMYK", "P", "1", "LA")]
    palette = images[1].convert("P")
    exif = Image.Exif()
    exif[0x0112] = 6
    files = []
    for image in (*images, palette):
        for form in ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM", "JPEG2000"):
            try:
                image.save(buffer := io.BytesIO(), form, **({"exif": exif} if form in ("JPEG", "PNG", "WEBP") else {}))
            except (OSError, KeyError, ValueError):  # a form that has no such mode
                continue
            files.append(buffer.getvalue())

    def look(path: Path) -> None:
        image_size(path)
        read_image(path, (8, 8), crop=True)
        read_view(path, partial(fitted, (16, 16)), fast=True)

    def look_at_mask(path: Path) -> None:
        read_mask(path, mask_size(path), 21)

    return [
        of_files("images", files, folder / "a.png", look, 8),
        of_files("masks", files, folder / "m.png", look_at_mask, 4),
    ]


def of_published(folder: Path) -> list[Reader]:
    """CIFAR's pickles, SBD's masks, COCO's annotations, lists and folders."""
    rows = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
    batches: list[Any] = [{"data": rows, "labels": [3, 2, 1, 0]}, {b"data": rows[:1], b"labels": [0], b"x": [b"a"]}]
    names: list[Any] = [{"label_names": ["cat", "dog"]}, {b"label_names": [b"a", b"b"], b"num_vis": 3072}]
    pickles = [pickle.dumps(each, protocol) for each in batches for protocol in (0, 2, 4)]
    meta = [pickle.dumps(each, protocol) for each in names for protocol in (0, 2, 4)]

    def pickled(valid: list[Any]) -> Callable[[random.Random], bytes]:
        return lambda rng: pickle.dumps(mutations.table(rng, rng.choice(valid), valid), rng.choice((0, 2, 4)))

    batch = through(folder / "data_batch_1", lambda path: read_batch(path, "labels", 10))
    described = through(folder / "batches.meta", lambda path: read_names(path, "label_names"))
    mats = []
    for dtype in (np.uint8, np.int32):
        for packed in (False, True):
            content = {"GTcls": {"Segmentation": np.ones((5, 7), dtype), "Boundaries": np.zeros((2, 2))}}
            savemat(folder / "m.mat", content, do_compression=packed)
            mats.append((folder / "m.mat").read_bytes())
    coco = {
        "images": [{"id": i, "file_name": f"{i:012}.jpg", "height": 50, "width": 60} for i in range(1, 7)],
        "annotations": ANNOTATIONS["train"],
        "categories": [{"id": i, "name": name} for i, name in zip(NUMBERS, COCO_NAMES.values(), strict=True)],
    }

    def draw(path: Path) -> None:
        for found in read_instances(path).values():
            found.labelled_px()
            found.draw()

    lists = ["2007_000032\n2007_000039\n", "a b c\nb\n\n c\n"]
    listed = through(folder / "list.txt", lambda path: names_listed(path, "from somewhere"))
    return [
        Reader("contents of CIFAR's batches", pickled(batches), batch, 2),
        of_files("bytes of CIFAR's batches", pickles, folder / "b", lambda path: read_batch(path, "labels", 10)),
        Reader("contents of CIFAR's names", pickled(names), described, 2),
        of_files("bytes of CIFAR's names", meta, folder / "m", lambda path: read_names(path, "label_names")),
        of_files("SBD's masks", mats, folder / "a.mat", lambda path: read_sbd(path, 21), 2),
        of_tables("COCO's annotations", [coco], folder / "instances.json", draw, 20),
        of_texts("lists of images", lists, lambda text: listed(text.encode("utf-8", "surrogatepass"))),
        *_of_trees(folder),
    ]


_SPLITS, _ENDS = ("train", "val"), (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds"))
_VOC, _SBD = "VOCdevkit/VOC2012", "benchmark_RELEASE/dataset"
TREES: dict[str, tuple[str, str, list[str]]] = {
    "a folder of classes": (
        "folder:",
        "classification",
        [f"{split}/{name}/{i}.png" for split in _SPLITS for name in ("cat", "dog") for i in (1, 2)] + ["classes.txt"],
    ),
    "a folder of masks": (
        "folder:",
        "segmentation",
        [f"{kind}/{i}.png" for kind in ("images", "masks") for i in range(6)] + ["classes.txt"],
    ),
    "ImageNet's folders": (
        "imagenet:",
        "classification",
        [f"{split}/n0000000{i}/{i}.JPEG" for split in _SPLITS for i in (1, 2)],
    ),
    "Cityscapes' folders": (
        "cityscapes:",
        "segmentation",
        [f"{kind}/{split}/bonn/bonn_{i}_{end}.png" for kind, end in _ENDS for split in _SPLITS for i in (1, 2)],
    ),
    "VOC's folders": (
        "voc:",
        "segmentation",
        [f"{_VOC}/ImageSets/Segmentation/{split}.txt" for split in _SPLITS]
        + [f"{_VOC}/JPEGImages/{name}.jpg" for name in "ab"]
        + [f"{_VOC}/SegmentationClass/{name}.png" for name in "ab"]
        + [f"{_SBD}/{name}" for name in ("train.txt", "val.txt", "cls/b.mat")],
    ),
}
Tree = list[tuple[str, bytes | None]]  # of a folder: paths, and what is in the files; None is neither file nor folder


def _of_trees(folder: Path) -> list[Reader]:
    """Folders of data: their listing, and what their text files say; images are read when they are wanted."""
    return [_of_tree(folder / name.replace(" ", "-"), name, *rest) for name, rest in TREES.items()]


def _of_tree(root: Path, name: str, source: str, task: str, paths: list[str]) -> Reader:
    Image.new("L", (9, 9)).save(buffer := io.BytesIO(), "PNG")
    lists = {"n.txt": b"a\n", "l.txt": b"b\n", "s.txt": b"cat\ndog\n"}

    def make(rng: random.Random) -> Tree:
        tree: Tree = [(path, lists.get(path[-5:], buffer.getvalue())) for path in paths]
        for _ in range(rng.choice((1, 1, 2, 4))):
            rng.choice(_SPOILS)(rng, tree, rng.randrange(len(tree)))
        return tree

    def read(tree: Tree) -> None:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        for path, held in tree:
            _plant(Path(os.path.normpath(root / path.lstrip("/").replace("\0", ""))), root, held)
        words = {"source": f"{source}{root}", "task": task, "partial": True, "workers": 0}
        open_data(DataConfig.model_validate(words)).record()

    return Reader(name, make, read, 12)


def _lose(_: random.Random, tree: Tree, at: int) -> None:
    if len(tree) > 1:
        del tree[at]


def _rename(rng: random.Random, tree: Tree, at: int) -> None:
    tree[at] = (mutations.text(rng, tree[at][0], [path for path, _ in tree]), tree[at][1])


def _obstruct(_: random.Random, tree: Tree, at: int) -> None:
    tree[at] = (tree[at][0], None)


def _rewrite(rng: random.Random, tree: Tree, at: int) -> None:
    text = (tree[at][1] or b"").decode("latin-1")[:50]
    tree[at] = (tree[at][0], mutations.text(rng, text, ["cat\n"]).encode("utf-8", "surrogatepass"))


def _double(rng: random.Random, tree: Tree, at: int) -> None:
    tree.append((mutations.text(rng, tree[at][0]), tree[at][1]))


def _raise(_: random.Random, tree: Tree, at: int) -> None:
    """A file in the place of its folder."""
    tree[at] = (tree[at][0].rpartition("/")[0] or "x", tree[at][1])


_SPOILS: tuple[Callable[[random.Random, Tree, int], None], ...] = (_lose, _rename, _obstruct, _rewrite, _double, _raise)


def _plant(target: Path, root: Path, held: bytes | None) -> None:
    """Make a file below `root`, as far as the system has one of this name."""
    if root not in target.parents or os.path.lexists(target):  # to write to a pipe takes two
        return
    with suppress(OSError, ValueError):
        target.parent.mkdir(parents=True, exist_ok=True)
        if held is not None:
            target.write_bytes(held)
        elif len(target.name) % 3 == 0:
            os.mkfifo(target)
        elif len(target.name) % 3 == 1:
            target.symlink_to(target.name)
        else:
            target.mkdir()
