"""The costs: every figure of FACTS §2, and what the counting convention says of single layers."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunetlab import PRESETS, SUNetSpec, analyze, preset
from sunetlab.analysis.cost import TOOLS, WEIGHTED, area, cost, total_elements
from sunetlab.analysis.plan import Layer
from tests.specs import random_size, random_specs


@pytest.mark.parametrize(
    ("name", "params", "without_classifier", "depth"),
    [
        ("sunet-64", 6_910_248, 5_885_248, 110),
        ("sunet-128", 24_704_360, 22_655_360, 110),
        ("sunet-7-128", 39_113_832, 36_808_832, 170),
    ],
)
def test_parameters_and_layers(name: str, params: int, without_classifier: int, depth: int) -> None:
    report = analyze(preset(name))
    assert report.params == params
    assert report.params - report.params_classifier == without_classifier
    assert report.depth == depth


@pytest.mark.parametrize(("size", "convolutions"), [((14, 14), 46), ((7, 7), 44)])
def test_3x3_convolutions_of_sunet_7_128_on_small_maps(size: tuple[int, int], convolutions: int) -> None:
    layers = analyze(preset("sunet-7-128"), (224, 224)).layers
    assert sum(layer.kernel == 3 and layer.out_size == size for layer in layers) == convolutions


def test_macs_of_sunet_64_for_segmentation() -> None:
    report = analyze(preset("sunet-64-os32"), (512, 512))
    assert report.macs == 13_220_446_208
    assert report.feature_size == (16, 16)


def test_a_narrower_block_3_gives_the_papers_parameters() -> None:
    report = analyze(preset("sunet-7-128").replace(widths=(512, 1280, 1792, 2304)))
    assert report.params == 37_731_944
    assert report.params - report.params_classifier == 35_426_944


def layer(kind: str, **changes: Any) -> Layer:
    given_ = {"in_channels": 3, "out_channels": 5, "in_size": (4, 6), "out_size": (8, 12), **changes}
    return Layer("layer", kind, "head", (0,), **given_)


@pytest.mark.parametrize(
    ("row", "params", "macs", "elements"),
    [
        (layer("conv", kernel=3), 3 * 5 * 9 + 5, 3 * 5 * 9 * 96, 5 * 96),
        (layer("conv_transpose", kernel=3), 3 * 5 * 9 + 5, 3 * 5 * 9 * 24, 5 * 96),  # input positions
        (layer("linear", out_size=(1, 1)), 3 * 5 + 5, 3 * 5, 5),
        (layer("bn"), 10, 0, 5 * 96),
        (layer("relu"), 0, 0, 5 * 96),
        (layer("avg_pool", kernel=2), 0, 0, 5 * 96),
        (layer("global_pool", out_size=(1, 1)), 0, 0, 5),
        (layer("add"), 0, 0, 5 * 96),
        (layer("concat"), 0, 0, 5 * 96),
        (layer("bilinear"), 0, 0, 5 * 96),
    ],
    ids=lambda value: value.kind if isinstance(value, Layer) else None,
)
def test_the_convention(row: Layer, params: int, macs: int, elements: int) -> None:
    assert cost(row) == (row, params, macs, elements)
    assert cost(row, batch=7) == (row, params, 7 * macs, 7 * elements)


@given(random_specs(), st.integers(0, 2**32), st.integers(2, 9))
def test_totals_are_sums_and_the_batch_multiplies_them(spec: SUNetSpec, seed: int, batch: int) -> None:
    size = random_size(random.Random(seed), spec)
    one, many = analyze(spec, size), analyze(spec, size, batch)
    assert one.params == many.params == sum(row.params for row in one.rows)
    assert many.macs == batch * one.macs == batch * sum(row.macs for row in one.rows)
    assert total_elements(many, "bn", "add") == batch * (total_elements(one, "bn") + total_elements(one, "add"))
    assert one.layers == many.layers
    for tool in TOOLS.values():
        assert tool(many) == batch * tool(one)


@given(random_specs())
def test_parameters_do_not_depend_on_the_input(spec: SUNetSpec) -> None:
    side = 4 * spec.output_stride
    assert analyze(spec, (side, side + 1)).params == analyze(spec, (side + 2, side)).params


@pytest.mark.parametrize("name", PRESETS)
def test_a_report_says_at_what_it_was_made(name: str) -> None:
    spec = preset(name)
    report = analyze(spec)
    assert (report.spec, report.size, report.batch) == (spec, (224, 224), 1)
    assert report.feature_size == (224 // spec.output_stride,) * 2
    assert report.params_classifier == spec.widths[-1] * spec.num_classes + spec.num_classes
    assert {row.layer.kind for row in report.rows if row.macs} <= set(WEIGHTED)
    assert area(report.feature_size) == (224 // spec.output_stride) ** 2
