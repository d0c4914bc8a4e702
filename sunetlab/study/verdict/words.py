"""A comparison in one sentence: what the evidence says, or that it says nothing, and what it could have said."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sunetlab.study.verdict.family import holm
from sunetlab.study.verdict.paired import Comparison, fewest_pairs
from sunetlab.study.verdict.power import detectable_effect

Outcome = Literal["better", "worse", "no conclusion"]


@dataclass(frozen=True)
class Verdict:
    """What may be claimed of one comparison.

    Attributes:
        name: of the second arm.
        against: of the first.
        comparison: the figures.
        p: adjusted for the family (Holm 1979).
        detectable: the least true difference that would have been shown in this family four times out of five; inf
            where none could.
        outcome: of the second arm, as larger results are better.
        sentence: the same in words.
    """

    name: str
    against: str
    comparison: Comparison
    p: float
    detectable: float
    outcome: Outcome
    sentence: str


def judged(
    comparisons: Mapping[tuple[str, str], Comparison],
    unit: str = "points",
    scale: float = 100.0,
    alpha: float = 0.05,
    family: int = 0,
) -> list[Verdict]:
    """Judge a family of comparisons.

    Args:
        comparisons: by the names of the arm and of the one that it is compared with; differences are those of the first
            of them to the second, larger is better.
        unit: what a difference is told in.
        scale: units in 1 of the results.
        alpha: chance of a false claim anywhere in the family.
        family: how many comparisons there were to be, those among them that came to nothing; at least these.
    """
    family = max(family, len(comparisons))
    missing = [1.0] * (family - len(comparisons))
    adjusted = holm([*(comparison.p for comparison in comparisons.values()), *missing])[: len(comparisons)]
    tell = _Tell(unit, scale, family, alpha)
    verdicts = []
    for ((name, against), found), p in zip(comparisons.items(), adjusted.tolist(), strict=True):
        outcome: Outcome = "no conclusion"
        if p <= alpha:
            outcome = "better" if found.difference > 0 else "worse"
        least = detectable_effect(found.pairs, found.spread, alpha / family)
        sentence = _sentence(name, against, found, p, outcome, tell, least)
        verdicts.append(Verdict(name, against, found, p, least, outcome, sentence))
    return verdicts


@dataclass(frozen=True)
class _Tell:
    unit: str
    scale: float
    family: int
    alpha: float

    def amount(self, value: float) -> str:
        return f"{self.scale * value:.2f}"


def _sentence(name: str, against: str, found: Comparison, p: float, outcome: Outcome, tell: _Tell, least: float) -> str:
    seeds = f"{found.pairs} shared seed{'s' if found.pairs != 1 else ''}"
    size = abs(found.difference) if outcome != "no conclusion" else found.difference
    amount = f"{tell.amount(size)} {tell.unit}"
    within = f"95 % interval {tell.amount(found.low)} to {tell.amount(found.high)}"
    holm_words = f", Holm over {tell.family}" if tell.family > 1 else ""
    if outcome != "no conclusion":
        return f"{name} is {outcome} than {against} by {amount} ({within}; {seeds}, exact p = {p:.3g}{holm_words})."
    fewest = fewest_pairs(tell.alpha / tell.family)
    if found.pairs < fewest:
        rule = f"{seeds} cannot show any difference at all here; {fewest} could"
        return f"No conclusion on {name} against {against}: {rule} (found: {amount})."
    could = (
        ""
        if math.isinf(least) or not found.spread
        else f"; {tell.amount(least)} or more would have been shown four times out of five"
    )
    figures = f"{amount} ({within}; {seeds}, exact p = {p:.3g}{holm_words})"
    return f"No conclusion on {name} against {against}: {figures}{could}."
