"""A built network against its plan, the formulas, every counting tool, and its own gradients.

Each comparison is a `Check`, and all their differences must be zero. The network is built on the meta device, where
nothing takes memory; fvcore and ptflops' pytorch backend are given one image on the CPU (see `counters`).
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from sunetlab.analysis.cost import WEIGHTED, apart
from sunetlab.analysis.fov import seen
from sunetlab.analysis.plan import Layer, Plan, Size
from sunetlab.analysis.report import Report, analyze
from sunetlab.analysis.tools import TOOLS, figure
from sunetlab.model.counters import count, installed
from sunetlab.model.geometry import built, planned
from sunetlab.model.gradient import support
from sunetlab.model.observe import Observed, Operation, observe
from sunetlab.model.room import bytes_of_a_gradient, bytes_of_a_run, refuse_what_does_not_fit
from sunetlab.model.sunet import SUNet
from sunetlab.spec import SUNetSpec

Position = tuple[int, int]
Watch = Callable[[str, int, int], None]  # what begins, how many steps are done, of how many
NOTHING, NOT_INSTALLED = "nothing", "not installed"
ON_ONE_IMAGE = {"fvcore"}  # it runs the network for real; the others that do so make their own image


class Check(NamedTuple):
    """One comparison.

    Attributes:
        about: layers, maps, operations, parameters, tools or field.
        name: what is compared: a layer, a kind of operation, a tool, a position.
        expected: by the plan and the formulas.
        found: in the network; of a field, as of `expected`, how many pixels.
        difference: found − expected; 1 for texts that differ; for a field the pixels that only one of both has.
    """

    about: str
    name: str
    expected: int | str
    found: int | str
    difference: int


def verify(
    spec: SUNetSpec, size: Size | None = None, batch: int = 1, watch: Watch | None = None, seed: int = 0
) -> tuple[Check, ...]:
    """Build `spec` and compare it with everything that is known of it.

    Args:
        spec: the network.
        size: (height, width) of the images, in pixels; by default the design size.
        batch: images at once.
        watch: told of every step before it begins, and once at the end.
        seed: of the positions whose gradients are looked at, beside a corner and the middle.

    Raises:
        InputError: an input too small for the network, or too large for the memory that is free.
    """
    report = analyze(spec, size, batch)
    refuse_what_does_not_fit(report, max(bytes_of_a_run(report), bytes_of_a_gradient(report)))
    with torch.device("meta"):
        model = SUNet(spec).eval()
    steps: list[tuple[str, Callable[[], Iterable[Check]]]] = [
        ("layers", lambda: layers(model, report)),
        ("a forward pass", lambda: forward_pass(model, report)),
        ("parameters", lambda: parameters(model, report)),
        *((tool, partial(printed, tool, model, report)) for tool in TOOLS),
        *((f"gradient at {of} {at}", partial(field, report.plan, of, at)) for of, at in _positions(report, seed)),
    ]
    checks: list[Check] = []
    for done, (name, step) in enumerate(steps):
        if watch is not None:
            watch(name, done, len(steps))
        checks += step()
    return tuple(checks)


def layers(model: nn.Module, report: Report) -> Iterator[Check]:
    """Every module without children against the plan's row of its name; none missing, none left over."""
    rows = {layer.name: text for layer in report.layers if (text := planned(layer))}
    modules = {name: text for name, module in model.named_modules() if (text := built(module))}
    for name in rows | modules:
        yield _compare("layers", name, rows.get(name, NOTHING), modules.get(name, NOTHING))


def forward_pass(model: SUNet, report: Report) -> Iterator[Check]:
    """Maps of every module, and how many operations of each kind ran, on how many elements."""
    try:
        x = torch.zeros(report.batch, report.spec.in_channels, *report.size, device="meta")
        observed = observe(model, x)
    except Exception as error:  # whatever a network that is not as planned may do
        yield _compare("maps", "a forward pass", "runs", _told(error))
        return
    yield from _maps(observed, report)
    yield from _operations(observed, report)


def _maps(observed: Observed, report: Report) -> Iterator[Check]:
    for layer in report.layers:
        if planned(layer):
            flat = layer.kind == "linear"
            sides = [(layer.in_channels, *layer.in_size), (layer.out_channels, *layer.out_size)]
            maps = " → ".join(_shape((report.batch, *(side[:1] if flat else side))) for side in sides)
            found = observed.maps.get(layer.name)
            yield _compare("maps", layer.name, maps, " → ".join(map(_shape, found)) if found else NOTHING)


def _operations(observed: Observed, report: Report) -> Iterator[Check]:
    planned_, found = Counter(layer.kind for layer in report.layers), Counter(op.kind for op in observed.operations)
    for kind in planned_ | found:
        yield _compare("operations", f"{kind}, how many", planned_[kind], found[kind])
    in_order = [_planned_operation(layer, report.batch) for layer in report.layers]
    agree = sum(a == b for a, b in zip(in_order, observed.operations, strict=False))
    yield _compare("operations", "in order, with their maps", len(in_order), agree)
    elements = Counter({"bias": sum(op.elements for op in observed.operations if op.bias)})
    for op in observed.operations:
        elements[op.kind] += op.elements
    for kind, expected in apart(report.rows).items():
        yield _compare("operations", f"{kind}, elements", expected, elements[kind])


def _planned_operation(layer: Layer, batch: int) -> Operation:
    flat = layer.kind in ("linear", "global_pool")
    given = (batch, layer.out_channels) if flat else (batch, layer.out_channels, *layer.out_size)
    return Operation(layer.kind, given, layer.kind in WEIGHTED)


def parameters(model: SUNet, report: Report) -> Iterator[Check]:
    """How many there are, and how many without the classifier."""
    in_all = sum(parameter.numel() for parameter in model.parameters())
    of_classifier = sum(parameter.numel() for parameter in model.get_classifier().parameters())
    yield _compare("parameters", "in all", report.params, in_all)
    without = report.params - report.params_classifier
    yield _compare("parameters", "without classifier", without, in_all - of_classifier)


def printed(tool: str, model: SUNet, report: Report) -> Iterator[Check]:
    """What a tool was said to print, and what it prints."""
    alone = tool in ON_ONE_IMAGE and report.batch > 1
    report = analyze(report.spec, report.size) if alone else report
    name, expected = f"{tool}, one image" if alone else tool, figure(report, tool)
    if not installed(tool):
        yield Check("tools", name, expected, NOT_INSTALLED, 0)
        return
    try:
        yield _compare("tools", name, expected, count(tool, model, report.size, report.batch))
    except Exception as error:  # as in `forward_pass`; also a tool that is too old or too new
        yield _compare("tools", name, expected, _told(error))


def field(plan: Plan, of: str, at: Position) -> Iterator[Check]:
    """The pixels that a position was said to see, and those where its gradient is not zero."""
    name, expected = f"{of} at {at[0]},{at[1]}", seen(plan, at, of).on(plan.size)
    try:
        found = support(plan.spec, plan.size, at, of)
    except Exception as error:  # as in `forward_pass`
        yield _compare("field", name, int(expected.sum()), _told(error))
        return
    yield Check("field", name, int(expected.sum()), int(found.sum()), int((expected != found).sum()))


def _positions(report: Report, seed: int) -> list[tuple[str, Position]]:
    """A corner, the middle and two at random of some maps.

    Those are the first module's, as few networks see less than the whole of an image at their end; the head's; and
    for segmentation the resized one.
    """
    rng, found = random.Random(seed), []
    first = next(layer for layer in report.layers if layer.part == "block 1")
    boxes = {"blocks.0.unets.0": first.out_size, "network": report.feature_size}
    if report.spec.task == "segmentation":
        boxes["resized"] = report.size
    for of, (height, width) in boxes.items():
        drawn = [(rng.randrange(height), rng.randrange(width)) for _ in range(2)]
        found += [(of, at) for at in dict.fromkeys([(0, 0), (height // 2, width // 2), *drawn])]
    return found


def _compare(about: str, name: str, expected: int | str, found: int | str) -> Check:
    if isinstance(expected, int) and isinstance(found, int):
        return Check(about, name, expected, found, found - expected)
    return Check(about, name, expected, found, int(expected != found))


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
