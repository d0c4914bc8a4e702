"""Tensors on their way to the device that works on them."""

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`.

    To a GPU it goes by way of pinned memory, so that nobody waits: a copy out of ordinary memory would first let the
    GPU finish all that it has been given.
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.contiguous().pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
