"""The network against the plan, the tools' counts, and a second reading of FACTS §1 in plain functions."""

import contextlib
import io
import logging
import math
import random
import shutil
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input
from torch.utils.flop_counter import FlopCounterMode

from sunetlab import PRESETS, Report, SUNetSpec, analyze, build, preset
from sunetlab.analysis.cost import TOOLS, WEIGHTED
from sunetlab.analysis.plan import Layer, Size
from sunetlab.model.blocks import UNetModule
from sunetlab.model.sunet import SUNet
from tests.specs import random_size, random_spec

CHUNKS, PER_CHUNK = 20, 10  # 200 networks at random, ten to a test so that workers share them
ODD = (97, 131)
SMALL: dict[str, Any] = {"n": 4, "stem_width": 8, "num_classes": 5}
TASKS = ("classification", "segmentation")

# fvcore and ptflops import torchvision and torch.jit, which say that torch.jit.script is on its way out
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")


def on_meta(spec: SUNetSpec) -> SUNet:
    with torch.device("meta"):
        return build(spec).eval()


def image(spec: SUNetSpec, size: Size, batch: int = 1, seed: int = 0) -> Tensor:
    return torch.randn(batch, spec.in_channels, *size, generator=torch.Generator().manual_seed(seed))


def drawn(model: SUNet, seed: int = 0) -> SUNet:
    """The model with every weight, bias and statistic drawn, so that none of them can be left out unseen."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if "num_batches" in name:
                continue
            noise = torch.randn(value.shape, generator=generator, dtype=value.dtype)
            spread = value.abs().mean() if value.dim() > 1 else 0.2
            value.copy_(value + spread * noise if "running_var" not in name else 1 + noise.abs())
    return model


# ------------------------------------------------------------------------------------------------ the plan, row by row


def matches_its_plan(model: SUNet, report: Report) -> None:
    """Every weighted layer and BN is a row of the plan by name and geometry, its maps are of the row's sizes."""
    rows = {layer.name: layer for layer in report.layers if layer.kind in (*WEIGHTED, "bn", "avg_pool")}
    modules = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.BatchNorm2d | nn.AvgPool2d)
    }
    assert list(modules) != []
    assert set(modules) == set(rows)
    assert sum(p.numel() for p in model.parameters()) == report.params
    assert sum(p.numel() for p in model.get_classifier().parameters()) == report.params_classifier
    for name, module in modules.items():
        assert (name, geometry(module)) == (name, geometry_of_row(rows[name]))
    seen = shapes_seen(model, modules, (report.batch, report.spec.in_channels, *report.size))
    for name, row in rows.items():
        maps = [(report.batch, row.in_channels, *row.in_size), (report.batch, row.out_channels, *row.out_size)]
        assert (name, seen[name]) == (name, [shape[:2] for shape in maps] if row.kind == "linear" else maps)


def geometry(module: nn.Module) -> tuple[object, ...]:
    def square(value: Any) -> int:
        sides = value if isinstance(value, tuple) else (value, value)
        assert sides[0] == sides[1]
        return int(sides[0])

    match module:
        case nn.Conv2d() | nn.ConvTranspose2d():
            kind = "conv" if isinstance(module, nn.Conv2d) else "conv_transpose"
            assert module.bias is not None
            assert module.groups == 1
            sides = [square(side) for side in (module.kernel_size, module.stride, module.dilation, module.padding)]
            return (kind, module.in_channels, module.out_channels, *sides)
        case nn.Linear():
            return ("linear", module.in_features, module.out_features)
        case nn.BatchNorm2d():
            return ("bn", module.num_features)
        case nn.AvgPool2d():
            return ("avg_pool", square(module.kernel_size), square(module.stride), square(module.padding))
    raise AssertionError(module)


def geometry_of_row(row: Layer) -> tuple[object, ...]:
    match row.kind:
        case "linear":
            return (row.kind, row.in_channels, row.out_channels)
        case "bn":
            return (row.kind, row.out_channels)
        case "avg_pool":
            return (row.kind, row.kernel, row.stride, row.padding)
        case _:
            sides = (row.kernel, row.stride, row.dilation, row.padding)
            return (row.kind, row.in_channels, row.out_channels, *sides)


def shapes_seen(
    model: SUNet, modules: Mapping[str, nn.Module], shape: tuple[int, ...]
) -> dict[str, list[tuple[int, ...]]]:
    """Shapes in and out of each module, each called once, in a forward pass."""
    seen: dict[str, list[tuple[int, ...]]] = {}

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def note(_: nn.Module, taken: tuple[Tensor, ...], given: Tensor) -> None:
            assert name not in seen
            seen[name] = [tuple(taken[0].shape), tuple(given.shape)]

        return note

    with contextlib.ExitStack() as stack, torch.no_grad():
        for name, module in modules.items():
            stack.callback(module.register_forward_hook(hook(name)).remove)
        model(torch.empty(shape, device=next(model.parameters()).device))
    return seen


# ------------------------------------------------------------------------------------------------------ the tools' MACs


def count_fvcore(model: SUNet, x: Tensor) -> int:
    from fvcore.nn import FlopCountAnalysis

    logging.getLogger("fvcore").setLevel(logging.ERROR)
    count = FlopCountAnalysis(model, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    total = int(count.total())
    assert set(count.unsupported_ops()) <= {"aten::add", "aten::avg_pool2d", "aten::mean"}  # nothing with weights
    return total


def count_ptflops(model: SUNet, x: Tensor) -> int:
    from ptflops import get_model_complexity_info

    with contextlib.redirect_stdout(io.StringIO()) as said, torch.no_grad():
        macs, params = get_model_complexity_info(
            model, tuple(x.shape[1:]), backend="aten", as_strings=False, print_per_layer_stat=False, verbose=False
        )
    assert said.getvalue() == ""
    assert params == sum(p.numel() for p in model.parameters())
    return int(macs)


def count_torch(model: SUNet, x: Tensor) -> int:
    with FlopCounterMode(display=False) as count, torch.no_grad():
        model(x)
    return int(count.get_total_flops())


COUNTERS = {"fvcore": count_fvcore, "torch": count_torch, "ptflops": count_ptflops}  # ptflops leaves hooks behind


def test_every_tool_is_counted_with() -> None:
    assert set(COUNTERS) == set(TOOLS)


def agrees_with_its_plan_and_every_tool(model: SUNet, size: Size) -> None:
    report = analyze(model.spec, size)
    matches_its_plan(model, report)
    x = torch.zeros(1, model.spec.in_channels, *size)
    for tool, count in COUNTERS.items():
        assert (tool, count(model, x)) == (tool, TOOLS[tool](report))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_networks_are_their_plans_and_every_tool_counts_them(chunk: int) -> None:
    rng = random.Random(chunk)
    for _ in range(PER_CHUNK):
        spec = random_spec(rng)
        agrees_with_its_plan_and_every_tool(build(spec).eval(), random_size(rng, spec))


@pytest.mark.parametrize("size", [(64, 65), pytest.param((224, 224), marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_their_plans_and_every_tool_counts_them(name: str, size: Size) -> None:
    model = on_meta(preset(name)).to_empty(device="cpu")  # counts do not ask what the weights are
    agrees_with_its_plan_and_every_tool(model, size)


def test_tools_count_every_image_of_a_batch() -> None:
    spec = SUNetSpec.make(**SMALL, task="segmentation", output_stride=16)
    report = analyze(spec, (65, 70), batch=3)
    x = torch.zeros(3, 3, 65, 70)
    assert count_torch(build(spec).eval(), x) == TOOLS["torch"](report)
    assert count_fvcore(build(spec).eval(), x) == TOOLS["fvcore"](report)


# --------------------------------------------------------------------------------- contract: what every network must do


@pytest.mark.parametrize("name", PRESETS)
def test_contract(name: str) -> None:
    """The presets with few maps, on an odd input."""
    spec = preset(name).replace(n=4, stem_width=8, num_classes=5)
    model, x = build(spec), image(spec, ODD, batch=2)
    logits = model(x)
    assert logits.shape == ((2, 5, *ODD) if spec.task == "segmentation" else (2, 5))
    logits.square().mean().backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
    assert all(weight.grad is not None and weight.grad.any() for weight in model.parameters() if weight.dim() > 1)
    model.eval()
    with torch.no_grad():
        features = model.forward_features(x)
        assert features.shape == (2, spec.head_width, *analyze(spec, ODD).feature_size)
        assert torch.equal(model.forward_head(features, ODD), model(x))
        assert (features >= 0).all()  # after BN-ReLU


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("downsampling", ["multigrid", "strided"])
@pytest.mark.parametrize("output_stride", [4, 8, 16, 32])
def test_odd_inputs(task: str, downsampling: str, output_stride: int) -> None:
    spec = SUNetSpec.make(**SMALL, task=task, downsampling=downsampling, output_stride=output_stride)
    model = build(spec).eval()
    x = image(spec, ODD)
    with torch.no_grad():
        assert model(x).shape == ((1, 5, *ODD) if task == "segmentation" else (1, 5))
        high, wide = ((-(-side // 4)) // (output_stride // 4) for side in ODD)
        assert model.forward_features(x).shape == (1, spec.head_width, high, wide)


@pytest.mark.parametrize("output_stride", [4, 8, 16, 32])
def test_features_of_a_multiple_of_the_output_stride(output_stride: int) -> None:
    spec = SUNetSpec.make(**SMALL, output_stride=output_stride, degrid=True)
    with torch.no_grad():
        features = build(spec).eval().forward_features(image(spec, (32, 64), batch=3))
    assert features.shape == (3, 512, 32 // output_stride, 64 // output_stride)


@pytest.mark.parametrize("task", TASKS)
def test_head_before_its_classifier(task: str) -> None:
    spec = SUNetSpec.make(**SMALL, task=task)
    model = build(spec).eval()
    features = torch.randn(2, spec.head_width, 3, 4)
    taken = model.forward_head(features, ODD, pre_logits=True)
    expected = features if task == "segmentation" else features.mean((2, 3))
    assert torch.equal(taken, expected)


@pytest.mark.parametrize(
    "words", [{}, {"output_stride": 8, "degrid": True}, {"task": "segmentation", "output_stride": 16}]
)
def test_channels_last_changes_nothing(words: dict[str, Any]) -> None:
    spec = SUNetSpec.make(**SMALL, **words)
    model, x = drawn(build(spec)).eval(), image(spec, ODD, batch=2)
    with torch.no_grad():
        expected = model(x)
        model.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
        assert model.forward_features(x).is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-4)


def has_compiler() -> bool:
    """What inductor needs on a CPU: a C++ compiler and Python's headers."""
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return any(map(shutil.which, ("g++", "clang++", "c++"))) and header.exists()


BACKENDS = [
    "aot_eager",
    pytest.param("inductor", marks=pytest.mark.skipif(not has_compiler(), reason="no C++ compiler")),
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_networks_give_the_same(backend: str) -> None:
    """Both tasks in one test: what a backend sets up once, a worker sets up once."""
    for task in TASKS:
        spec = SUNetSpec.make(n=4, stem_width=8, stacks=(1, 1), task=task, num_classes=3)
        model, x = drawn(build(spec)).eval(), image(spec, (45, 61), batch=2)
        with torch.no_grad():
            compiled = torch.compile(model, backend=backend)
            torch.testing.assert_close(compiled(x), model(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("task", TASKS)
def test_reset_classifier(task: str) -> None:
    spec = SUNetSpec.make(**SMALL, task=task)
    model = build(spec).double().eval()
    body = {name: value.clone() for name, value in model.state_dict().items() if not name.startswith("classifier")}
    model.reset_classifier(11)
    assert model.spec == spec.replace(num_classes=11)
    assert model.get_classifier() is model.classifier
    assert model(image(spec, (64, 64)).double()).shape[:2] == (1, 11)
    assert {value.dtype for value in model.classifier.parameters()} == {torch.float64}
    assert sum(p.numel() for p in model.parameters()) == analyze(model.spec).params
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in body.items())
    on = on_meta(spec)
    on.reset_classifier(2)
    assert next(on.classifier.parameters()).device.type == "meta"


def test_first_weights() -> None:
    """He's normal initialisation by fan-out, biases 0, BN the identity (Appendix A)."""
    torch.manual_seed(0)
    model = build(SUNetSpec.make(n=24, task="segmentation", degrid=True))
    transposed = 0
    for name, module in model.named_modules():
        if name == "classifier":
            continue
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            transposed += isinstance(module, nn.ConvTranspose2d)
            expected = math.sqrt(2 / (module.out_channels * module.kernel_size[0] ** 2))
            many = module.weight.numel()
            assert module.weight.std().item() == pytest.approx(expected, rel=5 / math.sqrt(2 * many)), name
            assert abs(module.weight.mean().item()) < 5 * expected / math.sqrt(many), name
            assert module.bias is not None
            assert not module.bias.any()
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert not module.bias.any()
    assert transposed == 2 * 10 + 1  # one a level: ten modules of depth 2, one of depth 1


@pytest.mark.parametrize("task", TASKS)
def test_first_weights_of_the_classifier(task: str) -> None:
    torch.manual_seed(0)
    model = build(SUNetSpec.make(n=24, task=task))
    for classes in (model.spec.num_classes, 50):  # as it is built, and as it is built anew
        if classes != model.spec.num_classes:
            model.reset_classifier(classes)
        weight, bias = model.classifier.parameters()
        assert weight.std().item() == pytest.approx(0.01, rel=5 / math.sqrt(2 * weight.numel()))
        assert not bias.any()


def test_one_seed_one_network() -> None:
    def first(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        return dict(build(SUNetSpec.make(**SMALL)).state_dict())

    one, same, other = first(1), first(1), first(2)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["stem.conv.weight"], other["stem.conv.weight"])


def test_a_skip_is_a_convolution_only_where_widths_differ() -> None:
    spec = SUNetSpec.make(n=4, stacks=(2, 1, 2), widths=(8, 8, 12), stem_width=8)
    modules = [module for module in build(spec).modules() if isinstance(module, UNetModule)]
    assert [module.skip is not None for module in modules] == [False, False, False, True, False]


# ------------------------------------------------------------------------------------- a second reading of FACTS §1


def by_the_text(spec: SUNetSpec, state: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network in evaluation mode, written from FACTS §1 from the library only the names of weights."""

    def bn_relu(name: str, x: Tensor) -> Tensor:
        mean, variance = (state[f"{name}.bn.running_{of}"][:, None, None] for of in ("mean", "var"))
        scale, shift = (state[f"{name}.bn.{of}"][:, None, None] for of in ("weight", "bias"))
        return ((x - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp(min=0)

    def conv(name: str, x: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, state[f"{name}.bias"], stride, dilation * (weight.shape[-1] // 2), dilation)

    def up(name: str, x: Tensor, size: Size, stride: int, dilation: int) -> Tensor:
        """A transposed convolution is the gradient of the convolution that takes `size` to the size of x."""
        weight = state[f"{name}.weight"]
        shape = (x.shape[0], weight.shape[1], *size)
        y: Tensor = conv2d_input(shape, weight, x, stride, dilation, dilation)  # type: ignore[no-untyped-call]
        return y + state[f"{name}.bias"][:, None, None]

    def module(name: str, x: Tensor, depth: int, r: int) -> Tensor:
        multigrid = r > 1 and spec.downsampling == "multigrid"
        stride = 1 if multigrid else 2
        dilations = [(r * 2**i, r * 2 ** (i + 1)) if multigrid else (r, r) for i in range(depth)]
        entry = bn_relu(f"{name}.norm", x)
        y = conv(f"{name}.reduce", entry)
        sizes, encoded = [], []
        for i, (first, second) in enumerate(dilations):
            sizes.append((y.shape[2], y.shape[3]))
            y = conv(f"{name}.down.{i}.sample.conv", bn_relu(f"{name}.down.{i}.sample.norm", y), stride, first)
            y = conv(f"{name}.down.{i}.conv.conv", bn_relu(f"{name}.down.{i}.conv.norm", y), 1, second)
            encoded.append(y)
        for i in range(depth - 1, -1, -1):
            if i < depth - 1:
                y = torch.cat([y, encoded[i]], dim=1)  # decoder maps first
            first, second = reversed(dilations[i])
            y = up(f"{name}.up.{i}.sample.conv", bn_relu(f"{name}.up.{i}.sample.norm", y), sizes[i], stride, first)
            y = conv(f"{name}.up.{i}.conv.conv", bn_relu(f"{name}.up.{i}.conv.norm", y), 1, second)
        y = conv(f"{name}.expand.conv", bn_relu(f"{name}.expand.norm", y))
        if spec.connectivity == "dense":
            return torch.cat([x, y], dim=1)
        return y + (x if y.shape[1] == x.shape[1] else conv(f"{name}.skip", entry))

    size, stride = x.shape[2:], 2 if spec.stem == "paper" else 1
    x = bn_relu("stem.residual.norm", conv("stem.conv", x, stride))
    y = conv("stem.residual.conv1", x, stride)
    x = conv("stem.residual.conv2", bn_relu("stem.residual.norm2", y)) + conv("stem.residual.shortcut", x, stride)
    for j, r in enumerate(spec.dilations):
        if j > 0 and r == spec.dilations[j - 1]:
            x = F.avg_pool2d(x, 2, 2)
        for i in range(spec.stacks[j]):
            x = module(f"blocks.{j}.unets.{i}", x, spec.depth[j], r)
    x = bn_relu("norm", x)
    if spec.degrid:
        x = bn_relu("degrid.0.norm", conv("degrid.0.conv", x, dilation=2))
        x = bn_relu("degrid.1.norm", conv("degrid.1.conv", x, dilation=1))
    if spec.task == "classification":
        return x.mean((2, 3)) @ state["classifier.weight"].T + state["classifier.bias"]
    x = conv("classifier", x)
    return F.interpolate(x, size=list(size), mode="bilinear", align_corners=False)


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"stacks": (2, 1), "widths": (8, 8)},
        {"output_stride": 8, "task": "segmentation"},
        {"output_stride": 8, "downsampling": "strided", "task": "segmentation"},
        {"dilations": (1, 3, 3, 5), "depth": (3, 2, 1, 2)},
        {"connectivity": "dense", "widths": (13, 29, 40, 41), "output_stride": 16},
        {"depth": 4, "stem": "small", "task": "segmentation", "degrid": True},
        {"stacks": (1,), "depth": 1, "in_channels": 1, "degrid": True},
    ],
    ids=str,
)
def test_the_network_is_what_the_text_says(words: dict[str, Any]) -> None:
    spec = SUNetSpec.make(**{**SMALL, **words})
    model = drawn(build(spec).double()).eval()
    x = image(spec, (37, 51) if spec.stem == "paper" else (21, 19), batch=2).double()
    with torch.no_grad():
        expected = by_the_text(spec, model.state_dict(), x)
        assert expected.std() > 0
        torch.testing.assert_close(model(x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("chunk", range(2))
def test_random_networks_are_what_the_text_says(chunk: int) -> None:
    rng = random.Random(1000 + chunk)
    for _ in range(PER_CHUNK):
        spec = random_spec(rng)
        model = drawn(build(spec).double(), seed=chunk).eval()
        x = image(spec, random_size(rng, spec)).double()
        with torch.no_grad():
            torch.testing.assert_close(model(x), by_the_text(spec, model.state_dict(), x), rtol=1e-7, atol=1e-7)
