"""How many trainings at a time do most in an hour: found by trying, one, two, three, … of them for a few seconds."""

from collections.abc import Callable
from typing import NamedTuple

COUNTS = (1, 2, 3, 4, 6, 8, 12, 16)  # that are tried, in this order; on each of several GPUs
GAIN = 1.1  # more trainings at a time must do so many times more than the best before
PROBE_S = 3.0  # seconds of a trial


class Paced(NamedTuple):
    """What was found.

    Attributes:
        at_a_time: so many trainings do most.
        images_per_second: by how many were tried → what all of them did together.
    """

    at_a_time: int
    images_per_second: dict[int, float]


def find_pace(measure: Callable[[int], float | None], most: int, places: int = 1) -> Paced:
    """Try more and more trainings at a time until more of them do not do more.

    Args:
        measure: images a second of so many together; None where they do not fit.
        most: how many to try at most.
        places: GPUs that they are spread over, so many more at a time.
    """
    found: dict[int, float] = {}
    best = 1
    for count in (each * places for each in COUNTS if each * places <= most):
        pace = measure(count)
        if pace is None:
            break
        found[count] = pace
        if len(found) > 1 and pace < GAIN * found[best]:
            break
        best = count
    return Paced(best, found)
