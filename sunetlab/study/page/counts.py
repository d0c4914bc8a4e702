"""How far a task is, and why trials failed."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sunetlab.study import results
from sunetlab.study.definition import Study, StudyTask
from sunetlab.study.designs import make_designs
from sunetlab.study.page.rows import Row, failed


class Reason(NamedTuple):
    """A reason of failure: how many trials, and of how many designs."""

    reason: str
    trials: int
    designs: int


class Counts(NamedTuple):
    """The trials of a task: all, and what became of them."""

    total: int
    finished: int
    stopped: int  # by a pruner
    failures: tuple[Reason, ...]  # the commonest first

    @property
    def failed(self) -> int:
        """Trials that failed."""
        return sum(each.trials for each in self.failures)

    @property
    def left(self) -> int:
        """Trials that are still to be run."""
        return self.total - self.finished - self.stopped - self.failed


def counts_of(study: Study, task: StudyTask, folder: Path, trials: Sequence[Row]) -> Counts:
    """What became of a task's trials, of all stages."""
    states = Counter(trial["state"] for trial in trials)
    reasons = Counter(trial["reason"] for trial in trials if failed(trial))
    designs = {
        reason: len({trial["design"] for trial in trials if failed(trial) and trial["reason"] == reason})
        for reason in reasons
    }
    failures = tuple(Reason(reason, count, designs[reason]) for reason, count in reasons.most_common())
    return Counts(_total(study, task, folder, trials), states["finished"], states["pruned"], failures)


def _total(study: Study, task: StudyTask, folder: Path, trials: Sequence[Row]) -> int:
    """How many trials a task has in the end; of a stage that has not begun as many as it is known to have at most."""
    begun = Counter(trial["stage"] for trial in trials)
    designs = 0 if study.is_adaptive or begun["trial"] else _designs(study, task)
    searched = len(study.seeds) * results.to_try(study, folder, task.task) if study.is_adaptive else 0
    tuned = begun["tuning"] or (designs * len(study.tune.lr) * len(study.tune.seeds) if study.tune else 0)
    crowned = begun["winner"]
    if study.winners and not crowned:
        crowned = len(study.winners.seeds) * (study.winners.designs + len(study.winners.beside))
    return tuned + (searched or begun["trial"] or len(study.seeds) * designs) + crowned


def _designs(study: Study, task: StudyTask) -> int:
    """How many designs a task that never began has; bounds on costs are taken at two classes."""
    return len(make_designs(study, task, classes=2, size=task.data.size))
