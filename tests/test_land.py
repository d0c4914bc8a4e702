"""Points land on designs: always on one that may be, on every one of them, on none twice, as a walk by hand does."""

import random
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sunetlab import InputError
from sunetlab.space.land import Feasible
from sunetlab.space.pick import everything, where_of
from sunetlab.space.space import Space
from tests.spaces import random_factors

Rows = Sequence[tuple[int, ...]]
units = st.floats(0, 1, exclude_max=True)
drawn_rows = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.tuples(*[st.integers(-3, 3)] * width), min_size=1, max_size=40, unique=True)
)
SEEDS = range(20)


def feasible_of(rows: Rows) -> Feasible:
    """Designs with numbers that say nothing of their places: 7, 10, 13, …"""
    columns = {f"c{index}": np.array(column) for index, column in enumerate(zip(*rows, strict=True))}
    return Feasible(7 + 3 * np.arange(len(rows)), columns)


def by_hand(rows: Rows, point: Mapping[str, float], taken: Collection[int]) -> int:
    """Where a point lands, row by row; a coordinate that the walk has no scalar for has one value left."""
    left = {7 + 3 * place: row for place, row in enumerate(rows) if 7 + 3 * place not in taken}
    for index in range(len(rows[0])):
        values = sorted({row[index] for row in left.values()})
        value = values[int(point.get(f"c{index}", 0) * len(values))]
        left = {number: row for number, row in left.items() if row[index] == value}
    (number,) = left
    return number


@given(drawn_rows, st.data())
def test_a_point_lands_where_a_walk_by_hand_ends(rows: Rows, data: st.DataObject) -> None:
    feasible = feasible_of(rows)
    point = {name: data.draw(units) for name in feasible.scalars}
    taken = data.draw(st.sets(st.sampled_from(feasible.numbers.tolist())))
    assume(len(taken) < len(rows))
    number = feasible.land(point, taken)
    assert number == by_hand(rows, point, taken) == feasible.land(point, taken)
    assert number in feasible.numbers
    assert number not in taken


@given(drawn_rows)
def test_every_design_can_be_landed_on(rows: Rows) -> None:
    feasible = feasible_of(rows)
    assert sorted(feasible.numbers) == [7 + 3 * place for place in range(len(rows))]
    for number in feasible.numbers.tolist():
        point = feasible.point(number)
        assert point.keys() == set(feasible.scalars)
        assert feasible.land(point) == number


@given(drawn_rows, st.randoms(use_true_random=False))
def test_each_design_is_landed_on_once_until_all_are_taken(rows: Rows, rng: random.Random) -> None:
    feasible, taken = feasible_of(rows), list[int]()
    for _ in rows:
        taken.append(feasible.land({name: rng.random() for name in feasible.scalars}, taken))
    assert sorted(taken) == sorted(feasible.numbers)
    with pytest.raises(InputError, match=f"all {len(rows)} that keep the bounds are taken"):
        feasible.land(dict.fromkeys(feasible.scalars, 0.5), taken)


@given(drawn_rows, st.randoms(use_true_random=False))
def test_values_of_the_first_coordinate_have_equal_shares(rows: Rows, rng: random.Random) -> None:
    feasible = feasible_of(rows)
    assume(feasible.scalars)
    first = feasible.scalars[0]
    values = np.unique(feasible.coordinates[first])
    for place, value in enumerate(values):
        for within in (0.001, 0.5, 0.999):  # of an interval of length 1 / values
            point = {name: rng.random() for name in feasible.scalars} | {first: (place + within) / len(values)}
            number = feasible.land(point)
            assert feasible.coordinates[first][feasible.numbers == number] == value


def test_the_end_of_a_side_counts_as_the_last_below_it() -> None:
    feasible = feasible_of([(0, 0), (0, 1), (1, 0)])
    assert feasible.land({"c0": 1.0, "c1": 1.0}) == feasible.land({"c0": 0.99, "c1": 0.99})


def test_what_follows_from_coordinates_before_is_none() -> None:
    assert feasible_of([(1, 5, 2, 0), (2, 6, 4, 0), (2, 6, 4, 1)]).scalars == ("c0", "c3")
    assert feasible_of([(4, 4)]).scalars == ()
    assert feasible_of([(4, 4)]).land({}) == 7
    assert Feasible.of(Space({"widths": "rule"}, {"n": "2..4", "stacks": "1..2x1"}), None).scalars == ("n", "stacks1")
    scaled = Feasible.of(Space({"stacks": [1, 1]}, {"n": [4, 6], "widths": "rule*0.5..1.5:0.5"}), None)
    assert scaled.scalars == ("n", "widths1")


def random_space(rng: random.Random) -> Space:
    """One that has designs."""
    while True:
        network, factors, size = random_factors(rng)
        try:
            space = Space(network, factors, size)
            everything(space, None)
        except InputError:
            continue
        return space


@pytest.mark.parametrize("seed", SEEDS)
def test_all_survivors_of_a_space_can_be_landed_on_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    space = random_space(rng)
    everyone = everything(space, None)
    bound = sorted(space.spec(int(number)).n for number in everyone)[len(everyone) // 2]
    where = where_of(space, f"n<={bound}")
    feasible, numbers = Feasible.of(space, where), everything(space, where)
    assert sorted(feasible.numbers) == numbers.tolist()
    for number in rng.sample(numbers.tolist(), min(50, len(numbers))):
        assert feasible.land(feasible.point(number)) == number


def test_coordinates_are_what_designs_are_made_of() -> None:
    space = Space({"widths": "rule"}, {"n": "2..5", "stacks": [[1, 1], [2, 1], [1, 1, 2]], "depth": "1..2"})
    feasible = Feasible.of(space, None)
    for place, number in enumerate(feasible.numbers.tolist()):
        spec, at = space.spec(number), {name: int(column[place]) for name, column in feasible.coordinates.items()}
        assert at["n"] == spec.n
        assert at["depth1"] == spec.depth[0]
        assert at["stacks1"] == spec.stacks[0]


@settings(max_examples=5)
@given(st.integers(0, 2**32 - 1))
def test_many_rows_are_walked_as_a_few_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = list(map(tuple, np.unique(rng.integers(0, 9, (3000, 5)), axis=0).tolist()))
    feasible = feasible_of(rows)
    taken = rng.choice(feasible.numbers, 200, replace=False).tolist()
    point = dict(zip(feasible.scalars, rng.random(len(feasible.scalars)), strict=True))
    assert feasible.land(point, taken) == by_hand(rows, point, taken)


def test_too_many_designs_and_none_are_refused() -> None:
    space = Space({"widths": "rule"}, {"n": "2..20", "stacks": "1..3x1..3"})
    with pytest.raises(InputError, match="more than 100 designs are left to choose from; bound them"):
        Feasible.of(space, None, most=100)
    assert len(Feasible.of(space, where_of(space, "n<=12"), most=100)) == 99
    with pytest.raises(InputError, match="no design is left of 171: where: params<1: keeps none"):
        Feasible.of(space, where_of(space, "params<1"))
    with pytest.raises(InputError, match="design: 0: does not keep the bounds"):
        Feasible.of(space, where_of(space, "n>2")).point(0)
