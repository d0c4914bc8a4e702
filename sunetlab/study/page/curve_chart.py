"""Learning curves: value after every epoch, one line per trial, those of the best design on top."""

import math
from collections.abc import Iterator, Sequence
from statistics import median

from sunetlab.draw.axes import Axis, nice_ticks
from sunetlab.study.page import canvas
from sunetlab.study.page.arms import Curve
from sunetlab.study.page.canvas import LEFT, RIGHT, TOP

_CROWD = 25  # lines that can be told apart; with more, their median is drawn too


def curve_chart(curves: Sequence[Curve], value_name: str, apart: int = 1) -> str:
    """A chart of trials; where they are many, the median of those that are not the best design's goes through them.

    Args:
        curves: trials with at least one finished epoch, one of them at the least.
        value_name: the vertical axis.
        apart: of how many of the others each stands for.
    """
    epochs = max(len(curve.values) for curve in curves)
    x = Axis(1, epochs, LEFT + 8, RIGHT - 8) if epochs > 1 else Axis(0, 2, LEFT, RIGHT)
    y = canvas.value_axis(value for curve in curves for value in curve.values)
    others = [curve for curve in curves if not curve.best]
    return canvas.svg(
        f"{value_name} after every epoch",
        canvas.value_grid(y, value_name),
        *(canvas.tick(x.at(tick), f"{tick:.0f}") for tick in _epoch_ticks(epochs)),
        canvas.below("epoch"),
        canvas.tag(
            "g", *(_line(curve, x, y) for curve in others), class_="others", stroke_opacity=_thinned(len(others))
        ),
        _median(others, x, y) if len(others) > _CROWD else "",
        *(_line(curve, x, y) for curve in curves if curve.best),
        canvas.text(f"one of {apart} drawn", RIGHT, TOP - 8, "tick end") if apart > 1 else "",
    )


def _epoch_ticks(epochs: int) -> Iterator[float]:
    """The first epoch, then round ones."""
    yield 1
    if epochs > 1:
        yield from (tick for tick in nice_ticks(0, epochs, 8) if tick > 1 and tick == round(tick))


def _thinned(lines: int) -> str:
    """How opaque each of so many lines is, so that a crowd shows where it is dense."""
    return f"{0.8 if lines <= _CROWD else 4 / math.sqrt(lines):.2f}"


def _line(curve: Curve, x: Axis, y: Axis) -> str:
    points = [(x.at(i + 1), y.at(value)) for i, value in enumerate(curve.values) if math.isfinite(value)]
    title = canvas.title(f"{curve.label}: {max(filter(math.isfinite, curve.values)):.1f} % at best")
    path = " ".join(f"{at:.1f},{height:.1f}" for at, height in points)
    kind = "best" if curve.best else "failed" if curve.failed else "other"
    line = canvas.tag("polyline", title, points=path, class_=f"curve {kind}", data_design=curve.key)
    ends = points[-1:] if curve.best or len(points) == 1 else []  # a line of a single point cannot be seen
    return line + "".join(
        canvas.tag("circle", cx=at, cy=height, r=3, class_=f"end {kind}", data_design=curve.key) for at, height in ends
    )


def _median(curves: Sequence[Curve], x: Axis, y: Axis) -> str:
    """The median over all that came so far, as long as they are at least half of all."""
    points = []
    for epoch in range(max(len(curve.values) for curve in curves)):
        here = [curve.values[epoch] for curve in curves if len(curve.values) > epoch]
        here = [value for value in here if math.isfinite(value)]
        if 2 * len(here) >= len(curves):
            points.append(f"{x.at(epoch + 1):.1f},{y.at(median(here)):.1f}")
    title = canvas.title("median of the other designs’ trials")
    return canvas.tag("polyline", title, points=" ".join(points), class_="median")
