"""What stands at the end of a study, in words, and why it is no verdict: the lead beside the spread between seeds."""

import math
from collections.abc import Sequence

from sunetlab.study.page.arms import Arm

TIE = "\u00a0"  # a space that no line is broken at


def standing(arms: Sequence[Arm], value_name: str, is_over: bool = True) -> tuple[str, str]:
    """What stands, and why it is no verdict: two sentences, the second to follow "No verdict: ".

    Args:
        arms: the designs with finished trials, the best first.
        value_name: such as "accuracy".
        is_over: whether no trial is left to run.
    """
    if not arms:
        return "No trial has finished yet.", "there is nothing to compare."
    best, so_far = arms[0], "" if is_over else " so far"
    value = f"{_percent(best.mean)} validation {value_name} ({_seeds(best)})"
    if len(arms) == 1:
        return (
            f"{best.label} is the only design that has finished{so_far}: {value}.",
            "there is nothing to compare it with.",
        )
    second, lead = arms[1], best.mean - arms[1].mean
    ahead = f"{lead:.1f} points above" if lead > 0 else "level with"
    text = f"The best of {len(arms)} designs{so_far}, {best.label}, has {value}, {ahead} the second, {second.label} "
    return text + f"({_percent(second.mean)}, {_seeds(second)}).", _doubt(arms, lead)


def pooled_spread(arms: Sequence[Arm]) -> float | None:
    """Standard deviation between seeds of one design, pooled over designs: √(Σ squares / Σ (seeds − 1)), in points."""
    squares = sum((value - arm.mean) ** 2 for arm in arms for value in arm.values)
    freedom = sum(len(arm.values) - 1 for arm in arms)
    return math.sqrt(squares / freedom) if freedom else None


def _doubt(arms: Sequence[Arm], lead: float) -> str:
    """Why a lead proves nothing: the spread between seeds beside it, or that nobody knows the spread."""
    spread, fewest = pooled_spread(arms), min(len(arm.values) for arm in arms[:2])
    if spread is None:
        return "one seed cannot tell designs apart; how far chance alone moves a value is not known here."
    seeds = f"seeds of one and the same design differ by {spread:.1f} points (standard deviation)"
    if fewest < 2:
        return f"{seeds}, and one of the first two has a single seed, which cannot tell designs apart."
    if lead <= spread:
        return f"{seeds}, so that chance alone can make such a lead."
    return f"{seeds}, less than the lead, but {fewest} seeds are few and the best was picked after looking."


def _percent(value: float) -> str:
    return f"{value:.1f}{TIE}%"


def _seeds(arm: Arm) -> str:
    return f"mean of {len(arm.values)} seeds" if len(arm.values) > 1 else "1 seed"
