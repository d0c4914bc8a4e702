"""`sunetlab report fov`: what a network sees; of a position the exact set, beside what gradients measure."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sunetlab import InputError, Report, SUNetSpec, analyze
from sunetlab.files import shown

from .network import Input, input_size, summary, takes_network
from .output import Csv, Json, file_named, form_asked, note, print_csv, print_json, print_table, say, say_lines, sides

if TYPE_CHECKING:  # numpy, and torch, are loaded when the command runs
    from sunetlab.analysis.fov import Field, Fov, Sight


At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="Y,X",
        help="The exact set of pixels that this position of the head's map sees, or of --block's or --of's; from 0,0.",
        show_default=False,
    ),
]
By = Annotated[Literal["block", "module", "layer"], typer.Option(help="A row for each of these.")]
BlockNumber = Annotated[
    int | None, typer.Option("--block", metavar="J", min=1, help="Of this block (from 1) alone.", show_default=False)
]
Of = Annotated[
    str | None,
    typer.Option(
        "--of",
        metavar="BOX",
        help="Whose position --at is: network, resized, 'block 3', blocks.2.unets.0, or any layer's name.",
        show_default=False,
    ),
]
Pixels = Annotated[bool, typer.Option("--pixels", help="With --json: the pixels seen, as runs: y, first x, last x.")]
Clip = Annotated[bool, typer.Option("--clip/--no-clip", help="Whether maps end at their borders for --at.")]
Picture = Annotated[
    str | None,
    typer.Option(
        "--image",
        metavar="FILE.png",
        help="A picture of the field of --at, or of the middle, as .png.",
        show_default=False,
    ),
]
Measured = Annotated[
    bool,
    typer.Option(
        "--measured", help="The gradient of --at, or of the middle, beside it; of a run, its effective field."
    ),
]
Images = Annotated[
    int | None,
    typer.Option("--images", min=1, help="Validation images for a run's effective field; 32.", show_default=False),
]


@takes_network
def fov(
    spec: SUNetSpec,
    folder: Path | None,
    input: Input = None,
    by: By = "block",
    block: BlockNumber = None,
    at: At = None,
    of: Of = None,
    clip: Clip = True,
    image: Picture = None,
    measured: Measured = False,
    images: Images = None,
    pixels: Pixels = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Fields of view, exact: of the network, its blocks, modules and convolutions; of a position, pixel by pixel."""
    form = form_asked(as_json, as_csv)
    report = analyze(spec, input_size(input))
    if block is not None and block > len(spec.stacks):
        raise InputError(f"--block: {block}: the network has {len(spec.stacks)} blocks")
    picture = None if image is None else file_named("--image", image, ".png")
    wanted = at is not None or picture is not None or measured
    _refuse_idle(wanted, measured, clip, images, form)
    if of is not None and not wanted:
        raise InputError(f"--of: {shown(of)}: goes with --at, --image or --measured")
    if pixels and not (wanted and form == "json"):
        raise InputError("--pixels: goes with --json and one of --at, --image and --measured")
    rows = _rows(report.fov, by, block)
    position = None
    if wanted:
        from .position import look

        box = of if of is not None else f"block {block}" if block else "network"
        position = look(report, folder, box, at, clip, (images or 32) if measured else 0)
    if form == "csv":
        print_csv(_COLUMNS, [_plain(sight) for sight in rows])
    elif form == "json":
        found = {"fov": _record(report.fov), "rows": [_record(sight) for sight in rows]}
        print_json(summary(report) | found | ({"position": position.record(pixels)} if position else {}))
    else:
        _print(report, rows, block)
        if position:
            position.print()
    if position and picture:
        position.draw(picture)
        note(f"saved {image}")


def _refuse_idle(wanted: bool, measured: bool, clip: bool, images: int | None, form: str) -> None:
    """Refuse flags that would have no effect.

    Raises:
        InputError: naming the flag, and what it goes with.
    """
    if not clip and not wanted:
        raise InputError("--no-clip: goes with --at, --image or --measured; the tables have both figures")
    if not clip and measured:
        raise InputError("--no-clip: cannot be given with --measured: a gradient ends at the image's border")
    if images is not None and not measured:
        raise InputError(f"--images: {images}: goes with --measured")
    if wanted and form == "csv":
        raise InputError("--csv: what a position sees is no table; give --json, or leave out --at, --image, --measured")


def _rows(found: "Fov", by: str, block: int | None) -> list["Sight"]:
    """The network first, then what is asked for."""
    kinds = {"block": found.blocks, "module": found.modules, "layer": found.convs}
    if block is None:
        return [found.network, *([found.resized] if found.resized else []), *kinds[by]]
    part = f"block {block}"
    kinds["block"] = (*found.modules, *found.convs)
    return [sight for sight in (*found.blocks, *kinds[by]) if sight.part == part]


def _print(report: Report, rows: Sequence["Sight"], block: int | None) -> None:
    found, spec = report.fov, report.spec
    exact = all(field.exact for sight in rows for field in (sight.image, sight.own))
    bounds = "" if all(field.exact for sight in rows for field in sight.clipped) else "; clipped: upper bounds"
    say(f"SUNet {spec.id}  {spec.summary}")
    say(f"input {sides(report.size)}; fields of view in pixels of the image along a side, {_EXACT[exact]}{bounds}")
    say()
    print_table(
        ["", "jump", "usual", "least", "most", "period", "offset", "alone", "clipped"],
        [[_called(sight), sight.jump, *_width(sight.image), _alone(sight), _clipped(sight)] for sight in rows],
    )
    say()
    if block is None:
        names = ["identity alone", *(f"levels up to {level}" for level in range(1, len(found.through)))]
        table = [[name, *_width(field)] for name, field in zip(names, found.through, strict=True)]
        print_table(["network, through", "usual", "least", "most", "period", "offset"], table)
        say()
    print_table(
        ["block", "level", "map", "kernel", "seen before", "note"],
        [
            [level.block, level.level, sides(level.size), level.reach, sides(level.entry), level.verdict]
            for level in found.levels
            if block in (None, level.block)
        ],
    )
    say()
    say_lines(_TERMS)


_EXACT = {
    True: "all exact",
    False: "all exact but the resized one, given as for an image whose sides are multiples of the output stride",
}
_TERMS = """jump: pixels from one position to the next. usual: the commonest width over positions in two dimensions
(least, most). period: positions after which it repeats. offset: of the field's centre from its cell's. alone:
least–most of the box itself, in cells of the grid where it begins. clipped: the usual one within this image, where
several widths may have become one. kernel: what its widest spans; more than its map, where it is wider than both
sides. seen before: at least, by what enters the level."""
_COLUMNS = (
    *("name", "kind", "part", "jump", "usual", "least", "most", "period", "offset_least", "offset_most", "exact"),
    *("own_usual", "own_least", "own_most", "own_period", "own_offset_least", "own_offset_most"),
    *("clipped_y_usual", "clipped_y_least", "clipped_y_most", "clipped_x_usual", "clipped_x_least", "clipped_x_most"),
    "clipped_exact",
)


def _called(sight: "Sight") -> str:
    return {"network": "head", "resized": "resized"}.get(sight.kind, sight.name)


def _width(field: "Field") -> list[object]:
    low, high = field.offset_least, field.offset_most
    offset = f"{low:+g}" if low == high else f"{low:+g}…{high:+g}"
    return [field.usual, field.least, field.most, field.period or "", offset]


def _alone(sight: "Sight") -> str:
    """On the grid where the box begins; the network's is the image's."""
    own = sight.own
    if sight.kind in ("network", "resized"):
        return ""
    return str(own.usual) if own.least == own.most else f"{own.least}–{own.most}"


def _clipped(sight: "Sight") -> str:
    return sides([field.usual for field in sight.clipped])


def _plain(sight: "Sight") -> list[object]:
    clipped = [number for field in sight.clipped for number in field[:3]]
    return [*sight[:4], *sight.image[:7], *sight.own[:6], *clipped, all(field.exact for field in sight.clipped)]


def _record(found: Any) -> Any:
    """Nested tuples with names as nested dictionaries."""
    if hasattr(found, "_asdict"):
        return {key: _record(value) for key, value in found._asdict().items()}
    return [_record(value) for value in found] if isinstance(found, tuple | list) else found
