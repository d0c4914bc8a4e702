"""Designs looked at: what those of one frame share, and whatever is worked out of them, each thing once."""

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from sunetlab.analysis.memory import Setting
from sunetlab.analysis.plan import Size
from sunetlab.analysis.report import Report
from sunetlab.space.arrays.designs import Designs, Frame, Ints
from sunetlab.space.arrays.fields import Sees, Sights, blocks_alone
from sunetlab.space.arrays.formulas import Grids, Tally, grids
from sunetlab.space.arrays.peaks import Peaks
from sunetlab.space.arrays.walked import Conditions


class Training(NamedTuple):
    """How activations and memory are counted: images at once, and how they are trained."""

    batch: int = 1
    setting: Setting = Setting()


PLAIN = Training()


class Lens(NamedTuple):
    """What designs of one frame share: maps at an input size, tables of what they see, how they are trained, parts."""

    grids: Grids
    sights: Sights
    training: Training
    peaks: Peaks

    @classmethod
    def of(
        cls,
        frame: Frame,
        size: Size,
        depths: Iterable[Iterable[int]],
        stacks: Iterable[Iterable[int]],
        training: Training = PLAIN,
    ) -> "Lens":
        """For designs of `frame` whose blocks have these depths and numbers of modules, and images of `size`."""
        depth, modules = ([int(max(block)) for block in blocks] for blocks in (depths, stacks))
        sights, peaks = Sights(frame, depth, modules), Peaks(Conditions(frame, size, *training))
        return cls(grids(frame, size, max(depth)), sights, training, peaks)


class View:
    """Many designs of one frame; every array has one number per design, in a shape that broadcasts to theirs."""

    def __init__(self, designs: Designs, lens: Lens) -> None:
        self.designs, self.lens = designs, lens
        self.found: dict[str, Ints] = {}  # by name; see `quantities.look`

    @cached_property
    def tally(self) -> Tally:
        """Costs."""
        return Tally(self.designs, self.lens.grids)

    @cached_property
    def training_peak(self) -> Ints:
        """Bytes at the worst of a training step."""
        return self.lens.peaks.training(self.designs, self.tally)

    @cached_property
    def network(self) -> Sees:
        """Fields at the head."""
        return self.lens.sights.network(self.designs.depth, self.designs.stacks)

    @cached_property
    def blocks(self) -> list[Sees]:
        """Fields at the end of every block."""
        return self.lens.sights.blocks(self.designs.depth, self.designs.stacks)

    @cached_property
    def alone(self) -> list[Sees]:
        """Fields of every block on its own grid."""
        return blocks_alone(self.designs.frame, self.designs.depth, self.designs.stacks)


class Subject(NamedTuple):
    """One design, analysed, and the setting in which its memory is counted."""

    report: Report
    setting: Setting = Setting()
