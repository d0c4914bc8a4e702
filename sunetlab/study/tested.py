"""What a run found on the test split, as its folder has it; `testing.py` looks."""

from pathlib import Path
from typing import Any, TypeGuard

from sunetlab.errors import InputError
from sunetlab.files import read_table
from sunetlab.train.run import OBJECTIVE

TEST = "test.json"  # in a run's folder: its figures on the test split


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
