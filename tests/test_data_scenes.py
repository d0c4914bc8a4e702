import hashlib
import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sunetlab.errors import InputError
from sunetlab.train.data import VOID, DataConfig, DataSource, MemorySplit, open_data
from sunetlab.train.data.config import SOURCE_FORMS
from sunetlab.train.data.made.hashing import below, image_keys, mix, uniform
from sunetlab.train.data.made.objects import MOST, Objects, draw_objects, outlines
from sunetlab.train.data.made.paint import paint
from sunetlab.train.data.made.shapes import AREAS, SHAPES
from sunetlab.train.data.made.textures import CONTRAST, PATTERNS, apart, draw_surfaces
from sunetlab.train.data.source import SOURCES

GOLDEN = {
    (64, 64): "2f9cb4dca3a0bd4402b7d62c2dfacf770f2604313ccdd98e0ef203933d6674e5",
    (40, 57): "c2d864ac3492aa9f162e33e0e16c5a88d868916470a21f6697179618c6603101",
}


def scenes(task: str = "segmentation", **values: object) -> DataSource:
    counts = {"train": 6, "val": 6, "test": 6}
    return open_data(DataConfig.model_validate({"source": "scenes", "task": task, **counts, **values}))


def content(source: DataSource, name: str = "train") -> tuple[torch.Tensor, torch.Tensor]:
    split = source.split(name)
    assert isinstance(split, MemorySplit)
    return split.images, split.targets


def keys(count: int, seed: int = 3) -> np.ndarray:
    return image_keys(seed, 0, np.arange(count, dtype=np.uint64))


def test_shapes_are_single_objects_hardly_turned() -> None:
    config = {"source": "shapes", "size": 48, "train": 200, "val": 1, "test": 1}
    labels = content(scenes("classification", **config))[1]
    for mask, label in zip(content(scenes("segmentation", **config))[1], labels, strict=True):
        assert set(mask.unique().tolist()) == {0, int(label) + 1, VOID}


# The hash


def test_the_mixer_is_splitmix64() -> None:
    # The first outputs of the reference implementation (Vigna, splitmix64.c) for the seed 1234567.
    state = (1234567 + 0x9E3779B97F4A7C15 * np.arange(1, 4, dtype=object)) % 2**64
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert mix(state.astype(np.uint64)).tolist() == expected


def test_numbers_are_uniform_and_fields_independent() -> None:
    k = keys(5000)
    first, second = uniform(k, 0, 4), uniform(k, 1, 4)
    assert 0 <= first.min() < 0.001
    assert 0.999 < first.max() < 1
    assert np.abs(first.mean(axis=0) - 0.5).max() < 0.02
    assert abs(np.corrcoef(first[:, 0], second[:, 0])[0, 1]) < 0.05
    counts = np.bincount(below(k, 2, 1, 7)[:, 0], minlength=7)
    assert counts.size == 7
    assert abs(counts / 5000 - 1 / 7).max() < 0.02


# The images


@pytest.mark.parametrize("size", list(GOLDEN))
def test_images_and_masks_are_the_same_everywhere(size: tuple[int, int]) -> None:
    images, masks, labels = paint(keys(12, seed=0), *size)
    digest = hashlib.sha256(images.tobytes() + masks.tobytes() + labels.astype("<i8").tobytes())
    assert digest.hexdigest() == GOLDEN[size]


def test_an_image_does_not_depend_on_how_many_are_made() -> None:
    few, _ = content(scenes(train=5))
    many, _ = content(scenes(train=70))
    assert torch.equal(few, many[:5])


def test_splits_and_seeds_differ() -> None:
    source = scenes()
    made = [content(source, name)[0] for name in ("train", "val", "test")] + [content(scenes(seed=1))[0]]
    flat = torch.cat(made).flatten(1)
    assert len({image.numpy().tobytes() for image in flat}) == len(flat)


def test_both_tasks_show_the_same_images() -> None:
    assert torch.equal(content(scenes("segmentation"))[0], content(scenes("classification"))[0])


def test_the_label_is_the_shape_with_most_pixels_in_the_mask() -> None:
    _, labels = content(scenes("classification", train=300))
    _, masks = content(scenes("segmentation", train=300))
    ties = 0
    for label, mask in zip(labels.tolist(), masks, strict=True):
        visible_px = torch.bincount(mask[mask != VOID].long(), minlength=11)[1:]
        assert visible_px[label] == visible_px.max()
        ties += int((visible_px == visible_px.max()).sum()) - 1
    assert ties <= 3


def test_labels_are_balanced_and_something_is_always_visible() -> None:
    masks_and_labels = [
        paint(image_keys(0, 0, np.arange(i, i + 100, dtype=np.uint64)), 32, 32)[1:] for i in range(0, 2000, 100)
    ]
    labels = np.concatenate([labels for _, labels in masks_and_labels])
    share = np.bincount(labels, minlength=10) / 2000
    assert share.min() >= 0.07
    assert share.max() <= 0.13
    masks = np.concatenate([masks for masks, _ in masks_and_labels])
    visible = (masks == labels[:, None, None] + 1).mean(axis=(1, 2))
    assert visible.min() > 0.01
    assert set(np.unique(masks)) == {*range(11), VOID}


def test_the_void_border_by_a_loop_over_pixels() -> None:
    height, width = 30, 34
    _, masks, _ = paint(keys(5), height, width)
    objects = draw_objects(keys(5), 10, height, width)
    inside = outlines(objects, height, width)
    for image in range(5):
        expected = np.zeros((height, width), dtype=int)
        for slot in range(objects.count[image]):
            body = inside[image, slot]
            for y in range(height):
                for x in range(width):
                    near = body[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
                    if body[y, x]:
                        expected[y, x] = objects.shape[image, slot] + 1
                    elif near.any():
                        expected[y, x] = VOID
        assert np.array_equal(expected, masks[image])


def test_shapes_of_a_scene_differ_and_lie_in_the_image() -> None:
    objects = draw_objects(keys(500), 10, 48, 64)
    assert set(objects.count) == {2, 3, 4, 5}
    assert all(len(set(row)) == MOST for row in objects.shape.tolist())
    used = np.arange(MOST) < objects.count[:, None]
    diameter = 2 * objects.radius[used] / 48
    assert 0.0999 < diameter.min() < 0.15
    assert 0.8 < diameter.max() < 0.9001
    centre = objects.centre[used]
    reach = 0.8 * objects.radius[used][:, None] - 0.51
    assert (centre >= reach).all()
    assert (centre <= np.array([47.0, 63.0]) - reach).all()


@pytest.mark.parametrize("shape", list(SHAPES))
def test_areas_and_extents_of_the_shapes(shape: str) -> None:
    line = np.linspace(-1.5, 1.5, 601, dtype=np.float32)
    v, u = (grid[None] for grid in np.meshgrid(line, line, indexing="ij"))
    inside = SHAPES[shape](u, v, np.full((1, 1, 1), 0.32, dtype=np.float32))[0]
    area = inside.sum() * (3 / 600) ** 2
    assert area == pytest.approx(AREAS[list(SHAPES).index(shape)], rel=0.03)
    assert np.sqrt((u * u + v * v)[0][inside]).max() < 1.07


def test_a_thin_object_has_no_gaps() -> None:
    """The smallest frames and rings of a 64-pixel image are one piece, and so are bars."""
    count, radius = 60, 3.2
    turn = np.arange(count)[:, None] * 6
    for shape in ("ring", "frame", "bar", "ell"):
        number = np.full((count, MOST), list(SHAPES).index(shape))
        one = np.ones((count, MOST), dtype=np.float32)
        centre = np.full((count, MOST, 2), 10.3, dtype=np.float32)
        rotation = np.repeat(turn, MOST, axis=1)
        stroke = one * np.float32(1.6 / radius)
        objects = Objects(one[:, 0].astype(int), number, centre, one * np.float32(radius), one, rotation, stroke)
        for body in outlines(objects, 20, 20)[:, 0]:
            assert pieces(body) == 1


def pieces(body: np.ndarray) -> int:
    """How many 8-connected pieces `body` has."""
    left, count = set(zip(*np.nonzero(body), strict=True)), 0
    while left:
        count += 1
        stack = [left.pop()]
        while stack:
            y, x = stack.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            stack.extend(near)
    return count


def test_objects_stand_out_from_the_background_and_every_texture_occurs() -> None:
    ground, surface = draw_surfaces(keys(3000), 0, 64), draw_surfaces(keys(3000, seed=9), 0, 64)
    moved = apart(surface.mean, ground.mean)
    assert np.abs(moved - ground.mean).max(axis=1).min() >= CONTRAST
    assert (np.abs(moved - surface.mean).max(axis=1) > 0).sum() > 50
    assert abs(moved.mean() - surface.mean.mean()) < 3
    assert set(surface.kind) == set(range(len(PATTERNS)))


def test_colour_does_not_tell_the_class() -> None:
    images, labels = content(scenes("classification", train=1000, size=32))
    _, masks = content(scenes("segmentation", train=1000, size=32))
    own = masks == labels[:, None, None] + 1
    mean = (images * own[:, None]).sum((2, 3)) / own.sum((1, 2))[:, None]
    by_class = torch.stack([mean[labels == label].mean(0) for label in range(10)])
    assert (by_class - mean.mean(0)).abs().max() < 20  # of 255: three standard errors of a mean of 100 draws


# The source


@pytest.mark.parametrize(("task", "classes"), [("classification", 10), ("segmentation", 11)])
@pytest.mark.parametrize("size", [(64, 64), (32, 32), (48, 80), (97, 24)])
def test_contract(task: str, classes: int, size: tuple[int, int]) -> None:
    source = scenes(task, size=size)
    split = source.split("val")
    assert source.split("val") is split
    assert (source.task, source.size, len(source.classes), len(split)) == (task, size, classes, 6)
    order = torch.tensor([5, 0, 0, 3, 1])
    batches = list(split.batches(order, 2))
    assert [len(images) for images, _, _ in batches] == [2, 2, 1]
    images, targets = (torch.cat(parts) for parts in list(zip(*batches, strict=True))[:2])
    everything, every_target = content(source, "val")
    assert torch.equal(images, everything[order])
    assert torch.equal(targets, every_target[order])
    assert (images.dtype, images.shape) == (torch.uint8, (5, 3, *size))
    expected = (torch.int64, (5,)) if task == "classification" else (torch.uint8, (5, *size))
    assert (targets.dtype, targets.shape) == expected
    assert list(split.batches(order[:0], 2)) == []


def test_defaults_record_and_progress() -> None:
    source = open_data(DataConfig(source="scenes", task="classification", val=70))
    record = json.loads(json.dumps(source.record()))
    assert record["images"] == {"train": 2000, "val": 70, "test": 500}
    assert (record["source"], record["seed"], record["size"]) == ("scenes", 0, [64, 64])
    seen: list[tuple[int, int]] = []
    source.split("val", lambda done, total: seen.append((done, total)))
    assert seen[-1] == (70, 70)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"source": "scenery"}, "'scenery' is not a known source; known: scenes, shapes, folder:PATH"),
        ({"source": "scenes:here"}, "must be written scenes"),
        ({"source": "folder"}, "must be written folder:PATH"),
        ({"source": "folder:"}, "must be written folder:PATH"),
        ({"task": "detection"}, "classification"),
        ({"size": 0}, "greater than or equal to 8"),
        ({"size": [64]}, "size"),
        ({"train": 0}, "greater than or equal to 1"),
        ({"val_fraction": 1.0}, "less than 1"),
        ({"workers": -1}, "greater than or equal to 0"),
        ({"sise": 64}, "Extra inputs are not permitted"),
        ({"source": "voc"}, "must be written voc:PATH"),
        ({"source": "voc:x"}, "classification: voc is for segmentation"),
        ({"source": "cifar10:x", "task": "segmentation"}, "segmentation: cifar10 is for classification"),
        (
            {"source": "voc:x", "task": "segmentation", "train_split": "trainaug"},
            "'trainaug': known are train_aug, train, trainval_aug, trainval",
        ),
        ({"train_split": "train"}, "'train': scenes has one only; leave it out"),
        ({"partial": 1}, "partial"),
    ],
)
def test_wrong_configurations(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        DataConfig.model_validate({"source": "scenes", "task": "classification", **values})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": 16}, "data.size = 16×16: scenes needs sides of at least 24 px"),
        ({"train": 10_000_000}, r"data.memory_gib = 4: 10000012 scenes of 64×64 px take 153 GiB"),
    ],
)
def test_scenes_that_cannot_be_made(values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        scenes(**values)  # type: ignore[arg-type]


def test_a_split_that_is_not_there() -> None:
    with pytest.raises(InputError, match="'trian': scenes has train, val, test"):
        scenes().split("trian")


def test_a_square_may_be_one_number_and_every_name_has_a_source() -> None:
    assert DataConfig.model_validate({"source": "scenes", "task": "segmentation", "size": 48}).size == (48, 48)
    assert list(SOURCES) == list(SOURCE_FORMS)
