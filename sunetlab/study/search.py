"""Which design to try next: a sampler's proposal from the results so far, landed on a feasible design that is new.

Optuna's TPE (Bergstra et al. 2011; multivariate as in Falkner et al. 2018) and NSGA-II (Deb et al. 2002) know points of
a cube and their values; a `Feasible` makes designs of points. What the sampler is told of a design is the design's own
point, not the one that it had proposed and that another design may have held already. A proposal depends on the results
and the seed alone, so a search that was stopped goes on as if it had not been.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import NSGAIISampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from sunetlab.space.land import Feasible

if TYPE_CHECKING:
    from sunetlab.study.definition import Study

STARTUP = 10  # results without which TPE learns nothing: points before them are random
GENERATIONS = 5  # of NSGA-II: a fifth of the designs is a population, four at the least
UNIT = FloatDistribution(0, 1)
Point = Mapping[str, float]


class Tried(NamedTuple):
    """What was found of a design.

    Attributes:
        values: to be maximised; after it, where the search has a second aim, its cost. None where no trial finished.
        reports: of a trial that was stopped: epoch → value.
    """

    values: tuple[float, ...] = ()
    reports: Mapping[int, float] = {}


class Search(NamedTuple):
    """Designs of `feasible`, one after another, at most so many."""

    feasible: Feasible
    designs: int
    seed: int
    sampler: str = "tpe"

    @classmethod
    def of(cls, study: "Study", feasible: Feasible) -> Self:
        """The search of a study."""
        return cls(feasible, study.designs or 1, study.sampler_seed, study.sampler)

    @property
    def total(self) -> int:
        """How many designs are tried in the end."""
        return min(self.designs, len(self.feasible))

    def next(self, tried: Mapping[int, Tried]) -> int | None:
        """The number of the next design; None where enough were tried.

        Args:
            tried: number of a design → what was found of it; of one without values or reports nothing is learnt.
        """
        if len(tried) >= self.total:
            return None
        results = [(self.feasible.point(number), found) for number, found in tried.items()]
        seed = int(np.random.SeedSequence((self.seed, len(tried))).generate_state(1)[0])
        if self.sampler == "nsga2":
            point = evolve(self.feasible.scalars, results, seed, max(4, self.designs // GENERATIONS))
        else:
            point = propose(self.feasible.scalars, results, seed)
        return self.feasible.land(point, tried)


def propose(names: Sequence[str], results: Sequence[tuple[Point, Tried]], seed: int) -> dict[str, float]:
    """A point of the unit cube that TPE holds promising.

    Args:
        names: of the cube's sides.
        results: points and what was found of them, in the order in which they came; higher values are better.
        seed: of the proposal; the same results and seed give the same point.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sides = dict.fromkeys(names, UNIT)
    sampler = TPESampler(n_startup_trials=STARTUP, multivariate=True, seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for point, found in results:
        if found.values or found.reports:
            study.add_trial(_told(point, found, sides))
    return study.ask(dict(sides)).params


def evolve(
    names: Sequence[str], results: Sequence[tuple[Point, Tried]], seed: int, population: int
) -> dict[str, float]:
    """A child of the designs so far, by NSGA-II: values high, costs low.

    The search is played again from its beginning, for a child depends on all generations before it; who their parents
    were depends on results alone.

    Args:
        names: of the cube's sides.
        results: points and what was found of them, in the order in which they came.
        seed: of the child.
        population: results that make a generation.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sides = dict.fromkeys(names, UNIT)
    sampler = NSGAIISampler(population_size=population, seed=seed)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    for point, found in results:
        study.enqueue_trial(dict(point))
        trial = study.ask(dict(sides))
        sampler.get_trial_generation(
            study, study.get_trials(deepcopy=False)[-1]
        )  # noted by Optuna only where it draws parameters itself
        if found.values:
            study.tell(trial, found.values)
        else:
            study.tell(trial, state=TrialState.FAIL)
    return study.ask(dict(sides)).params


def _told(point: Point, found: Tried, sides: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """A trial that was finished elsewhere, or stopped there."""
    return create_trial(
        state=TrialState.COMPLETE if found.values else TrialState.PRUNED,
        value=found.values[0] if found.values else None,
        params=dict(point),
        distributions=dict(sides),
        intermediate_values=dict(found.reports),
    )
