"""What a study can show, before its first trial: the seeds for a difference, the difference for so many seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

from sunetlab.space.pick import Design
from sunetlab.study.baseline import families
from sunetlab.study.definition import Study
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


def comparisons_of(study: Study, designs: Sequence[Design]) -> int:
    """How many comparisons a task's verdict makes; 0 without a baseline."""
    if study.baseline is None:
        return 0
    return sum(map(len, families(study.baseline, study.telling, [one.levels for one in designs]).values()))


def too_few(study: Study, designs: Sequence[Design], alpha: float = 0.05) -> str | None:
    """Why a study's seeds cannot show anything, and how many could; None where they can, or nothing is compared."""
    count = comparisons_of(study, designs)
    if not count or len(study.seeds) >= (fewest := fewest_pairs(alpha / count)):
        return None
    family = f"{count} comparison{'s' if count > 1 else ''}"
    return f"seeds: {len(study.seeds)} cannot show any difference in {family}; it takes {fewest} at the least"
