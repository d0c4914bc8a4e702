"""One trial: a training and its result, or why there is none."""

import gc
from pathlib import Path
from typing import Any

import torch

from sunetlab.errors import InputError
from sunetlab.study.pruning import Pruned
from sunetlab.train.data import DataSource
from sunetlab.train.loop import NotFiniteError, train
from sunetlab.train.run import Run
from sunetlab.train.watch import Watch


def attempt(run: Run, data: DataSource, folder: Path, device: str, watch: Watch) -> dict[str, Any]:
    """Train a candidate; its result, or why there is none. A full disk is nobody's result and goes through."""
    try:
        return train(run, data, folder, device, watch)
    except Pruned as stop:
        return {"stopped": stop.epoch, "value": stop.value, "seconds": stop.seconds}
    except NotFiniteError as error:
        return {"reason": "not finite", "detail": str(error)}
    except (OSError, InputError):  # a full disk, changed data: not this candidate's doing
        raise
    except Exception as error:
        line = f"{type(error).__name__}: {error}".splitlines()[0]
        return {"reason": "out of memory" if is_out_of_memory(error) else "error", "detail": line}
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python, a GPU or torch's allocator on the CPU, which raises no kind of its own, had too little."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)
