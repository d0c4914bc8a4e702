"""What the authors' released checkpoints say of their networks, read off the shapes of their weights.

A fact about a file, as Table 1 is one about a page; a test compares it with the list of the checkpoints' shapes.
"""

from typing import NamedTuple


class Release(NamedTuple):
    """A released network.

    Attributes:
        n: maps of the convolutions inside a u-net (`down.0.conv0`).
        stacks: u-nets in each block (`unetJ_I`).
        widths: maps at the end of each block (`unetJ_0.upsample.conv0`).
        params: elements of all weights and biases; running statistics are not among them.
    """

    n: int
    stacks: tuple[int, ...]
    widths: tuple[int, ...]
    params: int


RELEASED = {
    "SUNet-64": Release(64, (2, 4, 4, 1), (256, 512, 768, 1024), 6_910_248),
    "SUNet-128": Release(128, (2, 4, 4, 1), (512, 1024, 1536, 2048), 24_704_360),
    "SUNet-7-128": Release(128, (2, 7, 7, 1), (512, 1280, 2048, 2304), 39_113_832),
}
