"""Spaces of designs: every combination once, numbered, counted by reason, however they are cut into pieces."""

import random
from typing import Any

import numpy as np
import pytest

from sunetlab import InputError, SUNetSpec, analyze
from sunetlab.space.arrays.view import Training
from sunetlab.space.parts import places
from sunetlab.space.pick import design, everything, where_of
from sunetlab.space.space import Space, refused_at_all
from tests.spaces import by_hand, random_factors


def all_designs(space: Space, most: int = 64) -> list[tuple[int, SUNetSpec]]:
    """(number, spec) of every design, by walking over pieces; what is refused is counted against the whole."""
    found, refused = [], space.impossible.total()
    for part, piece, begin in space.pieces(most):
        out, reasons = refused_at_all(part, piece)
        refused += reasons.total()
        picked = np.arange(piece.size) if out is None else np.flatnonzero(~out)
        for place, number in zip(picked, piece.numbers(picked) + begin, strict=True):
            found.append((int(number), piece.designs.spec(int(place))))
    assert len(found) + refused == space.combinations
    return found


def made(network: dict[str, Any], factors: dict[str, Any]) -> Space | None:
    """A space; None where one of its levels makes no network."""
    try:
        return Space(network, factors)
    except InputError as error:
        if "no combination" in str(error) or "no design is left" in str(error):
            return None
        raise


def test_most_random_spaces_have_designs() -> None:
    spaces = (made(*random_factors(random.Random(seed))[:2]) for seed in range(60))
    assert sum(space is not None for space in spaces) > 30


@pytest.mark.parametrize("seed", range(60))
def test_a_space_is_every_combination_once(seed: int) -> None:
    network, factors, _ = random_factors(random.Random(seed))
    wanted = by_hand(network, factors)
    space = made(network, factors)
    if space is None:  # a level that no network has is more likely a slip than a wish
        return
    found = all_designs(space)
    specs = [spec for _, spec in found]
    assert len(set(specs)) == len(specs)
    assert set(specs) == wanted
    assert [space.spec(number) for number, _ in found] == specs
    assert sorted(number for number, _ in found) == sorted({number for number, _ in found})


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("most", [1, 7, 10_000, 2**16])
def test_pieces_of_any_size_hold_the_same_designs(seed: int, most: int) -> None:
    network, factors, _ = random_factors(random.Random(seed))
    space = Space(network, factors)
    assert sorted(all_designs(space, most)) == sorted(all_designs(space, 64))


def test_large_pieces_hold_what_their_numbers_say() -> None:
    """Places of more than 8,192 designs in a column are those of numpy's own division."""
    space = Space({}, {"n": "1..3", "stacks": "1..9x1..17x1..13x1..11"})
    for part, piece, _ in space.pieces(2**17):
        picked = np.arange(0, piece.size, 97)
        again = part.at(piece.numbers(picked))
        for mine, its in zip(piece.designs.stacks, again.stacks, strict=True):
            assert np.array_equal(np.broadcast_to(mine, piece.shape).ravel()[picked], its)


def test_places_are_those_of_nested_loops() -> None:
    found = places(np.arange(2 * 1 * 5 * 3), (2, 1, 5, 3))
    wanted = [(a, b, c, d) for a in range(2) for b in range(1) for c in range(5) for d in range(3)]
    assert list(zip(*(np.broadcast_to(axis, 30).tolist() for axis in found), strict=True)) == wanted


def test_levels_are_called_as_they_were_said() -> None:
    factors = {"depth": [1, 2, [3, 1, 1, 1]], "stacks": "1x1x1x1..2", "widths": "rule,rule*0.5,4nx4nx4nx6n"}
    space = Space({"n": 8}, factors)
    designs = [design(space, number) for number, _ in all_designs(space)]
    assert {d.levels["depth"] for d in designs} == {1, 2, "3,1,1,1"}
    assert {d.levels["stacks"] for d in designs} == {"1,1,1,1", "1,1,1,2"}
    assert {d.levels["widths"] for d in designs} == {"rule", "rule*0.5", "32,32,32,48"}
    for each in designs:
        if each.levels["widths"] == "rule":
            again = SUNetSpec.make(
                n=8,
                widths="rule",
                depth=each.levels["depth"] if each.levels["depth"] != "3,1,1,1" else (3, 1, 1, 1),
                stacks=tuple(map(int, each.levels["stacks"].split(","))),
            )
            assert again == each.spec


def test_a_network_that_two_combinations_make_is_one_design() -> None:
    space = Space({"stem": "small"}, {"depth": [1, 2, 3, 4]})  # 32 pixels: both trimmed to 3,2,1,1
    assert [design(space, number).levels["depth"] for number, _ in all_designs(space)] == [1, 2, 3]
    assert list(space.impossible.values()) == [1]
    undilated = Space({}, {"downsampling": ["multigrid", "strided"], "output_stride": [8, 32]})
    assert len(all_designs(undilated)) == 3


def test_bounds_keep_exactly_the_designs_that_satisfy_them() -> None:
    space = Space({"widths": "rule"}, {"depth": [1, 2, 3], "n": [8, 16], "stacks": [[1, 1], [2, 2, 1]]}, (64, 64))
    kept = everything(space, where_of(space, "params<=440k, macs<200M"))
    wanted = [
        number
        for number, spec in all_designs(space)
        if (r := analyze(spec, (64, 64))).params <= 440_000 and r.macs < 200_000_000
    ]
    assert 0 < len(wanted) < 12
    assert kept.tolist() == sorted(wanted)


@pytest.mark.parametrize(
    ("factors", "parts"),
    [
        ({"dpth": [1]}, ("dpth", "depth")),
        ({"depth": []}, ("depth", "at least one level")),
        ({"depth": [2, 2]}, ("depth", "twice")),
        ({"depth": "2..1"}, ("depth", "'2..1'", "empty")),
        ({"depth": [9]}, ("factors: depth: 9", "less than or equal to 8")),
        ({"n": [8, "8"]}, ("n", "twice")),
        ({"n": [8, {"a": 1}]}, ("n", "table")),
        ({"n": [0]}, ("factors: n: 0", "greater than or equal to 1")),
        ({"task": "x"}, ("task", "'x'", "classification")),
        ({"depth": "9x1x1x1"}, ("depth", "at most 8")),
        ({"stacks": [3]}, ("stacks: 3", "each block")),
        ({"dilations": [True]}, ("dilations", "each block")),
        ({"stacks": "5000x1"}, ("stacks", "at most 4096")),
        ({"n": "1..1000000", "stem_width": "2..100000:2", "num_classes": "1..1000"}, ("1e+13", "combinations")),
        ({"dilations": "1..60x1..60x1..60x1..60"}, ("dilations", "at most 100,000")),
        ({"n": [8.5]}, ("factors: n: 8.5", "integer")),
        ({"n": "8..16:0"}, ("n", "'8..16:0'", "at least 1")),
        ({"n": "1x2"}, ("n", "'1x2'", "numbers or ranges")),
        ({"n": "1..999999999"}, ("n", "at most 1,048,576")),
        ({"n": [[8, 16]]}, ("n", "8,16", "not one per block")),
        ({"stacks": "1..2xx1"}, ("stacks", "''")),
        ({"stacks": [[]]}, ("stacks", "at least one block")),
        ({"stacks": "4nx4n"}, ("stacks", "'4n'", "for widths")),
        ({"stacks": "2|2x1"}, ("stacks", "'2|2'", "twice")),
        ({"widths": ["wide"]}, ("widths", "'wide'", "auto, table, rule")),
        ({"widths": "rule*0"}, ("widths", "'rule*0'", "above 0")),
        ({"stem_width": "16..18"}, ("stem_width: 17", "even")),
        ({"degrid": "maybe"}, ("degrid", "'maybe'", "true or false")),
        ({"stem": ["paper", "big"]}, ("stem", "big")),
        ({"widths": ["auto", "rule"], "stacks": [[1]]}, ("stacks", "[network] as well")),
        ({"output_stride": [8, 64]}, ("output_stride: 64", "no combination", "4, 8, 16, 32")),
        ({"output_stride": [64]}, ("no design is left of 1", "output_stride: 64")),
    ],
)
def test_a_wrong_space_is_refused(factors: dict[str, Any], parts: tuple[str, ...]) -> None:
    network = {"stacks": [1, 1, 1, 1]} if "stacks" not in factors or "widths" in factors else {}
    with pytest.raises(InputError) as error:
        Space(network, factors)
    assert len(str(error.value).splitlines()) == 1
    for part in parts:
        assert part in str(error.value)


def test_what_all_designs_share_is_one_thing() -> None:
    for word, value in (("n", "16..32:8"), ("widths", "rule*0.5..1:0.1"), ("stacks", "1..2x1"), ("depth", "1|2")):
        with pytest.raises(InputError, match=f"network: {word}: .*stands in factors"):
            Space({word: value}, {"degrid": [False, True]})


def test_multipliers_that_round_to_the_same_maps_make_one_design() -> None:
    space = Space({"stem": "small", "stem_width": 4, "stacks": [1, 1], "n": 2}, {"widths": "rule*0.5..1:0.01"})
    specs = [spec for _, spec in all_designs(space)]
    assert len(set(specs)) == len(specs)
    assert {spec.widths for spec in specs} == {((4 * a + 50) // 100, (8 * a + 50) // 100) for a in range(50, 101)}
    exact = Space({"stacks": [1, 1], "n": 1000}, {"widths": "rule*100.1234,rule*100.123"})
    assert [design(exact, number).levels["widths"] for number, _ in all_designs(exact)] == [
        "rule*100.1234",
        "rule*100.123",
    ]


def test_an_empty_choice_says_which_bound_emptied_it() -> None:
    space = Space({}, {"n": [64]})
    with pytest.raises(InputError, match=r"no design is left of 1: where: params<1k: keeps none of 1"):
        everything(space, where_of(space, "layers>1, params<1k"))


def test_numbers_beyond_64_bits_are_refused() -> None:
    space = Space({"stacks": [512], "widths": [2**20]}, {"n": [2**19, 2**20]}, (90_000, 90_000))
    with pytest.raises(InputError, match=r"2\^62 macs"):
        everything(space, None)
    crowded = Space({"stacks": [8, 8]}, {"n": [64, 128]}, (4096, 4096))
    with pytest.raises(InputError, match=r"2\^58 activations"):
        everything(crowded, None, Training(batch=2**28))
