"""How a command is told a space: a file, --vary, the flags of a network for what all designs share."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sunetlab import InputError

from .network import WORDS, input_size, words_of

if TYPE_CHECKING:
    from sunetlab.space.definition import SpaceFile

File = Annotated[
    Path | None, typer.Argument(metavar="[SPACE]", help="A .toml or .json file of a space.", show_default=False)
]
Vary = Annotated[
    list[str] | None,
    typer.Option(
        "--vary",
        metavar="WORD=LEVELS",
        help="What varies: n=16..256:16, depth=1..3, stacks=1..3x1..8x1..8x1, widths=rule,4nx8nx12nx16n.",
        show_default=False,
    ),
]
Bounds = Annotated[
    str | None,
    typer.Option(
        "--where", metavar="FILTER", help='Such as "params<=10M, fov>=512"; added to a file\'s own.', show_default=False
    ),
]
SpaceInput = Annotated[
    str | None, typer.Option("--input", metavar="HxW", help="Size of the images.", show_default="the design size")
]
Batch = Annotated[int | None, typer.Option(min=1, help="Images at once, for activations and memory.", show_default="1")]
Precision = Annotated[
    Literal["fp32", "bf16"] | None, typer.Option(help="For activations and memory.", show_default="fp32")
]
Optimizer = Annotated[Literal["sgd", "adamw"] | None, typer.Option(help="For memory.", show_default="sgd")]

_OWN: dict[str, Any] = {
    "space": File,
    "vary": Vary,
    "where": Bounds,
    "input": SpaceInput,
    "batch": Batch,
    "precision": Precision,
    "optimizer": Optimizer,
}


def takes_space(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command, whose first parameters are `asked` and `space`, the ways to say a space in their place."""
    own = list(inspect.signature(command).parameters.values())[2:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    first = [inspect.Parameter(name, keyword, default=None, annotation=kind) for name, kind in _OWN.items()]
    flags = [inspect.Parameter(word, keyword, default=None, annotation=kind) for word, kind in WORDS.items()]

    def wrapped(**given: Any) -> Any:
        words = words_of({word: given.pop(word) for word in WORDS})
        said = {name: given.pop(name) for name in _OWN}
        asked = _asked(said, words)
        try:
            space = asked.space()
        except InputError as error:
            raise InputError(f"{said['space']}: {error}" if said["space"] else str(error)) from None
        return command(asked, space, **given)

    parameters = [*first, *(p.replace(kind=keyword) for p in own), *flags]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    return wrapped


def _asked(said: dict[str, Any], words: dict[str, Any]) -> "SpaceFile":
    from sunetlab.space.definition import SpaceFile

    others = {name: said[name] for name in ("where", "batch", "precision", "optimizer") if said[name] is not None}
    if said["input"] is not None:
        others["input"] = input_size(said["input"])
    factors = factors_of(said["vary"] or [])
    for name in factors.keys() & words.keys():
        raise InputError(f"--vary: {name}: is given as a flag as well; it is one or the other")
    asked = SpaceFile.load(said["space"]) if said["space"] else SpaceFile()
    asked = asked.changed(factors, words, others)
    if not asked.factors:
        example = "--vary n=16..256:16 --vary stacks=1..3x1..8x1..8x1"
        raise InputError(f"SPACE: nothing varies: give a .toml file, or factors such as {example}")
    return asked


def factors_of(said: list[str]) -> dict[str, str]:
    """`n=16..256:16` and the like as factor → levels.

    Raises:
        InputError: no equals sign, or a factor twice.
    """
    found: dict[str, str] = {}
    for text in said:
        name, equals, levels = text.partition("=")
        name = name.strip().replace("-", "_")
        name = "num_classes" if name == "classes" else name
        if not equals or not name or not levels.strip():
            raise InputError(f"--vary: {text!r}: must be WORD=LEVELS, such as n=16..256:16")
        if name in found:
            raise InputError(f"--vary: {name}: is given twice")
        found[name] = levels
    return found
