"""Data sources: images and targets as uint8 batches, in any order, from a seed or from a folder.

What needs no tensors can be had without torch: a name is imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sunetlab.train.data.config import VOID, DataConfig, Task
    from sunetlab.train.data.source import DataSource, Split, open_data
    from sunetlab.train.data.split import Batch, FileSplit, MemorySplit, Progress

__all__ = [
    "VOID",
    "Batch",
    "DataConfig",
    "DataSource",
    "FileSplit",
    "MemorySplit",
    "Progress",
    "Split",
    "Task",
    "open_data",
]
_HOMES = {
    **dict.fromkeys(("VOID", "DataConfig", "Task"), "config"),
    **dict.fromkeys(("DataSource", "Split", "open_data"), "source"),
    **dict.fromkeys(("Batch", "FileSplit", "MemorySplit", "Progress"), "split"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
