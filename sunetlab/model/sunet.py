"""A spec → the network: stem, blocks, head."""

from typing import cast

from torch import Tensor, nn

from sunetlab import rules
from sunetlab.model.blocks import Degrid, Norm, Stem, UNetBlock, resize
from sunetlab.spec import SUNetSpec


class SUNet(nn.Module):
    """A stacked u-net for images of any size that its pools leave something of.

    Classification gives logits (B, classes); segmentation logits (B, classes, H, W) at the input's size.
    """

    def __init__(self, spec: SUNetSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stem = Stem(spec.in_channels, spec.stem_width, rules.STEMS[spec.stem])
        self.blocks = nn.Sequential(*(UNetBlock(spec.n, block) for block in spec.blocks))
        self.norm = Norm(spec.widths[-1])
        channels = (spec.widths[-1], rules.DEGRID_WIDTH)
        dilations = rules.DEGRID_DILATIONS if spec.degrid else ()
        self.degrid = nn.Sequential(*(Degrid(c, d) for c, d in zip(channels, dilations, strict=False)))
        self.apply(init_weights)
        self.classifier = _classifier(spec)

    def forward_features(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) → (B, head_width, H/os, W/os): after the last BN-ReLU, and de-gridding if any."""
        return self.degrid(self.norm(self.blocks(self.stem(x))))  # type: ignore[no-any-return]

    def forward_head(self, x: Tensor, size: tuple[int, int], pre_logits: bool = False) -> Tensor:
        """Features → logits; for segmentation at `size` (height, width).

        With `pre_logits` what the classifier takes: (B, head_width) of the mean, or the features as they are.
        """
        segmentation = self.spec.task == "segmentation"
        x = x if segmentation else x.mean((2, 3))  # (B, head_width)
        if pre_logits:
            return x
        logits = self.classifier(x)
        return resize(logits, size) if segmentation else cast(Tensor, logits)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) → (B, classes), or (B, classes, H, W) for segmentation."""
        return self.forward_head(self.forward_features(x), (x.shape[-2], x.shape[-1]))

    def get_classifier(self) -> nn.Module:
        """The last layer: linear, or a 1×1 convolution."""
        return self.classifier

    def reset_classifier(self, num_classes: int) -> None:
        """A fresh last layer for another number of classes; the spec follows."""
        self.spec = self.spec.replace(num_classes=num_classes)
        weight = next(self.classifier.parameters())
        self.classifier = _classifier(self.spec).to(weight.device, weight.dtype)


def _classifier(spec: SUNetSpec) -> nn.Conv2d | nn.Linear:
    segmentation = spec.task == "segmentation"
    width, classes = spec.head_width, spec.num_classes
    classifier = nn.Conv2d(width, classes, 1) if segmentation else nn.Linear(width, classes)
    init_classifier(classifier)
    return classifier


def init_weights(module: nn.Module) -> None:
    """He's normal initialisation of a convolution, fan-out; biases 0 (Appendix A; the authors' release)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        # torch reads fan-out off the weight's first axis, which holds the inputs of a transposed convolution
        transposed = isinstance(module, nn.ConvTranspose2d)
        nn.init.kaiming_normal_(module.weight, mode="fan_in" if transposed else "fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def init_classifier(classifier: nn.Conv2d | nn.Linear) -> None:
    """Nearly equal logits at the start: the first steps are not spent on undoing random confidence."""
    nn.init.normal_(classifier.weight, std=0.01)
    if classifier.bias is not None:
        nn.init.zeros_(classifier.bias)
