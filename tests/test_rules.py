"""The rules of FACTS §1, each by a drawn table and by what must hold for any numbers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunetlab import rules
from sunetlab.rules import Level

STACKS = st.lists(st.integers(1, 9), min_size=1, max_size=7).map(tuple)
STEM = st.sampled_from(sorted(rules.STEMS))


@pytest.mark.parametrize(
    ("n", "stacks", "widths"),
    [
        (64, (2, 4, 4, 1), (256, 512, 768, 1024)),
        (128, (2, 4, 4, 1), (512, 1024, 1536, 2048)),
        (128, (2, 7, 7, 1), (512, 1280, 2048, 2304)),
        (1, (2, 7, 7, 1), (4, 10, 16, 18)),
        (64, (2, 4, 4), None),
        (64, (2, 7, 4, 1), None),
    ],
)
def test_widths_by_table(n: int, stacks: tuple[int, ...], widths: tuple[int, ...] | None) -> None:
    assert rules.widths_by_table(n, stacks) == widths


@pytest.mark.parametrize(
    ("stacks", "multiples"),
    [
        ((2, 4, 4, 1), (4, 8, 12, 12)),
        ((2, 7, 7, 1), (4, 10, 18, 18)),
        ((1,), (2,)),
        ((1, 1, 1, 1), (2, 4, 4, 6)),
        ((3, 3), (4, 8)),
    ],
)
def test_widths_by_rule(stacks: tuple[int, ...], multiples: tuple[int, ...]) -> None:
    assert rules.widths_by_rule(1, stacks) == multiples
    assert rules.widths_by_rule(128, stacks) == tuple(128 * multiple for multiple in multiples)


@given(st.integers(1, 300), STACKS)
def test_widths_by_rule_are_what_the_modules_so_far_give(n: int, stacks: tuple[int, ...]) -> None:
    widths = rules.widths_by_rule(n, stacks)
    for block, width in enumerate(widths, 1):
        modules = sum(stacks[:block])
        assert width % (2 * n) == 0
        assert n * (modules + 1) <= width <= n * (modules + 2)
    assert list(widths) == sorted(widths)


@pytest.mark.parametrize(
    ("depth", "stem", "blocks", "depths"),
    [
        (1, "paper", 4, (1, 1, 1, 1)),
        (2, "paper", 4, (2, 2, 2, 1)),
        (3, "paper", 4, (3, 3, 2, 1)),
        (4, "paper", 4, (4, 3, 2, 1)),
        (2, "paper", 6, (2, 2, 2, 1, 1, 1)),
        (2, "small", 4, (2, 2, 1, 1)),
        (4, "small", 4, (3, 2, 1, 1)),
    ],
)
def test_trimmed_depths(depth: int, stem: str, blocks: int, depths: tuple[int, ...]) -> None:
    assert rules.trimmed_depths(depth, blocks, stem) == depths


@given(st.integers(1, 8), st.integers(1, 9), STEM)
def test_a_trimmed_depth_leaves_three_pixels_and_one_more_would_not(depth: int, blocks: int, stem: str) -> None:
    side = {"paper": 56, "small": 32}[stem]
    for trimmed in rules.trimmed_depths(depth, blocks, stem):
        assert 1 <= trimmed <= depth
        assert trimmed == 1 or -(-side // 2**trimmed) >= 3
        assert trimmed == depth or -(-side // 2 ** (trimmed + 1)) < 3
        side //= 2


@pytest.mark.parametrize(
    ("output_stride", "stem", "blocks", "dilations"),
    [
        (32, "paper", 4, (1, 1, 1, 1)),
        (16, "paper", 4, (1, 1, 1, 2)),
        (8, "paper", 4, (1, 1, 2, 4)),
        (4, "paper", 4, (1, 2, 4, 8)),
        (4, "paper", 1, (1,)),
        (4, "small", 4, (1, 1, 1, 2)),
        (1, "small", 3, (1, 2, 4)),
        (64, "paper", 4, None),
        (2, "paper", 4, None),
        (12, "paper", 4, None),
        (16, "small", 4, None),
    ],
)
def test_dilations_by_output_stride(
    output_stride: int, stem: str, blocks: int, dilations: tuple[int, ...] | None
) -> None:
    assert rules.dilations_by_output_stride(output_stride, blocks, stem) == dilations


@given(st.integers(1, 9), STEM, st.data())
def test_dilations_give_the_output_stride_that_was_asked_for(blocks: int, stem: str, data: st.DataObject) -> None:
    first = rules.output_stride((1,), stem)
    output_stride = data.draw(st.sampled_from([first * 2**block for block in range(blocks)]))
    dilations = rules.dilations_by_output_stride(output_stride, blocks, stem)
    assert dilations is not None
    assert rules.output_stride(dilations, stem) == output_stride
    assert all(after in (before, 2 * before) for before, after in pairwise(dilations))


@pytest.mark.parametrize(
    ("dilations", "pools", "output_stride"),
    [
        ((1, 1, 1, 1), (False, True, True, True), 32),
        ((1, 1, 1, 2), (False, True, True, False), 16),
        ((1, 1, 2, 4), (False, True, False, False), 8),
        ((2, 2), (False, True), 8),
        ((1, 3, 3, 5), (False, False, True, False), 8),
        ((7,), (False,), 4),
    ],
)
def test_a_pool_is_dropped_where_the_dilation_grows(
    dilations: tuple[int, ...], pools: tuple[bool, ...], output_stride: int
) -> None:
    assert rules.pools(dilations) == pools
    assert rules.output_stride(dilations, "paper") == output_stride
    assert rules.output_stride(dilations, "small") == output_stride // 4


@pytest.mark.parametrize("downsampling", ["multigrid", "strided"])
def test_levels_of_an_undilated_block(downsampling: str) -> None:
    assert rules.levels(3, 1, downsampling) == (Level(2, (1, 1), (1, 1)),) * 3


@pytest.mark.parametrize(
    ("depth", "dilation", "levels"),
    [
        (2, 2, [(2, 4), (4, 8)]),  # Figure 2, inset: 2 4 4 8 going down, 8 4 4 2 coming up
        (1, 4, [(4, 8)]),
        (3, 3, [(3, 6), (6, 12), (12, 24)]),
    ],
)
def test_levels_of_multigrid(depth: int, dilation: int, levels: list[tuple[int, int]]) -> None:
    assert rules.levels(depth, dilation, "multigrid") == tuple(Level(1, down, down[::-1]) for down in levels)


def test_figure_2_inset() -> None:
    levels = rules.levels(2, 2, "multigrid")
    assert [dilation for level in levels for dilation in level.down] == [2, 4, 4, 8]
    assert [dilation for level in reversed(levels) for dilation in level.up] == [8, 4, 4, 2]


@given(st.integers(1, 8), st.integers(2, 64))
def test_levels_of_strided_keep_their_stride(depth: int, dilation: int) -> None:
    assert rules.levels(depth, dilation, "strided") == (Level(2, (dilation,) * 2, (dilation,) * 2),) * depth


@given(st.integers(1, 8), st.integers(2, 64))
def test_levels_of_multigrid_come_up_as_they_went_down(depth: int, dilation: int) -> None:
    levels = rules.levels(depth, dilation, "multigrid")
    down = [each for level in levels for each in level.down]
    up = [each for level in reversed(levels) for each in level.up]
    assert down == up[::-1]
    assert (down[0], down[-1]) == (dilation, dilation * 2**depth)
    assert {level.stride for level in levels} == {1}


@pytest.mark.parametrize(
    ("growth", "modules", "shares"), [(12, 4, (3, 3, 3, 3)), (14, 4, (4, 4, 3, 3)), (5, 1, (5,)), (3, 3, (1, 1, 1))]
)
def test_shares(growth: int, modules: int, shares: tuple[int, ...]) -> None:
    assert rules.shares(growth, modules) == shares


@given(st.integers(0, 10_000), st.integers(1, 200))
def test_shares_are_even_and_the_larger_first(growth: int, modules: int) -> None:
    shares = rules.shares(growth, modules)
    assert (len(shares), sum(shares)) == (modules, growth)
    assert shares[0] - shares[-1] <= 1
    assert list(shares) == sorted(shares, reverse=True)
