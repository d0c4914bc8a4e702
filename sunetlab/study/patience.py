"""Patience with a database that other machines share: what fails for want of a connection is tried again.

A server that is started anew, or a network that is away for a while, stops no study: every question is asked again
after pauses that grow, until `LIMIT_S` have passed. All that is asked can be asked twice: a state that was set before
the answer was lost is found set, and a trial that was made twice is one too many, which the queue passes over.
"""

import re
import time
from collections.abc import Callable, Container, Sequence
from typing import Any, TypeVar

from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

LIMIT_S = 900.0  # seconds without an answer until a study stops
_REFUSES = re.compile(  # what PostgreSQL and libpq say of who may not come in at all, without an SQLSTATE
    r"authentication failed|no password supplied|(role|user|database) \S+ does not exist|no pg_hba\.conf entry"
    r"|not permitted to log in|permission denied for database|authentication method requirement"
)
_REFUSED = ("28", "3D")  # classes of those that have one: no authorization, no such database
FIRST_S, MOST_S = 0.1, 15.0  # the first pause, and the longest
Answer = TypeVar("Answer")
Told = Callable[[float | None], None]


def is_passing(error: BaseException) -> bool:
    """Whether an error says that the database cannot be reached, rather than what is wrong with what it was asked."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if _REFUSES.search(str(cause)) or str(getattr(getattr(cause, "orig", None), "sqlstate", "")).startswith(_REFUSED):
        return False
    if isinstance(cause, DBAPIError):
        return isinstance(cause, OperationalError | InterfaceError) or cause.connection_invalidated
    code = getattr(cause, "code", None)  # of an error of gRPC: what the proxy met is UNKNOWN to it
    return callable(code) and getattr(code(), "name", "") in ("UNAVAILABLE", "UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL")


class Patient(BaseStorage):
    """A storage that asks another until it answers.

    Args:
        inner: the other.
        told: is called with the seconds without an answer, before every pause, and with None when there is one again.
    """

    def __init__(self, inner: BaseStorage, told: Told = lambda seconds: None) -> None:  # noqa: ARG005
        self.inner, self.told = inner, told

    def ask(self, question: Callable[..., Answer], *words: Any) -> Answer:
        """The answer to a question.

        Raises:
            Exception: what the inner storage raises, at once or after `LIMIT_S`.
        """
        began, pause = time.monotonic(), FIRST_S
        while True:
            try:
                answer = question(*words)
                if pause > FIRST_S:
                    self.told(None)
                return answer
            except Exception as error:
                gone = time.monotonic() - began
                if not is_passing(error) or gone + pause > LIMIT_S:
                    raise
                self.told(gone)
            time.sleep(pause)
            pause = min(2 * pause, MOST_S)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """See `BaseStorage`; a state that is set already counts as set now, but for that of a trial that is taken."""
        asked = 0

        def once() -> bool:
            nonlocal asked
            asked += 1
            try:
                return self.inner.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                if asked > 1 and self.inner.get_trial(trial_id).state == state:
                    return True
                raise

        return self.ask(once)

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """See `BaseStorage`."""
        return self.ask(self.inner.create_new_study, directions, study_name)

    def delete_study(self, study_id: int) -> None:
        """See `BaseStorage`."""
        self.ask(self.inner.delete_study, study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        self.ask(self.inner.set_study_user_attr, study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        self.ask(self.inner.set_study_system_attr, study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        """See `BaseStorage`."""
        return self.ask(self.inner.get_study_id_from_name, study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """See `BaseStorage`."""
        return self.ask(self.inner.get_study_name_from_id, study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """See `BaseStorage`."""
        return self.ask(self.inner.get_study_directions, study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """See `BaseStorage`."""
        return self.ask(self.inner.get_study_user_attrs, study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """See `BaseStorage`."""
        return self.ask(self.inner.get_study_system_attrs, study_id)

    def get_all_studies(self) -> list[Any]:
        """See `BaseStorage`."""
        return self.ask(self.inner.get_all_studies)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """See `BaseStorage`."""
        return self.ask(self.inner.create_new_trial, study_id, template_trial)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """See `BaseStorage`."""
        self.ask(self.inner.set_trial_param, trial_id, param_name, param_value_internal, distribution)

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """See `BaseStorage`."""
        return self.ask(self.inner.get_trial_id_from_study_id_trial_number, study_id, trial_number)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """See `BaseStorage`."""
        self.ask(self.inner.set_trial_intermediate_value, trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        self.ask(self.inner.set_trial_user_attr, trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        self.ask(self.inner.set_trial_system_attr, trial_id, key, value)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """See `BaseStorage`."""
        return self.ask(self.inner.get_trial, trial_id)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """See `BaseStorage`."""
        return self.ask(self.inner.get_all_trials, study_id, deepcopy, states)

    def remove_session(self) -> None:
        """See `BaseStorage`."""
        self.inner.remove_session()
