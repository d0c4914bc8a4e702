"""How figures look: the sizes of letters, the colours and what they mean, in light and in dark.

Colours are written out, not taken from variables: programs that turn SVG into PDF know classes, but not variables, and
pass over the part for dark screens.
"""

from collections.abc import Sequence
from typing import NamedTuple

SPACE = 8.0  # px; distances are multiples of it
WIDEST = 976.0  # px; a figure goes on in a further row rather than be wider: it is often shown 900 px wide


class Face(NamedTuple):
    """Letters of one kind."""

    size: float  # px
    bold: bool = False


FACES = {
    "title": Face(17, bold=True),
    "head": Face(13, bold=True),
    "small": Face(12),
}


class Ink(NamedTuple):
    """A colour on a light page and on a dark one."""

    light: str
    dark: str


PAPER = Ink("#ffffff", "#0d1117")
WORDS = Ink("#1f2328", "#e6edf3")
MUTED = Ink("#57606a", "#9da7b3")
CARD = Ink("#f4f6f8", "#161b22")
RULE = Ink("#d0d7de", "#30363d")
WIRE = Ink("#59636e", "#9da7b3")

TONES: dict[str, tuple[Ink, Ink]] = {  # what a box is → its inside and its border
    "point": (Ink("#f0eafc", "#271d3f"), Ink("#7a55c7", "#a98bea")),  # 1×1
    "conv": (Ink("#e1edfd", "#12263f"), Ink("#2f6fc4", "#5b9bf0")),  # 3×3, stride 1
    "down": (Ink("#fff0d4", "#38290c"), Ink("#b36b00", "#e3a33b")),  # a stride on the way down
    "up": (Ink("#dff5e6", "#102e1c"), Ink("#1c8047", "#4cc27a")),  # transposed, bilinear
    "pool": (Ink("#e7ebef", "#2a313a"), Ink("#6b7683", "#8b96a3")),
    "plain": (PAPER, WIRE),
}

_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def stylesheet() -> str:
    """The classes that a figure uses, for a light page, then what differs on a dark one."""
    faces = "".join(
        f".sunet .{name}{{font-size:{face.size:g}px;font-weight:{600 if face.bold else 400}}}"
        for name, face in FACES.items()
    )
    shapes = ".sunet .wire,.sunet .rule,.sunet .sign{fill:none}.sunet .wire,.sunet .sign{stroke-width:1.4}"
    text = f".sunet text{{font-family:{_FONT}}}"
    return f"{text}{faces}{shapes}{_colours(dark=False)}@media (prefers-color-scheme:dark){{{_colours(dark=True)}}}"


def themed(rules: Sequence[tuple[str, str, Ink]]) -> str:
    """Further rules of one figure, each a class, a property and its colour."""

    def of(dark: bool) -> str:
        return "".join(f".sunet .{name}{{{key}:{ink.dark if dark else ink.light}}}" for name, key, ink in rules)

    return f"{of(dark=False)}@media (prefers-color-scheme:dark){{{of(dark=True)}}}"


def _colours(dark: bool) -> str:
    def of(ink: Ink) -> str:
        return ink.dark if dark else ink.light

    rules = {
        "text": f"fill:{of(WORDS)}",
        ".muted": f"fill:{of(MUTED)}",
        ".paper": f"fill:{of(PAPER)}",
        ".card": f"fill:{of(CARD)}",
        ".rule": f"stroke:{of(RULE)}",
        ".wire,.sunet .sign": f"stroke:{of(WIRE)}",
        ".tip": f"fill:{of(WIRE)}",
        ".deep": f"fill:{of(TONES['conv'][1])};fill-opacity:0.5",
    }
    for name, (inside, border) in TONES.items():
        rules[f".{name}"] = f"fill:{of(inside)};stroke:{of(border)}"
    return "".join(f".sunet {selector}{{{rule}}}" for selector, rule in rules.items())
