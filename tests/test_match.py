"""Families at equal cost against trying every design one by one."""

import itertools
from typing import Any

import pytest

from sunetlab import InputError, SUNetSpec, analyze
from sunetlab.analysis.memory import Setting
from sunetlab.space.arrays.view import Training
from sunetlab.space.match import Question, alternatives, match
from sunetlab.space.pick import arm_words, listed

NETWORK = SUNetSpec.make(
    depth=2, n=12, stacks=(2, 3, 1), widths="rule", stem_width=16, task="segmentation", num_classes=5
)
SHARED: dict[str, Any] = {"stem_width": 16, "task": "segmentation", "num_classes": 5, "widths": "rule"}
SIZE = (96, 64)
TRAINING = Training(3, Setting(precision="bf16", optimizer="adamw"))


def costs(spec: SUNetSpec) -> dict[str, int]:
    report = analyze(spec, SIZE, TRAINING.batch)
    return {"params": report.params, "macs": report.macs // 3, "memory": report.memory(TRAINING.setting).training.bytes}


def asked(solve: str, **more: Any) -> Question:
    words = {word: value for word, value in (SHARED | {"n": 12, "stacks": [2, 3, 1]}).items() if word != solve}
    said: dict[str, Any] = {"levels": alternatives({"depth": "1,2,3"}), "hold": {"params": 0.01}} | more
    return Question(NETWORK, words, said.pop("levels"), said.pop("hold"), solve, size=SIZE, training=TRAINING, **said)


def distance(spec: SUNetSpec, hold: dict[str, float]) -> float:
    found, target = costs(spec), costs(NETWORK)
    return max(abs(found[name] - target[name]) / (target[name] * part) for name, part in hold.items())


def candidates(solve: str, depth: int) -> list[SUNetSpec]:
    """Of stacks the range that is asked for, else more than `match` looks at: it ends where designs cost too much."""
    if solve == "n":
        return [SUNetSpec.make(**SHARED, depth=depth, stacks=(2, 3, 1), n=n) for n in range(1, 60)]
    if solve == "stacks":
        rows = itertools.product(range(1, 7), repeat=3)
        return [SUNetSpec.make(**SHARED, depth=depth, stacks=row, n=12) for row in rows]
    rule = SUNetSpec.make(**SHARED, depth=depth, stacks=(2, 3, 1), n=12).widths
    scaled = [tuple(max(1, (2 * over * w + 100) // 200) for w in rule) for over in range(1, 400)]
    own = {word: value for word, value in SHARED.items() if word != "widths"}
    return [SUNetSpec.make(**own, depth=depth, stacks=(2, 3, 1), n=12, widths=w) for w in dict.fromkeys(scaled)]


@pytest.mark.parametrize("solve", ["n", "stacks", "widths"])
@pytest.mark.parametrize("hold", [{"params": 0.01}, {"macs": 0.02}, {"memory": 0.01}, {"params": 0.01, "memory": 0.05}])
def test_the_nearest_design_of_all(solve: str, hold: dict[str, float]) -> None:
    family = match(asked(solve, hold=hold, most=2, among="1..6x1..6x1..6" if solve == "stacks" else None))
    assert [hold_.target for hold_ in family.holds] == [costs(NETWORK)[name] for name in hold]
    for depth, arms in zip((1, 2, 3), family.arms, strict=True):
        best = sorted(distance(spec, hold) for spec in candidates(solve, depth))
        assert [distance(arm.design.spec, hold) for arm in arms] == pytest.approx(best[: len(arms)], abs=1e-12)
        for arm in arms:
            assert arm.design.spec.depth[0] == depth
            assert {name: arm.values[name] for name in hold} == {
                k: v for k, v in costs(arm.design.spec).items() if k in hold
            }
            assert arm.within == (distance(arm.design.spec, hold) <= 1)


@pytest.mark.parametrize("name", ["params", "macs", "memory"])
def test_the_range_of_stacks_ends_where_designs_cost_too_much(name: str) -> None:
    """What is found without a range is no worse than what is found in one, and at its end designs are too costly."""
    hold = {name: 0.01}
    bounded = match(asked("stacks", hold=hold, among="1..6x1..6x1..6"))
    free = match(asked("stacks", hold=hold))
    for mine, other in zip(free.arms, bounded.arms, strict=True):
        assert distance(mine[0].design.spec, hold) <= distance(other[0].design.spec, hold)
    for depth in (1, 2, 3):
        most = max(arm.design.spec.stacks[2] for arms in free.arms for arm in arms)
        beyond = SUNetSpec.make(**SHARED, depth=depth, stacks=(1, 1, 10 * most + 100), n=12)
        assert costs(beyond)[name] > costs(NETWORK)[name] * 1.01


@pytest.mark.parametrize("solve", ["n", "widths"])
@pytest.mark.parametrize("hold", [{"params": 0.01}, {"params": 0.01, "macs": 0.01}, {"macs": 0.02, "memory": 0.01}])
def test_the_nearest_few_on_both_sides(solve: str, hold: dict[str, float]) -> None:
    """A range that grows ends where nothing nearer can come, however many are asked for and whatever is held."""
    for depth, arms in zip((1, 2, 3), match(asked(solve, hold=hold, most=7)).arms, strict=True):
        best = sorted(distance(spec, hold) for spec in candidates(solve, depth))
        assert [distance(arm.design.spec, hold) for arm in arms] == pytest.approx(best[:7], abs=1e-12)
        assert len({arm.design.spec for arm in arms}) == 7


def test_a_filter_may_ask_for_more_than_costs_the_same() -> None:
    family = match(asked("n", where="n>=40"))
    assert [arms[0].design.spec.n for arms in family.arms] == [40, 40, 40]
    assert not any(arms[0].within for arms in family.arms)


def test_a_range_that_stops_growing_says_so() -> None:
    family = match(asked("stacks", where="block1_modules>=60"))
    assert [arms[0].design.spec.stacks for arms in family.arms] == [(60, 1, 1)] * 3
    assert family.cut == ()
    with pytest.raises(InputError, match=r"keeps none of .*, among stacks=1\.\..*give --solve a range"):
        match(asked("stacks", where="block1_modules>=3500"))


def test_a_network_matches_itself() -> None:
    for solve in ("n", "stacks", "widths"):
        family = match(asked(solve, levels=alternatives({"depth": "2"}), hold={"params": 0.01, "macs": 0.01}))
        assert family.arms[0][0].design.spec == NETWORK
        assert set(family.arms[0][0].mismatch.values()) == {0.0}


def test_a_range_and_a_filter_bound_the_search() -> None:
    family = match(asked("n", among="8..64:8"))
    assert [arms[0].design.spec.n % 8 for arms in family.arms] == [0, 0, 0]
    family = match(asked("stacks", where="block1_modules==1, block3_modules<=2"))
    for arms in family.arms:
        assert arms[0].design.spec.stacks[0] == 1
        assert arms[0].design.spec.stacks[2] <= 2


def test_families_become_arms_of_a_study() -> None:
    for solve in ("n", "stacks", "widths"):
        question = asked(solve)
        family = match(question)
        arms = [arms[0].level | arm_words(arms[0].design) for arms in family.arms]
        again = listed(question.words, arms, SIZE)
        assert [found.spec for found in again] == [arms[0].design.spec for arms in family.arms]


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"solve": "depth"}, ("solve: 'depth'", "stacks, n, widths")),
        ({"hold": {"fov": 0.01}}, ("hold: 'fov'", "params")),
        ({"hold": {"prams": 0.01}}, ("hold: 'prams'",)),
        ({"hold": {"params": 0.0}}, ("tolerance: 0",)),
        ({"levels": [{"n": 3}], "solve": "n"}, ("vary: n", "solved for")),
        ({"where": "params<5"}, ("vary: depth=1", "params<5")),
        ({"among": "8..4"}, ("n: '8..4'", "empty")),
    ],
)
def test_a_wrong_question_is_refused(change: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as error:
        match(asked(change.pop("solve", "n"), **change))
    assert len(str(error.value).splitlines()) == 1
    for part in parts:
        assert part in str(error.value)


def test_levels_are_single() -> None:
    assert alternatives({"depth": "1..2", "degrid": "true,false"}) == [
        {"depth": 1, "degrid": True},
        {"depth": 1, "degrid": False},
        {"depth": 2, "degrid": True},
        {"depth": 2, "degrid": False},
    ]
    assert alternatives({"depth": "1x2x1"}) == [{"depth": [1, 2, 1]}]
    with pytest.raises(InputError, match="single levels"):
        alternatives({"depth": "1..2x1x1"})
