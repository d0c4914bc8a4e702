"""`sunetlab weights`: weights that were made elsewhere."""

import re
from pathlib import Path
from typing import Annotated

import typer

from sunetlab import InputError, analyze
from sunetlab.files import read_table

from .output import Json, note, print_json, say

app = typer.Typer(help="Weights that were made elsewhere.", no_args_is_help=True)


@app.callback()
def _weights() -> None:
    pass


@app.command("import")
def import_weights(
    file: Annotated[Path, typer.Argument(help="A checkpoint of the authors' code, such as x_residual.pth.tar.")],
    out: Annotated[Path, typer.Option(help="The folder to make.", show_default=False)],
    output_stride: Annotated[
        int | None,
        typer.Option(
            metavar="S",
            help="By default 32 for classification, 16 for segmentation, 8 with de-gridding.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read a checkpoint of the authors' code into a folder that other commands take; nothing in it is executed."""
    from sunetlab.folders import refuse_occupied
    from sunetlab.model.importing import IMPORT, SOURCE, import_checkpoint

    refuse_occupied(out, IMPORT)
    try:
        found = import_checkpoint(file, output_stride)
    except InputError as error:
        raise InputError(re.sub("^output_stride: ", "--output-stride: ", str(error))) from None
    earlier = read_table(out / SOURCE) if (out / SOURCE).exists() else {}
    if earlier.get("sha256", found.source["sha256"]) != found.source["sha256"]:
        note(f"{out}: takes the place of an earlier import, of {earlier.get('file')}")
    found.save(out)
    params = analyze(found.spec).params
    if as_json:
        about = {"folder": str(out), "id": found.spec.id, "params": params, "notes": list(found.notes)}
        print_json(about | found.source)
        return
    for text in found.notes:
        note(text)
    name = found.source["network"] or f"SUNet {found.spec.id} ({found.spec.summary})"
    placed = f"{len(found.tensors):,} tensors, each in its place and of its shape, none missing, none left over"
    told = "".join(f", {key} {value}" for key, value in found.source["told"].items())
    say(f"{out}: {name}{told}: {params:,} parameters; {placed}")
