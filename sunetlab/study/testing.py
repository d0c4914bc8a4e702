"""The test split, read once: for the designs that a search chose, when nothing is left to be chosen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

from sunetlab.errors import InputError
from sunetlab.files import read_table, write_table
from sunetlab.folders import refuse_links_out
from sunetlab.train.data import DataSource, Progress
from sunetlab.train.device import pick_device
from sunetlab.train.evaluate import OBJECTIVE, evaluate
from sunetlab.train.run import load_model

TEST = "test.json"  # in a run's folder: its figures on the test split


def read_test(runs: Sequence[Path], data: DataSource, device: str, progress: Progress | None = None) -> None:
    """Write the test figures of finished runs that have none yet; what was read once is not read again.

    Args:
        runs: their folders.
        data: with a split `test`.
        device: where to look.
        progress: is called with (done, total) runs.
    """
    for done, folder in enumerate(runs, 1):
        refuse_links_out(folder)
        if not (folder / TEST).exists():
            model, run = load_model(folder)
            target = pick_device(device)
            found = evaluate(model.to(target), data.split("test"), target, run.recipe.batch_size)
            write_table(folder / TEST, found.figures)
        if progress is not None:
            progress(done, len(runs))


def test_value(folder: Path) -> float | None:
    """What a run found on the test split, by the figure that says what is best; None where it was not tested.

    Raises:
        InputError: the file is damaged.
    """
    if not (folder / TEST).exists():
        return None
    figures = read_table(folder / TEST)
    names = [name for name in OBJECTIVE.values() if _is_share(figures.get(name))]
    if len(names) != 1:
        raise InputError(
            f"{folder / TEST}: is damaged; delete it, and the study reads the test split again for this run"
        )
    return float(figures[names[0]])


def _is_share(value: Any) -> TypeGuard[float]:
    """Whether a value is a number from 0 to 1, or nan, which says that nothing was counted."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not (value < 0 or value > 1)
