"""What a forward pass really does: maps of every module, by forward hooks; operations in order, by the dispatcher."""

import contextlib
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

Shape = tuple[int, ...]
aten = torch.ops.aten


class Maps(NamedTuple):
    """Shapes of what a module takes first and of what it gives, (B, C, H, W) or (B, C)."""

    taken: Shape
    given: Shape


class Operation(NamedTuple):
    """One kernel's call.

    Attributes:
        kind: as in the plan; torch's own name where the plan has none.
        given: shape of what it gives.
        bias: whether it adds one.
    """

    kind: str
    given: Shape
    bias: bool

    @property
    def elements(self) -> int:
        """Elements that it gives."""
        return math.prod(self.given)


class Observed(NamedTuple):
    """A forward pass.

    Attributes:
        maps: name of a module, "" for the network → its maps.
        operations: in the order in which they ran.
    """

    maps: dict[str, Maps]
    operations: tuple[Operation, ...]


def observe(model: nn.Module, x: Tensor) -> Observed:
    """Watch one forward pass of `model`, in the mode that it is in, on images (B, C, H, W)."""
    maps: dict[str, Maps] = {}
    recorder = _Recorder()
    with contextlib.ExitStack() as hooks, torch.no_grad(), recorder:
        for name, module in model.named_modules():
            hooks.callback(module.register_forward_hook(_note(maps, name)).remove)
        model(x)
    return Observed(maps, tuple(recorder.operations))


def _note(maps: dict[str, Maps], name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def hook(_: nn.Module, taken: tuple[Tensor, ...], given: Tensor) -> None:
        maps[name] = Maps(tuple(taken[0].shape), tuple(given.shape))

    return hook


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        given = func(*args, **(kwargs or {}))
        done = operation(func._overloadpacket, args, given)
        if done is not None:
            self.operations.append(done)
        return given


def operation(packet: Any, args: tuple[Any, ...], given: Any) -> Operation | None:
    """What a call of torch's dispatcher does, in the plan's words; None where it does no work."""
    if packet in _NO_WORK:
        return None
    first = given[0] if isinstance(given, tuple) else given
    return Operation(_kind(packet, args), tuple(first.shape), _has_bias(packet, args))


_NO_WORK = {aten.empty, aten.t}  # what BN leaves for a backward pass; the view of a linear layer's weight
_KINDS = {
    aten.addmm: "linear",
    aten.native_batch_norm: "bn",
    aten.relu_: "relu",
    aten.avg_pool2d: "avg_pool",
    aten.mean: "global_pool",
    aten.add: "add",
    aten.cat: "concat",
    aten.upsample_bilinear2d: "bilinear",
}


def _kind(packet: Any, args: tuple[Any, ...]) -> str:
    """aten.convolution(input, weight, bias, stride, padding, dilation, transposed, …) is both of the plan's kinds."""
    if packet is aten.convolution:
        return "conv_transpose" if args[6] else "conv"
    return _KINDS.get(packet, str(packet))


def _has_bias(packet: Any, args: tuple[Any, ...]) -> bool:
    return packet is aten.addmm or (packet is aten.convolution and args[2] is not None)
