"""The plan: sizes and channels that chain, in order, for any network; inputs too small refused."""

import random
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunetlab import InputError, SUNetSpec, preset
from sunetlab.analysis.plan import Layer, plan
from sunetlab.rules import STEMS
from tests.specs import random_size, random_specs


def by_name(spec: SUNetSpec, size: tuple[int, int] | None = None) -> dict[str, Layer]:
    return {layer.name: layer for layer in plan(spec, size).layers}


# ----------------------------------------------------------------------------------------------------- drawn networks


def test_table_1_at_its_design_size() -> None:
    layers = by_name(preset("sunet-7-128"))
    ends = {
        "stem.conv": (64, (112, 112)),
        "stem.residual.add": (128, (56, 56)),
        "blocks.0.unets.1.add": (512, (56, 56)),
        "blocks.1.unets.6.add": (1280, (28, 28)),
        "blocks.2.unets.6.add": (2048, (14, 14)),
        "blocks.3.unets.0.add": (2304, (7, 7)),
        "pool": (2304, (1, 1)),
        "classifier": (1000, (1, 1)),
    }
    assert {name: (layers[name].out_channels, layers[name].out_size) for name in ends} == ends


def test_sizes_inside_a_module_of_odd_size_come_back() -> None:
    layers = by_name(SUNetSpec.make(n=5, depth=3, stacks=(1,), stem="small"), (19, 33))
    names = ["down.0.sample", "down.1.sample", "down.2.sample", "up.2.sample", "up.1.sample", "up.0.sample"]
    sizes = [layers[f"blocks.0.unets.0.{name}.conv"].out_size for name in names]
    assert sizes == [(10, 17), (5, 9), (3, 5), (5, 9), (10, 17), (19, 33)]
    takes = [layers[f"blocks.0.unets.0.{name}.conv"].in_channels for name in names[3:]]
    assert takes == [5, 10, 10]  # N maps at the innermost level, 2N elsewhere


def test_segmentation_ends_at_the_size_of_the_input() -> None:
    layers = plan(SUNetSpec.make(n=4, task="segmentation", degrid=True), (97, 131)).layers
    assert [(layer.name, layer.dilation) for layer in layers[-8:]] == [
        ("degrid.0.conv", 2),
        ("degrid.0.norm.bn", 1),
        ("degrid.0.norm.relu", 1),
        ("degrid.1.conv", 1),
        ("degrid.1.norm.bn", 1),
        ("degrid.1.norm.relu", 1),
        ("classifier", 1),
        ("resize", 1),
    ]
    assert (layers[-1].kind, layers[-1].out_channels, layers[-1].out_size) == ("bilinear", 21, (97, 131))


# ------------------------------------------------------------------------------------------------------- any network


@given(random_specs(), st.integers(0, 2**32))
def test_layers_are_a_graph_in_order_whose_shapes_chain(spec: SUNetSpec, seed: int) -> None:
    size = random_size(random.Random(seed), spec)
    layers = plan(spec, size).layers
    assert len({layer.name for layer in layers}) == len(layers)
    for index, layer in enumerate(layers):
        assert layer.inputs
        assert all(-1 <= source < index for source in layer.inputs)
        shapes = [
            (layers[i].out_channels, layers[i].out_size) if i >= 0 else (spec.in_channels, size) for i in layer.inputs
        ]
        assert (layer.in_channels, layer.in_size) == shapes[0]
        assert {at for _, at in shapes} == {layer.in_size}
        assert layer.out_channels == channels_given(layer, [channels for channels, _ in shapes])
        assert layer.out_size in sizes_given(layer, size)
    used = Counter(source for layer in layers for source in layer.inputs)
    assert set(used) == set(range(-1, len(layers) - 1))  # nothing is computed in vain; the last is the answer


def channels_given(layer: Layer, taken: list[int]) -> int:
    if layer.kind == "concat":
        return sum(taken)
    if layer.kind == "add":
        assert len(set(taken)) == 1
    return layer.out_channels if layer.kind in ("conv", "conv_transpose", "linear") else taken[0]


def sizes_given(layer: Layer, image: tuple[int, int]) -> set[tuple[int, int]]:
    """Sizes that a layer can give by the formulas of torch's documentation, from its geometry alone."""
    height, width = layer.in_size
    reach = layer.dilation * (layer.kernel - 1)
    match layer.kind:
        case "conv" | "avg_pool":
            sides = [(side + 2 * layer.padding - reach - 1) // layer.stride + 1 for side in (height, width)]
            return {(sides[0], sides[1])}
        case "conv_transpose":  # plus an output padding below the stride
            least = [(side - 1) * layer.stride - 2 * layer.padding + reach + 1 for side in (height, width)]
            more = range(layer.stride)
            return {(least[0] + down, least[1] + right) for down in more for right in more}
        case "global_pool":
            return {(1, 1)}
        case "bilinear":
            return {image}
        case _:
            return {layer.in_size}


@given(random_specs(), st.integers(0, 2**32))
def test_every_convolution_of_a_module_follows_bn_relu(spec: SUNetSpec, seed: int) -> None:
    layers = plan(spec, random_size(random.Random(seed), spec)).layers
    for layer in layers:
        if layer.kind in ("conv", "conv_transpose", "linear") and layer.name != "stem.conv":
            before = layers[layer.inputs[0]].kind
            assert before == ("global_pool" if layer.kind == "linear" else "relu")
        if layer.kind == "relu":
            assert layers[layer.inputs[0]].kind == "bn"


@given(random_specs(), st.integers(0, 2**32))
def test_sizes_follow_the_output_stride(spec: SUNetSpec, seed: int) -> None:
    times = random.Random(seed).randint(1, 3)
    side = spec.output_stride * times
    layers = plan(spec, (side, 2 * side)).layers
    last = next(layer for layer in reversed(layers) if layer.part.startswith("block"))
    assert last.out_size == (times, 2 * times)
    assert last.out_channels == spec.widths[-1]


@given(random_specs())
def test_dilating_a_network_keeps_its_weights(spec: SUNetSpec) -> None:
    """§5.2: weights carry over: the same convolutions by name, channels and kernel at every dilation."""

    def weights(of: SUNetSpec) -> list[tuple[str, str, int, int, int]]:
        rows = plan(of, (256, 256)).layers
        return [
            (row.name, row.kind, row.in_channels, row.out_channels, row.kernel)
            for row in rows
            if row.kind != "avg_pool"
        ]

    plain = spec.replace(dilations=(1,) * len(spec.stacks))
    assert weights(spec) == weights(plain)


# ---------------------------------------------------------------------------------------------------------- too small


@pytest.mark.parametrize(
    ("words", "size", "line"),
    [
        ({}, (28, 224), "input: 28x224: too small for block 4: a map of 1x14 before block 4 cannot be pooled"),
        ({}, (224, 12), "input: 224x12: too small for block 3: a map of 28x1 before block 3 cannot be pooled"),
        ({}, (1, 1), "input: 1x1: too small for block 2: a map of 1x1 before block 2 cannot be pooled"),
        (
            {"output_stride": 8},
            (4, 9),
            "input: 4x9: too small for block 2: a map of 1x3 before block 2 cannot be pooled",
        ),
        ({"stem": "small"}, (7, 8), "input: 7x8: too small for block 4: a map of 1x2 before block 4 cannot be pooled"),
    ],
)
def test_an_input_too_small_is_refused_with_the_block(
    words: dict[str, object], size: tuple[int, int], line: str
) -> None:
    with pytest.raises(InputError) as caught:
        plan(SUNetSpec.make(n=4, **words), size)
    assert str(caught.value) == line


@given(random_specs())
def test_the_least_input_is_where_the_last_pool_gets_two_pixels(spec: SUNetSpec) -> None:
    least = spec.output_stride - STEMS[spec.stem].stride ** 2 + 1
    assert plan(spec, (least, least)).layers
    if least > 1:
        with pytest.raises(InputError, match="too small for block"):
            plan(spec, (least, least - 1))


# ----------------------------------------------------------------------------------------------------------- no torch


@pytest.mark.parametrize(
    "command", ["import sunetlab", "import sunetlab; sunetlab.analyze(sunetlab.preset('sunet-64-os8'), (97, 131))"]
)
def test_analysis_imports_nothing_heavy(command: str) -> None:
    heavy = ("torch", "torchvision", "pandas", "optuna", "scipy", "fvcore", "ptflops")
    check = f"{command}; import sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
