"""PSPNet's head on a ResNet, by its description in Zhao et al. (2017): pyramid pooling, a 3×3, a classifier.

The map of the ResNet is pooled to squares of 1, 2, 3 and 6 positions along a side; a 1×1 takes each to a quarter of
the maps; all are resized and joined to the ResNet's own, and a 3×3 takes them to 512. Convolutions before BN have no
bias.
"""

WIDTH = 2048  # maps of the ResNet
BINS = (1, 2, 3, 6)
MAPS = 512  # of each 1×1, and of the 3×3
CLASSES = 21

_POOLED = WIDTH * MAPS
_JOINED = 9 * (WIDTH + len(BINS) * MAPS) * MAPS
_CLASSIFIER = MAPS * CLASSES


def head_params() -> int:
    """Parameters of the head."""
    norms = 2 * MAPS * (len(BINS) + 1)
    return len(BINS) * _POOLED + _JOINED + norms + _CLASSIFIER + CLASSES


def head_macs(side: int) -> int:
    """MACs of the head on a map of `side` pixels along a side."""
    return sum(bins**2 for bins in BINS) * _POOLED + (_JOINED + _CLASSIFIER) * side**2
