"""Numbers as a figure says them."""

from collections.abc import Iterable

from sunetlab.analysis.fov import Field
from sunetlab.analysis.plan import Size
from sunetlab.presets import PRESETS, preset
from sunetlab.spec import SUNetSpec


def count(number: int) -> str:
    """A whole number in groups of three."""
    return f"{number:,}"


def short(number: int) -> str:
    """A whole number in thousands, millions, … to three digits."""
    value = float(f"{number:.3g}")  # first, for 999,999 is a million
    for size, unit in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:#.3g}".rstrip(".") + f" {unit}"
    return str(number)


def sides(size: Size) -> str:
    """(height, width) as H×W."""
    return f"{size[0]}×{size[1]}"


def extent(numbers: Iterable[int]) -> str:
    """One number where all are equal, else the smallest and the largest."""
    found = sorted(set(numbers))
    return count(found[0]) if len(found) == 1 else f"{count(found[0])}–{count(found[-1])}"


def runs(numbers: Iterable[int]) -> str:
    """Rising numbers, those that follow one another as one: `3, 5–9`."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(extent(run) for run in found)


def plural(number: int, word: str) -> str:
    """How many of something."""
    return f"{count(number)} {word}" + ("" if number == 1 else "s")


def field_words(field: Field) -> str:
    """A field of view, least to most over positions; an upper bound where it is no more than that."""
    return ("" if field.exact else "≤ ") + extent((field.least, field.most))


def name_of(spec: SUNetSpec) -> str:
    """The preset's name, or the id."""
    return next((name for name in PRESETS if preset(name) == spec), f"SUNet {spec.id}")
