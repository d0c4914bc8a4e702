"""Where words beside marks find room: over no other words, no mark, and as far as may be over no line."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sunetlab.draw.svg import Point, Rect

NEAR = 8.0  # px from a mark's middle to the words beside it
_FAR = (NEAR, 18.0, 32.0, 50.0, 72.0, 100.0)
_WAYS = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))
_OVER_A_LINE = 3.0  # as bad as moving this many times further off


def rooms_beside(
    places: Sequence[Point],
    sizes: Sequence[tuple[float, float]],
    area: Rect,
    solid: Sequence[Rect],
    thin: Sequence[Rect],
) -> list[Rect | None]:
    """For every place room of its size inside `area`, or None where all is taken.

    Args:
        places: the middles of the marks, in px.
        sizes: (width, height) of the words beside each.
        area: what may not be left.
        solid: what may not be covered.
        thin: what had better not be covered.
    """
    taken, rooms = list(solid), list[Rect | None]()
    lines = edges_of(thin)
    for place, size in zip(places, sizes, strict=True):
        others = edges_of(taken)
        costs = {
            room: bad + _OVER_A_LINE * min(2, covered(room, lines))
            for room, bad in _candidates(place, *size)
            if _inside(room, area) and not covered(room, others)
        }
        room = min(costs, key=lambda room: costs[room], default=None)
        rooms.append(room)
        taken += [room] if room else []
    return rooms


def _candidates(place: Point, width: float, height: float) -> Iterator[tuple[Rect, float]]:
    """Rooms around a place, with how bad each is: the further the worse."""
    for ring, far in enumerate(_FAR):
        for turn, (right, down) in enumerate(_WAYS):
            reach = far if 0 in (right, down) else 0.7 * far
            x, y = place[0] + right * (reach + width / 2), place[1] + down * (reach + height / 2)
            yield Rect.around(x, y, width, height), ring + 0.1 * turn


def _inside(room: Rect, area: Rect) -> bool:
    across = area.left <= room.left and room.right <= area.right
    return across and area.top <= room.top and room.bottom <= area.bottom


def edges_of(rects: Sequence[Rect]) -> NDArray[np.float64]:
    """Left, top, right, bottom of every one: (n, 4)."""
    return np.array([(r.left, r.top, r.right, r.bottom) for r in rects], float).reshape(-1, 4)


def covered(room: Rect, edges: NDArray[np.float64]) -> int:
    """How many rectangles a room lies over; they are given by their `edges_of`."""
    left, top, right, bottom = edges.T
    over = (left < room.right) & (right > room.left) & (top < room.bottom) & (bottom > room.top)
    return int(over.sum())
