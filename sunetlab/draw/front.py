"""The Pareto front of points with two values, and the line that parts what is to be had from what is not."""

from collections.abc import Sequence

from sunetlab.draw.svg import Point, Rect


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the (cost, value) that no other beats in one and equals in the other; cheapest first, no twins."""
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if not front or points[index][1] > points[front[-1]][1]:
            front.append(index)
    return front


def front_line(places: Sequence[Point], to_left: bool, to_top: bool, area: Rect) -> list[Point]:
    """The corners of the line around all that is as good as one of the `places` or worse, from edge to edge of `area`.

    Args:
        places: in px, at least one.
        to_left: whether what lies further left is better.
        to_top: whether what lies further up is better.
        area: where the line ends.
    """
    across, up = -1 if to_left else 1, 1 if to_top else -1  # px go down
    corners = [places[i] for i in pareto_front([(-across * x, -up * y) for x, y in places])]
    line = [(corners[0][0], area.bottom if to_top else area.top)]
    for x, y in corners:
        line += [(x, line[-1][1]), (x, y)] if line[-1][0] != x else [(x, y)]
    return [*line, (area.right if to_left else area.left, line[-1][1])]
