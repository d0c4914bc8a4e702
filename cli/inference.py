"""The flags that say how a trained network looks at an image, as `evaluate` and `predict` have them."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sunetlab import InputError, SUNetSpec

from .given import given, in_flags
from .network import input_size

if TYPE_CHECKING:  # these import torch
    from sunetlab.model.sunet import SUNet
    from sunetlab.train.predict import Inference
    from sunetlab.train.run import Run

_PANEL = "How images are looked at"


def _flag(kind: Any, name: str, text: str, metavar: str | None = None) -> Any:
    return Annotated[
        kind | None, typer.Option(name, help=text, metavar=metavar, show_default=False, rich_help_panel=_PANEL)
    ]


Scales = _flag(str, "--scales", "At these scales, probabilities averaged: 0.5,0.75,1,1.25.", "A,B,…")
Flip = Annotated[bool, typer.Option("--flip", help="And mirrored, probabilities averaged.", rich_help_panel=_PANEL)]
Tile = _flag(
    str,
    "--tile",
    "In tiles of this size, moved by two thirds of it; smaller images are padded.",
    "HxW",
)
OutputStride = _flag(int, "--output-stride", "With another output stride than in training.", "S")
Downsampling = _flag(Literal["multigrid", "strided"], "--downsampling", "Inside dilated blocks, if not as in training.")
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]


def trained(folder: Path) -> "tuple[SUNet, Run | None]":
    """The network of a folder with its weights, and its run where the folder tells of one.

    Raises:
        InputError: there is no such network, or it is none for images in colour.
    """
    from sunetlab.model.folder import load_network
    from sunetlab.train.run import RUN, Run

    model, run = load_network(folder), Run.load(folder) if (folder / RUN).exists() else None
    if model.spec.in_channels != 3:
        raise InputError(f"{folder}: the network takes {model.spec.in_channels} channels, and images have 3 (RGB)")
    return model, run


def inference_of(scales: str | None, flip: bool, tile: str | None, task: str) -> "Inference":
    """What the flags ask for.

    Raises:
        InputError: naming the flag, its value and the rule.
    """
    from sunetlab.train.predict import Inference

    if tile is not None and task != "segmentation":
        raise InputError(f"--tile: {tile}: goes with a network for segmentation; this one is for {task}")
    fields: dict[str, Any] = {"flip": flip, "tile": input_size(tile, "--tile")}
    if scales is not None:
        fields["scales"] = _numbers(scales)
    return given(Inference, fields, {"scales": "--scales", "tile": "--tile"})


def _numbers(text: str) -> tuple[float, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[0-9]{1,4}(\.[0-9]{0,9})?|\.[0-9]{1,9}", part) for part in parts):
        raise InputError(f"--scales: {text!r}: must be numbers separated by commas, such as 0.5,0.75,1,1.25")
    return tuple(map(float, parts))


def changed(model: "SUNet", output_stride: int | None, downsampling: str | None) -> "SUNet":
    """The network with another output stride or kind of downsampling, if one was given.

    Raises:
        InputError: the network cannot have it.
    """
    from sunetlab.train.predict import model_at

    words = {"output_stride": output_stride, "downsampling": downsampling}
    words = {word: value for word, value in words.items() if value is not None}
    if not words:
        return model
    try:
        spec = model.spec.replace(**words)
    except InputError as error:
        raise InputError(re.sub("^output_stride: ", "--output-stride: ", str(error))) from None
    return model_at(model, spec)


def refuse_small_tiles(inference: "Inference", spec: SUNetSpec) -> None:
    """Refuse tiles that the network leaves nothing of, before an image is read.

    Raises:
        InputError: naming the flag, the size and the block that it is too small for.
    """
    from sunetlab.train.predict import refuse_too_small

    if inference.tile is not None:
        with in_flags({"input": "--tile"}):
            refuse_too_small(spec, inference.tile)


@contextlib.contextmanager
def memory_told(what: str, helps: str = "--tile, or smaller --scales") -> Iterator[None]:
    """A lack of memory as one line that names what was looked at, and what flags help.

    Raises:
        InputError: there was no memory for it.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        from sunetlab.train.memory import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        raise InputError(f"{what}: not enough memory; give {helps}") from None
