"""Many designs at once: what they share as words, what differs among them as arrays of whole numbers.

The formulas of this room take `Designs` and give one number per design. Their arrays need not be of one shape: they
broadcast together, so the designs of a product of factors are axes of length 1 but for their own, and a formula's
term is worked out over no more than the factors that it reads. A list of unrelated designs is arrays of one axis.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunetlab import rules
from sunetlab.spec import Connectivity, Downsampling, StemName, SUNetSpec, Task

Ints = NDArray[np.int64]


class Frame(NamedTuple):
    """What decides which operations a network has, but for how many: shared by designs that are worked out together."""

    stem: StemName
    dilations: tuple[int, ...]  # one per block
    downsampling: Downsampling
    connectivity: Connectivity
    degrid: bool
    task: Task

    @property
    def pools(self) -> tuple[bool, ...]:
        """Whether a pool stands before each block."""
        return rules.pools(self.dilations)

    @property
    def output_stride(self) -> int:
        """Input pixels per pixel of the last block's map, along a side."""
        return rules.output_stride(self.dilations, self.stem)


class Designs(NamedTuple):
    """Designs of one frame; every array is int64, and all broadcast together. Fields as in `SUNetSpec`."""

    frame: Frame
    n: Ints
    stem_width: Ints
    in_channels: Ints
    num_classes: Ints
    depth: tuple[Ints, ...]  # one per block, as the next two
    stacks: tuple[Ints, ...]
    widths: tuple[Ints, ...]

    @classmethod
    def of(cls, specs: Sequence[SUNetSpec]) -> "Designs":
        """Specs of one frame, along one axis."""

        def numbers(word: str) -> Ints:
            return np.array([getattr(spec, word) for spec in specs])

        n, stem_width, in_channels, num_classes = map(numbers, SCALARS)
        depth, stacks, widths = (tuple(numbers(word).T) for word in PER_BLOCK)
        return cls(frame_of(specs[0]), n, stem_width, in_channels, num_classes, depth, stacks, widths)

    def in_floats(self) -> "Designs":
        """The same in floating point, but for what formulas count with: to see how large their results are."""
        scale = {word: getattr(self, word).astype(np.float64) for word in SCALARS}
        return self._replace(**scale, widths=tuple(width.astype(np.float64) for width in self.widths))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the arrays have together."""
        arrays = (self.n, self.stem_width, self.in_channels, self.num_classes)
        return np.broadcast_shapes(*(a.shape for a in (*arrays, *self.depth, *self.stacks, *self.widths)))

    def spec(self, index: int) -> SUNetSpec:
        """The design at a place, counted along all axes in C order."""
        shape = self.shape
        at = np.unravel_index(index, shape)

        def value(array: Ints) -> int:
            return int(np.broadcast_to(array, shape)[at])

        words = {word: value(getattr(self, word)) for word in SCALARS}
        per_block = {word: tuple(value(array) for array in getattr(self, word)) for word in PER_BLOCK}
        return SUNetSpec(**self.frame._asdict(), **words, **per_block)


SCALARS = ("n", "stem_width", "in_channels", "num_classes")
PER_BLOCK = ("depth", "stacks", "widths")


def frame_of(spec: SUNetSpec) -> Frame:
    """The frame of a spec."""
    return Frame(*(getattr(spec, word) for word in Frame._fields))
