"""Importance of factors, against analysis of variance as others compute it, and what is never told."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sunetlab.study.importance import are_crossed, importance

values = st.lists(st.integers(0, 1000), min_size=12, max_size=12).filter(lambda found: len(set(found)) > 1)
GRID = list(itertools.product((1, 2, 3), ("a", "b"), (4, 8)))
NAMES = ("depth", "stem", "stride")
LEVELS: dict[str, list[Any]] = {name: [point[i] for point in GRID] for i, name in enumerate(NAMES)}


@settings(max_examples=30)
@given(values)
def test_shares_are_those_of_an_f_test_and_of_least_squares(found: list[int]) -> None:
    told = importance(LEVELS, found)
    assert told is not None
    assert told.method == "variance"
    assert sum(told.shares.values()) + told.rest == pytest.approx(1)
    centred = np.array(found) - np.mean(found)
    columns = []
    for name, levels in LEVELS.items():
        groups = [[v for v, level in zip(found, levels, strict=True) if level == one] for one in set(levels)]
        between, within = len(groups) - 1, len(found) - len(groups)
        if not all(len(set(group)) == 1 for group in groups):
            f = stats.f_oneway(*groups).statistic
            assert told.shares[name] == pytest.approx(f * between / (f * between + within), abs=1e-9)
        columns += [[level == one for level in levels] for one in set(levels)]
    design = np.array(columns, dtype=float).T
    left = centred - design @ np.linalg.lstsq(design, centred, rcond=None)[0]
    assert told.rest == pytest.approx(left @ left / (centred @ centred), abs=1e-9)


def test_all_is_one_factors_or_an_interaction() -> None:
    told = importance(LEVELS, [10.0 * depth for depth in LEVELS["depth"]])
    assert told is not None
    assert next(iter(told.shares)) == "depth"
    assert [told.shares["depth"], told.shares["stem"], told.rest] == pytest.approx([1, 0, 0])
    assert told.chance["depth"] < 0.7
    one_or_other = [float((stem == "a") == (stride == 4)) for _, stem, stride in GRID]
    told = importance(LEVELS, one_or_other)
    assert told is not None
    assert told.rest == pytest.approx(1)


def test_chance_is_that_of_noise_as_beta_distributions_have_it() -> None:
    """η² of normal noise has the distribution Beta((levels − 1) / 2, (designs − levels) / 2)."""
    rng = np.random.default_rng(0)
    chances = [told.chance for told in (importance(LEVELS, list(rng.normal(size=12))) for _ in range(30)) if told]
    for name, levels in (("depth", 3), ("stem", 2)):
        expected = stats.beta((levels - 1) / 2, (12 - levels) / 2).ppf(0.95)
        assert np.mean([chance[name] for chance in chances]) == pytest.approx(expected, abs=0.02)


def test_of_drawn_designs_what_decides_is_told_from_what_does_not() -> None:
    rng = np.random.default_rng(1)
    levels = {name: rng.integers(1, 5, 40).tolist() for name in ("decides", "not", "neither")}
    assert not are_crossed(levels)
    told = importance(levels, [level + rng.normal(0, 0.2) for level in levels["decides"]])
    assert told is not None
    assert (told.method, told.designs, told.best, told.rest) == ("best", 40, 5, 0)
    assert next(iter(told.shares)) == "decides"
    assert sum(told.shares.values()) == pytest.approx(1)
    assert told.shares["decides"] > 2 * told.chance["decides"]
    assert all(told.shares[name] < 1.5 * told.chance[name] for name in ("not", "neither"))


@pytest.mark.parametrize(
    ("levels", "found"),
    [
        ({"depth": [1, 2, 3]}, [1.0, 2.0, 3.0]),
        ({"depth": [1, 2, 3], "stem": ["a", "a", "a"]}, [1.0, 2.0, 3.0]),
        ({"depth": [1, 2, 3], "n": [22, 17, 16]}, [1.0, 2.0, 3.0]),
        ({"depth": [1, 1, 2], "stem": ["a", "b", "a"]}, [1.0, 2.0, 3.0]),
        (LEVELS, [5.0] * 12),
        ({}, []),
    ],
)
def test_nothing_is_told_where_it_would_mean_nothing(levels: dict[str, list[Any]], found: list[float]) -> None:
    assert importance(levels, found or [0.0]) is None


@given(st.integers(1, 3), st.integers(2, 4), st.integers(2, 3))
def test_only_what_is_crossed_is_crossed(repeats: int, first: int, second: int) -> None:
    pairs = list(itertools.product(range(first), range(second))) * repeats
    one, other = ([pair[side] for pair in pairs] for side in (0, 1))
    assert are_crossed({"one": one, "other": other})
    assert not are_crossed({"one": one[1:], "other": other[1:]})
    assert not are_crossed({"one": one, "again": one})
