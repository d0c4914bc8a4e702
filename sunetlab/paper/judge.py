"""Verdicts, derived from a claim's figures and its computation by one function."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Literal, NamedTuple

from sunetlab.paper.claim import Claim, Comparison, Computed, Figure, Number, Reading

Verdict = Literal["holds", "holds when read as", "differs", "contradicts", "needs training"]
VERDICTS: tuple[Verdict, ...] = ("holds", "holds when read as", "differs", "contradicts", "needs training")

ABOUT = Fraction(1, 10)  # how far "about" may be off, relative to the figure


class Finding(NamedTuple):
    """A claim judged.

    Attributes:
        claim: the row.
        verdict: one of `VERDICTS`.
        reading: what was computed, in the reading that the verdict rests on; None where training is needed.
        note: how the claim is read, by how much it differs, what it contradicts, or the study that would test it.
    """

    claim: Claim
    verdict: Verdict
    reading: Reading | None
    note: str


def judge(claim: Claim, computed: Computed | None, claims: Mapping[str, Claim]) -> Finding:
    """The verdict on a claim.

    The plain reading comes first; then another place of the paper that says otherwise; then other readings.

    Args:
        claim: the row.
        computed: what its computation found; None where it has none.
        claims: all rows by id, for those that give the same figures.
    """
    if computed is None:
        return Finding(claim, "needs training", None, f"study {claim.study}")
    plain, *others = computed.readings
    way = fits(claim, plain)
    if way is not None:
        return Finding(claim, "holds when read as" if way else "holds", plain, way)
    apart = difference(claim, plain)
    rivals = [other for other in map(claims.__getitem__, claim.same_as) if _disagree(claim, other)]
    if rivals:
        said = "; ".join(f"{rival.id} ({rival.place}) says {figures(rival)}" for rival in rivals)
        return Finding(claim, "contradicts", plain, f"{said}; {apart}")
    for reading in others:
        way = fits(claim, reading)
        if way is not None:
            return Finding(claim, "holds when read as", reading, f"{way} (else {apart})")
    tried = (f"nor as {reading.way}: {', '.join(map(shown, reading.values))}" for reading in others)
    return Finding(claim, "differs", plain, "; ".join((apart, *tried)))


def figures(claim: Claim) -> str:
    """A claim's figures, as printed."""
    return ", ".join(figure.text for figure in claim.figures)


def with_unit(claim: Claim, values: str) -> str:
    """Computed values, as they are shown, with what they count."""
    return f"{values} {claim.unit.replace('(s)', '' if values == '1' else 's')}".rstrip()


def shown(value: Number) -> str:
    """A computed number: whole ones in groups of three, others to four digits."""
    exact = Fraction(value)
    if exact.denominator == 1:
        return f"{int(exact):,}"
    return f"{float(value):.4g}" if abs(exact) < 1000 else f"{float(value):,.0f}"


def difference(claim: Claim, reading: Reading) -> str:
    """By how much computed values differ from a claim's figures, where they do, and how the claim was read for it."""
    parts: dict[str, list[str]] = {}
    for figure, value in _pairs(claim, reading):
        if COMPARISONS[claim.compare](figure, value) is None:
            parts.setdefault(figure.text, []).append(_apart(figure, value))
    several = len(claim.figures) > 1
    texts = [f"{text}: {', '.join(values)}" if several else ", ".join(values) for text, values in parts.items()]
    word = ""
    if claim.figures and not claim.figures[0].step:
        texts = [with_unit(claim, text) for text in texts]
        word = f", against {shown(claim.figures[0].value)}"
    return "; ".join(texts) + word + (f", as {reading.way}" if reading.way else "")


def _apart(figure: Figure, value: Number) -> str:
    if not figure.step:  # a word
        return shown(value)
    more = Fraction(value) - figure.value
    share = f" ({float(100 * more / figure.value):+.1f} %)" if figure.value else ""
    return f"{shown(value)} is {shown(abs(more))} {'more' if more > 0 else 'less'}{share}"


def fits(claim: Claim, reading: Reading) -> str | None:
    """How a claim must be read for a reading to satisfy it; "" for as it stands, None where nothing helps."""
    ways = [COMPARISONS[claim.compare](figure, value) for figure, value in _pairs(claim, reading)]
    if None in ways:
        return None
    return ", ".join(dict.fromkeys(filter(None, (reading.way, *ways))))


def _pairs(claim: Claim, reading: Reading) -> list[tuple[Figure, Number]]:
    """Figures with their values; one figure stands for all values."""
    many = len(claim.figures)
    if many not in (1, len(reading.values)):
        raise ValueError(f"{claim.id}: {many} figures, but {len(reading.values)} computed values")
    return [(claim.figures[index % many], value) for index, value in enumerate(reading.values)]


def _disagree(claim: Claim, other: Claim) -> bool:
    """Whether no number could be printed as both: counts must be the same, roundings must meet."""
    exact = "exact" in (claim.compare, other.compare)
    return any(
        abs(a.value - b.value) * 2 > (0 if exact else a.step + b.step)
        for a, b in zip(claim.figures, other.figures, strict=True)
    )


def _exact(figure: Figure, value: Number) -> str | None:
    return "" if value == figure.value else None


def _rounded(figure: Figure, value: Number) -> str | None:
    if value == figure.value:
        return ""
    return f"rounded to {_unit(figure)}" if abs(Fraction(value) - figure.value) * 2 <= figure.step else None


def _unit(figure: Figure) -> str:
    """One unit of a figure's last digit, as the figure is printed: 0.1M, 1×."""
    text = f"{float(figure.step):g}"
    for letter, scale in (("M", 10**6), ("K", 10**3)):
        if figure.text.endswith(letter):
            text = f"{float(figure.step / scale):g}{letter}"
    return text + next((unit for unit in "%×" if figure.text.endswith(unit)), "")


def _about(figure: Figure, value: Number) -> str | None:
    if value == figure.value:
        return ""
    return "about, within a tenth" if abs(Fraction(value) / figure.value - 1) <= ABOUT else None


def _bound(holds: Callable[[Number, Number], bool]) -> Callable[[Figure, Number], str | None]:
    return lambda figure, value: "" if holds(value, figure.value) else None


# How a figure and a computed value compare: "" where they agree as they stand, how the figure is to be read where
# they agree so, None where they do not.
COMPARISONS: dict[Comparison, Callable[[Figure, Number], str | None]] = {
    "exact": _exact,
    "rounded": _rounded,
    "about": _about,
    "at least": _bound(lambda value, figure: value >= figure),
    "at most": _bound(lambda value, figure: value <= figure),
    "more than": _bound(lambda value, figure: value > figure),
    "less than": _bound(lambda value, figure: value < figure),
}
