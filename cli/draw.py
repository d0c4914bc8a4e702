"""`sunetlab draw`: the figures of a network, as SVG."""

from pathlib import Path
from typing import Annotated

import typer

from sunetlab import InputError, SUNetSpec
from sunetlab.files import write_text

from .network import Input, input_size, takes_network
from .output import note

_MANY = 1000  # u-nets, beyond which working out what a network sees takes more than two seconds


@takes_network
def draw(
    spec: SUNetSpec,
    out: Annotated[
        str, typer.Option(metavar="FILE.svg", help="Write the figure here; - for standard output.", show_default=False)
    ],
    block: Annotated[
        int | None,
        typer.Option(metavar="J", help="The u-nets of this block, counted from 1, as Figure 1.", show_default=False),
    ] = None,
    input: Input = None,
) -> None:
    """Draw a network as the paper's Figure 2, or the u-nets of one of its blocks as Figure 1, as SVG."""
    if out != "-" and Path(out).suffix.lower() != ".svg":
        raise InputError(f"--out: {out}: must be the name of an .svg file, or - for standard output")
    svg = _figure(spec, block, input_size(input))
    if out == "-":
        typer.echo(svg.encode(), nl=False)  # as it would stand in a file, whatever the terminal's encoding
    else:
        write_text(Path(out), svg)
        note(f"saved {out}")


def _figure(spec: SUNetSpec, block: int | None, size: tuple[int, int] | None) -> str:
    from sunetlab.draw.module import draw_module
    from sunetlab.draw.network import draw_network

    if block is None:
        if sum(spec.stacks) > _MANY:
            note(f"looking through {sum(spec.stacks):,} u-nets, which takes some seconds")
        return draw_network(spec, size)
    if not 1 <= block <= len(spec.blocks):
        raise InputError(f"--block: {block}: must be one of the network's blocks, 1 to {len(spec.blocks)}")
    return draw_module(spec, block, size)
