"""One trial: a training and its result, or why there is none."""

from pathlib import Path
from typing import Any

from sunetlab.errors import InputError
from sunetlab.study.pruning import Pruned
from sunetlab.study.recorded import INTERRUPTED
from sunetlab.train.checks import NotTrainableError
from sunetlab.train.data import DataSource
from sunetlab.train.data.split import is_killed_decoder
from sunetlab.train.hold import TakenOverError
from sunetlab.train.loop import NotFiniteError, train
from sunetlab.train.memory import LackOfMemoryError, free_memory, is_out_of_memory
from sunetlab.train.run import Run
from sunetlab.train.team import ALONE, Team
from sunetlab.train.watch import Watch


def attempt(
    run: Run, data: DataSource, folder: Path, device: str, watch: Watch, team: Team = ALONE
) -> dict[str, Any] | None:
    """Train a candidate; its result, or why there is none; None where a process that decoded images for it was killed.

    A full disk is nobody's result and goes through.
    """
    try:
        return train(run, data, folder, device, watch, None, team)
    except Pruned as stop:
        return {"stopped": stop.epoch, "value": stop.value, "seconds": stop.seconds}
    except NotFiniteError as error:
        return {"reason": "not finite", "detail": str(error)}
    except NotTrainableError as error:  # which all of a team find, before anything is made
        return {"reason": "not trainable", "detail": str(error)}
    except Exception as error:
        if team.world > 1 and not isinstance(error, LackOfMemoryError):  # which all have agreed on
            raise
        if is_killed_decoder(error):
            return None
        if isinstance(error, TakenOverError) or _is_removed(folder, error):
            return {"reason": INTERRUPTED, "detail": str(error)}
        if isinstance(error, OSError | InputError):  # a full disk, changed data: not its doing
            raise
        line = f"{type(error).__name__}: {error}".splitlines()[0]
        return {"reason": "out of memory" if is_out_of_memory(error) else "error", "detail": line}
    finally:
        free_memory()


def _is_removed(folder: Path, error: Exception) -> bool:
    """Whether somebody has removed a trial's folder while it was trained in."""
    return isinstance(error, FileNotFoundError) and folder.parent.exists() and not folder.exists()
