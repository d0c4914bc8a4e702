"""Designs drawn, for a page that has several: the figure of the network of each of a few."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from sunetlab.draw.network import draw_network
from sunetlab.folders import SPEC
from sunetlab.spec import SUNetSpec
from sunetlab.study.page.rows import Group
from sunetlab.train.run import read_result

FEW = 6  # designs of which all are drawn
_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)


class Drawing(NamedTuple):
    """A design's figure, its name, and what it is besides: the best, the baseline."""

    label: str
    role: str
    key: str
    svg: Markup


def drawings(found: Group, home: Path, baseline: frozenset[str] = frozenset()) -> tuple[Drawing, ...]:
    """The best design, the baselines and, where there are at most six designs, the others.

    Args:
        found: the designs, the best first.
        home: where their trials' folders are; a design without a spec there is left out.
        baseline: keys of the designs that others are compared with.
    """
    drawn = []
    for arm, row in zip(found.arms, found.rows, strict=True):
        if not (arm.best or arm.key in baseline or len(found.arms) <= FEW):
            continue
        role = " and ".join(filter(None, ["best" if arm.best else "", "baseline" if arm.key in baseline else ""]))
        folders = (home / trial["folder"] for trial in found.trials if trial["design"] == row["design"])
        if svg := _figure(folders):
            drawn.append(Drawing(arm.label, role, arm.key, Markup(svg)))
    return tuple(drawn)


def without_style(svg: str) -> str:
    """A figure without the rules that all figures share: a page needs them once."""
    return _STYLE.sub("", svg)


def _figure(folders: Iterable[Path]) -> str:
    """The first run's network for images of its size, as it stands inside a page."""
    for folder in folders:
        result = read_result(folder)
        if result is not None and (folder / SPEC).is_file():
            svg = draw_network(SUNetSpec.load(folder / SPEC), tuple(result["size"]))
            return svg.replace(' xmlns="http://www.w3.org/2000/svg"', "", 1)
    return ""
