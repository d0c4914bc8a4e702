"""The page and its charts, read back by parsers that know nothing of how they were made."""

import itertools
import json
import math
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState, create_trial

from sunetlab.analysis.report import analyze
from sunetlab.study.definition import Study
from sunetlab.study.designs import make_designs
from sunetlab.study.page import canvas
from sunetlab.study.page.arms import Arm, Curve, Level
from sunetlab.study.page.cost_chart import cost_chart
from sunetlab.study.page.curve_chart import curve_chart
from sunetlab.study.page.factor_chart import factor_chart
from sunetlab.study.page.strip import strip
from sunetlab.study.report import duration, write_report
from sunetlab.study.runner import open_folder
from sunetlab.study.standing import pooled_spread, standing
from sunetlab.study.storage import open_optuna
from tests.tiny import EPOCH

HOSTILE = "Is <script>alert('1')</script> & \"quoted\" deep?"
VOID_TAGS = {"meta", "link"}

percents = st.floats(0, 100).map(lambda value: round(value, 2))
arms_drawn = st.lists(st.lists(percents, min_size=1, max_size=4), min_size=1, max_size=30)


def as_arms(values: Sequence[Sequence[float]]) -> list[Arm]:
    best = max(range(len(values)), key=lambda i: sum(values[i]) / len(values[i]))
    return [Arm(f"design {i}", tuple(mine), best=i == best) for i, mine in enumerate(values)]


def found(svg: str, tag: str, class_: str) -> list[ElementTree.Element]:
    """The elements of a drawing that carry every one of the classes."""
    wanted = set(class_.split())
    return [
        element for element in ElementTree.fromstring(svg).iter(tag) if wanted <= set(element.get("class", "").split())
    ]


def title(element: ElementTree.Element) -> str:
    return element.findtext("title") or ""


def place(mark: ElementTree.Element) -> tuple[float, float]:
    """The centre of a mark, be it a dot or a diamond."""
    if mark.tag == "circle":
        return float(mark.attrib["cx"]), float(mark.attrib["cy"])
    x, y = re.findall(r"-?[\d.]+", mark.attrib["d"])[:2]
    return float(x), float(y) + 7


# Drawings.


@given(arms_drawn, st.data())
def test_cost_chart_has_a_mark_where_each_design_belongs(values: list[list[float]], data: st.DataObject) -> None:
    arms = as_arms(values)
    costs = data.draw(st.lists(st.integers(1, 10**9), min_size=len(arms), max_size=len(arms)))
    svg = cost_chart(arms, costs, "parameters", "accuracy")
    marks = {title(mark).split(":")[0]: place(mark) for kind in ("circle", "path") for mark in found(svg, kind, "mark")}
    assert len(found(svg, "circle", "mark")) + len(found(svg, "path", "mark best")) == len(arms) == len(marks)
    assert len(found(svg, "circle", "seed")) == sum(len(arm.values) for arm in arms if len(arm.values) > 1)
    for (arm, cost), (other, dearer) in itertools.permutations(zip(arms, costs, strict=True), 2):
        (x, y), (other_x, other_y) = marks[arm.label], marks[other.label]
        assert cost > dearer or x <= other_x + 0.05
        assert arm.mean > other.mean or y >= other_y - 0.15  # px go down where values go up; both are cut to a tenth
    for x, y in marks.values():
        assert canvas.LEFT <= x <= canvas.RIGHT
        assert canvas.TOP - 0.1 <= y <= canvas.BOTTOM + 0.1


def test_cost_axis_is_logarithmic_and_the_value_axis_is_not() -> None:
    arms = as_arms([[20.0], [30.0], [50.0]])
    svg = cost_chart(arms, [1e4, 1e5, 1e6], "parameters", "accuracy")
    (x1, y1), (x2, y2) = (place(mark) for mark in found(svg, "circle", "mark"))
    x3, y3 = place(found(svg, "path", "mark best")[0])
    assert x3 - x2 == pytest.approx(x2 - x1, abs=0.2)
    assert y2 - y3 == pytest.approx(2 * (y1 - y2), abs=0.3)
    labels = {text.text: float(text.attrib["x"]) for text in found(svg, "text", "tick")}
    assert (labels["10k"], labels["100k"], labels["1M"]) == pytest.approx((x1, x2, x3), abs=0.1)


def test_front_is_drawn_through_its_designs_in_steps() -> None:
    svg = cost_chart(as_arms([[20.0], [10.0], [30.0]]), [1e4, 1e5, 1e6], "parameters", "accuracy")
    first, dominated = (place(mark) for mark in found(svg, "circle", "mark"))
    best = place(found(svg, "path", "mark best")[0])
    path = found(svg, "path", "front")[0].attrib["d"]
    numbers = [float(number) for number in re.findall(r"[\d.]+", path)]
    assert numbers == pytest.approx([*first, *best, canvas.RIGHT], abs=0.11)
    assert re.sub(r"[\d. ]+", "", path) == "MHVH"
    assert dominated[0] not in numbers


def test_curves_are_one_line_a_trial() -> None:
    curves = [
        Curve("a", (10.0, 20.0, 15.0), best=True),
        Curve("b", (5.0, 8.0), failed=True),
        Curve("c", (7.0,)),
        Curve("d", (math.nan, 9.0, 9.5)),
    ]
    svg = curve_chart(curves, "mIoU")
    lines = {title(line)[0]: line.attrib["points"].split() for line in found(svg, "polyline", "curve")}
    assert {name: len(points) for name, points in lines.items()} == {"a": 3, "b": 2, "c": 1, "d": 2}
    assert [title(line)[0] for line in found(svg, "polyline", "best")] == ["a"]
    assert [title(line)[0] for line in found(svg, "polyline", "failed")] == ["b"]
    assert list(ElementTree.fromstring(svg))[-2].attrib["class"] == "curve best"  # on top, but for its end
    x = [float(point.split(",")[0]) for point in lines["a"]]
    y = [float(point.split(",")[1]) for point in lines["a"]]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.11)
    assert y[1] < y[2] < y[0]


@given(st.lists(st.lists(percents, min_size=1, max_size=6), min_size=1, max_size=12))
def test_factor_chart_has_every_design_in_its_band(values: list[list[float]]) -> None:
    levels = [Level(f"{i},1", tuple(Arm(f"{i}/{j}", (v,)) for j, v in enumerate(vs))) for i, vs in enumerate(values)]
    svg = factor_chart(levels, "stacks", "accuracy")
    band = (canvas.RIGHT - canvas.LEFT) / len(levels)
    marks = found(svg, "circle", "mark")
    assert len(marks) == sum(map(len, values))
    for mark in marks:
        level = int(title(mark).split("/")[0])
        assert canvas.LEFT + level * band < place(mark)[0] < canvas.LEFT + (level + 1) * band
    bars = [float(re.findall(r"[\d.]+", bar.attrib["d"])[1]) for bar in found(svg, "path", "mean")]
    means = [sum(vs) / len(vs) for vs in values]
    for (bar, mean), (other, higher) in itertools.permutations(zip(bars, means, strict=True), 2):
        assert mean > higher or bar >= other - 0.15


def test_only_levels_that_are_numbers_are_joined() -> None:
    def levels(*names: str) -> list[Level]:
        return [Level(name, (Arm("a", (50.0,)),)) for name in names]

    assert found(factor_chart(levels("1", "2.5"), "n", "mIoU"), "polyline", "trend")
    assert not found(factor_chart(levels("2,4", "2,2"), "stacks", "mIoU"), "polyline", "trend")


def test_words_in_drawings_are_escaped() -> None:
    arm = Arm(HOSTILE, (10.0, 20.0), best=True)
    for svg in (
        cost_chart([arm], [5], HOSTILE, HOSTILE),
        curve_chart([Curve(HOSTILE, (10.0,), best=True)], HOSTILE),
        factor_chart([Level(HOSTILE, (arm,))], HOSTILE, HOSTILE),
        strip(arm, 0, 100),
    ):
        assert "<script" not in svg
        root = ElementTree.fromstring(svg)
        assert any(HOSTILE in text for text in (*root.itertext(), root.attrib["aria-label"]))


# What is claimed.


def test_spread_is_pooled_over_designs() -> None:
    arms = [Arm("a", (10.0, 14.0)), Arm("b", (20.0, 20.0, 23.0)), Arm("c", (90.0,))]
    assert pooled_spread(arms) == pytest.approx(math.sqrt((8 + 6) / 3))
    assert pooled_spread(arms[2:]) is None


@pytest.mark.parametrize(
    ("values", "text", "doubt"),
    [
        ([], "No trial has finished", "nothing to compare"),
        ([[40.0]], "only design", "nothing to compare it with"),
        ([[40.0], [30.0]], "10.0 points above", "one seed cannot tell designs apart"),
        ([[40.0], [30.0, 32.0]], "9.0 points above", "one of the first two has a single seed"),
        ([[40.0, 42.0], [39.0, 41.0]], "1.0 points above", "differ by 1.4 points (standard deviation), so that chance"),
        ([[40.0, 42.0], [41.0, 41.0]], "level with the second", "chance alone"),
        ([[60.0, 61.0], [30.0, 31.0]], "30.0 points above", "2 seeds are few"),
    ],
)
def test_standing_never_claims_more_than_the_seeds_bear(values: list[list[float]], text: str, doubt: str) -> None:
    said = standing([Arm(f"design {i}", tuple(mine)) for i, mine in enumerate(values)], "accuracy")
    assert text in said[0]
    assert doubt in said[1]
    assert "significan" not in "".join(said)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.43, "9.4 s"), (75, "75 s"), (720, "12 min"), (12_600, "3.5 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# The page.


class Page(HTMLParser):
    """A page taken apart; tags that do not balance fail."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["title"], ["script"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def make_study(question: str, seeds: Sequence[int], tasks: Sequence[str]) -> Study:
    data = {"source": "scenes", "size": 48, "train": 64, "val": 32}
    return Study.model_validate(
        {
            "name": "tiny",
            "question": question,
            "seeds": list(seeds),
            "network": {"stem_width": 16, "widths": "rule", "n": 8},
            "factors": {"depth": [1, 2], "stacks": [[1, 1], [1, 2]]},
            "tasks": [{"task": t, "recipe": {"epochs": 3}, "data": {"task": t, **data}} for t in tasks],
        }
    )


def fill(study: Study, folder: Path, outcomes: dict[str, Any]) -> None:
    """Give `study` a folder as the runner leaves it.

    Args:
        study: the study.
        folder: where.
        outcomes: by "TASK/depth/stacks/seed": a value, a reason of failure, or None for a trial that waits; "" is for
            all others.
    """
    open_folder(study, folder)
    for task in study.tasks:
        optuna = open_optuna(study, task.task, folder)
        levels: dict[str, list[int] | list[str]] = {
            "depth": [1, 2],
            "stacks": ["1,1", "1,2"],
            "seed": list(study.seeds),
        }
        distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(choices) for name, choices in levels.items()
        }
        planned = [
            (
                outcomes.get(f"{task.task}/{design.levels['depth']}/{design.levels['stacks']}/{seed}", outcomes[""]),
                design,
                seed,
            )
            for design, seed in itertools.product(make_designs(study, task, 10, (48, 48)), study.seeds)
        ]
        for outcome, design, seed in planned:
            name = f"{design.spec.id}-s{seed}"
            params, attrs = {**design.levels, "seed": seed}, {"folder": name}
            if outcome is None:
                waits = {"fixed_params": params}
                optuna.add_trial(create_trial(state=TrialState.WAITING, user_attrs=attrs, system_attrs=waits))
                continue
            home = folder / "trials" / task.task / name
            home.mkdir(parents=True)
            score = "val_accuracy" if task.task == "classification" else "val_miou"
            design.spec.save(home / "spec.toml")
            (home / "log.jsonl").write_text(
                "".join(json.dumps({**EPOCH, "epoch": e, score: e / 10}) + "\n" for e in (1, 2))
            )
            if isinstance(outcome, str):
                attrs |= {"reason": outcome, "detail": f"said <b>{outcome}</b> & stopped"}
                failed = create_trial(
                    state=TrialState.FAIL, params=params, distributions=distributions, user_attrs=attrs
                )
                optuna.add_trial(failed)
                continue
            report = analyze(design.spec, (48, 48))
            record = {"params": report.params, "macs": report.macs, "seconds": 12.0}
            optuna.add_trial(
                create_trial(value=outcome, params=params, distributions=distributions, user_attrs=attrs | record)
            )
            machine = {"device": "cpu: abacus", "python": "3.11.7", "torch": "2.9"}
            shown = {"size": [48, 48], "train_images": 64, "val_images": 32, "machine": machine}
            (home / "result.json").write_text(
                json.dumps(record | shown | {"value": outcome, "objective": "accuracy", "best": EPOCH, "last": EPOCH})
            )


FULL = {
    "": 0.25,
    "classification/2/1,2/0": 0.5,
    "classification/2/1,2/1": 0.54,
    "classification/1/1,1/0": "not finite",
    "classification/1/1,2/1": "out of memory",
    "segmentation/1/1,1/1": None,
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks, two seeds, two failures and a trial that waits; the page's path."""
    folder = tmp_path_factory.mktemp("a study")
    study = make_study(HOSTILE, (0, 1), ("classification", "segmentation"))
    fill(study, folder, FULL)
    return write_report(study, folder, "sunetlab study run '<b>.toml'")


def test_page_is_whole_and_says_what_was_asked(full: Path) -> None:
    page = Page(full.read_text())
    assert HOSTILE in page.text
    assert "sunetlab study run '<b>.toml'" in page.text
    assert sum(tag == "script" for tag, _ in page.tags) == 1  # the page's own
    assert "<script>alert" not in full.read_text()
    assert sum(tag == "h1" for tag, _ in page.tags) == 1


def test_page_needs_nothing_from_outside(full: Path) -> None:
    text = re.sub(r"'sha256-[\w+/=]{44}'", "", full.read_text(), count=1)
    assert not re.search(r"(https?:)?//\w", text)
    assert not re.search(r"@import|url\(", text)
    for tag, attrs in Page(text).tags:
        for name in ("src", "href"):
            assert (attrs.get(name) or "data:").startswith(("data:", "#")), (tag, attrs)


def test_page_says_what_stands(full: Path) -> None:
    text = Page(full.read_text()).text
    assert "The best of 4 designs, depth 2, stacks 1,2, has 52.0 % validation accuracy (mean of 2 seeds)" in text
    assert "27.0 points above the second" in text
    assert "The best of 4 designs so far" in text  # segmentation: a trial waits
    assert text.count("No verdict:") == 2
    assert "validation split" in text
    assert "flattered" in text


def test_page_counts_trials(full: Path) -> None:
    text = Page(full.read_text()).text
    assert re.search(r"8 trials 6 finished 1 failed: not finite 1 failed: out of memory 0 left to run", text)
    assert re.search(r"8 trials 7 finished 0 failed 1 left to run", text)
    assert "said <b>not finite</b> & stopped" in text
    assert "said <b>out of memory</b> & stopped" in text


def test_page_has_every_design_with_its_numbers(full: Path) -> None:
    text = Page(full.read_text()).text
    study = make_study(HOSTILE, (0, 1), ("classification", "segmentation"))
    for task in study.tasks:
        for design in make_designs(study, task, 10, (48, 48)):
            assert design.spec.id in text
            assert f"{analyze(design.spec, (48, 48)).params:,}" in text
    assert "± 2.8" in text.replace("\u2009", " ")  # 50 and 54 %


def test_page_shows_charts_of_every_kind(full: Path) -> None:
    page = Page(full.read_text())
    names = [attrs.get("aria-label") for tag, attrs in page.tags if tag == "svg" and attrs.get("class") == "chart"]
    for value in ("accuracy", "mIoU"):
        assert names.count(f"{value} against parameters") == 1
        assert names.count(f"{value} against MACs per image") == 1
        assert names.count(f"{value} after every epoch") == 1
        assert {f"{value} by depth", f"{value} by stacks"} <= set(names)
    drawings = re.findall(r"<svg.*?</svg>", full.read_text(), flags=re.DOTALL)
    assert all(ElementTree.fromstring(drawing).tag == "svg" for drawing in drawings)


def test_page_says_how_it_was_made_and_what_to_do_next(full: Path) -> None:
    text = Page(full.read_text()).text
    for words in ("stem_width 16", "cpu: abacus", "Machine of 13 trials", "seeds 0, 1", "augment.flip", "48×48"):
        assert words in text
    folder = f"'{full.parent}'" if " " in str(full.parent) else str(full.parent)
    assert f"sunetlab study export {folder} --task classification --out" in text
    assert "best/segmentation/spec.toml" in text
    assert re.search(r"--where 'params<=\d+' --out", text)


def test_same_folder_gives_the_same_page(full: Path) -> None:
    before = full.read_bytes()
    study = make_study(HOSTILE, (0, 1), ("classification", "segmentation"))
    assert write_report(study, full.parent, "sunetlab study run '<b>.toml'") == full
    assert full.read_bytes() == before


@pytest.mark.parametrize(
    ("seeds", "outcomes", "said", "drawings"),
    [
        ((0,), {"": 0.3, "classification/1/1,2/0": 0.4}, "one seed cannot tell designs apart", 6),
        ((0, 1), {"": None}, "No trial has finished yet.", 0),
        ((0,), {"": "not finite"}, "4 failed: not finite", 1),
        ((0,), {"": None, "classification/1/1,2/0": 0.4}, "is the only design that has finished so far", 3),
    ],
)
def test_page_of_a_study_that_lacks_something(
    seeds: Sequence[int], outcomes: dict[str, Any], said: str, drawings: int, tmp_path: Path
) -> None:
    study = make_study("Why?", seeds, ("classification",))
    fill(study, tmp_path, outcomes)
    page = Page(write_report(study, tmp_path, "sunetlab study run tiny").read_text())
    assert said in page.text
    assert "No verdict:" in page.text
    assert sum(attrs.get("class") == "chart" for _, attrs in page.tags) == drawings


def test_page_of_a_study_that_never_began(tmp_path: Path) -> None:
    study = make_study("Why?", (0, 1), ("classification",))
    open_folder(study, tmp_path)
    text = Page(write_report(study, tmp_path, "sunetlab study run tiny").read_text()).text
    assert "8 trials 0 finished 0 failed 8 left to run" in text
