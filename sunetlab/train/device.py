"""Where trainings run."""

import platform
from typing import Any

import torch

from sunetlab import __version__, rules
from sunetlab.errors import InputError
from sunetlab.spec import SUNetSpec
from sunetlab.train.recipe import Recipe

DEVICES = ("cpu", "cuda", "mps", "xpu")
_ONEDNN_BLOCK = 16  # channels that oneDNN takes at once, with AVX-512


def pick_device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" is the GPU where there is one.

    Raises:
        InputError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in DEVICES:
            raise InputError(f"device: {name!r}: known are auto, {', '.join(DEVICES)}")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ImportError):
        raise InputError(f"device: {name!r}: not on this machine") from None
    return device


def places(name: str) -> list[str]:
    """Where several trainings at a time go, one after another: all GPUs, unless `name` says which.

    Raises:
        InputError: no such device here.
    """
    device = pick_device(name)
    gpus = torch.cuda.device_count() if device.type == "cuda" and device.index is None else 0
    return [f"cuda:{number}" for number in range(gpus)] if gpus > 1 else [name]


def lies_channels_last(recipe: Recipe, spec: SUNetSpec, device: torch.device) -> bool:
    """Whether images and weights of a training lie channels last: where the recipe says so, and it is safe.

    On a CPU it is not for a strided 1×1 convolution of fewer than 16 maps, such as the stem's shortcut: there oneDNN's
    gradient of the weights writes beyond its memory (oneDNN issue 6035; seen with torch 2.14.1: crashes, wrong values).
    """
    is_strided = rules.STEMS[spec.stem].stride > 1
    unsafe = device.type == "cpu" and is_strided and spec.stem_width // 2 < _ONEDNN_BLOCK
    return recipe.channels_last and not unsafe


def wait_for(device: torch.device) -> None:
    """Wait until a device has done what it was given; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def machine(device: torch.device) -> dict[str, Any]:
    """Where a run was made: enough to judge its timings, nothing that names a host or a person."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "device": f"{device.type}: {name}",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "sunetlab": __version__,
    }
