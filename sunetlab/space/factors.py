"""What varies, as a designer says it, in a file or in a flag → levels, each of them one choice or a product of choices.

    factor  = level {"," level}
    level   = word | entry {"x" entry}           for depth, stacks, widths and dilations an entry per block
    entry   = choice {"|" choice} ["n"]          "n": multiples of N, for widths
    choice  = number [".." number [":" step]]    both ends included

`n=16..256:16`, `stacks=1..3x1..8x1..8x1|2`, `stacks=2x4x4x1,2x7x7x1`, `depth=1..3`, `widths=rule,2..8nx4..12n`. The
widths of the rule can be multiplied: `widths=rule*0.5`, `widths=rule*0.25..2:0.05`. In a file a factor is such a text
or a list of levels, which may be texts, numbers, words or lists with an entry per block.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import prod
from typing import Any, NamedTuple

from sunetlab.errors import InputError
from sunetlab.files import shown
from sunetlab.spec import Words

PER_BLOCK = ("depth", "stacks", "widths", "dilations")
NUMBERS = ("n", "stem_width", "in_channels", "num_classes", "output_stride")
WORDS = tuple(Words.model_fields)
MOST_CHOICES = 2**20  # of one entry
MOST_NUMBER = 999_999_999  # nine digits, as a text may have

_CHOICE = re.compile(r"\s*([0-9]{1,9})\s*(?:\.\.\s*([0-9]{1,9})\s*(?::\s*([0-9]{1,9})\s*)?)?")
_TIMES = r"\s*([0-9]{1,4}(?:\.[0-9]{1,4})?)\s*"
_SCALED = re.compile(rf"rule\s*\*{_TIMES}(?:\.\.{_TIMES}(?::{_TIMES})?)?")


class Entry(NamedTuple):
    """What one block, or the network, may have: numbers, or multiples of N."""

    numbers: tuple[int, ...]
    times_n: bool = False

    def __str__(self) -> str:
        """As in the grammar above, ranges written out."""
        return "|".join(map(str, self.numbers)) + ("n" if self.times_n else "")


class Product(NamedTuple):
    """A level of a factor that is said block by block: an entry for each."""

    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """How many combinations it has."""
        return prod(len(entry.numbers) for entry in self.entries)

    @property
    def first(self) -> tuple[int, ...]:
        """The first of them."""
        return tuple(entry.numbers[0] for entry in self.entries)

    def __str__(self) -> str:
        """As in the grammar above."""
        return "x".join(map(str, self.entries))


class Scaled(NamedTuple):
    """A level of widths: the rule's, times each of `numbers` / `under`."""

    numbers: tuple[int, ...]
    under: int

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.numbers)

    def __str__(self) -> str:
        """As in the grammar above."""
        first, last = (multiplier(number, self.under) for number in (self.numbers[0], self.numbers[-1]))
        if self.size == 1:
            return f"rule*{first}"
        return f"rule*{first}..{last}:{multiplier(self.numbers[1] - self.numbers[0], self.under)}"


def multiplier(number: int, under: int) -> str:
    """A number of a `Scaled` level as a decimal, exactly: `under` divides a power of ten."""
    return f"{(Decimal(number) / Decimal(under)).normalize():f}"


Level = Product | Scaled | int | str | bool


def count_levels(levels: Iterable[Any]) -> int:
    """How many choices some levels have together."""
    return sum(level.size if isinstance(level, Product | Scaled) else 1 for level in levels)


def level_name(level: Any) -> Any:
    """A level as one plain value: a list of numbers as "2,4,4,1"."""
    return shown(level) if isinstance(level, list | tuple) else level


def in_order(names: Iterable[Any], said: Any) -> list[Any]:
    """Levels by their names, each once: as a factor says them, then numbers, then all else, each ascending."""
    listed = [] if isinstance(said, str) else [level_name(level) for level in said]
    places = {str(level): place for place, level in enumerate(listed)}

    def key(name: Any) -> tuple[int, float, str]:
        number = name if isinstance(name, int | float) else 0
        return places.get(str(name), len(places)), number, str(name)

    return sorted(dict.fromkeys(names), key=key)


def parse_factors(factors: Mapping[str, Any]) -> dict[str, tuple[Level, ...]]:
    """Levels of every factor.

    >>> parse_factors({"n": "16..48:16"})
    {'n': (16, 32, 48)}

    Raises:
        InputError: a factor that is no word of a network; levels that are missing, malformed or stand twice.
    """
    found = {}
    for name, said in factors.items():
        if name not in WORDS:
            raise InputError(f"factors: {name}: no word of a network; known are {', '.join(WORDS)}")
        levels = tuple(_levels(name, said))
        if not levels:
            raise InputError(f"factors: {name}: {shown(said)}: must be a list of at least one level")
        if len(set(map(str, levels))) < len(levels):
            raise InputError(f"factors: {name}: {shown(said)}: a level stands twice")
        found[name] = levels
    return found


def _levels(name: str, said: Any) -> Iterator[Level]:
    if isinstance(said, str):
        said = said.split(",")
    if not isinstance(said, list | tuple):
        raise InputError(
            f"factors: {name}: {shown(said)}: must be a list of levels, or a text such as {_EXAMPLES[name]}"
        )
    for level in said:
        if isinstance(level, dict):
            raise InputError(f"factors: {name}: {shown(said)}: a level cannot be a table")
        if isinstance(level, list | tuple):
            yield _per_block(name, level, shown(level))
        elif isinstance(level, str):
            yield from _text(name, level)
        elif name in ("stacks", "dilations"):
            raise InputError(
                f"factors: {name}: {shown(level)}: must have an entry for each block, as {_EXAMPLES[name]}"
            )
        elif type(level) is int and abs(level) > MOST_NUMBER:
            raise InputError(f"factors: {name}: {shown(level)}: at most {MOST_NUMBER:,}")
        else:
            yield level


def _text(name: str, text: str) -> Iterator[Level]:
    """A level in a text; of a word of one number, every number of a range is one."""
    text = text.strip()
    if name in PER_BLOCK and ("x" in text or name in ("stacks", "dilations")):
        yield _per_block(name, text.split("x"), text)
    elif name == "widths" and re.fullmatch(r"[a-z]+", text):
        yield text
    elif name == "widths" and _SCALED.fullmatch(text):
        yield _scaled(name, text)
    elif name in (*NUMBERS, "depth"):
        yield from _entry(name, text).numbers
    elif name == "widths":
        yield _per_block(name, [text], text)
    elif name == "degrid":
        if text not in ("true", "false"):
            raise InputError(f"factors: {name}: {text!r}: must be true or false")
        yield text == "true"
    else:
        yield text


def _per_block(name: str, entries: Sequence[Any], text: str) -> Product:
    if name not in PER_BLOCK:
        raise InputError(f"factors: {name}: {text}: is one for the whole network, not one per block")
    if not entries:
        raise InputError(f"factors: {name}: {shown(entries)}: a network has at least one block")
    return Product(tuple(_entry(name, entry) for entry in entries))


def _entry(name: str, said: Any) -> Entry:
    if type(said) is int and 0 < said <= MOST_NUMBER:
        return Entry((said,))
    if not isinstance(said, str):
        raise InputError(
            f"factors: {name}: {shown(said)}: must be a whole number from 1 to {MOST_NUMBER:,}, or a text such as 1..4"
        )
    text = said.strip()
    times_n = text.endswith("n")
    if times_n and name != "widths":
        raise InputError(f"factors: {name}: {text!r}: multiples of N are for widths")
    numbers = [number for choice in text.removesuffix("n").split("|") for number in _choice(name, choice, text)]
    if len(set(numbers)) < len(numbers):
        raise InputError(f"factors: {name}: {text!r}: a number stands twice")
    return Entry(tuple(numbers), times_n)


def _choice(name: str, choice: str, text: str) -> range:
    match = _CHOICE.fullmatch(choice)
    if match is None:
        raise InputError(f"factors: {name}: {text!r}: must be numbers or ranges, such as {_EXAMPLES[name]}")
    first, step = int(match[1]), int(match[3] or 1)
    last = int(match[2] or first)
    if first < 1 or step < 1:
        raise InputError(f"factors: {name}: {text!r}: numbers and steps must be at least 1")
    if last < first:
        raise InputError(f"factors: {name}: {text!r}: the range from {first} to {last} is empty")
    if (last - first) // step >= MOST_CHOICES:
        raise InputError(f"factors: {name}: {text!r}: at most {MOST_CHOICES:,} numbers in a range")
    return range(first, last + 1, step)


_EXAMPLES = dict.fromkeys(WORDS, "16..256:16") | {
    "depth": "1..4 or 1..3x1..3x1..2x1",
    "stacks": "1..3x1..8x1..8x1|2",
    "widths": "rule, rule*0.5 or 2..8nx4..12n",
    "dilations": "1x1x1|2x2|4",
}


def _scaled(name: str, text: str) -> Scaled:
    match = _SCALED.fullmatch(text)
    if match is None:
        raise InputError(f"factors: {name}: {text!r}: must be such as rule*0.5 or rule*0.25..2:0.05")
    first, last, step = (Fraction(group) if group else None for group in match.groups())
    last = first if last is None else last
    step = Fraction(1, 10) if step is None else step
    if not first or not step or last is None:
        raise InputError(f"factors: {name}: {text!r}: multipliers and steps must be above 0")
    if last < first:
        raise InputError(f"factors: {name}: {text!r}: the range is empty")
    under = math.lcm(first.denominator, step.denominator)
    numbers = range(int(first * under), math.floor(last * under) + 1, int(step * under))
    if len(numbers) > MOST_CHOICES:
        raise InputError(f"factors: {name}: {text!r}: at most {MOST_CHOICES:,} numbers in a range")
    return Scaled(tuple(numbers), under)
