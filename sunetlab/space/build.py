"""Levels of factors → the parts of a space; combinations that make no network are counted by reason."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from sunetlab import rules
from sunetlab.analysis.plan import plan
from sunetlab.errors import InputError
from sunetlab.files import shown
from sunetlab.space.arrays.designs import Frame, frame_of
from sunetlab.space.factors import Product, Scaled, count_levels
from sunetlab.space.parts import TWIN, Numbers, Part, Scale, Tuples, Widths
from sunetlab.spec import DEFAULT_CLASSES, SUNetSpec, Task

if TYPE_CHECKING:
    from sunetlab.space.space import Space

MOST_FRAMES = 100_000  # combinations of dilations
_OF_FRAME = ("stem", "dilations", "output_stride", "downsampling", "connectivity", "degrid", "task")
_OF_SCALE = ("n", "stem_width", "in_channels", "num_classes")
_DEEPEST = 8
_TOO_DEEP = "depth: a level's map below 3 pixels at the design size"


class Builder:
    """Levels → parts; what is left out is counted in the space."""

    def __init__(self, space: "Space") -> None:
        self.space, self.levels = space, space.levels
        self.barren = {
            (name, str(level)): "no combination has it" for name, levels in space.factors.items() for level in levels
        }
        self.seen: set[Frame] = set()

    def build(self) -> list[Part]:
        """The parts of the space.

        Raises:
            InputError: there is none, or a level with which no combination is a network.
        """
        self._check_numbers()
        counts = sorted({len(level.entries) for level in self.levels["stacks"]})
        parts = [part for frame in self._choices() for blocks in counts for part in self._of_frame(*frame, blocks)]
        impossible = self.space.impossible
        if not parts:
            reason, count = impossible.most_common(1)[0]
            raise InputError(f"factors: no design is left of {impossible.total():,}: {count:,} refused by {reason}")
        for (name, level), reason in self.barren.items():  # more likely a slip than a wish
            raise InputError(f"factors: {name}: {level}: no combination with it is a network: {reason}")
        return parts

    def _check_numbers(self) -> None:
        for name in (*_OF_SCALE, "depth"):
            for level in _telling(self.levels[name]):
                try:
                    SUNetSpec.make(**{"widths": (4,), "stacks": (1,), name: level})
                except InputError as error:
                    where = "factors" if name in self.space.factors else "network"
                    raise InputError(f"{where}: {error}") from None
            if name != "depth":
                self.barren = {at: reason for at, reason in self.barren.items() if at[0] != name}

    def _choices(self) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
        """Every combination of what makes a frame: its words, and what their levels are called."""
        axes = [[(level, str(level)) for level in self.levels[name]] for name in _OF_FRAME]
        axes[_OF_FRAME.index("dilations")] = [
            (row, str(level)) for level in self.levels["dilations"] for row in self._dilations(level)
        ]
        for combination in itertools.product(*axes):
            words = {name: value for name, (value, _) in zip(_OF_FRAME, combination, strict=True) if value is not None}
            yield words, {name: called for name, (_, called) in zip(_OF_FRAME, combination, strict=True)}

    def _dilations(self, level: Product | None) -> list[tuple[int, ...] | None]:
        """The rows of a level that never fall; the others are counted."""
        if level is None:
            return [None]
        if level.size > MOST_FRAMES:
            raise InputError(f"factors: dilations: {shown(str(level))}: at most {MOST_FRAMES:,} combinations")
        rows = list(itertools.product(*(entry.numbers for entry in level.entries)))
        rising = [row for row in rows if list(row) == sorted(row)]
        count = (len(rows) - len(rising)) * self.space.combinations // count_levels(self.levels["dilations"])
        self._refuse("dilations: must never fall from block to block", count, {"dilations": str(level)})
        return [*rising]

    def _of_frame(self, words: Mapping[str, Any], named: Mapping[str, str], blocks: int) -> Iterator[Part]:
        levels = self.levels
        stacks = [level for level in levels["stacks"] if len(level.entries) == blocks]
        numbers = prod(count_levels(levels[name]) for name in _OF_SCALE)
        count = count_levels(stacks) * count_levels(levels["depth"]) * count_levels(levels["widths"]) * numbers
        try:
            frame = self._frame(words, blocks)
        except InputError as error:
            self._refuse(str(error), count, named)
            return
        scale = self._scale(frame.task)
        alike = frame if max(frame.dilations) > 1 else frame._replace(downsampling="multigrid")
        if alike in self.seen:
            self._refuse(TWIN, count)
            self._fruitful(named)
            return
        self.seen.add(alike)
        each = count_levels(stacks) * count_levels(levels["widths"]) * scale.size
        depths = self._depths(blocks, frame.stem, each)
        each = count_levels(stacks) * sum(group.size for group in depths) * scale.size
        widths = self._widths(blocks, each)
        groups = list(_stacks(stacks))
        if depths and widths:
            self._fruitful(named)
            for level in stacks:
                self._fruitful({"stacks": str(level)})
        for (i, s), (j, d), (k, w) in itertools.product(enumerate(groups), enumerate(depths), enumerate(widths)):
            yield Part(frame, s, d, w, scale, (tuple(groups[:i]), tuple(depths[:j]), tuple(widths[:k])))

    def _frame(self, words: Mapping[str, Any], blocks: int) -> Frame:
        """The frame that words make.

        Raises:
            InputError: they make none, or an input too small for it.
        """
        spec = SUNetSpec.make(depth=1, n=1, stacks=(1,) * blocks, widths=range(129, 129 + blocks), **words)
        frame = frame_of(spec)
        plan(spec, self.space.size_of(frame))
        return frame

    def _scale(self, task: Task) -> Scale:
        classes = [DEFAULT_CLASSES[task] if level is None else level for level in self.levels["num_classes"]]
        choices = (*(self.levels[name] for name in _OF_SCALE[:-1]), classes)
        return Scale(Numbers(*(np.array(choice, np.int64) for choice in choices)))

    def _depths(self, blocks: int, stem: str, each: int) -> list[Tuples]:
        """Depths by one number are trimmed; by hand they are as said; in ranges they end where maps get too small."""
        limit = rules.trimmed_depths(_DEEPEST, blocks, stem)
        rows: dict[tuple[int, ...], Any] = {}
        products: list[Tuples] = []
        for level in self.levels["depth"]:
            named = {"depth": str(level)}
            if not self._fits("depth", level, blocks, each):
                continue
            if isinstance(level, Product) and max(max(entry.numbers) for entry in level.entries) > _DEEPEST:
                raise InputError(f"factors: depth: {shown(str(level))}: at most {_DEEPEST} levels")
            if isinstance(level, Product) and level.size > 1:
                kept = [
                    [number for number in entry.numbers if number <= most or len(entry.numbers) == 1]
                    for entry, most in zip(level.entries, limit, strict=True)
                ]
                self._refuse(_TOO_DEEP, (level.size - prod(map(len, kept))) * each, named)
                if not all(kept):
                    continue
                products.append(Tuples(kept))
            else:
                by_hand = isinstance(level, Product)
                row = level.first if by_hand else rules.trimmed_depths(level, blocks, stem)
                if row in rows:
                    self._refuse(TWIN, each)
                else:
                    rows[row] = shown(row) if by_hand else level
            self._fruitful(named)
        return [*([Tuples.of(rows)] if rows else []), *products]

    def _widths(self, blocks: int, each: int) -> list[Widths]:
        found: list[Widths] = []
        rows: dict[tuple[bool, ...], dict[tuple[int, ...], str]] = {}
        for level in self.levels["widths"]:
            named = {"widths": str(level)}
            if not self._fits("widths", level, blocks, each):
                continue
            if isinstance(level, Product):
                times_n = tuple(entry.times_n for entry in level.entries)
                if level.size == 1:
                    rows.setdefault(times_n, {})[level.first] = str(level)
                else:
                    choices = Tuples([entry.numbers for entry in level.entries])
                    found.append(Widths("", choices, times_n))
            else:
                found.append(_by_rule(level))
            self._fruitful(named)
        return found + [Widths("", Tuples.of(listed), times_n) for times_n, listed in rows.items()]

    def _fits(self, name: str, level: Any, blocks: int, each: int) -> bool:
        """Whether a level, where it has an entry for each block, has as many as there are; else it is counted."""
        entries = len(level.entries) if isinstance(level, Product) else blocks
        if entries != blocks:
            reason = f"{name}: {level}: has {entries} entries, but stacks have {blocks}: one per block"
            self._refuse(reason, level.size * each, {name: str(level)})
        return entries == blocks

    def _refuse(self, reason: str, count: int, named: Mapping[str, str] | None = None) -> None:
        if count:
            self.space.impossible[reason] += count
            for at in (named or {}).items():
                if at in self.barren:
                    self.barren[at] = reason

    def _fruitful(self, named: Mapping[str, str]) -> None:
        for at in named.items():
            self.barren.pop(at, None)


def _stacks(levels: Sequence[Product]) -> Iterator[Tuples]:
    single = {level.first: shown(level.first) for level in levels if level.size == 1}
    if single:
        yield Tuples.of(single)
    for level in levels:
        if level.size > 1:
            yield Tuples([entry.numbers for entry in level.entries])


def _by_rule(level: Any) -> Widths:
    if isinstance(level, Scaled):
        return Widths("rule", Tuples([level.numbers]), under=level.under)
    if level not in ("auto", "table", "rule"):
        known = "auto, table, rule, rule*0.5, or a number for each block"
        raise InputError(f"factors: widths: {shown(level)}: must be {known}")
    return Widths(level)


def _telling(levels: Sequence[Any]) -> list[Any]:
    """Of single levels those that are checked for all: the least and the largest number, an odd one, what is none."""
    single = [level for level in levels if not isinstance(level, Product)]
    numbers = [level for level in single if type(level) is int]
    odd = next((number for number in numbers if number % 2), None)
    others = [level for level in single if type(level) is not int]
    return [*others, *({min(numbers), max(numbers)} if numbers else ()), *([] if odd is None else [odd])]
