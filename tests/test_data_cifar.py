"""CIFAR, from files written as Python 2 wrote the published ones."""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from sunetlab.train.data import DataConfig, FileSplit, open_data

from .published import RNG, U8, Spoil, open_set, refused, whole

NAMES = ("airplane", "automobile", "bird", "cat")
FINE = ("apple", "bear", "clock", "dolphin")


def python2(value: Any) -> bytes:
    """The opcodes of a value as Python 2's cPickle wrote it at protocol 2, without its memo."""
    if isinstance(value, bytes):
        return b"T" + len(value).to_bytes(4, "little") + value  # BINSTRING, which Python 3 does not write
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"J" + value.to_bytes(4, "little", signed=True)
    if isinstance(value, list):
        return b"](" + b"".join(map(python2, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(python2, value)) + b"t"
    if isinstance(value, dict):
        return b"}(" + b"".join(python2(each) for pair in value.items() for each in pair) + b"u"
    assert isinstance(value, np.ndarray)
    assert value.dtype == np.uint8
    dtype = b"cnumpy\ndtype\n" + python2((b"u1", 0, 1)) + b"R(" + python2(3) + python2(b"|") + b"NNN"
    dtype += python2(-1) + python2(-1) + python2(0) + b"tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + python2((0,)) + python2(b"b") + b"tR"
    state = python2(1) + python2(value.shape) + dtype + python2(False) + python2(value.tobytes())
    return array + b"(" + state + b"tb"


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x80\x02" + python2(value) + b".")


def rows(count: int) -> U8:
    return RNG.integers(0, 256, (count, 3072), dtype=np.uint8)


def write_cifar10(root: Path) -> Path:
    folder = root / "cifar-10-batches-py"
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        content = {b"batch_label": name.encode(), b"labels": [0, 1, 2, 3], b"data": rows(4)}
        write(folder / name, content | {b"filenames": [b"a_s_000.png"] * 4})
    names = [name.encode() for name in NAMES]
    write(folder / "batches.meta", {b"num_cases_per_batch": 4, b"label_names": names, b"num_vis": 3072})
    return folder


def write_cifar100(root: Path) -> Path:
    folder = root / "cifar-100-python"
    for name, count in (("train", 8), ("test", 4)):
        fine = [number % 4 for number in range(count)]
        write(folder / name, {b"data": rows(count), b"fine_labels": fine, b"coarse_labels": [0] * count})
    names = [name.encode() for name in FINE]
    write(folder / "meta", {b"fine_label_names": names, b"coarse_label_names": [b"fruit"]})
    return folder


def by_torchvision(kind: type[CIFAR10], root: Path, train: bool, monkeypatch: pytest.MonkeyPatch) -> CIFAR10:
    """torchvision's reading, its checksums set to those of the files that are there."""
    folder = root / kind.base_folder

    def sums(entries: list[list[str]]) -> list[list[str]]:
        return [[name, hashlib.md5((folder / name).read_bytes()).hexdigest()] for name, _ in entries]

    monkeypatch.setattr(kind, "train_list", sums(kind.train_list))
    monkeypatch.setattr(kind, "test_list", sums(kind.test_list))
    meta = kind.meta | {"md5": hashlib.md5((folder / kind.meta["filename"]).read_bytes()).hexdigest()}
    monkeypatch.setattr(kind, "meta", meta)
    return kind(root, train=train)


@pytest.mark.parametrize(
    ("name", "make", "kind", "names"),
    [("cifar10", write_cifar10, CIFAR10, NAMES), ("cifar100", write_cifar100, CIFAR100, FINE)],
)
def test_the_same_as_torchvision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, make: Any, kind: type[CIFAR10], names: tuple[str, ...]
) -> None:
    folder = make(tmp_path)
    source = open_set(f"{name}:{tmp_path}", "classification", val_fraction=0.25)
    assert (source.classes, source.size) == (names, (32, 32))
    test, theirs = whole(source, "test"), by_torchvision(kind, tmp_path, False, monkeypatch)
    assert test.sizes is None
    assert np.array_equal(test.images.permute(0, 2, 3, 1), theirs.data)
    assert test.targets.tolist() == theirs.targets
    assert tuple(theirs.classes) == names

    theirs = by_torchvision(kind, tmp_path, True, monkeypatch)
    pixels = {image.tobytes(): label for image, label in zip(theirs.data, theirs.targets, strict=True)}
    seen: dict[bytes, int] = {}
    for split in ("train", "val"):
        images, labels, _ = whole(source, split)
        seen |= {image.permute(1, 2, 0).numpy().tobytes(): int(y) for image, y in zip(images, labels, strict=True)}
    assert seen == pixels
    part = len(pixels) // 4 // 4 or 1
    assert torch.bincount(whole(source, "val").targets).tolist() == [part] * 4

    again = open_set(f"{name}:{folder}", "classification", val_fraction=0.25).record()
    assert again["files"] == source.record()["files"]
    assert len(set(again["files"]["train"] + again["files"]["val"])) == len(pixels)


def test_other_sizes_limits_and_files_without_memory(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    source = open_set(f"cifar10:{tmp_path}", "classification", size=(16, 24), test=2, memory_gib=0, workers=2)
    test = whole(source, "test")
    assert test.images.shape == (2, 3, 16, 24)
    split = source.split("test")
    assert isinstance(split, FileSplit)
    assert split._loader.num_workers == 0  # else each would hold all images once more
    own = whole(open_set(f"cifar10:{tmp_path}", "classification", test=2), "test")
    assert torch.equal(own.targets, test.targets)
    small = torch.nn.functional.interpolate(own.images.float(), (16, 24), mode="bilinear", antialias=True)
    assert float((small - test.images.float()).abs().max()) <= 1.0


def test_files_that_python_3_and_today_s_numpy_write(tmp_path: Path) -> None:
    folder, data = write_cifar10(tmp_path), rows(4)
    for protocol in (2, 4):
        (folder / "test_batch").write_bytes(pickle.dumps({"labels": [3, 2, 1, 0], "data": data}, protocol))
        if protocol == 2:  # which spells bytes as a call of _codecs.encode
            refused(f"cifar10:{tmp_path}", "classification", r"test_batch: wants to run '_codecs\.encode'")
            continue
        images, labels, _ = whole(open_set(f"cifar10:{tmp_path}", "classification"), "test")
        assert np.array_equal(images.reshape(4, -1), data)
        assert labels.tolist() == [3, 2, 1, 0]


class Runs:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, (f"import pathlib; pathlib.Path({str(self.marker)!r}).touch()",))


@pytest.mark.parametrize("file", ["data_batch_3", "batches.meta"])
def test_a_pickle_that_wants_to_run_code_does_not(tmp_path: Path, file: str) -> None:
    folder, marker = write_cifar10(tmp_path), tmp_path / "marker"
    wicked = pickle.dumps({"labels": Runs(marker)})
    (folder / file).write_bytes(wicked)
    refused(f"cifar10:{tmp_path}", "classification", rf"{file}: wants to run 'builtins\.exec'")
    assert not marker.exists()
    pickle.loads(wicked)
    assert marker.exists()  # so it was no empty threat


@pytest.mark.parametrize(
    "body", [b"cos\nsystem\n(Vtouch x\ntR.", b"cnumpy\nload\n.", b"cbuiltins\ngetattr\n.", b"\x82\x01.", b"Pname\n."]
)
def test_other_ways_to_a_name(tmp_path: Path, body: bytes) -> None:
    folder = write_cifar10(tmp_path)
    (folder / "test_batch").write_bytes(body)
    refused(f"cifar10:{tmp_path}", "classification", "test_batch: (wants to run|not a pickle)")


WRONG: list[tuple[str, Spoil, dict[str, Any], str]] = [
    ("no folder", lambda f: f.rename(f.parent / "x"), {}, r"cifar-10-batches-py: missing; unpack cifar-10-python\.tar"),
    (
        "no batch",
        lambda f: (f / "data_batch_4").unlink(),
        {},
        r"batches-py/data_batch_4: missing; cifar-10-python\.tar",
    ),
    ("count", lambda f: f, {"partial": False}, r": 20 images in train; CIFAR-10 has 50,000 \(data\.partial = true"),
    (
        "half",
        lambda f: (f / "test_batch").write_bytes((f / "test_batch").read_bytes()[:999]),
        {},
        "test_batch: not a p",
    ),
    ("text", lambda f: (f / "test_batch").write_text("hello"), {}, "test_batch: not a pickle that can be read"),
    ("no dict", lambda f: write(f / "test_batch", [1]), {}, "test_batch: must hold a dictionary, not a list"),
    ("no data", lambda f: write(f / "test_batch", {b"labels": [1]}), {}, "test_batch: not a CIFAR batch: it must hold"),
    ("float", lambda f: write(f / "test_batch", {b"labels": [1], b"data": rows(1)[:, 1:]}), {}, "uint8, 3072 to a row"),
    ("labels", lambda f: write(f / "test_batch", {b"labels": [1], b"data": rows(2)}), {}, "2 images, but 1 labels"),
    ("range", lambda f: write(f / "test_batch", {b"labels": [4], b"data": rows(1)}), {}, "label '4' is out of range"),
    ("names", lambda f: write(f / "batches.meta", {b"label_names": [1]}), {}, "it must hold 'label_names', a list"),
    (
        "twice",
        lambda f: write(f / "batches.meta", {b"label_names": [b"a", b"b", b"a"]}),
        {},
        "the class 'a' stands there twice",
    ),
]


@pytest.mark.parametrize(("spoil", "values", "said"), [c[1:] for c in WRONG], ids=[c[0] for c in WRONG])
def test_wrong(tmp_path: Path, spoil: Spoil, values: dict[str, Any], said: str) -> None:
    spoil(write_cifar10(tmp_path))
    refused(f"cifar10:{tmp_path}", "classification", said, **values)


def test_the_published_numbers_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path)
    counts = {"images in train": 20, "images in test": 4}
    monkeypatch.setattr("sunetlab.train.data.published.cifar.PUBLISHED", counts)
    refused(f"cifar10:{tmp_path}", "classification", "4 classes; CIFAR-10 has 10", partial=False)
    write(tmp_path / "cifar-10-batches-py/batches.meta", {b"label_names": [str(i).encode() for i in range(10)]})
    source = open_data(DataConfig(source=f"cifar10:{tmp_path}", task="classification"))
    assert source.record()["images"] == {"train": 16, "val": 4, "test": 4}
    assert counts == {"images in train": 20, "images in test": 4}
