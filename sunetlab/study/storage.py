"""A study's database: one Optuna study per task, in SQLite in the study's folder or where `shared.PLACE` there says."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from sunetlab.errors import InputError, SunetlabError, first_line
from sunetlab.folders import refuse_links_out
from sunetlab.garbage import uncollected
from sunetlab.study.definition import Study
from sunetlab.study.patience import Told
from sunetlab.study.pruning import make_pruner
from sunetlab.study.recorded import check
from sunetlab.study.shared import open_database, open_shared, parse_url, place_of

STUDY, LOCK, DATABASE, TRIALS = "study.toml", ".lock", "optuna.db", "trials"  # in a study's folder
BUSY_S = 60  # seconds to wait for somebody who reads the database


def open_storage(
    folder: Path,
    url: URL | None = None,
    told: Told = lambda seconds: None,  # noqa: ARG005
    wait_s: float = 0.0,
) -> BaseStorage:
    """A study's database, whatever characters its folder's path has; one in the folder is made where missing.

    Args:
        folder: the study's.
        url: where the database is, if not where the folder says.
        told: hears of a shared one that cannot be reached any more (`patience.Patient`).
        wait_s: seconds in which a shared one may answer for the first time.

    Raises:
        InputError: a shared one cannot be reached; one in the folder is a link out of it.
    """
    refuse_links_out(folder)
    place = place_of(folder)
    if url is not None or place is not None:
        return open_shared(url or parse_url(str(place and place.url)), told, wait_s)
    return open_database(f"sqlite:///{quote(str(folder / DATABASE))}", connect_args={"timeout": BUSY_S})


def name_of(study: Study, task: str, folder: Path) -> str:
    """What the Optuna study of a task is called: in a database that others share not as theirs."""
    place = place_of(folder)
    return f"{study.name}-{task}" if place is None else f"{study.name}-{task}-{place.key}"


def is_begun(folder: Path) -> bool:
    """Whether there is a database of this study to look into."""
    return place_of(folder) is not None or (folder / DATABASE).exists()


def open_optuna(study: Study, task: str, folder: Path, database: BaseStorage | None = None) -> optuna.Study:
    """The Optuna study of one task of `study`; made where missing.

    Args:
        study: the study.
        task: its task.
        folder: its folder.
        database: its database, if that is open already.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with database_errors(folder):
        return optuna.create_study(
            storage=database or open_storage(folder),
            study_name=name_of(study, task, folder),
            directions=["maximize"] if study.cost is None else ["maximize", "minimize"],
            sampler=optuna.samplers.RandomSampler(seed=0),  # idle: trials stand in line with their parameters
            pruner=make_pruner(study, task),
            load_if_exists=True,
        )


def read_trials(found: optuna.Study, study: Study, states: tuple[TrialState, ...] | None = None) -> list[FrozenTrial]:
    """All trials of a task, or those in some states, each with what a study writes of one (`recorded.check`).

    Raises:
        ValueError: the database has something else.
    """
    try:
        with uncollected():
            trials = found.get_trials(deepcopy=False, states=states)
    except (
        LookupError,
        TypeError,
        AttributeError,
        OverflowError,
    ) as error:  # of a cell that no version of Optuna wrote
        raise ValueError(f"a trial cannot be read: {type(error).__name__}: {error}") from None
    for trial in trials:
        check(trial, study.told)
    return trials


@contextmanager
def database_errors(folder: Path) -> Iterator[None]:
    """What a database may say, as one line."""
    try:
        yield
    except InputError:  # a ValueError, too
        raise
    except (SQLAlchemyError, OptunaError, RuntimeError, ValueError) as error:  # Optuna wraps some, and raises others
        inner = error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error
        cause = first_line(getattr(inner, "orig", None) or inner)
        kept = f"finished runs are safe in {folder / TRIALS}"
        if "full" in cause:
            raise SunetlabError(f"{folder / DATABASE}: no room on the disk; {kept}") from None
        place = place_of(folder)
        if place is not None:
            raise SunetlabError(f"{place.url}: cannot be used: {cause}; {kept}") from None
        advice = f"move it away and run the study again: {kept} and are not trained twice"
        raise SunetlabError(f"{folder / DATABASE}: cannot be used: {cause}; {advice}") from None
