"""Random views of a batch: image and mask moved together, every sample by its own draw.

torchvision's v2 transforms draw once for a whole batch, so the batch is moved here by hand: one affine map per sample
says where each output pixel comes from, the image is read there bilinearly and the mask at the nearest pixel. What lies
outside the image becomes the mean colour (0 after normalisation) and `VOID`.
"""

from __future__ import annotations

import math
from typing import Annotated, Self

import torch
import torch.nn.functional as F
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from torch import Tensor

from sunetlab.train.data import VOID

# ImageNet's, of RGB in [0, 1]: every published network of this family was trained with them.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601: the grey that contrast and saturation refer to


def _square(value: object) -> object:
    """One number is the side of a square."""
    return (value, value) if isinstance(value, int) else value


Side = Annotated[int, Field(ge=1)]
Zoom = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Augment(BaseModel):
    """What is done at random to a training sample; the default mirrors and nothing else.

    The order is: colour, mirror, zoom, rotation about the centre, crop, shift. An output pixel is therefore always in
    units of the zoomed image.

    Attributes:
        flip: Mirror left and right with probability 1/2.
        scale: Least and greatest zoom, drawn uniformly in the logarithm; the paper trains segmentation at (0.5, 2).
        rotate: Greatest rotation in degrees; drawn uniformly on both sides of 0.
        shift: Greatest shift along each axis, as a fraction of the output's side; drawn uniformly from the whole pixels
            on both sides of 0. 0.125 is the "pad by 4, crop 32" of CIFAR.
        crop: Height and width of the output in pixels, or one number for a square; None keeps the input's size. Along
            each axis the window is placed uniformly inside the zoomed image, or, where the image is the smaller of the
            two, so that the image lies uniformly inside the window.
        color: Brightness, contrast and saturation are each multiplied by a factor drawn from [1 - color, 1 + color].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: bool = True
    scale: tuple[Zoom, Zoom] = (1.0, 1.0)
    rotate: float = Field(default=0.0, ge=0, le=180, allow_inf_nan=False)
    shift: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    crop: Annotated[tuple[Side, Side], BeforeValidator(_square)] | None = None
    color: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"scale {self.scale}: the least zoom comes first, the greatest second")
        return self

    @property
    def resamples(self) -> bool:
        """Whether an output pixel may fall between the input's pixels."""
        return self.scale != (1.0, 1.0) or self.rotate > 0


def normalized(images: Tensor) -> Tensor:
    """Images as a network takes them.

    Args:
        images: (B, 3, H, W) uint8.

    Returns:
        (B, 3, H, W) float32 of mean 0 and deviation 1 over ImageNet.
    """
    return _normalize(_unit(images))


def prepare(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Normalise a batch for evaluation: nothing is moved and nothing drawn.

    Args:
        images: (B, 3, H, W) uint8.
        targets: (B,) int64 labels or (B, H, W) uint8 masks.

    Returns:
        (B, 3, H, W) float32 of mean 0 and deviation 1 over ImageNet, and the targets as int64.
    """
    return normalized(images), targets.long()


def augment(images: Tensor, targets: Tensor, config: Augment, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw one view of every sample and normalise it.

    Mirrors and shifts alone move whole pixels and are exact: no value is interpolated. The generator advances by the
    same amount whatever is asked for, so switching one option on leaves the draws of the others as they were.

    Args:
        images: (B, 3, H, W) uint8, on any device.
        targets: (B,) int64 labels, which pass through, or (B, H, W) uint8 masks; on the device of the images.
        config: What may be done.
        generator: A generator on the CPU: its draws, and so the views, are the same for every device.

    Returns:
        (B, 3, h, w) float32, normalised as by `prepare`, and the targets as int64: (B,) or (B, h, w). (h, w) is
        `config.crop`, or the input's size.
    """
    batch, (height, width) = len(images), images.shape[-2:]
    window = config.crop or (height, width)
    draws = torch.rand(batch, 10, generator=generator, dtype=torch.float64)
    pixels = _unit(images)
    if config.color:
        factors = 1 + config.color * (2 * draws[:, 7:] - 1)
        pixels = _jitter(pixels, factors.to(pixels))
    pixels = _normalize(pixels)
    moves = config.flip or config.resamples or config.shift or window != (height, width)
    if not moves:
        return pixels, targets.long()

    affine = _affine(draws[:, :7], (height, width), window, config).to(pixels)
    x, y = _sources(affine, window)
    moved = _bilinear(pixels, x, y) if config.resamples else _nearest(pixels, x, y, 0.0)
    if targets.ndim == 3:
        targets = _nearest(targets[:, None], x, y, VOID)[:, 0]
    return moved, targets.long()


def _unit(images: Tensor) -> Tensor:
    """(B, 3, H, W) uint8 to float32 in [0, 1]."""
    return images.float().div_(255)


def _normalize(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] to mean 0 and deviation 1, in place."""
    return pixels.sub_(_channels(MEAN, pixels)).div_(_channels(DEVIATION, pixels))


def _channels(values: tuple[float, float, float], like: Tensor) -> Tensor:
    """Three numbers as (3, 1, 1), to meet an image."""
    return like.new_tensor(values)[:, None, None]


def _jitter(pixels: Tensor, factors: Tensor) -> Tensor:
    """Multiply brightness, contrast and saturation, in this order.

    Args:
        pixels: (B, 3, H, W) in [0, 1].
        factors: (B, 3): one factor per sample for each of the three.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    brightness, contrast, saturation = factors.T[..., None, None, None]  # (B, 1, 1, 1) each
    pixels = (pixels * brightness).clamp_(0, 1)
    pixels = torch.lerp(_grey(pixels).mean((-2, -1), keepdim=True), pixels, contrast).clamp_(0, 1)
    return torch.lerp(_grey(pixels), pixels, saturation).clamp_(0, 1)


def _grey(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) to (B, 1, H, W)."""
    return (pixels * _channels(_LUMA, pixels)).sum(1, keepdim=True)


def _affine(draws: Tensor, size: tuple[int, int], window: tuple[int, int], config: Augment) -> Tensor:
    """Turn draws into the map from an output pixel to the input pixel that it shows.

    With p measured from the window's centre and u from the image's, the image is placed by p + d = z R M u: mirror M,
    rotation R (counter-clockwise on the screen, where y points down), zoom z, and d the window's centre as seen from
    the zoomed image's. Hence u = M R' (p + d) / z, with R' the transpose of R.

    Args:
        draws: (B, 7) float64 in [0, 1): mirror, zoom, rotation, shift along x and y, window along x and y.
        size: Height and width of the input in pixels.
        window: Height and width of the output in pixels.
        config: The ranges of the draws.

    Returns:
        (B, 2, 3) float64: rows x and y, columns for p's x, p's y and 1; the result is an index (0 is a pixel's centre).
    """
    mirror = torch.where(draws[:, 0] < 0.5, -1.0, 1.0) if config.flip else torch.ones_like(draws[:, 0])
    least, greatest = config.scale
    zoom = least * (greatest / least) ** draws[:, 1]
    angle = math.radians(config.rotate) * (2 * draws[:, 2] - 1)

    sides, windows = draws.new_tensor(size[::-1]), draws.new_tensor(window[::-1])  # (2,): x, y
    reach = (config.shift * windows).round()
    shift = (draws[:, 3:5] * (2 * reach + 1)).floor() - reach  # (B, 2)
    room = zoom[:, None] * sides - windows  # (B, 2), negative where the image is the smaller
    # Where nothing is resampled, whole pixels only, both ends included: the window's corner is a corner of a pixel.
    whole = room.sign() * (draws[:, 5:7] * (room.abs() + 1)).floor()
    corner = draws[:, 5:7] * room if config.resamples else whole
    centre = corner - room / 2 - shift  # (B, 2)

    cos, sin = angle.cos(), angle.sin()
    x_row = torch.stack((mirror * cos, -mirror * sin), 1) / zoom[:, None]  # (B, 2)
    y_row = torch.stack((sin, cos), 1) / zoom[:, None]
    linear = torch.stack((x_row, y_row), 1)  # (B, 2, 2)
    offset = (linear * centre[:, None, :]).sum(2) + (sides - 1) / 2  # (B, 2)
    return torch.cat((linear, offset[..., None]), 2)


def _sources(affine: Tensor, window: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Apply the map at every output pixel.

    Products and sums, not `affine_grid`: that is a matrix product, which autocast or TF32 would round to a tenth of a
    pixel and more. So written, whole-pixel maps give whole numbers exactly.

    Args:
        affine: (B, 2, 3) as from `_affine`, float32.
        window: h and w in pixels.

    Returns:
        x and y, each (B, h, w) float32: positions in the input, in pixels.
    """
    height, width = window
    across = torch.arange(width, device=affine.device) - (width - 1) / 2
    down = torch.arange(height, device=affine.device)[:, None] - (height - 1) / 2
    a = affine[..., None, None]  # (B, 2, 3, 1, 1)
    place = a[:, :, 0] * across + (a[:, :, 1] * down + a[:, :, 2])  # (B, 2, h, w)
    return place[:, 0], place[:, 1]


def _nearest(values: Tensor, x: Tensor, y: Tensor, outside: float) -> Tensor:
    """Read the nearest pixel, and `outside` where there is none.

    Args:
        values: (B, C, H, W), any dtype.
        x: (B, h, w): columns, in pixels.
        y: (B, h, w): rows, in pixels.
        outside: What lies beyond the image.

    Returns:
        (B, C, h, w) of the dtype of `values`.
    """
    height, width = values.shape[-2:]
    column, row = (x + 0.5).floor().long(), (y + 0.5).floor().long()
    beyond = (column < 0) | (column >= width) | (row < 0) | (row >= height)
    index = row.clamp_(0, height - 1).mul_(width).add_(column.clamp_(0, width - 1))
    index = index.flatten(1)[:, None].expand(-1, values.shape[1], -1)  # (B, C, h * w)
    taken = values.flatten(2).gather(2, index).view(*values.shape[:2], *x.shape[1:])
    return taken.masked_fill_(beyond[:, None], outside)


def _bilinear(pixels: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Read between pixels, fading to 0 over half a pixel at the image's edge.

    Args:
        pixels: (B, C, H, W) float32.
        x: (B, h, w): columns, in pixels.
        y: (B, h, w): rows, in pixels.

    Returns:
        (B, C, h, w) float32.
    """
    height, width = pixels.shape[-2:]
    # grid_sample without aligned corners counts the image's edges, not its outermost centres, as -1 and 1.
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), 3)  # (B, h, w, 2)
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
