"""How many bytes every tensor of a plan takes, under which conditions, and a meter of what is live.

A storage's bytes are its elements' alone; with a `granule` each one is rounded up to whole granules, as an allocator
does.
"""

from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from sunetlab.analysis.cost import WEIGHTED
from sunetlab.analysis.plan import Plan
from sunetlab.errors import InputError
from sunetlab.files import shown

FP32, BF16, INT64 = 4, 2, 8  # bytes of an element


class Setting(NamedTuple):
    """How a network is run and trained; by default in fp32 on a GPU, else as the recipes have it.

    Attributes:
        precision: "fp32", or "bf16": autocast around the network, the loss in fp32.
        channels_last: memory layout of images and weights.
        optimizer: "sgd" (Nesterov's where it has momentum) or "adamw".
        momentum: whether SGD has any.
        weight_decay: whether SGD's weights decay; biases and norms never do.
        label_smoothing: whether the loss smooths its targets.
        device: whose rules hold, those of autocast and of the optimiser's variant.
        variant: of the optimiser: "loop" over parameters, "foreach" or "fused"; None for what PyTorch takes by
            itself, foreach on a GPU and the loop on a CPU.
        inference_mode: whether inference runs in `torch.inference_mode`, as evaluation does; else under
            `torch.no_grad`, where autocast keeps its copies of all weights until the network returns.
        granule: bytes; every storage takes whole granules. A GPU's allocator has 512.
    """

    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = True
    optimizer: Literal["sgd", "adamw"] = "sgd"
    momentum: bool = True
    weight_decay: bool = True
    label_smoothing: bool = False
    device: Literal["cpu", "cuda"] = "cuda"
    variant: Literal["loop", "foreach", "fused"] | None = None
    inference_mode: bool = True
    granule: Annotated[int, Field(strict=True, ge=1)] = 1

    @classmethod
    def make(cls, setting: "Setting | None" = None, **words: Any) -> "Setting":
        """A setting with some words changed, each checked.

        Raises:
            InputError: a word that there is not, or a value that it does not take.
        """
        try:
            changed: Setting = _adapter().validate_python({**(setting or cls())._asdict(), **words})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise InputError(f"{first['loc'][0]}: {shown(first['input'])}: {first['msg']}") from None
        return changed

    @property
    def bf16(self) -> bool:
        """Whether autocast is on."""
        return self.precision == "bf16"

    @property
    def resizes_in_fp32(self) -> bool:
        """Whether autocast takes logits to fp32 before they are resized: on a GPU it does, on a CPU not."""
        return self.bf16 and self.device == "cuda"

    def up(self, size: int) -> int:
        """`size` bytes in whole granules."""
        return -(-size // self.granule) * self.granule


@lru_cache
def _adapter() -> TypeAdapter[Setting]:
    """Made once: it takes as long as a whole network's memory."""
    return TypeAdapter(Setting)


class Sizes(NamedTuple):
    """Bytes of a plan's tensors for a batch; each list has one entry per layer.

    Attributes:
        out: the map that the layer gives. ReLU works in place: its map is the BN's before it.
        weight, bias: its parameters in fp32 (a BN's scale and shift); 0 where it has none.
        weight_cast, bias_cast: autocast's copies of them; 0 where it makes none.
        statistic: of a BN, a batch's mean in fp32, or as many bytes of anything else that is one number per map.
        image: the batch of images in fp32.
        image_cast: autocast's copy of it.
        image_copy: its copy in channels-last layout.
        logits: the network's result in fp32.
        targets: the targets in int64.
        per_target: one number in fp32 per target, which is an image or a pixel.
        mask: one bool per target.
    """

    out: list[int]
    weight: list[int]
    bias: list[int]
    weight_cast: list[int]
    bias_cast: list[int]
    statistic: list[int]
    image: int
    image_cast: int
    image_copy: int
    logits: int
    targets: int
    per_target: int
    mask: int


def sizes(plan: Plan, batch: int, setting: Setting) -> Sizes:
    """Bytes of every tensor of `plan` for `batch` images."""
    up, bf16, spec = setting.up, setting.bf16, plan.spec
    out = _maps(plan, batch * (BF16 if bf16 else FP32))
    elements = batch * plan.layers[-1].out_channels
    pixels = batch * plan.size[0] * plan.size[1]
    targets = batch
    if spec.task == "segmentation":
        elements, targets = elements * (pixels // batch), pixels
        out[-1] = elements * (BF16 if bf16 and not setting.resizes_in_fp32 else FP32)
    weight, bias = _parameters(plan)
    casts = [bf16 and layer.kind in WEIGHTED for layer in plan.layers]
    weight_cast = [size // 2 if cast else 0 for size, cast in zip(weight, casts, strict=True)]
    bias_cast = [size // 2 if cast else 0 for size, cast in zip(bias, casts, strict=True)]
    if setting.granule > 1:
        out, weight, bias, weight_cast, bias_cast = (
            [up(size) for size in column] for column in (out, weight, bias, weight_cast, bias_cast)
        )
    image = pixels * spec.in_channels
    return Sizes(
        out=out,
        weight=weight,
        bias=bias,
        weight_cast=weight_cast,
        bias_cast=bias_cast,
        statistic=bias,
        image=up(image * FP32),
        image_cast=up(image * BF16) if bf16 else 0,
        image_copy=up(image * FP32) if setting.channels_last else 0,
        logits=up(elements * FP32),
        targets=up(targets * INT64),
        per_target=up(targets * FP32),
        mask=up(targets),
    )


def _maps(plan: Plan, factor: int) -> list[int]:
    """Elements of every layer's map of one image, times `factor`."""
    return [factor * layer.out_channels * layer.out_size[0] * layer.out_size[1] for layer in plan.layers]


def _parameters(plan: Plan) -> tuple[list[int], list[int]]:
    """Bytes of every layer's weight and bias in fp32."""
    weight, bias = [], []
    for layer in plan.layers:
        channels = layer.out_channels * FP32 if layer.kind in WEIGHTED or layer.kind == "bn" else 0
        bias.append(channels)
        weight.append(channels if layer.kind == "bn" else channels * layer.in_channels * layer.kernel * layer.kernel)
    return weight, bias


class Meter:
    """Bytes that are live, the most so far, and at which layer and in which phase that was.

    Layers are indices in the plan; beyond the last one stand the loss and the optimiser.
    """

    __slots__ = ("at", "most", "now", "phase", "when")

    def __init__(self) -> None:
        self.now = self.most = 0
        self.at = -1
        self.phase = self.when = "forward"

    def take(self, size: int, at: int) -> None:
        """`size` bytes more, taken by layer `at`."""
        self.now += size
        if self.now > self.most:
            self.most, self.at, self.when = self.now, at, self.phase

    def give(self, size: int) -> None:
        """`size` bytes less."""
        self.now -= size
