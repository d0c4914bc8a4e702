"""Bytes that a network takes, from its plan alone: what stays, what is kept for the backward pass, what a pass needs.

What counts is the memory of tensors, every storage once. What a kernel takes for itself while it works (cuDNN's
workspace, a copy of a gradient that does not lie in one piece) and what an allocator adds is not in any figure here.

**Kept for the backward pass** is what autograd's operations save, each tensor at the layer that makes it; weights that
they save as they are count as weights. A BN saves its input, and its batch's mean and inverse deviation in fp32. ReLU
works in place on the BN's map and saves that, which the convolutions after it save too. A convolution, and the linear
classifier, save input and weight; under autocast their weight is a copy in bf16, and so is the first one's image. A
pool saves its input. Additions, concatenations, the mean and the bilinear resize save no tensor, but what they give
is saved by the next BN or pool.

This holds on a CPU and on a GPU. On a GPU in fp32, where cuDNN computes BN, the size of the reserve that it saves is
cuDNN's own affair (usually nothing) and not counted.
"""

from typing import NamedTuple

from sunetlab.analysis.cost import WEIGHTED, area
from sunetlab.analysis.memory.inference import run_inference
from sunetlab.analysis.memory.loss import kept_by_loss
from sunetlab.analysis.memory.optimizer import state
from sunetlab.analysis.memory.sizes import INT64, Meter, Setting, Sizes, sizes
from sunetlab.analysis.memory.training import run_step
from sunetlab.analysis.plan import Layer, Plan

__all__ = ["Kept", "Memory", "Peak", "Setting", "memory"]

_KEEPS_ITS_INPUT = {*WEIGHTED, "bn", "avg_pool"}


class Kept(NamedTuple):
    """What a layer makes that stays for the backward pass, in bytes for the batch.

    Attributes:
        layer: the layer.
        map: the map that it gives; 0 where nothing keeps it, and for a BN, whose map is its ReLU's.
        statistics: a BN's mean and inverse deviation.
        casts: autocast's copies of its weight and, for the first layer, of the image.
    """

    layer: Layer
    map: int
    statistics: int
    casts: int

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.map + self.statistics + self.casts


class Peak(NamedTuple):
    """The most bytes that are live at once.

    Attributes:
        bytes: everything.
        own: what the pass or step has taken itself; the rest was there before.
        at: the layer that takes the last of it; "loss" or "optimizer" where it is none.
        phase: forward, backward or step.
        exact: to the byte; else an estimate. On a GPU a training step is one: what is counted is counted as
            autograd's rules have it, but kernels there copy gradients that do not lie in one piece.
    """

    bytes: int
    own: int
    at: str
    phase: str
    exact: bool


class Memory(NamedTuple):
    """Bytes of a network for a batch.

    Attributes:
        batch: images at once.
        setting: precision, layout, optimiser, device.
        weights: parameters, in fp32.
        buffers: BN's running statistics in fp32 and its counts of batches in int64.
        gradients: of the parameters.
        optimizer: the optimiser's state from its first step on.
        image: the batch of images, in fp32.
        targets: the batch of targets, in int64.
        rows: what every layer leaves for the backward pass, in order.
        activations: the sum of `rows`.
        loss: what the loss leaves for the backward pass beside the targets.
        inference: of a pass without gradients, with weights, buffers and images.
        training: of a step with all of the above, from the second step on; the first needs no more, for the
            optimiser's state is made at its end. What it would be, where `no_step_at` says that there is none.
        no_step_at: the first BN that sees one value per channel (one image, a map of one pixel), of which PyTorch
            refuses to take a deviation: no training step can be made; "" where all see more.
    """

    batch: int
    setting: Setting
    weights: int
    buffers: int
    gradients: int
    optimizer: int
    image: int
    targets: int
    rows: tuple[Kept, ...]
    activations: int
    loss: int
    inference: Peak
    training: Peak
    no_step_at: str


def memory(plan: Plan, batch: int = 1, setting: Setting | None = None) -> Memory:
    """The memory of `plan` for `batch` images that go through the network at once."""
    setting = setting or Setting()
    of = sizes(plan, batch, setting)
    kept = keeps_map(plan)
    rows = _rows(plan, of, kept)
    weights = sum(of.weight) + sum(of.bias)
    norms = [size for size, layer in zip(of.statistic, plan.layers, strict=True) if layer.kind == "bn"]
    buffers = 2 * sum(norms) + len(norms) * setting.up(INT64)
    optimizer = state(of, setting)
    held = weights + buffers + of.image
    return Memory(
        batch=batch,
        setting=setting,
        weights=weights,
        buffers=buffers,
        gradients=weights,
        optimizer=optimizer,
        image=of.image,
        targets=of.targets,
        rows=rows,
        activations=sum(row.bytes for row in rows),
        loss=kept_by_loss(of, setting),
        inference=_peak(plan, run_inference(plan, of, setting), held, exact=True),
        training=_peak(
            plan, run_step(plan, of, setting, kept), held + of.targets + optimizer, exact=setting.device == "cpu"
        ),
        no_step_at=_no_step_at(plan, batch),
    )


def _no_step_at(plan: Plan, batch: int) -> str:
    norms = (layer for layer in plan.layers if layer.kind == "bn")
    return next((norm.name for norm in norms if batch * area(norm.out_size) == 1), "")


def keeps_map(plan: Plan) -> list[bool]:
    """Of every layer whether its map stays for the backward pass."""
    kept = [layer.kind == "relu" for layer in plan.layers]
    for layer in plan.layers:
        if layer.kind in _KEEPS_ITS_INPUT and layer.inputs[0] >= 0:
            kept[layer.inputs[0]] = True
    return kept


def _rows(plan: Plan, of: Sizes, kept: list[bool]) -> tuple[Kept, ...]:
    rows = [
        Kept(layer, out if keeps else 0, 2 * number if layer.kind == "bn" else 0, cast)
        for layer, out, keeps, number, cast in zip(plan.layers, of.out, kept, of.statistic, of.weight_cast, strict=True)
    ]
    rows[0] = rows[0]._replace(casts=rows[0].casts + of.image_cast)
    return tuple(rows)


def _peak(plan: Plan, meter: Meter, held: int, exact: bool) -> Peak:
    places = ("loss", "optimizer")
    beyond = meter.at - len(plan.layers)
    at = places[beyond] if beyond >= 0 else plan.layers[meter.at].name
    return Peak(held + meter.most, meter.most, at, meter.when, exact)
