"""One trial: a training and its result, or why there is none."""

from pathlib import Path
from typing import Any

from sunetlab.errors import InputError
from sunetlab.study.pruning import Pruned
from sunetlab.study.recorded import INTERRUPTED
from sunetlab.train.data import DataSource
from sunetlab.train.data.split import DecoderKilledError
from sunetlab.train.hold import TakenOverError
from sunetlab.train.loop import NotFiniteError, train
from sunetlab.train.memory import LackOfMemoryError, free_memory, is_out_of_memory
from sunetlab.train.run import Run
from sunetlab.train.team import ALONE, ApartError, Team
from sunetlab.train.watch import Watch


def attempt(
    run: Run, data: DataSource, folder: Path, device: str, watch: Watch, team: Team = ALONE
) -> dict[str, Any] | None:
    """Train a candidate; its result, or why there is none; None where a process that decoded images for it was killed.

    A full disk is nobody's result and goes through.
    """
    try:
        return train(run, data, folder, device, watch, None, team)
    except TakenOverError as error:
        if team.world > 1:  # the others know nothing of it
            raise
        return {"reason": INTERRUPTED, "detail": str(error)}
    except Pruned as stop:
        return {"stopped": stop.epoch, "value": stop.value, "seconds": stop.seconds}
    except NotFiniteError as error:
        return {"reason": "not finite", "detail": str(error)}
    except (OSError, InputError, ApartError) as error:  # a full disk, changed data, a process that died: not its doing
        if team.world == 1 and is_killed_decoder(error):
            return None
        if team.world == 1 and isinstance(error, FileNotFoundError) and folder.parent.exists() and not folder.exists():
            return {"reason": INTERRUPTED, "detail": f"{folder}: was removed"}
        raise
    except Exception as error:
        if team.world == 1 and is_killed_decoder(error):
            return None
        if team.world > 1 and not isinstance(error, LackOfMemoryError):  # which all have agreed on
            raise
        line = f"{type(error).__name__}: {error}".splitlines()[0]
        return {"reason": "out of memory" if is_out_of_memory(error) else "error", "detail": line}
    finally:
        free_memory()


def is_killed_decoder(error: Exception) -> bool:
    """Whether a process that decodes images was killed, and not wrong: the data say so, or its pipe has broken.

    Or torch does, whose handler of a child's end raises wherever the training just is.
    """
    said = str(error)
    ended = isinstance(error, RuntimeError) and ("killed by signal" in said or "exited unexpectedly" in said)
    return isinstance(error, DecoderKilledError | ConnectionError | EOFError) or (ended and "DataLoader worker" in said)
