"""Spaces of designs: every combination, each once, bounded, drawn uniformly."""

from collections import Counter
from typing import Any

import pytest

from sunetlab import InputError, SUNetSpec, analyze
from sunetlab.space.space import draw, make_space

NETWORK: dict[str, Any] = {"widths": "rule"}
FACTORS: dict[str, list[Any]] = {"depth": [1, 2, 3], "n": [8, 16], "stacks": [[1, 1], [2, 2, 1]]}


def test_every_combination_is_a_design() -> None:
    space = make_space(NETWORK, FACTORS, None, None)
    assert len(space.designs) == 12
    assert len({design.spec for design in space.designs}) == 12
    last = space.designs[-1]
    assert last.levels == {"depth": 3, "n": 16, "stacks": "2,2,1"}
    assert last.spec == SUNetSpec.make(depth=3, n=16, stacks=(2, 2, 1), widths="rule")


def test_bounds_keep_exactly_the_designs_that_satisfy_them() -> None:
    everything = make_space(NETWORK, FACTORS, (64, 64), None).designs
    kept = make_space(NETWORK, FACTORS, (64, 64), "params<=440k, macs<200M")
    wanted = [d for d in everything if (r := analyze(d.spec, (64, 64))).params <= 440_000 and r.macs < 200_000_000]
    assert 0 < len(wanted) < 12
    assert list(kept.designs) == wanted
    assert kept.refused.total() == 12 - len(wanted)


def test_impossible_designs_are_counted_by_reason() -> None:
    factors: dict[str, list[Any]] = {"connectivity": ["identity", "dense"], "stacks": [[2, 2], [2, 4, 4, 1]]}
    space = make_space({"n": 64, "widths": "rule"}, factors, None, None)
    found = [(design.levels["connectivity"], design.levels["stacks"]) for design in space.designs]
    assert found == [("identity", "2,2"), ("identity", "2,4,4,1"), ("dense", "2,2")]
    assert [(count, "too little growth" in reason) for reason, count in space.refused.items()] == [(1, True)]


def test_a_network_that_two_combinations_make_is_one_design() -> None:
    space = make_space({"stem": "small"}, {"depth": [1, 2, 3, 4]}, None, None)  # 32 pixels: both trimmed to 3,2,1,1
    assert [design.levels["depth"] for design in space.designs] == [1, 2, 3]
    assert list(space.refused.values()) == [1]


@pytest.mark.parametrize(
    ("factors", "where", "parts"),
    [
        ({"dpth": [1]}, None, ("dpth", "depth")),
        ({"depth": []}, None, ("depth", "at least one level")),
        ({"depth": [2, 2]}, None, ("depth", "twice")),
        ({"n": [8, "8"]}, None, ("n: '8'", "no combination", "integer")),
        ({"n": [8, {"a": 1}]}, None, ("n", "table")),
        ({"widths": ["auto", "rule"]}, None, ("widths", "[network] as well")),
        ({"n": [0]}, None, ("no design is left of 1", "n: 0")),
        ({"n": [64]}, "params<1k", ("no design is left of 1", "params<1k")),
        ({"n": [64]}, "parms<1k", ("unknown name",)),
    ],
)
def test_a_wrong_space_is_refused(factors: dict[str, list[Any]], where: str | None, parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as error:
        make_space(NETWORK if "widths" in factors else {}, factors, None, where)
    for part in parts:
        assert part in str(error.value)


def test_draws_are_uniform_and_without_repeats() -> None:
    designs = make_space(NETWORK, FACTORS, None, None).designs
    counts: Counter[str] = Counter()
    for seed in range(600):
        drawn = draw(designs, 3, seed)
        assert len({d.spec.id for d in drawn}) == 3
        counts.update(d.spec.id for d in drawn)
    expected = 600 * 3 / 12
    chi_squared = sum((counts[d.spec.id] - expected) ** 2 / expected for d in designs)
    assert (
        chi_squared < 31.3
    )  # 99.9 % point of chi-squared with 11 degrees of freedom; each draw is negatively correlated
    assert draw(designs, 3, 7) == draw(designs, 3, 7)
    assert len(draw(designs, 100, 0)) == 12
