"""DeepLab's ASPP by its description in Chen et al. (2016a): branches of atrous convolutions in parallel, summed.

On ResNet-101 each branch is one 3×3, from 2048 maps to the classes; on VGG-16 a 3×3 to fc6, a 1×1 to fc7 and a 1×1 to
the classes. The rates (6, 12, 18, 24) cost no parameters. Convolutions have a bias and no BN. What torchvision calls
ASPP is another design, of Chen et al. (2017).
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from sunetlab.paper.claim import Change
from sunetlab.paper.reconcile import CLASSES, one_word


class Aspp(NamedTuple):
    """An ASPP: its branches, the maps that they take, their first kernel, fc6 and fc7 (0 for none), the classes."""

    branches: int = 4
    width: int = 2048
    kernel: int = 3
    hidden: int = 0
    classes: int = 21


ON_RESNET = Aspp()
ON_VGG = Aspp(width=512, hidden=1024)


def aspp_params(aspp: Aspp) -> int:
    """Parameters of all branches."""
    hidden = (aspp.hidden, aspp.hidden) if aspp.hidden else ()
    maps = (aspp.width, *hidden, aspp.classes)
    areas = (aspp.kernel * aspp.kernel, 1, 1)
    branch: int = sum((area * before + 1) * after for area, (before, after) in zip(areas, pairwise(maps), strict=False))
    return aspp.branches * branch


def changes() -> Iterator[Change]:
    """ASPPs on ResNet-101 that differ in one word."""
    values = {"branches": range(1, 9), "width": (256, 512, 1024, 4096), "kernel": (1, 5, 7), "classes": CLASSES}
    yield from one_word(ON_RESNET, values)
    for hidden in range(64, 1025, 64):
        yield Change(f"fc6 and fc7 of {hidden} maps in each branch", 1.0, {"hidden": hidden})
