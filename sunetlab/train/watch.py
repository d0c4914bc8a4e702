"""Who is told of a training while it goes on."""

from typing import Any, Protocol


class Watch(Protocol):
    """What a training run tells while it works."""

    def begin(self, epochs: int, finished: int, images: int) -> None:
        """Before the first step: epochs in all, epochs found finished, images in an epoch."""

    def step(self, images: int) -> None:
        """After every step: images that it took."""

    def epoch(self, row: dict[str, Any]) -> None:
        """After every epoch: its row of the log."""

    def shrunk(self, finished: int, micro_batch: int) -> None:
        """Memory lacked: the epoch after so many `finished` ones begins again, with so many images at once."""


class Silent:
    """A watch that tells nobody."""

    def begin(self, epochs: int, finished: int, images: int) -> None:
        """Nothing."""

    def step(self, images: int) -> None:
        """Nothing."""

    def epoch(self, row: dict[str, Any]) -> None:
        """Nothing."""

    def shrunk(self, finished: int, micro_batch: int) -> None:
        """Nothing."""
