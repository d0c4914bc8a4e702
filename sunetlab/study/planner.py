"""What a study can show, before its first trial: the seeds for a difference, the difference for so many seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sunetlab.space.pick import Design, drawn, where_of
from sunetlab.space.pick import design as design_of
from sunetlab.study.baseline import families
from sunetlab.study.candidate import Candidate, candidate
from sunetlab.study.definition import Study, StudyTask
from sunetlab.study.designs import make_designs, make_space, training_of
from sunetlab.study.verdict import detectable_effect, fewest_pairs, pairs_needed

SAMPLED = 5  # designs of a search that are timed for all


class Load(NamedTuple):
    """What a task has to train.

    Attributes:
        timed: trials of which it is enough to time one each.
        times: how many trainings of its length each of them stands for, at most where trials may be stopped.
        words: what is trained, in words.
    """

    timed: tuple[Candidate, ...]
    times: float
    words: str


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
    """How many comparisons a task's verdict makes; without a baseline, how many it would make with one."""
    if study.is_adaptive or study.rank is not None:
        return 0
    if study.baseline is None:
        return len(designs) - 1
    return sum(map(len, families(study.baseline, study.telling, [one.levels for one in designs]).values()))


def too_few(study: Study, designs: Sequence[Design], alpha: float = 0.05) -> str | None:
    """Why a study's seeds cannot show anything, and how many could; None where they can, or nothing is compared."""
    count = comparisons_of(study, designs) if study.baseline is not None else 0
    if not count or len(study.seeds) >= (fewest := fewest_pairs(alpha / count)):
        return None
    family = f"{count} comparison{'s' if count > 1 else ''}"
    return f"seeds: {len(study.seeds)} cannot show any difference in {family}; it takes {fewest} at the least"


def load_of(study: Study, task: StudyTask, classes: int, size: tuple[int, int] | None) -> Load:
    """What a study trains for a task: of a search some designs that it could try stand for those that it will."""
    seeds, recipe = len(study.seeds), task.recipe
    times, words = float(seeds), _counted(seeds, "seed")
    if study.is_adaptive:
        space = make_space(study, task, classes, size)
        found = drawn(space, where_of(space, study.where), SAMPLED, study.sampler_seed, training=training_of(recipe))
        designs = tuple(design_of(space, int(number)) for number in found.numbers)
        tried = min(study.designs or 0, found.funnel.survivors)
        times, count = tried * seeds / len(designs), tried
    else:
        designs = make_designs(study, task, classes, size)
        count = len(designs)
    if study.tune is not None:
        part = (study.tune.epochs or recipe.epochs) / recipe.epochs
        tunings = len(study.tune.lr) * len(study.tune.seeds)
        times, words = times + tunings * part, f"{words}, and {_counted(tunings, 'training')} each to tune its rate"
    if study.winners is not None:
        anew = (study.winners.designs + len(study.winners.beside)) * len(study.winners.seeds)
        times, words = times + anew / len(designs), f"{words}, and {_counted(anew, 'training')} at the end"
    if study.pruner != "none":
        words += ", at most: trials may be stopped"
    timed = tuple(candidate(task, one, study.seeds[0]) for one in designs)
    return Load(timed, times, f"{_counted(count, 'design')} x {words}")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
