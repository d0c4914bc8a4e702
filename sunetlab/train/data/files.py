"""A data source that reads files: what the folder and every published set share."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sunetlab.errors import InputError
from sunetlab.train.data.config import DataConfig
from sunetlab.train.data.frames import Size
from sunetlab.train.data.image_files import shown
from sunetlab.train.data.split import FileSplit, MemorySplit, Progress, Reader, in_memory

MANY_FILES = 1000  # below it, decoding takes less time than starting worker processes


@dataclass(frozen=True)
class SplitFiles:
    """The images of one split.

    Attributes:
        reader: Decodes them.
        names: Their paths below the root, in the order of their numbers.
        canvas: (height, width) in px of what the reader gives.
        digest: The record holds one SHA-256 in the place of the names, which are too many for it.
        workers: Most processes that it is worth to decode with; None: as many as are asked for.
    """

    reader: Reader
    names: Sequence[str]
    canvas: Size
    digest: bool = False
    workers: int | None = None


class FilesSource:
    """Splits that are read from files, into memory or anew in each epoch.

    Args:
        config: The `[data]` table.
        classes: The names of the labels 0, 1, …
        size: (height, width) in px that a network is made for.
        splits: What each split reads.
        absent: Why there is no split of a name that might be asked for.
        more: What else the record says, by its key.
    """

    def __init__(
        self,
        config: DataConfig,
        classes: tuple[str, ...],
        size: Size,
        splits: Mapping[str, SplitFiles],
        absent: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.task = config.task
        self.classes = tuple(shown(name) for name in classes)  # a folder's name may hold bytes that are no text
        self.size = size
        self._config = config
        self._splits = splits
        self._absent = absent or {}
        self._more = more or {}
        self._opened: dict[str, MemorySplit | FileSplit] = {}

    def split(self, name: str, progress: Progress | None = None) -> MemorySplit | FileSplit:
        """The split `name`; decoded at the first call where it fits in `memory_gib`.

        Raises:
            InputError: There is no such split, or one of its files is broken.
        """
        if name not in self._splits:
            why = f"; {self._absent[name]}" if name in self._absent else ""
            raise InputError(f"split {name!r}: {shown(self._config.path)} has {', '.join(self._splits)}{why}")
        if name not in self._opened:
            self._opened[name] = self._open(self._splits[name], progress)
        return self._opened[name]

    def record(self) -> dict[str, Any]:
        """Source, task, seed, image size, classes, and the files of every split, relative to the folder."""
        return {
            "source": self._config.source,
            "task": self.task,
            "seed": self._config.seed,
            "size": list(self.size),
            "classes": list(self.classes),
            "images": {name: len(split.names) for name, split in self._splits.items()},
            "files": {name: _listed(split) for name, split in self._splits.items()},
            **self._more,
        }

    def _open(self, split: SplitFiles, progress: Progress | None) -> MemorySplit | FileSplit:
        asked = self._config.workers
        workers = asked if split.workers is None else min(asked, split.workers)
        image_bytes = split.canvas[0] * split.canvas[1] * (4 if self.task == "segmentation" else 3)
        if len(split.names) * image_bytes > self._config.memory_gib * 2**30:
            return FileSplit(split.reader, workers)
        return in_memory(split.reader, workers if len(split.names) >= MANY_FILES else 0, progress)


def _listed(split: SplitFiles) -> list[str] | str:
    """The names, or the SHA-256 of the names, each ended by a zero byte, which no name holds."""
    if not split.digest:
        return [shown(name) for name in split.names]
    digest = hashlib.sha256()
    for name in split.names:
        digest.update(os.fsencode(name) + b"\0")
    return f"sha256:{digest.hexdigest()}"
