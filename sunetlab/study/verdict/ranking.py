"""Does choosing by one measure choose well by another? The order of the designs, and what the choice costs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sunetlab.study.verdict.rank import Rank, kendall


@dataclass(frozen=True)
class Ranking:
    """One measure of some designs beside another.

    Attributes:
        first, second: names of the measures.
        rank: Kendall's τ of the two.
        place: of the first measure's best design, of equals the worst by the second, among all by the second, from 1; 0
            where there is no design.
        regret: by how much it falls short of the second measure's best, in the results' unit.
        first_values, second_values: the designs' means, in the same order.
        sentence: the same in words.
    """

    first: str
    second: str
    rank: Rank
    place: int
    regret: float
    first_values: tuple[float, ...]
    second_values: tuple[float, ...]
    sentence: str


def ranked(first: str, second: str, a: Sequence[float], b: Sequence[float], alpha: float = 0.05) -> Ranking:
    """Compare the order of designs by two measures, of both of which more is better.

    Args:
        first: name of the measure that would be chosen by.
        second: of the one that matters.
        a: (designs,) the first measure's means.
        b: (designs,) the second's, in the same order of designs.
        alpha: level at which an order is held to be more than chance.
    """
    rank, place, regret, equals = kendall(a, b), 0, math.nan, 0
    if a:
        best = [index for index, value in enumerate(a) if value == max(a)]
        chosen, equals = min(best, key=b.__getitem__), len(best)  # whoever chooses among equals may choose the worst
        place, regret = 1 + sum(value > b[chosen] for value in b), max(b) - b[chosen]
    who = f"the best by {first}" + (f" (the worst of {equals} equals)" if equals > 1 else "")
    cost = f"{who} is number {place} by {second}"
    if regret > 0:
        cost += f", {100 * regret:.2f} points below its best"
    sentence = _sentence(first, second, rank, cost, alpha)
    return Ranking(first, second, rank, place, regret, tuple(a), tuple(b), sentence)


def _sentence(first: str, second: str, rank: Rank, cost: str, alpha: float) -> str:
    if math.isnan(rank.tau):
        return f"No conclusion on {first} against {second}: {rank.designs} designs have both, too few to have an order."
    within = f"95 % interval {rank.low:.2f} to {rank.high:.2f}"
    figures = f"τ = {rank.tau:.2f} ({within}; {rank.designs} designs, p = {rank.p:.3g})"
    if rank.p > alpha:
        return f"No conclusion on whether {first} puts designs in the order of {second}: {figures}; {cost}."
    order = "in the order of" if rank.tau > 0 else "against the order of"
    how = "strictly" if rank.low > 0.8 else "largely" if rank.tau > 0.6 else "in part" if rank.tau > 0.3 else "a little"
    return f"{first} puts designs {how if rank.tau > 0 else ''} {order} {second}: {figures}; {cost}.".replace("  ", " ")
