"""A layer in words, once from the plan's row and once from torch's module: the same words where they are the same."""

from collections.abc import Callable
from typing import Any

from torch import nn

from sunetlab.analysis.plan import Layer


def planned(layer: Layer) -> str:
    """A row of the plan in words; nothing where the network has no module for it."""
    return _PLANNED[layer.kind](layer) if layer.kind in _PLANNED else ""


def built(module: nn.Module) -> str:
    """A module in words; nothing for containers, and for what only hands on what it takes."""
    if type(module) in _BUILT:
        return _BUILT[type(module)](module)
    passive = isinstance(module, nn.Identity | nn.Sequential | nn.ModuleList) or any(module.children())
    return "" if passive else type(module).__name__


def _convolution(kind: str, channels: tuple[int, int], geometry: tuple[Any, ...], bias: bool, more: str = "") -> str:
    kernel, stride, dilation, padding = map(_sides, geometry)
    return (
        f"{kind} {channels[0]}→{channels[1]} {kernel} stride {stride} dilation {dilation} padding {padding}"
        f"{more}{'' if bias else ', no bias'}"
    )


def _sides(value: Any) -> str:
    """3 and (3, 3) as 3x3."""
    return "x".join(map(str, value if isinstance(value, tuple) else (value, value)))


def _of_row(layer: Layer) -> str:
    geometry = (layer.kernel, layer.stride, layer.dilation, layer.padding)
    return _convolution(layer.kind, (layer.in_channels, layer.out_channels), geometry, bias=True)


def _of_module(kind: str) -> Callable[[Any], str]:
    def told(module: nn.Conv2d | nn.ConvTranspose2d) -> str:
        geometry = (module.kernel_size, module.stride, module.dilation, module.padding)
        more = "" if module.groups == 1 else f" groups {module.groups}"
        channels = (module.in_channels, module.out_channels)
        return _convolution(kind, channels, geometry, module.bias is not None, more)

    return told


def _linear(channels: int, out: int, bias: bool) -> str:
    return f"linear {channels}→{out}{'' if bias else ', no bias'}"


def _pool(kernel: Any, stride: Any, padding: Any) -> str:
    return f"avg_pool {_sides(kernel)} stride {_sides(stride)} padding {_sides(padding)}"


_PLANNED: dict[str, Callable[[Layer], str]] = {
    "conv": _of_row,
    "conv_transpose": _of_row,
    "linear": lambda row: _linear(row.in_channels, row.out_channels, bias=True),
    "bn": lambda row: f"bn {row.out_channels}",
    "relu": lambda _: "relu",
    "avg_pool": lambda row: _pool(row.kernel, row.stride, row.padding),
}
_BUILT: dict[type[nn.Module], Callable[[Any], str]] = {
    nn.Conv2d: _of_module("conv"),
    nn.ConvTranspose2d: _of_module("conv_transpose"),
    nn.Linear: lambda m: _linear(m.in_features, m.out_features, m.bias is not None),
    nn.BatchNorm2d: lambda m: f"bn {m.num_features}{'' if m.affine else ', no scale and shift'}",
    nn.ReLU: lambda _: "relu",
    nn.AvgPool2d: lambda m: _pool(m.kernel_size, m.stride, m.padding),
}
