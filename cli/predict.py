"""`sunetlab predict`: what a trained network says of image files."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sunetlab import InputError, SUNetSpec
from sunetlab.files import shown

from .answers import TOP, Answers, Look
from .given import in_flags
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
from .output import Json, note, percent, print_json, print_table, say, sides

if TYPE_CHECKING:  # which imports torch
    from sunetlab.train.predict import Predictor
    from sunetlab.train.run import Run

_RANKS = ("first", "second", "third", "fourth", "fifth")

Form = Annotated[
    Literal["palette", "labels", "cityscapes"] | None,
    typer.Option(
        "--format",
        help="Label images: class numbers with VOC's palette (the default), in grey, or as Cityscapes' label ids.",
        show_default=False,
    ),
]


def predict(
    run: Annotated[Path, typer.Argument(help="The folder of a run, an exported configuration or imported weights.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Image files, or folders of them.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder for the label images.", show_default=False)
    ] = None,
    form: Form = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="The images in their classes' colours, as well.")] = False,
    activations: Annotated[
        bool, typer.Option("--activations", help="The strongest map of each level (Figure 5), as well.")
    ] = False,
    scales: Scales = None,
    flip: Flip = False,
    tile: Tile = None,
    output_stride: OutputStride = None,
    downsampling: Downsampling = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Segment images into label images of their own size, or name the five likeliest classes of each."""
    from sunetlab.train.device import pick_device
    from sunetlab.train.predict import Predictor

    from .progress import Screen

    files = list(_files(images))
    model, made = trained(run)
    inference = inference_of(scales, flip, tile, model.spec.task)
    answers = Answers.of(run, model.spec, out, form, overlay, activations)
    answers.refuse_clashes(files)
    model = changed(model, output_stride, downsampling)
    refuse_small_tiles(inference, model.spec)
    with in_flags({"device": "--device"}):
        target = pick_device(device)
    predictor = Predictor(model.to(target).eval(), target, inference)
    size = _seen_at(run, made, model.spec)
    rows: list[dict[str, Any]] = []
    with Screen() as screen, screen.counting("predicting", "images") as progress:
        for done, file in enumerate(files, 1):
            try:
                look = _look(predictor, file, size, answers.with_activations)
            except InputError as error:
                if len(files) == 1:
                    raise
                screen.line(" ".join(str(error).split()))
            else:
                rows.append(answers.write(look))
            progress(done, len(files))
    if size is not None and rows:
        back = ", and the probabilities back to its own size" if answers.task == "segmentation" else ""
        note(f"every image was brought to {sides(size)}, as in training{back}")
    _tell(rows, answers, as_json)
    if len(rows) < len(files):
        raise InputError(f"IMAGES: {len(files) - len(rows)} of {len(files)} were not looked at, for what is said above")


def _tell(rows: Sequence[dict[str, Any]], answers: Answers, as_json: bool) -> None:
    if as_json:
        print_json({"images": list(rows)})
    elif rows and answers.task == "classification":
        columns = ["image", *_RANKS[: min(TOP, len(answers.names))]]
        print_table(columns, [[row["image"], *map(_ranked, row["classes"])] for row in rows])
    elif rows:
        say(f"{len(rows):,} label image{'s' if len(rows) > 1 else ''} in {answers.out}")


def _ranked(found: dict[str, Any]) -> str:
    return f"{found['class']} {percent(found['probability'])}"


def _files(images: Iterable[Path]) -> Iterable[Path]:
    """The image files that are named, and those in and below the folders that are, in the order of their names.

    Raises:
        InputError: something named is not there, or a folder holds no image.
    """
    from sunetlab.train.data.image_files import IMAGE_SUFFIXES

    for path in images:
        try:
            inside = sorted(path.rglob("*")) if path.is_dir() else None
        except OSError as error:
            raise InputError(f"IMAGES: {shown(str(path))}: cannot be listed: {error.strerror}") from None
        if inside is None:
            if not os.path.lexists(path):
                raise InputError(f"IMAGES: {shown(str(path))}: no such file or folder")
            yield path
            continue
        shown_names = ((each, each.relative_to(path).parts) for each in inside)
        visible = [each for each, parts in shown_names if not any(part.startswith(".") for part in parts)]
        found = [each for each in visible if each.suffix.lower() in IMAGE_SUFFIXES and each.is_file()]
        if not found:
            raise InputError(f"IMAGES: {shown(str(path))}: holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})")
        yield from found


def _seen_at(folder: Path, made: "Run | None", spec: SUNetSpec) -> tuple[int, int] | None:
    """(height, width) in px that images are brought to, as they were in training; None leaves them as they are."""
    from sunetlab.train.run import seen_size

    asked = None if made is None or made.data.keeps_sizes else made.data.size
    if asked is not None or spec.task == "segmentation":
        return asked
    return seen_size(folder) or spec.design_size


def _look(predictor: "Predictor", file: Path, size: tuple[int, int] | None, with_maps: bool) -> Look:
    """Read an image, bring it to `size` if there is one, and look at it.

    Raises:
        InputError: naming the file: it is broken, too small for the network, or too large for the memory.
    """
    import torch

    from sunetlab.train.data.image_files import image_size, read_image

    own = image_size(file)
    image = read_image(file, size or own, crop=predictor.model.spec.task == "classification")
    pixels = torch.from_numpy(image)
    try:
        with memory_told(f"{file}: {sides(own)}"):
            found = predictor(pixels, own).cpu()
            return Look(file, image, own, found, predictor.strongest(pixels) if with_maps else [])
    except InputError as error:
        line = str(error)
        raise InputError(f"{file}: {line.removeprefix('input: ')}" if line.startswith("input: ") else line) from None
