"""The authors' networks once more, from the facts of their release alone: their tensors' names and shapes in order,
their forward pass as plain functions on such a state_dict, and a checkpoint file as PyTorch 0.3 under Python 2 had it.

Nothing here imports the library.
"""

import io
import pickle
import pickletools
import struct
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Shape = tuple[int, ...]
State = Mapping[str, Tensor]


class Widths(NamedTuple):
    """The sizes of a network of theirs; `final` is "linear", "plain" or "degrid"."""

    n: int
    stacks: tuple[int, ...]
    widths: tuple[int, ...]
    depth: tuple[int, ...] = (2, 2, 2, 1)
    stem: int = 128
    classes: int = 1000
    final: str = "linear"


PUBLISHED = {
    "sunet-64": Widths(64, (2, 4, 4, 1), (256, 512, 768, 1024)),
    "sunet-128": Widths(128, (2, 4, 4, 1), (512, 1024, 1536, 2048)),
    "sunet-7-128": Widths(128, (2, 7, 7, 1), (512, 1280, 2048, 2304)),
}
TINY = Widths(4, (2, 1, 2, 1), (12, 16, 20, 24), stem=8, classes=10)


# -------------------------------------------------------------------------------------------------- names and shapes


def layout(size: Widths) -> dict[str, Shape]:
    """Name → shape of every tensor, without `module.`, in the order of the files."""
    found: dict[str, Shape] = {}

    def conv(name: str, *shape: int, out: int | None = None) -> None:
        found[f"{name}.weight"] = shape
        found[f"{name}.bias"] = (shape[0] if out is None else out,)

    def bn(name: str, maps: int) -> None:
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.{tensor}"] = (maps,)
        found[f"{name}.num_batches_tracked"] = ()

    n, stem = size.n, size.stem
    conv("features.conv1", stem // 2, 3, 7, 7)
    bn("features.residual1.bn.0", stem // 2)
    conv("features.residual1.conv.0", stem, stem // 2, 3, 3)
    bn("features.residual1.conv.2", stem)
    conv("features.residual1.conv.4", stem, stem, 3, 3)
    conv("features.residual1.shortcut.0", stem, stem // 2, 1, 1)
    maps = stem
    for block, (stack, width, depth) in enumerate(zip(size.stacks, size.widths, size.depth, strict=True), 1):
        for index in range(stack):
            at = f"features.unet{block}_{index}"
            if maps == width:
                bn(f"{at}.down.0.bn0", maps)
            conv(f"{at}.down.0.conv0", n, maps, 1, 1)
            for level in range(depth):
                for number in (1, 2):
                    bn(f"{at}.down.{level}.bn{number}", n)
                    conv(f"{at}.down.{level}.conv{number}", n, n, 3, 3)
            for level in range(depth):
                entering = n if level == depth - 1 else 2 * n
                bn(f"{at}.up.{level}.bn0", entering)
                conv(f"{at}.up.{level}.deconv0", entering, n, 3, 3, out=n)
                bn(f"{at}.up.{level}.bn1", n)
                conv(f"{at}.up.{level}.deconv1", n, n, 3, 3)
                if level == 0:
                    bn(f"{at}.up.0.bn2", n)
                    conv(f"{at}.up.0.conv2", width, n, 1, 1)
            if maps != width:
                bn(f"{at}.bn.bn0", maps)
                conv(f"{at}.upsample.conv0", width, maps, 1, 1)
            maps = width
    bn("features.bn2", maps)
    if size.final == "linear":
        conv("linear", size.classes, maps)
    elif size.final == "plain":
        conv("final.conv1", size.classes, maps, 1, 1)
    else:
        conv("final.conv1", 512, maps, 3, 3)
        bn("final.bn1", 512)
        conv("final.conv2", 512, 512, 3, 3)
        bn("final.bn2", 512)
        conv("final.conv3", size.classes, 512, 1, 1)
    return found


def fake_state(size: Widths, seed: int = 0, counters: bool = True, wrapped: bool = True) -> OrderedDict[str, Tensor]:
    """A state_dict with every weight, bias and statistic drawn."""
    generator = torch.Generator().manual_seed(seed)
    state: OrderedDict[str, Tensor] = OrderedDict()
    for name, shape in layout(size).items():
        if name.endswith("num_batches_tracked"):
            tensor = torch.tensor(len(state))
        elif name.endswith("running_var"):
            tensor = 0.5 + torch.rand(shape, generator=generator)
        elif len(shape) > 1:
            fan = shape[1] * (shape[2] * shape[3] if len(shape) > 2 else 1)
            tensor = torch.randn(shape, generator=generator) * (2 / fan) ** 0.5
        else:
            tensor = 0.3 * torch.randn(shape, generator=generator) + (name.endswith("weight"))
        if counters or not name.endswith("num_batches_tracked"):
            state[f"module.{name}" if wrapped else name] = tensor
    return state


# ------------------------------------------------------------------------------------------------------ forward pass


def run(state: State, x: Tensor, rates: Sequence[int] = (1, 1, 1, 1)) -> Tensor:
    """(B, 3, H, W) → logits, BN in evaluation mode; `rates` are the blocks' dilations."""
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    size = x.shape[-2:]
    x = _conv(state, "features.conv1", x, 2)
    y = _bn_relu(state, "features.residual1.bn.0", x)
    x = _conv(state, "features.residual1.conv.0", y, 2)
    x = _conv(state, "features.residual1.conv.4", _bn_relu(state, "features.residual1.conv.2", x))
    x = x + _conv(state, "features.residual1.shortcut.0", y, 2)
    for block, (before, rate) in enumerate(pairwise((rates[0], *rates)), 1):
        if block > 1 and rate == before:
            x = F.avg_pool2d(x, 2, 2)
        index = 0
        while f"features.unet{block}_{index}.down.0.conv0.weight" in state:
            x = _unet(state, f"features.unet{block}_{index}", x, rate)
            index += 1
        assert index
    x = _bn_relu(state, "features.bn2", x)
    if "linear.weight" in state:
        return F.linear(x.mean(3).mean(2), state["linear.weight"], state["linear.bias"])
    if "final.conv3.weight" in state:
        x = _bn_relu(state, "final.bn1", _conv(state, "final.conv1", x, rate=2))
        x = _bn_relu(state, "final.bn2", _conv(state, "final.conv2", x))
        x = _conv(state, "final.conv3", x)
    else:
        x = _conv(state, "final.conv1", x)
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def _unet(state: State, at: str, x: Tensor, rate: int) -> Tensor:
    if f"{at}.bn.bn0.weight" in state:
        y = _bn_relu(state, f"{at}.bn.bn0", x)
        skip = _conv(state, f"{at}.upsample.conv0", y)
    else:
        y, skip = _bn_relu(state, f"{at}.down.0.bn0", x), x
    y = _conv(state, f"{at}.down.0.conv0", y)
    downs: list[Tensor] = []
    while f"{at}.down.{len(downs)}.conv1.weight" in state:
        here, inner = f"{at}.down.{len(downs)}", rate * 2 ** len(downs)
        stride, first, second = (2, 1, 1) if rate == 1 else (1, inner, 2 * inner)
        y = _conv(state, f"{here}.conv1", _bn_relu(state, f"{here}.bn1", y), stride, first)
        y = _conv(state, f"{here}.conv2", _bn_relu(state, f"{here}.bn2", y), rate=second)
        downs.append(y)
    for level in reversed(range(len(downs))):
        here, inner = f"{at}.up.{level}", rate * 2**level
        weight, bias = state[f"{here}.deconv0.weight"], state[f"{here}.deconv0.bias"]
        y = _bn_relu(state, f"{here}.bn0", y)
        if rate == 1:
            y = F.conv_transpose2d(y, weight, bias, stride=2, padding=1, output_padding=1)
        else:
            y = F.conv_transpose2d(y, weight, bias, padding=2 * inner, dilation=2 * inner)
        y = _conv(state, f"{here}.deconv1", _bn_relu(state, f"{here}.bn1", y), rate=1 if rate == 1 else inner)
        if level:
            y = torch.cat([y, downs[level - 1]], 1)
    return _conv(state, f"{at}.up.0.conv2", _bn_relu(state, f"{at}.up.0.bn2", y)) + skip


def _conv(state: State, name: str, x: Tensor, stride: int = 1, rate: int = 1) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state[f"{name}.bias"], stride, rate * (weight.shape[-1] // 2), rate)


def _bn_relu(state: State, name: str, x: Tensor) -> Tensor:
    mean, variance, scale, shift = (
        state[f"{name}.{tensor}"] for tensor in ("running_mean", "running_var", "weight", "bias")
    )
    return F.relu(F.batch_norm(x, mean, variance, scale, shift, training=False, eps=1e-5))


# ---------------------------------------------------------------------------------------------------- a file of 2017


class _Storage(NamedTuple):
    key: str
    tensor: Tensor


class _Pickler(pickle.Pickler):
    """Tensors as PyTorch 0.3 pickled them: `_rebuild_tensor` of a storage on the GPU, which comes after the pickle."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=2)
        self.storages: list[_Storage] = []

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return NotImplemented
        assert value.is_contiguous()
        self.storages.append(_Storage(str(94_000_000 + len(self.storages)), value))
        return torch._utils._rebuild_tensor, (self.storages[-1], 0, tuple(value.shape), value.stride())

    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, _Storage):
            return None
        kind = torch.cuda.LongStorage if value.tensor.dtype == torch.int64 else torch.cuda.FloatStorage
        return ("storage", kind, value.key, "cuda:0", value.tensor.numel(), None)


def save_as_of_2017(content: object, path: Path) -> None:
    """Write what torch.save wrote under Python 2: rows of pickles whose texts are byte strings, then the numbers."""
    main = io.BytesIO()
    pickler = _Pickler(main)
    pickler.dump(content)
    keys = sorted(storage.key for storage in pickler.storages)
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = [pickle.dumps(value, protocol=2) for value in (0x1950A86A20F9469CFC6C, 1001, system)]
    with path.open("wb") as file:
        for part in (*head, main.getvalue(), pickle.dumps(keys, protocol=2)):
            file.write(_of_python_2(part))
        for storage in pickler.storages:
            file.write(struct.pack("<q", storage.tensor.numel()) + storage.tensor.numpy().tobytes())


def _of_python_2(pickled: bytes) -> bytes:
    """The same pickle with every text as Python 2's own kind, a string of bytes."""
    ends = [*(at for _, _, at in pickletools.genops(pickled) if at is not None), len(pickled)]
    parts = []
    for (op, text, at), end in zip(pickletools.genops(pickled), ends[1:], strict=True):
        if op.name == "BINUNICODE" and isinstance(text, str):
            parts.append(b"U" + bytes([len(text)]) + text.encode())
        else:
            parts.append(pickled[at:end])
    return b"".join(parts)
