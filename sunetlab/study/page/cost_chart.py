"""Value against cost: designs, their seeds behind them, the Pareto front."""

from collections.abc import Sequence
from itertools import pairwise

from sunetlab.draw.axes import Axis, log_ticks
from sunetlab.draw.front import pareto_front
from sunetlab.draw.quantity import short
from sunetlab.study.page import canvas
from sunetlab.study.page.arms import Arm
from sunetlab.study.page.canvas import LEFT, RIGHT


def cost_chart(arms: Sequence[Arm], costs: Sequence[float], cost_name: str, value_name: str) -> str:
    """A chart on a logarithmic axis of costs.

    Args:
        arms: at least one design.
        costs: what each costs, greater than 0.
        cost_name: the horizontal axis.
        value_name: the vertical axis.
    """
    x = Axis(min(costs) / 1.15, max(costs) * 1.15, LEFT, RIGHT, log=True)
    y = canvas.value_axis(value for arm in arms for value in arm.values)
    pairs = list(zip(costs, arms, strict=True))
    ticks = {tick: short(tick) for tick in log_ticks(x.low, x.high)}
    front = pareto_front([(cost, arm.mean) for cost, arm in pairs])
    steps = _steps([(x.at(costs[i]), y.at(arms[i].mean)) for i in front])
    last = sorted(pairs, key=lambda pair: pair[1].best)  # nothing may cover the best
    return canvas.svg(
        f"{value_name} against {cost_name}",
        canvas.value_grid(y, value_name),
        *(canvas.tick(x.at(tick), name) for tick, name in ticks.items()),
        canvas.below(cost_name + " (log scale)"),
        canvas.tag("path", d=steps, class_="front"),
        *(canvas.seeds(x.at(cost), arm, y) for cost, arm in pairs),
        *(
            canvas.mark(x.at(cost), y.at(arm.mean), arm, f"{arm.words}, {short(cost)} {cost_name}")
            for cost, arm in last
        ),
        *(canvas.beside(arm.label, x.at(cost), y.at(max(arm.values)) - 11, arm.key) for cost, arm in pairs if arm.best),
    )


def _steps(corners: Sequence[tuple[float, float]]) -> str:
    """What is to be had for a cost: level up to the next corner, then up, and level to the edge."""
    start = f"M{corners[0][0]:.1f} {corners[0][1]:.1f}"
    return start + "".join(f"H{x:.1f}V{y:.1f}" for _, (x, y) in pairwise(corners)) + f"H{RIGHT}"
