"""How much each factor matters, as bars; a tick on each says what chance alone would reach."""

from sunetlab.draw.axes import Axis, nice_ticks
from sunetlab.study.importance import Importance
from sunetlab.study.page import canvas
from sunetlab.study.page.canvas import WIDTH

_ROW, _BAR, _ABOVE = 34.0, 14.0, 30.0  # px
_NAMES, _NUMBERS = 128.0, 46.0  # px that names of factors and the numbers take

REST = "interactions, rest"
_HEADINGS = {"variance": "share of the variance between designs", "best": "importance for the best designs"}


def importance_chart(found: Importance) -> str:
    """A chart with a bar for each factor, the longest first, and for the rest where there is one."""
    bars = found.shares | ({REST: found.rest} if found.method == "variance" else {})
    most = max([*bars.values(), *found.chance.values()])
    x = Axis(0, most, _NAMES, WIDTH - _NUMBERS)
    bottom = _ABOVE + _ROW * len(bars)
    heading = _HEADINGS[found.method]
    ticks = {100 * tick: tick for tick in nice_ticks(0, most, 5)}
    labels = canvas.labelled(ticks)
    return canvas.svg(
        f"{heading}, by factor",
        canvas.text(f"{heading}, %", 4, 14, "axis start"),
        *(canvas.tag("path", d=f"M{x.at(part):.1f} {_ABOVE}V{bottom}", class_="grid") for part in ticks.values()),
        *(canvas.text(labels[percent], x.at(part), bottom + 18, "tick") for percent, part in ticks.items()),
        *(
            _bar(name, share, found.chance.get(name), x, _ABOVE + _ROW * (index + 0.5))
            for index, (name, share) in enumerate(bars.items())
        ),
        height=bottom + 28,
    )


def _bar(name: str, share: float, chance: float | None, x: Axis, middle: float) -> str:
    words = f"{name}: {100 * share:.1f} %"
    if chance is not None:
        words += f"; shuffled results stay below {100 * chance:.1f} % nineteen times out of twenty"
    width, kind = max(1.0, x.at(share) - x.start), "bar" if chance is not None else "bar rest"
    rect = canvas.tag("rect", x=x.start, y=middle - _BAR / 2, width=width, height=_BAR, rx=2, class_=kind)
    tick = canvas.tag("path", d=f"M{x.at(chance):.1f} {middle - 11}v22", class_="chance") if chance is not None else ""
    number = canvas.text(f"{100 * share:.0f}", max(x.at(share), x.at(chance or 0)) + 7, middle + 4, "number start")
    label = canvas.text(canvas.cut(name, 19), _NAMES - 8, middle + 4, "tick end")
    return canvas.tag("g", canvas.title(words), label, rect, tick, number, class_="told")
