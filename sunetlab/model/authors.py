"""The names that tensors bear in the authors' checkpoints, beside ours; and the network that such names are of.

Facts of the authors' release: `conv1`, `residual1`, `unetJ_I` (block J from 1, module I from 0) and `bn2` under
`features`, then `linear`, or for segmentation `final`. Pure functions on names, shapes and specs; no tensor is touched.
"""

import re
from collections.abc import Iterator, Mapping

from sunetlab.analysis.cost import WEIGHTED
from sunetlab.analysis.plan import Layer, plan
from sunetlab.errors import InputError
from sunetlab.spec import Module, SUNetSpec

Shape = tuple[int, ...]

WRAPPED = "module."  # before every name in their files, which were saved from a data-parallel wrapper
COUNTER = "num_batches_tracked"  # of a BN: batches seen so far; PyTorch has it since 0.4.1
_OF_LAYER = ("weight", "bias")
_OF_NORM = (*_OF_LAYER, "running_mean", "running_var", COUNTER)
_MODULE = re.compile(r"features\.unet([0-9]{1,6})_([0-9]{1,6})\.(?:down\.([0-9]{1,6})\.)?")


def names(spec: SUNetSpec) -> dict[str, str]:
    """Their name → ours, of every tensor of a network, in the order of their files.

    Raises:
        InputError: the network has something that their names cannot say.
    """
    _refuse_unsayable(spec)
    return {
        f"{theirs}.{tensor}": f"{ours}.{tensor}"
        for theirs, ours in _layers(spec)
        for tensor in (_OF_NORM if ours.endswith(".bn") else _OF_LAYER)
    }


def shapes(spec: SUNetSpec) -> dict[str, Shape]:
    """The shape of every tensor of a network, by our names."""
    found: dict[str, Shape] = {}
    side = spec.output_stride  # the least that all pools leave something of; no shape depends on it
    for layer in plan(spec, (side, side)).layers:
        if layer.kind in WEIGHTED:
            found |= {f"{layer.name}.weight": _weight(layer), f"{layer.name}.bias": (layer.out_channels,)}
        elif layer.kind == "bn":
            found |= {f"{layer.name}.{tensor}": (layer.out_channels,) for tensor in _OF_NORM}
            found[f"{layer.name}.{COUNTER}"] = ()
    return found


def spec_of(found: Mapping[str, Shape]) -> SUNetSpec:
    """The network whose tensors, by their names, have these shapes: undilated, as nothing in them says a dilation.

    Raises:
        InputError: a tensor is missing, left over or of another shape than those beside it ask for.
    """
    depth, stacks = _counts(found)
    segmentation = "linear.weight" not in found and any(name.startswith("final.") for name in found)
    degrid = segmentation and "final.conv3.weight" in found
    head = ("final.conv3" if degrid else "final.conv1") if segmentation else "linear"
    spec = SUNetSpec.make(
        depth=depth,
        n=_axis(found, "features.unet1_0.down.0.conv0.weight", 0),
        stacks=stacks,
        widths=tuple(_axis(found, f"features.unet{j}_0.up.0.conv2.weight", 0) for j in range(1, len(stacks) + 1)),
        stem_width=_axis(found, "features.residual1.conv.0.weight", 0),
        in_channels=_axis(found, "features.conv1.weight", 1),
        task="segmentation" if segmentation else "classification",
        degrid=degrid,
        num_classes=_axis(found, f"{head}.weight", 0),
    )
    _compare(found, _wanted(spec))
    return spec


def _wanted(spec: SUNetSpec) -> dict[str, Shape]:
    ours = shapes(spec)
    return {theirs: ours[name] for theirs, name in names(spec).items()}


def _compare(found: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> None:
    for name, shape in wanted.items():
        if name not in found:
            raise InputError(f"tensor {name} is missing")
        if found[name] != shape:
            raise InputError(f"tensor {name} has shape {found[name]}, but the others ask for {shape}")
    for name in found:
        if name not in wanted:
            raise InputError(f"tensor {name} is left over: no place in the network of the others")


def _counts(found: Mapping[str, Shape]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Depth and modules of each block, by the largest numbers in the names."""
    depth: dict[int, int] = {}
    stacks: dict[int, int] = {}
    for name in found:
        match = _MODULE.match(name)
        if match:
            block = int(match[1])
            stacks[block] = max(stacks.get(block, 0), int(match[2]) + 1)
            depth[block] = max(depth.get(block, 1), int(match[3] or 0) + 1)
    blocks = range(1, max(stacks, default=1) + 1)
    for block in blocks:
        if block not in stacks:
            raise InputError(f"tensor features.unet{block}_0.down.0.conv0.weight is missing")
    return tuple(depth[block] for block in blocks), tuple(stacks[block] for block in blocks)


def _axis(found: Mapping[str, Shape], name: str, axis: int) -> int:
    if name not in found:
        raise InputError(f"tensor {name} is missing")
    if len(found[name]) <= axis:
        raise InputError(f"tensor {name} has shape {found[name]}: too few axes")
    return found[name][axis]


def _weight(layer: Layer) -> Shape:
    channels = (layer.out_channels, layer.in_channels)
    if layer.kind == "linear":
        return channels
    return (*(reversed(channels) if layer.kind == "conv_transpose" else channels), layer.kernel, layer.kernel)


def _refuse_unsayable(spec: SUNetSpec) -> None:
    reasons = {
        "connectivity: dense: the authors' code adds u-nets to their input": spec.connectivity == "dense",
        "stem: small: the authors' code has the 7×7 stem alone": spec.stem != "paper",
        "degrid: the authors' code has de-gridding filters for segmentation alone": (
            spec.degrid and spec.task != "segmentation"
        ),
    }
    for reason, holds in reasons.items():
        if holds:
            raise InputError(reason)


def _layers(spec: SUNetSpec) -> Iterator[tuple[str, str]]:
    """Their name and ours of every layer with weights, in the order of their files."""
    yield "features.conv1", "stem.conv"
    for theirs, ours in (
        ("bn.0", "norm.bn"),
        ("conv.0", "conv1"),
        ("conv.2", "norm2.bn"),
        ("conv.4", "conv2"),
        ("shortcut.0", "shortcut"),
    ):
        yield f"features.residual1.{theirs}", f"stem.residual.{ours}"
    for block in spec.blocks:
        for index, module in enumerate(block.modules):
            for theirs, ours in _unet(module, len(block.levels)):
                yield f"features.unet{block.index + 1}_{index}.{theirs}", f"blocks.{block.index}.unets.{index}.{ours}"
    yield "features.bn2", "norm.bn"
    yield from _head(spec)


def _unet(module: Module, depth: int) -> Iterator[tuple[str, str]]:
    """Of a u-net: the BN before its branches is a module of its own, and comes late, where the skip is a 1×1."""
    expands = module.in_channels != module.out_channels
    if not expands:
        yield "down.0.bn0", "norm.bn"
    yield "down.0.conv0", "reduce"
    for level in range(depth):
        for number, unit in ((1, "sample"), (2, "conv")):
            yield f"down.{level}.bn{number}", f"down.{level}.{unit}.norm.bn"
            yield f"down.{level}.conv{number}", f"down.{level}.{unit}.conv"
    for level in range(depth):
        for number, unit in ((0, "sample"), (1, "conv")):
            yield f"up.{level}.bn{number}", f"up.{level}.{unit}.norm.bn"
            yield f"up.{level}.deconv{number}", f"up.{level}.{unit}.conv"
        if level == 0:
            yield "up.0.bn2", "expand.norm.bn"
            yield "up.0.conv2", "expand.conv"
    if expands:
        yield "bn.bn0", "norm.bn"
        yield "upsample.conv0", "skip"


def _head(spec: SUNetSpec) -> Iterator[tuple[str, str]]:
    if spec.task == "classification":
        yield "linear", "classifier"
        return
    for index in range(2 if spec.degrid else 0):
        yield f"final.conv{index + 1}", f"degrid.{index}.conv"
        yield f"final.bn{index + 1}", f"degrid.{index}.norm.bn"
    yield "final.conv3" if spec.degrid else "final.conv1", "classifier"
