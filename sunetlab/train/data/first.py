"""The beginning of a split, for those who only want to know how long it takes."""

from collections.abc import Iterator

from torch import Tensor

from sunetlab.train.data.config import Task
from sunetlab.train.data.source import Split
from sunetlab.train.data.split import Batch


class FirstImages:
    """A split's first images, at most `most`."""

    def __init__(self, split: Split, most: int) -> None:
        self.task: Task = split.task
        self._split, self._count = split, min(most, len(split))

    def __len__(self) -> int:
        return self._count

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """See `Split`."""
        return self._split.batches(order, batch_size)
