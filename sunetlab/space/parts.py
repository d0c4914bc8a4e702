"""A part of a space: one frame, and products of what its designs may have; a design is a number → its arrays.

A part's designs are counted through geometry (stacks, depths, widths), and within each geometry through scale (maps
inside, of the stem, of the image, of the result). They stand along two axes of the arrays, so that what reads one of
them only is worked out once for all of the other; the longer one is last, which numpy is quickest with.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, reduce
from itertools import accumulate
from math import prod
from operator import and_, or_
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunetlab import rules
from sunetlab.files import shown
from sunetlab.space.arrays.designs import Designs, Frame, Ints
from sunetlab.space.factors import multiplier
from sunetlab.spec import MOST_MODULES

Mask = NDArray[np.bool_]
MOST_MAPS = 2**20  # of a width, as `spec.Count` has it
_LISTED = 2**16  # rows that are written out rather than worked out

TWIN = "making the same network as an earlier combination"
NOT_IN_TABLE = "widths: table: Table 1 has no such stacks"
TOO_DENSE = "widths: too little growth for dense connectivity: each module must add at least one map"
TOO_MANY = f"stacks: more than {MOST_MODULES} modules in all"
TOO_WIDE = f"widths: more than {MOST_MAPS:,} maps"


def places(index: Ints, lengths: Sequence[int]) -> list[Ints]:
    """Places along each axis of an array, the last one running fastest, by places in all of it.

    `np.unravel_index` gives wrong places for more than 8,192 of them in a column (numpy issue 31980).
    """
    found = []
    for length in reversed(lengths):
        if length == 1:
            found.append(np.zeros((1,) * index.ndim, np.int64))
            continue
        before = index // length
        found.append(index - before * length)
        index = before
    return found[::-1]


class Tuples:
    """One number per block: all combinations of what each block may have, or a list of combinations."""

    def __init__(self, choices: Sequence[Sequence[int]], called: Sequence[Any] | None = None) -> None:
        """All combinations of `choices`, one sequence per block.

        With `called`, what each is called, only those of the first entries, of the second ones, and so on.
        """
        self.choices = [np.array(choice, np.int64) for choice in choices]
        self.called = called
        self.lengths = tuple(len(choice) for choice in choices)
        self.size = prod(self.lengths) if called is None else len(called)

    @classmethod
    def of(cls, rows: Mapping[tuple[int, ...], Any]) -> "Tuples":
        """A list of combinations, with what each is called."""
        return cls(list(zip(*rows, strict=True)), list(rows.values()))

    def name(self, index: int) -> Any:
        """What a combination is called: a list of numbers as "2,4,4,1"."""
        if self.called is not None:
            return self.called[index]
        return shown([int(column.item()) for column in self.columns(np.array(index))])

    def columns(self, index: Ints) -> tuple[Ints, ...]:
        """The numbers of each block, for combinations by their place."""
        if self._written is not None:
            one = (1,) * index.ndim  # a column that never changes stays a single number
            return tuple(column[index] if column.size > 1 else column.reshape(one) for column in self._written)
        return self._worked_out(index)

    @cached_property
    def _written(self) -> tuple[Ints, ...] | None:
        if self.called is not None:
            return tuple(self.choices)
        return self._worked_out(np.arange(self.size)) if self.size <= _LISTED else None

    def _worked_out(self, index: Ints) -> tuple[Ints, ...]:
        return tuple(choice[place] for choice, place in zip(self.choices, places(index, self.lengths), strict=True))

    def holds(self, columns: Sequence[Ints]) -> Mask:
        """Which of some combinations are among these."""
        if self.called is not None:
            rows = zip(*self.choices, strict=True)
            return reduce(or_, (reduce(and_, map(np.equal, columns, row)) for row in rows))
        return reduce(and_, map(np.isin, columns, self.choices))


class Widths(NamedTuple):
    """Maps at the end of each block: by a rule of their own, or a number for each.

    Attributes:
        rule: "auto", "table", "rule", or "" for numbers.
        numbers: of each block; of a rule a single column, of what its maps are multiplied by (see `under`).
        times_n: which blocks' numbers are multiples of N.
        under: denominator of a rule's multipliers; its maps are rounded to the nearest whole number, halves up.
    """

    rule: str
    numbers: Tuples = Tuples(((1,),))
    times_n: tuple[bool, ...] = ()
    under: int = 1

    def maps(self, index: Ints, n: Ints, stacks: Sequence[Ints]) -> tuple[Ints, ...]:
        """The widths of designs; `index` says which of the numbers, all in shapes that broadcast."""
        if not self.rule:
            columns = zip(self.numbers.columns(index), self.times_n, strict=True)
            return tuple(column * n if times else column for column, times in columns)
        multiples = [2 * ((modules + 2) // 2) for modules in accumulate(stacks)]
        if self.rule != "rule":
            multiples = _tabled(stacks, multiples)
        widths = [multiple * n for multiple in multiples]
        (over,) = self.numbers.columns(index)
        if over.size > 1 or over.item() != self.under:
            widths = [np.maximum(1, (2 * over * width + self.under) // (2 * self.under)) for width in widths]
        return tuple(widths)

    def holds(self, widths: Sequence[Ints], n: Ints, stacks: Sequence[Ints]) -> Mask:
        """Which of some widths these are, or are among these."""
        if self.rule:
            maps = (self.maps(np.full((1,) * n.ndim, index), n, stacks) for index in range(self.numbers.size))
            same = reduce(or_, (reduce(and_, map(np.equal, widths, each)) for each in maps))
            return same & _in_table(stacks) if self.rule == "table" else same
        found = []
        for width, choice, times in zip(widths, self.numbers.choices, self.times_n, strict=True):
            found.append((width % n == 0) & np.isin(width // n, choice) if times else np.isin(width, choice))
        return reduce(and_, found)


def _in_table(stacks: Sequence[Ints]) -> Mask:
    """Which stacks Table 1 has."""
    rows = [row for row in rules.TABLE1_MULTIPLES if len(row) == len(stacks)]
    found = (reduce(and_, map(np.equal, stacks, row)) for row in rows)
    return reduce(or_, found, np.zeros((), np.bool_))


def _tabled(stacks: Sequence[Ints], multiples: Sequence[Ints]) -> list[Ints]:
    """Multiples of N by Table 1 for the stacks that it has, else those given."""
    found = list(multiples)
    for row, tabled in rules.TABLE1_MULTIPLES.items():
        if len(row) == len(stacks):
            here = reduce(and_, map(np.equal, stacks, row))
            found = [np.where(here, new, old) for new, old in zip(tabled, found, strict=True)]
    return found


class Numbers(NamedTuple):
    """Numbers that are one for a network; arrays that broadcast together."""

    n: Ints
    stem_width: Ints
    in_channels: Ints
    num_classes: Ints


class Scale:
    """All combinations of what the numbers of a network may be."""

    def __init__(self, choices: Numbers) -> None:
        """What each may be, an array (choices,)."""
        self.choices = choices
        self.lengths = tuple(choice.size for choice in choices)
        self.size = prod(self.lengths)

    def at(self, index: Ints) -> Numbers:
        """Combinations by their places, in the shape of these; a number that never changes is a single one."""
        columns = zip(self.choices, places(index, self.lengths), strict=True)
        return Numbers(*(choice[place] for choice, place in columns))

    def largest(self) -> Numbers:
        """The largest of each, (1,)."""
        return Numbers(*(choice.max(keepdims=True) for choice in self.choices))


class Piece(NamedTuple):
    """Designs of a part: consecutive geometries times consecutive scales, along two axes.

    Attributes:
        designs: their arrays.
        rows: their geometries' numbers, in a shape that broadcasts.
        shape: of all of them together.
        geometry, scale: the first of each.
        scales: of the whole part.
        axis: along which geometry stands.
    """

    designs: Designs
    rows: Ints
    shape: tuple[int, int]
    geometry: int
    scale: int
    scales: int
    axis: int

    @property
    def size(self) -> int:
        """How many there are."""
        return prod(self.shape)

    def numbers(self, picked: Ints) -> Ints:
        """The numbers, in the part, of some of them, by their places in C order."""
        along = np.divmod(picked, self.shape[1])
        return (self.geometry + along[self.axis]) * self.scales + self.scale + along[1 - self.axis]


class Part(NamedTuple):
    """All designs of one frame whose stacks, depths and widths are from one group each.

    Attributes:
        frame: which they share.
        stacks, depth, widths: their groups.
        scale: their numbers.
        earlier: groups of stacks, of depths and of widths before these in the space: what those hold is theirs.
    """

    frame: Frame
    stacks: Tuples
    depth: Tuples
    widths: Widths
    scale: Scale
    earlier: tuple[tuple[Tuples, ...], tuple[Tuples, ...], tuple[Widths, ...]] = ((), (), ())

    @property
    def shape(self) -> tuple[int, int]:
        """(geometries, scales)."""
        return prod(self._groups), self.scale.size

    @property
    def size(self) -> int:
        """How many designs there are, impossible ones among them."""
        return prod(self.shape)

    def pieces(self, most: int) -> Iterator[Piece]:
        """All designs, at most so many at once."""
        geometries, scales = self.shape
        axis = int(geometries >= scales)
        across = min(scales, most)
        down = max(1, most // across)
        for top in range(0, geometries, down):
            rows = np.expand_dims(np.arange(top, min(top + down, geometries)), 1 - axis)
            for left in range(0, scales, across):
                columns = np.expand_dims(np.arange(left, min(left + across, scales)), axis)
                shape = (rows.size, columns.size) if axis == 0 else (columns.size, rows.size)
                yield Piece(self._designs(rows, self.scale.at(columns)), rows, shape, top, left, scales, axis)

    def at(self, numbers: Ints) -> Designs:
        """The designs with these numbers, along a single axis."""
        rows, columns = np.divmod(numbers, self.scale.size)
        return self._designs(rows, self.scale.at(columns))

    def names(self, number: int) -> dict[str, Any]:
        """What the levels of one design are called, of those that its frame does not say."""
        row, column = divmod(number, self.scale.size)
        at = (int(place.item()) for place in places(np.array(row), self._groups))
        of_stacks, of_depth, of_widths = at
        names = {"stacks": self.stacks.name(of_stacks), "depth": self.depth.name(of_depth)}
        if self.widths.rule:
            over, under = int(self.widths.numbers.choices[0][of_widths]), self.widths.under
            names["widths"] = self.widths.rule + (f"*{multiplier(over, under)}" if over != under else "")
        else:
            names["widths"] = shown([int(width.item()) for width in self.at(np.array([number])).widths])
        return names | {name: value.item() for name, value in self.scale.at(np.array(column))._asdict().items()}

    @property
    def _groups(self) -> tuple[int, int, int]:
        return self.stacks.size, self.depth.size, self.widths.numbers.size

    def _designs(self, rows: Ints, numbers: Numbers) -> Designs:
        of_stacks, of_depth, of_widths = places(rows, self._groups)
        stacks, depth = self.stacks.columns(of_stacks), self.depth.columns(of_depth)
        return Designs(self.frame, *numbers, depth, stacks, self.widths.maps(of_widths, numbers.n, stacks))

    def corner(self) -> Designs:
        """A design that is in nothing smaller than any of the part's."""
        scale = self.scale.largest()
        stacks = tuple(choice.max(keepdims=True) for choice in self.stacks.choices)
        depth = tuple(choice.max(keepdims=True) for choice in self.depth.choices)
        if self.widths.rule:
            tabled = [max(row) for row in rules.TABLE1_MULTIPLES.values()] if self.widths.rule != "rule" else []
            largest = np.argmax(self.widths.numbers.choices[0], keepdims=True)
            widths = self.widths._replace(rule="rule").maps(largest, scale.n, stacks)
            widths = tuple(np.maximum(width, max(tabled, default=0) * scale.n) for width in widths)
        else:
            numbers = zip(self.widths.numbers.choices, self.widths.times_n, strict=True)
            widths = tuple(choice.max(keepdims=True) * (scale.n if times else 1) for choice, times in numbers)
        return Designs(self.frame, *scale, depth, stacks, widths)

    def refused(self, designs: Designs, rows: Ints) -> Iterator[tuple[str, Mask]]:
        """Why some designs are none, and which: a design may be refused for several reasons, the first counts.

        `rows` are the designs' geometries, in a shape that broadcasts to theirs.
        """
        if self.widths.rule == "table":
            yield NOT_IN_TABLE, ~_in_table(designs.stacks)
        if sum(int(choice.max()) for choice in self.stacks.choices) > MOST_MODULES:
            yield TOO_MANY, reduce(np.add, designs.stacks) > MOST_MODULES
        if max(int(width.max()) for width in designs.widths) > MOST_MAPS:
            yield TOO_WIDE, reduce(or_, (width > MOST_MAPS for width in designs.widths))
        if self.frame.connectivity == "dense":
            entries = (designs.stem_width, *designs.widths)
            growths = map(np.subtract, designs.widths, entries)
            yield TOO_DENSE, reduce(or_, map(np.less, growths, designs.stacks))
        twins = [
            *(group.holds(designs.stacks) for group in self.earlier[0]),
            *(group.holds(designs.depth) for group in self.earlier[1]),
            *(group.holds(designs.widths, designs.n, designs.stacks) for group in self.earlier[2]),
        ]
        if self.widths.rule and self.widths.numbers.size > 1:  # two multipliers may be rounded to the same maps
            of_widths = places(rows, self._groups)[2]
            before = self.widths.maps(np.maximum(of_widths - 1, 0), designs.n, designs.stacks)
            twins.append((of_widths > 0) & reduce(and_, map(np.equal, designs.widths, before)))
        if twins:
            yield TWIN, reduce(or_, twins)
