"""What PyTorch itself says of memory: what autograd saves, what lives through a pass, every allocation of a step.

Three witnesses that know nothing of the plan: hooks on saved tensors, a dispatch mode that follows storages until
they expire, and the profiler's record of every allocation. The last one sees a step as it is: under a dispatch mode
autograd adds no gradient in place.
"""

import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._C._profiler import _EventType
from torch.multiprocessing.reductions import StorageWeakRef
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sunetlab import SUNetSpec, build
from sunetlab.analysis.memory import Setting
from sunetlab.analysis.plan import Layer, Plan
from sunetlab.model.sunet import SUNet
from sunetlab.train.loop import Trainer
from sunetlab.train.optimizer import make_optimizer
from sunetlab.train.recipe import Recipe
from sunetlab.train.team import ALONE


@contextmanager
def autocast(device: str, enabled: bool) -> Iterator[None]:
    """`torch.autocast` to bf16, also for a device that is not there."""
    if not enabled:
        yield
        return
    torch.set_autocast_dtype(device, torch.bfloat16)
    torch.set_autocast_enabled(device, True)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        torch.set_autocast_enabled(device, False)


def made(spec: SUNetSpec, size: tuple[int, int], batch: int, setting: Setting) -> tuple[SUNet, Tensor]:
    """The network and a batch of images, on the device that is the default here."""
    model, images = build(spec), torch.zeros(batch, spec.in_channels, *size)
    if setting.channels_last:
        for parameter in model.parameters():
            if parameter.ndim == 4:  # not by `to`: fake tensors cannot be exchanged
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    return model, images


# What autograd saves.


def saved_bytes(
    call: Callable[[], Any], owned: Iterable[Tensor], notice: Callable[[int, int], object] | None = None
) -> int:
    """Bytes of the storages that autograd saves during `call`, each once, but for those of `owned`.

    `notice` is told of every one, by address and bytes, whenever it is saved.
    """
    mine = {tensor.untyped_storage()._cdata for tensor in owned}
    found: dict[int, int] = {}
    alive = []  # a storage that died would leave its address to another one

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        alive.append(storage)
        if storage._cdata not in mine:
            found[storage._cdata] = storage.nbytes()
            if notice is not None:
                notice(storage._cdata, storage.nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        call()
    return sum(found.values())


def saved_by_layer(plan: Plan, model: SUNet, images: Tensor, setting: Setting) -> dict[str, int]:
    """Bytes that autograd saves in a forward pass, by the layer that makes them.

    A storage is the layer's whose module gives it; of what a module takes, the layer's that comes before in the plan;
    what no module takes or gives (statistics, copies of weights) is that of the module that runs.
    """
    modules = dict(model.named_modules())
    maker: dict[int, str] = {}
    saved: dict[int, tuple[str, int]] = {}
    running, alive, handles = [""], [], []  # `alive`: see `saved_bytes`

    def remember(tensor: Tensor, name: str) -> None:
        alive.append(tensor.untyped_storage())
        maker[alive[-1]._cdata] = name

    def enter(layer: Layer, given: tuple[Tensor, ...]) -> None:
        running.append(layer.name)
        if layer.inputs[0] >= 0 and given[0].untyped_storage()._cdata not in maker:
            remember(given[0], plan.layers[layer.inputs[0]].name)

    def leave(layer: Layer, result: Tensor) -> None:
        running.pop()
        remember(result, layer.name)

    for layer in plan.layers:
        if layer.name in modules:
            module = modules[layer.name]
            handles.append(module.register_forward_pre_hook(lambda _, given, layer=layer: enter(layer, given)))
            handles.append(module.register_forward_hook(lambda _, __, result, layer=layer: leave(layer, result)))
    with autocast(images.device.type, setting.bf16):
        owned = [*model.parameters(), *model.buffers(), images]
        saved_bytes(
            lambda: model.train()(images), owned, lambda storage, size: saved.setdefault(storage, (running[-1], size))
        )
    for handle in handles:
        handle.remove()
    found: dict[str, int] = {}
    for storage, (name, size) in saved.items():
        place = maker.get(storage, name)
        found[place] = found.get(place, 0) + size
    return found


# What lives through a pass.


class Living(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of the storages that operations make, until they expire; `most` at once, and in which module.

    Attributes:
        most: the most bytes.
        module: the innermost module that ran then.
        operation: what ran then.
    """

    def __init__(self, model: nn.Module, owned: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.owned = {tensor.untyped_storage()._cdata for tensor in owned}
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.most, self.module, self.operation = 0, "", ""
        self.running = [""]
        for name, module in model.named_modules():
            module.register_forward_pre_hook(lambda _, __, name=name: self.running.append(name))
            module.register_forward_hook(lambda _, __, ___: self._leave())

    def _leave(self) -> None:
        self.running.pop()  # a hook that returned the name would put it in the place of the module's result

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        result = func(*args, **(kwargs or {}))
        self.alive = {key: found for key, found in self.alive.items() if not _expired(found[0])}
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                storage = leaf.untyped_storage()
                if storage._cdata not in self.owned and storage._cdata not in self.alive:
                    weak = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                    self.alive[storage._cdata] = (weak, storage.nbytes())
        now = sum(size for _, size in self.alive.values())
        if now > self.most:
            self.most, self.module, self.operation = now, self.running[-1], str(func)
        return result


def _expired(weak: StorageWeakRef) -> bool:
    return bool(weak.expired())  # type: ignore[no-untyped-call]


def living(model: SUNet, images: Tensor, setting: Setting) -> Living:
    """Watch a pass in evaluation mode without gradients."""
    watch = Living(model.eval(), [*model.parameters(), *model.buffers(), images])
    without_gradients = torch.inference_mode() if setting.inference_mode else torch.no_grad()
    with watch, without_gradients, autocast(images.device.type, setting.bf16):
        model(images)
    return watch


# Every allocation of a step.


class Step(NamedTuple):
    """A training step, watched: the most bytes that it had taken at once, in which phase, by which operation."""

    most: int
    phase: str
    operation: str


class Trained:
    """The training loop's own step (`train/loop.py`), for any network and batch."""

    def __init__(self, spec: SUNetSpec, setting: Setting, device: str = "cpu") -> None:
        recipe = Recipe(
            precision=setting.precision,
            channels_last=setting.channels_last,
            optimizer=setting.optimizer,
            momentum=0.9 if setting.momentum else 0.0,
            weight_decay=0.1 if setting.weight_decay else 0.0,
            label_smoothing=0.1 if setting.label_smoothing else 0.0,
        )
        self.model = build(spec).train().to(device)
        if setting.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
        self.optimizer = make_optimizer(self.model, recipe)
        for group in self.optimizer.param_groups:
            if setting.variant is not None:
                group["foreach"], group["fused"] = setting.variant == "foreach", setting.variant == "fused"
        words = {"recipe": recipe, "bf16": setting.bf16, "device": torch.device(device), "optimizer": self.optimizer}
        words |= {"channels_last": setting.channels_last, "team": ALONE}
        self.loop: Any = types.SimpleNamespace(model=self.model, network=self.model, **words)

    def step(self, images: Tensor, targets: Tensor) -> None:
        """Make one step."""
        self.loop.parts = [len(images)]
        Trainer.optimize(self.loop, images, targets)

    def watched(self, images: Tensor, targets: Tensor) -> Step:
        """Make one step on a CPU and watch it."""
        return _most(_events(lambda: self.step(images, targets)))


def batch_of(spec: SUNetSpec, size: tuple[int, int], batch: int) -> tuple[Tensor, Tensor]:
    """Images and targets."""
    shape = (batch, *size) if spec.task == "segmentation" else (batch,)
    return torch.zeros(batch, spec.in_channels, *size), torch.zeros(shape, dtype=torch.long)


class _Event(NamedTuple):
    """Memory taken (bytes > 0) or given back, at an address, inside operations: (when it ran, its name)."""

    time: int
    bytes: int
    address: int
    inside: tuple[tuple[tuple[int, int], str], ...]


def _events(call: Callable[[], Any]) -> list[_Event]:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    assert profiler.profiler is not None
    results: Any = profiler.profiler.kineto_results
    found: list[_Event] = []

    def walk(event: Any, inside: tuple[Any, ...]) -> None:
        if event.tag == _EventType.Allocation:
            fields = event.extra_fields
            found.append(_Event(event.start_time_ns, fields.alloc_size, fields.ptr, inside))
        if event.tag == _EventType.TorchOp:
            inside = (*inside, ((event.start_time_ns, event.end_time_ns), event.name))
        for child in event.children:
            walk(child, inside)

    for root in results.experimental_event_tree():
        walk(root, ())
    return sorted(found, key=lambda event: event.time)


_OPERATORS = torch._C._dispatch_get_all_op_names()


@cache
def _is_composite(name: str) -> bool:
    """Whether an operation only calls others, each of which allocates for itself."""
    known = [each for each in _OPERATORS if each == name or each.startswith(f"{name}.")]
    return all(torch._C._dispatch_has_kernel_for_dispatch_key(each, "CompositeImplicitAutograd") for each in known)


def _kernel(event: _Event) -> tuple[Any, str] | None:
    """The operation whose kernel took the memory; None for a number of Python's that became a tensor."""
    operations = [each for each in event.inside if each[1].startswith("aten::")]
    return next((each for each in operations if not _is_composite(each[1])), operations[-1] if operations else None)


def _most(events: list[_Event]) -> Step:
    """The worst moment, without what a kernel takes and gives back while it works."""
    passing, taken = set(), {}
    for index, event in enumerate(events):
        if event.bytes > 0:
            taken[event.address] = index
        elif event.address not in taken:
            passing.add(index)  # was there before
        else:
            began = taken.pop(event.address)
            kernel = _kernel(events[began])
            if kernel is None or kernel == _kernel(event):
                passing |= {began, index}
    now, most = 0, Step(0, "", "")
    for index, event in enumerate(events):
        if index not in passing:
            now += event.bytes
            if now > most.most:
                most = Step(now, _phase(event), (_kernel(event) or (None, ""))[1])
    return most


def _phase(event: _Event) -> str:
    names = " ".join(name for _, name in event.inside)
    return "backward" if "Backward" in names else "step" if "Optimizer.step" in names else "forward"
