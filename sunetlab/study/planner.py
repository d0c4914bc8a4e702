"""What a study can show, before its first trial: the seeds for a difference, the difference for so many seeds."""

from dataclasses import dataclass

from sunetlab.study.verdict import detectable_effect, fewest_pairs, pairs_needed


@dataclass(frozen=True)
class Power:
    """What a family of comparisons with one design can show.

    Attributes:
        comparisons: how many there are.
        seeds: how many each of them has.
        fewest: seeds with which anything could be shown.
        detectable: the least difference that is shown four times out of five; inf where none is.
        needed: seeds for the difference that was asked about; None where none was.
    """

    comparisons: int
    seeds: int
    fewest: int
    detectable: float
    needed: int | None


def power_of_study(
    comparisons: int, seeds: int, spread: float, effect: float | None = None, alpha: float = 0.05
) -> Power:
    """What `comparisons` with a baseline can show, each at level alpha / comparisons: the first and hardest of Holm's.

    Args:
        comparisons: designs beside the baseline.
        seeds: shared by all of them.
        spread: standard deviation of the differences between two designs with the same seed.
        effect: a difference that is asked about, in the unit of `spread`, not 0.
        alpha: chance of a false claim among all comparisons.
    """
    level = alpha / comparisons
    needed = None if effect is None else pairs_needed(effect, spread, level)
    return Power(comparisons, seeds, fewest_pairs(level), detectable_effect(seeds, spread, level), needed)
