import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sunetlab.errors import InputError
from sunetlab.train.data import VOID, DataConfig, DataSource, FileSplit, MemorySplit, open_data
from sunetlab.train.data.image_files import read_image, read_mask

SEED = np.random.default_rng(0)


def write_image(path: Path, size: tuple[int, int] = (12, 16), value: int | None = None, mode: str = "RGB") -> None:
    """An image of (height, width) px: random, or of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = SEED.integers(0, 256, (*size, 3), dtype=np.uint8)
    if value is not None:
        pixels[:] = value
    Image.fromarray(pixels).convert(mode).save(path)


def write_mask(path: Path, size: tuple[int, int] = (12, 16), labels: tuple[int, ...] = (0, 1, 2, VOID)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.resize(np.array(labels, dtype=np.uint8), size)
    Image.fromarray(values).save(path)


def class_folders(root: Path, counts: dict[str, int], prefix: str = "") -> None:
    for number, (name, count) in enumerate(counts.items()):
        for i in range(count):
            write_image(root / prefix / name / f"{i:03}.png", value=10 * number + i)


def pairs(root: Path, count: int, prefix: str = "") -> None:
    for i in range(count):
        write_image(root / prefix / "images" / f"{i:03}.png")
        write_mask(root / prefix / "masks" / f"{i:03}.png")


def config(root: Path, task: str = "classification", **values: object) -> DataConfig:
    return DataConfig.model_validate({"source": f"folder:{root}", "task": task, "workers": 0, **values})


def open_folder(root: Path, task: str = "classification", **values: object) -> DataSource:
    return open_data(config(root, task, **values))


def everything(source: DataSource, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    split = source.split(name)
    images, targets, _ = zip(*split.batches(torch.arange(len(split)), 3), strict=True)
    return torch.cat(images), torch.cat(targets)


# The contract


@pytest.mark.parametrize("memory_gib", [4.0, 0.0])
@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_contract(tmp_path: Path, task: str, memory_gib: float) -> None:
    if task == "classification":
        class_folders(tmp_path, {"cat": 5, "dog": 6}, "train")
    else:
        pairs(tmp_path, 11, "train")
    source = open_folder(tmp_path, task, memory_gib=memory_gib, val_fraction=0.2)
    split = source.split("train")
    assert isinstance(split, MemorySplit if memory_gib else FileSplit)
    assert source.split("train") is split
    assert (source.task, source.size, split.task) == (task, (12, 16), task)
    order = torch.tensor([5, 0, 0, 3, 1])
    batches = list(split.batches(order, 2))
    assert [len(images) for images, _, _ in batches] == [2, 2, 1]
    images, targets = (torch.cat(parts) for parts in list(zip(*batches, strict=True))[:2])
    names = source.record()["files"]["train"]
    for row, image, target in zip(order.tolist(), images, targets, strict=True):
        path = tmp_path / names[row]
        assert np.array_equal(image.permute(1, 2, 0), np.asarray(Image.open(path)))
        if task == "classification":
            assert source.classes[int(target)] == path.parent.name
        else:
            assert np.array_equal(target, np.asarray(Image.open(path.parents[1] / "masks" / path.name)))
    assert images.dtype == torch.uint8
    assert targets.dtype == (torch.int64 if task == "classification" else torch.uint8)
    assert list(split.batches(order[:0], 2)) == []


def test_worker_processes_give_the_same_batches_and_name_a_broken_file(tmp_path: Path) -> None:
    pairs(tmp_path, 9, "train")
    pairs(tmp_path, 2, "val")
    here, there = (open_folder(tmp_path, "segmentation", memory_gib=0, workers=workers) for workers in (0, 1))
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    state = torch.get_rng_state()
    split = there.split("train")
    next(iter(split.batches(order, 2)))  # a pass left before its end
    for _ in range(2):
        got, expected = (list(s.batches(order, 4)) for s in (split, here.split("train")))
        assert all(
            torch.equal(a, b) for x, y in zip(got, expected, strict=True) for a, b in zip(x[:2], y[:2], strict=True)
        )
    assert torch.equal(torch.get_rng_state(), state)  # reading draws nothing from the training's generator
    (tmp_path / "train/images/004.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"^[^\n]*004\.png: not an image[^\n]*$"):
        list(split.batches(order, 2))
    assert len(next(iter(split.batches(torch.tensor([1, 2]), 2)))[0]) == 2  # and can still be read


def test_many_files_are_decoded_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sunetlab.train.data.files.MANY_FILES", 1)
    class_folders(tmp_path, {"cat": 4, "dog": 3}, "train")
    class_folders(tmp_path, {"cat": 2, "dog": 2}, "val")
    seen: list[tuple[int, int]] = []
    source = open_folder(tmp_path, workers=1)
    split = source.split("train", lambda done, total: seen.append((done, total)))
    assert seen == [(7, 7)]
    images, targets, _ = next(iter(split.batches(torch.arange(7), 7)))
    assert targets.tolist() == [0] * 4 + [1] * 3
    assert images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 10, 11, 12]


# Splits


def test_splits_of_a_folder_without_any(tmp_path: Path) -> None:
    class_folders(tmp_path, {"cat": 20, "dog": 30})
    source = open_folder(tmp_path)
    record = json.loads(json.dumps(source.record()))
    files = record["files"]
    assert record["images"] == {"train": 40, "val": 5, "test": 5}
    assert sorted(files["train"] + files["val"] + files["test"]) == sorted(
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")
    )
    assert [sum(name.startswith("cat/") for name in files[split]) for split in ("train", "val", "test")] == [16, 2, 2]
    assert everything(source, "val")[1].tolist() == [0, 0, 1, 1, 1]
    assert open_folder(tmp_path).record() == record
    assert open_folder(tmp_path, seed=1).record()["files"] != files


def test_a_validation_split_is_taken_from_train(tmp_path: Path) -> None:
    class_folders(tmp_path, {"cat": 10, "dog": 10}, "train")
    class_folders(tmp_path, {"cat": 2, "dog": 2}, "test")
    source = open_folder(tmp_path, val_fraction=0.3, train=5)
    assert [len(source.split(name)) for name in ("train", "val", "test")] == [5, 6, 4]
    files = source.record()["files"]
    assert not set(files["train"]) & set(files["val"])
    assert set(files["val"]) == set(open_folder(tmp_path, val_fraction=0.3).record()["files"]["val"])


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_names_of_splits_and_a_split_that_is_not_there(tmp_path: Path, name: str) -> None:
    pairs(tmp_path, 3, "train")
    pairs(tmp_path, 2, name)
    pairs(tmp_path, 2, "unrelated")
    source = open_folder(tmp_path, "segmentation")
    assert [len(source.split(split)) for split in ("train", "val")] == [3, 2]
    with pytest.raises(InputError, match=r"'test': .* has train, val$"):
        source.split("test")


def test_classes_by_name_by_file_and_by_the_masks(tmp_path: Path) -> None:
    class_folders(tmp_path / "a", {"dog": 3, "cat": 3})
    assert open_folder(tmp_path / "a").classes == ("cat", "dog")
    (tmp_path / "a/classes.txt").write_text("dog\ncat\n")
    assert open_folder(tmp_path / "a").classes == ("dog", "cat")
    pairs(tmp_path / "b", 4)
    assert open_folder(tmp_path / "b", "segmentation").classes == ("class 0", "class 1", "class 2")
    (tmp_path / "b/classes.txt").write_text("ground\nroad\n\ncar\nsky\n")
    assert open_folder(tmp_path / "b", "segmentation").classes == ("ground", "road", "car", "sky")


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    class_folders(tmp_path / "pets", {"dog": 3, "cat": 3})
    source = open_data(DataConfig(source="folder:~/pets", task="classification"))
    assert source.record()["source"] == "folder:~/pets"


def test_odd_names(tmp_path: Path) -> None:
    odd = os.fsdecode("zoë ".encode() + b"\xff\xfe")
    class_folders(tmp_path, {"a b'c": 4})
    try:
        write_image(tmp_path / odd / "UPPER.PNG")
    except OSError:
        pytest.skip("this file system takes no such name")
    for name in ("x.JPEG", "y.webp", "z.bmp"):
        write_image(tmp_path / odd / name)
    (tmp_path / odd / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden").mkdir()
    source = open_folder(tmp_path)
    assert sum(len(source.split(name)) for name in ("train", "val", "test")) == 8
    json.dumps(source.record(), ensure_ascii=False).encode("utf-8")
    (tmp_path / odd / "UPPER.PNG").write_bytes(b"?")
    with pytest.raises(InputError) as error:
        open_folder(tmp_path)
    assert str(error.value).encode("utf-8").count(b"\\xff\\xfe/UPPER.PNG") == 1


# Pixels


def test_sizes(tmp_path: Path) -> None:
    """Classification covers and cuts, segmentation stretches; masks take the nearest label."""
    pixels = np.zeros((20, 40, 3), dtype=np.uint8)
    pixels[:, 10:30] = 200
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    middle = read_image(tmp_path / "wide.png", (10, 10), crop=True)  # its edge is blurred with the other half's
    assert (middle[:, :, 1:9] == 200).all()
    assert middle.min() > 150
    stretched = read_image(tmp_path / "wide.png", (20, 20), crop=False)
    assert (stretched[0, 0] == 200).sum() == pytest.approx(10, abs=2)
    assert stretched[0, 0, 0] == 0
    write_mask(tmp_path / "mask.png", (9, 30), (0, 7, VOID))
    labels = np.asarray(Image.open(tmp_path / "mask.png"))
    assert np.array_equal(read_mask(tmp_path / "mask.png", (3, 10), 8), labels[1::3, 1::3])


def test_an_image_of_one_pixel_may_be_written_to(tmp_path: Path) -> None:
    """Else torch warns of it."""
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "one.png")
    pixels = read_image(tmp_path / "one.png", (1, 1), crop=False)
    assert pixels.ravel().tolist() == [1, 2, 3]
    assert pixels.flags.writeable


def test_what_may_never_end_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", Path("/dev/zero")):
        with pytest.raises(InputError, match="is no ordinary file"):
            read_image(path, (8, 8), crop=False)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "PA"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    white = Image.new("RGB", (6, 4), (255, 255, 255))
    if mode == "I;16":
        Image.fromarray(np.full((4, 6), 200 * 256, dtype=np.uint16)).save(path)
    elif mode == "PA":  # a palette with a transparent colour
        white.convert("P").save(path, transparency=bytes([0, 128]))
    else:
        white.convert(mode).save(path)
    image = read_image(path, (4, 6), crop=True)
    assert image.shape == (3, 4, 6)
    assert image.dtype == np.uint8
    assert image.min() >= (200 if mode == "I;16" else 250)


def test_exif_orientation(tmp_path: Path) -> None:
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright: turn by 90° clockwise
    for name in ("train", "val"):
        (tmp_path / name / "images").mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / name / "images/a.png", exif=turned)
        Image.fromarray(pixels).save(tmp_path / name / "images/b.png", exif=turned)
        upright = np.rot90(pixels[..., 0] // 3 % 3, -1)
        (tmp_path / name / "masks").mkdir()
        Image.fromarray(np.ascontiguousarray(upright)).save(tmp_path / name / "masks/a.png")
        Image.fromarray(pixels[..., 0] // 3 % 3).save(tmp_path / name / "masks/b.png", exif=turned)
    images, masks = everything(open_folder(tmp_path, "segmentation"), "val")
    assert np.array_equal(images[0].permute(1, 2, 0), np.rot90(pixels, -1))
    assert torch.equal(masks[0], masks[1])
    assert np.array_equal(masks[0], upright)


def test_palette_masks_give_their_indices(tmp_path: Path) -> None:
    mask = Image.fromarray(np.array([[0, 1], [2, 255]], dtype=np.uint8))
    mask.putpalette(list(range(255, -1, -1)) * 3)
    mask.save(tmp_path / "p.png")
    assert mask.mode == "P"
    assert read_mask(tmp_path / "p.png", (2, 2), 3).tolist() == [[0, 1], [2, 255]]


# Wrong input


def huge_png(path: Path) -> None:
    """A header that promises 20,000 × 20,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b""))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def rename(old: str, new: str) -> Callable[[Path], object]:
    return lambda root: (root / old).rename(root / new)


def folders(*names: str) -> Callable[[Path], object]:
    def make(root: Path) -> None:
        for name in names:
            (root / name).mkdir()

    return make


def only_ground(root: Path) -> None:
    (root / "classes.txt").unlink()
    for path in (root / "train/masks").iterdir():
        write_mask(path, labels=(0,))


FOLDERS: list[tuple[str, Callable[[Path], object], dict[str, Any], str]] = [
    ("missing path", rename("train", "../gone"), {"source": "folder:{root}/nowhere"}, "nowhere: no such folder"),
    (
        "a file",
        lambda r: (r / "f").write_text(""),
        {"source": "folder:{root}/f"},
        "f: a file; a data source is a folder",
    ),
    ("empty class", lambda r: (r / "train/eel").mkdir(), {}, "train/eel: an empty class folder"),
    ("no classes", lambda r: (r / "test").mkdir(), {}, "test: no class folders"),
    (
        "one class",
        lambda r: class_folders(r / "sub", {"a": 3}),
        {"source": "folder:{root}/sub"},
        "one class folder only",
    ),
    ("missing class", lambda r: class_folders(r, {"cat": 1}, "test"), {}, "test: no folder for the class 'dog'"),
    (
        "other class",
        lambda r: class_folders(r, {"cat": 1, "dog": 1, "eel": 1}, "test"),
        {},
        "test/eel: not a class of the other splits",
    ),
    ("classes.txt", lambda r: (r / "classes.txt").write_text("cat\ndog\neel"), {}, "no folder for the class 'eel'"),
    ("class twice", lambda r: (r / "classes.txt").write_text("cat\ncat\n"), {}, "'cat' stands there twice"),
    ("two vals", folders("val", "valid"), {}, "both val/ and valid/ are the val split"),
    ("not an image", lambda r: (r / "train/cat/000.png").write_text("x"), {}, "cat/000.png: not an image"),
    ("empty image", lambda r: (r / "train/cat/000.png").write_text(""), {}, "cat/000.png: not an image"),
    ("too large", lambda r: huge_png(r / "train/cat/000.png"), {}, "cat/000.png: too large; .* 178,956,970 pixels"),
    (
        "another size",
        lambda r: write_image(r / "train/dog/001.png", (13, 16)),
        {},
        r"dog/001.png: 13×16 px, but .*\.png is 12×16 px; give data.size",
    ),
    (
        "too few",
        lambda r: class_folders(r / "sub", {"a": 1, "b": 3}),
        {"source": "folder:{root}/sub"},
        "alone in its class",
    ),
    ("other task", Path.exists, {"task": "segmentation"}, "train: a folder per class, which is classification"),
]

PAIRS: list[tuple[str, Callable[[Path], object], dict[str, Any], str]] = [
    ("other task", Path.exists, {"task": "classification"}, "train: images/ and masks/, which is segmentation"),
    ("no mask", lambda r: (r / "train/masks/001.png").unlink(), {}, "images/001.png: an image without a mask"),
    ("no image", lambda r: (r / "train/images/001.png").unlink(), {}, "masks/001.png: a mask without an image"),
    ("no images", lambda r: (r / "val/images").mkdir(parents=True), {}, "val: no images/ and masks/"),
    ("nothing", lambda r: (r / "val").mkdir(), {}, "val: no images/ and masks/"),
    ("no masks", rename("train/masks", "train/labels"), {}, "train: images/ without masks/"),
    (
        "another size",
        lambda r: write_mask(r / "train/masks/002.png", (16, 12)),
        {"size": 8},
        "masks/002.png: 16×12 px, but its image is 12×16 px",
    ),
    (
        "label out of range",
        lambda r: write_mask(r / "train/masks/002.png", labels=(0, 4)),
        {},
        r"masks/002.png: label 4 is out of range; labels are 0 to 2 \(3 classes\), and 255 for void",
    ),
    ("colour mask", lambda r: write_image(r / "train/masks/002.png"), {}, r"masks/002.png: a colour mask \(RGB\)"),
    (
        "same stem",
        lambda r: write_image(r / "train/images/002.jpg"),
        {},
        "images/002.png: has the same stem as 002.jpg",
    ),
    ("broken image", lambda r: truncate(r / "train/images/002.png"), {}, "images/002.png: a broken image"),
    ("broken mask", lambda r: (r / "train/masks/002.png").write_text("x"), {}, "masks/002.png: not an image"),
    (
        "no labels",
        only_ground,
        {},
        "the masks hold no label but 0",
    ),
]


def read_all(source: str, **values: Any) -> None:
    data = open_data(DataConfig.model_validate({"source": source, "workers": 0, **values}))
    for name in ("train", "val"):
        everything(data, name)


def refused(root: Path, values: dict[str, Any], said: str) -> None:
    """Opening and reading every split ends in one line that says `said`."""
    source = values.pop("source", "folder:{root}").format(root=root)
    with pytest.raises(InputError, match=said) as error:
        read_all(source, **values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("spoil", "values", "said"), [c[1:] for c in FOLDERS], ids=[c[0] for c in FOLDERS])
def test_wrong_class_folders(
    tmp_path: Path, spoil: Callable[[Path], object], values: dict[str, Any], said: str
) -> None:
    root = tmp_path / "data"
    class_folders(root, {"cat": 3, "dog": 3}, "train")
    spoil(root)
    refused(root, {"task": "classification", **values}, said)


@pytest.mark.parametrize("memory_gib", [4.0, 0.0])
@pytest.mark.parametrize(("spoil", "values", "said"), [c[1:] for c in PAIRS], ids=[c[0] for c in PAIRS])
def test_wrong_pairs(
    tmp_path: Path, spoil: Callable[[Path], object], values: dict[str, Any], said: str, memory_gib: float
) -> None:
    root = tmp_path / "data"
    pairs(root, 4, "train")
    (root / "classes.txt").write_text("ground\nroad\ncar\n")
    spoil(root)
    refused(root, {"task": "segmentation", "memory_gib": memory_gib, **values}, said)


# Real data, where they are: SUNETLAB_DATA names a folder with CIFAR-10's train/ and test/, and camvid/.


def real_data() -> Path:
    if "SUNETLAB_DATA" not in os.environ:
        pytest.skip("SUNETLAB_DATA is not set")
    return Path(os.environ["SUNETLAB_DATA"])


@pytest.mark.slow
def test_cifar10() -> None:
    source = open_data(DataConfig(source=f"folder:{real_data()}", task="classification", test=1000))
    assert (source.size, len(source.classes), source.classes[0]) == ((32, 32), 10, "airplane")
    _, targets = everything(source, "val")
    assert torch.bincount(targets).tolist() == [500] * 10
    assert [len(source.split(name)) for name in ("train", "test")] == [45_000, 1000]


@pytest.mark.slow
def test_camvid() -> None:
    source = open_data(DataConfig(source=f"folder:{real_data() / 'camvid'}", task="segmentation"))
    assert (source.size, len(source.classes)) == ((360, 480), 11)
    assert [len(source.split(name)) for name in ("train", "val", "test")] == [367, 101, 233]
    _, masks = everything(source, "val")
    assert set(masks.flatten().tolist()) == {*range(11), VOID}
