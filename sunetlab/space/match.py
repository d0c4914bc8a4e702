"""Families at equal cost: for each level of what varies, the designs whose costs are nearest to a network's.

The search is exact: every whole number, or combination of them, that the solved word may have is looked at, by the
formulas of a space. Where no range is given it goes as far as a design can without costing more than is asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite
from typing import Any, NamedTuple, cast

import numpy as np

from sunetlab.analysis.plan import Size
from sunetlab.analysis.report import analyze
from sunetlab.errors import InputError
from sunetlab.files import shown
from sunetlab.space.designs import Ints
from sunetlab.space.factors import Product, Scaled, parse_factors
from sunetlab.space.pick import Design, design, nothing_left, where_of
from sunetlab.space.quantities import values
from sunetlab.space.screen import Screen, Survivors, Watch, figures
from sunetlab.space.space import Space
from sunetlab.space.view import PLAIN, Subject, Training
from sunetlab.spec import SUNetSpec

SOLVABLE = ("stacks", "n", "widths")
COSTS = ("params", "macs", "activations", "memory")
SHOWN = ("params", "macs", "activations", "memory", "fov", "layers")  # what is told of every arm
_MOST = 2**31  # designs of one level
_FURTHEST = {"n": 2**14, "stacks": 512, "widths": 64}  # where a search without a range ends


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
        looked_at: how many designs were.
    """

    holds: tuple[Hold, ...]
    reference: dict[str, int]
    arms: tuple[tuple[Arm, ...], ...]
    missing: tuple[str, ...]
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


def match(asked: Question, watch: Watch | None = None) -> Family:
    """The designs of every level whose held quantities are nearest to the network's, relative to the tolerances.

    Raises:
        InputError: a word that cannot be solved for or a quantity that cannot be held; no level has a design.
    """
    _check(asked)
    report = analyze(asked.network, asked.size, asked.training.batch)
    reference = values(Subject(report, asked.training.setting), dict.fromkeys((*asked.hold, *SHOWN)))
    holds = tuple(Hold(name, reference[name], tolerance) for name, tolerance in asked.hold.items())
    spaces = [(dict(level), _space(asked, level, holds)) for level in asked.levels]
    total, done = sum(len(space) for _, space in spaces), 0
    arms: list[tuple[Arm, ...]] = []
    missing: list[str] = []
    for level, space in spaces:
        screen = Screen(space, where_of(space, asked.where), tuple(asked.hold), asked.training)
        nearest = Nearest(holds, asked.most)
        for survivors in screen.run():
            nearest.take(survivors)
            if watch is not None:
                watch(done + screen.funnel.looked_at, total)
        done += len(space)
        if not len(nearest.numbers):
            missing.append(f"{_named(level)}: {nothing_left(screen.funnel).removeprefix('factors: ')}")
        arms.append(tuple(_arm(asked, level, space, int(number), holds) for number in nearest.numbers))
    if not any(arms):
        raise InputError(f"vary: {missing[0]}")
    return Family(holds, reference, tuple(arms), tuple(missing), done)


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


def _named(level: Mapping[str, Any]) -> str:
    return ", ".join(f"{word}={shown(value)}" for word, value in level.items())


def _arm(asked: Question, level: dict[str, Any], space: Space, number: int, holds: Sequence[Hold]) -> Arm:
    found = design(space, number)
    report = analyze(found.spec, asked.size, asked.training.batch)
    figures = values(Subject(report, asked.training.setting), dict.fromkeys((*asked.hold, *SHOWN)))
    mismatch = {hold.name: figures[hold.name] / hold.target - 1 for hold in holds}
    within = all(abs(mismatch[hold.name]) <= hold.tolerance for hold in holds)
    return Arm(level, found, figures, mismatch, within)


def _space(asked: Question, level: Mapping[str, Any], holds: Sequence[Hold]) -> Space:
    """All that the solved word may be with the other words of a level."""
    words = {**{name: value for name, value in asked.words.items() if name != asked.solve}, **level}
    if asked.among is not None:
        return _spread(words, {asked.solve: asked.among}, asked.size)
    return _spread(words, {asked.solve: _range(asked, words, holds)}, asked.size)


def _spread(words: Mapping[str, Any], factors: Mapping[str, Any], size: Size | None) -> Space:
    space = Space(words, factors, size)
    if len(space) > _MOST:
        raise InputError(f"solve: {len(space):,} designs to look at: at most {_MOST:,}; give a range")
    return space


def _range(asked: Question, words: Mapping[str, Any], holds: Sequence[Hold]) -> Any:
    """The range that ends where designs begin to cost too much, all else at its least."""
    if asked.solve == "n":
        return f"1..{_furthest(lambda n: {'n': n}, asked, words, holds)}"
    if asked.solve == "widths":
        end = _furthest(lambda times: {"widths": f"rule*{times}"}, asked, words, holds)
        return [f"rule*0.01..{end}:0.01"]
    blocks = len(asked.network.stacks)

    def with_modules(block: int, modules: int) -> dict[str, Any]:
        return {"stacks": [modules if j == block else 1 for j in range(blocks)]}

    ends = [_furthest(partial(with_modules, block), asked, words, holds) for block in range(blocks)]
    return "x".join(f"1..{end}" for end in ends)


def _furthest(
    change: Callable[[int], dict[str, Any]], asked: Question, words: Mapping[str, Any], holds: Sequence[Hold]
) -> int:
    """The smallest number with which a design is beyond every target's tolerance, by doubling and halving."""
    names = [hold.name for hold in holds]

    def beyond(number: int) -> bool:
        """By formulas, which count what is refused as well: too little growth for dense connectivity, say."""
        space = Space({**words, **change(number)}, {}, asked.size)
        found = figures(space, np.zeros(1, np.int64), names, asked.training)[0]
        return any(cast(int, found[hold.name]) > hold.target * (1 + hold.tolerance) for hold in holds)

    low, high, most = 0, 1, _FURTHEST[asked.solve]
    while high < most and not beyond(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return min(high, most)


def alternatives(levels: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of what varies, each level as a word of a network.

    Raises:
        InputError: as of `parse_factors`; a level that is a product of choices.
    """
    found: list[dict[str, Any]] = [{}]
    for word, parsed in parse_factors(levels).items():
        said: list[Any] = []
        for level in parsed:
            if isinstance(level, Product | Scaled) and level.size > 1:
                raise InputError(f"vary: {word}: {level}: must be single levels, separated by commas")
            said.append(list(level.first) if isinstance(level, Product) else level)
        found = [{**before, word: value} for before in found for value in said]
    return found
