"""The inset of Figure 2: how the dilation of the convolutions rises and falls inside a dilated block's u-nets."""

import math
from collections.abc import Sequence

from sunetlab.analysis.cost import CONVOLUTIONS
from sunetlab.analysis.plan import Layer, Plan
from sunetlab.draw import svg
from sunetlab.draw.convs import sentence, tone
from sunetlab.draw.piece import Piece, flow, line, stack
from sunetlab.draw.style import SPACE
from sunetlab.draw.svg import Rect
from sunetlab.draw.words import count, runs
from sunetlab.spec import Block

LEAST, OCTAVE = 10.0, 7.0  # px: a bar at dilation 1, and how much higher it is at twice a dilation
APART = 3.0
LINE = 16.0


def insets(plan: Plan, blocks: Sequence[Block], room: float) -> list[Piece]:
    """A heading and the insets, one for all blocks of one depth and dilation; nothing where no block is dilated."""
    alike: dict[tuple[int, int], list[Block]] = {}
    for block in blocks:
        if block.dilation > 1:
            alike.setdefault((len(block.levels), block.dilation), []).append(block)
    found = [_inset(plan, each, room) for each in alike.values()]
    if not found:
        return []
    heading = line(f"Dilation of each convolution in the u-nets of dilated blocks ({plan.spec.downsampling})", "head")
    return [stack([heading, flow(found, 5 * SPACE, 2 * SPACE, room)], SPACE)]


def _inset(plan: Plan, blocks: Sequence[Block], room: float) -> Piece:
    prefix = f"blocks.{blocks[0].index}.unets.0."
    convs = [c for c in plan.layers if c.name.startswith(prefix) and c.kind in CONVOLUTIONS and not c.skip]
    words = f"block{'s' if len(blocks) > 1 else ''} {runs([block.index + 1 for block in blocks])}"
    picture = _bars(convs, prefix, unit=1)
    if picture.width > room:
        picture = _bars(convs, prefix, unit=blocks[0].dilation)
        words += f", in units of r = {count(blocks[0].dilation)}"
    return stack([line(words, muted=True), picture], 2)


def _bars(convs: Sequence[Layer], prefix: str, unit: int) -> Piece:
    """A bar for every convolution, its dilation above it; below, the name of what two of them are."""
    numbers = ["1" if conv.kernel == 1 else str(conv.dilation // unit) for conv in convs]
    width = max(20.0, *(svg.words_width(number, "small") + 4 for number in numbers))
    heights = [LEAST + OCTAVE * math.log2(int(number)) for number in numbers]
    tallest, names = max(heights), _names(len(convs) // 4)

    def paint(left: float, top: float) -> str:
        parts, base = [], top + LINE + tallest
        for index, (conv, number, height) in enumerate(zip(convs, numbers, heights, strict=True)):
            place = Rect(left + index * (width + APART), base - height, width, height)
            label = svg.words(number, place.x, place.top - LINE / 2, "small")
            name = svg.title(f"{conv.name.removeprefix(prefix)}: {sentence(conv)}")
            parts.append(svg.tag("g", name, svg.box(place, tone(conv), 3.0), label, data_dilation_of=conv.name))
        for index, name in enumerate(names):
            x = left + (1 + 2 * index) * (width + APART) + width + APART / 2
            parts.append(svg.words(name, x, base + LINE / 2 + 1, "small", muted=True))
        return "".join(parts)

    return Piece(len(convs) * (width + APART) - APART, tallest + 2 * LINE + 2, paint)


def _names(depth: int) -> list[str]:
    levels = range(1, depth + 1)
    return [f"E{level}" for level in levels] + [f"D{level}" for level in reversed(levels)]
