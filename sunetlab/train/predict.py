"""How a network looks at one image of any size: at several scales, mirrored, in overlapping tiles.

Table 5 of the paper tests at scales 0.5, 0.75, 1.0 and 1.25 with mirror images and takes the average of the outputs;
tiles of the crop's size, moved by two thirds of it, are those of the authors' release. What is averaged here is
probabilities, everywhere. The release differs in two ways: it adds the logits of an image and of its mirror image
before the softmax, and by a scale s it means that the shorter side becomes 512·s pixels, whatever it was. A scale here
is relative to the image's own size.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from typing import Annotated, Self

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from sunetlab.analysis.plan import Size, plan
from sunetlab.errors import InputError
from sunetlab.model.activations import Activation, strongest_maps
from sunetlab.model.sunet import SUNet
from sunetlab.spec import SUNetSpec
from sunetlab.train.colour import normalize, unit
from sunetlab.train.tiles import View, padded, starts

Scale = Annotated[float, Field(gt=0, le=16, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=1)]


class Inference(BaseModel):
    """How an image is looked at; the default is once, whole, at its own size.

    Attributes:
        scales: the image's sides are multiplied by each of these in turn.
        flip: the mirror image (left and right) as well.
        tile: height and width in pixels of the tiles that a scaled image is cut into; None takes it whole.
        step: from tile to tile, as a part of the tile's side.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scales: Annotated[tuple[Scale, ...], Field(min_length=1)] = (1.0,)
    flip: bool = False
    tile: tuple[Side, Side] | None = None
    step: Annotated[float, Field(gt=0, le=1)] = 2 / 3

    @model_validator(mode="after")
    def _different(self) -> Self:
        if any(one == other for one, other in pairwise(sorted(self.scales))):
            raise ValueError(f"scales: {','.join(f'{scale:g}' for scale in self.scales)}: each may be given once")
        return self


ONCE = Inference()


@dataclass(frozen=True)
class Predictor:
    """A network that gives class probabilities of one image at a time.

    Attributes:
        model: the network, on `device`.
        device: where it runs.
        inference: how an image is looked at.
        bf16: whether the network runs under autocast; softmax and averages are float32 always.
        channels_last: the images' memory layout.
        at_once: the most views (a tile or its mirror image) in a forward pass.
    """

    model: SUNet
    device: torch.device
    inference: Inference = ONCE
    bf16: bool = False
    channels_last: bool = False
    at_once: int = 8

    @torch.inference_mode()
    def __call__(self, image: Tensor, size: Size | None = None) -> Tensor:
        """Class probabilities of one image; the network runs in evaluation mode.

        Args:
            image: (3, H, W), uint8 or normalised float.
            size: (height, width) in pixels of the answer; by default the image's.

        Returns:
            (classes, height, width) float32 for segmentation, (classes,) for classification.

        Raises:
            InputError: the image is too small for the network at one of the scales.
        """
        image = image.to(self.device)
        pixels = normalize(unit(image)) if image.dtype == torch.uint8 else image
        height, width = pixels.shape[-2:]
        scales = self.inference.scales
        total: Tensor | None = None
        with evaluating(self.model):
            for scale in scales:
                scaled = (max(1, round(scale * height)), max(1, round(scale * width)))
                found = self._looked_at(resized(pixels, scaled))
                if found.ndim == 3:
                    found = resized(found, size or (height, width))
                total = found if total is None else total + found
        assert total is not None  # there is a scale at least
        return total / len(scales)

    def strongest(self, image: Tensor) -> list[Activation]:
        """Of each level the strongest map, for an image (3, H, W), uint8, whole and at its own size.

        Raises:
            InputError: the image is too small for the network.
        """
        refuse_too_small(self.model.spec, (image.shape[-2], image.shape[-1]))
        with evaluating(self.model):
            return strongest_maps(self.model, normalize(unit(image[None].to(self.device))))

    def _looked_at(self, pixels: Tensor) -> Tensor:
        """(3, H, W) → the mean over tiles and mirror images: (classes, H, W), or (classes,)."""
        tile = self.inference.tile or (pixels.shape[-2], pixels.shape[-1])
        refuse_too_small(self.model.spec, tile)
        canvas, place = padded(pixels, tile)
        rows, columns = (starts(*sides, self.inference.step) for sides in zip(canvas.shape[-2:], tile, strict=True))
        mirrors = (False, True) if self.inference.flip else (False,)
        views = [View(*view) for view in product(rows, columns, mirrors)]
        if self.model.spec.task == "classification":
            return torch.stack([found for _, found in self._seen(canvas, views, tile)]).mean(0)
        total = canvas.new_zeros(self.model.spec.num_classes, *canvas.shape[-2:])
        count = canvas.new_zeros(canvas.shape[-2:])
        for view, found in self._seen(canvas, views, tile):
            at = view.window(tile)
            total[:, *at] += found.flip(-1) if view.mirrored else found
            count[at] += 1
        return (total / count)[:, *place]

    def _seen(self, canvas: Tensor, views: list[View], tile: Size) -> Iterator[tuple[View, Tensor]]:
        """Every view with its own probabilities, `at_once` views to a forward pass."""
        for first in range(0, len(views), self.at_once):
            some = views[first : first + self.at_once]
            cut = [canvas[:, *view.window(tile)] for view in some]
            x = torch.stack([part.flip(-1) if view.mirrored else part for view, part in zip(some, cut, strict=True)])
            if self.channels_last:
                x = x.to(memory_format=torch.channels_last)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                logits = self.model(x)
            yield from zip(some, logits.float().softmax(1), strict=True)


def resized(maps: Tensor, size: Size) -> Tensor:
    """(C, H, W) → (C, *size), bilinear; where it shrinks every pixel has its part (antialiasing)."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0]


@contextlib.contextmanager
def evaluating(model: SUNet) -> Iterator[None]:
    """The network in evaluation mode, and back in the one that it was in."""
    was_training = model.training
    if was_training:
        model.eval()
    try:
        yield
    finally:
        if was_training:
            model.train()


@lru_cache(maxsize=1024)
def refuse_too_small(spec: SUNetSpec, size: Size) -> None:
    """Refuse an input of which the network's pools would leave nothing.

    Raises:
        InputError: naming the size, and the block that it is too small for.
    """
    plan(spec, size)


def model_at(model: SUNet, spec: SUNetSpec) -> SUNet:
    """The weights of `model` in the network of another spec, such as one of another output stride.

    Dilations and strides are no weights: a network trained at one output stride runs at any (Table 5).

    Args:
        model: the trained network; the new one shares its tensors.
        spec: of the new network.

    Raises:
        InputError: a tensor of one network is missing in the other, or has another shape there.
    """
    with torch.device("meta"):
        other = SUNet(spec)
    tensors, wanted = model.state_dict(), other.state_dict()
    for name in sorted(tensors.keys() | wanted.keys()):
        have, want = (tuple(each[name].shape) if name in each else "none" for each in (tensors, wanted))
        if have != want:
            raise InputError(f"SUNet {spec.id}: tensor {name} is {have} in the weights, {want} in the network")
    other.load_state_dict(tensors, assign=True)
    return other.train(model.training)
