"""Every design of a space against a filter, in pieces: who survives, and how many each bound lets through.

What is worked out for a piece is gone with it, so memory does not grow with the space. Whoever wants to know something
of all survivors — a histogram, a front, the best few, a file — is told of each piece's (`tallies.py`, `table.py`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from sunetlab.errors import InputError
from sunetlab.space.arrays.designs import Designs, Ints
from sunetlab.space.arrays.quantities import column, look
from sunetlab.space.arrays.view import PLAIN, Lens, Training, View
from sunetlab.space.parts import Mask, Part, Piece
from sunetlab.space.space import PIECE, Space, refused_at_all
from sunetlab.space.where import Where

Watch = Callable[[int, int], None]  # how many designs are done, of how many
_MOST = {"macs": 62, "activations": 58, "params": 57}  # powers of two beyond which sums could overflow 64 bits: the
# peak of memory is at most a few times the bytes of activations, and of parameters with their states


class Survivors(NamedTuple):
    """Designs that keep every bound, of one piece.

    Attributes:
        numbers: their numbers in the space.
        values: the quantities asked for, by name, one per survivor.
        piece, picked: where they come from, and their places in it, for what else is to be known of them.
        part: the part of the piece.
    """

    numbers: Ints
    values: dict[str, Ints]
    part: Part
    piece: Piece
    picked: Ints

    def words(self) -> dict[str, Ints]:
        """The numbers that make the designs: n, stem_width, …, depth1, …, by name, one per survivor."""
        designs: Designs = self.piece.designs
        columns = {name: getattr(designs, name) for name in ("n", "stem_width", "in_channels", "num_classes")}
        for name in ("depth", "stacks", "widths"):
            columns |= {f"{name}{j + 1}": array for j, array in enumerate(getattr(designs, name))}
        return {name: np.broadcast_to(array, self.piece.shape).ravel()[self.picked] for name, array in columns.items()}


class Funnel:
    """How many designs there were, how many are none and why, and how many each bound in turn lets through."""

    def __init__(self, space: Space, where: Where | None) -> None:
        self.combinations = space.combinations
        self.impossible: Counter[str] = Counter(space.impossible)
        self.bounds = [comparison.text for comparison in where.comparisons] if where else []
        self.kept = [0] * len(self.bounds)
        self.looked_at = self.possible = 0

    @property
    def survivors(self) -> int:
        """How many keep every bound."""
        return self.kept[-1] if self.kept else self.possible

    def rows(self) -> list[tuple[str, int, int]]:
        """(bound, designs before it, after it), in order."""
        return list(zip(self.bounds, [self.possible, *self.kept], self.kept, strict=False))


class Screen:
    """A space, a filter, and the quantities to be known of survivors.

    Args:
        space: the designs.
        where: the bounds; None keeps all.
        names: of quantities, see `quantities.known`.
        training: for activations and memory.

    Raises:
        InputError: a design so large that its numbers do not fit 64 bits.
    """

    def __init__(self, space: Space, where: Where | None, names: Sequence[str], training: Training = PLAIN) -> None:
        self.space, self.where, self.names, self.training = space, where, tuple(names), training
        self.funnel = Funnel(space, where)
        for part in space.parts:
            self._check_size(part)

    def run(
        self, watch: Watch | None = None, stop: Callable[[], bool] = lambda: False, most: int = PIECE
    ) -> Iterator[Survivors]:
        """Look at every design, or until `stop` says so; the funnel counts what was looked at."""
        total = len(self.space)
        lenses: dict[int, Lens] = {}
        for part, piece, begin in self.space.pieces(most):
            if begin not in lenses:  # one part after another
                lenses = {begin: lens_of(self.space, part, self.training)}
            lens = lenses[begin]
            survivors = self._sift(part, piece, begin, View(piece.designs, lens))
            self.funnel.looked_at += piece.size
            if watch is not None:
                watch(self.funnel.looked_at, total)
            if survivors is not None:
                yield survivors
            if stop():
                return

    def _sift(self, part: Part, piece: Piece, begin: int, view: View) -> Survivors | None:
        refused, reasons = refused_at_all(part, piece)
        self.funnel.impossible += reasons
        self.funnel.possible += piece.size - reasons.total()
        kept: Mask | None = None if refused is None else ~refused
        for index, comparison in enumerate(self.where.comparisons if self.where else ()):
            mask = comparison.mask(look(view, comparison.name))
            kept = mask if kept is None else kept & mask
            left = _count_of(kept, piece.shape)
            self.funnel.kept[index] += left
            if not left:
                return None
        picked = np.arange(piece.size) if kept is None else np.flatnonzero(np.broadcast_to(kept, piece.shape))
        if not len(picked):
            return None
        values = {name: np.broadcast_to(look(view, name), piece.shape).ravel()[picked] for name in self.names}
        return Survivors(piece.numbers(picked) + begin, values, part, piece, picked)

    def _check_size(self, part: Part) -> None:
        corner, lens = part.corner(), lens_of(self.space, part, self.training)
        view = View(corner.in_floats(), lens)
        for name, power in _MOST.items():
            if float(look(view, name).max()) > 2.0**power:
                raise InputError(
                    f"factors: the largest design has more than 2^{power} {name}; 64 bits do not hold that"
                )


def figures(
    space: Space, numbers: Ints, names: Sequence[str], training: Training = PLAIN
) -> list[dict[str, int | str]]:
    """Quantities of some designs by their numbers: for each name → value, a word where it is one."""
    found: dict[int, dict[str, int | str]] = {}
    places = np.searchsorted(space.ends, numbers, "right")
    for place in np.unique(places):
        part, here = space.parts[place], numbers[places == place]
        designs = part.at(here - int(space.ends[place]) + part.size)
        view = View(designs, lens_of(space, part, training))
        columns = [np.broadcast_to(look(view, name), here.shape).tolist() for name in names]
        words = [column(name).quantity.words for name in names]
        for number, row in zip(here.tolist(), zip(*columns, strict=True), strict=True):
            cells = (w[value] if w else value for w, value in zip(words, row, strict=True))
            found[number] = dict(zip(names, cells, strict=True))
    return [found[number] for number in numbers.tolist()]


def lens_of(space: Space, part: Part, training: Training) -> Lens:
    """What designs of a part share."""
    return Lens.of(part.frame, space.size_of(part.frame), part.depth.choices, part.stacks.choices, training)


def _count_of(mask: Mask, shape: tuple[int, int]) -> int:
    """How many designs of a piece are meant by a mask that broadcasts to its shape."""
    return int(np.count_nonzero(mask)) * (shape[0] * shape[1] // mask.size)
