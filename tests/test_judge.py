"""Verdicts of a study: pairs by seed against the design that its file names, on the command line and on its page."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sunetlab import InputError
from sunetlab.study import attempt, runner
from sunetlab.study.definition import Study
from sunetlab.study.judge import verdicts
from sunetlab.study.report import write_report
from sunetlab.study.verdict import sign_flip_p
from tests.conftest import Said
from tests.tiny import STUDY, stand_in, write_study

NAMED = STUDY.replace("seeds = [0, 1]", "seeds = [0, 1, 2, 3, 4, 5]\nbaseline = { depth = 2 }")


def study(folder: Path, text: str = NAMED) -> Study:
    return Study.load(write_study(folder, text))


def table(values: dict[tuple[int, int], float | None]) -> pd.DataFrame:
    """(depth, seed) → value, or None where the trial has not finished."""
    rows: list[dict[str, Any]] = []
    for (depth, seed), value in values.items():
        state = "waiting" if value is None else "finished"
        words = {"task": "classification", "stage": "trial", "depth": depth, "seed": seed}
        rows.append(words | {"state": state, "value": value})
    return pd.DataFrame(rows)


def test_pairs_are_those_of_shared_seeds(tmp_path: Path) -> None:
    values: dict[tuple[int, int], float | None] = {(2, seed): 0.5 + 0.01 * seed for seed in range(6)}
    values |= {(1, seed): 0.6 + 0.02 * seed for seed in range(7)}  # one more than the baseline has
    values[2, 3] = None
    (found,) = verdicts(study(tmp_path), table(values), "classification")
    differences = [0.1 + 0.01 * seed for seed in (0, 1, 2, 4, 5)]
    assert (found.name, found.against, found.comparison.pairs) == ("depth 1", "depth 2", 5)
    assert found.comparison.difference == pytest.approx(sum(differences) / 5)
    assert found.p == sign_flip_p(differences) == 2 / 32
    assert "5 shared seeds cannot show any difference" in found.sentence


def test_nothing_is_said_without_a_baseline_or_a_pair(tmp_path: Path) -> None:
    values: dict[tuple[int, int], float | None] = {(2, 0): 0.5, (1, 0): None, (1, 1): 0.5}
    assert verdicts(study(tmp_path), table(values), "classification") == []
    assert verdicts(study(tmp_path, STUDY), table(values), "classification") == []


@pytest.mark.parametrize(
    ("said_", "rule"),
    [
        ("baseline = { n = 4 }", "baseline: n: is not varied; varied are depth"),
        ("baseline = { depth = 3 }", "baseline: depth 3: no arm has it"),
        ("baseline = {}", "baseline: : all arms have it"),
        ("baseline = { depth = 2 }\nsampler = 'tpe'\ndesigns = 2", "a search chooses them"),
    ],
)
def test_a_baseline_that_is_none_is_refused(tmp_path: Path, said_: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        study(tmp_path, NAMED.replace("baseline = { depth = 2 }", said_))


def test_a_study_from_its_file_to_its_verdict(said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "train", stand_in)
    runner.run_study(study(tmp_path), tmp_path / "runs/tiny", "cpu")
    status, out, err = said("study verdict tiny")
    assert (status, err) == (0, "")
    assert "depth 1 is worse than depth 2 by 10.00 points" in out
    assert "exact p = 0.0312" in out
    (found,) = json.loads(said("study verdict tiny --json")[1])["verdicts"]["classification"]
    assert (found["outcome"], found["comparison"]["pairs"]) == ("worse", 6)
    page = write_report(study(tmp_path), Path("runs/tiny"), "").read_text()
    assert "depth 1 is worse than depth 2 by 10.00 points" in page
    assert "No verdict" not in page


def test_a_study_without_a_baseline_says_what_is_missing(said: Said, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(attempt, "train", stand_in)
    runner.run_study(study(tmp_path, STUDY), tmp_path / "runs/tiny", "cpu", 1)
    status, out, err = said("study verdict tiny")
    assert (status, out) == (2, "")
    assert "names no [baseline]" in err
