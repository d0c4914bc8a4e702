"""`sunetlab predict` and `evaluate` as a user meets them: files, figures, one line for what is wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sunetlab import SUNetSpec
from sunetlab.cli import evaluate as evaluate_command
from sunetlab.folders import DATA, WEIGHTS
from sunetlab.model.sunet import SUNet
from sunetlab.model.weights import save_weights
from sunetlab.spec import Task
from sunetlab.train.data import DataConfig
from sunetlab.train.data.image_files import read_image
from sunetlab.train.predict import Inference, Predictor
from sunetlab.train.recipe import Recipe
from sunetlab.train.run import RUN, Run, load_model
from tests.conftest import Said

CPU = torch.device("cpu")
CLASSES = ("sky", "road", "car")


def write_run(folder: Path, task: Task = "segmentation", size: tuple[int, int] | None = None, **words: Any) -> SUNet:
    """A folder with a network at its initial weights, and no training behind it."""
    small: dict[str, Any] = {"depth": 1, "n": 4, "stacks": (1, 1), "widths": "rule", "stem_width": 8, "num_classes": 3}
    torch.manual_seed(1)
    model = SUNet(SUNetSpec.make(**small | {"task": task} | words))
    torch.nn.init.normal_(model.classifier.weight)
    folder.mkdir()
    data = DataConfig(source="folder:set", task=task, size=size)
    Run(spec=model.spec, recipe=Recipe(batch_size=2), data=data).save(folder)
    save_weights(model, folder / WEIGHTS)
    record = {"classes": CLASSES[: model.spec.num_classes], "size": size or (32, 40)}
    (folder / DATA).write_text(json.dumps(record))
    return model


def write_images(folder: Path, sizes: list[tuple[int, int]]) -> None:
    """Images of noise, with masks beside them and a little void."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number, (height, width) in enumerate(sizes):
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(folder / f"images/{number}.png")
        mask = np.kron(rng.integers(0, 3, (2, 2)), np.ones((height // 2, width // 2), np.int64)).astype(np.uint8)
        mask[:2] = 255
        Image.fromarray(mask).save(folder / f"masks/{number}.png")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with a run, images of one size with masks, and images of several sizes."""
    write_run(tmp_path / "net")
    write_images(tmp_path / "set/train", [(32, 40)])
    write_images(tmp_path / "set/val", [(32, 40)] * 3)
    (tmp_path / "set/classes.txt").write_text("\n".join(CLASSES))
    write_images(tmp_path / "some", [(32, 40), (51, 33)])
    return tmp_path


def test_label_images_have_the_size_and_name_of_their_images(said: Said, runs: Path) -> None:
    (runs / "some/images/notes.txt").write_text("no image")
    status, out, _ = said("predict net some/images --out labels --overlay --activations --device cpu")
    assert (status, out) == (0, "2 label images in labels\n")
    model, _ = load_model(Path("net"))
    for number, (height, width) in enumerate([(32, 40), (51, 33)]):
        with Image.open(f"labels/{number}.png") as image, Image.open(f"some/images/{number}.png") as original:
            assert (image.mode, image.size) == ("P", (width, height))
            pixels = torch.from_numpy(np.asarray(original).transpose(2, 0, 1).copy())
            assert np.array_equal(np.asarray(image), Predictor(model, CPU)(pixels).argmax(0).numpy())
        for kind in ("overlay", "activations"):
            with Image.open(f"labels/{kind}/{number}.png") as picture:
                assert picture.mode == "RGB"
    assert sorted(path.name for path in Path("labels").iterdir()) == ["0.png", "1.png", "activations", "overlay"]


def test_the_ways_to_look_reach_the_network(said: Said, runs: Path) -> None:
    line = "predict net some/images/1.png --out o --device cpu --format labels --json"
    status, out, _ = said(f"{line} --scales 0.75,1.5 --flip --tile 32x24 --output-stride 4 --downsampling strided")
    assert status == 0
    model = write_run(runs / "other", output_stride=4, downsampling="strided")
    way = Inference(scales=(0.75, 1.5), flip=True, tile=(32, 24))
    with Image.open("some/images/1.png") as image:
        pixels = torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())
    expected = Predictor(model, CPU, way)(pixels).argmax(0).numpy()
    with Image.open("o/1.png") as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), expected)
    found = json.loads(out)["images"]
    parts = {name: float((expected == label).mean()) for label, name in enumerate(CLASSES) if (expected == label).any()}
    assert found == [{"image": "some/images/1.png", "labels": "o/1.png", "parts": parts}]


def test_images_are_brought_to_the_size_of_the_training_and_answers_back(said: Said, runs: Path) -> None:
    model = write_run(runs / "sized", size=(48, 64))
    status, _, err = said("predict sized some/images/1.png --out o --device cpu")
    assert (status, err) == (
        0,
        "every image was brought to 48x64, as in training, and the probabilities back to its own size\n",
    )
    with Image.open("some/images/1.png") as image:
        resized = image.resize((64, 48), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.asarray(resized).transpose(2, 0, 1).copy())
    with Image.open("o/1.png") as image:
        assert image.size == (33, 51)
        assert np.array_equal(np.asarray(image), Predictor(model, CPU)(pixels, (51, 33)).argmax(0).numpy())


def test_classes_of_images_are_ranked(said: Said, runs: Path) -> None:
    write_run(runs / "cls", "classification")
    status, out, _ = said("predict cls some/images --json --device cpu --flip")
    assert status == 0
    for row in json.loads(out)["images"]:
        chances = [each["probability"] for each in row["classes"]]
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) == pytest.approx(1, abs=1e-5)
        assert {each["class"] for each in row["classes"]} == set(CLASSES)
    status, out, _ = said("predict cls some/images --device cpu --activations --out o")
    assert status == 0
    assert out.splitlines()[0].split() == ["image", "first", "second", "third"]
    assert [path.name for path in sorted(Path("o/activations").iterdir())] == ["0.png", "1.png"]


def test_a_wrong_image_is_a_line_and_the_others_are_done(said: Said, runs: Path) -> None:
    (runs / "some/images/0a.png").write_bytes(b"no image")
    Image.fromarray(np.zeros((3, 3, 3), np.uint8)).save(runs / "some/images/0b.png")
    status, out, err = said("predict net some/images --out o --device cpu")
    assert (status, out) == (2, "2 label images in o\n")
    assert [line for line in err.splitlines() if not line.startswith("predicting: ")] == [
        "some/images/0a.png: not an image that can be read (broken, or not what its name says)",
        "some/images/0b.png: 3x3: too small for block 2: a map of 1x1 before block 2 cannot be pooled",
        "sunetlab: IMAGES: 2 of 4 were not looked at, for what is said above",
    ]
    assert sorted(path.name for path in Path("o").iterdir()) == ["0.png", "1.png"]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("none some/images --out o", ("none", "spec.toml")),
        ("net nowhere.png --out o", ("IMAGES", "nowhere.png", "no such file or folder")),
        ("net net --out o", ("IMAGES", "net", "holds no image", ".jpg")),
        ("net some/images/0.png", ("--out", "is needed")),
        ("net some/images/0.png --out net/spec.toml", ("--out", "net/spec.toml", "cannot be made")),
        ("net some/images/0.png --out some/images", ("--out", "some/images/0.png", "over an image")),
        ("net some/images set/val/images --out o", ("some/images/0.png", "set/val/images/0.png", "o/0.png")),
        ("net some/images/0.png --out o --format cityscapes", ("--format", "cityscapes", "3 classes", "19")),
        ("net some/images/0.png --out o --format gif", ("--format", "gif", "palette")),
        ("net some/images/0.png --out o --scales 0", ("--scales", "0", "greater than 0")),
        ("net some/images/0.png --out o --scales 1,x", ("--scales", "'1,x'", "0.5,0.75")),
        ("net some/images/0.png --out o --scales 1,1", ("--scales", "1,1", "once")),
        ("net some/images/0.png --out o --scales 99", ("--scales", "99", "16")),
        ("net some/images/0.png --out o --scales 0.1", ("some/images/0.png", "3x4", "too small for block 2")),
        ("net some/images/0.png --out o --tile 3", ("--tile: 3x3: too small for block 2",)),
        ("net some/images/0.png --out o --device tpu", ("--device: 'tpu'",)),
        ("net small.png --out o --tile 32 --activations", ("small.png", "3x3", "too small for block 2")),
        ("net some/images/0.png --out o --tile 0", ("--tile", "'0'")),
        ("net some/images/0.png --out o --output-stride 6", ("--output-stride", "6", "4, 8")),
        ("net some/images/0.png --out o --device tpu", ("tpu",)),
        ("cls some/images/0.png --out o", ("--out", "classification", "leave it out")),
        ("cls some/images/0.png --overlay", ("--overlay", "segmentation")),
        ("cls some/images/0.png --format labels", ("--format", "segmentation")),
        ("cls some/images/0.png --tile 32", ("--tile", "segmentation")),
        ("cls some/images/0.png --activations", ("--out", "is needed")),
        ("grey some/images/0.png --out o", ("grey", "1 channels", "3 (RGB)")),
        ("bad some/images/0.png --out o", ("bad/data.json", "3 names")),
    ],
)
def test_what_predict_refuses_is_one_line(said: Said, runs: Path, line: str, parts: tuple[str, ...]) -> None:
    write_run(runs / "cls", "classification")
    write_run(runs / "grey", in_channels=1)
    write_run(runs / "bad")
    (runs / "bad" / DATA).write_text('{"classes": ["sky"]}')
    Image.fromarray(np.zeros((3, 3, 3), np.uint8)).save(runs / "small.png")
    before = {*runs.rglob("*")}
    status, out, err = said(f"predict {line}" + ("" if "--device" in line else " --device cpu"))
    assert (status, out, len(err.splitlines())) == (2, "", 1), err
    for part in parts:
        assert part in err
    assert {*runs.rglob("*")} == before, "something was left behind"


@pytest.mark.usefixtures("runs")
def test_evaluation_tells_figures_near_boundaries_and_confusion(said: Said) -> None:
    line = "evaluate net --device cpu --json --boundary 3,1 --confusion c.csv --confusion c.SVG"
    status, out, err = said(line)
    assert status == 0, err
    assert "saved c.csv" in err
    found = json.loads(out)
    assert {"loss", "miou", "pixel_accuracy", "class_accuracy", "fw_iou"} < found.keys()
    assert list(found["boundary"]) == ["1", "3"]
    near = [found["boundary"][k] for k in ("1", "3")]
    assert near[0]["pixels"] < near[1]["pixels"] < sum(map(sum, found["confusion"]))
    assert all(0 < scores[name] < 1 for scores in near for name in ("trimap_miou", "trimap_accuracy", "boundary_iou"))
    rows = [[int(cell) for cell in row.split(",")[1:]] for row in Path("c.csv").read_text().splitlines()[1:]]
    assert rows == found["confusion"]
    assert Path("c.SVG").read_text().startswith("<svg")
    assert json.loads(said(f"{line} --void-is-boundary")[1])["boundary"]["1"]["pixels"] > near[0]["pixels"]
    assert "boundary, 3 px" in said("evaluate net --device cpu --boundary 3")[1]


@pytest.mark.usefixtures("runs")
def test_evaluation_looks_as_it_is_told(said: Said) -> None:
    plain = json.loads(said("evaluate net --device cpu --json")[1])
    whole = json.loads(said("evaluate net --device cpu --json --tile 32x40")[1])
    assert whole["confusion"] == plain["confusion"]
    assert whole["loss"] == pytest.approx(plain["loss"], rel=1e-5)
    other = json.loads(said("evaluate net --device cpu --json --output-stride 4")[1])
    assert other["confusion"] != plain["confusion"]
    status, out, _ = said("evaluate net --device cpu --scales 0.5,1 --flip")
    assert status == 0
    assert "of averaged probabilities" in out.splitlines()[0]


def test_a_folder_without_a_run_needs_data(said: Said, runs: Path) -> None:
    plain = json.loads(said("evaluate net --device cpu --json")[1])
    (runs / "net" / RUN).unlink()
    assert said("evaluate net --device cpu") == (
        2,
        "",
        "sunetlab: --data: net holds weights without the data that they were made from; give some\n",
    )
    again = json.loads(said("evaluate net --device cpu --json --data folder:set")[1])
    assert again["confusion"] == plain["confusion"]
    assert evaluate_command.BATCH > 2
    (runs / "net" / DATA).unlink()
    found = json.loads(said("predict net some/images/0.png --out o --device cpu --json")[1])["images"][0]
    assert all(name.startswith("class ") for name in found["parts"])


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        ("--boundary 0", ("--boundary", "'0'", "1 to 1000")),
        ("--boundary 1,,2", ("--boundary", "1,,2")),
        ("--void-is-boundary", ("--void-is-boundary", "--boundary")),
        ("--confusion c.png", ("--confusion", "c.png", ".csv or .svg")),
        ("--scales 0.1", ("--scales: 3x4: too small for block 2",)),
        ("--tile 3", ("--tile: 3x3: too small for block 2",)),
        ("--device tpu", ("--device: 'tpu'",)),
        ("--output-stride 5", ("--output-stride", "5", "4, 8")),
    ],
)
def test_what_evaluate_refuses_is_one_line(said: Said, flags: str, parts: tuple[str, ...]) -> None:
    status, out, err = said(f"evaluate net --device cpu {flags}")
    assert (status, out, len(err.splitlines())) == (2, "", 1), err
    for part in parts:
        assert part in err


def test_where_void_keeps_labels_apart_it_is_said(said: Said, tmp_path: Path) -> None:
    write_run(tmp_path / "net", num_classes=11)
    (tmp_path / "net" / DATA).unlink()
    line = "evaluate net --split test --boundary 1,9 --device cpu --json"
    config = DataConfig(source="scenes", task="segmentation", size=(32, 32), test=4)
    run = Run.load(tmp_path / "net")
    run.model_copy(update={"data": config}).save(tmp_path / "net")
    status, out, err = said(line)
    assert status == 0
    assert [scores["pixels"] > 0 for scores in json.loads(out)["boundary"].values()] == [False, True]
    assert "within 1 px of each other; where void marks the outlines of objects, give --void-is-boundary" in err
    status, out, err = said(line + " --void-is-boundary")
    assert json.loads(out)["boundary"]["1"]["pixels"] > 0
    assert "--void-is-boundary" not in err


def test_boundaries_are_those_of_masks(said: Said, tmp_path: Path) -> None:
    write_run(tmp_path / "cls", "classification")
    assert said("evaluate cls --boundary 1")[2] == (
        "sunetlab: --boundary: 1: goes with a network for segmentation; this one is for classification\n"
    )


@pytest.mark.usefixtures("runs")
def test_an_image_for_which_there_is_no_memory(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Predictor, "__call__", full)
    status, _, err = said("predict net some/images/0.png --out o --device cpu")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "some/images/0.png: 32x40: not enough memory; give --tile" in err
    monkeypatch.setattr("sunetlab.train.evaluate.evaluate", full)
    monkeypatch.setattr("sunetlab.train.loop.train", full)
    assert said("evaluate net --device cpu")[::2] == (
        2,
        "sunetlab: folder:set, 32x40: not enough memory; give --tile, or smaller --scales\n",
    )
    status, _, err = said("train net --data folder:set --batch-size 7 --device cpu")
    assert (status, err.splitlines()[-1].partition("; ")[0]) == (
        2,
        "sunetlab: folder:set, 32x40, 7 images at once: not enough memory",
    )


@pytest.mark.parametrize(
    ("source", "recorded", "side"),
    [("folder:set", [24, 24], 24), ("voc:set", [64, 64], None), (None, None, 224)],
)
def test_images_are_brought_to_what_the_network_was_trained_on(
    said: Said, tmp_path: Path, source: str | None, recorded: list[int] | None, side: int | None
) -> None:
    """A classifier sees the side of its training images, or of its design; on a canvas images keep their own."""
    task: Task = "segmentation" if source == "voc:set" else "classification"
    model = write_run(tmp_path / "net", task)
    if source is None:
        (tmp_path / "net" / RUN).unlink()
        (tmp_path / "net" / DATA).unlink()
    else:
        data = DataConfig(source=source, task=task, size=64 if task == "segmentation" else None)
        (tmp_path / "net" / RUN).unlink()
        Run(spec=model.spec, recipe=Recipe(), data=data).save(tmp_path / "net")
        (tmp_path / "net" / DATA).write_text(json.dumps({"classes": CLASSES, "size": recorded}))
    write_images(tmp_path / "some", [(32, 40)])
    status, out, err = said("predict net some/images --device cpu --json" + (" --out o" if side is None else ""))
    assert status == 0, err
    if side is None:
        with Image.open("o/0.png") as image:
            pixels = np.asarray(Image.open("some/images/0.png")).transpose(2, 0, 1).copy()
            assert np.array_equal(np.asarray(image), Predictor(model, CPU)(torch.from_numpy(pixels)).argmax(0).numpy())
        return
    seen = read_image(Path("some/images/0.png"), (side, side), crop=True)
    expected = Predictor(model, CPU)(torch.from_numpy(seen)).max().item()
    assert json.loads(out)["images"][0]["classes"][0]["probability"] == pytest.approx(expected, rel=1e-4)
    assert f"{side}x{side}" in err
