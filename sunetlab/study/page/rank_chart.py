"""Two measures of the same designs: do they put them in the same order?"""

from collections.abc import Sequence

from sunetlab.draw.axes import Axis, nice_ticks
from sunetlab.study.page import canvas
from sunetlab.study.page.arms import Arm
from sunetlab.study.page.canvas import BOTTOM, LEFT, RIGHT
from sunetlab.study.verdict import Rank


def rank_chart(first: Sequence[Arm], second: Sequence[Arm], first_name: str, second_name: str, rank: Rank) -> str:
    """A chart of designs as points: their means by both measures, from the least to the greatest of their seeds, and τ.

    The best by the first measure is a diamond, the best by the second a square, each with its name; the design that is
    both is a diamond.

    Args:
        first: each design by the first measure, in percent; at least one.
        second: the same designs by the second, in the same order.
        first_name: the horizontal axis.
        second_name: the vertical axis.
        rank: of the two measures' means (`verdict.kendall`).

    Raises:
        ValueError: the two differ in length.
    """
    pairs = list(zip(first, second, strict=True))
    low, high = canvas.span(value for arm in first for value in arm.values)
    y = canvas.value_axis(value for arm in second for value in arm.values)
    x = Axis(low, high, LEFT, RIGHT)
    chosen = max(range(len(pairs)), key=lambda i: first[i].mean)
    wanted = max(range(len(pairs)), key=lambda i: second[i].mean)
    order = sorted(range(len(pairs)), key=lambda i: i in (chosen, wanted))  # nothing may cover the best
    names = {chosen: f"best by {first_name}", wanted: f"best by {second_name}"}
    if chosen == wanted:
        names = {chosen: "best by both"}
    return canvas.svg(
        f"{second_name} against {first_name}",
        canvas.value_grid(y, second_name),
        *(canvas.tick(x.at(tick), label) for tick, label in canvas.labelled(nice_ticks(low, high)).items()),
        canvas.below(f"{first_name}, %"),
        canvas.text(_tau(rank), RIGHT, 14, "number end"),
        *(_spread(*pair, x, y) for pair in pairs),
        *(_design(*pairs[i], x, y, first_name, second_name, i == chosen, i == wanted) for i in order),
        *(_name(words, *pairs[i], x, y, above=i == wanted) for i, words in names.items()),
    )


def _tau(rank: Rank) -> str:
    """τ with its interval, where there are designs enough for one."""
    if rank.tau != rank.tau:
        return "no order: all values are the same"
    within = f" ({rank.low:.2f} to {rank.high:.2f})" if (rank.low, rank.high) != (-1.0, 1.0) else ""
    return f"τ = {rank.tau:.2f}{within}".replace("-", "−")


def _spread(first: Arm, second: Arm, x: Axis, y: Axis) -> str:
    """From the least to the greatest seed, across by the first measure and up by the second."""
    at, height = x.at(first.mean), y.at(second.mean)
    (left, right), (low, high) = ((min(arm.values), max(arm.values)) for arm in (first, second))
    d = f"M{x.at(left):.1f} {height:.1f}H{x.at(right):.1f}" if len(first.values) > 1 else ""
    d += f"M{at:.1f} {y.at(low):.1f}V{y.at(high):.1f}" if len(second.values) > 1 else ""
    return canvas.tag("path", d=d, class_="span", data_design=first.key) if d else ""


def _design(
    first: Arm, second: Arm, x: Axis, y: Axis, first_name: str, second_name: str, is_chosen: bool, is_wanted: bool
) -> str:
    at, height = x.at(first.mean), y.at(second.mean)
    words = canvas.title(f"{first.label}: {first_name} {first.mean:.1f} %, {second_name} {second.mean:.1f} %")
    if is_chosen:
        d = f"M{at:.1f} {height - 7:.1f}l7 7l-7 7l-7 -7z"
        return canvas.tag("path", words, d=d, class_="mark best", data_design=first.key)
    if is_wanted:
        d = f"M{at - 5:.1f} {height - 5:.1f}h10v10h-10z"
        return canvas.tag("path", words, d=d, class_="mark best", data_design=first.key)
    return canvas.tag("circle", words, cx=at, cy=height, r=4.6, class_="mark", data_design=first.key)


def _name(words: str, first: Arm, second: Arm, x: Axis, y: Axis, above: bool) -> str:
    """Beside a best design: above it for the second measure, below it for the first, so that the two do not meet."""
    height = y.at(second.mean) - 12 if above else min(BOTTOM - 6, y.at(second.mean) + 22)
    return canvas.beside(words, x.at(first.mean), height, first.key)
