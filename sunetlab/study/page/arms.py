"""What charts show: designs with the values of their seeds, learning curves, the levels of a factor.

Values are in percent. A key ties what is said of one design together, over all charts and tables of a page.
"""

from typing import NamedTuple


class Arm(NamedTuple):
    """One design: what it is called, the values of its seeds in percent, their mean."""

    label: str
    values: tuple[float, ...]
    best: bool = False
    key: str = ""

    @property
    def mean(self) -> float:
        """The mean over its seeds."""
        return sum(self.values) / len(self.values)

    @property
    def words(self) -> str:
        """What its mark says."""
        seeds = " (" + ", ".join(f"{value:.1f}" for value in self.values) + ")" if len(self.values) > 1 else ""
        return f"{self.label}: {self.mean:.1f} %{seeds}"


class Curve(NamedTuple):
    """One trial: its validation value in percent after every epoch."""

    label: str
    values: tuple[float, ...]
    failed: bool = False
    best: bool = False  # of the best design
    key: str = ""


class Level(NamedTuple):
    """One level of a factor and the designs that have it."""

    name: str
    arms: tuple[Arm, ...]

    @property
    def mean(self) -> float:
        """The mean of its designs' means."""
        return sum(arm.mean for arm in self.arms) / len(self.arms)
