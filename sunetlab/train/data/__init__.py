"""Data sources: images and targets as uint8 batches, in any order, from a seed or from a folder."""

from sunetlab.train.data.config import DataConfig, Task
from sunetlab.train.data.source import DataSource, Split, open_data
from sunetlab.train.data.split import VOID, Batch, FileSplit, MemorySplit, Progress

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
