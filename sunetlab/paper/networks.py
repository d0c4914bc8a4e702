"""The paper's networks under its own names, and questions that several claims ask of their layers."""

from collections.abc import Sequence
from functools import cache

from sunetlab.analysis.cost import CONVOLUTIONS
from sunetlab.analysis.plan import Layer, Size, plan
from sunetlab.analysis.report import Report, analyze
from sunetlab.presets import preset
from sunetlab.spec import SUNetSpec

SUNETS = {"SUNet-64": "sunet-64", "SUNet-128": "sunet-128", "SUNet-7-128": "sunet-7-128"}
LARGEST = "SUNet-7-128"
SEGMENTATION_SIZE = (512, 512)  # (height, width) in pixels: §5.1, Appendix B


def spec_of(name: str, output_stride: int | None = None) -> SUNetSpec:
    """A network of Table 1, for classification; with an output stride the one for segmentation."""
    return preset(SUNETS[name] + (f"-os{output_stride}" if output_stride else ""))


@cache
def counted(spec: SUNetSpec, size: Size | None = None) -> Report:
    """A network's numbers at (height, width) pixels, by default 224×224."""
    return analyze(spec, size)


def segmenting(output_stride: int, name: str = LARGEST) -> Report:
    """The numbers of a network for segmentation at 512×512."""
    return counted(spec_of(name, output_stride), SEGMENTATION_SIZE)


def module_layers(spec: SUNetSpec, block: int, module: int, size: Size | None = None) -> list[Layer]:
    """The layers of one u-net, both counted from 0, its skip among them."""
    prefix = f"blocks.{block}.unets.{module}."
    return [layer for layer in plan(spec, size).layers if layer.name.startswith(prefix)]


def main_convolutions(layers: Sequence[Layer]) -> list[Layer]:
    """Convolutions and transposed ones that are not on a skip, in order."""
    return [layer for layer in layers if layer.kind in CONVOLUTIONS and not layer.skip]


def figure1_module() -> list[Layer]:
    """The convolutions of a u-net as Figure 1 draws it: two levels, on a map of 64×64."""
    spec = spec_of("SUNet-64").replace(stacks=(1,), widths=(256,), depth=(2,))
    return main_convolutions(module_layers(spec, 0, 0, (256, 256)))


def is_preactivated(conv: Layer, layers: Sequence[Layer]) -> bool:
    """Whether a convolution takes a ReLU of a BN."""
    taken = layers[conv.inputs[0]] if conv.inputs[0] >= 0 else None
    return taken is not None and taken.kind == "relu" and layers[taken.inputs[0]].kind == "bn"
