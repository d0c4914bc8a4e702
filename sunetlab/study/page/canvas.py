"""What all charts are drawn with: SVG to stand inside a page, whose stylesheet gives the colours by class.

Every mark carries its own words as a <title>, which browsers show as a tooltip, and the page's script as a better one.
Drawings are narrow, so that their letters stay readable where a phone shows them at three quarters of their size.
"""

import math
from collections.abc import Iterable
from html import escape

from sunetlab.draw.axes import Axis, nice_ticks
from sunetlab.study.page.arms import Arm

WIDTH, HEIGHT = 440.0, 300.0  # px of a drawing, as are all positions below
LEFT, RIGHT, TOP, BOTTOM = 42.0, 426.0, 34.0, 254.0  # the sides of the plotted area
LETTER = 6.4  # width of a letter, on average, at the 12 px of a tick's label
BOLD = 7.8  # of a bold one at the 13 px of a mark's name


def svg(name: str, *content: str, width: float = WIDTH, height: float = HEIGHT, class_: str = "chart") -> str:
    """A drawing; `name` is what is read out in its place."""
    box = f"0 0 {width:g} {height:g}"
    return tag("svg", *content, viewBox=box, role="img", aria_label=name, class_=class_)


def tag(name: str, *content: str, **attributes: str | float) -> str:
    """An element. `content` is markup already; attributes are escaped, numbers cut to a tenth, empty ones left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value) if isinstance(value, str) else f"{value:.1f}"}"'
        for key, value in attributes.items()
        if value != ""
    )
    return f"<{name}{written}>{''.join(content)}</{name}>"


def text(words: str, x: float, y: float, class_: str) -> str:
    """One line of letters that stands on `y`."""
    return tag("text", escape(words), x=x, y=y, class_=class_)


def title(words: str) -> str:
    """What the element around it says when it is pointed at or read out."""
    return tag("title", escape(words))


def cut(words: str, most: int) -> str:
    """Words, shortened where they have more than so many letters."""
    return words if len(words) <= most else words[: most - 1] + "…"


def span(values: Iterable[float]) -> tuple[float, float]:
    """From a little below the lowest to a little above the highest, in [0, 100]; what is not finite does not count."""
    found = [value for value in values if math.isfinite(value)] or [50.0]
    margin = max(0.5, 0.06 * (max(found) - min(found)))
    return max(0.0, min(found) - margin), min(100.0, max(found) + margin)


def value_axis(values: Iterable[float]) -> Axis:
    """The upright axis, in percent."""
    low, high = span(values)
    return Axis(low, high, BOTTOM, TOP)


def value_grid(y: Axis, name: str) -> str:
    """The lines of an upright axis, its numbers, and its name above it."""
    ticks = nice_ticks(y.low, y.high)
    lines = (tag("path", d=f"M{LEFT} {y.at(tick):.1f}H{RIGHT}", class_="grid") for tick in ticks)
    labels = (text(label, LEFT - 7, y.at(at) + 4, "tick end") for at, label in labelled(ticks).items())
    return "".join((*lines, *labels, text(f"{name}, %", 4, 14, "axis start")))


def labelled(ticks: Iterable[float], sign: bool = False) -> dict[float, str]:
    """How ticks are written: all with as many decimals as the one that needs the most, two at the most.

    Args:
        ticks: round values.
        sign: whether a plus is written, and 0 alone without decimals.
    """
    found = list(ticks)
    digits = 0 if all(tick == round(tick) for tick in found) else 1 if all(_is_tenth(tick) for tick in found) else 2
    if sign:
        return {tick: f"{tick:+.{digits}f}".replace("-", "−") if tick else "0" for tick in found}
    return {tick: f"{tick:.{digits}f}".replace("-", "−") for tick in found}


def _is_tenth(value: float) -> bool:
    return math.isclose(10 * value, round(10 * value), abs_tol=1e-9)


def tick(at: float, name: str, slanted: bool = False) -> str:
    """A tick of the lower axis, its label level or, where there is no room, slanted."""
    mark = tag("path", d=f"M{at:.1f} {BOTTOM}v5", class_="rule")
    if not slanted:
        return mark + text(name, at, BOTTOM + 19, "tick")
    turn = f"rotate(-36 {at:.1f} {BOTTOM + 14:.1f})"
    label = tag("text", title(name), escape(cut(name, 22)), x=at, y=BOTTOM + 14, transform=turn, class_="tick end")
    return mark + label


def below(name: str, further: float = 0.0) -> str:
    """The name of the lower axis."""
    return text(name, (LEFT + RIGHT) / 2, HEIGHT - 8 + further, "axis")


def seeds(at: float, arm: Arm, y: Axis) -> str:
    """The values behind a mean, strung on a line; nothing where the mean is the value."""
    if len(arm.values) < 2:
        return ""
    line = f"M{at:.1f} {y.at(min(arm.values)):.1f}V{y.at(max(arm.values)):.1f}"
    dots = (tag("circle", cx=at, cy=y.at(value), r=2.6, class_="seed") for value in arm.values)
    return tag("g", tag("path", d=line, class_="span"), *dots, data_design=arm.key)


def mark(at: float, height: float, arm: Arm, words: str = "") -> str:
    """A design: a dot, or a diamond where it is the best, for colour alone does not tell it to everybody."""
    said = title(words or arm.words)
    if arm.best:
        d = f"M{at:.1f} {height - 7:.1f}l7 7l-7 7l-7 -7z"
        return tag("path", said, d=d, class_="mark best", data_design=arm.key)
    return tag("circle", said, cx=at, cy=height, r=4.6, class_="mark", data_design=arm.key)


def beside(words: str, at: float, height: float, data_design: str = "") -> str:
    """A mark's name above it, in the middle where there is room at both sides, else away from the nearer edge."""
    said = cut(words, 40)
    half = len(said) * BOLD / 2
    side = "start" if at - half < LEFT else "end" if at + half > RIGHT else ""
    shift = {"start": -6, "end": 6, "": 0}[side]
    place = max(TOP - 4, height)
    kind = f"label {side}".strip()
    return tag("text", escape(said), x=at + shift, y=place, class_=kind, data_design=data_design)
