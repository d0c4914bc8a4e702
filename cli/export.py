"""`sunetlab export`: a trained network as a file for other software."""

import re
from pathlib import Path
from typing import Annotated

import typer

from sunetlab import InputError

from .output import file_named, say


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a run, an exported configuration or imported weights.")],
    format: Annotated[str, typer.Option(help="authors: a checkpoint that the authors' code loads.")],
    out: Annotated[str, typer.Option(metavar="FILE", help="The file to write.", show_default=False)],
) -> None:
    """Write a trained network and its weights as a file for other software."""
    from sunetlab.model.exporting import format_named
    from sunetlab.model.folder import load_network

    try:
        chosen = format_named(format)
    except InputError as error:
        raise InputError(re.sub("^format: ", "--format: ", str(error))) from None
    path = file_named("--out", out, *chosen.suffixes)
    model = load_network(run)
    try:
        chosen.write(model, path)
    except InputError as error:
        raise InputError(f"{run}: {error}") from None
    say(f"{path}: {len(model.state_dict()):,} tensors of SUNet {model.spec.id} ({model.spec.summary})")
