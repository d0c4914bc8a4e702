"""What can be asked of a design, by name: of many from whole-array formulas, of one from its analysis.

Both readings of a name stand beside each other here, and tests hold them equal. Quantities of a block bear its number:
`block3_fov`; where a design has no such block they are 0.
"""

import re
from collections.abc import Callable, Iterable
from functools import partial, reduce
from operator import add
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from sunetlab.analysis.report import Report
from sunetlab.space.arrays.designs import Ints
from sunetlab.space.arrays.view import Subject, View
from sunetlab.space.where import Quantity
from sunetlab.spec import Connectivity, Downsampling, StemName

Better = Literal["less", "more", ""]
_NONE: Ints = np.zeros((), np.int64)


class Column(NamedTuple):
    """A quantity.

    Attributes:
        quantity: its unit, or its words.
        better: which way a designer wants it; "" for neither.
        many: of designs looked at together; of words, indices into them.
        one: of one design; of words, the word.
    """

    quantity: Quantity
    better: Better
    many: Callable[[View], Ints]
    one: Callable[[Subject], Any]


class BlockColumn(NamedTuple):
    """A quantity of one block, by its index from 0; attributes as of `Column`."""

    quantity: Quantity
    better: Better
    many: Callable[[View, int], Ints]
    one: Callable[[Subject, int], int]

    def column(self, block: int) -> Column:
        """Of one block."""
        return Column(self.quantity, self.better, partial(self._many, block), partial(self._one, block))

    def _many(self, block: int, view: View) -> Ints:
        return self.many(view, block) if block < len(view.designs.stacks) else _NONE

    def _one(self, block: int, subject: Subject) -> int:
        return self.one(subject, block) if block < len(subject.report.spec.stacks) else 0


def _words(name: str, words: tuple[str, ...]) -> Column:
    def many(view: View) -> Ints:
        return np.array(words.index(str(getattr(view.designs.frame, name)).lower()))

    return Column(Quantity("words", words), "", many, lambda s: str(getattr(s.report.spec, name)).lower())


def _field(figure: str) -> Column:
    return Column(
        Quantity("px"),
        "more",
        lambda view: getattr(view.network, figure),
        lambda subject: getattr(subject.report.fov.network.image, figure),
    )


def _block_field(figure: str, of: Literal["blocks", "alone"]) -> BlockColumn:
    """What a block sees of the image at its end, or alone of its own grid."""
    sight = {"blocks": "image", "alone": "own"}[of]
    return BlockColumn(
        Quantity("px"),
        "more",
        lambda view, j: getattr(getattr(view, of)[j], figure),
        lambda subject, j: getattr(getattr(subject.report.fov.blocks[j], sight), figure),
    )


def _least_map(view: View) -> Ints:
    sides = (np.array([min(side) for side in maps]) for maps in view.lens.grids.blocks)
    return reduce(np.minimum, (side[depth] for side, depth in zip(sides, view.designs.depth, strict=True)))


def _maps(report: Report) -> list[int]:
    return [min(layer.out_size) for layer in report.layers if layer.part.startswith("block")]


def _block_map(report: Report, block: int) -> int:
    return next(min(layer.out_size) for layer in reversed(report.layers) if layer.part == f"block {block + 1}")


_COUNT, _BYTES, _PX = Quantity(), Quantity("bytes"), Quantity("px")

COLUMNS: dict[str, Column] = {
    "params": Column(_COUNT, "less", lambda v: v.tally.params(), lambda s: s.report.params),
    "macs": Column(_COUNT, "less", lambda v: v.tally.macs(), lambda s: s.report.macs // s.report.batch),
    "activations": Column(
        _BYTES,
        "less",
        lambda v: v.tally.activations(*v.lens.training),
        lambda s: s.report.memory(s.setting).activations,
    ),
    "memory": Column(_BYTES, "less", lambda v: v.training_peak, lambda s: s.report.memory(s.setting).training.bytes),
    "layers": Column(_COUNT, "", lambda v: v.tally.layers(), lambda s: s.report.depth),
    "fov": _field("usual"),
    "fov_least": _field("least"),
    "fov_most": _field("most"),
    "map": Column(
        _PX, "more", lambda v: np.array(min(v.lens.grids.blocks[-1][0])), lambda s: min(s.report.feature_size)
    ),
    "map_least": Column(_PX, "more", _least_map, lambda s: min(_maps(s.report))),
    "output_stride": Column(
        _COUNT, "less", lambda v: np.array(v.designs.frame.output_stride), lambda s: s.report.spec.output_stride
    ),
    "n": Column(_COUNT, "", lambda v: v.designs.n, lambda s: s.report.spec.n),
    "depth": Column(_COUNT, "", lambda v: reduce(np.maximum, v.designs.depth), lambda s: max(s.report.spec.depth)),
    "blocks": Column(_COUNT, "", lambda v: np.array(len(v.designs.stacks)), lambda s: len(s.report.spec.stacks)),
    "modules": Column(_COUNT, "", lambda v: reduce(add, v.designs.stacks), lambda s: sum(s.report.spec.stacks)),
    "width": Column(_COUNT, "", lambda v: v.designs.widths[-1], lambda s: s.report.spec.widths[-1]),
    "stem_width": Column(_COUNT, "", lambda v: v.designs.stem_width, lambda s: s.report.spec.stem_width),
    "stem": _words("stem", get_args(StemName)),
    "downsampling": _words("downsampling", get_args(Downsampling)),
    "connectivity": _words("connectivity", get_args(Connectivity)),
    "degrid": _words("degrid", ("false", "true")),
}

BLOCK_COLUMNS: dict[str, BlockColumn] = {
    "fov": _block_field("usual", "blocks"),
    "fov_least": _block_field("least", "blocks"),
    "fov_most": _block_field("most", "blocks"),
    "alone": _block_field("usual", "alone"),
    "alone_least": _block_field("least", "alone"),
    "alone_most": _block_field("most", "alone"),
    "map": BlockColumn(
        _PX,
        "more",
        lambda v, j: np.array(min(v.lens.grids.blocks[j][0])),
        lambda s, j: _block_map(s.report, j),
    ),
    "depth": BlockColumn(_COUNT, "", lambda v, j: v.designs.depth[j], lambda s, j: s.report.spec.depth[j]),
    "modules": BlockColumn(_COUNT, "", lambda v, j: v.designs.stacks[j], lambda s, j: s.report.spec.stacks[j]),
    "width": BlockColumn(_COUNT, "", lambda v, j: v.designs.widths[j], lambda s, j: s.report.spec.widths[j]),
    "dilation": BlockColumn(
        _COUNT, "", lambda v, j: np.array(v.designs.frame.dilations[j]), lambda s, j: s.report.spec.dilations[j]
    ),
}


def column(name: str) -> Column:
    """The quantity called `name`; a KeyError for one that there is not."""
    of_block = re.fullmatch(r"block([1-9]\d{0,3})_(\w+)", name)
    return BLOCK_COLUMNS[of_block[2]].column(int(of_block[1]) - 1) if of_block else COLUMNS[name]


def known(blocks: int) -> dict[str, Quantity]:
    """What a filter can ask about networks of up to so many blocks."""
    names = [*COLUMNS, *(f"block{j}_{name}" for j in range(1, blocks + 1) for name in BLOCK_COLUMNS)]
    return {name: column(name).quantity for name in names}


def look(view: View, name: str) -> Ints:
    """A quantity of many designs, worked out once."""
    if name not in view.found:
        view.found[name] = column(name).many(view)
    return view.found[name]


def values(subject: Subject, names: Iterable[str]) -> dict[str, Any]:
    """Quantities of one design."""
    return {name: column(name).one(subject) for name in names}
