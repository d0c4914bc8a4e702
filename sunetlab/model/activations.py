"""Of each level of a network the map that is activated most (Figure 5 of the paper)."""

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sunetlab.model.sunet import SUNet


class Activation(NamedTuple):
    """One map of a level.

    Attributes:
        level: its number in Figure 2, from 1.
        layer: the module at the level's end, by its name in the network.
        channel: the number of the map, from 0.
        channels: how many maps the level has.
        values: (h, w) float32, on the CPU.
    """

    level: int
    layer: str
    channel: int
    channels: int
    values: Tensor


def levels_of(model: SUNet) -> list[str]:
    """The modules at the ends of Figure 2's levels: the first convolution, every block, the classifier's map.

    A classifier that gives no map (a linear one, after the mean) is left out.
    """
    blocks = [f"blocks.{index}" for index in range(len(model.blocks))]
    return ["stem.conv", *blocks, *(["classifier"] if model.spec.task == "segmentation" else [])]


@torch.inference_mode()
def strongest_maps(model: SUNet, images: Tensor) -> list[Activation]:
    """Of each level the map with the greatest sum of magnitudes, for one image.

    Args:
        model: in the mode that it is to run in.
        images: (1, in_channels, H, W), normalised, on the model's device.
    """
    found: list[Activation] = []
    modules = dict(model.named_modules())
    with contextlib.ExitStack() as hooks:
        for level, name in enumerate(levels_of(model), 1):
            hooks.callback(modules[name].register_forward_hook(_keep(found, level, name)).remove)
        model(images)
    return found


def _keep(found: list[Activation], level: int, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def hook(_: nn.Module, taken: tuple[Tensor, ...], given: Tensor) -> None:
        del taken
        maps = given[0].float()  # (C, h, w)
        channel = int(maps.abs().sum((1, 2)).argmax())
        # a copy: what follows may work in place
        found.append(Activation(level, name, channel, len(maps), maps[channel].clone().cpu()))

    return hook
