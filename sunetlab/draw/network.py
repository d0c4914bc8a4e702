"""A network as Figure 2: its parts along a line, with the numbers of each below it."""

from collections.abc import Sequence

from sunetlab import rules
from sunetlab.analysis.fov import fov
from sunetlab.analysis.plan import Size
from sunetlab.analysis.report import Report, analyze
from sunetlab.draw.columns import Column, columns, split
from sunetlab.draw.inset import insets
from sunetlab.draw.letters import rows
from sunetlab.draw.marks import SKIP, Mark, bar, hourglass, skipped, wedge
from sunetlab.draw.piece import Piece, headed, key, labelled, legend, sheet, stack
from sunetlab.draw.stave import GAP, Measures, column_width, stave
from sunetlab.draw.style import SPACE, WIDEST
from sunetlab.draw.words import count, name_of, plural, short, sides
from sunetlab.spec import SUNetSpec


def draw_network(spec: SUNetSpec, size: Size | None = None) -> str:
    """An SVG of a network for an input of `size`; by default the design size.

    Raises:
        InputError: an input too small for the network.
    """
    report = analyze(spec, size)
    found = columns(report, fov(report.plan))
    first, _, last = split(spec.blocks)
    content = [_staves(found), *insets(report.plan, [*first, *last], WIDEST)]
    room = max(max(piece.width for piece in content), 560.0)
    words = [spec.summary, _numbers(report)]
    content = [headed(name_of(spec), words, room), *content, _legend(report, room)]
    return sheet(f"{name_of(spec)}: a stacked u-net", _in_words(report, found), content)


def _staves(found: Sequence[Column]) -> Piece:
    """The columns in as many rows as they need."""
    measures = Measures.of(found)
    widths = [column_width(column) for column in found[1:]]
    each = rows(widths, GAP, max(WIDEST - measures.labels - 2 * GAP, *widths))
    lines = [[*(found[:1] if not row.start else []), *found[row.start + 1 : row.stop + 1]] for row in each]
    return stack([stave(line, measures) for line in lines], 3 * SPACE)


def _numbers(report: Report) -> str:
    words = (
        f"{count(report.params)} parameters",
        f"{short(report.macs)} MACs at {sides(report.size)}",
        f"{count(report.depth)} layers",
        plural(sum(report.spec.stacks), "u-net"),
        f"output stride {count(report.spec.output_stride)}",
    )
    return ", ".join(words)


def _legend(report: Report, room: float) -> Piece:
    """What the marks mean, those that there are."""
    spec, plain = report.spec, bar(8.0, "conv", width=16.0)
    entries = [labelled(_sign(hourglass(_NOTCHED, _NOTCHED)), "u-net, as high as its maps are large")]
    if spec.dilations[-1] > 1:
        outer = _FULL if spec.downsampling == "multigrid" else _NOTCHED
        entries.append(labelled(_sign(hourglass(outer, _SMALL)), "dilated: inside, its kernels' scale"))
    skip = "skip" if spec.connectivity == "identity" else "skip, concatenated"
    entries.append(labelled(_sign(skipped(plain, expansion=False), SKIP), skip))
    entries.append(labelled(_sign(skipped(plain, expansion=True), SKIP), "skip with a 1×1"))
    if any(block.pool for block in spec.blocks):
        entries.append(labelled(_sign(wedge(18.0, 12.0, "pool")), "2×2 average pool"))
    entries += [key(tone, meaning) for tone, meaning in _tones(spec).items()]
    return legend(entries, _NOTES, room)


_NOTES = (
    "Heights are on a logarithmic scale. level: as in the paper's Figure 2. field: pixels of the image along a side "
    "that a position at the part's end sees, the commonest of several widths; below it the least and the most; "
    "as if the image had no border.",
)
_NOTCHED, _FULL, _SMALL = (18.0, 12.0, 6.0), (18.0, 18.0, 18.0), (12.0, 8.0, 4.0)


def _tones(spec: SUNetSpec) -> dict[str, str]:
    """What the colours of stem and head mean."""
    found = {}
    if rules.STEMS[spec.stem].stride > 1:
        found["down"] = "convolution, stride 2"
    if spec.degrid or not found:
        found["conv"] = "convolution"
    found["point"] = "linear classifier" if spec.task == "classification" else "1×1 classifier"
    if spec.task == "segmentation":
        found["up"] = "bilinear resize"
    return found


def _sign(mark: Mark, above: float = 0.0) -> Piece:
    """A mark in a legend, with the room that a skip takes above it."""
    return Piece(mark.width, mark.height + above, lambda x, y: mark.paint(x, y + above + mark.height / 2))


def _in_words(report: Report, found: Sequence[Column]) -> str:
    """The network in sentences, for those who do not see it."""
    parts = []
    for column in found:
        cells = (f"{name} {cell}" for name, cell in column.cells.items())
        parts.append(f"{column.heading[0]}: {', '.join((*column.heading[1:], *cells))}.")
    return f"{_numbers(report)}. {' '.join(parts)}"
