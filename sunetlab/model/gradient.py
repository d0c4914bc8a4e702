"""What a built network sees, by its gradients: the exact support, and the effective field of Luo et al. (2016)."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sunetlab.analysis.fov import spread
from sunetlab.errors import InputError
from sunetlab.model.sunet import SUNet
from sunetlab.spec import SUNetSpec

Position = tuple[int, int]
INSIDE = 1 - 0.9545  # of the largest gradient: what is above it belongs to the effective field (Luo et al., §4.1)


def slender(spec: SUNetSpec) -> SUNetSpec:
    """A network of the same geometry with as few maps as it can have: it sees the same pixels."""
    words = {"n": 1, "stem_width": 2, "in_channels": 1, "num_classes": 1}
    grown, widths = 2, []
    for modules in spec.stacks:
        grown += modules
        widths.append(grown if spec.connectivity == "dense" else 2)
    fixed = {word: getattr(spec, word) for word in ("depth", "dilations")}
    return SUNetSpec(**{**spec.model_dump(), **words, **fixed, "widths": tuple(widths)})


def support(spec: SUNetSpec, size: tuple[int, int], at: Position, of: str = "network") -> NDArray[np.bool_]:
    """(height, width) of the image: where the gradient of position `at` of a box is not zero.

    The network is built in float64 from `slender(spec)` with positive weights, so that no two paths cancel and every
    ReLU lets everything through.

    Args:
        spec: the network.
        size: (height, width) of the image, in pixels.
        at: (y, x) on the box's map; of "network" the head's map, of "resized" the image.
        of: "network", "resized", "block 1", a module's name, or that of a layer that has a map.

    Raises:
        InputError: no such box.
    """
    model = _positive(SUNet(slender(spec)))
    image = torch.ones(1, 1, *size, dtype=torch.float64, requires_grad=True)
    given = _given(model, image, of)
    (gradient,) = torch.autograd.grad(given[0, :, at[0], at[1]].sum(), image)
    seen: NDArray[np.bool_] = (gradient[0, 0] > 0).numpy()
    return seen


def _positive(model: SUNet) -> SUNet:
    """All weights positive, and such that numbers of paths and shares of a path stay within float64."""
    model = model.double().eval()
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            kernel = math.sqrt(module.weight[0, 0].numel())
            nn.init.constant_(module.weight, 1 / (kernel * module.weight.shape[1]))
            nn.init.constant_(module.bias, 0.1)  # type: ignore[arg-type]
    return model


def _given(model: SUNet, image: Tensor, of: str) -> Tensor:
    """What a box gives: (1, channels, height, width)."""
    if of in ("resized", "resize"):
        return model(image)  # type: ignore[no-any-return]
    if of == "network":
        features = model.forward_features(image)
        return model.classifier(features) if model.spec.task == "segmentation" else features
    boxes = {f"block {index + 1}": block for index, block in enumerate(model.blocks)} | dict(model.named_modules())
    name, joins = _module(of)
    if name not in boxes:
        raise InputError(f"{of!r}: no such box in this network")
    caught: list[Tensor] = []
    handle = boxes[name].register_forward_hook(lambda _, taken, given: caught.append(taken[0] if joins else given))
    model(image)
    handle.remove()
    return caught[0]


def _module(of: str) -> tuple[str, bool]:
    """The module that gives a layer's map, or that takes it: of a concatenation before a level of the decoder."""
    if of.endswith(".skip"):  # 1×1, and not in every slender network: it sees what its input sees
        return of.removesuffix("skip") + "norm", False
    return of.removesuffix(".add").removesuffix(".concat"), ".up." in of and of.endswith(".concat")


class EffectiveField(NamedTuple):
    """How much each pixel of an image moves one position of a trained network, on average.

    Attributes:
        at: (y, x) on the head's map.
        weights: (height, width), shares of the mean absolute gradient; sums to 1.
        side: root of the number of pixels whose gradient is above 4.55 % of the largest (Luo et al. 2016, §4.1).
        spread: (y, x) standard deviation of the shares, in pixels.
        images: how many were averaged.
    """

    at: Position
    weights: NDArray[np.float64]
    side: float
    spread: tuple[float, float]
    images: int

    @property
    def radius(self) -> float:
        """Of a disc with as many pixels as the field, in pixels."""
        return self.side / math.sqrt(math.pi)


def effective_field(model: SUNet, images: Iterable[Tensor], at: Position | None = None) -> EffectiveField:
    """The effective field of a network at one position of its head's map, by default the middle.

    The gradient is that of the logit that is largest there, with respect to each image (1, channels, height, width);
    absolute values are summed over channels and averaged over images.

    Raises:
        InputError: no image; a position outside of the map.
    """
    model = model.eval()
    total, count = torch.zeros(()), 0
    for image in images:
        features = model.forward_features(image.requires_grad_())
        at = at or (features.shape[-2] // 2, features.shape[-1] // 2)
        if not (0 <= at[0] < features.shape[-2] and 0 <= at[1] < features.shape[-1]):
            raise InputError(f"at: {at[0]},{at[1]}: the head's map is {features.shape[-2]}x{features.shape[-1]}")
        here = features[:, :, at[0] : at[0] + 1, at[1] : at[1] + 1]
        logits = model.classifier(here if model.spec.task == "segmentation" else here.flatten(1))
        (gradient,) = torch.autograd.grad(logits.max(), image)
        total, count = total + gradient[0].double().abs().sum(0).cpu(), count + 1
    if at is None:
        raise InputError("images: none were given")
    weights: NDArray[np.float64] = (total / total.sum()).numpy()
    side = math.sqrt(int((weights > INSIDE * weights.max()).sum()))
    return EffectiveField(at, weights, side, spread(weights), count)
