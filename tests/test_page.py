"""Parts of the page: the forest plot, rankings, what is counted, drawn and told of each stage of a study."""

import itertools
import json
import math
import random
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunetlab.study import attempt
from sunetlab.study.definition import Study
from sunetlab.study.importance import Importance
from sunetlab.study.page import forest
from sunetlab.study.page.arms import Arm, Curve
from sunetlab.study.page.curve_chart import curve_chart
from sunetlab.study.page.importance_chart import REST, importance_chart
from sunetlab.study.page.rank_chart import rank_chart
from sunetlab.study.page.rows import Names, apart, curves, group
from sunetlab.study.page.sentence import parts
from sunetlab.study.report import write_report
from sunetlab.study.runner import run_study
from sunetlab.study.verdict import Verdict, compare, judged, kendall
from sunetlab.train.run import Run
from tests.test_report import HOSTILE, Page, fill, found, make_study, place, title
from tests.test_stages import SEARCHED, TUNED, train_as
from tests.tiny import SEARCH, STUDY, stand_in, write_study

differences = st.lists(st.integers(-400, 400).map(lambda points: points / 1000), min_size=2, max_size=8)


def verdict_of(name: str, values: list[float]) -> Verdict:
    (verdict,) = judged({(name, "base"): compare([0.5] * len(values), [0.5 + value for value in values])})
    return verdict


def numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?[\d.]+", path)]


# The forest plot.


@settings(max_examples=30)
@given(st.lists(differences, min_size=1, max_size=4))
def test_a_row_has_mean_interval_band_and_pairs_on_one_scale(found_: list[list[float]]) -> None:
    verdicts = [verdict_of(f"arm {i}", values) for i, values in enumerate(found_)]
    x = forest.scale(verdicts)
    for verdict in verdicts:
        comparison, svg = verdict.comparison, forest.row(verdict, x)
        pairs = sorted(float(dot.attrib["cx"]) for dot in found(svg, "circle", "seed"))
        assert pairs == pytest.approx(sorted(x.at(100 * each) for each in comparison.differences), abs=0.06)
        low, _, high, *_ = numbers(found(svg, "path", "interval")[0].attrib["d"])
        assert [low, high] == pytest.approx([x.at(100 * comparison.low), x.at(100 * comparison.high)], abs=0.06)
        band = found(svg, "rect", "hidden-by-chance")[0].attrib
        left, right = float(band["x"]), float(band["x"]) + float(band["width"])
        assert left - 0.1 <= x.at(0) <= right + 0.1
        assert forest.EDGE - 0.1 <= left <= right <= forest.WIDTH - forest.EDGE + 0.1
        if 100 * verdict.detectable <= x.high:
            assert right == pytest.approx(x.at(100 * verdict.detectable), abs=0.11)


@pytest.mark.parametrize(
    ("values", "kind", "tag", "sign"),
    [
        ([0.1] * 6, "better", "path", "▲"),
        ([-0.1] * 6, "worse", "path", "▼"),
        ([0.1, -0.1] * 3, "no-conclusion", "circle", "○"),
    ],
)
def test_an_outcome_is_told_by_shape_and_words(values: list[float], kind: str, tag: str, sign: str) -> None:
    verdict = verdict_of(HOSTILE, values)
    svg = forest.row(verdict, forest.scale([verdict]))
    (mark,) = found(svg, tag, f"sign {kind}")
    assert title(mark).endswith(f"points, {verdict.outcome}")
    assert forest.SIGNS[verdict.outcome] == sign
    assert len(set(forest.SIGNS.values())) == 3


def test_a_single_pair_has_an_interval_without_ends() -> None:
    verdict = verdict_of("one", [0.02])
    x = forest.scale([verdict])
    assert math.isinf(verdict.comparison.high)
    d = found(forest.row(verdict, x), "path", "interval")[0].attrib["d"]
    assert numbers(d)[::2][:2] == pytest.approx([x.start, x.stop], abs=0.06)
    assert "v" not in d  # a cap would say that it ends here
    ticks = [text.text for text in found(forest.foot(x), "text", "tick")]
    assert "0" in ticks
    assert any(str(tick).startswith("+") for tick in ticks)


@pytest.mark.parametrize("values", [[0.1] * 6, [0.1, -0.1] * 3, [0.02]])
def test_a_sentence_is_cut_into_claim_and_figures(values: list[float]) -> None:
    sentence = verdict_of("a, b 1", values).sentence
    claim, figures = parts(sentence)
    assert claim + figures == sentence
    assert "a, b 1" in claim
    assert "interval" not in claim
    assert "seed" in figures


# Other charts.


def test_bars_are_as_long_as_shares_and_ticks_where_chance_is() -> None:
    told = Importance("variance", {"depth": 0.6, "n": 0.3}, {"depth": 0.2, "n": 0.45}, 0.1, 12)
    svg = importance_chart(told)
    bars = found(svg, "rect", "bar")
    assert [float(bar.attrib["width"]) for bar in bars] == pytest.approx(
        [width * float(bars[0].attrib["width"]) for width in (1, 0.5, 1 / 6)], abs=0.1
    )
    starts = float(bars[0].attrib["x"])
    ticks = [numbers(tick.attrib["d"])[0] - starts for tick in found(svg, "path", "chance")]
    assert ticks == pytest.approx([float(bars[0].attrib["width"]) * part for part in (1 / 3, 0.75)], abs=0.1)
    words = [title(group) for group in found(svg, "g", "told")]
    assert words[0].startswith("depth: 60.0 %; shuffled results stay below 20.0 %")
    assert words[2] == f"{REST}: 10.0 %"


@given(
    st.lists(st.tuples(*[st.lists(st.integers(0, 100).map(float), min_size=1, max_size=3)] * 2), min_size=1, max_size=8)
)
def test_a_ranking_has_each_design_at_both_its_means(pairs: list[tuple[list[float], list[float]]]) -> None:
    first, second = (
        [Arm(f"design {i}", tuple(pair[side]), key=f"d{i}") for i, pair in enumerate(pairs)] for side in (0, 1)
    )
    svg = rank_chart(first, second, "short", "long", kendall([a.mean for a in first], [b.mean for b in second]))
    places = {}
    for mark in (*found(svg, "circle", "mark"), *found(svg, "path", "mark")):
        x, y = place(mark)
        square = mark.tag == "path" and "h10" in mark.attrib["d"]
        places[title(mark).split(":")[0]] = (x + 5, y - 2) if square else (x, y)
    assert len(places) == len(pairs)
    for (one, a, b), (other, c, d) in itertools.permutations(zip(places, first, second, strict=False), 2):
        del one, other
        (x1, y1), (x2, y2) = places[a.label], places[c.label]
        assert a.mean > c.mean or x1 <= x2 + 0.11
        assert b.mean > d.mean or y1 >= y2 - 0.21
    best = {title(mark).split(":")[0] for mark in found(svg, "path", "mark best")}
    assert max(first, key=lambda arm: arm.mean).label in best
    assert max(second, key=lambda arm: arm.mean).label in best
    assert len(best) <= 2


def test_a_ranking_names_the_best_and_says_tau() -> None:
    arms = [Arm(f"d {i}", (float(10 * i), float(10 * i + 2)), key=f"d{i}") for i in range(8)]
    names = {
        text.text for text in found(rank_chart(arms, arms, "a", "b", kendall(range(8), range(8))), "text", "label")
    }
    assert names == {"best by both"}
    turned = rank_chart(arms, arms[::-1], "a", "b", kendall(range(8), range(8)[::-1]))
    assert {text.text for text in found(turned, "text", "label")} == {"best by a", "best by b"}
    assert "τ = −1.00 (" in "".join(ElementTree.fromstring(turned).itertext())
    assert len(found(turned, "path", "span")) == 8
    with pytest.raises(ValueError, match="zip"):
        rank_chart(arms, arms[1:], "a", "b", kendall([1, 2], [1, 2]))


def test_a_crowd_of_curves_has_a_median() -> None:
    few = [Curve(f"c {i}", (float(i), 2.0 * i)) for i in range(20)]
    assert not found(curve_chart(few, "mIoU"), "polyline", "median")
    crowd = [Curve(f"c {i}", (float(i), 2.0 * i) if i else (0.0,)) for i in range(31)]
    svg = curve_chart([*crowd, Curve("best", (90.0, 90.0), best=True)], "mIoU")
    (median,) = found(svg, "polyline", "median")
    heights = [float(point.split(",")[1]) for point in median.attrib["points"].split()]
    lines = {title(line).split(":")[0]: line.attrib["points"].split() for line in found(svg, "polyline", "other")}
    assert heights[0] == float(lines["c 15"][0].split(",")[1])
    middle = [float(lines[name][1].split(",")[1]) for name in ("c 15", "c 16")]
    assert heights[1] == pytest.approx(sum(middle) / 2, abs=0.11)


def test_of_thousands_of_curves_some_are_drawn_and_it_is_said_how_many(tmp_path: Path) -> None:
    study = Study.load(write_study(tmp_path))
    rows: list[dict[str, Any]] = [{"design": "a", "depth": 1}, {"design": "b", "depth": 2}]
    trials = [
        {**row, "seed": seed, "state": "finished", "value": 0.5, "folder": f"{row['design']}-s{seed}", "reason": ""}
        for row in rows
        for seed in range(6)
    ]
    for trial in trials:
        run = tmp_path / trial["folder"]
        run.mkdir()
        line = {"epoch": 1, "lr": 0.1, "train_loss": 1.0, "seconds": 1.0, "val_accuracy": 0.5}
        (run / "log.jsonl").write_text(json.dumps(line) + "\n")
    names = Names(study)
    whole = group(names, rows, trials)
    assert (apart(whole), len(curves(names, tmp_path, whole, "val_accuracy"))) == (1, 12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sunetlab.study.page.rows.MOST_CURVES", 4)
        drawn = curves(names, tmp_path, whole, "val_accuracy")
        assert [curve.best for curve in drawn] == [True] * 6 + [False] * 2
        assert "one of 3 drawn" in curve_chart(drawn, "accuracy", apart(whole))
    assert "drawn" not in curve_chart(drawn, "accuracy")


def test_of_many_verdicts_conclusions_come_first_and_all_are_there(tmp_path: Path) -> None:
    text = STUDY.replace("depth = [1, 2]", f"n = {list(range(4, 20))}").replace("n = 4\n", "depth = 1\n", 1)
    text = text.replace("seeds = [0, 1]", f"seeds = {list(range(10))}").replace(
        "[[tasks]]", "[baseline]\nn = 4\n[[tasks]]"
    )
    study, values = Study.load(write_study(tmp_path, text)), random.Random(0)
    levels = {n: (-0.2 if n == 11 else 0.2 if n == 17 else 0.0) for n in range(4, 20)}

    def trained(run: Run, data: Any, folder: Path, *_: Any) -> dict[str, Any]:
        result = stand_in(run, data, folder)
        return {**result, "value": 0.5 + levels[run.spec.n] + 0.01 * values.random()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempt, "train", trained)
        run_study(study, tmp_path / "out", "cpu")
    page = write_report(study, tmp_path / "out", "").read_text()
    said = re.findall(r'<li class="(better|worse|no-conclusion)"><span', page)
    assert said[:2] == ["worse", "better"]
    assert len(said) == 15
    assert "Of 15 comparisons 1 found better, 1 worse, 13 came to no conclusion." in page
    assert "<summary>3 more</summary>" in page


# The page.


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two tasks, two seeds, three failures for two reasons."""
    study, folder = make_study("Why?", (0, 1), ("classification", "segmentation")), tmp_path_factory.mktemp("page")
    lost = {f"segmentation/1/1,2/{seed}": "not finite" for seed in (0, 1)}
    fill(study, folder, {"": 0.3, "classification/1/1,2/0": 0.4, **lost, "segmentation/2/1,2/1": "out of memory"})
    return write_report(study, folder, "").read_text()


def test_designs_are_drawn_once_each_and_styled_once(page: str) -> None:
    assert page.count('class="sunet"') == page.count('<details class="drawing"') == 4 + 3
    assert page.count(".sunet text{font-family") == 1
    assert not re.findall(r'\bid="(?!classification|segmentation|made)', page)  # nothing can clash
    assert len(re.findall(r"<summary>depth\xa01, stacks\xa01,2 <span>best</span>", page)) == 1
    assert len(page) < 200_000


def test_failures_are_counted_by_reason(page: str) -> None:
    counted = "reason trials of all designs not finite 2 25 % 1 out of memory 1 12 % 1"
    assert Page(page).text.count(counted) == 1


def test_marks_curves_and_rows_of_a_design_have_one_key(page: str) -> None:
    tags = Page(page).tags
    labels: dict[str, set[str]] = {}
    for _, attrs in tags:
        if attrs.get("data-label"):
            labels.setdefault(str(attrs["data-design"]), set()).add(str(attrs["data-label"]).replace("\xa0", " "))
    assert sorted(map(tuple, labels.values())) == [
        (f"depth {depth}, stacks {stacks}",) for depth in (1, 2) for stacks in ("1,1", "1,2")
    ]
    for tag in ("circle", "polyline", "tr"):
        assert {attrs["data-design"] for name, attrs in tags if name == tag and "data-design" in attrs} == set(labels)


@pytest.mark.usefixtures("quick")
def test_a_search_shows_its_winners_beside_its_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "train", stand_in)
    study = Study.load(write_study(tmp_path, SEARCHED.replace("seeds = [5, 6]", "seeds = [5, 6], test = false")))
    run_study(study, tmp_path / "out", "cpu", 8)
    left = Page(write_report(study, tmp_path / "out", "").read_text()).text
    assert "14 trials 8 finished 0 failed 6 left to run" in left
    run_study(study, tmp_path / "out", "cpu")
    text = Page(write_report(study, tmp_path / "out", "").read_text()).text
    assert re.search(r"1[24] trials 1[24] finished 0 failed 0 left to run", text)  # a winner may be the one beside
    assert "winners, trained anew" in text
    assert "against n 2, depth 1, stem_width 4, stacks 1,1" in text


@pytest.mark.usefixtures("quick")
def test_rates_that_were_found_stand_beside_their_designs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_as(monkeypatch, lambda run: 0.5 + 0.1 * run.recipe.lr - 0.001 * run.seed)
    study = Study.load(write_study(tmp_path, TUNED))
    run_study(study, tmp_path / "out", "cpu", 12)
    text = Page(write_report(study, tmp_path / "out", "").read_text()).text
    assert "16 trials 12 finished 0 failed 4 left to run" in text
    assert "No trial has finished yet" in text  # those that found the rates are none of the comparison
    run_study(study, tmp_path / "out", "cpu")
    text = Page(write_report(study, tmp_path / "out", "").read_text()).text
    assert "± s.d. seeds and mean lr params" in text
    (rates,) = re.findall(r"seeds time a trial design (.*?) MACs are those", text)
    assert rates.count(" 0.04 ") == 2


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("by", ["task", "recipe.epochs"])
def test_a_ranking_stands_on_the_page(by: str, tmp_path: Path, monkeypatch: Any) -> None:
    train_as(monkeypatch, lambda run: 0.1 * run.spec.n + 0.01 * run.seed)
    text = SEARCH.replace('"tpe"', f'"random"\nrank = "{by}"').replace("designs = 4", "designs = 6")
    text = text.replace("params<=4k", "params<=8k").replace("seeds = [0, 1]", "seeds = [0]")
    names = ["segmentation against classification"]
    if by == "task":
        text += text[text.index("[[tasks]]") :].replace("classification", "segmentation").replace("= 32", "= 40")
    else:
        text = text.replace("[factors]", "[factors]\nrecipe.epochs = [1, 9]")
        names = ["recipe.epochs 9 against recipe.epochs 1"]
    study = Study.load(write_study(tmp_path, text))
    run_study(study, tmp_path / "out", "cpu")
    written = write_report(study, tmp_path / "out", "").read_text()
    for name in names:
        svg = re.search(rf'<svg [^>]*aria-label="{name}".*?</svg>', written, re.DOTALL)
        assert svg is not None
        assert len(found(svg[0], "circle", "mark")) + len(found(svg[0], "path", "mark")) == 6
        assert "best by both" in svg[0]
    assert "designs, p = " in written
