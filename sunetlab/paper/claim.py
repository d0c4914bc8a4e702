"""A claim of the paper as a row of data: where it stands, in our words, its figures as printed, what computes it."""

import re
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from sunetlab.paper.studies import StudyName
from sunetlab.spec import SUNetSpec

Number = int | float | Fraction

Comparison = Literal["exact", "rounded", "about", "at least", "at most", "more than", "less than"]

_SCALES = {"K": 10**3, "M": 10**6}
_FIGURE = re.compile(
    r"(?P<number>\d+(?:\.\d+)?|\d{1,3}(?:, ?\d{3})+)"
    r"(?: ?× ?(?P<side>\d+)|(?P<unit>[KM%×²N]))?"
)


class Place(NamedTuple):
    """Where a claim stands in the paper.

    Attributes:
        section: its number or letter, or "abstract".
        page: from 1.
        item: a table or figure, such as "Table 1"; "" for the text.
    """

    section: str
    page: int
    item: str = ""

    def __str__(self) -> str:
        """`§4, Table 1, p. 5`."""
        section = self.section if self.section == "abstract" else f"§{self.section}"
        return ", ".join(filter(None, (section, self.item, f"p. {self.page}")))


class Figure(NamedTuple):
    """One figure of the paper.

    Attributes:
        text: as the paper prints it, a number ("6.9M") or a word ("most").
        value: in plain units: 6.9M is 6,900,000; 82.2% is 82.2; 56 × 56 is 56; of a word, how we read it.
        step: one unit of the last digit printed; 0 for a word.
    """

    text: str
    value: Fraction
    step: Fraction


class Quantity(NamedTuple):
    """What a figure counts of a network, so that a change of design may be searched that gives the figure.

    Attributes:
        spec: the network as the paper describes it.
        of: "params" or "layers"; see `reconcile.COUNTS`.
    """

    spec: SUNetSpec
    of: str


class Change(NamedTuple):
    """Words of a design with their new values, said in words; its size is relative to the value before."""

    words: str
    size: float
    design: dict[str, Any]


class Reading(NamedTuple):
    """What was computed under one way to read a claim.

    Attributes:
        values: one per figure, or several for a figure that stands for all of them.
        derivation: how they came about, in words.
        way: how the claim is read; "" for the plain reading.
    """

    values: tuple[Number, ...]
    derivation: str
    way: str = ""


class Search(NamedTuple):
    """The designs among which one may be sought for which a claim holds.

    Attributes:
        changes: ways to list them, coarse ones first; finer ones are tried where those do not help.
        readings: what is computed of a design, by its new words; `InputError` where there is no such design.
    """

    changes: tuple[Callable[[], Iterable[Change]], ...]
    readings: Callable[[Mapping[str, Any]], tuple[Reading, ...]]


class Computed(NamedTuple):
    """What a claim's computation found.

    Attributes:
        readings: the plainest first.
        quantity: of a network, if it is one.
        search: where else a change of design may be sought.
    """

    readings: tuple[Reading, ...]
    quantity: Quantity | None = None
    search: Search | None = None


class Claim(NamedTuple):
    """One claim.

    Attributes:
        id: its name on the command line.
        place: where it stands.
        words: what it says, in our words.
        figures: the paper's.
        compare: how figures and computed values are compared; see `judge.COMPARISONS`.
        compute: the computation; None where only training can tell.
        study: the study that would test it; None where a computation can tell.
        same_as: claims that give the same figures.
        together: claims that a change of design must satisfy as well.
        unit: what the computed values count, after them: "pool(s) left"; "(s)" is read by their number.
        measured: what was measured, not designed, so that no change of design applies.
    """

    id: str
    place: Place
    words: str
    figures: tuple[Figure, ...] = ()
    compare: Comparison = "exact"
    compute: Callable[[], Computed] | None = None
    study: StudyName | None = None
    same_as: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    unit: str = ""
    measured: Literal["", "errors", "times"] = ""


def printed(*texts: str) -> tuple[Figure, ...]:
    """Figures as the paper prints them.

    >>> printed("6.9M")[0].value, printed("6.9M")[0].step
    (Fraction(6900000, 1), Fraction(100000, 1))

    Raises:
        ValueError: a text that is no figure.
    """
    return tuple(_figure(text) for text in texts)


def reads(text: str, value: Number) -> tuple[Figure, ...]:
    """A word of the paper, and the number that we read in it."""
    return (Figure(text, Fraction(value), Fraction(0)),)


def number(text: str) -> Fraction:
    """The value of a figure as printed."""
    return _figure(text).value


def _figure(text: str) -> Figure:
    match = _FIGURE.fullmatch(text)
    if match is None or match["side"] not in (None, match["number"]):
        raise ValueError(f"{text!r}: no figure")
    digits = match["number"].replace(",", "").replace(" ", "")
    scale = _SCALES.get(match["unit"] or "", 1)
    decimals = len(digits.partition(".")[2])
    return Figure(text, Fraction(digits) * scale, Fraction(scale, 10**decimals))


def found(*values: Number, because: str) -> Computed:
    """A computation with one reading, the plain one."""
    return Computed((Reading(values, because),))
