"""A block's u-net modules as Figure 1: every convolution with its kernel, maps, map size and field of view."""

from collections.abc import Sequence

from sunetlab.analysis.fov import module_fields
from sunetlab.analysis.plan import Plan, Size, plan
from sunetlab.draw import svg
from sunetlab.draw.convs import tone, u_net
from sunetlab.draw.ladder import JOINT, grid_for, ladder
from sunetlab.draw.piece import Piece, flow, headed, key, labelled, legend, line, sheet, stack
from sunetlab.draw.style import SPACE, WIDEST
from sunetlab.draw.svg import Rect
from sunetlab.draw.unit import Unit, cells_of, in_words, units
from sunetlab.draw.words import count, name_of, plural, sides
from sunetlab.errors import InputError
from sunetlab.spec import Block, SUNetSpec


def draw_module(spec: SUNetSpec, block: int, size: Size | None = None) -> str:
    """An SVG of the modules of a block, counted from 1, for an input of `size`; by default the design size.

    Raises:
        InputError: no such block, or an input too small for the network.
    """
    if not 1 <= block <= len(spec.blocks):
        raise InputError(f"block: {block}: the network has {plural(len(spec.blocks), 'block')}, counted from 1")
    shape, laid_out = spec.blocks[block - 1], plan(spec, size)
    found = units(laid_out, shape)
    pictures = _pictures(spec, shape, found)
    widest = max(piece.width for piece in pictures)
    drawn = flow(pictures, 3 * SPACE, 5 * SPACE, max(WIDEST, widest))
    name = f"{u_net(len(shape.levels))} module, block {block} of {name_of(spec)}"
    heading = headed(name, [_words(laid_out, shape)], drawn.width)
    legend = _legend(found, shape.dilation > 1, drawn.width)
    return sheet(name, f"{_words(laid_out, shape)}. {in_words(found)}", [heading, drawn, legend])


def _pictures(spec: SUNetSpec, block: Block, found: Sequence[Unit]) -> list[Piece]:
    """Ladders on one grid, each below its heading."""
    fields = module_fields(len(block.levels), block.dilation, spec.downsampling)
    cells = [cells_of(unit, fields) for unit in found]
    grid = grid_for(found, cells)
    return [
        stack([_title(unit), ladder(unit, each, grid)], 1.5 * SPACE) for unit, each in zip(found, cells, strict=True)
    ]


def _title(unit: Unit) -> Piece:
    below = (line(words, muted=True) for words in (unit.skip, unit.costs))
    return stack([line(unit.heading, "head"), *below])


def _words(laid_out: Plan, block: Block) -> str:
    """The block in its own words."""
    spec = laid_out.spec
    words = [f"depth {len(block.levels)}", f"N = {count(spec.n)}", plural(len(block.modules), "u-net")]
    if block.dilation > 1:
        words.append(f"dilation {count(block.dilation)} ({spec.downsampling})")
    return ", ".join([*words, f"image of {sides(laid_out.size)}"])


_TONES = {"point": "1×1 convolution", "conv": "3×3 convolution", "down": "↓2 stride 2"}
_JOINTS = {"add": "sum", "concat": "concatenation"}


def _legend(found: Sequence[Unit], dilated: bool, room: float) -> Piece:
    """What the colours and signs mean, those that there are."""
    layers = [layer for unit in found for layer in unit.layers]
    tones, kinds = {tone(layer) for unit in found for layer in unit.convs}, {layer.kind for layer in layers}
    stride = next(layer.stride for layer in layers if layer.kind == "conv_transpose")
    entries = [key(name, meaning) for name, meaning in _TONES.items() if name in tones]
    entries.append(key("up", f"↑{stride} transposed, stride {stride}"))
    entries += [labelled(_sign(kind), meaning) for kind, meaning in _JOINTS.items() if kind in kinds]
    notes = [
        "Every convolution takes the BN-ReLU of its input. In a box: kernel, maps in → maps out, size of the map "
        "that it gives, field of view.",
        "field: how many pixels of the module's input an output sees along a side, least–most over positions."
        + (" dil: dilation." if dilated else ""),
    ]
    return legend(entries, notes, room)


def _sign(kind: str) -> Piece:
    return Piece(JOINT, JOINT, lambda x, y: svg.joint(Rect(x, y, JOINT, JOINT), kind))
