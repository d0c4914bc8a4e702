"""A network's parts as columns of a figure: a heading, marks on the main line, a cell in every row of the table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sunetlab import rules
from sunetlab.analysis.cost import CONVOLUTIONS, LayerCost
from sunetlab.analysis.fov import Field, Fov, Sight
from sunetlab.analysis.plan import Layer
from sunetlab.analysis.report import Report
from sunetlab.draw.convs import u_net
from sunetlab.draw.marks import Mark, Scale, bar, dots, hourglass, skipped, wedge
from sunetlab.draw.words import count, extent, field_words, plural, short, sides
from sunetlab.spec import Block

ROWS = ("output stride", "dilation", "level", "map size", "maps", "field, px", "least–most", "parameters", "MACs")
MOST_DRAWN = 7  # modules of a block that are drawn one by one
ENDS = 2, 1  # those that are drawn of more: so many at the beginning and at the end
MOST_BLOCKS = 24  # blocks of a network that are drawn one by one
END_BLOCKS = 16, 7  # those of more


class Column(NamedTuple):
    """One part of a network.

    Attributes:
        part: "image", "stem", "block 1", "blocks 17–80", "head".
        heading: its lines, the first in bold.
        marks: from left to right.
        cells: by row of the table; the image has none.
        pool: what stands before it.
    """

    part: str
    heading: tuple[str, ...]
    marks: tuple[Mark, ...]
    cells: Mapping[str, str]
    pool: Mark | None = None


def columns(report: Report, seen: Fov) -> list[Column]:
    """Image, stem, blocks, head; of very many blocks those between the first and the last as one column."""
    return list(_Columns(report, seen).all())


def split(blocks: Sequence[Block]) -> tuple[Sequence[Block], Sequence[Block], Sequence[Block]]:
    """Blocks that are drawn one by one, those after them that are drawn as one, and those after these."""
    if len(blocks) <= MOST_BLOCKS:
        return blocks, (), ()
    first, last = END_BLOCKS
    return blocks[:first], blocks[first:-last], blocks[-last:]


class _Columns:
    def __init__(self, report: Report, seen: Fov) -> None:
        self.report, self.spec, self.seen = report, report.spec, seen
        self.scale = Scale.over([layer for layer in report.layers if layer.kind in CONVOLUTIONS])
        self.parts: dict[str, list[LayerCost]] = {}
        for row in report.rows:
            self.parts.setdefault(row.layer.part, []).append(row)
        self.layers = {row.layer.name: row.layer for row in report.rows}

    def all(self) -> Iterator[Column]:
        yield self.image()
        yield self.stem()
        first, left_out, last = split(self.spec.blocks)
        yield from map(self.block, first)
        if left_out:
            yield self.left_out(left_out)
        yield from map(self.block, last)
        yield self.head()

    def image(self) -> Column:
        size = self.report.size
        heading = ("Image", sides(size), plural(self.spec.in_channels, "channel"))
        return Column("image", heading, (bar(self.scale.height(size), "plain", "image", 10.0),), {})

    def stem(self) -> Column:
        conv, last = self.layers["stem.conv"], self.layers["stem.residual.conv2"]
        tone, down = ("down", f" ↓{conv.stride}") if conv.stride > 1 else ("conv", "")
        first = bar(self.scale.height(conv.out_size), tone, f"{conv.kernel}×{conv.kernel} convolution")
        block = bar(self.scale.height(last.out_size), tone, "residual block", 18.0)
        heading = ("Stem", f"{conv.kernel}×{conv.kernel}{down}", f"residual{down}")
        sight = next(sight for sight in self.seen.convs if sight.name == last.name)
        cells = self.cells(["stem"], last, "1", "1", sight)
        return Column("stem", heading, (first, skipped(block, expansion=True)), cells)

    def block(self, block: Block) -> Column:
        name, depth = f"block {block.index + 1}", len(block.levels)
        last, sight = self.parts[name][-1].layer, self.seen.blocks[block.index]
        heading = (f"Block {block.index + 1}", f"{count(len(block.modules))} × {u_net(depth)}", f"depth {depth}")
        cells = self.cells([name], last, str(block.dilation), str(block.index + 2), sight)
        return Column(name, heading, tuple(self.modules(block)), cells, self.pool(block))

    def modules(self, block: Block) -> Iterator[Mark]:
        """Every module, or where there are many the first, dots, and the last."""
        total, (first, last) = len(block.modules), ENDS
        for index in range(total):
            if total <= MOST_DRAWN or index < first or index >= total - last:
                yield self.module(block, index)
            elif index == first:
                height = self.scale.height(self.parts[f"block {block.index + 1}"][-1].layer.out_size)
                yield dots(height, f"blocks.{block.index}.more", plural(total - first - last, "more u-net"))

    def module(self, block: Block, index: int) -> Mark:
        name, shape = f"blocks.{block.index}.unets.{index}", block.modules[index]
        downs = [self.layers[f"{name}.down.{level}.conv.conv"] for level in range(len(block.levels))]
        sizes = [self.layers[f"{name}.reduce"].out_size, *(down.out_size for down in downs)]
        dilations = [block.dilation, *(down.dilation for down in downs)]
        words = f"{name}: {count(shape.in_channels)} → {count(shape.out_channels)} maps"
        outer = [self.scale.height(size) for size in sizes]
        inner = [self.scale.height(size, dilation) for size, dilation in zip(sizes, dilations, strict=True)]
        mark = hourglass(outer, inner, name, words)
        return skipped(mark, not shape.growth and shape.in_channels != shape.out_channels)

    def pool(self, block: Block) -> Mark | None:
        if not block.pool:
            return None
        pool = self.layers[f"blocks.{block.index}.pool"]
        before, after = self.scale.height(pool.in_size), self.scale.height(pool.out_size)
        return wedge(before, after, "pool", pool.name)

    def left_out(self, blocks: Sequence[Block]) -> Column:
        """Many blocks as one column."""
        names = [f"block {block.index + 1}" for block in blocks]
        last, modules = self.parts[names[-1]][-1].layer, sum(len(block.modules) for block in blocks)
        which = f"{blocks[0].index + 1}–{blocks[-1].index + 1}"
        dilation = extent(block.dilation for block in blocks)
        level = f"{blocks[0].index + 2}–{blocks[-1].index + 2}"
        cells = self.cells(names, last, dilation, level, self.seen.blocks[blocks[-1].index])
        between = dots(self.scale.height(last.out_size), "blocks.more", f"blocks {which}")
        return Column(f"blocks {which}", (f"Blocks {which}", plural(modules, "u-net")), (between,), cells)

    def head(self) -> Column:
        classification, degrid = self.spec.task == "classification", rules.DEGRID_DILATIONS if self.spec.degrid else ()
        marks, lines = self.classifier() if classification else self.segmenter()
        heading = ("Head", *(["de-gridding"] if degrid else []), *lines)
        dilation, level = ", ".join(map(str, degrid)) or "1", str(len(self.spec.stacks) + 2)
        cells = self.cells(["head"], self.layers["classifier"], dilation, level, self.seen.network)
        if classification:
            cells["field, px"] = cells["least–most"] = "all"  # the mean over the map
        return Column("head", heading, (*map(self.degrid, range(len(degrid))), *marks), cells)

    def classifier(self) -> tuple[list[Mark], list[str]]:
        """Marks, and lines of the heading."""
        before, after = self.scale.height(self.report.feature_size), self.scale.height((1, 1))
        mean = wedge(before, after, "pool", "global average pool")
        return [mean, bar(after, "point", "linear classifier")], ["global mean", "linear"]

    def segmenter(self) -> tuple[list[Mark], list[str]]:
        """Marks, and lines of the heading."""
        size = self.report.size
        before, after = self.scale.height(self.report.feature_size), self.scale.height(size)
        resize = wedge(before, after, "up", f"bilinear resize to {sides(size)}", 18.0)
        return [bar(before, "point", "1×1 classifier"), resize], ["1×1, bilinear", f"to {sides(size)}"]

    def degrid(self, index: int) -> Mark:
        layer = self.layers[f"degrid.{index}.conv"]
        return bar(self.scale.height(layer.out_size), "conv", f"3×3 convolution, dilation {layer.dilation}")

    def cells(self, names: Sequence[str], last: Layer, dilation: str, level: str, sight: Sight) -> dict[str, str]:
        """What the table says of some parts whose last layer is `last`."""
        rows = [row for name in names for row in self.parts[name]]
        values = (
            count(sight.jump),
            dilation,
            level,
            sides(last.out_size),
            count(last.out_channels),
            _usual(sight.image),
            field_words(sight.image),
            count(sum(row.params for row in rows)),
            short(sum(row.macs for row in rows)),
        )
        return dict(zip(ROWS, values, strict=True))


def _usual(field: Field) -> str:
    return ("" if field.exact else "≤ ") + count(field.usual)
