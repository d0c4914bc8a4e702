"""The parts of a network that a training step goes through, each walked once for whole arrays of sizes.

A template is one plan for all designs of a frame: in every block a module that changes the width, and one that does
not. The walk of `analysis.memory` through it is cut where a module, a pool, the stem or the head begins. What crosses a
cut is always one map and one gradient of its size, so what a part does depends on the part alone.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from sunetlab import rules
from sunetlab.analysis.cost import WEIGHTED, area
from sunetlab.analysis.memory.kept import keeps_map
from sunetlab.analysis.memory.loss import Loss
from sunetlab.analysis.memory.sizes import BF16, FP32, INT64, Meter, Setting, Sizes
from sunetlab.analysis.memory.training import Backward, forward
from sunetlab.analysis.plan import Layer, Plan, Size, plan
from sunetlab.space.arrays.designs import Designs, Frame, Ints
from sunetlab.space.arrays.formulas import Tally
from sunetlab.spec import SUNetSpec

Part = tuple[str, int, int]  # stem, pool, module or head; of which block; which module of it


class Tide(Meter):
    """A meter of arrays, from where a part begins."""

    now: Any
    most: Any

    def take(self, size: Any, at: int) -> None:
        """See `Meter`; where the most was reached is not kept."""
        del at
        self.now = self.now + size
        self.most = np.maximum(self.most, self.now)


class Flow(NamedTuple):
    """What a part adds to what is live, and how far it goes above what was live before it."""

    more: Any
    most: Any


class Conditions(NamedTuple):
    """What all designs of a frame go through alike.

    Attributes:
        frame: of the designs.
        size: (height, width) of the images.
        batch: images at once.
        setting: a GPU's, whose optimisers take groups of parameters; every storage counts its elements alone.
    """

    frame: Frame
    size: Size
    batch: int
    setting: Setting


class _Template(NamedTuple):
    """A plan, which of its maps stay for the backward pass, and where its parts stand."""

    plan: Plan
    kept: list[bool]
    spans: dict[Part, range]


@lru_cache(maxsize=1024)
def _template(frame: Frame, modules: tuple[int, ...], depth: int, size: Size) -> _Template:
    """With so many modules in each block, the first of which changes the width."""
    widths = tuple(2 + sum(modules[: block + 1]) for block in range(len(modules)))
    words = frame._asdict() | {"stem_width": 2, "n": 1, "in_channels": 1, "num_classes": 1}
    laid_out = plan(SUNetSpec(depth=(depth,) * len(modules), stacks=modules, widths=widths, **words), size)
    spans = {}
    for part, layers in groupby(enumerate(laid_out.layers), lambda item: _part(item[1])):
        places = [place for place, _ in layers]
        spans[part] = range(places[0], places[-1] + 1)
    return _Template(laid_out, keeps_map(laid_out), spans)


def _part(layer: Layer) -> Part:
    if not layer.name.startswith("blocks."):
        return layer.part, 0, 0
    _, block, what, *rest = layer.name.split(".")
    return ("pool", int(block), 0) if what == "pool" else ("module", int(block), int(rest[0]))


class Walk:
    """The parts of one block of a template, or stem and head, with the sizes of designs."""

    def __init__(
        self, conditions: Conditions, designs: Designs, depth: int, modules: tuple[int, ...], block: int | None = None
    ) -> None:
        self.setting = conditions.setting
        self.plan, self.kept, spans = _template(conditions.frame, modules, depth, conditions.size)
        if block is None:
            self.spans = {part: span for part, span in spans.items() if part[0] in ("stem", "head")}
        else:
            self.spans = {p: s for p, s in spans.items() if p[0] not in ("stem", "head") and p[1] == block}
        channels = _Channels(self.plan, designs)
        for span in self.spans.values():
            channels.of(span)
        self.sizes = _sizes(self.plan, channels, designs, conditions.batch, self.setting)

    def begin(self) -> Flow:
        """What a step takes before the first layer: images laid out and cast, two numbers."""
        tide = Tide()
        tide.take(self.sizes.image_copy + INT64 + FP32, 0)
        tide.take(self.sizes.image_cast, 0)
        return Flow(tide.now, tide.most)

    def there(self, end: str) -> Flow:
        """Forwards through stem or head."""
        return dict(self.all_there())[end, 0, 0]

    def back(self, end: str) -> Flow:
        """Back through stem or head."""
        return self._back([(end, 0, 0)])[end, 0, 0]

    def all_there(self) -> Iterator[tuple[Part, Flow]]:
        """Forwards through every part."""
        for part, span in self.spans.items():
            tide = Tide()
            forward(self.plan, self.sizes, tide, self.kept, span)
            yield part, Flow(tide.now, tide.most)

    def all_back(self) -> Iterator[tuple[Part, Flow]]:
        """Back through every part, the last one first."""
        yield from self._back(list(reversed(self.spans))).items()

    def _back(self, parts: list[Part]) -> dict[Part, Flow]:
        found = {}
        walk = Backward(self.plan, self.sizes, self.setting, Tide(), last=self.spans[parts[0]][-1])
        for part in parts:
            walk.meter = tide = Tide()
            walk.run(self.spans[part])
            found[part] = Flow(tide.now, tide.most)
        return found

    def loss(self, tally: Tally) -> Flow:
        """The network returns, and its copies of biases go; the loss, and its gradient."""
        tide = Tide()
        tide.now = tide.now - (BF16 * tally.biases() if self.setting.bf16 else 0)
        loss = Loss(self.plan, self.sizes, self.setting, tide)
        loss.forward()
        loss.backward()
        return Flow(tide.now, tide.most)


def _sizes(plan: Plan, channels: "_Channels", designs: Designs, batch: int, setting: Setting) -> Sizes:
    """Bytes of a template's tensors, as `analysis.memory.sizes` has them, with arrays for what differs."""
    bf16, element = setting.bf16, BF16 if setting.bf16 else FP32
    segmentation = plan.spec.task == "segmentation"
    targets = batch * (area(plan.size) if segmentation else 1)
    logits: Any = targets * designs.num_classes
    out = [batch * element * area(layer.out_size) * c for layer, c in zip(plan.layers, channels.given, strict=True)]
    if segmentation:
        out[-1] = logits * (BF16 if bf16 and not setting.resizes_in_fp32 else FP32)
    has = [layer.kind in WEIGHTED for layer in plan.layers]
    bias = [
        FP32 * c if w or layer.kind == "bn" else 0 for c, w, layer in zip(channels.given, has, plan.layers, strict=True)
    ]
    weight = [FP32 * w for w in channels.weights]
    image: Any = batch * area(plan.size) * designs.in_channels
    return Sizes(
        out=out,
        weight=weight,
        bias=bias,
        weight_cast=[w // 2 if bf16 and mine else 0 for w, mine in zip(weight, has, strict=True)],
        bias_cast=[b // 2 if bf16 and mine else 0 for b, mine in zip(bias, has, strict=True)],
        statistic=bias,
        image=FP32 * image,
        image_cast=BF16 * image if bf16 else 0,
        image_copy=FP32 * image if setting.channels_last else 0,
        logits=FP32 * logits,
        targets=INT64 * targets,
        per_target=FP32 * targets,
        mask=targets,
    )


class _Channels:
    """Maps that the layers of some parts give, and their weights; 0 for layers of other parts."""

    def __init__(self, plan: Plan, designs: Designs) -> None:
        self.plan, self.designs = plan, designs
        self.given: list[Any] = [0] * len(plan.layers)
        self.weights: list[Any] = [0] * len(plan.layers)

    def of(self, span: range) -> None:
        """Work out those of a part; what it takes from before it is known, or the block's entry."""
        layers = self.plan.layers
        for at in span:
            layer = layers[at]
            taken = self._taken(layer)
            if layer.kind in WEIGHTED:
                self.given[at] = self._gives(layer)
                self.weights[at] = layer.kernel**2 * taken * self.given[at]
            else:
                self.given[at] = taken + self.given[layer.inputs[1]] if layer.kind == "concat" else taken
                self.weights[at] = taken if layer.kind == "bn" else 0

    def _taken(self, layer: Layer) -> Any:
        source = layer.inputs[0]
        if source < 0:
            return self.designs.in_channels
        if isinstance(self.given[source], int):  # of a part that is not walked: what enters a block, or the head
            kind, block, _ = _part(layer)
            widths = (self.designs.stem_width, *self.designs.widths)
            self.given[source] = widths[-1] if kind == "head" else widths[block]
        return self.given[source]

    def _gives(self, layer: Layer) -> Any:
        designs, name = self.designs, layer.name
        if layer.part == "stem":
            return designs.stem_width // 2 if name == "stem.conv" else designs.stem_width
        if layer.part == "head":
            return designs.num_classes if name == "classifier" else np.array(rules.DEGRID_WIDTH)
        _, block, _, module, *rest = name.split(".")
        if rest not in (["expand", "conv"], ["skip"]):
            return designs.n
        return (
            self._grows(int(block), int(module))
            if designs.frame.connectivity == "dense"
            else designs.widths[int(block)]
        )

    def _grows(self, block: int, module: int) -> Ints:
        """Maps that a module adds by concatenation; 0 for one that a design does not have."""
        before = self.designs.widths[block - 1] if block else self.designs.stem_width
        share, more = np.divmod(self.designs.widths[block] - before, self.designs.stacks[block])
        return np.where(module < self.designs.stacks[block], share + (module < more), 0)
