"""Distributions of errors: the part of the designs that err at most so much, with the band that holds the truth."""

from collections.abc import Sequence
from typing import NamedTuple

from sunetlab.draw.axes import Axis, nice_ticks
from sunetlab.draw.steps import Steps, around, corners
from sunetlab.study.page import canvas
from sunetlab.study.page.arms import Arm
from sunetlab.study.page.canvas import BOTTOM, LEFT, RIGHT, TOP
from sunetlab.study.verdict import Band


class Errors(NamedTuple):
    """One distribution: what it is called, its band over errors in [0, 1], the designs in the order of their errors."""

    name: str
    band: Band
    arms: tuple[Arm, ...]


def edf_chart(found: Sequence[Errors], value_name: str) -> str:
    """A chart of one distribution or several on common axes.

    Args:
        found: at least one.
        value_name: what the error is 100 % minus, such as accuracy.
    """
    errors = [100 * float(error) for each in found for error in each.band.values]
    low, high = canvas.span(errors)
    x, y = Axis(low, high, LEFT, RIGHT), Axis(0, 1, BOTTOM, TOP)
    ticks = canvas.labelled(nice_ticks(low, high))
    bands = (_path(around(_percent(each), low, high), x, y) + "Z" for each in found)
    quarters = {part: y.at(part) for part in (0, 0.25, 0.5, 0.75, 1)}
    return canvas.svg(
        f"distribution of {value_name} errors",
        *(canvas.tag("path", d=f"M{LEFT} {at:.1f}H{RIGHT}", class_="grid") for at in quarters.values()),
        *(canvas.text(f"{100 * part:.0f}", LEFT - 7, at + 4, "tick end") for part, at in quarters.items()),
        canvas.text("designs that err at most so much, %", 4, 14, "axis start"),
        *(canvas.tick(x.at(tick), label) for tick, label in ticks.items()),
        canvas.below(f"error: 100 − {value_name}, %"),
        *(canvas.tag("path", d=d, class_=f"band kind{i % 3}") for i, d in enumerate(bands)),
        *(_steps(each, x, y, f"kind{i % 3}", is_named=len(found) > 1) for i, each in enumerate(found)),
    )


def _percent(found: Errors) -> Steps:
    return Steps(found.name, [100 * float(error) for error in found.band.values], found.band.half_width)


def _path(points: Sequence[tuple[float, float]], x: Axis, y: Axis) -> str:
    return "M" + "L".join(f"{x.at(error):.1f} {y.at(part):.1f}" for error, part in points)


def _steps(found: Errors, x: Axis, y: Axis, kind: str, is_named: bool) -> str:
    d = _path(corners(_percent(found), x.low, x.high), x, y)
    title = canvas.title(f"{found.name}: {len(found.arms)} designs, the truth lies within ±{found.band.half_width:.0%}")
    line = canvas.tag("path", title, d=d, class_=f"steps {kind}")
    marks = "".join(
        _dot(x.at(100 * error), y.at(part), arm, part)
        for error, part, arm in zip(found.band.values.tolist(), found.band.part.tolist(), found.arms, strict=True)
    )
    middle = len(found.arms) // 2
    at = x.at(100 * float(found.band.values[middle])) + 8
    name = canvas.text(canvas.cut(found.name, 30), at, y.at(float(found.band.part[middle])) + 14, "number start")
    return line + marks + (name if is_named else "")


def _dot(at: float, height: float, arm: Arm, part: float) -> str:
    words = canvas.title(f"{arm.label}: error {100 - arm.mean:.1f} %, {100 * part:.0f} % of the designs err no more")
    kind, radius = ("mark best", 4.0) if arm.best else ("mark", 2.6)
    return canvas.tag("circle", words, cx=at, cy=height, r=radius, class_=kind, data_design=arm.key)
