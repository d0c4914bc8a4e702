"""Who else may be at work on a study, and which trials nobody works at any more.

A folder with its own database is one process's at a time, by its lock: a trial that runs and is not its own is
nobody's. A database that machines share has the pulse of every trial that runs, a number that goes up; whose number
has stood still for long, by the clock of whoever looks, is gone. No two machines' clocks are compared, and one that
jumps moves nothing.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, Self

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from sunetlab.study.recorded import PULSE

BEAT_S = 10.0  # seconds between two beats
LEAVE_S = 1.0  # seconds in which a beat that is under way may end
MISSED = 6  # beats after which a trial is nobody's


class Company(Protocol):
    """Who else is at work.

    Attributes:
        shares: whether others may take, put in line and finish trials meanwhile.
        pause_s: seconds after which it is worth to look again what they have done.
        mine: trials that run here.
    """

    shares: bool
    pause_s: float
    mine: set[int]

    def took(self, trial_id: int) -> None:
        """A trial runs here from now on."""

    def let_go(self, trial_id: int) -> None:
        """It does not any more."""

    def gone(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Those that are said to run and do not."""


class Nobody:
    """No company."""

    shares = False
    pause_s = 0.0

    def __init__(self) -> None:
        self.mine: set[int] = set()

    def took(self, trial_id: int) -> None:
        """See `Company`."""
        self.mine.add(trial_id)

    def let_go(self, trial_id: int) -> None:
        """See `Company`."""
        self.mine.discard(trial_id)

    def gone(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """All that run and are not ours."""
        return [trial for trial in trials if trial.state == TrialState.RUNNING and trial._trial_id not in self.mine]


class Others(Nobody):
    """Others, on a shared database; as a context, lets our own trials' pulse go.

    Args:
        storage: the database.
        beat_s: seconds between two beats.
        clock: seconds that never go back.
    """

    shares = True

    def __init__(
        self, storage: BaseStorage, beat_s: float = BEAT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self.storage, self.beat_s, self.clock = storage, beat_s, clock
        self.pause_s = min(2.0, beat_s)
        self.felt: dict[int, tuple[object, float]] = {}  # trial → its pulse, and when that was new
        self.beats = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(LEAVE_S)  # it may be waiting for a database that is away

    def took(self, trial_id: int) -> None:
        """See `Company`; its pulse begins."""
        super().took(trial_id)
        self._beat(trial_id)

    def gone(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Those of others whose pulse has stood still for `MISSED` beats, which are as far apart as they say."""
        now, running = self.clock(), super().gone(trials)
        self.felt = {trial._trial_id: self._feel(trial, now) for trial in running}
        return [trial for trial in running if now - self.felt[trial._trial_id][1] > MISSED * self._beat_of(trial)]

    def _beat_of(self, trial: FrozenTrial) -> float:
        """Seconds between two beats of a trial; of one that has none yet, ours."""
        beat_s: float = trial.user_attrs.get(PULSE, (0, 0, self.beat_s))[2]
        return beat_s

    def _feel(self, trial: FrozenTrial, now: float) -> tuple[object, float]:
        pulse = trial.user_attrs.get(PULSE)
        before = self.felt.get(trial._trial_id)
        return before if before is not None and before[0] == pulse else (pulse, now)

    def _live(self) -> None:
        while not self._over.wait(self.beat_s):
            self.beats += 1
            for trial_id in tuple(self.mine):
                with suppress(Exception):  # whoever asks the database for more is told what is wrong with it
                    self._beat(trial_id)

    def _beat(self, trial_id: int) -> None:
        with suppress(UpdateFinishedTrialError, KeyError):  # it was taken from us, or has just ended
            pulse = [self.beats, round(time.time(), 1), self.beat_s]
            self.storage.set_trial_user_attr(trial_id, PULSE, pulse)


def is_alive(trial: FrozenTrial) -> bool:
    """Whether a trial in a shared database runs, as far as the clocks on the walls tell: for people, who only look."""
    pulse = trial.user_attrs.get(PULSE) if trial.state == TrialState.RUNNING else None
    return pulse is not None and time.time() - pulse[1] < MISSED * pulse[2]
