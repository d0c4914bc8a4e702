"""Parameters and multiply-accumulates from a plan, layer by layer, and their sums by layer, module or block.

The convention, here and wherever this project says MACs: batch · the product of the weight's shape · (output
positions of a convolution; *input* positions of a transposed one). FLOPs are 2·MACs. Everything else — bias, BN,
ReLU, pools, additions, concatenations, bilinear — is counted apart, by kind, in elements given. What other tools
count is in `tools.py`.
"""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from sunetlab.analysis.plan import Layer, Size

CONVOLUTIONS = ("conv", "conv_transpose")
WEIGHTED = (*CONVOLUTIONS, "linear")  # all of them have a bias
WITHOUT_MACS = ("bn", "relu", "avg_pool", "global_pool", "add", "concat", "bilinear")

Box = Literal["layer", "module", "block"]


class LayerCost(NamedTuple):
    """One layer with its parameters, its MACs for the batch, and the elements that it gives for the batch."""

    layer: Layer
    params: int
    macs: int
    elements: int


def cost(layer: Layer, batch: int = 1) -> LayerCost:
    """A layer's parameters, and its MACs and output elements for `batch` images."""
    weights = _PARAMS.get(layer.kind, _none)(layer)
    weight = layer.kernel**2 * layer.in_channels * layer.out_channels if layer.kind in WEIGHTED else 0
    positions = area(layer.in_size if layer.kind == "conv_transpose" else layer.out_size)
    return LayerCost(layer, weights, batch * weight * positions, batch * layer.out_channels * area(layer.out_size))


def area(size: Size) -> int:
    """Positions of a map of (height, width)."""
    return size[0] * size[1]


def _weights_and_bias(layer: Layer) -> int:
    return layer.kernel**2 * layer.in_channels * layer.out_channels + layer.out_channels


def _scale_and_shift(layer: Layer) -> int:
    return 2 * layer.out_channels


def _none(_: Layer) -> int:
    return 0


_PARAMS: dict[str, Callable[[Layer], int]] = {
    "conv": _weights_and_bias,
    "conv_transpose": _weights_and_bias,
    "linear": _weights_and_bias,
    "bn": _scale_and_shift,
}


def apart(rows: Iterable[LayerCost]) -> dict[str, int]:
    """What is no MAC, by kind: elements that a bias is added to, then elements that every other kind of layer gives."""
    found = dict.fromkeys(("bias", *WITHOUT_MACS), 0)
    for row in rows:
        found["bias" if row.layer.kind in WEIGHTED else row.layer.kind] += row.elements
    return found


def grouped(rows: Iterable[LayerCost], by: Box) -> dict[str, list[LayerCost]]:
    """Rows by layer, by module (a u-net, a pool, the stem, the head) or by block (stem and head beside them)."""
    found: dict[str, list[LayerCost]] = {}
    for row in rows:
        found.setdefault(_NAMES[by](row.layer), []).append(row)
    return found


def _module(layer: Layer) -> str:
    """blocks.0.unets.1 of blocks.0.unets.1.down.0.conv.conv; a pool between blocks is a box of its own."""
    return ".".join(layer.name.split(".")[:4]) if layer.name.startswith("blocks.") else layer.part


_NAMES: dict[Box, Callable[[Layer], str]] = {
    "layer": lambda layer: layer.name,
    "module": _module,
    "block": lambda layer: layer.part,
}
