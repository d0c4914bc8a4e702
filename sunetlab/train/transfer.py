"""Weights to start from: those of another run, or imported ones, taken by name and shape.

A classification network's weights go into its dilated segmentation form, as dilation changes no name and no shape
(§5); only the head is new. What is not the head must be there whole.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sunetlab.errors import InputError
from sunetlab.files import read_table
from sunetlab.folders import DATA, WEIGHTS
from sunetlab.model.weights import read_weights
from sunetlab.train.init import Init
from sunetlab.train.optimizer import CLASSIFIER, HEAD


@dataclass(frozen=True)
class Initial:
    """Weights to start from, read.

    Attributes:
        init: what they are, for the run's record.
        tensors: by name.
        classes: names of the classes that they were trained for, where the folder tells them.
    """

    init: Init
    tensors: dict[str, Tensor]
    classes: tuple[str, ...] | None = None

    @classmethod
    def read(cls, path: Path) -> "Initial":
        """The weights of a run's, an export's or an import's folder, or of a .safetensors file.

        Raises:
            InputError: there are none, or they are damaged.
        """
        file = path / WEIGHTS if path.is_dir() else path
        tensors = read_weights(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return cls(Init(source=str(path), sha256=digest), tensors, _classes_of(file.parent))

    def fill(self, model: nn.Module, classes: Sequence[str] | None = None) -> "Taken":
        """Copy into `model` every tensor that it has a place for.

        Args:
            model: the network.
            classes: names of the classes that it will be trained for; a classifier of others is not taken.

        Raises:
            InputError: a tensor outside the head is missing, or of another shape; nothing is copied.
        """
        taken = self.taken_by(model, classes)
        with torch.no_grad():
            state = model.state_dict()
            for name in taken.names:
                state[name].copy_(self.tensors[name])
        return taken

    def taken_by(self, model: nn.Module, classes: Sequence[str] | None = None) -> "Taken":
        """What `fill` would take.

        Raises:
            InputError: as `fill`.
        """
        wanted = model.state_dict()
        unfit = {name for name in wanted if name not in self.tensors or self.tensors[name].shape != wanted[name].shape}
        new_parts = {name.partition(".")[0] for name in unfit if name.startswith(HEAD)}  # a layer is new whole
        if classes is not None and self.classes is not None and tuple(classes) != self.classes:
            new_parts.add(CLASSIFIER)
        new = [name for name in wanted if name in unfit or name.partition(".")[0] in new_parts]
        fitting = [name for name in wanted if name not in new]
        for name in new:
            if not name.startswith(HEAD):
                found = f"has shape {tuple(self.tensors[name].shape)}" if name in self.tensors else "is missing"
                needed = f"the network needs {tuple(wanted[name].shape)}; only depth, n, stacks and widths alike fit"
                raise InputError(f"{self.init.source}: tensor {name} {found}: {needed}")
        left = [name for name in self.tensors if name not in wanted]
        for name in left:
            if not name.startswith(HEAD):
                raise InputError(f"{self.init.source}: tensor {name} is not in the network; the two must be alike")
        return Taken(self.init.source, tuple(fitting), tuple(new))


def _classes_of(folder: Path) -> tuple[str, ...] | None:
    record = read_table(folder / DATA) if (folder / DATA).exists() else {}
    names = record.get("classes")
    return tuple(map(str, names)) if isinstance(names, list) else None


@dataclass(frozen=True)
class Taken:
    """What was taken: names of tensors, and of those that are new."""

    source: str
    names: tuple[str, ...]
    new: tuple[str, ...]

    def __str__(self) -> str:
        all_of = len(self.names) + len(self.new)
        parts = sorted({name.partition(".")[0] for name in self.new})
        new = f"; new: {', '.join(parts)} ({len(self.new)} tensors)" if parts else ""
        return f"{len(self.names)} of {all_of} tensors from {self.source}{new}"
