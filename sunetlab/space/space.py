"""Factors → the set of designs: numbered, counted, and looked at in pieces; nothing is kept for each design.

A space is what all networks share and what varies: every combination of the factors' levels, each design once. What
cannot be built is counted by reason: what is wrong with a whole combination of levels when the space is made, what is
wrong with single designs when they are looked at.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from sunetlab import rules
from sunetlab.analysis.plan import Size
from sunetlab.errors import InputError
from sunetlab.files import shown
from sunetlab.space.arrays.designs import Frame, Ints
from sunetlab.space.build import Builder
from sunetlab.space.factors import count_levels, parse_factors
from sunetlab.space.parts import Mask, Part, Piece
from sunetlab.spec import MOST_MODULES, SUNetSpec, Words

PIECE = 2**15  # designs looked at together: their arrays stay in a processor's cache
MOST = 10**13  # designs, which a week is not enough for


class Space:
    """Every combination of factors, each design once.

    Attributes:
        network: the words that all designs share.
        factors: for each word that varies, its levels.
        size: (height, width) of the input that costs are counted for; None is each stem's design size.
        parts: where the designs are.
        impossible: combinations that make no network, by reason.
    """

    def __init__(self, network: Mapping[str, Any], factors: Mapping[str, Any], size: Size | None = None) -> None:
        """Lay out the space.

        Raises:
            InputError: a factor that is no word of a network, that is shared as well, or whose levels are malformed;
                a level with which no combination is a network; a space with no design.
        """
        for name in factors:
            if name in network:
                raise InputError(f"factors: {name}: stands in [network] as well; it is one or the other")
        for name in network:
            if name not in Words.model_fields:
                raise InputError(f"network: {name}: no word of a network; known are {', '.join(Words.model_fields)}")
        self.network, self.size = dict(network), size
        self.factors = parse_factors(factors)
        shared = {name: _single(name, value) for name, value in network.items()}
        defaults: dict[str, tuple[Any, ...]] = {name: (f.default,) for name, f in Words.model_fields.items()}
        defaults["stacks"] = parse_factors({"stacks": [list(defaults["stacks"][0])]})["stacks"]
        self.levels = defaults | shared | self.factors
        self._refuse_too_many()
        self.impossible: Counter[str] = Counter()
        self.parts = tuple(Builder(self).build())

    def _refuse_too_many(self) -> None:
        if self.combinations > MOST:
            raise InputError(f"factors: {self.combinations:.3g} combinations: at most {MOST:.0e} can be looked at")
        for level in self.levels["stacks"]:
            most = max(max(entry.numbers) for entry in level.entries)
            if most > MOST_MODULES:
                raise InputError(f"factors: stacks: {shown(str(level))}: at most {MOST_MODULES} modules in all")

    @property
    def combinations(self) -> int:
        """How many there are of all factors' levels."""
        return prod(count_levels(levels) for levels in self.levels.values())

    @cached_property
    def ends(self) -> Ints:
        """For each part the number of the first design after it."""
        return np.cumsum([part.size for part in self.parts])

    def __len__(self) -> int:
        """Designs that have a number; some of them may be impossible still (`Part.refused`)."""
        return int(self.ends[-1])

    def pieces(self, most: int = PIECE) -> Iterator[tuple[Part, Piece, int]]:
        """All designs, in pieces of at most so many, each with its part and the number of that one's first design."""
        for part, end in zip(self.parts, self.ends, strict=True):
            for piece in part.pieces(most):
                yield part, piece, int(end) - part.size

    def spec(self, number: int) -> SUNetSpec:
        """The design with a number.

        Raises:
            InputError: no such number, or an impossible design.
        """
        if not 0 <= number < len(self):
            raise InputError(f"design: {number}: the space has designs 0 to {len(self) - 1:,}")
        part, index = self.place(number)
        designs = part.at(np.array([index]))
        for reason, refused in part.refused(designs, np.array([index // part.scale.size])):
            if refused.any():
                raise InputError(f"design: {number}: {reason}")
        return designs.spec(0)

    def levels_of(self, number: int) -> dict[str, Any]:
        """What each factor's level is called of the design with a number: a plain value, "2,4,4,1" for a list."""
        part, index = self.place(number)
        frame = part.frame._asdict() | {
            "dilations": shown(part.frame.dilations),
            "output_stride": part.frame.output_stride,
        }
        names = frame | part.names(index)
        return {factor: names[factor] for factor in self.factors}

    def place(self, number: int) -> tuple[Part, int]:
        """The part that a design is in, and its number there."""
        at = int(np.searchsorted(self.ends, number, "right"))
        return self.parts[at], number - int(self.ends[at]) + self.parts[at].size

    def size_of(self, frame: Frame) -> Size:
        """(height, width) of the input for designs of a frame."""
        return self.size or (rules.STEMS[frame.stem].design_side,) * 2


def refused_at_all(part: Part, piece: Piece) -> tuple[Mask | None, Counter[str]]:
    """Which designs of a piece are none, in its shape (None: all are some), and how many for which reason."""
    refused, reasons = None, Counter[str]()
    for reason, mask in part.refused(piece.designs, piece.rows):
        whole = np.broadcast_to(mask, piece.shape)
        fresh = whole if refused is None else whole & ~refused
        count = int(np.count_nonzero(fresh))
        if count:
            reasons[reason] += count
            refused = whole if refused is None else refused | whole
    return refused, reasons


def _single(name: str, value: Any) -> tuple[Any, ...]:
    """The one level of a word that all designs share."""
    levels = parse_factors({name: [value]})[name]
    if count_levels(levels) > 1:
        raise InputError(f"network: {name}: {shown(value)}: is shared by all designs; what varies stands in factors")
    return levels
