"""What every network must do, its first weights, and a second reading of FACTS §1 in plain functions."""

import math
import random
import shutil
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from sunetlab import PRESETS, SUNetSpec, analyze, build, preset
from sunetlab.analysis.plan import Size
from sunetlab.model.blocks import UNetModule
from sunetlab.model.sunet import SUNet
from tests.specs import random_size, random_spec

PER_CHUNK = 10  # networks at random to a test, so that workers share them
ODD = (97, 131)
SMALL: dict[str, Any] = {"n": 4, "stem_width": 8, "num_classes": 5}
TASKS = ("classification", "segmentation")

# what compiles imports torch.jit, which says that torch.jit.script is on its way out
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
    pytest.param(
        "inductor", marks=[pytest.mark.slow, pytest.mark.skipif(not has_compiler(), reason="no C++ compiler")]
    ),
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
