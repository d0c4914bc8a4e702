"""COCO's annotations as masks of VOC's classes, against masks made here without pycocotools."""

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import CocoDetection

from sunetlab.train.data import VOID, DataConfig, open_data
from sunetlab.train.data.published.voc import CLASSES

from .published import U8, Spoil, image_of, open_set, refused, save, stored, whole

# COCO's numbers of VOC's classes, in VOC's order (torchvision's reference training has them as a list), and others.
NUMBERS = (5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72)
COCO_NAMES = dict(
    zip(CLASSES[1:], CLASSES[1:], strict=True),
    aeroplane="airplane",
    diningtable="dining table",
    motorbike="motorcycle",
    pottedplant="potted plant",
    sofa="couch",
    tvmonitor="tv",
)
OTHERS = {8: "truck", 22: "elephant", 90: "toothbrush"}
PERSON, DOG, TRUCK = 1, 18, 8
SIZE = (50, 60)


def box(top: int, left: int, bottom: int, right: int) -> list[list[float]]:
    """A polygon along the pixels' edges."""
    return [[left, top, right, top, right, bottom, left, bottom]]


def runs(region: U8) -> dict[str, Any]:
    """A run-length code as COCO writes crowds: down the columns, first of 0."""
    flat = region.ravel(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
    return {"size": list(region.shape), "counts": np.diff(np.concatenate([[0], edges])).tolist()}


def region(*boxes: tuple[int, int, int, int], size: tuple[int, int] = SIZE) -> U8:
    inside = np.zeros(size, dtype=np.uint8)
    for top, left, bottom, right in boxes:
        inside[top:bottom, left:right] = 1
    return inside


def annotation(image: int, category: int, segmentation: Any, crowd: int = 0) -> dict[str, Any]:
    found = {"image_id": image, "category_id": category, "segmentation": segmentation, "iscrowd": crowd}
    return found | {"area": 1.0, "bbox": [0, 0, 1, 1], "id": 1}


ANNOTATIONS = {
    "train": [
        annotation(1, PERSON, box(2, 3, 40, 40)),
        annotation(1, DOG, box(30, 30, 49, 55)),
        annotation(1, PERSON, box(2, 3, 10, 50)),  # overlaps itself: still a person
        annotation(1, TRUCK, box(0, 0, 50, 60)),
        annotation(1, PERSON, runs(region((0, 50, 50, 60))), crowd=1),
        annotation(2, TRUCK, box(0, 0, 50, 60)),
        annotation(3, DOG, box(0, 0, 25, 40)),  # 1000 px
        annotation(4, DOG, box(0, 0, 27, 37)),  # 999 px
        annotation(5, PERSON, runs(region((0, 0, 50, 60))), crowd=1),
        annotation(6, DOG, box(0, 0, 20, 30) + box(20, 30, 40, 60)),  # one dog in two pieces
        annotation(6, DOG, [[1.0, 2.0, 3.0, 4.0]]),  # a line
    ],
    "val": [annotation(7, DOG, box(0, 0, 3, 3)), annotation(8, TRUCK, box(0, 0, 3, 3))],
}
IMAGES = {"train": range(1, 7), "val": range(7, 9)}


def write_coco(root: Path) -> Path:
    numbers = dict(zip(NUMBERS, (COCO_NAMES[name] for name in CLASSES[1:]), strict=True)) | OTHERS
    for split, images in IMAGES.items():
        for image in images:
            save(root / f"{split}2017/{image:012}.jpg", image_of(SIZE))
        rows = [{"id": i, "file_name": f"{i:012}.jpg", "height": SIZE[0], "width": SIZE[1]} for i in images]
        categories = [{"id": number, "name": name} for number, name in sorted(numbers.items())]
        write_json(root, split, {"images": rows, "annotations": ANNOTATIONS[split], "categories": categories})
    return root


def json_of(root: Path, split: str = "train") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / f"annotations/instances_{split}2017.json").read_text())
    return found


def write_json(root: Path, split: str, content: object) -> None:
    (root / "annotations").mkdir(exist_ok=True)
    (root / f"annotations/instances_{split}2017.json").write_text(json.dumps(content))


def test_masks_and_the_images_that_are_dropped(tmp_path: Path) -> None:
    source = open_set(f"coco:{write_coco(tmp_path)}", "segmentation")
    assert (source.size, source.classes) == ((640, 640), CLASSES)
    names = source.record()["files"]["train"]
    # dropped: 2 has no class of VOC's, 4 is a pixel short, 5 has a crowd alone
    assert names == [f"train2017/{image:012}.jpg" for image in (1, 3, 6)]
    person, dog = CLASSES.index("person"), CLASSES.index("dog")
    first = np.zeros(SIZE, dtype=np.uint8)
    first[0:50, 50:60] = VOID
    first[2:40, 3:40] = person
    first[2:10, 3:50] = person
    first[30:49, 30:55] = dog
    first[30:40, 30:40] = VOID  # two classes at once
    third, sixth = region((0, 0, 25, 40)) * dog, region((0, 0, 20, 30), (20, 30, 40, 60)) * dog
    images, masks, sizes = whole(source, "train")
    assert sizes is not None
    assert sizes.tolist() == [[*SIZE]] * 3
    for name, image, mask, expected in zip(names, images, masks, (first, third, sixth), strict=True):
        assert np.array_equal(mask[:50, :60], expected)
        assert np.array_equal(image[:, :50, :60].permute(1, 2, 0), stored(tmp_path / name))
        assert bool((mask[50:] == VOID).all())
        assert bool((mask[:, 60:] == VOID).all())
    val = whole(source, "val").targets[:, :50, :60]  # of val nothing is dropped
    assert np.array_equal(val[0], region((0, 0, 3, 3)) * dog)
    assert int(val[1].max()) == 0


def test_every_class_by_its_number(tmp_path: Path) -> None:
    write_coco(tmp_path)
    content = json_of(tmp_path)
    row = content["images"][0]
    seen = []
    for number in NUMBERS:
        content["annotations"] = [annotation(1, number, box(0, 0, 40, 40))]
        write_json(tmp_path, "train", content | {"images": [row]})
        seen.append(int(whole(open_set(f"coco:{tmp_path}", "segmentation", size=64), "train").targets[0, 20, 20]))
    assert seen == [*range(1, 21)]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools, with NumPy 2
def test_outlines_between_pixels_are_torchvision_s(tmp_path: Path) -> None:
    """Its dataset hands out the annotations that pycocotools indexes and draws by itself."""
    write_coco(tmp_path)
    content = json_of(tmp_path)
    outline = [[5.3, 4.7, 52.1, 9.9, 40.6, 46.2, 12.4, 38.8]]
    content["annotations"] = [annotation(1, DOG, outline)]
    write_json(tmp_path, "train", content | {"images": content["images"][:1]})
    mask = whole(open_set(f"coco:{tmp_path}", "segmentation", size=64), "train").targets[0, :50, :60]
    theirs = CocoDetection(str(tmp_path / "train2017"), str(tmp_path / "annotations/instances_train2017.json"))
    own = theirs.coco.annToMask(theirs[0][1][0])
    assert np.array_equal(mask == CLASSES.index("dog"), own == 1)
    assert 1000 < own.sum() < 2000
    text = theirs.coco.annToRLE(theirs[0][1][0])
    compressed = {"size": text["size"], "counts": text["counts"].decode()}
    content["annotations"] = [annotation(1, DOG, compressed)]  # as other tools write it
    write_json(tmp_path, "train", content | {"images": content["images"][:1]})
    again = whole(open_set(f"coco:{tmp_path}", "segmentation", size=64), "train").targets[0, :50, :60]
    assert np.array_equal(again, mask)


def test_a_smaller_canvas_and_a_worker(tmp_path: Path) -> None:
    source = open_set(f"coco:{write_coco(tmp_path)}", "segmentation", size=30, memory_gib=0, train=2)
    images, _, sizes = whole(source, "train")
    assert images.shape == (2, 3, 30, 30)
    assert sizes is not None
    assert sizes.tolist() == [[25, 30]] * 2
    pickle.loads(pickle.dumps(source.split("train")._reader)).read([1])  # type: ignore[attr-defined]


def test_progress_and_the_published_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_coco(tmp_path)
    monkeypatch.setattr("sunetlab.train.data.published.coco.PUBLISHED", {"images in train": 6, "images in val": 2})
    seen: list[tuple[int, int]] = []
    config = DataConfig(source=f"coco:{tmp_path}", task="segmentation")
    assert open_data(config, lambda *at: seen.append(at)).record()["images"] == {"train": 3, "val": 2}
    assert seen == [(6, 6), (2, 2)]
    refused(f"coco:{tmp_path}", "segmentation", "has train, val; COCO keeps the annotations", split="test", size=64)


def test_without_pycocotools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_coco(tmp_path)
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    refused(f"coco:{tmp_path}", "segmentation", r"coco: needs pycocotools; pip install 'sunetlab\[coco\]'$")


def changed(**values: Any) -> Spoil:
    return lambda root: write_json(root, "train", json_of(root) | values)


def segmented(segmentation: Any) -> Spoil:
    return changed(annotations=[annotation(1, DOG, segmentation)])


def image_row(**values: Any) -> Spoil:
    return changed(images=[{"id": 1, "file_name": "000000000001.jpg", "height": 50, "width": 60, **values}])


def cut(root: Path) -> None:
    path = root / "annotations/instances_train2017.json"
    path.write_text(path.read_text()[:-30])


FULL, FIRST = {"partial": False}, r"train2017\.json: image '000000000001\.jpg': "
WRONG: list[tuple[str, Spoil, dict[str, Any], str]] = [
    (
        "json",
        lambda r: (r / "annotations").rename(r / "x"),
        {},
        r"train2017\.json: missing; annotations_trainval2017\.z",
    ),
    ("half", cut, {}, r"instances_train2017\.json: not valid JSON \(half downloaded\?\)"),
    (
        "images",
        lambda r: (r / "train2017").rename(r / "x"),
        FULL,
        r"/train2017: missing; train2017\.zip has it \(data\.p",
    ),
    ("image", lambda r: (r / "val2017/000000000008.jpg").unlink(), FULL, "6 images in train; COCO 2017 has 118,287"),
    ("no images", lambda r: (r / "val2017").rename(r / "x"), {}, r": 0 images in val; COCO 2017 has 5,000$"),
    ("none left", changed(annotations=[]), {}, "no image in train has 1,000 labelled pixels of VOC's classes"),
    ("categories", changed(categories=[{"id": 1, "name": "person"}]), {}, "not COCO's instances: no category for 'aer"),
    ("keys", changed(annotations=[{"id": 1}]), {}, "not COCO's instances: KeyError 'category_id'"),
    ("list", lambda r: write_json(r, "train", [1]), {}, r"train2017\.json: not COCO's instances: TypeError"),
    ("path", image_row(file_name="../x.jpg"), {}, r"image '\.\./x\.jpg': not the name of a file"),
    ("name", image_row(file_name=7), {}, r"image '7': not the name of a file"),
    ("no size", image_row(height=0), {}, r"image '000000000001\.jpg': a size of 0×60 px"),
    (
        "size",
        lambda r: save(r / "train2017/000000000003.jpg", image_of((50, 61))),
        {},
        r"000000000003\.jpg: 50×61 px, but its mask is 50×60 px",
    ),
    ("run", segmented({"size": [50, 60], "counts": [10, 20]}), {}, FIRST + "a run-length code of 30 pixels, not 50×60"),
    ("run's size", segmented({"size": [5, 6], "counts": [10, 20]}), {}, FIRST + "a run-length code of another size"),
    ("text", segmented({"size": [50, 60], "counts": "oooo"}), {}, FIRST + "Invalid RLE mask representation"),
    ("far", segmented([[0, 0, 1e9, 0, 0, 1e9]]), {}, FIRST + "a segmentation that is neither polygons nor"),
    ("odd", segmented([[0, 0, 1, 0, 0]]), {}, FIRST + "a segmentation that is neither polygons nor"),
    ("words", segmented("dog"), {}, FIRST + "a segmentation that is neither polygons nor"),
]


@pytest.mark.parametrize(("spoil", "values", "said"), [c[1:] for c in WRONG], ids=[c[0] for c in WRONG])
def test_wrong(tmp_path: Path, spoil: Spoil, values: dict[str, Any], said: str) -> None:
    spoil(write_coco(tmp_path))
    refused(f"coco:{tmp_path}", "segmentation", said, **{"size": 64, **values})
