"""The exact set of pixels that one position sees, in two dimensions, by which paths, and in how many ways."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunetlab.analysis.fov.backwards import Kind, Patch, look_back
from sunetlab.analysis.fov.boxes import IMAGE, Boxes
from sunetlab.analysis.plan import Plan
from sunetlab.errors import InputError
from sunetlab.whole import MOST, pair

UNSEEN = 255
GRIDS = ("image", "own")
_PLACE = "(y, x), two whole numbers, counted from 0"

Position = tuple[int, int]


class Seen(NamedTuple):
    """The pixels that one position sees.

    Attributes:
        at: (y, x) of the position on its own map.
        grid: the map that is looked at: "image", or the name of a layer.
        first: (y, x) of levels[0, 0] on that map; negative outside of the image where nothing is clipped.
        levels: (height, width) uint8, the hull of what is seen: for every pixel the level that a path must reach at
            least (0: identity alone, 1: into level 1, …), or UNSEEN.
        clipped: whether borders were respected.
    """

    at: tuple[int, int]
    grid: str
    first: tuple[int, int]
    levels: NDArray[np.uint8]
    clipped: bool

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(height, width), true where seen."""
        return np.not_equal(self.levels, UNSEEN)

    def on(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """The whole map of `size` (height, width) that is looked at, true where seen; of a clipped set."""
        whole, (top, left), (height, width) = np.zeros(size, np.bool_), self.first, np.shape(self.levels)
        whole[top : top + height, left : left + width] = self.mask
        return whole

    def runs(self) -> list[tuple[int, int, int]]:
        """The set itself, row by row: (y, first x, last x) of pixels in a row, on the map that is looked at."""
        edges = np.diff(self.mask, axis=1, prepend=False, append=False)
        row, column = np.nonzero(edges)  # where a run begins, and the pixel after its end, in turn
        found = np.stack((row[::2] + self.first[0], column[::2] + self.first[1], column[1::2] - 1 + self.first[1]), 1)
        return list(map(tuple, found.tolist()))


class Holes(NamedTuple):
    """What a seen set leaves out of its hull.

    Attributes:
        seen: pixels seen.
        hull: pixels of the smallest rectangle around them.
        density: seen / hull.
        holes: pixels of the hull that are not seen.
        largest_gap: longest run of unseen pixels between two seen ones of a row or column.
        pieces: separate regions of seen pixels (joined along sides or corners).
        step: (y, x) greatest common divisor of the distances between seen rows, and columns; 1 where neighbours are
            seen. Above 1 the map falls into step_y · step_x interleaved grids that know nothing of one another.
    """

    seen: int
    hull: int
    density: float
    holes: int
    largest_gap: int
    pieces: int
    step: tuple[int, int]


class Paths(NamedTuple):
    """How many ways lead from each pixel to one position, every weight of every kernel counted as 1.

    Attributes:
        at, grid, first, clipped: as of `Seen`.
        weights: (height, width) float64, shares of all paths; sums to 1.
        log10: log10 of the number of all paths.
        spread: (y, x) standard deviation of the shares, in pixels: the untrained effective field (Luo et al. 2016).
    """

    at: tuple[int, int]
    grid: str
    first: tuple[int, int]
    clipped: bool
    weights: NDArray[np.float64]
    log10: float
    spread: tuple[float, float]


_LEVELS = Kind(
    dtype=np.uint8,
    nothing=UNSEEN,
    one=0,
    combine=np.minimum,
    enter=lambda values, op: np.maximum(values, op.layer.level) if op.layer.level else values,
)
_COUNTS = Kind(dtype=np.float64, nothing=0, one=1, combine=np.add, enter=lambda values, _: values)


def seen(plan: Plan, at: Position, of: str = "network", grid: str = "image", clipped: bool = True) -> Seen:
    """The pixels of `grid` that position `at` of a box sees.

    Args:
        plan: the network at an input size.
        at: (y, x) on the box's own map; of "network" the head's map, of "resized" the image.
        of: "network", "resized", "block 1", a module ("blocks.0.unets.1") or any layer's name.
        grid: "image", or "own": where the block's first module, or the module, begins.
        clipped: respect the borders of every map; else as if the image had none.

    Raises:
        InputError: no such box, no such position on its map, or a field too large to keep.
    """
    at = pair("at", at, _PLACE, -MOST)
    patch = _look(plan, at, of, grid, clipped, _LEVELS)
    patch = _hull(patch, patch.values != UNSEEN)
    return Seen(at, grid, (patch.top, patch.left), patch.values, clipped)


def holes(found: Seen) -> Holes:
    """What a seen set leaves out."""
    mask = found.mask
    count = int(mask.sum())
    if count == mask.size:
        return Holes(count, count, 1.0 if count else 0.0, 0, 0, 1 if count else 0, (1, 1))
    from scipy import ndimage

    return Holes(
        seen=count,
        hull=mask.size,
        density=count / mask.size,
        holes=mask.size - count,
        largest_gap=max(_largest_gap(mask), _largest_gap(mask.T)),
        pieces=ndimage.label(mask, np.ones((3, 3)))[1],
        step=(_step(mask), _step(mask.T)),
    )


def paths(plan: Plan, at: Position, of: str = "network", grid: str = "image", clipped: bool = True) -> Paths:
    """In how many ways position `at` of a box sees each pixel of `grid`; arguments and errors as of `seen`."""
    at = pair("at", at, _PLACE, -MOST)
    patch = _look(plan, at, of, grid, clipped, _COUNTS)
    patch = _hull(patch, patch.values > 0)
    total = patch.values.sum()
    weights = patch.values / total if total else patch.values
    log10 = math.log10(total) + patch.scale * math.log10(2) if total else -math.inf
    return Paths(at, grid, (patch.top, patch.left), clipped, weights, log10, spread(weights))


def spread(weights: NDArray[np.float64]) -> tuple[float, float]:
    """(y, x) standard deviation of shares (height, width) that sum to 1, in pixels."""
    return _deviation(weights.sum(1)), _deviation(weights.sum(0))


def _look(plan: Plan, at: Position, of: str, grid: str, clipped: bool, kind: Kind) -> Patch:
    boxes = Boxes(plan)
    begin, end = boxes.find(of)
    if grid not in GRIDS:
        raise InputError(f"grid: {grid!r}: must be {' or '.join(GRIDS)}")
    begin = IMAGE if grid == "image" else begin
    height, width = boxes.size(end)
    if not (0 <= at[0] < height and 0 <= at[1] < width):
        raise InputError(f"at: {at[0]},{at[1]}: no position of {of}, whose map is {height}x{width}")
    return look_back(boxes.between(begin, end), begin + 1, at, kind, clipped)


def _hull(patch: Patch, mask: NDArray[np.bool_]) -> Patch:
    """The smallest rectangle around what is marked."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return Patch(0, 0, patch.values[:0, :0], patch.scale)
    top, left = int(rows[0]), int(columns[0])
    values = patch.values[top : rows[-1] + 1, left : columns[-1] + 1]
    return Patch(patch.top + top, patch.left + left, values, patch.scale)


def _largest_gap(mask: NDArray[np.bool_]) -> int:
    """Longest run of unseen pixels between two seen ones of a row."""
    row, column = np.nonzero(mask)
    return int(np.max((np.diff(column) - 1)[np.diff(row) == 0], initial=0))


def _step(mask: NDArray[np.bool_]) -> int:
    rows = np.unique(np.nonzero(mask)[0])
    return int(np.gcd.reduce(np.diff(rows), initial=0)) or 1


def _deviation(shares: NDArray[np.float64]) -> float:
    at = np.arange(len(shares))
    return math.sqrt(max(0.0, float(shares @ (at - shares @ at) ** 2)))
