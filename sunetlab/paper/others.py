"""The networks that the paper compares with: torchvision's own, built without weights or memory, and counted.

Parameters are counted by fvcore; convolutions are seen by hooks during a pass of shapes alone.
"""

import warnings
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor, nn

RESNETS = ("resnet18", "resnet50", "resnet101")
DENSENETS = ("densenet201", "densenet161")
SIZE = 224  # pixels along a side of the input, as in §6.1


class Convolution(NamedTuple):
    """One convolution of a network, as a forward pass met it.

    Attributes:
        name: of its module.
        maps: that it gives.
        side: of its map, in pixels.
        macs: for one image.
    """

    name: str
    maps: int
    side: int
    macs: int


class Network(NamedTuple):
    """A network's numbers.

    Attributes:
        params: parameters.
        params_bn: those of batch normalisation.
        params_classifier: those of the last layer.
        convs: convolutions on the main path (not on a residual block's shortcut), in order.
        shortcuts: how many there are on shortcuts.
        saved_bytes: what one image's forward pass keeps for the backward pass, in float32: all but its own
            parameters and statistics.
    """

    params: int
    params_bn: int
    params_classifier: int
    convs: tuple[Convolution, ...]
    shortcuts: int
    saved_bytes: int

    @property
    def layers(self) -> int:
        """Convolutions on the main path, and the classifier."""
        return len(self.convs) + 1

    @property
    def maps(self) -> Fraction:
        """Maps that a convolution gives, on average."""
        return Fraction(sum(conv.maps for conv in self.convs), len(self.convs))

    def share(self, sides: tuple[int, ...]) -> Fraction:
        """The share of convolutions whose maps have one of these sides."""
        return Fraction(sum(conv.side in sides for conv in self.convs), len(self.convs))


@cache
def network(name: str) -> Network:
    """The numbers of one of torchvision's classification networks, at 224×224."""
    from torch import nn

    model = _model(name)
    params = _count_params(model)
    norms = [path for path, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    classifier = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)]
    convs, saved = watched(model, SIZE)
    main = tuple(conv for conv in convs if "downsample" not in conv.name)
    return Network(
        params=params[""],
        params_bn=sum(params[path] for path in norms),
        params_classifier=sum(params[path] for path in classifier),
        convs=main,
        shortcuts=len(convs) - len(main),
        saved_bytes=saved,
    )


@cache
def errors(name: str) -> tuple[Fraction, Fraction]:
    """Top-1 and top-5 errors in percent that torchvision states beside its first published weights."""
    models = _torchvision()
    metrics = models.get_model_weights(name).IMAGENET1K_V1.meta["_metrics"]["ImageNet-1K"]
    top1, top5 = (100 - Fraction(str(metrics[key])) for key in ("acc@1", "acc@5"))
    return top1, top5


@cache
def bottleneck_params() -> int:
    """Parameters of one residual bottleneck of the last stage of ResNet-101, not the first of its stage."""
    return _count_params(_model("resnet101"))["layer4.1"]


@cache
def aspp_params() -> dict[str, int]:
    """Parameters of DeepLabv3's head on ResNet-101: the head, its ASPP, the three dilated branches of that."""
    params = _count_params(_deeplab())
    dilated = sum(params[f"classifier.0.convs.{index}"] for index in (1, 2, 3))
    return {"head": params["classifier"], "aspp": params["classifier.0"], "dilated": dilated}


@cache
def dilated_resnet_macs(name: str, size: int) -> int:
    """MACs of a ResNet without its classifier, dilated to an output stride of 8, at `size` pixels along a side."""
    convs, _ = watched(_model(name, replace_stride_with_dilation=[False, True, True]), size)
    return sum(conv.macs for conv in convs)


def _torchvision() -> Any:
    with warnings.catch_warnings():  # of torch.jit, which torchvision and fvcore still use
        warnings.simplefilter("ignore")
        from torchvision import models
    return models


def _model(name: str, **options: Any) -> "nn.Module":
    import torch

    models = _torchvision()
    with torch.device("meta"):
        return models.get_model(name, weights=None, **options)  # type: ignore[no-any-return]


def _deeplab() -> "nn.Module":
    import torch

    models = _torchvision()
    with torch.device("meta"):
        return models.segmentation.deeplabv3_resnet101(  # type: ignore[no-any-return]
            weights=None, weights_backbone=None, aux_loss=False, num_classes=21
        )


def _count_params(model: "nn.Module") -> dict[str, int]:
    """Parameters of every module by name, "" for the whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import parameter_count
    return parameter_count(model)  # type: ignore[no-any-return]


def watched(model: "nn.Module", size: int) -> tuple[list[Convolution], int]:
    """Every convolution of a forward pass over one image, and the bytes that are kept for a backward pass."""
    import torch
    from torch import nn

    met: list[Convolution] = []
    kept: dict[int, Tensor] = {}
    own = {tensor.untyped_storage()._cdata for tensor in (*model.parameters(), *model.buffers())}

    def meet(name: str, conv: nn.Conv2d, gives: "Tensor") -> None:
        height, width = gives.shape[-2:]
        met.append(Convolution(name, conv.out_channels, width, conv.weight.numel() * height * width))

    def keep(tensor: "Tensor") -> "Tensor":
        if tensor.untyped_storage()._cdata not in own:
            kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda conv, _, gives, name=name: meet(name, conv, gives))
    image = torch.empty(1, 3, size, size, device="meta")
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.train()(image)
    return met, sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
