"""Distributions of errors: of a random sample alone, counted by hand, drawn as they are."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunetlab import InputError
from sunetlab.draw.steps import Steps, around, corners, draw_steps
from sunetlab.study import attempt, runner
from sunetlab.study.definition import Study
from sunetlab.study.distribution import distributions
from sunetlab.study.page.arms import Arm
from sunetlab.study.page.edf_chart import Errors, edf_chart
from sunetlab.study.verdict import dkw_band
from tests.conftest import Said
from tests.tiny import SEARCH, STUDY, stand_in, write_study

RANDOM = SEARCH.replace('"tpe"', '"random"')

samples = st.lists(st.integers(1, 99).map(float), min_size=1, max_size=30).map(sorted)


def study(folder: Path, text: str = RANDOM) -> Study:
    return Study.load(write_study(folder, text))


def table(states: dict[tuple[str, int], float | str], **words: Any) -> pd.DataFrame:
    """(design, seed) → value, or the state of a trial that has none."""
    rows: list[dict[str, Any]] = []
    for (design, seed), value in states.items():
        said = {"task": "classification", "stage": "trial", "design": design, "seed": seed, "reason": "", **words}
        is_value = isinstance(value, float)
        rows.append(said | {"state": "finished" if is_value else value, "value": value if is_value else np.nan})
    return pd.DataFrame(rows)


def test_errors_are_those_of_means_over_seeds(tmp_path: Path) -> None:
    trials = table({("a", 0): 0.6, ("a", 1): 0.8, ("b", 0): 0.9, ("b", 1): "failed", ("c", 0): "failed"})
    trials.loc[trials["state"] == "failed", "reason"] = "not finite"
    (found,) = distributions(study(tmp_path), trials)
    assert found.designs == ("b", "a")
    assert found.band.values == pytest.approx([0.1, 0.3])
    assert found.band.half_width == dkw_band([0.1, 0.3]).half_width
    assert found.failed == 1


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (SEARCH, "sampler: tpe: a distribution of errors takes designs drawn at random"),
        (SEARCH.replace('"tpe"', '"tpe"\npruner = "median"'), "chose its designs by the results of those before"),
        (STUDY, "sampler: grid: .*; here they are all combinations of levels"),
        (STUDY.replace("[factors]\ndepth = [1, 2]", "[[arms]]\ndepth = 1"), "here somebody said which they are"),
    ],
)
def test_any_other_study_is_refused_and_told_why(text: str, rule: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rule) as raised:
        distributions(study(tmp_path, text), table({("a", 0): 0.5}))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("state", ["waiting", "running", "failed"])
def test_the_first_of_a_sample_are_no_sample(state: str, tmp_path: Path) -> None:
    trials = table({("a", 0): 0.5, ("b", 0): state})
    trials.loc[trials["state"] == "failed", "reason"] = "interrupted"  # which is run again
    with pytest.raises(InputError, match="designs: 1 of 2 are still to be trained"):
        distributions(study(tmp_path), trials)


def test_lengths_of_training_have_distributions_of_their_own(tmp_path: Path) -> None:
    said = study(tmp_path, RANDOM.replace("[factors]", "[factors]\nrecipe.epochs = [1, 2]"))
    trials = pd.concat([table({("a", 0): 0.5, ("b", 0): v}, **{"recipe.epochs": e}) for e, v in ((1, 0.4), (2, 0.7))])
    short, long = distributions(said, trials)
    assert (short.name, long.name) == ("classification, recipe.epochs 1", "classification, recipe.epochs 2")
    assert (short.designs, long.designs) == (("a", "b"), ("b", "a"))


# Drawings.


@given(samples, st.floats(0, 1), st.floats(0, 100))
def test_corners_are_those_of_the_counted_part(values: list[float], half_width: float, at: float) -> None:
    steps = Steps("drawn", values, half_width)
    for shift in (0.0, half_width, -half_width):
        points = corners(steps, 0.0, 100.0, shift)
        part = np.searchsorted(values, at, side="right") / len(values)
        height = next(y for (x, y), (x2, _) in zip(points[::2], points[1::2], strict=True) if x <= at < x2 or x2 == 100)
        assert height == pytest.approx(min(1, max(0, part + shift)))
    outline = around(steps, 0.0, 100.0)
    assert len(outline) == 2 * len(corners(steps, 0.0, 100.0))
    assert {x for x, _ in outline} == {0.0, 100.0, *values}


def test_a_figure_names_its_distributions_and_draws_each() -> None:
    svg = draw_steps([Steps("short", [1.0, 2.0], 0.5), Steps("long", [3.0], 0.9)], "error, %", "Errors", ["said"])
    root = ElementTree.fromstring(svg)
    words = " ".join(root.itertext())
    assert "short, 2 designs" in words
    assert "the truth within ±90.0 points" in words
    kinds = [element.get("class", "") for element in root.iter("{http://www.w3.org/2000/svg}path")]
    assert kinds.count("curve ink0") == kinds.count("curve ink1") == 2  # one in the plot, one in the legend
    assert kinds.count("band ink0") == kinds.count("band ink1") == 1
    with pytest.raises(ValueError, match="no distribution"):
        draw_steps([], "error", "Errors")


def test_the_pages_chart_has_every_design_on_its_step() -> None:
    values = [0.2, 0.35, 0.6]
    arms = tuple(Arm(f"design {i}", (100 - 100 * v,), best=i == 0, key=f"d{i}") for i, v in enumerate(values))
    root = ElementTree.fromstring(edf_chart([Errors("all", dkw_band(values), arms)], "accuracy"))
    marks = [mark for mark in root.iter("circle") if "mark" in mark.attrib["class"]]
    heights = [float(mark.attrib["cy"]) for mark in marks]
    assert [mark.attrib["data-design"] for mark in marks] == ["d0", "d1", "d2"]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.11)
    x = [float(mark.attrib["cx"]) for mark in marks]
    assert (x[2] - x[1]) / (x[1] - x[0]) == pytest.approx(25 / 15, abs=0.01)
    assert "error 80" not in "".join(root.itertext())
    assert "design 0: error 20.0 %, 33 % of the designs err no more" in "".join(root.itertext())


# The command.


@pytest.mark.usefixtures("quick")
def test_a_random_study_from_its_file_to_its_distribution(said: Said, tmp_path: Path, monkeypatch: Any) -> None:
    from sunetlab.study.report import write_report

    monkeypatch.setattr(attempt, "train", stand_in)
    asked = study(tmp_path)
    runner.run_study(asked, tmp_path / "runs/tiny", "cpu")
    status, out, err = said("study distribution tiny --plot edf.svg")
    assert (status, err) == (0, "saved edf.svg\n")
    told = json.loads(said("study distribution tiny --json")[1])["distributions"]
    assert [(each["name"], len(each["designs"])) for each in told] == [("classification", 4)]
    best = min(told[0]["errors"])
    assert f"{100 * best:.1f} %" in out
    assert "±67.9 % of designs" in out  # sqrt(ln 40 / 8)
    assert ElementTree.parse("edf.svg").getroot().tag.endswith("svg")
    text = write_report(asked, tmp_path / "runs/tiny", "").read_text()
    assert "distribution of accuracy errors" in text
    assert "±67.9 % of the designs" in text


def test_wrong_words_are_answered_in_a_line(said: Said, tmp_path: Path) -> None:
    runner.open_folder(study(tmp_path, STUDY), tmp_path / "runs/tiny")
    for line in ("study distribution tiny", "study distribution tiny --plot edf.png", "study distribution none"):
        status, out, err = said(line)
        assert (status, out, len(err.splitlines())) == (2, "", 1)
