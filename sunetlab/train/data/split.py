"""Images with their targets, in memory or in files, read in any order asked for."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sunetlab.errors import InputError, SunetlabError
from sunetlab.train.data.config import Task
from sunetlab.train.data.sent import sent
from sunetlab.train.parent import end_with_parent

"""The label of a pixel that is neither learnt nor judged."""

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


class DecoderKilledError(SunetlabError):
    """A process that decodes images was killed."""


def is_killed_decoder(error: BaseException) -> bool:
    """Whether an error says that a process that decodes images was killed, rather than what it found wrong.

    Its pipe breaks, or torch says so, whose handler of a child's end raises wherever this process just is.
    """
    said = str(error)
    ended = "DataLoader worker" in said and ("killed by signal" in said or "exited unexpectedly" in said)
    return isinstance(error, DecoderKilledError | ConnectionError | EOFError) or (
        isinstance(error, RuntimeError) and ended
    )


class Batch(NamedTuple):
    """Images that travel together, on a canvas of one size.

    Attributes:
        images: uint8 (B, 3, H, W).
        targets: int64 (B,) for classification, uint8 (B, H, W) for segmentation.
        sizes: int64 (B, 2), height and width in px of each image, where they differ: the image lies in the upper left
            corner of the canvas, and beyond it the canvas is black and void. None: every image fills the canvas.
    """

    images: Tensor
    targets: Tensor
    sizes: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same on another device; `sizes` stay where they are."""
        return Batch(sent(self.images, device), sent(self.targets, device), self.sizes)


class MemorySplit:
    """A split held as tensors.

    Args:
        task: What the targets are.
        images: uint8 (N, 3, H, W).
        targets: int64 (N,) or uint8 (N, H, W), on the device of the images.
        sizes: int64 (N, 2), as in `Batch`, or None; on the CPU.
    """

    def __init__(self, task: Task, images: Tensor, targets: Tensor, sizes: Tensor | None = None) -> None:
        self.task = task
        self.images = images
        self.targets = targets
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """Yield the images at `order` (int64, 1-D), `batch_size` at a time; the last batch may be smaller."""
        there = sent(order, self.images.device)  # once, not at every batch
        for rows, here in zip(_pieces(there, batch_size), _pieces(order, batch_size), strict=True):
            yield Batch(self.images[rows], self.targets[rows], None if self.sizes is None else self.sizes[here])

    @property
    def bytes(self) -> int:
        """What images and targets take in memory."""
        return self.images.nbytes + self.targets.nbytes

    def to(self, device: torch.device) -> "MemorySplit":
        """The same with its images and targets on another device; `sizes` stay where they are."""
        return MemorySplit(self.task, self.images.to(device), self.targets.to(device), self.sizes)


class Reader(Protocol):
    """Decodes images by their number; picklable, as it travels to worker processes."""

    @property
    def task(self) -> Task:
        """What the targets are."""
        ...

    def __len__(self) -> int: ...

    def read(self, rows: Sequence[int]) -> Batch:
        """Decode the images numbered `rows`. Raises InputError naming the file that is broken."""
        ...


class FileSplit:
    """A split that decodes its images each time they are asked for.

    Workers are started at the first batch and live until the split is dropped. They are never forked from this
    process: a fork copies torch's threads in an unknown state, and Python 3.12 warns of it. So a script that uses
    workers needs the usual `if __name__ == "__main__":`. One pass at a time; a pass may be left before its end.

    Args:
        reader: Decodes images by number.
        workers: Decoding processes; 0: this process.
    """

    def __init__(self, reader: Reader, workers: int) -> None:
        self.task = reader.task
        self._reader = reader
        self._order = _Order()
        workers = min(workers, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else workers)
        self._loader: DataLoader[Batch | str] = DataLoader(
            _Guarded(reader),  # type: ignore[arg-type]  # a map-style dataset by duck typing: __len__, __getitems__
            batch_sampler=self._order,
            num_workers=workers,
            collate_fn=_as_is,
            persistent_workers=workers > 0,
            multiprocessing_context=_start_method() if workers else None,
            worker_init_fn=_begin,
            generator=torch.Generator(),  # its own: a draw from the global one would change the training
        )

    def __len__(self) -> int:
        return len(self._reader)

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """Yield the images at `order` (int64, 1-D), `batch_size` at a time; the last batch may be smaller.

        Raises:
            InputError: An image or mask is broken; the message names it.
            SunetlabError: A worker was killed.
        """
        self._order.batches = [rows.tolist() for rows in _pieces(order, batch_size)]
        batches = iter(self._loader)
        while (batch := self._next(batches)) is not None:
            if isinstance(batch, str):
                raise InputError(batch)
            yield batch

    def _next(self, batches: Iterator[Batch | str]) -> Batch | str | None:
        try:
            return next(batches, None)
        except RuntimeError as error:
            if not is_killed_decoder(error):
                raise
            raise DecoderKilledError(
                f"a process that decodes images was killed, perhaps for lack of memory: {error}"
            ) from None


def in_memory(reader: Reader, workers: int, progress: Progress | None = None, batch_size: int = 64) -> MemorySplit:
    """Decode everything that `reader` has, once.

    Raises:
        InputError: An image or mask is broken; the message names it.
    """
    total = len(reader)
    batches = FileSplit(reader, workers).batches(torch.arange(total), batch_size)
    split: MemorySplit | None = None
    done = 0
    for batch in batches:
        if split is None:
            split = MemorySplit(reader.task, *(None if part is None else _room(part, total) for part in batch))  # type: ignore[arg-type]
        for whole, part in zip((split.images, split.targets, split.sizes), batch, strict=True):
            if whole is not None and part is not None:
                whole[done : done + len(part)] = part
        done += len(batch.images)
        if progress is not None:
            progress(done, total)
    if split is None:
        raise InputError("a split without images")
    return split


def _room(batch: Tensor, total: int) -> Tensor:
    """An empty tensor for `total` rows like those of `batch`."""
    return batch.new_empty((total, *batch.shape[1:]))


def _pieces(order: Tensor, batch_size: int) -> Iterator[Tensor]:
    return (order[first : first + batch_size] for first in range(0, len(order), batch_size))


class _Order:
    """A batch sampler whose batches are set anew for each pass, so that the workers can stay."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Guarded:
    """A reader whose InputError is a value: the loader would wrap a raised one in a worker's traceback."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, row: int) -> Batch | str:
        return self.__getitems__([row])

    def __getitems__(self, rows: list[int]) -> Batch | str:
        try:
            return self.reader.read(rows)
        except InputError as error:
            return str(error)


def _begin(_: int) -> None:
    """Torch's own look-out is for the process that forked this one, which is not the one that trains."""
    end_with_parent()


def _as_is(batch: Any) -> Any:
    return batch


def _start_method() -> str:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    # The server imports this module (and with it torch) once; each worker is then started in milliseconds.
    multiprocessing.set_forkserver_preload([__name__])
    return "forkserver"
