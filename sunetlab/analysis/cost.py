"""Parameters and multiply-accumulates from a plan, and what the known tools would count for it.

The convention, here and wherever this project says MACs: batch · the product of the weight's shape · (output
positions of a convolution; *input* positions of a transposed one). FLOPs are 2·MACs. Everything else — bias, BN,
ReLU, pools, additions, bilinear — is counted apart, by kind, in elements.
"""

from collections.abc import Callable
from typing import NamedTuple

from sunetlab.analysis.plan import Layer, Size, plan
from sunetlab.spec import SUNetSpec

CONVOLUTIONS = ("conv", "conv_transpose")
WEIGHTED = (*CONVOLUTIONS, "linear")


class LayerCost(NamedTuple):
    """One layer with its parameters, its MACs for the batch, and the elements that it gives for the batch."""

    layer: Layer
    params: int
    macs: int
    elements: int


class Report(NamedTuple):
    """A spec's numbers at an input size.

    Attributes:
        spec: the network.
        size: (height, width) of the input, in pixels.
        batch: images at once; MACs and elements are for all of them.
        rows: every layer in order, with its costs.
        params: parameters, trainable ones (a BN's running statistics are buffers).
        params_classifier: those of the classifier alone.
        macs: multiply-accumulates of convolutions and the linear classifier.
    """

    spec: SUNetSpec
    size: Size
    batch: int
    rows: tuple[LayerCost, ...]
    params: int
    params_classifier: int
    macs: int

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer, in order."""
        return tuple(row.layer for row in self.rows)

    @property
    def depth(self) -> int:
        """Layers as Table 1 counts them: convolutions on the main path, and the classifier."""
        return sum(row.layer.kind in WEIGHTED and not row.layer.skip for row in self.rows)

    @property
    def feature_size(self) -> Size:
        """(height, width) of the last block's map."""
        return next(row.layer.out_size for row in reversed(self.rows) if row.layer.part.startswith("block"))


def analyze(spec: SUNetSpec, size: Size | None = None, batch: int = 1) -> Report:
    """Parameters and MACs of `spec` for `batch` images of `size` (height, width); by default its design size.

    Raises:
        InputError: an input too small for the network.
    """
    rows = tuple(cost(layer, batch) for layer in plan(spec, size).layers)
    return Report(
        spec=spec,
        size=size or spec.design_size,
        batch=batch,
        rows=rows,
        params=sum(row.params for row in rows),
        params_classifier=sum(row.params for row in rows if row.layer.name == "classifier"),
        macs=sum(row.macs for row in rows),
    )


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


def total_elements(report: Report, *kinds: str) -> int:
    """Elements that all layers of some kinds give, for the batch."""
    return sum(row.elements for row in report.rows if row.layer.kind in kinds)


# What each tool prints, from the report; each checked against the tool itself in the tests.
TOOLS: dict[str, Callable[[Report], int]] = {
    "fvcore": lambda report: report.macs + 2 * total_elements(report, "bn") + 4 * total_elements(report, "bilinear"),
    "ptflops": lambda report: report.macs + total_elements(report, *WEIGHTED),
    "torch": lambda report: 2 * report.macs,
}
