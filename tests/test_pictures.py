"""Files and pictures of predictions: every pixel has the number or the colour of what it stands for."""

import csv
import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.datasets import Cityscapes

from sunetlab import InputError
from sunetlab.model.activations import Activation
from sunetlab.train.data.image_files import read_mask
from sunetlab.train.pictures.activations import ACROSS, SIDE, activation_picture, heat
from sunetlab.train.pictures.canvas import GAP, fitted, key, text_width
from sunetlab.train.pictures.cityscapes import CITYSCAPES
from sunetlab.train.pictures.confusion import confusion_csv, draw_confusion
from sunetlab.train.pictures.label_files import FORMATS, refuse_other_classes, save_png
from sunetlab.train.pictures.overlay import LEAST_WIDTH, blended, overlay
from sunetlab.train.pictures.palette import VOC_CLASSES, colours_of, distinct, voc_palette

CAMVID = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]


def test_the_palette_is_that_of_voc() -> None:
    found = voc_palette().tolist()
    assert found[:8] == [
        *([0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]),
        *([0, 0, 128], [128, 0, 128], [0, 128, 128], [128, 128, 128]),
    ]
    assert (found[8], found[15], found[20], found[255]) == ([64, 0, 0], [192, 128, 128], [0, 64, 128], [224, 224, 192])
    assert len({*map(tuple, found)}) == 256


def test_known_classes_have_the_colours_that_they_are_known_by() -> None:
    assert colours_of(VOC_CLASSES).tolist() == voc_palette()[:21].tolist()
    by_id = {each.train_id: each for each in Cityscapes.classes if not each.ignore_in_eval}
    names = [by_id[train_id].name for train_id in range(19)]
    assert list(CITYSCAPES) == names
    assert colours_of(names).tolist() == [list(by_id[train_id].color) for train_id in range(19)]
    camvid = colours_of([name.title() for name in CAMVID]).tolist()
    assert (camvid[0], camvid[3], camvid[8]) == ([128, 128, 128], [128, 64, 128], [64, 0, 128])
    others = colours_of([*CAMVID[:10], "dog"])  # one other class, and they are not CamVid's
    assert others.tolist() == distinct(11).tolist()
    assert colours_of(["background", "dog", "cat"])[1:].tolist() == distinct(2).tolist()


@pytest.mark.parametrize("count", [0, 1, 2, 20, 150])
def test_other_classes_have_distinct_colours(count: int) -> None:
    found = distinct(count)
    assert found.shape == (count, 3)
    assert len({*map(tuple, found.tolist())}) == count
    assert found.tolist() == distinct(150)[:count].tolist()
    if 1 < count <= 20:
        apart = np.abs(found[:, None].astype(int) - found[None].astype(int)).max(2) + 255 * np.eye(count, dtype=int)
        assert apart.min() > 40
    assert len(distinct(3000)) == 3000  # more than there are candidates


def test_label_images_hold_the_numbers(tmp_path: Path) -> None:
    labels = np.arange(19, dtype=np.uint8).repeat(2).reshape(2, 19).copy()
    labels[1, 18] = 255
    for form, mode in (("palette", "P"), ("labels", "L"), ("cityscapes", "L")):
        save_png(FORMATS[form](labels), tmp_path / f"{form}.png")
        with Image.open(tmp_path / f"{form}.png") as image:
            assert (image.mode, image.size) == (mode, (19, 2))
    for form in ("palette", "labels"):
        assert np.array_equal(read_mask(tmp_path / f"{form}.png", (2, 19), 19), labels)
    with Image.open(tmp_path / "palette.png") as image:
        assert image.getpalette() == voc_palette().ravel().tolist()
        assert image.convert("RGB").getpixel((18, 0)) == tuple(voc_palette()[labels[0, 18]].tolist())
    ids = {each.train_id: each.id for each in Cityscapes.classes if not each.ignore_in_eval}
    expected = [[0 if label == 255 else ids[label] for label in row] for row in labels.tolist()]
    with Image.open(tmp_path / "cityscapes.png") as image:
        assert np.asarray(image).tolist() == expected


def test_only_cityscapes_classes_have_its_ids() -> None:
    names = list(CITYSCAPES)
    refuse_other_classes("cityscapes", names, named=True)
    refuse_other_classes("cityscapes", ["class 0"] * 19, named=False)
    refuse_other_classes("palette", ["cat"], named=True)
    with pytest.raises(InputError, match="11 classes, the benchmark 19"):
        refuse_other_classes("cityscapes", CAMVID, named=True)
    with pytest.raises(InputError, match="class 1 of the network is 'building'; the benchmark's is 'sidewalk'"):
        refuse_other_classes("cityscapes", [names[0], names[2], names[1], *names[3:]], named=True)


def test_an_overlay_mixes_image_and_colour_and_lists_the_classes_below() -> None:
    image, labels = np.full((40, 60, 3), 100, np.uint8), np.zeros((40, 60), np.uint8)
    labels[10:, 20:] = 2
    colours = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255)], np.uint8)
    mixed = blended(image, labels, colours)
    grey = 0.4 * (64 + 100 * (1 - 64 / 255))
    assert np.abs(mixed[5, 5] - np.array([grey + 153, grey, grey])).max() < 1
    assert np.abs(mixed[30, 50] - np.array([grey, grey, grey + 153])).max() < 1
    assert mixed[30, 19].sum() < 0.6 * mixed[30, 18].sum()  # a line between the two
    whole = np.asarray(overlay(image, labels, ["road", "sky", "car"], colours))
    assert whole.shape[1] == LEAST_WIDTH
    assert np.array_equal(whole[2, 2], mixed[0, 0])
    below = whole[200 + GAP :].reshape(-1, 3)  # 60 px are enlarged five times
    present = {*map(tuple, below.tolist())}
    assert {(255, 0, 0), (0, 0, 255)} <= present
    assert (0, 255, 0) not in present  # which does not occur


@pytest.mark.parametrize("width", [40, 320, 2000])
def test_a_key_stays_on_the_paper(width: int) -> None:
    entries = [((200, 0, 0), "a class with a name of many words " * 3), *(((0, 0, 200), f"{i}") for i in range(30))]
    image = np.asarray(key(entries, width))
    assert image.shape[1] == width
    assert (image[:, -1] == 255).all() or width == 40
    assert (image == (0, 0, 200)).all(2).any()
    assert text_width(fitted("many letters", 50)) <= 50 + 3


def test_heat_goes_from_dark_to_light() -> None:
    shades = heat(np.linspace(-3, 7, 50, dtype=np.float32)[None])[0].astype(int)
    assert (np.diff(shades.sum(1)) > 0).mean() > 0.9
    assert (shades[0].tolist(), shades[-1].tolist()) == ([68, 1, 84], [253, 231, 37])
    assert heat(np.full((2, 2), 4, np.float32)).tolist() == [[[68, 1, 84]] * 2] * 2


@pytest.mark.parametrize("labels", [None, np.ones((30, 60), np.uint8)])
def test_the_picture_of_activations_has_a_cell_for_each(labels: NDArray[np.uint8] | None) -> None:
    maps = [Activation(n, f"layer {n}", 0, 9, torch.arange(6.0).view(2, 3) * n) for n in (1, 2, 3, 4)]
    image = np.full((30, 60, 3), (10, 200, 30), np.uint8)
    colours = np.array([(0, 0, 0), (1, 2, 250)], np.uint8)
    found = np.asarray(activation_picture(image, maps, labels, colours))
    height = SIDE // 2
    assert found.shape[1] == ACROSS * (SIDE + GAP) + GAP
    assert found[GAP + height // 2, GAP + SIDE // 2].tolist() == [10, 200, 30]
    assert found[GAP + height - 1, 2 * (GAP + SIDE) - 1].tolist() == [253, 231, 37]  # level 1's greatest value
    rows = found[GAP + height + 40 :]
    assert bool((rows == (1, 2, 250)).all(2).any()) == (labels is not None)
    assert (rows == (253, 231, 37)).all(2).any()  # level 4, in the second row


COUNTS = np.array([[8, 2, 0], [0, 0, 0], [1, 0, 999]])


def test_the_matrix_as_a_table() -> None:
    rows = list(csv.reader(io.StringIO(confusion_csv(COUNTS, ["a,b", "sky", "car"]))))
    assert rows == [
        ["truth", "a,b", "sky", "car"],
        ["a,b", "8", "2", "0"],
        ["sky", "0", "0", "0"],
        ["car", "1", "0", "999"],
    ]


def test_the_matrix_as_a_figure() -> None:
    svg = draw_confusion(COUNTS, ["a<b", "sky", "car"], "Heading", "pixel")
    root = ElementTree.fromstring(svg)
    titles = [each.text for each in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[1:] == [
        "a<b as a<b: 8 pixels, 80.0 %",
        "a<b as sky: 2 pixels, 20.0 %",
        "car as a<b: 1 pixel, 0.1 %",
        "car as car: 999 pixels, 99.9 %",
    ]
    said = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in said if text in {"80", "20", "0", "100"}] == ["80", "20", "100"]
    assert "1,010 pixels; rows: truth, columns: prediction; numbers in percent" in said
    assert [said.count(name) for name in ("a<b", "sky", "car")] == [2, 2, 2]


def test_a_matrix_of_many_classes_has_no_numbers() -> None:
    svg = draw_confusion(np.eye(40, dtype=np.int64), [f"class {n}" for n in range(40)], "Many", "image")
    root = ElementTree.fromstring(svg)
    said = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "100" not in said
    assert "40 images; rows: truth, columns: prediction" in said
    empty = draw_confusion(np.zeros((2, 2), np.int64), ["a", "b"], "None", "image")
    assert "0 images" in empty
