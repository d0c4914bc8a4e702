"""One design on a line, for a cell of a table."""

from sunetlab.draw.axes import Axis
from sunetlab.study.page import canvas
from sunetlab.study.page.arms import Arm


def strip(arm: Arm, low: float, high: float) -> str:
    """The seeds and the mean of one design on a line from `low` to `high`."""
    x = Axis(low, high, 5, 91)
    seeds = (canvas.tag("circle", cx=x.at(value), cy=8, r=2.6, class_="seed") for value in arm.values)
    mean = canvas.tag("path", d=f"M{x.at(arm.mean):.1f} 2v12", class_="mean best" if arm.best else "mean")
    rule = canvas.tag("path", d="M2 8h92", class_="grid")
    return canvas.svg(arm.words, rule, *seeds, mean, width=96, height=16, class_="strip")
