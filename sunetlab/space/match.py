"""Families at equal cost: for each level of what varies, the designs whose costs are nearest to a network's.

The search is exact: every whole number, or combination of them, that the solved word may have is looked at, by the
formulas of a space. Where no range is given it grows until whatever lies beyond costs so much that it cannot be nearer.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, prod
from typing import Any, NamedTuple, cast

import numpy as np

from sunetlab.analysis.plan import Size
from sunetlab.analysis.report import analyze
from sunetlab.errors import InputError
from sunetlab.files import shown
from sunetlab.space.arrays.designs import Ints
from sunetlab.space.arrays.quantities import values
from sunetlab.space.arrays.view import PLAIN, Subject, Training
from sunetlab.space.factors import Product, Scaled, parse_factors
from sunetlab.space.pick import Design, design, nothing_left, where_of
from sunetlab.space.screen import Screen, Survivors, Watch, figures
from sunetlab.space.space import Space
from sunetlab.spec import SUNetSpec

SOLVABLE = ("stacks", "n", "widths")
COSTS = ("params", "macs", "activations", "memory")
SHOWN = ("params", "macs", "activations", "memory", "fov", "layers")  # what is told of every arm
_COSTLIEST = 2**53  # of anything
_MOST_ARMS = 1000  # levels, each a search of its own
_MOST = 2**31  # designs of a range that is given
_GROWN, _IN_VAIN = 2**28, 2**24  # of one that grows: at most so many, and so many where none keeps the filter
_FURTHEST = {"n": 2**17, "stacks": 4000, "widths": 1000}  # where a range stops growing


class Hold(NamedTuple):
    """A quantity to be held, what it is to be, and by which part of that it may differ."""

    name: str
    target: int
    tolerance: float


class Arm(NamedTuple):
    """A design beside the network that it is matched to.

    Attributes:
        level: of what varies: word → value.
        number: of the design in its level's space.
        design: its spec, and its levels.
        values: quantities by name.
        mismatch: for each held quantity (its value − the target) / the target.
        within: whether every mismatch is at most the tolerance.
    """

    level: dict[str, Any]
    design: Design
    values: dict[str, int]
    mismatch: dict[str, float]
    within: bool


class Family(NamedTuple):
    """What `match` found.

    Attributes:
        holds: what was held.
        reference: quantities of the network that is matched to.
        arms: for each level its nearest designs, the nearest first; none where it has no design.
        missing: of each level without one, why.
        cut: of each level for which not all that could be nearer was looked at, what was.
        looked_at: how many designs were.
    """

    holds: tuple[Hold, ...]
    reference: dict[str, int]
    arms: tuple[tuple[Arm, ...], ...]
    missing: tuple[str, ...]
    cut: tuple[str, ...]
    looked_at: int


class Question(NamedTuple):
    """What is to be matched.

    Attributes:
        network: whose costs are held.
        words: what all designs share, in words; what varies and what is solved for does not stand among them.
        levels: what varies: each a word → its value, or several.
        hold: quantity → tolerance, a part of the network's value.
        solve: "stacks", "n" or "widths".
        among: the numbers that it may be, as in `factors.py`; None for all that cost no more than is asked for.
        where: a filter on the designs, such as "block4_modules<=2".
        size: (height, width) of the images.
        training: for activations and memory.
        most: how many designs of each level.
        times: what is held is so many times the network's.
    """

    network: SUNetSpec
    words: Mapping[str, Any]
    levels: Sequence[Mapping[str, Any]]
    hold: Mapping[str, float]
    solve: str
    among: str | None = None
    where: str | None = None
    size: Size | None = None
    training: Training = PLAIN
    most: int = 1
    times: float = 1.0


def match(asked: Question, watch: Watch | None = None) -> Family:
    """The designs of every level whose held quantities are nearest to the network's, relative to the tolerances.

    Raises:
        InputError: a word that cannot be solved for or a quantity that cannot be held; no level has a design.
    """
    _check(asked)
    report = analyze(asked.network, asked.size, asked.training.batch)
    reference = values(Subject(report, asked.training.setting), dict.fromkeys((*asked.hold, *SHOWN)))
    holds = tuple(_hold(asked, name, reference[name]) for name in asked.hold)
    searches = [_Search(asked, dict(level), holds) for level in asked.levels]
    done, arms = 0, []
    missing: list[str] = []
    cut: list[str] = []
    for index, search in enumerate(searches):
        others = sum(len(later.space) for later in searches[index + 1 :])
        for looked_at, total in search.run():
            if watch is not None:
                watch(done + looked_at, done + total + others)
        done += search.looked_at
        if search.cut:
            cut.append(f"{_named(search.level)}: {search.cut}")
        if not len(search.nearest.numbers):
            missing.append(f"{_named(search.level)}: {nothing_left(search.funnel).removeprefix('factors: ')}")
        arms.append(tuple(_arm(asked, search, int(number)) for number in search.nearest.numbers))
    if not any(arms):
        where = f", among {cut[0].partition(': ')[2]}; give --solve a range to look further" if cut else ""
        raise InputError(f"vary: {missing[0]}{where}")
    return Family(holds, reference, tuple(arms), tuple(missing), tuple(cut), done)


class _Search:
    """The designs of one level: those of a range that is given, or of one that grows until nothing nearer can come."""

    def __init__(self, asked: Question, level: dict[str, Any], holds: tuple[Hold, ...]) -> None:
        self.asked, self.level, self.holds = asked, level, holds
        self.words = {**{name: value for name, value in asked.words.items() if name != asked.solve}, **level}
        self.ends = [] if asked.among is not None else self._first_ends()
        self.space = self._space()
        self.nearest, self.looked_at = Nearest(holds, asked.most), 0
        self.cut = ""  # the range, where it stopped growing too early

    def run(self) -> Iterator[tuple[int, int]]:
        """Look; (designs looked at, of how many) as it goes."""
        while True:
            screen = Screen(
                self.space, where_of(self.space, self.asked.where), tuple(self.asked.hold), self.asked.training
            )
            self.nearest, self.funnel = Nearest(self.holds, self.asked.most), screen.funnel
            before = self.looked_at
            for survivors in screen.run():
                self.nearest.take(survivors)
                yield before + screen.funnel.looked_at, before + len(self.space)
            self.looked_at = before + screen.funnel.looked_at
            if not self._grow():
                return

    def _grow(self) -> bool:
        """Make the range larger if it may end too early: what lies beyond is at least as far away as its ends."""
        found = len(self.nearest.numbers)
        farthest = self.nearest.distances[-1] if found == self.asked.most else np.inf
        open_ = [j for j, end in enumerate(self.ends) if self._distance(j, end) < farthest]
        room, ends = _GROWN if found else _IN_VAIN, list(self.ends)
        for j in sorted(open_, key=ends.__getitem__):  # the shortest first
            larger = min(2 * ends[j], _FURTHEST[self.asked.solve])
            if prod(ends) // ends[j] * larger <= room:
                ends[j] = larger
        if ends == self.ends:
            self.cut = f"{self.asked.solve}={self._range()}" if open_ else ""
            return False
        self.ends = ends
        self.space = self._space()
        return True

    def _space(self) -> Space:
        space = Space(self.words, {self.asked.solve: self.asked.among or self._range()}, self.asked.size)
        if len(space) > _MOST:
            raise InputError(f"solve: {len(space):,} designs to look at: at most {_MOST:,}; give a range")
        return space

    def _range(self) -> Any:
        if self.asked.solve == "stacks":
            return "x".join(f"1..{end}" for end in self.ends)
        return f"1..{self.ends[0]}" if self.asked.solve == "n" else f"rule*0.01..{self.ends[0]}:0.01"

    def _first_ends(self) -> list[int]:
        """For each block, or the network, the smallest number with which everything held is beyond its tolerance."""
        return [self._furthest(j) for j in range(len(self.asked.network.stacks) if self.asked.solve == "stacks" else 1)]

    def _furthest(self, block: int) -> int:
        low, high, most = 0, 1, _FURTHEST[self.asked.solve]
        while high < most and not self._beyond(block, high):
            low, high = high, min(2 * high, most)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._beyond(block, middle) else (middle, high)
        return high

    def _beyond(self, block: int, number: int) -> bool:
        found = self._costs(block, number)
        return all(found[hold.name] > hold.target * (1 + hold.tolerance) for hold in self.holds)

    def _distance(self, block: int, number: int) -> float:
        """How far the end of a range is from the targets: 0 where what lies beyond it may be nearer."""
        return float(distance(self._costs(block, number), self.holds)) if self._beyond(block, number) else 0.0

    def _costs(self, block: int, number: int) -> dict[str, int]:
        """Of a design with this number, all else at its least, by formulas: they count what is refused as well."""
        blocks = range(len(self.asked.network.stacks))
        said = {
            "n": number,
            "widths": f"rule*{number}",
            "stacks": [number if j == block else 1 for j in blocks],
        }[self.asked.solve]
        space = Space({**self.words, self.asked.solve: said}, {}, self.asked.size)
        names = [hold.name for hold in self.holds]
        return cast(dict[str, int], figures(space, np.zeros(1, np.int64), names, self.asked.training)[0])


class Nearest:
    """The few designs whose held quantities are nearest to their targets; of equals those with the lowest numbers."""

    def __init__(self, holds: Sequence[Hold], count: int) -> None:
        self.holds, self.count = holds, count
        self.numbers: Ints = np.zeros(0, np.int64)
        self.distances = np.zeros(0)

    def take(self, survivors: Survivors) -> None:
        """Let some more compete."""
        distances = np.concatenate((self.distances, distance(survivors.values, self.holds)))
        numbers = np.concatenate((self.numbers, survivors.numbers))
        if len(numbers) > self.count:
            bound = np.partition(distances, self.count - 1)[self.count - 1]
            open_ = np.flatnonzero(distances <= bound)
            distances, numbers = distances[open_], numbers[open_]
        order = np.lexsort((numbers, distances))[: self.count]
        self.distances, self.numbers = distances[order], numbers[order]


def distance(found: Mapping[str, Any], holds: Sequence[Hold]) -> Any:
    """How far designs are from their targets: the largest |value − target| / (target · tolerance) over what is held."""
    parts = [np.abs(found[hold.name] - hold.target) / (hold.target * hold.tolerance) for hold in holds]
    return np.max(parts, axis=0)


def _check(asked: Question) -> None:
    if asked.solve not in SOLVABLE:
        raise InputError(f"solve: {asked.solve!r}: must be one of {', '.join(SOLVABLE)}")
    for name, tolerance in asked.hold.items():
        if name not in COSTS:
            raise InputError(f"hold: {name!r}: no cost; known are {', '.join(COSTS)}")
        if not (isfinite(tolerance) and tolerance > 0):
            raise InputError(f"tolerance: {tolerance:g}: must be above 0")
    for level in asked.levels:
        for word in level:
            if word == asked.solve:
                raise InputError(f"vary: {word}: is solved for; it cannot vary as well")


def _hold(asked: Question, name: str, cost: int) -> Hold:
    wanted = asked.times * cost
    if not 1 <= wanted <= _COSTLIEST:
        raise InputError(f"times: {asked.times:g}: of {cost:,} {name}: no network can cost that")
    return Hold(name, round(wanted), asked.hold[name])


def _named(level: Mapping[str, Any]) -> str:
    return ", ".join(f"{word}={shown(value)}" for word, value in level.items())


def _arm(asked: Question, search: _Search, number: int) -> Arm:
    found = design(search.space, number)
    report = analyze(found.spec, asked.size, asked.training.batch)
    told = values(Subject(report, asked.training.setting), dict.fromkeys((*asked.hold, *SHOWN)))
    mismatch = {hold.name: told[hold.name] / hold.target - 1 for hold in search.holds}
    within = all(abs(mismatch[hold.name]) <= hold.tolerance for hold in search.holds)
    return Arm(search.level, found, told, mismatch, within)


def alternatives(levels: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of what varies, each level as a word of a network.

    Raises:
        InputError: as of `parse_factors`; a level that is a product of choices.
    """
    factors = parse_factors(levels)
    if (count := prod(map(len, factors.values()))) > _MOST_ARMS:
        raise InputError(f"vary: {', '.join(factors)}: {count:,} combinations: at most {_MOST_ARMS:,} can be matched")
    found: list[dict[str, Any]] = [{}]
    for word, parsed in factors.items():
        said: list[Any] = []
        for level in parsed:
            if isinstance(level, Product | Scaled) and level.size > 1:
                raise InputError(f"vary: {word}: {level}: must be single levels, separated by commas")
            said.append(list(level.first) if isinstance(level, Product) else level)
        found = [{**before, word: value} for before in found for value in said]
    return found
