"""Random views of a batch: image and mask moved together, every sample by its own draw.

torchvision's v2 transforms draw once for a whole batch, so the batch is moved here by hand: one affine map per sample
says where each output pixel comes from, the image is read there bilinearly and the mask at the nearest pixel. What lies
outside the image becomes the mean colour (0 after normalisation) and `VOID`. Images of several sizes come on a canvas
of one size, each in its upper left corner.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from sunetlab.train.augmentation import Augment
from sunetlab.train.colour import jitter, light, normalize, unit
from sunetlab.train.data import VOID
from sunetlab.train.data.sent import sent

_UNIFORM = 10  # draws of a sample in [0, 1): see `_affine`; the last three are colour's


def prepare(images: Tensor, targets: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Normalise a batch for evaluation: nothing is moved and nothing drawn.

    Args:
        images: (B, 3, H, W) uint8.
        targets: (B,) int64 labels or (B, H, W) uint8 masks.
        sizes: (B, 2) height and width of each image on its canvas, or None where all fill it.

    Returns:
        (B, 3, H, W) float32 of mean 0 and deviation 1 over ImageNet, 0 beyond an image, and the targets as int64.
    """
    pixels = normalize(unit(images))
    return _blanked(pixels, sizes), targets.long()


def augment(
    images: Tensor, targets: Tensor, config: Augment, generator: torch.Generator, sizes: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Draw one view of every sample and normalise it: `draw`, then `view`."""
    return view(images, targets, config, draw(len(images), config, generator), sizes)


def draw(count: int, config: Augment, generator: torch.Generator) -> Tensor:
    """What decides the views of so many samples, a row for each.

    The generator advances by the same amount whatever is asked for, so switching one option on leaves the draws of the
    others as they were; but for `lighting`, whose draws come last and only where it is asked for.

    Args:
        count: B.
        config: What may be done.
        generator: A generator on the CPU: its draws, and so the views, are the same for every device.

    Returns:
        (B, 10) float64 in [0, 1); with `lighting` (B, 13), the last three from a normal distribution.
    """
    draws = torch.rand(count, _UNIFORM, generator=generator, dtype=torch.float64)
    if not config.lighting:
        return draws
    return torch.cat((draws, torch.randn(count, 3, generator=generator, dtype=torch.float64)), 1)


def view(
    images: Tensor, targets: Tensor, config: Augment, draws: Tensor, sizes: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The view of every sample that its draws decide, normalised.

    Mirrors and shifts alone move whole pixels and are exact: no value is interpolated.

    Args:
        images: (B, 3, H, W) uint8, on any device.
        targets: (B,) int64 labels, which pass through, or (B, H, W) uint8 masks; on the device of the images.
        config: What may be done.
        draws: From `draw`, a row for each sample.
        sizes: (B, 2) height and width of each image on its canvas, on the CPU, or None where all fill it.

    Returns:
        (B, 3, h, w) float32, normalised as by `prepare`, and the targets as int64: (B,) or (B, h, w). (h, w) is
        `config.crop`, or the input's size.
    """
    batch, (height, width) = len(images), images.shape[-2:]
    window = config.crop or (height, width)
    moves = config.flip or config.resamples or config.shift or window != (height, width) or sizes is not None
    if sizes is None:
        sizes = torch.tensor([[height, width]]).expand(batch, 2)
    pixels = unit(images)
    if config.color:
        factors = 1 + config.color * (2 * draws[:, 7:_UNIFORM] - 1)
        pixels = jitter(pixels, _like(factors, pixels), _like(sizes.prod(1), pixels))
    if config.lighting:
        pixels = light(pixels, config.lighting * draws[:, _UNIFORM:])
    pixels = _blanked(normalize(pixels), sizes)
    if not moves:
        return pixels, targets.long()

    affine = _like(_affine(draws[:, :7], sizes, window, config), pixels)
    x, y = _sources(affine, window)
    moved = _bilinear(pixels, x, y) if config.resamples else _nearest(pixels, x, y, 0.0, sizes)
    if targets.ndim == 3:
        targets = _nearest(targets[:, None], x, y, VOID, sizes)[:, 0]
    return moved, targets.long()


def _like(values: Tensor, pixels: Tensor) -> Tensor:
    """Values of the CPU with the kind of number and on the device of `pixels`."""
    return sent(values.to(pixels.dtype), pixels.device)


def _blanked(pixels: Tensor, sizes: Tensor | None) -> Tensor:
    """The canvas beyond each image set to 0: (B, 3, H, W), in place; `sizes` (B, 2) or None."""
    height, width = pixels.shape[-2:]
    if sizes is None or bool((sizes == sizes.new_tensor([height, width])).all()):
        return pixels
    sizes = sent(sizes, pixels.device)
    below = torch.arange(height, device=pixels.device) >= sizes[:, :1]  # (B, H)
    right = torch.arange(width, device=pixels.device) >= sizes[:, 1:]  # (B, W)
    return pixels.masked_fill_((below[:, :, None] | right[:, None, :])[:, None], 0.0)


def _affine(draws: Tensor, sizes: Tensor, window: tuple[int, int], config: Augment) -> Tensor:
    """Turn draws into the map from an output pixel to the input pixel that it shows.

    With p measured from the window's centre and u from the image's, the image is placed by p + d = R Z M u: mirror M,
    zooms Z along x and y, rotation R (counter-clockwise on the screen, where y points down), and d the window's centre
    as seen from the zoomed image's. Hence u = M Z' R' (p + d), with R' the transpose of R and Z' the inverse of Z.

    Args:
        draws: (B, 7) float64 in [0, 1): mirror, zoom, rotation, shift along x and y, window along x and y.
        sizes: (B, 2): height and width of each image in pixels.
        window: Height and width of the output in pixels.
        config: The ranges of the draws.

    Returns:
        (B, 2, 3) float64: rows x and y, columns for p's x, p's y and 1; the result is an index (0 is a pixel's centre).
    """
    mirror = torch.where(draws[:, 0] < 0.5, -1.0, 1.0) if config.flip else torch.ones_like(draws[:, 0])
    angle = math.radians(config.rotate) * (2 * draws[:, 2] - 1)

    sides, windows = sizes.flip(1).to(draws), draws.new_tensor(window[::-1])  # (B, 2), (2,): x, y
    zoom = _zooms(draws, sides, windows, config)  # (B, 2)
    reach = (config.shift * windows).round()
    shift = (draws[:, 3:5] * (2 * reach + 1)).floor() - reach  # (B, 2)
    room = zoom * sides - windows  # (B, 2), negative where the image is the smaller
    # Where nothing is resampled, whole pixels only, both ends included: the window's corner is a corner of a pixel.
    whole = room.sign() * (draws[:, 5:7] * (room.abs() + 1)).floor()
    corner = draws[:, 5:7] * room if config.resamples else whole
    centre = corner - room / 2 - shift  # (B, 2)

    cos, sin = angle.cos(), angle.sin()
    x_row = torch.stack((mirror * cos, -mirror * sin), 1) / zoom[:, :1]  # (B, 2)
    y_row = torch.stack((sin, cos), 1) / zoom[:, 1:]
    linear = torch.stack((x_row, y_row), 1)  # (B, 2, 2)
    offset = (linear * centre[:, None, :]).sum(2) + (sides - 1) / 2  # (B, 2)
    return torch.cat((linear, offset[..., None]), 2)


def _zooms(draws: Tensor, sides: Tensor, windows: Tensor, config: Augment) -> Tensor:
    """Output pixels per input pixel along x and y: (B, 2). `sides` (B, 2) and `windows` (2,) are in px, x first."""
    if config.area is None:
        least, greatest = config.scale
        return (least * (greatest / least) ** draws[:, 1:2]).expand(-1, 2)
    least, greatest = config.area
    part = (least + (greatest - least) * draws[:, 1]) * sides.prod(1)  # (B,) px
    narrow, wide = config.aspect
    aspect = narrow * (wide / narrow) ** draws[:, 3]  # the draw of the shift, which `area` excludes
    return windows / torch.minimum(torch.stack((part * aspect, part / aspect), 1).sqrt(), sides)


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


def _nearest(values: Tensor, x: Tensor, y: Tensor, outside: float, sizes: Tensor) -> Tensor:
    """Read the nearest pixel, and `outside` where there is none.

    Args:
        values: (B, C, H, W), any dtype.
        x: (B, h, w): columns, in pixels.
        y: (B, h, w): rows, in pixels.
        outside: What lies beyond the image.
        sizes: (B, 2): height and width of each image in pixels.

    Returns:
        (B, C, h, w) of the dtype of `values`.
    """
    height, width = values.shape[-2:]
    column, row = (x + 0.5).floor().long(), (y + 0.5).floor().long()
    rows, columns = sent(sizes, values.device).T[..., None, None]  # (B, 1, 1) each
    beyond = (column < 0) | (column >= columns) | (row < 0) | (row >= rows)
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
