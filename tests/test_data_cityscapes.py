"""Cityscapes in its published layout, against torchvision's table of classes and its listing."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.datasets import Cityscapes

from sunetlab.train.data import VOID, DataConfig, open_data

from .published import RNG, U8, Spoil, image_of, open_set, refused, save, stored, whole

SCENES = {
    "train": ("aachen/aachen_000000_000019", "aachen/aachen_000001_000019", "zurich/zurich_000000_000019"),
    "val": ("frankfurt/frankfurt_000000_000294", "lindau/lindau_000000_000019"),
}
SIZE = (24, 48)
TRAIN_ID = {row.id: row.train_id for row in Cityscapes.classes if row.id >= 0}


def write_cityscapes(root: Path) -> dict[str, U8]:
    """The tree; the ids of every scene."""
    ids = {}
    for split, scenes in SCENES.items():
        for scene in scenes:
            save(root / f"leftImg8bit/{split}/{scene}_leftImg8bit.png", image_of(SIZE))
            ids[scene] = np.resize(RNG.permutation(34).astype(np.uint8), SIZE)
            save(root / f"gtFine/{split}/{scene}_gtFine_labelIds.png", ids[scene])
            save(root / f"gtFine/{split}/{scene}_gtFine_instanceIds.png", ids[scene])
    save(root / "leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png", image_of(SIZE))
    save(root / "gtFine/test/berlin/berlin_000000_000019_gtFine_labelIds.png", np.zeros(SIZE, dtype=np.uint8))
    return ids


def test_classes_are_those_of_the_official_table(tmp_path: Path) -> None:
    ids = write_cityscapes(tmp_path)
    source = open_set(f"cityscapes:{tmp_path}", "segmentation", size=SIZE)
    official = {row.train_id: row.name for row in Cityscapes.classes if row.train_id not in (VOID, -1)}
    assert source.classes == tuple(official[label] for label in range(19))
    for split, scenes in SCENES.items():
        files = source.record()["files"][split]
        assert files == [f"leftImg8bit/{split}/{scene}_leftImg8bit.png" for scene in scenes]
        images, masks, sizes = whole(source, split)
        assert sizes is None
        for scene, name, image, mask in zip(scenes, files, images, masks, strict=True):
            assert np.array_equal(image.permute(1, 2, 0), stored(tmp_path / name))
            assert np.array_equal(mask, np.vectorize(TRAIN_ID.__getitem__)(ids[scene]))
        assert {*np.unique(masks)} == {*range(19), VOID}


def test_the_same_pairs_as_torchvision(tmp_path: Path) -> None:
    write_cityscapes(tmp_path)
    theirs = Cityscapes(str(tmp_path), "train", target_type="semantic")
    source = open_set(f"cityscapes:{tmp_path}", "segmentation", size=SIZE)
    assert sorted(theirs.images) == [str(tmp_path / name) for name in source.record()["files"]["train"]]


def test_size(tmp_path: Path) -> None:
    ids = write_cityscapes(tmp_path)
    small = open_set(f"cityscapes:{tmp_path}", "segmentation", size=(8, 16), memory_gib=0)
    images, masks, _ = whole(small, "val")
    assert images.shape == (2, 3, 8, 16)
    middle = np.vectorize(TRAIN_ID.__getitem__)(ids[SCENES["val"][0]])[1::3, 1::3]  # of 3×3 pixels
    assert np.array_equal(masks[0], middle)
    assert open_set(f"cityscapes:{tmp_path}", "segmentation").size == (1024, 2048)
    pickle.loads(pickle.dumps(small.split("val")._reader)).read([1])  # type: ignore[attr-defined]  # in a worker
    assert torch.equal(images, whole(small, "val").images)


def unlink(path: str) -> Spoil:
    return lambda root: (root / path).unlink()


FULL = {"partial": False}
MASK = "gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png"
WRONG: list[tuple[str, Spoil, dict[str, Any], str]] = [
    ("masks", lambda r: (r / "gtFine").rename(r / "x"), {}, r"gtFine/train: missing; gtFine_trainvaltest\.zip has it"),
    (
        "split",
        lambda r: (r / "leftImg8bit/val").rename(r / "x"),
        {},
        r"leftImg8bit/val: missing; leftImg8bit_trainvalt",
    ),
    (
        "mask",
        unlink(MASK),
        FULL,
        r"lindau/lindau_000000_000019_gtFine_labelIds\.png: missing; gtFine_trainvaltest\.zip has it \(data\.p",
    ),
    (
        "image",
        unlink("leftImg8bit/train/aachen/aachen_000001_000019_leftImg8bit.png"),
        FULL,
        r"aachen_000001_000019_leftImg8bit\.png: missing; leftImg8bit_trainvaltest\.zip has it \(data\.partial",
    ),
    ("count", lambda r: r, FULL, r": 3 images in train; Cityscapes has 2,975 \(data\.partial = true"),
    ("id", lambda r: save(r / MASK, np.full(SIZE, 34, dtype=np.uint8)), {}, "labelIds.png: label 34 is out of range"),
    ("size", lambda r: save(r / MASK, np.zeros((24, 24), dtype=np.uint8)), {}, "24×48 px, but its mask is 24×24 px"),
    ("colour", lambda r: save(r / MASK, image_of(SIZE)), {}, r"labelIds\.png: a colour mask"),
]


@pytest.mark.parametrize(("spoil", "values", "said"), [c[1:] for c in WRONG], ids=[c[0] for c in WRONG])
def test_wrong(tmp_path: Path, spoil: Spoil, values: dict[str, Any], said: str) -> None:
    write_cityscapes(tmp_path)
    spoil(tmp_path)
    refused(f"cityscapes:{tmp_path}", "segmentation", said, **{"size": SIZE, **values})


def test_the_published_numbers_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cityscapes(tmp_path)
    monkeypatch.setattr(
        "sunetlab.train.data.published.cityscapes.PUBLISHED", {"images in train": 3, "images in val": 2}
    )
    source = open_data(DataConfig(source=f"cityscapes:{tmp_path}", task="segmentation", size=SIZE))
    assert source.record()["images"] == {"train": 3, "val": 2}
    refused(f"cityscapes:{tmp_path}", "segmentation", "has train, val; Cityscapes keeps", split="test", size=SIZE)
    part = unlink(MASK)
    part(tmp_path)
    assert open_set(f"cityscapes:{tmp_path}", "segmentation", size=SIZE).record()["images"]["val"] == 1
