"""Weights as safetensors: whole files, every tensor checked by name and shape."""

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from sunetlab.errors import InputError, first_line
from sunetlab.files import refuse_endless, whole_file
from sunetlab.model.authors import COUNTER
from sunetlab.model.sunet import SUNet
from sunetlab.spec import SUNetSpec

_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def save_weights(model: SUNet, path: Path) -> None:
    """Write every parameter and buffer of `model`, and its spec's id, as safetensors."""
    write_weights(model.state_dict(), model.spec, path)


def write_weights(tensors: Mapping[str, Tensor], spec: SUNetSpec, path: Path) -> None:
    """Write the tensors of a network, by their names in it, and its spec's id, as safetensors."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as file:
        file.write(safetensors.torch.save(plain, metadata={"spec": spec.id}))


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name, on the CPU.

    Raises:
        InputError: the file is missing or damaged, or a tensor holds what no network's can.
    """
    try:
        refuse_endless(path)
        tensors = safetensors.torch.load_file(path)
    except FileNotFoundError:
        rule = "cannot be read" if path.exists() else "no such file"  # safetensors says the same of both
        raise InputError(f"{path}: {rule}") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable safetensors file: {first_line(error)}") from None
    for name, tensor in tensors.items():
        complaint = _complaint(name, tensor)
        if complaint:
            raise InputError(f"{path}: tensor {name} holds {complaint}")
    return tensors


def _complaint(name: str, tensor: Tensor) -> str:
    """What a tensor holds that no network's can: such a network would run, and its answers mean nothing."""
    if name.endswith(COUNTER):
        return "" if tensor.dtype == torch.int64 else f"{tensor.dtype}; it counts, in torch.int64"
    if tensor.dtype not in _FLOATS:
        return f"{tensor.dtype}, and no floating-point numbers that a network runs on"
    if not bool(tensor.float().isfinite().all()):
        return "values that are not finite"
    negative = name.endswith("running_var") and bool((tensor < 0).any())
    return "negative values: a variance must not be negative" if negative else ""


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill `model` from a safetensors file.

    Raises:
        InputError: the file is missing or damaged, or a tensor is missing, left over or of another shape.
    """
    tensors = read_weights(path)
    wanted = model.state_dict()
    for name in sorted(wanted.keys() ^ tensors.keys()):
        raise InputError(f"{path}: tensor {name} is {'missing' if name in wanted else 'not in the network'}")
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            shapes = f"{tuple(tensor.shape)}, but the network has {tuple(wanted[name].shape)}"
            raise InputError(f"{path}: tensor {name} has shape {shapes}")
    model.load_state_dict(tensors)
