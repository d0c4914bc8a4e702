"""Survivors of a filter one by one: all of them, or some drawn at random, with the levels that they stand for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sunetlab.analysis.plan import Size
from sunetlab.errors import InputError
from sunetlab.space.arrays.designs import Ints
from sunetlab.space.arrays.quantities import known
from sunetlab.space.arrays.view import PLAIN, Training
from sunetlab.space.factors import level_name
from sunetlab.space.screen import Funnel, Screen, Watch
from sunetlab.space.space import Space
from sunetlab.space.tallies import Sample, Spread
from sunetlab.space.where import Where, parse_where
from sunetlab.spec import SUNetSpec

MOST = 100_000  # designs that are wanted one by one


class Design(NamedTuple):
    """One network of a space, and the level of each factor that it stands for."""

    levels: dict[str, Any]
    spec: SUNetSpec


class Stratum(NamedTuple):
    """Survivors whose cost is from `low` to `high`: how many there are."""

    low: float
    high: float
    designs: int


class Drawn(NamedTuple):
    """A sample: the designs' numbers, where they were drawn from, and how many there were of each stratum."""

    numbers: Ints
    funnel: Funnel
    strata: tuple[Stratum, ...]


def where_of(space: Space, text: str | None) -> Where | None:
    """A filter for a space.

    Raises:
        InputError: it cannot be read.
    """
    return parse_where(text, known(max(len(part.frame.dilations) for part in space.parts))) if text else None


def everything(space: Space, where: Where | None, training: Training = PLAIN, most: int = MOST) -> Ints:
    """The numbers of all survivors, ascending.

    Raises:
        InputError: none is left, or more than `most`.
    """
    screen, found = Screen(space, where, (), training), []
    for survivors in screen.run():
        found.append(survivors.numbers)
        if screen.funnel.survivors > most:
            raise InputError(f"factors: more than {most:,} designs are left; bound them, or draw some at random")
    if not found:
        raise InputError(nothing_left(screen.funnel))
    return np.sort(np.concatenate(found))


def drawn(
    space: Space,
    where: Where | None,
    count: int,
    seed: int,
    by: str | None = None,
    strata: int = 1,
    training: Training = PLAIN,
    watch: Watch | None = None,
) -> Drawn:
    """Designs drawn uniformly and without replacement from the survivors, all where there are fewer.

    Args:
        space: the designs.
        where: the bounds.
        count: how many.
        seed: of the draw; a larger draw with the same seed holds a smaller one.
        by: a quantity whose range, on a logarithmic scale, is cut into `strata` equal ones; `count` is shared out
            over them, the first ones larger by one where it does not divide.
        strata: how many of them.
        training: for activations and memory.
        watch: is told how far it is.

    Raises:
        InputError: no design is left.
    """
    edges: Sequence[float] = ()
    if by is not None:
        spread = Spread(by)
        for survivors in Screen(space, where, (by,), training).run(watch):
            spread.take(survivors)
        edges = np.geomspace(max(spread.least, 1), max(spread.most, 1), strata + 1).tolist()
    counts = [count // strata + (index < count % strata) for index in range(strata)] if by else [count]
    sample = Sample(counts, seed, by or "", edges)
    screen = Screen(space, where, (by,) if by else (), training)
    for survivors in screen.run(watch):
        sample.take(survivors)
    if not screen.funnel.survivors:
        raise InputError(nothing_left(screen.funnel))
    bounds = zip(edges, edges[1:], sample.seen, strict=False)
    return Drawn(sample.numbers, screen.funnel, tuple(Stratum(low, high, seen) for low, high, seen in bounds))


def design(space: Space, number: int) -> Design:
    """One design of a space by its number."""
    return Design(space.levels_of(number), space.spec(number))


def listed(
    network: Mapping[str, Any],
    arms: Sequence[Mapping[str, Any]],
    size: Size | None,
    bounds: str | None = None,
    training: Training = PLAIN,
) -> tuple[Design, ...]:
    """Designs that are said one by one: what all share, and what each has for itself.

    Raises:
        InputError: an arm that is no network, or the same one as another; a bound that one does not keep.
    """
    found: dict[SUNetSpec, Design] = {}
    names = dict.fromkeys(word for arm in arms for word in arm)
    for index, arm in enumerate(arms):
        try:
            space = Space({**network, **arm}, {}, size)
            screen = Screen(space, where_of(space, bounds), (), training)
            if not any(True for _ in screen.run()):
                raise InputError(nothing_left(screen.funnel).removeprefix("factors: "))
        except InputError as error:
            raise InputError(f"arms.{index}: {error}") from None
        spec = space.spec(0)
        if spec in found:
            raise InputError(f"arms.{index}: the same network as an earlier arm")
        found[spec] = Design(levels_said(names, arm, spec), spec)
    return tuple(found.values())


def levels_said(names: Iterable[str], said: Mapping[str, Any], spec: SUNetSpec) -> dict[str, Any]:
    """The level of each word: as it is said, or where it is not as the network has it."""
    made = spec.words()
    return {
        name: level_name(said[name] if name in said else made.get(name, getattr(spec, name, None))) for name in names
    }


def arm_words(found: Design) -> dict[str, Any]:
    """A design's levels as words of a network, for a list of arms."""
    words = found.spec.words()

    def word(name: str, level: Any) -> Any:
        if name in ("stacks", "dilations"):
            return list(getattr(found.spec, name))
        if name == "widths" and "," in str(level):
            return list(found.spec.widths)
        return words.get("depth", level) if name == "depth" else level

    return {name: word(name, level) for name, level in found.levels.items()}


def nothing_left(funnel: Funnel) -> str:
    """Why no design is left."""
    line = f"factors: no design is left of {funnel.combinations:,}"
    if funnel.possible:
        before = [funnel.possible, *funnel.kept]
        index = next(i for i, kept in enumerate(funnel.kept) if not kept)
        return f"{line}: where: {funnel.bounds[index]}: keeps none of {before[index]:,}"
    reason, count = funnel.impossible.most_common(1)[0]
    return f"{line}: {count:,} refused by {reason}"
