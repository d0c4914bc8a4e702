"""One u-net module as a ladder: the encoder down the left, the decoder up the right, every skip a rung between them.

The boxes stand on a grid; which of them are joined is read off the plan, and a wire finds its way by where they stand.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sunetlab.analysis.plan import Layer
from sunetlab.draw import svg
from sunetlab.draw.convs import sentence, tone
from sunetlab.draw.piece import Piece
from sunetlab.draw.style import SPACE
from sunetlab.draw.svg import Point, Rect
from sunetlab.draw.unit import INPUT, OUTPUT, Cells, Unit, joins
from sunetlab.draw.words import sides

PAD = SPACE  # around the boxes of a level, and inside a box
HEIGHT = 46.0  # of a box: two lines
UPPER, LOWER = -9.0, 10.0  # the lines, from the middle of the box
STEP = 2 * SPACE  # between two boxes of a level
RUNG = 5 * SPACE  # from level to level
NAME = 3 * SPACE  # beside the boxes of a level: E1, D1
MIDDLE = 2 * SPACE  # between encoder and decoder
JOINT = 18.0  # across
LEVEL = 2 * HEIGHT + STEP + 2 * PAD + RUNG  # from the boxes of one level to those of the next


class Grid(NamedTuple):
    """The measures that ladders side by side have in common.

    Attributes:
        box: width of a box.
        shared: height of the row of the BN-ReLU that two branches share, 0 where there is none.
        skip: height of the outermost rung.
    """

    box: float
    shared: float
    skip: float

    @property
    def width(self) -> float:
        """Of the whole ladder."""
        return 2 * (self.box + 2 * PAD + NAME) + MIDDLE

    @property
    def entry(self) -> float:
        """From the top to the row of the first 1×1."""
        return HEIGHT + self.shared + self.skip

    def height(self, depth: int) -> float:
        """Of a whole ladder."""
        return self.entry + HEIGHT + RUNG / 2 + depth * LEVEL - RUNG


def grid_for(found: Sequence[Unit], cells: Sequence[Mapping[str, Cells]]) -> Grid:
    """Room for the widest words of all ladders, and for a box on the outermost rung where one of them has it."""
    boxes = (_cells_width(cell) for each in cells for cell in each.values())
    ends = (svg.words_width(words, "small") + 2 * PAD for unit in found for words in _end_words(unit))
    shared = any(unit.shared for unit in found)
    return Grid(max(*boxes, *ends), RUNG if shared else 0.0, HEIGHT + 4 * SPACE if shared else RUNG)


def _cells_width(cells: Cells) -> float:
    upper = svg.words_width(cells.kernel, "head") + svg.words_width(cells.maps, "small")
    lower = svg.words_width(cells.size, "small") + svg.words_width(cells.field, "small")
    return max(upper, lower) + 3 * PAD


def _end_words(unit: Unit) -> tuple[str, str]:
    """What the boxes of the module's input and output say."""
    ends = unit.layers[0].in_size, unit.layers[-1].out_size
    before, after = (f"{maps} maps, {sides(size)}" for maps, size in zip(unit.maps, ends, strict=True))
    return before, after


def ladder(unit: Unit, cells: Mapping[str, Cells], grid: Grid) -> Piece:
    """The picture of a module; `cells` by the layer's name."""
    depth = sum(layer.kind == "conv_transpose" for layer in unit.layers)

    def paint(left: float, top: float) -> str:
        where = dict(_places(unit, grid, depth, left, top))
        grounds = (_ground(where, unit, level, side) for level in range(depth) for side in ("down", "up"))
        wires = (svg.wire(_route(where[a], where[b]), a, b) for a, b in joins(unit))
        return svg.tag("g", *grounds, *wires, *_boxes(unit, cells, where), data_module=unit.name)

    return Piece(grid.width, grid.height(depth), paint)


def _places(unit: Unit, grid: Grid, depth: int, left: float, top: float) -> Iterator[tuple[str, Rect]]:
    """Every box's place, by the layer's name."""
    down, up = left + PAD, left + grid.width - PAD - grid.box
    rung, entry = top + HEIGHT + grid.shared + grid.skip / 2, top + grid.entry
    names = {unit.inside(layer): layer.name for layer in unit.layers}
    yield INPUT, Rect(down, top, grid.box, HEIGHT)
    yield OUTPUT, Rect(up, top, grid.box, HEIGHT)
    if unit.shared:
        yield unit.shared, Rect.around(down + grid.box / 2, top + HEIGHT + grid.shared - 11, 84, 22)
        yield names["skip"], Rect.around(left + grid.width / 2, rung, grid.box, HEIGHT)
    yield unit.layers[-1].name, Rect.around(up + grid.box / 2, rung, JOINT, JOINT)
    yield names["reduce"], Rect(down, entry, grid.box, HEIGHT)
    yield names["expand.conv"], Rect(up, entry, grid.box, HEIGHT)
    for level in range(depth):
        first = entry + HEIGHT + RUNG / 2 + PAD + level * LEVEL
        second = first + HEIGHT + STEP
        yield names[f"down.{level}.sample.conv"], Rect(down, first, grid.box, HEIGHT)
        yield names[f"down.{level}.conv.conv"], Rect(down, second, grid.box, HEIGHT)
        yield names[f"up.{level}.conv.conv"], Rect(up, first, grid.box, HEIGHT)
        yield names[f"up.{level}.sample.conv"], Rect(up, second, grid.box, HEIGHT)
        if level < depth - 1:
            between = second + HEIGHT + PAD + RUNG / 2
            yield names[f"up.{level}.concat"], Rect.around(up + grid.box / 2, between, JOINT, JOINT)


def _route(source: Rect, target: Rect) -> list[Point]:
    """From border to border, straight where two boxes share a middle.

    Else it leaves the wire that goes straight down from the source (there always is one: only a skip turns), so that
    no two lines lie on one another.
    """
    if abs(source.x - target.x) < 0.5:
        down = source.y < target.y
        return [(source.x, source.bottom if down else source.top), (target.x, target.top if down else target.bottom)]
    if abs(source.y - target.y) < 0.5:
        return [(source.right, source.y), (target.left, target.y)]
    return [(source.x, target.y - svg.BEND), (source.x, target.y), (target.left, target.y)]


def _ground(where: Mapping[str, Rect], unit: Unit, level: int, side: str) -> str:
    """The ground under the two boxes of E1 or D1, with its name on the inner side."""
    ends = [where[f"{unit.name}.{side}.{level}.{box}.conv"] for box in ("sample", "conv")]
    first, last = sorted(ends, key=lambda place: place.top)
    encoder = side == "down"
    left = first.left - PAD - (0 if encoder else NAME)
    ground = Rect(left, first.top - PAD, first.width + 2 * PAD + NAME, last.bottom - first.top + 2 * PAD)
    name = ground.right - NAME / 2 - PAD / 2 if encoder else ground.left + NAME / 2 + PAD / 2
    label = svg.words(f"{'E' if encoder else 'D'}{level + 1}", name, first.y, "head", muted=True)
    return svg.tag("g", svg.box(ground, "card"), label)


def _boxes(unit: Unit, cells: Mapping[str, Cells], where: Mapping[str, Rect]) -> Iterator[str]:
    for name, words in zip((INPUT, OUTPUT), _end_words(unit), strict=True):
        yield _end(where[name], name, words)
    for layer in unit.layers:
        if layer.name in cells:
            yield _convolution(layer, where[layer.name], cells[layer.name])
        elif layer.kind in {"add", "concat"}:
            yield svg.tag("g", svg.joint(where[layer.name], layer.kind), data_layer=layer.name)
    if unit.shared:
        place = where[unit.shared]
        label = svg.words("BN, ReLU", place.x, place.y, "small")
        yield svg.tag("g", svg.box(place, "plain", place.height / 2), label, data_layer=unit.shared)


def _end(place: Rect, name: str, words: str) -> str:
    lines = svg.words(name, place.x, place.y + UPPER, "head"), svg.words(words, place.x, place.y + LOWER, "small")
    return svg.tag("g", svg.box(place, "plain"), *lines, data_layer=name)


def _convolution(layer: Layer, place: Rect, cells: Cells) -> str:
    """A box: the kernel in bold, its maps, its map's size and what it sees."""
    left, right, upper, lower = place.left + PAD, place.right - PAD, place.y + UPPER, place.y + LOWER
    return svg.tag(
        "g",
        svg.title(f"{layer.name}: {sentence(layer)}, {cells.maps} maps, to {cells.size}, {cells.field}"),
        svg.box(place, tone(layer)),
        svg.words(cells.kernel, left, upper, "head", "start"),
        svg.words(cells.maps, right, upper, "small", "end"),
        svg.words(cells.size, left, lower, "small", "start", muted=True),
        svg.words(cells.field, right, lower, "small", "end", muted=True),
        data_layer=layer.name,
        data_kind=layer.kind,
        data_kernel=str(layer.kernel),
        data_stride=str(layer.stride),
        data_dilation=str(layer.dilation),
        data_channels=f"{layer.in_channels} {layer.out_channels}",
        data_map=f"{layer.out_size[0]} {layer.out_size[1]}",
    )
