"""How far a task is, and why trials failed."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from sunetlab.study.definition import Study, StudyTask
from sunetlab.study.designs import make_designs
from sunetlab.study.page.rows import Row, failed
from sunetlab.study.records import Records


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


def counts_of(known: Records, task: StudyTask, trials: Sequence[Row], to_come: int) -> Counts:
    """What became of a task's trials, of all stages, and of how many there will have been (`results.to_come`)."""
    states = Counter(trial["state"] for trial in trials)
    reasons = Counter(trial["reason"] for trial in trials if failed(trial))
    designs = {
        reason: len({trial["design"] for trial in trials if failed(trial) and trial["reason"] == reason})
        for reason in reasons
    }
    failures = tuple(Reason(reason, count, designs[reason]) for reason, count in reasons.most_common())
    total = len(trials) + to_come if trials else _total(known, task)
    return Counts(total, states["finished"], states["pruned"], failures)


def _total(known: Records, task: StudyTask) -> int:
    """How many trials a task that never began has in the end, at most."""
    study = known.study
    designs = known.to_try(task.task) if study.is_adaptive else _designs(study, task)
    each = len(study.seeds) + (len(study.tune.lr) * len(study.tune.seeds) if study.tune else 0)
    won = study.winners and len(study.winners.seeds) * (study.winners.designs + len(study.winners.beside))
    return designs * each + (won or 0)


def _designs(study: Study, task: StudyTask) -> int:
    """How many designs a task that never began has; bounds on costs are taken at two classes."""
    return len(make_designs(study, task, classes=2, size=task.data.size))
