"""VOC 2012 and SBD in their published layouts: which images, which masks, what is missing."""

import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat
from scipy.sparse import csc_matrix
from torchvision.datasets import SBDataset, VOCSegmentation

from sunetlab import SUNetSpec
from sunetlab.errors import InputError
from sunetlab.model.sunet import SUNet
from sunetlab.model.weights import save_weights
from sunetlab.train.augmentation import Augment
from sunetlab.train.data import VOID, DataConfig, open_data
from sunetlab.train.data.published.voc_masks import read_sbd
from sunetlab.train.evaluate import evaluate
from sunetlab.train.loop import train
from sunetlab.train.recipe import Recipe
from sunetlab.train.run import Run, load_model

from .conftest import Said
from .published import RNG, U8, Spoil, image_of, open_set, refused, save, stored, whole
from .tiny import WORDS

VOC_TRAIN = ("2007_000032", "2007_000039", "2008_000008")
VOC_VAL = ("2007_000033", "2007_000042")
SBD_TRAIN = ("2008_000008", "2008_000015", "2009_000001")
SBD_VAL = ("2007_000033", "2010_000002")
NAMES = sorted({*VOC_TRAIN, *VOC_VAL, *SBD_TRAIN, *SBD_VAL})
SIZES = {name: (20 + 3 * number, 41 - 4 * number) for number, name in enumerate(NAMES)}


def mask_of(name: str, void: bool) -> U8:
    labels = RNG.integers(0, 21, SIZES[name]).astype(np.uint8)
    if void:
        labels[0] = VOID
    return labels


def write_voc(root: Path) -> dict[str, U8]:
    """VOC without SBD; its masks by name."""
    voc = root / "VOCdevkit/VOC2012"
    for name, size in SIZES.items():
        save(voc / f"JPEGImages/{name}.jpg", image_of(size))
    masks = {name: mask_of(name, void=True) for name in (*VOC_TRAIN, *VOC_VAL)}
    for name, labels in masks.items():
        save(voc / f"SegmentationClass/{name}.png", labels)
    lists = voc / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for split, names in (("train", VOC_TRAIN), ("val", VOC_VAL), ("trainval", (*VOC_TRAIN, *VOC_VAL))):
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return masks


def write_sbd(folder: Path) -> dict[str, U8]:
    """SBD as benchmark.tgz holds it; its masks by name."""
    (folder / "cls").mkdir(parents=True)
    masks = {name: mask_of(name, void=False) for name in (*SBD_TRAIN, *SBD_VAL)}
    for name, labels in masks.items():
        save(folder / f"img/{name}.jpg", image_of(SIZES[name]))
        boundaries = np.empty((20, 1), dtype=object)
        boundaries[:, 0] = [csc_matrix(labels == label) for label in range(1, 21)]
        present = np.unique(labels[labels > 0])[:, None]
        content = {"Boundaries": boundaries, "Segmentation": labels, "CategoriesPresent": present}
        savemat(folder / f"cls/{name}.mat", {"GTcls": content}, do_compression=True)
    (folder / "train.txt").write_text("\n".join(SBD_TRAIN))
    (folder / "val.txt").write_text("\n".join(SBD_VAL) + "\n")
    return masks


def write_all(root: Path) -> Path:
    write_voc(root)
    write_sbd(root / "benchmark_RELEASE/dataset")
    return root


def stems(names: list[str]) -> list[str]:
    return [Path(name).stem for name in names]


@pytest.mark.parametrize("sbd", ["benchmark_RELEASE/dataset", "sbd", "SBD", "VOCdevkit", "VOCdevkit/SBD", "."])
def test_train_aug(tmp_path: Path, sbd: str) -> None:
    own, extra = write_voc(tmp_path), write_sbd(tmp_path / sbd)
    source = open_set(f"voc:{tmp_path}", "segmentation")
    assert (source.size, len(source.classes), source.classes[::20]) == ((512, 512), 21, ("background", "tvmonitor"))
    names = stems(source.record()["files"]["train"])
    assert set(names) == ({*SBD_TRAIN, *SBD_VAL} | {*VOC_TRAIN}) - {*VOC_VAL}
    assert len(set(names)) == len(names) == 6
    for split, listed in (("train", names), ("val", list(VOC_VAL))):
        images, masks, sizes = whole(source, split)
        assert sizes is not None
        for name, image, mask, size in zip(listed, images, masks, sizes.tolist(), strict=True):
            height, width = SIZES[name]
            assert size == [height, width]
            assert np.array_equal(mask[:height, :width], (extra | own)[name])
            pixels = stored(tmp_path / f"VOCdevkit/VOC2012/JPEGImages/{name}.jpg")
            assert np.array_equal(image[:, :height, :width].permute(1, 2, 0), pixels)
            assert int(image.sum()) == pixels.sum(dtype=np.int64)
            assert bool((mask[height:] == VOID).all())
            assert bool((mask[:, width:] == VOID).all())


def test_masks_are_those_of_torchvision(tmp_path: Path) -> None:
    """Its classes read the same trees."""
    write_all(tmp_path)
    source = open_set(f"voc:{tmp_path}", "segmentation")
    names = stems(source.record()["files"]["train"])
    _, masks, sizes = whole(source, "train")
    assert sizes is not None
    theirs: dict[str, U8] = {}
    for split in ("train", "val"):
        sbd = SBDataset(str(tmp_path / "benchmark_RELEASE/dataset"), split, mode="segmentation")
        theirs |= {Path(path).stem: np.asarray(target) for path, (_, target) in zip(sbd.masks, sbd, strict=True)}
    voc = VOCSegmentation(str(tmp_path), image_set="train")
    theirs |= {Path(path).stem: np.asarray(target) for path, (_, target) in zip(voc.masks, voc, strict=True)}
    for name, mask, (height, width) in zip(names, masks, sizes.tolist(), strict=True):
        assert np.array_equal(mask[:height, :width], theirs[name])


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ("train", {*VOC_TRAIN}),
        ("trainval", {*VOC_TRAIN, *VOC_VAL}),
        ("trainval_aug", {*VOC_TRAIN, *VOC_VAL, *SBD_TRAIN, *SBD_VAL}),
    ],
)
def test_the_other_lists(tmp_path: Path, chosen: str, names: set[str]) -> None:
    record = open_set(f"voc:{write_all(tmp_path)}", "segmentation", train_split=chosen).record()
    assert {*stems(record["files"]["train"])} == names
    assert {*stems(record["files"]["val"])} == {*VOC_VAL}
    assert record["train_split"] == chosen


def test_every_place_gives_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = open_set(f"voc:{write_all(tmp_path)}", "segmentation").record()["files"]
    for place in ("VOCdevkit", "VOCdevkit/VOC2012"):
        assert open_set(f"voc:{tmp_path / place}", "segmentation").record()["files"] == files
    monkeypatch.chdir(tmp_path / "VOCdevkit/VOC2012")
    assert open_set("voc:.", "segmentation").record()["files"] == files


def test_masks_of_sbd_as_images(tmp_path: Path) -> None:
    write_voc(tmp_path)
    folder = tmp_path / "VOCdevkit/VOC2012/SegmentationClassAug"
    for name in {*SBD_TRAIN, *SBD_VAL, *VOC_TRAIN, *VOC_VAL}:
        save(folder / f"{name}.png", np.full(SIZES[name], 7, dtype=np.uint8))
    source = open_set(f"voc:{tmp_path}", "segmentation")
    names = stems(source.record()["files"]["train"])
    assert {*names} == ({*SBD_TRAIN, *SBD_VAL} | {*VOC_TRAIN}) - {*VOC_VAL}
    for name, mask in zip(names, whole(source, "train").targets, strict=True):
        assert (set(mask.unique().tolist()) == {7, VOID}) == (name not in VOC_TRAIN)


def test_a_smaller_canvas_and_limits(tmp_path: Path) -> None:
    write_all(tmp_path)
    source = open_set(f"voc:{tmp_path}", "segmentation", size=16, train=4, val=1)
    images, masks, sizes = whole(source, "train")
    assert images.shape == (4, 3, 16, 16)
    assert sizes is not None
    for name, mask, (height, width) in zip(
        stems(source.record()["files"]["train"]), masks, sizes.tolist(), strict=True
    ):
        scale = 16 / max(SIZES[name])
        assert (height, width) == tuple(round(scale * side) for side in SIZES[name])
        assert bool((mask[height:] == VOID).all())
    assert len(whole(source, "val").images) == 1


def test_files_missing_are_left_out_of_a_part(tmp_path: Path) -> None:
    write_all(tmp_path)
    (tmp_path / "VOCdevkit/VOC2012/JPEGImages/2007_000032.jpg").unlink()
    (tmp_path / "benchmark_RELEASE/dataset/cls/2009_000001.mat").unlink()
    assert open_set(f"voc:{tmp_path}", "segmentation").record()["images"] == {"train": 4, "val": 2}


def sbd_text(text: bytes) -> Spoil:
    return lambda root: (root / "benchmark_RELEASE/dataset/cls/2009_000001.mat").write_bytes(text)


def sbd_content(**content: Any) -> Spoil:
    return lambda root: savemat(root / "benchmark_RELEASE/dataset/cls/2009_000001.mat", content)


def sbd_labels(labels: Any) -> Spoil:
    return sbd_content(GTcls={"Segmentation": labels})


def unlink(path: str) -> Spoil:
    return lambda root: (root / path).unlink()


VOC = "VOCdevkit/VOC2012"
FULL = {"partial": False}
WRONG: list[tuple[str, Spoil, dict[str, Any], str]] = [
    (
        "none",
        lambda r: (r / "VOCdevkit").rename(r / "x"),
        {},
        r"VOCdevkit/VOC2012: missing; VOCtrainval_11-May-2012\.tar",
    ),
    (
        "list",
        unlink(f"{VOC}/ImageSets/Segmentation/val.txt"),
        {},
        r"VOC2012/ImageSets/Segmentation/val\.txt: missing; VOC",
    ),
    ("images", lambda r: (r / VOC / "JPEGImages").rename(r / "x"), FULL, r"VOC2012/JPEGImages: missing; VOC 2012's"),
    (
        "image",
        unlink(f"{VOC}/JPEGImages/2007_000039.jpg"),
        FULL,
        r"JPEGImages/2007_000039\.jpg: missing; VOC 2012's .*part",
    ),
    ("mask", unlink(f"{VOC}/SegmentationClass/2007_000042.png"), FULL, r"2007_000042\.png: missing; VOC 2012's"),
    (
        "mat",
        unlink("benchmark_RELEASE/dataset/cls/2008_000015.mat"),
        FULL,
        r"cls/2008_000015\.mat: missing; SBD's bench",
    ),
    ("sbd's list", unlink("benchmark_RELEASE/dataset/val.txt"), {}, r"dataset/val\.txt: missing; SBD's benchmark\.tgz"),
    (
        "sbd",
        lambda r: (r / "benchmark_RELEASE").rename(r / "x"),
        {},
        r"dataset: missing; .* \(data\.train_split = 'train' d",
    ),
    ("count", lambda r: r, FULL, r": 6 images in train_aug; VOC 2012 has 10,582 \(data\.partial = true"),
    ("no mat", sbd_text(b"MATLAB"), {}, r"2009_000001\.mat: not a mask of SBD \(GTcls\.Segmentation\): not a MATLAB 5"),
    ("empty mat", sbd_text(b""), {}, r"2009_000001\.mat: not a mask of SBD \(GTcls\.Segmentation\): not a MATLAB 5"),
    ("large mat", sbd_text(bytes(2**26 + 1)), {}, r"2009_000001\.mat: not a mask of SBD .*: larger than 64 MiB"),
    (
        "label",
        sbd_labels(np.full(SIZES["2009_000001"], 21, np.uint8)),
        {},
        r"2009_000001\.mat: label 21 is out of range",
    ),
    (
        "floats",
        sbd_labels(np.full(SIZES["2009_000001"], 0.5)),
        {},
        r"2009_000001\.mat: not a mask of SBD .*: not a matrix of whole numbers",
    ),
    ("size", sbd_labels(np.zeros((3, 4), np.uint8)), {}, r"2009_000001\.jpg: .* px, but its mask is 3×4 px"),
    (
        "broken",
        lambda r: (r / VOC / "JPEGImages/2007_000039.jpg").write_text(""),
        {},
        r"2007_000039\.jpg: not an image",
    ),
    (
        "names",
        lambda r: (r / VOC / "ImageSets/Segmentation/val.txt").write_text("../x"),
        {},
        r"'\.\./x': not the name of",
    ),
]


@pytest.mark.parametrize(("spoil", "values", "said"), [c[1:] for c in WRONG], ids=[c[0] for c in WRONG])
def test_wrong(tmp_path: Path, spoil: Spoil, values: dict[str, Any], said: str) -> None:
    spoil(write_all(tmp_path))
    refused(f"voc:{tmp_path}", "segmentation", said, **{"size": 64, **values})


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8"])
@pytest.mark.parametrize("compressed", [True, False])
def test_matlab_files_against_scipy(tmp_path: Path, dtype: str, compressed: bool) -> None:
    labels = RNG.integers(0, 21, (13, 7)).astype(dtype)
    content = {"Boundaries": "x", "a": np.eye(2), "Segmentation": labels, "Z": csc_matrix(np.eye(3))}
    savemat(tmp_path / "a.mat", {"first": np.zeros(3), "GTcls": content, "n": 1}, do_compression=compressed)
    by_scipy = loadmat(tmp_path / "a.mat")["GTcls"][0]["Segmentation"][0]
    assert np.array_equal(read_sbd(tmp_path / "a.mat", 21), by_scipy)
    assert by_scipy.shape == (13, 7)


def test_a_matlab_file_that_swells_is_not_unpacked(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"GTcls": {"Segmentation": np.zeros((9000, 9000), np.uint8)}}, do_compression=True)
    assert (tmp_path / "a.mat").stat().st_size < 2**17
    with pytest.raises(InputError, match="cut off, or too large unpacked"):
        read_sbd(tmp_path / "a.mat", 21)


def test_broken_files_of_sbd_never_end_in_a_traceback(tmp_path: Path) -> None:
    write_sbd(tmp_path)
    path, draws, lines = tmp_path / "cls/2009_000001.mat", np.random.default_rng(0), []
    good = path.read_bytes()
    for number in range(150):
        bad = bytearray(good)
        for at in draws.integers(0, len(good), 1 + number % 3):
            bad[at] = draws.integers(0, 256)
        path.write_bytes(bad)
        with suppress(InputError):
            read_sbd(path, 21)
            continue
        lines.append(number)
    assert len(lines) > 50  # the others were changed where nothing is read


def test_the_published_numbers_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sunetlab.train.data.published.voc.PUBLISHED", {"images in train_aug": 6, "images in val": 2})
    source = open_data(DataConfig(source=f"voc:{write_all(tmp_path)}", task="segmentation", memory_gib=0))
    assert source.record()["images"] == {"train": 6, "val": 2}
    pickle.loads(pickle.dumps(source.split("train")._reader)).read([0, 5])  # type: ignore[attr-defined]  # in a worker
    refused(f"voc:{tmp_path}", "segmentation", "has train, val; VOC keeps the masks of its 1,456 test", split="test")


def test_training_on_crops_and_a_test(tmp_path: Path) -> None:
    """Images of several sizes on one canvas, by the loop and by `evaluate`."""
    words = {"source": f"voc:{write_all(tmp_path)}", "task": "segmentation", "size": 48, "partial": True, "workers": 0}
    spec = SUNetSpec.make(**{**WORDS, "task": "segmentation", "num_classes": 21})
    moves = Augment(scale=(0.5, 2.0), rotate=10.0, crop=(32, 32))
    recipe = Recipe(epochs=1, batch_size=3, warmup=0.0, lr=0.05, augment=moves)
    run = Run(spec=spec, recipe=recipe, data=DataConfig.model_validate(words))
    result = train(run, open_data(run.data), tmp_path / "run", "cpu")
    assert (result["train_images"], result["val_images"]) == (6, 2)
    model, made = load_model(tmp_path / "run")
    found = evaluate(model, open_data(made.data).split("val"), torch.device("cpu"), 2)
    assert found.figures["miou"] == pytest.approx(result["value"], abs=1e-6)
    labelled = sum(int((SIZES[name][0] - 1) * SIZES[name][1]) for name in VOC_VAL)  # a row of each is void
    assert int(found.confusion.sum()) == labelled


def test_published_weights_are_judged_without_what_only_training_takes(said: Said, tmp_path: Path) -> None:
    """VOC alone, without SBD, and a part of it."""
    write_voc(tmp_path)
    spec = SUNetSpec.make(**{**WORDS, "task": "segmentation", "num_classes": 21})
    (tmp_path / "net").mkdir()
    spec.save(tmp_path / "net/spec.toml")
    save_weights(SUNet(spec), tmp_path / "net/weights.safetensors")
    status, out, err = said("evaluate net --data voc:. --partial-data --device cpu")
    assert status == 0, err
    assert "miou" in out
    status, out, err = said("evaluate net --data voc:. --device cpu")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert "VOC 2012 has 1,464" in err
