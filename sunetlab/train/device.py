"""Where trainings run."""

import platform
from typing import Any

import torch

from sunetlab import __version__
from sunetlab.errors import InputError

DEVICES = ("cpu", "cuda", "mps", "xpu")


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
