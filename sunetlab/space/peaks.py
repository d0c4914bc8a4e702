"""The peak of a training step, of many designs at once: the walk of `analysis.memory`, sent through with whole arrays.

A template is one plan for all designs of a frame: in every block a module that changes the width, and one that does
not. The walk through it is cut where a module, a pool, the stem or the head begins. What a part adds to what is live,
and how far it goes above that on its way, depends on the part alone, for what crosses a cut is always one map and one
gradient of its size. So the parts of a block are walked once for each N, widths and depth that come, modules that
repeat count as often as they stand there, and the highest of all parts is the peak.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, reduce
from itertools import groupby
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from sunetlab import rules
from sunetlab.analysis.cost import WEIGHTED, area
from sunetlab.analysis.memory.kept import keeps_map
from sunetlab.analysis.memory.loss import Loss
from sunetlab.analysis.memory.optimizer import factors_of_state, temporaries_of_groups
from sunetlab.analysis.memory.sizes import BF16, FP32, INT64, Meter, Setting, Sizes
from sunetlab.analysis.memory.training import Backward, forward
from sunetlab.analysis.plan import Layer, Plan, Size, plan
from sunetlab.space.designs import Designs, Frame, Ints
from sunetlab.space.formulas import Tally
from sunetlab.spec import SUNetSpec

Part = tuple[str, int, int]  # stem, pool, module or head; of which block; which module of it
_BITS = (14, 17, 17, 4, 12)  # of N, maps in, maps out, depth and modules in a key; what is larger is not kept


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


class Level:
    """What is live, and the most so far, from part to part."""

    def __init__(self, at: Any) -> None:
        self.now = self.most = at

    def pass_through(self, flow: Flow) -> None:
        """Go through a part."""
        self.most = np.maximum(self.most, self.now + flow.most)
        self.now = self.now + flow.more

    def repeat(self, flow: Flow, times: Any) -> None:
        """Go through a part so many times; 0 leaves everything as it is."""
        highest = self.now + np.maximum(0, (times - 1) * flow.more) + flow.most
        self.most = np.where(times > 0, np.maximum(self.most, highest), self.most)
        self.now = self.now + times * flow.more


class Peaks:
    """Peaks of designs of one frame; parts that were walked are kept.

    Args:
        frame: of the designs.
        size: (height, width) of the images.
        batch: images at once.
        setting: a GPU's, whose optimisers take groups of parameters; every storage counts its elements alone.
    """

    def __init__(self, frame: Frame, size: Size, batch: int, setting: Setting) -> None:
        self.frame, self.size, self.batch, self.setting = frame, size, batch, setting
        self.known = [_Known() for _ in frame.dilations]

    def training(self, designs: Designs, tally: Tally) -> Ints:
        """Bytes of `Memory.training`, one per design, in a shape that broadcasts to theirs."""
        ends = _Walk(self, designs, depth=1, modules=(1,) * len(designs.stacks))
        blocks = [self._block(designs, block) for block in range(len(designs.stacks))]
        level = Level(_at_rest(tally, ends.sizes, self.setting))
        level.pass_through(ends.begin())
        level.pass_through(ends.there("stem"))
        for block in blocks:
            block.there(level)
        level.pass_through(ends.there("head"))
        level.pass_through(ends.loss(tally))
        level.pass_through(ends.back("head"))
        for block in reversed(blocks):
            block.back(level)
        level.pass_through(ends.back("stem"))
        level.pass_through(_step(tally, self.setting))
        return cast(Ints, level.most)

    def _block(self, designs: Designs, block: int) -> "_Block":
        m = designs.widths[block - 1] if block else designs.stem_width
        w, stacks = designs.widths[block], designs.stacks[block]
        dense = self.frame.connectivity == "dense"
        columns = (designs.n, m, w, designs.depth[block], stacks if dense else np.ones((), np.int64))
        shape = np.broadcast_shapes(*(column.shape for column in columns))
        flat = [np.broadcast_to(column, shape).ravel() for column in columns]
        flows = self.known[block].look(flat, lambda which: self._walked(block, [column[which] for column in flat]))
        flows = flows.reshape(*flows.shape[:-1], *shape)
        return _Block(flows, None if dense else m != w, stacks)

    def _walked(self, block: int, columns: list[Ints]) -> Ints:
        """Flows (there and back, parts, more and most, designs) of a block."""
        n, m, w, depth, stacks = columns
        found: Ints | None = None
        for d in np.unique(depth).tolist():
            here = depth == d
            own = _alone(self.frame, block, n[here], m[here], w[here], stacks[here])
            flows = self._parts(own, block, d)
            found = np.zeros((*flows.shape[:-1], len(n)), np.int64) if found is None else found
            found[..., here] = flows
        if found is None:
            raise AssertionError("no designs to walk for")
        return found

    def _parts(self, designs: Designs, block: int, depth: int) -> Ints:
        """Flows of a block's parts for one depth: pool, first module, repeated one; of a dense block, all at once."""
        dense = self.frame.connectivity == "dense"
        own = max(2, int(designs.stacks[block].max())) if dense else 2
        modules = tuple(own if index == block else 1 for index in range(len(designs.stacks)))
        walk = _Walk(self, designs, depth, modules, block)
        there, back = dict(walk.all_there()), dict(walk.all_back())
        still = Flow(0, 0)
        pool = ("pool", block, 0)
        if not dense:
            parts = [pool, ("module", block, 0), ("module", block, 1)]
            rows = [[flows.get(part, still) for part in parts] for flows in (there, back)]
        else:
            rows = [[_all_of(there, designs.stacks[block])], [_all_of(back, designs.stacks[block])]]
        size = len(designs.n)
        return np.array([[[np.broadcast_to(f, size) for f in flow] for flow in row] for row in rows], np.int64)


def _all_of(flows: Mapping[Part, Flow], stacks: Ints) -> Flow:
    """Of a dense block, whose modules are all different: the flow through as many as a design has."""
    level = Level(np.zeros(len(stacks), np.int64))
    for (kind, _, module), flow in flows.items():
        level.repeat(flow, 1 if kind == "pool" else (module < stacks).astype(np.int64))
    return Flow(level.now, level.most)


class _Block(NamedTuple):
    """Flows (there and back, parts, more and most, …) of a block; whether its first module changes the width."""

    flows: Ints
    expands: NDArray[np.bool_] | None
    stacks: Ints

    def there(self, level: Level) -> None:
        self._pass(level, self.flows[0], backwards=False)

    def back(self, level: Level) -> None:
        self._pass(level, self.flows[1], backwards=True)

    def _pass(self, level: Level, flows: Ints, backwards: bool) -> None:
        if self.expands is None:
            level.pass_through(Flow(*flows[0]))
            return
        pool, first, again = (Flow(*flow) for flow in flows)
        once = self.expands.astype(np.int64)
        if backwards:
            level.repeat(again, self.stacks - once)
            level.repeat(first, once)
            level.pass_through(pool)
        else:
            level.pass_through(pool)
            level.repeat(first, once)
            level.repeat(again, self.stacks - once)


class _Known:
    """Flows of a block's parts that were walked, by N, widths and depth, and modules where they matter."""

    def __init__(self) -> None:
        self.keys: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.flows: Ints | None = None

    def look(self, columns: list[Ints], walk: Callable[[Any], Ints]) -> Ints:
        """Flows for designs by their columns; `walk` gives those of some designs by their places."""
        if any(int(column.max()) >> bits for column, bits in zip(columns, _BITS, strict=True)):
            return walk(slice(None))
        keys: NDArray[np.uint64] = np.zeros(len(columns[0]), np.uint64)
        for column, bits in zip(columns, _BITS, strict=True):
            keys = (keys << np.uint64(bits)) | column.astype(np.uint64)
        missing, first = np.unique(keys[~self._has(keys)], return_index=True)
        if len(missing):
            self._keep(missing, walk(np.flatnonzero(~self._has(keys))[first]))
        if self.flows is None:
            raise AssertionError("no designs to look for")
        return self.flows[..., np.searchsorted(self.keys, keys)]

    def _has(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        if not len(self.keys):
            return np.zeros(len(keys), np.bool_)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.equal(self.keys[place], keys)

    def _keep(self, keys: NDArray[np.uint64], flows: Ints) -> None:
        both = flows if self.flows is None else np.concatenate((self.flows, flows), axis=-1)
        joint = np.concatenate((self.keys, keys))
        order = np.argsort(joint)
        self.keys, self.flows = joint[order], both[..., order]


def _alone(frame: Frame, block: int, n: Ints, m: Ints, w: Ints, stacks: Ints) -> Designs:
    """Designs of which only one block is to be looked at."""
    one = np.ones((), np.int64)
    count = len(frame.dilations)
    widths = [m if index == block - 1 else w for index in range(count)]
    each = [stacks if index == block else one for index in range(count)]
    return Designs(frame, n, m if block == 0 else one, one, one, (one,) * count, tuple(each), tuple(widths))


def _at_rest(tally: Tally, sizes: Sizes, setting: Setting) -> Any:
    copies, each = factors_of_state(setting)
    statistics = 2 * FP32 * tally.channels() + INT64 * tally.norms()
    state = each * tally.tensors() if each else 0
    return (1 + copies) * FP32 * tally.params() + state + statistics + sizes.image + sizes.targets


def _step(tally: Tally, setting: Setting) -> Flow:
    """The loss's gradient, one number, goes; the optimiser takes what it takes."""
    weights = FP32 * tally.weights()
    groups = temporaries_of_groups(weights, FP32 * tally.params() - weights, setting)
    return Flow(0, reduce(np.maximum, groups) - FP32)


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


class _Walk:
    """The parts of one block of a template, or stem and head, with the sizes of designs."""

    def __init__(
        self, peaks: Peaks, designs: Designs, depth: int, modules: tuple[int, ...], block: int | None = None
    ) -> None:
        self.setting = peaks.setting
        self.plan, self.kept, spans = _template(peaks.frame, modules, depth, peaks.size)
        if block is None:
            self.spans = {part: span for part, span in spans.items() if part[0] in ("stem", "head")}
        else:
            self.spans = {p: s for p, s in spans.items() if p[0] not in ("stem", "head") and p[1] == block}
        channels = _Channels(self.plan, designs)
        for span in self.spans.values():
            channels.of(span)
        self.sizes = _sizes(self.plan, channels, designs, peaks.batch, self.setting)

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
