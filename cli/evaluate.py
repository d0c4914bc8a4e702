"""`sunetlab evaluate`: the figures of a trained network on a split."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sunetlab import InputError, SUNetSpec

from .given import PartialData, given, in_flags
from .inference import (
    Device,
    Downsampling,
    Flip,
    OutputStride,
    Scales,
    Tile,
    changed,
    inference_of,
    memory_told,
    refuse_small_tiles,
    trained,
)
from .network import input_size
from .output import Json, file_named, note, percent, print_json, print_table, say, sides

if TYPE_CHECKING:  # these import torch
    from sunetlab.train.boundary import BoundaryCounts
    from sunetlab.train.data import DataConfig, DataSource
    from sunetlab.train.evaluate import Evaluation
    from sunetlab.train.run import Run

BATCH = 8  # images at once where no recipe says how many
_FAR = 1000  # pixels: the widest band

Boundary = Annotated[
    str | None,
    typer.Option(metavar="K,…", help="Scores within so many pixels of boundaries as well: 1,3,5.", show_default=False),
]
Confusion = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="The confusion matrix as a table (.csv) or a figure (.svg); may be given again.",
        show_default=False,
    ),
]


def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a run, an exported configuration or imported weights.")],
    data: Annotated[
        str | None, typer.Option("--data", metavar="SOURCE", help="By default the run's own.", show_default=False)
    ] = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "val",
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Bring every image to this size; by default the run's.", show_default=False),
    ] = None,
    partial_data: PartialData = False,
    scales: Scales = None,
    flip: Flip = False,
    tile: Tile = None,
    output_stride: OutputStride = None,
    downsampling: Downsampling = None,
    boundary: Boundary = None,
    void_is_boundary: Annotated[
        bool, typer.Option("--void-is-boundary", help="Void marks the outlines of objects, as in VOC and in scenes.")
    ] = False,
    confusion: Confusion = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """A trained network's figures on a split: the whole, class by class, near boundaries."""
    from sunetlab.train.data import open_data
    from sunetlab.train.device import pick_device
    from sunetlab.train.evaluate import Near, evaluate_images, is_of_several_sizes, per_class
    from sunetlab.train.evaluate import evaluate as evaluate_on
    from sunetlab.train.predict import ONCE, Predictor

    from .progress import Screen

    files = [file_named("--confusion", name, ".csv", ".svg") for name in confusion or ()]
    model, made = trained(run)
    task = model.spec.task
    near = Near(_distances(boundary, task), void_is_boundary)
    if void_is_boundary and boundary is None:
        raise InputError("--void-is-boundary: goes with --boundary")
    inference = inference_of(scales, flip, tile, task)
    model = changed(model, output_stride, downsampling)
    refuse_small_tiles(inference, model.spec)
    config = _data(run, made, model.spec, data, input_size(size, "--size"))
    config = config.model_copy(update=_only_for(split, config, data) | ({"partial": True} if partial_data else {}))
    with Screen() as screen, screen.counting(f"reading {config.source}", "images") as progress:
        source = open_data(config, progress)
        with in_flags({f"split {split!r}": f"--split: {split!r}"}):
            images = source.split(split, progress)
    if len(source.classes) != model.spec.num_classes:
        raise InputError(
            f"--data: {config.source} has {len(source.classes)} classes; the network {model.spec.num_classes}"
        )
    _refuse_other_classes(run, source, config.source)
    with in_flags({"device": "--device"}):
        target = pick_device(device)
    model, batch_size = model.to(target), made.recipe.batch_size if made else BATCH
    what, too_small = f"{config.source}, {sides(source.size)}", f"--data: {config.source}" if size is None else "--size"
    telling = in_flags({"input": too_small if scales is None else "--scales"})
    with (
        Screen() as screen,
        screen.counting(f"evaluating on {split}", "images") as progress,
        memory_told(what),
        telling,
    ):
        if inference == ONCE and not is_of_several_sizes(images):
            found = evaluate_on(model, images, target, batch_size, progress=progress, near=near)
        else:
            found = evaluate_images(Predictor(model, target, inference), images, batch_size, progress, near)
    by_class = dict(zip(source.classes, per_class(found.confusion, task), strict=True))
    if as_json:
        more: dict[str, Any] = {"split": split, "images": len(images), "by_class": by_class}
        more |= {"boundary": {k: _near(counts) for k, counts in found.boundary.items()}} if found.boundary else {}
        print_json(found.figures | more | {"confusion": found.confusion.tolist()})
    else:
        note(f"{len(images):,} images of {split}, {config.source}, {sides(source.size)}")
        _print(found, by_class, task, averaged=inference != ONCE)
    empty = [k for k, counts in found.boundary.items() if not counts.trimap.any()]
    if empty and not near.void_is_boundary:
        meet = f"no two labels lie within {empty[-1]} px of each other"
        note(f"{meet}; where void marks the outlines of objects, give --void-is-boundary")
    for file in files:
        _save(file, found, source.classes, f"SUNet {model.spec.id} on {split} of {config.source}", task)


def _distances(text: str | None, task: str) -> tuple[int, ...]:
    """Pixels from boundaries, as `--boundary` gives them."""
    if text is None:
        return ()
    if task != "segmentation":
        raise InputError(f"--boundary: {text}: goes with a network for segmentation; this one is for {task}")
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[0-9]{1,4}", part) and 0 < int(part) <= _FAR for part in parts):
        raise InputError(f"--boundary: {text!r}: must be whole numbers from 1 to {_FAR} separated by commas")
    return tuple(sorted({int(part) for part in parts}))


def _data(
    folder: Path, made: "Run | None", spec: SUNetSpec, source: str | None, size: tuple[int, int] | None
) -> "DataConfig":
    """The run's own data, or others; imported weights have none of their own.

    Raises:
        InputError: there are none, or no such.
    """
    from sunetlab.train.data import DataConfig
    from sunetlab.train.data.config import OF_SOURCE

    if made is None and source is None:
        raise InputError(f"--data: {folder} holds weights without the data that they were made from; give some")
    fields: dict[str, Any] = {"task": spec.task} if made is None else made.data.model_dump()
    if source is not None:
        fields |= OF_SOURCE | {"source": source, "train": None, "val": None, "test": None}
    if size is not None:
        fields["size"] = size
    return given(DataConfig, fields, {"source": "--data", "size": "--size"})


def _only_for(split: str, config: "DataConfig", source: str | None) -> dict[str, Any]:
    """What need not be there to judge a split of other data than the run's: the masks that only training takes."""
    from sunetlab.train.data.config import TRAIN_SPLITS

    return {"train_split": "train"} if source and split != "train" and config.name in TRAIN_SPLITS else {}


def _print(found: "Evaluation", by_class: dict[str, float], task: str, averaged: bool) -> None:
    for name, value in found.figures.items():
        said = f"{value:.4f}" if name == "loss" else percent(value, 2) or "undefined"
        say(f"{name:<16}{said}" + (", of averaged probabilities" if name == "loss" and averaged else ""))
    say()
    if found.boundary:
        rows = [[f"{k} px", *_near(counts).values()] for k, counts in found.boundary.items()]
        cells = [[row[0], row[1], *(percent(score, 1) or "undefined" for score in row[2:])] for row in rows]
        print_table(["within", "pixels", "trimap mIoU", "trimap accuracy", "boundary IoU"], cells)
        say()
    what = "IoU" if task == "segmentation" else "accuracy"
    near = [_boundary_ious(counts) for counts in found.boundary.values()]
    print_table(
        ["class", what, *(f"boundary, {k} px" for k in found.boundary)],
        [
            [name, *(percent(each, 1) or "absent" for each in scores)]
            for name, *scores in zip(by_class, by_class.values(), *near, strict=True)
        ],
    )


def _near(counts: "BoundaryCounts") -> dict[str, Any]:
    """What was found within some pixels of boundaries."""
    from sunetlab.train.boundary import mean_boundary_iou
    from sunetlab.train.metrics import mean_iou, pixel_accuracy

    return {
        "pixels": int(counts.trimap.sum()),
        "trimap_miou": float(mean_iou(counts.trimap)),
        "trimap_accuracy": float(pixel_accuracy(counts.trimap)),
        "boundary_iou": float(mean_boundary_iou(counts.bands)),
    }


def _boundary_ious(counts: "BoundaryCounts") -> list[float]:
    from sunetlab.train.boundary import boundary_iou

    return cast(list[float], boundary_iou(counts.bands).tolist())


def _save(file: Path, found: "Evaluation", names: Sequence[str], heading: str, task: str) -> None:
    """Write the confusion matrix as its suffix says."""
    from sunetlab.files import write_text
    from sunetlab.train.pictures.confusion import confusion_csv, draw_confusion

    counts, unit = found.confusion.numpy(), "pixel" if task == "segmentation" else "image"
    is_table = file.suffix.lower() == ".csv"
    write_text(file, confusion_csv(counts, names) if is_table else draw_confusion(counts, names, heading, unit))
    note(f"saved {file}")


def _refuse_other_classes(run: Path, source: "DataSource", name: str) -> None:
    """Classes as many as the network's, but others or in another order, would give figures that mean nothing."""
    from sunetlab.files import read_table
    from sunetlab.folders import DATA

    if not (run / DATA).exists():
        return
    learned = read_table(run / DATA).get("classes")
    here = source.record()["classes"]
    if not isinstance(learned, list) or learned == here:
        return
    for number, (old, new) in enumerate(zip(learned, here, strict=False)):
        if old != new:
            raise InputError(f"--data: {name}: class {number} is {new!r} there; the network learned {old!r}")
