"""The search for what would bring a figure and a network together: one word of the design, another way to count.

The words of a design are changed one at a time, over the values that a designer would write, and every way of
counting or reading is tried beside each. What does with less of the same is dropped for it; the smallest change comes
first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from sunetlab.analysis.report import Report, analyze
from sunetlab.errors import InputError
from sunetlab.paper.claim import Change, Claim, Figure, Number, Quantity, Reading, Search
from sunetlab.paper.counts import COUNTS
from sunetlab.paper.judge import fits
from sunetlab.spec import SUNetSpec


class Target(NamedTuple):
    """A figure that a quantity of a network should come to."""

    figure: Figure
    quantity: Quantity


class Remedy(NamedTuple):
    """What reconciles.

    Attributes:
        words: the change of the design, and how targets are counted or read where not as usual.
        size: of the word's change, relative to its value, plus `UNUSUAL` for every figure not counted as usual.
        design: words of a design with their new values; empty where only the counting changes.
        counting: figures that are not counted as usual, each with the way; or the way that a claim is read.
        values: what each target then counts, or what is then computed.
    """

    words: str
    size: float
    design: dict[str, Any]
    counting: frozenset[str]
    values: tuple[Number, ...]


class Sought(NamedTuple):
    """What a search found.

    Attributes:
        remedies: everything that reconciles and could not do with less, the smallest change first.
        tried: designs that were tried; of a claim's own search, those that alter what is computed.
    """

    remedies: tuple[Remedy, ...]
    tried: int


NOTHING = Change("", 0.0, {})
CLASSES = (10, 19, 20, 21, 100, 200, 365, 1000, 1001, 21841)  # of the data sets that networks are trained on
LEAST_GRID = 8  # maps; nobody writes finer widths
UNUSUAL = 0.1  # what counting one figure otherwise than as usual weighs, beside a word changed by so much


def reconcile(targets: Sequence[Target]) -> Sought:
    """What brings all targets to their figures.

    Widths are tried in multiples of N, as Table 1 has them; in finer ones only where those do not help. A change of
    the design is made to the networks of all targets; the way to count is each target's own.
    """
    spec = targets[0].quantity.spec
    tried: set[SUNetSpec] = set()
    found: list[Remedy] = []
    for grid in grids(spec):
        for change in (NOTHING, *changes(spec, grid)):
            changed = _changed(spec, change.design)
            if changed is not None:
                tried.add(changed)
                found += _remedies(change, targets)
        if found:
            break
    return Sought(_needed(found), len(tried - {spec}))


def seek(claim: Claim, search: Search) -> Sought:
    """A change of one word of a design for which a claim holds as it stands, or as it may be read."""
    before = {reading.way: reading.values for reading in search.readings({})}
    tried: set[str] = set()
    found: list[Remedy] = []
    for list_changes in search.changes:
        for change in list_changes():
            try:
                readings = search.readings(change.design)
            except InputError:  # there is no such design
                continue
            if {reading.way: reading.values for reading in readings} != before:
                tried.add(repr(change.design))
                found += _holding(claim, change, readings)
        if found:
            break
    return Sought(_needed(found), len(tried))


def _holding(claim: Claim, change: Change, readings: Sequence[Reading]) -> Iterator[Remedy]:
    """The first reading for which a claim holds once its design is changed."""
    for unusual, reading in enumerate(readings):
        if fits(claim, reading) is not None:
            read = f"read as {reading.way}" if unusual else ""
            words = "; ".join(filter(None, (change.words, read)))
            size = change.size + UNUSUAL * bool(unusual)
            yield Remedy(words, size, change.design, frozenset({read} - {""}), reading.values)
            return


def grids(spec: SUNetSpec) -> list[int]:
    """Multiples of maps in which widths are tried: N, then finer and finer."""
    finer = [spec.n]
    while finer[-1] > LEAST_GRID:
        finer.append(max(finer[-1] // 2, LEAST_GRID))
    return finer


def _needed(found: Sequence[Remedy]) -> tuple[Remedy, ...]:
    """Those that could not do with less, the smallest change first."""
    needed = (remedy for remedy in found if not any(_does_with_less(other, remedy) for other in found))
    return tuple(sorted(needed, key=lambda remedy: remedy.size))


def _changed(spec: SUNetSpec, design: Mapping[str, Any]) -> SUNetSpec | None:
    """A network with some words changed, or None where there is no such network."""
    try:
        return spec.replace(**design)
    except InputError:
        return None


def _does_with_less(one: Remedy, other: Remedy) -> bool:
    """Whether `one` changes some of what `other` changes, and nothing else."""
    return (
        one is not other
        and one.design in ({}, other.design)
        and one.counting <= other.counting
        and (one.design, one.counting) != (other.design, other.counting)
    )


def _remedies(change: Change, targets: Sequence[Target]) -> Iterator[Remedy]:
    """What a change of the design and some way of counting reconcile."""
    fitting: list[list[tuple[str, int]]] = []
    for target in targets:
        fitting.append(_ways(target, change.design))
        if not fitting[-1]:
            return
    for ways in product(*fitting):
        said = {f"{target.figure.text} counted {way}" for target, (way, _) in zip(targets, ways, strict=True) if way}
        if said or change is not NOTHING:
            words = "; ".join(filter(None, (change.words, *sorted(said))))
            size = change.size + UNUSUAL * len(said)
            yield Remedy(words, size, change.design, frozenset(said), tuple(value for _, value in ways))


def _ways(target: Target, design: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Ways to count that give a target its figure once its network is changed, with what they count."""
    try:
        report = _report(target.quantity.spec.replace(**design))
    except InputError:  # no network has these words
        return []
    counted = {way: count(report) for way, count in COUNTS[target.quantity.of].items()}
    return [(way, value) for way, value in counted.items() if _fits(target.figure, value)]


def _fits(figure: Figure, value: int) -> bool:
    off = abs(value - figure.value)
    return off == 0 if figure.step == 1 else 2 * off <= figure.step


@cache
def _report(spec: SUNetSpec) -> Report:
    return analyze(spec)


def changes(spec: SUNetSpec, grid: int) -> Iterator[Change]:
    """Designs that differ from `spec` in one word, widths in multiples of `grid` maps."""
    yield from _per_block(spec, "widths", "width", lambda before: range(grid, 2 * before + 1, grid))
    yield from _per_block(spec, "stacks", "number of u-nets", lambda before: range(1, before + 4))
    yield from _per_block(spec, "depth", "depth", lambda _: range(1, 5))
    for word, values in _numbers(spec).items():
        before: int = getattr(spec, word)
        for value in values:
            if value != before:
                words = f"{word} {value} for {before}"
                yield from _kept_or_following(spec, words, abs(value / before - 1), word, value)
    if max(spec.dilations) > 1:
        yield from _per_block(spec, "dilations", "dilation", lambda _: (1, 2, 4, 8))
        if spec.downsampling != "strided":
            yield Change("strides in dilated blocks for multigrid", 1.0, {"downsampling": "strided"})
    for word, other in {"connectivity": "dense", "stem": "small", "degrid": True}.items():
        if getattr(spec, word) != other:
            yield Change(f"{word} {other}".replace("True", "on"), 1.0, {word: other})


def _numbers(spec: SUNetSpec) -> dict[str, Sequence[int]]:
    """Words of one number, and the values to try."""
    return {
        "n": range(spec.n // 2, 2 * spec.n + 1, 8),
        "stem_width": range(32, 257, 16),
        "num_classes": CLASSES,
        "in_channels": (1, 3, 4),
    }


def _per_block(spec: SUNetSpec, word: str, name: str, values: Callable[[int], Sequence[int]]) -> Iterator[Change]:
    """Changes of one block's entry of a word, to values that may depend on it."""
    entries = getattr(spec, word)
    for block, before in enumerate(entries):
        for value in values(before):
            if value != before:
                several = (*entries[:block], value, *entries[block + 1 :])
                words = f"block {block + 1}'s {name} {value} for {before}"
                yield from _kept_or_following(spec, words, abs(value / before - 1), word, several)


def _kept_or_following(spec: SUNetSpec, words: str, size: float, word: str, value: Any) -> Iterator[Change]:
    """A change with the widths as they are, and with widths that follow their rule where they then differ."""
    if word not in ("n", "stacks"):
        yield Change(words, size, {word: value})
        return
    yield Change(f"{words}, widths kept", size, {word: value, "widths": spec.widths})
    yield Change(f"{words}, widths by their rule", size, {word: value, "widths": "auto"})


def one_word(design: NamedTuple, values: Mapping[str, Iterable[int]]) -> Iterator[Change]:
    """Designs that differ in one word: for each word that is varied the values to try."""
    for word, several in values.items():
        before: int = getattr(design, word)
        for value in several:
            if value != before:
                yield Change(f"{word} {value} for {before}".replace("_", " "), abs(value / before - 1), {word: value})
