"""Numbers → pictures: SVG to stand inside an HTML page, whose stylesheet gives the colours by class.

Values are in percent. Every mark carries its own words as a <title>, which browsers show as a tooltip. The drawing is
narrow, so that its letters stay readable where a phone shows it at three quarters of its size.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import Literal, NamedTuple

from sunetlab.draw.axes import Axis, log_ticks, nice_ticks
from sunetlab.draw.front import pareto_front
from sunetlab.draw.quantity import short

WIDTH, HEIGHT = 440.0, 300.0  # px of the drawing, as are all positions below
LEFT, RIGHT, TOP, BOTTOM = 42.0, 426.0, 34.0, 254.0  # the sides of the plotted area
LETTER = 6.4  # width of a letter, on average, at the 12 px of a tick's label


class Arm(NamedTuple):
    """One design: what it is called, the values of its seeds in percent, their mean."""

    label: str
    values: tuple[float, ...]
    best: bool = False

    @property
    def mean(self) -> float:
        """The mean over its seeds."""
        return sum(self.values) / len(self.values)

    @property
    def words(self) -> str:
        """What its mark says."""
        seeds = " (" + ", ".join(f"{value:.1f}" for value in self.values) + ")" if len(self.values) > 1 else ""
        return f"{self.label}: {self.mean:.1f} %{seeds}"


class Curve(NamedTuple):
    """One trial: its validation value in percent after every epoch."""

    label: str
    values: tuple[float, ...]
    failed: bool = False
    best: bool = False  # of the best design


class Level(NamedTuple):
    """One level of a factor and the designs that have it."""

    name: str
    arms: tuple[Arm, ...]

    @property
    def mean(self) -> float:
        """The mean of its designs' means."""
        return sum(arm.mean for arm in self.arms) / len(self.arms)


def cost_chart(arms: Sequence[Arm], costs: Sequence[float], cost_name: str, value_name: str) -> str:
    """Value against cost on a logarithmic axis: designs, their seeds behind them, the Pareto front.

    Args:
        arms: at least one design.
        costs: what each costs, greater than 0.
        cost_name: the horizontal axis.
        value_name: the vertical axis.
    """
    x = Axis(min(costs) / 1.15, max(costs) * 1.15, LEFT, RIGHT, log=True)
    y = _value_axis(value for arm in arms for value in arm.values)
    placed = [(x.at(cost), arm) for cost, arm in zip(costs, arms, strict=True)]
    ticks = {tick: short(tick) for tick in log_ticks(x.low, x.high)}
    front = pareto_front([(cost, arm.mean) for cost, arm in zip(costs, arms, strict=True)])
    steps = _steps([(x.at(costs[i]), y.at(arms[i].mean)) for i in front])
    words = [f"{arm.words}, {short(cost)} {cost_name}" for cost, arm in zip(costs, arms, strict=True)]
    return _svg(
        f"{value_name} against {cost_name}",
        _value_grid(y, value_name),
        *(_tick(x.at(tick), name) for tick, name in ticks.items()),
        _text(cost_name + " (log scale)", (LEFT + RIGHT) / 2, HEIGHT - 8, "axis"),
        _tag("path", d=steps, class_="front"),
        *(_seeds(at, arm, y) for at, arm in placed),
        *(_mark(at, y.at(arm.mean), text, arm.best) for (at, arm), text in _best_last(zip(placed, words, strict=True))),
        *(_best_label(at, arm, y) for at, arm in placed if arm.best),
    )


def curve_chart(curves: Sequence[Curve], value_name: str) -> str:
    """Learning curves: value after every epoch, one line per trial, those of the best design on top.

    Args:
        curves: trials with at least one finished epoch, one of them at the least.
        value_name: the vertical axis.
    """
    epochs = max(len(curve.values) for curve in curves)
    x = Axis(1, epochs, LEFT + 8, RIGHT - 8) if epochs > 1 else Axis(0, 2, LEFT, RIGHT)
    y = _value_axis(value for curve in curves for value in curve.values)
    others = [curve for curve in curves if not curve.best]
    return _svg(
        f"{value_name} after every epoch",
        _value_grid(y, value_name),
        *(_tick(x.at(tick), f"{tick:.0f}") for tick in _epoch_ticks(epochs)),
        _text("epoch", (LEFT + RIGHT) / 2, HEIGHT - 8, "axis"),
        _tag("g", *(_line(curve, x, y) for curve in others), stroke_opacity=_thinned(len(others))),
        *(_line(curve, x, y) for curve in curves if curve.best),
    )


def factor_chart(levels: Sequence[Level], factor: str, value_name: str) -> str:
    """What a factor does: the designs of every level side by side, and the level's mean.

    Args:
        levels: at least one, each with at least one design; designs of the same place in their level stand at the
            same place in its band, so that partners can be followed from level to level.
        factor: the horizontal axis.
        value_name: the vertical axis.
    """
    y = _value_axis(arm.mean for level in levels for arm in level.arms)
    band = (RIGHT - LEFT) / len(levels)
    centres = [LEFT + band * (index + 0.5) for index in range(len(levels))]
    slanted = max(len(level.name) for level in levels) * LETTER > band - 4
    tallest = min(90.0, max(len(level.name) for level in levels) * LETTER * 0.6) if slanted else 0.0
    means = [f"{centre:.1f},{y.at(level.mean):.1f}" for centre, level in zip(centres, levels, strict=True)]
    return _svg(
        f"{value_name} by {factor}",
        _value_grid(y, value_name),
        *(_tick(centre, level.name, slanted) for centre, level in zip(centres, levels, strict=True)),
        _text(factor, (LEFT + RIGHT) / 2, HEIGHT - 8 + tallest, "axis"),
        _tag("polyline", points=" ".join(means), class_="trend") if _are_numbers(levels) else "",
        *(_level(level, centre, band, y) for centre, level in zip(centres, levels, strict=True)),
        height=HEIGHT + tallest,
    )


def strip(arm: Arm, low: float, high: float) -> str:
    """The seeds and the mean of one design on a line from `low` to `high`, for a cell of a table."""
    x = Axis(low, high, 5, 91)
    seeds = (_tag("circle", cx=x.at(value), cy=8, r=2.6, class_="seed") for value in arm.values)
    mean = _tag("path", d=f"M{x.at(arm.mean):.1f} 2v12", class_="mean best" if arm.best else "mean")
    rule = _tag("path", d="M2 8h92", class_="grid")
    return _svg(arm.words, rule, *seeds, mean, width=96, height=16, class_="strip")


def span(values: Iterable[float]) -> tuple[float, float]:
    """From a little below the lowest to a little above the highest, in [0, 100]; what is not finite does not count."""
    found = [value for value in values if math.isfinite(value)] or [50.0]
    margin = max(0.5, 0.06 * (max(found) - min(found)))
    return max(0.0, min(found) - margin), min(100.0, max(found) + margin)


def _value_axis(values: Iterable[float]) -> Axis:
    low, high = span(values)
    return Axis(low, high, BOTTOM, TOP)


def _value_grid(y: Axis, name: str) -> str:
    ticks = nice_ticks(y.low, y.high)
    digits = 0 if all(tick == round(tick) for tick in ticks) else 1
    lines = (_tag("path", d=f"M{LEFT} {y.at(tick):.1f}H{RIGHT}", class_="grid") for tick in ticks)
    labels = (_text(f"{tick:.{digits}f}", LEFT - 7, y.at(tick) + 4, "tick end") for tick in ticks)
    return "".join((*lines, *labels, _text(f"{name}, %", 4, 14, "axis start")))


def _epoch_ticks(epochs: int) -> Iterator[float]:
    """The first epoch, then round ones."""
    yield 1
    if epochs > 1:
        yield from (tick for tick in nice_ticks(0, epochs, 8) if tick > 1 and tick == round(tick))


def _tick(at: float, name: str, slanted: bool = False) -> str:
    mark = _tag("path", d=f"M{at:.1f} {BOTTOM}v5", class_="rule")
    if not slanted:
        return mark + _text(name, at, BOTTOM + 19, "tick")
    cut = name if len(name) <= 22 else name[:21] + "…"
    turn = f"rotate(-36 {at:.1f} {BOTTOM + 14:.1f})"
    return mark + _tag("text", _title(name), escape(cut), x=at, y=BOTTOM + 14, transform=turn, class_="tick end")


def _seeds(at: float, arm: Arm, y: Axis) -> str:
    """The values behind a mean, strung on a line; nothing where the mean is the value."""
    if len(arm.values) < 2:
        return ""
    span = f"M{at:.1f} {y.at(min(arm.values)):.1f}V{y.at(max(arm.values)):.1f}"
    dots = (_tag("circle", cx=at, cy=y.at(value), r=2.6, class_="seed") for value in arm.values)
    return _tag("path", d=span, class_="span") + "".join(dots)


def _mark(at: float, height: float, words: str, best: bool) -> str:
    """A design: a dot, or a diamond where it is the best, for colour alone does not tell it to everybody."""
    if best:
        return _tag("path", _title(words), d=f"M{at:.1f} {height - 7:.1f}l7 7l-7 7l-7 -7z", class_="mark best")
    return _tag("circle", _title(words), cx=at, cy=height, r=4.6, class_="mark")


def _best_label(at: float, arm: Arm, y: Axis) -> str:
    """The best design's name above it, leaning away from the nearer edge."""
    part = (at - LEFT) / (RIGHT - LEFT)
    side = "start" if part < 0.3 else "end" if part > 0.7 else ""
    cut = arm.label if len(arm.label) <= 40 else arm.label[:39] + "…"
    shift = {"start": -6, "end": 6, "": 0}[side]
    return _text(cut, at + shift, max(TOP - 4, y.at(max(arm.values)) - 11), f"label {side}".strip())


def _best_last(marks: Iterable[tuple[tuple[float, Arm], str]]) -> list[tuple[tuple[float, Arm], str]]:
    """In the order of drawing: nothing may cover the best."""
    return sorted(marks, key=lambda mark: mark[0][1].best)


def _steps(corners: Sequence[tuple[float, float]]) -> str:
    """What is to be had for a cost: level up to the next corner, then up, and level to the edge."""
    start = f"M{corners[0][0]:.1f} {corners[0][1]:.1f}"
    return start + "".join(f"H{x:.1f}V{y:.1f}" for _, (x, y) in pairwise(corners)) + f"H{RIGHT}"


def _thinned(lines: int) -> str:
    """How opaque each of so many lines is, so that a crowd shows where it is dense."""
    return f"{0.8 if lines <= 25 else 4 / math.sqrt(lines):.2f}"


def _line(curve: Curve, x: Axis, y: Axis) -> str:
    points = [(x.at(i + 1), y.at(value)) for i, value in enumerate(curve.values) if math.isfinite(value)]
    title = _title(f"{curve.label}: {max(filter(math.isfinite, curve.values)):.1f} % at best")
    path = " ".join(f"{at:.1f},{height:.1f}" for at, height in points)
    kind = "best" if curve.best else "failed" if curve.failed else "other"
    line = _tag("polyline", title, points=path, class_=f"curve {kind}")
    ends = points[-1:] if curve.best or len(points) == 1 else []  # a line of a single point cannot be seen
    return line + "".join(_tag("circle", cx=at, cy=height, r=3, class_=f"end {kind}") for at, height in ends)


def _are_numbers(levels: Sequence[Level]) -> bool:
    """Whether the levels have an order of their own, so that a line from one to the next means something."""
    return all(level.name.replace(".", "", 1).isdecimal() for level in levels)


def _level(level: Level, centre: float, band: float, y: Axis) -> str:
    """A level's designs across the middle of its band, its mean as a bar with the number."""
    reach = min(34.0, 0.27 * band)
    gap = 2 * reach / (len(level.arms) + 1)
    height = y.at(level.mean)
    bar = _tag("path", d=f"M{centre - reach:.1f} {height:.1f}h{2 * reach:.1f}", class_="mean")
    placed = [((centre - reach + gap * (index + 1), arm), arm.words) for index, arm in enumerate(level.arms)]
    marks = (_mark(at, y.at(arm.mean), words, arm.best) for (at, arm), words in _best_last(placed))
    number = _text(f"{level.mean:.1f}", centre + reach + 3, height + 4, "number start") if band > 60 else ""
    title = _title(f"{level.name}: {level.mean:.1f} % on average over {len(level.arms)}")
    return _tag("g", title, bar, *marks, number)


def _svg(
    name: str, *content: str, width: float = WIDTH, height: float = HEIGHT, class_: Literal["chart", "strip"] = "chart"
) -> str:
    box = f"0 0 {width:g} {height:g}"
    return _tag("svg", *content, viewBox=box, role="img", aria_label=name, class_=class_)


def _text(words: str, x: float, y: float, class_: str) -> str:
    return _tag("text", escape(words), x=x, y=y, class_=class_)


def _title(words: str) -> str:
    return _tag("title", escape(words))


def _tag(tag: str, *content: str, **attributes: str | float) -> str:
    """An element. `content` is markup already; attributes are escaped here, and numbers cut to a tenth."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value) if isinstance(value, str) else f"{value:.1f}"}"'
        for key, value in attributes.items()
    )
    return f"<{tag}{written}>{''.join(content)}</{tag}>"
