"""What a task's answer stands on, as charts: designs by cost and by level, curves, what matters, the space's errors."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from sunetlab.errors import InputError
from sunetlab.study.definition import Study
from sunetlab.study.distribution import Distribution, distributions
from sunetlab.study.importance import Importance, importance
from sunetlab.study.page.arms import Arm
from sunetlab.study.page.cost_chart import cost_chart
from sunetlab.study.page.curve_chart import curve_chart
from sunetlab.study.page.edf_chart import Errors, edf_chart
from sunetlab.study.page.factor_chart import factor_chart
from sunetlab.study.page.rows import Group, Names, apart, curves, levels

CALLED = {  # quantities of designs, as axes are called
    "params": "parameters",
    "macs": "MACs per image",
    "fov": "field of view, pixels",
    "memory": "bytes of memory in training",
}


def charts(study: Study, names: Names, home: Path, found: Group, value_name: str, key: str) -> Iterator[str]:
    """Designs by cost and by what the study has measured, learning curves, designs by the levels of every factor.

    Args:
        study: the study.
        names: the page's.
        home: where the trials' folders are.
        found: the designs.
        value_name: of their values.
        key: of the figure in a trial's log.
    """
    if found.arms:
        for name in dict.fromkeys(("params", "macs", *study.told)):
            costs = [float(row[name]) for row in found.rows]
            if min(costs) > 0:  # for a logarithmic axis
                yield cost_chart(found.arms, costs, CALLED.get(name, name), value_name)
    if lines := curves(names, home, found, key):
        yield curve_chart(lines, value_name, apart(found))
    for factor in study.telling:
        each = levels(study, factor, found)
        if len(each) > 1:
            yield factor_chart(each, factor, value_name)


def matters(study: Study, found: Group) -> Importance | None:
    """The importance of the factors, where it means something."""
    columns = {name: [row[name] for row in found.rows] for name in study.telling}
    return importance(columns, [arm.mean for arm in found.arms])


def errors(study: Study, table: pd.DataFrame, task: str, found: Group, value_name: str) -> tuple[str, str]:
    """The distributions of errors of a random sample, and what is to be said of them; two empty texts of any other."""
    try:
        mine = [each for each in distributions(study, table) if each.task == task]
    except InputError:  # no random sample, or not yet: `sunetlab study distribution` says which
        return "", ""
    if not mine:
        return "", ""
    drawn = [Errors(each.name, each.band, tuple(_arms(found, each))) for each in mine]
    lost = sum(each.failed for each in mine)
    return edf_chart(drawn, value_name), (
        f"{len(mine[0].designs)} designs drawn at random from the space. With 95 % confidence the whole space’s "
        f"distribution lies within the band, ±{100 * mine[0].band.half_width:.1f} % of the designs (Dvoretzky, Kiefer "
        "and Wolfowitz, with Massart’s constant)." + (f" {lost} that failed are not among them." if lost else "")
    )


def _arms(found: Group, each: Distribution) -> Iterator[Arm]:
    """The designs of a distribution, in its order."""
    arms = {
        row["design"]: arm
        for row, arm in zip(found.rows, found.arms, strict=True)
        if all(row[word] == level for word, level in each.levels.items())
    }
    yield from (arms[design] for design in each.designs)
