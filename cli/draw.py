"""`sunetlab draw`: the figures of a network, as SVG."""

from typing import Annotated

import typer

from sunetlab import InputError, SUNetSpec
from sunetlab.files import write_text

from .network import Input, input_size, takes_network
from .output import file_named, note


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
    path = None if out == "-" else file_named("--out", out, ".svg")
    svg = _figure(spec, block, input_size(input))
    if path is None:
        typer.echo(svg.encode(), nl=False)  # as it would stand in a file, whatever the terminal's encoding
    else:
        write_text(path, svg)
        note(f"saved {out}")


def _figure(spec: SUNetSpec, block: int | None, size: tuple[int, int] | None) -> str:
    from sunetlab.draw.module import draw_module
    from sunetlab.draw.network import draw_network

    if block is None:
        return draw_network(spec, size)
    if not 1 <= block <= len(spec.blocks):
        raise InputError(f"--block: {block}: must be one of the network's blocks, 1 to {len(spec.blocks)}")
    return draw_module(spec, block, size)
