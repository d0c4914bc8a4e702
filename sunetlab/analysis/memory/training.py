"""What is live during a training step as `train/loop.py` makes it: forward, loss, backward, optimiser.

Backward takes the layers from last to first, as autograd does, which picks the ready operation that was made last.
An operation's results are there before its own gradient and what it had kept go. Gradients that meet at a map are
added: into the first one's memory, or into new memory where that one is a part of a concatenation's gradient.
Gradients are None when a step begins, and those of parameters grow as the walk goes.

Nothing here asks how large a size is: `space/arrays/walked.py` sends whole arrays of sizes through the same walk, part
by part.
"""

from collections.abc import Callable

from sunetlab.analysis.cost import WEIGHTED
from sunetlab.analysis.memory.loss import Loss
from sunetlab.analysis.memory.optimizer import temporaries
from sunetlab.analysis.memory.sizes import FP32, INT64, Meter, Setting, Sizes
from sunetlab.analysis.plan import Layer, Plan


def run_step(plan: Plan, sizes: Sizes, setting: Setting, kept: list[bool]) -> Meter:
    """Meter what one step takes: its own tensors, and not weights, images, targets or the optimiser's state.

    `kept` says of every layer whether its map stays for the backward pass.
    """
    meter = Meter()
    meter.take(sizes.image_copy, 0)
    meter.take(setting.up(INT64) + setting.up(FP32), 0)  # how many targets count; the loss that is told at the end
    loss = Loss(plan, sizes, setting, meter)
    everything = range(len(plan.layers))
    meter.take(sizes.image_cast, 0)
    forward(plan, sizes, meter, kept, everything)
    meter.give(sum(sizes.bias_cast))  # copies of biases go when the network returns
    loss.forward()
    meter.phase = "backward"
    loss.backward()
    Backward(plan, sizes, setting, meter).run(everything)
    meter.give(loss.number)
    meter.phase = "step"
    meter.take(temporaries(plan, sizes, setting), len(plan.layers) + 1)
    return meter


def forward(plan: Plan, sizes: Sizes, meter: Meter, kept: list[bool], span: range) -> None:
    """Run some layers; a map that nothing keeps goes with the operation that takes it."""
    out, weight_cast, bias_cast = sizes.out, sizes.weight_cast, sizes.bias_cast
    for at in span:
        layer = plan.layers[at]
        kind = layer.kind
        if kind == "bn":
            meter.take(out[at] + 2 * sizes.statistic[at], at)
        elif kind in WEIGHTED:
            meter.take(weight_cast[at] + bias_cast[at] + out[at], at)
        elif kind != "relu":
            meter.take(out[at], at)
            for of in layer.inputs:
                if not kept[of]:
                    meter.give(out[of])


class _Gradient:
    """A gradient's memory, how many look at it, and whether it is a whole tensor or parts of one."""

    __slots__ = ("size", "users", "whole")

    def __init__(self, size: int) -> None:
        self.size, self.users, self.whole = size, 1, True


class Backward:
    """The walk back: `waiting` has the gradient of every layer's map, as far as it has come.

    It begins with that of the last layer's, or of another one's where only what is before that is gone through.
    """

    def __init__(self, plan: Plan, sizes: Sizes, setting: Setting, meter: Meter, last: int | None = None) -> None:
        self.layers, self.sizes, self.setting, self.meter = plan.layers, sizes, setting, meter
        last = len(plan.layers) - 1 if last is None else last
        self.waiting = {last: _Gradient(sizes.out[last])}

    def run(self, span: range) -> None:
        """Go through some layers, from the last to the first; everything after them has been gone through."""
        waiting, layers = self.waiting, self.layers
        for at in reversed(span):
            _BACKWARD[layers[at].kind](self, at, layers[at], waiting.pop(at))

    # One method per kind of operation.

    def weighted(self, at: int, layer: Layer, given: _Gradient) -> None:
        """Gradients of the input, the weight and the bias; after autocast the latter two are bf16 at first."""
        sizes, take, give = self.sizes, self.meter.take, self.meter.give
        of, weight, bias, cast = layer.inputs[0], sizes.weight[at], sizes.bias[at], sizes.weight_cast[at]
        result = sizes.out[of] if of >= 0 else 0  # images need no gradient
        take(result + (cast + sizes.bias_cast[at] if self.setting.bf16 else weight + bias), at)
        self.release(given)
        give(cast)
        if of < 0:
            give(sizes.image_cast)
        else:
            give(result if layer.kind == "linear" else 0)  # a convolution's input goes with the ReLU that made it
            self.deliver(of, result, at)
        if self.setting.bf16:
            take(weight, at)
            give(cast)
            take(bias, at)
            give(sizes.bias_cast[at])

    def relu(self, at: int, layer: Layer, given: _Gradient) -> None:
        """Its gradient is a map of its own; what it had kept goes."""
        del layer
        size = self.sizes.out[at]
        self.meter.take(size, at)
        self.release(given)
        self.meter.give(size)  # its own map
        self.waiting[at - 1] = _Gradient(size)

    def bn(self, at: int, layer: Layer, given: _Gradient) -> None:
        """Its input and its statistics go."""
        size, number = self.sizes.out[at], self.sizes.statistic[at]
        self.meter.take(size + 2 * number, at)  # gradients of its input, scale and shift
        self.release(given)
        self.meter.give(size + 2 * number)  # its input and its statistics
        self.deliver(layer.inputs[0], size, at)

    def avg_pool(self, at: int, layer: Layer, given: _Gradient) -> None:
        """Its input goes."""
        self.global_pool(at, layer, given)
        self.meter.give(self.sizes.out[layer.inputs[0]])  # its input

    def global_pool(self, at: int, layer: Layer, given: _Gradient) -> None:
        """A gradient of its input's size."""
        size = self.sizes.out[layer.inputs[0]]
        self.meter.take(size, at)
        self.release(given)
        self.deliver(layer.inputs[0], size, at)

    def bilinear(self, at: int, layer: Layer, given: _Gradient) -> None:
        """A gradient of its input's size, by way of fp32 where it was resized in that."""
        size = self.sizes.out[layer.inputs[0]]
        in_fp32 = self.setting.resizes_in_fp32
        self.meter.take(2 * size if in_fp32 else size, at)
        self.release(given)
        if in_fp32:
            self.meter.take(size, at)
            self.meter.give(2 * size)
        self.deliver(layer.inputs[0], size, at)

    def add(self, at: int, layer: Layer, given: _Gradient) -> None:
        """Both inputs have the sum's own gradient."""
        given.users = 2
        for of in layer.inputs:
            self.meet(of, given, at)

    def concat(self, at: int, layer: Layer, given: _Gradient) -> None:
        """Each input has its part of the result's gradient, in place."""
        given.users, given.whole = 2, False
        for of in layer.inputs:
            self.meet(of, given, at)

    # What becomes of gradients.

    def release(self, gradient: _Gradient) -> None:
        """One less looks at a gradient."""
        gradient.users -= 1
        if not gradient.users:
            self.meter.give(gradient.size)

    def deliver(self, of: int, size: int, at: int) -> None:
        """A gradient of `size` bytes, just made, goes to layer `of`."""
        self.meet(of, _Gradient(size), at)

    def meet(self, of: int, gradient: _Gradient, at: int) -> None:
        """Add a gradient to what waits for layer `of`."""
        first = self.waiting.setdefault(of, gradient)
        if first is gradient:
            return
        if not first.whole:
            self.waiting[of] = total = _Gradient(self.sizes.out[of])
            self.meter.take(total.size, at)
            self.release(first)
        self.release(gradient)


_BACKWARD: dict[str, Callable[[Backward, int, Layer, _Gradient], None]] = {
    "conv": Backward.weighted,
    "conv_transpose": Backward.weighted,
    "linear": Backward.weighted,
    "relu": Backward.relu,
    "bn": Backward.bn,
    "avg_pool": Backward.avg_pool,
    "global_pool": Backward.global_pool,
    "bilinear": Backward.bilinear,
    "add": Backward.add,
    "concat": Backward.concat,
}
