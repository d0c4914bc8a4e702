"""`sunetlab train`: one network."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from sunetlab import InputError, SUNetSpec

from .given import PartialData, given, in_flags
from .inference import Device, memory_told
from .network import input_size, takes_network
from .output import Json, note, percent, print_json, say, sides

Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="SOURCE",
        help="scenes, shapes, folder:PATH; as published: cifar10:, cifar100:, imagenet:, voc:, cityscapes:, coco:PATH.",
        show_default=False,
    ),
]
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
    train_split: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="voc: train_aug, train, trainval_aug or trainval.", show_default=False),
    ] = None,
    partial_data: PartialData = False,
    init_from: Annotated[
        Path | None,
        typer.Option(help="Start from the weights in this folder of a run or an import.", show_default=False),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.", show_default=False)] = None,
    iterations: Annotated[int | None, typer.Option(help="Instead of the recipe's.", show_default=False)] = None,
    lr: Annotated[float | None, typer.Option(help="Instead of the recipe's.", show_default=False)] = None,
    batch_size: Annotated[int | None, typer.Option(help="Instead of the recipe's.", show_default=False)] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Train one network; the same command again goes on where it stopped."""
    from sunetlab.model.sunet import SUNet
    from sunetlab.train.data import DataConfig, open_data
    from sunetlab.train.loop import train as train_run
    from sunetlab.train.recipe import Recipe, with_length
    from sunetlab.train.run import Run
    from sunetlab.train.team import joined
    from sunetlab.train.transfer import Initial

    from .progress import Screen, TrainingScreen

    if epochs is not None and iterations is not None:
        raise InputError(f"--iterations: {iterations}: --epochs says the length as well; give one of the two")
    changes = {"epochs": epochs, "iterations": iterations, "lr": lr, "batch_size": batch_size}
    changes = {name: value for name, value in changes.items() if value is not None}
    with in_flags({"recipe": "--recipe"}):
        fields = with_length(Recipe.load(recipe).model_dump(), changes)
    chosen = given(Recipe, fields, {name: "--" + name.replace("_", "-") for name in changes})
    config = given(
        DataConfig,
        {
            "source": data,
            "task": spec.task,
            "size": input_size(size, "--size"),
            "train": train_images,
            "val": val_images,
            "train_split": train_split,
            "partial": partial_data,
        },
        {"source": "--data", "size": "--size", "train_split": "--train-split"},
    )
    initial = None if init_from is None else Initial.read(init_from)
    run_words = {"spec": spec, "recipe": chosen, "data": config, "seed": seed, "init": initial and initial.init}
    asked = given(Run, run_words, {"seed": "--seed"})
    if config.trains_on_val:
        note("the validation images are among those that are trained on: their figures judge nothing")
    device_flag = in_flags({"device": "--device"})
    with Screen() as screen, device_flag, joined(device) as (team, own_device):
        with screen.counting(f"reading {data}", "images") as progress:
            source = open_data(config, progress)
            for split in ("train", "val"):
                source.split(split, progress)
        classes = len(source.classes)
        if words.get("num_classes", classes) != classes:
            raise InputError(f"--classes: {words['num_classes']}: {data} has {classes} classes")
        run = asked.model_copy(update={"spec": spec.replace(num_classes=classes)})
        folder = out or Path("runs") / f"{run.spec.id}-s{seed}"
        if initial is not None:
            note(f"starting from {initial.taken_by(SUNet(run.spec), source.classes)}")
        watch = TrainingScreen(screen, run.spec.id, epoch_lines=True)
        too_small = f"--data: {data}" if size is None else "--size"
        helps = "a smaller --batch-size or --size, or a recipe with more parts to a batch (accumulate, min_micro_batch)"
        in_words = in_flags({"input": too_small, "in_channels": "--in-channels"})
        with in_words, memory_told(f"{data}, {sides(source.size)}, {chosen.batch_size} images at once", helps):
            result = train_run(run, source, folder, own_device, watch, initial, team)
    if as_json:
        print_json(result | {"folder": str(folder)})
    else:
        best = result["best"]
        when = f"epoch {best['epoch']} of {result['last']['epoch']}"
        found = f"{result['objective']} {percent(result['value'])} at {when}"
        say(f"{found}, in {result['seconds']:.1f} s; the run is in {folder}")
