"""Statistics of a study: closed forms, published figures, brute force, and simulated data whose answer is known."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sunetlab.study.verdict import (
    compare,
    compare_all,
    detectable_effect,
    dkw_band,
    fewest_pairs,
    holm,
    judged,
    kendall,
    pairs_needed,
    power_of,
    sign_flip_p,
)

FINITE = st.floats(-100, 100, allow_nan=False).map(lambda value: round(value, 3))


# --------------------------------------------------------------------------------------------------- sign-flip test


@given(st.lists(FINITE, min_size=1, max_size=7))
def test_sign_flips_are_all_looked_at(differences: list[float]) -> None:
    observed = abs(sum(differences))
    patterns = list(itertools.product([1, -1], repeat=len(differences)))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in patterns]
    assert sign_flip_p(differences) == sum(value >= observed - 1e-9 for value in sums) / len(patterns)


def test_six_pairs_can_just_be_significant_and_three_cannot() -> None:
    assert sign_flip_p([1, 2, 3, 1, 2, 3]) == 2 / 64 < 0.05
    assert sign_flip_p([1, 2, 3]) == 0.25
    assert [fewest_pairs(alpha) for alpha in (0.05, 0.05 / 2, 0.05 / 4, 0.5)] == [6, 7, 8, 2]
    assert all(2 / 2 ** fewest_pairs(alpha) <= alpha for alpha in (0.05, 0.01, 0.3, 1 / 32))


def test_darwins_maize() -> None:
    """Fisher (1935, §21): heights of 15 pairs of plants; 1,726 of 32,768 patterns are as far from 0."""
    differences = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert sign_flip_p(differences) == 1726 / 32768


def test_many_pairs_are_drawn_from() -> None:
    differences = np.random.default_rng(1).normal(0.5, 1, 25)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert sign_flip_p(differences) == pytest.approx(expected, rel=0.15)
    assert sign_flip_p(differences, 1) == sign_flip_p(differences, 1)


def test_size_and_power_of_the_test() -> None:
    """Of simulated studies with 8 pairs: without an effect few are significant, with one as many as was foretold."""
    rng = np.random.default_rng(0)
    nothing = np.mean([sign_flip_p(rng.normal(0, 1, 8)) <= 0.05 for _ in range(1500)])
    assert nothing == pytest.approx(0.05, abs=0.02)
    effect = detectable_effect(8, 1.0)
    shown = np.mean([sign_flip_p(rng.normal(effect, 1, 8)) <= 0.05 for _ in range(1500)])
    assert shown == pytest.approx(0.8, abs=0.04)


# -------------------------------------------------------------------------------------------------------- intervals


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """BCa of 20 pairs with skewed differences; small samples are known to come out a few per cent short."""
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(150):
        found = compare(np.zeros(20), rng.exponential(1.0, 20), seed=seed)
        held += found.low <= 1.0 <= found.high
    assert 0.86 <= held / 150 <= 0.99


def test_intervals_of_little() -> None:
    assert (compare([0.5], [0.6]).low, compare([0.5], [0.6]).high) == (-math.inf, math.inf)
    same = compare([0.1, 0.2, 0.4], [0.2, 0.3, 0.5])
    assert same.difference == pytest.approx(0.1)
    assert same.high - same.low < 1e-9
    for first, second in (([], []), ([1.0], [1.0, 2.0]), ([math.nan], [1.0])):
        with pytest.raises(ValueError, match=r"pairs|not finite"):
            compare(first, second)


def test_many_intervals_at_once_are_those_that_scipy_gives_of_each() -> None:
    """Rounded results, of which many resamples have equal means: the order of a sum would move the bias correction."""
    rng = np.random.default_rng(3)
    samples = [rng.normal(0.01, 0.02, count).round(3) for count in (5, 10, 2, 10, 1, 7, 10) for _ in range(40)]
    samples += [rng.normal(0.01, 0.02, count).round(3) for count in (40, 130)]  # too many to be resampled at once
    samples[7] = np.full(5, 0.25)
    found = compare_all((np.zeros(len(sample)), sample) for sample in samples)
    assert [one.differences for one in found] == [tuple(sample.tolist()) for sample in samples]
    for one, sample in zip(found, samples, strict=True):
        if len(sample) == 1 or np.ptp(sample) == 0:
            continue
        alone = stats.bootstrap((sample,), np.mean, method="BCa", rng=np.random.default_rng(0)).confidence_interval
        assert (one.low, one.high) == pytest.approx((alone.low, alone.high), rel=1e-12, abs=1e-15)
        assert one == compare(np.zeros(len(sample)), sample)


# ------------------------------------------------------------------------------------------------------------ power


def test_power_is_that_of_the_paired_t_test() -> None:
    """Cohen (1988), table 2.3 for one sample: d = 0.5, n = 33 or 34 for 80 %; d = 0.8, n = 14 or 15."""
    assert pairs_needed(0.5, 1.0) in (33, 34)
    assert pairs_needed(0.8, 1.0) in (14, 15)
    assert power_of(0.5, 34, 1.0) == pytest.approx(0.808, abs=0.003)
    assert pairs_needed(-0.5, 1.0) == pairs_needed(0.5, 1.0)


@pytest.mark.parametrize("pairs", [10, 30, 300])
@pytest.mark.parametrize("alpha", [0.05, 0.002])
def test_power_is_that_of_a_noncentral_t(pairs: int, alpha: float) -> None:
    limit = stats.t.isf(alpha / 2, pairs - 1)
    for effect in (0.0, 1e-3, 0.1, 0.5, 1.0, 3.0):
        t = stats.nct(pairs - 1, effect * math.sqrt(pairs))
        expected = t.sf(limit) + np.nan_to_num(t.cdf(-limit))
        assert power_of(effect, pairs, 1.0, alpha) == pytest.approx(expected, rel=1e-12)


def test_power_and_effect_are_inverse_to_each_other() -> None:
    for pairs in (6, 9, 30):
        assert power_of(detectable_effect(pairs, 0.3), pairs, 0.3) == pytest.approx(0.8)
    assert detectable_effect(5, 0.3) == math.inf  # 2/32 is above 0.05
    assert power_of(100.0, 5, 0.3) == 0
    assert pairs_needed(100.0, 0.3) == 6
    assert detectable_effect(6, 0.0) == 0
    assert power_of(0.0, 10, 1.0) == pytest.approx(0.05)
    with pytest.raises(ValueError, match="0"):
        pairs_needed(0.0, 1.0)


# ----------------------------------------------------------------------------------------------- families, ranks, EDF


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_by_its_steps(p: list[float]) -> None:
    """Rejected at a level: the smallest p while p_(i) <= level / (m - i), stopping at the first that is not."""
    adjusted = holm(p)
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for step, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
            if p[index] * (len(p) - step) > level:
                break
            rejected.add(p[index])
        assert {p[i] for i in range(len(p)) if adjusted[i] <= level} == rejected


def test_tau_and_its_interval() -> None:
    found = kendall([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 6, 5])
    assert found.tau == pytest.approx((14 - 1) / 15)
    assert found.low < found.tau < found.high
    few = kendall([1, 2, 3], [3, 2, 1])
    assert few.tau == pytest.approx(-1)
    assert (few.low, few.high) == (-1, 1)
    assert math.isnan(kendall([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]).tau)


def test_tau_of_a_normal_pair_lies_in_its_interval() -> None:
    """τ = 2/π asin(ρ) for two normal measures (Kendall 1949)."""
    rng, rho, held = np.random.default_rng(0), 0.6, 0
    truth = 2 / math.pi * math.asin(rho)
    for _ in range(400):
        a = rng.normal(size=25)
        found = kendall(a, rho * a + math.sqrt(1 - rho**2) * rng.normal(size=25))
        held += found.low <= truth <= found.high
    assert held / 400 == pytest.approx(0.95, abs=0.03)


def test_the_dkw_band() -> None:
    rng = np.random.default_rng(0)
    assert dkw_band(np.arange(100)).half_width == pytest.approx(0.136, abs=5e-4)
    assert dkw_band(np.arange(500)).half_width == pytest.approx(0.061, abs=5e-4)
    held = 0
    for _ in range(300):
        band = dkw_band(rng.uniform(size=40))
        before = band.part - 1 / 40
        held += max(np.abs(band.part - band.values).max(), np.abs(before - band.values).max()) <= band.half_width
    assert held / 300 >= 0.93
    with pytest.raises(ValueError, match="no values"):
        dkw_band([])


# ---------------------------------------------------------------------------------------------------------- sentences


def test_sentences_say_what_holds_and_no_more() -> None:
    base = np.array([0.50, 0.51, 0.49, 0.52, 0.50, 0.51, 0.50, 0.49])
    noise = np.array([0.001, -0.002, 0.002, 0.0, -0.001, 0.003, -0.002, 0.001])
    arms = {"depth 3": base - 0.02 + noise, "depth 1": base + 0.03 - noise, "n 64": base + noise * 3}
    verdicts = judged({(name, "depth 2"): compare(base, values) for name, values in arms.items()})
    assert [verdict.outcome for verdict in verdicts] == ["worse", "better", "no conclusion"]
    assert [round(verdict.p, 4) for verdict in verdicts[:2]] == [round(3 * 2 / 256, 4), round(3 * 2 / 256, 4)]
    assert verdicts[0].sentence.startswith("depth 3 is worse than depth 2 by 1.98 points (95 % interval -2.")
    assert "Holm over 3" in verdicts[1].sentence
    assert verdicts[2].sentence.startswith("No conclusion on n 64 against depth 2")
    assert "would have been shown" in verdicts[2].sentence


def test_too_few_seeds_are_told() -> None:
    found = judged({("b", "a"): compare([0.1, 0.2, 0.3], [0.5, 0.6, 0.8])})[0]
    assert (found.outcome, found.detectable) == ("no conclusion", math.inf)
    assert "3 shared seeds cannot show any difference at all here; 6 could" in found.sentence
