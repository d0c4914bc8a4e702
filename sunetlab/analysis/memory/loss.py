"""Cross-entropy as `train/evaluate.py` computes it, and its gradient: what each operation takes and gives back.

log p = log_softmax(logits in fp32); the loss is −Σ log p of the targets, divided by how many count. With label
smoothing Σ over classes of log p is taken for every target as well, void ones masked out.
"""

from sunetlab.analysis.memory.sizes import FP32, Meter, Setting, Sizes
from sunetlab.analysis.plan import Plan


def kept_by_loss(sizes: Sizes, setting: Setting) -> int:
    """Bytes for the backward pass beside the targets: log p, the weights' sum, and which targets are void."""
    return sizes.logits + setting.up(FP32) + (sizes.mask if setting.label_smoothing else 0)


class Loss:
    """The loss's part of a training step; `at` is its place after the last layer."""

    def __init__(self, plan: Plan, sizes: Sizes, setting: Setting, meter: Meter) -> None:
        self.sizes, self.meter, self.at = sizes, meter, len(plan.layers)
        self.number = setting.up(FP32)  # one number, in fp32
        self.smooth = setting.label_smoothing
        resized = plan.spec.task == "segmentation" and setting.resizes_in_fp32
        self.converts = setting.bf16 and not resized
        self.converted = sizes.logits if self.converts else 0  # a copy of bf16 logits in fp32
        self.result = sizes.out[-1]

    def forward(self) -> None:
        """Leaves what is kept for the backward pass, and one number."""
        number, logits = self.number, self.sizes.logits
        self._take(self.converted)
        self._take(logits)
        self._take(2 * number)  # Σ over targets, and of their weights
        if self.smooth:
            self._smoothed()
        self.meter.give(self.converted)
        self._take(number)  # divided
        self.meter.give(number)

    def _smoothed(self) -> None:
        number, per_target = self.number, self.sizes.per_target
        self._take(per_target)
        self._take(per_target)  # negated
        self.meter.give(per_target)
        self._take(self.sizes.mask)
        self._take(4 * number)  # its sum, both losses weighted, and theirs
        self.meter.give(4 * number + per_target)

    def backward(self) -> None:
        """Leaves the gradient of the network's result."""
        number, logits = self.number, self.sizes.logits
        self._take(2 * number)  # the loss's gradient, 1, which stays to the end, and that of Σ
        if self.smooth:
            self._smoothed_backward()
        self._take(logits)
        self.meter.give(2 * number)
        if self.smooth:
            self._take(logits)  # both losses' gradients, added
            self.meter.give(logits + self.sizes.per_target)
        self._take(logits)
        self.meter.give(2 * logits)
        if self.converts:
            self._take(self.result)
            self.meter.give(logits)

    def _smoothed_backward(self) -> None:
        number, per_target = self.number, self.sizes.per_target
        self._take(2 * number)
        self.meter.give(number)
        self._take(per_target)
        self.meter.give(number + self.sizes.mask)
        self._take(per_target)
        self.meter.give(per_target)

    def _take(self, size: int) -> None:
        self.meter.take(size, self.at)
