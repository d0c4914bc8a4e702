"""Which design to try next: TPE's proposal from the results so far, landed on a feasible design that is new.

Optuna's TPE (Bergstra et al. 2011; multivariate as in Falkner et al. 2018) knows points of a cube and their values; a
`Feasible` makes designs of points. What TPE is told of a design is the design's own point, not the one that it had
proposed and that another design may have held already. A proposal depends on the results and the seed alone, so a
search that was stopped goes on as if it had not been.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.samplers import TPESampler
from optuna.trial import create_trial

from sunetlab.space.land import Feasible

STARTUP = 10  # results without which nothing is learnt from: points before them are random
UNIT = FloatDistribution(0, 1)


class Search(NamedTuple):
    """Designs of `feasible`, one after another, at most so many."""

    feasible: Feasible
    designs: int
    seed: int

    @property
    def total(self) -> int:
        """How many designs are tried in the end."""
        return min(self.designs, len(self.feasible))

    def next(self, tried: Mapping[int, float | None]) -> int | None:
        """The number of the next design; None where enough were tried.

        Args:
            tried: number of a design → its value, None where it has none; of such a one nothing is learnt.
        """
        if len(tried) >= self.total:
            return None
        results = [(self.feasible.point(number), value) for number, value in tried.items() if value is not None]
        seed = int(np.random.SeedSequence((self.seed, len(tried))).generate_state(1)[0])
        return self.feasible.land(propose(self.feasible.scalars, results, seed), tried)


def propose(names: Sequence[str], results: Sequence[tuple[Mapping[str, float], float]], seed: int) -> dict[str, float]:
    """A point of the unit cube that TPE holds promising.

    Args:
        names: of the cube's sides.
        results: points and their values, higher ones better, in the order in which they came.
        seed: of the proposal; the same results and seed give the same point.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sides = dict.fromkeys(names, UNIT)
    sampler = TPESampler(n_startup_trials=STARTUP, multivariate=True, seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials([create_trial(params=dict(p), distributions=dict(sides), value=value) for p, value in results])
    return study.ask(dict(sides)).params
