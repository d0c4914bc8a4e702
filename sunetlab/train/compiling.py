"""Whether a training whose recipe says `compile = "auto"` goes through torch.compile: where that pays.

Compiling takes from seconds to minutes, and what it saves grows with the training's length. So both are measured, on a
copy of the training that is thrown away: a step as it is, the compiling, a step that is compiled. What was compiled for
the copy serves the training, for torch keeps it by the network's code and shapes.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple, Protocol

import torch
from torch import nn

from sunetlab.errors import InputError

BACKEND = "inductor"  # torch's own
WARM_UP, TIMED = 1, 3  # steps before the clock runs, and while it does
FEWEST = 100  # steps: a shorter training would notice those that are timed
SHORTEST = 120.0  # seconds of a training: where a step takes two thirds of its time, compiling for 40 s pays from here


class Rehearsal(Protocol):
    """A copy of a training, to be spoilt. Every call returns when the device has done its work."""

    def step(self) -> None:
        """A step of the optimiser."""

    def look(self) -> None:
        """Validation, of batches of every size that occurs."""

    def compile(self) -> None:
        """From now on its network goes through torch.compile."""


class Choice(NamedTuple):
    """What was decided, and on what grounds.

    Attributes:
        compiled: whether the training goes through torch.compile.
        why: in words.
        steps: of the optimiser, that were still to be made.
        eager_seconds: of a step as it is; None where none was timed.
        compiled_seconds: of a step that is compiled, likewise.
        compile_seconds: of the first compiled step and look at validation images, likewise.
    """

    compiled: bool
    why: str
    steps: int
    eager_seconds: float | None = None
    compiled_seconds: float | None = None
    compile_seconds: float | None = None

    def record(self) -> dict[str, Any]:
        """All of it, ready for JSON; times to the microsecond."""
        return {name: round(v, 6) if isinstance(v, float) else v for name, v in self._asdict().items()}


def pays(steps: int, eager: float, compiled: float, compile_seconds: float) -> bool:
    """Whether so many steps take less time compiled, the compiling included; seconds, those of steps for each."""
    return compile_seconds + steps * compiled < steps * eager


def choose(rehearse: Callable[[], Rehearsal], steps: int, clock: Callable[[], float] = time.perf_counter) -> Choice:
    """Try both on a copy of a training that still has so many steps to make.

    Validation counts with what its compiling takes; that it is faster afterwards does not.

    Args:
        rehearse: makes the copy.
        steps: of the optimiser.
        clock: seconds.
    """
    if steps < FEWEST:
        return Choice(False, f"fewer than {FEWEST} steps: not tried", steps)
    rehearsal = rehearse()
    eager = _seconds_of_a_step(rehearsal, clock)
    known = Choice(False, f"less than {SHORTEST:g} s of steps: not tried", steps, eager)
    if steps * eager < SHORTEST:
        return known
    began = clock()
    try:
        rehearsal.compile()
        rehearsal.step()
        rehearsal.look()
        took = clock() - began
        compiled = _seconds_of_a_step(rehearsal, clock)
    except Exception as error:  # torch, a compiler, a driver: each has its own
        return known._replace(why=_failure(error))
    is_faster = pays(steps, eager, compiled, took)
    return Choice(is_faster, "it pays" if is_faster else "it does not pay", steps, eager, compiled, took)


def confirm(choice: Choice, rehearse: Callable[[], Rehearsal]) -> Choice:
    """What was decided before a training was interrupted, but where it cannot be done here: then eager, and why."""
    if not choice.compiled:
        return choice
    rehearsal = rehearse()
    try:
        rehearsal.compile()
        rehearsal.step()
    except Exception as error:
        return choice._replace(compiled=False, why=f"compiled until it was interrupted; {_failure(error)}")
    return choice


def compile_network(model: nn.Module, again: bool = False) -> None:
    """From now on a network goes through torch.compile.

    What other networks left is dropped: torch keeps eight graphs of one and the same code, and would run the ninth
    without compiling it; so would the third design of a study. `again` keeps it, for a copy of the network before.
    """
    if not again:
        torch.compiler.reset()
    model.compile(backend=BACKEND)


@contextmanager
def compile_errors(is_compiled: bool) -> Iterator[None]:
    """What torch.compile may say of a training that goes through it, as one line.

    Raises:
        InputError: it cannot compile the network, or not on this machine.
    """
    if not is_compiled:
        yield
        return
    from torch._dynamo.exc import TorchDynamoException  # takes a second, and nobody else needs it

    try:
        yield
    except TorchDynamoException as error:
        raise InputError(f'recipe: compile: true: {_failure(error)}; take false, or "auto"') from None


def _seconds_of_a_step(rehearsal: Rehearsal, clock: Callable[[], float]) -> float:
    for _ in range(WARM_UP):
        rehearsal.step()
    took = []
    for _ in range(TIMED):
        began = clock()
        rehearsal.step()
        took.append(clock() - began)
    return median(took)


def _failure(error: Exception) -> str:
    lines = str(getattr(error, "inner_exception", error)).strip().splitlines()  # torch wraps what a compiler says
    return f"torch.compile fails here: {lines[0] if lines else type(error).__name__}"
