"""A checkpoint of the authors' code → a folder with a network and its weights.

spec.toml            the network, also as spec.json
weights.safetensors  its weights
source.json          the file that they came from
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunetlab.errors import InputError
from sunetlab.files import validate, write_table
from sunetlab.folders import SPEC, WEIGHTS, Kind, whole_folder
from sunetlab.model import authors
from sunetlab.model.checkpoint import SPEC_RECORD, Checkpoint, read_checkpoint
from sunetlab.model.weights import write_weights
from sunetlab.presets import published_name
from sunetlab.spec import SUNetSpec

SOURCE = "source.json"
IMPORT = Kind("import", SOURCE, (SPEC, "spec.json", WEIGHTS, SOURCE))

# §6.2: "Unless mentioned, for all our experiments we set output stride = 16"; de-gridding is for 8 (§5.3).
_SEGMENTATION_STRIDE, _DEGRID_STRIDE = 16, 8


class Imported(NamedTuple):
    """A network and its weights, out of a checkpoint.

    Attributes:
        spec: the network.
        tensors: all of its state_dict, by our names.
        source: what source.json holds.
        notes: what the file left open, or was changed on the way, a sentence each.
    """

    spec: SUNetSpec
    tensors: dict[str, Tensor]
    source: dict[str, Any]
    notes: tuple[str, ...]

    def save(self, out: Path) -> None:
        """Write the folder, whole or not at all; an earlier import there is replaced.

        Raises:
            InputError: `out` holds something else, or cannot be made.
        """
        with whole_folder(out, IMPORT) as part:
            self.spec.save(part / SPEC)
            self.spec.save(part / "spec.json")
            write_weights(self.tensors, self.spec, part / WEIGHTS)
            write_table(part / SOURCE, self.source)


def import_checkpoint(path: Path, output_stride: int | None = None) -> Imported:
    """Read a checkpoint of the authors' code, or of any network in their names.

    Args:
        path: the file.
        output_stride: of the network; weights fit any, and the file does not say which one they were trained at.
            None: what the file's own record says if `sunetlab export` wrote it; else the paper's usual one.

    Raises:
        InputError: the file cannot be read, or its tensors are not those of such a network; or no such stride.
    """
    checkpoint = read_checkpoint(path)
    try:
        spec, tensors, notes = _placed(checkpoint)
        strided, supposed = _at_stride(spec, checkpoint.spec)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if output_stride is not None:
        strided, supposed = spec.replace(output_stride=output_stride), ""
    source = {
        **checkpoint.source,
        "tensors": len(tensors),
        "network": published_name(strided),
        "told": checkpoint.told,
    }
    return Imported(strided, tensors, source, (*notes, supposed) if supposed else tuple(notes))


def _placed(checkpoint: Checkpoint) -> tuple[SUNetSpec, dict[str, Tensor], list[str]]:
    """The network, its tensors by our names, and what had to be done for that."""
    given, notes = _unwrapped(checkpoint.tensors), []
    shapes = {name: tuple(tensor.shape) for name, tensor in given.items()}
    counters: dict[str, authors.Shape] = dict.fromkeys(_counters_of(shapes), ())
    if not shapes.keys() & counters.keys():
        shapes |= counters
        notes.append(f"no {authors.COUNTER} in the file, as PyTorch had none before 0.4.1; they are 0")
    spec = authors.spec_of(shapes)
    others = {str(t.dtype).removeprefix("torch.") for n, t in given.items() if _is_other_float(n, t)}
    if others:
        notes.append(f"{' and '.join(sorted(others))} in the file; float32 here")
    ours = authors.names(spec)
    zero = torch.zeros((), dtype=torch.int64)
    return spec, {ours[name]: _checked(name, given.get(name, zero)) for name in ours}, notes


def _unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors without the wrapper's prefix, which either all names have or none.

    Raises:
        InputError: naming one that has it, and one that has not.
    """
    wrapped = [name for name in tensors if name.startswith(authors.WRAPPED)]
    bare = [name for name in tensors if not name.startswith(authors.WRAPPED)]
    if wrapped and bare:
        raise InputError(f"tensor {wrapped[0]} has {authors.WRAPPED!r} before its name, and tensor {bare[0]} has not")
    return {name.removeprefix(authors.WRAPPED): tensor for name, tensor in tensors.items()}


def _counters_of(names: Mapping[str, object]) -> Iterator[str]:
    """The name of every BN's counter, whether the file has it or not."""
    for name in names:
        if name.endswith(".running_mean"):
            yield name.removesuffix("running_mean") + authors.COUNTER


def _is_other_float(name: str, tensor: Tensor) -> bool:
    return not name.endswith(authors.COUNTER) and tensor.is_floating_point() and tensor.dtype != torch.float32


def _checked(name: str, tensor: Tensor) -> Tensor:
    """A tensor of its own memory and of the type that the network has, its values looked at.

    Raises:
        InputError: naming it, and what its values are.
    """
    if name.endswith(authors.COUNTER):
        if tensor.dtype != torch.int64 or tensor < 0:
            raise InputError(f"tensor {name} is {tensor.item()} ({tensor.dtype}): must be a whole number, at least 0")
        return tensor.clone()
    if not tensor.is_floating_point():
        raise InputError(f"tensor {name} holds {tensor.dtype}, and no floating-point numbers")
    tensor = tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    bad = int((~tensor.isfinite()).sum())
    if bad:
        raise InputError(f"tensor {name}: {bad:,} of its {tensor.numel():,} numbers are not finite")
    if name.endswith(".running_var") and tensor.min() < 0:
        raise InputError(f"tensor {name} holds {tensor.min():g}: a variance must not be negative")
    return tensor


def _at_stride(spec: SUNetSpec, record: Any) -> tuple[SUNetSpec, str]:
    """The network with the dilations that it was trained with, as far as that is known, and what had to be supposed.

    Classification is undilated. For segmentation the file says nothing, unless `sunetlab export` wrote it.
    """
    if record is not None:
        return _as_recorded(spec, record), ""
    if spec.task == "classification":
        return spec, ""
    stride = min(_DEGRID_STRIDE if spec.degrid else _SEGMENTATION_STRIDE, spec.output_stride)
    told = f"output stride {stride}, the paper's usual one: the file does not say it; --output-stride gives another"
    return spec.replace(output_stride=stride), told


def _as_recorded(spec: SUNetSpec, record: Any) -> SUNetSpec:
    if not isinstance(record, Mapping):
        raise InputError(f"{SPEC_RECORD}: holds a {type(record).__name__}, and no table of keys")
    found = validate(SUNetSpec, record, SPEC_RECORD)
    undilated = found.replace(dilations=(1,) * len(found.stacks), downsampling=spec.downsampling)
    if undilated != spec:
        raise InputError(
            f"{SPEC_RECORD}: SUNet {found.id} ({found.summary}) is another network than the tensors are of"
        )
    return found
