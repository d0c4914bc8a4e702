"""Exact sets of pixels: equal to the support of a gradient; counts of paths equal to a gradient of ones."""

import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from sunetlab import InputError, SUNetSpec, build, preset
from sunetlab.analysis.fov import UNSEEN, Holes, Paths, Seen, backwards, holes, paths, seen
from sunetlab.analysis.fov.boxes import Boxes
from sunetlab.analysis.plan import Layer, Plan, plan
from sunetlab.model.gradient import slender, support
from tests.specs import random_size, random_spec

SEEDS = st.integers(0, 2**32)


def drawn(seed: int) -> tuple[Plan, str, tuple[int, int]]:
    """A random network at a random size, one of its boxes, and a position on that box's map."""
    rng = random.Random(seed)
    spec = random_spec(rng)
    laid_out = plan(spec, random_size(rng, spec))
    block = rng.randrange(len(spec.stacks))
    boxes = ["network", "network", f"block {block + 1}", f"blocks.{block}.unets.0", f"blocks.{block}.unets.0.down.0"]
    of = rng.choice([*boxes, "resized"] if spec.task == "segmentation" else boxes)
    of += ".sample.conv" if of.endswith("down.0") else ""
    if rng.random() < 0.4:
        of = rng.choice([layer.name for layer in laid_out.layers if layer.kind not in ("global_pool", "linear")][:-1])
    height, width = Boxes(laid_out).size(Boxes(laid_out).find(of)[1])
    return laid_out, of, (rng.randrange(height), rng.randrange(width))


@pytest.mark.parametrize("share", [0, 1, *(pytest.param(share, marks=pytest.mark.slow) for share in (2, 3))])
def test_sets_are_the_support_of_the_gradient(share: int) -> None:
    @given(SEEDS)
    @settings(max_examples=250)
    def check(seed: int) -> None:
        laid_out, of, at = drawn(4 * seed + share)
        expected, found = support(laid_out.spec, laid_out.size, at, of), seen(laid_out, at, of)
        np.testing.assert_array_equal(found.on(laid_out.size), expected)
        by_runs = np.zeros(laid_out.size, bool)
        for y, first, last in found.runs():
            by_runs[y, first : last + 1] = True
        np.testing.assert_array_equal(by_runs, expected)

    check()


def test_a_slender_network_sees_what_the_network_itself_sees() -> None:
    """The gradient of a network with all its maps, weights drawn positive."""
    words = {"n": 3, "stacks": (2, 1), "depth": 2, "dilations": (1, 2), "num_classes": 2}
    spec = SUNetSpec.make(task="segmentation", **words)
    model = build(spec).double().eval()
    for weight in model.parameters():
        torch.nn.init.uniform_(weight, 0.01, 0.02)
    image = torch.ones(1, 3, 37, 50, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(model.classifier(model.forward_features(image))[0, 1, 4, 5], image)
    np.testing.assert_array_equal(gradient[0].sum(0).numpy() > 0, support(spec, (37, 50), (4, 5)))
    assert slender(spec).depth == spec.depth


# ------------------------------------------------------------------------------------------------------------- counts


def ones(layer: Layer, taken: list[Tensor]) -> Tensor:
    """A layer of one map whose weights are all 1."""
    kernel = torch.ones(1, 1, layer.kernel, layer.kernel, dtype=torch.float64)
    match layer.kind:
        case "conv":
            return F.conv2d(taken[0], kernel, None, layer.stride, layer.padding, layer.dilation)
        case "conv_transpose":
            reach, pad = layer.dilation * (layer.kernel - 1), layer.padding
            least = [(side - 1) * layer.stride - 2 * pad + reach + 1 for side in layer.in_size]
            more = (layer.out_size[0] - least[0], layer.out_size[1] - least[1])
            return F.conv_transpose2d(taken[0], kernel, None, layer.stride, pad, more, 1, layer.dilation)
        case "avg_pool":
            return 4 * F.avg_pool2d(taken[0], 2)
        case "add" | "concat":
            return taken[0] + taken[1]
        case _:
            return taken[0]


def ways(laid_out: Plan, at: tuple[int, int]) -> NDArray[np.float64]:
    """Numbers of paths, as a gradient of the plan run forwards by torch."""
    image = torch.ones(1, 1, *laid_out.size, dtype=torch.float64, requires_grad=True)
    given_: list[Tensor] = []
    for layer in laid_out.layers:
        if layer.kind in ("global_pool", "bilinear"):
            break
        given_.append(ones(layer, [given_[i] if i >= 0 else image for i in layer.inputs]))
    (gradient,) = torch.autograd.grad(given_[-1][0, 0, at[0], at[1]], image)
    numbers: NDArray[np.float64] = gradient[0, 0].numpy()
    return numbers


@given(SEEDS)
@settings(max_examples=150)
def test_counts_are_a_gradient_of_ones(seed: int) -> None:
    laid_out, _, (y, x) = drawn(seed)
    last = next(layer for layer in reversed(laid_out.layers) if layer.kind not in ("global_pool", "bilinear", "linear"))
    at = (y % last.out_size[0], x % last.out_size[1])
    expected = ways(laid_out, at)
    total = expected.sum()
    assume(total < 1e300)
    found = paths(laid_out, at)
    (top, left), (height, width) = found.first, found.weights.shape
    shares = np.zeros(laid_out.size)
    shares[top : top + height, left : left + width] = found.weights
    np.testing.assert_allclose(shares, expected / total, rtol=1e-9)
    assert math.isclose(found.log10, math.log10(total), rel_tol=1e-12, abs_tol=1e-12)
    np.testing.assert_array_equal(found.weights > 0, seen(laid_out, at).mask)


def test_more_paths_than_a_float_can_count() -> None:
    """Twice as many modules, about twice the digits; the shares stay finite."""
    found = [paths(plan(SUNetSpec.make(n=1, stacks=(k,), stem="small"), (32, 32)), (16, 16)) for k in (40, 80)]
    assert found[1].log10 > 308
    assert found[1].log10 == pytest.approx(2 * found[0].log10, rel=0.05)
    for each in found:
        assert each.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("step", [7, 40])
def test_counts_do_not_depend_on_when_they_are_scaled(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out = plan(SUNetSpec.make(n=1, stacks=(3, 2), stem="small"), (24, 31))
    expected = paths(laid_out, (5, 6))
    monkeypatch.setattr(backwards, "_STEP", step)
    found = paths(laid_out, (5, 6))
    assert found.log10 == pytest.approx(expected.log10, rel=1e-13)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-12)


def test_spread_of_one_convolution() -> None:
    """Seven equal taps: a deviation of √((7² − 1) / 12) = 2 pixels."""
    found = paths(plan(preset("sunet-64"), (64, 64)), (10, 10), "stem.conv")
    assert found.spread == pytest.approx((2.0, 2.0))
    assert 10**found.log10 == pytest.approx(49)
    long = paths(plan(preset("sunet-64"), (32, 320)), (0, 5))
    assert long.spread[0] < 12 < 30 < long.spread[1]
    assert isinstance(found, Paths)


# -------------------------------------------------------------------------------------------------------------- holes


def drawing(*rows: str) -> Seen:
    levels = np.array([[0 if cell == "#" else UNSEEN for cell in row] for row in rows], np.uint8)
    return Seen((0, 0), "image", (0, 0), levels, True)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["#"], Holes(1, 1, 1.0, 0, 0, 1, (1, 1))),
        (["###", "#.#", "###"], Holes(8, 9, 8 / 9, 1, 1, 1, (1, 1))),
        (["#.#", "...", "#.#"], Holes(4, 9, 4 / 9, 5, 1, 4, (2, 2))),
        (["#..#..#"], Holes(3, 7, 3 / 7, 4, 2, 3, (1, 3))),
        (["#...#.#"], Holes(3, 7, 3 / 7, 4, 3, 3, (1, 2))),
        (["#", ".", ".", "#"], Holes(2, 4, 0.5, 2, 2, 2, (3, 1))),
        (["#.", ".#"], Holes(2, 4, 0.5, 2, 0, 1, (1, 1))),  # joined at a corner
        (["#..", "...", "#.#"], Holes(3, 9, 1 / 3, 6, 1, 3, (2, 2))),
    ],
)
def test_holes(rows: list[str], expected: Holes) -> None:
    assert holes(drawing(*rows)) == expected


@pytest.mark.parametrize(("depth", "dilation", "width", "density"), [(2, 2, 73, 0.257), (1, 4, 49, 0.070)])
def test_dilated_modules_leave_holes(depth: int, dilation: int, width: int, density: float) -> None:
    spec = SUNetSpec.make(n=1, depth=depth, stacks=(1,), dilations=(dilation,), stem="small")
    found = seen(plan(spec, (99, 99)), (49, 49), "block 1", "own")
    assert found.levels.shape == (width, width)
    assert holes(found).density == pytest.approx(density, abs=5e-4)
    assert holes(found).step == (dilation, dilation)


# -------------------------------------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"at": (56, 0)}, "at: 56,0: no position of network, whose map is 7x7"),
        ({"at": (-1, 0)}, "at: -1,0: no position of network"),
        ({"at": (1.5, 0)}, "at: 1.5,0: must be (y, x), two whole numbers, counted from 0"),
        ({"at": (1,)}, "at: 1: must be (y, x)"),
        ({"at": (True, 0)}, "at: True,0: must be (y, x)"),
        ({"at": (0, 0), "of": "block 5"}, "'block 5': no such box in this network: known are network, resized"),
        ({"at": (0, 0), "of": "classifier"}, "'classifier': no such box"),
        ({"at": (0, 0), "of": "resized"}, "resized: a network for classification"),
        ({"at": (0, 0), "grid": "moon"}, "grid: 'moon': must be image or own"),
    ],
)
def test_wrong_input(arguments: dict[str, object], line: str) -> None:
    for looks in (seen, paths):
        with pytest.raises(InputError) as error:
            looks(plan(preset("sunet-64")), **arguments)  # type: ignore[arg-type]
        assert str(error.value).startswith(line)


def test_positions_are_whole_numbers_of_any_kind() -> None:
    found = seen(plan(preset("sunet-64")), (np.int64(3), np.uint8(4)))  # type: ignore[arg-type]
    assert (found.at, *map(type, found.at)) == ((3, 4), int, int)


def test_a_set_as_runs_without_borders() -> None:
    found = drawing("##.#", "....", "#..#")._replace(first=(-2, 10))
    assert found.runs() == [(-2, 10, 11), (-2, 13, 13), (0, 10, 10), (0, 13, 13)]
    nothing = found._replace(levels=np.zeros((0, 0), np.uint8))
    assert nothing.runs() == []


def test_a_pool_stands_on_the_map_that_it_takes() -> None:
    assert seen(plan(preset("sunet-64")), (3, 5), "blocks.1.pool", "own").runs() == [(6, 10, 11), (7, 10, 11)]


def test_a_field_too_large_to_keep() -> None:
    spec = SUNetSpec.make(n=1, stacks=(1,), dilations=(2**18,))
    with pytest.raises(InputError, match=r"too large to keep: at most 134,217,728 pixels; clip it to an image"):
        seen(plan(spec), (0, 0), clipped=False)
    assert seen(plan(spec), (0, 0)).mask.all()
    deep = plan(SUNetSpec.make(n=1, stacks=(1,), depth=8, dilations=(2**20,)))
    assert seen(deep, (0, 0)).levels.shape == (10, 10)  # the stem's: every dilated tap falls outside
