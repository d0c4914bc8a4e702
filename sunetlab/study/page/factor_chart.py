"""What a factor does: the designs of every level side by side, and the level's mean."""

from collections.abc import Sequence

from sunetlab.draw.axes import Axis
from sunetlab.study.page import canvas
from sunetlab.study.page.arms import Level
from sunetlab.study.page.canvas import HEIGHT, LEFT, LETTER, RIGHT


def factor_chart(levels: Sequence[Level], factor: str, value_name: str) -> str:
    """A chart of levels side by side.

    Args:
        levels: at least one, each with at least one design; designs of the same place in their level stand at the
            same place in its band, so that partners can be followed from level to level.
        factor: the horizontal axis.
        value_name: the vertical axis.
    """
    y = canvas.value_axis(arm.mean for level in levels for arm in level.arms)
    band = (RIGHT - LEFT) / len(levels)
    centres = [LEFT + band * (index + 0.5) for index in range(len(levels))]
    slanted = max(len(level.name) for level in levels) * LETTER > band - 4
    tallest = min(90.0, max(len(level.name) for level in levels) * LETTER * 0.6) if slanted else 0.0
    means = [f"{centre:.1f},{y.at(level.mean):.1f}" for centre, level in zip(centres, levels, strict=True)]
    return canvas.svg(
        f"{value_name} by {factor}",
        canvas.value_grid(y, value_name),
        *(canvas.tick(centre, level.name, slanted) for centre, level in zip(centres, levels, strict=True)),
        canvas.below(factor, tallest),
        canvas.tag("polyline", points=" ".join(means), class_="trend") if _are_numbers(levels) else "",
        *(_level(level, centre, band, y) for centre, level in zip(centres, levels, strict=True)),
        height=HEIGHT + tallest,
    )


def _are_numbers(levels: Sequence[Level]) -> bool:
    """Whether the levels have an order of their own, so that a line from one to the next means something."""
    return all(level.name.replace(".", "", 1).isdecimal() for level in levels)


def _level(level: Level, centre: float, band: float, y: Axis) -> str:
    """A level's designs across the middle of its band, its mean as a bar with the number."""
    reach = min(34.0, 0.27 * band)
    gap = 2 * reach / (len(level.arms) + 1)
    height = y.at(level.mean)
    bar = canvas.tag("path", d=f"M{centre - reach:.1f} {height:.1f}h{2 * reach:.1f}", class_="mean")
    placed = [(centre - reach + gap * (index + 1), arm) for index, arm in enumerate(level.arms)]
    marks = (canvas.mark(at, y.at(arm.mean), arm) for at, arm in sorted(placed, key=lambda place: place[1].best))
    number = canvas.text(f"{level.mean:.1f}", centre + reach + 3, height + 4, "number start") if band > 60 else ""
    title = canvas.title(f"{level.name}: {level.mean:.1f} % on average over {len(level.arms)}")
    return canvas.tag("g", title, bar, *marks, number)
