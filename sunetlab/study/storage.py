"""A study's database: one Optuna study per task, in SQLite in the study's folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from sunetlab.errors import InputError, SunetlabError
from sunetlab.study.definition import Study
from sunetlab.study.pruning import make_pruner

DATABASE, TRIALS = "optuna.db", "trials"
BUSY_S = 60  # seconds to wait for somebody who reads the database


def open_storage(folder: Path) -> RDBStorage:
    """The database in a study's folder, whatever characters its path has; made where missing."""
    url = f"sqlite:///{quote(str(folder / DATABASE))}"
    return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": BUSY_S}})


def open_optuna(study: Study, task: str, folder: Path) -> optuna.Study:
    """The Optuna study of one task of `study`, in the folder's database; made where missing."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with database_errors(folder):
        return optuna.create_study(
            storage=open_storage(folder),
            study_name=f"{study.name}-{task}",
            directions=["maximize"] if study.cost is None else ["maximize", "minimize"],
            sampler=optuna.samplers.RandomSampler(seed=0),  # idle: trials stand in line with their parameters
            pruner=make_pruner(study, task),
            load_if_exists=True,
        )


@contextmanager
def database_errors(folder: Path) -> Iterator[None]:
    """What a database may say, as one line."""
    try:
        yield
    except InputError:  # a ValueError, too
        raise
    except (SQLAlchemyError, OptunaError, RuntimeError, ValueError) as error:  # Optuna wraps some, and raises others
        inner = error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error
        cause = str(getattr(inner, "orig", None) or inner).splitlines()[0]
        kept = f"finished runs are safe in {folder / TRIALS}"
        if "full" in cause:
            raise SunetlabError(f"{folder / DATABASE}: no room on the disk; {kept}") from None
        advice = f"move it away and run the study again: {kept} and are not trained twice"
        raise SunetlabError(f"{folder / DATABASE}: cannot be used: {cause}; {advice}") from None
