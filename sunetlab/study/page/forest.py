"""The forest plot of verdicts: each comparison's difference, its interval, the pairs behind it, what could be shown.

A row of the plot is a cell of a table, so that it stands beside its words on a wide page and below them on a phone; all
rows have one scale, whose numbers are in the table's foot.
"""

import math
from collections.abc import Sequence

from sunetlab.draw.axes import Axis, nice_ticks
from sunetlab.study.page import canvas
from sunetlab.study.verdict import Verdict

WIDTH, HEIGHT = 440.0, 40.0  # px of a row
EDGE = 12.0  # px left free at both sides
MIDDLE, POINTS = 15.0, 30.0  # px: where the mean stands, and where the pairs do
SIGNS = {"better": "▲", "worse": "▼", "no conclusion": "○"}  # for colour alone does not tell it to everybody
_SHAPES = {"better": "l8 14h-16z", "worse": "l8 -14h-16z", "no conclusion": ""}


def scale(verdicts: Sequence[Verdict]) -> Axis:
    """The scale that rows share, in points: zero, all differences and intervals, and bands that are not far wider."""
    found = [0.0]
    for verdict in verdicts:
        comparison = verdict.comparison
        found += [*comparison.differences, comparison.difference, comparison.low, comparison.high]
    inner = [100 * value for value in found if math.isfinite(value)]
    reach = max(map(abs, inner)) or 0.5
    bands = [100 * v.detectable for v in verdicts if 100 * v.detectable <= 1.6 * reach]
    low, high = min([*inner, *(-band for band in bands)]), max([*inner, *bands])
    margin = 0.04 * (high - low) or 0.5
    return Axis(low - margin, high + margin, EDGE, WIDTH - EDGE)


def row(verdict: Verdict, x: Axis) -> str:
    """One comparison: the pale band of what would not have been shown, zero, interval, mean, and the pairs below."""
    found = verdict.comparison
    band, zero = 100 * verdict.detectable, x.at(0)
    sides = [x.at(x.within(side)) for side in (-band, band)]
    words = f"{verdict.name} against {verdict.against}: {signed(found.difference)} points, {verdict.outcome}"
    return canvas.svg(
        words,
        canvas.tag("rect", x=sides[0], y=2, width=sides[1] - sides[0], height=HEIGHT - 4, class_="hidden-by-chance"),
        canvas.tag("path", d=f"M{zero:.1f} 0V{HEIGHT}", class_="zero"),
        _interval(100 * found.low, 100 * found.high, x),
        _sign(x.at(100 * found.difference), verdict.outcome, words),
        *(_pair(100 * difference, x) for difference in found.differences),
        width=WIDTH,
        height=HEIGHT,
        class_="forest",
    )


def foot(x: Axis) -> str:
    """The numbers below all rows, and which side is which."""
    ticks = canvas.labelled(nice_ticks(x.low, x.high, 8), sign=True)
    marks = (
        canvas.tag("path", d=f"M{x.at(tick):.1f} 0v5", class_="rule") + canvas.text(label, x.at(tick), 19, "tick")
        for tick, label in ticks.items()
    )
    rule = canvas.tag("path", d=f"M{x.start} 0H{x.stop}", class_="rule")
    zero = x.at(0)
    sides = canvas.text("← worse", zero - 8, 38, "axis end") if zero - x.start > 60 else ""
    sides += canvas.text("better →", zero + 8, 38, "axis start") if x.stop - zero > 60 else ""
    return canvas.svg("difference in points", rule, *marks, sides, width=WIDTH, height=44, class_="forest")


def _interval(low: float, high: float, x: Axis) -> str:
    """A line with a cap at each end that it has within the scale."""
    ends = [(x.at(x.within(end)), x.low <= end <= x.high) for end in (low, high)]
    caps = "".join(f"M{at:.1f} {MIDDLE - 5}v10" for at, is_there in ends if is_there)
    return canvas.tag("path", d=f"M{ends[0][0]:.1f} {MIDDLE}H{ends[1][0]:.1f}{caps}", class_="interval")


def _sign(at: float, outcome: str, words: str) -> str:
    """A triangle up or down, or an open circle: better, worse, no conclusion."""
    kind, shape = f"sign {outcome.replace(' ', '-')}", _SHAPES[outcome]
    if not shape:
        return canvas.tag("circle", canvas.title(words), cx=at, cy=MIDDLE, r=6, class_=kind)
    top = MIDDLE - 7 if outcome == "better" else MIDDLE + 7
    return canvas.tag("path", canvas.title(words), d=f"M{at:.1f} {top:.1f}{shape}", class_=kind)


def _pair(difference: float, x: Axis) -> str:
    words = canvas.title(f"one shared seed: {signed(difference / 100)} points")
    return canvas.tag("circle", words, cx=x.at(difference), cy=POINTS, r=2.8, class_="seed")


def signed(difference: float) -> str:
    """A difference in points: +3.64, −1.03."""
    return f"{100 * difference:+.2f}".replace("-", "−")
