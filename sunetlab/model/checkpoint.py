"""A PyTorch checkpoint file → the tensors of its state_dict. Nothing that the file holds is executed.

Both forms of `torch.save` are read: the zip file of today, and the row of pickles of PyTorch 0.2 to 1.5, also where
it was written by Python 2 or from a GPU.
"""

import hashlib
import math
import mmap
import os
import re
import tarfile
import warnings
import zipfile
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

from sunetlab.errors import InputError
from sunetlab.files import MOST_BITS, refuse_endless, shown

_ZIP = b"PK\x03\x04"
_PICKLES = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save's magic number, by itself a pickle
SPEC_RECORD = "sunetlab_spec"  # key beside the state_dict in what `sunetlab export` writes
_TOLD = ("arch", "epoch", "best_prec1")  # what training scripts keep beside the weights, where it is plain


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        tensors: of its state_dict, by the file's own names, in its order, on the CPU; nothing is checked yet but
            that each is an ordinary tensor.
        told: `epoch`, `best_prec1` and `arch`, where they are there and plain.
        spec: what `sunetlab export` keeps beside the weights, unchecked; None in other files.
        source: name, bytes and SHA-256 of the file.
    """

    tensors: dict[str, Tensor]
    told: dict[str, int | float | str]
    spec: Any
    source: dict[str, int | str]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint: a dictionary with a `state_dict`, or a state_dict itself.

    Raises:
        InputError: no such file, one that is no checkpoint, is cut short, or holds more than plain data.
    """
    refuse_endless(path)
    try:
        with path.open("rb") as file:
            return _read(path, file)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:  # a folder, no permission
        raise InputError(f"{path}: {error.strerror}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _read(path: Path, file: BufferedReader) -> Checkpoint:
    begins = file.read(len(_PICKLES))
    if not begins.startswith(_ZIP) and begins != _PICKLES:
        file.seek(0)
        if begins and tarfile.is_tarfile(file):
            raise InputError("is a tar archive, which no checkpoint is, whatever its name: unpack it first")
        raise InputError(f"is {'no checkpoint' if begins else 'empty'}: torch.save writes other files")
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    source: dict[str, int | str] = {"file": path.name, "bytes": file.tell(), "sha256": digest}
    file.seek(0)
    content = _loaded(file)
    beside = content if isinstance(content, Mapping) and "state_dict" in content else {}
    told = {name: _plain(beside[name]) for name in _TOLD if name in beside}
    return Checkpoint(
        _tensors(beside.get("state_dict", content)),
        {name: value for name, value in told.items() if value is not None},
        beside.get(SPEC_RECORD),
        source,
    )


def load_plain(file: BinaryIO, device: str | torch.device = "cpu") -> Any:
    """What torch.save wrote, as far as it is plain data and tensors; nothing is executed, nothing unpacked.

    Raises:
        InputError: a zip file with packed parts, which may unpack to any size.
        Exception: torch's own, of a dozen kinds, for a damaged file.
    """
    _refuse_packed(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old forms, which are what this is for
        return torch.load(file, map_location=device, weights_only=True)


def _refuse_packed(file: BinaryIO) -> None:
    """torch.save stores every part as it is, so that they are not larger than the file, all together."""
    begins = file.read(len(_ZIP))
    if begins == _ZIP:
        parts = zipfile.ZipFile(file).infolist()
        most = file.seek(0, os.SEEK_END)
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts) or sum(p.file_size for p in parts) > most:
            raise InputError("is an archive with packed parts, which torch.save does not write; nothing is unpacked")
    file.seek(0)


def _loaded(file: BinaryIO) -> Any:
    try:
        return load_plain(file)
    except InputError:
        raise
    except Exception as error:  # torch tells of a damaged file by a dozen kinds of exceptions
        raise InputError(_complaint(error, file)) from None


def _complaint(error: Exception, file: BinaryIO) -> str:
    """Why a file could not be read, in one line; torch's own runs over twenty."""
    called = re.search(r"GLOBAL (\S+) (?:was not an allowed|whose module)", str(error))
    if called is None:
        return "is cut short, damaged, or not of torch.save's making"
    if _holds_modules(file):
        save = "torch.save(model.state_dict(), FILE)"
        return f"is a whole pickled model ({called[1]}), and so holds code, which is not executed; save it by {save}"
    return f"wants {called[1]} to be called, and nothing in a file is executed"


def _holds_modules(file: BinaryIO) -> bool:
    """Whether torch's own classes of layers are named in the file, as they are in every pickled network."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b"torch.nn.modules.") >= 0


def _tensors(state: Any) -> dict[str, Tensor]:
    if not isinstance(state, Mapping):
        raise InputError(f"holds a {type(state).__name__}, and no state_dict")
    if not any(isinstance(value, Tensor) for value in state.values()):
        keys = f"; its keys are {shown(list(state))}" if state else ""
        raise InputError(f"holds no state_dict, or an empty one{keys}")
    for name, value in state.items():
        if not isinstance(name, str):
            raise InputError(f"state_dict: {shown(name)} ({type(name).__name__}) is no name of a tensor")
        if not isinstance(value, Tensor):
            raise InputError(f"state_dict: {shown(name)} is a {type(value).__name__}, and no tensor")
        if not _is_ordinary(value):
            raise InputError(f"tensor {name} is not stored number by number")
    return {name: value.detach() for name, value in state.items()}


def _is_ordinary(tensor: Tensor) -> bool:
    """Whether every element is there: not of a sparse or quantised tensor, nor of one broadcast to any size."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _plain(value: Any) -> int | float | str | None:
    """A number or a short text; None for all else. What was a Python number may be a tensor of one element."""
    if isinstance(value, Tensor) and value.numel() == 1 and _is_ordinary(value):
        value = value.item()
    if isinstance(value, str):
        return value if value.isprintable() and len(value) <= 80 else None
    if type(value) is int:
        return value if value.bit_length() <= MOST_BITS else None
    return value if type(value) is float and math.isfinite(value) else None
