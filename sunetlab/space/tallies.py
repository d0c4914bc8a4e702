"""What becomes of survivors as they come: spreads, fronts, the best few, where they lie for two quantities, samples.

Each is told of pieces (`take`) and keeps an amount that does not grow with their number.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunetlab.space.arrays.designs import Ints
from sunetlab.space.arrays.quantities import Better, column
from sunetlab.space.screen import Survivors

_OCTAVES = 63  # int64 has no more


class Bins(NamedTuple):
    """A histogram: `counts[i]` designs from `edges[i]` to before `edges[i + 1]`, the last bin's upper edge included."""

    edges: NDArray[np.float64]
    counts: Ints


class Spread:
    """How one quantity is spread over the survivors, on a logarithmic scale."""

    _PER_OCTAVE = 64

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: Ints = np.zeros(_OCTAVES * self._PER_OCTAVE, np.int64)
        self.least, self.most = np.iinfo(np.int64).max, -1

    def take(self, survivors: Survivors) -> None:
        """Count some more."""
        values = survivors.values[self.name]
        self.least, self.most = min(self.least, int(values.min())), max(self.most, int(values.max()))
        found = np.bincount(_logarithmic(values, self._PER_OCTAVE))
        self.counts[: len(found)] += found

    def bins(self, most: int = 12) -> Bins:
        """At most so many bins from the least to the largest value, equal on the logarithmic scale."""
        if self.most < 0:
            return Bins(np.zeros(1), np.zeros(0, np.int64))
        low, high = (int(_logarithmic(np.array([v]), self._PER_OCTAVE)[0]) for v in (self.least, self.most))
        width = -(-(high - low + 1) // most)
        starts = np.arange(low, high + 1, width)
        edges = 2.0 ** (np.append(starts, starts[-1] + width) / self._PER_OCTAVE)
        edges[0], edges[-1] = self.least, self.most
        return Bins(edges, np.add.reduceat(self.counts[: high + 1], starts))


class Density:
    """How many survivors lie where, for two quantities on logarithmic scales."""

    _PER_OCTAVE = 32

    def __init__(self, x: str, y: str) -> None:
        self.x, self.y = x, y
        side = _OCTAVES * self._PER_OCTAVE
        self.counts: Ints = np.zeros((side, side), np.int64)

    def take(self, survivors: Survivors) -> None:
        """Count some more."""
        at = [_logarithmic(survivors.values[name], self._PER_OCTAVE) for name in (self.y, self.x)]
        np.add.at(self.counts, tuple(at), 1)

    def cells(self, most: int = 110) -> tuple[NDArray[np.float64], NDArray[np.float64], Ints]:
        """(edges along x, along y, counts (y, x)) of what is not empty around it, at most so many along a side."""
        counts, edges = self.counts, []
        for axis in (0, 1):
            used = np.flatnonzero(counts.any(1 - axis))
            low, high = (int(used[0]), int(used[-1])) if len(used) else (0, 0)
            starts = np.arange(low, high + 1, -(-(high - low + 1) // most))
            counts = np.add.reduceat(counts.take(np.arange(high + 1), axis), starts, axis)
            width = int(starts[1] - starts[0]) if len(starts) > 1 else high - low + 1
            edges.append(2.0 ** (np.append(starts, starts[-1] + width) / self._PER_OCTAVE))
        return edges[1], edges[0], counts


def _logarithmic(values: Ints, per_octave: int) -> Ints:
    found: Ints = (np.log2(np.maximum(values, 1)) * per_octave).astype(np.int64)
    return found


class Chosen(NamedTuple):
    """Some designs: their numbers, and the quantities that they were chosen by, one array each."""

    numbers: Ints
    values: tuple[Ints, ...]


class Front:
    """The designs that no other beats in one of two quantities without losing in the other.

    Of designs that are alike in both the one with the lowest number stands for all.
    """

    def __init__(self, x: str, y: str, better: tuple[Better, Better] | None = None) -> None:
        self.x, self.y = x, y
        wanted = better or (column(x).better, column(y).better)
        self.signs = tuple(-1 if want == "more" else 1 for want in wanted)
        self.found = _chosen(0, 2)

    def take(self, survivors: Survivors) -> None:
        """Let some more compete."""
        x, y = (sign * survivors.values[name] for sign, name in zip(self.signs, (self.x, self.y), strict=True))
        numbers = survivors.numbers
        if len(self.found.numbers):
            place = np.searchsorted(self.found.values[0], x, "right")
            beaten = np.append(self.found.values[1], np.iinfo(np.int64).max)[place - 1]  # of none: the last
            open_ = np.flatnonzero((y < beaten) | ((y == beaten) & (x == self._x_at(place))))
            x, y, numbers = x[open_], y[open_], numbers[open_]
        x, y = (np.concatenate(pair) for pair in zip(self.found.values, (x, y), strict=True))
        numbers = np.concatenate((self.found.numbers, numbers))
        order = np.lexsort((numbers, y, x))
        x, y, numbers = x[order], y[order], numbers[order]
        kept = np.ones(len(y), np.bool_)
        kept[1:] = y[1:] < np.minimum.accumulate(y)[:-1]
        self.found = Chosen(numbers[kept], (x[kept], y[kept]))

    def _x_at(self, place: Ints) -> Ints:
        found: Ints = np.append(self.found.values[0], np.iinfo(np.int64).max)[place - 1]
        return found

    @property
    def chosen(self) -> Chosen:
        """The front, from the best in the first quantity on."""
        values = (sign * value for sign, value in zip(self.signs, self.found.values, strict=True))
        return Chosen(self.found.numbers, tuple(values))


class Best:
    """The few designs that are best in one quantity; of equals those with the lowest numbers."""

    def __init__(self, name: str, count: int, better: Better = "") -> None:
        self.name, self.count = name, count
        wanted = better or column(name).better
        self.sign = 1 if wanted == "less" else -1
        self.found = _chosen(0, 1)

    def take(self, survivors: Survivors) -> None:
        """Let some more compete."""
        values = np.concatenate((self.found.values[0], self.sign * survivors.values[self.name]))
        numbers = np.concatenate((self.found.numbers, survivors.numbers))
        if len(values) > self.count:
            bound = np.partition(values, self.count - 1)[self.count - 1]
            open_ = np.flatnonzero(values <= bound)
            values, numbers = values[open_], numbers[open_]
        order = np.lexsort((numbers, values))[: self.count]
        self.found = Chosen(numbers[order], (values[order],))

    @property
    def chosen(self) -> Chosen:
        """The best, the very best first."""
        return Chosen(self.found.numbers, (self.sign * self.found.values[0],))


class Sample:
    """Designs drawn uniformly and without replacement, so many from each stratum of a quantity.

    Every design gets a number that looks random and depends on the seed and its own number alone; those with the
    lowest are drawn. So the draw depends on which designs there are, but not on the order in which they come, and a
    larger draw with the same seed holds a smaller one.
    """

    def __init__(self, counts: Sequence[int], seed: int, name: str = "", edges: Sequence[float] = ()) -> None:
        """Draw so many from each stratum; `edges`, two for each, are of the quantity called `name`."""
        self.counts, self.seed, self.name = counts, seed, name
        self.inner = np.asarray(edges[1:-1], np.float64)
        self.found = [_chosen(0, 1) for _ in counts]
        self.seen = [0] * len(counts)

    def take(self, survivors: Survivors) -> None:
        """Let some more be drawn."""
        keys = _scrambled(survivors.numbers, self.seed)
        if not self.name:
            self._draw(0, survivors.numbers, keys)
            return
        stratum = np.searchsorted(self.inner, survivors.values[self.name], "right")
        for index in range(len(self.found)):
            here = np.flatnonzero(stratum == index)
            self._draw(index, survivors.numbers[here], keys[here])

    def _draw(self, stratum: int, numbers: Ints, keys: Ints) -> None:
        self.seen[stratum] += len(numbers)
        found, count = self.found[stratum], self.counts[stratum]
        keys, numbers = np.concatenate((found.values[0], keys)), np.concatenate((found.numbers, numbers))
        order = np.arange(len(keys)) if len(keys) <= count else np.argpartition(keys, count)[:count]
        self.found[stratum] = Chosen(numbers[order], (keys[order],))

    @property
    def numbers(self) -> Ints:
        """The designs drawn, in the space's order."""
        return np.sort(np.concatenate([found.numbers for found in self.found]))


def _scrambled(numbers: Ints, seed: int) -> Ints:
    """A permutation of 64-bit numbers that a seed picks: SplitMix64's (Steele et al. 2014), twice."""
    z = numbers.astype(np.uint64)
    for key in (seed, 0):
        z = z + np.uint64((key + 1) * 0x9E3779B97F4A7C15 % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return z.view(np.int64)


def _chosen(count: int, values: int) -> Chosen:
    return Chosen(np.zeros(count, np.int64), tuple(np.zeros(count, np.int64) for _ in range(values)))


class Beaten:
    """How many survivors are no worse than a network in either of two quantities, and better in one."""

    def __init__(self, x: str, y: str, values: tuple[int, int], better: tuple[Better, Better]) -> None:
        self.names, self.values = (x, y), values
        self.signs = tuple(-1 if want == "more" else 1 for want in better)
        self.count = 0

    def take(self, survivors: Survivors) -> None:
        """Count some more."""
        found = zip(self.signs, self.names, self.values, strict=True)
        x, y = (sign * (survivors.values[name] - value) for sign, name, value in found)
        self.count += int(np.count_nonzero((x <= 0) & (y <= 0) & ((x < 0) | (y < 0))))
