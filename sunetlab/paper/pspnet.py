"""PSPNet's head on a ResNet, by its description in Zhao et al. (2017): pyramid pooling, a 3×3, a classifier.

The map of the ResNet is pooled to squares of 1, 2, 3 and 6 positions along a side; a 1×1 takes each to a quarter of
the maps; all are resized and joined to the ResNet's own, and a 3×3 takes them to 512. Convolutions before BN have no
bias.
"""

from collections.abc import Iterator
from typing import NamedTuple

from sunetlab.paper.claim import Change
from sunetlab.paper.reconcile import CLASSES, one_word

BINS = (1, 2, 3, 6)


class Head(NamedTuple):
    """A head: how many squares the map is pooled to, the maps of each 1×1, the last convolution, and the classes."""

    width: int = 2048  # maps of the ResNet
    pooled_maps: int = 2048 // len(BINS)
    pools: int = len(BINS)
    kernel: int = 3
    maps: int = 512
    classes: int = 21

    @property
    def joined_params(self) -> int:
        """Weights of the convolution that takes the ResNet's maps and all pooled ones."""
        return self.kernel**2 * (self.width + self.pools * self.pooled_maps) * self.maps


HEAD = Head()


def head_params(head: Head = HEAD) -> int:
    """Parameters of a head."""
    pooled = head.pools * (head.width * head.pooled_maps + 2 * head.pooled_maps)
    return pooled + head.joined_params + 2 * head.maps + (head.maps + 1) * head.classes


def head_macs(side: int) -> int:
    """MACs of the head on a map of `side` pixels along a side."""
    pooled = sum(bins**2 for bins in BINS) * HEAD.width * HEAD.pooled_maps
    return pooled + (HEAD.joined_params + HEAD.maps * HEAD.classes) * side**2


def changes() -> Iterator[Change]:
    """Heads that differ in one word."""
    maps = range(32, 1025, 32)
    values = {"pooled_maps": maps, "pools": range(1, 9), "kernel": (1, 3, 5, 7), "maps": maps, "classes": CLASSES}
    yield from one_word(HEAD, values)
