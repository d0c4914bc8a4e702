"""A spec at an input size → every layer in order, with shapes and geometry: the network before a tensor exists.

The plan is a graph in topological order: a layer names the layers that it takes (`inputs`, -1 for the image), so
costs, memory and the field of view are each one walk over it. A convolution's row bears the name that
`nn.Module.named_modules()` gives it.
"""

from typing import NamedTuple

from sunetlab import rules
from sunetlab.errors import InputError
from sunetlab.spec import Block, Module, SUNetSpec
from sunetlab.whole import pair

Size = tuple[int, int]


class Layer(NamedTuple):
    """One operation. Sizes are (height, width) in pixels of its own grid.

    Attributes:
        name: dotted, as in the built network; operations without a module are named after what they follow.
        kind: conv, conv_transpose, linear, bn, relu, avg_pool, global_pool, add, concat or bilinear.
        part: "stem", "block 1", …, or "head".
        inputs: indices of the layers it takes, -1 for the image.
        in_channels: channels taken; of a concatenation or addition, those of its first input.
        kernel, stride, dilation, padding: the same along both sides; of a pool, its window.
        skip: on a residual branch that goes around a module (Table 1 does not count these).
        level: of the module that it works for, 1 the outermost; 0 outside of all levels.
    """

    name: str
    kind: str
    part: str
    inputs: tuple[int, ...]
    in_channels: int
    out_channels: int
    in_size: Size
    out_size: Size
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    padding: int = 0
    skip: bool = False
    level: int = 0


class Plan(NamedTuple):
    """Every layer of a spec at an input size, for one image."""

    spec: SUNetSpec
    size: Size
    layers: tuple[Layer, ...]


def plan(spec: SUNetSpec, size: Size | None = None) -> Plan:
    """Lay out every layer of `spec` for an input of `size` (height, width); by default its design size.

    Raises:
        InputError: no size, or one so small that a pool would leave nothing.
    """
    if size is None:
        size = spec.design_size
    size = pair("size", size, "(height, width), two whole numbers of pixels, at least 1", 1)
    return Plan(spec, size, tuple(_Writer(spec, size).write()))


class _Writer:
    """Appends layers one after another; `at` is always the index of the layer last written."""

    def __init__(self, spec: SUNetSpec, size: Size) -> None:
        self.spec = spec
        self.size = size
        self.layers: list[Layer] = []
        self.part = ""
        self.level = 0

    def write(self) -> list[Layer]:
        self.stem()
        for block in self.spec.blocks:
            self.block(block)
        self.head()
        return self.layers

    # One method per box of the figures.

    def stem(self) -> None:
        self.part = "stem"
        shape, half, width = rules.STEMS[self.spec.stem], self.spec.stem_width // 2, self.spec.stem_width
        self.conv("stem.conv", -1, half, kernel=shape.kernel, stride=shape.stride)
        entry = self.bn_relu("stem.residual.norm", self.at)
        self.conv("stem.residual.conv1", entry, width, kernel=3, stride=shape.stride)
        self.bn_relu("stem.residual.norm2", self.at)
        main = self.conv("stem.residual.conv2", self.at, width, kernel=3)
        shortcut = self.conv("stem.residual.shortcut", entry, width, stride=shape.stride, skip=True)
        self.join("add", "stem.residual", main, shortcut)

    def block(self, block: Block) -> None:
        self.part = f"block {block.index + 1}"
        name = f"blocks.{block.index}"
        if block.pool:
            self.pool(f"{name}.pool")
        for index, module in enumerate(block.modules):
            self.module(f"{name}.unets.{index}", module, block.levels)

    def module(self, name: str, shape: Module, levels: tuple[rules.Level, ...]) -> None:
        """Figure 1."""
        n, x = self.spec.n, self.at
        entry = self.bn_relu(f"{name}.norm", x)
        self.conv(f"{name}.reduce", entry, n)
        encoded, sizes = [], []
        for index, level in enumerate(levels):
            sizes.append(self.layers[self.at].out_size)
            self.level = index + 1
            self.unit(f"{name}.down.{index}.sample", n, level.down[0], stride=level.stride)
            self.unit(f"{name}.down.{index}.conv", n, level.down[1])
            encoded.append(self.at)
        for index, level in reversed(list(enumerate(levels))):
            self.level = index + 1
            if index < len(levels) - 1:
                self.join("concat", f"{name}.up.{index}", self.at, encoded[index])
            self.unit(f"{name}.up.{index}.sample", n, level.up[0], stride=level.stride, back_to=sizes[index])
            self.unit(f"{name}.up.{index}.conv", n, level.up[1])
        self.level = 0
        self.bn_relu(f"{name}.expand.norm", self.at)
        y = self.conv(f"{name}.expand.conv", self.at, shape.growth or shape.out_channels)
        if shape.growth:
            self.join("concat", name, x, y)
        elif shape.in_channels == shape.out_channels:
            self.join("add", name, y, x)
        else:
            skip = self.conv(f"{name}.skip", entry, shape.out_channels, skip=True)
            self.join("add", name, y, skip)

    def head(self) -> None:
        self.part = "head"
        self.bn_relu("norm", self.at)
        for index, dilation in enumerate(rules.DEGRID_DILATIONS if self.spec.degrid else ()):
            self.conv(f"degrid.{index}.conv", self.at, rules.DEGRID_WIDTH, kernel=3, dilation=dilation)
            self.bn_relu(f"degrid.{index}.norm", self.at)
        classes = self.spec.num_classes
        if self.spec.task == "classification":
            self.append("global_pool", "pool", (self.at,), self.channels, (1, 1))
            self.append("linear", "classifier", (self.at,), classes, (1, 1))
        else:
            self.conv("classifier", self.at, classes)
            self.append("bilinear", "resize", (self.at,), classes, self.size)

    # One method per operation.

    @property
    def at(self) -> int:
        return len(self.layers) - 1

    @property
    def channels(self) -> int:
        return self.layers[self.at].out_channels

    def source(self, index: int) -> tuple[int, Size]:
        """Channels and size of what layer `index` gives; of the image for -1."""
        if index < 0:
            return self.spec.in_channels, self.size
        return self.layers[index].out_channels, self.layers[index].out_size

    def append(
        self,
        kind: str,
        name: str,
        inputs: tuple[int, ...],
        out: int,
        out_size: Size,
        geometry: tuple[int, int, int, int] = (1, 1, 1, 0),  # kernel, stride, dilation, padding
        skip: bool = False,
    ) -> int:
        channels, size = self.source(inputs[0])
        self.layers.append(
            Layer(name, kind, self.part, inputs, channels, out, size, out_size, *geometry, skip, self.level)
        )
        return self.at

    def conv(
        self, name: str, of: int, out: int, kernel: int = 1, stride: int = 1, dilation: int = 1, skip: bool = False
    ) -> int:
        """A convolution padded so that its map has ⌈side / stride⌉ pixels along a side."""
        _, (height, width) = self.source(of)
        out_size = (-(-height // stride), -(-width // stride))
        geometry = (kernel, stride, dilation, dilation * (kernel // 2))
        return self.append("conv", name, (of,), out, out_size, geometry, skip)

    def unit(self, name: str, out: int, dilation: int, stride: int = 1, back_to: Size | None = None) -> int:
        """BN-ReLU-Conv, 3×3; with `back_to` the convolution is a transposed one that gives that size."""
        of = self.bn_relu(f"{name}.norm", self.at)
        if back_to is None:
            return self.conv(f"{name}.conv", of, out, kernel=3, stride=stride, dilation=dilation)
        return self.append("conv_transpose", f"{name}.conv", (of,), out, back_to, (3, stride, dilation, dilation))

    def bn_relu(self, name: str, of: int) -> int:
        channels, size = self.source(of)
        self.append("bn", f"{name}.bn", (of,), channels, size)
        return self.append("relu", f"{name}.relu", (self.at,), channels, size)

    def pool(self, name: str) -> int:
        channels, (height, width) = self.source(self.at)
        if min(height, width) < 2:
            rule = f"a map of {height}x{width} before {self.part} cannot be pooled"
            raise InputError(f"input: {self.size[0]}x{self.size[1]}: too small for {self.part}: {rule}")
        return self.append("avg_pool", name, (self.at,), channels, (height // 2, width // 2), (2, 2, 1, 0))

    def join(self, kind: str, name: str, first: int, second: int) -> int:
        """An addition or a concatenation, `first` before `second`."""
        channels, size = self.source(first)
        out = channels + self.source(second)[0] if kind == "concat" else channels
        return self.append(kind, f"{name}.{kind}", (first, second), out, size)
