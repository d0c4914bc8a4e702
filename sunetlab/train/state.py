"""What a training goes on from: `last.pt`, whole at any moment, read as plain data and nothing else."""

import errno
import io
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from sunetlab.errors import InputError
from sunetlab.files import whole_file
from sunetlab.model.checkpoint import load_plain
from sunetlab.train.hold import Hold
from sunetlab.train.run import LAST


def save_state(folder: Path, state: Mapping[str, Any], hold: Hold) -> None:
    """Write the state after an epoch.

    Raises:
        TakenOverError: the folder is another training's.
    """
    buffer = io.BytesIO()  # torch.save tells of a full disk in words of its own
    torch.save(state, buffer)
    with whole_file(folder / LAST) as file:
        file.write(buffer.getbuffer())
        hold.check()


def load_state(folder: Path, device: torch.device, take: Callable[[dict[str, Any]], None]) -> None:
    """Hand the state after the last finished epoch to whoever takes it over.

    Raises:
        InputError: the file is damaged, or its state fits nobody who takes it.
    """
    path = folder / LAST
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a damaged file holds, whose one line comes below
            take(load_plain(file, device))
    except (MemoryError, torch.OutOfMemoryError):
        raise  # the file may be whole: nobody should delete it
    except Exception as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # which is a place before the file's begin
            raise  # likewise
        raise InputError(f"{path}: cannot be gone on from ({type(error).__name__}); delete it to start again") from None


def came_to(rows: Sequence[dict[str, Any]], micro_batches: Sequence[int]) -> int:
    """The images at once that the last of these epochs was trained with.

    Raises:
        ValueError: none of those that the recipe allows.
    """
    said = int(rows[-1].get("micro_batch", micro_batches[0])) if rows else micro_batches[0]
    return micro_batches[micro_batches.index(said)]


def checked_rows(rows: Any, most: int) -> list[dict[str, Any]]:
    """The rows of the first epochs of `most`, each of plain numbers.

    Raises:
        ValueError: they are something else.
    """
    found = rows if isinstance(rows, list) and all(isinstance(row, dict) for row in rows) else [{}]
    in_order = len(found) <= most and [row.get("epoch") for row in found] == [*range(1, len(found) + 1)]
    values = [value for row in found for value in (row.get("train_loss"), row.get("seconds"), *row.values())]
    if not in_order or not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        raise ValueError("rows")
    return found
