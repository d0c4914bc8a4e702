"""The network is its plan: a thousand networks at random, row by row by hooks, operation by operation in order."""

import contextlib
import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from sunetlab import PRESETS, Report, analyze, build, preset
from sunetlab.analysis.cost import WEIGHTED, apart
from sunetlab.analysis.plan import Layer
from sunetlab.model.observe import Operation, operation
from sunetlab.model.sunet import SUNet
from tests.specs import random_size, random_spec

CHUNKS, PER_CHUNK = 40, 25  # a thousand networks, in tests that workers share
Shape = tuple[int, ...]


# ------------------------------------------------------------------------------------- every module is a row, by name


def geometry(module: nn.Module) -> tuple[object, ...]:
    """What a module is; asserts what a row of the plan cannot say."""

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


def is_its_plan_by_name(model: SUNet, report: Report) -> dict[str, nn.Module]:
    """Every layer with weights, BN and pool is a row of the plan; its parameters are counted; these modules."""
    rows = {layer.name: layer for layer in report.layers if layer.kind in (*WEIGHTED, "bn", "avg_pool")}
    modules: dict[str, nn.Module] = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.BatchNorm2d | nn.AvgPool2d)
    }
    assert modules
    assert set(modules) == set(rows)
    for name, module in modules.items():
        assert (name, geometry(module)) == (name, geometry_of_row(rows[name]))
    for row in report.rows:
        own = modules[row.layer.name].parameters() if row.layer.name in modules else ()
        assert row.params == sum(parameter.numel() for parameter in own)
    assert sum(p.numel() for p in model.parameters()) == report.params
    assert sum(p.numel() for p in model.get_classifier().parameters()) == report.params_classifier
    return modules


# ------------------------------------------------------------------------- every operation is a row, in order; by torch


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What runs, and what the formulas of torch and ptflops say of it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ran: list[Operation] = []
        self.flops = self.macs = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        from ptflops.aten_ops import ATEN_OPS_MAPPING

        given = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        first = given[0] if isinstance(given, tuple) else given
        if packet in flop_registry:
            self.flops += flop_registry[packet](*args, out_val=given)
        if packet in ATEN_OPS_MAPPING:
            self.macs += ATEN_OPS_MAPPING[packet](args, (first,))
        done = operation(packet, args, given)
        self.ran += [] if done is None else [done]
        return given


def forward(model: SUNet, modules: Mapping[str, nn.Module], x: Tensor) -> tuple[dict[str, list[Shape]], Recorder]:
    """Shapes in and out of modules, each called once, in a forward pass, and all that ran."""
    maps: dict[str, list[Shape]] = {}

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def note(_: nn.Module, taken: tuple[Tensor, ...], given: Tensor) -> None:
            assert name not in maps
            maps[name] = [tuple(taken[0].shape), tuple(given.shape)]

        return note

    with contextlib.ExitStack() as stack, torch.no_grad(), Recorder() as recorder:
        for name, module in modules.items():
            stack.callback(module.register_forward_hook(hook(name)).remove)
        model(x)
    return maps, recorder


def runs_as_planned(model: SUNet, report: Report, modules: Mapping[str, nn.Module], device: str) -> None:
    maps, recorder = forward(
        model, modules, torch.zeros(report.batch, report.spec.in_channels, *report.size, device=device)
    )
    planned = []
    for layer in report.layers:
        flat = layer.kind in ("linear", "global_pool")
        given = (report.batch, layer.out_channels, *layer.out_size)[: 2 if flat else 4]
        planned.append(Operation(layer.kind, given, layer.kind in WEIGHTED))
        if layer.name in modules:
            taken = (report.batch, layer.in_channels, *layer.in_size)[: 2 if layer.kind == "linear" else 4]
            assert (layer.name, maps[layer.name]) == (layer.name, [taken, given])
    assert recorder.ran == planned
    costs_are_those_of(recorder, report)


def costs_are_those_of(recorder: Recorder, report: Report) -> None:
    """MACs by torch's formulas, and with biases by ptflops'; what is counted apart by the maps themselves."""
    found = apart(report.rows)
    assert recorder.flops == 2 * report.macs
    assert recorder.macs == report.macs + found.pop("bias")
    for kind, elements in found.items():
        assert (kind, elements) == (kind, sum(math.prod(ran.given) for ran in recorder.ran if ran.kind == kind))
    for row, ran in zip(report.rows, recorder.ran, strict=True):
        assert row.elements == math.prod(ran.given)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_networks_are_their_plans(chunk: int) -> None:
    rng = random.Random(chunk)
    for _ in range(PER_CHUNK):
        spec = random_spec(rng)
        report = analyze(spec, random_size(rng, spec), batch=rng.choice((1, 1, 2)))
        model = build(spec).eval()
        runs_as_planned(model, report, is_its_plan_by_name(model, report), "cpu")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_their_plans(name: str) -> None:
    spec = preset(name)
    with torch.device("meta"):
        model = build(spec).eval()
    report = analyze(spec, (360, 481), batch=3)
    runs_as_planned(model, report, is_its_plan_by_name(model, report), "meta")
