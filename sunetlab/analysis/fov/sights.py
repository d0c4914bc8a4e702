"""The field of view of every box of a network, exact, along one side: of the image, and of the box's own grid."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from sunetlab.analysis.cost import CONVOLUTIONS, area
from sunetlab.analysis.fov.boxes import Boxes, module_name
from sunetlab.analysis.fov.field import POINT, Field, fields
from sunetlab.analysis.fov.hulls import DeadError, Grid, Spans, walk
from sunetlab.analysis.plan import Plan, Size, plan
from sunetlab.spec import Block, Downsampling, SUNetSpec

MOST_POSITIONS = 1 << 26  # of all maps together that are looked at on both sides: 1 GiB


class Sight(NamedTuple):
    """What one box of the network sees: of the image, and of the map on which its own module, block or head stands.

    Attributes:
        name: "network", "resized" (after the bilinear resize), "block 1", "blocks.0.unets.1", or a convolution's.
        kind: network, resized, block, module, or a layer's kind (conv, conv_transpose).
        part: "stem", "block 1", …, "head"; "" for the network.
        jump: pixels of the image from one position to the next, along a side.
        image: the field in pixels of the image, as if the image had no border.
        own: the field of this box alone, in pixels of the grid where its module (for a block: its first module; for
            stem and network: the image; for the head: the last block's map) begins.
        clipped: (along rows' direction y, along x): the field within the image of the plan's size.
    """

    name: str
    kind: str
    part: str
    jump: int
    image: Field
    own: Field
    clipped: tuple[Field, Field]


class LevelSight(NamedTuple):
    """What a level of a block's u-nets has to work with at the plan's input size.

    Attributes:
        block: from 1.
        level: from 1, the outermost.
        size: (height, width) of the map that the level's second convolution works on.
        reach: pixels of that map that its widest kernel spans, along a side: dilation · 2 + 1.
        entry: (y, x) smallest clipped field of the positions that enter the level, in pixels of the image: a corner's.
        verdict: what limits it, "" for nothing: its kernel spans more than its map, so that some taps always fall
            outside; or all that enters it has seen the whole image, so that it adds no pixel.
    """

    block: int
    level: int
    size: tuple[int, int]
    reach: int
    entry: tuple[int, int]
    verdict: str


class Fov(NamedTuple):
    """Fields of view of a network.

    Attributes:
        network: at the head's grid, after the last convolution (a classifier's pool comes after it).
        resized: after the bilinear resize of a segmentation network; None for classification.
        blocks, modules, convs: in order; convs are all convolutions and transposed ones.
        through: field of the network with only paths that go no deeper than level 0 (identity), 1, 2, … in any
            module, in pixels of the image.
        levels: every level of every block.
    """

    network: Sight
    resized: Sight | None
    blocks: tuple[Sight, ...]
    modules: tuple[Sight, ...]
    convs: tuple[Sight, ...]
    through: tuple[Field, ...]
    levels: tuple[LevelSight, ...]


def fov(plan: Plan) -> Fov:
    """Every field of view of a plan.

    Raises:
        InputError: dilations so large that a field does not fit 64 bits.
    """
    return _Looker(plan).look()


def module_fields(depth: int, dilation: int, downsampling: Downsampling) -> dict[str, Field]:
    """Fields of the convolutions of one u-net module alone, on the grid where it begins (Figure 1).

    Keys are the layers' names within the module, in order: "reduce", "down.0.sample.conv", "down.0.conv.conv",
    …, "up.0.conv.conv", "expand.conv".
    """
    within = _module_alone(depth, dilation, downsampling)
    return {name: field for name, field in within.items() if name not in ("skip", "")}


@lru_cache(maxsize=256)
def _module_alone(depth: int, dilation: int, downsampling: Downsampling) -> Mapping[str, Field]:
    """Fields of a module's convolutions by their names within, and of what it gives by ""."""
    boxes, block = _only_block(depth, dilation, downsampling, 1)
    begin, end = boxes.begin(block, 0), boxes.end(block, 0)
    alone, prefix = boxes.alone(begin, end), module_name(block, 0) + "."
    convs = {
        layer.name.removeprefix(prefix): alone[op - begin]
        for layer, op in zip(boxes.plan.layers, boxes.bones.op_of, strict=False)
        if layer.kind in CONVOLUTIONS and layer.name.startswith(prefix) and op <= end
    }
    return convs | {"skip": POINT, "": alone[-1]}


@lru_cache(maxsize=1024)
def _block_alone(depth: int, dilation: int, downsampling: Downsampling, modules: int) -> Field:
    """The field of a block of so many modules on the grid where the first begins."""
    boxes, block = _only_block(depth, dilation, downsampling, modules)
    return boxes.alone(boxes.begin(block, 0), boxes.end(block, -1))[-1]


def _only_block(depth: int, dilation: int, downsampling: Downsampling, modules: int) -> "tuple[_Looker, Block]":
    """A network of a single block, for what its modules see by themselves."""
    stacks, dilations = (modules,), (dilation,)
    spec = SUNetSpec(
        depth=(depth,), n=1, stacks=stacks, widths=(2,), dilations=dilations, downsampling=downsampling, stem_width=2
    )
    return _Looker(plan(spec)), spec.blocks[0]


class _Looker(Boxes):
    """Walks over a plan's skeleton: from the image, within its borders, from where each box begins."""

    def look(self) -> Fov:
        self.image = fields(self.spans(Grid()), [op.jump for op in self.bones.ops], endless=True)
        self.clipped = self.within_borders()
        own, blocks = self.own(), self.plan.spec.blocks
        return Fov(
            network=self.sight("network", "network", self.head, self.image[self.head]),
            resized=self.resized(),
            blocks=self.blocks(),
            modules=tuple(
                self.sight(
                    module_name(block, module), "module", self.end(block, module), own[module_name(block, module)]
                )
                for block in blocks
                for module in range(len(block.modules))
            ),
            convs=tuple(
                self.sight(layer.name, layer.kind, self.op(layer.name), own[layer.name])
                for layer in self.plan.layers
                if layer.kind in CONVOLUTIONS
            ),
            through=(*self.through(), self.image[self.head]),
            levels=tuple(self.level(block, level) for block in blocks for level in range(len(block.levels))),
        )

    # What a box sees.

    def sight(self, box: str, kind: str, op: int, own: Field) -> Sight:
        part = self.plan.layers[self.index[box]].part if box in self.index else ""
        part = self.bones.ops[op].layer.part if kind in ("module", "block") else part
        clipped = (self.clipped[0][op], self.clipped[1][op])
        return Sight(box, kind, part, self.bones.ops[op].jump, self.image[op], own, clipped)

    def blocks(self) -> tuple[Sight, ...]:
        blocks = self.plan.spec.blocks
        downsampling = self.plan.spec.downsampling
        alone = [_block_alone(len(b.levels), b.dilation, downsampling, len(b.modules)) for b in blocks]
        return tuple(
            self.sight(f"block {block.index + 1}", "block", self.end(block, -1), own)
            for block, own in zip(blocks, alone, strict=True)
        )

    def resized(self) -> Sight | None:
        if self.plan.spec.task == "classification":
            return None
        multiple = not any(side % self.plan.spec.output_stride for side in self.plan.size)
        field = self.image[-1]._replace(exact=multiple)
        return self.sight("resized", "resized", len(self.bones.ops) - 1, field)._replace(image=field)

    def through(self) -> list[Field]:
        """The network's field by the paths that go no deeper than level 0, 1, …, but for the deepest."""
        levels = range(max(self.plan.spec.depth))
        spans = [self.spans(Grid(), last=self.head + 1, deepest=level)[-1] for level in levels]
        return fields(spans, [self.jump(self.head)] * len(levels), endless=True)

    def level(self, block: Block, level: int) -> LevelSight:
        """What the block's first module gives: later ones see more on entry."""
        down = f"{module_name(block, 0)}.down.{level}"
        size = self.plan.layers[self.index[f"{down}.conv.conv"]].in_size
        geometry = block.levels[level]
        reach = 2 * max(*geometry.down, *geometry.up) + 1
        entry = self.op(f"{down}.sample.norm.bn")
        sees = (self.clipped[0][entry].least, self.clipped[1][entry].least)
        return LevelSight(block.index + 1, level + 1, size, reach, sees, _verdict(size, reach, sees, self.plan.size))

    # Walks.

    def spans(
        self, grid: Grid, first: int = 0, last: int | None = None, jump: int = 1, deepest: int | None = None
    ) -> list[Spans | None]:
        """Spans of the ops from `first` to before `last`, in pixels of where the walk starts."""
        arguments = (self.plan.size, first, jump, deepest)
        try:
            return walk(self.bones.ops[first:last], grid, *arguments)
        except DeadError:
            return walk(self.bones.ops[first:last], grid._replace(flat=True), *arguments)

    def within_borders(self) -> tuple[list[Field], list[Field]]:
        """Fields of every op along y and along x, clipped to the image.

        A position that is dead along one side sees nothing along the other either, so if one side needs the walk
        over both, so does the other. Where that would take too much memory, fields are upper bounds.
        """
        ops, size, exact = self.bones.ops, self.plan.size, True
        axes = (1,) if size[0] == size[1] else (0, 1)
        try:
            spans = [walk(ops, Grid(axis, bordered=True), size) for axis in axes]
        except DeadError:
            exact = sum(area(op.layer.out_size) for op in ops) <= MOST_POSITIONS
            grid = Grid(bordered=True, flat=exact, loose=not exact)
            spans = [walk(ops, grid._replace(axis=axis), size) for axis in axes]
        found = [fields(each, [op.jump for op in ops], exact=exact) for each in spans]
        return found[0], found[-1]

    def alone(self, begin: int, end: int) -> list[Field]:
        """Fields of `begin` and the ops after it, up to `end`, on the grid of `begin`."""
        jump = self.jump(begin)
        jumps = [op.jump // jump for op in self.bones.ops[begin + 1 : end + 1]]
        return [POINT, *fields(self.spans(Grid(), begin + 1, end + 1, jump), jumps, endless=True)]

    def own(self) -> dict[str, Field]:
        """For every module and convolution: its field on the grid where its module, the image or the head begins."""
        found: dict[str, Field] = {}
        for block in self.plan.spec.blocks:
            within = _module_alone(len(block.levels), block.dilation, self.plan.spec.downsampling)
            for module in range(len(block.modules)):
                prefix = module_name(block, module)
                found |= {f"{prefix}.{layer}".rstrip("."): field for layer, field in within.items()}
        begin = self.end(block, -1)
        head = self.alone(begin, self.head)
        for layer, op in zip(self.plan.layers, self.bones.op_of, strict=False):
            if layer.part in ("stem", "head") and layer.kind in CONVOLUTIONS:
                found[layer.name] = self.image[op] if layer.part == "stem" else head[op - begin]
        return found


def _verdict(size: Size, reach: int, sees: Size, image: Size) -> str:
    """What limits a level at this resolution; "" for nothing."""
    reasons = []
    if max(size) < reach:
        reasons.append("its kernel spans more than its map")
    if sees == image:
        reasons.append("whole image seen before it")
    return "; ".join(reasons)
