"""`sunetlab train` and `sunetlab evaluate`: one network."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from sunetlab import InputError, SUNetSpec

from .network import input_size, takes_network
from .output import Json, note, percent, print_json, print_table, say, sides

if TYPE_CHECKING:  # these import torch
    from pydantic import BaseModel

    from sunetlab.train.data import DataSource

Model = TypeVar("Model", bound="BaseModel")

Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="SOURCE",
        help="scenes, shapes, folder:PATH; as published: cifar10:, cifar100:, imagenet:, voc:, cityscapes:, coco:PATH.",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many images of this split.", show_default=False)]


@partial(takes_network, tells=True)
def train(
    spec: SUNetSpec,
    words: dict[str, Any],
    data: Data,
    recipe: Annotated[str, typer.Option(help="A recipe's name, or a .toml file.")] = "quick",
    out: Annotated[
        Path | None, typer.Option(help="The run's folder; by default runs/ID-sSEED.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    size: Annotated[str | None, typer.Option(metavar="HxW", help="Bring every image to this size.")] = None,
    train_images: Limit = None,
    val_images: Limit = None,
    partial_data: Annotated[
        bool, typer.Option("--partial-data", help="A published set may have fewer images than were published.")
    ] = False,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.", show_default=False)] = None,
    lr: Annotated[float | None, typer.Option(help="Instead of the recipe's.", show_default=False)] = None,
    batch_size: Annotated[int | None, typer.Option(help="Instead of the recipe's.", show_default=False)] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Train one network; the same command again goes on where it stopped."""
    from sunetlab.train.data import DataConfig, open_data
    from sunetlab.train.loop import train as train_run
    from sunetlab.train.recipe import Recipe, with_warmup_cut
    from sunetlab.train.run import Run

    from .progress import Screen, TrainingScreen

    changes = {"epochs": epochs, "lr": lr, "batch_size": batch_size}
    changes = {name: value for name, value in changes.items() if value is not None}
    fields = with_warmup_cut(Recipe.load(recipe).model_dump() | changes)
    chosen = _given(Recipe, fields, {name: "--" + name.replace("_", "-") for name in changes})
    config = _given(
        DataConfig,
        {
            "source": data,
            "task": spec.task,
            "size": input_size(size, "--size"),
            "train": train_images,
            "val": val_images,
            "partial": partial_data,
        },
        {"source": "--data", "size": "--size"},
    )
    asked = _given(Run, {"spec": spec, "recipe": chosen, "data": config, "seed": seed}, {"seed": "--seed"})
    with Screen() as screen:
        with screen.counting(f"reading {data}", "images") as progress:
            source = open_data(config, progress)
            for split in ("train", "val"):
                source.split(split, progress)
        classes = len(source.classes)
        if words.get("num_classes", classes) != classes:
            raise InputError(f"--classes: {words['num_classes']}: {data} has {classes} classes")
        run = asked.model_copy(update={"spec": spec.replace(num_classes=classes)})
        folder = out or Path("runs") / f"{run.spec.id}-s{seed}"
        watch = TrainingScreen(screen, run.spec.id, epoch_lines=True)
        result = train_run(run, source, folder, device, watch)
    if as_json:
        print_json(result | {"folder": str(folder)})
    else:
        best = result["best"]
        found = f"{result['objective']} {percent(result['value'])} at epoch {best['epoch']} of {run.recipe.epochs}"
        say(f"{found}, in {result['seconds']:.1f} s; the run is in {folder}")


def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a run, or of an exported configuration.")],
    data: Annotated[
        str | None, typer.Option("--data", metavar="SOURCE", help="By default the run's own.", show_default=False)
    ] = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "val",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """A trained network's figures on a split: the whole, and class by class."""
    from sunetlab.files import validate
    from sunetlab.train.data import DataConfig, open_data
    from sunetlab.train.evaluate import evaluate as evaluate_on
    from sunetlab.train.evaluate import per_class
    from sunetlab.train.loop import pick_device
    from sunetlab.train.run import load_model

    from .progress import Screen

    model, made = load_model(run)
    config = made.data
    if data is not None:
        changed = config.model_dump() | {"source": data, "train": None, "val": None, "test": None, "train_split": None}
        config = validate(DataConfig, changed, "--data")
    with Screen() as screen, screen.counting(f"reading {config.source}", "images") as progress:
        source = open_data(config, progress)
        images = source.split(split, progress)
    if len(source.classes) != made.spec.num_classes:
        raise InputError(
            f"--data: {config.source} has {len(source.classes)} classes; the network {made.spec.num_classes}"
        )
    _refuse_other_classes(run, source, config.source)
    target = pick_device(device)
    with Screen() as screen, screen.counting(f"evaluating on {split}", "images") as progress:
        found = evaluate_on(model.to(target), images, target, made.recipe.batch_size, progress=progress)
    by_class = dict(zip(source.classes, per_class(found.confusion, made.spec.task), strict=True))
    if as_json:
        more = {"split": split, "images": len(images), "by_class": by_class, "confusion": found.confusion.tolist()}
        print_json(found.figures | more)
        return
    note(f"{len(images):,} images of {split}, {config.source}, {sides(source.size)}")
    for name, value in found.figures.items():
        say(f"{name:<16}{value:.4f}" if name == "loss" else f"{name:<16}{percent(value, 2) or 'undefined'}")
    say()
    what = "IoU" if made.spec.task == "segmentation" else "accuracy"
    print_table(["class", what], [[name, percent(value, 1) or "absent"] for name, value in by_class.items()])


def _given(model: type[Model], fields: Mapping[str, Any], flags: Mapping[str, str]) -> Model:
    """`model` made from `fields`, or a complaint in terms of the flags that gave them."""
    from sunetlab.files import validate

    try:
        return validate(model, fields)
    except InputError as error:
        line = str(error)
        match = re.match(r"(\w+)(?:\.\d+)?(?=: )", line)
        if match is None or match[1] not in flags:
            raise
        raise InputError(flags[match[1]] + line[match.end() :]) from None


def _refuse_other_classes(run: Path, source: "DataSource", name: str) -> None:
    """Classes as many as the network's, but others or in another order, would give figures that mean nothing."""
    from sunetlab.files import read_table
    from sunetlab.train.run import DATA

    if not (run / DATA).exists():
        return
    learned = read_table(run / DATA).get("classes")
    here = source.record()["classes"]
    if not isinstance(learned, list) or learned == here:
        return
    for number, (old, new) in enumerate(zip(learned, here, strict=False)):
        if old != new:
            raise InputError(f"--data: {name}: class {number} is {new!r} there; the network learned {old!r}")
