"""One class per box of the paper's figures. Every convolution of a module is BN-ReLU-Conv (§3.1).

Maps are (B, C, H, W). Names below are those of the plan's rows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sunetlab import rules
from sunetlab.spec import Block, Module


class Norm(nn.Sequential):
    """BN, then ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)  # BN keeps its input, ReLU its output: nothing that backward needs is lost


class ConvUnit(nn.Sequential):
    """BN-ReLU-Conv: a 1×1, or a 3×3 padded so that its map has ⌈side / stride⌉ pixels along a side."""

    def __init__(self, channels: int, out: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.norm = Norm(channels)
        self.conv = nn.Conv2d(channels, out, kernel, stride, dilation * (kernel // 2), dilation)


class UpUnit(nn.Module):
    """BN-ReLU-transposed convolution, 3×3, that gives back exactly the size that it is asked for."""

    def __init__(self, channels: int, out: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.norm = Norm(channels)
        self.conv = nn.ConvTranspose2d(channels, out, 3, stride, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, C, h, w) → (B, N, *size), where h = ⌈H / stride⌉ and w = ⌈W / stride⌉."""
        return self.conv(self.norm(x), output_size=size)  # type: ignore[no-any-return]


class Down(nn.Sequential):
    """One level of the encoder: E1, E2 of Figure 1."""

    def __init__(self, n: int, level: rules.Level) -> None:
        super().__init__()
        self.sample = ConvUnit(n, n, stride=level.stride, dilation=level.down[0])
        self.conv = ConvUnit(n, n, dilation=level.down[1])


class Up(nn.Module):
    """One level of the decoder: D1, D2 of Figure 1. All but the innermost take the encoder's output beside."""

    def __init__(self, n: int, level: rules.Level, innermost: bool) -> None:
        super().__init__()
        self.sample = UpUnit(n if innermost else 2 * n, n, level.stride, level.up[0])
        self.conv = ConvUnit(n, n, dilation=level.up[1])

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, N or 2N, h, w) → (B, N, *size)."""
        return self.conv(self.sample(x, size))  # type: ignore[no-any-return]


class UNetModule(nn.Module):
    """Figure 1: 1×1 to N maps, down and up through the levels, 1×1 out, joined to its input.

    Joined by addition; where widths differ the skip is a 1×1 expansion of the same BN-ReLU'd input that the
    bottleneck takes (§4). Under dense connectivity the output is concatenated to the input instead (§3.1).
    """

    def __init__(self, n: int, shape: Module, levels: tuple[rules.Level, ...]) -> None:
        super().__init__()
        self.norm = Norm(shape.in_channels)
        self.reduce = nn.Conv2d(shape.in_channels, n, 1)
        self.down = nn.ModuleList(Down(n, level) for level in levels)
        self.up = nn.ModuleList(Up(n, level, innermost=level_is_last) for level, level_is_last in _marked(levels))
        self.expand = ConvUnit(n, shape.growth or shape.out_channels, kernel=1)
        self.dense = shape.growth > 0
        self.skip: nn.Module | None = None
        if not self.dense and shape.in_channels != shape.out_channels:
            self.skip = nn.Conv2d(shape.in_channels, shape.out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, m, H, W) → (B, w, H, W)."""
        entry = self.norm(x)
        y = self.reduce(entry)  # (B, N, H, W)
        encoded, sizes = [], []
        for down in self.down:
            sizes.append((y.shape[-2], y.shape[-1]))
            y = down(y)  # (B, N, ⌈H/2⌉, ⌈W/2⌉) where the level has a stride
            encoded.append(y)
        for index in reversed(range(len(self.up))):
            if index < len(self.up) - 1:
                y = torch.cat((y, encoded[index]), 1)  # (B, 2N, h, w): decoder maps first
            y = self.up[index](y, sizes[index])
        y = self.expand(y)
        if self.dense:
            return torch.cat((x, y), 1)
        return y + (x if self.skip is None else self.skip(entry))  # type: ignore[no-any-return]


def _marked(levels: tuple[rules.Level, ...]) -> list[tuple[rules.Level, bool]]:
    return [(level, index == len(levels) - 1) for index, level in enumerate(levels)]


class Residual(nn.Module):
    """The stem's pre-activated residual block; both branches take the BN-ReLU'd input (Table 1)."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.norm = Norm(channels)
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1)
        self.norm2 = Norm(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1)
        self.shortcut = nn.Conv2d(channels, out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, out, ⌈H/stride⌉, ⌈W/stride⌉)."""
        entry = self.norm(x)
        return self.conv2(self.norm2(self.conv1(entry))) + self.shortcut(entry)  # type: ignore[no-any-return]


class Stem(nn.Sequential):
    """A convolution to half of the stem's maps, then a residual block to all of them (Table 1)."""

    def __init__(self, in_channels: int, width: int, shape: rules.StemShape) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width // 2, shape.kernel, shape.stride, shape.kernel // 2)
        self.residual = Residual(width // 2, width, shape.stride)


class UNetBlock(nn.Module):
    """A 2×2 average pool where the block has one (Table 1, transition layer), then its modules in a row."""

    def __init__(self, n: int, block: Block) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2, 2) if block.pool else nn.Identity()
        self.unets = nn.Sequential(*(UNetModule(n, module, block.levels) for module in block.modules))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, w, H, W), or half the side where there is a pool."""
        return self.unets(self.pool(x))  # type: ignore[no-any-return]


class Degrid(nn.Sequential):
    """One de-gridding filter: 3×3 to 512 maps, BN, ReLU (§5.3, in the order of the authors' release)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, rules.DEGRID_WIDTH, 3, padding=dilation, dilation=dilation)
        self.norm = Norm(rules.DEGRID_WIDTH)


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, h, w) → (B, C, *size), bilinear (§5)."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
