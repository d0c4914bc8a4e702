"""Survivors of a filter as points of a cube, so that whoever proposes points always proposes a design that is one.

Some of the numbers and words that make designs are coordinates: a stem, n, the depth of the first block, … A design's
place along a coordinate is that of its value among those which survivors have that are like it in all coordinates
before. So every point of the cube means a design, and what a point cannot say is never asked for: widths that follow
from a rule are no coordinate, nor is the depth of a block that is decided by another's.
"""

from collections.abc import Collection, Mapping
from typing import Self

import numpy as np

from sunetlab.errors import InputError
from sunetlab.space.arrays.designs import Frame, Ints
from sunetlab.space.arrays.view import PLAIN, Training
from sunetlab.space.pick import MOST, nothing_left
from sunetlab.space.screen import Screen, Survivors
from sunetlab.space.space import Space
from sunetlab.space.where import Where


class Feasible:
    """Designs that may be proposed: their numbers and their coordinates, in the coordinates' order.

    Attributes:
        numbers: of the designs, (designs,), in the order of their coordinates, the first one counting most.
        coordinates: for each name the designs' values, (designs,): those that tell designs apart which are alike in
            all before.
    """

    def __init__(self, numbers: Ints, columns: Mapping[str, Ints]) -> None:
        """Take designs by their numbers and by what makes them.

        Args:
            numbers: of the designs, (designs,), at least one.
            columns: name → values, (designs,), in the order in which they are to be coordinates; no two designs are
                alike in all.
        """
        self.coordinates, rank = {}, np.zeros(len(numbers), np.int64)
        for name, column in columns.items():
            values = np.unique(column, return_inverse=True)[1]
            finer = np.unique(rank * (values.max() + 1) + values, return_inverse=True)[1]
            if finer.max() > rank.max():
                self.coordinates[name] = column
            rank = finer
        order = np.argsort(rank)
        self.numbers = numbers[order]
        self.coordinates = {name: column[order] for name, column in self.coordinates.items()}

    @classmethod
    def of(cls, space: Space, where: Where | None, training: Training = PLAIN, most: int = MOST) -> Self:
        """All survivors of a filter.

        Raises:
            InputError: none is left, or more than `most`.
        """
        screen, found = Screen(space, where, (), training), []
        words = _Words(space)
        for survivors in screen.run():
            found.append((survivors.numbers, words.columns(survivors)))
            if screen.funnel.survivors > most:
                raise InputError(
                    f"factors: more than {most:,} designs are left to choose from; bound them with where, or narrow "
                    "the factors"
                )
        if not found:
            raise InputError(nothing_left(screen.funnel))
        columns = {name: np.concatenate([columns[name] for _, columns in found]) for name in words.names}
        return cls(np.concatenate([numbers for numbers, _ in found]), columns)

    def __len__(self) -> int:
        """How many designs there are."""
        return len(self.numbers)

    @property
    def scalars(self) -> tuple[str, ...]:
        """The names of the coordinates, in order."""
        return tuple(self.coordinates)

    def land(self, point: Mapping[str, float], taken: Collection[int] = ()) -> int:
        """The number of the design that a point means, among those that are not taken.

        Coordinate by coordinate: of the values that the designs still in question have, in order, the scalar picks one,
        each for an equal part of [0, 1); those with it stay in question. So equal parts of a coordinate are equal
        shares of values, not of designs. 1 counts as the last below it.

        Args:
            point: for each of `scalars` a number in [0, 1].
            taken: numbers of designs that are none to land on.

        Raises:
            InputError: all are taken.
        """
        rows = np.flatnonzero(~np.isin(self.numbers, list(taken))) if taken else np.arange(len(self))
        if not len(rows):
            raise InputError(f"designs: all {len(self):,} that keep the bounds are taken")
        for name, column in self.coordinates.items():
            edges = _edges(column[rows])
            count = len(edges) - 1
            at = min(int(point[name] * count), count - 1)
            rows = rows[edges[at] : edges[at + 1]]
        return int(self.numbers[rows].item())

    def point(self, number: int) -> dict[str, float]:
        """The middle of all points that mean a design while none is taken: `land(point(number)) == number`.

        Raises:
            InputError: the design is none of these.
        """
        places = np.flatnonzero(self.numbers == number)
        if not len(places):
            raise InputError(f"design: {number}: does not keep the bounds")
        place, low, high, found = int(places.item()), 0, len(self), {}
        for name, column in self.coordinates.items():
            edges = low + _edges(column[low:high])
            at = int(np.searchsorted(edges, place, "right")) - 1
            found[name] = (at + 0.5) / (len(edges) - 1)
            low, high = int(edges[at]), int(edges[at + 1])
        return found


def _edges(values: Ints) -> Ints:
    """Where each run of equal values begins, and the end of the last."""
    return np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1, [len(values)]))


class _Words:
    """What makes a space's designs, as numbers: of a frame's words their places among those that the space has."""

    def __init__(self, space: Space) -> None:
        frames = [part.frame for part in space.parts]
        self.words = {word: list(dict.fromkeys(getattr(f, word) for f in frames)) for word in Frame._fields}
        blocks = range(1, max(len(frame.dilations) for frame in frames) + 1)
        scale = ("n", "stem_width", "in_channels", "num_classes")
        per_block = (f"{name}{block}" for name in ("depth", "stacks", "widths") for block in blocks)
        self.names = (*self.words, *scale, *per_block)

    def columns(self, survivors: Survivors) -> dict[str, Ints]:
        """For each name a value per survivor; 0 where a frame has no such block."""
        found, frame = survivors.words(), survivors.part.frame
        for word, values in self.words.items():
            found[word] = np.full(len(survivors.numbers), values.index(getattr(frame, word)))
        none = np.zeros(len(survivors.numbers), np.int64)
        return {name: found.get(name, none) for name in self.names}
