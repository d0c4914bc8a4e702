"""How designs of a space are told: the words that make them, their quantities in short form, tables of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sunetlab import SUNetSpec
from sunetlab.files import shown

from .output import binary, short

if TYPE_CHECKING:
    from sunetlab.space.pick import Design


def build_words(spec: SUNetSpec) -> str:
    """A network as flags: "--depth 2 --n 128 --stacks 2,7,7,1"."""
    names = {"num_classes": "classes"}
    flags = []
    for word, value in spec.words().items():
        flag = "--" + names.get(word, word).replace("_", "-")
        flags.append(flag if value is True else f"{flag} {shown(value).strip(chr(39))}")
    return " ".join(flags)


def told(name: str, value: Any) -> str:
    """A quantity's value with its unit: 6.91 M, 152 MiB, 3,003 px, true."""
    from sunetlab.space.arrays.quantities import column

    unit = column(name).quantity.unit
    if unit == "bytes":
        return binary(value)
    if unit == "px":
        return f"{value:,}"
    return value if isinstance(value, str) else f"{value:,}" if value < 10_000 else short(value)


def row(design: "Design", values: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """A design's factors and quantities as cells."""
    return [shown(level).strip("'") for level in design.levels.values()] + [told(name, values[name]) for name in names]
