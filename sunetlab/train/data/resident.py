"""Small data sets stay on the GPU: moved there once, cut into batches there."""

from collections.abc import Sequence

import torch

from sunetlab.train.data.source import Split
from sunetlab.train.data.split import MemorySplit

SHARE = 4  # images take a quarter of the free memory at most: the rest is the training's


def resident(splits: Sequence[Split], device: torch.device) -> list[Split]:
    """The same splits, those in memory moved to `device` where they fit, in this order.

    What they yield is the same to the bit, in the same order: only where it lies differs. On a CPU, and where it is not
    known how much memory is free, nothing is moved.
    """
    room = free_bytes(device) // SHARE
    placed: list[Split] = []
    for split in splits:
        if isinstance(split, MemorySplit) and split.bytes <= room:
            room -= split.bytes
            placed.append(split.to(device))
        else:
            placed.append(split)
    return placed


def free_bytes(device: torch.device) -> int:
    """Memory of a GPU that nobody has taken; 0 for what is no GPU of CUDA's."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
