"""How a command is told a network — NETWORK and the flags that change it — and `sunetlab build`."""

import contextlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sunetlab import InputError, Report, SUNetSpec, analyze, preset
from sunetlab.analysis.cost import LayerCost, grouped
from sunetlab.analysis.plan import Layer
from sunetlab.files import read_table, shown
from sunetlab.presets import PRESETS
from sunetlab.whole import MOST

from .output import Json, file_named, note, patiently, print_json, print_table, say, short, sides

Network = Annotated[
    str | None,
    typer.Argument(
        metavar="[NETWORK]",
        help="A preset, a .toml or .json file, or the folder of a run or of weights.",
        show_default=False,
    ),
]
Input = Annotated[
    str | None,
    typer.Option(
        "--input", metavar="HxW", help="Size of the input; by default that of a run's images, else the design size."
    ),
]
Batch = Annotated[int, typer.Option(min=1, max=MOST, help="Images at once.")]


def _flag(kind: Any, name: str, text: str, metavar: str | None = None) -> Any:
    return Annotated[
        kind | None, typer.Option(name, help=text, metavar=metavar, show_default=False, rich_help_panel="Network")
    ]


WORDS: dict[str, Any] = {  # word of a spec → its flag
    "depth": _flag(
        str, "--depth", "Levels of the u-nets: one number, trimmed where maps are small, or one per block.", "D"
    ),
    "n": _flag(int, "--n", "Maps inside a module (N of Table 1).", "N"),
    "stacks": _flag(str, "--stacks", "Modules in each block: 2,7,7,1.", "A,B,…"),
    "widths": _flag(str, "--widths", "Maps at the end of each block: auto, table, rule, or 512,1280,….", "W"),
    "dilations": _flag(str, "--dilations", "Dilation of each block: 1,1,2,4.", "A,B,…"),
    "output_stride": _flag(int, "--output-stride", "Dilate so that the output has this stride.", "S"),
    "downsampling": _flag(Literal["multigrid", "strided"], "--downsampling", "Inside dilated blocks."),
    "connectivity": _flag(Literal["identity", "dense"], "--connectivity", "Between the modules of a block."),
    "degrid": _flag(bool, "--degrid/--no-degrid", "De-gridding filters after the last block."),
    "stem": _flag(Literal["paper", "small"], "--stem", "Output stride 4, or 1 for images of 32 pixels."),
    "stem_width": _flag(int, "--stem-width", "Maps at the end of the stem.", "W"),
    "in_channels": _flag(int, "--in-channels", "Channels of the input.", "C"),
    "task": _flag(Literal["classification", "segmentation"], "--task", "What the head is for."),
    "num_classes": _flag(int, "--classes", "Classes of the head.", "K"),
}
_SEVERAL = {"depth", "stacks", "widths", "dilations"}  # words of one number or several
_FLAGS = {"num_classes": "--classes"}


def takes_network(command: Callable[..., Any], tells: bool = False) -> Callable[..., Any]:
    """Give a command, whose first parameter is `spec`, NETWORK and the flags in its place.

    A command with a parameter `words` is told the words that were given as flags as well; one with a parameter
    `folder`, the folder where NETWORK is one of a run, else None. `tells`: it shows its progress itself.
    """
    own = inspect.signature(command).parameters
    kept = [p for name, p in own.items() if name not in {"spec", "words", "folder"}]
    keyword = inspect.Parameter.KEYWORD_ONLY
    network = inspect.Parameter("network", keyword, default=None, annotation=Network)
    flags = [inspect.Parameter(word, keyword, default=None, annotation=kind) for word, kind in WORDS.items()]

    def wrapped(**given: Any) -> Any:
        words = words_of({word: given.pop(word) for word in WORDS})
        named = given.pop("network")
        spec = find_network(named, words)
        if given.get("input", "") is None:
            given["input"] = None if named is None else trained_at(Path(named))
        told = {"words": words, "folder": Path(named) if named and (Path(named) / "run.toml").is_file() else None}
        modules, size = sum(spec.stacks), given.get("input") or "of its design size"
        with contextlib.nullcontext() if tells else patiently(f"{modules:,} u-nets, input {size}"):
            try:
                return command(spec, **{name: value for name, value in told.items() if name in own}, **given)
            except InputError as error:
                raise InputError(re.sub("^input: ", "--input: ", str(error))) from None

    parameters = [network, *(p.replace(kind=keyword) for p in kept), *flags]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    return wrapped


def words_of(flags: dict[str, Any]) -> dict[str, Any]:
    """The words of a network that were given as flags."""
    return {word: _several(word, v) if word in _SEVERAL else v for word, v in flags.items() if v is not None}


def find_network(name: str | None, words: dict[str, Any]) -> SUNetSpec:
    """The network called `name` with `words` changed, or the one that the words alone make."""
    if name is None and not words:
        example = "--depth 2 --n 128 --stacks 2,7,7,1"
        raise InputError(
            f"NETWORK: give a preset ({', '.join(PRESETS)}), a .toml or .json file, or flags such as {example}"
        )
    spec = None if name is None else _named(name)
    try:
        return SUNetSpec.make(**words) if spec is None else spec.replace(**words)
    except InputError as error:
        raise InputError(_with_flags(str(error), words)) from None


def input_size(text: str | None, flag: str = "--input") -> tuple[int, int] | None:
    """`224` or `360x480`, given to `flag`, as (height, width)."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,5})(?:[x×]([0-9]{1,5}))?", text)
    if match is None or 0 in (int(side) for side in match.groups() if side):
        raise InputError(f"{flag}: {text!r}: must be a side, such as 224, or HxW, such as 360x480, in pixels")
    height = int(match[1])
    return height, int(match[2] or height)


def trained_at(folder: Path) -> str | None:
    """The size of a finished run's images, as `--input` has it; None where `folder` is no such run.

    Raises:
        InputError: a damaged result.json.
    """
    path = folder / "result.json"
    if not path.is_file():
        return None
    size = read_table(path).get("size")
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int and 0 < side < 10**5 for side in size):
        raise InputError(f"{path}: is damaged: size: {shown(size)}: must be a height and a width; give --input")
    return sides(size)


def _named(name: str) -> SUNetSpec:
    with contextlib.suppress(OSError):  # a name too long for a file's
        if (Path(name) / "spec.toml").is_file():
            return SUNetSpec.load(Path(name) / "spec.toml")
    return SUNetSpec.load(name) if Path(name).suffix.lower() in {".toml", ".json"} else preset(name)


def _several(word: str, text: str) -> Any:
    if word == "widths" and text in {"auto", "table", "rule"}:
        return text
    parts = text.split(",")
    if not all(re.fullmatch(r" *-?[0-9]{1,9} *", part) for part in parts):
        rule = "auto, table, rule, or whole numbers" if word == "widths" else "whole numbers"
        raise InputError(f"--{word}: {text!r}: must be {rule} separated by commas")
    numbers = tuple(map(int, parts))
    return numbers[0] if word == "depth" and len(numbers) == 1 else numbers


def _with_flags(line: str, words: dict[str, Any]) -> str:
    """A complaint about a word, in terms of its flag."""
    match = re.match(r"(\w+)(?:\.(\d+))?: ", line)
    if match is None or match[1] not in words:
        return line
    flag = _FLAGS.get(match[1], "--" + match[1].replace("_", "-"))
    return flag + (f", entry {int(match[2]) + 1}" if match[2] else "") + ": " + line[match.end() :]


@takes_network
def build(
    spec: SUNetSpec,
    input: Input = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Save the network here, as .toml or .json.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Resolve a network, show its numbers, and save it: build --depth 2 --n 128 --stacks 2,7,7,1."""
    path = None if out is None else file_named("--out", out, ".toml", ".json")
    report = analyze(spec, input_size(input))
    if path is not None:
        spec.save(path)
    if as_json:
        print_json(summary(report))
    else:
        _print_summary(report)
    if path is not None:
        note(f"saved {out}")


def summary(report: Report) -> dict[str, Any]:
    """A network's resolved spec and its numbers, for JSON."""
    spec = report.spec
    return {
        "id": spec.id,
        "spec": spec.model_dump(mode="json"),
        "widths_rule": spec.widths_rule,
        "output_stride": spec.output_stride,
        "input": list(report.size),
        "params": report.params,
        "params_without_classifier": report.params - report.params_classifier,
        "macs": report.macs,
        "layers": report.depth,
    }


_RULES = {
    "table": "Table 1 of the paper",
    "rule": "by rule: all modules' maps so far, to an even multiple of N",
    "by hand": "given by hand",
}


def _print_summary(report: Report) -> None:
    spec = report.spec
    say(f"SUNet {spec.id}  {spec.summary}")
    say()
    print_table(
        ["block", "modules", "depth", "dilation", "map", "width", "params", "MACs"],
        [
            [name, *_block_words(spec, name), *_map(rows[-1].layer), *totals(rows)]
            for name, rows in grouped(report.rows, "block").items()
        ],
    )
    say()
    dilated = f", {spec.downsampling} where dilated" if spec.dilations[-1] > 1 else ""
    for name, value in (
        ("parameters", f"{report.params:,}"),
        ("  without classifier", f"{report.params - report.params_classifier:,}"),
        (f"MACs at {sides(report.size)}", f"{report.macs:,} ({short(report.macs)}; FLOPs are twice that)"),
        ("layers", f"{report.depth} (convolutions on the main path and the classifier)"),
        ("widths", _RULES[spec.widths_rule]),
        ("output stride", f"{spec.output_stride}{dilated}"),
        ("head", f"{spec.task}, {spec.num_classes:,} classes{', de-gridding' if spec.degrid else ''}"),
    ):
        say(f"{name:<22}{value}")


def _block_words(spec: SUNetSpec, part: str) -> tuple[object, object, object]:
    if not part.startswith("block"):
        return ("", "", "")
    index = int(part.split()[1]) - 1
    return spec.stacks[index], spec.depth[index], spec.dilations[index]


def _map(layer: Layer) -> tuple[object, object]:
    return sides(layer.out_size), layer.out_channels


def totals(rows: list[LayerCost]) -> tuple[int, int]:
    """Parameters and MACs of some rows."""
    return sum(row.params for row in rows), sum(row.macs for row in rows)
