"""ImageNet's class folders, its training canvas and its validation crop."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from sunetlab.errors import InputError
from sunetlab.train.augment import augment
from sunetlab.train.augmentation import Augment
from sunetlab.train.data import DataConfig, FileSplit, open_data
from sunetlab.train.data.frames import bounded, centred, fitted

from .published import RNG, Spoil, image_of, open_set, refused, save, stored, whole

WNIDS = ("n01440764", "n02105855", "n15075141")
SIZES = ((40, 60), (61, 37), (30, 90), (20, 20))


def write_imagenet(root: Path) -> Path:
    for wnid in WNIDS:
        for number, size in enumerate(SIZES):
            save(root / "train" / wnid / f"{wnid}_{number}.JPEG", image_of(size))
        for number, size in enumerate(SIZES[:2]):
            save(root / "val" / wnid / f"ILSVRC2012_val_{number:08}.JPEG", image_of(size))
    with Image.open(root / "train/n02105855/n02105855_0.JPEG") as image:
        image.save(root / "train/n02105855/n02105855_0.JPEG", "PNG")  # the published set has such a one
    return root


def test_labels_are_those_of_image_folder(tmp_path: Path) -> None:
    source = open_set(f"imagenet:{write_imagenet(tmp_path)}", "classification", size=28)
    assert (source.classes, source.size) == (WNIDS, (28, 28))
    for split in ("train", "val"):
        theirs = ImageFolder(tmp_path / split)
        assert whole(source, split).targets.tolist() == theirs.targets
    assert source.record()["images"] == {"train": 12, "val": 6}
    digest = source.record()["files"]["train"]
    assert digest.startswith("sha256:")
    assert open_set(f"imagenet:{tmp_path}", "classification").record()["files"]["train"] == digest
    (tmp_path / "train/n01440764/n01440764_3.JPEG").rename(tmp_path / "train/n01440764/n01440764_4.JPEG")
    assert open_set(f"imagenet:{tmp_path}", "classification").record()["files"]["train"] != digest


def test_validation_images_are_torchvision_s(tmp_path: Path) -> None:
    source = open_set(f"imagenet:{write_imagenet(tmp_path)}", "classification", size=28)
    got = whole(source, "val")
    usual = v2.Compose([v2.Resize(32), v2.CenterCrop(28), v2.PILToTensor()])
    expected = [usual(image.convert("RGB")) for image, _ in ImageFolder(tmp_path / "val")]
    assert got.sizes is None
    assert torch.equal(got.images, torch.stack(expected))


def test_training_images_lie_on_a_canvas(tmp_path: Path) -> None:
    source = open_set(f"imagenet:{write_imagenet(tmp_path)}", "classification", size=28)
    images, labels, sizes = whole(source, "train")
    assert images.shape == (12, 3, 64, 64)
    assert sizes is not None
    assert sizes[:4].tolist() == [[32, 48], [52, 32], [32, 64], [32, 32]]  # 30×90 is cut to 2:1
    for image, (height, width) in zip(images, sizes.tolist(), strict=True):
        assert int(image[:, height:].sum()) == int(image[:, :, width:].sum()) == 0
        assert image[:, height - 1, width - 1].max() > 0
    wide = Image.fromarray(stored(tmp_path / "train/n01440764/n01440764_2.JPEG")).resize(
        (96, 32), Image.Resampling.BILINEAR
    )
    assert np.abs(np.asarray(wide)[:, 16:80].astype(int) - images[2, :, :32].permute(1, 2, 0).numpy()).max() <= 1

    moves = Augment(area=(0.08, 1.0), crop=(28, 28))
    views, _ = augment(images, labels, moves, torch.Generator().manual_seed(0), sizes)
    assert views.shape == (12, 3, 28, 28)
    assert bool((views[:, :, 4:-4, 4:-4].abs().sum(1) > 0).all())  # no view shows the canvas beyond its image


def test_large_files_are_decoded_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JPEG's own scale gives nearly the pixels of the whole, and is used for training alone."""
    write_imagenet(tmp_path)
    big = np.kron(RNG.integers(0, 256, (6, 8, 3)), np.ones((64, 64, 1))).astype(np.uint8)
    for split, name in (("train", "n01440764_0"), ("val", "ILSVRC2012_val_00000000")):
        save(tmp_path / split / "n01440764" / f"{name}.JPEG", big)
    drafts: list[bool] = []
    own = JpegImageFile.draft

    def noted(self: Any, mode: Any, size: Any) -> Any:
        whole_size, result = self.size, own(self, mode, size)
        drafts.append(self.size != whole_size)
        return result

    monkeypatch.setattr(JpegImageFile, "draft", noted)
    source = open_set(f"imagenet:{tmp_path}", "classification", size=28)
    assert whole(source, "val").images.shape == (6, 3, 28, 28)
    assert drafts == []
    images, _, sizes = whole(source, "train")
    assert sizes is not None
    assert sizes[0].tolist() == [32, 42]
    assert sum(drafts) == 1  # the others are too small for it
    full = Image.fromarray(stored(tmp_path / "train/n01440764/n01440764_0.JPEG")).resize(
        (42, 32), Image.Resampling.BILINEAR
    )
    assert np.abs(np.asarray(full).astype(int) - images[0, :, :32, :42].permute(1, 2, 0).numpy()).mean() < 4


def test_frames() -> None:
    assert fitted((512, 512), (375, 500)).scaled == (375, 500)
    assert fitted((100, 200), (375, 500)).scaled == (100, 133)
    assert fitted((8, 8), (1, 4000)).scaled == (1, 8)
    assert bounded(256, 512, (100, 1000)) == ((256, 2560), (0, 1024), (256, 512))
    assert bounded(256, 512, (500, 375)) == ((341, 256), (0, 0), (341, 256))
    assert centred(256, 224, (500, 375)) == ((341, 256), (58, 16), (224, 224))


def heap(root: Path) -> None:
    for path in (root / "val").rglob("*.JPEG"):
        path.rename(root / "val" / f"ILSVRC2012_val_{abs(hash(path)) % 10**8:08}.JPEG")
    for wnid in WNIDS:
        (root / "val" / wnid).rmdir()


def archives(root: Path) -> None:
    (root / "train").rename(root / "old")
    (root / "train").mkdir()
    (root / "train/n01440764.tar").touch()


def only_cats(root: Path) -> None:
    (root / "train").rename(root / "old")
    (root / "train/cats").mkdir(parents=True)


WRONG: list[tuple[str, Spoil, dict[str, Any], str]] = [
    (
        "no val",
        lambda r: (r / "val").rename(r / "validation"),
        {},
        "/val: missing; unpack ILSVRC2012_img_val.tar there",
    ),
    ("heap", heap, {}, r"/val: the images lie in one heap; sort them .* \(valprep\.sh .*ground_truth\.txt"),
    ("archives", archives, {}, r"/train: archives; unpack each nXXXXXXXX\.tar"),
    (
        "others",
        only_cats,
        {},
        "no class folders",
    ),
    (
        "class",
        lambda r: (r / "train/n02105855").rename(r / "x"),
        {},
        "train/n02105855: missing, but val/ has this class",
    ),
    (
        "class of val",
        lambda r: (r / "val/n02105855").rename(r / "x"),
        {"partial": False},
        r"val/n02105855: missing, but train/ has this class \(data\.partial",
    ),
    ("empty", lambda r: (r / "train/n20000000").mkdir(), {}, "train/n20000000: an empty class folder"),
    (
        "count",
        lambda r: r,
        {"partial": False},
        r": 3 classes; ImageNet \(ILSVRC 2012\) has 1,000 \(data\.partial = true",
    ),
    ("size", lambda r: r, {"size": (28, 30)}, "data.size = 28×30: imagenet's crops are squares"),
    (
        "broken",
        lambda r: (r / "val/n01440764/ILSVRC2012_val_00000001.JPEG").write_text("x"),
        {},
        r"01\.JPEG: not an im",
    ),
]


@pytest.mark.parametrize(("spoil", "values", "said"), [c[1:] for c in WRONG], ids=[c[0] for c in WRONG])
def test_wrong(tmp_path: Path, spoil: Spoil, values: dict[str, Any], said: str) -> None:
    spoil(write_imagenet(tmp_path))
    refused(f"imagenet:{tmp_path}", "classification", said, **{"size": 28, "memory_gib": 0, **values})


def test_the_published_numbers_are_enough_and_test_has_no_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"images in train": 12, "images in val": 6, "classes": 3}
    monkeypatch.setattr("sunetlab.train.data.published.imagenet.PUBLISHED", counts)
    config = DataConfig(source=f"imagenet:{write_imagenet(tmp_path)}", task="classification", memory_gib=0, train=5)
    split = open_data(config).split("train")
    assert isinstance(split, FileSplit)
    images, _, sizes = pickle.loads(pickle.dumps(split._reader)).read(range(5))  # as in a worker process
    assert images.shape == (5, 3, 512, 512)
    assert sizes is not None
    assert int(sizes.min()) == 256
    refused(f"imagenet:{tmp_path}", "classification", "has train, val; ILSVRC 2012 keeps its test", split="test")


def test_an_image_too_thin_to_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(write_imagenet(tmp_path) / "val/n01440764/thin.JPEG", image_of((1, 3000)))
    monkeypatch.setattr("sunetlab.train.data.image_files.LIMIT_PX", 50_000)
    refused(
        f"imagenet:{tmp_path}", "classification", r"thin\.JPEG: 1×3000 px, too thin; scaled, .* 50,000 pixels", size=28
    )


def test_a_part_may_be_the_validation_images_alone(tmp_path: Path) -> None:
    """All that it takes to judge published weights."""
    for name in ("n01440764", "n01443537"):
        save(tmp_path / f"val/{name}/ILSVRC2012_val_1_{name}.JPEG", image_of((40, 30)))
    source = open_set(f"imagenet:{tmp_path}", "classification", size=32)
    assert (source.classes, len(source.split("val"))) == (("n01440764", "n01443537"), 2)
    with pytest.raises(InputError, match="split 'train'"):
        source.split("train")
