"""A network and its weights → a file for other software: one row for each form."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from sunetlab.errors import InputError
from sunetlab.files import whole_file
from sunetlab.model import authors
from sunetlab.model.checkpoint import SPEC_RECORD
from sunetlab.model.sunet import SUNet


class Format(NamedTuple):
    """A form of file.

    Attributes:
        suffixes: how the file's name may end.
        write: writes a network to a file, whole or not at all; refuses a network that the form cannot hold.
    """

    suffixes: tuple[str, ...]
    write: Callable[[SUNet, Path], None]


def write_authors(model: SUNet, path: Path) -> None:
    """Write a checkpoint that the authors' code loads: their names and order, in the pickled form of their time.

    Beside its `state_dict` it has our spec, which their code passes over: names and shapes do not say the dilations.

    Raises:
        InputError: the network has something that their names cannot say.
    """
    tensors = model.state_dict()
    state = {f"{authors.WRAPPED}{theirs}": tensors[ours].cpu() for theirs, ours in authors.names(model.spec).items()}
    buffer = io.BytesIO()  # torch.save tells of a full disk in words of its own
    content = {"state_dict": state, SPEC_RECORD: model.spec.model_dump(mode="json")}
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    with whole_file(path) as file:
        file.write(buffer.getbuffer())


FORMATS = {"authors": Format((".tar", ".pth", ".pt"), write_authors)}


def format_named(name: str) -> Format:
    """The form called `name`.

    Raises:
        InputError: none is; the line lists them.
    """
    if name not in FORMATS:
        raise InputError(f"format: {name!r}: unknown; known are {', '.join(FORMATS)}")
    return FORMATS[name]
